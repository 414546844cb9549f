"""What an operator gives, without running it: fake tensors in, fake tensors out, remembered by what went in.

The memo is session-wide: (operator, metadata of the arguments, modes) → metadata of the results, and whether the operator
does more than give them, with the arguments to which it writes underneath, as a normalisation does to its statistics. Left out are
operators that write to an argument as autograd sees it, or change its metadata, those whose result the data decides, results whose
data is known, or that aren't plain tensors, and symbolic sizes. A result that shares storage with an argument is remembered as a view of it, so that
aliasing stays visible while tracing.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..compat.fakes import DataDependentOutputException, forget_stale, python_dispatcher
from ..compat.memo import FakeTensor, fake_alike, fake_view, known_data, without_dispatch
from .opaque import OpaqueCall
from .operators import Watch, WritesArgument, refuse_writing

__all__ = ["FakeRunner", "Outcome", "hushed"]

#: In the memo: the call writes to an argument.
_WRITES = object()
#: What is known of the result isn't enough to make it.
_UNMADE = object()


class Unkeyed(Exception):
    """An argument that the memo can't describe."""


class Outcome:
    """`value`: what the operator gave. `writes`: the fake arguments that it wrote to. `stays`: whether it does something else
    beside its result, so that it must run even if nobody uses that; `again`: whether it does that again from the same values. `reserved`: an overload
    ran whose name is a reserved word."""

    __slots__ = ("again", "reserved", "stays", "value", "writes")

    def __init__(self, value: Any, stays: bool, again: bool, reserved: bool, writes: Sequence[Any] = ()):
        self.value, self.stays, self.again, self.reserved, self.writes = value, stays, again, reserved, writes


class FakeRunner:
    """Runs operators on fakes. One per session; `memo` is shared by all its traces."""

    def __init__(self) -> None:
        self.memo: dict[Any, Any] = {}
        self.hits = self.misses = 0

    def run(
        self,
        mode: Any,
        modes_key: Any,
        fn: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any],
        tensors: list[Any],
        before: Callable[..., None],
        remember: bool = True,
    ) -> Outcome:
        """Raises what the operator raises. `tensors` are the fake tensors among the arguments, in order; `before` is asked before
        one of them is written to (`graph/operators.py`)."""
        key = None
        if remember and type(fn) is not OpaqueCall and not any(map(known_data, tensors)):  # an opaque call may read anything
            try:
                key = _key_of(fn, modes_key, args, kwargs, tensors)
                known = self.memo.get(key)
            except (Unkeyed, TypeError):
                key = known = None
            if known is not None:
                if known is _WRITES:
                    if before is refuse_writing:
                        raise WritesArgument
                elif (value := _remake(mode, known[0], tensors)) is not _UNMADE:
                    self.hits += 1
                    if not known[4]:
                        return Outcome(value, *known[1:4])
                    written = [tensors[i] for i in known[4]]
                    forget_stale(mode, written, (*args, *kwargs.values()))
                    return Outcome(value, *known[1:4], writes=written)
        self.misses += 1
        in_python = key is None and mode.shape_env is not None
        while True:
            watch = Watch(tensors, before)
            try:
                value = _watched(mode, watch, functools.partial(_in_python, fn) if in_python else fn, args, kwargs)
                break
            except DataDependentOutputException:  # C++ may check values where torch's decomposition in Python doesn't
                if in_python:
                    raise
                in_python = True
        watch.finish(fn)
        if watch.written:
            forget_stale(mode, watch.written, (*args, *kwargs.values()))
        if key is not None:
            same = not watch.writes or not watch.told and key == _key_of(fn, modes_key, args, kwargs, tensors)
            self._remember(key, value, watch, same)
        return Outcome(value, watch.stays, watch.again, watch.reserved, watch.written)

    def _remember(self, key: Any, value: Any, watch: Watch, same: bool) -> None:
        """`same`: what is written to has the metadata that it had, and nobody was asked before it was."""
        if not same:
            self.memo[key] = _WRITES
        elif not watch.asks_data and not known_data(value):
            recipe = _recipe(value, watch.tensors)
            if recipe is not None:
                self.memo[key] = recipe, watch.stays, watch.again, watch.reserved, tuple(watch.writes)


_FAKE_LOGGERS = ("torch._subclasses.fake_tensor", "torch._subclasses.fake_impls")


def _watched(mode: Any, watch: Watch, fn: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Failing fake operators log tracebacks to stderr; the program gets the error itself."""
    outer, mode.watch = mode.watch, watch
    try:
        return fn(*args, **kwargs)
    except BaseException as error:
        error.__traceback__ = None
        raise
    finally:
        mode.watch = outer


class _Hushed(threading.local):
    """Failing fake operators log tracebacks to stderr: not from a thread in which this is `on`, while it traces a frame."""

    on = False

    def filter(self, _record: logging.LogRecord) -> bool:
        return not self.on


hushed = _Hushed()
for _name in _FAKE_LOGGERS:
    logging.getLogger(_name).addFilter(hushed)  # for good: a level would be the process's, and changing one takes logging's lock


def _in_python(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Some kernels take plain integers only, or look at values; torch's decompositions of them in Python take symbols."""
    with python_dispatcher():
        return fn(*args, **kwargs)


def _key_of(fn: Callable[..., Any], modes_key: Any, args: list[Any], kwargs: dict[str, Any], tensors: list[Any]) -> tuple[Any, ...]:
    key = (fn, modes_key, *[_key(a) for a in args], *[(n, _key(v)) for n, v in kwargs.items()])
    if len(tensors) > 1 and len(ids := [id(t) for t in tensors]) != len(set(ids)):
        key += tuple(ids.index(i) for i in ids)  # which arguments are the same tensor: a result may be one of them
    return key


def _key(value: Any) -> Any:
    kind = type(value)
    if kind is FakeTensor:
        if value.dtype.is_complex:
            raise Unkeyed  # lazily conjugated: a bit that the key doesn't hold
        shape, stride = value.shape, value.stride()
        for size in shape:
            if type(size) is not int:
                raise Unkeyed
        return (
            kind,
            shape,
            stride,
            value.dtype,
            value.device,
            value.requires_grad,
            isinstance(value, torch.nn.Parameter),
        )
    if kind is int or kind is float or kind is bool or kind is str or value is None:
        return (kind, value)
    if kind is tuple or kind is list or kind is torch.Size:
        return (kind, *[_key(v) for v in value])
    if kind is slice:
        return (kind, _key(value.start), _key(value.stop), _key(value.step))
    if kind is dict:
        return (kind, *[(k, _key(v)) for k, v in value.items()])
    if isinstance(value, torch.Tensor | torch.SymInt | torch.SymFloat | torch.SymBool):
        raise Unkeyed
    return (kind, value)


#: recipes: ("same", index of argument) | ("new", …) | ("view", index, …) | ("value", literal) | ("many", type, recipes)
def _recipe(value: Any, tensors: list[Any]) -> Any:
    if type(value) is FakeTensor:
        for i, tensor in enumerate(tensors):
            if tensor is value:
                return ("same", i)
        for size in value.shape:
            if type(size) is not int:
                return None
        meta = (value.shape, value.stride(), value.dtype, value.device, value.requires_grad)
        base = _storage(value)
        for i, tensor in enumerate(tensors):
            if base is not None and _storage(tensor) == base:
                # the offset is relative: the same operator may meet a tensor that begins elsewhere in its storage
                return ("view", i, *meta, value.storage_offset() - tensor.storage_offset()) if tensor.dtype == value.dtype else None
        return ("new", *meta)
    if value is None or type(value) in (int, float, bool, str, torch.dtype, torch.device):
        return ("value", value)
    if type(value) in (tuple, list):
        parts = [_recipe(v, tensors) for v in value]
        return None if any(p is None for p in parts) else ("many", type(value), parts)
    return None


def _storage(tensor: Any) -> int | None:
    with without_dispatch():
        try:
            return tensor.untyped_storage()._cdata
        except (RuntimeError, NotImplementedError):
            return None


def _remake(mode: Any, recipe: Any, tensors: list[Any]) -> Any:
    kind = recipe[0]
    if kind == "new":
        return fake_alike(mode, *recipe[1:])
    if kind == "same":
        return tensors[recipe[1]]
    if kind == "view":
        base = tensors[recipe[1]]
        shape, stride, dtype, device, requires_grad, offset = recipe[2:]
        view = fake_view(mode, base, shape, stride, dtype, device, requires_grad, base.storage_offset() + offset)
        return _UNMADE if view is None else view
    if kind == "value":
        return recipe[1]
    parts = [_remake(mode, part, tensors) for part in recipe[2]]
    return _UNMADE if any(part is _UNMADE for part in parts) else recipe[1](parts)
