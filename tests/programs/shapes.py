"""Sizes in Python: arithmetic, control flow, containers and strings; what changes of shape do to the next call."""

import math

import torch
from torch import randn

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


def on_sizes(run, fn, *sizes, dim=0):
    f = run(fn)
    for n in sizes:
        f(randn(n, 4) if dim == 0 else randn(4, n))


@program(lambda: randn(2, 3, 4))
def shape_arithmetic(x):
    b, *rest = x.shape
    return x.view(b, math.prod(rest)), x.reshape(-1, x.size(-1)), x * (x.shape[1] / 2), x.shape[0] * x.shape[1] + 1


@program(lambda: randn(2, 4))
def sizes_in_containers_and_text(x):
    sizes = {"n": x.shape[0], "m": [x.shape[1]]}
    return x + sizes["n"], sizes, f"{x.shape[0]}", tuple(x.shape), list(x.size()), max(x.shape), sum(x.shape)


@scenario(recompiles=1)
def becomes_dynamic_after_a_change(run):
    on_sizes(run, lambda x: x * 2 + x.shape[0], 5, 7, 9, 11)


@scenario(recompiles=1)
def second_dimension_becomes_dynamic(run):
    on_sizes(run, lambda x: x.sum(1), 5, 7, 9, dim=1)


@scenario(recompiles=1)
def dynamic_size_returned_in_python_values(run):
    on_sizes(run, lambda x: (x + 1, x.shape[0], [x.shape], x.shape[0] * 2, -x.shape[0] // 3), 5, 7, 9)


@scenario(**UNKNOWN)
def size_in_control_flow(run):
    on_sizes(run, lambda x: x * 2 if x.shape[0] > 6 else x - 1, 5, 7, 9, 4, 6)


@scenario(**UNKNOWN)
def zero_and_one_are_special(run):
    on_sizes(run, lambda x: (x * 2).sum(0) + x.shape[0], 3, 1, 0, 4, 1, 0, 5)


@scenario(**UNKNOWN)
def symbols_equal_by_accident(run):
    f = run(lambda x, y: (x.shape[0] == y.shape[0], x.sum() + y.sum()))
    for n, m in ((3, 3), (4, 4), (4, 5), (5, 4)):
        f(randn(n), randn(m))


@scenario(**UNKNOWN)
def sizes_that_must_agree(run):
    f = run(lambda x, y: x + y)
    for n in (3, 4, 5):
        f(randn(n), randn(n))
    f(randn(1), randn(5))


@scenario(**UNKNOWN)
def loop_over_a_size(run):
    def f(x):
        for i in range(x.shape[0]):
            x = x + i
        return x

    on_sizes(run, f, 2, 3, 4)


@scenario(**UNKNOWN)
def slices_with_sizes(run):
    def f(x):
        half = x.shape[0] // 2
        return x[:half], x[half:], x[-half], x[: x.shape[0] - 1], x.shape[0] % 3

    on_sizes(run, f, 4, 6, 7, 8)


@scenario(**UNKNOWN)
def size_as_dict_key_and_bool(run):
    def f(x):
        table = {5: "five", 7: "seven"}
        return x + 1, table.get(x.shape[0], "other"), bool(x.shape[0] - 5), x.shape[0] is None

    on_sizes(run, f, 5, 7, 9)


@scenario(**UNKNOWN)
def integer_argument_becomes_dynamic(run):
    f = run(lambda x, n: (x * n, n + 1, n // 2))
    for n in (3, 4, 5, 0, 1, -2):
        f(randn(3), n)


@scenario(**UNKNOWN)
def float_argument_changes(run):
    f = run(lambda x, a: x * a + a)
    for a in (0.5, 0.25, 2.0, float("inf")):
        f(randn(3), a)


@scenario(**UNKNOWN)
def division_by_symbolic_zero(run):
    def f(x, n):
        try:
            return x + 10 // n
        except ZeroDivisionError as error:
            return x - 1, str(error)

    g = run(f)
    for n in (3, 4, 5, 0):
        g(randn(3), n)


@scenario(**UNKNOWN)
def creation_with_sizes(run):
    on_sizes(run, lambda x: (torch.zeros(x.shape[0], 2), torch.arange(x.shape[0]), x.new_ones(x.shape)), 3, 4, 5)


@scenario(**UNKNOWN)
def repeated_interleave_and_reshape(run):
    on_sizes(run, lambda x: x.repeat(2, 1).view(2, x.shape[0], 4).flatten().unflatten(0, (-1, 4)), 3, 5, 6)


@scenario(**UNKNOWN)
def rank_changes(run):
    f = run(lambda x: x.flatten() + x.dim())
    for shape in ((3,), (2, 3), (2, 2, 2), (3,)):
        f(randn(shape))


@scenario(**UNKNOWN)
def asserted_sizes(run):
    def f(x):
        assert x.shape[0] < 8, f"too long: {x.shape[0]}"
        return x * 2

    g = run(f)
    for n in (3, 5, 6):
        g(randn(n))
    try:
        g(randn(9))
    except AssertionError:
        pass


@scenario(recompiles=0, graphs=1, config={"dynamic": True})
def dynamic_from_the_start(run):
    on_sizes(run, lambda x: x.sum(0) * x.shape[0], 5, 7, 9)


@scenario(recompiles=2, config={"dynamic": False})
def never_dynamic(run):
    on_sizes(run, lambda x: x.sum(0) * x.shape[0], 5, 7, 9)


@scenario(recompiles=0, graphs=1)
def marked_dynamic(run):
    f = run(lambda x: x.sum(0) * x.shape[0])
    for n in (5, 7, 9):
        x = randn(n, 2)
        torch._dynamo.mark_dynamic(x, 0)
        f(x)


@scenario(recompiles=2)
def marked_static(run):
    f = run(lambda x: x.sum(0) * x.shape[0])
    for n in (5, 7, 9):
        x = randn(n, 2)
        torch._dynamo.mark_static(x, 0)
        f(x)


@program(lambda: (randn(4), torch.tensor(2)), **UNKNOWN)
def unbacked_size(x, n):
    k = n.item()
    torch._check(k >= 0)
    torch._check(k <= 4)
    return x[:k].sum()


@program(lambda: randn(6), **UNKNOWN)
def data_dependent_shapes(x):
    kept = x[x > 0]
    return kept.sum(), kept.shape[0], torch.nonzero(x), torch.unique(x.round())


@scenario(**UNKNOWN)
def list_lengths_and_shapes_together(run):
    f = run(lambda xs: torch.cat(xs).sum() * len(xs))
    for n, m in ((2, 3), (2, 4), (3, 4), (3, 5)):
        f([randn(m) for _ in range(n)])


@torch.library.custom_op("tests_shapes::grow", mutates_args={"n"})
def grow(n: torch.Tensor) -> None:
    n.add_(2)


@program(lambda: torch.arange(12.0).view(3, 4))
def sizes_from_tensors_that_are_made_of_numbers(x):
    """The same tensor of a number twice, and what is computed of it: torch knows what is in it."""
    half = torch.div(x.shape[1], 2, rounding_mode="trunc")
    other = torch.div(x.shape[1], 2, rounding_mode="trunc")
    three = torch.tensor(2) + torch.tensor(1)
    return x.view(3, half, 2), x.view(3, other, half), x.new_zeros((three, half)), x.new_ones(torch.tensor(3), torch.tensor(3) - 1)


@program(lambda: torch.arange(12.0).view(3, 4), graphs=None, breaks=None)
def sizes_from_tensors_of_numbers_that_were_written_to(x):
    made = []
    n = torch.tensor(2)
    made.append(x.new_zeros((n, 2)))
    n.add_(1)
    made.append(x.new_zeros((n, 2)))
    n.view(1).mul_(2)
    made.append(x.new_zeros((n, 2)))
    grow(n)
    made.append(x.new_zeros((n, 2)))
    n.copy_(x.sum())
    made.append(x.new_zeros((n, 1)))
    n.fill_(4)
    made.append(x.new_zeros((n, 1)))
    return made


@program(lambda: (torch.arange(12.0).view(3, 4), torch.tensor([3, 4])), graphs=None, breaks=None)
def sizes_from_tensors_that_are_given(x, sizes):
    n = torch.tensor(2)
    n[...] = sizes[0]
    return x.new_zeros((n, sizes[1])), x.new_zeros(torch.tensor(2), 3)
