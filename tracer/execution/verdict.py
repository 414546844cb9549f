"""Whether a traced program did what plain Python does, as data and in words. Without torch."""

from __future__ import annotations

import msgspec

from tracer.records import Place

__all__ = ["Check", "Difference", "Effect"]


class Difference(msgspec.Struct, frozen=True):
    """Something that the program could see, and that differs. `what`: its path (`the result[0].data`, `global counter`); `kind`: result, argument, state,
    place, exception, text, random, mode. `location`, `node`, `graph`: where the values part, as far as that is known; `decision`: what of the
    compiler's is behind it, in words, "" where nothing is known."""

    what: str
    kind: str
    call: int
    plain: str
    traced: str
    location: Place | None = None
    node: str = ""
    graph: str = ""
    decision: str = ""

    def __str__(self) -> str:
        place = f" at {self.location}" if self.location is not None else ""
        at = f"  parts{place}{f' ({self.graph}: {self.node})' if self.node else ''}" if place or self.node else ""
        lines = [f"call {self.call}: {self.what}", f"  plain Python: {self.plain}", f"  traced:       {self.traced}", at]
        return "\n".join(filter(None, [*lines, f"  decision: {self.decision}" if self.decision else ""]))


class Effect(msgspec.Struct, frozen=True):
    """A change that the program made outside of the frame, and behind what it is replayed."""

    kind: str
    target: str
    location: Place | None = None
    behind: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.target}{f' at {self.location}' if self.location else ''}{f', replayed behind {self.behind}' if self.behind else ''}"


class Check(msgspec.Struct, frozen=True):
    """`differences`: in the order of the calls, of each call the first few; `compared`: how many calls were. `tolerant`: floating numbers may differ as
    another order of rounding makes them. `effects`: what the traced frames changed outside of themselves. `notes`: what was left out."""

    differences: tuple[Difference, ...] = ()
    compared: int = 0
    tolerant: bool = False
    effects: tuple[Effect, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.differences

    def __bool__(self) -> bool:
        return self.ok

    @property
    def first(self) -> Difference | None:
        return self.differences[0] if self.differences else None

    def __str__(self) -> str:
        calls = f"{self.compared} call{'s' if self.compared != 1 else ''}"
        exact = "up to rounding" if self.tolerant else "bit by bit"
        head = f"As plain Python: {calls} compared {exact}." if self.ok else f"Differs from plain Python ({calls} compared {exact}):"
        told = [f"Changes outside: {len(self.effects)}", *(f"  {effect}" for effect in self.effects)]
        told = told if self.effects else ["This program changes nothing outside of itself."]
        return "\n".join([head, *map(str, self.differences), *told, *(f"note: {note}" for note in self.notes)])
