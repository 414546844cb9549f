"""Bytearrays are Python's: what a program reads and writes of them is as untraced, and each break names the call."""

from __future__ import annotations

import torch

import tracer

KEPT = bytearray(b"xy")


def made_inside(x):
    made = bytearray(b"abc")
    made.append(1)
    made[0] = 7
    made += b"z"
    return x + made[0] + len(made), bytes(made), made[1:3], 98 in made, [*made]


def from_outside(x):
    KEPT.append(3)
    KEPT[0] = 1
    return x + KEPT[0] + len(KEPT), bytes(KEPT)


def passed_through(x, data):
    return x + 1, data


def plain(value):
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value.tolist() if isinstance(value, torch.Tensor) else value


def test_made_inside():
    session = tracer.Session("trace")
    for x in (torch.ones(1), torch.zeros(1)):
        assert plain(session.run(made_inside, x)) == plain(made_inside(x))
    assert {found.reason for found in session.graph_breaks} <= {"unsupported-builtin", "unsupported-type"}


def test_from_outside():
    found, wanted = [], []
    for results, run in ((wanted, from_outside), (found, tracer.Session("trace").run)):
        KEPT[:] = b"xy"
        for x in (torch.ones(1), torch.zeros(1)):
            results.append((plain(run(from_outside, x) if run is not from_outside else run(x)), bytes(KEPT)))
    assert found == wanted


def test_passed_through_it_costs_nothing():
    session, data = tracer.Session("trace"), bytearray(b"q")
    for _ in range(2):
        assert session.run(passed_through, torch.ones(1), data)[1] is data
    assert len(session.graphs) == 1 and not session.graph_breaks
