"""The static summary: complete without a script, safe whatever the program is called, small enough to keep."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from tracer.records import Frame, Graph, GraphBreak, Guard, Node, Place, Recompile, Records
from widgets.summary import DRAWN, page, records_of, summary

VOID = {"meta", "br", "hr", "img", "input"}


class Balance(HTMLParser):
    """Which tags and attributes there are, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.update(name for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def graph(number: int, ops: int = 2, word: str = "relu") -> Graph:
    nodes = [Node("x", "placeholder", "x", shape=(4,))]
    for n in range(ops):
        nodes.append(Node(f"{word}_{n}", "call_function", word, module_path=word, inputs=(nodes[-1].name,)))
    return Graph(f"graph_{number}", f"{number}/0", nodes=nodes)


def sample(word: str = "h", graphs: int = 2) -> Records:
    found = GraphBreak(word, f"Branch on {word}", f"why {word}", (f"use {word}",), Place(word, 42, 7, 42, 18))
    return Records(
        frames=[Frame(f"{n}/0", word, word, 39, "compiled", graph=f"graph_{n}") for n in range(graphs)],
        graphs=[graph(n, word=word) for n in range(graphs)],
        graph_breaks=[found],
        guards=[Guard(word, "TENSOR_MATCH", f"{word} is a tensor")],
        recompiles=[Recompile(word, ((f"{word} == 4", "5"),), {word: "5"}, Place(word, 39), ("0/0",))],
        sources={word: {42: f"    if {word}.max() > 3:\n"}},
    )


def test_it_says_the_break_its_line_its_hint_the_guards_and_the_graphs() -> None:
    text = summary(sample())
    for said in ("Branch on h", "why h", "use h", "<mark>", "h is a tensor", "h: 4 → 5", "graph_0", "<svg"):
        assert said in text, said
    Balance(text)


def test_it_is_static() -> None:
    seen = Balance(page(sample()))
    assert not seen.tags & {"script", "iframe", "object", "embed", "link", "base", "form", "img"}
    assert not [
        name for name in seen.attributes if name.startswith("on") or name in ("href", "src", "srcset", "action")
    ]


@pytest.mark.parametrize(
    "word", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style></title><b>", "\x1b]0;\x07"]
)
def test_hostile_names_stay_text(word: str) -> None:
    text = page(sample(word), title=word, note=word)
    seen = Balance(text)
    assert not seen.tags & {"script", "img", "b"}
    assert "\x1b" not in text


def test_many_graphs_are_folded_each_by_itself() -> None:
    text = summary(sample(graphs=6))
    assert text.count("<svg") == 6
    assert "Graphs · 6" in text


def test_very_many_graphs_are_counted_not_drawn() -> None:
    text = summary(sample(graphs=DRAWN + 10))
    assert text.count("<svg") == DRAWN and "10 more graphs" in text


def test_a_summary_stays_small() -> None:
    records = Records(graphs=[graph(0, ops=5_000)])
    for n, node in enumerate(records.graphs[0].nodes):
        node.module_path = f"layers.{n // 50}.attn"
    assert len(summary(records)) < 250_000


def test_nothing_was_run() -> None:
    assert "Nothing was run yet." in summary(Records())


def test_a_session_a_recording_and_records_are_alike() -> None:
    records = sample()
    live = SimpleNamespace(records=records)
    loose = SimpleNamespace(
        frames=records.frames, graphs=records.graphs, graph_breaks=records.graph_breaks, guards=records.guards
    )
    assert records_of(records) is records_of(live) is records
    assert records_of(loose).graphs == records.graphs and records_of(loose).recompiles == []


def test_a_page_is_a_document_that_may_load_nothing() -> None:
    text = page(sample(), title="GPT")
    assert text.startswith("<!doctype html>") and "default-src 'none'" in text
    assert re.search(r"<title>GPT: 2 graphs", text)
