"""What running a graph node by node costs beside the graph itself, in one process and turn by turn.

The graph: a thousand operators, of products of matrices and elementwise ones, as a model has them. Measured are one run of `gm(*inputs)`, one pass with the
clock read at each node, one with statistics of every result. Operators on small inputs take a few microseconds, less than any look at their results does.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch

import tracer
from tracer.execution.passes import Counted, Timed
from tracer.execution.program import Watch

SIZES = ((32, 64), (128, 256), (512, 512))
NODES = 1000


def program(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    for _ in range(NODES // 5):
        y = x @ weight
        x = torch.tanh(y + x) * 0.5 + x
    return x


def shortest(repeat: int, *functions: Callable[[], Any]) -> list[float]:
    """Seconds of each, taken in turns, the shortest: what else the machine does only adds."""
    taken: list[list[float]] = [[] for _ in functions]
    for number in range(repeat + 1):
        for times, function in zip(taken, functions):
            begun = perf_counter()
            function()
            if number:
                times.append(perf_counter() - begun)
    return [min(times) for times in taken]


def passes(run: Any, repeat: int) -> list[float]:
    """Seconds of the graph, of a pass without anything, with the clock, with statistics."""
    setting, count = run.__dict__["live"], len(run.nodes)
    with setting.entered():
        inputs = setting.inputs()
        return shortest(
            repeat * 3, lambda: setting.gm(*inputs), lambda: setting.run(Watch()), lambda: setting.run(Timed(count)), lambda: setting.run(Counted(count, True))
        )  # fmt: skip


def table(repeat: int) -> str:
    """Rows by size of the operators' inputs: seconds of the graph, and each pass against it."""
    lines = ["| inputs | operators | the graph | node by node | with the clock | with statistics |", "|---|---|---|---|---|---|"]
    for rows, width in SIZES:
        session = tracer.trace(program, torch.randn(rows, width), torch.randn(width, width) / width)
        run = session.run_graph(repeat=1, warmup=0, values="none")
        plain, *others = passes(run, repeat)
        shares = " | ".join(f"{other / plain:.2f}×" for other in others)
        lines.append(f"| {rows} × {width} | {len(run.nodes):,} | {plain * 1e3:.2f} ms | {shares} |")
        session.close()
    return "\n".join(lines)
