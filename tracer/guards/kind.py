"""One kind of guard: how Python checks it, how a person reads it, how C++ gets it. `KINDS` is the table of all.

`expected` comes in two forms, and `check` and `text` take both: what the tracer saw (the object itself), and what is
left of it once the guard is lowered (`hold` turns objects into `Ref`s and metadata).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .summary import summarise

if TYPE_CHECKING:
    from ..sources import Source
    from .held import Keeper
    from .lower import Lowering

__all__ = ["KINDS", "RANKS", "Flags", "Kind", "Place", "define"]

#: Ranks are below this.
RANKS = 10


class Flags:
    """What lowering asks of all kinds on one source together."""

    STATE, LIVE, CONSTANT, TYPE, DECIDES_TYPE, KEYS, OTHER = 1, 2, 4, 8, 16, 32, 64


_CONSTANT = ("EQUALS_MATCH", "CONSTANT_MATCH")
_DECIDES_TYPE = (*_CONSTANT, "TYPE_MATCH", "TENSOR_MATCH", "ID_MATCH", "NONE_MATCH")


class Place:
    """Where a guard is being lowered: `manager` at its source (the root's for kinds without one), `value` the example
    there, `seen` what the tracer saw."""

    __slots__ = ("lowering", "manager", "seen", "source")

    def __init__(self, lowering: Lowering):
        self.lowering = lowering
        self.manager: Any = None
        self.source: Source | None = None
        self.seen: Any = None

    @property
    def value(self) -> Any:
        assert self.source is not None
        return self.lowering.value(self.source)


def _as_it_is(expected: Any, _keeper: Keeper) -> Any:
    return expected


def _seen(value: Any, _expected: Any) -> str:
    return summarise(value)


class Kind:
    """Scope "value": `check(value, expected)`. "thread" (no source): the same with None for the value. "many": several
    sources, `check(read, guard)` where `read(source)` raises Missing.

    `rank` orders the guards of one source, cheap ones first. `exact`: C++ needs a type guard first. `identity`: the
    answer depends on which object it is, not on its state. `live`: must run at every check, changed dict or not.
    `reads(guard)`: the sources of a "many". `split(read, guard)`: the parts that fail, as (guard, value seen).
    """

    __slots__ = (
        "check", "exact", "flags", "hold", "identity", "live", "lower", "name", "rank", "reads",
        "scope", "see", "split", "text",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        check: Callable[[Any, Any], bool],
        text: Callable[[str, Any], str],
        lower: Callable[[Place, Any, list[Any]], None],
        *,
        hold: Callable[[Any, Keeper], Any] = _as_it_is,
        see: Callable[[Any, Any], str] = _seen,
        rank: int = 5,
        exact: bool = False,
        identity: bool = False,
        live: bool = False,
        scope: str = "value",
        reads: Callable[[Any], list[Source]] | None = None,
        split: Callable[[Callable[[Source], Any], Any], list[tuple[Any, str]]] | None = None,
    ):
        self.name, self.check, self.text, self.lower, self.hold, self.see = name, check, text, lower, hold, see
        self.rank, self.exact, self.identity, self.live, self.scope = rank, exact, identity, live, scope
        self.reads, self.split = reads, split
        self.flags = (
            (0 if identity else Flags.STATE)
            | (Flags.LIVE if live else 0)
            | (Flags.CONSTANT if name in _CONSTANT else 0)
            | (Flags.TYPE if name == "TYPE_MATCH" else 0)
            | (Flags.DECIDES_TYPE if name in _DECIDES_TYPE else 0)
            | (Flags.KEYS if name == "DICT_KEYS" else 0 if name == "TYPE_MATCH" else Flags.OTHER)
        )

    def __repr__(self) -> str:
        return f"Kind({self.name})"


#: Every kind by name.
KINDS: dict[str, Kind] = {}


def define(name: str, *args: Any, **options: Any) -> None:
    """Enter a kind into the table."""
    assert name not in KINDS, name
    KINDS[name] = Kind(name, *args, **options)
