"""Calls of functions that are marked to be one node: `nonstrict_trace`, `allow_in_graph`. What they take and give, torch's pytrees flatten.

A node is given plain containers of tensors and constants. What else torch's pytrees know is flattened by its own functions, and made again for the
call; a module is guarded to be this one, in its modes of training, and its tensors are arguments of the node, so that gradients reach them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...compat.trees import constant_classes, node_of
from ...graph.opaque import LEAF, NUMBER, Made, OpaqueCall, Swapped
from ...signals import Break, NotConstant
from ...variables import (
    DictVariable,
    FunctionVariable,
    ListVariable,
    ModuleVariable,
    SequenceVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    key_variable,
    literal,
)

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["call_opaque"]


def call_opaque(ctx: Context, function: Callable[..., Any], args: list[Variable], kwargs: dict[str, Variable]) -> Variable:
    """One node that calls `function`."""
    given, plans = zip(*[_given(ctx, arg) for arg in args], strict=True) if args else ((), ())
    named = {name: _given(ctx, arg) for name, arg in kwargs.items()}
    planned = [*plans, *[plan for _, plan in named.values()]]
    plan = (list(plans), {name: plan for name, (_, plan) in named.items()}) if any(p is not None for p in planned) else None
    target = OpaqueCall(function, plan)
    made = ctx.tensors.record(ctx, "call_function", target, list(given), {name: arg for name, (arg, _) in named.items()}, leaf=True)
    if target.outline == LEAF:
        return made
    known = {id(v.fake): v for v in _tensors([*given, *[arg for arg, _ in named.values()]])}
    leaves = [known.get(id(v.fake), v) if isinstance(v, TensorVariable) else v for v in made.unpack(ctx)]
    return _result(ctx, target.outline, iter(leaves))


def _given(ctx: Context, variable: Variable) -> tuple[Variable, Any]:
    """(what the node is given, how the argument is made of it again; None: it is the argument)."""
    if isinstance(variable, ModuleVariable):
        return _module(ctx, variable)
    if isinstance(variable, ListVariable | TupleVariable) and variable.cls in (list, tuple):
        parts = [_given(ctx, item) for item in variable.settled(ctx)]
        if all(plan is None for _, plan in parts):
            return variable, None
        return type(variable)([part for part, _ in parts], variable.cls), [plan for _, plan in parts]
    if isinstance(variable, DictVariable) and variable.cls is dict:
        entries = {key: _given(ctx, value) for key, value in zip(variable.items, variable.values(ctx), strict=True)}
        if all(plan is None for _, plan in entries.values()):
            return variable, None
        plans = {key_variable(key).constant(): plan for key, (_, plan) in entries.items()}
        return DictVariable({key: part for key, (part, _) in entries.items()}, dict), plans
    if isinstance(variable, FunctionVariable):
        raise _refused(variable, "it is a function, which torch's pytrees don't know")
    cls = variable.python_type()
    node = None if isinstance(variable, TensorVariable) else node_of(cls)
    return (variable, None) if node is None else _flattened(ctx, variable, cls, node)


def _flattened(ctx: Context, variable: Variable, cls: type, node: Any) -> tuple[Variable, Any]:
    if cls in constant_classes():
        try:
            value = variable.real()
        except NotConstant:
            raise _refused(variable, "it is registered as a constant, and was made inside") from None
        if variable.source is not None:
            ctx.guard(variable.source, "ID_MATCH", value)
        children, context = node.flatten_fn(value)
        return TupleVariable([], tuple), Made(node.unflatten_fn, context, None)
    flatten = ctx.build(node.flatten_fn, ctx.pinned(node.flatten_fn))
    pair = ctx.call_now(flatten, [variable]).unpack(ctx)
    children, below = _given(ctx, TupleVariable(list(pair[0].unpack(ctx)), tuple))
    try:
        return children, Made(node.unflatten_fn, pair[1].constant(), below)
    except NotConstant:
        raise _refused(variable, "what its class gives torch's pytrees beside the children is no constant") from None


def _module(ctx: Context, module: ModuleVariable) -> tuple[Variable, Any]:
    if module.source is None:
        raise _refused(module, "it is a module that was made inside")

    def called(name: str, *args: Variable) -> list[Variable]:
        return ctx.call_now(ctx.protocol.getattr_now(ctx, module, name), list(args)).unpack(ctx)

    ctx.guard(module.source, "ID_MATCH", module.value)
    for each in called("modules"):
        ctx.protocol.getattr_now(ctx, each, "training").constant()
    tensors = {}
    for kind in ("named_parameters", "named_buffers"):
        for pair in called(kind, literal(""), literal(True), literal(False)):
            path, tensor = pair.unpack(ctx)
            tensors[path.dict_key(ctx)] = tensor
    return DictVariable(tensors, dict), Swapped(module.value)


def _refused(variable: Variable, why: str) -> Break:
    return Break("unsupported-type", type=variable.python_type().__name__, why=f"a function that is one node of the graph can't be given it: {why}")


def _tensors(variables: Any) -> Iterator[TensorVariable]:
    for variable in variables:
        if isinstance(variable, TensorVariable):
            yield variable
        elif isinstance(variable, SequenceVariable):
            yield from _tensors(item for item in variable.items if isinstance(item, Variable))
        elif isinstance(variable, DictVariable):
            yield from _tensors(item for item in variable.items.values() if isinstance(item, Variable))


def _result(ctx: Context, outline: Any, leaves: Iterator[Variable]) -> Variable:
    if outline in (LEAF, NUMBER):
        return next(leaves)
    if outline[0] == "constant":
        return ctx.wrap(outline[2])
    _, cls, context, children = outline
    made = [_result(ctx, child, leaves) for child in children]
    if cls is list:
        return ListVariable(made)
    if cls is tuple:
        return TupleVariable(made, tuple)
    unflatten = node_of(cls).unflatten_fn
    return ctx.call_now(ctx.build(unflatten, ctx.pinned(unflatten)), [ListVariable(made), ctx.wrap(context)])
