"""Context variables: what is read is noticed when it changes, in whatever context; what is set is set by Python."""

from __future__ import annotations

import contextvars

import torch

import tracer

LEVEL = contextvars.ContextVar("level", default=3)
BARE: contextvars.ContextVar[object] = contextvars.ContextVar("bare")


def read(x):
    return x * LEVEL.get(), LEVEL.get(7), BARE.get("none")


def test_a_read_is_captured_and_a_change_is_noticed():
    session = tracer.Session("trace")

    def values():
        scaled, given, bare = session.run(read, torch.ones(1))
        return scaled.item(), given, bare

    assert values() == (3.0, 7, "none") == values()
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles
    for level, bare in ((4, "some"), (True, "some"), (4.0, None)):
        token, other = LEVEL.set(level), BARE.set(bare)
        assert values() == (float(level), level, bare) and type(values()[1]) is type(level)
        LEVEL.reset(token)
        BARE.reset(other)
    assert contextvars.copy_context().run(values) == (3.0, 7, "none") == values()


def test_what_is_set_and_what_is_no_constant_is_left_to_python():
    session = tracer.Session("trace")

    def program(x):
        token = LEVEL.set(LEVEL.get() + 1)
        y = x * LEVEL.get()
        LEVEL.reset(token)
        try:
            BARE.get()
        except LookupError as error:
            y = y + (error.args[0] is BARE)
        held = BARE.set([x])
        z = BARE.get()[0] + 1
        BARE.reset(held)
        return y * LEVEL.get(), z

    for level in (3, 3, 5):
        LEVEL.set(level)
        assert [t.item() for t in session.run(program, torch.ones(1))] == [(level + 2) * level, 2]
    assert LEVEL.get() == 5 and BARE.get(None) is None
