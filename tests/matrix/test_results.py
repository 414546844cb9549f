"""Results of pairs that are run piece by piece, and the page that is made of them."""

import pytest

from tests.matrix.__main__ import main
from tests.matrix.page import kept, page

CASE = '<testcase classname="tests.guards.test_x" name="{}">{}</testcase>'


def report(folder, *cases):
    path = folder / "report.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(CASE.format(*case) for case in cases)}</testsuite></testsuites>")
    return str(path)


@pytest.fixture
def take(tmp_path, monkeypatch):
    def taken(*cases, tests=()):
        asked = ["matrix", "py3.13-torch2.15.0", "--report", report(tmp_path, *cases), "--versions", "3.13.0 2.15.0+cpu", "--folder", str(tmp_path)]
        monkeypatch.setattr("sys.argv", asked + (["--tests", *tests] if tests else []))
        return main(), kept(tmp_path / "results")

    return taken


def test_a_part_stands_beside_the_whole_and_a_new_whole_in_its_place(take):
    status, results = take(("one", ""), ("two", "<failure/>"), ("three", '<skipped message="no GPU"/>'))
    assert status == 1
    text = page(results)
    assert "| 3.13 | 2.15.0 | – | – | 1 passed, 1 failed, 1 skipped | 1 |" in text
    assert "## Python 3.13.0 with torch 2.15.0+cpu" in text and "- failed: `guards.test_x::two`" in text and "- 1 skipped: no GPU" in text

    status, results = take(("two", ""), tests=["tests/guards"])
    text = page(results)
    assert "1 passed, 1 failed, 1 skipped | 1 |" in text and "tests/guards: 1 passed" in text

    results["py3.13-torch2.15.0"]["since"] = {"guards.test_x::two": "mended"}
    assert "| 1, passes since |" in page(results) and "`guards.test_x::two`; passes since: mended" in page(results)

    status, results = take(("one", ""), ("two", ""))
    assert status == 0 and "| 2 passed | 0 |" in page(results)
