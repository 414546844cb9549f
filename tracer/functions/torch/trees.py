"""Call rules of torch's pytrees: trees are taken apart and made again by what torch's registry says of their nodes.

What is a node and how it is flattened is looked up in the program's registry, under the guards that a lookup has. The functions of exact tuples, lists and
dicts are known; any other's are called. Without rules torch's own Python would be followed, to the same result: dozens of instructions for each node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...compat import trees
from ...variables import NONE, DictVariable, FunctionVariable, ListVariable, TupleVariable, Variable, literal
from ..known import is_none
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


class _Node:
    """A node as it was taken apart; a leaf has no class. `children` are nodes."""

    __slots__ = ("children", "cls", "context", "entry")

    def __init__(self, cls: Variable | None = None, entry: Variable | None = None, context: Variable = NONE, children: list[_Node] | None = None):
        self.cls, self.entry, self.context, self.children = cls, entry, context, children or []


_LEAF = _Node()


def _global(ctx: Context, name: str) -> Variable:
    """A global of torch's module, as the program would read it now."""
    from ...interpreter.names import lookup_global

    return ctx.settle(lookup_global(ctx, trees.NAMESPACE, name))


def _node_class(ctx: Context, node: Variable) -> Variable:
    """What the registry knows a node as: its class, or `namedtuple` for all of those."""
    cls, kind = ctx.type_of(node), node.python_type()
    ctx.protocol.guard_bases(ctx, kind)
    if kind is tuple or not type.__subclasscheck__(tuple, kind):
        return cls
    if ctx.protocol.truth(ctx, ctx.call_now(ctx.wrap(trees.is_namedtuple_class), [cls])):
        return ctx.wrap(trees.NAMED)
    return cls


def _entry(ctx: Context, node: Variable, is_leaf: Variable) -> tuple[Variable, Variable] | None:
    """(class, entry of the registry); None for a leaf."""
    if not is_none(is_leaf) and ctx.protocol.truth(ctx, ctx.call_now(is_leaf, [node])):
        return None
    cls, registry = _node_class(ctx, node), _global(ctx, trees.REGISTRY)
    return (cls, ctx.settle(registry.getitem(ctx, cls))) if registry.contains(ctx, cls) else None


def _function(ctx: Context, entry: Variable, name: str) -> tuple[Variable, str | None]:
    """(a node's function, what it is known to do)."""
    function = ctx.protocol.getattr_now(ctx, entry, name)
    return function, trees.KNOWN.get(function.function) if isinstance(function, FunctionVariable) else None


def _taken_apart(ctx: Context, node: Variable, entry: Variable) -> tuple[list[Variable], Variable]:
    """(children, context)"""
    function, known = _function(ctx, entry, "flatten_fn")
    if known == "sequence":
        return ctx.protocol.unpack(ctx, node), NONE
    if known == "mapping":
        values = ctx.call_now(ctx.protocol.getattr_now(ctx, node, "values"), [])
        return ctx.protocol.unpack(ctx, values), ListVariable(ctx.protocol.unpack(ctx, node))
    children, context = ctx.protocol.unpack_exactly(ctx, ctx.call_now(function, [node]), 2)
    return ctx.protocol.unpack(ctx, children), context


def _flattened(ctx: Context, tree: Variable, is_leaf: Variable, leaves: list[Variable]) -> _Node:
    found = _entry(ctx, tree, is_leaf)
    if found is None:
        leaves.append(tree)
        return _LEAF
    cls, entry = found
    children, context = _taken_apart(ctx, tree, entry)
    return _Node(cls, entry, context, [_flattened(ctx, child, is_leaf, leaves) for child in children])


def _made(ctx: Context, entry: Variable, children: list[Variable], context: Variable) -> Variable:
    function, known = _function(ctx, entry, "unflatten_fn")
    if known == "tuple":
        return TupleVariable(children, tuple)
    if known == "list":
        return ListVariable(children)
    if known == "dict":
        keys = ctx.protocol.unpack(ctx, context)
        if len(keys) == len(children):
            return DictVariable({key.dict_key(ctx): child for key, child in zip(keys, children, strict=True)})
    return ctx.call_now(function, [ListVariable(children), context])


def _unflattened(ctx: Context, node: _Node, leaves: Iterator[Variable]) -> Variable:
    if node.cls is None:
        return next(leaves)
    entry = node.entry if node.entry is not None else ctx.settle(_global(ctx, trees.REGISTRY).getitem(ctx, node.cls))
    return _made(ctx, entry, [_unflattened(ctx, child, leaves) for child in node.children], node.context)


def _spec(ctx: Context, node: _Node) -> Variable:
    """The TreeSpec of a node, made as its class makes it."""
    if node.cls is None:
        return _global(ctx, trees.LEAF) if trees.LEAF else ctx.call_now(ctx.wrap(trees.LeafSpec), [])
    children = ListVariable([_spec(ctx, child) for child in node.children])
    return ctx.call_now(ctx.wrap(trees.TreeSpec), [node.cls, node.context, children])


def _read(ctx: Context, spec: Variable) -> _Node:
    """What a TreeSpec says."""
    if _count(ctx, spec, "num_nodes") == _count(ctx, spec, "num_leaves") == 1:
        return _LEAF
    cls, context, children = (ctx.protocol.getattr_now(ctx, spec, name) for name in trees.PARTS)
    return _Node(cls, None, context, [_read(ctx, child) for child in ctx.protocol.unpack(ctx, children)])


def _count(ctx: Context, spec: Variable, name: str) -> int:
    return ctx.protocol.index(ctx, ctx.protocol.getattr_now(ctx, spec, name))


@calls.exact(trees.TreeSpec.unflatten)
def unflatten(ctx: Context, self: Variable, leaves: Variable) -> Any:
    """`spec.unflatten(leaves)`."""
    values = ctx.protocol.unpack(ctx, leaves) if leaves.python_type() in (list, tuple, map) else None
    if values is None or len(values) != _count(ctx, self, "num_leaves"):
        given = leaves if values is None else ListVariable(values)
        return ctx.functions.inline(ctx, ctx.wrap(trees.TreeSpec.unflatten), [self, given], {})
    return _unflattened(ctx, _read(ctx, self), iter(values))


@calls.exact(trees.tree_flatten)
def tree_flatten(ctx: Context, tree: Variable, is_leaf: Variable = NONE) -> Any:
    """`tree_flatten(tree)`: the leaves, and what the tree is."""
    leaves: list[Variable] = []
    node = _flattened(ctx, tree, is_leaf, leaves)
    return TupleVariable([ListVariable(leaves), _spec(ctx, node)], tuple)


@calls.exact(trees.tree_leaves)
def tree_leaves(ctx: Context, tree: Variable, is_leaf: Variable = NONE) -> Any:
    """`tree_leaves(tree)`."""
    leaves: list[Variable] = []
    _flattened(ctx, tree, is_leaf, leaves)
    return ListVariable(leaves)


@calls.exact(trees.tree_is_leaf)
def tree_is_leaf(ctx: Context, tree: Variable, is_leaf: Variable = NONE) -> Any:
    """`tree_is_leaf(tree)`."""
    return literal(_entry(ctx, tree, is_leaf) is None)


def _mapped(ctx: Context, func: Variable, tree: Variable, rests: tuple[Variable, ...], is_leaf: Variable) -> tuple[_Node, list[Variable]]:
    leaves: list[Variable] = []
    node = _flattened(ctx, tree, is_leaf, leaves)
    columns = [leaves]
    if rests:
        up_to = ctx.protocol.getattr_now(ctx, _spec(ctx, node), "flatten_up_to")
        columns += [ctx.protocol.unpack(ctx, ctx.call_now(up_to, [rest])) for rest in rests]
    return node, [ctx.call_now(func, list(row)) for row in zip(*columns, strict=True)]


@calls.exact(trees.tree_map)
def tree_map(ctx: Context, func: Variable, tree: Variable, *rests: Variable, is_leaf: Variable = NONE) -> Any:
    """`tree_map(func, tree)`: the same containers around what the function gives for each leaf."""
    node, values = _mapped(ctx, func, tree, rests, is_leaf)
    return _unflattened(ctx, node, iter(values))


@calls.exact(trees.tree_map_)
def tree_map_(ctx: Context, func: Variable, tree: Variable, *rests: Variable, is_leaf: Variable = NONE) -> Any:
    """`tree_map_(func, tree)`: the function is called with each leaf, and the tree given back."""
    _mapped(ctx, func, tree, rests, is_leaf)
    return tree
