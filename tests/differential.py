"""Runs one program untraced and traced, on fresh state each, and reports every difference a user could see.

    check(fn, lambda: (torch.randn(3), 2), calls=2)    # fn on fresh inputs, several calls in a row
    check(scenario)                                    # scenario(run): compiles with run(fn), calls what it likes

A scenario is plain Python that receives `run`; `run(fn)` gives the callable under test and `run.watch(x)` adds an
object to what is compared. Compared after every call: result or exception, arguments, the function with its closure,
its globals and its module state, aliasing between all of them, text written, warnings, random states, torch's modes; at
the end also the gradients of a backward pass over everything returned.

    python -m tests.differential [--self | --reference] [-k PART] [--table] [--brief] [--here]
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import io
import logging
import os
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("TRACER_STRICT", "1")

import numpy as np
import torch

from tests.snapshots import Differ, Numbering, instance_state, is_user

__all__ = ["Args", "Expect", "Reference", "Traced", "Untraced", "check", "run_program"]

BREAKS_SOMEWHERE = "some"
FUNCTIONALISED = frozenset({".version", ".grad_fn", ".base", ".storage", ".is_leaf"})


class Args:
    """Arguments of one call, where a plain tuple would not do."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.args, self.kwargs = args, kwargs


@dataclass(frozen=True)
class Expect:
    """What the traced run should have taken. None: not checked. `breaks`: a count, "some", or a sorted list of ids."""

    graphs: int | None = None
    breaks: int | str | list[str] | None = None
    recompiles: int | None = None
    fullgraph: bool = False

    def problems(self, counts: Counts) -> list[str]:
        found = []
        if self.graphs is not None and counts.graphs != self.graphs:
            found.append(f"graphs: expected {self.graphs}, got {counts.graphs}")
        if self.recompiles is not None and counts.recompiles != self.recompiles:
            found.append(f"recompiles: expected {self.recompiles}, got {counts.recompiles} {counts.why_recompiled}")
        wanted, got = self.breaks, counts.breaks
        right = wanted is None or wanted == (sorted(got) if isinstance(wanted, list) else len(got))
        if not (bool(got) if wanted == BREAKS_SOMEWHERE else right):
            found.append(f"breaks: expected {wanted}, got {len(got)} {sorted(got)}")
        if self.recompiles == 0 and counts.after_first is not None and counts.graphs != counts.after_first:
            found.append(f"later calls compiled again: {counts.after_first} graphs, then {counts.graphs}")
        return found


@dataclass
class Counts:
    graphs: int = 0
    breaks: list[str] = field(default_factory=list)
    recompiles: int = 0
    after_first: int | None = None
    why_recompiled: list[Any] = field(default_factory=list)


class Untraced:
    """Runs the function as it is."""

    def compile(self, fn: Any, **config: Any) -> Any:
        return fn

    def counts(self) -> Counts:
        return Counts()

    def close(self) -> None:
        pass


class Traced:
    """Runs the function through tracer.compile; every `run(fn)` is a session of its own."""

    def __init__(self, backend: Any = "eager", **config: Any):
        self.config = {"backend": backend, **config}
        self.sessions: list[Any] = []

    def compile(self, fn: Any, **config: Any) -> Any:
        import tracer

        compiled = tracer.compile(fn, **{**self.config, **config})
        self.sessions.append(compiled.session)
        return compiled

    def counts(self) -> Counts:
        out = Counts()
        for session in self.sessions:
            out.graphs += len(session.graphs)
            out.breaks += [getattr(b, "id", None) or b.reason for b in session.graph_breaks]
            out.recompiles += len(session.recompiles)
            out.why_recompiled += [r.failed_guards for r in session.recompiles]
        return out

    def close(self) -> None:
        for session in self.sessions:
            session.close()


class Reference:
    """Runs the function through torch.compile, to learn whether a program's expectations are reasonable."""

    def __init__(self, **config: Any):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        torch._dynamo.utils.clear_compilation_metrics()
        self.config, self.graphs = config, 0

    def compile(self, fn: Any, **config: Any) -> Any:
        return torch.compile(fn, backend=self.backend, **{**self.config, **config})

    def backend(self, gm: Any, _inputs: Any) -> Any:
        self.graphs += 1
        return gm.forward

    def counts(self) -> Counts:
        counters = torch._dynamo.utils.counters["graph_break"]
        recompiled = [m for m in torch._dynamo.utils.get_compilation_metrics() if m.recompile_reason]
        breaks = [text.splitlines()[0][:60] for text, n in counters.items() for _ in range(n)]
        return Counts(self.graphs, breaks, len(recompiled), None, [m.recompile_reason for m in recompiled])

    def close(self) -> None:
        torch._dynamo.reset()


class Log(list):
    """What was written, in order, as (stream, text)."""

    def add(self, stream: str, text: str) -> None:
        if self and self[-1][0] == stream:
            text = self.pop()[1] + text
        self.append((stream, text))

    def stream(self, name: str) -> io.TextIOBase:
        log = self

        class Stream(io.TextIOBase):
            def write(self, text: str) -> int:
                log.add(name, text)
                return len(text)

        return Stream()


@dataclass
class Call:
    """One call as it was seen right after it returned."""

    snapshot: Any
    log: Log
    world: dict[str, Any]
    trace: str | None


class Run:
    """One execution of a scenario: what it compiled, called and left."""

    def __init__(self, compiler: Any):
        self.compiler, self.numbering = compiler, Numbering()
        self.calls: list[Call] = []
        self.watched: dict[str, Any] = {}
        self.results: list[Any] = []
        self.arguments: list[Any] = []
        self.final: Any = None
        self.ended: str | None = None
        self.after_first: int | None = None

    def __call__(self, fn: Any, **config: Any) -> Callable:
        """The callable under test. The scenario sees the same results and exceptions as any caller."""
        compiled = self.compile(fn, **config)
        return lambda *args, **kwargs: self.call(compiled, args, kwargs)

    def compile(self, fn: Any, **config: Any) -> Callable:
        self.watched.setdefault("function", []).append(fn)
        return self.compiler.compile(fn, **config)

    def watch(self, value: Any, name: str = "watched") -> Any:
        self.watched.setdefault(name, []).append(value)
        return value

    def call(self, fn: Callable, args: tuple, kwargs: dict, reraise: bool = True) -> Any:
        log, result, error, trace = Log(), None, None, None
        with self.listening(log):
            try:
                result = fn(*args, **kwargs)
            except KeyboardInterrupt:
                raise
            except BaseException as raised:
                error, trace = raised, traceback.format_exc(limit=-12)
        world = world_state()
        self.results.append(result if error is None else error)
        self.arguments.append((args, kwargs))
        seen = {"result": result, "error": error, "args": list(args), "kwargs": kwargs, **self.watched}
        self.calls.append(Call(self.numbering.snapshot(seen), log, world, trace))
        if error is not None and reraise:
            raise error
        return result

    @contextlib.contextmanager
    def listening(self, log: Log) -> Iterator[None]:
        def show(message: Any, category: type, filename: str, *_: Any, **__: Any) -> None:
            # What torch's C++ says stands at whatever Python line is on top: one of torch's own, or the graph's.
            if f"{os.sep}torch{os.sep}" not in filename and "(Triggered internally at " not in str(message):
                log.append(("warning", f"{category.__name__}: {message}"))

        with contextlib.redirect_stdout(log.stream("out")), contextlib.redirect_stderr(log.stream("err")), torch_logs_nothing():
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.showwarning = show
                yield

    def finish(self) -> None:
        """Backward over everything differentiable that was returned, then one last look at everything."""
        outputs = list(differentiable(self.results, set()))
        raised = None
        if outputs:
            try:
                torch.autograd.backward(outputs, [torch.ones_like(o) for o in outputs])
            except Exception as error:
                raised = f"{type(error).__name__}: {error}"
        seen = {"results": self.results, "arguments": self.arguments, "backward error": raised, **self.watched}
        self.final = self.numbering.snapshot(seen)


@contextlib.contextmanager
def torch_logs_nothing() -> Iterator[None]:
    """What torch logs, a backend once in a process, is no text of the program's; since 2.14 it goes to whatever stderr is now."""
    handlers = logging.getLogger("torch").handlers
    kept, handlers[:] = handlers[:], [logging.NullHandler()]
    try:
        yield
    finally:
        handlers[:] = kept


def differentiable(value: Any, seen: set[int]) -> Iterator[torch.Tensor]:
    """Tensors of a result that gradients can start from, each once, in order."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        if value.requires_grad and value.grad_fn is not None:
            yield value
    elif isinstance(value, (list, tuple, dict, collections.deque)):
        for part in list(value.values()) if isinstance(value, dict) else list(value):
            yield from differentiable(part, seen)
    elif is_user(type(value)) and not isinstance(value, (type, torch.nn.Module)):
        for _, part in instance_state(value):
            yield from differentiable(part, seen)


def world_state() -> dict[str, Any]:
    """Process-wide state that a compiled call has to leave as the untraced one does."""

    def digest(data: bytes) -> str:
        return hashlib.sha1(data).hexdigest()[:10]

    return {
        "torch RNG": digest(torch.get_rng_state().numpy().tobytes()),
        "numpy RNG": digest(repr(np.random.get_state()).encode() + np.random.get_state()[1].tobytes()),
        "random RNG": digest(repr(random.getstate()).encode()),
        "grad enabled": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "autocast": (
            torch.is_autocast_enabled("cpu"),
            torch.get_autocast_dtype("cpu"),
            torch.is_autocast_cache_enabled(),
        ),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "deterministic": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark),
        "function modes": torch._C._len_torch_function_stack(),
        "torch function enabled": torch._C._is_torch_function_enabled(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "exception being handled": sys.exc_info()[0],
    }


def seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)


@contextlib.contextmanager
def isolated(namespace: dict[str, Any] | None) -> Iterator[None]:
    """Puts back what a program may change: its module's globals and their containers, torch's modes, random states."""
    kept = dict(namespace or {})
    contents = {k: v.copy() for k, v in kept.items() if type(v) in (list, dict, set, collections.deque) and k[0] != "_"}
    world = world_state()
    states = (torch.get_rng_state(), np.random.get_state(), random.getstate())
    try:
        yield
    finally:
        if namespace is not None:
            for name in [n for n in namespace if n not in kept and not n.startswith("_")]:
                del namespace[name]  # what compilers install is private, and theirs to remove
            namespace.update(kept)
            for name, copy in contents.items():
                kept[name].clear()
                (kept[name].extend if isinstance(copy, (list, collections.deque)) else kept[name].update)(copy)
        torch.set_grad_enabled(world["grad enabled"])
        torch.set_default_dtype(world["default dtype"])
        torch.use_deterministic_algorithms(world["deterministic"][0])
        torch.set_autocast_enabled("cpu", world["autocast"][0])
        torch.set_autocast_dtype("cpu", world["autocast"][1])
        torch.set_rng_state(states[0]), np.random.set_state(states[1]), random.setstate(states[2])


def plain(fn: Callable, make_args: Callable[[], Any], calls: int) -> Callable[[Run], None]:
    """A scenario that calls one function `calls` times, on freshly made arguments each time."""

    def scenario(run: Run) -> None:
        call = run.compile(fn)
        for number in range(calls):
            seed(1000 + number)
            made = make_args()
            made = made if isinstance(made, Args) else Args(*(made if isinstance(made, tuple) else (made,)))
            run.call(call, made.args, made.kwargs, reraise=False)
            if number == 0:
                run.after_first = run.compiler.counts().graphs

    return scenario


def execute(scenario: Callable[[Run], None], compiler: Any, namespace: dict[str, Any] | None) -> tuple[Run, Counts]:
    run = Run(compiler)
    with isolated(namespace):
        seed(0)
        try:
            scenario(run)
        except Exception:
            if isinstance(compiler, Untraced):
                raise
            run.ended = traceback.format_exc()
        run.finish()
    counts = compiler.counts()
    counts.after_first = run.after_first
    return run, counts


def compare_runs(untraced: Run, traced: Run, tolerance: float | None, ignore: frozenset[str]) -> list[str]:
    found: list[str] = []
    differ = Differ(tolerance, ignore)
    for number, (one, other) in enumerate(zip(untraced.calls, traced.calls), 1):
        differ.found = []
        differ.compare("", one.snapshot, other.snapshot)
        pairs = [(name, value, other.world[name]) for name, value in one.world.items()]
        pairs.append(("text written", list(one.log), list(other.log)))
        here = [*differ.found, *(f"{n}\n    untraced: {a}\n    traced:   {b}" for n, a, b in pairs if a != b)]
        if other.trace and (here or not one.trace):
            here.append("the traced call raised:\n" + other.trace)
        found += [f"call {number}: {text}" for text in here]
    if len(untraced.calls) != len(traced.calls):
        found.append(f"calls made: untraced {len(untraced.calls)}, traced {len(traced.calls)}")
    if traced.ended and (not found or len(traced.calls) < len(untraced.calls)):
        found.append("the scenario failed with the traced function only:\n" + traced.ended)
    if not found:
        differ.compare("", untraced.final, traced.final)
        found += [f"at the end, after backward: {text}" for text in differ.found]
    return found


def check(
    program: Callable,
    make_args: Callable[[], Any] | None = None,
    calls: int = 2,
    backend: Any = "eager",
    expect: Expect | None = None,
    *,
    compiler: Any = None,
    tolerance: float | None = None,
    ignore: frozenset[str] = frozenset(),
    **config: Any,
) -> tuple[Run, Counts]:
    """Raises AssertionError with every difference found, or returns the traced run and what it took."""
    scenario = program if make_args is None else plain(program, make_args, calls)
    namespace = getattr(program, "__globals__", None)
    untraced, _ = execute(scenario, Untraced(), namespace)
    expect = expect or Expect()
    if compiler is None:
        compiler = Traced(backend, **({"fullgraph": True} if expect.fullgraph else {}), **config)
    if backend not in ("eager", None):
        tolerance, ignore = tolerance or 1e-4, ignore | FUNCTIONALISED
    try:
        traced, counts = execute(scenario, compiler, namespace)
    finally:
        compiler.close()
    problems = compare_runs(untraced, traced, tolerance, ignore)
    if isinstance(compiler, Traced):
        problems += expect.problems(counts)
    if problems:
        name = getattr(program, "__qualname__", repr(program))
        raise AssertionError(f"{name} differs when traced:\n  " + "\n  ".join(problems))
    return traced, counts


def run_program(program: Any, compiler: Any = None, backend: Any = None) -> tuple[Run, Counts]:
    """One registered program (tests/programs), with its own settings. `backend` is another one than it names: values are compared,
    not what the capture took."""
    if backend is not None:
        fullgraph = {"fullgraph": True} if program.expect.fullgraph else {}
        return check(
            program.fn, program.make_args, program.calls, backend, compiler=Traced(**{**fullgraph, **program.config, "backend": backend}),
            ignore=program.ignore, tolerance=program.tolerance,
        )  # fmt: skip
    if isinstance(compiler, Reference):
        compiler.config = {k: program.config[k] for k in ("dynamic", "fullgraph") if k in program.config}
    return check(
        program.fn, program.make_args, program.calls, expect=program.expect, compiler=compiler,
        ignore=program.ignore, tolerance=program.tolerance, **({} if compiler else program.config),
    )  # fmt: skip


if __name__ == "__main__":
    from tests.programs.__main__ import main

    sys.exit(main())
