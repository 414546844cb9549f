"""What a tensor tells of itself that its guard doesn't compare: whether it is a leaf or a view, which output of its node it is, …

Of an input that is guarded when it is read. A tensor that the graph makes has the answer of its fake where `ctx` knows it to be the
same, and none otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ...compat.memo import without_dispatch
from ...graph.operators import storage_of
from ...guards.torch_kinds import FACTS
from ...signals import Break, Declined
from ...variables import TensorVariable, Variable, mention
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context
    from ...sources import Source

__all__ = ["hold", "told"]


def hold(ctx: Context, source: Source, value: torch.Tensor, name: str) -> Any:
    """The answer of an input, guarded."""
    with without_dispatch():  # some are operators, which the fakes' mode would be asked for
        answer = FACTS[name](value)
    ctx.guard(source, "TENSOR_SAYS", (name, answer), name)
    return answer


def told(ctx: Context, tensor: TensorVariable, name: str) -> Variable:
    """`tensor.name` or `tensor.name()`, of an input only."""
    if tensor.source is None or not isinstance(tensor.value, torch.Tensor) or storage_of(tensor.fake) in ctx.replaced:
        raise Break("unsupported-attribute", expr=f"{mention(tensor)}.{name}", name=name, type="Tensor")
    return ctx.wrap(hold(ctx, tensor.source, tensor.value, name))


def _method(name: str) -> Any:
    def rule(ctx: Context, value: Variable) -> Any:
        """A question that dtype, sizes and strides don't answer; guarded."""
        return told(ctx, value, name) if isinstance(value, TensorVariable) else Declined("not a tensor")

    rule.__name__ = name
    return rule


for _name in ("_is_view", "is_shared", "is_pinned", "has_names"):
    if _name in FACTS:
        calls.exact(getattr(torch.Tensor, _name))(_method(_name))


@calls.exact(torch.Tensor.is_set_to)
def is_set_to(ctx: Context, value: Variable, other: Variable) -> Any:
    """Whether two tensors are the same memory: it isn't known of fakes."""
    ctx.break_("unsupported-attribute", expr=".is_set_to()", name="is_set_to", type="Tensor")
