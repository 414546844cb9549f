"""Operators over one operator of torch, which have no body: `out_dtype`, `run_with_rng_state`, `auto_functionalized`; a mark of torch.export's; and
`print`, whose text is written when the graph runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_leaves

from ..compat.operators import declared, in_tree, on_fakes, run_with_rng_state_operator
from ..functions.table import calls
from ..functions.torch.operators import raise_operator_error
from ..graph.operators import Effect
from ..signals import Declined
from ..variables import (
    NONE,
    ConstantVariable,
    ListVariable,
    PinnedVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    literal,
)
from .nodes import alike, graded, parts

if TYPE_CHECKING:
    from ..context import Context


def _overload(variable: Variable) -> Any:
    """The overload that an operator is given, if it does nothing but give its result."""
    value = variable.value if isinstance(variable, PinnedVariable | ConstantVariable) else None
    return value if isinstance(value, torch._ops.OpOverload) and not declared(value).mutates else None


def _given_by(ctx: Context, overload: Any, args: tuple[Variable, ...], kwargs: dict[str, Variable]) -> Any:
    """What the operator gives for fakes: no node, for it would run."""
    try:
        return overload(*(ctx.argument(arg)[1] for arg in args), **{name: ctx.argument(arg)[1] for name, arg in kwargs.items()})
    except Exception as error:
        raise_operator_error(ctx, overload, error)


def out_dtype(ctx: Context, op: Variable, output_dtype: Variable, *args: Variable) -> Any:
    """`out_dtype(op, dtype, …)`: the operator's result in another dtype, as one node."""
    overload = _overload(op)
    if overload is None or not isinstance(output_dtype, ConstantVariable) or graded(*(arg.fake for arg in args if isinstance(arg, TensorVariable))):
        return Declined("the operator or the dtype isn't known, or a gradient is wanted, which it doesn't have")
    made = _given_by(ctx, overload, args, {})
    if not isinstance(made, torch.Tensor):
        return Declined("the operator gives no tensor")
    fake = alike(ctx, made.to(output_dtype.value), False)
    given = [ctx.argument(arg)[0] for arg in args]
    node = ctx.create_node("call_function", torch.ops.higher_order.out_dtype, (overload, output_dtype.value, *given), {}, fake)
    return ctx.tensors.wrap_result(ctx, fake, node)


def run_with_rng_state(ctx: Context, rng_state: Variable, op: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`run_with_rng_state(state, op, …)`: an operator that draws from a state of its own, as one node."""
    overload = _overload(op)
    if overload is None or not isinstance(rng_state, TensorVariable) or graded(*(arg.fake for arg in args if isinstance(arg, TensorVariable))):
        return Declined("the operator or the state isn't known, or a gradient is wanted, which it doesn't have")
    made = _given_by(ctx, overload, args, kwargs)
    if not isinstance(made, torch.Tensor):
        return Declined("the operator gives no tensor")
    fake = alike(ctx, made, False)
    given = [ctx.argument(arg)[0] for arg in args]
    named = {name: ctx.argument(arg)[0] for name, arg in kwargs.items()}
    node = ctx.create_node("call_function", run_with_rng_state_operator(), (ctx.argument(rng_state)[0], overload, *given), named, fake)
    return ctx.tensors.wrap_result(ctx, fake, node)


def print_(ctx: Context, format_str: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`torch._higher_order_ops.print(format, …)`: a node that writes when the graph runs."""
    if not isinstance(format_str, ConstantVariable):
        return Declined("the text isn't known")
    given = [ctx.argument(literal(format_str.value))[0], *(ctx.argument(arg)[0] for arg in args)]
    named = {name: ctx.argument(arg)[0] for name, arg in kwargs.items()}
    node = ctx.create_node("call_function", torch.ops.higher_order.print, tuple(given), named, None)
    node.meta["effect"] = Effect()
    return NONE


def auto_functionalized(ctx: Context, op: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`auto_functionalized(op, …)`: an operator that writes to arguments, on copies of them, which are results then."""
    target = torch.ops.higher_order.auto_functionalized_v2 if "_all_bases" in kwargs else torch.ops.higher_order.auto_functionalized
    return _on_fakes(ctx, target, (op, *args), kwargs)


def export_tracepoint(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """A mark of torch.export's in the graph: it gives what it is given."""
    return _on_fakes(ctx, in_tree("_export_tracepoint"), args, kwargs)


def _on_fakes(ctx: Context, target: Any, args: tuple[Variable, ...], kwargs: dict[str, Variable]) -> Any:
    """What torch's own rule of a higher-order operator says of fakes, and a node of it."""
    given = [ctx.argument(arg) for arg in args]
    named = {name: ctx.argument(value) for name, value in kwargs.items()}
    fakes = [fake for _, fake in given], {name: fake for name, (_, fake) in named.items()}
    if graded(*tree_leaves(fakes)):
        return Declined("it has no backward")
    try:
        made = on_fakes(target, *fakes)
    except NotImplementedError:
        return Declined("torch has no rule that says what it gives")
    except Exception as error:
        ctx.raise_from_host(error)
    if not isinstance(made, tuple | list) or not all(isinstance(each, torch.Tensor) or each is None for each in made):
        return Declined("it gives something else than tensors")
    node = ctx.create_node("call_function", target, tuple(n for n, _ in given), {name: n for name, (n, _) in named.items()}, tuple(made))
    return (TupleVariable if isinstance(made, tuple) else ListVariable)(parts(ctx, node, list(made)), type(made))


_RULES = {
    "out_dtype": out_dtype, "print": print_, "auto_functionalized": auto_functionalized, "auto_functionalized_v2": auto_functionalized,
    "_export_tracepoint": export_tracepoint,
}  # fmt: skip
for _name, _rule in _RULES.items():
    if (_target := in_tree(_name)) is not None:
        calls.exact(_target)(_rule)
calls.exact(run_with_rng_state_operator())(run_with_rng_state)
