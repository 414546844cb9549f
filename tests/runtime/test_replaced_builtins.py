"""A program that replaces builtin functions, inside a compiled function or around its call, has what Python gives it; nothing of ours calls them."""

import builtins
from unittest import mock

import pytest
import torch

import tracer
from tracer.runtime.replaced import replaced

LEN = builtins.len


def lie(_value):
    return 7


def patched_inside(x):
    with mock.patch("builtins.len", lie):
        n = len([1, 2])
    return x + n, len([1])


def assigned_and_put_back(x):
    builtins.len = lie
    n = len([1, 2])
    builtins.len = LEN
    return x + n, len([1])


def across_breaks(x):
    builtins.len = lie
    print(end="")
    y = x.sin() + len([1, 2])
    print(end="")
    builtins.len = LEN
    return y, len([1])


def helper(x):
    return x + len([1, 2])


def called_meanwhile(x):
    builtins.len = lie
    try:
        return helper(x)
    finally:
        builtins.len = LEN


def another_builtin(x):
    with mock.patch.object(builtins, "isinstance", lambda a, b: True):
        before = isinstance(3, str)
        print(end="")
        y = x.cos()
        after = isinstance(3, str)
    return y, before, after, isinstance(3, str)


@pytest.mark.parametrize("fn", [patched_inside, assigned_and_put_back, across_breaks, called_meanwhile, another_builtin], ids=lambda f: f.__name__)
def test_replaced_while_a_compiled_function_runs(fn):
    x = torch.ones(2)
    expected = fn(x)
    compiled = tracer.compile(fn, backend="eager", record="all")
    for _ in range(2):
        assert str(compiled(x)) == str(expected)
    assert not replaced()
    compiled.session.close()


def test_replaced_around_the_call():
    compiled = tracer.compile(helper, backend="eager", record="all")
    with mock.patch("builtins.len", lie):
        assert replaced()
        seen = [compiled(torch.zeros(1)).item() for _ in range(2)]
    assert seen == [7.0, 7.0]
    assert compiled(torch.zeros(1)).item() == 2.0
    assert [g.op_count for g in compiled.session.graphs] == [1]
    compiled.session.close()


def test_that_functions_ran_as_python_is_said():
    session = tracer.Session(backend="eager")
    session.run(called_meanwhile, torch.ones(2))
    session.run(helper, torch.ones(2))
    assert "a builtin function was replaced" in " ".join(str(e) for e in session.events if type(e).__name__ == "FrameSkipped")
    session.close()
