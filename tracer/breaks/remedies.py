"""What to try against a break or a recompile without touching the program: a setting, or an override at its place.

    suggestions(session.graph_breaks[0])    # [Change(setting="capture_scalar_outputs", value=True)]

`REMEDIES` is the table: id of a catalogue entry → what takes it away. Every row is run against the entry's reproducer by
`tests/whatif/test_suggestions.py`; an entry without a row has no such way out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..overrides import Override, Where
from .model import Change
from .recompiling import settings_for
from .table import entry

__all__ = ["REMEDIES", "Change", "suggestions"]


#: id → settings, and the actions of overrides at the line of the break; what changes least comes first.
REMEDIES: Mapping[str, tuple[Change | str, ...]] = MappingProxyType({
    "python-loop-over-values": (Change("capture_scalar_outputs", True),),
    "tensor-to-python-number": (Change("capture_scalar_outputs", True),),
    "data-dependent-shape": (Change("capture_dynamic_output_shape_ops", True),),
    "disabled-function": ("inline",),
    "user-requested-break": ("inline",),
    "rnn-module": (Change("allow_rnn", True),),
    "too-long": (Change("max_instructions", None), Change("max_trace_seconds", None)),
    "dynamic-shape-unsupported": (Change("dynamic", False),),
})  # fmt: skip

_ID = re.compile(r"\[([a-z-]+)\]$")  # behind the reason of a frame that runs as Python


def suggestions(found: Any) -> list[Override | Change]:
    """What to try against one of `session.graph_breaks`, `session.recompiles` or `session.frames`; [] where nothing is known.

    A recompile is answered by what changed: integers and sizes that may become symbolic, and the settings that make them so.
    """
    if hasattr(found, "failed_guards"):
        return _for_recompile(found)
    id = _ID.search(found.reason)
    place = getattr(found, "location", None)
    reason = id[1] if id else found.reason
    answers: list[Override | Change] = []
    for remedy in REMEDIES.get(reason, ()):
        needed = entry(reason).setting_if
        if isinstance(remedy, Change):
            if needed and not found.context.get(needed):
                continue
            answers.append(remedy)
        elif place is not None and place.line > 0:
            answers.append(Override(remedy, Where(line=place.line, file=place.file)))
    return answers


def _for_recompile(found: Any) -> list[Override | Change]:
    answers: dict[Override | Change, None] = {}
    for source, value in found.values.items():
        if source and re.fullmatch(r"-?\d+", value):
            answers[Override("symbolic", Where(source))] = None
        for expression, seen in found.failed_guards:
            if seen == value and not found.fixed and expression.startswith(f"{source} is a Tensor of "):
                answers |= dict.fromkeys(Override("dynamic", Where(source), dim) for dim in _moved(expression, seen))
    return [*answers, *(change for change, _ in settings_for(found))]


_TENSOR = re.compile(r"Tensor of ([\w.]+), size \[([^]]*)\]")


def _moved(expected: str, seen: str) -> list[int]:
    """The dimensions that differ, where nothing else does that these texts tell."""
    before, now = _TENSOR.search(expected), _TENSOR.search(seen)
    if before is None or now is None or before[1] != now[1]:
        return []
    sizes = [text[2].split(", ") for text in (before, now)]
    return [dim for dim, (a, b) in enumerate(zip(*sizes, strict=True)) if a != b] if len(sizes[0]) == len(sizes[1]) else []
