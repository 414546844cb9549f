"""Instances of classes: user objects, exceptions, nn.Modules, and instances of subclasses of builtin containers."""

from __future__ import annotations

import collections
import contextlib
import types
import weakref
from typing import TYPE_CHECKING, Any

from ..signals import Break, NotConstant, Raised
from .base import EPOCH, Lazy, Variable, mention
from .constants import ConstantVariable
from .functions import UNSET
from .keys import has_user_keys
from .mappings import DictVariable, set_each
from .sequences import TupleVariable
from .sets import SetVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..interpreter.lifetimes import Lifetimes
    from ..sources import Source

__all__ = ["ExceptionVariable", "ModuleVariable", "ObjectVariable"]


#: What torch's C++ asks of sequences and numbers among the arguments of an operator.
_READ_BY_TORCH = ("__len__", "__getitem__", "__iter__", "__float__", "__index__", "__int__", "__bool__", "__complex__")


class ObjectVariable(Variable):
    """An instance. `value` is the real object if it existed before. What the trace stored (UNSET: deleted) is kept as what it
    is: `attrs` are entries of the instance's `__dict__`, `erased` those of them that were deleted meanwhile, `slots` what was
    written through the descriptors of its class that C made, by descriptor. `data` models the builtin part of an instance of
    a list, dict, tuple, set, str, number or weak reference subclass. `holder`: the instance, met before, whose `__dict__`
    this one has too; `attrs` are then that one's, and what is written to them is written there. `lifetimes` is told once
    when nothing refers to a new instance of a class with `__del__` any more."""

    __slots__ = ("__weakref__", "attrs", "born", "cls", "data", "erased", "holder", "lifetimes", "slots", "value")
    mutable = True

    def __init__(self, value: Any, cls: type, source: Source | None = None, data: Variable | None = None):
        self.value, self.cls, self.source, self.vid, self.data = value, cls, source, 0, data
        self.born = EPOCH.now
        self.attrs: dict[str, Any] = {}
        self.erased: frozenset[str] = frozenset()
        self.slots: dict[Any, Any] = {}
        self.holder: ObjectVariable | None = None
        self.lifetimes: Lifetimes | None = None

    def __del__(self) -> None:
        if self.lifetimes is not None:
            lifetimes, self.lifetimes = self.lifetimes, None
            lifetimes.end(self)

    def end(self, ctx: Context) -> None:
        """`__del__` of the program's class. What it raises, Python writes down and forgets."""
        try:
            ctx.call_now(ctx.protocol.special_method(ctx, self, "__del__"), [])
        except Raised as error:
            raise Break("ignored-error", func=f"{self.cls.__name__}.__del__", type=error.variable.python_type().__name__) from None

    def python_type(self) -> type:
        return self.cls

    def describe(self) -> str:
        return f"{type.__dict__['__name__'].__get__(self.cls)} object"

    def real(self) -> Any:
        if self.value is None:
            raise NotConstant(self)
        return self.value

    def identity(self) -> Any:
        return self if self.value is None else ("object", id(self.value))

    def constant(self) -> Any:
        raise NotConstant(self)

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.objects.instance_attribute(ctx, self, name)

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        return ctx.objects.set_instance_attribute(ctx, self, name, value)

    def own(self, ctx: Context, name: str) -> Variable | None:
        """What the instance itself holds under `name` (its `__dict__`), guarded either way; None if nothing."""
        if self.holder is not None:
            return self.holder.own(ctx, name)
        stored = self.attrs.get(name)
        if stored is not None:
            return None if stored is UNSET else ctx.settle(stored)
        if self.value is None or self.source is None:
            return None
        held = ctx.objects.instance_dict(self.value)
        if held is None:
            return None
        source = self.source.dict()
        if name in held:
            return ctx.build(held[name], source.item(name))
        ctx.guard(source, "DICT_ABSENT", name, name)
        return None

    def store(self, ctx: Context, name: str, value: Any) -> None:
        """Write an entry of the instance's `__dict__` (UNSET deletes it)."""
        if self.holder is not None:
            return self.holder.store(ctx, name, value)
        ctx.mutate(self)
        self.enter(name, value)
        namespace = ctx.instance_dicts.get(id(self))
        if namespace is not None:
            namespace.items.store(name, value)

    def share(self, holder: ObjectVariable) -> None:
        self.holder = holder.holder or holder
        self.attrs = self.holder.attrs

    def enter(self, name: str, value: Any) -> None:
        """The entry is `value` now. One that comes again is the last one; one that changes stays in its place."""
        if value is UNSET:
            self.erased |= {name}
        if value is UNSET or self.attrs.get(name) is UNSET:
            self.attrs.pop(name, None)
        self.attrs[name] = value

    def store_slot(self, ctx: Context, descriptor: Any, value: Any) -> None:
        """Write through a descriptor that C made (UNSET deletes)."""
        ctx.mutate(self)
        self.slots[descriptor] = value

    def native_attribute(self, ctx: Context, name: str) -> Any:
        return self.data.native_attribute(ctx, name) if self.data is not None else None

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        if self.data is not None:
            if ctx.protocol.overrides(ctx, self.cls, *_READ_BY_TORCH):
                raise Break("unsupported-type", expr=mention(self), type=self.cls.__name__, why="torch would ask its class's own methods what it holds")
            return self.data.argument(ctx)
        return super().argument(ctx)

    # ---- state
    def snapshot(self) -> Any:
        return dict(self.attrs), self.data, dict(self.slots), self.erased

    def restore(self, state: Any) -> None:
        self.attrs.clear()  # in place: others may share it
        self.attrs.update(state[0])
        self.data, self.slots, self.erased = state[1], dict(state[2]), state[3]

    # ---- leaving
    def rebuild(self, body: Body) -> str:
        name = body.fresh("object")
        body.declare(self, name)
        cls = body.pin(self.cls, self.cls.__name__)
        native = body.ctx.objects.native_base(self.cls)
        if native is weakref.ReferenceType:
            body.line(f"{name} = {self.data.rebuild_as(body, self.cls)}")  # type: ignore[union-attr]
        elif self.data is not None and isinstance(self.data, TupleVariable):
            body.line(f"{name} = {body.pin(native, native.__name__)}.__new__({cls}, {body.tuple_of(self.data)})")
        elif native is frozenset:
            body.line(f"{name} = {body.pin(native, native.__name__)}.__new__({cls}, {self.data.members_text(body)})")  # type: ignore[union-attr]
        elif self.data is not None and not self.data.mutable:
            body.line(f"{name} = {body.pin(native, native.__name__)}.__new__({cls}, {body.value(self.data)})")
        else:
            body.line(f"{name} = {body.pin(native, native.__name__)}.__new__({cls})")
            if isinstance(self.data, DictVariable | SetVariable) and has_user_keys(self.data.items):
                body.at_end(lambda: self._fill(body, name))  # what `__eq__` may look at must be there
            elif self.data is not None:
                body.later(lambda: self._fill(body, name), self)
        self._later(body, name)
        return name

    def _later(self, body: Body, name: str) -> None:
        """What a new object holds, once it and all others are there."""
        if any(value is not UNSET for value in self.attrs.values()):
            body.later(lambda: self._enter(body, name, []), self)
        for descriptor, value in self.slots.items():
            if value is not UNSET:
                body.later(lambda d=descriptor, v=value: self._set_slot(body, name, d, v), self)  # type: ignore[misc]

    def _fill(self, body: Body, name: str) -> str:
        assert self.data is not None
        native = body.ctx.objects.native_base(self.cls)
        base = body.pin(native, native.__name__)
        if isinstance(self.data, DictVariable):
            pairs = self.data.entries_text(body)
            if self.data.factory is not None:
                body.line(f"{base}.__init__({name}, {body.value(self.data.factory)})")
            # the class's own `update` is the program's code: the builtin one stores as the trace saw it
            factory = f", {body.value(self.data.factory)}" if self.data.factory is not None else ""
            return f"{body.pin(_dict_fill, 'dict_fill')}({base}, {name}, {pairs}{factory})"
        if isinstance(self.data, SetVariable) and has_user_keys(self.data.items):
            return f"{base}.symmetric_difference_update({name}, {self.data.table(body)})"
        items = (
            ", ".join(body.items(self.data))
            if hasattr(self.data, "items") and isinstance(self.data.items, list)
            else ""
        )
        if not items and hasattr(self.data, "unpack"):
            items = ", ".join(body.value(v) for v in self.data.unpack(body.ctx))
        if native is collections.deque:
            return f"{base}.__init__({name}, ({items}{',' if items else ''}), {self.data.limit!r})"  # type: ignore[attr-defined]
        adder = "extend" if hasattr(native, "extend") else "update"
        return f"{base}.{adder}({name}, ({items}{',' if items else ''}))"

    def _enter(self, body: Body, name: str, gone: list[str]) -> str:
        entries = ", ".join(f"{k!r}: {body.value(body.ctx.settle(v))}" for k, v in list(self.attrs.items()) if v is not UNSET)
        return f"{body.pin(_set_entries, 'set_entries')}({name}, {gone!r}, {{{entries}}})"

    def _set_slot(self, body: Body, name: str, descriptor: Any, value: Any) -> str:
        pinned = body.pin(descriptor, descriptor.__name__)
        if value is UNSET:
            return f"{body.pin(_empty_slot, 'empty_slot')}({pinned}, {name})"
        return f"{pinned}.__set__({name}, {body.value(body.ctx.settle(value))})"

    def is_changed(self, ctx: Context) -> bool:
        if self.slots or self.data is not None and self.data in ctx.effects:
            return True
        held = ctx.objects.instance_dict(self.value)
        if held is None:
            return True
        return not all(_is_still(held.get(name, UNSET), stored) for name, stored in self.attrs.items())

    def replay(self, body: Body, name: str) -> None:
        if self.attrs and self.holder is None:
            body.effect(self._enter(body, name, sorted(self.erased)))
        for descriptor, value in self.slots.items():
            body.effect(self._set_slot(body, name, descriptor, value))
        if self.data is not None and self.data in body.ctx.effects:
            self.data.replay(body, name)


def _is_still(held: Any, stored: Any) -> bool:
    """Whether writing `stored` where `held` is changes nothing."""
    if stored is UNSET or type(stored) is Lazy:
        return held is (stored.value if type(stored) is Lazy else UNSET)
    if type(stored) is ConstantVariable and not stored.is_read:  # it may be another at the next call, which is no reason to look
        return False
    try:
        return stored.real() is held
    except NotConstant:
        return False


def _set_entries(target: Any, gone: list[str], entries: dict[str, Any]) -> None:
    """Entries are written as entries: no descriptor of the class has a say, as when the program wrote them."""
    held = object.__getattribute__(target, "__dict__")
    for name in gone:
        dict.pop(held, name, None)  # it may have come and gone while tracing
    dict.update(held, entries)


def _empty_slot(descriptor: Any, target: Any) -> None:
    with contextlib.suppress(AttributeError):  # it may have come and gone while tracing
        descriptor.__delete__(target)


def _dict_fill(base: Any, target: Any, pairs: dict[Any, Any], factory: Any = None) -> None:
    if factory is not None:
        base.default_factory.__set__(target, factory)
    if issubclass(base, collections.OrderedDict):
        set_each(target, pairs)
    else:
        dict.update(target, pairs)


class ModuleVariable(ObjectVariable):
    """An nn.Module. Its parameters, buffers and submodules are read through their own dicts."""

    __slots__ = ()

    def describe(self) -> str:
        return f"module {type.__dict__['__name__'].__get__(self.cls)}"

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        return ctx.modules.call_module(ctx, self, args, kwargs)

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.modules.module_attribute(ctx, self, name)

    def rebuild(self, body: Body) -> str:
        raise Break(
            "class-definition-inside",
            what="module",
            type=self.cls.__name__,
            why="a module made while tracing can't leave the graph",
        )


class ExceptionVariable(ObjectVariable):
    """An exception. `args` are its arguments; `cause`, `context` and `suppress` as Python sets them, and as they are read
    from one that existed before (`Lazy` until then)."""

    __slots__ = ("args", "cause", "context", "implicit", "suppress", "told", "trace")

    def __init__(self, cls: type, args: list[Variable], value: Any = None, source: Source | None = None):
        super().__init__(value, cls, source)
        self.args = args
        self.cause: Variable | Lazy | None = None
        self.context: Variable | Lazy | None = None
        self.suppress: bool | Lazy = False
        #: Whether the interpreter raised it: such exceptions know more than their arguments (which name, of which object).
        self.implicit = False
        self.trace: Any = None  # the outermost entry of its traceback
        self.told: TupleVariable | None = None  # what `args` was seen to be, or set to

    def describe(self) -> str:
        return f"{self.cls.__name__}({', '.join(a.describe() for a in self.args)})"

    def _is_told(self, ctx: Context) -> bool:
        return self.told is not None and self.told.settled(ctx) == self.args

    def native_attribute(self, ctx: Context, name: str) -> Any:
        from .constants import NONE, literal

        if name == "args":
            if not self._is_told(ctx):
                self.told = TupleVariable(list(self.args), tuple)
            return self.told
        if name == "__cause__":
            return NONE if self.cause is None else ctx.settle(self.cause)
        if name == "__context__":
            return NONE if self.context is None else ctx.settle(self.context)
        if name == "__suppress_context__":
            return ctx.settle(self.suppress) if type(self.suppress) is Lazy else literal(self.suppress)
        if name == "__traceback__":
            return NONE if self.trace is None else ctx.settle(self.trace)
        if name in ("value", "code") and issubclass(self.cls, StopIteration | SystemExit):
            return self.args[0] if self.args else NONE
        if self.implicit and name in ("name", "obj", "path"):
            raise Break("unsupported-attribute", expr=f".{name}", name=name, type=self.cls.__name__)
        return self._by_construction(ctx, name)

    def _by_construction(self, ctx: Context, name: str) -> Variable | None:
        """What the builtin class itself makes of the arguments: `OSError.errno`, `UnicodeDecodeError.start`, …"""
        if self.value is not None and self.source is not None:
            known = type(ctx.protocol.find(ctx, self.cls, name)[1]) in (types.MemberDescriptorType, types.GetSetDescriptorType)
            if not known or not hasattr(self.value, name):
                return None
            return ctx.build(getattr(self.value, name), self.source.attr(name))
        native = ctx.objects.native_base(self.cls)
        try:
            made = native(*[a.constant() for a in self.args])
            return ctx.wrap(getattr(made, name))
        except Break:
            raise
        except Exception:
            return None

    def fields(self, ctx: Context) -> list[str]:
        """What the builtin class keeps beside the arguments."""
        return _fields(ctx.objects.native_base(self.cls))

    def set_field(self, name: str, value: Variable) -> None:
        """What a builtin class keeps beside its arguments (`NameError.name`, `OSError.filename`), as its constructor sets it."""
        owner = next(base for base in self.cls.__mro__ if name in vars(base))
        self.slots[vars(owner)[name]] = value

    def chain(self, ctx: Context, handled: Variable) -> None:
        """Raised while `handled` was being handled. Where that one came of this one, the chain is cut there, as CPython does."""
        if self.source is not None:
            ctx.mutate(self)
        link, seen = handled, {handled}
        while isinstance(link, ExceptionVariable) and link.context is not None:
            following = ctx.settle(link.context)
            if following is self:
                ctx.mutate(link)
                link.context = None
                break
            if following in seen:
                break
            seen.add(following)
            link = following
        self.context = handled

    def snapshot(self) -> Any:
        return *super().snapshot(), list(self.args), self.cause, self.context, self.suppress, self.trace

    def restore(self, state: Any) -> None:
        super().restore(state)
        self.args, self.cause, self.context, self.suppress, self.trace = list(state[4]), *state[5:]

    def rebuild(self, body: Body) -> str:
        name = body.fresh("error")
        body.declare(self, name)
        cls = body.pin(self.cls, self.cls.__name__)
        args = ", ".join(body.value(a) for a in self.args)
        native = body.ctx.objects.native_base(self.cls)
        body.line(f"{name} = {body.pin(native, native.__name__)}.__new__({cls}{', ' if args else ''}{args})")
        if _fields(native):
            body.line(f"{body.pin(_set_fields, 'set_fields')}({body.pin(native, native.__name__)}, {name}{', ' if args else ''}{args})")
        told = body.value(self.told) if self.told is not None and self._is_told(body.ctx) else f"({args}{',' if args else ''})"
        body.line(body.attribute(self, name, "args", told))
        self._later(body, name)
        if self.cause is not None:
            body.later(lambda: body.attribute(self, name, "__cause__", body.value(self.cause)), self)
        if self.context is not None:
            body.later(lambda: body.attribute(self, name, "__context__", body.value(self.context)), self)
        if self.suppress or self.cause is not None:
            body.later(lambda: body.attribute(self, name, "__suppress_context__", f"{self.suppress}"), self)
        if self.trace is not None:
            body.later(lambda: body.attribute(self, name, "__traceback__", body.value(self.trace)), self)
        return name

    def is_changed(self, ctx: Context) -> bool:
        return bool(self._changes(ctx)) or super().is_changed(ctx)

    def _changes(self, ctx: Context) -> list[str]:
        before = ctx.effects.before(self)
        if before is None:
            return []
        now = self.snapshot()
        return [
            name
            for name, index in _NATIVE.items()
            if now[index] is not before[index] and (index != _NATIVE["args"] or now[index] != before[index])
        ]

    def replay(self, body: Body, name: str) -> None:
        super().replay(body, name)
        changed = self._changes(body.ctx)
        if "__cause__" in changed and "__suppress_context__" not in changed:
            changed.append("__suppress_context__")  # setting a cause sets it too
        for part in changed:
            value = body.value(self.native_attribute(body.ctx, part))
            body.settle_later()
            body.effect(body.attribute(self, name, part, value))

    @classmethod
    def of(cls, ctx: Context, error: BaseException) -> ExceptionVariable:
        """The variable of an exception that a native operation raised while tracing."""
        variable = cls(type(error), [ctx.wrap(a) for a in error.args])
        state = (
            {k: v for k, v in vars(error).items() if not k.startswith("__")}
            if isinstance(getattr(error, "__dict__", None), dict)
            else {}
        )
        for key, value in state.items():
            variable.attrs[key] = ctx.wrap(value)
        return variable


#: What an exception holds beside its `__dict__`, and where its snapshot has it. A cause comes before what it sets too.
_NATIVE = {"args": 4, "__cause__": 5, "__context__": 6, "__suppress_context__": 7, "__traceback__": 8}

METHOD_TYPES = (types.FunctionType,)


def _fields(native: type) -> list[str]:
    bases = (base for base in native.__mro__ if base is not BaseException)
    return [k for base in bases for k, raw in vars(base).items() if type(raw) is types.MemberDescriptorType and not k.startswith("__")]


def _set_fields(native: Any, error: BaseException, *args: Any) -> None:
    with contextlib.suppress(TypeError):  # `args` may be others than the exception was made of
        native.__init__(error, *args)
