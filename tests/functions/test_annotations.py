"""Annotations that code of the program makes when they are first asked for (since CPython 3.14): values, errors and moments as untraced."""

import inspect
import sys
import types

import pytest
import torch

import tracer

pytestmark = pytest.mark.skipif("__annotate__" not in types.FunctionType.__dict__, reason="annotations are made at once before CPython 3.14")
Kind: type = int


def made():
    """New owners, which nobody has asked yet: a function, a class, one whose own code raises, and a module."""

    def known(a: int, b: Kind):
        return a

    def unknown(a: Missing):  # noqa: F821
        return a

    class Holder:
        a: Missing  # noqa: F821
        b: int

        def method(self, a: Missing):  # noqa: F821
            return a

    def noisy(a):
        return a

    def annotate(_format):
        raise AttributeError("noisy")

    noisy.__annotate__ = annotate
    module = types.ModuleType("made")
    module.__annotate__ = unknown.__annotate__
    module.__getattr__ = lambda name: "asked"
    return types.SimpleNamespace(known=known, unknown=unknown, Holder=Holder, noisy=noisy, module=module)


def of_a_function(x, owners):
    return x + 1, owners.unknown.__annotations__


def of_a_class(x, owners):
    return x + 1, owners.Holder.__annotations__


def of_a_method(x, owners):
    return x + 1, owners.Holder().method.__annotations__


def of_a_module(x, owners):
    return x + 1, owners.module.__annotations__


def by_default(x, owners):
    return x + 1, getattr(owners.unknown, "__annotations__", None)


def by_inspect(x, owners):
    return x + 1, str(inspect.signature(owners.unknown))


def of_its_own_code(x, owners):
    return x + 1, owners.noisy.__annotations__


def outcome(function, *args):
    try:
        x, found = function(*args)
    except Exception as error:
        return type(error), str(error)
    return x.tolist(), found


ASKING = [of_a_function, of_a_class, of_a_method, of_a_module, by_default, by_inspect, of_its_own_code]


@pytest.mark.parametrize("ask", ASKING, ids=lambda ask: ask.__name__)
def test_what_making_them_raises_python_raises_each_time_anew(ask, monkeypatch):
    def program(x, owners):
        try:
            return ask(x, owners)
        except (NameError, AttributeError) as error:
            return x + 2, (type(error).__name__, str(error))

    session, x, traced, plain = tracer.Session("trace"), torch.ones(2), made(), made()
    for missing in (True, True, False, False):
        if not missing:
            monkeypatch.setitem(sys.modules[__name__].__dict__, "Missing", str)
        assert outcome(session.run, program, x, traced) == outcome(program, x, plain)
    assert session.graph_breaks[0].reason == "descriptor-unsupported" and "__annotations__" in session.graph_breaks[0].explanation


def asks(x, owners):
    return x + 1, (owners.known.__annotations__, str(inspect.signature(owners.known)))


def test_what_nobody_has_asked_for_yet_is_part_of_the_graph():
    session, owners = tracer.Session("trace"), made()
    for _ in range(2):
        assert outcome(session.run, asks, torch.ones(2), owners) == outcome(asks, torch.ones(2), made())
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles
    assert session.run(asks, torch.ones(2), owners)[1][0] is owners.known.__annotations__


def changes_what_they_name(x, owners):
    global Kind
    Kind = float
    return x + 1, owners.known.__annotations__


def test_behind_a_change_python_makes_them(monkeypatch):
    monkeypatch.setitem(sys.modules[__name__].__dict__, "Kind", int)
    wanted = outcome(changes_what_they_name, torch.ones(2), made())
    monkeypatch.setitem(sys.modules[__name__].__dict__, "Kind", int)
    session = tracer.Session("trace")
    assert outcome(session.run, changes_what_they_name, torch.ones(2), made()) == wanted and wanted[1]["b"] is float


def asks_a_new_one(x, owners):
    def new(a):
        return a

    return x + 1, (new.__annotate__, new.__annotations__)


def test_a_function_without_annotations_has_no_code_that_makes_them():
    session = tracer.Session("trace")
    assert outcome(session.run, asks_a_new_one, torch.ones(2), None) == outcome(asks_a_new_one, torch.ones(2), None)
    assert not session.graph_breaks
