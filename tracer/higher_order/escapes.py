"""What a body that runs once leaves outside itself: it may change what it finds there, but tensors that it makes are known in its graph only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..variables import (
    BoundVariable,
    CellVariable,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    ListVariable,
    NamespaceVariable,
    ObjectVariable,
    PinnedVariable,
    SequenceVariable,
    SymVariable,
    TensorVariable,
    Variable,
)
from ..variables.base import Lazy

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["escaping", "is_inner", "parts_of"]

_SEEN_THROUGH = (
    SequenceVariable, DictVariable, ObjectVariable, CellVariable, FunctionVariable, NamespaceVariable, TensorVariable, ConstantVariable, PinnedVariable,
    BoundVariable, SymVariable,
)  # fmt: skip


def escaping(ctx: Context, changed: list[Variable], given_out: list[TensorVariable] | None = None) -> str:
    """What is wrong with what these hold, which are outside of the body that ends here; empty where nothing is. `given_out`: a list for tensors of the
    body among it, where its operator can give them as well."""
    pending: list[Any] = list(changed)
    seen: set[int] = set()
    while pending:
        variable = pending.pop()
        if not isinstance(variable, Variable) or id(variable) in seen:
            continue
        seen.add(id(variable))
        if isinstance(variable, TensorVariable) and variable.node.graph is ctx.graph.graph:
            if given_out is None or variable.node.op == "placeholder":
                return "stores outside itself a tensor that it makes"
            given_out.append(variable)
        if isinstance(variable, SymVariable) and is_inner(ctx, variable):
            return "stores outside itself a number that it makes"
        if not isinstance(variable, _SEEN_THROUGH):
            return f"changes {variable.describe()} outside itself"
        pending += parts_of(variable)
    return ""


def is_inner(ctx: Context, number: SymVariable) -> bool:
    """Whether a symbolic number is known in the body's graph only."""
    inner = ctx.graph
    assert inner.parent is not None
    ctx.graph = inner.parent
    try:
        number.node(ctx)
    except AssertionError:  # it is made of what belongs to the body
        return True
    finally:
        ctx.graph = inner
    return False


def parts_of(variable: Variable) -> list[Any]:
    """What a variable holds, as far as it was read."""
    if isinstance(variable, SequenceVariable):
        return [v for v in (variable.held if isinstance(variable, ListVariable) else variable.items) if type(v) is not Lazy]
    if isinstance(variable, DictVariable):
        return [v for v in variable.items.values() if type(v) is not Lazy]
    if isinstance(variable, ObjectVariable):
        return [*variable.attrs.values(), *variable.slots.values(), variable.data]
    if isinstance(variable, CellVariable):
        return [variable.value]
    if isinstance(variable, FunctionVariable):
        return [*(variable.closure or ()), *(variable.defaults or ())]
    if isinstance(variable, NamespaceVariable):
        return list(variable.stored.values())
    if isinstance(variable, TensorVariable):
        return list((variable.attrs or {}).values())
    return [getattr(variable, name) for name in ("function", "owner") if hasattr(variable, name)]
