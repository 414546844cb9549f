"""Call rules of isinstance and issubclass, of class statements, and of methods that every exception has.

`isinstance` asks as CPython does: the class itself, then its metaclass's `__instancecheck__`; where that is `type`'s own, the class of the
object and then what the object says that its class is (`__class__`).
"""

from __future__ import annotations

import abc
import builtins
import types
from typing import TYPE_CHECKING, Any

import torch

from ...compat.python_classes import is_python_class
from ...compat.type_names import type_name
from ...signals import Declined, NotConstant
from ...variables import (
    NONE,
    ExceptionVariable,
    ListVariable,
    PinnedVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    literal,
)
from ...variables.type_parameters import TypeExpressionVariable
from ..known import plain
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(builtins.__build_class__)
def build_class(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """A class statement makes a class by running Python."""
    ctx.break_("class-definition-inside", what="class statement", expr="class")


# ---- isinstance, issubclass
MRO = type.__dict__["__mro__"].__get__
#: Metaclasses of torch that look at the object itself: their answer for anything but a tensor is that of the classes.
_OF_TORCH = (type(torch.nn.Parameter), type(torch.nn.Buffer), type(torch.FloatTensor))


@calls.exact(isinstance)
def isinstance_(ctx: Context, value: Variable, classes: Variable) -> Any:
    """`isinstance(x, classes)`; a class's own `__instancecheck__` is traced."""
    return literal(_check(ctx, value, classes, "__instancecheck__"))


@calls.exact(issubclass)
def issubclass_(ctx: Context, value: Variable, classes: Variable) -> Any:
    """`issubclass(cls, classes)`; a class's own `__subclasscheck__` is traced."""
    return literal(_check(ctx, value, classes, "__subclasscheck__"))


def _check(ctx: Context, value: Variable, classes: Variable, method: str, of_instance: bool = False) -> bool:
    several = plain(classes)
    if isinstance(several, TupleVariable):
        return any(_check(ctx, value, c, method) for c in several.settled(ctx))
    try:
        wanted = classes.constant()
    except NotConstant:  # no class: what is raised says so
        wanted = classes.sample if isinstance(classes, TypeExpressionVariable) else None
    if method == "__instancecheck__" and value.python_type() is wanted:
        return True
    if isinstance(wanted, types.UnionType) and all(isinstance(part, type) for part in wanted.__args__):
        return any(_check(ctx, value, ctx.wrap(part), method) for part in wanted.__args__)
    owner, raw = ctx.protocol.find(ctx, type(wanted), method)
    if owner is abc.ABCMeta:
        return _abc_instance(ctx, wanted, value) if method == "__instancecheck__" else _abc_subclass(ctx, wanted, value, of_instance)
    if owner is not None and is_python_class(owner) and isinstance(raw, types.FunctionType) and type(wanted) not in _OF_TORCH:
        return ctx.protocol.truth(ctx, ctx.call_now(ctx.protocol.class_entry(ctx, owner, method, raw), [classes, value]))
    return _by_class(ctx, value, wanted, method)


def _by_class(ctx: Context, value: Variable, wanted: Any, method: str) -> bool:
    """What `type` says."""
    if method == "__subclasscheck__":
        _class(ctx, value)
    if not isinstance(wanted, type):
        _refused(ctx, wanted, isinstance if method == "__instancecheck__" else issubclass)
    if method == "__subclasscheck__":
        return _below(ctx, _class(ctx, value), wanted)
    if isinstance(value, TensorVariable):
        return _tensor_isinstance(value, wanted)
    if _below(ctx, value.python_type(), wanted):
        return True
    said = class_said(ctx, value)
    return said is not None and wanted in MRO(said)


def _below(ctx: Context, cls: type, wanted: Any) -> bool:
    ctx.protocol.guard_bases(ctx, cls)
    if type(wanted) is type:
        return wanted in MRO(cls)
    return type.__subclasscheck__(wanted, cls)


def _refused(ctx: Context, wanted: Any, check: Any) -> None:
    """What CPython raises where `wanted` is no class. (Objects that have `__bases__` pass for one.)"""
    try:
        check(type, wanted)
    except TypeError as error:
        ctx.raise_from_host(error)
    ctx.break_("unsupported-builtin", func=check.__name__, why="the second argument is no class, and has an answer of its own")


def _class(ctx: Context, value: Variable) -> type:
    if not (isinstance(value, PinnedVariable) and isinstance(value.value, type)):
        ctx.raise_(TypeError, "issubclass() arg 1 must be a class")
    return value.value  # type: ignore[attr-defined]


def class_said(ctx: Context, value: Variable) -> type | None:
    """The class that `value.__class__` gives where that isn't the object's own: a property, an attribute or `__getattribute__` answers."""
    cls = value.python_type()
    if not is_python_class(cls) or ctx.protocol.find(ctx, cls, "__class__")[0] is object and not ctx.protocol.overrides(ctx, cls, "__getattribute__"):
        return None
    said = ctx.protocol.getattr_or_none(ctx, value, "__class__")
    held = said.value if isinstance(said, PinnedVariable) else None
    return held if isinstance(held, type) and held is not cls else None


def _abc_instance(ctx: Context, wanted: Any, value: Variable) -> bool:
    """`ABCMeta.__instancecheck__`: the class that the object says, then its own."""
    if isinstance(value, TensorVariable):
        return _tensor_isinstance(value, wanted)
    said = class_said(ctx, value)
    asked = ctx.wrap(wanted)  # whose metaclass may have a `__subclasscheck__` of its own
    return any(_check(ctx, ctx.wrap(cls), asked, "__subclasscheck__", True) for cls in (said, value.python_type()) if cls is not None)


def _abc_subclass(ctx: Context, wanted: Any, value: Variable, of_instance: bool = False) -> bool:
    """`ABCMeta.__subclasscheck__`: registered classes and `__subclasshook__`s too. `of_instance`: `__instancecheck__` asks."""
    try:
        return ctx.protocol.is_subclass(ctx, _class(ctx, value), wanted, of_instance)
    except TypeError as error:
        ctx.raise_from_host(error)


@calls.exact(abc._abc_instancecheck)  # type: ignore[attr-defined]
def abc_instancecheck(ctx: Context, cls: Variable, value: Variable) -> Any:
    """What a metaclass's `super().__instancecheck__(x)` comes to below ABCMeta."""
    return literal(_abc_instance(ctx, cls.real(), value))


@calls.exact(abc._abc_subclasscheck)  # type: ignore[attr-defined]
def abc_subclasscheck(ctx: Context, cls: Variable, value: Variable) -> Any:
    """What a metaclass's `super().__subclasscheck__(c)` comes to below ABCMeta."""
    return literal(_abc_subclass(ctx, cls.real(), value))


@calls.exact(type.__instancecheck__)
def type_instancecheck(ctx: Context, cls: Variable, value: Variable) -> Any:
    """`type.__instancecheck__(cls, x)`: by the class of the object, and by what it says."""
    return literal(_by_class(ctx, value, cls.real(), "__instancecheck__"))


@calls.exact(type.__subclasscheck__)
def type_subclasscheck(ctx: Context, cls: Variable, value: Variable) -> Any:
    """`type.__subclasscheck__(cls, x)`: by the MRO alone."""
    held = _class(ctx, value)
    ctx.protocol.guard_bases(ctx, held)
    return literal(type.__subclasscheck__(cls.real(), held))


def _tensor_isinstance(value: TensorVariable, wanted: Any) -> bool:
    """Parameter, Buffer and the legacy tensor types look at the object: a fake of the same kind answers for it."""
    if wanted is torch.nn.Parameter or wanted is torch.nn.Buffer:
        return issubclass(value.cls, wanted) or (value.value is not None and isinstance(value.value, wanted))
    if wanted.__module__ == "torch" and wanted.__name__.endswith("Tensor") and wanted is not torch.Tensor:
        return value.fake.dtype == getattr(wanted, "dtype", None) and value.fake.device.type == "cpu"
    return issubclass(value.cls, wanted)


# ---- exceptions
@calls.exact(BaseException.add_note)
def add_note(ctx: Context, error: Variable, note: Variable) -> Any:
    """`error.add_note(text)`: appended to `__notes__`."""
    if not isinstance(error, ExceptionVariable):
        return Declined("not a modelled exception")
    if not issubclass(note.python_type(), str):
        ctx.raise_(TypeError, f"note must be a str, not {type_name(note.python_type())!r}")
    notes = error.own(ctx, "__notes__")
    if notes is None:
        notes = ListVariable([])
        error.store(ctx, "__notes__", notes)
    if not isinstance(notes, ListVariable):
        ctx.raise_(TypeError, "Cannot add note: __notes__ is not a list")
    ctx.mutate(notes)
    notes.items.append(note)
    return NONE


@calls.exact(BaseException.with_traceback)
def with_traceback(ctx: Context, error: Variable, trace: Variable) -> Any:
    """`error.with_traceback(trace)`: the traceback goes on from there."""
    if not isinstance(error, ExceptionVariable):
        return Declined("not a modelled exception")
    ctx.settle(error.set_attribute(ctx, "__traceback__", trace) or NONE)
    return error
