"""Backwards of custom functions that set the grad mode, or differentiate themselves: once, twice, over several gradients at once."""

from __future__ import annotations

import torch
from torch import nn
from torch.autograd import Function
from torch.func import functional_call, grad, vjp, vmap

from tests.programs import scenario

FREE = (".grad_fn", ".version", ".base", ".storage")


def differentiated(run, function):
    """The gradient, its own gradient where it has one, and those of several at once."""
    f = run(function)
    for seed in (1, 2):
        torch.manual_seed(seed)
        x = torch.randn(3, requires_grad=True)
        y = f(x)
        (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        second = torch.autograd.grad((first * first).sum(), x, allow_unused=True) if first.requires_grad else None
        run.watch([y, first, second])
        run.watch(torch.autograd.grad(f(x), x, torch.ones(3))[0])


def several(run, function):
    f = run(function)
    x = torch.randn(3, requires_grad=True)
    run.watch(torch.autograd.grad(f(x), x, torch.eye(3), is_grads_batched=True)[0])
    y = f(x)
    run.watch(vmap(lambda v: torch.autograd.grad(y, x, v, retain_graph=True)[0])(torch.eye(3)))


class PartlyWithout(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, coming):
        (x,) = ctx.saved_tensors
        with torch.no_grad():
            fixed = x.cos() + 1
        with torch.enable_grad():
            other = x * 2
        return coming * (fixed + other + x * x)


@scenario(ignore=FREE)
def backward_without_gradients_in_part(run):
    differentiated(run, lambda x: PartlyWithout.apply(x * 2))


@scenario(ignore=FREE)
def backward_of_several_gradients(run):
    several(run, lambda x: PartlyWithout.apply(x * 2))


class Decorated(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    @torch.no_grad()
    def backward(ctx, coming):
        (x,) = ctx.saved_tensors
        return coming * x.exp()


@scenario(ignore=FREE)
def backward_that_is_decorated(run):
    differentiated(run, lambda x: Decorated.apply(x * 2) * x)


class ByNested(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, coming):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            with torch.no_grad():
                a = x * 2
            with torch.set_grad_enabled(False):
                b = PartlyWithout.apply(x)
            c = PartlyWithout.apply(x)
        return coming * (a + b + c)


@scenario(ignore=FREE)
def modes_within_modes(run):
    differentiated(run, lambda x: ByNested.apply(x * 2))


class ByFunc(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin() * x

    @staticmethod
    def backward(ctx, coming):
        (x,) = ctx.saved_tensors
        _, pull = vjp(lambda v: v.sin() * v, x)
        (pulled,) = pull(coming)
        each = vmap(grad(lambda v: v.sin() * v))(x)
        return pulled + coming * each


@scenario(ignore=FREE, tolerance=1e-5)
def backward_by_transforms(run):
    differentiated(run, lambda x: ByFunc.apply(x * 2))


@scenario(ignore=FREE, tolerance=1e-5)
def transforms_in_a_backward_of_several_gradients(run):
    several(run, lambda x: ByFunc.apply(x * 2))


class OfModule(Function):
    @staticmethod
    def forward(ctx, module, x, *parameters):
        ctx.module = module
        ctx.save_for_backward(x, *parameters)
        return module(x)

    @staticmethod
    def backward(ctx, coming):
        x, *parameters = ctx.saved_tensors
        names = [name for name, _ in ctx.module.named_parameters()]
        _, pull = vjp(lambda x, *p: functional_call(ctx.module, dict(zip(names, p)), (x,)), x, *parameters)
        return None, *pull(coming)


@scenario(ignore=FREE, tolerance=1e-5)
def backward_of_a_module_called_with_other_parameters(run):
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    f = run(lambda x: OfModule.apply(module, x * 2, *module.parameters()))
    for seed in (1, 2):
        torch.manual_seed(seed)
        x = torch.randn(2, 3, requires_grad=True)
        f(x).sum().backward()
        run.watch([x.grad])
    run.watch(module)


class AsksTheMode(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, coming):
        before = torch.is_grad_enabled()
        with torch.no_grad():
            found = coming * 2
        return found if before else found + 0 * coming


@scenario(ignore=FREE, breaks=["autograd-function-unsupported"], graphs=None)
def backward_that_depends_on_the_mode(run):
    differentiated(run, lambda x: AsksTheMode.apply(x * 2))


class LeavesIt(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, coming):
        torch._C._set_grad_enabled(True)
        return coming * 2


@scenario(ignore=FREE, breaks=["autograd-function-unsupported"], graphs=None)
def backward_that_leaves_the_mode_on(run):
    differentiated(run, lambda x: LeavesIt.apply(x * 2))


class AsksForANeed(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, coming):
        with torch.enable_grad():
            made = coming * 3
            return made * (2 if made.requires_grad else 1)


@scenario(ignore=FREE, breaks=["autograd-function-unsupported"], graphs=None)
def backward_that_asks_whether_a_gradient_is_needed(run):
    differentiated(run, lambda x: AsksForANeed.apply(x * 2))
