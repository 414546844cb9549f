"""torch's layer for NumPy on the tensors of the graph: what it calls becomes the program's own calls."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from ...compat.arrays import layer
from ...compat.memo import without_dispatch
from ...variables import ListVariable, SliceVariable, SymVariable, TensorVariable, TupleVariable, Variable

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["Recording"]


class Recording(TorchFunctionMode):
    """Each function of torch that the layer calls is called as the program's code would call it; `arrays` are the operands for it."""

    def __init__(self, ctx: Context, tensors: list[TensorVariable]):
        super().__init__()
        self.ctx = ctx
        self.known: dict[int, TensorVariable] = {id(tensor.fake): tensor for tensor in tensors}
        self.arrays = [layer().ndarray(tensor.fake) for tensor in tensors]
        self.default = torch.get_default_dtype()
        self.stopped: BaseException | None = None

    def run(self, call: Callable[[], Any]) -> Any:
        """What `call` gives. What stopped the trace counts, whatever the layer made of it."""
        try:
            with self:
                return call()
        finally:
            if self.stopped is not None:
                raise self.stopped

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        default = torch.get_default_dtype()
        if default is not self.default:  # while the layer takes Python's numbers as NumPy does; the graph runs without that
            if func in (torch.as_tensor, torch.tensor) and kwargs.get("dtype") is None and not isinstance(args[0], torch.Tensor):
                with without_dispatch():
                    kwargs["dtype"] = torch.tensor(args[0], device="cpu").dtype
            torch.set_default_dtype(self.default)
        try:
            return self._call(func, args, kwargs)
        except BaseException as stopped:
            self.stopped = stopped
            raise
        finally:
            torch.set_default_dtype(default)

    def _call(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        ctx = self.ctx
        if isinstance(func, types.MethodWrapperType) and func.__name__ == "__get__":
            result = ctx.settle(self.known[id(args[0])].attribute(ctx, func.__self__.__name__))  # type: ignore[attr-defined]
        else:
            given, named = [self.variable(arg) for arg in args], {key: self.variable(arg) for key, arg in kwargs.items()}
            result = ctx.settle(ctx.call_now(ctx.wrap(func), given, named))
        return self.host(result)

    def variable(self, value: Any) -> Variable:
        if isinstance(value, torch.Tensor):
            return self.known[id(value)]
        kind = type(value)
        if kind in (tuple, torch.Size):
            return TupleVariable([self.variable(part) for part in value], kind)
        if kind is list:
            return ListVariable([self.variable(part) for part in value])
        if kind is slice:
            return SliceVariable([self.variable(part) for part in (value.start, value.stop, value.step)])
        return self.ctx.wrap(value)

    def host(self, variable: Variable) -> Any:
        if isinstance(variable, TensorVariable):
            self.known[id(variable.fake)] = variable
            return variable.fake
        if isinstance(variable, TupleVariable | ListVariable):
            return variable.cls([self.host(part) for part in variable.settled(self.ctx)])
        return variable.specialise(self.ctx) if isinstance(variable, SymVariable) else variable.constant()
