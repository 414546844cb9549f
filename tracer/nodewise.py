"""A graph that raised, run once more as it was traced, node by node: which operator it was, and what the program is to see.

In: the graph, its inputs. Out: `Place`, or None where no operator raises, or one before it may not be done twice. A backend that makes
one program of the whole graph has its own words for what fails, and doesn't tell where. Only operators run that compute, check, or write
to memory that the graph itself made: a second time they do what they did before. Those that write to inputs run on copies, for the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import fx

from .compat.functorch import enters_dual
from .compat.overriding import plainly
from .graph.modes import restoring
from .graph.operators import storage_of
from .graph.transaction import standing
from .runtime.hook import without_hook

if TYPE_CHECKING:
    from .context import Context

__all__ = ["Nodewise", "Place"]


class Place(NamedTuple):
    """The node that raised, what it raised, and what the nodes before it gave. The name is empty where only the error is known."""

    name: str
    error: Exception
    ran: dict[str, Any]


class Nodewise:
    """Made before the backend gets the graph, which it may rewrite: then nothing is known of it any more."""

    def __init__(self, ctx: Context, gm: fx.GraphModule):
        self._gm = gm
        self._nodes = [(node.name, node.target) for node in gm.graph.nodes]
        given = {storage_of(i.fake) for i in ctx.inputs} - {None}
        effects = {node.name: node.meta["effect"] for node in gm.graph.nodes if "effect" in node.meta and not node.meta.get("mode")}
        self._once = frozenset(name for name, effect in effects.items() if not effect.again)
        self._writes = frozenset(name for name, effect in effects.items() if any(storage_of(fake) in given for fake in effect.writes))

    def __call__(self, inputs: Sequence[Any]) -> Place | None:
        if [(node.name, node.target) for node in self._gm.graph.nodes] != self._nodes:
            return None
        place = self._raises(inputs, self._once | self._writes)
        if place is not None or not self._writes:
            return place
        # Whether the backend has written to the inputs isn't known: what the operator says is found with copies of them.
        place = self._raises(_copies(inputs), self._once)
        return None if place is None else Place("", place.error, {})

    def _raises(self, inputs: Sequence[Any], stops: frozenset[str]) -> Place | None:
        runner = fx.Interpreter(self._gm, garbage_collect_values=False)
        ran: dict[str, Any] = {}
        try:
            without_hook(plainly(standing(restoring(self._run), enters_dual(self._gm))))(runner, inputs, stops, ran)
        except _Stopped as stopped:
            return Place(stopped.name, stopped.error, ran) if stopped.error is not None else None
        return None

    def _run(self, runner: fx.Interpreter, inputs: Sequence[Any], stops: frozenset[str], ran: dict[str, Any]) -> None:
        given = iter(inputs)
        for node in self._gm.graph.nodes:
            if node.op == "output" or node.name in stops:
                raise _Stopped
            if node.op == "placeholder":
                runner.env[node] = next(given)
                continue
            try:
                ran[node.name] = runner.env[node] = runner.run_node(node)
            except Exception as error:
                raise _Stopped(node.name, error) from None


def _copies(inputs: Sequence[Any]) -> list[Any]:
    """The tensors over memory of their own; those that shared memory do so again. None of them has a history."""
    memories: dict[int | None, Any] = {}
    made = []
    with torch.no_grad():
        for value in inputs:
            memory = storage_of(value)
            if memory is None:
                made.append(value)
                continue
            if memory not in memories:
                memories[memory] = value.untyped_storage().clone()
            copy = torch.empty(0, dtype=value.dtype, device=value.device)
            made.append(copy.set_(memories[memory], value.storage_offset(), value.shape, value.stride()))
    return made


class _Stopped(Exception):
    """Leaves the nodes, so that switches they set are set back."""

    def __init__(self, name: str = "", error: Exception | None = None):
        super().__init__()
        self.name, self.error = name, error
