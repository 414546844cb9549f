"""A Python function of the program as one node: what its author marked so that no compiler follows it.

In: what the node is given, plain containers of tensors and constants, with a plan of what they stood for: instances of classes that torch's pytrees
know, modules. The function gets those. Out: its tensors, flat, which is what a graph can hold; `Outline` says of what result they are the leaves.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..compat.fakes import with_real_tensors
from ..compat.trees import node_of
from ..signals import Break

__all__ = ["LEAF", "NUMBER", "Made", "OpaqueCall", "Swapped"]

LEAF, NUMBER = "tensor", "number"
_SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)
_CONSTANTS = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)
_UNKNOWN = "a function that is one node of the graph returned it, and torch's pytrees don't know it"


class _Unknown(Exception):
    """A type that is neither a tensor nor a constant nor a container."""


class Made:
    """In a plan: an instance that `unflatten` makes of the children that are given, and of what is known."""

    __slots__ = ("children", "context", "unflatten")

    def __init__(self, unflatten: Callable[..., Any], context: Any, children: Any):
        self.unflatten, self.context, self.children = unflatten, context, children


class Swapped:
    """In a plan: a module, which for the call has the tensors that are given, by their paths."""

    __slots__ = ("module",)

    def __init__(self, module: torch.nn.Module):
        self.module = module


class OpaqueCall:
    """The target of such a node. It is run once on fakes, then whenever the graph runs; an author who marks a function promises that its result
    has one outline, and is told where it hasn't."""

    __module__ = "tracer"

    def __init__(self, function: Callable[..., Any], plan: Any):
        self.function, self.plan, self.outline = function, plan, None
        name = getattr(function, "__name__", "")
        self.__name__ = name if name.isidentifier() and not keyword.iskeyword(name) else "call"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        swaps: list[tuple[Any, dict[str, Any]]] = []
        if self.plan is not None:
            args, kwargs = _restored(self.plan, (args, kwargs), swaps)
        with _swapped(swaps), with_real_tensors():
            result = self.function(*args, **kwargs)
        leaves: list[Any] = []
        try:
            found = _outline(result, leaves, self.outline)
        except _Unknown as unknown:
            if self.outline is not None:
                raise self._broken(f"a {unknown}") from None
            raise Break("unsupported-type", type=str(unknown), why=_UNKNOWN) from None
        if self.outline is None:
            self.outline = found
        elif found != self.outline:
            raise self._broken(_words(found))
        return leaves[0] if found == LEAF else tuple(leaves)

    def _broken(self, found: str) -> RuntimeError:
        was = f"{self.__name__} is marked to be one node of a graph, so its result may differ in tensors and symbolic numbers only"
        return RuntimeError(f"{was}: it was {_words(self.outline)}, and is {found} now")


def _outline(value: Any, leaves: list[Any], was: Any) -> Any:
    """What `value` is beside its tensors and symbolic numbers, which go into `leaves`. `was`: what it was on fakes, or None."""
    kind = type(value)
    if isinstance(value, torch.Tensor):
        leaves.append(value)
        return LEAF
    if isinstance(value, _SYMBOLIC) or was == NUMBER and kind in (bool, int, float):
        leaves.append(value)
        return NUMBER
    if kind in _CONSTANTS:
        return ("constant", kind, value)
    node = node_of(kind)
    if node is None:
        raise _Unknown(kind.__name__)
    children, context = node.flatten_fn(value)
    known = was[3] if type(was) is tuple and was[0] == "made" and len(was[3]) == len(children) else [None] * len(children)
    return ("made", kind, context, tuple(_outline(child, leaves, below) for child, below in zip(children, known, strict=True)))


def _words(found: Any) -> str:
    if type(found) is str:
        return f"a {found}"
    if found[0] == "constant":
        return repr(found[2])
    return f"{found[1].__name__}({', '.join(map(_words, found[3]))})"


def _restored(plan: Any, given: Any, swaps: list[tuple[Any, dict[str, Any]]]) -> Any:
    if plan is None:
        return given
    if type(plan) is Made:
        return plan.unflatten(_restored(plan.children, given, swaps), plan.context)
    if type(plan) is Swapped:
        swaps.append((plan.module, given))
        return plan.module
    if type(plan) is dict:
        return {key: _restored(plan.get(key), value, swaps) for key, value in given.items()}
    parts = [_restored(below, value, swaps) for below, value in zip(plan, given, strict=True)]
    return parts if isinstance(given, list) else tuple(parts)


@contextmanager
def _swapped(swaps: list[tuple[Any, dict[str, Any]]]) -> Iterator[None]:
    """Modules have these tensors, where they aren't theirs already: a backend that traces the graph runs it on its own."""
    before = []
    try:
        for module, tensors in swaps:
            for path, tensor in tensors.items():
                prefix, _, name = path.rpartition(".")
                owner = module.get_submodule(prefix)
                held = owner._parameters if name in owner._parameters else owner._buffers
                if held[name] is not tensor:
                    before.append((held, name, held[name]))
                    held[name] = tensor
        yield
    finally:
        for held, name, tensor in reversed(before):
            held[name] = tensor
