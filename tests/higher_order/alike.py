"""What a program gives, with its gradients and what it left behind, as data that is equal where two runs are."""

from __future__ import annotations

import functools

import torch
from torch.utils import _pytree as pytree

import tracer

__all__ = ["compared", "outcome", "plain", "ramp"]


def ramp(*shape, grad=False):
    count = torch.Size(shape).numel()
    return (torch.arange(float(count)).view(shape) / 7 - 0.5).requires_grad_(grad)


def plain(value):
    if isinstance(value, torch.Tensor):
        facts = tuple(value.shape), value.stride(), str(value.dtype), value.requires_grad, value.is_leaf
        return (*facts, [round(n, 4) if isinstance(n, float) else n for n in value.detach().flatten().tolist()])
    if isinstance(value, list | tuple):
        return type(value).__name__, [plain(part) for part in value]
    if isinstance(value, dict):
        return type(value).__name__, {key: plain(part) for key, part in value.items()}
    return type(value).__name__, value if isinstance(value, int | float | str | bool | None) else None


def outcome(function, *args):
    """(result, gradients of the arguments, arguments afterwards), or the type of the error, which may come of the backward."""
    try:
        result = function(*args)
    except Exception as error:
        return "raised", type(error).__name__
    wanted = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    found = plain(result), [plain(arg) for arg in args]
    if not wanted:
        return found
    try:
        sum((leaf * torch.arange(1.0, leaf.numel() + 1).view(leaf.shape)).sum() for leaf in wanted).backward()
    except Exception as error:
        return *found, type(error).__name__
    return *found, [plain(arg.grad) if isinstance(arg, torch.Tensor) and arg.is_leaf and arg.grad is not None else None for arg in args]


def compared(function, *calls, backends=("eager", "aot_eager"), **settings):
    """Runs every call untraced, and traced with each backend; the session of the first one. A call makes its arguments."""
    sessions, wanted = [], [outcome(function, *call()) for call in calls]
    for backend in backends:
        session = tracer.Session("trace", backend=backend, **settings)
        for call, untraced in zip(calls, wanted, strict=True):
            assert outcome(functools.partial(session.run, function), *call()) == untraced, backend
        sessions.append(session)
    return sessions[0]
