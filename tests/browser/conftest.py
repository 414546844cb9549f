"""Browser tests skip themselves where there is no Chromium. With TRACER_BROWSER=required a skipped one has failed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.skipped and os.environ.get("TRACER_BROWSER") == "required":
        report.outcome, report.longrepr = "failed", f"a browser test was skipped: {report.longrepr[2]}"
    return report
