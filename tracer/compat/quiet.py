"""Python code that torch's C++ calls where no exception may leave: the process would end.

In: nothing; importing this changes torch's functions in place, the one that C++ keeps by its code. Out: nothing that an operator gives
changes, but an interrupt that waits there leaves a moment later, in code that may raise. No instruction of what is put in looks for signals: not
the first one (`unasked`), and there is no call and no jump backwards.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch._library import simple_registry
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.immutable_collections import immutable_dict

from .evalframe import opaque, unasked

__all__ = ["QUIET", "QUIET_DEVICE"]


def _rule(op: Any, torch_dispatch_class: type) -> Any:
    # In torch's module: its globals. Who was never asked about has no rules.
    try:
        return singleton._data[op.__qualname__].torch_dispatch_rules._data[torch_dispatch_class]  # type: ignore[name-defined] # noqa: F821
    except KeyError:
        return None


def _as_known() -> bool:
    """Whether torch keeps the rules of an operator as `_rule` reads them."""
    find = getattr(simple_registry, "find_torch_dispatch_rule", None)
    code = getattr(find, "__code__", None)
    if find is None or code is None or code.co_varnames[: code.co_argcount] != ("op", "torch_dispatch_class") or find.__closure__:
        return False
    registry = simple_registry.SimpleLibraryRegistry()
    rules = registry.find("tracer::probe").torch_dispatch_rules
    rules.register(int, len)
    held = registry._data["tracer::probe"].torch_dispatch_rules._data
    return type(simple_registry.singleton) is type(registry) and type(registry._data) is type(held) is dict and held == {int: len}


#: Each operator on a fake tensor, or under a dispatch mode, asks whether its class has a rule for the operator.
QUIET: bool = _as_known()
if QUIET:
    simple_registry.find_torch_dispatch_rule.__code__ = unasked(_rule).__code__
    opaque(simple_registry.find_torch_dispatch_rule)

_DEVICE, _META = torch.ops.prim.device.default, torch.device("meta")
_KEPT = "_fake_device" if isinstance(FakeTensor.__dict__.get("fake_device"), property) else "fake_device"
_NONE: Any = immutable_dict()
_dispatch = FakeTensor.__dict__["__torch_dispatch__"].__func__


@opaque
@unasked
@functools.wraps(_dispatch)
def _dispatched(cls: type, func: Any, types: Any, args: Any = (), kwargs: Any = _NONE) -> Any:
    if func is _DEVICE:
        (fake,) = args
        return _META if fake.fake_mode.in_kernel_invocation else fake.__dict__[_KEPT]
    return _dispatch(cls, func, types, args, kwargs)


def _device_as_known() -> bool:
    """Whether fakes and modes hold these as plain attributes. Making one to look costs seconds: it loads sympy."""
    held = ((FakeTensor, _KEPT), (FakeTensor, "fake_mode"), (FakeTensorMode, "in_kernel_invocation"))
    return all(name in cls.__annotations__ and not hasattr(type(cls.__dict__.get(name)), "__get__") for cls, name in held)


#: A node of the autograd graph asks a fake tensor for its device where C++ declares that nothing is raised.
QUIET_DEVICE: bool = _device_as_known()
if QUIET_DEVICE:
    FakeTensor.__torch_dispatch__ = classmethod(_dispatched)  # type: ignore[assignment]
