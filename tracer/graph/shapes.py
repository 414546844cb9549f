"""Sizes and symbolic numbers: what of a shape is a literal and what an expression of the graph. Reached as `ctx.shapes`.

A number read off a tensor gets its node at once, in the graph that the tensor belongs to, because an operator may change the
tensor later; arithmetic on numbers gets nodes when a graph first needs them. Equal expressions share one node in a graph and
in the bodies inside it (`Subgraph.symbols`). What Python has to know of a number is decided by ShapeEnv, whose guards then
hold for the entry; `decide` and `specialise` are the two ways to ask, and both say which line asked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..compat import fakes, promise
from ..events import GuardInstalled, GuardSettled, ShapeDecision
from ..guards.guard import expression
from ..guards.shapes import torch_source
from ..signals import Break
from ..variables import ConstantVariable, SymVariable, TensorVariable, TupleVariable, Variable, literal
from .operators import Effect

if TYPE_CHECKING:
    from torch import fx

    from ..context import Context
    from ..sources import Source

__all__ = [
    "any_integer", "assume", "binary", "convert", "decide", "depends_on_data", "extreme", "found", "holds", "input_number", "known", "node_of", "note_unbacked",
    "number", "shape", "size", "specialise", "symbolic_fake", "tensor_metadata", "unary", "where_fixed", "with_shapes", "wrap",
]  # fmt: skip

_SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)


def with_shapes(ctx: Context) -> Any:
    """The fake mode of this attempt, given a shape environment when something first needs one."""
    mode = ctx.fake_mode
    if mode.shape_env is None:
        fakes.add_shapes(mode, **ctx.session.shape_env_settings())
    return mode


# ---- inputs
def symbolic_fake(ctx: Context, value: torch.Tensor, source: Source, dims: dict[int, str]) -> Any:
    """The fake of an input whose `dims` are symbols that ShapeEnv reads off `source`."""
    try:
        fake = fakes.fake_symbolic(with_shapes(ctx), value, dims, torch_source(source), ranges=ctx.dynamic.ranges(value))
    except Exception as error:
        if not fakes.is_constraint_violation(error):
            raise
        words = f"a size of {source.text} is not what mark_dynamic says of it: {str(error).strip()}"
        raise fakes.mark_violated(words, "call it with a size in the range, or give mark_dynamic another one") from None
    if ctx.rec.on:
        for dim in dims:
            ctx.rec.point(ShapeDecision, str(fake.shape[dim]), f"{source.text}.shape[{dim}]", ctx.dynamic.reasons[source.text, dim])
    for dim, least, most in ctx.dynamic.within(source):
        for bound in (least is None or fake.shape[dim] >= least, most is None or fake.shape[dim] <= most):
            fakes.expect(bound)
    for dim, (least, most) in ctx.dynamic.bounds.get(source.text, {}).items():
        for bound in (least is None or fake.shape[dim] >= least, most is None or fake.shape[dim] <= most):
            holds(ctx, bound)  # true now: what is asked is what is guarded
    return fake


def input_number(ctx: Context, value: Any, source: Source) -> Variable:
    """A Python integer among the inputs that is symbolic: an input of the graph."""
    sym = fakes.symbolic_number(with_shapes(ctx), value, torch_source(source))
    ctx.guard(source, "TYPE_MATCH", type(value))
    node = ctx.add_input(source, value, sym)
    ctx.root_graph.symbols[_key(sym)] = node
    if ctx.rec.on:
        ctx.rec.point(ShapeDecision, str(sym), source.text, ctx.dynamic.reasons[source.text, None])
    return SymVariable(sym, lambda c: node, source)


# ---- reading tensors
def shape(ctx: Context, tensor: TensorVariable) -> Variable:
    fake = tensor.fake
    return TupleVariable([ConstantVariable(s) if type(s) is int else size(ctx, tensor, i) for i, s in enumerate(fake.shape)], torch.Size)


def size(ctx: Context, tensor: TensorVariable, dim: int) -> Variable:
    value = tensor.fake.shape[dim]
    if type(value) is int:
        return ConstantVariable(value)
    return number(ctx, tensor, lambda fake: value, lambda c, n: c.create_node("call_function", torch.ops.aten.sym_size.int, (n, dim), {}, value))


def number(ctx: Context, tensor: TensorVariable, read: Callable[[Any], Any], make: Callable[[Any, Any], Any]) -> Variable:
    """A number read off a tensor; `make(ctx, node of the tensor)` adds the node where it is symbolic."""
    value = read(tensor.fake)
    if not isinstance(value, _SYMBOLIC):
        return literal(value)
    fixed = known(value)
    if fixed is not None:
        return literal(fixed)
    key = _key(value)
    node = _find(ctx, key)
    if node is None:
        node = _make_where_it_lives(ctx, tensor, make)
        _owner(ctx, node).symbols[key] = node
    return SymVariable(value, lambda c: node)


def _make_where_it_lives(ctx: Context, tensor: TensorVariable, make: Callable[[Any, Any], Any]) -> fx.Node:
    here, ctx.graph = ctx.graph, _owner(ctx, tensor.node)
    try:
        return make(ctx, ctx.graph.local(tensor.node, tensor.fake))
    finally:
        ctx.graph = here


def _owner(ctx: Context, node: fx.Node) -> Any:
    """The graph that a node belongs to: the current one or one around it."""
    graph = ctx.graph
    while graph.graph is not node.graph and graph.parent is not None:
        graph = graph.parent
    return graph if graph.graph is node.graph else ctx.graph


# ---- nodes
def _key(value: Any) -> Any:
    """Equal for integers and truths that one node can stand for."""
    return value.node.pytype, value.node.expr


def _find(ctx: Context, key: Any) -> fx.Node | None:
    graph = ctx.graph
    while graph is not None:
        found = graph.symbols.get(key)
        if found is not None:
            return found
        graph = graph.parent
    return None


def found(ctx: Context, variable: SymVariable) -> fx.Node | None:
    """The node that computes a symbolic number, in the current graph or one around it, if there is one yet."""
    return _find(ctx, variable if isinstance(variable.sym, torch.SymFloat) else _key(variable.sym))


def node_of(ctx: Context, variable: SymVariable) -> fx.Node:
    """The node that computes a symbolic number in the current graph. Floats share none with equal expressions: their
    arithmetic isn't associative."""
    key = variable if isinstance(variable.sym, torch.SymFloat) else _key(variable.sym)
    node = _find(ctx, key)
    if node is None:
        node = variable.make(ctx)
        _owner(ctx, node).symbols[key] = node
    return ctx.graph.local(node, variable.sym)


def note_fixed(ctx: Context) -> None:
    """Where a symbol became a number, or another symbol: the line that is followed now."""
    replaced = ctx.fake_mode.shape_env.replacements
    if len(replaced) != len(ctx.fixed):
        frame = ctx.user_frame()
        for symbol in replaced:
            ctx.fixed.setdefault(symbol, tuple(frame.location) if frame is not None else ())


def where_fixed(ctx: Context, inputs: list[Any]) -> list[tuple[str, Any, tuple[Any, ...]]]:
    """(source and dimension, what it became, location) of the symbolic sizes among `inputs` that the program fixed."""
    found = []
    for one in inputs:
        for dim, size in enumerate(one.fake.shape if isinstance(one.fake, torch.Tensor) else ()):
            symbol = fakes.symbol_of(size)
            if symbol is not None and symbol in ctx.fixed:
                found.append((f"{one.source.text}.shape[{dim}]", ctx.fake_mode.shape_env.replacements[symbol], ctx.fixed[symbol]))
    return found


def tell_settled(ctx: Context, inputs: list[Any]) -> None:
    """Guards on tensors were told when the tensors were met, with symbols that a line may have fixed since."""
    for one in inputs:
        expected, cause = ctx.guards.get((one.source, "TENSOR_MATCH", None), (None, -1))
        said = ctx.rec.events[cause] if cause >= 0 else None
        if isinstance(said, GuardInstalled) and (now := expression(one.source, "TENSOR_MATCH", expected)) != said.expression:
            ctx.rec.point(GuardSettled, cause, one.source.text, "TENSOR_MATCH", now)


def note_unbacked(ctx: Context, node: fx.Node, value: Any) -> None:
    """Tell later passes which symbols an operator's result made up."""
    note_fixed(ctx)
    try:
        bindings = fakes.unbacked_bindings(ctx.fake_mode, value)
    except Exception as error:
        raise Break("data-dependent-shape", expr=str(node.target), why=str(error).splitlines()[0][:200]) from None
    if bindings:
        node.meta["unbacked_bindings"] = bindings


# ---- symbolic or known
def known(value: Any) -> Any:
    """The number, where the expression is one; None otherwise."""
    expr = value.node.expr
    if isinstance(value, torch.SymBool):
        return bool(expr) if expr.is_Boolean and not expr.free_symbols else None
    return value.node.pytype(expr) if expr.is_number else None


def wrap(ctx: Context, value: Any, make: Callable[[Any], Any]) -> Variable:
    """A symbolic number, or a literal where the expression is known."""
    fixed = known(value)
    return SymVariable(value, make) if fixed is None else literal(fixed)


def specialise(ctx: Context, variable: SymVariable) -> Any:
    """The number itself: from here on the graph is for this value only, by a guard of the shape environment."""
    sym = variable.sym
    cls = variable.python_type()
    return _ask(ctx, sym, lambda: cls(sym), "specialised to", "symbolic-number-escape")


def decide(ctx: Context, variable: SymVariable) -> bool:
    """The truth of a number: from here on the graph is for the values for which it is the same."""
    return holds(ctx, variable.sym)


def assume(ctx: Context, condition: Variable, error: type[Exception], words: Callable[[], str]) -> bool:
    """Whether a condition that the program promises holds. What only data decides becomes a check that the graph makes, which
    raises `error` with `words()`."""
    if type(condition) is not SymVariable:
        return ctx.protocol.truth(ctx, condition)
    if known(condition.sym) is None and fakes.is_unbacked(condition.sym):
        node = condition.node(ctx)  # before anything is assumed: the numbers in it may be known after that
        ctx.create_node("call_function", promise, (node, error.__name__, words()), {}, None).meta["effect"] = Effect(again=True)
        fakes.expect(condition.sym)
        return True
    return decide(ctx, condition)


def holds(ctx: Context, value: Any) -> bool:
    """The truth of a condition on symbolic numbers, held by a guard."""
    return _ask(ctx, value, lambda: bool(value), "decided:") if isinstance(value, _SYMBOLIC) else bool(value)


def _ask(ctx: Context, sym: Any, ask: Callable[[], Any], what: str, otherwise: str = "data-dependent-number") -> Any:
    if known(sym) is not None:
        return ask()
    text, where = str(sym), fakes.symbol_sources(ctx.fake_mode, sym) if ctx.rec.on else ""
    before = len(ctx.fake_mode.shape_env.guards)
    try:
        answer = ask()
    except Exception as error:
        if is_data_dependent(error):
            raise ctx.tensors.undecided(ctx, otherwise, number=text) from None
        raise
    note_fixed(ctx)
    if ctx.rec.on and len(ctx.fake_mode.shape_env.guards) != before:
        ctx.rec.point(ShapeDecision, text, where, f"{what} {answer}")
    return answer


def is_data_dependent(error: BaseException) -> bool:
    """ShapeEnv's refusal to decide what only data decides."""
    return type(error).__name__ == "GuardOnDataDependentSymNode"


def depends_on_data(variable: Variable) -> bool:
    """Whether a number is one that only the run of the graph tells."""
    return type(variable) is SymVariable and known(variable.sym) is None and fakes.is_unbacked(variable.sym)


def any_integer(ctx: Context, among: list[Any] | None = None, *, bound: bool = True) -> Any:
    """An integer that only the run of the graph tells: one of `among`, or any. `bound`: a result of an operator; otherwise an input of a body."""
    mode = with_shapes(ctx)
    if among is None or any(type(n) is not int for n in among):
        return fakes.unbacked_integer(mode, bound=bound)
    return fakes.unbacked_integer(mode, min(among), max(among), bound=bound)


# ---- arithmetic
def _operand(variable: Variable) -> Any:
    if type(variable) is SymVariable:
        return variable.sym
    if type(variable) is ConstantVariable and isinstance(variable.value, int | float | bool):
        return variable.value
    return None


_DIVISIONS = frozenset({operator.floordiv, operator.mod, operator.truediv})
_LOGICAL = frozenset({operator.and_, operator.or_, operator.xor})
_COUNTED = frozenset({operator.pow, operator.lshift, operator.rshift})


def binary(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Variable | None:
    """Arithmetic and comparison of symbolic numbers; None where another protocol decides (`[0] * n`, …).

    What Python would refuse (division by zero) or answer with another type (a negative power) is decided by a guard first.
    What symbolic numbers can't do is computed with the numbers of this call, which are guarded from then on.
    """
    a, b = _operand(left), _operand(right)
    if a is None or b is None:
        return None
    plain = _PLAIN.get(fn, fn)
    if plain not in _LOGICAL and (isinstance(a, torch.SymBool) or isinstance(b, torch.SymBool)):
        return ctx.protocol.fold(ctx, plain, [literal(holds(ctx, v)) if isinstance(v, torch.SymBool) else o for v, o in ((a, left), (b, right))])
    if plain in _DIVISIONS and isinstance(b, torch.SymFloat) and depends_on_data(right) or plain is operator.pow and _is_own_power(ctx, left):
        return _when_run(ctx, plain, left, right)
    if plain in _DIVISIONS and type(right) is SymVariable and not holds(ctx, b != 0):
        return _concrete(ctx, plain, left, right)
    if plain is operator.pow and isinstance(b, float | torch.SymFloat):
        if not holds(ctx, a > 0):
            return _concrete(ctx, plain, left, right)
    elif plain in _COUNTED and not (isinstance(b, int | torch.SymInt) and holds(ctx, b >= 0)):
        return _concrete(ctx, plain, left, right)
    try:
        value = plain(a, b)
    except Exception as error:
        if is_data_dependent(error):
            raise ctx.tensors.undecided(ctx, "data-dependent-number", number=str(a)) from None
        return _concrete(ctx, plain, left, right)
    if not isinstance(value, _SYMBOLIC):
        if value is NotImplemented:
            return _concrete(ctx, plain, left, right)
        return ctx.wrap(value)

    def make(c: Any) -> Any:
        (left_node, _), (right_node, _) = c.argument(left), c.argument(right)
        return c.create_node("call_function", plain, (left_node, right_node), {}, value)

    return wrap(ctx, value, make)


def _is_own_power(ctx: Context, base: Variable) -> bool:
    """A root that an optimizer takes of a correction, which is positive. (Elsewhere the sign tells whether the power is a float at all.)"""
    return isinstance(base, SymVariable) and isinstance(base.sym, torch.SymFloat) and depends_on_data(base) and ctx.tensors.followed(ctx)


def _when_run(ctx: Context, plain: Callable[..., Any], left: Variable, right: Variable) -> Variable:
    """Arithmetic of floats that only the run of the graph tells, and that may fail: the node raises what Python raises, whoever uses its result.
    That is a symbol of its own: ShapeEnv would add checks of its own to an expression."""
    ctx.tensors.check_failing(ctx, plain)
    (left_node, _), (right_node, _) = ctx.argument(left), ctx.argument(right)
    value = fakes.unbacked_float(with_shapes(ctx))
    node = ctx.create_node("call_function", plain, (left_node, right_node), {}, value)
    node.meta["effect"] = Effect()
    return wrap(ctx, value, lambda c: c.graph.local(node, value))


def _concrete(ctx: Context, fn: Callable[..., Any], *args: Variable) -> Any:
    """`fn` of the numbers of this call; what it raises, the program raises."""
    return ctx.protocol.fold(ctx, fn, [literal(specialise(ctx, a)) if type(a) is SymVariable else a for a in args])


_PLAIN = {getattr(operator, "i" + n): getattr(operator, n) for n in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift")}
_PLAIN |= {operator.iand: operator.and_, operator.ior: operator.or_, operator.ixor: operator.xor}


def unary(ctx: Context, fn: Callable[..., Any], variable: SymVariable, target: Callable[..., Any] | None = None) -> Variable:
    """`fn(number)`; `target` is what the graph calls where that differs."""
    try:
        value = (target or fn)(variable.sym)
    except Exception as error:
        if is_data_dependent(error):
            raise ctx.tensors.undecided(ctx, "data-dependent-number", number=str(variable.sym)) from None
        return _concrete(ctx, fn, variable)
    if not isinstance(value, _SYMBOLIC):
        return ctx.wrap(value)
    return wrap(ctx, value, lambda c: c.create_node("call_function", target or fn, (c.argument(variable)[0],), {}, value))


def convert(ctx: Context, cls: type, variable: Variable) -> Variable:
    """`int(s)`, `float(s)` of a symbolic number."""
    if type(variable) is not SymVariable:
        return literal(cls(variable.constant()))
    if variable.python_type() is cls:
        return variable
    if cls is float and isinstance(variable.sym, torch.SymInt):
        return unary(ctx, float, variable, torch.sym_float)
    if cls is int and isinstance(variable.sym, torch.SymFloat):
        return unary(ctx, int, variable, torch.sym_int)
    return literal(cls(specialise(ctx, variable)))


def extreme(ctx: Context, fn: Callable[..., Any], items: list[Variable]) -> Variable:
    """`min` and `max` of numbers of which some are symbolic: an expression of integers; of other numbers, where the type of
    the answer depends on which it is, a choice that a guard holds to."""
    best = items[0]
    for item in items[1:]:
        a, b = _operand(best), _operand(item)
        if _integer(a) and _integer(b):
            best = _extreme_of_integers(ctx, torch.sym_min if fn is min else torch.sym_max, best, item, a, b)
        elif ctx.protocol.truth(ctx, ctx.settle(ctx.protocol.compare(ctx, operator.lt if fn is min else operator.gt, item, best))):
            best = item
    return best


def _integer(value: Any) -> bool:
    return type(value) is int or isinstance(value, torch.SymInt)


def _extreme_of_integers(ctx: Context, pick: Callable[..., Any], left: Variable, right: Variable, a: Any, b: Any) -> Variable:
    value = pick(a, b)
    if not isinstance(value, _SYMBOLIC):
        return literal(value)
    return wrap(ctx, value, lambda c: c.create_node("call_function", pick, (c.argument(left)[0], c.argument(right)[0]), {}, value))


# ---- the end of an attempt
def tensor_metadata(expected: Any) -> Any:
    """What TENSOR_MATCH compares of an input with symbolic sizes: (tensor, sizes, strides), where symbols that an operator
    or a branch fixed meanwhile count as the numbers that they are now, and those that are still open as None."""
    value, sizes, strides = expected
    return value, [_settled(s) for s in sizes], [_settled(s) for s in strides]


def _settled(value: Any) -> int | None:
    return value if type(value) is int else known(value)
