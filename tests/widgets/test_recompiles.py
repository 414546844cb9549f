"""The recompiles view: a card for each, in the program's words; a suggestion that is tried runs all recorded calls."""

from __future__ import annotations

import torch
from torch import nn

import tracer
from tracer.journal import Journal, load
from widgets.models import Book, views
from widgets.runs import Runs


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = 0

    def forward(self, x):
        return x * self.steps


def recorded(calls=4, **settings):
    session, net = tracer.Session("trace", **settings), Net()
    for step in range(calls):
        net.steps = step
        session.run(net, torch.ones(2))
    net.steps = 0
    session.run(net, torch.ones(2))
    return session


def test_a_card_says_what_changed_who_called_and_what_ends_it(tmp_path):
    session = recorded()
    cards = views(Book(session))["recompiles"]["list"]
    assert [card["change"] for card in cards] == [["self.steps", "0", "1"], ["self.steps", "1", "2"], ["self.steps", "2", "3"]]
    last = cards[-1]
    assert last["caller"][1] == f"{__file__}:{recorded.__code__.co_firstlineno + 4}"
    assert last["installed"][1] == f"{__file__}:{Net.forward.__code__.co_firstlineno + 1}" and last["excerpt"][0][2] == "self.steps"
    assert [(entry, call, hits, closest) for entry, call, hits, _, closest in last["entries"]] == [
        ("0/2", 3, 0, True), ("0/1", 2, 0, False), ("0/0", 1, 1, False),
    ]  # fmt: skip
    assert last["became"] == "0/3" and not last["limit"] and "buffer" in last["fixes"][0]["do"] and last["tries"] == []
    head = views(Book(session))["head"]
    assert [3, "recompile", "recompiles", "recompiles", 1] in head["stats"] and head["sign"] == "again"
    assert [label for _, label in views(Book(session))["timeline"]["ticks"]["recompiles"]][0] == "self.steps: 0 → 1"
    session.save(tmp_path / "run.jsonl")
    assert views(Book(load(tmp_path / "run.jsonl")))["recompiles"]["list"] == cards


def test_the_limit_is_a_card_too_and_says_what_ran_as_python():
    cards = views(Book(recorded(recompile_limit=2)))["recompiles"]["list"]
    assert [card["limit"] for card in cards] == [False, True]
    assert cards[-1]["since"] == "Of the 3 calls from call 3 on, 2 ran as ordinary Python." and cards[-1]["became"] == ""


def test_a_try_runs_all_calls_and_counts_recompiles():
    session = recorded()
    (card, *_) = views(Book(session, journal=Journal(session.events)))["recompiles"]["list"]
    texts = [one["text"] for one in card["tries"]]
    assert texts == ["with the override `symbolic self.steps`", "with `allow_unspec_int_on_nn_module=True`"]
    runs = Runs(session)
    said = runs.attempt_again(session.recompiles[0], 1)
    assert "recompiles 3 → " in said["text"] and len(runs.sessions[1].recompiles) < 3


def test_a_recording_of_an_earlier_version_has_its_cards():
    """Without the caller, names and entries of hits."""
    session = recorded()
    events = [tuple(getattr(event, name) for name in event.__struct_fields__) for event in session.events]
    short = {"Recompiled": 2, "CacheHit": 1, "GuardFailed": 1}
    older = [
        type(event)(*values[: len(values) - short.get(type(event).__name__, 0)]) for event, values in zip(session.events, events, strict=True)
    ]  # fmt: skip
    cards = views(Book(Journal(older)))["recompiles"]["list"]
    assert [card["change"] for card in cards][-1] == ["self.steps", "2", "3"] and cards[0]["caller"] is None and cards[0]["hits"] is None
