"""Who captures a session's graphs: our own compiler behind the frame hook, or the installed torch.compile, watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .callers import entry
from .runtime.hook import FrameHook

if TYPE_CHECKING:
    from .session import Session

__all__ = ["hook_of", "target_of"]


def hook_of(session: Session) -> Any:
    """What runs the session's calls. The observer is imported only where it is asked for."""
    if session.config.engine == "dynamo":
        from .observer import DynamoEngine

        engine = DynamoEngine(session)
        if session.pins.all:
            engine.refuse(session.pins.all[0].text)
        return engine
    return FrameHook(
        session._compile,
        decide=session._decide,
        on_skip=session.skipped,
        on_fault=session._fault,
        strict=session.config.strict,
        rests=session.stances.rests,
    )


def target_of(session: Session, fn: Any) -> Any:
    """What is called for `fn`: torch.compile takes modules as they are."""
    return fn if session.config.engine == "dynamo" else entry(fn)
