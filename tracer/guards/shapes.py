"""SHAPES: what must hold between symbolic sizes, as one Python function that C++ calls after all other guards passed.

In: a ShapeEnv and the inputs that its symbols read, each with the fake value seen. Out: `Shapes`, the expected value of
one guard: the reads (a source, what of it) under names, and Python expressions over those names. ShapeEnv itself says
which expressions hold (`produce_guards_verbose`); static sizes of tensors are left to their TENSOR_MATCH.

A function over the locals costs about 1 µs; the C++ guard on symbols, called back through ctypes, was measured slower.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import torch

from ..compat.evalframe import unasked
from ..compat.guards import TorchSource, disable_torch_function, shape_expressions
from ..sources import Roots, Source
from .accessors import ACCESSORS, GuardError
from .explain import Reader
from .guard import Guard
from .held import Keeper
from .kind import Place, define
from .summary import ids_of
from .whole import again

__all__ = ["Read", "Shapes", "shape_guard", "torch_source"]

_NAME = re.compile(r"\b_r(\d+)\b")
_SPELLED = {
    "value": lambda text, _: text,
    "size": lambda text, index: f"{text}.shape[{index}]",
    "stride": lambda text, index: f"{text}.stride({index})",
    "offset": lambda text, _: f"{text}.storage_offset()",
}
_BASE = torch.Tensor
_NUMBERS = ids_of(int, float, bool)


class Read:
    """One number: the value at `source`, or the size or stride `index` or the storage offset of the tensor there."""

    __slots__ = ("index", "property", "source")

    def __init__(self, source: Source, property: str, index: int | None):
        self.source, self.property, self.index = source, property, index

    @property
    def text(self) -> str:
        return _SPELLED[self.property](self.source.text, self.index)

    def of(self, value: Any) -> Any:
        """Raises TypeError for what is neither a number nor, where one is asked for, a tensor."""
        if self.property == "value":
            if id(type(value)) not in _NUMBERS:
                raise TypeError
            return value
        if not issubclass(type(value), torch.Tensor):
            raise TypeError
        if self.property == "size":
            return _BASE.size(value)[self.index]
        return _BASE.stride(value)[self.index] if self.property == "stride" else _BASE.storage_offset(value)


class Shapes:
    """`reads[i]` is `_r{i}` in the `expressions`, all of which must be true; `names` are the functions they use."""

    __slots__ = ("expressions", "names", "reads")

    def __init__(self, reads: Iterable[Read], expressions: Iterable[str], names: dict[str, Any]):
        self.reads, self.expressions, self.names = tuple(reads), tuple(expressions), names

    def text(self, expression: str) -> str:
        return _NAME.sub(lambda found: self.reads[int(found[1])].text, expression)

    def used(self, expression: str) -> list[int]:
        """The indices of the reads that an expression names, in order."""
        return list(dict.fromkeys(int(found) for found in _NAME.findall(expression)))

    def narrowed(self, expression: str) -> Shapes:
        return Shapes(self.reads, (expression,), self.names)


def torch_source(source: Source) -> TorchSource:
    """Our source in the shape that ShapeEnv takes, equal for equal sources; fit for symbols that you create, too."""
    return TorchSource(source, source.text)


def shape_guard(
    shape_env: Any, inputs: Iterable[tuple[Source, Any]], *, contexts: list[Any] | None = None, cause: int = 0
) -> Guard | None:
    """The guard for what ShapeEnv assumed of its inputs; None if that is nothing.

    `inputs`: (source, the fake tensor or the SymInt, SymFloat, int or float seen there), every input that a symbol may
    read. `contexts`: torch's symbolic context of each, to have dimensions marked dynamic checked. Raises GuardError for
    a symbol that no input gives, and torch's ConstraintViolationError as ShapeEnv does.
    """
    pairs = list(inputs)
    given = {source for source, _ in pairs}
    reads: list[Read] = []
    numbers: dict[tuple[Any, ...], int] = {}

    def named(found: Any, kind: str, index: int | None) -> str:
        source = getattr(found, "ours", None)
        if source is None or source not in given:
            raise _unbound(f"a symbolic size comes from {found.name}, which isn't among the inputs")
        key = (source, kind, index)
        number = numbers.get(key)
        if number is None:
            number = numbers[key] = len(reads)
            reads.append(Read(source, kind, index))
        return f"_r{number}"

    sources = [torch_source(source) for source, _ in pairs]
    try:
        expressions, names = shape_expressions(shape_env, [fake for _, fake in pairs], sources, named, contexts)
    except AssertionError as error:  # what ShapeEnv has for a symbol without a source
        raise _unbound(f"symbolic sizes can't be guarded: {error}") from error
    if not expressions:
        return None
    return Guard(None, "SHAPES", Shapes(reads, expressions, names), cause)


def _unbound(what: str) -> GuardError:
    return GuardError(
        what, asked_by="guards on symbolic shapes", next="pass every input that a symbol was made for to shape_guard"
    )


# --- the kind ---------------------------------------------------------------------------------------------------------


def _hold(shapes: Shapes, keeper: Keeper) -> Shapes:
    reads = [Read(keeper.release(r.source), r.property, r.index) for r in shapes.reads]
    return Shapes(reads, shapes.expressions, shapes.names)


def _split(read: Callable[[Source], Any], guard: Guard) -> list[tuple[Guard, str]]:
    """The expressions that are false or can't be computed, each with the numbers seen."""
    shapes: Shapes = guard.expected
    failing = []
    for expression in shapes.expressions:
        values: dict[str, Any] = {}
        seen = []
        try:
            for number in shapes.used(expression):
                one = shapes.reads[number]
                with disable_torch_function():
                    value = values[f"_r{number}"] = one.of(read(one.source))
                seen.append(f"{one.text} = {value}")
            if eval(expression, {"__builtins__": _BUILTINS, **shapes.names}, values):
                continue
            text = ", ".join(seen)
        except Exception:
            text = ", ".join([*seen, "missing"])
        failing.append((Guard(None, "SHAPES", shapes.narrowed(expression), guard.cause), text))
    return failing


_BUILTINS = {"abs": abs, "float": float, "int": int, "max": max, "min": min, "round": round, "bool": bool}


def _lower(at: Place, shapes: Shapes, parts: list[Any]) -> None:
    at.manager.add_epilogue_lambda_guard(compiled(shapes), parts, None)


define(  # source None; expected: Shapes
    "SHAPES",
    lambda read, guard: not _split(read, guard),
    lambda _, shapes: " and ".join(shapes.text(e) for e in shapes.expressions),
    _lower,
    hold=_hold,
    rank=9,
    scope="many",
    reads=lambda guard: [r.source for r in guard.expected.reads],
    split=_split,
)

# --- the function -----------------------------------------------------------------------------------------------------


def compiled(shapes: Shapes) -> Callable[[dict[str, Any]], bool]:
    """`f(locals) -> bool`. Walks each source once; a failing read raises, which C++ takes as a no."""
    scope: dict[str, Any] = {"__builtins__": _BUILTINS, **shapes.names}
    lines: list[str] = []
    spelled: dict[Source, str] = {}

    def constant(value: Any) -> str:
        name = f"_k{len(scope)}"
        scope[name] = value
        return name

    def walk(source: Source) -> str:
        known = spelled.get(source)
        if known is None:
            known = spelled[source] = f"_v{len(spelled)}"
            if source.base is None:
                where = f"_locals[{source.key!r}]" if source.kind == "local" else f"{constant(_root(source))}()"
            else:
                base = walk(source.base)
                where = f"{constant(ACCESSORS[source.kind].read)}({base}, {constant(source.key)})"
            lines.append(f"{known} = {where}")
        return known

    scope["_size"], scope["_stride"], scope["_offset"] = _BASE.size, _BASE.stride, _BASE.storage_offset
    for number, one in enumerate(shapes.reads):
        value = walk(one.source)
        spell = {"value": value, "offset": f"_offset({value})"}
        lines.append(f"_r{number} = {spell.get(one.property) or f'_{one.property}({value})[{one.index}]'}")
    body = "\n        ".join([*lines, "return " + " and ".join(f"({e})" for e in shapes.expressions)])
    scope["_again"], scope["_interrupt"] = again, KeyboardInterrupt
    exec(compile(f"def check(_locals):\n    try:\n        {body}\n    except _interrupt:\n        return _again()\n", "<shape guards>", "exec"), scope)
    return unasked(scope["check"])


def _root(source: Source) -> Callable[[], Any]:
    reader = Reader(Roots({}), {}, {})
    return lambda: reader._root(source)
