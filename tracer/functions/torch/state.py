"""Call rules of torch's switches and queries: what is known while tracing, and what a program flips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch._refs

from ...compat.marks import bookkeeping
from ...graph.modes import AutocastState
from ...graph.operators import Effect
from ...signals import Declined
from ...variables import NONE, ConstantVariable, ObjectVariable, TensorVariable, Variable, literal
from ...variables.base import mention
from ..table import calls
from . import later, optimizers

if TYPE_CHECKING:
    from ...context import Context

_FALSE_QUERIES = [
    torch.jit.is_scripting, torch.jit.is_tracing, torch._C._get_tracing_state, torch._jit_internal.is_scripting, torch.compiler.is_exporting,
    torch._C._is_tracing, torch.onnx.is_in_onnx_export,
]  # fmt: skip
_COMPILING = [torch.compiler.is_compiling, torch.compiler.is_dynamo_compiling]


def _register(callables: list[Any], answer: bool, name: str, doc: str) -> None:
    def rule(ctx: Context, *args: Variable) -> Any:
        return literal(answer)

    rule.__name__, rule.__doc__ = name, doc
    seen: list[Any] = []
    for target in callables:
        if not any(target is s for s in seen):
            seen.append(target)
    calls.exact(*seen)(rule)


@calls.exact(torch._C._get_tracing_state)
def tracing_state(ctx: Context) -> Any:
    """No TorchScript trace is running: None."""
    return NONE


_register([q for q in _FALSE_QUERIES if q is not torch._C._get_tracing_state], False, "not_scripting", "Nothing is scripted or exported: False.")


@calls.exact(*dict.fromkeys(_COMPILING))
def is_compiling(ctx: Context) -> Any:
    """Captured code is being compiled: True. An optimizer of torch isn't told: it would compute otherwise than it does in eager."""
    return literal(not optimizers.followed(ctx))


@calls.exact(torch.is_grad_enabled)
def is_grad_enabled(ctx: Context) -> Any:
    """The grad mode at this point of the trace; the global state is guarded."""
    return later.grad_mode(ctx)


@calls.exact(torch._C._set_grad_enabled)
def set_grad_enabled(ctx: Context, mode: Variable) -> Any:
    """Flip grad mode: here, in the graph and after it."""
    later.set_grad_mode(ctx, mode)
    return NONE


@calls.exact(torch.is_inference_mode_enabled)
def is_inference_mode_enabled(ctx: Context) -> Any:
    """Inference mode as it was when the frame began; guarded."""
    return literal(ctx.inference)


@calls.exact(torch._C._InferenceMode)
def inference_mode(ctx: Context, mode: Variable) -> Any:
    """The guard object behind torch.inference_mode can't be put into a graph."""
    ctx.break_("context-unsupported", expr="torch.inference_mode", name="torch.inference_mode", type="inference_mode")


@calls.exact(torch.get_default_dtype)
def get_default_dtype(ctx: Context) -> Any:
    """The default dtype at this point of the trace."""
    return literal(torch.get_default_dtype())


@calls.exact(torch.set_default_dtype)
def set_default_dtype(ctx: Context, dtype: Variable) -> Any:
    """The default dtype is known while tracing; another one is set by Python."""
    ctx.set_mode("default_dtype", dtype.constant())
    return NONE


@calls.exact(torch.are_deterministic_algorithms_enabled, torch._C._get_deterministic_algorithms)
def are_deterministic(ctx: Context) -> Any:
    """Deterministic algorithms at this point of the trace."""
    return literal(torch.are_deterministic_algorithms_enabled())


@calls.exact(torch.use_deterministic_algorithms)
def use_deterministic(ctx: Context, mode: Variable, *, warn_only: Variable | None = None) -> Any:
    """Whether algorithms are deterministic is known while tracing; a change is made by Python."""
    ctx.set_mode("deterministic", (bool(mode.constant()), bool(warn_only.constant()) if warn_only is not None else False))
    return NONE


@calls.exact(torch.get_default_device)
def get_default_device(ctx: Context) -> Any:
    """The default device, guarded by the modes that are on, and by itself where there is one."""
    return literal(torch.get_default_device())


# ---- autocast
@calls.exact(torch.autocast.__enter__)
def autocast_enter(ctx: Context, manager: Variable) -> Any:
    """Enter autocast: the switch is set while tracing and by a node in the graph; the manager keeps what was, as the real one."""
    settings = _autocast_settings(ctx, manager)
    if settings is None or not isinstance(manager, ObjectVariable):
        return Declined("its settings aren't known")
    if ctx.autocast_at_entry is None:
        ctx.autocast_at_entry = AutocastState()
    device = settings[0]
    before = {
        "prev_cache_enabled": torch.is_autocast_cache_enabled(),
        "prev": torch.is_autocast_enabled(device),
        "prev_fastdtype": torch.get_autocast_dtype(device),
    }
    for name, value in before.items():
        manager.store(ctx, name, literal(value))
    entered = torch.amp.autocast_mode._enter_autocast(*settings)
    ctx.refresh_modes()
    node = ctx.create_node("call_function", torch.amp.autocast_mode._enter_autocast, settings, {}, None)
    node.meta["effect"], node.meta["mode"] = Effect(), ("autocast", True)
    ctx.mode_nodes += 1
    ctx.autocasts.append((manager, entered, node))
    return manager


@calls.exact(torch.autocast.__exit__)
def autocast_exit(ctx: Context, manager: Variable, *error: Variable) -> Any:
    """Leave autocast as it was entered; one that was entered before the frame began is left natively."""
    if not ctx.autocasts or ctx.autocasts[-1][0] is not manager or ctx.autocasts[-1][2].graph is not ctx.graph.graph:
        ctx.break_("context-unsupported", expr="torch.autocast", name="torch.autocast", type="autocast entered elsewhere")
    _, entered, node = ctx.autocasts.pop()
    torch.amp.autocast_mode._exit_autocast(entered)
    ctx.refresh_modes()
    leaving = ctx.create_node("call_function", torch.amp.autocast_mode._exit_autocast, (node,), {}, None)
    leaving.meta["effect"], leaving.meta["mode"] = Effect(), ("autocast", False)
    return literal(False)


def _autocast_settings(ctx: Context, manager: Variable) -> tuple[Any, ...] | None:
    values = [ctx.protocol.getattr_now(ctx, manager, name) for name in ("device", "fast_dtype", "_enabled", "_cache_enabled")]
    if not all(isinstance(v, ConstantVariable) for v in values):
        return None
    return tuple(v.constant() for v in values)


# ---- numbers out of tensors
@calls.exact(torch.Tensor.item)
def item(ctx: Context, value: Variable) -> Any:
    """`x.item()`: a symbolic number with capture_scalar_outputs, else the graph ends."""
    if not isinstance(value, TensorVariable):
        return Declined("not a tensor")
    return ctx.tensors.tensor_number(ctx, value, None)


@calls.exact(torch.Tensor.tolist)
def tolist(ctx: Context, value: Variable) -> Any:
    """`x.tolist()` asks for the values."""
    if isinstance(value, TensorVariable) and not (ctx.config.capture_scalar_outputs or ctx.config.fullgraph):
        ctx.break_("python-loop-over-values", expr=".tolist()", var=mention(value), shape=str(tuple(value.fake.shape)))
    return Declined("one number at a time")


def _break_rule(reason: str, name: str) -> Any:
    def rule(ctx: Context, value: Variable, *args: Variable, **kwargs: Variable) -> Any:
        """This method needs real memory or changes what lives outside the graph."""
        ctx.break_(reason, expr=f".{name}()", name=name, func=name)

    rule.__name__ = name
    return rule


for _name, _reason in {
    "data_ptr": "unsupported-attribute", "storage": "unsupported-attribute", "untyped_storage": "unsupported-attribute", "backward": "backward-inside",
    "retain_grad": "grad-write",
    "set_": "storage-changed", "resize_": "storage-changed", "share_memory_": "unsupported-attribute",
    "__dlpack__": "unsupported-attribute", "pin_memory": "unsupported-attribute", "record_stream": "unsupported-attribute",
    "__reduce_ex__": "unsupported-attribute",
}.items():  # fmt: skip
    _target = getattr(torch.Tensor, _name, None)
    if _target is not None:
        calls.exact(_target)(_break_rule(_reason, _name))
calls.exact(torch.autograd.backward)(_break_rule("backward-inside", "backward"))


@calls.exact(torch.autograd.grad)
def autograd_grad(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """`torch.autograd.grad(…)` runs a backward pass."""
    ctx.break_("backward-inside", expr="torch.autograd.grad()", name="grad", func="torch.autograd.grad")


def _name_a_wrapper(ctx: Context, function: Variable, name: Variable) -> Any:
    """Since torch 2.15 what `no_grad()(f)` gives is renamed, for profiles: it is called the same."""
    return NONE


if hasattr(torch.utils._contextlib, "_set_stack_frame_name"):
    calls.exact(torch.utils._contextlib._set_stack_frame_name)(_name_a_wrapper)

def _seed_rule(name: str) -> Any:
    def rule(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """Random state is the process's: it is set by Python."""
        ctx.break_("seed-inside", expr=f"torch.{name}()", name=name, func=name)

    rule.__name__ = name
    return rule


for _name in ("manual_seed", "seed", "initial_seed", "set_rng_state", "get_rng_state"):
    _target = getattr(torch, _name)
    calls.exact(_target)(_seed_rule(_name))
    if getattr(torch.random, _name) is not _target:
        calls.exact(getattr(torch.random, _name))(_seed_rule(_name))


@calls.exact(torch.Tensor.__contains__)
def contains(ctx: Context, value: Variable, item: Variable) -> Any:
    """`item in tensor`: a comparison and a data-dependent answer."""
    return ctx.node("call_method", "any", [ctx.node("call_function", torch.eq, [value, item])])


@calls.exact(torch.amp.autocast_mode.is_autocast_available)
def is_autocast_available(ctx: Context, device: Variable) -> Any:
    """A fact about the build."""
    return literal(torch.amp.autocast_mode.is_autocast_available(device.constant()))


@calls.exact(torch.is_autocast_enabled)
def is_autocast_enabled(ctx: Context, *device: Variable) -> Any:
    """Autocast at this point of the trace."""
    return literal(torch.is_autocast_enabled(*[d.constant() for d in device]))


def _native_query(target: Any) -> None:
    def rule(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """A query about the machine or the build: asked natively."""
        return ctx.wrap(target(*[a.constant() for a in args], **{k: v.constant() for k, v in kwargs.items()}))

    rule.__name__ = target.__name__
    calls.exact(target)(rule)


for _target in (
    torch.cuda.is_available, torch.cuda.device_count, torch.backends.cudnn.is_available, torch.promote_types, torch.can_cast,
    torch.accelerator.current_accelerator, torch.accelerator.is_available, torch.accelerator.device_count,
    torch._C._get_privateuse1_backend_name, torch.distributed.is_available,
):  # fmt: skip
    _native_query(_target)


@calls.exact(torch._C._log_api_usage_once, *bookkeeping())
def log_api_usage(ctx: Context, *args: Variable) -> Any:
    """Telemetry, and what torch.compile notes for itself: nothing happens."""
    return NONE




def _memory_rule(name: str) -> Any:
    def rule(ctx: Context, value: Variable, *args: Variable, **kwargs: Variable) -> Any:
        """A tensor's hash is its address; its text is its values."""
        if name == "__hash__":
            ctx.break_("tensor-hash", expr=f"hash({mention(value)})", var=mention(value))
        ctx.break_("tensor-to-text", expr=mention(value), var=mention(value), shape=str(tuple(value.fake.shape)))

    rule.__name__ = name
    return rule


for _name in ("__hash__", "__repr__", "__format__"):
    calls.exact(getattr(torch.Tensor, _name))(_memory_rule(_name))
