"""Torch's private names for running a graph node by node: FLOPs counted at dispatch, whether a storage is still there, wrapped tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode

from .operators import declared

__all__ = ["Flops", "Seen", "StorageWeakRef", "is_wrapped", "aot_backend", "uninitialised", "without_modes", "writes"]


class Flops:
    """Torch's counter of FLOPs, without the hooks that it puts on every module of the process."""

    def __init__(self) -> None:
        self.counter = FlopCounterMode(display=False)
        self.mode = _FlopCounterMode(self.counter)

    @property
    def total(self) -> int:
        return self.counter.get_total_flops()


class Seen(TorchDispatchMode):
    """Hears of every overload that runs: `ran(overload, arguments, keywords, result)`. What an operator with bodies runs isn't heard of."""

    supports_higher_order_operators = True

    def __init__(self, ran: Any):
        super().__init__()
        self._ran = ran

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if isinstance(func, torch._ops.HigherOrderOperator):
            with _disable_current_modes():
                return func(*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        self._ran(func, args, kwargs or {}, result)
        return result


@contextlib.contextmanager
def without_modes() -> Iterator[None]:
    """No dispatch mode of anybody."""
    with _disable_current_modes():
        yield


def writes(func: Any) -> bool:
    """Whether the overload says that it may write to an argument."""
    return declared(func).mutates


def is_wrapped(value: Any) -> bool:
    """Whether a tensor stands for others (a level of torch.func, a fake), so that nothing may be read from it."""
    return isinstance(value, FakeTensor) or torch._C._functorch.is_functorch_wrapped_tensor(value) or torch._is_functional_tensor(value)


def aot_backend(forward: Any, backward: Any) -> Any:
    """A backend by which AOTAutograd gives its graphs of the forward and the backward to these two, each `(graph, inputs) -> callable`."""
    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch.aot_autograd import make_boxed_func

    def boxed(compiler: Any) -> Any:
        return lambda graph, inputs: make_boxed_func(compiler(graph, inputs))

    return aot_autograd(fw_compiler=boxed(forward), bw_compiler=boxed(backward))


#: Overloads that give memory as it was found: what is in it isn't computed. No tag says so.
_UNINITIALISED = frozenset({
    "aten::empty", "aten::empty_like", "aten::empty_strided", "aten::empty_permuted", "aten::new_empty", "aten::new_empty_strided", "aten::resize_",
    "aten::empty_quantized", "aten::_empty_affine_quantized",
})  # fmt: skip


def uninitialised(func: Any) -> bool:
    return func._schema.name in _UNINITIALISED
