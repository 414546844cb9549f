"""Dicts and their views."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..compat.type_names import type_name
from ..signals import NotConstant
from .base import EPOCH, Lazy, Variable
from .constants import ConstantVariable, literal
from .keys import IdentityKey, as_key, check_hashes, found, has_user_keys, key_variable, real_set, table_text

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source
    from .sets import SetVariable

__all__ = ["DictVariable", "DictViewVariable", "MappingProxyVariable"]


class DictVariable(Variable):
    """A dict or an object of a dict subclass's builtin part. `items` keeps the program's order; values may be `Lazy`.

    `guard_keys`, where there is one, guards all keys and their order: whoever looks at `items` relies on them. Reading the
    value under one constant key doesn't (`at`): that the key is there is guarded with the value. `guard_key` guards whether one
    class is among the keys, where they are classes.
    """

    __slots__ = ("_items", "born", "cls", "factory", "guard_key", "guard_keys")
    mutable = True

    def __init__(
        self, items: dict[Any, Any], cls: type = dict, source: Source | None = None, factory: Variable | None = None
    ):
        self._items, self.cls, self.source, self.vid, self.factory = items, cls, source, 0, factory
        self.born = EPOCH.now
        self.guard_keys: Callable[[], Any] | None = None
        self.guard_key: Callable[[Any], None] | None = None

    @property
    def items(self) -> dict[Any, Any]:
        if self.guard_keys is not None:
            self.guard_keys()  # each time: a roll-back may have taken the guard back
        return self._items

    @items.setter
    def items(self, items: dict[Any, Any]) -> None:
        self._items = items

    def python_type(self) -> type:
        return self.cls

    def describe(self) -> str:
        return f"{self.cls.__name__} of {len(self._items)}"

    def constant(self) -> Any:
        if self.cls not in (dict, collections.OrderedDict):
            raise NotConstant(self)
        values = {}
        for key, item in self.items.items():
            if type(item) is Lazy:
                raise NotConstant(self)
            values[key_variable(key).constant()] = item.constant()
        return self.cls(values)

    def native_attribute(self, ctx: Context, name: str) -> Any:
        return (self.factory or literal(None)) if name == "default_factory" else None

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        if name == "default_factory" and issubclass(self.cls, collections.defaultdict) and self.source is None:
            ctx.mutate(self)
            self.factory = value
            return None
        return super().set_attribute(ctx, name, value)

    # ---- reading
    def find(self, ctx: Context, key: Variable) -> Variable | None:
        """The value under `key`, or None; user-defined equality runs where Python would run it."""
        return self.at(ctx, as_key(ctx, key))

    def at(self, ctx: Context, key: Any) -> Variable | None:
        item = self._items.get(key)
        if item is None and self._asked_for_class(key):
            return None
        if type(item) is not Lazy and self.guard_keys is not None:
            item = self.items.get(key)
        if item is None:
            found(ctx, self._items, key)
        return ctx.build(item.value, item.source) if type(item) is Lazy else item

    def _asked_for_class(self, key: Any) -> bool:
        """Whether the key is a class, and whether it is here is guarded now: by itself, not with all keys."""
        if self.guard_key is None or type(key) is not IdentityKey:
            return False
        try:
            cls = key.variable.real()
        except NotConstant:
            return False
        if isinstance(cls, type):
            self.guard_key(cls)
        return isinstance(cls, type)

    def values(self, ctx: Context) -> list[Variable]:
        return [ctx.build(i.value, i.source) if type(i) is Lazy else i for i in self.items.values()]

    def truth(self, ctx: Context) -> bool:
        if ctx.protocol.overrides(ctx, self.cls, "__bool__", "__len__"):
            return super().truth(ctx)
        return bool(self.items)

    def length(self, ctx: Context) -> Variable:
        if ctx.protocol.overrides(ctx, self.cls, "__len__"):
            return super().length(ctx)
        return ConstantVariable(len(self.items))

    def getitem(self, ctx: Context, key: Variable) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__getitem__"):
            return super().getitem(ctx, key)
        return self.pick(ctx, key)

    def pick(self, ctx: Context, key: Variable) -> Any:
        """The builtin `__getitem__`, with `__missing__` where the class has one."""
        value = self.find(ctx, key)
        if value is not None:
            return value
        if issubclass(self.cls, collections.defaultdict) and not ctx.protocol.overrides(ctx, self.cls, "__missing__"):
            factory = self.factory
            if factory is not None and factory.python_type() is not type(None):
                made = ctx.call_now(factory, [])
                self.put(ctx, key, made)
                return made
        elif ctx.protocol.has(ctx, self.cls, "__missing__"):
            return ctx.protocol.special(ctx, self, "__missing__", [key], "")
        ctx.raise_with(KeyError, [key])

    def setitem(self, ctx: Context, key: Variable, value: Variable) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__setitem__"):
            return super().setitem(ctx, key, value)
        return self.put(ctx, key, value)

    def put(self, ctx: Context, key: Variable, value: Variable) -> None:
        handle = as_key(ctx, key)
        found(ctx, self.items, handle)
        ctx.mutate(self)
        self.items[handle] = value

    def delitem(self, ctx: Context, key: Variable) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__delitem__"):
            return super().delitem(ctx, key)
        return self.drop(ctx, key)

    def drop(self, ctx: Context, key: Variable) -> None:
        handle = as_key(ctx, key)
        if not found(ctx, self.items, handle):
            ctx.raise_with(KeyError, [key])
        ctx.mutate(self)
        del self.items[handle]

    def contains(self, ctx: Context, item: Variable) -> bool:
        if ctx.protocol.overrides(ctx, self.cls, "__contains__"):
            return super().contains(ctx, item)
        key = as_key(ctx, item)
        return key in self._items if self._asked_for_class(key) else found(ctx, self.items, key)

    def iterator(self, ctx: Context) -> Variable:
        if ctx.protocol.overrides(ctx, self.cls, "__iter__"):
            return super().iterator(ctx)
        return DictViewVariable(self, "keys").iterator(ctx)

    def unpack(self, ctx: Context) -> list[Variable]:
        if ctx.protocol.overrides(ctx, self.cls, "__iter__"):
            return super().unpack(ctx)
        return [key_variable(k) for k in self.items]

    def dict_key(self, ctx: Context) -> Any:
        if ctx.protocol.overrides(ctx, self.cls, "__hash__"):
            return super().dict_key(ctx)
        ctx.raise_(TypeError, f"unhashable type: {type_name(self.cls)!r}")

    # ---- state
    def snapshot(self) -> Any:
        return dict(self.items), self.factory

    def restore(self, state: Any) -> None:
        self.items.clear()
        self.items.update(state[0])
        self.factory = state[1]

    # ---- leaving
    def argument(self, ctx: Context) -> tuple[Any, Any]:
        pairs = {key_variable(k).constant(): ctx.argument(v) for k, v in zip(self.items, self.values(ctx), strict=True)}
        return {k: n for k, (n, _) in pairs.items()}, {k: f for k, (_, f) in pairs.items()}

    def rebuild(self, body: Body) -> str:
        name = body.fresh("dict")
        cls = self.cls
        if cls is dict:
            opening, closing = "", ""
        elif cls is collections.OrderedDict:
            opening, closing = f"{body.pin(cls, 'OrderedDict')}(", ")"
        elif cls is collections.defaultdict:
            opening, closing = (
                f"{body.pin(cls, 'defaultdict')}({body.value(self.factory) if self.factory is not None else None}, ",
                ")",
            )
        elif cls is collections.Counter:
            opening, closing = f"{body.pin(cls, 'Counter')}(", ")"
        else:
            return super().rebuild(body)
        body.declare(self, name)
        if has_user_keys(self.items):  # what `__eq__` may look at must be there
            body.line(f"{name} = {opening}{{}}{closing}")
            body.at_end(lambda: self._update(body, name, self.entries_text(body)))
        elif body.cyclic(self):
            body.line(f"{name} = {opening}{{}}{closing}")
            body.later(lambda: f"{name}.update({self.entries_text(body)})", self)
        else:
            body.line(f"{name} = {opening}{self.entries_text(body)}{closing}")
        return name

    def entries_text(self, body: Body, keys: Iterable[Any] | None = None) -> str:
        """A plain dict of the entries under `keys` (None: all)."""
        if issubclass(self.cls, collections.OrderedDict):
            check_hashes(body.ctx, self.items)
        return table_text(body, [(key, body.value(body.ctx.settle(self.items[key]))) for key in list(self.items if keys is None else keys)])

    def _update(self, body: Body, name: str, entries: str) -> str:
        """The line that sets these entries, as the class's part in C does it."""
        if not issubclass(self.cls, collections.OrderedDict):
            return f"{body.pin(dict, 'dict')}.update({name}, {entries})"
        return f"{body.pin(set_each, 'set_each')}({name}, {entries})"

    def replay(self, body: Body, name: str) -> None:
        before = body.ctx.effects.before(self)
        changed = None
        if before is not None and self._only_grew(before[0]):
            changed = [key for key, item in self.items.items() if before[0].get(key) is not item]
        native = collections.OrderedDict if issubclass(self.cls, collections.OrderedDict) else dict
        base = body.pin(native, native.__name__)
        if has_user_keys(self.items):
            body.at_end(lambda: self._replay_late(body, name, base, changed))
        elif changed is None:
            body.effect(f"{base}.clear({name}); {base}.update({name}, {self.entries_text(body)})")
        else:
            for key in changed:
                value = body.value(body.ctx.settle(self.items[key]))
                body.effect(f"{base}.__setitem__({name}, {body.value(key_variable(key))}, {value})")

    def _replay_late(self, body: Body, name: str, base: str, changed: list[Any] | None) -> str:
        """Nothing is taken out before all that goes in is there."""
        if changed is not None:
            return self._update(body, name, self.entries_text(body, changed))
        entries = body.fresh("entries")
        return f"{entries} = {self.entries_text(body)}; {base}.clear({name}); {self._update(body, name, entries)}"

    def _only_grew(self, before: dict[Any, Any]) -> bool:
        """Whether setting the changed keys one by one gives the same order as the program did."""
        return list(self.items)[: len(before)] == list(before)


def set_each(target: Any, entries: dict[Any, Any]) -> None:
    """An OrderedDict has no other way to take entries, without methods of a class derived from it."""
    for key, value in entries.items():
        collections.OrderedDict.__setitem__(target, key, value)


class DictViewVariable(Variable):
    """`d.keys()`, `d.values()`, `d.items()`: live views of `owner`."""

    __slots__ = ("owner", "part")
    TYPES = {"keys": type({}.keys()), "values": type({}.values()), "items": type({}.items())}

    def __init__(self, owner: DictVariable, part: str, source: Source | None = None):
        self.owner, self.part, self.source, self.vid = owner, part, source, 0

    def python_type(self) -> type:
        if issubclass(self.owner.cls, collections.OrderedDict):
            return type(getattr(collections.OrderedDict(), self.part)())
        return self.TYPES[self.part]

    def describe(self) -> str:
        return f"{self.part} of {self.owner.describe()}"

    def truth(self, ctx: Context) -> bool:
        return bool(self.owner.items)

    def length(self, ctx: Context) -> Variable:
        return ConstantVariable(len(self.owner.items))

    def unpack(self, ctx: Context) -> list[Variable]:
        return [self.entry(ctx, key) for key in list(self.owner.items)]

    def entry(self, ctx: Context, key: Any) -> Variable:
        from .sequences import TupleVariable

        if self.part == "keys":
            return key_variable(key)
        value = self.owner.at(ctx, key)
        assert value is not None
        return value if self.part == "values" else TupleVariable([key_variable(key), value], tuple)

    def iterator(self, ctx: Context) -> Variable:
        from .iterators import DictIteratorVariable

        return DictIteratorVariable(self)

    def contains(self, ctx: Context, item: Variable) -> bool:
        if self.part == "keys":
            return found(ctx, self.owner.items, as_key(ctx, item))
        if self.part == "items":
            return self._has_pair(ctx, item)
        return any(ctx.protocol.same_or_equal(ctx, v, item) for v in self.unpack(ctx))

    def _has_pair(self, ctx: Context, item: Variable) -> bool:
        from .sequences import TupleVariable

        pair = item.data if isinstance(item, Variable) and type(getattr(item, "data", None)) is TupleVariable else item  # type: ignore[attr-defined]
        if not isinstance(pair, TupleVariable) or len(pair.items) != 2:
            return False
        value = self.owner.find(ctx, pair.item(ctx, 0))
        return value is not None and ctx.protocol.same_or_equal(ctx, value, pair.item(ctx, 1))

    def as_set(self, ctx: Context) -> SetVariable:
        from .sets import SetVariable

        keys = {v.dict_key(ctx): None for v in self.unpack(ctx)}
        return SetVariable(keys, order=real_set(keys))

    def rebuild(self, body: Body) -> str:
        name = body.fresh("view")
        body.line(f"{name} = {body.value(self.owner)}.{self.part}()")
        return name


class MappingProxyVariable(Variable):
    __slots__ = ("owner",)

    def __init__(self, owner: Variable, source: Source | None = None):
        self.owner, self.source, self.vid = owner, source, 0

    def python_type(self) -> type:
        return types.MappingProxyType

    def truth(self, ctx: Context) -> bool:
        return self.owner.truth(ctx)

    def length(self, ctx: Context) -> Variable:
        return self.owner.length(ctx)

    def getitem(self, ctx: Context, key: Variable) -> Any:
        return self.owner.getitem(ctx, key)

    def contains(self, ctx: Context, item: Variable) -> bool:
        return self.owner.contains(ctx, item)

    def iterator(self, ctx: Context) -> Variable:
        return self.owner.iterator(ctx)

    def rebuild(self, body: Body) -> str:
        name = body.fresh("proxy")
        body.line(f"{name} = {body.pin(types.MappingProxyType, 'mappingproxy')}({body.value(self.owner)})")
        return name
