"""The typed records. They hold plain values; what only a living session can have is left out of comparisons.

`Graph.gm` and `Graph.example_inputs` are None in a recording. Times are left out of comparisons too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tracer.events import Event, Shape
from tracer.records.changes import Changed, changes, named

__all__ = [
    "Artifact",
    "Body",
    "Call",
    "Fault",
    "Followed",
    "Frame",
    "Graph",
    "GraphBreak",
    "GraphInput",
    "Guard",
    "Node",
    "OverrideUse",
    "Place",
    "Recompile",
    "Records",
    "Speculation",
    "UnsafeRun",
    "UserFrame",
    "place",
    "user_frame",
]


class Place(NamedTuple):
    """Somewhere in the user's source. Lines count from 1, columns are UTF-8 bytes from 0, -1 where unknown."""

    file: str
    line: int
    column: int = -1
    end_line: int = -1
    end_column: int = -1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class UserFrame(NamedTuple):
    """One entry of a user stack."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    function: str

    @property
    def place(self) -> Place:
        return Place(*self[:5])


def place(location: Sequence[Any]) -> Place | None:
    """An event's location tuple as a Place; None for ()."""
    if not location:
        return None
    numbers = [number if type(number) is int else -1 for number in (*location[1:5], -1, -1, -1, -1)[:4]]
    return Place(str(location[0]), *numbers)


def user_frame(entry: Sequence[Any]) -> UserFrame:
    """An entry of an event's user stack: a location and the function's name behind it."""
    return UserFrame(*(place(entry[:5]) or Place("", 0)), str(entry[5]) if len(entry) > 5 else "")


@dataclass(slots=True)
class Call:
    """One run of the user's function. `outcome`: returned, raised, refused, aborted, open. Where it didn't return: `text` is the error's
    class, `by` whose error it was (see `CallFinished`), `said` its words, where they aren't the program's."""

    number: int
    function: str
    arguments: tuple[str, ...] = ()
    outcome: str = "open"
    text: str = ""
    seconds: float = field(default=0.0, compare=False)
    by: str = ""
    said: str = ""

    def __post_init__(self) -> None:
        self.told(self.outcome, self.text, self.by, self.said)

    def told(self, outcome: str, text: str, by: str = "", said: str = "") -> None:
        """How it ended. Recordings that don't say whose error it was get the likeliest."""
        self.outcome, self.text, self.by, self.said = outcome, text, by or _LIKELIEST.get(outcome, ""), said


_LIKELIEST = {"raised": "program", "refused": "session", "aborted": "interrupt"}


@dataclass(slots=True)
class Frame:
    """One compile of one frame, or a function that was left to Python (`outcome` "skipped", `id` "").

    `outcome`: compiled, skipped, failed, refused, aborted, open; `reason` says why where it was not compiled.
    """

    id: str
    name: str
    file: str
    line: int
    outcome: str = "open"
    attempts: int = 0
    graph: str = ""
    reason: str = ""
    call: int = 0
    resumes: str = ""
    why: str = ""
    seconds: float = field(default=0.0, compare=False)
    check_seconds: float = field(default=0.0, compare=False)  # one check of its guards; 0: not measured


@dataclass(slots=True)
class Node:
    """One operation of a graph. `args` is text in which other nodes are `%name`; `inputs` are their names."""

    name: str
    op: str
    target: str
    args: str = ""
    shape: Shape = None
    dtype: str = ""
    device: str = ""
    module_path: str = ""
    location: Place | None = None
    inputs: tuple[str, ...] = ()
    levels: tuple[tuple[str, str], ...] = ()  # of torch.func: (the module path in which it began, what it is called)


@dataclass(slots=True)
class GraphInput:
    """A value from outside that a graph takes as an input."""

    name: str
    source: str
    shape: Shape = None
    dtype: str = ""
    device: str = ""


class Artifact(NamedTuple):
    """A readable result of a stage of the backend."""

    stage: str
    name: str
    text: str


@dataclass(slots=True)
class Guard:
    """Something that was relied on. `cause`: the event that installed it (a build, an instruction, the span around)."""

    source: str
    kind: str
    expression: str
    frame: str = ""
    location: Place | None = None
    cause: Event | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Body:
    """A body of a higher-order operator that became a graph inside a graph. `node` stands for it there; `inputs`: its
    placeholders, each with the node outside whose value it is; `results`: those of its nodes that it returns; `seq`: the event
    that began it."""

    node: str
    name: str
    operator: str = ""
    nodes: list[Node] = field(default_factory=list)
    inputs: tuple[tuple[str, str], ...] = ()
    bodies: list[Body] = field(default_factory=list)
    results: tuple[str, ...] = ()
    seq: int = field(default=-1, compare=False)


@dataclass(slots=True)
class Graph:
    """One compiled graph. `guards` are those of its frame."""

    name: str
    frame: str = ""
    backend: str = ""
    seconds: float = field(default=0.0, compare=False)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[GraphInput] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list, repr=False)
    artifacts: list[Artifact] = field(default_factory=list, repr=False)
    bodies: list[Body] = field(default_factory=list, repr=False)
    call: int = 0
    gm: Any = field(default=None, compare=False, repr=False)
    example_inputs: Any = field(default=None, compare=False, repr=False)

    @property
    def op_count(self) -> int:
        """Calls in the graph: its nodes but inputs, attributes and the output."""
        return sum(node.op.startswith("call") for node in self.nodes)

    @property
    def guard_count(self) -> int:
        return len(self.guards)


@dataclass(slots=True)
class GraphBreak:
    """One place where a graph had to end, in one call. `frames`: those that it splits. `elsewhere`: what the other compiler does there,
    where somebody asked (`session.compare_breaks()`)."""

    reason: str
    title: str
    explanation: str = ""
    hints: tuple[str, ...] = ()
    location: Place | None = None
    user_stack: tuple[UserFrame, ...] = ()
    context: dict[str, str] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)
    call: int = 0
    elsewhere: str = ""

    @property
    def key(self) -> tuple[int, Place | None, str, str]:
        """Equal for breaks that are one: the call, the innermost user location, the catalogue's id, the function of a library by way of which."""
        return self.call, self.location, self.reason, self.context.get("inside", "")


@dataclass(slots=True)
class Speculation:
    """One body of a higher-order operator that was tried. `outcome`: committed, taken again (the body of the speculation `of`, an event), rolled back, open.
    `inputs`: (name in the body, the node outside or "", why it is one); `gives`: what it returned, constants written out; `undone`: (what, how many) was
    taken back; `because`: why it was traced where an earlier body might have served."""

    operator: str
    body: str
    outcome: str = "open"
    reason: str = ""
    lifted: tuple[str, ...] = ()
    graph: str = ""
    location: Place | None = None
    frame: str = ""
    call: int = 0
    inputs: tuple[tuple[str, str, str], ...] = ()
    gives: str = ""
    undone: tuple[tuple[str, int], ...] = ()
    because: str = ""
    of: int = field(default=-1, compare=False)


@dataclass(slots=True)
class Recompile:
    """A call that no compiled entry fitted. `failed_guards`: (expression, value seen); `entries`: whose they are.

    `closest`: the entry that the fewest guards turned away; of equals, that of which the engine told first, the newest. `changes`: what its
    failed guards tell, in the order in which the program relied on them, so the first is the cause and what follows may be its consequence.
    `installed`: the line that relied on the first; `caller`: the program's call that led here; `became`: the frame that was compiled for it,
    "" where none was. Recordings of before these were kept have no `caller`."""

    name: str
    failed_guards: tuple[tuple[str, str], ...] = ()
    values: dict[str, str] = field(default_factory=dict)  # source → the value seen
    location: Place | None = None
    entries: tuple[str, ...] = ()
    frame: str = ""
    call: int = 0
    closest: str = ""
    changes: tuple[Changed, ...] = ()
    installed: Place | None = None
    ended: bool = False  # what was compiled for the call takes other sizes, or other numbers, there too
    fixed: bool = False  # the line at `installed` made a size that may vary a plain number
    caller: Place | None = None
    names: dict[str, str] = field(default_factory=dict)  # how a guard spells a value → what the program calls it
    became: str = ""
    resumes: str = ""  # the frame whose break the function goes on from
    seq: int = field(default=-1, compare=False)  # the event that tells of it

    def __post_init__(self) -> None:
        if not self.changes:
            self.closest = self.closest or next(iter(self.entries), "")
            of = (*self.entries, *[self.closest] * len(self.failed_guards))
            mine = [guard for guard, entry in zip(self.failed_guards, of, strict=False) if entry == self.closest]
            self.changes = tuple(change for expression, value in mine for change in changes(expression, value))

    def against(self) -> dict[str, tuple[Changed, ...]]:
        """By entry, what turned it away."""
        told: dict[str, tuple[Changed, ...]] = {}
        for (expression, seen), entry in zip(self.failed_guards, self.entries, strict=False):
            told[entry] = (*told.get(entry, ()), *(named(change, self.names) for change in changes(expression, seen)))
        return told


@dataclass(slots=True)
class Effect:
    """An existing object that a frame changed: done when the frame's graph has run, in the order of the program."""

    kind: str
    target: str
    location: Place | None = None
    frame: str = ""
    call: int = 0


@dataclass(slots=True)
class Fault:
    """The compiler's own failure; the frame ran as ordinary Python."""

    python_type: str
    text: str
    traceback: str = field(default="", compare=False)
    location: Place | None = None
    frame: str = ""


@dataclass(slots=True)
class Followed:
    """A function or module that the program gave to torch.compile, whose original was traced. `settings`: torch.compile's, as (name,
    value); `taken`: the names of those that count here."""

    name: str
    place: Place | None = None
    settings: tuple[tuple[str, str], ...] = ()
    taken: tuple[str, ...] = ()
    call: int = 0

    @property
    def given(self) -> str:
        """As it stands in the program: `torch.compile(backend='inductor')`."""
        return f"torch.compile({', '.join(f'{name}={value}' for name, value in self.settings)})"


@dataclass(slots=True)
class OverrideUse:
    """What became of one override. `targets`: what it decided about, each once; `why`: the reason where it had no effect."""

    text: str
    action: str = ""
    targets: tuple[str, ...] = ()
    why: str = ""


@dataclass(slots=True)
class UnsafeRun:
    """One call that ran with guards left out, held against a plain run. `what` is "" where both gave the same."""

    call: int
    what: str = ""
    differences: tuple[str, ...] = ()


@dataclass
class Records:
    """Everything that was found out in one session. `counts`: numbers that no record holds, such as cache hits."""

    calls: list[Call] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    graphs: list[Graph] = field(default_factory=list)
    graph_breaks: list[GraphBreak] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    speculations: list[Speculation] = field(default_factory=list)
    recompiles: list[Recompile] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    overrides: list[OverrideUse] = field(default_factory=list)
    unsafe_runs: list[UnsafeRun] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    engine: str = ""
    fresh: bool = True  # nothing runs but what was compiled in the session
    #: What the program had given to torch.compile.
    followed: list[Followed] = field(default_factory=list)
    #: Calls from which on a function runs as ordinary Python.
    limits: list[Recompile] = field(default_factory=list)
    #: By name: how often compiled code ran instead of being compiled.
    hits: dict[str, int] = field(default_factory=dict)
    #: By entry (the frame that it was compiled as): how often it ran instead of being compiled, where the engine tells which one runs.
    entry_hits: dict[str, int] = field(default_factory=dict)
    #: By name of a function at its limit: the calls of the session from then on in which it ran as ordinary Python, where that is known.
    ran_plainly: dict[str, int] = field(default_factory=dict)
    #: What frames changed outside of themselves.
    effects: list[Effect] = field(default_factory=list)
    #: Graphs of frames that are still being traced, or whose call ended before: what is in them by then.
    unfinished: list[Graph] = field(default_factory=list)
    #: Source lines that came with a recording; without them linecache is asked.
    sources: Mapping[str, Mapping[int, str]] | None = field(default=None, compare=False, repr=False)

    def add_break(self, found: GraphBreak) -> GraphBreak:
        """Adds a break, or its frames to the record of the same break: one for each key."""
        for known in reversed(self.graph_breaks):
            if known.key == found.key:
                known.frames.extend(frame for frame in found.frames if frame not in known.frames)
                return known
        self.graph_breaks.append(found)
        return found

    @property
    def stats(self) -> dict[str, float]:
        """Numbers only: what the headline says and what two runs are compared by."""
        compiled = [frame for frame in self.frames if frame.id]
        return {
            "calls": len(self.calls),
            "frames": len(compiled),
            "graphs": len(self.graphs),
            "graph_breaks": len(self.graph_breaks),
            "guards": len(self.guards),
            "recompiles": len(self.recompiles),
            "ops": sum(graph.op_count for graph in self.graphs),
            "attempts": sum(frame.attempts for frame in compiled),
            "restarts": sum(max(0, frame.attempts - 1) for frame in compiled),
            "skipped": sum(frame.outcome == "skipped" for frame in self.frames),
            "speculations": len(self.speculations),
            "faults": len(self.faults),
            "seconds": sum(frame.seconds for frame in compiled),
            "backend_seconds": sum(graph.seconds for graph in self.graphs),
            **self.counts,
        }
