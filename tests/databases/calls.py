"""The functions that are compiled: each calls what a case is about in one way."""

import torch


def call(target, args, kwargs):
    return target(*args, **kwargs)


def call_unused(target, args, kwargs):
    target(*args, **kwargs)
    return torch.rand(1)


def step(optimizer):
    optimizer.step()


def step_with_closure(optimizer, closure):
    return optimizer.step(closure)
