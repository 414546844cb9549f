"""`torch.autograd.Function` under torch.func: rules for batches, jvps, gradients of gradients, what is asked of `ctx` at each level."""

from __future__ import annotations

import torch
import torch.autograd.forward_ad as forward_ad
from torch import nn, randn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from tests.programs import program

ROUNDED = 1e-5


def rows():
    return randn(3, 4)


def two():
    return randn(3, 4), randn(3, 4)


def trained():
    return randn(3, 4, requires_grad=True)


class Cube(Function):
    """Its derivatives aren't those of its forward, so that it shows which are used."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 5 * x * x

    @staticmethod
    def jvp(ctx, tangent):
        (x,) = ctx.saved_tensors
        return tangent * 7 * x * x


@program(rows)
def gradient_of_a_function(x):
    return grad(lambda v: Cube.apply(v).sum())(x), vjp(Cube.apply, x)[1](x)[0]


@program(rows)
def gradients_of_gradients(x):
    first = lambda v: grad(lambda u: Cube.apply(u).sum())(v).sum()
    return grad(first)(x), grad(lambda v: grad(first)(v).sum())(x)


@program(rows)
def forward_mode(x):
    return jvp(Cube.apply, (x,), (x + 1,)), jvp(lambda v: jvp(Cube.apply, (v,), (v,))[1], (x,), (x + 1,))


@program(lambda: randn(3))
def jacobians(x):
    return jacrev(Cube.apply)(x), jacfwd(Cube.apply)(x), hessian(lambda v: Cube.apply(v).sum())(x), jacrev(jacrev(Cube.apply))(x)


@program(rows)
def rows_of_it(x):
    return vmap(Cube.apply)(x), vmap(vmap(Cube.apply), in_dims=1)(x)


@program(rows)
def rows_of_gradients_and_gradients_of_rows(x):
    each = vmap(grad(lambda v: Cube.apply(v).sum()))(x)
    return each, grad(lambda v: vmap(Cube.apply)(v).sum())(x), vmap(vmap(grad(Cube.apply)))(x), vmap(lambda v: jvp(Cube.apply, (v,), (v,)))(x)


@program(trained)
def gradients_of_what_is_trained(x):
    return vmap(grad(lambda v: Cube.apply(v).sum()))(x), grad(lambda v: (Cube.apply(v) * x).sum())(x)


@program(lambda: (randn(3, 4), randn(3, 4, requires_grad=True)), tolerance=ROUNDED)
def one_of_two_is_differentiated(x, y):
    return grad(lambda v: (Cube.apply(v) * Cube.apply(y)).sum())(x), Cube.apply(y)


class Two(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, y, k=2):
        return x * y * k, x + y, (x > 0).long()

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y, k = inputs
        ctx.save_for_backward(x, None, output[0])
        ctx.y, ctx.k, ctx.form = y, k, x.shape
        ctx.mark_non_differentiable(output[2])

    @staticmethod
    def backward(ctx, first, second, _):
        x, nothing, product = ctx.saved_tensors
        assert nothing is None and x.shape == ctx.form
        return first * ctx.y * ctx.k + second + product.detach(), first * x * ctx.k - second, None


@program(two)
def several_results(x, y):
    f = lambda a, b: sum(part.sum() for part in Two.apply(a, b, 3)[:2])
    return grad(f, argnums=(0, 1))(x, y), vjp(lambda a: Two.apply(a, y)[:2], x)[1]((x, y)), vmap(lambda a, b: Two.apply(a, b)[2])(x, y)


@program(two)
def several_results_of_rows(x, y):
    f = lambda a, b: Two.apply(a, b)[0].sum()
    return vmap(grad(f), in_dims=(0, None))(x, y[0]), vmap(lambda b: Two.apply(x[0], b), out_dims=(1, 0, 0))(y), grad(lambda a: vmap(f)(a, y).sum())(x)


class WithNumber(Function):
    @staticmethod
    def forward(x):
        return x * 2, x.shape[0], None

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.count = output[1]

    @staticmethod
    def backward(ctx, grad, number, nothing):
        return grad * ctx.count


@program(rows)
def results_that_are_no_tensors(x):
    def f(v):
        y, n, nothing = WithNumber.apply(v)
        return y.sum() * n if nothing is None else y

    return grad(f)(x)


# ---- a rule of its own for batches
class Scaled(Function):
    @staticmethod
    def forward(x, y):
        return x * y, x - y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, first, second):
        x, y = ctx.saved_tensors
        return first * y + second, first * x

    @staticmethod
    def vmap(info, in_dims, x, y):
        x = x if in_dims[0] is None else x.movedim(in_dims[0], 0)
        y = y if in_dims[1] is None else y.movedim(in_dims[1], 0)
        first, second = Scaled.apply(x, y)
        return (first + info.batch_size, second + (info.randomness == "error")), 0


@program(two)
def its_own_rule_for_batches(x, y):
    return vmap(Scaled.apply)(x, y), vmap(Scaled.apply, in_dims=(1, None))(x, y[:, 0]), vmap(Scaled.apply, in_dims=1, out_dims=1, randomness="same")(x, y)


@program(two)
def its_own_rule_at_several_levels(x, y):
    f = lambda a, b: Scaled.apply(a, b)[0].sum()
    nested = vmap(vmap(Scaled.apply), in_dims=(1, 1))(x, y)
    return nested, vmap(grad(f))(x, y), grad(lambda a: vmap(f)(a, y).sum())(x), vmap(grad(lambda a, b: vmap(f)(a[None], b[None]).sum()))(x, y)


@program(two)
def rows_that_nothing_of_is_given(x, y):
    return vmap(lambda v: v + Scaled.apply(x, y)[0].sum())(x)


class Apart(Function):
    """Its rule gives a result that is the same for all rows, and doesn't apply it again."""

    @staticmethod
    def forward(x, n):
        return x * n, torch.ones(2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.n = inputs[1]

    @staticmethod
    def backward(ctx, grad, ones):
        return grad * ctx.n, None

    @staticmethod
    def vmap(info, in_dims, x, n):
        assert in_dims[1] is None
        return (x * n + 100, torch.ones(2)), (in_dims[0], None)


@program(rows)
def a_rule_without_the_function(x):
    return vmap(lambda v: Apart.apply(v, 3))(x), vmap(lambda v: Apart.apply(v, 3)[0], in_dims=1)(x), grad(lambda v: vmap(lambda u: Apart.apply(u, 2)[0])(v).sum())(x)


class Both(Cube):
    @staticmethod
    def vmap(info, in_dims, x):
        return Cube.apply(x), in_dims[0]


class Neither(Cube):
    generate_vmap_rule = False


class Ill(Cube):
    generate_vmap_rule = False

    @staticmethod
    def vmap(info, in_dims, x):
        return x


def said(run):
    try:
        return run()
    except Exception as error:
        return type(error), str(error)


@program(rows, breaks=["break-inside-try", "break-inside-try"], graphs=0)
def rules_that_torch_refuses(x):
    return said(lambda: vmap(Both.apply)(x)), said(lambda: vmap(Neither.apply)(x))


@program(rows, breaks=["autograd-function-unsupported"])
def a_rule_that_gives_no_dimensions(x):
    try:
        return vmap(Ill.apply)(x)
    except RuntimeError as error:
        return str(error)


class Old(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


@program(rows)
def without_a_setup_context(x):
    def caught(run):
        try:
            return run()
        except RuntimeError as error:
            return str(error)

    return caught(lambda: grad(lambda v: Old.apply(v).sum())(x)), caught(lambda: vmap(Old.apply)(x))


@program(lambda: randn(4))
def without_a_jvp(x):
    def caught(run):
        try:
            return run()
        except NotImplementedError as error:
            return str(error)

    return caught(lambda: jvp(lambda v: Two.apply(v, v)[0], (x,), (x,)))


# ---- what is asked of ctx
class Asking(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, y):
        return x * y

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y = inputs
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, y if ctx.needs_input_grad[0] else None)

    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        return grad * y * 2 if ctx.needs_input_grad[0] else None, grad * x * 3 if ctx.needs_input_grad[1] else None


@program(two)
def who_needs_a_gradient(x, y):
    f = lambda a, b: Asking.apply(a, b).sum()
    return grad(f)(x, y), grad(f, argnums=1)(x, y), grad(f, argnums=(0, 1))(x, y), vmap(grad(f))(x, y), grad(lambda b: grad(f)(x, b).sum())(y)


class Unmaterialized(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, y):
        return x * y, x + y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, first, second):
        x, y = ctx.saved_tensors
        if first is None:
            return second, None
        return first * y if second is None else first * y + second, first * x

    @staticmethod
    def jvp(ctx, dx, dy):
        x, y = ctx.saved_tensors
        if dx is None:
            return dy * x, dy
        return dx * y if dy is None else dx * y + dy * x, dx


@program(two)
def gradients_and_tangents_that_do_not_come(x, y):
    one = [grad(lambda a, i=i: Unmaterialized.apply(a, y)[i].sum())(x) for i in (0, 1)]
    two = [jvp(lambda a: Unmaterialized.apply(a, y), (x,), (x,)), jvp(lambda b: Unmaterialized.apply(x, b), (y,), (y,)), jvp(Unmaterialized.apply, (x, y), (y, x))]
    return one, two, vmap(lambda a, b: jvp(Unmaterialized.apply, (a, b), (b, a)))(x, y)


class Marked(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * 2, x * 3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, first, second):
        if first is None:
            return second if second is None else second * 100
        return first * 5 if second is None else first * 5 + second * 7


@program(trained)
def marks_that_rules_for_batches_lose(x):
    return vmap(Marked.apply)(x), vjp(lambda v: Marked.apply(v)[0], x)[1](x), grad(lambda v: sum(part.sum() for part in Marked.apply(v)))(x)


class OnceOnly(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0].cos() * 2


@program(rows)
def a_backward_that_has_none(x):
    return grad(lambda v: OnceOnly.apply(v).sum())(x), vmap(grad(lambda v: OnceOnly.apply(v).sum()))(x)


@program(rows)
def a_second_gradient_of_a_backward_that_has_none(x):
    return said(lambda: grad(lambda u: grad(lambda v: OnceOnly.apply(v).sum())(u).sum())(x))


class Writing(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.mul_(2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_dirty(inputs[0])

    @staticmethod
    def backward(ctx, grad):
        return grad * 9


@program(rows)
def an_argument_written_in_place(x):
    def f(v):
        w = v.clone()
        y = Writing.apply(w)
        return (y * w).sum() + (y is w)

    return grad(f)(x), vmap(grad(f))(x)


class Same(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, k):
        return x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.k = inputs[1]

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.k, None


@program(rows)
def a_result_that_is_the_argument(x):
    return grad(lambda v: (Same.apply(v, -3) * v).sum())(x), vmap(grad(lambda v: Same.apply(v, 2).sum()))(x), vmap(lambda v: Same.apply(v, 2) + 1)(x)


class FirstRow(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x[:1]

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.form = inputs[0].shape

    @staticmethod
    def backward(ctx, grad):
        return grad.sum().expand(ctx.form) * 9

    @staticmethod
    def jvp(ctx, tangent):
        return tangent[:1] * 2


@program(trained)
def views_that_are_results(x):
    y, tangent = jvp(FirstRow.apply, (x,), (x * 3,))
    return y * 1, tangent * 1, vmap(FirstRow.apply)(x) * 1, vjp(FirstRow.apply, x)[0] * 1


@program(trained)
def views_that_are_shown(x):
    return vjp(FirstRow.apply, x)[0].sin() + 1


# ---- what bodies reach for
weight = torch.full((4,), 1.5)


class Reaching(Function):
    generate_vmap_rule = True
    scale = 3

    @staticmethod
    def forward(x):
        return x * weight * Reaching.scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.double = inputs[0] * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * weight + ctx.double.detach()


@program(rows)
def tensors_and_numbers_from_outside(x):
    return grad(lambda v: Reaching.apply(v).sum())(x), vjp(Reaching.apply, x)[1](x)


class Inner(Cube):
    """Applied by another function's forward and backward."""

    jvp = Function.jvp

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)


class Outer(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return Inner.apply(x) + x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        return grad * Inner.apply(ctx.saved_tensors[0])


@program(rows)
def functions_in_functions(x):
    f = lambda v: Outer.apply(v).sum()
    return vmap(Outer.apply)(x), grad(f)(x), vmap(grad(f))(x), grad(lambda v: grad(f)(v).sum())(x), vmap(grad(lambda v: grad(f)(v).sum()))(x)


class Transforming(Function):
    """Its bodies use transforms themselves, at whatever level they run."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return vmap(lambda v: v * 2 + v.sum())(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        return vmap(lambda v, w: v * w + v.sum())(grad, *ctx.saved_tensors)


@program(lambda: randn(2, 3, 4))
def transforms_in_the_bodies(x):
    f = lambda v: Transforming.apply(v).sin().sum()
    return vmap(Transforming.apply)(x), grad(f)(x), vmap(grad(f))(x), grad(lambda v: grad(f)(v).sum())(x), vmap(grad(lambda v: grad(f)(v).sum()))(x)


class Counting(Function):
    seen: list = []

    @staticmethod
    def forward(x):
        Counting.seen.append(tuple(x.shape))
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        return grad * 3


@program(rows)
def a_forward_that_notes_its_call(x):
    Counting.seen.clear()
    return grad(lambda v: Counting.apply(v).sum())(x), grad(lambda u: grad(lambda v: Counting.apply(v).sum())(u).sum())(x), list(Counting.seen)


class CountingLevels(Counting):
    @staticmethod
    def setup_context(ctx, inputs, output):
        Counting.seen.append("setup")


@program(rows, breaks=["autograd-function-unsupported"])
def a_setup_that_notes_its_calls(x):
    Counting.seen.clear()
    return grad(lambda v: CountingLevels.apply(v).sum())(x), list(Counting.seen)


class OverRow(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, row):
        return x * row

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        x, row = ctx.saved_tensors
        return grad * row, (grad * x).sum(0, keepdim=True)


@program(lambda: (randn(2, 3, 4), randn(2, 1, 4)), tolerance=ROUNDED)
def shapes_that_broadcast(x, row):
    f = lambda a, b: OverRow.apply(a, b).sum()
    return vmap(grad(f, argnums=(0, 1)))(x, row), vmap(grad(f, argnums=(0, 1)), in_dims=(0, None))(x, row[0]), vmap(f)(x, row)


@program(lambda: (randn(3, 4), randn(3, 5)), breaks=["autograd-function-unsupported"])
def shapes_that_do_not_fit(x, y):
    try:
        return grad(lambda v: Two.apply(v, y)[0].sum())(x)
    except RuntimeError as error:
        return str(error)


class Drawing(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        mask = torch.rand(x.shape) > 0.5
        return x * mask, mask

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx, grad, _):
        return grad * ctx.saved_tensors[0] * 2


@program(rows)
def random_numbers_inside(x):
    each = vmap(Drawing.apply, randomness="different")(x)
    return each, grad(lambda v: Drawing.apply(v)[0].sum())(x), vmap(Drawing.apply, randomness="same")(x), torch.rand(1)


# ---- by hand
@program(rows)
def dual_numbers_through_it(x):
    with forward_ad.dual_level():
        y = Cube.apply(forward_ad.make_dual(x, x + 1))
        z = Cube.apply(x)
        return forward_ad.unpack_dual(y), forward_ad.unpack_dual(z).tangent


@program(rows)
def dual_numbers_in_one_argument(x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(Unmaterialized.apply(x, forward_ad.make_dual(x, x + 1))[0]).tangent


class Affine(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, weight, bias):
        return x @ weight.t() + bias

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        return grad @ weight, grad.unsqueeze(-1) * x, grad


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(randn(5, 4)), nn.Parameter(randn(5))

    def forward(self, x):
        return Cube.apply(Affine.apply(x, self.weight, self.bias))


@program(lambda: (nn.Sequential(Layer(), nn.Tanh()), randn(3, 4)), tolerance=ROUNDED)
def gradients_of_each_sample(m, x):
    loss = lambda p, v: functional_call(m, p, (v,)).sum()
    p = {name: value.detach() for name, value in m.named_parameters()}
    return vmap(grad(loss), in_dims=(None, 0))(p, x), grad(loss)(dict(m.named_parameters()), x[0])


# ---- levels in a function
class InTangents(torch.autograd.Function):
    """torch switches forward mode off where a forward runs that is differentiated; `jvp` switches it on."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        value, tangent = jvp(torch.sin, (x,), (x.exp(),))
        return value * tangent

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x.cos()


@program(lambda: randn(3, requires_grad=True), graphs=1, breaks=0)
def tangents_in_a_forward(x):
    return InTangents.apply(x) * 2


@program(lambda: randn(3), graphs=1, breaks=0)
def tangents_in_a_forward_without_gradients(x):
    return InTangents.apply(x) * 2
