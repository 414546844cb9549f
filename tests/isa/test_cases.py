"""The cases of the plain scripts, each under every supported CPython."""

from __future__ import annotations

import functools
import json
from types import ModuleType

import pytest

from tests.isa import cases_frames, cases_instructions, poison
from tests.isa.interpreters import VERSIONS, interpreter, run


@functools.cache
def _outcomes(module: str, version: str) -> dict[str, str | None]:
    """One process for all cases of a module: starting an interpreter takes longer than they do."""
    return json.loads(run(version, module))


def _check(module: ModuleType, name: str, version: str) -> None:
    interpreter(version)  # may skip
    failure = _outcomes(module.__name__, version)[name]
    if failure:
        pytest.fail(failure, pytrace=False)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", cases_instructions.cases())
def test_instruction(name: str, version: str) -> None:
    _check(cases_instructions, name, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", cases_frames.cases())
def test_frame(name: str, version: str) -> None:
    _check(cases_frames, name, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", poison.cases())
def test_dead_locals_are_not_read(name: str, version: str) -> None:
    _check(poison, name, version)
