"""The levels of torch.func: `vmap`, `grad`, `jvp` and what torch builds of them.

Their Python is followed as any other code. A level is entered for real while tracing, so that fakes behave inside as tensors
do, and by a node of the graph; what an attempt or a body entered and didn't leave is left when it is given up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..compat import functorch
from ..functions.table import calls
from ..functions.torch.later import GradModeVariable
from ..graph.operators import Effect
from ..interpreter.paths import break_at, moment_of
from ..signals import Break, Declined
from ..variables import NONE, ConstantVariable, TensorVariable, Variable, literal

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["Level", "check_left", "leave", "named"]


class Level:
    """One that is on: its kind, the number that torch gave it, the operation of the root frame and the module in which it began."""

    __slots__ = ("began", "kind", "number", "path")

    def __init__(self, kind: str, number: int, began: tuple[Any, tuple[int, int]], path: str):
        self.kind, self.number, self.began, self.path = kind, number, began, path

    @property
    def name(self) -> str:
        """How it is called in pictures of the graph."""
        return f"{self.kind} level {self.number}"


def named(levels: list[Level]) -> tuple[tuple[str, str], ...]:
    """Levels as events tell them. The level of forward mode that `jvp` enters for itself isn't told beside it."""
    return tuple((level.path, level.name) for i, level in enumerate(levels) if level.kind != "dual" or not i or levels[i - 1].kind != "jvp")


def leave(ctx: Context, count: int) -> None:
    """Leave all levels but the first `count`, in whatever order what began them would have."""
    given_up = ctx.levels[count:]
    del ctx.levels[count:]
    functorch.leave_to(sum(level.kind != "dual" for level in ctx.levels))
    functorch.leave_dual(level.number for level in reversed(given_up) if level.kind == "dual")


def check_left(ctx: Context) -> None:
    """At the end of a graph: a level that is still on can't be carried over to Python. The graph ends before what entered it."""
    if ctx.levels:
        name = ctx.levels[0].kind
        raise break_at(ctx.levels[0].began, Break("context-unsupported", expr=name, name=name, type="level of torch.func that the graph doesn't leave"))


class _Number(ConstantVariable):
    """The number of a level that began in a body which runs later: there it may be another, so nodes take it from the node that enters the level."""

    __slots__ = ("node",)

    def __init__(self, value: int, node: Any):
        super().__init__(value)
        self.node = node

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        return ctx.graph.local(self.node, self.value), self.value


def _recorded(ctx: Context, function: Any, args: list[Variable], kwargs: dict[str, Variable] | None = None) -> tuple[Any, Any]:
    """Call it now, and in the graph: a node that stays. (what it gives, the node)"""
    given = [ctx.argument(arg) for arg in args]
    by_name = {name: ctx.argument(value) for name, value in (kwargs or {}).items()}
    try:
        value = function(*[fake for _, fake in given], **{name: fake for name, (_, fake) in by_name.items()})
    except Exception as error:
        ctx.raise_from_host(error)
    node = ctx.create_node("call_function", function, tuple(n for n, _ in given), {name: n for name, (n, _) in by_name.items()}, None)
    if any(isinstance(fake, torch.Tensor) for _, fake in given):
        node.meta["effect"] = Effect(again=True)
        return value, node
    node.meta["effect"], node.meta["mode"] = Effect(), ("level", getattr(function, "__name__", ""))
    ctx.mode_nodes += 1
    return value, node


def _enters(function: Any, kind: str) -> None:
    @calls.exact(function)
    def enter(ctx: Context, *args: Variable) -> Any:
        """A level of torch.func begins: while tracing, and in the graph."""
        began = moment_of(ctx.root_frame)
        number, node = _recorded(ctx, function, list(args))
        ctx.levels.append(Level(kind, number, began, next(reversed(ctx.modules_now() or {}), "")))
        ctx.switches.add("DUAL_LEVEL" if kind == "dual" else "FUNCTORCH_STACK")
        return literal(number) if ctx.later is None else _Number(number, node)


def _leaves(function: Any, kind: str) -> None:
    @calls.exact(function)
    def leave(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """A level of torch.func ends."""
        if not ctx.levels or ctx.levels[-1].kind != kind:
            return Declined("it ends a level that began elsewhere")
        number, _ = _recorded(ctx, function, list(args), kwargs)
        ctx.levels.pop()
        return literal(number)


def _marks(function: Any) -> None:
    @calls.exact(function)
    def mark(ctx: Context, value: Variable) -> Any:
        """What the level that is on allows, or a tensor that begins to be differentiated at it."""
        _recorded(ctx, function, [value])
        return value if isinstance(value, TensorVariable) else NONE


def _asks(function: Any) -> None:
    @calls.exact(function)
    def ask(ctx: Context, *args: Variable) -> Any:
        """How a tensor is wrapped, or what the level that is on allows: known while tracing."""
        if any(not isinstance(arg, TensorVariable) for arg in args):
            return Declined("not a tensor")
        return literal(function(*[arg.fake for arg in args]))


def _wraps(function: Any) -> None:
    @calls.exact(function)
    def wrap(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """A tensor wrapped for a level, or unwrapped: one node."""
        told = {name: GradModeVariable(value.node, value.traced, told=True) if type(value) is GradModeVariable else value for name, value in kwargs.items()}
        return ctx.node("call_function", function, list(args), told)


def _loads(function: Any) -> None:
    @calls.exact(function)
    def load(ctx: Context) -> Any:
        """Decompositions of torch's own are registered, once in a process: now."""
        function()
        return NONE


def _unfollowed(function: Any, name: str) -> None:
    @calls.exact(function)
    def enter(ctx: Context, *args: Variable) -> Any:
        """A level of a transform that isn't followed begins."""
        raise Break("higher-order-unsupported", expr=name, name=name, func=name)


for _function, _kind in functorch.UNFOLLOWED.items():
    _unfollowed(_function, _kind)
for _function, _kind in functorch.ENTERS.items():
    _enters(_function, _kind)
for _function, _kind in functorch.LEAVES.items():
    _leaves(_function, _kind)
for _group, _make in ((functorch.MARKS, _marks), (functorch.ASKS, _asks), (functorch.WRAPS, _wraps), (functorch.LOADS, _loads)):
    for _function in _group:
        _make(_function)
