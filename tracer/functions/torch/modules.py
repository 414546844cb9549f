"""nn.Modules: calling them without the call machinery where nothing hooks into it, and reading what they hold.

Reached as `ctx.modules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.modules.module as module_machinery
from torch import nn

from ...compat.wrappers import is_optimized_call, wrapper_of
from ...interpreter.frame import Frame
from ...protocol.instances import get_raw
from ...protocol.lookup import MISSING, missing_attribute
from ...signals import Break, Declined
from ...variables import UNSET, DictVariable, ModuleVariable, TensorVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["BACKWARD", "backward_unseen", "call_module", "module_attribute"]

#: Marks the guards on hooks on the backward pass, which `backward_unseen` makes superfluous.
BACKWARD = ("hooks on the backward pass",)
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks", "_global_backward_pre_hooks")
_CALL = nn.Module.__call__
_CALL_IMPL = nn.Module._call_impl
_read = object.__getattribute__


def call_module(ctx: Context, module: ModuleVariable, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """`module(...)`: straight to `forward` where the class has torch's `__call__` and no hook is registered."""
    cls = module.cls
    protocol = ctx.protocol
    call = protocol.find(ctx, cls, "__call__")[1]
    optimized = call is not _CALL and is_optimized_call(call)
    plain = (call is _CALL or optimized) and protocol.find(ctx, cls, "_call_impl")[1] is _CALL_IMPL
    if plain and _without_hooks(ctx, module):
        if optimized:  # by this name, not as what torch.compile's function holds
            registered(ctx, module, "_orig_mod")
        forward = ctx.settle(module.attribute(ctx, "forward"))
        return entered(ctx, module, forward.call(ctx, args, kwargs))
    owner, raw = protocol.find(ctx, cls, "__call__")
    return entered(ctx, module, protocol.bind(ctx, owner, "__call__", raw, module, ctx.type_of(module)).call(ctx, args, kwargs))


def entered(ctx: Context, module: ModuleVariable, answer: Any) -> Any:
    """Mark the frame of a module's call, so that its nodes know where they come from."""
    if type(answer) is Frame:
        path = module_path(module)
        answer.modules = {**(ctx.modules_now() or {}), path: (path, module.cls.__name__)}
    return answer


def module_path(module: ModuleVariable) -> str:
    if module.source is None:
        return module.cls.__name__
    text = module.source.text
    return text.removeprefix("self.")


def _without_hooks(ctx: Context, module: ModuleVariable) -> bool:
    value = module.value
    if value is None:
        return True
    held = own_dict(value)
    if _any_held(vars(module_machinery), GLOBAL_HOOKS) or _any_held(held, HOOKS) or module.attrs and any(name in module.attrs for name in HOOKS):
        return False
    compiled = held.get("_compiled_call_impl")
    if compiled is not None:
        wrapper = wrapper_of(compiled)
        if wrapper is None:
            return False
        ctx.session.following.tell(wrapper, False)
    if not ctx.config.skip_nnmodule_hook_guards and module.source is not None:
        source = module.source.dict()
        machinery = ctx.namespace(vars(module_machinery))
        for owner, names in ((source, HOOKS), (machinery, GLOBAL_HOOKS)):
            for name in names:
                ctx.guard(owner.item(name), "EMPTY_DICT", None, BACKWARD if "backward" in name else None)
    return True


def _any_held(registries: dict[str, Any], names: tuple[str, ...]) -> bool:
    for name in names:  # noqa: SIM110 – of every call of a module: no generator
        if registries[name]:
            return True
    return False


def backward_unseen(ctx: Context) -> bool:
    """Whether no operation of the frame can be recorded for a backward pass: grad mode is off from beginning to end, and no
    input but parameters, which are leaves, asks for gradients. Then a hook on the backward pass, also one that is registered
    later, never finds a `grad_fn` to hang on; what is guarded of grad mode and of the inputs sees to it that this stays so.
    (All that such a hook does then is to warn, or complain, where a module's output holds no tensor.)
    """
    if ctx.modes_at_entry["grad"] or ctx.mode_nodes:
        return False
    tensors = (i.value for i in ctx.inputs if isinstance(i.value, torch.Tensor))
    return not any(value.requires_grad and type(value) is not nn.Parameter for value in tensors)


# ---- attributes
def own_dict(module: nn.Module) -> dict[str, Any]:
    """A module's `__dict__`, read without its class's own `__getattribute__`."""
    return _read(module, "__dict__")  # type: ignore[no-any-return]


def module_attribute(ctx: Context, module: ModuleVariable, name: str) -> Any:
    """The generic algorithm, then parameters, buffers and submodules, as nn.Module.__getattr__ reads them."""
    held = _plainly_registered(ctx, module, name)
    if held is not None:
        return held
    if ctx.protocol.find(ctx, module.cls, "__getattribute__")[0] is not object:
        return ctx.objects.instance_attribute(ctx, module, name)
    found = get_raw(ctx, module, name)
    if found is not MISSING:
        return found
    owner, fallback = ctx.protocol.find(ctx, module.cls, "__getattr__")
    if fallback is not nn.Module.__getattr__:
        return missing_attribute(ctx, module, name)
    held = registered(ctx, module, name)
    if held is not None:
        return held
    ctx.raise_(AttributeError, f"{module.cls.__name__!r} object has no attribute {name!r}")


def _plainly_registered(ctx: Context, module: ModuleVariable, name: str) -> Variable | None:
    """The common case, with one guard: the class has no such attribute, the instance neither, and the name is registered.

    nn.Module's own interface keeps a name in one place (`register_*` and `__setattr__` refuse or move it), so finding it where
    it is registered answers for the other places too; only writing into `__dict__` behind its back could tell the difference.
    """
    value, source = module.value, module.source
    if value is None or source is None or name in module.attrs:
        return None
    find, cls = ctx.protocol.find, module.cls
    if find(ctx, cls, name)[0] is not None or find(ctx, cls, "__getattribute__")[0] is not object or name in _read(value, "__dict__"):
        return None
    if find(ctx, cls, "__getattr__")[1] is not nn.Module.__getattr__:
        return None
    for part in ("_parameters", "_buffers", "_modules"):
        holder = _holder(ctx, module, part)
        if isinstance(holder, Variable):
            return None
        if holder is not None and name in holder:
            return ctx.build(holder[name], source.dict().item(part).item(name))
    return None


def registered(ctx: Context, module: ModuleVariable, name: str) -> Variable | None:
    """The parameter, buffer or submodule of that name."""
    for part in ("_parameters", "_buffers", "_modules"):
        holder = _holder(ctx, module, part)
        if isinstance(holder, DictVariable):
            value = holder.at(ctx, name)
            if value is not None:
                return value
            continue
        if holder is None:
            continue
        assert module.source is not None
        source = module.source.dict().item(part)
        if name in holder:
            return ctx.build(holder[name], source.item(name))
        ctx.guard(source, "DICT_ABSENT", name, name)
    return None


def _holder(ctx: Context, module: ModuleVariable, part: str) -> Any:
    """The dict behind `part`: a variable if the trace has it as one, else the real dict."""
    stored = module.attrs.get(part)
    if stored is not None:
        return None if stored is UNSET else stored
    if module.value is None or module.source is None:
        return None
    known = ctx.by_source.get(module.source.dict().item(part))
    return known if known is not None else _read(module.value, "__dict__").get(part)


@calls.exact(nn.Module.__getattr__)
def getattr_(ctx: Context, module: Variable, name: Variable) -> Any:
    """`nn.Module.__getattr__`: what is registered under the name."""
    if not isinstance(module, ModuleVariable):
        return Declined("not a module")
    held = registered(ctx, module, name.constant())
    if held is None:
        ctx.raise_(AttributeError, f"{module.cls.__name__!r} object has no attribute {name.constant()!r}")
    return held


@calls.exact(nn.Module.__setattr__)
def setattr_(ctx: Context, module: Variable, name: Variable, value: Variable) -> Any:
    """Plain attributes, buffers and submodules; a new parameter inside a compiled function breaks."""
    if not isinstance(module, ModuleVariable):
        return Declined("not a module")
    key = name.constant()
    if module.value is None:
        return Declined("a module that is being constructed")
    if isinstance(value, TensorVariable) and issubclass(value.cls, nn.Parameter):
        raise Break("outside-state-write", expr=f".{key}", type=module.cls.__name__)
    held = own_dict(module.value)
    none = value.python_type() is type(None)
    if key in held.get("_parameters", ()):
        if none or isinstance(value, TensorVariable):
            raise Break("outside-state-write", expr=f".{key}", type=module.cls.__name__)
    if isinstance(value, ModuleVariable) or key in held.get("_modules", ()):
        _part(ctx, module, "_modules").put(ctx, name, value)
        return literal(None)
    if key in held.get("_buffers", ()):
        if not none and not isinstance(value, TensorVariable):
            kind = value.python_type()
            named = f"{kind.__module__}.{kind.__name__!r}"
            ctx.raise_(TypeError, f"cannot assign {named} object to buffer {key!r} (torch.Tensor or None expected)")
        _part(ctx, module, "_buffers").put(ctx, name, value)
        return literal(None)
    from ...protocol.instances import set_raw

    result = set_raw(ctx, module, key, value)
    return result if type(result) is Frame else literal(None)


def _part(ctx: Context, module: ModuleVariable, part: str) -> DictVariable:
    assert module.source is not None
    holder = ctx.build(own_dict(module.value)[part], module.source.dict().item(part))
    assert isinstance(holder, DictVariable)
    return holder


@calls.exact(nn.Module.__delattr__)
def delattr_(ctx: Context, module: Variable, name: Variable) -> Any:
    """Registered parameters, buffers and modules can't be removed while tracing."""
    if not isinstance(module, ModuleVariable):
        return Declined("not a module")
    key = name.constant()
    if module.value is not None and any(key in own_dict(module.value).get(part, ()) for part in ("_parameters", "_buffers", "_modules")):
        raise Break("outside-state-write", expr=f"del .{key}", type=module.cls.__name__)
    from ...protocol.instances import delete_raw

    delete_raw(ctx, module, key)
    return literal(None)


@calls.exact(nn.Module._call_impl, nn.Module._wrapped_call_impl)
def call_impl(ctx: Context, module: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """A module's call machinery: skipped where no hook is registered, inlined otherwise."""
    if not isinstance(module, ModuleVariable) or not _without_hooks(ctx, module):
        return Declined("hooks are registered")
    forward = ctx.settle(module.attribute(ctx, "forward"))
    return entered(ctx, module, forward.call(ctx, list(args), dict(kwargs)))


