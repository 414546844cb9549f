"""What must be true of a body before it runs: names are defined, bound before they are used, and an input is read once.

In: the compiled function's code or its text, and the names that its namespace gives. Out: what is wrong, in words; nothing
for a body that may run. `undefined` is cheap and asked of every body; `faults` reads the text and is asked in strict mode.
"""

from __future__ import annotations

import ast
import builtins
import dis
from collections.abc import Collection, Iterator
from types import CodeType

__all__ = ["faults", "undefined"]

_LOAD_GLOBAL, _EXTENDED = dis.opmap["LOAD_GLOBAL"], dis.opmap["EXTENDED_ARG"]
_BUILTINS = frozenset(vars(builtins))
#: Bound more than once by what runs a graph whose checks stand for asserts (`Body._checked`), and by loops that only count.
_REUSED = frozenset({"failed", "_"})


def undefined(code: CodeType, given: Collection[str]) -> list[str]:
    """Names that the code looks for outside itself and that neither `given` nor builtins have."""
    names, raw, found, high = code.co_names, code.co_code, [], 0
    for i in range(0, len(raw), 2):
        op = raw[i]
        if op == _LOAD_GLOBAL:
            name = names[(high | raw[i + 1]) >> 1]
            if name not in given and name not in _BUILTINS:
                found.append(name)
        high = (high | raw[i + 1]) << 8 if op == _EXTENDED else 0
    return found


def faults(text: str, given: Collection[str]) -> list[str]:
    """Everything that is wrong with a body's text, line by line."""
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    bound = {argument.arg for argument in function.args.args}
    reads: dict[str, int] = {}
    found = []
    for statement in _statements(function.body):
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        targets = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        for node in names:
            if isinstance(node.ctx, ast.Load) and not (node.id in bound or node.id in given or node.id in _BUILTINS):
                found.append(f"line {statement.lineno}: {node.id} has no value")
        for name in sorted(targets & bound - _REUSED):
            found.append(f"line {statement.lineno}: {name} is bound twice")
        bound |= targets
        if isinstance(statement, ast.Assign) and _is_read(statement.value):
            read = ast.unparse(statement.value)
            if read in reads:
                found.append(f"line {statement.lineno}: {read} was read in line {reads[read]}")
            reads.setdefault(read, statement.lineno)
    return found


def _statements(block: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements in the order in which they run; of one with a block in it, first itself without the block."""
    for statement in block:
        if isinstance(statement, ast.Try):
            yield from _statements(statement.body)
            for handler in statement.handlers:
                if handler.name is not None:
                    yield ast.Assign([ast.Name(handler.name, ast.Store())], ast.Constant(None), lineno=handler.lineno)
                yield from _statements(handler.body)
        elif isinstance(statement, ast.For):
            yield ast.Assign([statement.target], statement.iter, lineno=statement.lineno)
            yield from _statements(statement.body)
        elif isinstance(statement, ast.If):
            yield ast.Expr(statement.test, lineno=statement.lineno)
            yield from _statements(statement.body)
        else:
            yield statement


def _is_read(value: ast.expr) -> bool:
    """Whether an expression reads one place of the program: steps below one name, no call of anything made for this body."""
    while isinstance(value, ast.Attribute | ast.Subscript):
        value = value.value
        if isinstance(value, ast.Name):
            return True
    return False
