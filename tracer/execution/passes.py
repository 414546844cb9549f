"""What is looked at while a graph runs: one watcher for each pass, so that none costs another's numbers anything.

`Timed` (the clock of the CPU), `TimedOnGpu` (events in the stream, read when all has run), `Measured` (storages, FLOPs, bytes moved) and `Counted`
(numbers of the results). Each fills lists with an entry for each step of the program.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import torch

from ..compat.execution import Flops, Seen, StorageWeakRef, writes
from ..compat.trees import leaves
from .model import Life, Stats
from .program import Program, Step, Watch
from .statistics import joined, statistics

__all__ = ["Counted", "Measured", "Timed", "TimedOnGpu", "tensors_in", "timer_cost"]


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors of a result, containers taken apart."""
    if isinstance(value, torch.Tensor):
        return [value]
    if type(value) in (int, float, bool, type(None), str):
        return []
    return [leaf for leaf in leaves(value) if isinstance(leaf, torch.Tensor)]


class Timed(Watch):
    """Seconds of each step in one run, with the freeing of what nobody reads behind it; of one with bodies without what these took."""

    ends = True

    def __init__(self, count: int):
        self.seconds, self.runs = [0.0] * count, [0] * count
        self._inside = 0.0  # what bodies of the step that is running took
        self._ended = 0.0

    def call(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if step.nested:
            return self._nested(step, args, kwargs)
        function = step.function
        begun = perf_counter()
        result = function(*args, **kwargs)
        self._ended = ended = perf_counter()
        self.seconds[step.number] += ended - begun
        self.runs[step.number] += 1
        return result

    def after(self, step: Step) -> None:
        self.seconds[step.number] += perf_counter() - self._ended

    def _nested(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        around, self._inside = self._inside, 0.0
        begun = perf_counter()
        result = step.function(*args, **kwargs)
        self._ended = ended = perf_counter()
        self.seconds[step.number] += ended - begun - self._inside
        self.runs[step.number] += 1
        self._inside = around
        return result

    def within(self, run: Callable[..., Any], args: Sequence[Any]) -> Any:
        around = self._inside
        begun = perf_counter()
        try:
            return run(self, args)
        finally:
            self._inside = around + perf_counter() - begun


class TimedOnGpu(Watch):
    """The same by events in the current stream; `seconds` is there after `read`, which waits for all of them once."""

    def __init__(self, count: int):
        self.seconds, self.runs = [0.0] * count, [0] * count
        self._marks: list[tuple[int, Any, Any, list[Any]]] = []
        self._bodies: list[Any] = []

    def call(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        around, self._bodies = self._bodies, []
        begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begun.record()
        result = step.function(*args, **kwargs)
        ended.record()
        self._marks.append((step.number, begun, ended, self._bodies))
        self.runs[step.number] += 1
        self._bodies = around
        return result

    def within(self, run: Callable[..., Any], args: Sequence[Any]) -> Any:
        around = self._bodies
        begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begun.record()
        try:
            return run(self, args)
        finally:
            ended.record()
            self._bodies = [*around, (begun, ended)]

    def read(self) -> None:
        torch.cuda.synchronize()
        for number, begun, ended, bodies in self._marks:
            inside = sum(a.elapsed_time(b) for a, b in bodies)
            self.seconds[number] += (begun.elapsed_time(ended) - inside) / 1e3


def timer_cost() -> float:
    """Seconds that `Timed` adds to each step by looking at the clock: of a step that does nothing, the median of many."""

    class _Nothing:
        nested, number = False, 0

        @staticmethod
        def function() -> None: ...

    found = []
    for _ in range(200):
        watch = Timed(1)
        watch.call(_Nothing, (), {})  # type: ignore[arg-type]
        watch.after(_Nothing)  # type: ignore[arg-type]
        found.append(watch.seconds[0])
    return sorted(found)[len(found) // 2]


class Measured(Watch):
    """Memory, FLOPs and bytes moved. Storages are known by identity, so views are free; the graph's inputs and constants aren't its own.

    `peak` counts what an operator allocates and frees inside of itself, as far as it does so by operators of torch; what a kernel keeps to itself
    isn't seen. `held`: the largest storages at the peak, as (name of the step, bytes)."""

    ends = True

    def __init__(self, program: Program, given: Sequence[Any]):
        count = len(program.steps)
        self.allocated, self.temporary, self.freed, self.live_after = [0] * count, [0] * count, [0] * count, [0] * count
        self.moved, self.flops = [0] * count, [0] * count
        self.live = self.peak = 0
        self.peak_step: Step | None = None
        self.held: tuple[tuple[str, int], ...] = ()
        self._lives: list[Life] = []
        constants = [value for one in _programs(program) for _, value in one.constants]
        self._outside = {storage._cdata: storage for storage in map(_storage, tensors_in([list(given), constants])) if storage is not None}
        self._alive: dict[int, tuple[Any, int, Step]] = {}
        self._counter = Flops()
        self._seen = Seen(self._ran)
        self._step: Step | None = None
        self._fresh: set[int] = set()
        self._before = 0

    def call(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        around = self._step, self._fresh, self._before
        self._step, self._fresh, self._before = step, set(), self.live
        flops = self._counter.total
        try:
            with contextlib.nullcontext() if step.nested else self._modes():  # operators of its bodies are steps
                result = step.function(*args, **kwargs)
            for tensor in tensors_in(result):
                self._meet(tensor)
            if not step.nested:
                self.flops[step.number] += self._counter.total - flops
            inside = sum(self._alive[key][1] for key in self._fresh if key in self._alive)
            self._purge(self._fresh)
            kept = sum(self._alive[key][1] for key in self._fresh if key in self._alive)
            self.allocated[step.number] += kept
            self.temporary[step.number] += inside - kept
        finally:
            fresh = self._fresh
            self._step, self._fresh, self._before = around[0], around[1] | fresh, around[2]
        return result

    def after(self, step: Step) -> None:
        before = self.live
        self._purge(self._alive, step)
        self.freed[step.number] += before - self.live
        self.live_after[step.number] = self.live
        if self._step is None:
            self._fresh.clear()

    @contextlib.contextmanager
    def _modes(self) -> Iterator[None]:
        with self._counter.mode, self._seen:
            yield

    def _ran(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        step = self._step
        if step is None:
            return
        given = tensors_in(result)
        for tensor in given:
            self._meet(tensor)
        taken = tensors_in([args, kwargs])
        memory = {storage._cdata for storage in map(_storage, taken) if storage is not None}
        if writes(func) or not all((storage := _storage(tensor)) is not None and storage._cdata in memory for tensor in given):
            self.moved[step.number] += sum(map(_reach, {id(t): t for t in [*taken, *given]}.values()))

    def _meet(self, tensor: torch.Tensor) -> None:
        storage = _storage(tensor)
        if storage is None or storage._cdata in self._outside or self._step is None:
            return
        key = storage._cdata
        known = self._alive.get(key)
        if known is not None and not known[0].expired():
            if known[1] != storage.nbytes():  # it was given another size
                self.live += storage.nbytes() - known[1]
                self._alive[key] = known[0], storage.nbytes(), known[2]
            return
        self._purge(self._fresh)
        self._alive[key] = StorageWeakRef(storage), storage.nbytes(), self._step
        self._fresh.add(key)
        self.live += storage.nbytes()
        if self.live > self.peak:
            self._purge(self._alive)
            if self.live > self.peak:
                self.peak, self.peak_step = self.live, self._step
                self.held = tuple((step.name, size) for _, size, step in self._alive.values())

    def lives(self, most: int) -> tuple[Life, ...]:
        """The memory that lives longest, by bytes times operators; what is there still is a result."""
        end = len(self.live_after)
        kept = [Life(step.name, size, step.number, end) for _, size, step in self._alive.values()]
        return tuple(sorted([*self._lives, *kept], key=lambda one: -one.bytes * (one.gone - one.born))[:most])

    def _purge(self, keys: Any, at: Step | None = None) -> None:
        for key in [key for key in keys if key in self._alive and self._alive[key][0].expired()]:
            _, size, step = self._alive.pop(key)
            self.live -= size
            end = at or self._step or step
            if end.number > step.number:  # in a body that runs again the operators have the numbers of before
                self._lives.append(Life(step.name, size, step.number, end.number, end.name))


def _programs(program: Program) -> Iterator[Program]:
    yield program
    for body in program.bodies.values():
        yield from _programs(body)


def _storage(tensor: torch.Tensor) -> Any:
    """None where it has none of its own: sparse, meta."""
    if tensor.layout is not torch.strided or tensor.is_meta:
        return None
    try:
        return tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):  # a subclass over others
        return None


def _reach(tensor: torch.Tensor) -> int:
    """Bytes that reading all of it reads: an expanded tensor has fewer than items."""
    if tensor.layout is not torch.strided:
        return tensor.numel() * tensor.element_size()
    items = math.prod(size for size, stride in zip(tensor.shape, tensor.stride()) if stride or not size)
    return items * tensor.element_size()


class Counted(Watch):
    """Numbers of every result, right behind its operator: a later write to it doesn't change them. `facts`: (dtype, shape, stride, device) of the
    first tensor. Of an operator that runs several times all runs are counted together."""

    def __init__(self, count: int, values: bool):
        self.values = values
        self.stats: list[Stats | None] = [None] * count
        self.facts: list[tuple[Any, ...] | None] = [None] * count

    def call(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        result = step.function(*args, **kwargs)
        given = tensors_in(result)
        if given and self.facts[step.number] is None:
            self.facts[step.number] = facts_of(given[0])
        if self.values and given:
            self.stats[step.number] = joined([self.stats[step.number], *map(statistics, given)])
        return result


def facts_of(tensor: torch.Tensor) -> tuple[Any, ...]:
    stride = tuple(tensor.stride()) if tensor.layout is torch.strided else None
    return str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), stride, str(tensor.device)
