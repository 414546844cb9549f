"""Tensors and symbolic numbers: what lives in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import fx
from torch.utils.hooks import RemovableHandle

from ..signals import Break
from .base import Variable
from .constants import ConstantVariable, literal

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = ["HandleVariable", "SubclassVariable", "SymVariable", "TensorVariable"]


class TensorVariable(Variable):
    """A tensor of the graph: its node and its fake value. `cls` is the class that the program sees; `made` is where the body
    makes one that enters the graph as an input (a parameter made while tracing)."""

    __slots__ = ("__weakref__", "attrs", "cls", "fake", "hooks", "made", "node", "value")

    def __init__(
        self,
        node: fx.Node,
        fake: torch.Tensor,
        source: Source | None = None,
        cls: type = torch.Tensor,
        value: Any = None,
    ):
        self.node, self.fake, self.source, self.vid, self.cls, self.value = node, fake, source, 0, cls, value
        self.attrs: dict[str, Any] | None = None
        self.hooks: tuple[HandleVariable, ...] = ()
        self.made: Source | None = None

    def python_type(self) -> type:
        return self.cls

    def describe(self) -> str:
        fake = self.fake
        return f"{str(fake.dtype).removeprefix('torch.')}[{', '.join(map(str, fake.shape))}]"

    def summary(self) -> tuple[str, str, str, tuple[Any, ...], str, str]:
        fake, source = self.fake, self.source
        shape = tuple(s if type(s) is int else str(s) for s in fake.shape)
        return (
            "Tensor",
            self.node.name,
            self.cls.__name__,
            shape,
            str(fake.dtype).removeprefix("torch."),
            source.text if source is not None else "",
        )

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.tensors.tensor_attribute(ctx, self, name)

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        return ctx.tensors.set_tensor_attribute(ctx, self, name, value)

    def truth(self, ctx: Context) -> bool:
        if ctx.tensors.answered(ctx, self):
            return ctx.protocol.truth_through_type(ctx, self)
        return ctx.tensors.tensor_truth(ctx, self)

    def length(self, ctx: Context) -> Variable:
        if ctx.tensors.answered(ctx, self):
            return ctx.protocol.length_through_type(ctx, self)
        if not self.fake.dim():
            ctx.raise_(TypeError, "len() of a 0-d tensor")
        return ctx.size_of(self, 0)

    def getitem(self, ctx: Context, key: Variable) -> Any:
        if ctx.tensors.answered(ctx, self, key):
            return ctx.tensors.by_class(ctx, self, "__getitem__", key)
        return ctx.tensors.tensor_getitem(ctx, self, key)

    def setitem(self, ctx: Context, key: Variable, value: Variable) -> Any:
        if ctx.tensors.answered(ctx, self, key, value):
            return ctx.tensors.by_class(ctx, self, "__setitem__", key, value)
        return ctx.tensors.tensor_setitem(ctx, self, key, value)

    def contains(self, ctx: Context, item: Variable) -> bool:
        return ctx.protocol.truth(ctx, ctx.call_now(self.attribute(ctx, "__contains__"), [item]))

    def iterator(self, ctx: Context) -> Variable:
        from .iterators import SequenceIteratorVariable

        if ctx.tensors.answered(ctx, self):
            return ctx.tensors.by_class(ctx, self, "__iter__")

        return SequenceIteratorVariable(self.unpack(ctx), type(iter([])))

    def unpack(self, ctx: Context) -> list[Variable]:
        if ctx.tensors.answered(ctx, self):
            return ctx.protocol.unpack(ctx, self.iterator(ctx))
        if not self.fake.dim():
            ctx.raise_(TypeError, "iteration over a 0-d tensor")
        count = ctx.protocol.index(ctx, ctx.size_of(self, 0))
        if not count:
            return []
        return ctx.node("call_method", "unbind", [self, literal(0)]).unpack(ctx)

    def dict_key(self, ctx: Context) -> Any:
        return ctx.protocol.identity_key(self)

    def identity(self) -> Any:
        return self

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        return ctx.graph.local(self.node, self.fake), self.fake

    # ---- attributes and hooks that the program put on the tensor
    def snapshot(self) -> Any:
        return self.attrs, self.hooks

    def restore(self, state: Any) -> None:
        self.attrs, self.hooks = state

    def rebuild(self, body: Body) -> str:
        name = self._rebuild(body) if self.made is None else body.load(self.made)
        if self.attrs:
            body.declare(self, name)
            body.later(lambda: self._assign(body, name), self)
        return name

    def _rebuild(self, body: Body) -> str:
        return body.tensor(self)

    def replay(self, body: Body, name: str) -> None:
        if self.attrs:
            body.effect(self._assign(body, name))
        for handle in self.hooks:
            registered = body.value(handle)
            if handle.removed:
                body.effect(f"{registered}.remove()")

    def _assign(self, body: Body, name: str) -> str:
        attrs = dict(self.attrs or {})
        grad = attrs.pop("grad", None)  # a field of torch's, all others are the program's
        lines = [f"{name}.grad = {body.value(grad)}"] if grad is not None else []
        if attrs:
            values = ", ".join(f"{key!r}: {body.value(value)}" for key, value in attrs.items())
            lines.append(f"{body.pin(vars, 'vars')}({name}).update({{{values}}})")
        return "; ".join(lines)


class SubclassVariable(TensorVariable):
    """A tensor of a class of the program's that C++ takes for an ordinary one: what is its own, Python does (`functions/torch/overriding.py`).
    `apart`: whether it was made of another's data, whose view it isn't."""

    __slots__ = ("apart",)

    def __init__(self, node: fx.Node, fake: torch.Tensor, source: Source | None, cls: type, value: Any = None, apart: bool = False):
        super().__init__(node, fake, source, cls, value)
        self.apart = apart

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.tensors.subclass_attribute(ctx, self, name)

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        return ctx.tensors.set_subclass_attribute(ctx, self, name, value)

    def contains(self, ctx: Context, item: Variable) -> bool:
        return ctx.protocol.contains_through_type(ctx, self, item)

    def dict_key(self, ctx: Context) -> Any:
        ctx.tensors.check_plain(ctx, self, "hash()")
        return super().dict_key(ctx)

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        ctx.tensors.check_plain(ctx, self, "a call")
        return super().argument(ctx)

    def _rebuild(self, body: Body) -> str:
        return body.subclass(self)


class HandleVariable(Variable):
    """What registering `hook` on a tensor from outside gave. It is registered after the graph: until then nothing that
    would call it happens."""

    __slots__ = ("hook", "method", "removed", "tensor")

    def __init__(self, tensor: TensorVariable, method: str, hook: Variable):
        self.tensor, self.method, self.hook, self.removed = tensor, method, hook, False
        self.source, self.vid = None, 0

    def python_type(self) -> type:
        return RemovableHandle

    def attribute(self, ctx: Context, name: str) -> Any:
        if name in ("remove", "__enter__", "__exit__"):
            return super().attribute(ctx, name)
        raise Break("unsupported-attribute", expr=f"handle.{name}", name=name, type="RemovableHandle")

    def rebuild(self, body: Body) -> str:
        name = body.fresh("handle")
        body.declare(self, name)
        for earlier in self.tensor.hooks[: self.tensor.hooks.index(self)]:
            body.value(earlier)  # hooks are called in the order in which they were registered
        tensor, hook = body.value(self.tensor), body.value(self.hook)
        body.line(f"{name} = {tensor}.{self.method}({hook})")
        return name


class SymVariable(Variable):
    """A number that the shape environment knows only as an expression: `sym` is a SymInt, SymFloat or SymBool.
    `make(ctx)` adds the node that computes it, when a graph first needs it (`ctx.shapes.node_of`)."""

    __slots__ = ("make", "sym")

    def __init__(self, sym: Any, make: Callable[[Context], fx.Node], source: Source | None = None):
        self.sym, self.make, self.source, self.vid = sym, make, source, 0

    def python_type(self) -> type:
        return {torch.SymInt: int, torch.SymFloat: float, torch.SymBool: bool}[type(self.sym)]

    def describe(self) -> str:
        return str(self.sym)

    def node(self, ctx: Context) -> fx.Node:
        return ctx.shapes.node_of(ctx, self)

    def truth(self, ctx: Context) -> bool:
        return ctx.shapes.decide(ctx, self)

    def specialise(self, ctx: Context) -> Any:
        """The number itself; the guard that it stays so is the shape environment's."""
        return ctx.shapes.specialise(ctx, self)

    def dict_key(self, ctx: Context) -> Any:
        return self.specialise(ctx)

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        known = ctx.shapes.known(self.sym)
        return (self.node(ctx), self.sym) if known is None else (known, known)

    def rebuild(self, body: Body) -> str:
        return body.symbol(self)


def unwrap_number(variable: Variable) -> Any:
    """The Python or symbolic number that arithmetic uses."""
    if type(variable) is ConstantVariable:
        return variable.value
    if type(variable) is SymVariable:
        return variable.sym
    raise Break("unsupported-type", type=variable.python_type().__name__, why="not a number")
