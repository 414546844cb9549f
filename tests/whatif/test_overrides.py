"""Overrides as data: spelled, refused, written into recordings and read back."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

import tracer
from tests.whatif import programs
from tests.whatif.programs import run
from tracer.overrides import ACTIONS, Override, Step, Where, read

PATH = (Step("m.py", "f", 3, 10, 1), Step("m.py", "g", 9, 4, 0))

SPELLED = {
    "graph_node scale at model.py:12": Override("graph_node", Where("scale", 12, "model.py")),
    "eager at model.py:12 #2": Override("eager", Where(line=12, file="model.py", occurrence=2)),
    "inline helper": Override("inline", Where("helper")),
    "break_here at a folder/m.py:3": Override("break_here", Where(line=3, file="a folder/m.py")),
    "break_here at C:\\work\\m.py:3": Override("break_here", Where(line=3, file="C:\\work\\m.py")),
    "eager at <break x fix y>:3": Override("eager", Where(line=3, file="<break x fix y>")),
    "dynamic x.shape[0] = 2..64": Override("dynamic", Where("x"), (0, 2, 64)),
    "dynamic x.shape[0] = ..8": Override("dynamic", Where("x"), (0, None, 8)),
    "dynamic x.shape[batch]": Override("dynamic", Where("x"), "batch"),
    "dynamic x": Override("dynamic", Where("x")),
    "static self.w.shape[1]": Override("static", Where("self.w"), 1),
    "symbolic self.cfg['a']": Override("symbolic", Where("self.cfg['a']")),
    "constant n": Override("constant", Where("n")),
    "skip_guard x = TENSOR_MATCH": Override("skip_guard", Where("x"), "TENSOR_MATCH"),
    "skip_guard = GLOBAL_STATE": Override("skip_guard", Where(), "GLOBAL_STATE"),
    'eager at [["m.py", "f", 3, 10, 1], ["m.py", "g", 9, 4, 0]]': Override("eager", Where(decision=PATH)),
}


@pytest.mark.parametrize("text", SPELLED)
def test_a_text_and_its_override(text: str) -> None:
    assert Override.parse(text) == SPELLED[text]
    assert SPELLED[text].text == text
    assert Override.parse(f"  {text} ") == SPELLED[text]


@pytest.mark.parametrize("override", SPELLED.values(), ids=str)
def test_plain_values_and_back(override: Override) -> None:
    import json

    assert Override.from_plain(json.loads(json.dumps(override.plain()))) == override
    assert hash(Override.from_plain(override.plain())) == hash(override)


def test_examples_of_the_table_are_overrides_of_their_action() -> None:
    for name, row in ACTIONS.items():
        assert Override.parse(row.example).action == name


def test_a_dimension_in_the_source_is_the_value() -> None:
    assert Override("dynamic", Where("x.shape[1]")) == Override("dynamic", Where("x"), 1)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Override("graph_nod", Where("f")), "did you mean 'graph_node'"),
        (lambda: Override("inline", "f"), "give a Where"),
        (lambda: Override("inline", Where()), "which call"),
        (lambda: Override("inline", Where("f"), 3), "takes no value"),
        (lambda: Override("break_here", Where("f")), "needs a line"),
        (lambda: Override("dynamic", Where(line=3, file="m.py")), "source of a tensor"),
        (lambda: Override("dynamic", Where("x"), -1), "no dimension"),
        (lambda: Override("dynamic", Where("x"), (0, 1, 4)), "from 2"),
        (lambda: Override("dynamic", Where("x"), (0, 8, 4)), "nothing is from 8 to 4"),
        (lambda: Override("dynamic", Where("x"), (None, 2, 4)), "can't take"),
        (lambda: Override("static", Where("x"), (0, 2, 4)), "can't take"),
        (lambda: Override("symbolic", Where()), "source of a number"),
        (lambda: Override("skip_guard", Where()), "which guard"),
        (lambda: Override("skip_guard", Where(line=3, file="m.py")), "no line"),
        (lambda: Override("skip_guard", Where("x"), 3), "no kind of guard"),
        (lambda: Where(line=3), "give both"),
        (lambda: Where(line="3"), "give a int"),
        (lambda: Where("f", occurrence=2), "occurrence counts"),
        (lambda: Where("f", decision=PATH), "not both"),
        (lambda: Where(decision=[("m.py", 3)]), "a step is"),
        (lambda: Override.parse(""), "no override"),
        (lambda: Override.parse("eager at [1"), "no override"),
        (lambda: Override.parse("eager at [[1, 2]]"), "a step is"),
        (lambda: Override.parse("eager at [oops]"), "no path"),
        (lambda: Override.from_plain({"action": "eager"}), "can't be read"),
        (lambda: Override.from_plain({"action": "eager", "at": {"where": 1}}), "can't be read"),
        (lambda: read([3]), "is a int"),
        (lambda: tracer.Session(overrides=["eager at"]), "which call|no override"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_with_what_can(make: Any, says: str) -> None:
    with pytest.raises(tracer.TracerError, match=says):
        make()


def test_files_fit_by_their_end() -> None:
    at = Where(line=3, file="m.py")
    assert at.is_line("/a/m.py", 3) and at.is_line("m.py", 3)
    assert not at.is_line("/a/mm.py", 3) and not at.is_line("/a/m.py", 4) and not at.is_line("/a/m.py", None)


def test_a_path_fits_from_its_end_where_a_break_made_a_call_a_root() -> None:
    at = Where(decision=PATH)
    assert at.on_path(PATH) and at.on_path(PATH[1:])
    assert not at.on_path(PATH[:1])
    assert not at.on_path((Step("m.py", "f", 3, 10, 2), PATH[1]))
    assert at.on_path((PATH[0], PATH[1]._replace(occurrence=7))), "0: each time"


def test_they_are_in_the_recording(tmp_path: Path) -> None:
    session = run(programs.plain, "graph_node scale", Override("dynamic", Where("x"), (0, 2, 8)), "eager nobody")
    for name in ("r.jsonl", "r.jsonl.gz"):
        session.save(tmp_path / name)
        loaded = tracer.load(tmp_path / name)
        assert loaded.overrides == session.overrides and len(loaded.overrides) == 3
        assert loaded.records.overrides == session.records.overrides
        assert "no effect: it matches no call" in loaded.explain() and "decided about scale" in loaded.explain()
        assert loaded.config == session.config


def test_without_any_the_recording_says_nothing_of_them(tmp_path: Path) -> None:
    session = run(programs.plain)
    session.save(tmp_path / "r.jsonl")
    loaded = tracer.load(tmp_path / "r.jsonl")
    assert loaded.overrides == () and "overrides" not in loaded.journal.header["config"]
    assert "Overrides" not in loaded.explain()


def scaled(x: Any) -> Any:
    return programs.scale(x)


def test_copies_and_pickles_of_compiled_functions_keep_them() -> None:
    compiled = tracer.compile(scaled, backend="eager", overrides=["graph_node scale"])
    for made in (compiled, copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert torch.equal(made(torch.ones(3)), scaled(torch.ones(3)))
        assert programs.targets(made.session) == [["scale"]]


def test_the_page_has_every_action() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "overrides.md").read_text(encoding="utf-8")
    for row in ACTIONS.values():
        assert f"| `{row.name}` | {row.about} | {row.meaning} | `{row.example}` |" in page
    for call in ("unmatched_overrides", "unsafe_runs", "unsafe", "overrides", "where_now", "override_now"):
        assert f"session.{call}" in page and hasattr(tracer.Session(), call)
