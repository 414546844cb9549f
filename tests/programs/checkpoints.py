"""Activation checkpointing: its two variants, selective policies, random states, checks, keywords, and what only Python can make."""

from __future__ import annotations

import contextlib
import functools

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import linspace, randn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
)

from tests.programs import program, scenario

FREE = (".grad_fn", ".version", ".base", ".storage")
ASKED: list[str] = []
PRODUCTS = [torch.ops.aten.mm.default, torch.ops.aten.addmm.default]
WEIGHT = torch.linspace(-1, 1, 16).view(4, 4)
SHIFT = torch.linspace(0, 1, 4)


def trained():
    return randn(3, 4, requires_grad=True)


def body(x, y):
    h = torch.mm(x, WEIGHT).sin()
    return F.dropout(torch.mm(h, WEIGHT).cos(), 0.3) * y


def keeps_products(ctx, op, *args, **kwargs):
    ASKED.append(str(op))
    return CheckpointPolicy.MUST_SAVE if op in PRODUCTS else CheckpointPolicy.PREFER_RECOMPUTE


def contexts_by_function():
    return create_selective_checkpoint_contexts(keeps_products)


# ---- selective
@scenario(ignore=FREE)
def a_policy_of_the_program_is_asked_as_it_is_untraced(run):
    f = run(lambda x: checkpoint(body, x, x + 1, use_reentrant=False, context_fn=contexts_by_function).sum())
    run.watch(ASKED)
    for _ in range(2):
        x = trained()
        f(x).backward()
        run.watch(x.grad)


@program(trained, ignore=FREE)
def a_list_of_operators(x):
    context_fn = functools.partial(create_selective_checkpoint_contexts, [torch.ops.aten.mm.default])
    return checkpoint(body, x, x.exp(), use_reentrant=False, context_fn=context_fn).sum()


@program(trained, ignore=FREE)
def a_list_of_the_module(x):
    return checkpoint(body, x, x.exp(), use_reentrant=False, context_fn=lambda: create_selective_checkpoint_contexts(PRODUCTS))


@program(lambda: (trained(), 2), ignore=FREE)
def a_policy_made_in_the_frame(x, every):
    kept = [torch.ops.aten.sin.default]

    def policy(ctx, op, *args, **kwargs):
        return CheckpointPolicy.MUST_SAVE if op in kept and every == 2 else CheckpointPolicy.PREFER_RECOMPUTE

    def contexts():
        return create_selective_checkpoint_contexts(policy, allow_cache_entry_mutation=True)

    return checkpoint(lambda v: v.sin().cos() * 2, x, use_reentrant=False, context_fn=contexts)


@scenario(ignore=FREE, recompiles=1)
def another_policy(run):
    f = run(lambda x, policy: checkpoint(body, x, x, use_reentrant=False, context_fn=functools.partial(create_selective_checkpoint_contexts, policy)).sum())
    run.watch(ASKED)
    for policy in (keeps_products, keeps_products, lambda ctx, op, *args, **kwargs: CheckpointPolicy.PREFER_RECOMPUTE):
        f(trained(), policy).backward()


@program(trained, ignore=FREE)
def selective_among_layers(x):
    for _ in range(2):
        x = checkpoint(lambda v: torch.mm(v, WEIGHT).tanh(), x, use_reentrant=False, context_fn=contexts_by_function)
        x = checkpoint(lambda v: v.sin() + SHIFT, x, use_reentrant=False)
    return x


@program(trained, ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def contexts_that_change_the_result(x):
    def contexts():
        return torch.autocast("cpu", torch.bfloat16), torch.autocast("cpu", torch.bfloat16)

    return checkpoint(lambda v: v @ WEIGHT, x, use_reentrant=False, context_fn=contexts)


@program(trained, ignore=FREE, breaks="some", graphs=None)
def contexts_of_the_program(x):
    return checkpoint(lambda v: v @ WEIGHT, x, use_reentrant=False, context_fn=lambda: (contextlib.nullcontext(), contextlib.nullcontext()))


@program(trained, ignore=FREE, graphs=None)
def a_policy_that_torch_refuses(x):
    try:
        return checkpoint(body, x, x, use_reentrant=False, context_fn=lambda: create_selective_checkpoint_contexts([1]))
    except ValueError as error:
        return str(error)


# ---- what it is told
@scenario(ignore=FREE, graphs=2)
def random_numbers_again_or_not(run):
    for keep in (True, False):
        f = run(lambda x, keep=keep: checkpoint(lambda v: F.dropout(v.exp(), 0.5).sin(), x, use_reentrant=False, preserve_rng_state=keep).sum())
        for seed in (1, 2):
            torch.manual_seed(seed)
            x = trained()
            f(x).backward()
            run.watch([x.grad, torch.rand(1)])


@program(trained, ignore=FREE)
def told_more(x):
    y = checkpoint(torch.sin, x, use_reentrant=False, determinism_check="none", early_stop=False)
    return checkpoint(torch.cos, y, use_reentrant=False, determinism_check="default", debug=False)


@program(trained, breaks=["checkpoint-unsupported"], graphs=None, ignore=FREE)
def a_check_that_torch_refuses(x):
    try:
        return checkpoint(torch.sin, x * 2, use_reentrant=False, determinism_check="strict")
    except ValueError as error:
        return str(error)


@program(trained, breaks=["checkpoint-unsupported"], graphs=None, ignore=FREE)
def arguments_that_torch_refuses_together(x):
    try:
        return checkpoint(lambda v, k: v * k, x, use_reentrant=True, k=2)
    except ValueError as error:
        return str(error)


@program(trained, ignore=FREE)
def keywords_and_containers(x):
    def given(v, *, parts, scale=1.0, unused=None):
        return {"sum": v + parts["a"] * scale, "rest": [parts["b"], None]}

    return checkpoint(given, x, parts={"a": x * 2, "b": 3}, scale=0.5, unused=x, use_reentrant=False)


@scenario(ignore=FREE)
def in_sequence(run):
    layers = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(4)))
    f = run(lambda x: checkpoint_sequential(layers, 2, x, use_reentrant=False).sum())
    f(trained()).backward()
    f(trained()).backward()
    run.watch(layers)


@program(trained, ignore=FREE)
def one_in_another(x):
    def outer(v):
        return checkpoint(lambda w: w.sin() * SHIFT, v * 2, use_reentrant=False) + v

    return checkpoint(outer, x, use_reentrant=False)


# ---- the reentrant variant
@program(trained, ignore=FREE)
def reentrant(x):
    return checkpoint(lambda v, k: (v.sin() * k, v @ WEIGHT), x * 1, 2, use_reentrant=True)


@scenario(ignore=FREE)
def reentrant_around_a_module(run):
    layer = nn.Linear(4, 4)
    f = run(lambda x: checkpoint(layer, x, use_reentrant=True).sum())
    for _ in range(2):
        x = trained()
        f(x).backward()
        run.watch(x.grad)
    run.watch(layer)


@program(lambda: (randn(3, 4), randn(4, 4, requires_grad=True)), ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reentrant_without_a_gradient(x, w):
    y = checkpoint(lambda v: v @ w, x, use_reentrant=True)
    return y, y.requires_grad


@program(lambda: (randn(3, 4), randn(4, 4, requires_grad=True)), ignore=FREE)
def reentrant_where_nothing_needs_a_gradient(x, w):
    y = checkpoint(lambda v: v.sin(), x, use_reentrant=True)
    with torch.no_grad():
        z = checkpoint(lambda v: v @ w, x, use_reentrant=True)
    return y, z, y.requires_grad, z.requires_grad


@program(trained, ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reentrant_that_detaches(x):
    y, z = checkpoint(lambda v: (v.sin(), v.detach() * 2), x, use_reentrant=True)
    return y, z, z.requires_grad


@program(trained, ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reentrant_that_gives_what_it_is_given(x):
    y = checkpoint(lambda v: v, x, use_reentrant=True)
    return y is x, y * 2


@program(trained, ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reentrant_with_results_in_a_dict(x):
    y = checkpoint(lambda v: {"a": v.sin()}, x, use_reentrant=True)
    return y["a"].requires_grad, x * 2


@program(lambda: (trained(), randn(4, requires_grad=True)), ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reentrant_that_uses_a_result(x, shift):
    w = shift * 2
    y = checkpoint(lambda v: v * w, x, use_reentrant=True)
    return y.sin()


# ---- what the function reads has changed by the time of the backward
class Scaled:
    def __init__(self):
        self.by, self.calls = linspace(1, 2, 4), 0


@program(trained, ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reads_the_variable_of_a_loop(x):
    total = 0
    for weight in (WEIGHT, WEIGHT * 2):
        total = total + checkpoint(lambda v: (v @ weight).sin() * (v @ weight), x, use_reentrant=False)
    return total.sum()


@program(trained, ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reads_what_is_bound_anew(x):
    scale = SHIFT
    y = checkpoint(lambda v: (v * scale).sin() * scale, x, use_reentrant=False)
    scale = x.exp()
    return (y * scale).sum()


@program(lambda: (trained(), Scaled()), ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reads_an_attribute_that_is_set(x, scaled):
    y = checkpoint(lambda v: (v * scaled.by).sin(), x, use_reentrant=False)
    scaled.by = SHIFT + 3
    return y.sum()


@program(lambda: (trained(), [SHIFT, SHIFT + 1]), ignore=FREE, breaks=["checkpoint-unsupported"], graphs=None)
def reads_a_list_that_changes(x, shifts):
    y = checkpoint(lambda v: (v * shifts[-1]).sin(), x, use_reentrant=False)
    shifts.append(SHIFT + 5)
    return y.sum()


@program(trained, ignore=FREE, breaks=["checkpoint-unsupported", "print-call"], graphs=None, recompiles=None)
def reads_what_the_rest_of_the_frame_binds_anew(x):
    several = []
    for weight in (WEIGHT, WEIGHT * 2):
        several.append(checkpoint(lambda v: (v @ weight).sin(), x, use_reentrant=False))
        print(end="")
    return several[0].sum() + several[1].sum()


@program(lambda: (trained(), Scaled()), ignore=FREE)
def what_it_does_not_read_changes(x, scaled):
    y = checkpoint(lambda v: (v * scaled.by).sin(), x, use_reentrant=False)
    scaled.calls += 1
    with torch.no_grad():
        other = y.detach() * scaled.calls
    return y.sum(), other


@program(lambda: (trained(), Scaled()), ignore=FREE)
def what_it_reads_is_as_before(x, scaled):
    by, several = scaled.by, []
    for _ in range(2):
        with torch.autocast("cpu"):
            several.append(checkpoint(lambda v: torch.mm(v, WEIGHT).sin() * scaled.by + v, x, use_reentrant=False))
        scaled.by = None
        scaled.by = by
    return several[0].sum() + several[1].sum()


# ---- hooks on saved tensors
KEPT: list[str] = []


def packs(t):
    KEPT.append(f"pack {tuple(t.shape)}")
    return t * 2


def unpacks(t):
    KEPT.append(f"unpack {tuple(t.shape)}")
    return t / 2


@scenario(ignore=FREE, breaks=["context-unsupported", "context-unsupported"], graphs=None)
def hooks_on_saved_tensors(run):
    def f(x):
        before = x * 2
        with torch.autograd.graph.saved_tensors_hooks(packs, unpacks):
            y = (before * before).sin()
        return y * before

    f = run(f)
    run.watch(KEPT)
    for _ in range(2):
        x = trained()
        f(x).sum().backward()
        run.watch(x.grad)


@scenario(ignore=FREE, breaks=["context-unsupported", "context-unsupported"], graphs=None)
def saved_on_the_cpu(run):
    def f(x):
        with torch.autograd.graph.save_on_cpu():
            y = (x * x).sin()
        return y * 2

    f = run(f)
    for _ in range(2):
        x = trained()
        f(x).sum().backward()
        run.watch(x.grad)


@scenario(ignore=FREE)
def hooks_that_are_on_outside(run):
    f = run(lambda x: (x * x).sin() * x.exp())
    run.watch(KEPT)
    for _ in range(2):
        x = trained()
        with torch.autograd.graph.saved_tensors_hooks(packs, unpacks):
            y = f(x)
        y.sum().backward()
        run.watch(x.grad)


@program(trained, ignore=FREE)
def hooks_that_are_forbidden(x):
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        y = (x * x).sin()
    return y * 2


@scenario(ignore=FREE, breaks=None, graphs=None)
def hooks_where_they_are_forbidden(run):
    def f(x):
        with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
            try:
                with torch.autograd.graph.saved_tensors_hooks(packs, unpacks):
                    return x * x
            except RuntimeError as error:
                return str(error)

    f = run(f)
    f(trained())
    f(trained())


@scenario(ignore=FREE, breaks=None, graphs=None)
def hooks_around_a_checkpoint(run):
    def f(x):
        with torch.autograd.graph.saved_tensors_hooks(packs, unpacks):
            y = checkpoint(lambda v: v.sin().cos(), x * 2, use_reentrant=False)
        return y * 2

    f = run(f)
    run.watch(KEPT)
    for _ in range(2):
        x = trained()
        f(x).sum().backward()
        run.watch(x.grad)
