"""Pausing changes nothing: each registered program, paused at every event of every call, behaves as it does untraced; a third of them in `make test`."""

from __future__ import annotations

import pytest

from tests.control.stepped import run_stepped
from tests.parts import one_in
from tests.programs import Program, all_programs
from tests.programs.known import KNOWN

#: What a thread of its own for each call changes: autograd's numbering of nodes (see run_stepped), and a program that
#: calls its own session, which is being stepped; and what shows that arguments are kept.
OTHERWISE = {
    "autograd.training_step": "the error text of a second backward names a version that depends on the order of sums",
    "modules.dtype_of_the_module_changes": "the order of sums decides which of two dtypes a gradient begins with",
    "autograd_functions.random_numbers_in_forward_and_backward": "the order of sums decides which of two backwards draws first",
    **dict.fromkeys(
        ("copies.classes_that_look_attributes_up", "copies.classes_that_answer_what_copying_asks", "copies.a_copy_that_is_changed_like_its_original"),
        "a stepped session keeps what a call is given, as copies: objects that note what copying asks of them note that too",
    ),
    "hard.program_that_calls_its_own_traced_self": "steps a session inside of its own stepped call, which is refused",
}

PROGRAMS = [p for p in all_programs() if p.name not in KNOWN]


@pytest.mark.parametrize("one", one_in(3, (p for p in PROGRAMS if p.name not in OTHERWISE), lambda p: p.name))
def test_paused_at_every_event(one: Program) -> None:
    run_stepped(one)


def test_exceptions_are_programs() -> None:
    assert set(OTHERWISE) <= {p.name for p in PROGRAMS}
