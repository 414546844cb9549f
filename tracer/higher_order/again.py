"""Nested regions that are called again: a second call that is proven equal to one that was traced takes its body, and isn't traced.

In: a call, and what was kept of earlier ones of the same code. Out: the node that runs the same body on the new operands, with the guards that a trace
would have installed; or why the call has to be traced.

A trace depends on what it is given (`calls_alike.py`), on what it reads below that, on what it reads elsewhere, on torch's modes, and on changes that the
program made before. What it reads leaves guards and built variables under the source where it was read. So everything that is known below a root of the
first call is asked again below the same root of the second: the same guards, through the same steps, of the objects that are there. What isn't below a root
must be the very object, objects of the two calls must be the same ones in the same places, and none that differs may be within the body's own reach: through
globals, closures, or what both calls have. Nor may anything that the program changed before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..graph.modes import MODES
from ..graph.operators import storage_of
from ..guards import Guard
from ..guards.constants import same
from ..guards.kind import KINDS
from ..sources import STEPS, Source
from ..variables import ConstantVariable, PinnedVariable, SymVariable, TensorVariable, Variable
from ..variables.constants import LITERALS
from .calls_alike import Call, Different, described, number
from .nodes import alike
from .results import seen
from .speculate import Body

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["Proof", "Reach", "Traced", "conditions"]

#: Guards between two sources, each of which may be one below a root.
_BETWEEN = ("SAME_OBJECT", "NOT_SAME_OBJECT")
#: How one value is reached from another where only the two objects decide what is there.
_PLAIN = frozenset({"attr", "dict", "item", "key", "type", "closure", "contents"})


def conditions(ctx: Context) -> Any:
    """What a trace depends on beside values, equal for two moments that don't differ in it. Declines where more is at play than is compared."""
    beside = {
        "a transform of torch.func is on": ctx.levels, "the body of an autograd function is traced": ctx.later, "an index is picked by": ctx.indexing,
        "the frame is traced for what its graph raises": ctx.failing, "overrides decide": ctx.pins.all, "context variables were set": ctx.context_states,
        "an exception is handled": ctx.handled,
    }  # fmt: skip
    for why, there in beside.items():
        if there:
            raise Different(why)
    return ctx.modes_key, tuple((name, mode.read()) for name, mode in MODES.items()), len(ctx.autocasts), ctx.lasting


class _Place:
    """What is known at a source below a root of the first call: its guards, the variable that was built, what was reached from there. An *alias* is a path
    to an object that was met elsewhere first: what is known of that stands there."""

    __slots__ = ("guards", "order", "seen", "source", "steps", "variable")

    def __init__(self, source: Source):
        self.source = source
        self.guards: list[tuple[str, Any, Any]] = []  # (kind, expected, extra)
        self.variable: Variable | None = None
        self.order = 0  # in which it was built
        self.seen: Any = None  # what could be asked of a tensor
        self.steps: list[_Place] = []

    @property
    def is_alias(self) -> bool:
        return self.variable is not None and self.variable.source is not self.source and type(self.variable) is not ConstantVariable

    def all(self) -> Iterator[_Place]:
        yield self
        for place in self.steps:
            yield from place.all()


def _places(ctx: Context, roots: list[Source]) -> dict[Source, _Place]:
    """The places at and below these sources, by their roots. Where one root is below another, it is part of that one as well."""
    guards: dict[Source, list[tuple[str, Any, Any]]] = {}
    for (source, kind, extra), (expected, _) in ctx.guards.items():
        guards.setdefault(source, []).append((kind, expected, extra))
    order = {source: i for i, source in enumerate(ctx.by_source)}

    def read(source: Source) -> _Place | None:
        place = _Place(source)
        place.guards, place.variable, place.order = guards.get(source, []), ctx.by_source.get(source), order.get(source, -1)
        if isinstance(place.variable, TensorVariable):
            place.seen = described(place.variable.fake)
        place.steps = [found for child in (source.children or {}).values() if (found := read(child)) is not None]
        return place if place.guards or place.variable is not None or place.steps else None

    return {source: place for source in roots if (place := read(source)) is not None}


class Reach:
    """What a body can come to otherwise than through what differs between two calls: by the globals and closures that it read (`reads`), and from objects
    that are the same in both (`prefixes`)."""

    __slots__ = ("_ctx", "_prefixes", "_reads")

    def __init__(self, ctx: Context, reads: frozenset[tuple[int, str]], prefixes: list[Source]):
        self._ctx, self._reads, self._prefixes = ctx, reads, list(prefixes)

    def _grow(self) -> None:
        """What is reached on one path is known where it was met first, and so is what is below it."""
        ctx = self._ctx
        aliases = [(path, v.source) for path, v in ctx.by_source.items() if v.source is not path and v.source is not None and type(v) is not ConstantVariable]
        grown = True
        while grown:
            found = [known for path, known in aliases if not self._leads_to(known) and self._leads_to(path)]
            self._prefixes += found
            grown = bool(found)

    def paths(self, variables: Iterable[Variable]) -> Iterator[tuple[Variable, Source]]:
        """Where each of these was found, as far as the body can come there."""
        wanted = {variable: variable.source for variable in variables if type(variable) is not ConstantVariable}
        if not wanted:
            return
        self._grow()
        for variable, source in itertools.chain(wanted.items(), ((v, s) for s, v in self._ctx.by_source.items() if v in wanted)):
            if source is not None and self._leads_to(source):
                yield variable, source

    def _leads_to(self, path: Source) -> bool:
        for prefix in self._prefixes:
            if _below(path, prefix):
                return True
        root, first = path, None
        while root.base is not None:
            root, first = root.base, root
        if root.kind in ("local", "cell"):
            cell: Any = self._ctx.by_source.get(self._ctx.root("cell", root.key, root.label))
            return cell is not None and cell.real_cell is not None and (id(cell.real_cell), "") in self._reads
        return root.kind != "namespace" or first is None or (id(root.key), first.key) in self._reads


def _untouched(ctx: Context, reach: Reach) -> None:
    """What the program changed is out of the body's reach."""
    for variable, _ in reach.paths(ctx.effects) if len(ctx.effects) else ():
        raise Different(f"{variable.source.text if variable.source is not None else variable.describe()} was changed before")


def _below(source: Source, prefix: Source) -> bool:
    node: Any = source
    for _ in range(source.depth - prefix.depth):
        node = node.base
    return node is prefix


class Traced:
    """A body that was traced, and all that its trace depended on."""

    __slots__ = (
        "_conditions", "_form", "_inner", "_made", "_memories", "_origins", "_places", "_roots", "body", "graph", "inputs", "name", "reads", "seq", "structure",
    )  # fmt: skip

    def __init__(self, ctx: Context, before: Any, call: Call, body: Body, inner: int, reads: frozenset[tuple[int, str]]):
        """`before`: the conditions under which it was traced; `inner`: how many regions were met in it; `reads`: what globals and closures it read.
        Raises Different where it can't serve another call."""
        if conditions(ctx) != before:
            raise Different("its trace changed what lasts")
        if any("unbacked_bindings" in node.meta for node in body.graph.nodes):
            raise Different("it makes sizes that depend on data")
        self._conditions, self._form, self._inner, self.body, self.structure, self.graph = before, call.form, inner, body.name, body.structure, body.graph
        self.inputs = [inside.name for inside in body.subgraph.lifted.values()]
        self.name, self.seq = "", 0  # the submodule, and the event of its speculation
        self._roots = [leaf if leaf.source is not None else None for leaf in call.leaves]  # others are known by the form: that they end may show
        self._places = _places(ctx, [leaf.source for leaf in call.leaves if leaf.source is not None])
        aliased = [place.variable.source for place in self._all() if place.is_alias and place.variable.source is not None]  # type: ignore[union-attr]
        self.reads = reads
        _untouched(ctx, Reach(ctx, reads, [*(leaf.source for leaf in call.leaves if leaf.source is not None), *aliased, *call.unread]))
        self._origins = self._find_origins(ctx, call, body)
        self._memories = self._memory_pattern(call.leaves, {place: place.variable for place in self._all()})
        self._made = [_result(ctx, body, leaf, node) for leaf, node in zip(body.leaves, body.outputs, strict=True)]

    def _all(self) -> Iterator[_Place]:
        for root in self._places.values():
            yield from root.all()

    def _find_origins(self, ctx: Context, call: Call, body: Body) -> list[list[Any]]:
        """For each input of the body, every way in which its value is known: as a leaf, at a place, as another variable, as a symbolic number."""
        found: dict[fx.Node, list[Any]] = {outer: [] for outer in body.lifted}

        def note(variable: Any, origin: Any) -> None:
            node = _found(ctx.graph, variable.node) if isinstance(variable, TensorVariable) else None
            if node in found:
                found[node].append(origin)

        below = {place.source for place in self._all()}
        for i, leaf in enumerate(call.leaves):
            note(leaf, i)
        for place in self._all():
            note(place.variable, place)
        for source, variable in ctx.by_source.items():
            if source not in below:
                note(variable, variable)
        for outer, origins in found.items():
            value = outer.meta.get("example_value")
            if not origins and isinstance(value, torch.SymInt):
                origins.append(SymVariable(value, _unknown))
            if not origins:
                raise Different(f"where {outer.name} comes from isn't known")
        return list(found.values())

    # ---- the proof
    def holds(self, ctx: Context, now: Any, call: Call) -> Proof:
        """That another call is equal, as far as can be asked without building anything. Raises Different."""
        if now != self._conditions:
            raise Different("modes of torch, or what lasts, are others")
        if call.form != self._form:
            raise Different(f"{call.differs(self._form)} is another")
        proof = Proof(ctx, self._places, self.reads, call.unread)
        for mine, theirs in zip(self._roots, call.leaves, strict=True):
            proof.root(mine, theirs)
        proof.ask()
        return proof

    def taken(self, ctx: Context, call: Call, proof: Proof) -> tuple[list[fx.Node], list[Variable | None]]:
        """(operands, for each result the operand that it is): what a trace would have built is built, and guarded. Raises Different."""
        proof.build()
        if self._memory_pattern(call.leaves, proof.made) != self._memories:
            raise Different("tensors share memory otherwise")
        operands, variables = [], []
        for origins in self._origins:
            known = [call.leaves[o] if type(o) is int else proof.made[o] if type(o) is _Place else o for o in origins]
            nodes = [ctx.argument(variable)[0] for variable in known]
            if any(node is not nodes[0] for node in nodes):
                raise Different("what was one tensor is several")
            operands.append(nodes[0])
            variables.append(known[0])
        if len(set(operands)) != len(operands):
            raise Different("what was several tensors is one")
        ctx.regions_met += self._inner
        ctx.globals_read.extend(self.reads)
        return operands, [variables[made] if type(made) is int else None for made in self._made]

    def fakes(self, ctx: Context) -> list[Any]:
        """New fakes of the results that the body makes."""
        return [alike(ctx, made, made.requires_grad) for made in self._made if type(made) is not int]

    def _memory_pattern(self, leaves: list[Variable], made: dict[_Place, Any]) -> list[int]:
        """Which of the tensors that a call knows share memory: equal for two calls where they do alike."""
        first: dict[int | None, int] = {}
        absolute = (origin for origins in self._origins for origin in origins)
        known = (*leaves, *(made[place] for place in self._all() if isinstance(place.variable, TensorVariable)), *absolute)
        tensors = [variable.fake for variable in known if isinstance(variable, TensorVariable)]
        return [first.setdefault(storage_of(fake), i) for i, fake in enumerate(tensors)]


def _result(ctx: Context, body: Body, leaf: Variable, node: Any) -> Any:
    """How one of the results is made again: the number of the input that it is, or a fake of its form."""
    if not isinstance(leaf, TensorVariable):
        raise Different("it returns numbers")
    inputs = list(body.subgraph.lifted.values())
    if node in inputs:
        return inputs.index(node)
    fake, memory = leaf.fake, storage_of(leaf.fake)
    given = [storage_of(other.meta.get("example_value")) for other in inputs]
    if memory is None or memory in given or sum(storage_of(seen(other)) == memory for other in body.leaves) > 1:
        raise Different("it returns memory that it shares")
    made = alike(ctx, fake, fake.requires_grad) if fake.layout is torch.strided else fake
    if described(made) != described(fake) or number(made.untyped_storage().nbytes()) != number(fake.untyped_storage().nbytes()):
        raise Different("it returns a part of a larger tensor")
    return fake


def _unknown(_ctx: Context) -> fx.Node:
    raise Different("a size that it uses isn't known here")


def _found(graph: Any, node: fx.Node) -> fx.Node | None:
    """The node that stands for `node` in this graph, if there is one yet."""
    if node.graph is graph.graph:
        return node
    if graph.parent is None:
        return None
    outer = _found(graph.parent, node)
    return graph.lifted.get(outer) if outer is not None else None


class Proof:
    """One second call, held against the places of the first. `made`: the variable that stands at each place now."""

    __slots__ = ("_asked", "_ctx", "_moved", "_one", "_other", "_places", "_reads", "_roots", "_same", "_values", "made")

    def __init__(self, ctx: Context, places: dict[Source, _Place], reads: frozenset[tuple[int, str]], same: list[Source]):
        self._ctx, self._places, self._reads = ctx, places, reads
        self._moved: dict[Source, Source] = {}  # where what is known of an object of the first call is known of that of this one
        self._asked: list[tuple[_Place, Source, Any, Source | None]] = []  # (place, path, value, where its guards are asked; None: nowhere)
        self._values: dict[Source, Any] = {}
        self._one: dict[Variable, Variable] = {}
        self._other: dict[Variable, Variable] = {}
        self._roots: list[Source] = []
        self._same = list(same)  # sources of objects that both calls have
        self.made: dict[_Place, Variable] = {}

    # ---- which is which
    def root(self, mine: Variable | None, theirs: Variable) -> None:
        """`mine` was given to the first call (None: something of the trace), `theirs` to this one in its place."""
        if mine is None:
            if theirs.source is not None:
                raise Different(f"{theirs.source.text} existed before the frame")
            return
        if theirs.source is None:
            raise Different(f"what is given in the place of {mine.source.text} was made by the frame")  # type: ignore[union-attr]
        self._pair(mine, theirs)
        (self._same if mine is theirs else self._roots).append(theirs.source)
        place = self._places.get(mine.source)  # type: ignore[arg-type]
        if place is not None and mine is theirs:
            self._stay(place)
        elif place is not None:
            self._follow(place, theirs.source, self._read(theirs.source))

    def _pair(self, mine: Variable, theirs: Variable) -> None:
        """One object of the first call is one of this call. Constants and what is known by identity have guards that say so."""
        if type(mine) is ConstantVariable or type(mine) is PinnedVariable:
            return
        if self._one.setdefault(mine, theirs) is not theirs or self._other.setdefault(theirs, mine) is not mine:
            raise Different("what was one object is several, or the reverse")

    def _stay(self, place: _Place) -> None:
        """The same object in both calls: what is known of it is known."""
        for inner in place.all():
            if inner.variable is not None:
                self._pair(inner.variable, inner.variable)
                self.made[inner] = inner.variable
                if inner.variable.source is not None:
                    self._same.append(inner.variable.source)

    def _follow(self, place: _Place, source: Source, value: Any) -> None:
        """`place` of the first call is `source` in this one, where `value` is."""
        ctx, mine, at = self._ctx, place.variable, source
        if mine is not None:
            known = ctx.by_source.get(source)
            if known is None and type(value) not in LITERALS:
                known = ctx.by_id.get(id(value))
            if known is mine or place.is_alias:
                self._asked.append((place, source, value, None))
                if known is mine:
                    self._stay(place)
                return
            if known is not None and type(known) is not ConstantVariable:
                if known.source is None:
                    raise Different(f"{source.text} is known by itself")
                self._pair(mine, known)
                at = known.source
                self._roots.append(at)
        self._moved[place.source], self._values[at] = at, value
        self._asked.append((place, source, value, at))
        for inner in place.steps:
            kind, key = inner.source.kind, inner.source.key
            if kind not in _PLAIN:
                raise Different(f"{inner.source.text} was read")
            step = at.step(kind, key)
            try:
                there = STEPS[kind].read(value, key)
            except Exception as error:
                raise Different(f"{step.text} isn't there ({type(error).__name__})") from None
            self._follow(inner, step, there)

    # ---- what holds
    def _read(self, source: Source) -> Any:
        """What is found there at the entry of the frame."""
        if source in self._values:
            return self._values[source]
        if source.base is not None:
            return STEPS[source.kind].read(self._read(source.base), source.key)
        if source.kind == "local":
            return self._ctx.entered[source.key]
        if source.kind == "cell":
            real = getattr(self._ctx.by_source.get(source), "real_cell", None)
            if real is None:
                raise Different(f"{source.text} is a cell of this call")
            return real
        return source.key

    def ask(self) -> None:
        """Every guard of the first call, of what is found now."""
        _untouched(self._ctx, Reach(self._ctx, self._reads, [*self._roots, *self._same]))
        for place, _, value, at in self._asked:
            for kind, expected, extra in place.guards if at is not None else ():
                known = KINDS[kind]
                if kind in _BETWEEN:
                    expected = self._moved.get(extra, extra)
                    holds = known.check(self._read, Guard(at, kind, expected))
                else:
                    holds = known.scope == "value" and known.check(value, expected)
                if not holds:
                    raise Different(f"`{known.text(at.text, expected)}` doesn't hold")  # type: ignore[union-attr]

    def build(self) -> None:
        """The variables that a trace would have built, in its order, and its guards."""
        ctx = self._ctx
        for place, source, value, _ in sorted(self._asked, key=lambda asked: asked[0].order):
            if place.variable is not None:
                self.made[place] = ctx.build(value, source)
                self._check(place, place.variable, self.made[place], source)
        moved = {one for pair in self._one.items() if pair[0] is not pair[1] for one in pair}
        for variable, path in Reach(ctx, self._reads, self._same).paths(moved):
            raise Different(f"it may come to {path.text} by itself, which is {variable.source.text if variable.source is not None else 'given'}")
        for place, _, _, at in self._asked:
            for kind, expected, extra in place.guards if at is not None else ():
                if kind in _BETWEEN:
                    expected = extra = self._moved.get(extra, extra)
                if kind != "TENSOR_MATCH":  # which the builder has installed, for this tensor
                    ctx.guard(at, kind, expected, extra)  # type: ignore[arg-type]

    def _check(self, place: _Place, mine: Variable, theirs: Variable, source: Source) -> None:
        """What was built is known as the first call's was."""
        if type(mine) is not type(theirs) or mine.python_type() is not theirs.python_type():
            raise Different(f"{source.text} is known otherwise")
        if place.is_alias and mine is not theirs and mine.source not in self._moved:
            raise Different(f"{source.text} is another object")
        self._pair(mine, theirs)
        if isinstance(mine, SymVariable):
            raise Different(f"{source.text} is a symbolic number")
        if isinstance(mine, ConstantVariable | PinnedVariable) and not _is_equal(mine.constant(), theirs.constant()):
            raise Different(f"{source.text} is another value")
        if isinstance(theirs, TensorVariable) and (place.seen != described(theirs.fake) or theirs.attrs is not None or theirs.hooks):
            raise Different(f"{source.text} is another kind of tensor")


def _is_equal(one: Any, other: Any) -> bool:
    return one is other or same(one, other)
