"""Sets: their members by key, and the order in which Python iterates them.

That order follows from the hashes, the size of the table and its history. So beside the members stands a real set to
which the same was done (`order`); where none can be kept, what depends on the order breaks the graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..compat.type_names import type_name
from ..signals import Break
from ..sources import Source
from .base import EPOCH, Variable
from .constants import ConstantVariable
from .keys import FrozenKey, Hashed, UserKey, as_member, found, has_user_keys, is_plain, key_variable, table_text

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context

__all__ = ["SetVariable"]


class SetVariable(Variable):
    """A set or frozenset: the keys of `items`, in the order of insertion of the trace.

    `order`: a set or frozenset that iterates as the program's does, None where that isn't known. `origins`: sets from outside
    that it was made from, whose own order it depends on: (source, value).
    """

    __slots__ = ("__weakref__", "born", "changes", "cls", "items", "order", "origins")
    mutable = True

    def __init__(
        self,
        items: dict[Any, None],
        cls: type = set,
        source: Source | None = None,
        *,
        order: Any = None,
        origins: tuple[tuple[Source, Any], ...] = (),
    ):
        self.items, self.cls, self.source, self.vid = items, cls, source, 0
        self.born = EPOCH.now
        self.order, self.origins = order, origins
        #: What was done to it, in order: (method, key); all members anew: ("become", them).
        self.changes: list[tuple[str, Any]] = []

    # ---- changes; after `ctx.mutate`
    def insert(self, key: Any) -> None:
        self.items.setdefault(key)
        self.changes.append(("add", key))
        if self._own() and is_plain(key):
            self.order.add(key)
        else:
            self.order = None

    def remove(self, key: Any) -> None:
        del self.items[key]
        self.changes.append(("discard", key))
        if self._own():
            self.order.discard(key)
        else:
            self.order = None

    def become(self, items: dict[Any, None], order: Any = None, origins: Iterable[tuple[Source, Any]] = ()) -> None:
        """All members anew; `order` as Python left the same set."""
        if items is not self.items:
            self.items.clear()
            self.items.update(items)
        self.changes.append(("become", tuple(self.items)))
        self.order = order
        self.origins = (
            tuple({origin[0]: origin for origin in (*self.origins, *origins)}.values()) if order is not None else ()
        )

    def _own(self) -> bool:
        """Whether `order` may be changed: it is nobody else's."""
        return type(self.order) is set and not any(value is self.order for _, value in self.origins)

    def real(self) -> Any:
        """`order`, if it holds just these members."""
        order = self.order
        if order is None or len(order) != len(self.items) or not all(map(is_plain, self.items)):
            return None
        return order if all(key in self.items for key in order) else None

    def python_type(self) -> type:
        return self.cls

    def describe(self) -> str:
        return f"{self.cls.__name__} of {len(self.items)}"

    def constant(self) -> Any:
        return self.cls(key_variable(k).constant() for k in self.items)

    def truth(self, ctx: Context) -> bool:
        return bool(self.items)

    def length(self, ctx: Context) -> Variable:
        return ConstantVariable(len(self.items))

    def contains(self, ctx: Context, item: Variable) -> bool:
        if isinstance(item, SetVariable) and item.cls is set:  # one that can't be hashed is looked for as a frozenset
            return found(ctx, self.items, frozenset(item.items))
        return found(ctx, self.items, as_member(ctx, item))

    def keys(self, ctx: Context) -> list[Any]:
        """The keys in the order in which Python iterates the set; breaks where that isn't known."""
        if len(self.items) <= 1:
            return list(self.items)
        order = self.real()
        if order is not None:
            self._guard_order(ctx)
            held = {key: key for key in self.items}  # equal to those of `order`, and the program's own
            return [held[key] for key in order]
        if self.origins and self.order is not None:  # as it came from outside, with members known by identity
            self._guard_order(ctx)
            return list(self.items)
        if any(type(k) is UserKey for k in self.items):
            return [held.key for held in set(map(Hashed, self.items))]
        ctx.break_(
            "unsupported-builtin",
            func="iter",
            type=self.cls.__name__,
            why="which member comes first is known only when it runs",
        )

    def _guard_order(self, ctx: Context) -> None:
        for source, value in self.origins:
            ctx.guard(source, "SET_ORDER", (tuple(value), value.__sizeof__(), tuple(set(value))))

    def members(self) -> list[Variable]:
        """The members in no particular order, for what doesn't depend on it."""
        return [key_variable(k) for k in self.items]

    def unpack(self, ctx: Context) -> list[Variable]:
        return [key_variable(k) for k in self.keys(ctx)]

    def iterator(self, ctx: Context) -> Variable:
        from .iterators import SetIteratorVariable

        return SetIteratorVariable(self, self.unpack(ctx))

    def dict_key(self, ctx: Context) -> Any:
        if issubclass(self.cls, frozenset):
            made = FrozenKey(self.items)
            made.variable = self
            return made
        ctx.raise_(TypeError, f"unhashable type: {type_name(self.cls)!r}")

    def snapshot(self) -> Any:
        return dict(self.items), self.order if not self._own() else None, self.origins, len(self.changes)

    def restore(self, state: Any) -> None:
        items, order, origins, count = state
        del self.changes[count:]
        self.items.clear()
        self.items.update(items)
        self.order, self.origins = order, origins

    def rebuild(self, body: Body) -> str:
        name = body.fresh("set")
        if self.cls not in (set, frozenset):
            return super().rebuild(body)
        body.declare(self, name)
        if self.cls is set and has_user_keys(self.items):  # what `__eq__` may look at must be there
            body.line(f"{name} = set()")
            body.at_end(lambda: f"{name}.symmetric_difference_update({self.table(body)})")
        else:
            body.line(f"{name} = {self.cls.__name__}({self.members_text(body)})")
        return name

    def members_text(self, body: Body) -> str:
        if self.cls is frozenset and has_user_keys(self.items):
            raise Break("user-hash-or-eq", type=self.cls.__name__, why="a frozenset can't be made before its members are")
        items = ", ".join(body.value(key_variable(k)) for k in self.items)
        return f"({items}{',' if self.items else ''})"

    def table(self, body: Body) -> str:
        """A dict of the members. The set takes them one by one, as in an update with a sequence, and their hashes with them."""
        return table_text(body, [(key, "None") for key in self.items])

    def _replay_late(self, body: Body, name: str, base: str) -> str:
        members = body.fresh("members")
        return f"{members} = {self.table(body)}; {base}.clear({name}); {base}.symmetric_difference_update({name}, {members})"

    def replay(self, body: Body, name: str) -> None:
        base = body.pin(set, "set")
        if has_user_keys(self.items):
            body.at_end(lambda: self._replay_late(body, name, base))
        elif any(method == "become" for method, _ in self.changes):
            body.effect(f"{base}.clear({name}); {base}.update({name}, {self.members_text(body)})")
        else:  # as the program did it: the order of iteration follows from that
            for method, key in self.changes:
                body.effect(f"{base}.{method}({name}, {body.value(key_variable(key))})")
