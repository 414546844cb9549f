"""Nodes whose code says what they do: fx prints a graph as Python, and what it prints is what runs.

A constant is printed as its `repr`, a keyword as it is called, an operator by its symbol. Where that isn't an expression,
or not the one that is meant, another node is made that is: `spelled` for what goes into a node, `settle_powers` for what only
shows when the graph is finished, since a symbolic number may turn out to be a negative constant.
"""

from __future__ import annotations

import ast
import enum
import keyword
import math
import operator
import struct
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from ..compat.operators import parameters

__all__ = ["Held", "Spelled", "settle_powers", "spelled"]

#: Python's number types where torch takes a dtype: operators read them as these.
_DTYPES = {int: torch.int64, float: torch.float64, bool: torch.bool, complex: torch.complex128}
_SAFE = frozenset({fx.Node, int, bool, str, bytes, type(None), type(...), torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size})


class Held:
    """A value that has no expression: the graph calls this to get it."""

    __module__ = "tracer"

    def __init__(self, value: Any):
        self.value = value
        name = getattr(value, "__name__", "")
        self.__name__ = name if name.isidentifier() and not keyword.iskeyword(name) else "constant"

    def __call__(self) -> Any:
        return self.value


class Spelled:
    """A function under a name that can be printed. The last arguments are those called `names`."""

    __module__ = "tracer"

    def __init__(self, function: Callable[..., Any], names: tuple[str, ...]):
        self.function, self.names = function, names
        name = getattr(function, "__name__", "").split(".")[0]
        self.__name__ = name if name.isidentifier() and not keyword.iskeyword(name) else "call"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        split = len(args) - len(self.names)
        return self.function(*args[:split], **dict(zip(self.names, args[split:], strict=True)), **kwargs)


def spelled(
    op: str, target: Any, args: list[Any], kwargs: dict[str, Any], hold: Callable[[Held], Any]
) -> tuple[str, Any, list[Any], dict[str, Any]]:
    """The node that does the same and can be printed. `hold` makes the node that calls a `Held`."""
    args = [a if type(a) in _SAFE else _constant(a, hold) for a in args]
    kwargs = {name: a if type(a) in _SAFE else _constant(a, hold) for name, a in kwargs.items()}
    reserved = [name for name in kwargs if keyword.iskeyword(name)]
    if reserved:
        function = getattr(torch.Tensor, target) if op == "call_method" else target
        placed = _by_position(function, args, kwargs)
        if placed is not None:
            args, kwargs = placed
        else:
            op, target = "call_function", Spelled(function, tuple(reserved))
            args = [*args, *[kwargs.pop(name) for name in reserved]]
    if isinstance(target, torch._ops.OpOverload) and keyword.iskeyword(target._overloadname):
        target = Spelled(target, ())
    return op, target, args, kwargs


def _by_position(function: Any, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
    """The call with keywords that are reserved words given by position, as the one overload that has them says."""
    for names in parameters(function):
        named = {name for name, _, _ in names}
        positional = [name for name, only, _ in names if not only]
        if kwargs.keys() <= named and not kwargs.keys() & set(positional[: len(args)]):
            given, count = dict(kwargs), len(args)
            last = max((i for i, name in enumerate(positional) if name in kwargs and keyword.iskeyword(name)), default=-1)
            filled = positional[count : last + 1]
            if all(name in given for name in filled):
                return [*args, *[given.pop(name) for name in filled]], given
    return None


# ---- constants
def _constant(value: Any, hold: Callable[[Held], Any]) -> Any:
    kind = type(value)
    if kind in _SAFE:
        return value
    if kind in (list, tuple):
        return kind([_constant(v, hold) for v in value])
    if kind is dict:
        return {k: _constant(v, hold) for k, v in value.items()}
    if kind is slice:
        return slice(*[_constant(v, hold) for v in (value.start, value.stop, value.step)])
    if isinstance(value, type):
        return _DTYPES[value] if value in _DTYPES else hold(Held(value))
    return value if _prints(value) else hold(Held(value))


def _prints(value: Any) -> bool:
    """Whether what fx prints for the value gives the value again, bit for bit."""
    if type(value) is float:
        return not math.isnan(value) or struct.pack("d", value) == struct.pack("d", math.nan)
    if type(value) is complex:
        return math.isfinite(value.real) and math.isfinite(value.imag) and _parts(value) == _parts(ast.literal_eval(repr(value)))
    if isinstance(value, enum.Enum):
        cls = type(value)
        return value.name in cls.__members__ and cls.__name__.isidentifier() and not keyword.iskeyword(str(value.name))
    if isinstance(value, torch._ops.OpOverload):
        return not keyword.iskeyword(value._overloadname)
    return isinstance(value, tuple) or not callable(value) and not repr(value).startswith("<")


def _parts(number: complex) -> bytes:
    return struct.pack("dd", complex(number).real, complex(number).imag)


# ---- powers
def settle_powers(graph: fx.Graph) -> None:
    """`operator.pow` of a negative constant is printed as `-2 ** x`, which is minus the power: it is called by name."""
    for node in graph.nodes:
        if node.target is operator.pow and node.op == "call_function" and _is_signed(node.args[0]):
            node.target = pow


def _is_signed(base: Any) -> bool:
    return isinstance(base, int | float | complex) and repr(base).startswith("-")
