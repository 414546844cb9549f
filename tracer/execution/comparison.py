"""Two runs of a graph compared, as data and in words. Without torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from tracer.errors import TracerError
from tracer.records import Place

__all__ = ["Comparison", "NodeError"]


class NodeError(msgspec.Struct, frozen=True):
    """One operator in both runs. `max_abs`, `max_rel` (of the largest magnitude), `ulps` (of the narrower dtype) and `cosine`: of what it gave in both.
    `added`: the largest error that it makes by itself, run in the other setting on the first one's inputs; `explained`: how large an error the dtype
    explains. `wrong`: it adds more than that, or a NaN or infinity where the first run has none. NaN where nothing was compared."""

    name: str
    other: str
    target: str = ""
    module: str = ""
    location: Place | None = None
    max_abs: float = math.nan
    max_rel: float = math.nan
    ulps: float = math.nan
    cosine: float = math.nan
    added: float = math.nan
    explained: float = math.nan
    wrong: bool = False

    def __str__(self) -> str:
        place = f" at {self.location}" if self.location is not None else ""
        off = f"off by {self.max_abs:.3g} ({self.max_rel:.2%}, {self.ulps:.3g} ULPs)" if math.isfinite(self.max_abs) else "not finite where the other is"
        return f"{self.name}{place}: adds {self.added:.3g} where {self.explained:.3g} is explained; {off}"


class Comparison(msgspec.Struct, dict=True):
    """`first`: the first operator that adds an error of its own, None where all is explained. `chain`: the names from there to the graph's output along
    which the error is carried. `nodes`: all that both runs have, in order. `piece`: the smallest part of the graph that still differs, where a
    backend runs it as one; `compiles`: how often it compiled for that. `missing`: operators that only one of the runs has."""

    what: tuple[str, str]
    graph: str = ""
    nodes: tuple[NodeError, ...] = ()
    chain: tuple[str, ...] = ()
    piece: tuple[str, ...] = ()
    compiles: int = 0
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    random: bool = False

    @property
    def first(self) -> NodeError | None:
        return next((node for node in self.nodes if node.wrong), None)

    @property
    def worst(self) -> NodeError | None:
        """The operator that adds most of what is explained, relative to it."""
        told = [node for node in self.nodes if node.explained == node.explained and node.explained > 0]
        return max(told, key=lambda node: node.added / node.explained if node.added == node.added else math.inf, default=None)

    def export(self, path: Any) -> list[Any]:
        """Write what differs as a script of its own: torch alone, its inputs beside it in safetensors; it exits with 1 while it differs. Returns the
        paths. TracerError where nothing differs, or the script can't say what has to be run."""
        write: Callable[[Any], list[Any]] | None = self.__dict__.get("write")
        if self.first is None:
            raise TracerError("nothing differs more than is explained, so there is nothing to export.")
        if write is None:
            raise TracerError("this comparison holds no program any more.", next="compare the runs again")
        return write(path)

    def __str__(self) -> str:
        left, right = self.what
        marked = " on RANDOM INPUTS" if self.random else ""
        lines = [f"{self.graph}{marked}: {left} against {right}, {len(self.nodes)} operators compared."]
        if self.first is None:
            worst = self.worst
            lines.append("Every operator's error is what the dtype explains." + (f" The largest part of that: {worst}" if worst is not None else ""))
        else:
            lines.append(f"The error is made by {self.first}.")
            if self.chain[1:]:
                lines.append(f"  it goes on through {' → '.join(self.chain[1:9])}{' → …' if len(self.chain) > 9 else ''}")
            if self.piece:
                part = f"{', '.join(self.piece[:12])}{', …' if len(self.piece) > 12 else ''}"
                lines.append(f"  the smallest part that differs: {part} ({self.compiles} compiles)")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def __repr__(self) -> str:
        return f"<Comparison {self.what[0]} against {self.what[1]}: {'explained' if self.first is None else self.first.name}>"
