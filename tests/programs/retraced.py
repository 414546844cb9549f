"""What a backend that traces the graph anew can't take as it is: masked writes whose value needs a gradient, LSTMs, views of one
tensor that are written. The results are those of plain Python, whichever backend there is."""

import torch
from torch import nn

from tests.programs import program, scenario
from tests.programs.tensors import randn


def wanted(*shape):
    return torch.randn(shape, requires_grad=True)


def mask():
    return torch.tensor([True, False, True, False])


@program(lambda: (wanted(4), mask(), wanted(2)), graphs=None, breaks=None)
def masked_assignment(x, keep, v):
    x = x.clone()
    x[keep] = v
    return x * 2


@program(lambda: (wanted(4, 3), mask(), wanted()), graphs=None, breaks=None)
def masked_assignment_among_other_indices(x, keep, v):
    x = x.clone()
    x[keep, 0] = v
    x[..., keep[:3].tolist()] = v * 2
    return x


@program(lambda: (randn(4), mask(), wanted(2)), graphs=None, breaks=None)
def masked_puts(x, keep, v):
    return x.index_put((keep,), v), torch.index_put(x, [keep], v, True), x.clone().index_put_((keep,), v)


@program(lambda: (wanted(4), mask(), randn(2)))
def masked_assignment_of_what_needs_no_gradient(x, keep, v):
    x = x.clone()
    x[keep] = v
    x[~keep] = 3.0
    with torch.no_grad():
        x[keep] = x[:2].clone()
    return x * 2


@scenario(graphs=0, breaks=["rnn-module"])
def lstm_that_is_trained(run):
    model = nn.LSTM(4, 3, batch_first=True)
    f = run(model)
    for _ in range(2):
        f(randn(2, 5, 4))[0].sum().backward()


@scenario(graphs=None, breaks=None)
def lstm_kernel(run):
    model = nn.LSTM(4, 3)
    state = (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
    run(lambda x: torch.lstm(x * 2, state, model._flat_weights, True, 1, 0.0, True, False, False)[0] + 1)(randn(5, 2, 4))
    run.watch(model)


@scenario(graphs=None, breaks=None, recompiles=None, config={"dynamic": True})
def views_that_overlap_written_with_symbolic_sizes(run):
    def f(a, b):
        a.add_(1)
        b.mul_(2)
        return a + b

    call = run(f)
    for n, k in ((8, 2), (10, 2), (10, 3)):
        base = run.watch(torch.arange(float(n)))
        call(base[: n - k], base[k:])
    call(torch.ones(4), torch.ones(4))


@scenario(graphs=None, breaks=None, recompiles=None)
def views_that_overlap_elsewhere_at_the_next_call(run):
    def f(a, b, c):
        a.add_(1)
        return a + b + c

    call = run(f)
    for k in (0, 1, 2, 5):
        base = run.watch(torch.arange(10.0))
        call(base[0:4], base[k : k + 4], base[2:6])
    base = run.watch(torch.arange(10.0))
    call(base[1:5], base[2:6], base[3:7])
    call(base[0:4], torch.ones(4), base[2:6])


@scenario(recompiles=None, graphs=None)
def sizes_without_a_hint(run):
    call = run(lambda x: (x * 2, x.sum(0), torch.ones(x.shape[0])))
    for n in (3, 7, 1, 0):
        x = randn(n, 2)
        torch._dynamo.decorators.mark_unbacked(x, 0)
        call(x)
