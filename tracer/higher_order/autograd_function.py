"""`MyFunction.apply(…)`: its forward and its backward become a pair of graphs in one node; where no gradient can come, forward is followed.

The backward is traced over stand-ins for gradients, right behind the forward, and knows what that saved. What it does is taken
for what it does whenever it runs: what only that moment knows (the grad mode, how a gradient lies in memory) isn't answered (`Later`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import torch

from ..compat.autograd_functions import (
    APPLIES,
    STANDARD,
    TRANSFORMS_ACTIVE,
    UNWRAP,
    apply_of,
    inner_of_once,
    is_differentiable,
)
from ..compat.functorch import depth
from ..compat.memo import under_transforms
from ..functions.binding import bind
from ..functions.calls import existing_cell
from ..functions.table import calls
from ..functions.torch.later import Later
from ..signals import Break, Declined, Raised
from ..variables import BoundVariable, FunctionVariable, PinnedVariable, TensorVariable, TupleVariable, Variable
from .function_bodies import Backward, Forward
from .function_context import FunctionContextVariable
from .function_levels import InLevels
from .function_node import node_of
from .moments import in_later, in_moment
from .speculate import Body, Policy, Rejected, speculate

if TYPE_CHECKING:
    from ..context import Context

_FORWARD = Policy("autograd.Function", inputs=True, shared=True, overlaps=True, once=True, gives_out=True, restores=True)
_BACKWARD = Policy("autograd.Function", inputs=True, shared=True, overlaps=True, restores=True)


@calls.exact(*APPLIES)
def autograd_function(ctx: Context, cls: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`MyFunction.apply(x)`: forward and backward as two graphs in one node; forward is followed where nothing needs a gradient."""
    if not isinstance(cls, PinnedVariable):
        return Declined("the class isn't known")
    return Applied(ctx, cls, args, kwargs).result()


@calls.exact(TRANSFORMS_ACTIVE)
def transforms_active(ctx: Context) -> Any:
    """Whether a transform of torch.func is running; guarded."""
    ctx.switches.add("FUNCTORCH_STACK")
    return ctx.literal(bool(under_transforms() or ctx.transforms))


@calls.exact(UNWRAP)
def unwrap_dead_wrappers(ctx: Context, args: Variable) -> Any:
    """Tensors of transforms that have ended are what these wrapped: there is none while no transform runs."""
    return args if isinstance(args, TupleVariable) else Declined("not a tuple")


__all__ = ["Applied"]


class Applied:
    """One call of `apply`: its class, what it is given, and the methods of the program."""

    def __init__(self, ctx: Context, cls: PinnedVariable, args: tuple[Variable, ...], kwargs: dict[str, Variable]):
        self.ctx, self.cls, self.name = ctx, cls, ctx.protocol.callable_name(cls)
        if ctx.transforms:
            self.stop("a transform of torch.func was on before the frame began")
        if kwargs:
            self.stop("it is given keywords")
        ctx.switches.add("DUAL_LEVEL")
        for name in ("boxed_grads_call", "clear_saved_tensors_on_access"):
            if name in STANDARD and self.part(name).real() is not STANDARD[name]:
                self.stop(f"it has its own `{name}`")
        self.forward = self.part("forward")
        self.setup = self.own("setup_context")
        self.args = list(args) if self.setup is None else self._with_defaults(list(args))
        self._check_arguments()

    def part(self, name: str) -> Variable:
        return self.ctx.settle(self.cls.attribute(self.ctx, name))

    def own(self, name: str) -> Variable | None:
        """A part that the program gives; None where the class has torch's."""
        found = self.part(name)
        return None if found.real() is STANDARD[name] else found

    def stop(self, why: str, met: Break | None = None) -> NoReturn:
        stop = Break("autograd-function-unsupported", expr=f"{self.name}.apply", name=self.name, func=self.name, type=self.name, why=why)
        if met is not None:
            stop.met_in_body(met)
        raise stop

    def _with_defaults(self, args: list[Variable]) -> list[Variable]:
        """What `forward` is given, with the defaults of its parameters: `setup_context` and backward know them too."""
        forward = self.forward
        if not isinstance(forward, FunctionVariable):
            self.stop("its forward isn't a plain function")
        program = self.ctx.program(forward.code)
        if program.total != program.argcount:
            self.stop("its forward has parameters that only keywords give")
        bound: list[Any] = [None] * program.size
        try:
            bind(self.ctx, forward, program, bound, args, {})
        except Raised:
            self.stop("it is given arguments that its forward doesn't take")
        return bound[: program.argcount] + args[program.argcount :]

    def _check_arguments(self) -> None:
        for arg in self.args:
            if not isinstance(arg, TensorVariable) and issubclass(arg.python_type(), torch.Tensor):
                self.stop("it is given an instance of a subclass of Tensor")

    # ---- what becomes of it
    def result(self) -> Variable:
        tensors = [arg for arg in self.args if isinstance(arg, TensorVariable)]
        later = self.ctx.later
        if under_transforms() or self.ctx.levels or later is not None and later.in_levels:
            return InLevels(self.ctx, self, self.setup).result() if self.setup is not None else self._without_setup()
        unsure = later is not None and (torch.is_grad_enabled() or not later.grad_known)
        if unsure:  # gradients of gradients may be asked for
            needed, records = None, any(is_differentiable(t.fake) for t in tensors)
        else:
            needed = [isinstance(arg, TensorVariable) and arg.fake.requires_grad for arg in self.args]
            records = torch.is_grad_enabled() and any(needed)
        own = FunctionContextVariable(self.cls.value, needed)
        forward = Forward(self.forward, self.setup, own, self.args)
        return self._pair(own, forward, tensors) if records else self._followed(own, forward)

    def _without_setup(self) -> Variable:
        """Levels of torch.func take none without a `setup_context`, and say so before anything else."""
        if depth() == 0:
            self.stop("it has no `setup_context`, and tangents are computed forward or a transform of torch.func may be active")
        try:
            apply_of(self.cls.value)()
        except RuntimeError as error:
            self.ctx.raise_from_host(error)
        self.stop("it has no `setup_context`, and a transform of torch.func is active")

    def _followed(self, own: FunctionContextVariable, forward: Forward) -> Variable:
        """No gradient comes through this call: forward is followed without grad, and gives what `apply` makes of its results."""
        ctx, before = self.ctx, torch.is_grad_enabled()
        ctx.set_mode("grad", False)
        try:
            forward.run(ctx, self.args)
            result = forward.as_applied(ctx)
        except Raised:
            ctx.set_mode("grad", before)
            raise
        except Rejected as rejected:
            self.stop(f"its forward {rejected.does}")
        ctx.set_mode("grad", before)
        return result

    def _pair(self, own: FunctionContextVariable, forward: Forward, tensors: list[TensorVariable]) -> Variable:
        ctx = self.ctx
        if ctx.later is not None and self.cls.value in ctx.later.of:
            self.stop("its backward applies it again, whose backward would too")
        backward, once = self.backward()
        try:
            what = "forward"
            with in_moment(ctx, grad=False, autocast=True, tangents=False), in_later(ctx, ctx.later and ctx.later.without_grad()):
                ahead = speculate(ctx, _FORWARD, "fwd_body", forward, self.args)
            forward.check(ctx, ahead)
            own.kept = own.said(ctx, "to_save")
            what = "backward"
            behind = [self.speculate_backward(own, backward, once, forward, coming, ahead) for coming in forward.missing(ctx)]
        except Rejected as rejected:
            self.rejected(what, rejected)
        return node_of(ctx, self.name, once, own, forward, ahead, behind, tensors)

    def rejected(self, what: str, rejected: Rejected) -> NoReturn:
        """The break where a method can't be captured, told of where that was met."""
        self.stop(f"its {what} {rejected.does}", rejected.stop)

    def backward(self) -> tuple[Variable, bool]:
        """The backward, and whether it is one that can't be differentiated (`once_differentiable`), which runs without grad."""
        backward, vjp = self.part("backward"), self.part("vjp")
        if vjp.real() is not STANDARD["vjp"]:  # another name of it
            if backward.real() is not STANDARD["vjp"]:
                self.stop("it has both a backward and a vjp")
            backward = vjp
        bare = backward.function if isinstance(backward, BoundVariable) else backward
        if isinstance(bare, FunctionVariable) and bare.function is not None:
            cell = inner_of_once(bare.function)
            if cell is not None and bare is backward:
                assert bare.function.__closure__ is not None
                return self.ctx.settle(existing_cell(self.ctx, bare, cell, bare.function.__closure__[cell]).load(self.ctx)), True
        return backward, False

    def speculate_backward(
        self, own: FunctionContextVariable, function: Variable, once: bool, forward: Forward, coming: tuple[bool, ...], ahead: Body, in_levels: bool = False
    ) -> tuple[Body, Backward]:
        """Once over gradients that may lie in any way; where that matters, over gradients that are made contiguous first."""
        ctx = self.ctx
        for laid_out in (False, True):
            backward = Backward(function, own, forward, forward.given, coming, laid_out)
            outer, ctx.graph = ctx.graph, ahead.subgraph
            later = Later(ahead.subgraph, once, laid_out, (*(ctx.later.of if ctx.later is not None else ()), self.cls.value), in_levels)
            try:
                with in_moment(ctx, grad=False, autocast=False), in_later(ctx, later):
                    return speculate(ctx, _BACKWARD, "bwd_body", backward, [own]), backward
            except Rejected:
                if not later.asked or laid_out:
                    raise
            finally:
                ctx.graph = outer
        raise AssertionError
