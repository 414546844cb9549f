"""An existing object that no rule models: it can be passed on, stored and returned; using it ends the graph, for its own reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..signals import Break
from .base import Variable

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source

__all__ = ["OpaqueVariable"]


class OpaqueVariable(Variable):
    """`stop` says why the object isn't modelled; each use raises it anew, so that it is located where the use stands."""

    __slots__ = ("stop", "value")

    def __init__(self, value: Any, source: Source, stop: Break):
        self.value, self.source, self.vid, self.stop = value, source, 0, stop

    def python_type(self) -> type:
        return type(self.value)

    def real(self) -> Any:
        return self.value

    def identity(self) -> Any:
        return ("object", id(self.value))

    def describe(self) -> str:
        return f"{type.__dict__['__name__'].__get__(type(self.value))} object"

    def used(self, *_: Any) -> NoReturn:
        raise Break(self.stop.reason, **self.stop.context)

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.type_of(self) if name == "__class__" else self.used()

    def iterator(self, ctx: Context) -> Variable:
        return ctx.protocol.iterator_through_type(ctx, self) if self.stop.reason == "unsupported-type" else self.used()

    def unpack(self, ctx: Context) -> list[Variable]:
        self.iterator(ctx)
        self.used()

    set_attribute = call = truth = length = getitem = setitem = delitem = contains = dict_key = argument = used  # type: ignore[assignment]
