"""Operators that fail for reasons of the data: only when the graph runs, which is after a handler around them was left.

`check` breaks the graph before such an operator where a handler of the program would see the error, so that the
operator runs natively under it. Handlers that only put torch's own state back (`with torch.no_grad()`, the end of a
comprehension) are none: a graph that raises restores modes by itself.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ...graph.opaque import OpaqueCall
from ...signals import Break
from ...variables import BoundVariable, GeneratorVariable, ObjectVariable

if TYPE_CHECKING:
    from ...context import Context
    from ...interpreter.frame import Frame, Program

__all__ = ["CATCHES", "check", "check_failing", "handling", "may_fail", "stop"]

#: How a handler deals with an error: not at all, by running code of the program and raising on, by stopping it.
IGNORES, CLEANS, CATCHES = 0, 1, 2

#: Look-ups by index, and losses over classes: an index out of range. Programs rely on them not to fail, so a mere `finally`
#: around one doesn't end the graph.
_LOOKUPS = frozenset({
    "index_select", "index_add", "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_", "index_put", "index_put_", "index_reduce",
    "index_reduce_", "gather", "scatter", "scatter_", "scatter_add", "scatter_add_", "scatter_reduce", "scatter_reduce_", "take", "take_along_dim", "put",
    "put_", "embedding", "embedding_bag", "one_hot", "nll_loss", "cross_entropy", "multi_margin_loss", "multilabel_margin_loss", "ctc_loss",
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
})  # fmt: skip
#: What has no answer for some values.
_PARTIAL = frozenset({
    "cholesky", "inverse", "cholesky_inverse", "cholesky_solve", "lu", "lu_factor", "lu_solve", "svd", "pinverse", "logdet", "matrix_power", "multinomial",
    "bernoulli", "bernoulli_", "poisson", "normal", "normal_", "random_", "uniform_", "exponential_", "bincount", "histc", "_assert_async",
    "_functional_assert_async", "masked_scatter", "masked_scatter_", "repeat_interleave", "nonzero_static", "combinations", "quantile", "nanquantile",
    "unravel_index", "segment_reduce", "binary_cross_entropy", "sparse_coo_tensor", "sparse_csr_tensor", "as_strided_", "_check_tensor_all",
})  # fmt: skip
#: Division of integers by zero.
_DIVISIONS = frozenset({
    "floordiv", "mod", "ifloordiv", "imod", "floor_divide", "floor_divide_", "remainder", "remainder_", "fmod", "fmod_", "div", "div_", "divide",
    "divide_", "__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "true_divide", "gcd", "lcm", "pow", "pow_", "__pow__", "ipow", "float_power",
})  # fmt: skip
_INDEXED = frozenset({"getitem", "setitem", "__getitem__", "__setitem__"})
_NAMES = _LOOKUPS | _PARTIAL | _DIVISIONS | _INDEXED


def _within_a_range(x: Any, bins: Any = 100, min: Any = 0, max: Any = 0) -> bool:
    """Whether `histc` counts between two numbers, whatever the data: it has to look for bounds where both are one, and may find none."""
    bounds = type(bins) is int and bins > 0 and all(type(n) in (int, float) and math.isfinite(n) for n in (min, max)) and min < max
    has_kernel = isinstance(x, torch.Tensor) and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return bounds and has_kernel


#: Operators that fail for reasons of the data, but not with every way to call them: which calls can't, by name.
_SAFE: dict[str, Callable[..., bool]] = {"histc": _within_a_range}


def _is_safe(name: str, fakes: list[Any], named: dict[str, Any]) -> bool:
    rule = _SAFE.get(name)
    if rule is None or any(key not in inspect.signature(rule).parameters for key in named):
        return False
    return rule(*fakes, **named)


def may_fail(target: Any, fakes: list[Any], named: dict[str, Any]) -> int:
    """How likely data alone makes the operator fail: IGNORES (never), CLEANS (a bug of the program), CATCHES (to be expected)."""
    name = target if type(target) is str else getattr(target, "__name__", "")
    if name not in _NAMES:
        return CATCHES if name.startswith("linalg_") else CLEANS if _is_custom(target) else IGNORES
    if name in _LOOKUPS:
        return CLEANS
    if name in _INDEXED:
        return CLEANS if any(isinstance(part, torch.Tensor) for part in _indices(fakes)) else IGNORES
    if name in _DIVISIONS:
        return CATCHES if any(isinstance(f, torch.Tensor) for f in fakes[1:]) and not any(_inexact(f) for f in fakes) else IGNORES
    return IGNORES if _is_safe(name, fakes, named) else CATCHES


def _is_custom(target: Any) -> bool:
    """Operators that somebody registered, functions that are one node: nobody knows what they raise."""
    if type(target) is OpaqueCall:
        return True
    if isinstance(target, torch._ops.OpOverload):
        return target.namespace not in ("aten", "prims", "prim")
    return isinstance(target, torch._ops.OpOverloadPacket) and target._qualified_op_name.partition("::")[0] not in ("aten", "prims", "prim")


def _indices(fakes: list[Any]) -> tuple[Any, ...]:
    index = fakes[1] if len(fakes) > 1 else None
    return tuple(index) if isinstance(index, list | tuple) else (index,)


def _inexact(value: Any) -> bool:
    return isinstance(value, float | complex) or isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())


def check(ctx: Context, target: Any, fakes: list[Any], named: dict[str, Any]) -> bool:
    """Break before an operator that data can make fail, where the program's own code would see the error. Answers whether
    data can: then it has to run for its error, whoever uses its result."""
    likely = may_fail(target, fakes, named)
    if likely == IGNORES:
        return False
    _check(ctx, target, likely)
    return True


def check_failing(ctx: Context, target: Any) -> None:
    """As `check`, for arithmetic of numbers that fails for values that programs don't let it meet, such as a division by zero."""
    _check(ctx, target, CLEANS)


def _check(ctx: Context, target: Any, likely: int) -> None:
    strength, where = handling(ctx)
    if strength + likely > CATCHES:
        stop(ctx, target, where)


def stop(ctx: Context, target: Any, where: Where | None, error: str = "") -> None:
    """End the graph before the operator, for the sake of a handler. `error`: the class of what it is known to raise."""
    covered = {} if where is None else {"covered": _first_line(where), "covered_file": where.frame.decoded.code.co_filename}
    known = {"error": error} if error else {}
    raise Break("break-inside-try", expr=ctx.tensors.target_name(target), func=ctx.tensors.target_name(target), **covered, **known)


class Where(NamedTuple):
    """A handler, and the frame that it is in."""

    frame: Frame
    handler: Any


def handling(ctx: Context) -> tuple[int, Where | None]:
    """What the handlers around the current operation would do with an error, innermost frame first; and which is the strongest."""
    best: tuple[int, Where | None] = (IGNORES, None)
    for frame in _frames(ctx):
        strength, handler = _of_frame(ctx, frame)
        if strength > best[0]:
            best = strength, Where(frame, handler)
        if strength == CATCHES:
            break
    return best


def _frames(ctx: Context) -> Any:
    frame = ctx.frame
    while frame is not None:
        if frame.pc:
            yield frame
        frame = frame.back


def _of_frame(ctx: Context, frame: Frame) -> tuple[int, Any]:
    """The strongest of the handlers in a frame, and which it is."""
    found: tuple[int, Any] = (IGNORES, None)
    handler = frame.program.exceptions[frame.pc - 1]
    while handler is not None:
        strength = _of_handler(ctx, frame, handler)
        if strength > found[0]:
            found = strength, handler
        if strength == CATCHES:
            break
        handler = frame.program.exceptions[handler.target]
    return found


_BOOKKEEPING = frozenset({"Copy", "Swap", "Pop", "PopExcept", "StoreFast", "PushExcInfo", "Nop", "CallIntrinsic1", "CallIntrinsic", "LoadConst", "Cache"})


def _of_handler(ctx: Context, frame: Frame, handler: Any) -> int:
    ops = frame.program.decoded.ops
    names: list[str] = []
    for at, op in enumerate(ops[handler.target :], handler.target):
        names.append(op.name)
        if op.name == "WithExceptStart":
            at = handler.height + 1 - op.arg  # counted where the handler has pushed the previous state below the exception
            return _of_manager(ctx, frame.stack[at]) if at < len(frame.stack) else CATCHES
        if op.name in ("CheckExcMatch", "CheckEgMatch"):
            return CATCHES
        if op.name == "Reraise":
            return IGNORES if _BOOKKEEPING.issuperset(names[:-1]) else CLEANS
        if op.name == "Raise":
            return CATCHES if op.arg else CLEANS
        if op.name == "Return" or op.name == "PopExcept" and ops[at + 1].name != "Reraise":
            return CATCHES  # it goes on without raising again
    return CATCHES


def _of_manager(ctx: Context, leave: Any) -> int:
    """What `__exit__` of a context manager does with an error, as far as its class tells."""
    manager = leave.owner if isinstance(leave, BoundVariable) else leave
    cls = manager.python_type()
    module = getattr(cls, "__module__", "") or ""
    if cls is contextlib.nullcontext or module == "torch" or module.startswith("torch."):
        return IGNORES
    if issubclass(cls, contextlib._GeneratorContextManager):
        generator = manager.attrs.get("gen") if isinstance(manager, ObjectVariable) else None
        if isinstance(generator, GeneratorVariable):
            body = generator.frame  # it waits at its `yield`, where the error would be thrown in
            return IGNORES if ctx.session.is_library(body.program.code) else _of_frame(ctx, body)[0]
    return CATCHES


def _first_line(where: Where) -> int:
    """The line of the first operation that a handler covers, by itself or around another."""
    program: Program = where.frame.program
    for op, covered in zip(program.decoded.ops, program.exceptions, strict=True):
        while covered is not None and covered.target != where.handler.target:
            covered = program.exceptions[covered.target]
        if covered is not None and op.location[0]:  # from 3.12 on some operations are on no line
            return op.location[0]
    return 0
