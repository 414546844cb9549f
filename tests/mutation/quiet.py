"""Places where a mutant can't change what runs: annotations, `if TYPE_CHECKING:`, `__all__`, `__slots__`, `__future__`'s unevaluated types.

In: a module's text. Out: positions `(line, column)` that a mutation may begin at without effect.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["quiet_places"]


class Span:
    """From one position up to another."""

    def __init__(self, node: ast.AST):
        self.first = (node.lineno, node.col_offset)
        self.last = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)


class Places:
    """Positions inside any of some spans."""

    def __init__(self, spans: list[Span]):
        self.spans = spans

    def __contains__(self, position: object) -> bool:
        return any(span.first <= position < span.last for span in self.spans)  # type: ignore[operator]


def quiet_places(text: str) -> Places:
    return Places([Span(node) for node in _quiet(ast.parse(text))])


def _quiet(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield node
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in ("__all__", "__slots__") for t in node.targets):
            yield node
