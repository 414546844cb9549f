"""What a backend shows of its work: AOTAutograd's graphs and inductor's code, as text.

Heard from torch's structured trace (the logger behind TORCH_TRACE), which names every stage, also when it comes out of a
cache. Its texts are only made while somebody listens, so the ear is taken off as soon as nothing more is to come. A
backward that inductor compiles when it first runs is known by torch's CompileContext, which is then entered again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torch._guards import CompileContext

__all__ = ["Stage", "Stages", "listen"]

#: What the structured trace calls it → stage, and which half of the program it is.
_NAMES = {
    "aot_forward_graph": ("aot_forward", "forward"),
    "aot_inference_graph": ("aot_forward", "inference"),
    "aot_backward_graph": ("aot_backward", "backward"),
    "inductor_output_code": ("inductor_code", ""),
}


class Stage(NamedTuple):
    """One readable result. `stage`: aot_forward, aot_backward or inductor_code; `name`: forward, backward or inference."""

    stage: str
    name: str
    text: str


class Stages:
    """The stages of one graph: those of its compilation in `found`; `late` gets a stage that came out after it."""

    def __init__(self, late: Callable[[Stage], None]):
        self.found: list[Stage] = []
        self.late = late
        self.open = True

    def hear(self, what: str, text: str) -> None:
        """Another text of the structured trace. The trace doesn't say which half a code belongs to: AOTAutograd does while
        it compiles, and what comes out of a cache comes forward first."""
        stage, name = _NAMES[what]
        name = name or _half() or self._next()
        made = Stage(stage, name, text)
        if made in self.found:  # an entry of the cache tells its stages again
            return
        self.found.append(made)
        if not self.open:
            self.late(made)

    def _next(self) -> str:
        first = next((one.name for one in self.found if one.stage == "aot_forward"), "forward")
        return "backward" if any(one.stage == "inductor_code" for one in self.found) else first

    @property
    def pending(self) -> bool:
        """Whether code for a backward graph is still to come: the forward has some, the backward none."""
        codes = {one.name for one in self.found if one.stage == "inductor_code"}
        return any(one.stage == "aot_backward" for one in self.found) and bool(codes) and "backward" not in codes


def _half() -> str:
    from torch._functorch._aot_autograd import logging_utils

    name = "_".join(logging_utils.graph_being_compiled)
    return next((half for half in ("forward", "backward", "inference") if name.endswith(half)), "")


class _Ear(logging.Handler):
    """Hands each text to the graph whose CompileContext is entered. Takes no lock: torch may hold others meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: weakref.WeakKeyDictionary[Any, Stages] = weakref.WeakKeyDictionary()
        self.changing = threading.Lock()
        self.log = logging.getLogger("torch.__trace")

    def createLock(self) -> None:
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        text, said = getattr(record, "payload", None), getattr(record, "metadata", None)
        what = next((name for name in _NAMES if name in said), "") if isinstance(said, dict) else ""
        context = CompileContext.try_get()
        stages = self.heard.get(context) if what and context is not None else None
        if stages is None or not isinstance(text, str):
            return
        stages.hear(what, text)
        if not stages.open and not stages.pending:
            self.drop(context)

    def put(self, context: Any, stages: Stages) -> None:
        with self.changing:
            self.heard[context] = stages
            if self not in self.log.handlers:
                self.log.addHandler(self)

    def drop(self, context: Any) -> None:
        with self.changing:
            self.heard.pop(context, None)
            if not self.heard:
                self.log.removeHandler(self)


_ear = _Ear()


@contextlib.contextmanager
def listen(stages: Stages | None) -> Iterator[None]:
    """While the CompileContext that is entered now compiles a graph, its stages go to `stages`, and later that of its
    backward, as long as the compiled graph lives. None: nobody listens."""
    context = CompileContext.try_get()
    if stages is None or context is None:
        yield
        return
    _ear.put(context, stages)
    try:
        yield
    finally:
        stages.open = False
        if not stages.pending:
            _ear.drop(context)
