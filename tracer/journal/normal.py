"""Events as text on which two runs of the same decisions agree.

In: events of one session, in order. Out: for each one line without what differs from run to run: sequence numbers (nesting
shows them), times, threads, versions, addresses. Calls, frames, variables, graphs and symbols of sizes are numbered in order of
appearance, so one `Normal` belongs to one stream. Subclasses say what else is left out, and how places are written.
"""

from __future__ import annotations

import os
import re
from typing import Any

__all__ = ["Normal"]

_HEADER = frozenset(("seq", "t", "call", "thread", "frame", "attempt", "depth", "parent", "location", "opens"))
_VARIABLES = frozenset(("variable", "ids", "stack"))
_SLOTS = frozenset(("bound", "stack"))  # of frames: as instructions, only with the details
_ADDRESS, _LINE, _SYMBOL = re.compile(r"0x[0-9a-f]+"), re.compile(r"\bat line \d+"), re.compile(r"\b([su])\d+\b")
_GRAPH = re.compile(r"\bgraph_(\d+)\b")
#: A decimal id, as guards on identity show it.
_IDENTITY = re.compile(r"\b\d{12,}\b")
_OF_IDENTITY = frozenset(("ID_MATCH", "TYPE_MATCH", "CODE_MATCH", "SAME_OBJECT", "CLASS_ATTRIBUTE"))


class Normal:
    """Writes events of one session. `detail`: with the slots of frames. `DROPPED`: fields that are left out, by kind."""

    DROPPED: dict[str, frozenset[str]] = {
        "SessionStarted": frozenset(("rank", "world_size", "versions", "config")),
        "FrameFinished": frozenset(("check",)),
        "GraphCompiled": frozenset(("seconds",)),
        "GraphBreak": frozenset(("explanation", "hints", "user_stack")),
        "ArtifactProduced": frozenset(("text",)),
        "GraphRan": frozenset(("text",)),
        "InternalFault": frozenset(("traceback",)),
        "Reused": frozenset(("of",)),
        "GuardRelaxed": frozenset(("of",)),
        "GuardSettled": frozenset(("of",)),
        "CacheHit": frozenset(("entry",)),
    }
    #: Kinds whose line begins with their frame.
    FRAMED = ("FrameStarted", "CacheHit", "GuardFailed")

    def __init__(self, detail: bool = True) -> None:
        self.detail = detail
        self.numbers: dict[tuple[str, Any], int] = {}
        self._taken: dict[str, int] = {}

    def line(self, event: Any) -> str:
        """Kind, fields and place of an event."""
        place = self.place(event.location)
        return f"{self.words(event)}" + (f"  @ {place}" if place else "")

    def words(self, event: Any) -> str:
        """Kind and fields: what was decided, and the outcome."""
        kind = type(event).__name__
        dropped = self.DROPPED.get(kind, frozenset()) | (frozenset() if self.detail else _SLOTS)
        pairs = [
            (n, self.value(event, n, getattr(event, n)))
            for n in event.__struct_fields__
            if n not in _HEADER and n not in dropped
        ]
        text = " ".join(f"{n}={v}" for n, v in pairs if v not in ("", "()", "None"))
        frame = f" [{self.frame(event.frame)}]" if event.frame and kind in self.FRAMED else ""
        attempt = f" attempt={event.attempt}" if event.attempt and kind == "AttemptStarted" else ""
        return f"{kind}{frame}{attempt}  {text}".rstrip()

    def value(self, event: Any, name: str, value: Any) -> str:
        if name in _VARIABLES:
            values = value if isinstance(value, tuple | list) else (value,)
            return ",".join(f"v{self.number('variable', v)}" for v in values)
        if name == "bound":
            return "(" + ", ".join(f"{n}:v{self.number('variable', v)}" if v else n for n, v in value) + ")"
        if name == "context":
            value = tuple((key, text) for key, text in value if key != "line")
        if name == "caller":
            return self.place(value)
        if name in ("entry", "resumes") and value:
            return self.frame(value)
        if name == "file":
            return self.file(value)
        if name == "line":
            return ""
        text = self.text(value if isinstance(value, str) else repr(value))
        return _IDENTITY.sub("N", text) if getattr(event, "kind", "") in _OF_IDENTITY else text

    def text(self, text: str) -> str:
        """A text of an event: addresses, lines, and what is numbered."""
        text = _ADDRESS.sub("0x…", _LINE.sub("at line N", text)).replace("\n", "\\n")
        text = _SYMBOL.sub(lambda found: f"{found[1]}{self.number(found[1], found[0]) - 1}", text)
        return _GRAPH.sub(lambda found: f"graph_{self.number('graph', found[0]) - 1}", text)

    def frame(self, frame: str) -> str:
        identity, _, entry = frame.partition("/")
        return f"F{self.number('frame', identity)}/{entry}"

    def file(self, file: str) -> str:
        return os.path.basename(file)

    def place(self, location: tuple[Any, ...]) -> str:
        """Where in the program, "" for nowhere."""
        return f"{self.file(str(location[0]))}:{location[1]}" if location else ""

    def number(self, kind: str, identity: Any) -> int:
        """From 1, in order of appearance."""
        found = self.numbers.get((kind, identity))
        if found is None:
            found = self.numbers[kind, identity] = self._taken[kind] = self._taken.get(kind, 0) + 1
        return found
