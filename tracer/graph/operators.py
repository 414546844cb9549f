"""What a call does beside giving a result, seen while it runs on fakes: the one room that answers it.

In go the overloads that the call runs, one by one, before each does anything; out comes which of the call's arguments are
written to, and whether the call may be left out when nobody uses its result. It may only if every overload is known to do
nothing else: `compat/operators.py` says what each declares. A call that is itself an operator in place whose kernels never
reach the fakes (`detach_`) counts as what it declares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ..compat.functorch import inner
from ..compat.operators import Declared, declared, overloads_of, writes_first, written
from .opaque import OpaqueCall

__all__ = ["Effect", "Watch", "WritesArgument", "carry_effects", "memories_written", "refuse_writing", "storage_of", "writes_to"]


class Effect:
    """What a node does, in its `meta["effect"]`: it stays, used or not. `writes`: the fakes of arguments that it writes to. `again`:
    whether it does the same when it is done again from the same values: it draws nothing, and nothing is unknown of it."""

    __slots__ = ("again", "writes")

    def __init__(self, writes: Sequence[Any] = (), again: bool = False):
        self.writes, self.again = tuple(writes), again


class WritesArgument(BaseException):
    """A call is about to write to one of its arguments, and must not in the way it was begun. Nothing is written yet."""


def refuse_writing(facts: Declared, found: list[tuple[Any, int]]) -> None:
    """A `before` for calls that run with grad: autograd must not see the write."""
    if torch.is_grad_enabled():  # else the function has switched it off itself
        raise WritesArgument


class Watch:
    """One call. `tensors` are the fakes among its arguments. `before(facts, written, index)` is asked before one of them, or
    memory that it shares, is written to by what autograd sees; it may raise. `asks_data`: what came out depends on more than
    the metadata of the arguments. `told`: `before` was asked. `stays`, `again`, `reserved`: as in the outcome."""

    __slots__ = ("again", "asks_data", "before", "depth", "reserved", "stays", "tensors", "told", "writes")

    def __init__(self, tensors: list[Any], before: Callable[[Declared, list[tuple[Any, int]]], None] | None = None):
        self.tensors, self.before, self.depth = tensors, before, 0
        self.again = True
        self.stays = self.asks_data = self.reserved = self.told = False
        self.writes: dict[int, None] = {}  # indices of `tensors`, in the order in which they are written to

    def saw(self, op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """The mode tells of an overload that is about to run."""
        facts = declared(op)
        if facts.pure:
            return
        if facts.draws or not facts.known:
            self.stays = True
            self.again = self.again and facts.checks
        if facts.asks_data:
            self.asks_data = True
        if facts.reserved:
            self.reserved = True
        if facts.mutates:
            found = [(tensor, index) for tensor in written(facts, args, kwargs) for index in self._indices(tensor)]
            if found:
                if self.before is not None and facts.result and not self.depth:
                    self.told = True
                    self.before(facts, found)
                self.writes.update((index, None) for _, index in found)

    def _indices(self, tensor: Any) -> list[int]:
        """The arguments that a write to `tensor` changes: itself, or all that share its memory."""
        for i, argument in enumerate(self.tensors):
            if argument is tensor:
                return [i]
        storage = storage_of(tensor)
        return [i for i, argument in enumerate(self.tensors) if storage is not None and storage_of(argument) == storage]

    def finish(self, function: Any) -> None:
        """After the call: what it declares itself, where the fakes saw nothing of it."""
        if not self.writes and self.tensors and writes_first(function):
            self.writes[0] = None
        if type(function) is OpaqueCall:
            self.stays, self.again = True, False
        elif not self.stays and _is_operator(function) and any(not declared(op).known for op in overloads_of(function)):
            self.stays, self.again = True, False

    @property
    def written(self) -> list[Any]:
        return [self.tensors[i] for i in self.writes]


def _is_operator(function: Any) -> bool:
    return isinstance(function, torch._ops.OpOverload | torch._ops.OpOverloadPacket)


def storage_of(value: Any) -> int | None:
    """What tells the memory of a tensor from that of another one; None where it has none of its own."""
    if not isinstance(value, torch.Tensor):
        return None
    try:
        return value.untyped_storage()._cdata
    except (RuntimeError, NotImplementedError):
        within = inner(value)
        return None if within is value else storage_of(within)


def writes_to(node: Any, storages: set[int]) -> bool:
    """Whether a node of a graph writes to one of these storages."""
    effect = node.meta.get("effect")
    return effect is not None and any(storage_of(fake) in storages for fake in effect.writes)


def memories_written(graph: Any) -> set[Any]:
    """The storages to which operations of a graph write."""
    return {storage_of(fake) for node in graph.nodes if "effect" in node.meta for fake in node.meta["effect"].writes} - {None}


def carry_effects(node: Any, *bodies: Any) -> None:
    """A node that runs these graphs has an effect if an operation in one of them has: they write to nothing outside, but draw."""
    effects = [inner.meta["effect"] for body in bodies for inner in body.nodes if "effect" in inner.meta]
    if effects:
        node.meta["effect"] = Effect(again=all(effect.again for effect in effects))
