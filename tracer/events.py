"""Every decision of the compiler, as data: one small frozen struct for each kind of event.

What comes in: positions and plain values (text, numbers, tuples of these), never a live object of the traced program.
What goes out: an append-only list in which `events[i].seq == i`. The header is the same for every kind, in this order:

    seq       append order                    attempt   restarts of that frame, from 0
    t         ns since the session began      depth     inlining: 0 is the root frame
    call      n-th run of the session         parent    seq of the enclosing span's begin, -1 for none
    thread    n-th thread seen                location  (file, line, column, end line, end column) or ()
    frame     "id/entry": entry is the n-th compile of that code, "" outside frames

A *begin* opens a span and an *outcome* closes it, naming it with its first field, `opens`; a *point* has no length. An
`Instruction` is a span that no outcome closes: it ends at the next one of its frame. Columns count UTF-8 bytes from 0,
as CPython's positions do; an unknown line is 0, an unknown column None or -1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

__all__ = ["HEADER", "KINDS", "SCHEMA", "Begin", "Event", "Kind", "Location", "Outcome", "Point", "Shape", "kind_of"]

#: Raised whenever a recording of the new form would be misread by the old code.
SCHEMA = 1

#: (file, line, column, end line, end column), or () where none is known. In a file: one index into its location table.
Location = tuple[str | int | None, ...]
#: A symbolic size is its expression as text; None: not a tensor.
Shape = tuple[int | str, ...] | None
#: One entry of a user stack: a location and the function's name behind it.
StackEntry = tuple[str | int | None, ...]


class Event(msgspec.Struct, frozen=True, gc=False, tag=True, array_like=True):
    """The header that every kind has."""

    seq: int
    t: int
    call: int
    thread: int
    frame: str
    attempt: int
    depth: int
    parent: int
    location: Location


#: The names of the header's fields, in order.
HEADER: tuple[str, ...] = Event.__struct_fields__


class Begin(Event):
    """Opens a span."""


class Outcome(Event):
    """Closes the span whose begin has the number `opens`."""

    opens: int


class Point(Event):
    """Happens at one moment."""


# --- spans ----------------------------------------------------------------------------------------------------------


class SessionStarted(Begin):
    """A session began, with these versions and this configuration."""

    rank: int
    world_size: int
    versions: dict[str, str]
    config: dict[str, Any]


class SessionFinished(Outcome):
    """The session was closed."""


class CallStarted(Begin):
    """The user's function was called; its arguments are described, never stored."""

    function: str
    arguments: tuple[str, ...] = ()


class CallFinished(Outcome):
    """The call returned, raised, was refused with an error of ours, or was aborted."""

    outcome: str  # returned | raised | refused | aborted
    text: str = ""  # the error's class
    #: Whose error: program | memory | fullgraph | limit | mark | backend | session | tracer | torch | interrupt | exit | step
    by: str = ""
    said: str = ""  # what it says in a line, unless the words are the program's


class FrameStarted(Begin):
    """A frame met no compiled entry that fits, so it is being compiled."""

    name: str
    file: str
    line: int
    why: str = ""
    resumes: str = ""  # the frame whose break this one goes on from
    dynamism: tuple[tuple[str, str], ...] = ()  # (source[dimension], automatic): known to change


class FrameFinished(Outcome):
    """The frame was compiled, runs as ordinary Python for the reason given, or the call is refused for it."""

    outcome: str  # compiled | skipped | failed | refused | aborted
    graph: str = ""
    why: str = ""
    check: float = 0.0  # seconds that one check of its guards takes, measured when they were made; 0: not measured


class AttemptStarted(Begin):
    """The frame is read from its start; a restart says which decision is now pinned."""

    because: str = ""
    bound: tuple[tuple[str, int], ...] = ()  # locals at the start: (name, variable; 0: not built yet)


class AttemptEnded(Outcome):
    """The attempt was kept, or given up: restarted with a decision pinned, failed, aborted."""

    outcome: str  # kept | restarted | failed | aborted
    reason: str = ""


class Instruction(Begin):
    """One canonical operation is about to run; height and ids tell the stack as it is before it."""

    op: str
    arg: str
    height: int
    ids: tuple[int, ...]  # the slots that the frame's last operation may have written: the top ones, the topmost last


class BuildStarted(Begin):
    """A Python value enters the trace."""

    source: str
    python_type: str


class VariableBuilt(Outcome):
    """A builder rule took the value; the rules before it declined for the reasons given."""

    rule: str
    rejected: tuple[tuple[str, str], ...]  # (rule, why)
    variable: int


class InlineStarted(Begin):
    """A call is followed into the called function."""

    function: str
    file: str = ""
    line: int = 0
    bound: tuple[tuple[str, int], ...] = ()  # locals at the start: (name, variable or its cell)


class GeneratorResumed(Begin):
    """A generator's frame goes on where it stopped."""

    function: str
    file: str = ""
    line: int = 0
    bound: tuple[tuple[str, int], ...] = ()
    stack: tuple[int, ...] = ()  # all of it, the topmost last


class InlineFinished(Outcome):
    """The followed function returned, yielded, raised, or could not be followed to its end."""

    outcome: str  # returned | yielded | raised | broke
    text: str = ""


class SpeculationStarted(Begin):
    """A higher-order operator's body is tried: recorded so that all of it can be taken back."""

    operator: str
    body: str
    because: str = ""  # why it is traced and no earlier body taken, where one might have been


class Committed(Outcome):
    """The body became a graph; the values listed were lifted into its inputs, and these of its nodes are what it returns."""

    graph: str
    lifted: tuple[str, ...] = ()
    results: tuple[str, ...] = ()  # none in recordings made before they were told
    inputs: tuple[tuple[str, str, str], ...] = ()  # of the body: (name, the node outside that it stands for or "", why it is one)
    gives: str = ""  # what the body returned: its nodes by name, and the constants that the graph leaves out


class Reused(Outcome):
    """An equal call's body was taken: nothing was traced."""

    graph: str
    of: int  # the seq of the speculation that traced it
    inputs: tuple[tuple[str, str, str], ...] = ()  # (name in the body, the node outside that it stands for now, why)


class RolledBack(Outcome):
    """The body was taken back as if it had never been tried."""

    reason: str
    undone: tuple[tuple[str, int], ...] = ()  # (what, how many) was taken back: nodes, guards, inputs, variables, changes


class GraphCompileStarted(Begin):
    """A finished graph is handed to the backend."""

    graph: str
    backend: str


class GraphCompiled(Outcome):
    """The backend returned a callable for the graph, or refused with an error."""

    graph: str
    backend: str
    seconds: float
    error: str = ""


# --- points ---------------------------------------------------------------------------------------------------------


class GuardInstalled(Point):
    """Something about the inputs was relied on; it is checked before each later call."""

    source: str
    kind: str
    expression: str


class GuardRelaxed(Point):
    """A value that was guarded when it was met was only passed on: less of it is checked than event `of` said."""

    of: int
    source: str
    kind: str
    expression: str


class GuardSettled(Point):
    """A guard of event `of` named symbols; the trace has ended, and some of them are numbers or other symbols: this is what is checked."""

    of: int
    source: str
    kind: str
    expression: str


class NodeCreated(Point):
    """One operation was recorded into a graph."""

    graph: str
    name: str
    op: str
    target: str
    args: str
    shape: Shape
    dtype: str
    device: str
    module_path: str
    inputs: tuple[str, ...] = ()  # names of the nodes it reads
    levels: tuple[tuple[str, str], ...] = ()  # of torch.func around it, outermost first: (the module path in which it began, what it is called)


class NodeRemoved(Point):
    """An operation was taken out of a graph again."""

    graph: str
    name: str


class InputLifted(Point):
    """A value from outside became an input of a graph."""

    graph: str
    name: str
    source: str
    shape: Shape = None
    dtype: str = ""
    device: str = ""


class SideEffect(Point):
    """The program changed an object; the change is replayed after the graph."""

    kind: str
    target: str
    text: str = ""


class ShapeDecision(Point):
    """A size was made symbolic, static or bounded."""

    symbol: str
    source: str
    why: str


class GraphBreak(Point):
    """The graph had to end here."""

    reason: str  # id in the catalogue of breaks
    title: str
    explanation: str
    hints: tuple[str, ...]
    context: tuple[tuple[str, str], ...]  # (name, text): what the explanation was filled from
    user_stack: tuple[StackEntry, ...]  # the user's frames only, outermost first


class BreakCompared(Point):
    """The other compiler was asked whether it breaks there as well."""

    of: int  # the seq of the GraphBreak
    engine: str  # what the other one is called
    verdict: str  # breaks | captures | leaves | unknown
    text: str


class CodeGenerated(Point):
    """The function that calls the graph and replays the effects was generated."""

    graph: str
    name: str
    source: str  # readable Python
    instructions: int = 0


class ArtifactProduced(Point):
    """A stage of the backend handed over a readable result."""

    graph: str
    stage: str  # aot_forward | aot_backward | inductor_code
    name: str
    text: str = ""


class GraphRan(Point):
    """A graph was run node by node on recorded inputs: what each operator took and gave."""

    graph: str
    text: str  # the run as JSON (tracer.execution.model.from_text reads it)


class CacheHit(Point):
    """All guards of a compiled entry held, so the entry ran."""

    name: str
    entry: str = ""  # the frame (id/entry) whose entry it is, where that is known


class GuardFailed(Point):
    """A compiled entry did not fit this call: one event for each guard that failed."""

    entry: str  # the frame (id/entry) whose guard it is
    source: str
    expression: str
    value: str  # as seen now
    installed: StackEntry = ()  # where it was relied on, for engines whose guards are told without their place


class Recompiled(Point):
    """No compiled entry fitted, so the function is compiled again; the failed guards come just before."""

    name: str
    entries: int
    limit: bool = False  # past the limit: it runs as ordinary Python from now on
    caller: StackEntry = ()  # the program's call that led here
    names: tuple[tuple[str, str], ...] = ()  # how a guard spells an argument, and what the program calls it


class ExceptionObserved(Point):
    """The program raised an exception while it was being traced."""

    python_type: str
    text: str


class FrameSkipped(Point):
    """A function runs as ordinary Python; nothing of it was compiled."""

    name: str
    file: str
    line: int
    why: str


class WrapperFollowed(Point):
    """The program called what torch.compile returned: the original was traced in its place."""

    name: str
    file: str
    line: int
    settings: tuple[tuple[str, str], ...]  # that torch.compile was given: (name, value)
    taken: tuple[str, ...] = ()  # those that count here


class OverrideApplied(Point):
    """An override decided in the compiler's place."""

    override: str  # as Override.parse reads it
    action: str
    target: str  # the call, line, dimension, number or guard that it decided about


class OverrideUnmatched(Point):
    """An override had no effect: nothing matched it, or it can't be carried out."""

    override: str
    why: str


class UnsafeRun(Point):
    """Guards were left out by an override, so a call's outputs were compared with those of a plain run."""

    what: str  # "" where they are the same
    differences: tuple[str, ...] = ()


class InternalFault(Point):
    """The compiler itself failed; the frame ran as ordinary Python."""

    python_type: str
    text: str
    traceback: str = ""


class Output(Point):
    """The program wrote to stdout or stderr."""

    stream: str
    text: str


class Summary(Point):
    """What is known of a variable: recorded once, and again when the variable is mutated. No dtype: not a tensor."""

    variable: int
    kind: str
    text: str
    python_type: str
    shape: Shape = None
    dtype: str = ""
    source: str = ""


# --- the registry ---------------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """One kind of event as documentation and views need it."""

    name: str
    type: type[Event]
    role: str  # begin | outcome | point
    closes: tuple[str, ...]  # the begins that an outcome may close
    meaning: str  # one line, plain words
    fields: tuple[str, ...]  # the payload's names, in order


#: Which begins an outcome may close.
CLOSES: dict[type[Event], tuple[type[Begin], ...]] = {
    SessionFinished: (SessionStarted,),
    CallFinished: (CallStarted,),
    FrameFinished: (FrameStarted,),
    AttemptEnded: (AttemptStarted,),
    VariableBuilt: (BuildStarted,),
    InlineFinished: (InlineStarted, GeneratorResumed),
    Committed: (SpeculationStarted,),
    Reused: (SpeculationStarted,),
    RolledBack: (SpeculationStarted,),
    GraphCompiled: (GraphCompileStarted,),
}


def _registry() -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for role in (Begin, Outcome, Point):
        for kind in role.__subclasses__():
            closes = tuple(begin.__name__ for begin in CLOSES.get(kind, ()))
            meaning = (kind.__doc__ or "").splitlines()[0]
            kinds[kind.__name__] = Kind(
                kind.__name__, kind, role.__name__.lower(), closes, meaning, kind.__struct_fields__[len(HEADER) :]
            )
    return kinds


#: Every kind by name: begins, outcomes, points, each in the order of this file.
KINDS: dict[str, Kind] = _registry()


def kind_of(event: Event) -> str:
    """The name of an event's kind (several kinds have a field `kind`, so this is not an attribute)."""
    return type(event).__name__
