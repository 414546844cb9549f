"""The text that a person reads, compared as a whole; numbers and words right; nothing of the program's run or trusted."""

import linecache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tracer.explain import clean, count, explain, headline, html, report
from tracer.records import (
    Call,
    Fault,
    Frame,
    Graph,
    GraphBreak,
    Guard,
    Node,
    Place,
    Recompile,
    Records,
    Speculation,
    UserFrame,
    from_events,
)

from .sample import SOURCE, session

GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture
def records():
    linecache.cache["model.py"] = (len(SOURCE), None, SOURCE.splitlines(True), "model.py")
    found = from_events(session().events)
    for frame in found.frames:
        frame.seconds = 0.125
    yield found
    del linecache.cache["model.py"]


def compare(name, text):
    """Against a stored text; delete the file to store it anew."""
    path = GOLDEN / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert text + "\n" == path.read_text()


def test_everything(records):
    compare("everything.txt", explain(records))


def test_a_clean_run():
    nodes = [Node(f"n{i}", "call_function", "torch.relu") for i in range(1204)]
    frame = Frame("0/0", "f", "model.py", 4, "compiled", 1, "graph_0", call=1, seconds=123.4)
    graph = Graph("graph_0", "0/0", "inductor", 1.5, nodes)
    compare("clean.txt", explain(Records([Call(1, "f", (), "returned")], [frame], [graph])))


def test_nothing_was_compiled():
    frame = Frame("0/0", "f", "model.py", 4, "skipped", 2, reason="the break lies inside a with block")
    broken = GraphBreak(
        "opaque-context", "Lock inside the function", "Line 5 enters a lock.", location=Place("model.py", 5), call=1
    )
    compare(
        "nothing.txt", explain(Records([Call(1, "f", (), "raised", "ValueError: no")], [frame], graph_breaks=[broken]))
    )


def test_headlines():
    assert headline(Records()) == "Nothing was run yet."
    assert headline(Records([Call(1, "f")])).startswith("NOTHING WAS COMPILED · 0 graph breaks · 0 guards")
    assert count(1, "graph") == "1 graph" and count(0, "graph") == "0 graphs" and count(1204, "op") == "1,204 ops"
    assert count(2, "body", "bodies") == "2 bodies"


def test_long_lists_are_cut_and_say_so():
    many = Records(
        [Call(1, "f")],
        [Frame(f"{i}/0", f"f{i}", "a.py", i, "skipped", reason="r") for i in range(50)],
        guards=[Guard(f"x{i}", "TYPE_MATCH", "t") for i in range(50)],
        graph_breaks=[GraphBreak("r", f"T{i}", location=Place("a.py", i)) for i in range(50)],
        recompiles=[Recompile("f", (("a", "1"),)) for _ in range(50)],
        speculations=[Speculation("cond", "f") for _ in range(50)],
    )  # fmt: skip
    text = explain(many, most=10)
    for words in (
        "40 more graph breaks",
        "40 sources more",
        "40 recompiles more",
        "40 functions more",
        "40 frames more",
        "40 bodies more",
    ):
        assert f"{words}: session." in text or words in text, words
    assert len(text.splitlines()) < 200


def test_of_several_entries_that_failed_the_closest_is_told():
    one = Recompile("f", (("x == 1", "2"), ("type(y) is int", "a str")), {}, None, ("0/0", "0/1"), "0/2", 3)
    text = explain(Records([Call(1, "f")], recompiles=[one]))
    assert "f · x: 1 → 2" in text and "of 2 entries 0/0 came closest" in text and "type(y)" not in text


HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>`</code>`\x1b[31m\u202e\ud800\x00</style></details>"


def hostile():
    """Records in which every text tries to get out."""
    h = HOSTILE
    at = Place(h, 1, 0, 1, 5)
    return Records(
        [Call(1, h, (h,), "raised", h)],
        [Frame(h, h, h, 1, "compiled", 2, h, h, resumes=h), Frame("", h, h, 1, "skipped", reason=h), Frame(h, h, h, 2, "failed", reason=h)],
        [Graph(h, h, h, nodes=[Node(h, "call_function", h)])],
        [GraphBreak(h, h, h, (h, h + "\n" + h), at, (UserFrame(*at, h), UserFrame(*at, h)), {h: h}, [h], 1)],
        [Guard(h, h, h, h)],
        [Speculation(h, h, "rolled back", h, (h,), h, at), Speculation(h, h, "committed", graph=h)],
        [Recompile(h, ((h, h), (h, h)), {h: h}, at, (h, h + "2"), h, 1)],
        [Fault(h, h, h, at)],
        sources={h: {1: h}},
    )  # fmt: skip


class Tags(HTMLParser):
    """Collects tags, attributes and what a reader sees; tags must close in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.text = [], set(), set(), ""

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def test_hostile_texts_stay_texts_in_html():
    page = html(hostile(), note=HOSTILE)
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    assert tags.tags <= {
        "div",
        "style",
        "p",
        "details",
        "summary",
        "pre",
        "span",
        "mark",
        "ol",
        "li",
        "table",
        "tr",
        "td",
        "code",
    }
    assert tags.attributes <= {"class", "open", "colspan"}
    assert page.count("<style>") == 1 and "<script" not in page and "<img" not in page
    page.encode()
    assert not any(char in page for char in "\x00\x1b\u202e")
    assert tags.text.count("<script>alert(1)</script>") > 20


def test_hostile_texts_stay_texts_in_a_terminal():
    text = explain(hostile())
    text.encode()
    assert not any(char in text for char in "\x00\x1b\u202e")
    assert "\\x1b[31m\\u202e\\ud800\\x00" in text


def test_html_says_what_the_text_says(records):
    tags = Tags()
    tags.feed(html(records))
    seen = "".join(tags.text.split())
    for section in report(records):
        assert "".join(section.title.replace("`", "").split()) in seen
    assert headline(records).replace(" ", "") in seen and "h.max()>3" in seen
    assert "<mark>h.max() &gt; 3</mark>" in html(records)


def test_html_loads_nothing_and_knows_both_themes(records):
    page = html(records)
    assert "prefers-color-scheme:dark" in page and "data-jp-theme-light=false" in page
    assert not any(word in page for word in ("http:", "https:", "url(", "@import", "src=", "<link"))


def test_clean():
    assert (
        clean("a b\tc\n") == "a b\tc\n" and clean("名前 é🙂\u200d") == "名前 é🙂\u200d" and clean("\u00a0") == "\u00a0"
    )
    assert clean("\r\x85\u2028\U000e0041") == "\\x0d\\x85\\u2028\\U000e0041"
