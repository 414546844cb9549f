"""Programs of two to four pieces (`flow`, `objects`), one inside or behind another, with a graph break anywhere: drawn by number.

In: a number. Out: `Program`, the text of a module that defines `f`, and what changes before its third call. `differences` executes it twice in
modules of their own, plain and traced, and compares after each of four calls whatever a person can see: results, what was changed, errors with
their causes, text, gradients.
"""

from __future__ import annotations

import ast
import linecache
import random
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from tests.combined.flow import CALLS, ERRORS, GENERATORS, PATTERNS, Piece
from tests.combined.objects import CLASSES, CONTAINERS, TENSORS
from tests.differential import Run, check

__all__ = ["GROUPS", "Program", "differences", "drawn", "simpler"]

GROUPS: dict[str, dict[str, Piece]] = {
    "generators": GENERATORS, "blocks and errors": ERRORS, "calls": CALLS, "patterns and text": PATTERNS,
    "classes": CLASSES, "containers": CONTAINERS, "tensors": TENSORS,
}  # fmt: skip
PIECES: dict[str, Piece] = {name: piece for rows in GROUPS.values() for name, piece in rows.items()}
assert len(PIECES) == sum(map(len, GROUPS.values()))

_HEAD = """\
import collections, contextlib, contextvars, dataclasses, enum, functools, random, sys, weakref
import torch, torch.utils.checkpoint
log = []
MARK = torch.ones(1)
"""
_ARGUMENTS = "x, y, z, n, xs, d"

#: Where the pieces stand: templates over BODY, of `f`.
PLACES = {
    "directly": f"def f({_ARGUMENTS}):\n    BODY\n    return x, n\n",
    "in a call": f"def helper({_ARGUMENTS}):\n    BODY\n    return x, n\ndef f({_ARGUMENTS}):\n    x, k = helper({_ARGUMENTS})\n    return x + k, d, xs\n",
    "in a method": f"class Holder:\n    def __init__(self, n): self.n = n\n    def call(self, {_ARGUMENTS}):\n        BODY\n        return x\ndef f({_ARGUMENTS}):\n    return Holder(n).call({_ARGUMENTS}) * 2\n",
    "in a module": f"class Outer(torch.nn.Module):\n    def forward(self, {_ARGUMENTS}):\n        BODY\n        return x\nouter = Outer()\ndef f({_ARGUMENTS}):\n    return outer({_ARGUMENTS}), log[-1:]\n",
    "in a loop": f"def f({_ARGUMENTS}):\n    for n in (n, n + 1):\n        BODY\n    return x, n\n",
    "in a try": f"def f({_ARGUMENTS}):\n    try:\n        BODY\n    except (ValueError, KeyError) as error:\n        return x * 3, error.args\n    else:\n        return x, n\n    finally:\n        log.append('left')\n",
    "in a with": f"def f({_ARGUMENTS}):\n    with contextlib.suppress(KeyError), torch.enable_grad():\n        BODY\n        return x\n    return n, x * 2\n",
    "in a generator": f"def parts({_ARGUMENTS}):\n    BODY\n    yield x\n    yield n\ndef f({_ARGUMENTS}):\n    return list(parts({_ARGUMENTS}))\n",
    "in a closure": f"def f({_ARGUMENTS}):\n    def inner(k):\n        nonlocal x\n        BODY\n        return k\n    return inner(n), x\n",
}

#: What ends a graph: statements.
BREAKS = ("torch._dynamo.graph_break()", "print('here')", "if MARK.sum() > 0: log.append('positive')")


class Program:
    """`tree`: pieces in order, each with those inside it; `at`: which of the places where a statement may stand has the break, None for none."""

    def __init__(self, tree: tuple[Any, ...], place: str, broken: tuple[int, str] | None, number: int = -1):
        self.tree, self.place, self.broken, self.number = tree, place, broken, number
        self._count = 0
        setup: list[str] = []
        changes: list[str] = []
        body = self._body(tree, setup, changes)
        text = _HEAD + "".join(setup) + _filled(PLACES[place], "BODY", body)
        self.source, self.change = self._with_break(text), "\n".join(changes)

    def _body(self, tree: tuple[Any, ...], setup: list[str], changes: list[str]) -> str:
        lines = []
        for name, inside in tree:
            self._count += 1
            own, text, change = (part.replace("§", f"_{self._count}") for part in PIECES[name])
            setup.append(own)
            changes.append(change)
            lines.append(_filled(text.strip("\n"), "HOLE", self._body(inside, setup, changes) or "pass"))
        return "\n".join(lines)

    def _with_break(self, text: str) -> str:
        tree = ast.parse(text)
        if self.broken is not None:
            at, statement = self.broken
            blocks = list(_blocks(tree, False))
            places = [(block, index) for block in blocks for index in range(len(block) + 1)]
            block, index = places[at % len(places)]
            block[index:index] = ast.parse(statement).body
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"

    def __repr__(self) -> str:
        return f"{self.number}: {_shown(self.tree)} {self.place}{f', {self.broken[1]}' if self.broken else ''}"


def _shown(tree: tuple[Any, ...]) -> str:
    return " + ".join(name + (f" [{_shown(inside)}]" if inside else "") for name, inside in tree)


def _filled(text: str, hole: str, body: str) -> str:
    """`text` with `body` in the place of the line `hole`, as deep as that."""
    lines = []
    for line in text.split("\n"):
        lines.append(textwrap.indent(body, line[: -len(hole)]) if line.strip() == hole else line)
    return "\n".join(lines) + "\n"


def _blocks(node: ast.AST, inside: bool) -> Iterator[list[ast.stmt]]:
    """Lists of statements that run in functions, but for declarations at their beginning."""
    inside = isinstance(node, ast.FunctionDef) or inside and not isinstance(node, ast.ClassDef)
    for part in ("body", "orelse", "finalbody"):
        block = getattr(node, part, None)
        if inside and isinstance(block, list) and block and not isinstance(block[0], ast.Nonlocal | ast.Global):
            yield block
    for child in ast.iter_child_nodes(node):
        yield from _blocks(child, inside)


def drawn(number: int) -> Program:
    """The program of that number, the same on every machine."""
    draw = random.Random(number)

    def piece() -> str:
        return draw.choice(list(GROUPS[draw.choice(list(GROUPS))]))

    tree: tuple[Any, ...] = ()
    for _ in range(draw.choice((2, 2, 2, 3, 3, 4))):
        name = piece()
        open_ = tree and "HOLE" in PIECES[tree[-1][0]][1] and not tree[-1][1]
        tree = (*tree[:-1], (tree[-1][0], ((name, ()),))) if open_ and draw.random() < 0.6 else (*tree, (name, ()))
    broken = (draw.randrange(10_000), draw.choice(BREAKS)) if draw.random() < 0.7 else None
    return Program(tree, draw.choice(list(PLACES)), broken, number)


def simpler(made: Program) -> Iterator[Program]:
    """Programs with less in them."""
    trees = [made.tree]
    for index, (name, inside) in enumerate(made.tree):
        rest = made.tree[:index], made.tree[index + 1 :]
        trees += [(*rest[0], *rest[1]), (*rest[0], (name, ()), *rest[1]), (*rest[0], *inside, *rest[1])]
    for tree in trees[1:]:
        if tree and tree != made.tree:
            for at in range(30) if made.broken else (0,):
                yield Program(tree, made.place, made.broken and (at, made.broken[1]), made.number)
    if made.broken is not None:
        yield Program(made.tree, made.place, None, made.number)
    if made.place != "directly":
        for at in range(30) if made.broken else (0,):
            yield Program(made.tree, "directly", made.broken and (at, made.broken[1]), made.number)


def _executed(made: Program) -> dict[str, Any]:
    name = f"<combined {made.number}>"
    linecache.cache[name] = (len(made.source), None, made.source.splitlines(True), name)
    module = types.ModuleType("__generated__")
    exec(compile(made.source, name, "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def arguments(call: int) -> tuple[Any, ...]:
    """Of that call; the third has more rows, the second and the last other numbers."""
    generator = torch.Generator().manual_seed(call)
    rows = 4 if call == 2 else 2
    x, y, z = (torch.randn(rows, 3, generator=generator) for _ in range(3))
    n = (2, 3, 2, 1)[call]
    leaf = y.requires_grad_(call != 1)
    return x, leaf, z, n, [1, 2, n], {"k": 2, "w": 3}


def scenario(made: Program) -> Callable[[Run], None]:
    def run_it(run: Run) -> None:
        namespace = _executed(made)
        compiled = run.compile(namespace["f"])
        for call in range(4):
            if call == 2:
                exec(made.change, namespace)
            namespace["log"] = run.watch([])
            x, y, *rest = arguments(call)
            run.call(compiled, (x + y, y, *rest), {}, reraise=False)
            torch.set_grad_enabled(True)

    return run_it


def differences(made: Program) -> str | None:
    """What differs, None where nothing does. A fault of our own that the session hides counts too."""
    unraisable: list[str] = []
    before, sys.unraisablehook = sys.unraisablehook, lambda what: unraisable.append(repr(what.exc_value))
    try:
        check(scenario(made))
    except AssertionError as error:
        return str(error)
    finally:
        sys.unraisablehook = before
    return f"ignored: {unraisable}" if unraisable else None
