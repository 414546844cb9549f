"""`torch.autograd.Function`: forms of forward, of what it says to autograd, and of backward; the gradients are those of the program's backward."""

from __future__ import annotations

import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from tests.programs import program, scenario


def leaf(*size):
    return torch.randn(*size, requires_grad=True)


def both(*size):
    return leaf(*size), torch.randn(*size)


class Square(Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.save_for_backward(x)
        ctx.k = k
        return x * x * k

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad * ctx.k + 1, None


aliased_square = Square.apply


@program(lambda: leaf(3))
def applied_to_its_own_result(x):
    return Square.apply(Square.apply(x, 2), 3) + aliased_square(x, 4)


@program(lambda: torch.randn(3))
def nothing_needs_a_gradient(x):
    return Square.apply(x, 2) + 1


@program(lambda: leaf(3))
def under_no_grad(x):
    with torch.no_grad():
        y = Square.apply(x, 2)
    return y, y * x


@program(lambda: leaf(3))
def of_parts_in_a_loop(x):
    return torch.stack([Square.apply(part, i) for i, part in enumerate(x)])


class WithSetup(Function):
    @staticmethod
    def forward(x, k=2, *, scale=1):
        return x * k * scale, x.sum()

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, k = inputs
        ctx.save_for_backward(output[0])
        ctx.k, ctx.shape = k, x.shape

    @staticmethod
    def backward(ctx, grad, total):
        (y,) = ctx.saved_tensors
        return grad * ctx.k + total.expand(ctx.shape) + y.detach(), None


@program(lambda: leaf(3), breaks="some", ignore=(".grad_fn",))
def setup_context_with_keywords_only(x):
    return WithSetup.apply(x)


class Defaults(Function):
    @staticmethod
    def forward(x, k=2, shift=None):
        return x * k

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.inputs = len(inputs)
        ctx.k = inputs[1]

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.k * ctx.inputs, None, None


@program(lambda: leaf(3))
def setup_context_knows_the_defaults(x):
    return Defaults.apply(x) + Defaults.apply(x, 5)


class Pair(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y, x + y

    @staticmethod
    def backward(ctx, a, b):
        x, y = ctx.saved_tensors
        return a * y + b if ctx.needs_input_grad[0] else None, a * x + b if ctx.needs_input_grad[1] else None


@program(lambda: (leaf(3), leaf(3)))
def two_results(x, y):
    a, b = Pair.apply(x, y)
    return a.sin() + b


@program(lambda: both(3))
def one_argument_needs_a_gradient(x, y):
    return Pair.apply(x, y)


@program(lambda: both(3))
def one_result_is_used(x, y):
    return Pair.apply(y, x)[1] * 2


@program(lambda: leaf(3))
def one_tensor_given_twice(x):
    a, b = Pair.apply(x, x)
    return a + b * 2


class Three(Function):
    @staticmethod
    def forward(ctx, x, y, z):
        ctx.save_for_backward(y)
        return x * y + z

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y, grad * 2, grad * 3


@program(lambda: leaf(3))
def one_tensor_given_three_times(x):
    return Three.apply(x, x, x)


class Mixed(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.size = x.shape[0]
        return x * 2, 3, None, "text", (1, ctx.size), [4]

    @staticmethod
    def backward(ctx, grad, *rest):
        assert rest == (None,) * 5
        return grad * ctx.size


@program(lambda: leaf(3))
def results_that_are_no_tensors(x):
    y, number, nothing, text, pair, numbers = Mixed.apply(x)
    return y * number, nothing, text, pair, numbers


@program(lambda: torch.randn(3))
def results_that_are_no_tensors_without_gradients(x):
    return Mixed.apply(x)


class InList(Function):
    @staticmethod
    def forward(ctx, x):
        return [x * 2, x * 3]

    @staticmethod
    def backward(ctx, grad):
        return None


@program(lambda: leaf(3), breaks="some", ignore=(".grad_fn",))
def tensors_in_a_list_are_no_results(x):
    a, b = InList.apply(x)
    return a.requires_grad, a + b * x


class Same(Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, grad):
        return grad * 7


@program(lambda: leaf(3))
def an_argument_returned_as_it_is(x):
    y = Same.apply(x)
    return y * 2, y is x, y.requires_grad


@program(lambda: torch.randn(3))
def an_argument_returned_as_it_is_without_gradients(x):
    y = Same.apply(x)
    return y * 2, y is x


@program(lambda: leaf(3))
def an_argument_returned_as_it_is_under_no_grad(x):
    with torch.no_grad():
        y = Same.apply(x)
    return y is x, y.requires_grad, y * x


class Reversal(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad.neg() * ctx.weight, None


@program(lambda: leaf(3))
def gradient_reversal(x):
    return Reversal.apply(x * 2, 0.5) + x


class StraightThrough(Function):
    @staticmethod
    def forward(ctx, x):
        return (x > 0).float()

    @staticmethod
    def backward(ctx, grad):
        return nn.functional.hardtanh(grad)


@program(lambda: leaf(3))
def straight_through(x):
    return StraightThrough.apply(x) * x


class Sorted(Function):
    @staticmethod
    def forward(ctx, x):
        values, index = x.sort()
        ctx.mark_non_differentiable(index)
        ctx.save_for_backward(index)
        ctx.shape = x.shape
        return values, index

    @staticmethod
    def backward(ctx, grad, none):
        (index,) = ctx.saved_tensors
        return torch.zeros(ctx.shape).index_add_(0, index, grad) + none.sum()


@program(lambda: leaf(4))
def a_result_that_is_not_differentiable(x):
    values, index = Sorted.apply(x)
    return values * 2, index, index.requires_grad, values.requires_grad


class HalfMarked(Function):
    @staticmethod
    def forward(ctx, x):
        a, b = x * 2, x * 3
        ctx.mark_non_differentiable(b)
        return a, b

    @staticmethod
    def backward(ctx, a, b):
        return a * 2 + b


@program(lambda: leaf(3))
def a_float_that_is_marked_as_not_differentiable(x):
    a, b = HalfMarked.apply(x)
    return a, b, b.requires_grad, a + b


class InPlace(Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


@program(lambda: leaf(3), ignore=(".version",))
def an_argument_is_written_to(x):
    y = x * 3
    z = InPlace.apply(y)
    return z + 1, z is y, y * 2


@program(lambda: torch.randn(3), ignore=(".version",))
def an_argument_is_written_to_without_gradients(x):
    y = InPlace.apply(x)
    return y is x, y + 1


@program(lambda: leaf(3), breaks="some")
def a_leaf_is_written_to(x):
    return InPlace.apply(x)


class RunningMean(Function):
    @staticmethod
    def forward(ctx, x, mean):
        mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        return x - mean

    @staticmethod
    def backward(ctx, grad):
        return grad, None


@program(lambda: (leaf(2, 3), torch.zeros(3)))
def a_buffer_is_written_to(x, mean):
    y = RunningMean.apply(x, mean)
    return y, mean * 2, Pair.apply(x, mean)


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x.exp() if not torch.is_grad_enabled() else None


@program(lambda: leaf(3))
def differentiable_once(x):
    return Once.apply(x) * 2


class Unmaterialized(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, a, b):
        total = None
        if a is not None:
            total = a * 2
        if b is not None:
            total = b * 3 if total is None else total + b * 3
        return total


@program(lambda: leaf(3))
def gradients_that_do_not_come_are_none(x):
    return Unmaterialized.apply(x)[0], Unmaterialized.apply(x * 2)[1]


@program(lambda: leaf(3))
def gradients_that_all_come(x):
    a, b = Unmaterialized.apply(x)
    return a + b


WEIGHT = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
SCALE = 2.0


class Outside(Function):
    @staticmethod
    def forward(ctx, x):
        return x * WEIGHT * SCALE

    @staticmethod
    def backward(ctx, grad):
        return grad * WEIGHT * SCALE


@program(lambda: leaf(3))
def tensors_and_numbers_from_outside(x):
    return Outside.apply(x) * 2


@program(lambda: torch.randn(3))
def a_parameter_from_outside_gets_no_gradient(x):
    y = Outside.apply(x)
    return y.requires_grad, y + 1


class Base(Function):
    @staticmethod
    def factor():
        return 2

    @classmethod
    def forward(cls, ctx, x):
        return x * cls.factor()

    @classmethod
    def backward(cls, ctx, grad):
        return grad * cls.factor()


class Derived(Base):
    @staticmethod
    def factor():
        return 5


@program(lambda: leaf(3))
def inherited_and_class_methods(x):
    return Base.apply(x) + Derived.apply(x)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3) * 2)
        self.square = Square.apply

    def forward(self, x):
        return self.square(Pair.apply(x * self.weight, self.weight)[0], 2)


@scenario()
def in_a_module(run):
    torch.manual_seed(1)
    layer = run.watch(Layer())
    f = run(layer)
    f(leaf(2, 3))
    f(leaf(2, 3))


CALLS: list = []


class Noting(Function):
    @staticmethod
    def forward(ctx, x):
        CALLS.append(len(CALLS))
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


@program(lambda: leaf(3), recompiles=1)
def forward_appends_to_a_list_of_the_program(x):
    return Noting.apply(x), len(CALLS)


class Keeping(Function):
    @staticmethod
    def forward(ctx, x):
        CALLS.append(x * 3)
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


@program(lambda: leaf(3))
def forward_stores_a_tensor_outside_itself(x):
    return Keeping.apply(x), CALLS.pop()


class Changing(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.half = x / 2
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        half, ctx.half = ctx.half, None
        return grad * half


@program(lambda: leaf(3), breaks="some", ignore=(".grad_fn",))
def backward_changes_ctx(x):
    return Changing.apply(x)


class Printing(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        print("backward")
        return grad * 2


@program(lambda: leaf(3), breaks="some", ignore=(".grad_fn",))
def backward_prints(x):
    return Printing.apply(x)


class Raising(Function):
    @staticmethod
    def forward(ctx, x, bad):
        if bad:
            raise ValueError("bad")
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2, None


@program(lambda: (leaf(3), True), breaks="some", recompiles=None, ignore=(".grad_fn",))
def forward_raises(x, bad):
    try:
        return Raising.apply(x, bad)
    except ValueError as error:
        return str(error), Raising.apply(x, not bad)


@program(lambda: (torch.randn(3), True))
def forward_raises_without_gradients(x, bad):
    try:
        return Raising.apply(x, bad)
    except ValueError as error:
        return str(error), torch.is_grad_enabled(), Raising.apply(x, not bad)


class Miscounting(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x * y

    @staticmethod
    def backward(ctx, grad):
        return grad


@program(lambda: both(3), breaks="some", ignore=(".grad_fn",))
def backward_gives_too_few_gradients(x, y):
    return Miscounting.apply(x, y)


class Surplus(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad, None, None


@program(lambda: leaf(3))
def backward_gives_nones_too_many(x):
    return Surplus.apply(x)


class Asking(Function):
    @staticmethod
    def forward(ctx, x):
        return x.t() * 2

    @staticmethod
    def backward(ctx, grad):
        if not grad.is_contiguous():
            grad = grad.contiguous()
        return (grad.view(-1).view(grad.shape) * grad.stride(0)).t()


@program(lambda: leaf(2, 3))
def backward_asks_how_a_gradient_lies(x):
    return Asking.apply(x), Asking.apply(x).t() * x, Asking.apply(x).sum()


class Outer(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return Square.apply(x, 2)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return Once.apply(grad * x)


@program(lambda: leaf(3))
def a_function_in_forward_and_in_backward(x):
    return Outer.apply(x)


class Recursive(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        return Recursive.apply(grad, y), Recursive.apply(grad, x)


@program(lambda: (leaf(3), leaf(3)), breaks="some", ignore=(".grad_fn",))
def its_backward_applies_it_again(x, y):
    return Recursive.apply(x, y)


class Matmul(Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu")
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, grad):
        x, w = ctx.saved_tensors
        return grad @ w.t(), x.t() @ grad


@program(lambda: (leaf(3, 3), leaf(3, 3)))
def custom_forward_of_autocast(x, w):
    y = Matmul.apply(x, w)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return y, Matmul.apply(x, w)


class CastMatmul(Matmul):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w


@program(lambda: (leaf(3, 3), leaf(3, 3)))
def arguments_are_cast_out_of_autocast(x, w):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return CastMatmul.apply(x @ w, w)


class Norm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        mean = x.mean(-1, keepdim=True)
        rstd = (x.var(-1, keepdim=True, unbiased=False) + eps).rsqrt()
        ctx.save_for_backward((x - mean) * rstd, weight, rstd)
        return (x - mean) * rstd * weight + bias

    @staticmethod
    def backward(ctx, grad):
        normal, weight, rstd = ctx.saved_tensors
        to_weight, to_bias = (grad * normal).flatten(0, -2).sum(0), grad.flatten(0, -2).sum(0)
        grad = grad * weight
        grad = (grad - grad.mean(-1, keepdim=True) - normal * (grad * normal).mean(-1, keepdim=True)) * rstd
        return grad, to_weight, to_bias, None


@scenario(recompiles=1)
def a_norm_over_other_sizes(run):
    f = run(lambda x, w, b: Norm.apply(x, w, b, 1e-5))
    for size in (2, 3, 5):
        f(leaf(size, 2 * size, 4), leaf(4), leaf(4))


class Linear(Function):
    @staticmethod
    def forward(ctx, x, weight, bias=None):
        ctx.save_for_backward(x, weight, bias)
        return x @ weight.t() if bias is None else x @ weight.t() + bias

    @staticmethod
    def backward(ctx, grad):
        x, weight, bias = ctx.saved_tensors
        to_x = grad @ weight if ctx.needs_input_grad[0] else None
        to_weight = grad.t() @ x if ctx.needs_input_grad[1] else None
        return to_x, to_weight, grad.sum(0) if bias is not None and ctx.needs_input_grad[2] else None


@program(lambda: (leaf(2, 4), leaf(3, 4), leaf(3)))
def linear_with_and_without_a_bias(x, weight, bias):
    return Linear.apply(x, weight, bias), Linear.apply(x, weight, None), Linear.apply(x.detach(), weight, bias.detach())


class Dropping(Function):
    @staticmethod
    def forward(ctx, x):
        mask = torch.rand_like(x) > 0.5
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, grad):
        (mask,) = ctx.saved_tensors
        return grad * mask * torch.rand_like(grad)


@program(lambda: leaf(8))
def random_numbers_in_forward_and_backward(x):
    return Dropping.apply(x)


class Recomputing(Function):
    @staticmethod
    def forward(ctx, function, x):
        ctx.function = function
        ctx.save_for_backward(x)
        return function(x)

    @staticmethod
    def backward(ctx, grad):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.function(x)
        torch.autograd.backward(y, grad)
        return None, x.grad


@program(lambda: leaf(3), breaks="some", ignore=(".grad_fn",))
def backward_runs_autograd_itself(x):
    return Recomputing.apply(torch.sin, x)
