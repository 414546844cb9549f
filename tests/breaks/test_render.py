"""Templates: what is known is filled in, what is not known leaves no trace."""

from __future__ import annotations

import re

import pytest

from tests.breaks.test_table import FULL
from tracer.breaks import CATALOGUE, render
from tracer.breaks.template import fill, parse, shown


@pytest.mark.parametrize(
    ("template", "known", "text"),
    [
        ("[[Line {line}|This line]] stops[[ at `{expr}`]].", {"line": "3"}, "Line 3 stops."),
        ("[[Line {line}|This line]] stops[[ at `{expr}`]].", {"expr": "x[0]"}, "This line stops at `x[0]`."),
        ("A tensor[[ ({shape}[[, {dtype}]])]].", {"shape": "[4]"}, "A tensor ([4])."),
        ("A tensor[[ ({shape}[[, {dtype}]])]].", {"dtype": "bool"}, "A tensor."),
        ("First. Then {expr} is cut. Last.", {}, "First. Last."),
        ("[[{a}|{b}|c]] d", {"b": "2"}, "2 d"),
        ("[[{graphs} graphs, ]]a wait", {}, "a wait"),
        ("`x[:n]` and x | y stay", {}, "`x[:n]` and x | y stay"),
        ("a lone ]] stays", {}, "a lone ]] stays"),
        ("{expr} once", {"expr": "{line} [[x]]"}, "{line} [[x]] once"),
    ],
)
def test_fill(template: str, known: dict[str, str], text: str) -> None:
    assert fill(template, known) == text


def test_an_open_clause_is_an_error() -> None:
    with pytest.raises(ValueError, match="not closed"):
        parse("[[never closed")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("shape", (2, 4), "[2, 4]"),
        ("shape", (), "0-d"),
        ("shape", "(4,)", "[4]"),
        ("shape", "()", "0-d"),
        ("shape", ("s0", 3), "[s0, 3]"),
        ("dtype", "torch.float32", "float32"),
        ("value", 0.1, "0.1"),
        ("value", True, "True"),
        ("limit", 300.0, "300"),
        ("expr", "f(\n    x)", "f( x)"),
        ("type", "<unknown type>", None),
        ("type", "TensorVariable", None),
        ("type", dict, "dict"),
        ("expr", "", None),
        ("expr", None, None),
        ("graphs", 1, None),
        ("graphs", 2, "2"),
    ],
)
def test_shown(name: str, value: object, text: str | None) -> None:
    assert shown(name, value) == text


def test_values_of_the_program_are_never_asked_for_a_text() -> None:
    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("a user's code ran")

        __str__ = __format__ = __getattribute__ = __repr__  # type: ignore[assignment]

    assert shown("value", Loud()) == "Loud"


def test_long_values_are_cut() -> None:
    text = shown("expr", "x" * 500)
    assert text is not None and len(text) == 100 and text.endswith("…")


@pytest.mark.parametrize("id", CATALOGUE)
def test_no_template_syntax_comes_out(id: str) -> None:
    for context in (FULL, {}, *({name: value} for name, value in FULL.items())):
        rendered = render(id, **context)
        assert rendered.id == id and rendered.title
        for text in (rendered.title, rendered.explanation, rendered.why_it_matters, *rendered.hints):
            assert text and text == text.strip()
            assert not re.search(r"\[\[|\]\]|\{|\}|  | \.( |$)| ,|``|<unknown|None", text), (context, text)


def test_an_example_in_full() -> None:
    rendered = render("data-dependent-branch", line=42, test="h.max() > 3", construct="if", is_if="h.max() > 3", shape=(), dtype="torch.bool", graphs=3)
    assert rendered.explanation == (
        "Line 42 chooses a path with `h.max() > 3`, and `h.max() > 3` is a tensor (0-d, bool). Its value exists only once "
        "the graph has run, but Python needs True or False now. So the graph ends here, the value is computed, and each "
        "path taken gets a graph of its own."
    )
    assert rendered.why_it_matters == (
        "3 graphs instead of 1; one device-to-host wait at line 42 on every call; nothing fuses across the branch."
    )
    assert rendered.hints[0].startswith("Replace the `if` by `torch.where(condition, a, b)` when both paths are cheap")


def test_an_example_of_which_nothing_is_known() -> None:
    rendered = render("tensor-to-python-number")
    assert rendered.explanation.startswith("This line asks a tensor for a plain Python number")
    assert not any("Setting" in hint for hint in rendered.hints)  # nothing says that it would help


def test_a_setting_is_named_where_it_takes_the_break_away() -> None:
    rendered = render("tensor-to-python-number", setting="capture_scalar_outputs")
    assert rendered.hints[-1].startswith("Setting: `capture_scalar_outputs=True` keeps the graph whole here")
