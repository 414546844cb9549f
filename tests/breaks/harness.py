"""Runs the catalogue's programs: as they are, or with `f` compiled.

A program is the reproducer of an entry, or one of its fixes in the place of what it defines again. It runs in a module of
its own, whose source can be shown; its last line calls `f`, directly or through plain functions.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import random
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from tracer.breaks import CATALOGUE, Entry, Fix, call_of, program_of

#: What an entry needs to show itself in a small program.
CONFIG: dict[str, dict[str, Any]] = {"too-long": {"max_instructions": 40}, "data-dependent-number": {"capture_scalar_outputs": True}}

WITH_PROGRAM = [entry for entry in CATALOGUE.values() if entry.reproducer]
FIXES = [(entry, fix) for entry in WITH_PROGRAM for fix in entry.fixes]


def name_of(part: Any) -> str:
    """The id of a parametrised test."""
    return part.id if isinstance(part, Entry) else part.name if isinstance(part, Fix) else ""


@dataclass
class Outcome:
    """What one run of a program gave."""

    result: Any = None
    error: Exception | None = None
    printed: str = ""
    compiled: Any = None


def run(entry: Entry, fix: Fix | None = None, compiler: Callable[[Any], Any] | None = None) -> Outcome:
    """Defines the program's names, compiles `f`, runs the last line."""
    setup, call = program_of(entry, fix), call_of(entry, fix)
    file = f"<break {entry.id}{' fix ' + fix.name if fix else ''}>"
    text = setup + call + "\n"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType("break_" + entry.id.replace("-", "_"))
    module.__dict__["torch"] = torch
    sys.modules[module.__name__] = module
    torch.manual_seed(0)
    random.seed(0)
    outcome, out = Outcome(), io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(out):
            warnings.simplefilter("ignore")
            exec(compile(setup, file, "exec"), module.__dict__)
            if compiler is not None:
                outcome.compiled = module.__dict__["f"] = compiler(module.__dict__["f"])
            padded = "\n" * setup.count("\n") + call
            try:
                outcome.result = eval(compile(padded, file, "eval"), module.__dict__)
            except Exception as error:
                outcome.error = error
    finally:
        sys.modules.pop(module.__name__, None)
    outcome.printed = out.getvalue()
    return outcome


def same(left: Any, right: Any) -> bool:
    """Equal as a caller sees it; tensors up to rounding (a fix may add in another order)."""
    if isinstance(left, torch.Tensor) or isinstance(right, torch.Tensor):
        if not (isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor)) or left.shape != right.shape:
            return False
        return left.dtype == right.dtype and torch.allclose(left.double(), right.double(), equal_nan=True)
    if isinstance(left, (tuple, list)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def problems_of(entry: Entry, fix: Fix) -> str:
    """How a fix differs from the reproducer where it promises not to; nothing if it keeps its promises."""
    before, after = run(entry), run(entry, fix)
    if after.error is not None:
        return f"the fix raises {after.error!r}"
    if entry.kind == "error":
        return "" if before.error is not None else "the reproducer doesn't raise"
    if before.error is not None:
        return f"the reproducer raises {before.error!r}"
    if not fix.own_result and not same(before.result, after.result):
        return f"{before.result} became {after.result}"
    if not fix.silent and before.printed.split() and not after.printed:
        return "what was printed is not printed any more"
    return ""
