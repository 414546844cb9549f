"""Annotations that are text are evaluated at each call anew, in the namespace as it is then."""

import inspect
import sys
import typing

import pytest
import torch

import tracer


def annotated(a: "Later", b: int):  # noqa: F821
    return a


def by_typing(x):
    return x + 1, typing.get_type_hints(annotated)


def by_signature(x):
    return x + 1, str(inspect.signature(annotated, eval_str=True))


def by_inspect(x):
    return x + 1, inspect.get_annotations(annotated, eval_str=True)


def outcome(function, *args):
    try:
        x, found = function(*args)
    except NameError as error:
        return str(error)
    return x.tolist(), found


@pytest.mark.parametrize("ask", [by_typing, by_signature, by_inspect], ids=lambda ask: ask.__name__)
def test_text_is_evaluated_at_each_call(ask, monkeypatch):
    def program(x):
        try:
            return ask(x)
        except NameError as error:
            return x + 2, str(error)

    session, x = tracer.Session("trace"), torch.ones(2)
    for value in (None, int, int, str):
        if value is not None:
            monkeypatch.setitem(sys.modules[__name__].__dict__, "Later", value)
        assert outcome(session.run, program, x) == outcome(program, x)
    assert "exec-or-eval" in {found.reason for found in session.graph_breaks}
