"""Guards as data become one of torch's C++ root guard managers, which checks them at each call.

In: guards, the frame's code, the values at its entry. Out: `Lowered`. Invariants: one manager per source, so that
common prefixes are walked once; a leaf that decides the type comes before anything that another type could lead into
user code; nothing is kept of the program but what `held` says.

Costs (torch 2.13, 2 cores): a manager 3 µs and a leaf 0.2 µs inside torch, about as much again here.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..compat_guards import (
    MANAGER,
    STATES,
    RootGuardManager,
    global_dict_of_default_device,
    local_names,
    quick_config,
)
from ..sources import Roots, Source
from .accessors import ACCESSORS, MUTABLE, GuardError, Missing
from .explain import Reader, failures
from .guard import Failure, Guard
from .held import Keeper, Ref
from .kind import KINDS, Place

__all__ = ["Lowered", "Lowering", "lower"]

#: Kinds whose leaf decides the exact type.
_DECIDES_TYPE = frozenset({"TYPE_MATCH", "TENSOR_MATCH", "ID_MATCH", "EQUALS_MATCH", "CONSTANT_MATCH", "NONE_MATCH"})
_CONSTANT = frozenset({"EQUALS_MATCH", "CONSTANT_MATCH"})
_IMMUTABLE = frozenset({int, bool, float, complex, str, bytes, type(None)})


class Lowered:
    """The guards of one compiled entry. `root` is what torch's eval frame calls; `guards` are held data."""

    __slots__ = ("_exact", "_keeper", "guards", "root")

    def __init__(self, root: Any, guards: list[Guard], keeper: Keeper, exact: dict[Source, int]):
        self.root, self.guards, self._keeper, self._exact = root, guards, keeper, exact

    def check(self, locals: Mapping[str, Any]) -> bool:
        """Whether all guards hold for these locals (cells read through). Seconds: about 20 ns a guard."""
        return bool(self.root.check(locals if type(locals) is dict else dict(locals)))

    def failures(self, roots: Roots) -> list[Failure]:
        """Every failing guard with the value seen, from Python; [] exactly when `check` says True."""
        return failures(self.guards, roots, self._exact)

    @property
    def dead(self) -> bool:
        """Whether an object that a guard asks for by identity is gone, so that no call can match again."""
        return not self._keeper.state["alive"]

    @property
    def kept(self) -> list[Any]:
        """The objects of the program that the entry keeps alive (see `held`)."""
        return self._keeper.kept

    def on_death(self, function: Callable[[], None] | None) -> None:
        """Call `function` once when the entry becomes `dead`; in whatever thread, possibly inside the collector."""
        self._keeper.on_death = function


def lower(
    guards: Iterable[Guard], *, code: types.CodeType, roots: Roots, shape_guard: Guard | None = None
) -> Lowered:
    """Guards → C++. `roots` holds the values at the frame's entry, unchanged since; the caller's torch switches (grad
    and inference mode, …) are those of the entry. Raises GuardError for a guard that can't be read."""
    with quick_config():
        return Lowering(code, roots).run([*guards, shape_guard] if shape_guard is not None else list(guards))


class Lowering:
    """One run of `lower`. Kinds use `manager`, `class_dict`, `state`, `default_device`, `once`, `enum`, `mutable`."""

    enum = MANAGER
    mutable = MUTABLE

    def __init__(self, code: types.CodeType, roots: Roots):
        self.keeper = Keeper()
        self.root = RootGuardManager()
        self._slots = {name: index for index, name in enumerate(local_names(code))}
        self._private = self.keeper.state
        self._entries = self.root.globals_dict_manager(self._private, "", MUTABLE, MANAGER)
        self._entries.dict_getitem_manager("alive", "", MUTABLE, MANAGER).add_true_match_guard([], None)
        self._managers: dict[Source, Any] = {}
        self._groups: dict[Source, list[Guard]] = {}
        self._exact: dict[Source, int] = {}
        self._live: set[Source] = set()
        self._done: set[Any] = set()
        self._read = Reader(roots, {})

    # ---- the run
    def run(self, guards: list[Guard]) -> Lowered:
        held = self._hold(guards)
        seen: list[Any] = [guard.expected for guard in guards]
        for guard in list(held):
            self._require_types(guard, held, seen)
        order = self._order(held)
        place = Place(self)
        for index in order:
            guard = held[index]
            source = place.source = guard.source
            place.seen = seen[index]
            if source is None:
                place.manager = self.root
            else:
                place.manager = self.manager(source)
                place.value = self.value(source)
            KINDS[guard.kind].lower(place, guard.expected, [index])
        return Lowered(self.root, held, self.keeper, self._exact)

    def _hold(self, guards: list[Guard]) -> list[Guard]:
        """The guards without the program's objects, grouped by source."""
        held: list[Guard] = []
        keeper, groups = self.keeper, self._groups
        for guard in guards:
            kind = KINDS[guard.kind]
            source = guard.source if guard.source is None else keeper.release(guard.source)
            copy = Guard(source, guard.kind, kind.hold(guard.expected, keeper), guard.cause)
            held.append(copy)
            if source is not None:
                groups.setdefault(source, []).append(copy)
            if kind.reads is not None and kind.live:
                self._live.update(kind.reads(copy))
        return held

    # ---- types that must be known
    def _require_types(self, guard: Guard, held: list[Guard], seen: list[Any]) -> None:
        kind = KINDS[guard.kind]
        sources = kind.reads(guard) if kind.reads is not None else [guard.source] if guard.source is not None else []
        if kind.exact and sources and sources[0].kind not in ("dict", "namespace", "held"):
            self._require(sources[0], guard, held, seen)
        for source in sources:
            node: Source = source
            while node.base is not None and node not in self._done:
                self._done.add(node)
                if ACCESSORS[node.kind].exact(node, self.value(node.base)):
                    self._require(node.base, guard, held, seen)
                node = node.base

    def _require(self, source: Source, because: Guard, held: list[Guard], seen: list[Any]) -> None:
        """Guard the exact type at `source`, unless a guard does so already."""
        if source in self._exact:
            return
        cls = type(self.value(source))
        self._exact[source] = id(cls)
        group = self._groups.setdefault(source, [])
        if not any(guard.kind in _DECIDES_TYPE for guard in group):
            implied = Guard(source, "TYPE_MATCH", self.keeper.ref(cls), because.cause)
            group.append(implied)
            held.append(implied)
            seen.append(cls)

    # ---- order
    def _order(self, held: list[Guard]) -> list[int]:
        """Thread-wide switches, locals with few guards, locals with many, globals, pinned objects; within, by rank."""
        weights: dict[Source, int] = {}
        roots: dict[Source, Source] = {}
        for guard in held:
            source = guard.source
            if source is not None:
                root = roots.get(source)
                if root is None:
                    root = roots[source] = source.root
                weights[root] = weights.get(root, 0) + 1
        for root in weights:
            if root.kind != "local":
                weights[root] += 1 << (20 if root.kind == "namespace" else 30)
        weights_of = {source: weights[root] for source, root in roots.items()}
        keys = [
            (0 if g.source is None and KINDS[g.kind].scope == "thread" else 1 << 40, 0)
            if g.source is None
            else (weights_of[g.source], KINDS[g.kind].rank)
            for g in held
        ]
        return sorted(range(len(held)), key=keys.__getitem__)

    # ---- values
    def value(self, source: Source) -> Any:
        try:
            return self._read(source)
        except Missing:
            raise GuardError(
                f"a guard reads {source.text}, which isn't there",
                asked_by="lowering the guards of a traced frame",
                next="guard only what the trace has read",
            ) from None

    def _example(self, source: Source, identity: bool) -> Any:
        """What C++ may conclude from an unchanged dict: None for what can't change behind its reference."""
        group = self._groups.get(source)
        if source in self._live or (group is None and not identity):
            return MUTABLE
        if group is not None:
            kinds = [KINDS[guard.kind] for guard in group]
            if any(kind.live for kind in kinds):
                return MUTABLE
            if not all(kind.identity for kind in kinds):
                value = self.value(source)
                if type(value) in _IMMUTABLE or any(kind.name in _CONSTANT for kind in kinds):
                    return None
                is_dict = issubclass(type(value), dict) and any(kind.name == "TYPE_MATCH" for kind in kinds)
                return {} if is_dict else MUTABLE
        return None

    # ---- managers
    def manager(self, source: Source, identity: bool = False) -> Any:
        """The C++ manager at `source`, made with those on the way to it. `identity`: for an identity check only."""
        found = self._managers.get(source)
        if found is not None:
            return found
        missing = [source]
        base = source.base
        while base is not None and base not in self._managers:
            missing.append(base)
            base = base.base
        for node in reversed(missing):
            example = self._example(node, identity and node is source)
            if node.base is None:
                found = self._root_manager(node, example)
            else:
                lower_step = ACCESSORS[node.kind].lower
                found = lower_step(self._managers[node.base], self.value(node.base), node, example)
            self._managers[node] = found
        return found

    def _root_manager(self, source: Source, example: Any) -> Any:
        if source.kind == "local":
            slot = self._slots.get(source.key)
            if slot is None:
                raise GuardError(
                    f"the frame has no local named {source.key!r}",
                    asked_by="lowering the guards of a traced frame",
                    next="take the source from this frame's own locals",
                )
            return self.root.framelocals_manager((source.key, slot), "", example, MANAGER)
        key = f"root{len(self._private)}"
        if source.kind == "namespace":
            self._private[key] = source.key
            return self._entries.dict_getitem_manager(key, "", {}, MANAGER)
        ref: Ref = source.key
        if ref.weak is None:
            self._private[key] = ref.strong
            return self._entries.dict_getitem_manager(key, "", MUTABLE, MANAGER)
        self._private[key] = ref.weak
        manager = self._entries.dict_getitem_manager(key, "", MUTABLE, MANAGER)
        manager = manager.weakref_call_manager("", MUTABLE, MANAGER)
        manager.add_id_match_guard(ref.id, [], None)
        return manager

    # ---- for kinds
    def once(self, key: Any) -> bool:
        """True the first time."""
        if key in self._done:
            return False
        self._done.add(key)
        return True

    def class_dict(self, cls: type) -> Source:
        return self.keeper.root(cls).dict()

    def state(self, name: str) -> Any:
        """The manager of what a thread-wide switch says."""
        if name not in self._private:
            self._private[name] = STATES[name]
        manager = self._entries.dict_getitem_manager(name, "", MUTABLE, MANAGER)
        return manager.call_function_no_args_manager("", MUTABLE, MANAGER)

    def default_device(self) -> Any:
        self._private["device"] = global_dict_of_default_device()
        manager = self._entries.dict_getitem_manager("device", "", MUTABLE, MANAGER)
        return manager.dict_getitem_manager("CURRENT_DEVICE", "", MUTABLE, MANAGER)
