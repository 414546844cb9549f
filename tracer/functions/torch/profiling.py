"""Labels for the profiler: they name stretches of time, which a graph doesn't have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.profiler import record_function

from ...signals import Declined
from ...variables import NONE, ObjectVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(record_function.__init__)
def label_made(ctx: Context, label: Variable, name: Variable, args: Variable | None = None) -> Any:
    """`record_function(name)`: an object that remembers its name."""
    if not isinstance(label, ObjectVariable):
        return Declined("a subclass")
    for key, value in (("name", name), ("args", args or NONE), (_ENDS, literal(True)), ("record", NONE), ("_cupti_monitor_external_id", NONE)):
        label.store(ctx, key, value)
    return NONE


@calls.exact(record_function.__enter__)
def label_entered(ctx: Context, label: Variable) -> Any:
    """Nothing happens, unless somebody profiles: then the label is begun by Python."""
    if not isinstance(label, ObjectVariable):
        return Declined("not a label")
    _refuse_profiler(ctx)
    label.store(ctx, _ENDS, literal(False))  # should Python run the end of the block, it has nothing to end
    return label


@calls.exact(record_function.__exit__)
def label_left(ctx: Context, label: Variable, *error: Variable) -> Any:
    """The end of a label that was begun while tracing; one that Python began is ended by Python."""
    if not isinstance(label, ObjectVariable):
        return Declined("not a label")
    ends = label.own(ctx, _ENDS)
    if ends is None or ctx.protocol.truth(ctx, ends):
        ctx.break_("context-unsupported", expr="record_function", name="torch.profiler.record_function", type="label begun elsewhere")
    label.store(ctx, _ENDS, literal(True))
    return NONE


#: The attribute that tells `__exit__` whether there is something to end.
_ENDS = "run_callbacks_on_exit"


def _refuse_profiler(ctx: Context) -> None:
    if torch.autograd._profiler_enabled():  # type: ignore[attr-defined]
        ctx.break_("context-unsupported", expr="record_function", name="torch.profiler.record_function", type="profiler's label")
