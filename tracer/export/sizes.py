"""What a trace relied on of sizes and numbers that stand for any, as conditions in Python.

In: a guard, and how each number that it reads is spelled. Out: `Condition`s. They stand in the `forward` of a graph's class, over its
inputs, where torch.export takes them up as it traces the class, and in the checks of the call, over its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.guards import Guard
from tracer.guards.shapes import Read
from tracer.sources import Source

if TYPE_CHECKING:
    from tracer.export.capture import CapturedGraph

__all__ = ["Condition", "conditions", "size_checks"]

_READ = re.compile(r"\b_r(\d+)\b")
#: What conditions may name: Python's own functions, and modules that the file imports.
_NAMES = frozenset({"abs", "float", "int", "max", "min", "round", "bool", "and", "or", "not", "in", "is", "True", "False", "if", "else"})
_MODULES = re.compile(r"\b(?:math|torch)(?:\.\w+)+")
#: How a value is spelled, None for what isn't among the things that there are.
Spell = Callable[[Source], "str | None"]


class Condition(NamedTuple):
    """`text` as a person reads it, `code` with the values as they were spelled. `missing`: of how many of its numbers there is no value,
    or None where it can't be written down."""

    text: str
    code: str
    missing: int | None
    reads: int


def conditions(guard: Guard, spell: Spell) -> Iterator[Condition]:
    """Of a guard of the kinds SHAPES and WITHIN; of others there are none."""
    if guard.kind == "WITHIN" and guard.source is not None:
        value = spell(guard.source)
        for part in guard.expected:
            yield Condition(_within(guard.source.text, *part), _within(value or "", *part), int(value is None), 1)
    elif guard.kind == "SHAPES":
        shapes = guard.expected
        for expression in shapes.expressions:
            used = shapes.used(expression)
            spelled = {number: _number(shapes.reads[number], spell) for number in used}
            missing = sum(one is None for one in spelled.values())
            rest = _MODULES.sub("", _READ.sub("", expression))
            known = set(re.findall(r"[A-Za-z_]\w*", rest)) <= _NAMES
            code = _READ.sub(partial(_value, spelled), expression)
            yield Condition(shapes.text(expression), code, missing if known else None, len(used))


def _value(spelled: dict[int, str | None], found: re.Match[str]) -> str:
    return str(spelled[int(found[1])])


def _within(value: str, dim: int | None, least: int | None, most: int | None) -> str:
    number = value if dim is None else f"{value}.shape[{dim}]"
    return f"{'' if least is None else f'{least} <= '}{number}{'' if most is None else f' <= {most}'}"


def _number(read: Read, spell: Spell) -> str | None:
    value = spell(read.source)
    if value is None:
        return None
    below = {"value": "", "size": f".shape[{read.index}]", "stride": f".stride()[{read.index}]", "offset": ".storage_offset()"}
    return value + below[read.property]


def size_checks(graph: CapturedGraph) -> list[str]:
    """Statements over the parameters of a graph's class: conditions on its inputs alone."""
    inputs: dict[str, Any] = {one.source: one.parameter for one in graph.inputs}
    found = (one for guard in graph.guards for one in conditions(guard, lambda source: inputs.get(source.text)))
    return list(dict.fromkeys(f"holds({one.text!r}, lambda: {one.code})" for one in found if one.missing == 0))
