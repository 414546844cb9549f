"""The two bodies of a `torch.autograd.Function`, as things to call: what autograd does around forward and backward.

In go the program's methods; out come tensors, in the order in which the node gives and takes them, and the shape of the rest.
"""

from __future__ import annotations

import itertools
import types
from typing import TYPE_CHECKING, Any

import torch

from ..compat.autograd_functions import is_differentiable
from ..functions.torch.operators import is_leaf_input
from ..graph.operators import storage_of
from ..variables import NONE, ConstantVariable, SymVariable, TensorVariable, TupleVariable, Variable
from .escapes import is_inner
from .results import flatten
from .speculate import Rejected

if TYPE_CHECKING:
    from ..context import Context
    from .function_context import FunctionContextVariable
    from .speculate import Body

__all__ = ["Backward", "Forward", "Method", "is_none", "stand_in"]


class Method(Variable):
    """Something to call in place of a method of the program's."""

    __slots__ = ()

    def python_type(self) -> type:
        return types.FunctionType


class Forward(Method):
    """`forward`, and `setup_context` where there is one. `items`: what it returned, as autograd sees it: the parts of a tuple, or the one
    object. `alone`: whether it was no tuple."""

    __slots__ = ("alone", "forward", "given", "items", "own", "setup")

    def __init__(self, forward: Variable, setup: Variable | None, own: FunctionContextVariable, given: list[Variable]):
        super().__init__()
        self.forward, self.setup, self.own, self.given = forward, setup, own, given
        self.items: list[Variable] = []
        self.alone = False

    def run(self, ctx: Context, args: list[Variable]) -> None:
        if self.setup is None:
            result = ctx.call_now(self.forward, [self.own, *args])
        else:
            result = ctx.call_now(self.forward, args)
            ctx.call_now(self.setup, [self.own, TupleVariable(list(args), tuple), result])
        self.take(ctx, result)

    def take(self, ctx: Context, result: Variable) -> None:
        if not isinstance(result, TupleVariable) and issubclass(result.python_type(), tuple):
            raise Rejected(f"returns a {result.python_type().__name__}")
        self.alone = not isinstance(result, TupleVariable)
        self.items = result.settled(ctx) if isinstance(result, TupleVariable) else [result]

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        self.run(ctx, args)
        return self.results(ctx)

    def results(self, ctx: Context) -> Variable:
        """Those that are tensors, which the graph gives."""
        for item in self.items:
            if isinstance(item, TensorVariable):
                self._check_tensor(ctx, item)
            else:
                _check_other(ctx, item)
        return TupleVariable(list(self.tensors()), tuple)

    def tensors(self) -> list[TensorVariable]:
        return [item for item in self.items if isinstance(item, TensorVariable)]

    def _check_tensor(self, ctx: Context, item: TensorVariable) -> None:
        if sum(item is other for other in self.items) > 1:
            raise Rejected("returns one tensor twice")
        if item.cls is not torch.Tensor and self.argument(item) is None:
            raise Rejected(f"returns a {item.cls.__name__}")
        if item.node.graph is not ctx.graph.graph and self.argument(item) is None:
            raise Rejected("returns a tensor from outside that it isn't given")

    def argument(self, item: TensorVariable) -> TensorVariable | None:
        """The argument that a result is, if it is one."""
        return next((arg for arg in self.given if isinstance(arg, TensorVariable) and arg.fake is item.fake), None)

    def check(self, ctx: Context, body: Body) -> None:
        """What forward said of its tensors is taken for what it is; what autograd would raise an error for is left to it."""
        self.check_kept(ctx)
        memories = {storage_of(tensor.fake) for tensor in (*self.given, *self.items) if isinstance(tensor, TensorVariable)}
        if any(tensor.fake.requires_grad or storage_of(tensor.fake) in memories for tensor in body.given_out):
            raise Rejected("stores outside itself a tensor that shares memory with an argument or a result")
        for held in self.dirty(ctx):
            fake = held.fake
            if not fake.requires_grad or fake._is_view() or is_leaf_input(ctx, fake) or held.source is not None:
                raise Rejected("marks an argument as dirty that is a leaf, comes from outside or begins to need a gradient")
        self.check_apart(ctx)

    def check_apart(self, ctx: Context) -> None:
        for held in self.own.said(ctx, "non_differentiable"):
            if not any(held is item for item in self.items):
                raise Rejected("marks as not differentiable what it doesn't return")

    def check_kept(self, ctx: Context) -> None:
        for held in (*self.own.said(ctx, "to_save"), *self.own.said(ctx, "saved_for_forward")):
            if not isinstance(held, TensorVariable) and not is_none(held):
                raise Rejected(f"saves a {held.python_type().__name__} for backward")
        self._check_saved(ctx)

    def _check_saved(self, ctx: Context) -> None:
        """Where there is a `setup_context`, autograd refuses to save what is an argument and a result."""
        for held in self.own.said(ctx, "to_save") if self.setup is not None else ():
            if isinstance(held, TensorVariable) and self.argument(held) is not None and any(held is item for item in self.items):
                raise Rejected("saves an argument that it returns as it is")

    def dirty(self, ctx: Context) -> list[TensorVariable]:
        """The arguments that it says it wrote to: autograd wants them among the results."""
        found = []
        for held in self.own.said(ctx, "dirty_tensors"):
            if not isinstance(held, TensorVariable) or self.argument(held) is None or not any(held is item for item in self.items):
                raise Rejected("marks as dirty what isn't an argument that it returns")
            found.append(held)
        return found

    def missing(self, ctx: Context, marked: bool = True) -> list[tuple[bool, ...]]:
        """Which gradients backward may be given: for each way in which some don't come, whether each tensor's comes. Most functions ask for zeros in
        place of those that don't. `marked`: whether none comes for what is marked as not differentiable."""
        tensors = self.tensors()
        if self.own.materializes():
            return [(True,) * len(tensors)]
        apart = self.own.said(ctx, "non_differentiable") if marked else []
        may_come = [is_differentiable(item.fake) and not any(item is held for held in apart) for item in tensors]
        if sum(may_come) > 3:
            raise Rejected("has gradients that don't come given as None, of more than three results")
        return list(itertools.product(*((True, False) if may else (False,) for may in may_come)))

    # ---- without a node
    def as_applied(self, ctx: Context) -> Variable:
        """What `apply` gives where it records nothing: arguments that are returned as they are come as views of themselves, or detached."""
        self._check_saved(ctx)
        dirty = self.dirty(ctx)
        made = []
        for item in self.items:
            if isinstance(item, TensorVariable):
                given = self.argument(item)
                if given is not None and (given.fake.requires_grad or not any(given is held for held in dirty)):
                    item = ctx.node("call_method", "detach", [given]) if given.fake.requires_grad else ctx.node("call_method", "view_as", [given, given])
                elif given is None and item.fake.requires_grad and not self._is_view(item):
                    raise Rejected("returns a tensor that needs a gradient and is no view of an argument")
            made.append(item)
        return made[0] if self.alone else TupleVariable(made, tuple)

    def _is_view(self, item: TensorVariable) -> bool:
        """Whether it is a view of an argument: without grad too, it needs a gradient if that does."""
        return storage_of(item.fake) in {storage_of(arg.fake) for arg in self.given if isinstance(arg, TensorVariable)} - {None}


def _check_other(ctx: Context, item: Variable) -> None:
    """A result that is no tensor is given as it is: nothing in it may be known in the body only."""
    if item.source is None:
        for leaf in [item] if isinstance(item, SymVariable) else flatten(ctx, item)[0]:
            if not isinstance(leaf, SymVariable) or is_inner(ctx, leaf):
                raise Rejected(f"returns what only it knows in a {item.python_type().__name__}")


class Backward(Method):
    """`backward`, over stand-ins for the gradients of `forward`'s results. `coming`: whether there is one, by result that is a tensor. `gradients`: their
    inputs of the graph. `places`: for each tensor that the function was applied to, whether a gradient is given."""

    __slots__ = ("args", "coming", "forward", "function", "gradients", "laid_out", "own", "places")

    def __init__(
        self, function: Variable, own: FunctionContextVariable, forward: Forward, args: list[Variable], coming: tuple[bool, ...], laid_out: bool
    ):
        super().__init__()
        self.function, self.own, self.forward, self.args, self.coming, self.laid_out = function, own, forward, args, coming, laid_out
        self.gradients: list[Any] = []
        self.places: list[bool] = []

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        assert ctx.later is not None
        ctx.later.within = ctx.graph
        coming = iter(self.coming)
        given = [self._gradient(ctx, item) if isinstance(item, TensorVariable) and next(coming) else NONE for item in self.forward.items]
        result = ctx.call_now(self.function, [self.own, *given])
        if not isinstance(result, TupleVariable) and issubclass(result.python_type(), tuple):
            raise Rejected(f"returns a {result.python_type().__name__}")
        items = result.settled(ctx) if isinstance(result, TupleVariable) else [result]
        return TupleVariable(self._placed(items), tuple)

    def _gradient(self, ctx: Context, item: TensorVariable) -> Variable:
        given = stand_in(ctx, item, f"gradient_{len(self.gradients)}", self.laid_out)
        self.gradients.append(given)
        return given

    def _placed(self, items: list[Variable]) -> list[Variable]:
        """The gradients that are tensors; the rest must be as autograd wants it."""
        count = len(self.args)
        while len(items) > count and is_none(items[-1]):
            items = items[:-1]
        if len(items) != count:
            raise Rejected(f"returns {len(items)} gradients for {count} arguments")
        found = []
        for arg, item in zip(self.args, items, strict=True):
            is_tensor = isinstance(item, TensorVariable)
            if not is_tensor and not is_none(item) or is_tensor and not isinstance(arg, TensorVariable):
                raise Rejected(f"returns a {item.python_type().__name__} as the gradient of a {arg.python_type().__name__}")
            if isinstance(arg, TensorVariable):
                self.places.append(is_tensor)
            if is_tensor:
                found.append(item)
        return found


def stand_in(ctx: Context, of: TensorVariable, name: str, laid_out: bool) -> TensorVariable:
    """An input of the current graph for a gradient or a tangent of `of`; made contiguous where `laid_out`."""
    with torch.no_grad():
        fake = of.fake.detach().clone(memory_format=torch.contiguous_format)
    node = ctx.graph.placeholder(name, fake)
    if laid_out:
        node = ctx.create_node("call_method", "contiguous", (node,), {}, fake)
    return TensorVariable(node, fake)


def is_none(item: Variable) -> bool:
    return isinstance(item, ConstantVariable) and item.value is None
