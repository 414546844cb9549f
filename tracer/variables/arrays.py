"""Values of NumPy: arrays and numbers that live in the graph as tensors, and numbers that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compat.arrays import ARRAY, array_of
from ..signals import Break
from .base import Variable, mention
from .constants import ConstantVariable
from .functions import PinnedVariable
from .tensors import TensorVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = ["ArrayVariable", "LimitsVariable", "NumberVariable"]


class NumberVariable(ConstantVariable):
    """A number of NumPy's (`np.float32(2)`) that is known while tracing: it keeps its type, and torch takes it for a Python number."""

    __slots__ = ()

    def length(self, ctx: Context) -> Variable:
        return ctx.protocol.length_through_type(ctx, self)

    def getitem(self, ctx: Context, key: Variable) -> Any:
        return ctx.protocol.special(ctx, self, "__getitem__", [key], "is not subscriptable")

    def contains(self, ctx: Context, item: Variable) -> bool:
        return ctx.protocol.contains_through_type(ctx, self, item)

    def iterator(self, ctx: Context) -> Variable:
        return ctx.protocol.iterator_through_type(ctx, self)

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        value = self.value.item()
        return value, value


class LimitsVariable(PinnedVariable):
    """`np.finfo` or `np.iinfo` of a dtype, whose attributes are facts."""

    __slots__ = ()

    def attribute(self, ctx: Context, name: str) -> Any:
        try:
            return ctx.wrap(getattr(self.value, name))
        except AttributeError as error:
            ctx.raise_from_host(error)


class ArrayVariable(Variable):
    """An array, or a number that an array gave (`cls` says which): `tensor` lies in its memory. `writeable`: as NumPy says; `laid`:
    whether its strides are those that NumPy gives it. Of a view that torch can't have, `tensor` is a copy: `again(ctx)` makes a new one,
    `view(array)` the view itself of the array in whose memory it lies, which `base` is."""

    __slots__ = ("again", "base", "cls", "laid", "tensor", "value", "view", "writeable")

    def __init__(
        self, tensor: TensorVariable, cls: type, source: Source | None = None, value: Any = None, writeable: bool = True, laid: bool = True
    ):
        self.tensor, self.cls, self.source, self.vid, self.value, self.writeable, self.laid = tensor, cls, source, 0, value, writeable, laid
        self.again: Callable[[Context], ArrayVariable] | None = None
        self.base: ArrayVariable | None = None
        self.view: Callable[[Any], Any] | None = None

    def python_type(self) -> type:
        return self.cls

    def describe(self) -> str:
        return self.tensor.describe()

    def summary(self) -> tuple[str, str, str, tuple[Any, ...], str, str]:
        _, text, _, shape, dtype, _ = self.tensor.summary()
        return "Array", text, self.cls.__name__, shape, dtype, self.source.text if self.source is not None else ""

    def native_attribute(self, ctx: Context, name: str) -> Any:
        return ctx.arrays.array_attribute(ctx, self, name)

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        raise self.refused(f".{name} = …")

    def truth(self, ctx: Context) -> bool:
        return ctx.arrays.array_truth(ctx, self)

    def length(self, ctx: Context) -> Variable:
        return ctx.arrays.array_length(ctx, self)

    def iterator(self, ctx: Context) -> Variable:
        return ctx.arrays.array_iterator(ctx, self)

    def dict_key(self, ctx: Context) -> Any:
        raise self.refused(" as a key")

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        raise self.refused("")

    def refused(self, use: str) -> Break:
        return Break("numpy-unsupported", expr=mention(self) + use, type=self.cls.__name__, name="")

    def rebuild(self, body: Body) -> str:
        name = body.fresh("array")
        if self.base is not None:
            body.line(f"{name} = {body.pin(self.view, 'view')}({body.value(self.base)})")
            return name
        body.line(f"{name} = {body.pin(array_of, 'array_of')}({body.tensor(self.tensor)}, {not self.is_array}, {self.writeable})")
        return name

    @property
    def is_array(self) -> bool:
        return self.cls is ARRAY
