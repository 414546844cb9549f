"""`.data = …` under a backend that traces the graph anew: memory, sharing and gradients as untraced."""

import pytest
import torch

import tracer


def fresh(x, y):
    x.data = y * 2
    with torch.no_grad():
        x.add_(1)
    return x + y


def shared(x, y):
    x.data = y
    return x + 1


def transposed(x, y):
    x.data = y.t()
    return x * 3


def twice(x, y):
    x.data = y
    x.data = x * 2
    return x + 1


def made(x, y):
    z = x * 2
    z.data = y
    return z + 1


def row_of_it(x, y):
    z = x[0]
    x.data = y
    return z + x


def written_after(x, y):
    x.data = y
    y.add_(1)
    return x + y


@pytest.mark.parametrize("wanted", [False, True], ids=["", "leaf"])
@pytest.mark.parametrize("function", [fresh, shared, transposed, twice, made, row_of_it, written_after])
def test_data_under_aot_eager(function, wanted):
    compiled = tracer.compile(function, backend="aot_eager")
    for _ in range(2):
        x, y = torch.randn(3, 3), torch.randn(3, 3)
        mine, theirs = [(x.clone().requires_grad_(wanted), y.clone()) for _ in range(2)]
        left, right = compiled(*mine), function(*theirs)
        torch.testing.assert_close((left, *mine), (right, *theirs))
        assert left.requires_grad == right.requires_grad
        if wanted:
            left.sum().backward()
            right.sum().backward()
            torch.testing.assert_close(mine[0].grad, theirs[0].grad)
        mine[1].add_(1)
        theirs[1].add_(1)
        torch.testing.assert_close(mine, theirs)
    reasons = [found.reason for found in compiled.session.graph_breaks]
    assert reasons == {made: ["grad-write"], written_after: ["backend-limit"]}.get(function, [])


def parameter_of_an_input(x):
    p = torch.nn.Parameter(x)
    return p * 3, p


def parameters_made_inside(x):
    p, q = torch.nn.Parameter(x * 2), torch.nn.Parameter(torch.empty(3))
    torch.nn.init.ones_(q)
    with torch.no_grad():
        q.mul_(2)
    return p * q + x, p, q, p.is_leaf, q.grad


@pytest.mark.parametrize("backend", ["aot_eager", lambda gm, inputs: gm.forward], ids=["aot_eager", "custom"])
@pytest.mark.parametrize("function", [parameter_of_an_input, parameters_made_inside])
def test_parameters_under_other_backends(function, backend):
    compiled = tracer.compile(function, backend=backend, fullgraph=True)
    seen = []
    for _ in range(2):
        x = torch.randn(3)
        left, right = compiled(x), function(x)
        seen += left[1:]
        torch.testing.assert_close(left, right)
        left[0].sum().backward()
        right[0].sum().backward()
        for mine, theirs in zip(left[1:], right[1:], strict=True):
            if isinstance(mine, torch.Tensor):
                assert type(mine) is torch.nn.Parameter
                torch.testing.assert_close(mine.grad, theirs.grad)
        assert (left[1].data_ptr() == x.data_ptr()) == (right[1].data_ptr() == x.data_ptr())
    assert len({id(p) for p in seen if isinstance(p, torch.Tensor)}) == sum(isinstance(p, torch.Tensor) for p in seen)


def test_hooks_under_aot_eager():
    def hooked(w, x):
        w.register_hook(lambda grad: grad * x)
        gone = w.register_hook(lambda grad: grad + 100)
        gone.remove()
        return (w * x).sum()

    compiled = tracer.compile(hooked, backend="aot_eager", fullgraph=True)
    for _ in range(2):
        mine, theirs = [torch.ones(3, requires_grad=True) for _ in range(2)]
        x = torch.randn(3)
        compiled(mine, x).backward()
        hooked(theirs, x).backward()
        torch.testing.assert_close(mine.grad, theirs.grad)
