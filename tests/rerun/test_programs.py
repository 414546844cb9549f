"""Programs of tests/programs, run again: the same result, the same decisions, nothing left changed."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
import torch

import tracer
from tests.differential import Args, seed
from tests.programs import all_programs

#: Programs that can't be run again as they ran, each with what stays in the way.
NOT_THE_SAME = {
    "iterators_outside.two_steps_of_an_enumerated_dict": "an iterator over a dict is copied as one over a list",
    "iterators_outside.rest_of_a_dict_iterator": "an iterator over a dict is copied as one over a list",
    "tensor_hooks.handle_number": "torch counts the handles of a process",
    "keys.user_keys_that_note_it_leave": "copying a dict asks its keys for their hash",
    "copies.a_memo_of_the_program": "it looks for the address of an object, which is another one",
    **dict.fromkeys(
        ("copies.classes_that_look_attributes_up", "copies.classes_that_answer_what_copying_asks", "copies.a_copy_that_is_changed_like_its_original"),
        "what a call is given is kept as copies: objects that note what copying asks of them note that too",
    ),
}
PROGRAMS = [p for p in all_programs() if p.make_args is not None]
SAMPLE = PROGRAMS[::9]


def call(program: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    seed(1000)
    made = program.make_args()
    made = made if isinstance(made, Args) else Args(*(made if isinstance(made, tuple) else (made,)))
    return made.args, made.kwargs


def same(a: Any, b: Any, depth: int = 0) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and (
            a.layout is not torch.strided or torch.equal(a, b) or torch.allclose(a, b, equal_nan=True)
        )
    if type(a) is not type(b) or depth > 10:
        return depth > 10
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y, depth + 1) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y, depth + 1) for x, y in zip(a.values(), b.values(), strict=True))
    return not isinstance(a, int | float | str | bytes | complex) or a == b or a != a


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", SAMPLE, ids=lambda p: p.name)
def test_runs_again_as_it_ran(program: Any) -> None:
    if program.name in NOT_THE_SAME:
        pytest.skip(NOT_THE_SAME[program.name])
    args, kwargs = call(program)
    with contextlib.redirect_stdout(io.StringIO()) as shown, tracer.Session(**program.config) as session:
        with contextlib.suppress(BaseException):  # some raise: then so do they again
            session.run(program.fn, *args, **kwargs)
        if not session.keeper.calls:
            pytest.skip("it compiles nothing")
        said = shown.getvalue()
        again = session.recompile()
        assert type(again.error) is (session.raised or type(None)), again.error
        if session.raised is None:
            assert again.not_comparable == "" or again.rerun_notes or "parameter" in again.not_comparable
            assert same(again.result, session.result) or again.not_comparable
        replayed = session.replay()
        assert replayed.ok, str(replayed)
        assert shown.getvalue() == said
    torch.set_default_dtype(torch.float32)  # one of them changes it, another gradients
    torch.set_grad_enabled(True)
