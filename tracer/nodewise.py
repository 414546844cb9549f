"""A graph that raised, run once more as it was traced, node by node: which operator it was, and what the program is to see.

In: the graph, its inputs. Out: `Place`, or None where no operator raises, or one before it may not be done twice. A backend that makes
one program of the whole graph has its own words for what fails, and doesn't tell where. Only operators run that compute, check, or write
to memory that the graph itself made: a second time they do what they did before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import fx

from .graph.finish import only_computes
from .graph.modes import restoring
from .graph.operators import storage_of
from .runtime.hook import without_hook

if TYPE_CHECKING:
    from .context import Context

__all__ = ["Nodewise", "Place"]


class Place(NamedTuple):
    """The node that raised, what it raised, and what the nodes before it gave."""

    name: str
    error: Exception
    ran: dict[str, Any]


class Nodewise:
    """Made before the backend gets the graph, which it may rewrite: then nothing is known of it any more."""

    def __init__(self, ctx: Context, gm: fx.GraphModule):
        self._gm = gm
        self._nodes = [(node.name, node.target) for node in gm.graph.nodes]
        given = {storage_of(i.fake) for i in ctx.inputs} - {None}
        self._once = frozenset(node.name for node in gm.graph.nodes if not _may_run_again(node, given))

    def __call__(self, inputs: Sequence[Any]) -> Place | None:
        if [(node.name, node.target) for node in self._gm.graph.nodes] != self._nodes:
            return None
        runner = fx.Interpreter(self._gm, garbage_collect_values=False)
        ran: dict[str, Any] = {}
        try:
            without_hook(restoring(self._run))(runner, inputs, ran)
        except _Stopped as stopped:
            return Place(stopped.name, stopped.error, ran) if stopped.error is not None else None
        return None

    def _run(self, runner: fx.Interpreter, inputs: Sequence[Any], ran: dict[str, Any]) -> None:
        given = iter(inputs)
        for node in self._gm.graph.nodes:
            if node.op == "output" or node.name in self._once:
                raise _Stopped
            if node.op == "placeholder":
                runner.env[node] = next(given)
                continue
            try:
                ran[node.name] = runner.env[node] = runner.run_node(node)
            except Exception as error:
                raise _Stopped(node.name, error) from None


class _Stopped(Exception):
    """Leaves the nodes, so that switches they set are set back."""

    def __init__(self, name: str = "", error: Exception | None = None):
        super().__init__()
        self.name, self.error = name, error


def _may_run_again(node: fx.Node, given: set[Any]) -> bool:
    if only_computes(node) or node.meta.get("mode"):
        return True
    effect = node.meta["effect"]
    return effect.again and not any(storage_of(fake) in given for fake in effect.writes)
