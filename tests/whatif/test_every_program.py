"""Overrides at lines of the differential programs: whatever they do to graphs, results stay those of the untraced program."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from tests.differential import Traced, check
from tests.programs import all_programs

PROGRAMS = [p for p in all_programs() if p.make_args is not None and hasattr(p.fn, "__code__")]
ACTIONS = ("break_here", "eager", "graph_node", "inline")

#: (program, action) that any break there gets wrong, whoever asks for it.
KNOWN = {
    ("hard.dict_and_set_run_user_hash_in_order", "break_here"),
    ("hard.dict_and_set_run_user_hash_in_order", "eager"),
}


def lines_of(program: Any) -> list[int]:
    code = program.fn.__code__
    return sorted({line for *_, line in code.co_lines() if line and line > code.co_firstlineno})


def held_against_untraced(program: Any, action: str, number: int) -> None:
    text = f"{action} at {program.fn.__code__.co_filename}:{number}"
    compiler = Traced(**{**program.config, "overrides": [text]})
    check(
        program.fn,
        program.make_args,
        program.calls,
        compiler=compiler,
        ignore=program.ignore,
        tolerance=program.tolerance,
    )


@pytest.mark.parametrize("program", random.Random(5).sample(PROGRAMS, 80), ids=lambda program: program.name)
def test_some(program: Any) -> None:
    chosen = random.Random(program.name)
    action = chosen.choice(ACTIONS)
    if (program.name, action) not in KNOWN and lines_of(program):
        held_against_untraced(program, action, chosen.choice(lines_of(program)))


@pytest.mark.parametrize("program", random.Random(6).sample(PROGRAMS, 40), ids=lambda program: program.name)
def test_a_break_at_some_line(program: Any) -> None:
    if (program.name, "break_here") not in KNOWN and lines_of(program):
        held_against_untraced(program, "break_here", random.Random(program.name).choice(lines_of(program)))


def adds_up(values: list[torch.Tensor]) -> torch.Tensor:
    out = torch.zeros(2)
    for value in values:
        out = out + value
        first, second = value, out
        out, value = second, first
    return out if not out.sum() > 100 else value


def test_breaks_at_lines_that_begin_and_end_with_paired_instructions() -> None:
    """CPython 3.13 loads two locals in one instruction; code that goes on behind a break has two for it."""
    first = adds_up.__code__.co_firstlineno
    for number in range(first + 1, first + 7):
        compiler = Traced(overrides=[f"break_here at {__file__}:{number}"])
        check(adds_up, lambda: ([torch.ones(2), torch.arange(2.0), torch.ones(2) * 60],), 2, compiler=compiler)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_break_at_every_line(program: Any) -> None:
    if (program.name, "break_here") not in KNOWN:
        for number in lines_of(program):
            held_against_untraced(program, "break_here", number)
