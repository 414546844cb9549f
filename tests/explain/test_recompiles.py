"""Recompiles: what is behind them is told where that is certain, once, in the program's own words; and what functions change outside."""

from __future__ import annotations

import torch

import tracer


def test_a_counter_that_recompiles_is_told_as_one_with_its_fix_and_older_entries_as_a_number():
    class Net(torch.nn.Module):
        n = 0

        def forward(self, x):
            self.n += 1
            return x * 2

    net, session = Net(), tracer.Session()
    for _ in range(10):
        session.run(net, torch.ones(1))
    text = " ".join(session.explain().split())
    assert "`self.n` is a Python int that was 7 when this was compiled and is 8 now." in text and "1. Make it a buffer when it is a counter" in text
    assert "Of the 2 calls from call 9 on, 2 ran as ordinary Python." in text
    assert "Net · self.n: not there → 1" in text and "Net · self.n: 1 → 2 → 3 → 4 → 5 → 6 → 7" in text and text.count("self.n == 3") == 1  # among the guards


def test_a_loop_with_a_break_inside_is_the_cause_that_is_told_and_no_invented_name():
    def many(x):
        for _ in range(12):
            x = x + 1
            print(end="")
        return x

    session = tracer.trace(many, torch.ones(1))
    text = " ".join(session.explain().partition("Guards ·")[0].split())
    line = many.__code__.co_firstlineno + 3
    assert f":{line} is inside a loop: what is behind it is compiled again for each turn" in text
    assert "1. Mend the graph break there: with none inside, the whole loop is one graph." in text
    assert "__stack" not in text and "the loop's iterator: range(8, 12, 1) → range(9, 12, 1)" in text


def test_what_a_function_changes_outside_of_itself_is_listed_with_its_line():
    log, seen = [], {}

    def f(x):
        log.append(1)
        seen["n"] = len(log)
        return x + 1

    session = tracer.trace(f, torch.ones(2))
    line = f.__code__.co_firstlineno
    assert [(one.target, one.kind, one.location.line) for one in session.records.effects] == [("log", "list", line + 1), ("seen", "dict", line + 2)]
    assert "Changed outside · 2" in session.explain()
    assert "Changed outside" not in tracer.trace(lambda x: [x + 1], torch.ones(2)).explain()
