"""A hook with a hand-made compiler: entries are the frame's own code with one constant changed."""

from __future__ import annotations

import ctypes
import dis
import sys
import types

import pytest
import torch
from torch._C._dynamo import eval_frame as c
from torch._C._dynamo.guards import RootGuardManager

from tracer.compat import evalframe as ef
from tracer.runtime.answers import Entry, Skip
from tracer.runtime.hook import FrameHook


def equals(name, value):
    """Guards that pass when the local `name` equals `value`."""
    root = RootGuardManager()
    root.add_lambda_guard(lambda values: values[name] == value, [f"{name} == {value!r}"], None)
    return root


def changed(code, old, new):
    """`code` with one constant in place of another: among its constants, or, since CPython 3.14, a small integer in an instruction."""
    raw, small = bytearray(code.co_code), dis.opmap.get("LOAD_SMALL_INT")
    for offset in range(0, len(raw), 2):
        if raw[offset] == small and type(old) is int and raw[offset + 1] == old:
            raw[offset + 1] = new
    consts = tuple(new if type(k) is type(old) and k == old else k for k in code.co_consts)
    return code.replace(co_code=bytes(raw), co_consts=consts)


class Compiler:
    """Compiles frames named in `names`: the constant 1 becomes `constant`; guarded by the value of local x."""

    def __init__(self, names=("f",), constant=100, guard=True):
        self.names, self.constant, self.guard = names, constant, guard
        self.seen, self.compiled, self.faults, self.skips = [], [], [], []
        self.before = None  # called with the frame, inside compile
        self.hook = FrameHook(self.compile, on_fault=self.fault, on_skip=self.skip)

    def compile(self, frame):
        code = frame.f_code
        self.seen.append(code.co_name)
        if code.co_name not in self.names:
            return Skip("not asked for", lasting=True)
        if self.before is not None:
            self.before(frame)
        value = frame.f_locals.get("x")
        self.compiled.append((code.co_name, value))
        entry = changed(code, 1, self.constant)
        return Entry(entry, equals("x", value) if self.guard else RootGuardManager())

    def fault(self, frame, error):
        self.faults.append(error)

    def skip(self, code, skip):
        self.skips.append((code.co_name, skip.reason))

    def run(self, function, *args):
        return self.hook.run(function, *args)


def total(code):
    """Entries of anybody on `code`, freed ones included."""
    return len(c._debug_get_cache_entry_list(code))


_current = ctypes.pythonapi.PyInterpreterState_Get
_current.restype = ctypes.c_void_p
_evaluator = ctypes.pythonapi._PyInterpreterState_GetEvalFrameFunc
_evaluator.restype, _evaluator.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
_default = ctypes.cast(ctypes.pythonapi._PyEval_EvalFrameDefault, ctypes.c_void_p).value


def is_slow():
    """Whether the interpreter still sends every call through torch."""
    return _evaluator(_current()) != _default


def take_back():
    """Undo what torch forgets when its own callback raises (a stance's does): one thread less has a hook.

    Under a callback that asks for RUN_ONLY below the frame, the frame has the hook `False`, which C++ put there without
    counting; taking that away counts, and so does taking away the callback, which was counted once.
    """

    class Result:
        frame_exec_strategy = c._FrameExecStrategy(c._FrameAction.DEFAULT, c._FrameAction.RUN_ONLY)
        apply_to_code, guarded_code, skip_reason = False, None, None

    c.set_eval_frame(lambda frame, entry, state: Result)
    (lambda: c.set_eval_frame(None))()
    c.set_eval_frame(None)


@pytest.fixture(params=["own region", "one region"])
def regions(request, monkeypatch):
    """Before torch 2.13 there are no regions: everybody's entries and skips meet. 2.13 does the same in its region -1."""
    if request.param == "one region":
        monkeypatch.setattr(ef, "ISOLATED", False)
        monkeypatch.setattr(ef, "set_region", lambda region: -1)
        monkeypatch.setattr(ef, "current_region", lambda: -1)


@pytest.fixture
def torch_raises():
    """For tests in which torch.compile's own callback raises."""
    yield
    while is_slow():
        take_back()


def fresh_function(text="def f(x):\n    return x + 1\n", name="f", module="program"):
    """A function with a code object of its own; torch.compile finds no source, and needs none. It may import the module of a
    function that another one calls: then that is a module of its own, which stays."""
    space = {"torch": torch, "__name__": module}
    if module != "program":
        sys.modules[module] = types.ModuleType(module)
        vars(sys.modules[module]).update(space)
        space = vars(sys.modules[module])
    exec(compile(text, "<program>", "exec"), space)
    return space[name]


@pytest.fixture
def f():
    return fresh_function()


@pytest.fixture(autouse=True)
def nothing_left():
    """No test leaves a hook, a region or the slow path behind."""
    before = c.get_eval_frame_isolate_recompiles_id() if hasattr(c, "get_eval_frame_isolate_recompiles_id") else -1
    while is_slow():  # an error that left torch.compile in another test of this process leaves torch's slow path on for good
        take_back()
    yield
    if not ef.ISOLATED:
        torch._dynamo.reset()  # without regions its entries count against the limit of the next test's
    assert c.get_eval_frame_callback() is None
    if hasattr(c, "get_eval_frame_isolate_recompiles_id"):
        assert c.get_eval_frame_isolate_recompiles_id() == before
    assert not is_slow()


@pytest.fixture
def tools():
    return types.SimpleNamespace(
        Compiler=Compiler, equals=equals, changed=changed, total=total, is_slow=is_slow, fresh_function=fresh_function
    )
