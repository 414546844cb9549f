"""Call rules of torch's switches that a graph can flip: the kernels of attention, and whether saved-tensor hooks are allowed.

What a frame asked or flipped is guarded to be as it was at entry (`ctx.switches`); a `with` puts back what it found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ...compat.guards import SDPA_KERNELS, SWITCH_GETTERS
from ...compat.stances import setter
from ...graph.modes import MODES
from ...signals import Break, Declined
from ...variables import NONE, ConstantVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


def _known(ctx: Context, value: Variable) -> Any:
    """The value that a switch is set to: a constant, or a list of some."""
    if isinstance(value, ConstantVariable):
        return value.value
    return [item.constant() for item in ctx.protocol.unpack(ctx, value)]


def _read(name: str) -> Any:
    def rule(ctx: Context) -> Any:
        """A switch of attention's kernels at this point of the trace; guarded to be as it was at entry."""
        ctx.switches.add("SDPA_KERNELS")
        return ctx.wrap(MODES[name].read())

    rule.__name__ = name
    return rule


def _write(name: str) -> Any:
    def rule(ctx: Context, value: Variable) -> Any:
        """Flip a switch of attention's kernels: here, in the graph and after it."""
        ctx.switches.add("SDPA_KERNELS")
        ctx.set_mode(name, _known(ctx, value))
        return NONE

    rule.__name__ = f"set_{name}"
    return rule


for _name, (_getter, _setter) in SDPA_KERNELS.items():
    calls.exact(_getter)(_read(_name))
    calls.exact(_setter)(_write(_name))


@calls.exact(torch._C._autograd._saved_tensors_hooks_get_disabled_error_message)
def disabled_message(ctx: Context) -> Any:
    """Why saved-tensor hooks are disabled at this point of the trace, or None."""
    ctx.switches.add("SAVED_TENSOR_HOOKS_DISABLED")
    return literal(MODES["saved_tensor_hooks"].read())


@calls.exact(torch._C._autograd._saved_tensors_hooks_disable)
def disable_hooks(ctx: Context, message: Variable) -> Any:
    """Disable saved-tensor hooks: here, in the graph and after it. Where some are active that is an error, raised natively."""
    if not isinstance(message, ConstantVariable) or not isinstance(message.value, str):
        return Declined("the message isn't known")
    _set_hooks(ctx, message.value)
    return NONE


@calls.exact(torch._C._autograd._saved_tensors_hooks_enable)
def enable_hooks(ctx: Context) -> Any:
    """Allow saved-tensor hooks again."""
    _set_hooks(ctx, None)
    return NONE


@calls.exact(torch._C._autograd._push_saved_tensors_default_hooks, torch._C._autograd._pop_saved_tensors_default_hooks)
def tensor_hooks(ctx: Context, *functions: Variable) -> Any:
    """Hooks on saved tensors: Python of the program for each tensor that autograd keeps, when it keeps it and when a backward asks for it."""
    ctx.break_(
        "context-unsupported", expr="saved_tensors_hooks", name="saved_tensors_hooks", type="hooks on saved tensors",
        why="its functions run whenever an operator of the graph keeps a tensor for the backward, which a backend decides",
    )  # fmt: skip


def _set_hooks(ctx: Context, message: str | None) -> None:
    ctx.switches.add("SAVED_TENSOR_HOOKS_DISABLED")
    try:
        ctx.set_mode("saved_tensor_hooks", message)
    except RuntimeError as error:
        name = "disable_saved_tensors_hooks"
        raise Break("context-unsupported", expr=name, name=name, type=str(error)) from None


@calls.exact(torch._C._is_fwd_grad_enabled)
def forward_grad(ctx: Context) -> Any:
    """Whether forward-mode differentiation is on at this point of the trace."""
    ctx.switches.add("FORWARD_GRAD_MODE")
    return literal(MODES["forward_grad"].read())


@calls.exact(torch._C._set_fwd_grad_enabled)
def set_forward_grad(ctx: Context, mode: Variable) -> Any:
    """Switch forward-mode differentiation: here, in the graph and after it."""
    ctx.switches.add("FORWARD_GRAD_MODE")
    ctx.set_mode("forward_grad", mode.constant())
    return NONE


# ---- switches that a graph doesn't flip
def _asked(getter: Any) -> Any:
    def rule(ctx: Context, *args: Variable) -> Any:
        """A switch of the process, read while tracing; guarded to answer at entry as it did."""
        values = tuple(arg.constant() for arg in args)
        ctx.asked[getter, values] = None
        return ctx.wrap(getter(*values))

    rule.__name__ = getter.__name__
    return rule


for _getter in SWITCH_GETTERS:
    calls.exact(_getter)(_asked(_getter))


@calls.exact(torch.compiler.set_stance)
def set_stance(ctx: Context, *args: Variable, **settings: Variable) -> Any:
    """What is compiled from here on: Python makes the call, and what follows goes by it (`tracer.stances`)."""
    raise Break("stance-change")


def _sets_stance(function: Any) -> bool:
    return function is setter()


@calls.when(_sets_stance, 87)
def enter_stance(ctx: Context, function: Any, /, *args: Variable) -> Any:
    """What `with` and decorated functions call to set the stance that they hold, and to put back the one before."""
    raise Break("stance-change")
