"""Making records from the events of a recording alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import tracer.events as ev
from tracer.events import Event
from tracer.journal import Journal
from tracer.journal.places import user_location, user_place
from tracer.records.recompiled import complete, ran_plainly, recompile_of
from tracer.records.types import (
    Artifact,
    Body,
    Call,
    Effect,
    Fault,
    Followed,
    Frame,
    Graph,
    GraphBreak,
    GraphInput,
    Guard,
    Node,
    OverrideUse,
    Recompile,
    Records,
    Speculation,
    UnsafeRun,
    place,
    user_frame,
)

__all__ = ["broken", "from_events"]


def from_events(
    events: Iterable[Event] | Journal,
    sources: Mapping[str, Mapping[int, str]] | None = None,
    calls: Collection[tuple[int, int, int | None]] | None = None,
) -> Records:
    """The records of a recording, from its events alone; events of abandoned attempts count for nothing. `calls`: those that count,
    each as its number and the first and the behind-last of its events (None: its last)."""
    journal = events if isinstance(events, Journal) else Journal(list(events), sources=sources)
    return _Reader(journal).read(calls)


class _Reader:
    """One pass over a journal. `_READ` names a method for each kind that matters."""

    def __init__(self, journal: Journal):
        self.journal = journal
        self.records = Records(sources=journal.sources or None)
        self.calls: dict[int, Call] = {}
        self.frames: dict[int, Frame] = {}
        self.nodes: dict[tuple[str, str | int], dict[str, Node]] = {}  # (frame, graph or the body's first event) → by name
        self.inputs: dict[tuple[str, str | int], dict[str, GraphInput]] = {}
        self.graphs: dict[str, Graph] = {}
        self.tried: dict[int, Speculation] = {}
        self.guards: dict[int, Guard] = {}  # by the event that installed it
        self.results: dict[int, tuple[str, ...]] = {}  # of the bodies that were committed
        self.failed: list[ev.GuardFailed] = []
        self.recompiled_for: list[tuple[Recompile, ev.Recompiled, list[ev.GuardFailed]]] = []
        self.ran: list[tuple[int, str]] = []  # (call, name) of compiled code that ran
        self.artifacts: dict[str, list[Artifact]] = {}
        self.overrides: dict[str, OverrideUse] = {}
        self.counts = {"instructions": 0, "cache_hits": 0}

    def read(self, calls: Collection[tuple[int, int, int | None]] | None = None) -> Records:
        journal = self.journal
        for event in journal.events:
            if calls is not None and not _among(calls, event):
                continue
            kept = not journal.abandoned(event.seq)
            entry = _READ.get(type(event))
            if entry is not None and (kept or entry[1]):
                entry[0](self, event)
        return self._finished()

    def _finished(self) -> Records:
        records = self.records
        lost = {frame.id for frame in records.frames if frame.id and frame.outcome not in ("compiled", "open")}
        records.guards = [guard for guard in records.guards if guard.frame not in lost]
        records.graphs = [graph for graph in records.graphs if graph.frame not in lost]
        records.unfinished = self._unfinished()
        refused = {call.number for call in records.calls if call.by == "limit"}
        records.limits = [one for one in records.limits if one.call not in refused]
        for graph in (*records.graphs, *records.unfinished):
            graph.nodes = list(self.nodes.get((graph.frame, graph.name), {}).values())
            graph.inputs = list(self.inputs.get((graph.frame, graph.name), {}).values())
            graph.guards = [guard for guard in records.guards if guard.frame == graph.frame]
            graph.bodies = self._bodies(graph.frame, graph.nodes, None)
        records.speculations = self._speculations()
        records.overrides = list(self.overrides.values())
        records.counts = dict(self.counts)
        complete(records, self.recompiled_for, lambda event: user_place(self.journal.events, event))
        ran_plainly(records, self.ran)
        return records

    def _unfinished(self) -> list[Graph]:
        """Names are given anew where a graph wasn't finished: of two of one name the later is meant."""
        ended = {frame.id: frame for frame in self.records.frames if frame.id and frame.outcome in _WITHOUT_AN_END}
        later = {graph.name for graph in self.records.graphs}
        found = []
        for frame, name in reversed(self.nodes):
            if isinstance(name, str) and frame in ended and name not in later:
                later.add(name)
                found.append(Graph(name, frame, call=ended[frame].call))
        return found[::-1]

    def _bodies(self, frame: str, nodes: list[Node], around: int | None) -> list[Body]:
        """The bodies in a graph of a frame, or in the body that the event `around` began. The nodes that stand for them come in
        the order in which they were tried; most bear their names."""
        tried = {seq: one for seq, one in self.tried.items() if one.frame == frame and one.outcome in ("committed", "taken again")}
        inner = [seq for seq in tried if not self.journal.abandoned(seq) and self._around(seq) == around]
        stands = [node for node in nodes if node.op == "get_attr" and not node.dtype]
        if len(stands) == len(inner):
            stand = {node.name: seq for node, seq in zip(stands, inner, strict=True)}
        else:  # one that nothing reads was taken out
            named = {tried[seq].graph: seq for seq in inner}
            stand = {node.name: named[node.target] for node in stands if node.target in named}
        return [self._body(frame, node.name, stand[node.name], tried[stand[node.name]]) for node in stands if node.name in stand]

    def _around(self, seq: int) -> int | None:
        begun = self.journal.enclosing(seq, ev.SpeculationStarted)
        return begun.seq if begun is not None else None

    def _body(self, frame: str, stands: str, seq: int, tried: Speculation) -> Body:
        if tried.outcome == "taken again":
            traced = self._body(frame, stands, tried.of, self.tried[tried.of])
            return replace(traced, inputs=tuple((name, outside) for name, outside, _ in tried.inputs))
        nodes = list(self.nodes.get((frame, seq), {}).values())
        told = list(self.inputs.get((frame, seq), {}))
        names = told if len(told) == len(tried.lifted) else [f"lifted_{name}" for name in tried.lifted]
        inputs = tuple(zip(names, tried.lifted, strict=True))
        return Body(stands, tried.graph, tried.operator, nodes, inputs, self._bodies(frame, nodes, seq), self.results[seq], seq)

    def _speculations(self) -> list[Speculation]:
        """Those of kept attempts, and bodies whose failure made the frame begin again, each once."""
        found: dict[Any, Speculation] = {}
        for seq, tried in self.tried.items():
            if not self.journal.abandoned(seq) or tried.outcome == "rolled back":
                same = (tried.frame, tried.location, tried.operator, tried.body, tried.reason)
                found.setdefault(same if tried.outcome == "rolled back" else seq, tried)
        return list(found.values())

    # --- one method for each kind -------------------------------------------------------------------------------

    def session_started(self, event: ev.SessionStarted) -> None:
        self.records.engine = str(event.config.get("engine", ""))
        self.records.fresh = bool(event.config.get("fresh", True))

    def call_started(self, event: ev.CallStarted) -> None:
        self.failed.clear()
        self.calls[event.seq] = call = Call(event.call, event.function, event.arguments)
        self.records.calls.append(call)

    def call_finished(self, event: ev.CallFinished) -> None:
        call = self.calls[event.opens]
        call.told(event.outcome, event.text, event.by, event.said)
        call.seconds = self._lasted(event)

    def frame_started(self, event: ev.FrameStarted) -> None:
        self.frames[event.seq] = frame = Frame(
            event.frame, event.name, event.file, event.line, call=event.call, resumes=event.resumes, why=event.why
        )
        self.records.frames.append(frame)
        if self.recompiled_for and event.seq == self.recompiled_for[-1][1].seq + 1:
            self.recompiled_for[-1][0].became = event.frame

    def frame_finished(self, event: ev.FrameFinished) -> None:
        frame = self.frames[event.opens]
        frame.outcome, frame.graph, frame.reason = event.outcome, event.graph, event.why
        frame.seconds, frame.check_seconds = self._lasted(event), event.check

    def attempt_started(self, event: ev.AttemptStarted) -> None:
        started = self.journal.enclosing(event.seq, ev.FrameStarted)
        if started is not None:
            self.frames[started.seq].attempts += 1

    def frame_skipped(self, event: ev.FrameSkipped) -> None:
        self.records.frames.append(
            Frame("", event.name, event.file, event.line, outcome="skipped", reason=event.why, call=event.call)
        )

    def guard(self, event: ev.GuardInstalled) -> None:
        cause = self.journal.events[event.parent] if event.parent >= 0 else None
        where = place(event.location)
        guard = self.guards[event.seq] = Guard(event.source, event.kind, event.expression, event.frame, where, cause)
        self.records.guards.append(guard)

    def guard_changed(self, event: ev.GuardRelaxed | ev.GuardSettled) -> None:
        guard = self.guards[event.of]
        guard.kind, guard.expression = event.kind, event.expression

    def node_created(self, event: ev.NodeCreated) -> None:
        self.nodes.setdefault(self._home(event), {})[event.name] = Node(
            event.name,
            event.op,
            event.target,
            event.args,
            event.shape,
            event.dtype,
            event.device,
            event.module_path,
            place(event.location),
            event.inputs,
            event.levels,
        )

    def node_removed(self, event: ev.NodeRemoved) -> None:
        home = self._home(event)
        self.nodes.get(home, {}).pop(event.name, None)
        self.inputs.get(home, {}).pop(event.name, None)

    def input_lifted(self, event: ev.InputLifted) -> None:
        lifted = GraphInput(event.name, event.source, event.shape, event.dtype, event.device)
        self.inputs.setdefault(self._home(event), {})[event.name] = lifted

    def _home(self, event: ev.NodeCreated | ev.NodeRemoved | ev.InputLifted) -> tuple[str, str | int]:
        """Which graph an event is about: bodies of one frame may have the same name, one in the other."""
        around = self.tried and self.journal.enclosing(event.seq, ev.SpeculationStarted)
        while around and self.tried[around.seq].body != event.graph:
            around = self.journal.enclosing(around.seq, ev.SpeculationStarted)
        return (event.frame, around.seq if around else event.graph)

    def graph_compiled(self, event: ev.GraphCompiled) -> None:
        if not event.error:
            graph = Graph(event.graph, event.frame, event.backend, event.seconds, call=event.call)
            self.graphs[event.graph] = graph
            graph.artifacts.extend(self.artifacts.pop(event.graph, ()))
            self.records.graphs.append(graph)

    def artifact(self, event: ev.ArtifactProduced) -> None:
        found = Artifact(event.stage, event.name, event.text)
        graph = self.graphs.get(event.graph)
        (self.artifacts.setdefault(event.graph, []) if graph is None else graph.artifacts).append(found)

    def graph_break(self, event: ev.GraphBreak) -> None:
        self.records.add_break(broken(event))

    def break_compared(self, event: ev.BreakCompared) -> None:
        found = self.journal.events[event.of]
        assert isinstance(found, ev.GraphBreak)
        key = broken(found).key
        for one in self.records.graph_breaks:
            if one.key == key:
                one.elsewhere = event.text

    def speculation_started(self, event: ev.SpeculationStarted) -> None:
        asked = place(user_location(self.journal.events, event))  # torch's own functions may stand between
        self.tried[event.seq] = Speculation(
            event.operator, event.body, location=asked, frame=event.frame, call=event.call, because=event.because
        )

    def committed(self, event: ev.Committed) -> None:
        tried = self.tried[event.opens]
        tried.outcome, tried.graph, tried.lifted = "committed", event.graph, event.lifted
        tried.inputs, tried.gives = event.inputs, event.gives
        self.results[event.opens] = event.results

    def reused(self, event: ev.Reused) -> None:
        tried = self.tried[event.opens]
        tried.outcome, tried.graph, tried.of, tried.inputs = "taken again", event.graph, event.of, event.inputs
        tried.lifted = tuple(outside for _, outside, _ in event.inputs)

    def rolled_back(self, event: ev.RolledBack) -> None:
        tried = self.tried[event.opens]
        tried.outcome, tried.reason, tried.undone = "rolled back", event.reason, event.undone

    def side_effect(self, event: ev.SideEffect) -> None:
        self.records.effects.append(Effect(event.kind, event.target, place(event.location), event.frame, event.call))

    def guard_failed(self, event: ev.GuardFailed) -> None:
        self.failed.append(event)

    def recompiled(self, event: ev.Recompiled) -> None:
        failed, self.failed = [one for one in self.failed if one.call == event.call], []
        started = self.journal.enclosing(event.seq, ev.FrameStarted)
        known = event.location or ((started.file, started.line) if started is not None else ())
        one = recompile_of(event, failed, place(known))
        (self.records.limits if event.limit else self.records.recompiles).append(one)
        self.recompiled_for.append((one, event, failed))
        if event.frame and not event.limit:
            one.became = event.frame

    def fault(self, event: ev.InternalFault) -> None:
        where = place(event.location)
        self.records.faults.append(Fault(event.python_type, event.text, event.traceback, where, event.frame))

    def wrapper_followed(self, event: ev.WrapperFollowed) -> None:
        at = place((event.file, event.line)) if event.file else None
        self.records.followed.append(Followed(event.name, at, event.settings, event.taken, event.call))

    def override_applied(self, event: ev.OverrideApplied) -> None:
        use = self.overrides.setdefault(event.override, OverrideUse(event.override))
        use.action, use.why = event.action, ""
        if event.target not in use.targets:
            use.targets += (event.target,)

    def override_unmatched(self, event: ev.OverrideUnmatched) -> None:
        use = self.overrides.setdefault(event.override, OverrideUse(event.override))
        use.why = event.why

    def unsafe_run(self, event: ev.UnsafeRun) -> None:
        self.records.unsafe_runs.append(UnsafeRun(event.call, event.what, event.differences))

    def instruction(self, event: ev.Instruction) -> None:
        self.counts["instructions"] += 1

    def cache_hit(self, event: ev.CacheHit) -> None:
        self.counts["cache_hits"] += 1
        self.records.hits[event.name] = self.records.hits.get(event.name, 0) + 1
        self.ran.append((event.call, event.name))
        if event.entry:
            self.records.entry_hits[event.entry] = self.records.entry_hits.get(event.entry, 0) + 1

    def _lasted(self, event: ev.Outcome) -> float:
        return (event.t - self.journal.events[event.opens].t) / 1e9


#: Outcomes of frames that leave a graph as far as it came.
_WITHOUT_AN_END = ("open", "aborted", "refused")


def broken(event: ev.GraphBreak) -> GraphBreak:
    """The record of one event; records join those of one call and place."""
    stack = tuple(user_frame(entry) for entry in event.user_stack)
    return GraphBreak(
        event.reason,
        event.title,
        event.explanation,
        event.hints,
        stack[-1].place if stack else place(event.location),
        stack,
        dict(event.context),
        [event.frame] if event.frame else [],
        event.call,
    )


def _among(calls: Collection[tuple[int, int, int | None]], event: Event) -> bool:
    """Whether the event is of one of the calls, or of the whole session."""
    if not event.call:
        return True
    return any(event.call == call and first <= event.seq and (last is None or event.seq < last) for call, first, last in calls)


#: Which method reads a kind, and whether it does so in abandoned attempts too.
_READ: dict[type[Event], tuple[Callable[[_Reader, Any], None], bool]] = {
    ev.SessionStarted: (_Reader.session_started, True),
    ev.CallStarted: (_Reader.call_started, True),
    ev.CallFinished: (_Reader.call_finished, True),
    ev.FrameStarted: (_Reader.frame_started, True),
    ev.FrameFinished: (_Reader.frame_finished, True),
    ev.AttemptStarted: (_Reader.attempt_started, True),
    ev.FrameSkipped: (_Reader.frame_skipped, True),
    ev.BreakCompared: (_Reader.break_compared, True),
    ev.SpeculationStarted: (_Reader.speculation_started, True),
    ev.Committed: (_Reader.committed, True),
    ev.RolledBack: (_Reader.rolled_back, True),
    ev.InternalFault: (_Reader.fault, True),
    ev.Instruction: (_Reader.instruction, True),
    ev.CacheHit: (_Reader.cache_hit, True),
    ev.Reused: (_Reader.reused, True),
    ev.GuardInstalled: (_Reader.guard, False),
    ev.GuardRelaxed: (_Reader.guard_changed, False),
    ev.GuardSettled: (_Reader.guard_changed, False),
    ev.NodeCreated: (_Reader.node_created, False),
    ev.NodeRemoved: (_Reader.node_removed, False),
    ev.InputLifted: (_Reader.input_lifted, False),
    ev.GraphCompiled: (_Reader.graph_compiled, False),
    ev.ArtifactProduced: (_Reader.artifact, False),
    ev.GraphBreak: (_Reader.graph_break, False),
    ev.GuardFailed: (_Reader.guard_failed, False),
    ev.SideEffect: (_Reader.side_effect, False),
    ev.Recompiled: (_Reader.recompiled, False),
    ev.WrapperFollowed: (_Reader.wrapper_followed, True),
    ev.OverrideApplied: (_Reader.override_applied, False),
    ev.OverrideUnmatched: (_Reader.override_unmatched, True),
    ev.UnsafeRun: (_Reader.unsafe_run, True),
}
