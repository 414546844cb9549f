"""What a body returns: taken apart into tensors and symbolic numbers, which its graph gives, and a structure that makes the result of others again.

A structure is data that is equal for results of one form: constants stay in it, containers that torch's pytrees know are taken apart by
their own functions. `differs` says in what two values of one place are not alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from ..compat.trees import node_of
from ..compat.type_names import type_name
from ..guards.summary import constant_text
from ..signals import NotConstant
from ..variables import (
    ConstantVariable,
    DictVariable,
    ListVariable,
    ObjectVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    key_variable,
)

if TYPE_CHECKING:
    from ..context import Context

__all__ = [
    "ANY", "LEAF", "Structure", "Unknown", "constant_in", "count_leaves", "differs", "flatten", "other_form", "rebuild", "same_number", "same_structure",
    "seen", "spelled",
]  # fmt: skip

Structure = Any
LEAF: Structure = ("leaf",)
#: Constants of any type.
ANY: tuple[type, ...] = (object,)


class Unknown(Exception):
    """A value that no graph gives and that can't be made again; the text completes "returns …"."""


def flatten(ctx: Context, variable: Variable, constants: tuple[type, ...] = ANY, kept: tuple[type, ...] = ()) -> tuple[list[Variable], Structure]:
    """(tensors and symbolic numbers, structure). `constants`: the very types of those that may be there; `kept`: of those that are leaves too."""
    leaves: list[Variable] = []

    def walk(value: Variable) -> Structure:
        if isinstance(value, TensorVariable | SymVariable):
            leaves.append(value)
            return LEAF
        if isinstance(value, ListVariable | TupleVariable):
            return ("sequence", type(value), value.cls, [walk(v) for v in value.settled(ctx)])
        if isinstance(value, DictVariable):
            return ("dict", value.cls, value.factory, [(key, _known(key_variable(key)), walk(v)) for key, v in _entries(ctx, value)])
        if isinstance(value, ConstantVariable):
            held = value.value
            if type(held) not in constants and constants is not ANY:
                raise Unknown(f"a {type(held).__name__}")
            if type(held) in kept:
                leaves.append(value)
                return LEAF
            return ("constant", held)
        return _registered(ctx, value, walk)

    return leaves, walk(variable)


def _entries(ctx: Context, value: DictVariable) -> list[tuple[Any, Variable]]:
    return list(zip(list(value.items), value.values(ctx), strict=True))


def _known(variable: Variable) -> Any:
    try:
        return variable.constant()
    except NotConstant:
        raise Unknown(f"a container with a {variable.python_type().__name__} in it that isn't known") from None


def _registered(ctx: Context, value: Variable, walk: Any) -> Structure:
    """An instance of a class that torch's pytrees know."""
    cls = value.python_type()
    node = node_of(cls) if isinstance(value, ObjectVariable) else None
    if node is None:
        raise Unknown(f"a {cls.__name__}")
    flat = ctx.build(node.flatten_fn, ctx.pinned(node.flatten_fn))
    children, context = ctx.call_now(flat, [value]).unpack(ctx)
    return ("made", node.unflatten_fn, _known(context), [walk(child) for child in children.unpack(ctx)])


def rebuild(ctx: Context, structure: Structure, leaves: Iterator[Variable]) -> Variable:
    """The variable of a result with new leaves in the place of the old ones."""
    kind = structure[0]
    if kind == "leaf":
        return next(leaves)
    if kind == "constant":
        return ctx.wrap(structure[1])
    if kind == "sequence":
        return structure[1]([rebuild(ctx, part, leaves) for part in structure[3]], structure[2])
    if kind == "made":
        children = [rebuild(ctx, part, leaves) for part in structure[3]]
        return ctx.call_now(ctx.build(structure[1], ctx.pinned(structure[1])), [ListVariable(children), ctx.wrap(structure[2])])
    return DictVariable({key: rebuild(ctx, part, leaves) for key, _, part in structure[3]}, structure[1], factory=structure[2])


def count_leaves(structure: Structure) -> int:
    kind = structure[0]
    if kind in ("leaf", "constant"):
        return int(kind == "leaf")
    return sum(count_leaves(part[2] if kind == "dict" else part) for part in structure[3])


def constant_in(structure: Structure) -> tuple[Any] | None:
    """The first constant that isn't a leaf, in a tuple of its own."""
    kind = structure[0]
    if kind == "constant":
        return (structure[1],)
    if kind == "leaf":
        return None
    found = (constant_in(part[2] if kind == "dict" else part) for part in structure[3])
    return next((each for each in found if each is not None), None)


def spelled(structure: Structure, leaves: Iterator[str]) -> str:
    """A result as a person reads it: its leaves by these names, constants as they are."""
    kind = structure[0]
    if kind == "leaf":
        return next(leaves)
    if kind == "constant":
        return constant_text(structure[1])
    if kind == "dict":
        return f"{{{', '.join(f'{constant_text(known)}: {spelled(part, leaves)}' for _, known, part in structure[3])}}}"
    parts = ", ".join(spelled(part, leaves) for part in structure[3])
    if kind == "made":
        return f"{structure[1].__qualname__}({parts})"
    cls = structure[2]
    if issubclass(cls, list):
        return f"[{parts}]"
    comma = "," if len(structure[3]) == 1 else ""
    return f"({parts}{comma})" if cls is tuple else f"{type_name(cls)}({parts})"


def seen(variable: Variable) -> Any:
    """What is known of a leaf: the fake of a tensor, a symbolic number, or the number itself."""
    if isinstance(variable, TensorVariable):
        return variable.fake
    return variable.sym if isinstance(variable, SymVariable) else variable.constant()


def same_structure(one: Structure, other: Structure) -> bool:
    return _form(one) == _form(other)


def _form(structure: Structure) -> Any:
    """Hash-free data that is equal for structures of one form, constants of different types apart."""
    kind = structure[0]
    if kind == "leaf":
        return kind
    if kind == "constant":
        return kind, type(structure[1]), structure[1]
    if kind == "dict":
        return kind, structure[1], [(known, _form(part)) for _, known, part in structure[3]]
    return kind, structure[2] if kind == "sequence" else (structure[1], structure[2]), [_form(part) for part in structure[3]]


def differs(one: Any, other: Any, strides: bool = True) -> str:
    """In what two fakes, or numbers, of one place differ, with both values; empty where they don't."""
    tensors = isinstance(one, torch.Tensor), isinstance(other, torch.Tensor)
    if tensors[0] is not tensors[1]:
        return "kind (a tensor and a number)"
    if not tensors[0]:
        return ""
    for what in ("dtype", "device", "shape", "layout", *(("stride",) if strides else ())):
        a, b = getattr(one, what), getattr(other, what)
        if what == "stride":
            if one.layout is not torch.strided:
                continue
            a, b = a(), b()
        if what in ("shape", "stride"):
            if len(a) != len(b) or any(not same_number(p, q) for p, q in zip(a, b, strict=True)):
                return f"{what} ({_text(a)} and {_text(b)})"
        elif a != b:
            return f"{what} ({a} and {b})"
    return ""


def other_form(before: list[Any], after: list[Variable], of: str = "") -> str:
    """What is wrong with what a turn leaves, beside what it found; empty where both have one form. `of`: what stands before their number."""
    if len(before) != len(after):
        return f"returns {len(after)} values for {of}{len(before)}"
    found = next((text for one, other in zip(before, after, strict=True) if (text := differs(one, seen(other)))), "")
    return found and f"returns another {found} than it is given"


def same_number(one: Any, other: Any) -> bool:
    """Two sizes: symbolic ones are equal where they are one expression; nothing is decided about them here."""
    if isinstance(one, torch.SymInt) or isinstance(other, torch.SymInt):
        left = one.node.expr if isinstance(one, torch.SymInt) else one
        right = other.node.expr if isinstance(other, torch.SymInt) else other
        return bool(left == right)
    return bool(one == other)


def _text(values: Any) -> str:
    return f"({', '.join(map(str, values))}{',' if len(values) == 1 else ''})"


