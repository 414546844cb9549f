"""Graphs of a session with the inputs of a run of theirs: what can be run again, apart from the program.

In: a session and which graph. Out: a `Recorded`: the graph, copies of what its first run was given, the random states and switches of that
moment. The call that made the graph runs once more for it, on copies, as for `session.recompile`; a run that is still held by somebody
is taken again. Without kept inputs random ones stand in, if the caller asks for them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat.copies import plain_dispatch
from ..config import FIELDS
from ..errors import TracerError
from ..records import Graph
from ..rerun.copies import Copier
from ..rerun.kept import KeptCall, Modes
from ..rerun.metadata import Described, stood_in
from ..rerun.rng import RandomState
from ..rerun.running import chosen, run_again

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Recorded", "find_graph", "recorded"]

RANDOM = "the session's graph can be run on random inputs, run_graph(inputs='random'), whose numbers say nothing of the program"


class Recorded:
    """A graph and what its first run began with. `inputs`: copies, one for each placeholder. `random`: they were made up. `notes`: what isn't as recorded.
    `dtype`: that in which the call was traced again, None: as recorded."""

    def __init__(
        self, graph: Graph, gm: fx.GraphModule, inputs: list[Any], state: RandomState, modes: Modes, *, random: bool = False, notes: Sequence[str] = (),
        dtype: torch.dtype | None = None,
    ):  # fmt: skip
        self.graph, self.gm, self.inputs, self.state, self.modes = graph, gm, inputs, state, modes
        self.random, self.notes, self.dtype = random, tuple(notes), dtype


def find_graph(session: Session, graph: Any) -> tuple[Graph, list[str]]:
    """The record that is meant: by name, number or record; None: the only one, or of several the one with the most operators, which the notes
    then say. TracerError where there is none."""
    graphs = session.graphs
    if not graphs:
        raise TracerError(f"there is no graph to run: {session.why_nothing or 'nothing was captured.'}", next="read session.explain()")
    if graph is None:
        largest = max(graphs, key=lambda one: one.op_count)
        others = f"{len(graphs) - 1} more graph{'s' if len(graphs) > 2 else ''}"
        return largest, [] if len(graphs) == 1 else [f"the session has {others}; this is the one with the most operators"]
    name = getattr(graph, "name", None) or (f"graph_{graph}" if isinstance(graph, int) else str(graph))
    found = next((one for one in graphs if one.name in (name, f"graph_{name}")), None)
    if found is None:
        raise TracerError(f"there is no graph {graph!r} in this session.", next=f"known: {', '.join(one.name for one in graphs)}")
    return found, []


def recorded(session: Session, graph: Any = None, *, inputs: str = "recorded", dtype: torch.dtype | None = None) -> Recorded:
    """See the module. `inputs`: recorded or random. `dtype`: the call is traced again with its floating tensors in it, so that what the program makes
    of its inputs' dtype follows; where that gives another graph it is the recorded one. TracerError where the inputs weren't kept, and where the
    calls that run again don't make the graph."""
    wanted, notes = find_graph(session, graph)
    if inputs not in ("recorded", "random"):
        raise TracerError(f"can't set inputs to {inputs!r}.", next="'recorded', or 'random' where none were kept")
    if inputs == "random":
        return _random(session, wanted, notes)
    key = f"{wanted.name} {dtype or ''}"
    known = session.held_graphs.get(key)
    if known is not None:
        return known
    if session.keeper.keep is not True and not session.closed:  # "metadata" isn't enough
        kept = "only shapes of inputs" if session.keeper.keep else "no inputs"
        raise TracerError(f"this session keeps {kept}, so {wanted.name} can't be run on them.", next=f"make it with keep_inputs=True; or {RANDOM}")
    calls = chosen(session, None)
    own = [call for call in calls if call.number == wanted.call]
    for some in (own, calls) if 0 < len(own) < len(calls) else (calls,):
        found = _rerun(session, some, dtype).get(_form(wanted.nodes))
        if found is not None:
            gm, values, state, modes, again = found
            made = Recorded(wanted, gm, values, state, modes, notes=[*notes, *again], dtype=dtype)
            session.held_graphs[key] = made
            return made
    if dtype is not None:
        made = recorded(session, wanted)
        said = f"in {dtype} the program makes another graph: this is the recorded one, with its inputs converted"
        return Recorded(wanted, made.gm, made.inputs, made.state, made.modes, notes=[*made.notes, said])
    raise TracerError(
        f"{wanted.name} wasn't made again when call {wanted.call or 1} ran again, so its inputs aren't known.",
        next="what the program reads outside of its arguments may have changed; trace it again, and run that session's graph",
    )


# ---- by running the calls again
def _rerun(session: Session, calls: Sequence[KeptCall], dtype: torch.dtype | None) -> dict[Any, tuple[Any, ...]]:
    """By form of a graph: the graph, inputs, random state, modes and notes of its first run."""
    for call in calls:
        if call.used_up:
            raise TracerError(f"call {call.number} can't be run again: it reaches {call.used_up[0]}, which would be used up.", next="give it a list instead")
    keeping = _Keeping()
    settings = {name: getattr(session.config, name) for name in FIELDS}
    settings |= {"backend": keeping, "mode": None, "options": None, "record": "nothing", "keep_inputs": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the program raises is said where it matters
        new = run_again(session, calls, overrides=session.overrides, settings=settings, dtype=dtype)
    try:
        notes = list(new.rerun_notes)
        last = calls[-1]
        if last.parameters.written() or last.parameters.exchanged():
            notes.append("parameters were written to since the call began: those of today are used")
        made: dict[Any, tuple[Any, ...]] = {}
        for gm, values, state, modes in keeping.seen.values():
            made.setdefault(_form(gm.graph.nodes), (gm, values, state, modes, notes))
        return made
    finally:
        new.close()


def _form(nodes: Any) -> tuple[str, ...]:
    """What one graph made twice has in common: the names of its operators."""
    return tuple(node.name for node in nodes if node.op.startswith("call"))


class _Keeping:
    """The backend: runs graphs as they are, and copies what the first run of each is given."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[Any, ...]] = {}

    def __call__(self, gm: fx.GraphModule, _: list[Any]) -> Any:
        def run(*inputs: Any) -> Any:
            if id(gm) not in self.seen:
                with plain_dispatch():
                    self.seen[id(gm)] = gm, copied(inputs), RandomState(), Modes()
            return gm(*inputs)

        return run


def copied(inputs: Sequence[Any], device: torch.device | None = None, dtype: torch.dtype | None = None) -> list[Any]:
    """Inputs of a graph again; those that share memory share it in the copies. TracerError for an object that can't be copied."""
    copier = Copier(device=device, dtype=dtype)
    made: list[Any] = copier.copy(list(inputs))
    if copier.notes:
        said = f"the graph takes what can't be copied: {copier.notes[0]}."
        raise TracerError(said, next="pass tensors and numbers to what is traced, and keep custom objects outside of it")
    return made


# ---- made up
def _random(session: Session, wanted: Graph, notes: list[str]) -> Recorded:
    """From what the trace knew of its inputs."""
    if wanted.gm is None:
        raise TracerError(f"the program of {wanted.name} is gone: this session is closed.", next="trace it again")
    nodes = [node for node in wanted.gm.graph.nodes if node.op == "placeholder"]
    values = [_hint(node.meta.get("example_value"), number) for number, node in enumerate(nodes)]
    if (unknown := next((node.name for node, value in zip(nodes, values) if value is _UNKNOWN), None)) is not None:
        said = f"input {unknown} of {wanted.name} is no tensor and no number, so none can be made up."
        raise TracerError(said, next="make the session with keep_inputs=True")
    with plain_dispatch(), torch.no_grad():
        made = stood_in(values)
    return Recorded(wanted, wanted.gm, made, RandomState(), Modes(), random=True, notes=[*notes, "the inputs are random: no number here is the program's"])


_UNKNOWN = object()


def _hint(value: Any, number: int) -> Any:
    """A tensor described, in the sizes that the trace saw; a number."""
    if isinstance(value, torch.Tensor):
        sizes, strides = ([_number(size) for size in part] for part in (value.shape, value.stride()))
        made = Described(torch.empty_strided(sizes, strides, dtype=value.dtype, device="meta"), number)
        made.device = value.device
        return made
    if isinstance(value, torch.SymInt | torch.SymFloat | int | float | bool):
        return _number(value)
    return _UNKNOWN


def _number(value: Any) -> Any:
    """Of a symbolic one what the trace saw; asking for its value would decide about it."""
    hint = value.node.hint if isinstance(value, torch.SymInt | torch.SymFloat) else value
    return int(hint) if isinstance(value, torch.SymInt) else hint
