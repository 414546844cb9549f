"""Errors that we raise on purpose.

Every one derives from `TracerError` and reads in three parts: what went wrong, who asked for it, what to do next. An
error's class says which part of Tracer raised it, so that callers can tell a refused setting from a failed backend.
"""

from __future__ import annotations

__all__ = ["BackendError", "CompatError", "FullGraphError", "RecompileError", "TracerError"]


class TracerError(Exception):
    """Base of every error that we raise on purpose; its text says what to do next.

    `what` is one sentence, or a whole text that is already laid out. `asked_by` and `next` become lines of their own.
    """

    def __init__(self, what: str = "", *, asked_by: str | None = None, next: str | None = None):
        self.what, self.asked_by, self.next = what, asked_by, next
        lines = [what]
        if asked_by:
            lines.append(f"  asked by: {asked_by}")
        if next:
            lines.append(f"  next: {next}")
        super().__init__("\n".join(lines))


class CompatError(TracerError):
    """The installed torch lacks something that Tracer needs, or behaves otherwise than the versions it was made for."""


class BackendError(TracerError):
    """A backend is unknown, refused its options, failed on a graph, or returned something that can't be called.

    `graph` and `backend` are their names; what the backend raised is the `__cause__`.
    """

    def __init__(
        self, what: str, *, graph: str = "", backend: str = "", asked_by: str | None = None, next: str | None = None
    ):
        super().__init__(what, asked_by=asked_by, next=next)
        self.graph, self.backend = graph, backend


class FullGraphError(TracerError):
    """`fullgraph=True`, and a frame can't be one graph. `reason` is an id of the catalogue, or "not-traced" for what never is;
    `brief` says it in a line."""

    def __init__(
        self, reason: str, text: str, next: str = "fix the line, or leave out fullgraph=True to let the graph end there", brief: str = ""
    ):
        super().__init__(text, next=next)
        self.reason, self.brief = reason, brief or text


class RecompileError(TracerError, RuntimeError):
    """`torch.compiler.set_stance("fail_on_recompile")`, and a call that nothing compiled fits; a RuntimeError, as torch.compile's is."""
