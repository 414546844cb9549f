"""What torch.compile decided in one run, from its own books and not from ours: to be held against a run that was watched."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
import torch._dynamo as dynamo
from torch._dynamo.convert_frame import input_codes
from torch._dynamo.eval_frame import _debug_get_cache_entry_list
from torch._dynamo.utils import counters, guard_failures

from tests.differential import Args

#: Numbers that differ from run to run: ids of objects, names made unique by a counter.
_OWN = re.compile(
    r"0x[0-9a-f]+|\b\d{9,}\b|(?<=___)\d+|(?<=_at_)\d+(?:_\d+)*|(?<=_c)\d+|__builtins_dict__\w+|(?<=obj_weakref_)\d+"
)


def text(value: Any) -> str:
    return _OWN.sub("N", str(value))


def facts(run: Callable[[Any], Any]) -> dict[str, Any]:
    """`run` gets a compile function and calls what it made. Graphs, guards, reasons of breaks and of recompiles, outcome."""
    dynamo.reset()
    counters.clear()
    guard_failures.clear()
    input_codes.clear()
    torch.manual_seed(0)
    graphs: list[str] = []

    def backend(gm: Any, examples: Any) -> Any:
        graphs.append(text(gm.print_readable(print_output=False)))
        return gm.forward

    try:
        outcome = str(run(lambda fn, **settings: torch.compile(fn, backend=backend, **settings)))
    except Exception as error:
        outcome = text(f"{type(error).__name__}: {error}")
    codes = [code for reference in input_codes.seen if (code := reference()) is not None]
    return {
        "graphs": graphs,
        "outcome": text(outcome),
        "guards": sorted(text(entry.guard_manager) for code in codes for entry in _debug_get_cache_entry_list(code)),
        "breaks": {text(reason): count for reason, count in counters["graph_break"].items()},
        "recompiles": sorted((code.co_name, text(reasons)) for code, reasons in guard_failures.items()),
        "frames": dict(counters["frames"]),
        "after": (torch.rand(1).item(), torch.get_default_dtype(), torch.is_grad_enabled()),
    }


def called(fn: Callable[..., Any], make: Callable[[], Any], calls: int) -> Callable[[Any], Any]:
    """A run for `facts`: the program on fresh inputs, so often."""

    def run(compile: Any) -> Any:
        compiled = compile(fn)
        results = []
        for _ in range(calls):
            given = make()
            args, kwargs = (
                (given.args, given.kwargs)
                if isinstance(given, Args)
                else ((given if isinstance(given, tuple) else (given,)), {})
            )
            results.append(compiled(*args, **kwargs))
        return results

    return run
