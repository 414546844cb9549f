"""Programs that combine features behave traced as untraced: a few that are always drawn, thousands where slow tests run (`make combined`)."""

from __future__ import annotations

import pytest

from tests.combined.programs import GROUPS, PLACES, Program, differences, drawn
from tracer import translate


@pytest.mark.parametrize("number", range(6))
def test_a_combined_program(number: int) -> None:
    made = drawn(number)
    found = differences(made)
    assert found is None, f"{made}\n{made.source}\n{found}"


def test_every_piece_fits_into_every_place() -> None:
    pieces = [name for rows in GROUPS.values() for name in rows]
    for number, name in enumerate(pieces):
        made = Program(((name, ((pieces[number - 1], ()),)),), list(PLACES)[number % len(PLACES)], (number, "torch._dynamo.graph_break()"))
        compile(made.source, name, "exec")
        assert made.broken is None or "graph_break" in made.source
        assert "§" not in made.source and "HOLE" not in made.source and "BODY" not in made.source


def test_without_one_kind_of_guard_a_program_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    lower = translate.lower
    monkeypatch.setattr(translate, "lower", lambda guards, **options: lower([guard for guard in guards if guard.kind != "EQUALS_MATCH"], **options))
    found = differences(Program((("formatted", ()), ("printed", ())), "in a try", None))
    assert found is not None and "log[0]" in found


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_combined_programs() -> None:
    wrong = [f"{made}\n{made.source}\n{found}" for made in map(drawn, range(2000)) if (found := differences(made)) is not None]
    assert not wrong, "\n".join(wrong)
