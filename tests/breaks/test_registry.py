"""torch's break numbers and our ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tracer.breaks import CATALOGUE, registry
from tracer.compat.dynamo import break_registry
from tracer.observer.breaks import payload


def test_every_row_is_an_entry() -> None:
    assert set(registry._NUMBERS) | set(registry._NEWER) <= set(CATALOGUE)


def test_numbers_that_came_after_2_13_stand_for_an_entry() -> None:
    newer = {number for numbers in registry._NEWER.values() for number in numbers.split()}
    assert not newer & {number for numbers in registry._NUMBERS.values() for number in numbers.split()}
    known = {number.removeprefix("GB") for number in break_registry()}
    if not known & newer:
        pytest.skip("this torch has none of them")
    if "6602" in known:  # the newest of which we know
        assert newer <= known


def test_a_number_of_which_no_text_was_heard_is_worded_by_the_installed_torch() -> None:
    number, (title, explanation, hints) = next(iter(break_registry().items())) if break_registry() else pytest.skip("no registry")
    reason = f"something\n  …/gb/{number.lower()}.html"
    found = payload(None, reason, [], ())
    assert found[1:4] == (title, explanation, hints) and ("number", number) in found[4]


def test_numbers_exist_in_the_installed_torch() -> None:
    path = Path(torch.__file__).parent / "_dynamo" / "graph_break_registry.json"
    if not path.exists():
        pytest.skip("this torch has no registry of breaks")
    known = set(json.loads(path.read_text()))
    if not torch.__version__.startswith("2.13"):
        pytest.skip("the numbers were taken from torch 2.13")
    assert {"GB" + number for numbers in registry._NUMBERS.values() for number in numbers.split()} <= known


@pytest.mark.parametrize(
    ("number", "ids"),
    [
        ("GB0124", ("tensor-to-python-number", "break-inside-try")),
        ("gb0170", ("data-dependent-branch", "assert-on-tensor")),
        ("GB9999", ()),
    ],
)
def test_ids_of(number: str, ids: tuple[str, ...]) -> None:
    assert registry.ids_of(number) == ids


def test_numbers_of() -> None:
    assert registry.numbers_of("tensor-to-python-number")[0] == "GB0124"
    assert registry.numbers_of("star-import") == ()
