"""Recompiles in the program's words, under both engines, live and saved: what changed, which line called, which line relied on it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

import tracer
from tracer.records import from_events
from tracer.records.changes import changes

LIMIT = 1


def sized(x):
    return x * x.shape[0]


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.n, self.lin = 0, nn.Linear(4, 4)

    def forward(self, x, scale=1.0):
        return self.lin(x) * self.n * scale


def reads_a_global(x):
    return x + LIMIT


def scaled(x, factor):
    return x * factor


def summed(x, items):
    for item in items:
        x = x + item
    return x


def broken(x, factor):
    y = x + 1
    torch._dynamo.graph_break()
    return y * factor


class Generating(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, tokens, mask):
        return self.lin(tokens) * mask.sum()

    def generate(self, run, tokens):
        for _ in range(3):
            out = run(self, tokens, torch.ones(2))
            tokens = torch.cat([tokens, out[-1:].detach()])
        return tokens


def the_size(run):
    for rows in (3, 4):
        run(sized, torch.ones(rows, 2))


def an_attribute(run):
    net = Counting()
    for net.n in (0, 1):
        run(net, torch.ones(2, 4))


def a_global(run):
    global LIMIT
    for LIMIT in (1, 2):
        run(reads_a_global, torch.ones(2))
    LIMIT = 1


def a_hook(run):
    net = Counting()
    for _ in range(2):
        run(net, torch.ones(2, 4))
        net.lin.register_forward_hook(lambda module, given, out: out + 1)


def a_float(run):
    for factor in (0.5, 0.25):
        run(scaled, torch.ones(2), factor)


def an_argument_of_a_module(run):
    net = Counting()
    for factor in (0.5, 0.25):
        run(net, torch.ones(2, 4), scale=factor)


def grad_mode(run):
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            run(scaled, torch.ones(2), 1.0)


def a_list(run):
    for count in (1, 2):
        run(summed, torch.ones(2), [1.0] * count)


def after_a_break(run):
    for factor in (1.0, 2.0):
        run(broken, torch.ones(2), factor)


def in_a_loop_of_the_program(run):
    Generating().generate(run, torch.ones(2, 4))


def line_of(function, number):
    return function.__code__.co_firstlineno + number


#: Program → what the first recompile tells, the line that called, and the line that relied on it (0: not known).
CASES = {
    the_size: ("x.shape[0]: 3 → 4", line_of(the_size, 2), line_of(sized, 1)),
    an_attribute: ("self.n: 0 → 1", line_of(an_attribute, 3), line_of(Counting.forward, 1)),
    a_global: ("global LIMIT: 1 → 2", line_of(a_global, 3), line_of(reads_a_global, 1)),
    a_hook: ("hooks of self.lin: 0 → 1", line_of(a_hook, 3), line_of(Counting.forward, 1)),
    a_float: ("factor: 0.5 → 0.25", line_of(a_float, 2), line_of(scaled, 1)),
    an_argument_of_a_module: ("scale: 0.5 → 0.25", line_of(an_argument_of_a_module, 3), 0),
    grad_mode: ("grad mode: on → off", line_of(grad_mode, 3), 0),
    a_list: ("len(items): 1 → 2", line_of(a_list, 2), line_of(summed, 1)),
    after_a_break: ("factor: 1.0 → 2.0", line_of(after_a_break, 2), line_of(broken, 3)),
    in_a_loop_of_the_program: ("tokens.shape[0]: 2 → 3", line_of(Generating.generate, 2), 0),
}
#: torch.compile takes hooks for unchanging.
TORCH = [case for case in CASES if case is not a_hook]


@pytest.mark.parametrize(("engine", "case"), [("tracer", case) for case in CASES] + [("dynamo", case) for case in TORCH], ids=lambda one: getattr(one, "__name__", one))
def test_a_recompile_is_told_as_the_program_s_user_would_say_it(engine, case, tmp_path):
    torch._dynamo.reset()
    session = tracer.Session(engine=engine)
    case(session.run)
    one = session.recompiles[0]
    told, called, relied = CASES[case]
    assert one.changes[0].text == told and (one.caller.file, one.caller.line) == (__file__, called)
    if engine == "tracer" or one.installed is not None:
        assert (one.installed.line if one.installed is not None else 0) == relied or engine == "dynamo" and not relied
    assert one.became and one.closest.endswith("/0") and "__stack" not in session.explain().partition("Frames ·")[0]
    assert f"called at tests/explain/test_changes.py:{called}" in session.explain()
    session.save(tmp_path / "run.jsonl")
    (again, *_) = tracer.load(tmp_path / "run.jsonl").recompiles
    assert dataclasses.replace(again, seq=one.seq) == one
    assert from_events(session.events).recompiles == session.recompiles


def test_the_entry_that_came_closest_is_the_one_with_the_fewest_failed_guards():
    session = tracer.Session(automatic_dynamic_shapes=False, specialize_int=True)
    for rows, factor in ((2, 1), (3, 2), (3, 1)):
        session.run(scaled, torch.ones(rows), factor)
    session.run(scaled, torch.ones(2), 3)
    last = session.recompiles[-1]
    assert last.closest == "0/0" and [change.text for change in last.changes] == ["factor: 1 → 3"]
    assert {entry: len(told) for entry, told in last.against().items()} == {"0/2": 2, "0/1": 2, "0/0": 1}


def test_hits_are_counted_by_entry():
    session = tracer.Session()
    for factor in (1.0, 2.0, 1.0, 1.0):
        session.run(scaled, torch.ones(2), factor)
    assert session.records.entry_hits == {"0/0": 2} and "entry 0/1" in session.explain()


@pytest.mark.parametrize(("guard", "seen", "told"), [
    ("x == 'a == b'", "'c'", "x: 'a == b' → 'c'"),
    ("f is function g", "function g", "f: function g → another function g"),
    ("f is function g", "", "f is function g: not any more"),
    ("x is a Tensor of torch.float32, size [*, 2], stride [2, 1], on cpu, requires_grad=False", "None", "x: a Tensor → None"),
    ("x is a Tensor of torch.float32, size [*, 2], stride [2, 1], on cpu, requires_grad=False", "Tensor of torch.float32, size [9, 2], other dispatch keys",
     "x is a Tensor of torch.float32, size [*, 2], stride [2, 1], on cpu, requires_grad=False: now Tensor of torch.float32, size [9, 2], other dispatch keys"),
    ("4 < x.shape[0]", "x.shape[0] = 4", "4 < x.shape[0]: now x.shape[0] = 4"),
    ("items[0] == 1.0", "missing", "items[0]: 1.0 → not there"),
    ("'print' not in globals of m", "there, with function print", "'print' in globals of m: not there → function print"),
    ("condition(x)", "3", "condition(x): now 3"),
    ("len(x) == 3", "int object", "x: 3 items → int object"),
])  # fmt: skip
def test_what_a_guard_tells_and_what_it_does_not(guard, seen, told):
    assert changes(guard, seen)[0].text == told
