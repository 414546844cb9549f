"""A session's overrides: which one applies where, and what became of each."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from ..codegen.resume import original_of
from ..events import AttemptStarted, Event, Instruction, OverrideApplied, OverrideUnmatched
from ..libraries import is_library
from ..overrides import ACTIONS, Override, Where
from ..runtime.answers import Skip
from . import calls

if TYPE_CHECKING:
    from ..context import Context
    from ..interpreter.frame import Program
    from ..journal import Recorder

__all__ = ["Pins", "applied_earlier"]


class Pins:
    """The overrides of one session. Without any, nothing here is asked but two flags.

    skips:   whether guards may be left out, which makes runs unsafe
    plain:   whether calls run as plain Python, so that the hook has to ask
    unsafe:  what was left out: (override, source and kind of the guard)
    refused: override → why it could not be carried out, the last time
    looking: calls that are followed for what they do, inside which no override about calls applies
    """

    def __init__(self, overrides: tuple[Override, ...], rec: Recorder):
        self.rec = rec
        self.all: tuple[Override, ...] = ()
        self.applied: dict[Override, int] = {}
        self.refused: dict[Override, str] = {}
        self.looking = 0
        self.unsafe: dict[tuple[Override, str], None] = {}
        self._reported: set[tuple[Override, str]] = set()
        self._sites: set[tuple[str, int]] = set()  # file and line of calls that run as plain Python, found while tracing
        self.set(overrides)

    def set(self, overrides: tuple[Override, ...]) -> None:
        """Replace the overrides; what is known of those that stay is kept."""
        self.all = overrides
        self.by_call = [o for o in overrides if ACTIONS[o.action].about in ("call", "line")]
        self.by_name = [o for o in self.by_call if o.at.source and not o.at.line]
        self.dims = [o for o in overrides if ACTIONS[o.action].about == "dim"]
        self.numbers = [o for o in overrides if ACTIONS[o.action].about == "number"]
        self.skips = [o for o in overrides if o.action == "skip_guard"]
        self.plain = [o for o in overrides if o.action == "eager"]

    # ---- what became of them
    def note(self, override: Override, target: str) -> None:
        """`override` decided about `target`."""
        self.applied[override] = self.applied.get(override, 0) + 1
        self.refused.pop(override, None)
        if self.rec.on:
            self.rec.point(OverrideApplied, override.text, override.action, target)

    def _note_aside(self, override: Override, target: str) -> None:
        """The same from any thread, once for each target."""
        self.applied.setdefault(override, 0)
        if (override, target) not in self._reported:
            self._reported.add((override, target))
            if self.rec.on:
                self.rec.aside(OverrideApplied, override.text, override.action, target)

    def refuse(self, override: Override, why: str) -> None:
        """`override` matches, but can't be carried out, for this reason."""
        self.refused[override] = why
        self._report(override, why)

    def report(self) -> None:
        """At the end of a call: overrides that matched nothing until now, each once."""
        for override, why in self.unmatched():
            self._report(override, why)

    def unmatched(self) -> list[tuple[Override, str]]:
        """Overrides that had no effect until now, and why."""
        found = []
        for override in self.all:
            if override in self.refused:
                found.append((override, self.refused[override]))
            elif override not in self.applied:
                found.append((override, f"it matches no {_NAMES[ACTIONS[override.action].about]} that was traced"))
        return found

    def _report(self, override: Override, why: str) -> None:
        if (override, why) not in self._reported:
            self._reported.add((override, why))
            if self.rec.on:
                self.rec.point(OverrideUnmatched, override.text, why)

    # ---- calls and lines
    def prepare(self, program: Program) -> None:
        """Put the handlers of overrides in front of the operations that they may be about."""
        calls.prepare(program, self.by_call)

    def named(self, ctx: Context, function: types.FunctionType, plan: Any) -> Any:
        """What calls of the function mean: `plan`, or what an override by its name makes of it."""
        return calls.named(ctx, function, plan)

    def run_plainly(self, file: str, line: int) -> None:
        """The call at this line is to run as plain Python, what it calls too."""
        self._sites.add((file, line))

    def runs_plainly(self, frame: Any) -> Skip | None:
        """The hook's question about a frame: whether an override asks for plain Python, in it and in all that it calls."""
        code = original_of(frame.f_code)[0]
        names = calls.names_of_code(code, frame.f_globals)
        for override in self.plain:
            at = override.at
            if at.source and not at.line and calls.is_named(at.source, names):
                self._note_aside(override, code.co_qualname)
                return Skip(f"an override asks for plain Python ({override.text})", rule="override", callees=True)
        caller = _caller() if code is frame.f_code and self._sites else None  # resume functions are called at that line too
        if caller is not None and (caller.f_code.co_filename, caller.f_lineno) in self._sites:
            return Skip("the call runs as plain Python, by an override", rule="override", callees=True)
        return None

    # ---- dimensions, numbers, guards
    def dims_of(self, source: str, sizes: tuple[int, ...], names: tuple[str | None, ...]) -> dict[int, Override]:
        """Which of a tensor's dimensions are decided by which override."""
        found: dict[int, Override] = {}
        for override in self.dims:
            if override.at.source != source:
                continue
            dim = override.dim
            wanted: list[Any] = list(range(len(sizes))) if dim is None else [names.index(dim)] if dim in names else [dim]
            for index in wanted:
                why = self._refusal(override, index, sizes)
                if why:
                    if dim is not None:
                        self.refuse(override, why)
                else:
                    found[index] = override
                    self.note(override, f"{source}.shape[{index}]")
        return found

    def _refusal(self, override: Override, dim: Any, sizes: tuple[int, ...]) -> str:
        if type(dim) is not int or dim >= len(sizes):
            return f"{override.at.source} has {len(sizes)} dimensions, none of them {dim}"
        if override.action == "static":
            return ""
        if sizes[dim] < 2:
            return f"sizes 0 and 1 are always constants, and {override.at.source}.shape[{dim}] is {sizes[dim]}"
        least, most = override.bounds
        if least is not None and sizes[dim] < least or most is not None and sizes[dim] > most:
            return f"{override.at.source}.shape[{dim}] is {sizes[dim]}, out of bounds"
        return ""

    def number(self, source: str, value: Any) -> Override | None:
        """The override that decides about a number among the inputs."""
        for override in self.numbers:
            if override.at.source == source:
                if override.action == "symbolic" and type(value) is not int:
                    self.refuse(override, f"{source} is a {type(value).__name__}: of numbers, integers only can be symbolic")
                    continue
                self.note(override, source)
                return override
        return None

    def skips_guard(self, ctx: Context, source: str, kind: str) -> bool:
        """Whether this guard is to be left out; the run is unsafe from then on."""
        for override in self.skips:
            at, wanted = override.at.source, override.value
            if (not at or at == source) and (wanted is None or wanted == kind):
                what = f"{kind} of {source}" if source else kind
                if what not in ctx.skipped:
                    ctx.skipped.add(what)
                    self.unsafe[override, what] = None
                    self.note(override, what)
                return True
        return False


def applied_earlier(ctx: Context, override: Override) -> bool:
    """Whether `override`, given now, would have decided something earlier in the attempt. Calls by name count as such."""
    about, at = ACTIONS[override.action].about, override.at
    if about in ("dim", "number"):
        return any(source.text == at.source for source in ctx.by_source)
    if about == "guard":
        return any((not at.source or source.text == at.source) and override.value in (None, kind) for source, kind, _ in ctx.guards)
    if at.decision or not at.line or not ctx.rec.every:
        return True
    events, passed = ctx.rec.events, 0
    for event in reversed(events):
        if event.frame == ctx.rec.frame and type(event) is AttemptStarted:
            break
        passed += event.frame == ctx.rec.frame and _is_at(event, at)
    return passed > (_is_at(events[-1], at) and override.action != "break_here")  # the last one's effect is still to come


def _is_at(event: Event, at: Where) -> bool:
    place: Any = event.location[:2]
    return type(event) is Instruction and at.is_line(*place)


_NAMES = {"call": "call of a function or module", "line": "line", "dim": "dimension", "number": "number", "guard": "guard"}


def _caller() -> types.FrameType | None:
    """The innermost frame of the user's that made the call the hook was asked about."""
    from ..runtime.hook import FrameHook

    at: types.FrameType | None = sys._getframe(1)
    while at is not None and at.f_code is not FrameHook.__call__.__code__:
        at = at.f_back
    at = at.f_back if at is not None else None
    while at is not None and is_library(at.f_code.co_filename):
        at = at.f_back
    return at
