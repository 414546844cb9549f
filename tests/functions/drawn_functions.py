"""`torch.autograd.Function` classes and programs that use them, drawn from a number: forms of forward, what is said to autograd, forms of backward,
transforms, grad modes, and what needs a gradient at each of three calls.

    found = differences(7, "eager")      # [] where each call behaves traced as untraced
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.func import grad, jacrev, jvp, vjp, vmap
from torch.utils import _pytree as pytree

import tracer

TRANSFORMS = ("none", "none", "none", "vmap", "grad", "rows of grad", "grad of grad", "jvp", "vjp", "jacrev", "grad of rows")
SAVED = ("input", "output", "attribute", "made", "twice", "conditional", "nothing", "same")


class Form(NamedTuple):
    """One drawing. `kinds`: of the results, in order: a float, a row, not differentiable, None, a number. `flags`: by call, whether the arguments are leaves."""

    setup: bool
    kinds: tuple[str, ...]
    alone: bool
    dirty: bool
    materialize: bool
    needs: bool
    saved: str
    none: bool
    generated: bool
    jvp: bool
    once: bool
    transform: str
    mode: str
    use: str
    again: bool
    second: bool
    flags: tuple[tuple[bool, bool], ...]


def drawn(number: int) -> Form:
    """The same for the same number."""
    r = random.Random(number)
    maybe = lambda share: r.random() < share
    kinds = ["float", *r.choice([[], [], ["float"], ["row"]]), *r.choice([[], [], ["integers"], ["constants"]])]
    if maybe(0.3):
        kinds.insert(r.randrange(len(kinds) + 1), "none")
    if maybe(0.15):
        kinds.append("number")
    first = (maybe(0.7), maybe(0.5))
    return Form(
        maybe(0.6), tuple(kinds), maybe(0.7), maybe(0.15), maybe(0.7), maybe(0.35), r.choice(SAVED), maybe(0.1), maybe(0.7), maybe(0.4), maybe(0.12),
        r.choice(TRANSFORMS), r.choice(["on", "on", "on", "off", "off inside"]), r.choice(["all", "first", "last"]), maybe(0.3), maybe(0.4),
        (first, (maybe(0.6), maybe(0.5)), first),
    )  # fmt: skip


def function_of(form: Form) -> Any:
    """The class."""
    saves = form.saved in ("input", "output", "made", "twice", "conditional")

    def compute(x: Any, y: Any, k: int) -> Any:
        first = x.mul_(2) if form.dirty else x if form.saved == "same" else x * y * k
        rest = {"row": lambda: y[:1], "integers": lambda: (y > 0).long(), "constants": lambda: y * 3, "none": lambda: None, "number": lambda: k + 1}
        floats = iter([lambda: first, lambda: (x + y).sin()])
        found = [next(floats)() if kind == "float" else rest[kind]() for kind in form.kinds]
        return found[0] if form.alone and len(found) == 1 else tuple(found)

    def keep(ctx: Any, x: Any, y: Any, k: int, out: Any) -> None:
        results = dict(zip(form.kinds, out if isinstance(out, tuple) else (out,), strict=True))
        first = (out if isinstance(out, tuple) else (out,))[form.kinds.index("float")]
        kept = {"input": (x, y), "output": (first, None, y), "twice": (x, x, y)}.get(form.saved, ())
        if form.saved == "made":
            kept = (x * 3, y)
        if form.saved == "conditional":
            kept = (x if ctx.needs_input_grad[0] else None, y)
        if kept:
            ctx.save_for_backward(*kept)
        if form.saved == "attribute":
            ctx.x, ctx.y = x, y
        ctx.k, ctx.form = k, x.shape
        if form.dirty:
            ctx.mark_dirty(x)
        ctx.mark_non_differentiable(*(results[kind] for kind in ("integers", "constants") if kind in results))
        ctx.set_materialize_grads(form.materialize)

    def back(ctx: Any, *gradients: Any) -> Any:
        held = ctx.saved_tensors if saves else (ctx.x, ctx.y) if form.saved == "attribute" else ()
        floats = [one for one in gradients if one is not None and one.is_floating_point()]
        total = sum((one.sum() * (i + 2) for i, one in enumerate(floats)), torch.zeros(()))
        of_x = floats[0] * ctx.k * 3 if floats and floats[0].shape == ctx.form else total.expand(ctx.form)
        for one in held:
            of_x = of_x if one is None else of_x + one
        of_y = None if form.none else total.expand(ctx.form) * 2
        if form.needs:
            return of_x if ctx.needs_input_grad[0] else None, of_y if ctx.needs_input_grad[1] else None, None
        return of_x, of_y, None

    def tangents(ctx: Any, dx: Any, dy: Any, _: Any) -> Any:
        d = (dx if dx is not None else torch.zeros(ctx.form)) * 5 + (dy if dy is not None else 0)
        found = [{"float": d, "row": d[:1]}.get(kind) for kind in form.kinds]
        return found[0] if form.alone and len(found) == 1 else tuple(found)

    def with_context(ctx: Any, x: Any, y: Any, k: int = 2) -> Any:
        out = compute(x, y, k)
        keep(ctx, x, y, k, out)
        return out

    def without(x: Any, y: Any, k: int = 2) -> Any:
        return compute(x, y, k)

    methods: dict[str, Any] = {"backward": once_differentiable(back) if form.once else back, "forward": without if form.setup else with_context}
    if form.setup:
        methods["setup_context"] = lambda ctx, inputs, output: keep(ctx, *inputs, output)
        if form.jvp:
            methods["jvp"] = tangents
    named = {name: staticmethod(method) for name, method in methods.items()}
    return type(Function)("Drawn", (Function,), {**named, "generate_vmap_rule": form.generated})


def program_of(form: Form) -> Any:
    """What is run."""
    function = function_of(form)

    def apply(x: Any, y: Any) -> Any:
        if form.dirty or form.again:
            x = x * 1.5
        out = function.apply(x, y) if "number" in form.kinds else function.apply(x, y, 3)
        return (out, function.apply(y, x, 2)) if form.again and not form.dirty else out

    def floats(x: Any, y: Any) -> tuple[Any, ...]:
        return tuple(one for one in pytree.tree_leaves(apply(x, y)) if isinstance(one, torch.Tensor) and one.is_floating_point())

    def scalar(x: Any, y: Any) -> Any:
        found = floats(x, y)
        found = found[:1] if form.use == "first" else found[-1:] if form.use == "last" else found
        return sum((one.sin().sum() * (i + 1) for i, one in enumerate(found)), torch.zeros(()))

    def back(x: Any, y: Any) -> Any:
        out, pull = vjp(floats, x, y)
        return out, pull(tuple(one * 2 for one in out))

    body = {
        "none": lambda x, y: (apply(x, y), scalar(x, y)),
        "vmap": vmap(floats),
        "grad": grad(scalar, argnums=(0, 1)),
        "rows of grad": lambda x, y: vmap(grad(scalar), in_dims=(0, None))(x, y[0]),
        "grad of grad": lambda x, y: grad(lambda a: grad(scalar)(a, y).sin().sum())(x),
        "jvp": lambda x, y: jvp(floats, (x, y), (x + 1, y * 2)),
        "vjp": back,
        "jacrev": lambda x, y: jacrev(floats)(x[0], y[0]),
        "grad of rows": lambda x, y: grad(lambda a: vmap(scalar)(a, y).sum())(x),
    }[form.transform]

    def run(x: Any, y: Any) -> Any:
        if form.mode == "off inside":
            with torch.no_grad():
                out = body(x, y)
            return out, x * 2
        return body(x, y)

    return run


def observed(run: Any, form: Form, call: int, second: bool) -> Any:
    """What one call shows: the form of the result, its tensors with what autograd knows of them, gradients, what became of the arguments; or the error."""
    generator = torch.Generator().manual_seed(call)
    x, y = (torch.randn(2, 3, generator=generator).requires_grad_(leaf) for leaf in form.flags[call])
    try:
        with torch.set_grad_enabled(form.mode != "off"):
            out = run(x, y)
    except Exception as error:
        return type(error), str(error)[:100]
    leaves = pytree.tree_leaves(out)
    shown = [(one.detach().clone(), one.requires_grad, one.is_leaf) if isinstance(one, torch.Tensor) else one for one in leaves]
    return str(pytree.tree_structure(out)), shown, _gradients(leaves, [one for one in (x, y) if one.requires_grad], second), x.detach(), y.detach()


def _gradients(leaves: list[Any], inputs: list[Any], second: bool) -> Any:
    needing = [one for one in leaves if isinstance(one, torch.Tensor) and one.requires_grad]
    if not needing or not inputs:
        return []
    try:
        loss = sum((one.cos() * (i + 1)).sum() for i, one in enumerate(needing))
        first = torch.autograd.grad(loss, inputs, create_graph=second, allow_unused=True)
        again = [one for one in first if one is not None and one.requires_grad]
        more = torch.autograd.grad(sum(one.sin().sum() for one in again), inputs, allow_unused=True) if again else ()
    except Exception as error:
        return type(error), str(error)[:100]
    return [None if one is None else one.detach().clone() for one in (*first, *more)]


def differences(number: int, backend: str) -> list[str]:
    """What differs, by call."""
    form = drawn(number)
    second = form.second and backend == "eager"  # a graph compiled with its backward can't be differentiated twice
    plain, session = program_of(form), tracer.Session("trace", backend=backend)
    program = program_of(form)
    found = []
    for call in range(len(form.flags)):
        wanted = observed(plain, form, call, second)
        traced = observed(lambda x, y: session.run(program, x, y), form, call, second)
        if not _equal(traced, wanted):
            found.append(f"call {call} of {form}: {wanted} became {traced}")
    return found


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.shape == other.shape and one.dtype == other.dtype and torch.allclose(one, other, 1e-4, 1e-5, True)
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
