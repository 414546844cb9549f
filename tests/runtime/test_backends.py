"""Graphs to callables: eager, aot_eager, inductor; training, symbolic sizes, failures by name."""

from __future__ import annotations

import pytest
import torch
from torch import fx
from torch._guards import TracingContext
from torch._subclasses.fake_tensor import FakeTensorMode

import tracer
from tracer.compat import fake_of, fake_symbolic, lookup_backend, make_graph_module, new_fake_mode
from tracer.errors import BackendError, TracerError
from tracer.runtime.backends import compile_graph, list_backends, resolve

#: inductor runs a C++ compiler: once for each kind of graph is enough
BACKENDS = [("eager", False), ("eager", True), ("aot_eager", False), ("aot_eager", True), ("inductor", True)]


def linear_graph():
    """(weight, bias, x) → (relu(x @ weight.T + bias),)"""
    graph = fx.Graph()
    weight, bias, x = (graph.placeholder(name) for name in ("weight", "bias", "x"))
    y = graph.call_function(torch.nn.functional.linear, (x, weight, bias))
    graph.output((graph.call_function(torch.relu, (y,)),))
    return make_graph_module({}, graph)


def linear_inputs(grad=True):
    weight = torch.nn.Parameter(torch.randn(3, 3), requires_grad=grad)
    return [weight, torch.nn.Parameter(torch.randn(3), requires_grad=grad), torch.randn(4, 3)]


@pytest.mark.parametrize(("backend", "with_reals"), BACKENDS)
def test_a_training_graph(backend, with_reals):
    gm, inputs, mode = linear_graph(), linear_inputs(), new_fake_mode()
    fakes = [fake_of(mode, value) for value in inputs]
    compiled = compile_graph(gm, fakes, backend, fake_mode=mode, real_inputs=inputs if with_reals else None)
    (out,) = compiled(*inputs)
    weight, bias, x = inputs
    expected = torch.relu(torch.nn.functional.linear(x, weight, bias))
    torch.testing.assert_close(out, expected)
    grads = torch.autograd.grad(out.sum(), [weight, bias])
    torch.testing.assert_close(grads, torch.autograd.grad(expected.sum(), [weight, bias]))
    assert compiled.backend == backend and compiled.seconds > 0


@pytest.mark.parametrize(("backend", "with_reals"), BACKENDS)
def test_symbolic_sizes(backend, with_reals):
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    mode = new_fake_mode(ShapeEnv())
    x = torch.randn(5, 3)
    fake = fake_symbolic(mode, x, {0: "dynamic"}, "x")
    graph = fx.Graph()
    size, value = graph.placeholder("s0"), graph.placeholder("x")
    size.meta["example_value"], value.meta["example_value"] = fake.shape[0], fake
    flat = graph.call_method("reshape", (value, graph.call_function(lambda s: s * 3, (size,))))
    graph.output((graph.call_function(torch.mul, (flat, size)),))
    gm = make_graph_module({}, graph)
    compiled = compile_graph(
        gm, [fake.shape[0], fake], backend, fake_mode=mode, real_inputs=[5, x] if with_reals else None, dynamic=True
    )
    for rows in (5, 5, 7):
        x = torch.randn(rows, 3)
        (out,) = compiled(rows, x)
        torch.testing.assert_close(out, x.reshape(-1) * rows)


def test_the_backend_gets_a_mode_of_its_own_on_the_same_shapes():
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    mode, seen = new_fake_mode(ShapeEnv()), {}

    def backend(gm, example_inputs):
        seen["inputs"], seen["context"] = example_inputs, TracingContext.get()
        return gm.forward

    inputs = linear_inputs()
    fakes = [fake_of(mode, inputs[0]), fake_of(mode, inputs[1]), fake_symbolic(mode, inputs[2], [0], "x")]
    compile_graph(linear_graph(), fakes, backend, fake_mode=mode)
    given = seen["inputs"]
    assert {type(value.fake_mode) for value in given} == {FakeTensorMode}  # torch finds rules of higher-order operators by this class
    assert seen["context"].fake_mode is given[0].fake_mode
    assert given[2].fake_mode.shape_env is mode.shape_env
    assert given[2].shape[0].node.expr == fakes[2].shape[0].node.expr
    assert isinstance(given[0], torch.nn.Parameter) and given[0].requires_grad and given[0].is_leaf
    assert TracingContext.try_get() is None


def test_with_real_inputs_the_backend_sees_them():
    mode, seen, inputs = new_fake_mode(), [], linear_inputs()
    fakes = [fake_of(mode, value) for value in inputs]

    def backend(gm, example_inputs):
        seen.extend(example_inputs)
        return gm.forward

    compile_graph(linear_graph(), fakes, backend, fake_mode=mode, real_inputs=inputs)
    assert all(a is b for a, b in zip(seen, inputs))


def test_eager_is_given_no_time():
    mode = new_fake_mode()
    fakes = [fake_of(mode, value) for value in linear_inputs()]
    gm = linear_graph()
    compiled = compile_graph(gm, fakes, "eager", fake_mode=mode)
    assert compiled.seconds < 1
    assert "relu" in gm.code


def test_inputs_that_share_storage(backend="aot_eager"):
    base = torch.randn(6)
    a, b = base.detach(), base.detach()
    mode = new_fake_mode()
    fakes = [fake_of(mode, a), fake_of(mode, b)]
    graph = fx.Graph()
    x, y = graph.placeholder("x"), graph.placeholder("y")
    graph.call_method("add_", (x, 1))
    graph.output((graph.call_function(torch.mul, (y, 2)),))
    compiled = compile_graph(make_graph_module({}, graph), fakes, backend, fake_mode=mode)
    before = base.clone()
    (out,) = compiled(a, b)
    torch.testing.assert_close(out, (before + 1) * 2)
    torch.testing.assert_close(base, before + 1)


def test_options_and_modes_are_bound_as_torch_compile_binds_them():
    def backend(gm, example_inputs, **given):
        seen.update(given)
        return gm.forward

    seen: dict = {}
    mode, inputs = new_fake_mode(), linear_inputs()
    fakes = [fake_of(mode, value) for value in inputs]
    compile_graph(linear_graph(), fakes, backend, fake_mode=mode, options={"a": 1})
    assert seen == {"options": {"a": 1}}
    seen.clear()
    compile_graph(linear_graph(), fakes, backend, fake_mode=mode, mode="default")
    assert seen == {}
    assert resolve("inductor", options={"max_autotune": False}).config == {"max_autotune": False}


@pytest.mark.parametrize(
    "how, text",
    [
        ({"backend": "no_such"}, "no_such"),
        ({"backend": "inductor", "options": {"nonsense": 1}}, "nonsense"),
        ({"backend": "inductor", "mode": "nonsense"}, "nonsense"),
        ({"backend": "inductor", "mode": "default", "options": {"max_autotune": True}}, "not both"),
    ],
)
def test_what_is_refused_is_refused_by_name(how, text):
    with pytest.raises(BackendError, match=text) as caught:
        resolve(**how)
    assert "\n  next: " in str(caught.value)


def test_a_failing_backend_is_named_with_its_graph():
    mode = new_fake_mode()
    fakes = [fake_of(mode, value) for value in linear_inputs()]

    def bad(gm, example_inputs):
        raise ZeroDivisionError("oh")

    with pytest.raises(TracerError) as caught:
        compile_graph(linear_graph(), fakes, bad, fake_mode=mode, name="graph_3")
    error = caught.value
    assert (error.graph, error.backend) == ("graph_3", "bad")
    assert "2 operations" in str(error) and "ZeroDivisionError: oh" in str(error)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert TracingContext.try_get() is None


def test_a_backend_must_return_something_to_call():
    with pytest.raises(BackendError, match="can't be called"):
        compile_graph(linear_graph(), [], lambda gm, inputs: None, fake_mode=new_fake_mode())


def test_interrupts_pass_through_a_backend():
    def interrupted(gm, example_inputs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_graph(linear_graph(), [], interrupted, fake_mode=new_fake_mode())


def test_names_are_listed_and_looked_up():
    assert {"inductor", "cudagraphs"} <= set(list_backends())
    function = lookup_backend("eager")
    assert lookup_backend(function) is function
    gm = linear_graph()
    assert function(gm, []).__self__ is gm if hasattr(function(gm, []), "__self__") else callable(function(gm, []))


def test_parts_of_a_leaf_that_are_written_without_gradients():
    """Tracing writes to its fakes: a backend gets the inputs as they were before."""

    def f(*parts):
        for part in parts:
            part.add_(1)

    compiled, x = tracer.compile(f, backend="aot_eager"), torch.zeros(6, requires_grad=True)
    with torch.no_grad():
        compiled(*x.split(2))
        compiled(*x.split(3))
    assert x.tolist() == [2.0] * 6 and len(compiled.session.graphs) == 2
