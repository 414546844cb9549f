"""Operators around a body that runs once, where it stands: `wrap` and its kin for grad mode and autocast, `hints_wrapper`, `strict_mode`, `flex_gemm`, and
every operator that torch builds as a call of a graph (`BaseHOP`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from ..compat.autograd_functions import is_differentiable
from ..compat.operators import BASE_HOP, in_tree
from ..functions.table import calls
from ..signals import Break, Declined, NotConstant
from ..variables import ConstantVariable, DictVariable, PinnedVariable, TensorVariable, Variable, key_variable
from .nodes import as_node, graded, install, refused, values_of, written
from .results import seen
from .speculate import Body, Policy, Rejected, speculate

if TYPE_CHECKING:
    from ..context import Context

_HIGHER = torch.ops.higher_order


@calls.exact(_HIGHER.wrap)
def wrap(ctx: Context, func: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`wrap(f, …)`: a call of `f` as one node."""
    return _around(ctx, "wrap", func, args, kwargs, ())


@calls.exact(_HIGHER.wrap_with_set_grad_enabled)
def wrap_with_set_grad_enabled(ctx: Context, enable_grad: Variable, wrapped_func: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`wrap_with_set_grad_enabled(on, f, …)`: a call of `f` with gradients on or off as one node."""
    if not isinstance(enable_grad, ConstantVariable):
        return Declined("the grad mode isn't known")
    mode = torch.enable_grad if enable_grad.value else torch.no_grad
    return _around(ctx, "wrap_with_set_grad_enabled", wrapped_func, args, kwargs, (enable_grad.value,), mode)


@calls.exact(_HIGHER.wrap_with_autocast)
def wrap_with_autocast(
    ctx: Context, device_type: Variable, dtype: Variable, enabled: Variable, cache_enabled: Variable, wrapped_func: Variable, *args: Variable,
    **kwargs: Variable,
) -> Any:  # fmt: skip
    """`wrap_with_autocast(device, dtype, enabled, cache, f, …)`: a call of `f` under autocast as one node."""
    settings = []
    for setting in (device_type, dtype, enabled, cache_enabled):
        if not isinstance(setting, ConstantVariable):
            return Declined("a setting of autocast isn't known")
        settings.append(setting.value)
    return _around(ctx, "wrap_with_autocast", wrapped_func, args, kwargs, tuple(settings), lambda: torch.autocast(*settings))


def _around(
    ctx: Context, called: str, function: Variable, args: tuple[Variable, ...], kwargs: dict[str, Variable], settings: tuple[Any, ...],
    context: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Variable:  # fmt: skip
    """The body runs under what `context` enters, which the operator enters itself when the graph runs."""
    policy = Policy(called, inputs=True, shared=True, overlaps=True, once=True, restores=True)
    try:
        with context():
            ctx.refresh_modes()
            body = speculate(ctx, policy, "wrap_body", function, list(args), kwargs)
    except Rejected as rejected:
        raise _stopped(ctx, called, function, rejected) from None
    finally:
        ctx.refresh_modes()
    return as_node(ctx, body, getattr(_HIGHER, called), lambda graph: (*settings, install(ctx, graph, body.name)), {}, writes=written(body, body.lifted))


def _stopped(ctx: Context, called: str, function: Variable, rejected: Rejected) -> Break:
    stop = refused(ctx, "higher-order-unsupported", called, function, rejected)
    stop.context.update(expr=called, name=called, func=called, why=f"the function {rejected.does}")
    return stop


# ---- bodies that may only compute
def _pure(ctx: Context, called: str, function: Variable, args: list[Variable], kwargs: dict[str, Variable]) -> Body:
    try:
        return speculate(ctx, Policy(called), f"{called}_body", function, args, kwargs)
    except Rejected as rejected:
        raise _stopped(ctx, called, function, rejected) from None


def hints_wrapper(ctx: Context, body_fn: Variable, args: Variable, kwargs: Variable, hints: Variable) -> Any:
    """`hints_wrapper(f, args, {}, hints)`: a call of `f` as one node that tells the backend something."""
    told = _settings(ctx, hints)
    if told is None or _settings(ctx, kwargs) != {}:
        return Declined("its hints aren't known")
    body = _pure(ctx, "hints_wrapper", body_fn, list(ctx.protocol.unpack(ctx, args)), {})
    if graded(*values_of(body.lifted)):
        return Declined("it has no backward")
    return as_node(ctx, body, _HIGHER.hints_wrapper, lambda graph: (install(ctx, graph, body.name),), {}, lambda lifted: (tuple(lifted), {}, told))


def _settings(ctx: Context, given: Variable) -> dict[Any, Any] | None:
    """A dict of constants; None where it isn't one."""
    if not isinstance(given, DictVariable):
        return None
    try:
        return {key_variable(key).constant(): value.constant() for key, value in zip(list(given.items), given.values(ctx), strict=True)}
    except NotConstant:
        return None


def flex_gemm(ctx: Context, gemm_op: Variable, body_fn: Variable, gemm_args: Variable, gemm_kwargs: Variable, kernel_options: Variable) -> Any:
    """`flex_gemm(product, f, operands, keywords, options)`: a product of matrices and what `f` makes of it, as one node."""
    overload = gemm_op.value if isinstance(gemm_op, PinnedVariable | ConstantVariable) else None
    named, options = _settings(ctx, gemm_kwargs), _settings(ctx, kernel_options)
    if not isinstance(overload, torch._ops.OpOverload) or named is None or options is None:
        return Declined("its product or its options aren't known")
    body = _pure(ctx, "flex_gemm", body_fn, list(ctx.protocol.unpack(ctx, gemm_args)), {})
    if graded(*values_of(body.lifted)):
        return Declined("it has no backward")
    return as_node(
        ctx, body, _HIGHER.flex_gemm, lambda graph: (overload, install(ctx, graph, body.name)), {}, lambda lifted: (tuple(lifted), named, options)
    )


def strict_mode(ctx: Context, callable: Variable, operands: Variable) -> Any:
    """`strict_mode(f, operands)`: a call of `f` as one node."""
    body = _pure(ctx, "strict_mode", callable, list(ctx.protocol.unpack(ctx, operands)), {})
    if graded(*values_of(body.lifted)):
        return Declined("it has no backward")
    return as_node(ctx, body, _HIGHER.strict_mode, lambda graph: (install(ctx, graph, body.name),), {}, lambda lifted: (tuple(lifted),))


for _name, _rule in (("hints_wrapper", hints_wrapper), ("strict_mode", strict_mode), ("flex_gemm", flex_gemm)):
    if _target := in_tree(_name):
        calls.exact(_target)(_rule)


def _calls_a_graph(value: Any) -> bool:
    return BASE_HOP is not None and isinstance(value, BASE_HOP)


@calls.when(_calls_a_graph, 95)
def base_hop(ctx: Context, target: Any, /, subgraph: Variable, *operands: Variable, **options: Variable) -> Any:
    """An operator that torch builds as a call of a graph (`foreach_map`, …): one node, its options beside the operands."""
    known = {}
    for name, option in options.items():
        if not isinstance(option, ConstantVariable):
            return Declined("its options aren't known")
        known[name] = option.value
    body = _pure(ctx, target.name(), subgraph, list(operands), {})
    if not all(isinstance(leaf, TensorVariable) for leaf in body.leaves):
        return Declined("its function returns numbers")
    if graded(*values_of(body.lifted)):  # it is an autograd function: all of its results need one
        for leaf in body.leaves:
            fake = seen(leaf)
            fake.requires_grad_(is_differentiable(fake))
    return as_node(ctx, body, target, lambda graph: (install(ctx, graph, body.name),), known)
