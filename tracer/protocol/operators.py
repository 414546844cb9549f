"""Operators, truth, length, containment, comparison: CPython's slot algorithms over variables."""

from __future__ import annotations

import collections
import operator
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..compat import words
from ..compat.identity import is_unique
from ..compat.python_classes import has_sequence_slots, is_python_class
from ..compat.type_names import type_name
from ..guards.constants import same as same_constant
from ..signals import NotConstant, Raised
from ..variables import (
    FALSE,
    TRUE,
    ArrayVariable,
    ConstantVariable,
    DictVariable,
    DictViewVariable,
    FunctionVariable,
    IdentityKey,
    ListVariable,
    ObjectVariable,
    OpaqueVariable,
    PinnedVariable,
    SetVariable,
    SliceVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    UserKey,
    ValueKey,
    Variable,
    literal,
)
from ..variables.base import mention
from .lookup import MISSING, bind, find, has, is_subtype
from .slots import checked, stand_in, wrap_native
from .two_sided import in_place, is_not_implemented, repeated, two_sided

if TYPE_CHECKING:
    from ..context import Context

__all__ = [
    "binary", "binary_now", "call_through_type", "compare", "contains_through_type", "fold", "identity_key", "index", "length", "is_not_implemented",
    "is_same", "length_through_type", "object_key", "operators_native", "same", "same_or_equal", "special", "special_answer", "special_method",
    "truth", "truth_through_type", "unary",
]  # fmt: skip

#: operator function → (method, reflected method, in-place method or None, symbol)
BINARY: dict[Callable[..., Any], tuple[str, str, str]] = {}
INPLACE: dict[Callable[..., Any], tuple[Callable[..., Any], str]] = {}
for _name, _symbol in (
    ("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/"), ("floordiv", "//"), ("mod", "%"), ("pow", "** or pow()"), ("matmul", "@"),
    ("and", "&"), ("or", "|"), ("xor", "^"), ("lshift", "<<"), ("rshift", ">>"),
):  # fmt: skip
    _plain = getattr(operator, _name if _name not in ("and", "or") else _name + "_")
    BINARY[_plain] = (f"__{_name}__", f"__r{_name}__", _symbol)
    INPLACE[getattr(operator, "i" + _name)] = (_plain, f"__i{_name}__")
DIVMOD = ("__divmod__", "__rdivmod__", "divmod()")
COMPARE: dict[Callable[..., Any], tuple[str, str, str]] = {
    operator.lt: ("__lt__", "__gt__", "<"), operator.le: ("__le__", "__ge__", "<="), operator.gt: ("__gt__", "__lt__", ">"),
    operator.ge: ("__ge__", "__le__", ">="), operator.eq: ("__eq__", "__eq__", "=="), operator.ne: ("__ne__", "__ne__", "!="),
}  # fmt: skip
UNARY: dict[Callable[..., Any], tuple[str, str]] = {
    operator.neg: ("__neg__", "unary -"), operator.pos: ("__pos__", "unary +"), operator.invert: ("__invert__", "unary ~"), abs: ("__abs__", "abs()"),
}  # fmt: skip


def fold(ctx: Context, fn: Callable[..., Any], args: list[Variable]) -> Any:
    """`fn` run on values that are known; what it raises, the program raises."""
    values = [stand_in(ctx, a) for a in args]
    if fn is operator.invert and type(values[0]) is bool and words.WARNS_OF_INVERTED_BOOL:
        ctx.break_("unsupported-builtin", func="operator.invert", expr="~", type="bool", why="CPython warns of it, each time")
    try:
        result = fn(*values)
    except NotConstant:
        raise
    except Exception as error:
        ctx.raise_from_host(error)
    return wrap_native(ctx, result)


# ---- operators
def binary(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Any:
    kl, kr = type(left), type(right)
    if kl is ConstantVariable and kr is ConstantVariable:
        try:
            return ctx.wrap(fn(left.value, right.value))  # type: ignore[attr-defined]
        except Exception as error:
            ctx.raise_from_host(error)
    if kl is TensorVariable or kr is TensorVariable:
        answer = ctx.tensors.tensor_binary(ctx, fn, left, right)
        if answer is not None:
            return answer
    elif kl is ArrayVariable or kr is ArrayVariable:
        answer = ctx.arrays.array_binary(ctx, fn, left, right)
        if answer is not None:
            return answer
    elif kl is SymVariable or kr is SymVariable:
        answer = ctx.shapes.binary(ctx, fn, left, right)
        if answer is not None:
            return answer
    inplace = INPLACE.get(fn)
    if inplace is not None:
        plain, method = inplace
        answer = in_place(ctx, left, right, method, *BINARY[plain][:2])
        if answer is not None:
            return answer
        fn = plain
    if fn in COMPARE:
        return compare(ctx, fn, left, right)
    method, reflected, symbol = DIVMOD if fn is divmod else BINARY[fn]
    repeats = fn is operator.mul and (inplace is None or not has_sequence_slots(left.python_type()))
    answer = two_sided(ctx, left, right, method, reflected, repeats=repeats)
    if answer is None:
        sequence = repeated(ctx, left, right) if repeats else None
        if sequence is not None:
            return sequence
        if inplace is not None:
            symbol = symbol.split()[0] + "="
        names = type_name(left.python_type()), type_name(right.python_type())
        ctx.raise_(TypeError, f"unsupported operand type(s) for {symbol}: {names[0]!r} and {names[1]!r}")
    return answer


def binary_now(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Variable:
    return ctx.settle(binary(ctx, fn, left, right))


def unary(ctx: Context, fn: Callable[..., Any], value: Variable) -> Any:
    kind = type(value)
    if kind is ConstantVariable:
        return fold(ctx, fn, [value])
    if kind is TensorVariable and not ctx.tensors.answered(ctx, value):
        return ctx.node("call_function", fn, [value])
    if kind is SymVariable:
        return ctx.shapes.unary(ctx, fn, value)
    method, symbol = UNARY[fn]
    return special(ctx, value, method, [], f"bad operand type for {symbol}: ")


def compare(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Any:
    kl, kr = type(left), type(right)
    if kl is ConstantVariable and kr is ConstantVariable:
        try:
            return ctx.wrap(fn(left.value, right.value))  # type: ignore[attr-defined]
        except Exception as error:
            ctx.raise_from_host(error)
    if kl is TensorVariable or kr is TensorVariable:
        answer = ctx.tensors.tensor_binary(ctx, fn, left, right)
        if answer is not None:
            return answer
    elif kl is ArrayVariable or kr is ArrayVariable:
        answer = ctx.arrays.array_binary(ctx, fn, left, right)
        if answer is not None:
            return answer
    elif kl is SymVariable or kr is SymVariable:
        answer = ctx.shapes.binary(ctx, fn, left, right)
        if answer is not None:
            return answer
    native = _native_compare(ctx, fn, left, right)
    if native is not None:
        return native
    method, reflected, symbol = COMPARE[fn]
    answer = _compare_two_sided(ctx, left, right, method, reflected)
    if answer is not None:
        return answer
    if fn is operator.eq or fn is operator.ne:
        return literal(is_same(ctx, left, right) == (fn is operator.eq))
    names = type_name(left.python_type()), type_name(right.python_type())
    ctx.raise_(TypeError, f"{symbol!r} not supported between instances of {names[0]!r} and {names[1]!r}")


def _compare_two_sided(ctx: Context, left: Variable, right: Variable, method: str, reflected: str) -> Any:
    cl, cr = left.python_type(), right.python_type()
    order = [(left, right, method), (right, left, reflected)]
    if cl is not cr and is_subtype(cr, cl):
        order.reverse()
    for subject, other, name in order:
        owner, raw = find(ctx, subject.python_type(), name)
        if raw is MISSING or owner is object:
            if name == "__ne__" and owner is object and find(ctx, subject.python_type(), "__eq__")[0] is not object:
                equal = ctx.settle(special(ctx, subject, "__eq__", [other], ""))
                if not is_not_implemented(equal):
                    return FALSE if truth(ctx, equal) else TRUE
            continue
        answer = ctx.settle(special(ctx, subject, name, [other], ""))
        if not is_not_implemented(answer):
            return answer
    return None


def _native_compare(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Variable | None:
    """Builtin containers compare item by item, with the program's own equality."""
    kl, kr = type(left), type(right)
    if (
        kl in (ListVariable, TupleVariable)
        and left.is_like(right)  # type: ignore[attr-defined]
        and not _python_class(ctx, left)
        and not _python_class(ctx, right)
    ):
        return _within(ctx, _compare_sequences, fn, left, right)
    equality = fn is operator.eq or fn is operator.ne
    if isinstance(left, DictVariable) and isinstance(right, DictVariable) and equality and not _python_class(ctx, left) and not _python_class(ctx, right):
        return literal(_within(ctx, _dicts_equal, left, right) == (fn is operator.eq))
    if _is_set(left) and _is_set(right):
        return literal(fn(set(_keys(ctx, left)), set(_keys(ctx, right))))
    if kl is kr and kl is SliceVariable:
        return compare(ctx, fn, TupleVariable(left.parts, tuple), TupleVariable(right.parts, tuple))  # type: ignore[attr-defined]
    if equality and kl in _BY_IDENTITY and kr in _BY_IDENTITY and not (kl is PinnedVariable and _rich(ctx, left)):
        return literal(same(ctx, left, right) == (fn is operator.eq))
    if kl is PinnedVariable or kr is PinnedVariable:
        if _own_equality(ctx, left) or _own_equality(ctx, right):
            return None
        try:
            values = left.constant(), right.constant()
        except NotConstant:
            return None
        if isinstance(left, ObjectVariable) or isinstance(right, ObjectVariable):
            return None
        try:
            return ctx.wrap(fn(*values))
        except Exception as error:
            ctx.raise_from_host(error)
    return None


def _is_set(variable: Variable) -> bool:
    """Whether it compares as a set does: values of a dict don't."""
    return type(variable) is SetVariable or type(variable) is DictViewVariable and variable.part != "values"


def operators_native(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Variable:
    """A comparison of two builtin containers of one kind."""
    if isinstance(left, ListVariable | TupleVariable):
        return _compare_sequences(ctx, fn, left, right)
    if isinstance(left, DictVariable) and isinstance(right, DictVariable):
        return literal(_dicts_equal(ctx, left, right) == (fn is operator.eq))
    return literal(fn(set(_keys(ctx, left)), set(_keys(ctx, right))))


_BY_IDENTITY = (PinnedVariable, FunctionVariable)


def _rich(ctx: Context, variable: Variable) -> bool:
    return find(ctx, variable.python_type(), "__eq__")[0] is not object


def _own_equality(ctx: Context, variable: Variable) -> bool:
    """Whether Python code compares it."""
    owner = find(ctx, variable.python_type(), "__eq__")[0]
    return owner is not None and is_python_class(owner)


def _python_class(ctx: Context, variable: Variable) -> bool:
    cls = variable.python_type()
    owner = find(ctx, cls, "__eq__")[0]
    return owner is not None and owner not in (list, tuple, object) and is_python_class(cls)


def _keys(ctx: Context, variable: Any) -> list[Any]:
    return list(variable.items) if type(variable) is SetVariable else list(variable.as_set(ctx).items)


def _within(ctx: Context, comparison: Callable[..., Any], *args: Any) -> Any:
    """A comparison that comes to itself again would never end."""
    key = "compare", *args
    if key in ctx.memo:
        ctx.raise_(RecursionError, "maximum recursion depth exceeded in comparison")
    ctx.memo[key] = args[-1]
    try:
        return comparison(ctx, *args)
    finally:
        del ctx.memo[key]


def _compare_sequences(ctx: Context, fn: Callable[..., Any], left: Any, right: Any) -> Any:
    if (fn is operator.eq or fn is operator.ne) and len(left.items) != len(right.items):
        return literal(fn is operator.ne)
    deque = issubclass(left.cls, collections.deque)
    i = 0
    while i < min(len(left.items), len(right.items)):  # `__eq__` may change them
        a, b = left.item(ctx, i), right.item(ctx, i)
        if same_or_equal(ctx, a, b):
            i += 1
        elif deque:
            return compare(ctx, fn, a, b)
        elif i < min(len(left.items), len(right.items)):
            if fn is operator.eq or fn is operator.ne:
                return literal(fn is operator.ne)
            return compare(ctx, fn, left.item(ctx, i), right.item(ctx, i))
    return literal(fn(len(left.items), len(right.items)))


def _dicts_equal(ctx: Context, left: DictVariable, right: DictVariable) -> bool:
    if len(left.items) != len(right.items):
        return False
    if (
        issubclass(left.cls, collections.OrderedDict)
        and issubclass(right.cls, collections.OrderedDict)
        and list(left.items) != list(right.items)
    ):
        return False
    for key in left.items:
        if key not in right.items:
            return False
        mine, theirs = left.at(ctx, key), right.at(ctx, key)
        assert mine is not None and theirs is not None
        if not same_or_equal(ctx, mine, theirs):
            return False
    return True


# ---- identity
def same(ctx: Context, left: Variable, right: Variable) -> bool:
    """`left is right`, as it is now."""
    if left is right:
        return True
    a, b = left.identity(), right.identity()
    if isinstance(a, Variable) or isinstance(b, Variable):
        if isinstance(left, TensorVariable) and isinstance(right, TensorVariable):
            return left.fake is right.fake
        return a is b
    return bool(a == b)


def is_same(ctx: Context, left: Variable, right: Variable) -> bool:
    """`left is right` as the program asks it. Two things of its own that differ now must differ at the next call, and of
    numbers and texts, which are guarded by their values, those that are one object now must be one then."""
    if left is right:
        return True
    if left.python_type() is not right.python_type():
        return False
    if type(left) is SymVariable or type(right) is SymVariable:
        if left.python_type() is bool:
            return truth(ctx, left) is truth(ctx, right)
        if not truth(ctx, ctx.settle(compare(ctx, operator.eq, left, right))):
            return False
        left, right = _number(ctx, left), _number(ctx, right)
    if type(left) is ConstantVariable and type(right) is ConstantVariable:
        return _is_same_constant(ctx, left, right)
    if isinstance(left, TupleVariable) and isinstance(right, TupleVariable) and (left.origin is not None or right.origin is not None):
        return _is_same_tuple(ctx, left, right)
    answer = same(ctx, left, right)
    if not answer and left.source is not None and right.source is not None and type(left) is type(right) is not PinnedVariable:
        ctx.guard(left.source, "NOT_SAME_OBJECT", right.source, right.source)
    return answer


def _number(ctx: Context, variable: Variable) -> Variable:
    """The object behind a symbolic number."""
    if type(variable) is not SymVariable:
        return variable
    value = variable.specialise(ctx)
    read = next((i for i in ctx.inputs if i.source is variable.source), None)
    return literal(value) if read is None else ConstantVariable(read.value, read.source)


def _guard_identity(ctx: Context, source: Any, value: Any, answer: bool) -> None:
    """What is found at `source` stays that object, or another than that."""
    if answer:
        ctx.guard(source, "ID_MATCH", value)
    else:
        pinned = ctx.pinned(value)
        ctx.guard(source, "NOT_SAME_OBJECT", pinned, pinned)


def _is_same_constant(ctx: Context, left: ConstantVariable, right: ConstantVariable) -> bool:
    a, b = left.value, right.value
    if not same_constant(a, b) or is_unique(a):
        return a is b
    one, other = (left, right) if left.source is not None else (right, left)
    if one.source is not None:
        if other.source is None:
            _guard_identity(ctx, one.source, other.value, a is b)
        else:
            ctx.guard(one.source, "SAME_OBJECT" if a is b else "NOT_SAME_OBJECT", other.source, other.source)
    return a is b


def _is_same_tuple(ctx: Context, left: TupleVariable, right: TupleVariable) -> bool:
    """Of two tuples one of which existed before. Which it is stays so, or the trace is made anew."""
    if not left.items and not right.items and left.cls is tuple:
        return True
    answer = left.origin is right.origin
    if left.origin is None or right.origin is None:
        return answer
    one, other = (left, right) if left.source is not None else (right, left)
    if one.source is not None and other.source is not None:
        ctx.guard(one.source, "SAME_OBJECT" if answer else "NOT_SAME_OBJECT", other.source, other.source)
    elif one.source is not None:
        _guard_identity(ctx, one.source, other.origin, answer)
    return answer


def same_or_equal(ctx: Context, left: Variable, right: Variable) -> bool:
    """`left is right or left == right`, as containers compare."""
    decides = type(left) is ConstantVariable and left.value != left.value or _python_class(ctx, left)
    if (is_same if decides else same)(ctx, left, right):  # where equality follows from identity, it isn't asked for
        return True
    return truth(ctx, ctx.settle(compare(ctx, operator.eq, left, right)))


def identity_key(variable: Variable) -> Any:
    return IdentityKey(variable)


def _user_key(ctx: Context, variable: Variable) -> UserKey:
    """`hash(x)` by the class's own method, and what is needed to compare it."""
    number = special_answer(ctx, variable, "__hash__")
    if type(number) is not ConstantVariable:
        ctx.break_("user-hash-or-eq", type=variable.python_type().__name__)

    def equal(stored: Variable, wanted: Variable) -> bool:
        return same(ctx, stored, wanted) or truth(ctx, ctx.settle(compare(ctx, operator.eq, stored, wanted)))

    return UserKey(variable, int(number.value), equal)


def object_key(ctx: Context, variable: Variable) -> Any:
    """How a dict models this key: by identity where the class has Python's default hash, else by what it compares."""
    cls = variable.python_type()
    owner, raw = find(ctx, cls, "__hash__")
    if issubclass(cls, weakref.ReferenceType):
        ctx.break_("weakref-call", expr="a weak reference", why="its hash and its equality are those of its object")
    if raw is None or raw is MISSING:
        ctx.raise_(TypeError, f"unhashable type: {type_name(cls)!r}")
    if owner is object and find(ctx, cls, "__eq__")[0] is object:
        return IdentityKey(variable)
    if isinstance(variable, ObjectVariable):
        if owner in (object, torch.nn.Module) or not is_python_class(owner):  # type: ignore[union-attr]
            if variable.data is None or not _python_class(ctx, variable):
                return IdentityKey(variable) if variable.data is None else variable.data.dict_key(ctx)
        return _user_key(ctx, variable)
    try:
        value = variable.constant()
        hash(value)
    except NotConstant:
        return IdentityKey(variable)
    except TypeError as error:
        ctx.raise_from_host(error)
    return (
        IdentityKey(variable)
        if isinstance(variable, PinnedVariable | FunctionVariable) and not _rich(ctx, variable)
        else ValueKey(value, variable)
    )


# ---- truth, length, containment, index
def truth(ctx: Context, value: Variable) -> bool:
    if type(value) is ConstantVariable:
        try:
            return bool(value.value)
        except TypeError as error:  # NotImplemented has no truth since 3.14
            ctx.raise_from_host(error)
    return value.truth(ctx)


def truth_through_type(ctx: Context, value: Variable) -> bool:
    cls = value.python_type()
    if has(ctx, cls, "__bool__"):
        return truth(ctx, special_answer(ctx, value, "__bool__"))
    if has(ctx, cls, "__len__"):
        return truth(ctx, length(ctx, value))
    return True


def length(ctx: Context, value: Variable) -> Variable:
    return ctx.settle(value.length(ctx))


def length_through_type(ctx: Context, value: Variable) -> Variable:
    cls = value.python_type()
    if not has(ctx, cls, "__len__"):
        ctx.raise_(TypeError, f"object of type {type_name(cls)!r} has no len()")
    return special_answer(ctx, value, "__len__")


def contains_through_type(ctx: Context, container: Variable, item: Variable) -> bool:
    cls = container.python_type()
    owner, raw = find(ctx, cls, "__contains__")
    if raw is not MISSING and raw is not None:
        return truth(ctx, ctx.settle(special(ctx, container, "__contains__", [item], "")))
    if not has(ctx, cls, "__iter__") and not has(ctx, cls, "__getitem__"):
        ctx.raise_(TypeError, words.NOT_A_CONTAINER.format(type=type_name(cls)))
    try:
        iterator = ctx.protocol.iterator(ctx, container)
    except Raised as error:
        if not issubclass(error.variable.python_type(), TypeError):
            raise
        ctx.raise_(TypeError, words.NOT_A_CONTAINER.format(type=type_name(cls)))
    while (found := ctx.protocol.next_item(ctx, iterator)) is not None:
        if same_or_equal(ctx, found, item):
            return True
    return False


def index(ctx: Context, value: Variable, complaint: str = "", *, size: bool = False) -> int:
    """`operator.index`; a symbolic integer specialises. `complaint`, of a sequence, names the type; a `size` has to fit C's own."""
    if size:
        number = index(ctx, value, complaint)
        if not -sys.maxsize - 1 <= number <= sys.maxsize:
            ctx.raise_(OverflowError, "Python int too large to convert to C ssize_t")
        return number
    held = value.data if isinstance(value, ObjectVariable) else value
    if isinstance(held, ConstantVariable) and isinstance(held.value, int):
        return int(held.value)
    kind = type(value)
    if kind is SymVariable and value.python_type() is int:
        return int(value.specialise(ctx))  # type: ignore[attr-defined]
    if kind is TensorVariable:
        ctx.break_("tensor-to-python-number", expr=mention(value), var=mention(value))
    name = type_name(value.python_type())
    if not has(ctx, value.python_type(), "__index__"):
        ctx.raise_(TypeError, complaint.format(name) if complaint else f"{name!r} object cannot be interpreted as an integer")
    return int(special_answer(ctx, value, "__index__").constant())


# ---- special methods
def special_method(ctx: Context, subject: Variable, name: str) -> Variable:
    """The method that an operator calls: looked up on the type, bound to the object."""
    if isinstance(subject, OpaqueVariable):
        subject.used()
    cls = subject.python_type()
    owner, raw = find(ctx, cls, name)
    assert owner is not None, name
    return ctx.settle(bind(ctx, owner, name, raw, subject, ctx.type_of(subject)))


def special(ctx: Context, subject: Variable, name: str, args: list[Variable], complaint: str) -> Any:
    """Call `type(subject).name(subject, *args)`; a variable, or a frame to run first."""
    if isinstance(subject, OpaqueVariable):
        subject.used()
    cls = subject.python_type()
    owner, raw = find(ctx, cls, name)
    if raw is MISSING or raw is None or owner is None:
        if complaint.endswith(": "):
            ctx.raise_(TypeError, f"{complaint}{type_name(cls)!r}")
        ctx.raise_(
            TypeError, f"{type_name(cls)!r} object {complaint}" if complaint else f"{type_name(cls)!r} object has no {name}"
        )
    return bind(ctx, owner, name, raw, subject, ctx.type_of(subject)).call(ctx, args, {})


def special_answer(ctx: Context, subject: Variable, name: str, args: Sequence[Variable] = ()) -> Variable:
    """What a slot gives whose method is `name`: checked as CPython checks it."""
    return checked(ctx, subject, name, ctx.settle(special(ctx, subject, name, list(args), "")))


def call_through_type(ctx: Context, subject: Variable, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    cls = subject.python_type()
    owner, raw = find(ctx, cls, "__call__")
    if raw is MISSING or owner is None:
        ctx.raise_(TypeError, f"{type_name(cls)!r} object is not callable")
    return ctx.settle(bind(ctx, owner, "__call__", raw, subject, ctx.type_of(subject))).call(ctx, args, kwargs)
