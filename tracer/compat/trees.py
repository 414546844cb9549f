"""torch's pytrees: what containers are, and where in them a leaf is."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree

__all__ = ["accessor", "constant_classes", "leaves", "leaves_with_path", "mapped", "node_of"]


def leaves(tree: Any) -> list[Any]:
    """Everything in nested containers that is no container itself."""
    found: list[Any] = pytree.tree_leaves(tree)
    return found


def leaves_with_path(tree: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """(path, leaf): `accessor` writes a path down."""
    return [(tuple(path), leaf) for path, leaf in pytree.tree_leaves_with_path(tree)]


def accessor(path: tuple[Any, ...], spelled: Callable[[Any], str], tree: Any) -> str:
    """A path in `tree` as Python's own access: `['q'][0]`; `spelled` writes the key of a mapping. TypeError where there is none."""
    parts = []
    for key in path:
        if isinstance(key, pytree.GetAttrKey):
            fields: tuple[str, ...] = getattr(tree, "_fields", ()) if isinstance(tree, tuple) else ()  # a named tuple, whose fields a class may have overridden
            parts.append(f"[{fields.index(key.name)}]" if key.name in fields else f".{key.name}")
        elif isinstance(key, pytree.SequenceKey):
            parts.append(f"[{key.idx}]")
        elif isinstance(key, pytree.MappingKey):
            parts.append(f"[{spelled(key.key)}]")
        else:
            raise TypeError(f"no way to write down {type(key).__name__}")
        tree = key.get(tree)
    return "".join(parts)


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same containers with `function(leaf)` in place of every leaf, in the order of `leaves`."""
    return pytree.tree_map(function, tree)


def node_of(cls: type) -> Any:
    """How instances of a class are taken apart and made again (`flatten_fn`, `unflatten_fn`); None where torch's pytrees don't know it."""
    known = pytree.SUPPORTED_NODES.get(cls)
    if known is None and pytree.is_namedtuple_class(cls):
        known = pytree.SUPPORTED_NODES[namedtuple]
    return known


def constant_classes() -> Any:
    """Classes whose instances are constants of a graph, by `register_constant`."""
    return pytree.CONSTANT_NODES
