"""Small programs that a tracing compiler has to get right, each registered with inputs and expectations.

@program(lambda: (torch.randn(3), 2))       # called twice on fresh inputs; one graph, no break, no recompile
def scale(x, n): ...

@program(lambda: torch.randn(3), breaks=["data-dependent-branch"])

@scenario(recompiles=1)                     # plain Python that compiles and calls what it likes
def global_rebound(run): ...
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.differential import Args, Expect

__all__ = ["Args", "Program", "all_programs", "program", "scenario"]


@dataclass(frozen=True)
class Program:
    name: str
    fn: Callable
    make_args: Callable[[], Any] | None
    calls: int
    expect: Expect
    ignore: frozenset[str] = frozenset()
    tolerance: float | None = None
    config: dict[str, Any] = field(default_factory=dict)


REGISTRY: dict[str, Program] = {}


def register(
    fn: Callable, make_args: Any, calls: int, expect: dict, ignore: Any, tolerance: Any, config: Any
) -> Callable:
    name = f"{fn.__module__.removeprefix('tests.programs.')}.{fn.__name__}"
    if name in REGISTRY:
        raise ValueError(f"two programs are called {name}")
    wanted = expectations(**expect)
    REGISTRY[name] = Program(name, fn, make_args, calls, wanted, frozenset(ignore), tolerance, config or {})
    return fn


def expectations(breaks: Any = 0, recompiles: Any = 0, graphs: Any = "one", fullgraph: bool = False) -> Expect:
    """One graph, unless something else was said: a program that breaks or recompiles has as many as it needs."""
    if graphs == "one":
        graphs = 1 if breaks == 0 and recompiles == 0 else None
    return Expect(graphs, breaks, recompiles, fullgraph)


def program(
    make_args: Callable[[], Any], *, calls: int = 2, ignore: Any = (), tolerance: float | None = None,
    config: dict[str, Any] | None = None, **expect: Any,
) -> Callable[[Callable], Callable]:  # fmt: skip
    return lambda fn: register(fn, make_args, calls, expect, ignore, tolerance, config)


def scenario(
    *, ignore: Any = (), tolerance: float | None = None, config: dict[str, Any] | None = None, **expect: Any
) -> Callable[[Callable], Callable]:
    return lambda fn: register(fn, None, 0, expect, ignore, tolerance, config)


def all_programs() -> list[Program]:
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith(("test_", "generated", "conftest", "__main__")):
            importlib.import_module(f"{__name__}.{module.name}")
    return list(REGISTRY.values())
