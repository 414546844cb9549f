"""Sizes said by where a graph's inputs have them: names of symbols are each run's own.

In: a graph's inputs and the shapes of its nodes. Out: shapes that are equal for two runs where the sizes are the same function of the inputs.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from tracer.events import Shape
from tracer.records import Graph

__all__ = ["names_of", "paired", "renamed"]

_NAME = re.compile(r"\b[a-z]+\d+\b")


def names_of(graph: Graph | None) -> dict[str, str]:
    """symbol → a name for the first input, and its dimension, that is this symbol."""
    found: dict[str, str] = {}
    for one in graph.inputs if graph is not None else ():
        for dim, size in enumerate(one.shape or ()):
            if isinstance(size, str) and _NAME.fullmatch(size):
                found.setdefault(size, re.sub(r"\W", "_", f"{one.source}_dim_{dim}"))
    return found


def paired(shapes: Iterable[tuple[Shape, Shape]], before: dict[str, str], after: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Both sides' names, where the inputs themselves are named in two ways (`args[0]` here, `x` there): symbols that stand in one place of
    the same node are one, if they are so wherever they stand first."""
    left, right = ({symbol: name for symbol, name in side.items() if name in other.values()} for side, other in ((before, after), (after, before)))
    for one, other in shapes:
        for a, b in zip(one or (), other or (), strict=False):
            if isinstance(a, str) and isinstance(b, str) and _NAME.fullmatch(a) and _NAME.fullmatch(b) and a not in left and b not in right:
                left[a] = right[b] = f"size_{len(left)}"
    return {**before, **left}, {**after, **right}


def renamed(shape: Shape, names: dict[str, str]) -> Shape:
    """The shape with those names; an expression in the order in which SymPy writes it then."""
    if shape is None or not names:
        return shape
    return tuple(_expression(size, names) if isinstance(size, str) else size for size in shape)


def _expression(text: str, names: dict[str, str]) -> str:
    said = _NAME.sub(lambda found: names.get(found[0], found[0]), text)
    if said == text or said.isidentifier() or len(said) > _LONGEST:
        return said
    try:
        return str(_built(ast.parse(said, mode="eval").body))
    except (SyntaxError, KeyError, ArithmeticError):  # a function of torch's own
        return said


#: Characters of an expression, which may come from a file of anybody's: longer ones, and powers, are compared as they are written.
_LONGEST = 500
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip


def _built(node: ast.expr) -> Any:
    """SymPy's own expression, of sums and products of names and whole numbers. KeyError for anything else."""
    import sympy

    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_built(node.left), _built(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_built(node.operand)
    if isinstance(node, ast.Name):
        return sympy.Symbol(node.id, integer=True)
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value:
        return sympy.Integer(node.value)
    raise KeyError(node)
