"""The cases of `cases.py` and `poison.py`, each under every supported CPython."""

from __future__ import annotations

import functools
import json

import pytest

from tests.isa import cases, poison
from tests.isa.interpreters import VERSIONS, interpreter, run


@functools.cache
def _outcomes(module: str, version: str) -> dict[str, str | None]:
    """One process for all cases of a module: starting an interpreter takes longer than they do."""
    return json.loads(run(version, module))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [*cases.cases(), *poison.cases()])
def test_case(name: str, version: str) -> None:
    interpreter(version)  # may skip
    module = cases if name in cases.cases() else poison
    failure = _outcomes(module.__name__, version)[name]
    if failure:
        pytest.fail(failure, pytrace=False)
