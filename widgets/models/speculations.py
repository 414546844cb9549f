"""The speculations view: calls of higher-order operators, and of each the bodies that were tried, side by side."""

from __future__ import annotations

from typing import Any

from tracer.events import (
    Committed,
    Event,
    GuardInstalled,
    InputLifted,
    NodeCreated,
    NodeRemoved,
    Reused,
    RolledBack,
    SpeculationStarted,
)
from tracer.explain import clean
from widgets.models.book import Book

__all__ = ["speculations"]

#: Operations of a body, and guards, that a page holds; of more it says how many there are.
MOST = 200


def speculations(book: Book) -> dict[str, Any]:
    """{groups: [{operator, line, frame, depth, bodies}]}, one for each call of an operator; `depth`: in how many other bodies it was met. A body is

    {seq, last, body, outcome, graph, reason, because, of, given_up, inputs: [[name, outside, why, shared]], gives, undone: [[what, how many]],
    nodes: [[seq, name, text]], guards: [[seq, text]], more: [operations, guards beyond those]}

    `outcome` is committed, taken again (of the body that the event `of` began), rolled back or open. `shared`: another body of the call uses it, too.
    """
    groups: list[dict[str, Any]] = []
    open_: dict[Any, dict[str, Any]] = {}
    for begun in book.journal.of(SpeculationStarted):
        depth, parent = _around(book, begun)
        place = book.user_place(begun)
        line = f"{place[0]}:{place[1]}" if place else ""
        key = begun.parent, begun.operator, line
        group = open_.get(key)
        if group is None or any(known["body"] == clean(begun.body) for known in group["bodies"]):  # the operator is called once more
            group = open_[key] = {"operator": clean(begun.operator), "line": line, "frame": begun.frame, "depth": depth, "within": parent, "bodies": []}
            groups.append(group)
        group["bodies"].append(_body(book, begun))
    for group in groups:
        _mark_shared(group["bodies"])
    return {"groups": groups}


def _around(book: Book, begun: Event) -> tuple[int, int]:
    """In how many bodies it was met, and the event that began the innermost."""
    depth, around = 0, book.journal.enclosing(begun.seq, SpeculationStarted)
    within = around.seq if around is not None else -1
    while around is not None:
        depth, around = depth + 1, book.journal.enclosing(around.seq, SpeculationStarted)
    return depth, within


def _body(book: Book, begun: SpeculationStarted) -> dict[str, Any]:
    journal = book.journal
    ended, last = journal.outcome(begun.seq), journal.span(begun.seq)[1]
    found: dict[str, Any] = {
        "seq": begun.seq, "last": last, "body": clean(begun.body), "outcome": "open", "graph": "", "reason": "", "because": clean(begun.because), "of": -1,
        "given_up": bool(journal.abandoned(begun.seq)), "inputs": [], "gives": "", "undone": [],
    }  # fmt: skip
    if isinstance(ended, Committed):
        inputs = ended.inputs or tuple((f"lifted_{name}", name, "") for name in ended.lifted)
        found |= {"outcome": "committed", "graph": clean(ended.graph), "inputs": _inputs(inputs), "gives": clean(ended.gives)}
    elif isinstance(ended, Reused):
        found |= {"outcome": "taken again", "graph": clean(ended.graph), "of": ended.of, "inputs": _inputs(ended.inputs)}
    elif isinstance(ended, RolledBack):
        found |= {"outcome": "rolled back", "reason": clean(ended.reason), "undone": [[clean(what), count] for what, count in ended.undone]}
    nodes, guards = _inside(book, begun, last)
    return {**found, "nodes": nodes[:MOST], "guards": guards[:MOST], "more": [max(0, len(nodes) - MOST), max(0, len(guards) - MOST)]}


def _inputs(inputs: Any) -> list[list[Any]]:
    return [[clean(name), clean(outside), clean(why), False] for name, outside, why in inputs]


def _inside(book: Book, begun: SpeculationStarted, last: int) -> tuple[list[list[Any]], list[list[Any]]]:
    """The operations of the body's own graph, and the guards that were installed while it was traced."""
    nodes: dict[str, list[Any]] = {}
    guards = []
    for event in book.events[begun.seq + 1 : last + 1]:
        if isinstance(event, GuardInstalled):
            guards.append([event.seq, clean(event.expression)])
        elif isinstance(event, NodeCreated | NodeRemoved | InputLifted) and event.graph == begun.body:
            around = book.journal.enclosing(event.seq, SpeculationStarted)
            if around is None or around.seq != begun.seq:  # of a body in it that has the same name
                continue
            if isinstance(event, NodeCreated):
                nodes[event.name] = [event.seq, clean(event.name), clean(f"{event.target.rsplit('.', 1)[-1]}({event.args})")]
            elif isinstance(event, NodeRemoved):
                nodes.pop(event.name, None)
    return list(nodes.values()), guards


def _mark_shared(bodies: list[dict[str, Any]]) -> None:
    """What several bodies of one call use from outside."""
    users: dict[str, int] = {}
    for body in bodies:
        for outside in {row[1] for row in body["inputs"] if row[1]}:
            users[outside] = users.get(outside, 0) + 1
    for body in bodies:
        for row in body["inputs"]:
            row[3] = users.get(row[1], 0) > 1
