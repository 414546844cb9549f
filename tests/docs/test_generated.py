"""The generated pages say what the code says now, and name everything that has to be named."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from docs.generate import PAGES, maker
from tracer.breaks import CATALOGUE
from tracer.builder.sourceless import sourceless
from tracer.builder.table import rules
from tracer.compat import TORCH_VERSION
from tracer.compat.versions import PROVEN
from tracer.coverage import ROWS, STATES
from tracer.coverage.listing import grouped
from tracer.functions.table import calls
from tracer.guards.kind import KINDS
from tracer.interpreter.table import HANDLERS
from tracer.isa.canonical import OPS

DOCS = Path(__file__).resolve().parents[2] / "docs"
HERE = Path(__file__).resolve().parent

TABLES = {"VariableBuilder": rules, "SourcelessBuilder": sourceless, "calls": calls}

#: Section → the rows that the page has to name, one a line; written down apart from the table that makes the page.
EXPECTED = {
    int(part.split("\n", 1)[0]): part.strip().split("\n")[1:]
    for part in (HERE / "rows.txt").read_text(encoding="utf-8").split("# ")[1:]
}


@pytest.fixture(scope="module")
def coverage() -> str:
    return (DOCS / "coverage.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_fresh(page: str) -> None:
    if page == "coverage.md" and (sys.version_info[:2] != (3, 11) or not torch.__version__.startswith("2.13")):
        pytest.skip("the page lists the rules and says what its probes do on Python 3.11 and torch 2.13")
    make = maker(PAGES[page])
    assert make is not None
    assert (DOCS / page).read_text(encoding="utf-8") == make(), "run make docs"


@pytest.mark.parametrize("section", EXPECTED)
def test_every_row_is_named(section: int, coverage: str) -> None:
    text = re.split(r"^## ", coverage, flags=re.MULTILINE)
    found = next(part for part in text if part.startswith(f"{section}. "))
    named = {line.split(" | ")[0].removeprefix("| ") for line in found.splitlines() if line.startswith("| ")}
    missing = [row for row in EXPECTED[section] if row.replace("|", "\\|") not in named]
    assert not missing, missing


def test_every_row_has_a_state_that_the_page_explains(coverage: str) -> None:
    first = coverage.split("## All rules")[0].split("## 1. ")[1]
    states = re.findall(r"^\| .* \| \*([^*]+)\* \| .* \|$", first, flags=re.MULTILINE)
    assert len(states) == len(ROWS)
    assert set(states) <= set(STATES)


def test_rows_are_named_once() -> None:
    twice = [key for key, count in Counter((row.section, row.group, row.name) for row in ROWS).items() if count > 1]
    assert not twice


def test_every_operation_is_a_row() -> None:
    named = {row.name for row in ROWS if row.section == 8}
    assert {f"`{name}`" for name in OPS} <= named
    assert set(HANDLERS) <= set(OPS)


@pytest.mark.parametrize("title", TABLES)
def test_every_rule_says_what_it_does(title: str) -> None:
    silent = [f"{rule.__module__}.{rule.__name__}" for _, _, rule in TABLES[title].rows if not (rule.__doc__ or "").strip()]
    assert not silent


@pytest.mark.parametrize("title", ["VariableBuilder", "SourcelessBuilder"])
def test_no_rule_is_listed_twice(title: str) -> None:
    found = grouped(TABLES[title].rows)
    twice = [name for name, count in Counter(rule.__name__ for rule in found).items() if count > 1]
    assert not twice, "the page, and the recording of a choice, name rules by their function"


def test_no_call_rule_is_listed_twice(coverage: str) -> None:
    for part in coverage.split("### Call rules")[1].split("#### ")[1:]:
        rows = Counter(line for line in part.split("###")[0].splitlines() if line.startswith("| `"))
        assert not [row for row, count in rows.items() if count > 1], part.split("\n")[0]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11) or TORCH_VERSION != PROVEN, reason="the page lists what there is on Python 3.11 with torch 2.13")
def test_the_listing_has_every_table(coverage: str) -> None:
    listed = coverage.split("## All rules")[1]
    missing = [name for name in (*KINDS, *HANDLERS) if f"`{name}`" not in listed]
    missing += [rule.__name__ for table in TABLES.values() for _, _, rule in table.rows if f"`{rule.__name__}`" not in listed]
    assert not missing


def test_links_to_breaks_lead_somewhere(coverage: str) -> None:
    headings = set(re.findall(r"^### (\S+)$", (DOCS / "breaks.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert headings >= set(CATALOGUE)
    assert set(re.findall(r"breaks\.md#([a-z-]+)", coverage)) <= headings


def test_no_clause_of_a_template_is_left() -> None:
    prose = re.sub(r"```.*?```", "", (DOCS / "breaks.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert "[[" not in prose
    assert "]]" not in prose
