"""A pytest plugin: which test ran which line. `pytest -p tests.mutation.covering`, with the file to write in TRACER_COVERING.

Lines that ran while modules were imported belong to no test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import coverage
import pytest

__all__: list[str] = []

_ASKED = os.environ.get("TRACER_COVERING")
_coverage = coverage.Coverage(data_file=_ASKED, source=["tracer"], config_file=False, messages=False) if _ASKED else None


def pytest_configure() -> None:
    assert _coverage is not None, "TRACER_COVERING names the file to write"
    _coverage.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    assert _coverage is not None
    _coverage.switch_context(item.nodeid)
    try:
        return (yield)
    finally:
        _coverage.switch_context("")


def pytest_unconfigure() -> None:
    assert _coverage is not None
    _coverage.stop()
    _coverage.save()
