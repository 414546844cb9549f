"""`autograd.Function.apply` is captured with its own backward; with keywords, where torch takes them, it ends the graph."""

from __future__ import annotations

import runpy

import numpy as np
import pytest
import torch
from torch.autograd.function import once_differentiable

import tracer


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k=2):
        ctx.k = k
        return x * k

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.k + 100, None


def by_position(x):
    return Scaled.apply(x, 3) + 1


def by_keyword(x):
    return Scaled.apply(x, k=3) + 1


def takes_keywords():
    try:
        Scaled.apply(torch.ones(1), k=3)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("program", [by_position, by_keyword], ids=lambda program: program.__name__)
def test_its_own_backward_is_used(program):
    if program is by_keyword and not takes_keywords():
        pytest.skip("apply takes keywords since torch 2.14")
    session = tracer.Session("trace")
    for _ in range(2):
        x = torch.randn(3, requires_grad=True)
        found, wanted = session.run(program, x), program(x)
        torch.testing.assert_close(found, wanted)
        (one,), (other,) = (torch.autograd.grad(result.sum(), x) for result in (found, wanted))
        torch.testing.assert_close(one, other)
    breaks = ["autograd-function-unsupported"] if program is by_keyword else []
    assert [found.reason for found in session.graph_breaks] == breaks and not session.recompiles


@pytest.mark.skipif(takes_keywords(), reason="apply takes keywords since torch 2.14")
def test_keywords_are_refused_in_torchs_words_where_it_takes_none():
    session = tracer.Session("trace")
    with pytest.raises(TypeError) as wanted:
        by_keyword(torch.ones(1))
    with pytest.raises(TypeError) as found:
        session.run(by_keyword, torch.ones(1))
    assert str(found.value) == str(wanted.value)


# ---- what autograd does with it
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y


class Once(Exp):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y


class Outer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * Square.apply(x)


def captured(program, **settings):
    session = tracer.Session("trace", **settings)

    def run(*args):
        result = session.run(program, *args)
        assert not session.graph_breaks and len(session.graphs) >= 1
        return result

    return run


def gradients_of_gradients(program):
    x = torch.arange(1.0, 4.0).requires_grad_()
    (first,) = torch.autograd.grad(program(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first * first).sum(), x, create_graph=True)
    return first, second, *torch.autograd.grad(second.sum(), x)


@pytest.mark.parametrize("function", [Square, Exp, Outer])
def test_gradients_of_gradients(function):
    program = lambda x: function.apply(x) * x
    torch.testing.assert_close(gradients_of_gradients(captured(program)), gradients_of_gradients(program))


def test_what_is_differentiable_once_says_so_when_it_is_differentiated_twice():
    program = lambda x: Once.apply(x) * x
    found = []
    for run in (program, captured(program)):
        with pytest.raises(RuntimeError) as error:
            gradients_of_gradients(run)
        found.append(str(error.value))
    assert found[0] == found[1]


def writes_to_what_was_saved(x):
    y = x * 1
    z = Square.apply(y)
    y.add_(1)
    return z


def writes_to_a_saved_result(x):
    y = Exp.apply(x)
    y.mul_(2)
    return y


@pytest.mark.parametrize("program", [writes_to_what_was_saved, writes_to_a_saved_result])
def test_writing_to_a_saved_tensor_is_an_error_in_backward(program):
    found = []
    for run in (program, captured(program)):
        x = torch.ones(3, requires_grad=True)
        with pytest.raises(RuntimeError, match="modified by an inplace operation") as error:
            run(x).sum().backward()
        found.append(str(error.value))
    assert found[0] == found[1]


def test_hooks_on_saved_tensors_see_them_and_what_was_saved_is_freed():
    program = lambda x: Square.apply(x)
    found = []
    for run in (program, captured(program)):
        x = torch.arange(3.0, requires_grad=True)
        packed = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t.shape) or t * 2, lambda t: t):
            y = run(x)
        y.sum().backward()
        with pytest.raises(RuntimeError, match="second time") as error:
            y.sum().backward()
        found.append((packed, x.grad.tolist(), str(error.value), y.grad_fn.name()))
    assert found[0] == found[1] and found[0][3] == "SquareBackward"


def test_a_backward_that_reads_what_changes_is_traced_again():
    scale = 2.0

    class Scaling(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * scale

        @staticmethod
        def backward(ctx, grad):
            return grad * scale + 1

    def program(x):
        return Scaling.apply(x)

    session = tracer.Session("trace")
    x = torch.ones(3, requires_grad=True)
    for scale in (2.0, 3.0):
        assert torch.autograd.grad(session.run(program, x).sum(), x)[0].tolist() == [scale + 1] * 3
    Scaling.backward = staticmethod(lambda ctx, grad: grad * 5)
    assert torch.autograd.grad(session.run(program, x).sum(), x)[0].tolist() == [5] * 3
    assert not session.graph_breaks and len(session.recompiles) == 2


@pytest.mark.parametrize("dynamic", [None, True])
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_backends_that_trace_the_graph_anew(backend, dynamic):
    program = lambda x: Outer.apply(Square.apply(x)) + Exp.apply(x) * Once.apply(x)
    run = captured(program, backend=backend, dynamic=dynamic)
    for size in (3, 3, 4, 5):
        x = torch.randn(size, requires_grad=True)
        found, wanted = run(x), program(x)
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(torch.autograd.grad(found.sum(), x), torch.autograd.grad(wanted.sum(), x))


class Same(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, grad):
        return grad * 7


class Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x[:2], x[2:]

    @staticmethod
    def backward(ctx, first, rest):
        return torch.cat([first * 7, rest * 5])


def view_of_a_view(x):
    return Same.apply(x).t()


def view_and_result(x):
    y = Same.apply(x)
    return y, y.t()


def argument_and_result(x):
    y = x * 1
    return y, Same.apply(y)


def view_of_the_argument(x):
    return x.t(), Same.apply(Same.apply(x.t())).t()[0]


def view_of_one_of_two(x):
    return Rows.apply(x)[1].t()


@pytest.mark.parametrize("program", [view_of_a_view, view_and_result, argument_and_result, view_of_the_argument, view_of_one_of_two])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_views_of_what_a_function_returns_have_its_backward(program, backend):
    found = []
    for run in (program, captured(program, backend=backend)):
        x = torch.arange(9.0).view(3, 3).requires_grad_()
        results = run(x)
        results = results if isinstance(results, tuple) else (results,)
        total = sum((y * torch.arange(1.0, y.numel() + 1).view(y.shape)).sum() for y in results)
        found.append((*results, *torch.autograd.grad(total, x)))
    torch.testing.assert_close(found[0], found[1])


class KeepsWhatItReturns(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad):
        return grad


@pytest.mark.parametrize("needs_grad", [True, False])
def test_saving_an_argument_that_is_returned_is_the_error_that_autograd_makes_of_it(needs_grad):
    x = torch.ones(3, requires_grad=needs_grad)
    found = []
    for run in (KeepsWhatItReturns.apply, lambda x: tracer.Session("trace").run(lambda x: KeepsWhatItReturns.apply(x), x)):
        with pytest.raises(RuntimeError, match="returned as-is") as error:
            run(x)
        found.append(str(error.value))
    assert found[0] == found[1]


# ---- what is told of it
def test_forward_and_backward_are_two_bodies():
    session = tracer.Session("trace")
    session.run(lambda x: Square.apply(x) + 1, torch.ones(3, requires_grad=True))
    forward, backward = session.speculations
    assert [one.operator for one in (forward, backward)] == ["autograd.Function"] * 2 and {forward.outcome, backward.outcome} == {"committed"}
    (graph,) = session.graphs
    node = next(node for node in graph.nodes if node.target == "autograd_function_apply")
    assert node.inputs == ("fwd_body", "bwd_body", "l_x_")
    assert [[inner.target for inner in body.nodes] for body in graph.bodies] == [["mul"], ["mul", "mul"]]


def forward_prints(ctx, x):
    print("forward")
    return x * 2


def backward_draws(ctx, grad):
    return torch.from_numpy(np.sign(grad.numpy()))


def backward_asks(ctx, grad):
    return grad * 2 if torch.is_grad_enabled() else grad * 3


def backward_miscounts(ctx, grad):
    return grad, grad


@pytest.mark.parametrize(
    ("part", "method", "words"),
    [
        ("forward", forward_prints, "its forward ends the graph: Printing, logging or warning mid-function"),
        ("backward", backward_draws, "its backward ends the graph: NumPy"),
        ("backward", backward_asks, "its backward ends the graph: Asked before the body runs"),
        ("backward", backward_miscounts, "its backward returns 2 gradients for 1 arguments"),
    ],
)
def test_a_body_that_cannot_be_a_graph_ends_the_graph_at_its_own_line(part, method, words, capsys):
    function = type(torch.autograd.Function)("Refused", (Square,), {part: staticmethod(method)})
    session = tracer.Session("trace")
    session.run(lambda x: function.apply(x) + 1, torch.ones(3, requires_grad=True))
    found = session.graph_breaks[0]
    text = " ".join(found.explanation.split())
    assert found.reason == "autograd-function-unsupported" and words in text
    if "ends the graph" in words:
        assert found.location.line == method.__code__.co_firstlineno + 1 and "is part of `Refused`, a custom autograd function" in text
    with pytest.raises(tracer.FullGraphError) as error:
        tracer.Session("trace", fullgraph=True).run(lambda x: function.apply(x) + 1, torch.ones(3, requires_grad=True))
    assert words in " ".join(str(error.value).split())
    assert any(one.outcome == "rolled back" for one in session.speculations)


def test_levels_in_a_backward_are_those_of_the_moment_in_which_it_runs():
    class OfRows(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return torch.func.vmap(lambda row: row * 3 + row.sum())(grad)

    session = tracer.Session("trace")
    x, gradients = torch.randn(3, 4, requires_grad=True), torch.randn(5, 3, 4)
    found = []
    for run in (OfRows.apply, lambda x: session.run(lambda x: OfRows.apply(x), x)):
        y = run(x)
        found.append([torch.autograd.grad(y, x, gradients, retain_graph=True, is_grads_batched=True)[0], torch.autograd.grad(y, x, gradients[0])[0]])
    torch.testing.assert_close(found[1], found[0])
    assert not session.graph_breaks


def test_what_a_function_under_a_transform_was_not_captured_for_is_an_error():
    """Never a gradient of something else."""
    from tracer.graph.applied_in_levels import NotCaptured, autograd_function_in_levels

    x = torch.ones(3, requires_grad=True)
    way = (None, lambda x, y: (((), ()), (), ()), (((False,), lambda: (None,)),), (), (False, False), (), (), True)
    (y,) = autograd_function_in_levels(lambda x: (x * 2,), (way,), x, name="Part", given=1, arguments=(None,), alone=True)
    with pytest.raises(NotCaptured, match="the backward of this function was captured for other levels"):
        y.sum().backward()


def test_exported_files_have_both_bodies(tmp_path):
    session = tracer.Session("trace")
    x = torch.ones(3, requires_grad=True)
    session.run(lambda x: Square.apply(x) + Once.apply(x), x)
    for name in ("graph.py", "graph.pt2", "graph.html", "graph.svg", "graph.json"):
        assert session.export(tmp_path / name, check=name.endswith("py"))
    text = (tmp_path / "graph.py").read_text()
    assert "class Graph0_fwd_body(" in text and "class Graph0_bwd_body_1(" in text and text.count("def autograd_function_apply(") == 1


def test_exported_files_have_the_bodies_of_functions_in_levels(tmp_path):
    class Doubled(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    session = tracer.Session("trace")
    program = lambda x, y: (torch.func.vmap(torch.func.grad(lambda v: Doubled.apply(v).sum()))(x), Square.apply(y))
    x, y = torch.randn(2, 3), torch.ones(3, requires_grad=True)
    wanted = session.run(program, x, y)
    for name in ("graph.py", "graph.html", "graph.svg", "graph.json"):
        assert session.export(tmp_path / name)
    scope = runpy.run_path(str(tmp_path / "graph.py"))
    scope["check"]()
    made = next(value for name, value in scope.items() if name.startswith("Graph") and "body" not in name)
    found = made()(x, y)
    assert all(one.equal(other) for one, other in zip(wanted, found, strict=True))


def test_a_function_that_ends_the_graph_ends_it_once():
    """Its forward is a frame of its own then, and what it says to autograd is written behind that frame's graph."""

    class Reading(Square):
        @staticmethod
        def backward(ctx, grad):
            return grad * float(ctx.saved_tensors[0].sum())

    session = tracer.Session("trace")
    program = lambda x: Reading.apply(x) + 1
    found = []
    for run in (program, lambda x: session.run(program, x)):
        x = torch.ones(3, requires_grad=True)
        found.append(torch.autograd.grad(run(x).sum(), x)[0])
    assert found[0].equal(found[1]) and [one.reason for one in session.graph_breaks] == ["autograd-function-unsupported"]
