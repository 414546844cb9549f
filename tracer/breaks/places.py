"""What is known of the place where a graph ends: what fills the gaps of the catalogue's words.

What comes in: the break as it was met (its rule's context, the user's line, the operation itself where that is deeper, in a
library) and the source, if it can be had. What goes out: placeholders and their values. Whatever depends on how the line is
written (is there a loop, which word tests the value, where does the `try` open) is read from the line, never assumed.
"""

from __future__ import annotations

import ast
import functools
import itertools
import linecache
import os
import re
from collections.abc import Iterator
from typing import Any

from ..signals import UNNAMED
from .table import entry

__all__ = ["context_of", "expression", "place_of"]

#: Longer texts are no part of a sentence.
_LONGEST = 80


def context_of(stop: Any) -> dict[str, Any]:
    """What fills the placeholders: the program's own expression where the source is at hand, then what the rule gave."""
    context = {name: value for name, value in stop.context.items() if isinstance(value, str | int | float) and _says(value)}
    inner = () if entry(stop.reason).of_line else stop.inner
    place = inner[:5] or stop.location
    if stop.location:
        context.setdefault("line", stop.location[1])
    if inner:
        at = f"{os.path.basename(inner[0])}:{inner[1]}"  # what has no name of its own, as a lambda, is told by its line
        context |= {"inside": at if inner[5].startswith("<") else inner[5], "inside_at": f"{inner[0]}:{inner[1]}"}
    place, asked = _asked(place, stop.asks) if place and stop.asks is not None else (place, {})
    if place and (written := expression(place)):
        context |= {"expr": written, **asked, **_written(place, written)}
    elif place and not _stands(context.get("expr"), place):
        del context["expr"]
    if stop.user_stack:
        context.setdefault("func", stop.user_stack[-1][5])
    return context | _block(context, stop.location)


def place_of(stop: Any) -> tuple[Any, ...]:
    """Where the program's line is, to what stands there: of a condition the part that is asked, where that is on the line as well."""
    place = stop.location
    if not place or stop.asks is None or stop.inner:
        return place
    part = _asked(place, stop.asks)[0]
    return part if part[2] is not None and part[1] == part[3] == place[1] else place


def _stands(named: Any, place: tuple[Any, ...]) -> bool:
    """Whether what a rule calls by name is written at a place; where nothing is known of the text, the rule is believed."""
    file, line, _, end_line, _ = place
    text = "".join(linecache.getline(file, number) for number in range(line or 0, (end_line or line or 0) + 1))
    return type(named) is not str or not text or all(word in text for word in re.findall(r"\w+", named.partition("(")[0]))


def _says(value: str | int | float) -> bool:
    return not isinstance(value, str) or value != "" and UNNAMED not in value and "__stack_" not in value


def expression(location: tuple[Any, ...]) -> str:
    """The source text at a location, if it is one short line."""
    file, line, column, end_line, end_column = location
    if line is None or line != end_line or column is None or end_column is None:
        return ""
    text = linecache.getline(file, line).encode()[column:end_column].decode(errors="replace").strip()
    return text if len(text) <= _LONGEST else ""


def _written(place: tuple[Any, ...], written: str) -> dict[str, str]:
    """`loop`: what is looped over. `called`: the call."""
    found: dict[str, str] = {}
    for node, parent in _at(place):
        if isinstance(node, ast.Call):
            found["called"] = written
        if isinstance(parent, ast.For | ast.comprehension) and _holds(parent.iter, node):
            found["loop"] = written
    return found


def _asked(place: tuple[Any, ...], asks: tuple[int, tuple[Any, ...]]) -> tuple[tuple[Any, ...], dict[str, str]]:
    """The place of the expression at which a truth is asked, and what there is to say of it (`_tested`). `asks`: the number of the asking
    among those at this place, and the places of everything in the code that asks."""
    found = _part(place, asks)
    times = asks[0], asks[1].count(place[1:])
    if found is None:
        return place, functools.reduce(dict.__or__, (_tested(place, *pair, times) for pair in _at(place)), {})
    part, parent = found
    if not hasattr(part, "lineno"):  # which part it is can't be told
        return (*place[:2], None, place[3], None), {}
    return (place[0], *_span(part)), _tested(place, part, parent, times)


def _tested(place: tuple[Any, ...], node: ast.expr, parent: ast.AST, asks: tuple[int, int]) -> dict[str, str]:
    """Of the expression at which a truth is asked: by which word, and of which of its parts."""
    word, part = _asking(node, parent), node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        word, part = word or "not", node.operand
    elif isinstance(node, ast.BoolOp):  # `x = a or b`: the last part is its value, and isn't asked
        word, most = word or _word(node), len(node.values) - 1
        if asks[1] % most:
            return {"construct": word}
        part = node.values[asks[0] % most]
    elif isinstance(node, ast.Compare) and len(node.ops) > 1:
        return {"construct": word} if word else {}
    text = expression((place[0], *_span(part)))
    found = {"test": text} if text else {}
    if word:
        found["construct"] = word
    if part is node and isinstance(parent, ast.If | ast.IfExp) and parent.test is node:
        found["is_if"] = text
    return found


def _part(place: tuple[Any, ...], asks: tuple[int, tuple[Any, ...]]) -> tuple[ast.expr, ast.AST] | None:
    """The part of a condition that is asked, and its parent. CPython 3.11 asks for `b` of `if a is c and b` at the place of `a is c`: each part
    at that of the last one before it that has a place of its own, the first at that of what the condition is of. None where nothing of a
    condition stands at the place."""
    index, places = asks
    for node in ast.walk(_tree(place[0])):
        parts = [part for test in _tests(node) for part in _parts(*test)]
        at = next((number for number, (part, _) in enumerate(parts) if _span(part) == place[1:]), None)
        behind = parts if at is None else parts[at + 1 :]
        if at is not None or parts and _span(node) == place[1:]:
            mine = [*(parts[at : at + 1] if at is not None else []), *itertools.takewhile(lambda part: _span(part[0]) not in places, behind)]
            whole = mine and not places.count(place[1:]) % len(mine)  # a `finally`, and the test of a `while`, are compiled more than once
            return mine[index % len(mine)] if whole else (ast.Constant(None), parts[0][1])
    return None


def _tests(node: ast.AST) -> Iterator[tuple[ast.expr, ast.AST]]:
    if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
        yield node.test, node
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        yield from ((test, one) for one in node.generators for test in one.ifs)


def _parts(test: ast.expr, parent: ast.AST) -> Iterator[tuple[ast.expr, ast.AST]]:
    """The parts whose truths decide a condition, in the order in which they are compiled."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _parts(test.operand, test)
    elif isinstance(test, ast.BoolOp | ast.IfExp):
        for part in test.values if isinstance(test, ast.BoolOp) else (test.test, test.body, test.orelse):
            yield from _parts(part, test)
    else:
        yield test, parent


def _span(node: Any) -> tuple[int | None, ...]:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _word(node: ast.BoolOp) -> str:
    return "and" if isinstance(node.op, ast.And) else "or"


def _asking(node: ast.AST, parent: ast.AST) -> str:
    """The word of Python that asks whether `node` is true."""
    if isinstance(parent, ast.If | ast.While | ast.IfExp | ast.Assert) and parent.test is node:
        return {ast.If: "if", ast.While: "while", ast.IfExp: "if", ast.Assert: "assert"}[type(parent)]
    if isinstance(parent, ast.BoolOp):
        return _word(parent)
    if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
        return "not"
    return "if" if isinstance(parent, ast.comprehension) and node in parent.ifs else ""


def _holds(whole: ast.expr, part: ast.AST) -> bool:
    """Whether the part is what is looped over, by itself or as an argument of what counts or pairs it (`enumerate`, `zip`)."""
    if whole is part:
        return True
    return isinstance(whole, ast.Call) and isinstance(whole.func, ast.Name) and whole.func.id in _PAIRING and any(_holds(arg, part) for arg in whole.args)


_PAIRING = frozenset({"enumerate", "zip", "reversed", "iter"})


def _block(context: dict[str, Any], location: tuple[Any, ...]) -> dict[str, Any]:
    """Where the block opens whose handler is in the way: `try_line` names a line that it covers, in `try_file`."""
    line = context.pop("covered", 0)
    file = context.pop("covered_file", location[0] if location else "")
    if not line:
        return {}
    opens = [node for node in _blocks(file) if _covers(node, line)]
    if not opens:
        return {}
    node = max(opens, key=lambda node: node.lineno)
    away = {} if location and file == location[0] else {"try_file": os.path.basename(file)}
    return {"try_line": node.lineno, "block": "try" if isinstance(node, ast.Try | ast.TryStar) else "with", **away}


def _covers(node: ast.stmt, line: int) -> bool:
    """Whether the handler of a block covers what stands in a line; a line in which the next block opens is the outer one's."""
    if isinstance(node, ast.Try | ast.TryStar):
        return node.body[0].lineno <= line <= (node.body[-1].end_lineno or 0)
    return node.lineno <= line <= (node.end_lineno or 0)


# ---- sources
def _blocks(file: str) -> list[Any]:
    return [node for node in ast.walk(_tree(file)) if isinstance(node, ast.Try | ast.TryStar | ast.With | ast.AsyncWith)]


def _at(place: tuple[Any, ...]) -> Iterator[tuple[ast.expr, ast.AST]]:
    """(node, parent) of each expression that spans a place exactly."""
    file, line, column, end_line, end_column = place
    for parent in ast.walk(_tree(file)):
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.expr) and (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset) == (line, column, end_line, end_column):
                yield node, parent


def _tree(file: str) -> ast.Module:
    return _parsed("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=16)
def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])
