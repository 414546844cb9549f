"""Binary operators: whose method is asked, and in which order. CPython keeps those of numbers and those of sequences apart.

In: two operands, the names of the methods. Out: what one of them answered, or None.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

import torch

from ..compat.python_classes import is_python_class
from ..compat.templates import Template
from ..compat.type_names import type_name
from ..variables import ConstantVariable, Variable
from .lookup import MISSING, find, has, is_subtype

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["in_place", "is_not_implemented", "repeated", "two_sided"]

_CONCAT = frozenset({"__add__", "__mul__"})
_CONCAT_EITHER = _CONCAT | {"__rmul__"}
_SEQUENCES = (list, tuple, str, bytes, bytearray, collections.deque, Template, torch.Size)


def is_not_implemented(value: Variable) -> bool:
    return type(value) is ConstantVariable and value.value is NotImplemented


def in_place(ctx: Context, left: Variable, right: Variable, method: str, plain: str, reflected: str) -> Any:
    """`left.__iadd__(right)` and its kind; None where that doesn't answer. A sequence of C has no number slots: its own way comes behind those of both
    operands. But a class statement gives its subclass the one for `+=`, since C calls both alike."""
    cls = left.python_type()
    owner, found = find(ctx, cls, method)
    if found is MISSING:
        return None
    if plain in _CONCAT and owner in _SEQUENCES and not (plain == "__add__" and is_python_class(cls)):
        answer = two_sided(ctx, left, right, plain, reflected, numbers=True)
        if answer is not None:
            return answer
        if plain == "__mul__":
            _check_count(ctx, right)
    answer = ctx.settle(ctx.protocol.special(ctx, left, method, [right], ""))
    return None if is_not_implemented(answer) else answer


def two_sided(ctx: Context, left: Variable, right: Variable, method: str, reflected: str, numbers: bool = False, repeats: bool = True) -> Any:
    """The binary operator algorithm: the right operand first if its class is a subclass that overrides. `numbers`: sequences of C aren't asked;
    `repeats`: one on the right is, for `n * sequence`."""
    cl, cr = left.python_type(), right.python_type()
    order = [(left, right, method), (right, left, reflected)]
    if cl is not cr and is_subtype(cr, cl) and find(ctx, cr, reflected)[1] is not find(ctx, cl, reflected)[1]:
        order.reverse()
    elif cl is cr and method != reflected:
        order.pop()
    elif method in _CONCAT and find(ctx, cl, method)[0] in _SEQUENCES and find(ctx, cr, reflected)[0] not in (None, *_SEQUENCES):
        order.reverse()  # a sequence has no number slots: the other operand is asked first
    refused: Variable | None = None
    for subject, other, name in order:
        cls = subject.python_type()
        owner, found = find(ctx, cls, name)
        if found is MISSING:
            continue
        if name in _CONCAT_EITHER and owner in _SEQUENCES and all(find(ctx, cls, one)[0] in (None, *_SEQUENCES) for one in (method, reflected)):
            if numbers or name == "__rmul__" and not repeats:
                continue
            if name != "__add__" and not has(ctx, other.python_type(), "__index__"):
                refused = right if subject is left or refused is right else left
                continue
        answer = ctx.settle(ctx.protocol.special(ctx, subject, name, [other], ""))
        if not is_not_implemented(answer):
            return answer
    if refused is not None:
        _check_count(ctx, refused)
    return None


def _check_count(ctx: Context, count: Variable) -> None:
    if not has(ctx, count.python_type(), "__index__"):
        ctx.raise_(TypeError, f"can't multiply sequence by non-int of type {type_name(count.python_type())!r}")


def repeated(ctx: Context, left: Variable, right: Variable) -> Any:
    """`n * sequence`: sq_repeat, which has no reflected method."""
    if has(ctx, right.python_type(), "__len__") and has(ctx, right.python_type(), "__mul__"):
        answer = ctx.settle(ctx.protocol.special(ctx, right, "__mul__", [left], ""))
        return None if is_not_implemented(answer) else answer
    return None
