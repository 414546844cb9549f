"""The marker stands under the expression whatever stands before it: tabs, wide characters, bytes that are not one column."""

import linecache

import pytest

from tracer.explain import excerpt, explain, source_of
from tracer.explain.words import width
from tracer.records import GraphBreak, Place, Records


def lookup(*lines):
    return lambda _file, number: lines[number - 1] if 0 < number <= len(lines) else None


def columns(line, part):
    """Byte columns of a part of a line."""
    start = len(line[: line.index(part)].encode())
    return start, start + len(part.encode())


def marked(line, part):
    start, end = columns(line, part)
    return excerpt(Place("m.py", 1, start, 1, end), lookup(line)).lines[0]


def picture(*lines, place):
    """What the terminal shows under the place, without line numbers."""
    linecache.cache["picture.py"] = (1, None, [line + "\n" for line in lines], "picture.py")
    try:
        found = GraphBreak("r", "T", location=place._replace(file="picture.py"))
        text = explain(Records(graph_breaks=[found]))
    finally:
        del linecache.cache["picture.py"]
    return [line.split("│", 1)[1].removeprefix(" ") for line in text.splitlines() if "│" in line]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("    if h.max() > 3:", "h.max() > 3"),
        ("\tif\th.max() > 3:\t# x", "h.max() > 3"),
        ("    größe = h.max()", "h.max()"),
        ("    名前 = f(値, h.max())", "h.max()"),
        ("    s = '🙂' + h.item()", "h.item()"),
        ("    é = h.max()", "h.max()"),  # a combining accent
    ],
)
def test_the_marker_stands_under_the_expression(line, part):
    shown = marked(line, part)
    assert shown.marked == part and not shown.before.startswith(" ") and "\t" not in "".join(shown[1:])
    start, end = columns(line, part)
    text, marker = picture(line, place=Place("", 1, start, 1, end))
    assert marker == " " * width(text[: text.index(part)]) + "^" * width(part)


def test_an_expression_over_several_lines():
    lines = ("    y = torch.where(", "        x > 0,", "", "        x,", "    ).sum()")
    start, end = columns(lines[0], "torch.where(")[0], columns(lines[4], ")")[1]
    assert picture(*lines, place=Place("", 1, start, 5, end)) == [
        "y = torch.where(",
        "    ^^^^^^^^^^^^",
        "    x > 0,",
        "    ^^^^^^",
        "",
        "    x,",
        "    ^^",
        ").sum()",
        "^",
    ]


def test_a_very_long_expression_is_cut():
    shown = excerpt(Place("m.py", 1, 0, 40, 3), lookup(*["abc"] * 40))
    assert len(shown.lines) == 6 and shown.more == 34
    assert "… 34 more" in "\n".join(picture(*["abc"] * 40, place=Place("", 1, 0, 40, 3)))


def test_a_very_long_line_is_cut_around_the_mark():
    line = "a" * 5000 + "MARK" + "b" * 5000
    shown = marked(line, "MARK")
    assert shown.marked == "MARK" and len("".join(shown[1:])) < 400
    assert len(excerpt(Place("m.py", 1), lookup(line)).lines[0].before) < 400


@pytest.mark.parametrize(
    "place",
    [
        Place("m.py", 1),
        Place("m.py", 1, -1, 1, 5),
        Place("m.py", 1, 90, 1, 95),
        Place("m.py", 1, 5, 1, 2),
        Place("m.py", 1, 0, 0, 0),
    ],
)
def test_columns_that_are_unknown_or_odd_mark_nothing(place):
    assert [line.marked for line in excerpt(place, lookup("x = 1")).lines] == [""]


def test_a_column_within_a_character_does_no_harm():
    assert "é" in "".join(excerpt(Place("m.py", 1, 1, 1, 3), lookup("éé")).lines[0][1:]).replace("\ufffd", "é")


def test_a_place_that_is_unknown_has_no_excerpt():
    assert excerpt(None, lookup("x")) is None
    assert excerpt(Place("m.py", 0), lookup("x")) is None
    assert excerpt(Place("m.py", 9), lookup("x")) is None
    text = explain(Records(graph_breaks=[GraphBreak("r", "T", location=Place("/nowhere/m.txt", 3))]))
    assert "/nowhere/m.txt:3" in text and "(source not available)" in text


def test_control_characters_of_the_source_are_spelt_out():
    shown = marked("x = '\x1b[31m' + h.item()\u202e", "h.item()")
    assert shown.before == "x = '\\x1b[31m' + " and shown.after == "\\u202e"


def test_recorded_lines_come_before_those_of_this_machine(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("here = 1\n")
    file = str(path)
    assert source_of(Records())(file, 1) == "here = 1\n"
    recorded = source_of(Records(sources={file: {1: "there = 1"}}))
    assert recorded(file, 1) == "there = 1" and recorded(file, 2) is None
    (tmp_path / "secret.txt").write_text("secret\n")
    assert source_of(Records())(str(tmp_path / "secret.txt"), 1) is None
