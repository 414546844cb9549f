"""How a row is tried: the program of a row is run untraced, then traced, and what the session recorded is its answer.

A probe is one of
    Value(source)    an argument `v` that a traced function looks at: which rule of VariableBuilder took it
    Program(source)  an expression or a body over the tensor `x`: which rules, nodes or breaks it leads to
    Resumes(source)  a body that breaks the graph on the way
    Callable(source) what the tables say of an object that needs hardware or processes to run
    Search(pattern)  the rule or function that is about something
    Guard(kinds)     kinds of guard
    Opcode(name)     a canonical operation: its handler
    Part(where)      "module:name", where a mechanism of the compiler itself lives
"""

from __future__ import annotations

import ast
import contextlib
import fnmatch
import functools
import importlib
import io
import linecache
import os
import pkgutil
import re
import sys
import types
import warnings
import zlib
from collections.abc import Callable as Function
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..breaks import CATALOGUE
from ..builder.sourceless import sourceless
from ..builder.table import rules
from ..compat.operators import UNHELD
from ..events import FrameFinished, GraphBreak, InternalFault, NodeCreated, VariableBuilt
from ..functions.calls import is_known
from ..functions.pinned import is_torch_operator
from ..functions.table import calls
from ..guards.kind import KINDS
from ..interpreter.table import HANDLERS, unsupported
from ..isa.canonical import OPS
from ..session import Session
from ..signals import Break
from . import samples

__all__ = ["NOT_YET", "Answer", "Callable", "Guard", "Opcode", "Part", "Probe", "Program", "Resumes", "Search", "Value", "first_line"]

#: Breaks that say no more than that nobody has written a rule.
NOT_YET = frozenset({
    "unsupported-type", "unsupported-builtin", "unsupported-opcode", "unsupported-attribute", "higher-order-unsupported",
    "context-unsupported", "opaque-call", "descriptor-unsupported", "cannot-rebuild", "internal-fault",
})  # fmt: skip


class Answer(NamedTuple):
    """state: rule | node | inlined | break | Python | not yet | part."""

    state: str
    text: str


class Probe:
    source: str

    def answer(self) -> Answer:
        raise NotImplementedError


def first_line(function: Any) -> str:
    """The first paragraph of a docstring as one line."""
    text = (getattr(function, "__doc__", None) or "").strip().split("\n\n")[0]
    return " ".join(text.split())


def ruled(function: Any) -> str:
    """A rule as the page shows it."""
    said = first_line(function)
    return f"`{function.__name__}`: {said}" if said else f"`{function.__name__}`"


# ---- running a program traced
class Seen(NamedTuple):
    """What a session recorded of one program, and what kept it from being recorded."""

    built: dict[str, str]
    refused: tuple[tuple[str, str], ...]
    breaks: tuple[str, ...]
    nodes: tuple[str, ...]
    skipped: str
    fault: str
    same: bool


_MODES = ("is_grad_enabled", "get_default_dtype", "are_deterministic_algorithms_enabled")


@contextlib.contextmanager
def _silent() -> Any:
    """Nothing is written, by C++ (the profiler) neither."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _undisturbed() -> Any:
    """Silence, and torch's switches as they were."""
    grad, dtype, deterministic, rng = (
        torch.is_grad_enabled(), torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state(),
    )  # fmt: skip
    with _silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            torch._C._set_grad_enabled(grad)
            torch.set_default_dtype(dtype)
            torch.use_deterministic_algorithms(deterministic)
            torch.set_rng_state(rng)


_BLOCK = "def probe(x, v=None):\n"


def compiled(body: str) -> tuple[Function[..., Any], dict[str, Any]]:
    """The function whose body is an expression or statements, and its globals."""
    try:
        ast.parse(body, mode="eval")
        body = f"return {body}"
    except SyntaxError:
        pass
    text = _BLOCK + "".join(f"    {line}\n" for line in body.splitlines())
    name = f"<probe {zlib.crc32(text.encode())}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    names = samples.namespace()
    exec(compile(text, name, "exec"), names)
    return names["probe"], names


def observe(body: str, value: str | None = None) -> Seen:
    """Run the program untraced (it must work), then traced."""
    fn, names = compiled(body)

    def arguments() -> tuple[Any, ...]:
        torch.manual_seed(0)
        return (torch.ones(2, 2), eval(value, names)) if value is not None else (torch.ones(2, 2),)

    raised, result = "", None
    with _undisturbed():
        try:
            expected = fn(*arguments())
        except Exception as error:
            raise RuntimeError(f"the probe {body!r} of {value!r} fails untraced: {type(error).__name__}: {error}") from error
    with _undisturbed(), Session("trace", backend="eager", strict=False, max_trace_seconds=60) as session:
        try:
            result = session.run(fn, *arguments())
        except Exception as error:
            raised = f"the traced call raises {type(error).__name__}"
        return _seen(session.events, raised, repr(result) == repr(expected))


def _seen(events: list[Any], raised: str, same: bool) -> Seen:
    built: dict[str, str] = {}
    refused: list[tuple[str, str]] = []
    for event in events:
        if isinstance(event, VariableBuilt):
            begun = events[event.opens]
            built.setdefault(begun.source, event.rule)
            if event.rule == "opaque" and begun.source == "v":
                refused += event.rejected
    faults = [f"the compiler fails with {e.python_type}" for e in events if isinstance(e, InternalFault)]
    skipped = [e.why for e in events if isinstance(e, FrameFinished) and e.outcome != "compiled"]
    escapes = [f"the trace meets {why.split()[0]}, which the program doesn't raise" for why in skipped if "leaves the function" in why]
    return Seen(
        built,
        tuple(refused),
        tuple(dict.fromkeys(e.reason for e in events if isinstance(e, GraphBreak))),
        tuple(dict.fromkeys(e.target for e in events if isinstance(e, NodeCreated) and e.op != "placeholder" and e.op != "output")),
        skipped[0] if skipped else "",
        raised or (faults or escapes or [""])[0],
        same,
    )


def _stopped(reasons: tuple[str, ...], why: str = "") -> Answer:
    reason = next((r for r in reasons if r in NOT_YET), reasons[0])
    title = why or CATALOGUE[reason].title
    return Answer("not yet" if reason in NOT_YET and not why else "break", f"[`{reason}`](breaks.md#{reason}): {title}")


# ---- the kinds of probe
@dataclass(frozen=True)
class Value(Probe):
    """`source` makes the value."""

    source: str
    use: str = "return v is None, x + 1"

    def answer(self) -> Answer:
        seen = observe(self.use, self.source)
        if seen.fault:
            return Answer("not yet", seen.fault)
        if seen.refused:
            return _stopped(tuple(reason for reason, _ in seen.refused))
        if seen.breaks:
            return _stopped(seen.breaks)
        name = seen.built.get("v")
        if name is None:
            return Answer("Python", seen.skipped) if seen.skipped else Answer("not yet", "never built")
        found = next((rule for _, _, rule in rules.rows if rule.__name__ == name), None)
        return Answer("rule", ruled(found) if found is not None else f"`{name}`")


@dataclass(frozen=True)
class Program(Probe):
    """`source` is an expression over `x` (and `v`, where `value` makes one), or a body that returns."""

    source: str
    value: str | None = None

    def answer(self) -> Answer:
        seen = observe(self.source, self.value)
        if seen.fault:
            return Answer("not yet", seen.fault)
        if seen.breaks:
            return _stopped(seen.breaks)
        named = [ruled(rule) for target in mentioned(self.source) for rule in rules_of(target)]
        if named:
            return Answer("rule", "; ".join(dict.fromkeys(named)))
        if seen.nodes:
            return Answer("node", "the graph gets " + ", ".join(f"`{name}`" for name in seen.nodes[:6]))
        if seen.skipped:
            return Answer("Python", seen.skipped)
        return Answer("inlined", "followed to its end; the graph gets nothing")


@dataclass(frozen=True)
class Callable(Probe):
    source: str

    def answer(self) -> Answer:
        target = eval(self.source, samples.namespace())
        found = rules_of(target)
        if found:
            return Answer("rule", "; ".join(ruled(rule) for rule in found))
        if is_torch_operator(target):
            return Answer("node", "an operator: the graph gets a node")
        if isinstance(target, torch._ops.HigherOrderOperator):
            why, needs = UNHELD.get(target.name(), ("", ""))
            return Answer("untried", f"needs {needs}; the graph ends: {why}") if needs else _stopped(("higher-order-unsupported",), why)
        if isinstance(target, type):
            return Answer("untried", "instances: " + (ruled(of_class(target)) if of_class(target) else "no rule of their own"))
        if isinstance(target, types.FunctionType) and not is_known(target):
            return Answer("untried", "no rule of its own: followed as a Python function")
        return Answer("untried", "no rule of its own")


@dataclass(frozen=True)
class Guard(Probe):
    """`source`: the kinds, divided by spaces."""

    source: str

    def answer(self) -> Answer:
        missing = [name for name in self.source.split() if not fnmatch.filter(KINDS, name)]
        if missing:
            return Answer("not yet", f"no kind `{', '.join(missing)}`")
        found = [kind for name in self.source.split() for kind in fnmatch.filter(KINDS, name)]
        return Answer("rule", ", ".join(f"`{name}`" for name in found))


@dataclass(frozen=True)
class Part(Probe):
    source: str

    def answer(self) -> Answer:
        module, _, path = self.source.partition(":")
        try:
            at: Any = importlib.import_module(module)
            for name in path.split(".") if path else ():
                at = getattr(at, name)
        except (ImportError, AttributeError):
            return Answer("not yet", f"`{self.source}` doesn't exist")
        said = first_line(at) if isinstance(at, type | types.FunctionType | types.ModuleType) else ""
        where = self.source.replace(":", ".")
        return Answer("part", f"`{where}`: {said}" if said else f"`{where}`")


@dataclass(frozen=True)
class Search(Probe):
    """`source`: a pattern; the first rule, function or class of the compiler whose name or first line it is found in."""

    source: str

    def answer(self) -> Answer:
        pattern = re.compile(self.source, re.IGNORECASE)
        for name, said, kind in everything():
            if pattern.search(name) or pattern.search(said):
                return Answer(kind, f"`{name}`: {said}" if said else f"`{name}`")
        return Answer("not yet", "no rule or function is about it")


@dataclass(frozen=True)
class Resumes(Probe):
    """`source`: a body that breaks the graph, and must give what it gives untraced."""

    source: str

    def answer(self) -> Answer:
        seen = observe(self.source)
        if seen.fault or not seen.breaks or not seen.same:
            return Answer("not yet", seen.fault or "the result differs from the untraced one")
        return Answer("part", "goes on after the break, with the result of the untraced run")


@functools.cache
def everything() -> list[tuple[str, str, str]]:
    """(name, first line, state) of every rule, then of every function and class of the compiler."""
    found = [(rule.__name__, first_line(rule), "rule") for table in (rules, sourceless, calls) for _, _, rule in table.rows]
    for package in ("builder", "functions", "graph", "guards", "higher_order", "variables", "codegen", "runtime"):
        path = importlib.import_module(f"tracer.{package}").__path__
        for info in pkgutil.iter_modules(path, f"tracer.{package}."):
            module = importlib.import_module(info.name)
            own = [v for v in vars(module).values() if isinstance(v, type | types.FunctionType) and v.__module__ == info.name]
            found += [(f"{info.name}.{v.__name__}", first_line(v), "part") for v in own]
    return found


# ---- the rules behind a program's names
def mentioned(source: str) -> list[Any]:
    """The objects that a program calls by name, outermost first."""
    names = samples.namespace() | {"x": torch.Tensor}
    try:
        tree = ast.parse(source)
    except SyntaxError:
        tree = ast.parse(_BLOCK + "".join(f"    {line}\n" for line in source.splitlines()))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = _resolve(node.func, names)
            if target is not None:
                found.append(target)
    return found


def _resolve(node: ast.expr, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id, getattr(__import__("builtins"), node.id, None))
    if isinstance(node, ast.Attribute):
        owner = _resolve(node.value, names)
        return getattr(owner, node.attr, None) if owner is not None else None
    return None


def rules_of(target: Any) -> list[Any]:
    """The functions of the call rules for an object."""
    try:
        matching: list[Any] = calls.matching(target)
        return [rule.function for rule in calls.of(target)] or [partial.args[0].function for partial in matching]
    except (AttributeError, TypeError):
        return []


def _rows_of(cls: type) -> list[tuple[str, str, Any]]:
    return [row for row in rules.rows if row[1] == cls.__name__ and row[0] in ("exact", "base")]


def of_class(cls: type) -> Any:
    """The builder rule for instances of a class, as far as the class alone decides it."""
    for base in cls.__mro__[:-1]:
        found = [rule for how, _, rule in _rows_of(base) if how == "base" or base is cls]
        if found:
            return found[0]
    return None


@dataclass(frozen=True)
class Opcode(Probe):
    """`source`: a canonical operation."""

    source: str

    def answer(self) -> Answer:
        meaning = OPS[self.source].meaning
        if self.source in HANDLERS:
            handler = HANDLERS[self.source]
            return Answer("rule", f"`{handler.__module__.rpartition('.')[2]}.{handler.__name__}`: {meaning}")
        try:
            unsupported(self.source, "")(None, None, None)
        except Break as stop:
            state, text = _stopped((stop.reason,))
            return Answer("break" if self.source == "Unsupported" else state, f"{text} ({meaning})")
        return Answer("not yet", meaning)
