"""The records of a run of a graph. Plain values, without torch: a recording is opened with them, and nothing runs for it.

Seconds are wall time (on a GPU the device's), bytes are those of storages that the graph made, FLOPs are torch's own count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tracer.errors import TracerError
from tracer.records import Place

if TYPE_CHECKING:
    from tracer.execution.comparison import Comparison

__all__ = ["GraphRun", "Life", "NodeRun", "Row", "Saved", "Stats", "from_text", "to_text"]


class Stats(msgspec.Struct, frozen=True):
    """The numbers of a result. `min`, `max`, `mean`, `std`, `largest` (the largest magnitude) and `smallest` (the smallest magnitude that isn't
    zero) are of the finite items, NaN where there is none; `zeros`, `subnormals`, `nan`, `inf` (of both signs, `negative_inf` of them
    negative) are counts of items, `count` is how many there are."""

    count: int = 0
    nan: int = 0
    inf: int = 0
    negative_inf: int = 0
    zeros: int = 0
    subnormals: int = 0
    min: float = math.nan
    max: float = math.nan
    mean: float = math.nan
    std: float = math.nan
    largest: float = math.nan

    @property
    def finite(self) -> bool:
        return not self.nan and not self.inf

    @property
    def share_of_zeros(self) -> float:
        return self.zeros / self.count if self.count else 0.0

    def __str__(self) -> str:
        parts = [f"{self.min:.4g} … {self.max:.4g}, mean {self.mean:.4g}, std {self.std:.4g}"] if self.min == self.min else []
        parts += [f"{name} {count:,} of {self.count:,}" for name, count in (("NaN", self.nan), ("inf", self.inf)) if count]
        parts += [f"{self.zeros / self.count:.0%} zeros"] if self.zeros and self.count else []
        parts += [f"{self.subnormals:,} subnormal"] if self.subnormals else []
        return ", ".join(parts) or ("no items" if not self.count else f"{self.count:,} items")


class NodeRun(msgspec.Struct, frozen=True):
    """One operator. Of an operator inside a body (`body` names it) all runs of the body in one run of the graph are counted together: `runs`.

    `seconds`: median over the repeats, the timer's own part subtracted; of an operator with bodies only what isn't their operators'.
    `bytes`: allocated and still there when it had run; `temporary`: allocated and freed inside of it; `freed`: what nothing reads behind it;
    `live`: all of the graph's own bytes right behind it. `moved`: read and written, by the sizes of tensors; views move none. `flops`: torch's count.
    `dtype`, `shape`, `stride`: of the first tensor that it gave; `stats`: of all of them, None where they weren't asked for or there is none.
    `module`: the module's path; `location`: the program's line."""

    name: str
    op: str = ""
    target: str = ""
    body: str = ""
    module: str = ""
    location: Place | None = None
    runs: int = 0
    seconds: float = 0.0
    bytes: int = 0
    temporary: int = 0
    freed: int = 0
    live: int = 0
    moved: int = 0
    flops: int = 0
    dtype: str = ""
    shape: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    device: str = ""
    stats: Stats | None = None
    inputs: tuple[str, ...] = ()
    of: str = ""  # of AOTAutograd's graphs: the operator of the program's graph that it was made of

    @property
    def intensity(self) -> float:
        """FLOPs for each byte moved; 0.0 where none is moved."""
        return self.flops / self.moved if self.moved else 0.0


class Saved(msgspec.Struct, frozen=True):
    """A tensor that the forward keeps for the backward. `name`: in AOTAutograd's graphs; `of`: the operator of the program's graph that it comes from, "" for
    an input. `bytes`: of its memory, 0 where that is an input's (`given`) or was counted with another one."""

    name: str
    of: str = ""
    bytes: int = 0
    dtype: str = ""
    shape: tuple[int, ...] | None = None
    module: str = ""
    location: Place | None = None
    given: bool = False


class Life(msgspec.Struct, frozen=True):
    """Memory that the graph made: the operator that did, bytes, the numbers of the operators (in order of `nodes`) in which it came and behind which it
    was gone, and the name of the latter, "" where it is a result."""

    name: str
    bytes: int
    born: int
    gone: int
    reader: str = ""


class Row(msgspec.Struct, frozen=True):
    """Nodes of one module or line together, or one node."""

    name: str
    nodes: int
    seconds: float
    share: float
    bytes: int
    flops: int
    moved: int


class GraphRun(msgspec.Struct, dict=True, weakref=True):
    """One run of a captured graph: its operators in order, and the whole.

    `seconds`: the whole graph as the backend runs it, median of `repeat`; `node_seconds` adds up its operators. `overhead`: seconds that running
    node by node took beside the operators, which are in neither. `peak_bytes`: the most that was live at once of what the graph made, results
    included, and `peak_node` behind or in which operator; `input_bytes` come on top. `random`: the inputs were made up, so no number here is the
    program's. `notes`: what can't be taken as it stands, a sentence each."""

    graph: str = ""
    device: str = ""
    dtype: str = ""
    backend: str = "eager"
    repeat: int = 0
    seconds: float = 0.0
    overhead: float = 0.0
    peak_bytes: int = 0
    peak_node: str = ""
    input_bytes: int = 0
    output_bytes: int = 0
    random: bool = False
    nodes: tuple[NodeRun, ...] = ()
    inputs: tuple[NodeRun, ...] = ()
    notes: tuple[str, ...] = ()
    held: tuple[tuple[str, int], ...] = ()  # what was live at the peak: (the node that made it, bytes)
    lives: tuple[Life, ...] = ()  # the memory that lives longest, by bytes times operators, the first fifty
    forward: GraphRun | None = None  # AOTAutograd's, where the backward was asked for
    backward: GraphRun | None = None
    saved: tuple[Saved, ...] = ()  # what the forward keeps for the backward

    @property
    def node_seconds(self) -> float:
        return sum(node.seconds for node in self.nodes)

    @property
    def flops(self) -> int:
        return sum(node.flops for node in self.nodes)

    @property
    def moved(self) -> int:
        return sum(node.moved for node in self.nodes)

    def node(self, name: str) -> NodeRun:
        """The operator or input of that name. TracerError where there is none."""
        for one in (*self.nodes, *self.inputs):
            if one.name == name:
                return one
        raise TracerError(f"there is no node {name!r} in this run of {self.graph}.", next="run.nodes lists them")

    def rows(self, by: str = "node") -> list[Row]:
        """One row for each node, module or line, the slowest first. TracerError for another `by`."""
        from tracer.execution.tables import rows

        return rows(self, by)

    def table(self, by: str = "node", most: int | None = 20) -> str:
        """The rows as text: time and its share, bytes allocated, FLOPs, bytes moved. `by`: node, module or line; `most`: how many rows, None for all."""
        from tracer.execution.tables import table

        return table(self, by, most)

    def at_peak(self, by: str = "node") -> list[tuple[str, int]]:
        """What is live at the peak, as (node, module or line; bytes), the most first."""
        from tracer.execution.tables import grouped

        return grouped(((self.node(name), size) for name, size in self.held), by)

    def saved_by(self, by: str = "line") -> list[tuple[str, int]]:
        """What is kept for the backward, as (node, module or line; bytes), the most first; what only points to inputs has none."""
        from tracer.execution.tables import grouped

        return grouped(((NodeRun(one.of or one.name, module=one.module, location=one.location), one.bytes) for one in self.saved), by)

    def compare(self, other: GraphRun, *, tolerance: float | None = None, progress: Any = None, stop: Any = None) -> Comparison:
        """Where another run of the graph gives other numbers: a `Comparison`, whose `first` is the operator that adds an error of its own.

        Of a run in another dtype or on another device each operator is also run there on this run's inputs, so that what it adds is told from what it
        was given. A run by another backend (one of both must be eager) is cut until the smallest part that differs is left; `tolerance` is how far
        apart outputs may be there, of the largest magnitude (None: their dtype's precision to the power of 2/3).

        progress: called with (done, of how many, what); stop: asked in between, a true answer ends it. TracerError where a run comes from a recording, where
        both share no operator, and where it was cancelled before anything was known.
        """
        from tracer.execution.comparing import compare

        return compare(self, other, tolerance=tolerance, progress=progress, stop=stop)

    def export(self, path: Any, format: str | None = None) -> Any:
        """Write the run as .csv, .json or .perfetto (counters, and slices nested by module). Returns the path."""
        from tracer.execution.tables import export

        return export(self, path, format)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        marked = " on random inputs" if self.random else ""
        return f"<GraphRun {self.graph} on {self.device}{marked}: {len(self.nodes)} nodes, {self.seconds * 1e3:.3g} ms, peak {self.peak_bytes:,} bytes>"


# ---- as text, for recordings
def to_text(run: GraphRun) -> str:
    """JSON. Numbers that JSON has no word for are written as texts."""
    return msgspec.json.encode(_worded(msgspec.to_builtins(run))).decode()


def from_text(text: str) -> GraphRun:
    """What `to_text` wrote. TracerError where it is something else."""
    try:
        return msgspec.convert(msgspec.json.decode(text), GraphRun, strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise TracerError(f"a run of a graph in this recording can't be read ({error}).", next="record it again") from error


def _worded(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _worded(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_worded(part) for part in value]
    return value
