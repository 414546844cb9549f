"""State that a program reads changes between calls, and changes back: 500 drawn programs; and the draw can fail.

`make second-inputs` draws 10,000.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.second_inputs.programs import Program, differing, program
from tracer import translate

CHUNK = 50


@pytest.mark.parametrize("start", range(0, 500, CHUNK))
def test_a_change_between_calls_is_seen_and_so_is_the_change_back(start: int) -> None:
    wrong = [(made, *found) for made in map(program, range(start, start + CHUNK)) if (found := differing(made)) is not None]
    assert not wrong, "\n".join(f"{made}\n  plain  {plain}\n  traced {traced}" for made, plain, traced in wrong)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("EQUALS_MATCH", "attribute"),
        ("CLASS_ATTRIBUTE", "attribute of a base"),
        ("MRO", "isinstance"),
        ("NOT_REGISTERED", "registered class"),
        ("DICT_ABSENT", "attribute that comes"),
        ("CODE_MATCH", "code of a method"),
        ("BUILTINS", "builtin"),
        ("EMPTY_CELL", "empty cell"),
        ("SAME_OBJECT", "one float or two"),
        ("NOT_SAME_OBJECT", "two names, one list"),
        ("LENGTH", "length of a list"),
        ("DICT_KEYS", "order of keys"),
        ("SET_MATCH", "set"),
        ("TENSOR_MATCH", "requires_grad"),
        ("TENSOR_SAYS", "view"),
        ("ANSWER", "dtype of autocast elsewhere"),
        ("GLOBAL_STATE", "grad mode"),
    ],
)
def test_without_one_kind_of_guard_a_program_is_wrong(kind: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lower = translate.lower

    def without(guards: Any, **options: Any) -> Any:
        return lower([guard for guard in guards if guard.kind != kind], **options)

    made = Program(state, "branch on equality", "directly")
    assert differing(made) is None
    monkeypatch.setattr(translate, "lower", without)
    found = differing(made)
    assert found is not None
    plain, traced = found
    assert plain[0] == traced[0] and plain[1:] != traced[1:]
