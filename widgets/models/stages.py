"""The stages view: each graph as text, and beside it what the backend made of it."""

from __future__ import annotations

import re
from typing import Any

from tracer.events import ArtifactProduced
from tracer.explain import clean
from tracer.explain.words import file_name
from tracer.export.listing import listing, title_of
from tracer.records import Artifact, Graph
from widgets.models.book import Book

__all__ = ["stages", "text_of"]

#: Characters of all stages together that a page with a kernel gets at once; past it, it asks for the one it shows.
AT_ONCE = 200_000
#: AOTAutograd's comment on the nodes below it.
_PLACE = re.compile(r"^\s*# (?:Backward of forward node: )?File: (.+?):(\d+) in ")


def stages(book: Book) -> dict[str, Any]:
    """{graphs: [{name, title, lines, stages}]} of the graphs whose backend showed something. `lines`: [text, node, seq, "file:line"];
    `stages`: [seq, stage, title, text or None, [[first line, "file:line"], …]], places only with the text."""
    graphs = [graph for graph in book.records.graphs if graph.artifacts]
    whole = not book.live or sum(len(one.text) for graph in graphs for one in graph.artifacts) <= AT_ONCE
    made = {(e.graph, e.stage, e.name): e.seq for e in book.journal.of(ArtifactProduced)}
    return {
        "graphs": [
            {
                "name": graph.name,
                "title": graph.name.replace("graph_", "Graph "),
                "lines": _lines(book, graph),
                "stages": [
                    [made.get((graph.name, one.stage, one.name), 0), one.stage, title_of(one.stage, one.name), *_text(one, whole)]
                    for one in graph.artifacts
                ],
            }
            for graph in graphs
        ]
    }


def text_of(book: Book, graph: str, number: int) -> list[Any]:
    """[text, places] of one stage, for a page that asks."""
    found = next(one for one in book.records.graphs if one.name == graph)
    return _text(found.artifacts[number], True)


def _text(one: Artifact, whole: bool) -> list[Any]:
    if not whole:
        return [None, []]
    lines, places, last = one.text.split("\n"), [], ""
    for number, line in enumerate(lines):
        found = _PLACE.match(line)
        if found is not None:
            last = f"{found[1]}:{found[2]}"
            places.append([number, last])
            lines[number] = line.replace(found[1], file_name(found[1]), 1)
        elif last and (not line.strip() or line.lstrip().startswith("return")):
            last = ""
            places.append([number, last])
    return [clean("\n".join(lines)), places]


def _lines(book: Book, graph: Graph) -> list[list[Any]]:
    lines = listing(graph, book.events, book.nodes, book.line)
    return [[clean(one.text), one.node, one.seq, f"{one.place[0]}:{one.place[1]}" if one.place is not None else ""] for one in lines]
