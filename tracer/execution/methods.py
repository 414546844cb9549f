"""The part of a session that runs what it captured."""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .finite import NonFinite
    from .inputs import Recorded
    from .model import GraphRun
    from .verdict import Check

__all__ = ["Executions"]


class Executions:
    """What sessions have for running their graphs."""

    @functools.cached_property
    def runs(self) -> list[GraphRun]:
        """What `run_graph` gave, in order; `save` writes them into the recording."""
        return []

    @functools.cached_property
    def held_graphs(self) -> weakref.WeakValueDictionary[str, Recorded]:
        """Graphs with their inputs, as long as a run holds them."""
        return weakref.WeakValueDictionary()

    def run_graph(
        self,
        graph: Any = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | str | None = None,
        backend: Any = "eager",
        repeat: int = 5,
        warmup: int = 1,
        backward: bool = False,
        values: str = "summary",
        inputs: str = "recorded",
    ) -> GraphRun:
        """Run a captured graph node by node on copies of what its first run was given: time, memory, FLOPs and numbers of each operator.

        graph:    its name, number or record; None: the only one, or of several the one with the most operators.
        device:   copies of inputs and constants move there, and so do devices that the graph's nodes name.
        dtype:    floating inputs and constants are converted to it; dtypes that the program names are left alone.
        backend:  what runs the graph as a whole for `GraphRun.seconds`; single operators are always run as they are.
        repeat:   so many timed runs, of which the median counts, behind `warmup` runs that don't.
        backward: also AOTAutograd's graphs of the forward and the backward, run the same way, and what is kept for the backward.
        values:   "summary": statistics of each result; "none": leaves them out.
        inputs:   "random": made up ones, for sessions that kept none; every number is marked so.

        It is run without gradients, in the recorded modes and from the recorded random states; the program's tensors, modules, random
        states, modes and gradients are as before. The call that made the graph runs once more, on copies, to get the inputs: what it does
        to files and other objects outside happens again. Saved with the session, as `session.runs`.

        TracerError where the inputs weren't kept, the device isn't there, an operator can't run in the dtype or on the device (which is
        named), or the graph takes an object that can't be copied.
        """
        from .running import run_graph

        return run_graph(
            self, graph, device=device, dtype=dtype, backend=backend, repeat=repeat, warmup=warmup, backward=backward, values=values, inputs=inputs  # type: ignore[arg-type]
        )  # fmt: skip

    def first_nonfinite(self, *, call: int | None = None, backward: bool | None = None) -> NonFinite | None:
        """The first operator that made a NaN or an infinity out of values without any, in the recorded calls; None where there is none.

        call:     the number of a kept call; None: all that are kept, in order.
        backward: None: of the backward that the program runs, and where it runs none, from a result that is one number; True: else from every
                  result that has a history, with gradients of 1; False: the forward only.

        What the program writes down itself (`masked_fill(mask, -inf)`) isn't counted, nor are masks that come in, nor memory that nobody wrote to. The calls
        run once more, on copies, node by node, as for `recompile`. TracerError where the session kept no inputs.
        """
        from .nonfinite import first_nonfinite

        return first_nonfinite(self, call=call, backward=backward)  # type: ignore[arg-type]

    def check(self, *, call: int | None = None, tolerance: bool | None = None) -> Check:
        """Whether the traced program does what plain Python does: a `Check`, true where nothing that a user could see differs.

        call:      the number of a kept call; None: all that are kept, in order and into one cache, as they were recorded.
        tolerance: whether floating numbers may differ by rounding (`torch.testing.assert_close`); None: they may unless the backend runs operators as
                   they are (eager, aot_eager), where every bit counts.

        The calls run twice, traced with this session's settings and as plain Python, each on copies: results, arguments, module state, gradients, globals
        and cells, exceptions, text on stdout, random states, modes left on, which objects are one and which tensors share memory are compared behind
        each call. The first difference is named with its line, node and decision; what follows from it in later calls isn't told. What the program does
        to files and other objects outside happens again. With `engine="dynamo"` torch.compile is checked. TracerError where no inputs are kept.
        """
        from .checking import check

        return check(self, call=call, tolerance=tolerance)  # type: ignore[arg-type]
