"""`__annotations__` of a function, a class or a module.

In: the owner, an object of the program. Out: its annotations as it keeps them, or a break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...compat.annotations import annotations_run_code, names_read
from ...signals import Break

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["annotations_of"]


def annotations_of(ctx: Context, owner: Any) -> Any:
    """`owner.__annotations__`. Where code of the program makes them now (since 3.14), what it raises is raised by Python, at each call anew;
    and it doesn't run here behind a change that only the trace knows. Raises AttributeError where there are none."""
    if not annotations_run_code(owner):
        return owner.__annotations__
    refusal = Break("descriptor-unsupported", name="__annotations__", type=type(owner).__name__)
    if _reads_what_changed(ctx, owner):
        raise refusal
    try:
        return owner.__annotations__
    except Exception as error:
        raise refusal from error


def _reads_what_changed(ctx: Context, owner: Any) -> bool:
    read = names_read(owner)
    if read is None:
        return bool(ctx.outside_changes)
    written = ctx.namespaces.get(id(read[0]))
    return written is not None and not read[1].isdisjoint(written.stored)
