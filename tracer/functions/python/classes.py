"""Calling a class: `type.__call__` as CPython runs it (`__new__`, then `__init__`), over variables. And builtin descriptors.

Reached as `ctx.classes`.
"""

from __future__ import annotations

import collections
import enum
import types
import weakref
from typing import TYPE_CHECKING, Any

import torch

from ...compat.python_classes import is_python_class, maker
from ...compat.type_names import type_name
from ...interpreter.frame import Frame
from ...protocol.instances import builtin_data, native_base
from ...protocol.operators import BINARY, COMPARE, DIVMOD
from ...signals import Break, Declined, NotConstant
from ...variables import (
    NONE,
    ConstantVariable,
    ExceptionVariable,
    ModuleVariable,
    ObjectVariable,
    PinnedVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    is_named_tuple,
    is_structseq,
    literal,
)
from ...variables.base import native_manager
from .. import policy
from ..known import settled_values, value_part
from ..stdlib import weakref_rules
from ..table import calls
from .subclasses import made_by_its_class, of_base

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["call_descriptor", "construct", "make_instance"]

_IMMUTABLE = (tuple, str, int, float, bytes, complex, frozenset)


_NUMBERS = (int, float, complex, bool)
_COMPARISONS = frozenset(names[0] for names in COMPARE.values())
_OPERATORS = _COMPARISONS.union(DIVMOD[:2], *(names[:2] for names in BINARY.values()))


def construct(ctx: Context, variable: PinnedVariable, cls: type, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """`cls(*args, **kwargs)`: an object variable, or a frame to run first."""
    meta = type(cls)
    owner, raw = ctx.protocol.find(ctx, meta, "__call__")
    if owner is not None and is_python_class(owner) and owner is not enum.EnumMeta and type(raw) is types.FunctionType:
        return ctx.protocol.class_entry(ctx, owner, "__call__", raw).call(ctx, [variable, *args], kwargs)
    if isinstance(cls, enum.EnumMeta):
        return _member(ctx, variable, cls, args, kwargs)
    if is_named_tuple(cls) or is_structseq(cls):
        made = _named_tuple(ctx, cls, args, kwargs)
        if made is not None:
            return made
    if not is_python_class(cls):
        return _native(ctx, cls, args, kwargs)
    return make_instance(ctx, variable, cls, args, kwargs)


def _member(ctx: Context, variable: PinnedVariable, cls: enum.EnumMeta, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """`cls(value)`: a member; where there is none, a `_missing_` of the program's own runs as its own code."""
    if not cls._member_map_ and (len(args) > 1 or kwargs):
        ctx.break_("class-definition-inside", what="class", expr=f"{cls.__name__}(…)", type=args[0].describe() if args else "")
    owner, missing = ctx.protocol.find(ctx, cls, "_missing_")
    try:
        values, named = settled_values(ctx, args, kwargs)
    except NotConstant as unknown:
        ctx.break_("unsupported-builtin", func=f"{cls.__name__}(…)", type=type_name(unknown.variable.python_type()), why="which member it is isn't known")
    own = owner is not None and owner.__module__ != "enum" and isinstance(missing, classmethod)
    if own and len(args) == 1 and not kwargs and not _has_member(cls, values[0]):
        new = ctx.build(enum.Enum.__new__, ctx.pinned(enum.Enum).dict().item("__new__").attr("__func__"))
        return ctx.call_now(new, [variable, *args])
    try:
        return ctx.wrap(cls(*values, **named))
    except (ValueError, TypeError, KeyError) as error:
        ctx.raise_from_host(error)


def _has_member(cls: enum.EnumMeta, value: Any) -> bool:
    try:
        return type(value) is cls or value in cls._value2member_map_
    except TypeError:  # it can't be hashed
        return any(member.value == value for member in cls)


def _named_tuple(ctx: Context, cls: Any, args: list[Variable], kwargs: dict[str, Variable]) -> Variable | None:
    if is_structseq(cls):
        values = ctx.protocol.unpack(ctx, args[0], "constructor requires a sequence") if len(args) == 1 and not kwargs else []
        if len(values) != cls.n_sequence_fields:  # too few, or with fields that aren't part of the sequence
            raise Break("metaclass-or-custom-new", type=cls.__name__, name=cls.__name__)
        return TupleVariable(values, cls)
    owner, new = ctx.protocol.find(ctx, cls, "__new__")
    if not (owner is not None and isinstance(new, staticmethod | types.FunctionType) and "namedtuple" in getattr(new, "__func__", new).__code__.co_filename):
        return None
    fields, defaults = cls._fields, cls._field_defaults
    if len(args) > len(fields) or any(k not in fields for k in kwargs):
        return None
    values = list(args)
    for name in fields[len(args) :]:
        if name in kwargs:
            values.append(kwargs[name])
        elif name in defaults:
            values.append(ctx.build(defaults[name], ctx.pinned(cls).dict().item("_field_defaults").item(name)))
        else:
            return None
    if cls.__dictoffset__:
        return ObjectVariable(None, cls, None, TupleVariable(values, tuple))
    return TupleVariable(values, cls)


def _native(ctx: Context, cls: type, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """A builtin class without a rule: exceptions are modelled, others are folded when their arguments are known."""
    if issubclass(cls, BaseException):
        return _exception(ctx, cls, args, kwargs)
    if cls in _FOLDED:
        try:
            return ctx.wrap(cls(*[a.constant() for a in args], **{k: v.constant() for k, v in kwargs.items()}))
        except NotConstant:
            pass
        except Exception as error:
            ctx.raise_from_host(error)
    name = cls.__name__
    reason = "unsupported-builtin" if cls.__module__ == "builtins" else "metaclass-or-custom-new"
    raise Break(reason, func=name, name=name, expr=f"{name}()", type=name)


_FOLDED = frozenset({int, float, str, bytes, complex, bool, range, slice, torch.device, torch.finfo, torch.iinfo})


def _exception(ctx: Context, cls: type[BaseException], args: list[Variable], kwargs: dict[str, Variable]) -> Variable:
    """`cls(*args)`. OSError picks a subclass by its number; groups and classes that insist on their arguments are made natively
    to see what comes of them."""
    if issubclass(cls, BaseExceptionGroup):
        ctx.break_("exception-group")
    made = ctx.lifetimes.born(ctx, ExceptionVariable(cls, list(args)))
    if not issubclass(cls, OSError | UnicodeError | SyntaxError) and not kwargs:
        return made
    try:
        seen = native_base(cls)(*[a.constant() for a in args], **{k: v.constant() for k, v in kwargs.items()})
    except NotConstant:
        ctx.break_("unsupported-builtin", func=cls.__name__, name=cls.__name__, type=cls.__name__)
    except TypeError as error:
        ctx.raise_from_host(error)
    if cls is OSError:
        made.cls = type(seen)
    made.args = [ctx.wrap(a) for a in seen.args]
    names = ("filename", "filename2") if issubclass(cls, OSError) else tuple(kwargs)
    for name in names:
        if getattr(seen, name) is not None:
            made.set_field(name, ctx.wrap(getattr(seen, name)))
    return made


def make_instance(ctx: Context, variable: PinnedVariable, cls: type, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """`type.__call__` for a class statement's class."""
    _refuse(ctx, cls)
    owner, new = ctx.protocol.find(ctx, cls, "__new__")
    if owner is not None and is_python_class(owner):
        function = ctx.settle(ctx.protocol.bind(ctx, owner, "__new__", new, None, variable))
        made = ctx.call_now(function, [variable, *args], kwargs)
        if not ctx.protocol.is_subtype(made.python_type(), cls):
            return made
    else:
        made = native_instance(ctx, cls, args, kwargs)
    return _initialise(ctx, cls, made, args, kwargs)


def native_instance(ctx: Context, cls: type, args: list[Variable], kwargs: dict[str, Variable]) -> Variable:
    """`native.__new__(cls, *args)`: an instance whose builtin part is made, not yet initialised."""
    if issubclass(cls, BaseException):
        return _exception(ctx, cls, args, {})
    native = native_base(cls)
    if maker(cls) is not maker(native):
        raise Break("metaclass-or-custom-new", type=cls.__name__, name=maker(cls).__name__)
    if native in _IMMUTABLE:
        own = native is tuple and ctx.protocol.find(ctx, cls, "__new__")[0] is not tuple  # then tuple.__new__ takes no notice of keywords
        data = ctx.call_now(PinnedVariable(native), args, {} if own else kwargs)
        return ctx.lifetimes.born(ctx, ObjectVariable(None, cls, None, data))
    if native is weakref.ReferenceType:
        return weakref_rules.make(ctx, cls, *args)
    data = builtin_data(cls)
    if data is None and native is not object and native is not types.SimpleNamespace:
        raise Break("metaclass-or-custom-new", type=cls.__name__, name=native.__name__)
    if issubclass(cls, torch.nn.Module):
        return ctx.lifetimes.born(ctx, ModuleVariable(None, cls, None))
    return ctx.lifetimes.born(ctx, ObjectVariable(None, cls, None, data))


def _refuse(ctx: Context, cls: type) -> None:
    reason = policy.opaque_reason(cls.__module__)
    if reason is not None and not issubclass(cls, BaseException):
        raise Break(reason, expr=f"{cls.__name__}()", func=cls.__name__, name=cls.__name__, type=cls.__name__, module=cls.__module__)
    if cls is torch.Tensor:
        raise Break("legacy-tensor-constructor", expr="torch.Tensor()")
    if issubclass(cls, torch.Tensor) and not _makes_itself(ctx, cls):
        raise Break("tensor-subclass-unsupported", type=cls.__name__, expr=f"{cls.__name__}()", why="the constructor of `torch.Tensor` makes it")
    abstract = getattr(cls, "__abstractmethods__", None)
    if abstract and cls.__flags__ & (1 << 20):
        names = ", ".join(sorted(abstract))
        plural = "s" if len(abstract) > 1 else ""
        ctx.raise_(TypeError, f"Can't instantiate abstract class {cls.__name__} with abstract method{plural} {names}")


def _makes_itself(ctx: Context, cls: type) -> bool:
    """Whether a class of tensors has a `__new__` of the program's, which says by which of torch's functions a tensor is made."""
    owner, new = ctx.protocol.find(ctx, cls, "__new__")
    return owner is not None and is_python_class(owner) and isinstance(new, staticmethod | types.FunctionType) and owner is not torch.nn.Parameter


def _initialise(ctx: Context, cls: type, made: Variable, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    owner, init = ctx.protocol.find(ctx, made.python_type(), "__init__")
    if type(init) is types.FunctionType and owner is not None:
        frame = ctx.protocol.class_entry(ctx, owner, "__init__", init).call(ctx, [made, *args], kwargs)
        if type(frame) is Frame:
            frame.on_return = lambda result: _initialised(ctx, made, result)
            return frame
        return _initialised(ctx, made, frame)
    if owner is object:
        if (args or kwargs) and ctx.protocol.find(ctx, cls, "__new__")[0] is object:
            ctx.raise_(TypeError, f"{cls.__name__}() takes no arguments")
        return made
    native = getattr(made, "data", None)
    if native is not None and native.mutable and owner is not None:
        ctx.settle(call_descriptor(ctx, init, [made, *args], kwargs))
    return made


def _initialised(ctx: Context, made: Variable, result: Variable) -> Variable:
    if result is not NONE and result.python_type() is not type(None):
        ctx.raise_(TypeError, f"__init__() should return None, not {ctx.protocol.shown_type(result)!r}")
    return made


# ---- builtin descriptors (`list.append`, `object.__setattr__`, …)
_BUILTIN = (list, dict, tuple, set, frozenset, collections.deque, str, bytes, int, float, bool, complex)


def _check_receiver(ctx: Context, receiver: Variable, descriptor: Any) -> None:
    """A method of one builtin class refuses objects of another, before it looks at anything else."""
    kind = receiver.python_type()
    if kind in _BUILTIN and descriptor.__objclass__ in _BUILTIN and not issubclass(kind, descriptor.__objclass__):
        try:
            descriptor(kind())
        except TypeError as error:
            ctx.raise_from_host(error)


def _check_copied(ctx: Context, args: list[Variable], descriptor: Any) -> None:
    """A dict is copied key by key, by its class's own `keys` and `__getitem__`, where the class has its own `__iter__`."""
    if descriptor in (dict.copy, dict.__or__, dict.__ror__):
        for held in args:
            if isinstance(held, ObjectVariable) and ctx.protocol.overrides(ctx, held.cls, "__iter__"):
                ctx.break_("unsupported-builtin", func=descriptor.__qualname__, type=held.cls.__name__, why="its class has its own `__iter__`")


def call_descriptor(ctx: Context, descriptor: Any, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """An unbound builtin method; its own rules were asked already when it was called directly."""
    if isinstance(descriptor, types.ClassMethodDescriptorType):
        return _class_method(ctx, descriptor, args, kwargs)
    if not args:
        ctx.raise_(TypeError, f"unbound method {descriptor.__qualname__}() needs an argument")
    receiver = args[0]
    if isinstance(receiver, TensorVariable):
        return ctx.tensors.call_tensor_method(ctx, descriptor.__name__, args, kwargs)
    _check_receiver(ctx, receiver, descriptor)
    _check_copied(ctx, args, descriptor)
    if isinstance(receiver, ObjectVariable) and receiver.data is not None and descriptor.__objclass__ is not object:
        made = made_by_its_class(ctx, receiver, descriptor, args[1:]) if not kwargs else None
        if made is not None:
            return made
        result = PinnedVariable(descriptor).call(ctx, [receiver.data, *args[1:]], kwargs)
        return of_base(receiver, result) if result is receiver.data else result
    why = ""
    for rule in calls.of(descriptor):
        answer = rule(ctx, args, kwargs)
        if type(answer) is not Declined:
            return answer
        why = answer.why
    name = descriptor.__name__
    reflected = ctx.native_methods.call(ctx, receiver, name, args[1:], kwargs)
    if reflected is not None:
        return reflected
    if name in _OPERATORS and isinstance(receiver, ConstantVariable) and len(args) == 2:
        args = [receiver, value_part(args[1])]
        if type(args[1]) is not ConstantVariable and (descriptor.__objclass__ in _NUMBERS or name in _COMPARISONS):
            return literal(NotImplemented)  # a number, text or None knows nothing of other objects
    try:
        values, named = settled_values(ctx, [args[0]], kwargs, objects=False)
        values += settled_values(ctx, args[1:], {}, objects=True)[0]
    except NotConstant as missing:
        raise Break(
            "unsupported-builtin", func=descriptor.__qualname__, name=descriptor.__qualname__, type=missing.variable.python_type().__name__, why=why
        ) from None
    if name in _ENTERS:
        raise native_manager(receiver)
    if not isinstance(receiver, ConstantVariable | TupleVariable) and receiver.mutable:
        raise Break("unsupported-builtin", func=descriptor.__qualname__, name=descriptor.__qualname__, type=receiver.python_type().__name__, why=why)
    if isinstance(receiver, PinnedVariable) and (name in _WRITES or not _safe_receiver(receiver.value)):
        raise Break("unsupported-builtin", func=descriptor.__qualname__, name=descriptor.__qualname__, type=receiver.python_type().__name__, why=why)
    try:
        return ctx.protocol.wrap_native(ctx, descriptor(*values, **named))
    except NotConstant as missing:
        raise Break(
            "unsupported-builtin", func=descriptor.__qualname__, name=descriptor.__qualname__, type=missing.variable.python_type().__name__
        ) from None
    except Exception as error:
        ctx.raise_from_host(error)


#: Slots that change their object, or another one.
_WRITES = frozenset({"__setattr__", "__delattr__", "__set__", "__delete__", "__setitem__", "__delitem__", "__init__", "__set_name__", "__setstate__"})
#: What a `with` statement calls is done for its effect, also where the object itself is a constant, as a device is.
_ENTERS = frozenset({"__enter__", "__exit__"})


def _safe_receiver(value: Any) -> bool:
    """Objects whose builtin methods only compute."""
    import re

    return isinstance(value, type | re.Pattern | re.Match | torch.finfo | torch.iinfo | types.GenericAlias | enum.Enum) or type(value).__module__ == "datetime"


def _bound(descriptor: Any, cls: type) -> Any:
    return descriptor.__get__(None, cls)


def _class_method(ctx: Context, descriptor: Any, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    for rule in calls.of(descriptor):
        answer = rule(ctx, args, kwargs)
        if type(answer) is not Declined:
            return answer
    try:
        values, named = settled_values(ctx, args, kwargs)
        return ctx.wrap(_bound(descriptor, values[0])(*values[1:], **named))
    except NotConstant:
        raise Break("unsupported-builtin", func=descriptor.__qualname__, name=descriptor.__qualname__, type=descriptor.__objclass__.__name__) from None
    except Exception as error:
        ctx.raise_from_host(error)
