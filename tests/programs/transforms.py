"""torch.func: `vmap`, `grad`, `jvp` and what is built of them, in any nesting, over functions, closures and modules."""

import copy
import functools

import torch
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F
from torch import nn, randn
from torch.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vjp,
    vmap,
)
from torch.utils.checkpoint import checkpoint

from tests.programs import program, scenario

ROUNDED = 1e-5


def rows():
    return randn(3, 4)


def trained_rows():
    return randn(3, 4, requires_grad=True)


def two():
    return randn(3, 4), randn(3, 4)


def vector():
    return randn(4)


# ---- vmap
@program(rows)
def a_function_of_each_row(x):
    return vmap(lambda v: v * 2 + v.sum())(x), torch.vmap(torch.sin)(x)


@program(rows)
def dimensions_in_and_out(x):
    return vmap(lambda v: (v.sin(), v.sum()), in_dims=1, out_dims=(1, 0))(x), vmap(lambda v: v, in_dims=-1, out_dims=-1)(x)


@program(lambda: (randn(3, 4), randn(4)))
def an_argument_that_all_rows_share(x, y):
    return vmap(lambda v, w, k=1: v @ w * k, in_dims=(0, None))(x, y, k=3)


@program(lambda: ({"a": randn(3, 4), "b": [randn(3, 4), 2]}, (randn(3), randn(4))))
def nested_arguments_and_results(d, t):
    return vmap(lambda d, t: {"sum": d["a"] + d["b"][0] * t[1], "t": [t[0]]}, in_dims=({"a": 0, "b": [0, None]}, (0, None)))(d, t)


@program(lambda: (randn(3, 4), randn(5, 4)))
def vmap_in_vmap(x, y):
    return vmap(vmap(lambda a, b: (a * b).sum(), in_dims=(None, 0)), in_dims=(0, None))(x, y)


@program(lambda: randn(5, 4))
def rows_in_chunks(x):
    return vmap(lambda v: v.cos(), chunk_size=2)(x)


@program(rows)
def random_numbers_for_each_row_or_for_all(x):
    each = vmap(lambda v: v + torch.rand(4), randomness="different")(x)
    same = vmap(lambda v: F.dropout(v, 0.5, True), randomness="same")(x)
    return each, same, torch.rand(1)


@program(rows, graphs=0)
def random_numbers_that_were_not_allowed(x):
    return vmap(lambda v: v + torch.rand(4))(x)


@program(rows)
def an_output_without_a_batch(x):
    return vmap(lambda v: (v, torch.ones(2)), out_dims=(0, None))(x)


@program(rows)
def sizes_inside_are_those_of_a_row(x):
    def f(v):
        return v / v.numel() + len(v) if v.shape[0] > 3 and v.dim() == 1 else v

    return vmap(f)(x)


@program(lambda: (randn(3, 4), torch.tensor([0, 3, 1])))
def indices_of_each_row(x, i):
    return vmap(lambda v, j: v[j])(x, i), vmap(lambda v: v.topk(2))(x), vmap(lambda v: torch.where(v > 0, v, -v).sort().indices)(x)


@program(rows)
def lists_of_the_program_inside(x):
    seen = []
    y = vmap(lambda v: (seen.append(tuple(v.shape)), v.sin())[1])(x)
    return y, seen


@program(rows)
def rows_are_written_in_place(x):
    z = x.clone()
    vmap(lambda v: v.add_(1))(z)
    vmap(lambda v: v.mul_(2))(x)
    return z, x + 1


@program(trained_rows)
def rows_of_a_result_are_written_in_place(x):
    y = x * 2
    vmap(lambda v: v.add_(1))(y)
    return y


@program(rows)
def a_partial_and_a_method(x):
    return vmap(functools.partial(torch.add, alpha=2), in_dims=(0, None))(x, x[0]), vmap(x.__class__.exp)(x)


@program(rows)
def in_a_loop(x):
    for _ in range(3):
        x = vmap(lambda v: v / 2 + 1)(x)
    return x


@program(lambda: tuple(randn(3, 2, 4, 8) for _ in range(3)), tolerance=ROUNDED)
def attention_of_each(q, k, v):
    return vmap(F.scaled_dot_product_attention)(q, k, v)


@program(rows, breaks=0)
def a_branch_on_data_in_each_row(x):
    return vmap(lambda v: torch.cond(v.sum() > 0, lambda a: a.sin(), lambda a: a.cos(), (v,)))(x)


@program(rows)
def in_a_branch(x):
    return torch.cond(x.sum() > 0, lambda a: vmap(torch.sin)(a), lambda a: vmap(torch.cos)(a), (x,))


@scenario(graphs=2)
def applied_before(run):
    doubled = run(vmap(lambda v: v * 2))
    return doubled(randn(3, 4)), run(grad(lambda v: v.exp().sum()))(randn(3))


@program(rows)
def errors_of_the_call(x):
    try:
        return vmap(lambda v: v, in_dims=7)(x)
    except ValueError as error:
        return x + len(str(error))


@program(rows, graphs=0)
def no_tensor_comes_back(x):
    return vmap(lambda v: 3)(x)


@program(rows)
def the_function_raises(x):
    def f(v):
        raise KeyError("a")

    try:
        vmap(f)(x)
    except KeyError:
        return vmap(lambda v: v + 1)(x)


@program(lambda: (randn(3, 4), torch.tensor([[0], [1], [9]])), ignore={"modes"})
def the_graph_raises_inside(x, i):
    return vmap(lambda v, j: torch.gather(v, 0, j))(x, i)


@scenario(graphs=3)
def levels_of_a_graph_that_raised_are_left(run):
    """Of forward differentiation torch has one at a time in a process: what follows couldn't enter its own."""

    def tangents(x, i):
        return jvp(lambda v: torch.index_select(v, 0, i), (x,), (x,))

    def in_a_level(x, i):
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(torch.index_select(forward_ad.make_dual(x, x.cos()), 0, i)).tangent

    def both(x, i):
        return jvp(grad(lambda v: torch.index_select(v, 0, i).sin().sum()), (x,), (x,))

    x, found = torch.arange(6.0), []
    for f in map(run, (tangents, in_a_level, both)):
        for i in (torch.tensor([1]), torch.tensor([99]), torch.tensor([2])):
            try:
                found.append(f(x, i))
            except IndexError as error:
                found.append(str(error))
    return found


@program(rows, breaks="some")
def a_break_inside(x):
    def f(v):
        print("row")
        return v * 2

    return vmap(f)(x + 1) * 3


# ---- grad
@program(rows)
def gradients(x):
    return grad(lambda v: (v**2).sum())(x), grad_and_value(lambda v: v.sin().sum())(x)


@program(two)
def gradients_of_several_arguments(x, y):
    return grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(x, y), grad(lambda a, b: (a * b).sum(), argnums=1)(x, y)


@program(rows)
def what_else_the_function_returns(x):
    return grad_and_value(lambda a: ((a**2).sum(), (a.sin(), {"k": a})), has_aux=True)(x)


@program(rows)
def gradients_of_gradients(x):
    return grad(lambda a: grad(lambda b: (b**3).sum())(a).sum())(x)


@program(rows)
def without_gradients_inside_and_outside(x):
    def f(v):
        with torch.no_grad():
            c = v**2
        return (v - c + v.detach()).sum()

    with torch.no_grad():
        outside = grad(lambda v: (v**2).sum())(x)
    return grad(f)(x), outside, torch.is_grad_enabled()


@program(rows)
def written_in_place_inside(x):
    def f(v):
        y = v.clone()
        y.mul_(2)
        y[0] = v.sum()
        return (y * v).sum()

    return grad(f)(x), vmap(f)(x)


@program(rows, graphs=0)
def not_a_scalar(x):
    return grad(lambda v: v)(x)


@program(rows, breaks="some", recompiles=None)
def a_number_is_needed_inside(x):
    return grad(lambda v: (v * 2 if v.sum().item() > 0 else v).sum())(x) + 1


@program(trained_rows)
def checkpoints(x):
    y = checkpoint(lambda a: vmap(lambda v: v.sin())(a), x, use_reentrant=False)
    return y.sum()


@program(rows, config={"backend": "eager"})
def a_checkpoint_inside(x):
    return grad(lambda a: checkpoint(lambda v: v.sin(), a, use_reentrant=False).sum())(x)


# ---- through them
@program(trained_rows)
def trained_through(x):
    value = (grad(lambda v: (v**3).sum())(x) * 2).sum() + vmap(lambda v: v.sin())(x).sum()
    return value + jvp(lambda v: v.sin(), (x,), (torch.ones_like(x),))[1].sum() + vjp(lambda v: v.sin() * x, x)[1](x)[0].sum()


@program(lambda: randn(4, requires_grad=True))
def trained_through_a_hessian(x):
    return hessian(lambda v: (v**3).sum())(x).sum()


@program(trained_rows)
def a_tensor_of_the_closure(x):
    y = x * 2
    return vmap(lambda v: v * y.sum())(x).sum(0), y


# ---- vjp, jvp, Jacobians
@program(rows)
def pulled_back(x):
    out, back = vjp(lambda v: v.sin(), x)
    many = vjp(lambda a, b: (a * b, {"k": a + b}), x, x + 1)[1]
    out2, back2, aux = vjp(lambda v: (v.sin(), v.cos()), x, has_aux=True)
    return out, back(x), back(x * 2), many((x, {"k": x})), out2, back2(x), aux


@program(lambda: (randn(3), randn(5, 3)))
def pulled_back_row_by_row(x, cotangents):
    return vmap(vjp(torch.sin, x)[1])(cotangents)


@program(rows)
def pushed_forward(x):
    one = torch.ones_like(x)
    twice = jvp(lambda a: jvp(lambda b: b**3, (a,), (one,))[1], (x,), (x,))
    return jvp(torch.sin, (x,), (one,)), jvp(lambda a, b: {"s": a * b}, (x, x), (x, one)), jvp(lambda v: (v.sin(), v.cos()), (x,), (x,), has_aux=True), twice


@program(rows)
def pushed_through_a_gradient(x):
    return jvp(grad(lambda v: (v**3).sum()), (x,), (x,)), vmap(lambda v: jvp(torch.sin, (v,), (v,)))(x)


@program(vector)
def jacobians(x):
    return (
        jacrev(lambda v: v**2)(x), jacfwd(lambda v: v**3)(x), jacrev(lambda v: v**2, chunk_size=2)(x), jacrev(lambda a, b: a * b, argnums=(0, 1))(x, x + 1),
        jacrev(lambda a: (a**2, a.sin()), has_aux=True)(x), jacfwd(lambda a: (a**2, a.sin()), has_aux=True)(x),
    )  # fmt: skip


@program(vector)
def jacobians_of_jacobians(x):
    return jacfwd(jacrev(lambda v: (v**3).sum()))(x), jacrev(jacfwd(lambda v: v**3))(x), hessian(lambda v: (v**4).sum())(x)


@program(rows)
def jacobians_of_each_row(x):
    return vmap(jacrev(lambda v: v**3))(x), vmap(jacfwd(lambda v: v.sin()))(x)


@program(rows, breaks=["fake-op-failed"])
def hessians_of_each_row(x):
    """torch's fakes can't follow this one, under torch.compile neither, which raises."""
    return vmap(hessian(lambda v: (v**3).sum()))(x)


@program(rows)
def what_comes_back_is_the_argument(x):
    out, _ = vjp(lambda v: v, x)
    return out is x, out


# ---- forward mode by hand
@program(rows)
def dual_numbers(x):
    with forward_ad.dual_level():
        y = forward_ad.make_dual(x, torch.ones_like(x)).sin()
        return forward_ad.unpack_dual(y).tangent, forward_ad.unpack_dual(y).primal


@program(rows, breaks="some")
def dual_numbers_across_a_break(x):
    with forward_ad.dual_level():
        y = forward_ad.make_dual(x, torch.ones_like(x))
        print("dual")
        return forward_ad.unpack_dual(y.sin()).tangent


# ---- modules
def network():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def network_and_rows():
    return network(), randn(3, 4), randn(3, 2)


@program(network_and_rows)
def a_module_of_each_row(m, x, y):
    return vmap(m)(x), vmap(lambda v: m[0](v) * 2)(x)


@program(network_and_rows)
def a_module_with_other_parameters(m, x, y):
    p = {name: value * 2 for name, value in m.named_parameters()}
    return functional_call(m, p, (x,)), functional_call(m, {"0.bias": p["0.bias"]}, x), functional_call(m, (p, dict(m.named_buffers())), (x,))


@program(network_and_rows, tolerance=ROUNDED)
def gradients_of_each_sample(m, x, y):
    def loss(p, x, y):
        return F.mse_loss(functional_call(m, p, (x,)), y)

    p = {name: value.detach() for name, value in m.named_parameters()}
    return vmap(grad(loss), in_dims=(None, 0, 0))(p, x, y), grad_and_value(loss)(dict(m.named_parameters()), x, y)


@program(network_and_rows, tolerance=ROUNDED)
def learning_to_learn(m, x, y):
    def loss(p):
        return F.mse_loss(functional_call(m, p, (x,)), y)

    def after_a_step(p):
        g = grad(loss)(p)
        return loss({name: p[name] - 0.1 * g[name] for name in p})

    return grad(after_a_step)({name: value.detach() for name, value in m.named_parameters()})


def ensemble():
    models = [nn.Linear(4, 2) for _ in range(3)]
    return *stack_module_state(models), randn(5, 4)


@program(ensemble)
def an_ensemble(parameters, buffers, x):
    return vmap(lambda p, b, x: functional_call(SKELETON, (p, b), (x,)), in_dims=(0, 0, None))(parameters, buffers, x)


SKELETON = copy.deepcopy(nn.Linear(4, 2)).to("meta")


@program(lambda: (nn.BatchNorm1d(4).eval(), randn(2, 3, 4)))
def a_normalisation_that_has_learned(m, x):
    return vmap(m)(x)


@program(lambda: (nn.BatchNorm1d(4), randn(2, 3, 4)), graphs=0)
def a_normalisation_that_learns(m, x):
    return vmap(m)(x)


@program(lambda: (nn.Linear(4, 4), randn(3, 4)), ignore={"warnings"})
def autocast_around(m, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return vmap(m)(x)


# ---- another state the next time
@scenario(recompiles=1)
def another_batch(run):
    f = run(lambda x: vmap(lambda v: v.sin() / v.shape[0])(x) + grad(lambda v: (v**2).sum())(x))
    return [f(randn(n, 4)) for n in (3, 5, 6, 3)]


@scenario(recompiles=1)
def another_number_in_the_closure(run):
    scale = 1.0

    def f(x):
        return vmap(lambda v: v * scale)(x)

    compiled = run(f)
    first = compiled(torch.ones(3, 4))
    scale = 2.0
    return first, compiled(torch.ones(3, 4))


@scenario(recompiles=1)
def forward_mode_is_off(run):
    f = run(lambda x: jvp(lambda v: v.sin(), (x,), (torch.ones_like(x),))[1])
    first = f(torch.ones(3))
    with torch.autograd.forward_ad._set_fwd_grad_enabled(False):
        second = f(torch.ones(3)), torch._C._is_fwd_grad_enabled()
    return first, second, torch._C._is_fwd_grad_enabled()
