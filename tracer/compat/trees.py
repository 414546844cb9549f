"""torch's pytrees: what containers are, and where in them a leaf is."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree

__all__ = [
    "KNOWN", "LEAF", "NAMED", "NAMESPACE", "PARTS", "REGISTRY", "LeafSpec", "TreeSpec", "accessor", "constant_classes", "is_namedtuple_class", "leaves",
    "leaves_with_path", "mapped", "node_of", "tree_flatten", "tree_is_leaf", "tree_leaves", "tree_map", "tree_map_",
]  # fmt: skip

TreeSpec, LeafSpec, is_namedtuple_class = pytree.TreeSpec, pytree.LeafSpec, pytree.is_namedtuple_class
tree_flatten, tree_is_leaf, tree_leaves, tree_map, tree_map_ = pytree.tree_flatten, pytree.tree_is_leaf, pytree.tree_leaves, pytree.tree_map, pytree.tree_map_

#: The module's globals, and the names in it: of the registry of node classes, and of what stands for every leaf where there is one such object.
NAMESPACE: dict[str, Any] = vars(pytree)
REGISTRY = "SUPPORTED_NODES"
LEAF = next((name for name, value in NAMESPACE.items() if type(value) is pytree.LeafSpec), "")
#: Under which all named tuples are registered.
NAMED = namedtuple
#: What a TreeSpec holds: class, context, children.
PARTS = tuple(field.name for field in dataclasses.fields(pytree.TreeSpec))[:3]


def _known() -> dict[Any, str]:
    """What the registered functions of exact containers do, as far as they do so on a sample."""
    found: dict[Any, str] = {}
    for cls, flat, made in ((tuple, "sequence", "tuple"), (list, "sequence", "list"), (dict, "mapping", "dict"), (OrderedDict, "mapping", "")):
        node, sample = pytree.SUPPORTED_NODES[cls], cls([(1, 2), (3, 4)])
        context = [1, 3] if flat == "mapping" else None
        if node.flatten_fn(sample) == ([2, 4] if flat == "mapping" else [(1, 2), (3, 4)], context):
            found[node.flatten_fn] = flat
        again = node.unflatten_fn(list(sample.values()) if isinstance(sample, dict) else list(sample), context)
        if made and type(again) is cls and again == sample:
            found[node.unflatten_fn] = made
    return found


KNOWN = _known()


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
