"""Guards as data become one of torch's C++ root guard managers, which checks them at each call.

In: guards, the frame's code, the values at its entry. Out: `Lowered`. Invariants: one manager per source, so that
common prefixes are walked once; a leaf that decides the type comes before anything that another type could lead into
user code; nothing is kept of the program but what `held` says.

Costs (torch 2.13, 2 cores): a manager 3 µs and a leaf 0.2 µs inside torch, about as much again here.
"""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from ..compat.guards import (
    DICT,
    DICT_MANAGER,
    DICT_MANAGER_TAKES_IDENTITY,
    MANAGER,
    STATES,
    RootGuardManager,
    global_dict_of_default_device,
    local_names,
    quick_config,
)
from ..sources import Roots, Source
from .accessors import ACCESSORS, MUTABLE, GuardError, Missing, family
from .classes import Absences, Registries
from .explain import Reader, failures
from .guard import Failure, Guard
from .held import Keeper, Ref
from .kind import KINDS, RANKS, Flags, Place
from .summary import ids_of

__all__ = ["Lowered", "Lowering", "check_seconds", "lower"]

#: The most keys of a dict that C++ walks in order: each costs a manager.
_MOST_KEYS = 16
#: Types of objects that never change.
_IMMUTABLE = ids_of(int, bool, float, complex, str, bytes, type(None))
_UNREAD = object()
#: How often the guards of an entry are checked to see what that takes; the first check is slower.
_CHECKS = 4


class Lowered:
    """The guards of one compiled entry. `root` is what torch's eval frame calls; `guards` are held data."""

    __slots__ = ("_exact", "_families", "_keeper", "guards", "root")

    def __init__(self, lowering: Lowering):
        self.root, self.guards, self._keeper = lowering.root, lowering.held, lowering.keeper
        self._exact, self._families = lowering.exact, lowering.families

    def check(self, locals: Mapping[str, Any]) -> bool:
        """Whether all guards hold for these locals (cells read through). Seconds: about 20 ns a guard."""
        return bool(self.root.check(locals if type(locals) is dict else dict(locals)))

    def failures(self, roots: Roots) -> list[Failure]:
        """Every failing guard with the value seen, from Python; [] exactly when `check` says True."""
        return failures(self.guards, Reader(roots, self._exact, self._families))

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


def check_seconds(root: Any, locals: dict[str, Any]) -> float:
    """What one check of a C++ manager takes for locals that pass; 0.0 where they don't (a check that fails ends early)."""
    taken = []
    for _ in range(_CHECKS):
        began = time.perf_counter()
        passed = root.check(locals)
        taken.append(time.perf_counter() - began)
        if not passed:
            return 0.0
    return min(taken)


def lower(guards: Iterable[Guard], *, code: types.CodeType, roots: Roots, shape_guard: Guard | None = None) -> Lowered:
    """Guards → C++. `roots` holds the values at the frame's entry, unchanged since; the caller's torch switches (grad
    and inference mode, …) are those of the entry. Raises GuardError for a guard that can't be read."""
    with quick_config():
        return Lowering(code, roots).run([*guards, shape_guard] if shape_guard is not None else list(guards))


def _weight(root: Source | None, ranks: list[list[int]]) -> int:
    if root is None:
        return 0 if ranks[0] or ranks[1] else 1 << 40
    return sum(map(len, ranks)) + {"local": 0, "namespace": 1 << 20}.get(root.kind, 1 << 30)


class Lowering:
    """One run of `lower`. Kinds use `manager`, `positions`, `absences`, `registries`, `mros`, `class_dict`, `state`, `default_device`,
    `once`, `enum`, `mutable`, `tensors`."""

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
        self._keys: dict[Source, tuple[Any, ...]] = {}
        self.positions: dict[Source, dict[str, int]] = {}
        self.absences, self.registries = Absences(), Registries()
        self.mros: dict[int, tuple[Ref, ...]] = {}  # of guarded classes, by id
        self._flags: dict[Source, int] = {}
        self.exact: dict[Source, int] = {}
        self.families: dict[Source, type] = {}
        self._done: set[Any] = set()
        self._read = Reader(roots, {}, {})
        self._values: dict[Source, Any] = {}
        self.held: list[Guard] = []
        self._cause = 0

    # ---- the run
    def run(self, guards: list[Guard]) -> Lowered:
        order = self._hold(guards)
        held, managers = self.held, self._managers
        place = Place(self)
        for index in order:
            guard = held[index]
            source, kind = guard.source, KINDS[guard.kind]
            place.seen, self._cause = guards[index].expected, guard.cause
            if source is None:
                place.manager = self.root
            else:
                place.manager = managers.get(source) or self.manager(source)
                place.source = source
                if kind.exact and source.kind not in ("dict", "namespace", "held"):
                    self.require(source)
            kind.lower(place, guard.expected, [index])
        self.absences.lower(self)
        self.keeper.forget()
        return Lowered(self)

    def _hold(self, guards: list[Guard]) -> list[int]:
        """Fills `held` with the guards without the program's objects, in the same order. Returns the order of lowering:
        thread-wide switches, locals with few guards, with many, globals, pinned objects; by rank within each."""
        keeper, flags, held = self.keeper, self._flags, self.held
        buckets: dict[Any, list[list[int]]] = {}
        for index, guard in enumerate(guards):
            kind, source, root = KINDS[guard.kind], guard.source, None
            if source is not None:
                root = source.root
                if root.kind == "pinned":
                    source = keeper.release(source)
                flags[source] = flags.get(source, 0) | kind.flags
            copy = Guard(source, guard.kind, kind.hold(guard.expected, keeper), guard.cause)
            held.append(copy)
            if kind.flags & Flags.KEYS and source is not None:
                self._keys[source] = copy.expected
            if kind.reads is not None and kind.live:
                for other in kind.reads(copy):
                    flags[other] = flags.get(other, 0) | Flags.LIVE
            ranks = buckets.get(root)
            if ranks is None:
                ranks = buckets[root] = [[] for _ in range(RANKS)]
            ranks[kind.rank].append(index)
        lightest_first = sorted(buckets, key=lambda root: _weight(root, buckets[root]))
        return [index for root in lightest_first for rank in buckets[root] for index in rank]

    def require(self, source: Source) -> None:
        """Guard the exact type at `source`, unless a guard does so already."""
        if source in self.exact:
            return
        cls = type(self.value(source))
        self.exact[source] = id(cls)
        if not self._flags.get(source, 0) & Flags.DECIDES_TYPE:
            ref = self.keeper.ref(cls)
            self._managers[source].add_type_match_guard(ref.id, [len(self.held)], None)
            self.held.append(Guard(source, "TYPE_MATCH", ref, self._cause))

    # ---- values
    def value(self, source: Source) -> Any:
        """The example value at `source`."""
        value = self._values.get(source, _UNREAD)
        if value is not _UNREAD:
            return value
        try:
            base = source.base
            if base is None:
                value = self._read(source)
            else:
                value = ACCESSORS[source.kind].read(self.value(base), source.key)
        except Missing:
            raise GuardError(
                f"a guard reads {source.text}, which isn't there",
                asked_by="lowering the guards of a traced frame",
                next="guard only what the trace has read",
            ) from None
        self._values[source] = value
        return value

    def _example(self, source: Source, identity: bool) -> Any:
        """What C++ may conclude from an unchanged dict: None for what can't change behind its reference."""
        flags = self._flags.get(source)
        if flags is None:
            return None if identity else MUTABLE
        if flags & Flags.LIVE:
            return MUTABLE
        if not flags & Flags.STATE or flags & Flags.CONSTANT:
            return None
        kind = type(self.value(source))
        if id(kind) in _IMMUTABLE:
            return None
        return DICT if flags & Flags.TYPE and issubclass(kind, dict) else MUTABLE

    # ---- managers
    def _in_order(self, source: Source) -> dict[str, int] | None:
        """The position of each key, where one walk in C++ can check the keys of a plain dict and what is guarded below:
        nothing but its type and its keys is guarded of the dict itself, and everything below is found by key."""
        keys = self._keys.get(source)
        if not keys or len(keys) > _MOST_KEYS or self._flags[source] & (Flags.OTHER | Flags.LIVE):
            return None
        if source.kind not in ("local", "item", "dict") or any(type(key) is not str for key in keys):
            return None
        if not DICT_MANAGER_TAKES_IDENTITY and self._in_class(source):
            return None
        found = {key: position for position, key in enumerate(keys)}
        if type(self.value(source)) is not dict or tuple(self.value(source)) != keys:
            return None
        for kind, key, of in source.children or ():  # type: ignore[misc]
            if kind != "item" or of is not str or key not in found:
                return None
        return found

    def _in_class(self, source: Source) -> bool:
        """Whether this is an entry of a class: a lookup guards the identity of what it finds there."""
        base = source.base
        return base is not None and base.kind == "dict" and base.base is not None and isinstance(self.value(base.base), type)

    def manager(self, source: Source, identity: bool = False) -> Any:
        """The C++ manager at `source`, made with those on the way to it. `identity`: for an identity check only."""
        managers = self._managers
        found = managers.get(source)
        if found is not None:
            return found
        missing = [source]
        base = source.base
        while base is not None and base not in managers:
            missing.append(base)
            base = base.base
        while missing:
            node = missing.pop()
            base = node.base
            example = self._example(node, identity and node is source)
            kind: tuple[Any, ...] = ()
            if node in self._keys:
                positions = self._in_order(node)
                if positions is not None:
                    self.positions[node] = positions
                    example, kind = dict.fromkeys(positions), (DICT_MANAGER,)
            if base is None:
                found = self._root_manager(node, example, *kind)
            elif base in self.positions:
                below = self.positions[base][node.key]
                found = managers[base].get_value_manager(below, "", example, *(kind or (MANAGER,)))
                self.families[base] = dict
            else:
                accessor, owner = ACCESSORS[node.kind], self.value(base)
                if accessor.exact is not None and accessor.exact(node, owner):
                    self.require(base)
                found = accessor.lower(managers[base], owner, node, example, *kind)
                if node.kind == "item":
                    self.families[base] = family(owner)
            managers[node] = found
        return found

    def _root_manager(self, source: Source, example: Any, enum: Any = MANAGER) -> Any:
        if source.kind == "local":
            slot = self._slots.get(source.key)
            if slot is None:
                raise GuardError(
                    f"the frame has no local named {source.key!r}",
                    asked_by="lowering the guards of a traced frame",
                    next="take the source from this frame's own locals",
                )
            return self.root.framelocals_manager((source.key, slot), "", example, enum)
        key = f"root{len(self._private)}"
        if source.kind == "namespace":
            self._private[key] = source.key
            return self._entries.dict_getitem_manager(key, "", DICT, MANAGER)
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
    @property
    def tells_inference(self) -> bool:
        """Whether a guard of a tensor tells the thread's inference mode: it compares dispatch keys. Those of a tensor that was made outside, in
        the mode, are those of one made in the mode, outside: only a tensor of the mode that is on tells."""
        mode = torch.is_inference_mode_enabled()
        return any(guard.kind == "TENSOR_MATCH" and guard.source is not None and self.value(guard.source).is_inference() == mode for guard in self.held)

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
