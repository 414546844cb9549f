"""Where an attempt stands before a body is tried, and the way back to there.

What grows only (tables, inputs, nodes) is truncated; what may change otherwise is kept as it was; variables are restored by the undo log,
last change first. Symbols that meanwhile became numbers, and fakes that have other sizes or begin to need a gradient, can't be put back: `lasting` says so, and
who wants to go on must begin the frame again.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ..signals import NotConstant
from ..variables import ConstantVariable, DictVariable, ModuleVariable, ObjectVariable, TensorVariable, Variable
from ..variables.base import Lazy
from ..variables.generators import Weakly

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["Mark", "same_state"]

#: What is compared by value where a state is compared with another one.
_COMPARED = (bool, int, str, type(None))
_TABLES = (
    "guards", "by_source", "by_id", "global_values", "class_lookups", "owners", "namespaces", "memo", "builtins", "asked", "fixed", "asserted", "regions",
    "traced_regions", "context_states", "submodules",
)  # fmt: skip
_LISTS = ("kept", "passed", "inputs", "leaves", "globals_read", "recomputed")
_SETS = ("switches", "replaced", "written", "begun", "skipped")
_PLAIN = ("changes", "outside_changes", "mode_nodes", "protected", "handling", "beyond", "autocast_at_entry")


class Mark:
    """The state of an attempt at one moment."""

    __slots__ = ("_graphs", "_lists", "_plain", "_sets", "_symbols", "_tables", "effects", "taken_back", "undo")

    def __init__(self, ctx: Context):
        self._tables = [len(getattr(ctx, name)) for name in _TABLES]
        self._lists = [len(getattr(ctx, name)) for name in _LISTS]
        self._sets = [set(getattr(ctx, name)) for name in _SETS]
        self._plain = [getattr(ctx, name) for name in _PLAIN]
        self.effects, self.undo = len(ctx.effects), len(ctx.undo)
        self._symbols = _symbols(ctx)
        self.taken_back: tuple[tuple[str, int], ...] = ()  # what a roll-back took back: (what, how many)
        self._graphs = []
        graph: Any = ctx.graph
        while graph is not None:
            self._graphs.append((graph, graph.mark()))
            graph = graph.parent

    def lasting(self, ctx: Context) -> bool:
        """Whether something was done since that no roll-back takes back."""
        return self._symbols != _symbols(ctx)

    def roll_back(self, ctx: Context) -> None:
        self.taken_back = self._since(ctx)
        while len(ctx.undo) > self.undo:
            variable, state = ctx.undo.pop()
            variable.restore(state)
            ctx.touched.pop(len(ctx.undo), None)
        for name, size in zip(_TABLES, self._tables, strict=True):
            table = getattr(ctx, name)
            while len(table) > size:
                table.popitem()
        for name, size in zip(_LISTS, self._lists, strict=True):
            del getattr(ctx, name)[size:]
        for name, before in zip(_SETS, self._sets, strict=True):
            getattr(ctx, name).intersection_update(before)
        for name, value in zip(_PLAIN, self._plain, strict=True):
            setattr(ctx, name, value)
        ctx.effects.truncate(self.effects)
        for graph, position in self._graphs:
            graph.truncate(position)

    def _since(self, ctx: Context) -> tuple[tuple[str, int], ...]:
        """What there is more than then, by kind."""
        before = {graph: position[0] for graph, position in self._graphs}
        nodes, graph = 0, ctx.graph
        while graph is not None:
            nodes += len(graph.created) - before.get(graph, 0)
            graph = graph.parent  # type: ignore[assignment]
        tables = dict(zip((*_TABLES, *_LISTS), (*self._tables, *self._lists), strict=True))
        grown = ((what, len(getattr(ctx, name)) - tables[name]) for what, name in (("guards", "guards"), ("inputs", "inputs"), ("variables", "by_source")))
        changed = len({id(variable) for variable in self.undone(ctx)})
        return tuple((what, count) for what, count in (("nodes", nodes), *grown, ("changes", changed)) if count)

    def changed(self, ctx: Context) -> list[Variable]:
        """Existing objects that were changed since."""
        return ctx.effects.since(self.effects)

    def undone(self, ctx: Context) -> list[Variable]:
        """Objects of any kind that were changed since, those that still are."""
        entries = (entry.held() if type(entry) is Weakly else entry for entry, _ in itertools.islice(ctx.undo, self.undo, None))
        return [variable for variable in entries if variable is not None]

    def settle_restored(self, ctx: Context, any_object: bool) -> set[Variable]:
        """Objects and dicts that were changed since and then put back as they were, as a call of a module with other parameters does: nothing is left
        to be done to them. Not `any_object`: of objects only modules."""
        kinds = (ObjectVariable if any_object else ModuleVariable, DictVariable)
        before: dict[Any, Any] = {}
        for entry, state in itertools.islice(ctx.undo, self.undo, None):
            if isinstance(entry, kinds):
                before.setdefault(entry, state)
        found = {variable for variable, state in before.items() if same_state(_with_what_was_read(ctx, variable, state), variable.snapshot())}
        for variable in self.changed(ctx):
            if variable in found:
                ctx.effects.forget(variable)
        return found

    def place_of_change(self, ctx: Context, variable: Variable) -> tuple[Any, ...]:
        """Where in the program an object was changed first since."""
        held = ((i, entry.held() if type(entry) is Weakly else entry) for i, (entry, _) in enumerate(ctx.undo) if i >= self.undo)
        return next((ctx.touched.get(i, ()) for i, entry in held if entry is variable), ())

    def forget_answers(self, ctx: Context) -> None:
        """A cached function's answer with tensors of a body is none outside of it."""
        for key in list(itertools.islice(ctx.memo, self._tables[_TABLES.index("memo")], None)):
            if not _is_plain(ctx.memo[key]):
                del ctx.memo[key]


def _with_what_was_read(ctx: Context, variable: Variable, state: Any) -> Any:
    """The state of an existing object, with those entries of its `__dict__` that were written since and had been read before: they are known."""
    if not isinstance(variable, ObjectVariable) or variable.source is None:
        return state
    entries, *rest = state
    held = variable.source.dict()
    read = {name: ctx.by_source.get(held.item(name)) for name in variable.attrs if name not in entries}
    return {**entries, **{name: found for name, found in read.items() if found is not None}}, *rest


def same_state(one: Any, other: Any) -> bool:
    """Whether two states of an object hold the same objects. A slot that was read meanwhile holds what was in it."""
    if one is other:
        return True
    if type(one) is Lazy:
        return isinstance(other, Variable) and other.source is one.source or type(other) is Lazy and other.source is one.source
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same_state, one.values(), other.values()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_state, one, other))
    if type(one) is ConstantVariable:
        return type(one.value) is type(other.value) and type(one.value) in _COMPARED and one.value == other.value
    return type(one) in _COMPARED and bool(one == other)


def _is_plain(variable: Variable) -> bool:
    return variable.source is not None or not isinstance(variable, TensorVariable) and _is_constant(variable)


def _is_constant(variable: Variable) -> bool:
    try:
        variable.constant()
    except NotConstant:
        return False
    return True


def _symbols(ctx: Context) -> Any:
    """Equal where nothing was done that lasts."""
    env = ctx.fake_mode.shape_env
    if env is None:
        return ctx.lasting
    return ctx.lasting, len(env.guards), len(env.replacements), env.num_deferred_runtime_asserts
