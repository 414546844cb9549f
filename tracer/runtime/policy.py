"""Which frames are roots: an ordered table of named rules, the first that applies answers.

In: a frame as torch's hook shows it, and what the session knows. Out: Root, or Skip with a reason that a person can
read. A rule that looks at the code object alone gives a *lasting* answer: it is found once per code object. Nothing
here runs the program's code: types are compared, class attributes are read from the dictionaries of the MRO.
"""

from __future__ import annotations

import itertools
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from ..codegen.resume import is_resume
from ..compat import marks, stances
from ..compat.memo import under_transforms
from ..compat.wrappers import wrapper_code
from ..libraries import OURS, PYTHON, TORCH, whose
from .answers import Root, Skip
from .codes import CodeMap
from .hook import FrameHook

__all__ = ["RULES", "Facts", "Policy", "Rule", "makes_named_tuple", "takes_tensors"]

Frame = Any
_CO_OPTIMIZED, _CO_VARARGS, _CO_VARKEYWORDS = 0x1, 0x4, 0x8
_CO_SUSPENDS = 0x20 | 0x80 | 0x200  # generator, coroutine, asynchronous generator


class Facts:
    """What a session knows that rules ask for.

    targets:   code objects of functions given to `run`, which are always roots
    is_resume: whether code is that of a resume function
    recurrent: whether torch's recurrent modules are captured
    """

    def __init__(self, is_resume: Callable[[types.CodeType], bool] = is_resume, recurrent: bool = False):
        self.targets: CodeMap[bool] = CodeMap()
        self.is_resume = is_resume
        self.recurrent = recurrent


class Rule(NamedTuple):
    """One row. `applies(code, facts)` for rules about code, `applies(frame, facts)` for the others."""

    name: str
    applies: Callable[[Any, Facts], bool]
    root: bool
    why: str
    about_code: bool = False


# --- files ------------------------------------------------------------------------------------------------------------


_OPTIM = os.path.join(os.path.dirname(torch.optim.__file__), "")
_SHELL = tuple(
    f"{os.sep}{name}{os.sep}"
    for name in ("IPython", "ipykernel", "traitlets", "jupyter_client", "ipywidgets", "anywidget", "zmq", "tornado")
)


def _in_torch(code: types.CodeType, _: Facts) -> bool:
    return whose(code.co_filename) == TORCH


def _in_tracer(code: types.CodeType, _: Facts) -> bool:
    return whose(code.co_filename) == OURS


def _in_stdlib(code: types.CodeType, _: Facts) -> bool:
    return whose(code.co_filename) == PYTHON


def _in_shell(code: types.CodeType, _: Facts) -> bool:
    return any(part in code.co_filename for part in _SHELL)


# --- kinds of code ----------------------------------------------------------------------------------------------------


def _is_resume(code: types.CodeType, facts: Facts) -> bool:
    return facts.is_resume(code)


def _suspends(code: types.CodeType, _: Facts) -> bool:
    return bool(code.co_flags & _CO_SUSPENDS)


def _is_body(code: types.CodeType, _: Facts) -> bool:
    return not code.co_flags & _CO_OPTIMIZED


def _is_wrapper(code: types.CodeType, _: Facts) -> bool:
    return code is wrapper_code()


def _sets_stance(code: types.CodeType, _: Facts) -> bool:
    return code is stances.setting_code()


def _is_finalizer(code: types.CodeType, _: Facts) -> bool:
    return code.co_name == "__del__"


_DISPATCHER = torch.nn.Module._wrapped_call_impl.__code__
_CALL_IMPL = torch.nn.Module._call_impl.__code__
_CALLBACK = FrameHook.__call__.__code__
_STEPS = ("step", "_use_grad", "wrapper")  # an optimizer's step, and the two functions that torch wraps around it


def _dispatches(code: types.CodeType, _: Facts) -> bool:
    return code is _DISPATCHER


def _in_torch_for_good(code: types.CodeType, facts: Facts) -> bool:
    """All of torch but what may be a module's forward or an optimizer's step, which depends on the first argument."""
    if code.co_name in ("forward", "_call_impl") or (code.co_name in _STEPS and code.co_filename.startswith(_OPTIM)):
        return False
    return _in_torch(code, facts)


# --- frames: what the arguments are -----------------------------------------------------------------------------------


def _arguments(frame: Frame) -> Iterator[Any]:
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    for name in code.co_varnames[:count]:
        yield values.get(name)
    for flag in (_CO_VARARGS, _CO_VARKEYWORDS):
        if code.co_flags & flag:
            yield values.get(code.co_varnames[count])
            count += 1


def _receiver(frame: Frame) -> Any:
    """The first positional argument, also where it arrives through `*args`."""
    code = frame.f_code
    if code.co_argcount:
        return frame.f_locals.get(code.co_varnames[0])
    if code.co_flags & _CO_VARARGS:
        rest = frame.f_locals.get(code.co_varnames[code.co_kwonlyargcount])
        return rest[0] if rest else None
    return None


def _is(value: Any, kind: type) -> bool:
    return issubclass(type(value), kind)


def _class_attribute(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def _is_constructor(frame: Frame, _: Facts) -> bool:
    return frame.f_code.co_name in ("__init__", "__new__", "__init_subclass__") and (
        _is(_receiver(frame), torch.nn.Module)
        or (isinstance(_receiver(frame), type) and issubclass(_receiver(frame), torch.nn.Module))
    )


def makes_named_tuple(frame: Frame, _: Facts | None = None) -> bool:
    """The constructor that `collections.namedtuple` wrote, whose text is `<string>`."""
    cls = _receiver(frame)
    if not _is(cls, type) or tuple not in type.__dict__["__mro__"].__get__(cls):
        return False
    made = _class_attribute(cls, "__new__")
    return isinstance(made, staticmethod) and getattr(made.__func__, "__code__", None) is frame.f_code and _class_attribute(cls, "_fields") is not None


_GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)
_OWN_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def has_hooks(module: torch.nn.Module) -> bool:
    """Whether calling `module` runs more than its forward."""
    own, common = object.__getattribute__(module, "__dict__"), vars(torch.nn.modules.module)
    return any(own.get(name) for name in _OWN_HOOKS) or any(common.get(name) for name in _GLOBAL_HOOKS)


def _hooked_call(frame: Frame, _: Facts) -> bool:
    return frame.f_code is _CALL_IMPL and _is(_receiver(frame), torch.nn.Module) and has_hooks(_receiver(frame))


def _first_call(frame: Frame, _: Facts) -> bool:
    """The first call of a lazy module, which makes its parameters and becomes another class: who calls it stops there."""
    module = _receiver(frame) if frame.f_code is _CALL_IMPL else None
    lazy = torch.nn.modules.lazy.LazyModuleMixin
    return _is(module, lazy) and bool(lazy.has_uninitialized_params(module))  # type: ignore[arg-type]


def _plain_call(frame: Frame, _: Facts) -> bool:
    return frame.f_code is _CALL_IMPL


def _is_forward(frame: Frame, _: Facts) -> bool:
    module = _receiver(frame)
    if not _is(module, torch.nn.Module):
        return False
    for forward in (object.__getattribute__(module, "__dict__").get("forward"), _class_attribute(type(module), "forward")):
        forward = getattr(forward, "__func__", forward)
        if isinstance(forward, types.FunctionType) and forward.__code__ is frame.f_code:
            return True
    return False


def _is_recurrent(frame: Frame, facts: Facts) -> bool:
    """torch's own forward of an RNN, GRU or LSTM: whoever calls one stops there, so that its kernel runs as it is."""
    return not facts.recurrent and _in_torch(frame.f_code, facts) and _is(_receiver(frame), torch.nn.RNNBase) and _is_forward(frame, facts)


def _is_step(frame: Frame, _: Facts) -> bool:
    code = frame.f_code
    if code.co_name != "step" and not (code.co_name in _STEPS and code.co_filename.startswith(_OPTIM)):
        return False
    return _is(_receiver(frame), torch.optim.Optimizer)


# --- frames: the rest -------------------------------------------------------------------------------------------------


def _under_transform(_frame: Frame, _: Facts) -> bool:
    """While `vmap` or `grad` call a function: its tensors are wrapped, and stand for no inputs of a graph."""
    return under_transforms()


def _is_target(frame: Frame, facts: Facts) -> bool:
    return frame.f_code in facts.targets


def _disabled_here(frame: Frame, _: Facts) -> bool:
    """Called by the wrapper of torch.compiler.disable(recursive=False); the recursive one turns the hook off itself."""
    wrapper = marks.nonrecursive_disable_code()
    if wrapper is None:
        return False
    at: types.FrameType | None = sys._getframe(1)
    while at is not None and at.f_code is not _CALLBACK:
        at = at.f_back
    return at is not None and at.f_back is not None and at.f_back.f_code is wrapper


def _of_torch(frame: Frame, facts: Facts) -> bool:
    return _in_torch(frame.f_code, facts)


_CONTAINERS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (dict, lambda value: iter(dict.values(value))),
)
_LOOK = 16  # items of a container that are looked at


def _holds_tensor(value: Any, depth: int = 2) -> bool:
    if _is(value, torch.Tensor) or _is(value, torch.nn.Module):
        return True
    for kind, items in _CONTAINERS:
        if depth and _is(value, kind):
            return any(_holds_tensor(item, depth - 1) for item in itertools.islice(items(value), _LOOK))
    return False


def _takes_tensor(frame: Frame, _: Facts) -> bool:
    return any(_holds_tensor(value) for value in _arguments(frame))


def takes_tensors(frame: Frame) -> bool:
    """Whether a frame has tensors or modules among its arguments, or goes on behind a break."""
    return is_resume(frame.f_code) or _takes_tensor(frame, Facts())


def _names_torch(frame: Frame, _: Facts) -> bool:
    names = frame.f_globals
    for name in frame.f_code.co_names:
        value = names.get(name)
        if value is None:
            continue
        kind = type(value)
        if kind is types.ModuleType:
            home = value.__dict__.get("__name__")
        elif kind in (types.FunctionType, types.BuiltinFunctionType):
            home = value.__module__
        else:
            home = type.__getattribute__(value if _is(value, type) else kind, "__module__")
        if type(home) is str and (home == "torch" or home.startswith("torch.")):
            return True
    return False


# --- the table --------------------------------------------------------------------------------------------------------

RULES: tuple[Rule, ...] = (
    Rule("transform", _under_transform, False, "runs under torch.func, whose tensors are no inputs of a graph"),
    Rule("resume function", _is_resume, True, "goes on behind a graph break", True),
    Rule("tracer", _in_tracer, False, "belongs to tracer", True),
    Rule(
        "generator", _suspends, False, "generator and coroutine frames run as they are; what they call is traced", True
    ),
    Rule("body", _is_body, False, "module and class bodies run as Python; what they call is traced", True),
    Rule("finalizer", _is_finalizer, False, "finalizers are not traced", True),
    Rule("torch.compile", _is_wrapper, True, "is torch.compile's wrapper: what it wraps is traced", True),
    Rule("stance", _sets_stance, True, "sets torch's stance: what it asks for holds from here on", True),
    Rule("run target", _is_target, True, "was given to run"),
    Rule("module dispatch", _dispatches, False, "dispatches a module's call; what it calls is traced", True),
    Rule("shell", _in_shell, False, "belongs to the notebook's machinery", True),
    Rule("stdlib", _in_stdlib, False, "belongs to Python's standard library", True),
    Rule("torch", _in_torch_for_good, False, "belongs to torch", True),
    Rule("constructor", _is_constructor, False, "constructors of modules run as Python"),
    Rule("named tuple", makes_named_tuple, False, "is the constructor of a named tuple"),
    Rule("disabled", _disabled_here, False, "disabled by torch.compiler.disable(recursive=False)"),
    Rule("first call of a lazy module", _first_call, False, "gives a lazy module its parameters, once"),
    Rule("module call with hooks", _hooked_call, True, "calls a module that has hooks"),
    Rule("module call", _plain_call, False, "calls a module without hooks; its forward is traced"),
    Rule("recurrent module", _is_recurrent, False, "is the forward of a recurrent module, which has a kernel of its own"),
    Rule("module forward", _is_forward, True, "is a module's forward"),
    Rule("optimizer step", _is_step, True, "is an optimizer's step"),
    Rule("torch", _of_torch, False, "belongs to torch"),
    Rule("tensor argument", _takes_tensor, True, "has a tensor or a module among its arguments"),
    Rule("names torch", _names_torch, True, "refers to torch"),
)
_OTHERWISE = Skip("has no tensor or module among its arguments, and doesn't refer to torch", rule="otherwise")


class Policy:
    """The table applied for one session. `rules` may be another table of the same shape."""

    def __init__(self, facts: Facts, rules: tuple[Rule, ...] = RULES):
        self.facts = facts
        self._rules = rules
        self._of_code: CodeMap[tuple[int, Root | Skip | None]] = CodeMap()

    def decide(self, frame: Frame) -> Root | Skip:
        """Root or Skip(why) for one frame.

        The rules about code are asked once per code object; what is kept is the first of them that applies, and the
        rules about frames that come before it are asked each time.
        """
        code = frame.f_code
        known = self._of_code.get(code)
        if known is None:
            known = self._of_code[code] = self._about_code(code)
        limit, answer = known
        for rule in self._rules[:limit]:
            if not rule.about_code and rule.applies(frame, self.facts):
                return _answer(rule)
        return answer if answer is not None else _OTHERWISE

    def _about_code(self, code: types.CodeType) -> tuple[int, Root | Skip | None]:
        for index, rule in enumerate(self._rules):
            if rule.about_code and rule.applies(code, self.facts):
                return index, _answer(rule, not rule.root)
        return len(self._rules), None


def _answer(rule: Rule, lasting: bool = False) -> Root | Skip:
    return Root(rule.name) if rule.root else Skip(rule.why, lasting, rule.name)
