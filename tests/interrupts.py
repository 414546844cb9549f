"""Interrupts programs while they are compiled and run, and says what of it is left behind in the process.

    python -m tests.interrupts [--runs 3000] [--seed 0] [--how timer|steps|thrown|both] [--names PROGRAM …]

timer: a signal at a random moment. steps: one at a random one of all places where CPython looks for signals in our
code and in torch's that we call (the first instruction of a function, behind a call, at a jump backwards): it finds windows of a few
instructions that a timer meets once in a million. both: these two in turn. thrown: an exception at such a place, also where a signal would
wait (`tracer/handlers.py`): a second Ctrl-C, or one that another thread throws; not in what C++ of torch calls, where it would end the process, and only
in our code: torch's managers of its modes, cut in their middle, raise errors of their own. What a timer cuts there is left out too, as plain Python
leaves the same. After each interrupt everything that a trace touches must be as before, and the same
program must run and be captured as if nothing had been.
"""

from __future__ import annotations

import _thread
import argparse
import dis
import gc
import logging
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch

import tracer
from tests.differential import world_state
from tracer.compat import evalframe as ef
from tracer.compat import stacks
from tracer.compat.fakes import WatchedFakeMode
from tracer.graph.fakes import _watched, hushed
from tracer.runtime.hook import FrameHook

__all__ = ["PROGRAMS", "Report", "interrupted"]

#: Each defines `f`, called with (tensor, number). A fresh code object for each run.
PROGRAMS: dict[str, str] = {
    "plain": "def f(x, n):\n y = x * n + 1\n return y + 1 if n > 2 else y.sin()\n",
    "break": "def f(x, n):\n y = x * n\n print(end='')\n return y + 1 if y.sum() > 0 else y\n",
    "modes": "def f(x, n):\n with torch.no_grad(), torch.autocast('cpu'):\n  y = x @ x.t()\n  print(end='')\n  z = y * n\n return z.cos()\n",
    "inference": "def f(x, n):\n with torch.inference_mode():\n  return (x * n).relu()\n",
    "inlined": "def g(x, n):\n try:\n  return x / n\n finally:\n  seen.append(n)\ndef f(x, n):\n return sum(g(x, k) for k in range(1, n + 1))\n",
    "branches": "def f(x, n):\n return torch.cond(x.sum() > 0, lambda a: a.sin(), lambda a: a.cos(), (x,)) * n\n",
    "symbols": "def f(x, n):\n return x.reshape(-1, 1).expand(-1, x.shape[0]) + torch.zeros(x.shape[0] * x.shape[1], 1)\n",
    "levels": "def f(x, n):\n k = torch.ones(3)\n return torch.vmap(lambda v: (v * n).sin() + h(k))(x).sum()\ndef h(k):\n return k.cos() * 2\n",
    "fails": "def f(x, n):\n try:\n  return x.view(7, 7) * n\n except RuntimeError:\n  return x + n\n",
}


#: What torch.fx puts wrappers in the place of while it traces, as it does for bodies of operators: an interrupt may leave them.
_PATCHED = ("__call__", "__getattr__")


class Interrupted(KeyboardInterrupt):
    """Ours, to be told from somebody at the keyboard."""


@dataclass
class Report:
    runs: int = 0
    interrupts: int = 0
    torchs: int = 0  # in a manager of torch's that the program entered or left: not counted among the interrupts
    left: Counter[str] = field(default_factory=Counter)  # what was left behind → how often
    where: dict[str, str] = field(default_factory=dict)  # what was left → an example

    def text(self) -> str:
        lines = [f"{self.runs} runs, {self.interrupts} interrupts, {self.torchs} inside torch's managers, {sum(self.left.values())} times something was left"]
        return "\n".join(lines + [f"  {count} × {what}   e.g. {self.where[what]}" for what, count in self.left.most_common()])


def _state() -> dict[str, Any]:
    hook = ef.set_eval_frame(None)
    ef.set_eval_frame(hook)
    config = torch._dynamo.config.__dict__ if "torch._dynamo.config" in sys.modules else {}
    return {
        **{name: value for name, value in world_state().items() if "RNG" not in name},
        "tracing context": getattr(torch._guards._TLS, "tracing_context", None),
        "compile context": getattr(torch._guards._TLS, "compile_context", None),
        "dispatch keys": stacks.keys(),
        "hooks on saved tensors": len(stacks.tensor_hooks()),
        "lifting": torch._C._only_lift_cpu_tensors(),
        "transforms": torch._C._functorch.get_dynamic_layer_stack_depth(),
        "autocast depth": torch.autocast_increment_nesting() - 1 + 0 * torch.autocast_decrement_nesting(),
        "hushed": hushed.on,
        "frame hook": hook,
        "region": ef.current_region(),
        "a lock of logging": bool(getattr(logging, "_lock", None) and logging._lock._is_owned()),
        "levels of loggers": logging.getLogger("torch._subclasses.fake_tensor").level,
        "settings in plain sight": [name for name in config if name.endswith("dict_tags_check")],
        "threads": threading.active_count(),
        "callbacks of the collector": len(gc.callbacks),
        "methods of nn.Module": tuple(getattr(torch.nn.Module, name) for name in _PATCHED),
    }


def _held(session: Any) -> list[str]:
    hook, found = session.hook, []
    if hook._lock._is_owned():
        found.append("the session's lock")
    for name, value in (
        ("activations", hook._runs), ("errors that wait", hook._pending), ("frames", session._frame_stack),
        ("calls that have begun", session.keeper.begun), ("an attempt", session.traced), ("depth of calls", session._depth),
    ):  # fmt: skip
        if value:
            found.append(name)
    return found


class Timer:
    """An interrupt after a random time."""

    def __init__(self, chance: random.Random):
        self.chance = chance

    def run(self, program: Callable[[], Any]) -> str:
        def handler(_number: int, frame: FrameType | None) -> None:
            raise Interrupted(f"{frame.f_code.co_qualname}:{frame.f_lineno}" if frame is not None else "?")

        before = signal.signal(signal.SIGALRM, handler)
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + self.chance.random() * 0.05)
                program()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            return ""
        except KeyboardInterrupt as error:
            return _TORCHS if _in_a_manager(error) else str(error) or "?"
        except Exception as error:
            if isinstance(error.__context__, Interrupted) and _in_a_manager(error):
                return _TORCHS
            raise
        finally:
            signal.signal(signal.SIGALRM, before)


_TORCHS = "a manager of torch's"


def _in_a_manager(error: BaseException) -> bool:
    """Whether `error` comes out of torch's `__enter__` or `__exit__`, with nothing of ours inside: the same leaves them in plain Python, which has
    torch's assertion in an interrupt's place too (one in a hundred that come in a loop of `torch.vmap`)."""
    found, at = False, error.__traceback__
    while at is not None:
        code, at = at.tb_frame.f_code, at.tb_next
        ours = "/tracer/" in code.co_filename
        found = not ours and (found or code.co_name in ("__enter__", "__exit__") and ("/torch/" in code.co_filename or code.co_filename.endswith("/contextlib.py")))
    return found


_CALLS = frozenset(code for name, code in dis.opmap.items() if name.startswith(("CALL", "JUMP_BACKWARD")) and "INTERRUPT" not in name)
_RESUME = dis.opmap["RESUME"]
_FILES = ("/tracer/", "/contextlib.py", "/_guards.py", "/_python_dispatch.py")
_NAMES = frozenset({"__enter__", "__exit__", "in_kernel_invocation_manager", "unset_fake_temporarily"})


class Steps:
    """A signal, or an exception, at a random one of the places where CPython looks for signals."""

    def __init__(self, chance: random.Random, thrown: bool = False):
        self.chance, self.thrown, self.counts, self._interesting, self._steps = chance, thrown, {}, {}, {}
        self.left, self.place = 0, ""

    def run(self, program: Callable[[], Any], key: str = "") -> str:
        if key not in self.counts:
            self.left = -1
            self._traced(program)
            self.counts[key] = -1 - self.left
            return ""
        self.left = self.chance.randrange(self.counts[key])
        before = signal.signal(signal.SIGALRM, self._raise)
        try:
            self._traced(program)
            return ""
        except KeyboardInterrupt:  # one that came while C++ checked guards comes once more, as Python's own
            return self.place
        finally:
            signal.signal(signal.SIGALRM, before)

    def _traced(self, program: Callable[[], Any]) -> None:
        sys.settrace(self._called)
        try:
            program()
        finally:
            sys.settrace(None)

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        raise Interrupted(self.place)

    def _here(self, frame: FrameType) -> None:
        self.left -= 1
        if self.left == -1:
            if self.thrown and (_called_by_torch(frame) or "/tracer/" not in frame.f_code.co_filename) or _asked_about_a_manager(frame):
                self.left = 0  # the next place will do
                return
            self.place = f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_code.co_qualname}:{frame.f_lineno} +{frame.f_lasti}{' for '.join(['', *(code.co_qualname for code in _asked(frame))])}"
            if self.thrown:
                raise Interrupted(self.place)
            signal.raise_signal(signal.SIGALRM)

    def _called(self, frame: FrameType, event: str, _arg: Any) -> Any:
        code = frame.f_code
        if not self._is_ours(code):
            return None
        steps, last = self._steps_of(code), -1
        if code.co_code[steps.index(_RESUME) * 2 + 1] < 2:  # else it is entered without a look
            self._here(frame)
        frame.f_trace_lines, frame.f_trace_opcodes = False, True

        def step(frame: FrameType, event: str, _arg: Any) -> Any:
            nonlocal last
            if event == "opcode":
                behind, last = last, frame.f_lasti
                if behind >= 0 and steps[behind >> 1] in _CALLS:
                    self._here(frame)
            return step

        return step

    def _steps_of(self, code: CodeType) -> bytes:
        found = self._steps.get(code)
        if found is None:
            found = self._steps[code] = code.co_code[::2]
        return found

    def _is_ours(self, code: CodeType) -> bool:
        found = self._interesting.get(code)
        if found is None:
            name = code.co_filename
            found = any(part in name for part in _FILES) or name.endswith("fake_tensor.py") and code.co_name in _NAMES
            self._interesting[code] = found
        return found


def _asked(frame: FrameType | None) -> list[CodeType]:
    """About whose call our hook is asked, if it is, and the functions of torch that made this call, the innermost first. The frame that is asked
    about isn't on the stack yet."""
    found = []
    while frame is not None and "/tracer/" in frame.f_code.co_filename:
        if frame.f_code is FrameHook.__call__.__code__:
            found = [frame.f_locals["frame"].f_code]
        frame = frame.f_back
    while frame is not None and "/torch/" in frame.f_code.co_filename:
        found.append(frame.f_code)
        frame = frame.f_back
    return found


def _asked_about_a_manager(frame: FrameType) -> bool:
    """Whether our hook is asked about `__enter__` or `__exit__` of torch's that the program calls, or about what these call: what an interrupt there
    leaves it leaves in plain Python too."""
    return any(code.co_name in ("__enter__", "__exit__") and "/torch/" in code.co_filename for code in _asked(frame))


def _called_by_torch(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not _watched.__code__:
        if frame.f_code is WatchedFakeMode.dispatch.__code__:
            return True
        frame = frame.f_back
    return False


def _once(name: str, calls: int = 2) -> tuple[Any, Callable[[], Any]]:
    names: dict[str, Any] = {"torch": torch, "seen": []}
    exec(PROGRAMS[name], names)
    compiled = tracer.compile(names["f"], backend="eager")
    inputs = [(torch.ones(2, 3, requires_grad=True), 2), (torch.ones(4, 3), 3)][:calls]

    def program() -> Any:
        return [compiled(*given) for given in inputs]

    return compiled, program


def interrupted(runs: int, how: str = "both", seed: int = 0, names: Any = PROGRAMS) -> Report:
    """`runs` interrupted programs, and what they left."""
    chance, report = random.Random(seed), Report()
    ways = {"timer": [Timer(chance)], "steps": [Steps(chance)], "thrown": [Steps(chance, thrown=True)], "both": [Timer(chance), Steps(chance)]}[how]
    expected = {}
    for name in names:
        names_of: dict[str, Any] = {"torch": torch, "seen": []}
        exec(PROGRAMS[name], names_of)
        expected[name] = [names_of["f"](*given) for given in [(torch.ones(2, 3, requires_grad=True), 2), (torch.ones(4, 3), 3)]]
        _once(name)[1]()
    gc.collect()
    number = 0
    while report.runs < runs:
        name = list(names)[number % len(names)]
        way = ways[number // len(names) % len(ways)]
        number += 1
        compiled, program = _once(name)
        before = _state()
        try:
            where, left = way.run(program, name) if isinstance(way, Steps) else way.run(program), []
        except Exception as error:
            where, left = getattr(way, "place", "?"), [f"the call raises {type(error).__name__}: {error}"]
        _settle()
        report.runs += 1
        if where == _TORCHS:
            report.torchs += 1
            compiled.session.close()
            _mend(before)
            continue
        report.interrupts += bool(where)
        gc.collect(0)
        if torch._C._len_torch_dispatch_stack():
            left.append("modes on the stack")
            stacks.empty()
        after = _state()
        left += [what for what in before if before[what] != after[what]] + (_held(compiled.session) if where else [])
        if where and not left:
            left += _works(program, expected[name], compiled)
        for what in left:
            report.left[what] += 1
            report.where.setdefault(what, f"{name}: {where}")
        compiled.session.close()
        if left:
            _mend(before)
    return report


def _settle() -> None:
    """An interrupt that came while C++ checked guards comes once more, a moment later."""
    threads = _thread._count()
    try:
        if threads > threading.active_count() - 1:
            time.sleep(0.02)
    except KeyboardInterrupt:
        pass


def _works(program: Callable[[], Any], expected: Any, compiled: Any) -> list[str]:
    try:
        results = program()
    except Exception as error:
        return [f"the next call raises {type(error).__name__}: {error}"]
    found = []
    if not all(torch.equal(a, b) and a.requires_grad == b.requires_grad and a.is_inference() == b.is_inference() for a, b in zip(results, expected)):
        shown = [(torch.equal(a, b), a.requires_grad, b.requires_grad, a.is_inference(), b.is_inference()) for a, b in zip(results, expected)]
        found.append(f"the next call gives something else {shown}")
    if not compiled.session.compiled:
        why = {event.reason for event in compiled.session.events if type(event).__name__ == "FrameSkipped"}
        found.append(f"the next call isn't captured {why or ''}")
    compiled.session.explain()
    return found


def _mend(before: dict[str, Any]) -> None:
    """For the runs that follow, after a failure."""
    stacks.empty()
    stacks._set_keys(*before["dispatch keys"])
    while torch._C._functorch.get_dynamic_layer_stack_depth() > before["transforms"]:
        torch._C._functorch._vmap_decrement_nesting()
    torch._C._set_grad_enabled(before["grad enabled"])
    torch._guards._TLS.tracing_context = torch._guards._TLS.compile_context = None
    torch._C._set_only_lift_cpu_tensors(before["lifting"])
    for name, method in zip(_PATCHED, before["methods of nn.Module"]):
        setattr(torch.nn.Module, name, method)
    hushed.on = False
    ef.set_eval_frame(None)
    if before["a lock of logging"] is False and getattr(logging, "_lock", None) and logging._lock._is_owned():
        logging._lock.release()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=3000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--how", choices=("timer", "steps", "thrown", "both"), default="both")
    options.add_argument("--names", nargs="+", choices=list(PROGRAMS), default=list(PROGRAMS))
    given = options.parse_args()
    report = interrupted(given.runs, given.how, given.seed, given.names)
    print(report.text())
    return bool(report.left)


if __name__ == "__main__":
    sys.exit(main())
