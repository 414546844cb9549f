"""torch's break numbers and our ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tracer.breaks import CATALOGUE, registry


def test_every_row_is_an_entry() -> None:
    assert set(registry._NUMBERS) <= set(CATALOGUE)


def test_numbers_exist_in_the_installed_torch() -> None:
    path = Path(torch.__file__).parent / "_dynamo" / "graph_break_registry.json"
    if not path.exists():
        pytest.skip("this torch has no registry of breaks")
    known = set(json.loads(path.read_text()))
    if not torch.__version__.startswith("2.13"):
        pytest.skip("the numbers were taken from torch 2.13")
    assert {"GB" + number for number in registry._IDS} <= known


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
