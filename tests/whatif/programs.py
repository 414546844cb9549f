"""Small programs whose calls overrides are about, and how a test looks at what became of them. Lines are found by a mark."""

from __future__ import annotations

import copy
import linecache
from collections.abc import Callable
from typing import Any

import torch

import tracer

FILE = __file__


def line(mark: str) -> int:
    """The line of this file that ends with `# mark`."""
    lines = linecache.getlines(FILE)
    (found,) = [n for n, text in enumerate(lines, 1) if text.rstrip().endswith("# " + mark)]
    return found


def at(mark: str, time: int = 0) -> str:
    """`at FILE:LINE` of a mark."""
    return f"at {FILE}:{line(mark)}" + (f" #{time}" if time else "")


def scale(x: Any, k: Any = 2) -> Any:
    return x.sin() * k


@torch.compiler.disable
def off(x: Any) -> Any:
    return x * 3


def plain(x: Any) -> Any:
    y = scale(x + 1)  # first
    return scale(y).relu()  # second


def breaks(x: Any) -> Any:
    y = scale(x + 1)
    z = off(y)  # off
    return scale(z) - 1  # behind the break


def loop(x: Any) -> Any:
    for i in range(3):
        x = x + i
        x = scale(x, k=3)  # in the loop
    return x


def inner(x: Any) -> Any:
    x = x + 1
    x = scale(x)  # inner
    return x.cos()


def outer(x: Any) -> Any:
    return inner(x) * 2  # outer


def mapped(x: Any) -> Any:
    return sum(map(scale, [x, x + 1]))


def starred(x: Any) -> Any:
    args, named = (x,), {"k": 5}
    return scale(*args, **named) + x  # starred


def body_of_cond(x: Any) -> Any:
    return torch.cond(x.sum() > 0, lambda x: scale(x), lambda x: x - 1, (x,))


def checkpointed(x: Any) -> Any:
    return torch.utils.checkpoint.checkpoint(inner, x, use_reentrant=False)


def caught(x: Any) -> Any:
    try:
        y = scale(x + 1)  # in a try
        raise ValueError("made here")
    except ValueError:
        y = x * 2
    return y


def counted(xs: list[Any], x: Any) -> Any:
    xs.append(x)  # changes
    return x + 1


def with_number(x: Any) -> Any:
    return x.sum(), 3


def by_value(x: Any) -> Any:
    return x + 1 if x.sum() > 0 else x - 1


def nothing(x: Any) -> None:
    x.add_(1)


def refusals(x: Any) -> Any:
    a, n = with_number(x)
    xs: list[Any] = []
    y = counted(xs, x)
    z = x * 2
    nothing(z)
    return by_value(y) + a * n + len(xs) + z


def sizes(x: Any, n: Any) -> Any:
    return x * x.shape[0] + n


def recursive(x: Any, n: int) -> Any:
    return x + 1 if n == 0 else recursive(x.sin(), n - 1)  # recursion


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)

    def forward(self, x: Any) -> Any:
        return self.norm(self.linear(x)).relu()


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block, self.out = Block(), torch.nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.out(self.block(x))  # block


def run(fn: Callable[..., Any], *overrides: Any, args: tuple[Any, ...] | None = None, **config: Any) -> Any:
    """The session of one call of `fn` under the overrides, whose result is that of the untraced call."""
    torch.manual_seed(0)
    args = (torch.randn(4),) if args is None else args
    expected = copy.deepcopy(fn)(*copy.deepcopy(args))
    session = tracer.Session(overrides=overrides, **config)
    result = session.run(fn, *args)
    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    return session


def targets(session: Any) -> list[list[str]]:
    """The operations of each graph."""
    return [[node.target.rpartition(".")[2] for node in graph.nodes if node.op.startswith("call")] for graph in session.graphs]


def applied(session: Any) -> list[str]:
    return [event.target for event in session.events if type(event).__name__ == "OverrideApplied" and not session.journal.abandoned(event.seq)]


def why_not(session: Any) -> list[str]:
    return [why for _, why in session.unmatched_overrides]
