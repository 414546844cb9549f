"""What operators do beside their result: writes to arguments, random draws, effects; and constants that a graph's code has to spell."""

import torch
import torch.nn.functional as F
from torch import randn
from torch.utils.checkpoint import checkpoint

from tests.programs import Args, program, scenario

SEEN: list[float] = []


@torch.library.custom_op("tracer_tests::note", mutates_args=())
def note(x: torch.Tensor) -> torch.Tensor:
    SEEN.append(float(x.sum()))
    return x.clone()


@note.register_fake
def _(x):
    return torch.empty_like(x)


@torch.library.custom_op("tracer_tests::fill_second", mutates_args=("out",))
def fill_second(x: torch.Tensor, out: torch.Tensor) -> None:
    out.copy_(x)


# ---- written to
def two_lists():
    return [torch.ones(2), torch.ones(3)], [torch.ones(2), torch.ones(3)], 0.1


@program(two_lists)
def lists_written_in_place(ps, gs, lr):
    torch._foreach_mul_(ps, 0.5)
    torch._foreach_add_(ps, gs, alpha=-lr)
    return ps[0].sum()


@program(two_lists)
def lists_written_in_place_of_every_kind(ps, gs, lr):
    torch._foreach_lerp_(ps, gs, 0.25)
    torch._foreach_addcdiv_(ps, gs, gs, 0.5)
    torch._foreach_sqrt_(ps)
    same = torch._foreach_copy_(gs, ps)
    torch._foreach_zero_(tuple(ps))
    torch._foreach_clamp_min_(gs, 0.9)
    return same, same is gs


@scenario()
def averaged_parameters(run):
    model, average = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)

    def step(x):
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 0.25)
        return model(x)

    compiled = run(step)
    run.watch(list(average.parameters()))
    compiled(torch.ones(1, 1))
    compiled(torch.ones(1, 1))


@program(lambda: Args([torch.ones(2, requires_grad=True)], torch.ones(2)), graphs=None)
def list_with_a_leaf_written_in_place(ws, x):
    torch._foreach_add_(ws, 1.0)
    return x * 2


@program(lambda: (randn(3), randn(3, requires_grad=True)))
def input_that_begins_to_need_a_gradient(x, w):
    x.mul_(w)
    x.add_(1)  # a leaf no more
    return x * w


@program(lambda: (randn(3), randn(3)), calls=2)
def custom_operator_that_writes(x, out):
    fill_second(x, out)
    return out + x


@program(lambda: (randn(4, 3), torch.tensor([0, 2])))
def rows_renormalised_by_a_lookup(table, rows):
    F.embedding(rows, table * 1, max_norm=0.1)
    with torch.no_grad():
        F.embedding(rows, table, max_norm=0.5)
    return table + 1


@scenario()
def running_statistics_of_an_unused_result(run):
    norm = torch.nn.BatchNorm1d(3)
    run.watch(norm)

    def f(x):
        norm(x)
        return x + norm.running_mean

    compiled = run(f)
    compiled(randn(4, 3))
    compiled(randn(4, 3))


@program(lambda: (randn(2, 3, 4), torch.zeros(3), torch.ones(3)))
def running_statistics_of_instances(x, mean, var):
    F.instance_norm(x, mean, var, use_input_stats=True)
    return mean + var


@scenario(recompiles=2, graphs=3)
def in_place_flag_by_position(run):
    w = torch.nn.Parameter(torch.ones(2))

    def f(x, k):
        return F.leaky_relu(x * w, 0.1, True) + len(k)

    compiled = run(f, fullgraph=True)
    for k in ("a", "bb", "ccc"):
        compiled(torch.tensor([-1.0, 2.0]), k)


@program(lambda: randn(3, requires_grad=True))
def modules_that_pass_their_flag_by_position(x):
    y = x * 2
    for module in (torch.nn.LeakyReLU(0.1, True), torch.nn.ELU(1.0, True), torch.nn.ReLU6(True), torch.nn.ReLU(True)):
        y = module(y) * 2
    return y


# ---- random draws
@program(lambda: randn(2))
def unused_draws(x):
    torch.binomial(torch.full((2,), 10.0), torch.full((2,), 0.5))
    F.rrelu(x, training=True)
    F.alpha_dropout(x, training=True)
    F.gumbel_softmax(x)
    torch.randperm(5)
    return torch.rand(1)


@program(lambda: randn(2), breaks=None, graphs=None)
def draws_into_what_is_thrown_away(x):
    torch.empty(3).exponential_()
    torch.nn.init.trunc_normal_(torch.empty(3))
    torch.nn.init.kaiming_uniform_(torch.empty(3, 3))
    return torch.rand(1) + x


@program(lambda: randn(4, requires_grad=True))
def unused_region_that_draws(x):
    checkpoint(lambda v: F.dropout(v, 0.5), x, use_reentrant=False)
    return x + torch.rand(1)


@program(lambda: (torch.ones(2), torch.tensor([True])))
def unused_branch_that_draws(x, flag):
    torch.cond(flag.any(), lambda v: torch.bernoulli(v / 2), lambda v: v * 2, (x,))
    return x + torch.rand(1)


# ---- effects and errors
@scenario()
def unused_result_of_a_custom_operator(run):
    def f(x):
        note(x)
        torch.ops.tracer_tests.note(x + 1)
        return x + 1

    del SEEN[:]
    run.watch(SEEN)
    compiled = run(f)
    compiled(torch.ones(2))
    compiled(torch.ones(2))


@program(lambda: (randn(3), torch.tensor([7])), graphs=None)
def unused_lookup_out_of_range(x, i):
    x.index_select(0, i)
    return x * 2


# ---- autograd's view of a tensor
@program(lambda: randn(3, requires_grad=True))
def detached_in_place(x):
    y = x * 2
    y.detach_()
    return y * x


# ---- symbolic sizes where an operator wants something else
@scenario(graphs=2, recompiles=1)
def comparison_of_a_size_as_an_argument(run):
    compiled = run(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=q.shape[2] > 1), fullgraph=True)
    for n in (3, 4, 5):
        compiled(torch.ones(1, 1, n, 4))


@scenario(graphs=2, recompiles=1)
def comparison_of_a_size_by_keyword(run):
    compiled = run(lambda x: (x.sum(0, keepdim=x.shape[0] > 2), F.dropout(x, 0.5, training=x.shape[0] < 2)), fullgraph=True)
    for n in (3, 4, 5):
        compiled(torch.ones(n, 4))


@scenario(graphs=None, recompiles=None)
def views_of_a_view_with_a_symbolic_base(run):
    linear = torch.nn.Linear(6, 8)

    def f(x, s):
        v = x.view(2, len(s), 8)
        return v.detach() + v.detach()

    compiled = run(f)
    for n in (5, 6, 7):
        compiled(linear(torch.ones(2, n, 6)), "a" * n)


# ---- constants in a graph's code
@program(lambda: randn(2))
def python_types_for_dtypes(x):
    return x.to(int), x.to(float), torch.zeros(2, dtype=float), torch.ones(2, dtype=bool), torch.zeros(2, dtype=complex), F.softmax(x, 0, dtype=float)


@program(lambda: randn(2))
def tensor_classes_for_dtypes(x):
    return x.type(torch.DoubleTensor), x.type("torch.IntTensor")


@program(lambda: randn(2))
def keywords_that_are_reserved_words(x):
    x.random_(**{"from": 3, "to": 40})
    return torch.empty(2).uniform_(**{"to": 4, "from": 3}) + x, torch.ops.aten.random_(x.clone(), **{"from": 3, "to": 9})


FROM = getattr(torch.ops.aten.random_, "from")


@program(lambda: randn(2))
def overload_that_is_called_by_a_reserved_word(x):
    return FROM(x.clone(), 3, 9), FROM(x.clone(), **{"from": 3, "to": None})


@program(lambda: torch.tensor([2.0, 4.0]))
def powers_of_negative_constants(x):
    return (-2) ** x, (-2.5) ** x.abs(), pow(-2, x), (-2j) ** x, x**-2, (-float("inf")) ** x


@scenario(graphs=None, recompiles=None)
def power_of_a_size_that_is_fixed_later(run):
    compiled = run(lambda x: ((x.shape[0] - 10) ** 2, x * round(x.shape[0], -1)))
    for n in (4, 6, 7):
        compiled(torch.ones(n))


@program(lambda: torch.tensor([0.0, 1.0]))
def numbers_without_an_expression(x):
    return (x * -float("nan")).view(torch.int32), x * complex("nan"), torch.view_as_real(x * complex(-0.0, 1.0)), x * -0.0, x * float("-inf")


# ---- masks
@program(lambda: (randn(4), torch.tensor([True, False, True, True])), graphs=1, breaks=0, fullgraph=True)
def masked_rows(x, mask):
    return x[mask] * 2, x[~mask].sum(), mask.nonzero(), x.masked_select(mask)


@program(lambda: (randn(4, requires_grad=True), torch.tensor([True, False, True, False]), randn(2, requires_grad=True)), graphs=1, breaks=0, fullgraph=True)
def masked_assignment_of_what_needs_a_gradient(x, mask, value):
    y = x.clone()
    y[mask] = value
    return y, torch.index_put(x, (mask,), value * 2)


@program(lambda: (randn(4, requires_grad=True), torch.tensor([True, False, True, False]), randn(2, requires_grad=True)), graphs=None, breaks=None)
def masked_assignment_in_parts(x, mask, value):
    y = x * 2
    y[mask] = value
    return y.exp()


@program(lambda: (randn(3, 4, requires_grad=True), torch.tensor([True, False, True, True])), graphs=1, breaks=0, fullgraph=True)
def reductions_under_a_mask(x, mask):
    return torch.masked.sum(x, 1, mask=mask), torch.masked.softmax(x, -1, mask=mask), torch.masked.argmax(x, mask=mask), torch.masked.std(x)


# ---- torch's functions that call what they are given
def triplet():
    return randn(3, 4, requires_grad=True), randn(3, 4), randn(3, 4)


@program(triplet, graphs=1, breaks=0, fullgraph=True)
def a_loss_of_a_function_of_the_programs_own(a, p, n):
    loss, seen = F.triplet_margin_with_distance_loss, []

    def distance(u, v):
        seen.append(len(seen))
        return (u - v).abs().sum(-1)

    return loss(a, p, n, distance_function=distance, margin=0.5), loss(a, p, n, distance_function=torch.nn.PairwiseDistance(), swap=True), seen


@program(triplet, graphs=None, breaks=None)
def a_loss_of_a_function_that_breaks(a, p, n):
    def known(u, v):
        return (u - v).abs().sum(-1) * (2 if u.abs().sum() > 0 else 3)

    return F.triplet_margin_with_distance_loss(a, p, n, distance_function=known)


# ---- what C++ looks at and torch's decomposition doesn't
@program(lambda: torch.stft(randn(64), 16, hop_length=4, window=torch.ones(16), return_complex=True), graphs=1, breaks=0, fullgraph=True)
def a_signal_back_from_its_spectrum(spectrum):
    return torch.istft(spectrum, 16, hop_length=4, window=torch.ones(16)), torch.istft(spectrum * 2, 16, hop_length=4, window=torch.ones(16), length=60)


# ---- under a transform of torch.func
OUTSIDE = torch.arange(3.0)


@program(lambda: torch.ones(3), breaks=None, graphs=None)
def gradient_with_a_tensor_from_outside(x):
    return torch.func.grad(lambda v: (v * OUTSIDE).sum())(x), torch.func.jvp(lambda v: (v * OUTSIDE).sum(), (x,), (x,))


# ---- overrides
class Overriding:
    @classmethod
    def __torch_function__(cls, *args, **kwargs):
        return 1


@program(lambda: (torch.ones(1), Overriding()))
def overrides_are_asked_for(x, o):
    has = torch.overrides.has_torch_function_unary, torch.overrides.has_torch_function_variadic, torch.overrides.has_torch_function
    return x + 1, has[0](o), has[1](x, o), has[2]((x, o)), has[0](x), has[1](x, 1), has[2]([])
