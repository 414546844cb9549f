"""`session.check`: the recorded calls traced again and run as plain Python, each on copies, and everything compared that a user could see.

In: a session. Out: a `Check`. Compared are results, arguments, what is called (a module's parameters, buffers, gradients, attributes), globals, cells and
other places that the code names, exceptions, text written, random states and modes left on; which objects are the same, and which share memory. Where a
result differs, both runs are made once more, operators noted one by one with their lines: the first that gives something else is named.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import events as ev
from ..compat.copies import plain_dispatch
from ..config import FIELDS
from ..errors import TracerError
from ..rerun.kept import KeptCall, Modes
from ..rerun.places import MISSING
from ..rerun.rng import RandomState
from ..rerun.running import chosen, run_again
from .parting import part
from .seen import Comparing, Differs, Frozen
from .verdict import Check, Difference, Effect

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["check"]

#: Backends that run a graph's operators as they are, so that results are the same bits and random numbers the same ones.
EXACT = frozenset({"eager", "aot_eager"})


def check(session: Session, *, call: int | None, tolerance: bool | None) -> Check:
    """See `Executions.check`."""
    if session.keeper.keep is not True and not session.closed:
        kept = "only shapes of inputs" if session.keeper.keep else "no inputs"
        raise TracerError(f"this session keeps {kept}, so its calls can't be run again with their values.", next="make it with keep_inputs=True")
    calls = chosen(session, call)
    for one in calls:
        if one.used_up:
            raise TracerError(f"call {one.number} can't be run again: it reaches {one.used_up[0]}, which would be used up.", next="give it a list instead")
    exact = session.config.backend in EXACT
    traced, new = _watched(session, calls, plainly=False)
    try:
        plain, other = _watched(session, calls, plainly=True)
        other.close()
        comparing = Comparing(tolerance if tolerance is not None else not exact)
        found: list[Difference] = []
        notes = list(dict.fromkeys([*(note for one in calls for note in one.notes), *new.rerun_notes]))
        if not exact:
            notes.append(f"random states aren't compared: {session.backend_label} draws its own numbers")
        for number, (left, right) in enumerate(zip(plain.moments, traced.moments)):
            differing = comparing.moments(*_alike(left, right, exact))
            if differing and not found:
                found = _explained(session, new, calls[: number + 1], differing, traced.spans[number])
        return Check(tuple(found), len(plain.moments), comparing.tolerant, _effects(new), tuple(notes))
    finally:
        new.close()


def _watched(session: Session, calls: Sequence[KeptCall], *, plainly: bool) -> tuple[_Moments, Session]:
    moments = _Moments(session)
    settings = {name: getattr(session.config, name) for name in FIELDS} | {"record": "decisions", "keep_inputs": False}
    if plainly:
        settings |= {"backend": "eager", "mode": None, "options": None, "engine": "tracer", "fullgraph": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the program raises is compared
        new = run_again(
            session, calls, overrides=[] if plainly else session.overrides, settings=settings, ended=moments.ended, plainly=plainly
        )
    return moments, new


class _Moments:
    """What could be seen behind each call of one run."""

    def __init__(self, session: Session) -> None:
        self.moments: list[list[tuple[str, Any]]] = []
        self.spans: list[tuple[int, int]] = []
        self._frozen, self._session, self._begun = Frozen(), session, 0
        self._modes: Modes | None = None

    def ended(self, kept: KeptCall, copies: Any, error: BaseException | None) -> None:
        """Before anything is put back."""
        new = copies.session
        named: dict[str, Any] = {"the exception": error, "the result": new.result if error is None else None}
        named |= {f"argument {n}": value for n, value in enumerate(copies.args)} | {f"argument {name}": value for name, value in copies.kwargs.items()}
        named["what is called"] = copies.fn
        named |= {_place_name(place, n): _read(place) for n, place in enumerate(copies.places)}
        with plain_dispatch():
            named |= {"random numbers of Python": (state := RandomState()).python, "random numbers of NumPy": state.numpy, "random numbers of torch": state.cpu}
        modes = Modes()
        named |= {f"mode {name}": value for name, value in modes.values.items()}
        named |= {"mode autocast": (modes.autocast.casts, modes.autocast.nesting), "mode inference": modes.inference, "mode default device": modes.device}
        events = new.events
        named["what is written"] = "".join(event.text for event in events[self._begun :] if isinstance(event, ev.Output))
        self.spans.append((self._begun, len(events)))
        self._begun = len(events)
        self.moments.append(self._frozen.freeze(named))


def _read(place: Any) -> Any:
    value = place.read()
    return "<nothing>" if value is MISSING else value


def _place_name(place: Any, number: int) -> str:
    owner, key = place.owner, place.key
    if isinstance(owner, dict):
        return f"global {key}" if "__name__" in owner else f"{key!r} of a namespace ({number})"
    name = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", None) or type(owner).__name__
    return f"{name}.{key}" if key else f"{name} ({number})"


def _alike(plain: list[tuple[str, Any]], traced: list[tuple[str, Any]], exact: bool) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """The names that both have; random states only where both draw the same numbers."""
    names = {name for name, _ in plain} & {name for name, _ in traced}
    names -= set() if exact else {name for name in names if name.startswith("random numbers")}
    return [part for part in plain if part[0] in names], [part for part in traced if part[0] in names]


# ---- what is behind a difference
_KINDS = (
    ("the exception", "exception"), ("the result", "result"), ("argument", "argument"), ("what is called", "state"), ("random", "random"), ("mode", "mode"),
    ("what is written", "text"),
)  # fmt: skip


def _explained(session: Session, new: Session, calls: Sequence[KeptCall], differing: list[Differs], span: tuple[int, int]) -> list[Difference]:
    events = new.events[slice(*span)]
    place = None
    kinds = [next((kind for begin, kind in _KINDS if one.path.startswith(begin)), "place") for one in differing]
    if any(one.path.endswith(".data") or ".data" in one.path or kind == "result" for one, kind in zip(differing, kinds)):
        place = part(session, calls)
    made = []
    for one, kind in zip(differing, kinds):
        effect = _effect_of(events, one, kind)
        location, node, graph, decision = (None, "", "", "") if place is None else place
        if effect is not None:
            location, node, graph, decision = effect
        elif kind in ("place", "argument", "state", "text", "mode") and not decision:
            decision = "no effect of this was recorded: nothing is replayed for it"
        made.append(Difference(one.path, kind, calls[-1].number, one.plain, one.traced, location, node, graph, decision or _ran(events)))
    return made


def _effect_of(events: Sequence[Any], one: Differs, kind: str) -> tuple[Any, str, str, str] | None:
    """The recorded change of what differs."""
    from ..records import place

    wanted = one.path.removeprefix("global ").partition(".")[0].partition("[")[0].partition(" ")[0]
    for event in events:
        if isinstance(event, ev.SideEffect) and kind in ("place", "argument", "state") and wanted and wanted in f"{event.target} {event.text}":
            return place(event.location), "", "", f"the change ({event.kind} {event.target}) is replayed behind the graph"
    return None


def _ran(events: Sequence[Any]) -> str:
    """How the call was answered: from which entry, compiled when."""
    for event in events:
        if isinstance(event, ev.CacheHit):
            return f"compiled entry {event.entry or event.name} ran again: its guards let the call pass"
        if isinstance(event, ev.FrameFinished) and event.outcome == "compiled":
            return f"frame {event.frame} was compiled for this call"
    return ""


def _effects(new: Session) -> tuple[Effect, ...]:
    graphs = {frame.id: frame.graph for frame in new.frames if frame.id}
    return tuple(Effect(one.kind, one.target, one.location, graphs.get(one.frame, "")) for one in new.records.effects)
