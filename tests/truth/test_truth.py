"""A fixed sample of `make truth`; and a statement that isn't so is found out."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest

from tests.truth.corpora import CORPORA, Sample
from tests.truth.facts import Watch, places_of
from tests.truth.run import look
from tests.truth.statements import checked


def sample(corpus: str, part: str, every: int) -> list[Sample]:
    return list(itertools.islice((one for one in CORPORA[corpus]() if one.name.startswith(part)), 0, None, every))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("corpus", "part", "every", "advice"), [("catalogue", "", 2, True), ("programs", "breaks.", 5, False)])
def test_what_is_said_is_so(corpus: str, part: str, every: int, advice: bool) -> None:
    found = look(sample(corpus, part, every), advice=advice)
    assert found.breaks > 5 and found.total("right") > 30
    assert not found.wrong, "\n".join(f"{label}: {one.kind} {one.value!r}: {one.wrong}" for label, one in found.wrong)


def first(name: str) -> tuple[Any, Watch]:
    """The first break of a program of the catalogue, and what is seen of it untraced."""
    one = next(s for s in CORPORA["catalogue"]() if s.name == name)
    breaks = [found for ran in one.traced({}) for found in ran.breaks]
    watch = Watch(places_of(breaks))
    one.plain(watch)
    return breaks[0], watch


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("data-dependent-branch", {"line": "1"}),
        ("data-dependent-branch", {"test": "x.mean() > 0"}),
        ("data-dependent-branch", {"construct": "while"}),
        ("data-dependent-branch", {"shape": "(7,)"}),
        ("data-dependent-branch", {"dtype": "float32"}),
        ("break-inside-try", {"try_line": "1"}),
        ("break-inside-try", {"block": "with"}),
        ("python-loop-over-values", {"loop": "x"}),
        ("tensor-to-python-number", {"var": "nowhere"}),
        ("print-tensor", {"expr": "log(y)"}),
        ("unsupported-builtin", {"called": "shutil.which('ls')"}),
    ],
)
def test_what_is_not_so_is_found_out(name: str, changed: dict[str, str]) -> None:
    found, watch = first(name)
    assert not [one for one in checked(found, watch) if one.wrong]
    told = dataclasses.replace(found, context={**found.context, **changed})
    assert [one.kind for one in checked(told, watch) if one.wrong]
