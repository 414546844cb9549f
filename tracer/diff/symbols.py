"""Sizes said by where a graph's inputs have them: names of symbols are each run's own.

In: a graph's inputs and the shapes of its nodes. Out: shapes that are equal for two runs where the sizes are the same function of the inputs.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from tracer.events import Shape
from tracer.records import Graph

__all__ = ["names_of", "renamed"]

_NAME = re.compile(r"\b[a-z]+\d+\b")


def names_of(graph: Graph | None) -> dict[str, str]:
    """symbol → a name for the first input, and its dimension, that is this symbol."""
    found: dict[str, str] = {}
    for one in graph.inputs if graph is not None else ():
        for dim, size in enumerate(one.shape or ()):
            if isinstance(size, str) and _NAME.fullmatch(size):
                found.setdefault(size, re.sub(r"\W", "_", f"{one.source}_dim_{dim}"))
    return found


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
