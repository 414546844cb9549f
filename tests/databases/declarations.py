"""Whether the overloads that samples run do what they declare, seen on real tensors: nothing else is written to, nothing else draws.

`Watched` is a dispatch mode. `faults` holds what it found; `first` the first call of each overload, with copies of its arguments.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.databases.cases import arguments, copied, operators, samples_of
from tracer.compat.operators import declared, written

__all__ = ["Watched", "run_samples"]


class Watched(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, str] = {}
        self.first: dict[Any, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        if not all(type(t) is torch.Tensor and t.layout is torch.strided and not t.is_conj() and not t.is_neg() for t in tensors):
            return func(*args, **kwargs)
        if func not in self.first:
            self.first[func] = copied(tuple(args)), copied(dict(kwargs))
        facts = declared(func)
        told = {id(t) for t in written(facts, args, kwargs)}
        before, drawn = [t.detach().clone() for t in tensors], torch.get_rng_state()
        try:
            return func(*args, **kwargs)
        finally:
            if not facts.draws and not torch.equal(torch.get_rng_state(), drawn):
                self.faults[str(func)] = "draws random numbers"
            memory = {t.untyped_storage()._cdata for t in tensors if id(t) in told}
            for tensor, old in zip(tensors, before, strict=True):
                if tensor.untyped_storage()._cdata not in memory and not same(tensor, old):
                    self.faults[str(func)] = "writes to an argument"


def same(tensor: torch.Tensor, old: torch.Tensor) -> bool:
    tensor = tensor.detach()
    return tensor.shape == old.shape and bool(torch.all((tensor == old) | ((tensor != tensor) & (old != old))))


def run_samples(databases: tuple[str, ...], count: int, every: int = 1) -> Watched:
    """Samples of every `every`th entry, as functions, in place and into memory that is given."""
    watch = Watched()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for database in databases:
            for op in operators(database)[::every]:
                for sample in samples_of(op, count)[1]:
                    for call in forms(op, sample):
                        with contextlib.suppress(Exception), watch:
                            call()
    return watch


def forms(op: Any, sample: Any) -> Iterator[Any]:
    args, kwargs = arguments(sample)
    yield lambda: op.op(*args, **kwargs)
    if op.inplace_variant is not None:
        with torch.no_grad():
            again, named = arguments(sample)
            yield lambda: op.inplace_variant(*again, **named)
    if op.supports_out:
        with torch.no_grad():
            given, others = arguments(sample)
            result = op.op(*given, **others)
            yield lambda: op.op(*given, **others, out=copied(result))
