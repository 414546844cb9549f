"""Reproducers and fixes as whole programs: what a person pastes, and what the tests run."""

from __future__ import annotations

import ast

from .model import Entry, Fix

__all__ = ["call_of", "program_of"]


def program_of(entry: Entry, fix: Fix | None = None) -> str:
    """The program without its call line. A fix stands in for everything of the reproducer that it defines again."""
    setup = ast.parse(entry.reproducer).body[:-1]
    if fix is None:
        return _text(entry.reproducer, setup)
    new = ast.parse(fix.source).body
    if _is_call_line(new[-1]):
        new.pop()
    again = {name for statement in new for name in _binds(statement)}
    kept = [statement for statement in setup if not (_binds(statement) and _binds(statement) <= again)]
    return _text(entry.reproducer, kept) + _text(fix.source, new)


def call_of(entry: Entry, fix: Fix | None = None) -> str:
    """The last line: an expression that calls the program on two inputs or more."""
    if fix is not None and _is_call_line(last := ast.parse(fix.source).body[-1]):
        return _text(fix.source, [last]).strip()
    return _text(entry.reproducer, ast.parse(entry.reproducer).body[-1:]).strip()


def _is_call_line(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr)


def _binds(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement defines; statements that only act bind none."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()


def _text(source: str, statements: list[ast.stmt]) -> str:
    """The statements' own lines, decorators included; comments between them go."""
    lines = source.splitlines()
    out = []
    for statement in statements:
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(d.lineno for d in decorators)])
        out += lines[first - 1 : statement.end_lineno]
    return "".join(line + "\n" for line in out)
