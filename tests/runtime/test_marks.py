"""What torch's markers leave, as compat reads it; loading as little of torch as possible; code that stops a frame."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest
import torch

from tracer.compat import evalframe as ef
from tracer.compat import make_graph_module, marks


def test_dimensions():
    x = torch.ones(4, 3, 2)
    assert marks.dims_marked(x) == marks.DimMarks()
    torch._dynamo.mark_dynamic(x, 0, min=2, max=16)
    torch._dynamo.maybe_mark_dynamic(x, 1)
    torch._dynamo.mark_static(x, 2)
    torch._dynamo.mark_static_address(x)
    found = marks.dims_marked(x)
    assert (found.dynamic, found.maybe_dynamic, found.static) == ({0}, {1}, {2})
    assert found.ranges == {0: (2, 16)} and found.static_address
    y = torch.ones(4)
    torch._dynamo.decorators.mark_unbacked(y, 0)
    assert marks.dims_marked(y).unbacked == {0}


def plain(x):
    return x


def test_disabled_functions():
    both, alone = torch.compiler.disable(plain, reason="slow"), torch.compiler.disable(plain, recursive=False)
    assert marks.is_disabled(both) and marks.is_disabled(alone) and not marks.is_disabled(plain)
    assert marks.disables_callees(both) and not marks.disables_callees(alone)
    assert marks.disable_message(both) == "slow"
    assert marks.original_callable(both) is marks.original_callable(alone) is plain
    assert marks.original_callable(plain) is plain
    assert not marks.is_compiled_wrapper(both)
    assert marks.is_disabled(marks.disable(plain))


def test_compiled_wrappers():
    compiled = torch.compile(plain, backend="eager")
    assert marks.is_compiled_wrapper(compiled) and marks.original_callable(compiled) is plain
    module = torch.nn.Linear(1, 1)
    assert marks.is_compiled_wrapper(torch.compile(module, backend="eager"))
    assert not marks.is_compiled_wrapper(module)


def test_functions():
    def allowed(x):
        return x

    torch.compiler.allow_in_graph(allowed)
    assert marks.is_allowed_in_graph(allowed) and not marks.is_allowed_in_graph(plain)
    assert marks.is_graph_break(torch._dynamo.graph_break) and not marks.is_graph_break(plain)
    assert marks.is_forbidden(torch._dynamo.mark_dynamic) and not marks.is_forbidden(plain)
    assert marks.is_nested_region(torch.compiler.nested_compile_region(plain)) and not marks.is_nested_region(plain)
    assert marks.is_compiling_query(torch.compiler.is_compiling) and not marks.is_compiling_query(plain)


def test_markers_never_run_the_objects_code():
    class Loud:
        def __getattr__(self, name):
            raise AssertionError(name)

    loud = Loud()
    for ask in (
        marks.is_disabled,
        marks.is_forbidden,
        marks.is_allowed_in_graph,
        marks.is_graph_break,
        marks.is_nested_region,
    ):
        assert ask(loud) is False
    assert marks.original_callable(loud) is loud


def test_the_hook_loads_neither_dynamo_nor_sympy():
    code = (
        "import sys, tracer.compat, tracer.runtime.hook, tracer.runtime.policy, tracer.compat.fakes, tracer.compat.marks\n"
        "tracer.runtime.hook.FrameHook(lambda frame: None).run(len, 'a')\n"
        "assert not any(name.startswith('torch._dynamo') for name in sys.modules)\n"
        "assert 'sympy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_graph_modules_code_is_generated_when_asked_for():
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    graph.output(graph.call_function(torch.relu, (x,)))
    gm = make_graph_module({}, graph)
    assert "_code" not in vars(gm)
    assert torch.equal(gm(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))
    assert "relu" in gm.code


@pytest.mark.parametrize("source", ["def f(x): return x", "def f(*a, **b):\n    def g(): return a\n    return g"])
def test_code_that_stops_fits_and_raises_once(source):
    space: dict = {}
    exec(source, space)
    error = KeyError("once")
    code = ef.stopping_code(space["f"].__code__, error)
    assert ef.stoppable(code)
    f = types.FunctionType(code, {})
    with pytest.raises(KeyError) as caught:
        f(1)
    assert caught.value is error and caught.traceback[-1].lineno == 0
    with pytest.raises(ValueError):
        f(1)
    assert not ef.stoppable(compile("x", "<a>", "exec"))


def test_locals_of_code_that_stops_can_be_read():
    """By whoever shows a traceback with its locals: free variables without their cells end the interpreter there."""
    free, seen = 7, []

    def f(x):
        return [x + free, lambda: seen]

    f.__code__ = ef.stopping_code(f.__code__, KeyError())
    with pytest.raises(KeyError) as caught:
        f(1)
    assert caught.traceback[-1].frame.f_locals == {"x": 1, "free": 7, "seen": seen}


def test_the_installed_torch_behaves():
    ef.self_test.__wrapped__()


def test_a_torch_that_behaves_otherwise_is_refused_in_one_sentence(monkeypatch):
    from tracer.errors import CompatError

    monkeypatch.setattr(ef, "stopping_code", lambda code, error: code)
    with pytest.raises(CompatError, match="install a torch"):
        ef.self_test.__wrapped__()
