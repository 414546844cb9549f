"""The page: how many cases are equal, and every one that isn't, with its reason."""

from __future__ import annotations

from collections import Counter

import torch

from tests.databases.compare import BROKEN, DIFFERS, EQUAL, NO_SAMPLE, NOT_CAPTURED, Verdict

__all__ = ["page"]

HEAD = """# torch's own databases under the tracer

Written by `make databases`: samples of the databases that torch ships for its own tests (`torch.testing._internal`), each called
untraced and under `tracer.compile(backend="eager")`: results bit for bit, arguments, random state, errors and gradients are
compared; the operators of `op_db` also under `vmap`, `grad` and `jvp` of torch.func. Small samples on the CPU, in one dtype each, at most
one of an entry (`--samples` takes more).
"""


_OVERLOADS = (
    "Whether each overload writes, draws and does what it declares, its result used or not and its arguments written, is a slow test\n"
    "(`tests/databases`, every overload that the samples of `op_db`, `foreach_db` and `custom_op_db` run, 51 minutes): none is wrong with torch 2.13.0."
)


def page(found: dict[str, list[Verdict]], behind: list[Verdict]) -> str:
    """`behind`: those that have breaks where torch.compile has one graph."""
    kinds = (EQUAL, BROKEN, NOT_CAPTURED, DIFFERS, NO_SAMPLE)
    lines = [HEAD, f"torch {torch.__version__.partition('+')[0]}.", "", f"| database | cases | {' | '.join(kinds)} |", "|---" * (len(kinds) + 2) + "|"]
    for name, verdicts in found.items():
        counts = Counter(v.kind for v in verdicts)
        lines.append(f"| `{name}` | {len(verdicts)} | " + " | ".join(str(counts[k]) for k in kinds) + " |")
    lines += ["", _OVERLOADS]
    wrong = [v for verdicts in found.values() for v in verdicts if not v.right]
    lines += ["", "## What differs", ""]
    lines += [f"- `{v.case.label}`: {v.explained or v.text.splitlines()[-1].strip()}" for v in wrong] or ["Nothing."]
    lines += ["", "## What breaks where torch.compile has one graph", ""]
    lines += [f"- `{v.case.label}`: {v.why_broken or 'not looked into'}" for v in behind] or ["Nothing."]
    return "\n".join(lines) + "\n"
