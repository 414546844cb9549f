"""Context variables: what is read is noticed when it changes, in whatever context; what is set and put back costs no graph."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar, Token, copy_context

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

import tracer

LEVEL = ContextVar("level", default=3)
BARE: ContextVar[object] = ContextVar("bare")


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
    assert copy_context().run(values) == (3.0, 7, "none") == values()


@contextlib.contextmanager
def level(value):
    token = LEVEL.set(value)
    try:
        yield token
    finally:
        LEVEL.reset(token)


class Holding:
    def __init__(self, variable, value):
        self.variable, self.value = variable, value

    def __enter__(self):
        self.token = self.variable.set(self.value)
        return self

    def __exit__(self, *error):
        self.variable.reset(self.token)


def set_and_reset(x):
    token = LEVEL.set(LEVEL.get() + 1)
    y = x * LEVEL.get()
    LEVEL.reset(token)
    return y * LEVEL.get()


def nested_managers(x):
    with level(7) as token, Holding(BARE, [x + 1]) as holding:
        with level(8) as inner:
            y = x * LEVEL.get(), inner.old_value, token.old_value, token.var is LEVEL
        z = BARE.get()[0] * LEVEL.get(), holding.token.old_value is Token.MISSING
    return y, z, LEVEL.get(), BARE.get(None)


def tokens_that_leave(x):
    first, second, used = BARE.set([x]), BARE.set(x * 2), LEVEL.set(3)
    LEVEL.reset(used)
    return first, second, used, LEVEL.set(4), BARE.get(), second.old_value


def tokens_out_of_order(x):
    used = LEVEL.set(5)
    inner = LEVEL.set(x + 1)
    LEVEL.reset(used)
    kept = LEVEL.set(6)
    LEVEL.reset(inner)
    return kept, inner, used, LEVEL.get() * 2


def a_tensor_is_left(x):
    LEVEL.set(x.sum())
    return x + 1


def an_error_puts_it_back(x):
    try:
        with level(3):
            raise ValueError(LEVEL.get())
    except ValueError as error:
        return x + LEVEL.get(), error.args


def nothing_there(x):
    try:
        BARE.get()
    except LookupError as error:
        return x + 1, error.args[0] is BARE
    return x + 2


def unset_again(x):
    with Holding(BARE, x):
        y = BARE.get() + 1
    return y, BARE.get(None)


def in_a_checkpoint(x):
    def body(t):
        with level(5):
            return (t * LEVEL.get()).relu()

    return checkpoint(body, x, use_reentrant=False) + LEVEL.get()


def attention(x):
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(x, x, x)


def used_twice(x):
    token = LEVEL.set(2)
    LEVEL.reset(token)
    try:
        LEVEL.reset(token)
    except RuntimeError as error:
        return x + 1, str(error)[:13], token.old_value


def of_another_variable(x):
    token = LEVEL.set(2)
    try:
        BARE.reset(token)
    except ValueError as error:
        return x + LEVEL.get(), str(error)[-40:], LEVEL.reset(token), LEVEL.get()


def broken_inside(x):
    with Holding(LEVEL, 9):
        y = x * LEVEL.get()
        torch._dynamo.graph_break()
        z = y + LEVEL.get()
    return z + LEVEL.get()


def broken_in_a_generator(x):
    with level(9):
        y = x * LEVEL.get()
        torch._dynamo.graph_break()
        z = y + LEVEL.get()
    return z + LEVEL.get()


def a_copy_is_run(x):
    with Holding(LEVEL, 4):
        copy = copy_context()
    return x + copy.run(LEVEL.get), copy[LEVEL], x * LEVEL.get()


def shown(value):
    """Plain data; a token by what it says."""
    if isinstance(value, Token):
        return "token", value.var.name, shown(value.old_value), repr(value).startswith("<Token used")
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value


def in_several_contexts(run, x):
    """What a program gives and leaves, called in a context where nothing is set, and where something is, twice."""
    found = []

    def once():
        found.append((shown(run(x)), shown(LEVEL.get()), shown(BARE.get("none"))))

    def twice(set_before):
        set_before()
        once()
        once()

    for prepare in (lambda: None, lambda: LEVEL.set(50), lambda: BARE.set([x]), lambda: LEVEL.set(torch.full((2,), 3.0))):
        copy_context().run(twice, prepare)
    return found


WHOLE = [
    set_and_reset, nested_managers, tokens_that_leave, tokens_out_of_order, a_tensor_is_left, an_error_puts_it_back, nothing_there, unset_again,
    in_a_checkpoint, attention,
]  # fmt: skip
BROKEN = [used_twice, of_another_variable, broken_inside, broken_in_a_generator, a_copy_is_run]


@pytest.mark.parametrize("program", WHOLE + BROKEN, ids=lambda program: program.__name__)
def test_what_a_program_sets_is_as_untraced_in_every_context(program):
    x = torch.ones(1, 1, 2, 2) if program is attention else torch.ones(2)
    before = LEVEL.get(), BARE.get(None)
    session = tracer.Session("trace")
    assert in_several_contexts(lambda x: session.run(program, x), x) == in_several_contexts(program, x)
    assert (LEVEL.get(), BARE.get(None)) == before
    assert bool(session.graph_breaks) == (program in BROKEN)


def test_attention_with_chosen_kernels_is_one_graph():
    session = tracer.Session("trace")
    for _ in range(2):
        session.run(attention, torch.ones(1, 1, 2, 2))
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles


def test_a_token_from_before_is_used_by_python_and_the_break_says_why():
    session = tracer.Session("trace")

    def program(x, token):
        LEVEL.reset(token)
        return x * LEVEL.get()

    for _ in range(2):
        assert session.run(program, torch.ones(1), LEVEL.set(9)).item() == 3
    assert "token from before the graph" in session.graph_breaks[0].explanation


def test_a_body_that_leaves_one_changed_is_taken_back():
    session = tracer.Session("trace")

    def leaves(x):
        LEVEL.set(8)
        return x + 1

    def program(x):
        LEVEL.set(7)
        return checkpoint(leaves, x, use_reentrant=False) * LEVEL.get()

    for _ in range(2):
        assert copy_context().run(session.run, program, torch.ones(1)).item() == 16 and LEVEL.get() == 3
    assert session.graph_breaks


@pytest.mark.skipif(not hasattr(Token, "__enter__"), reason="tokens are no context managers before CPython 3.14")
def test_a_token_is_a_context_manager():
    session = tracer.Session("trace")

    def program(x):
        with LEVEL.set(6) as token:
            y = x * LEVEL.get()
        return y + LEVEL.get(), token.old_value

    assert shown(session.run(program, torch.ones(1))) == shown(program(torch.ones(1)))
    assert len(session.graphs) == 1 and not session.graph_breaks


def test_a_value_that_nothing_holds_any_more_ends_when_it_is_reset():
    events = []

    class Ending:
        def __del__(self):
            events.append("ended")

    def program(x):
        token = LEVEL.set(Ending())
        events.append("set")
        LEVEL.reset(token)
        events.append("reset")
        return x + 1

    session = tracer.Session("trace")
    for _ in range(2):
        session.run(program, torch.ones(1))
    assert events == ["set", "ended", "reset"] * 2
