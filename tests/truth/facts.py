"""Facts about a line: what stands there, by the source's tree, and what its expressions are, by running the program untraced.

In: places. Out: nodes with their parents; and what was seen of each expression that lies in a place (type, shape, dtype, name).
Nothing here asks the tracer.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import io
import linecache
import sys
import types
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch

import tests.programs as registered
from tracer.breaks import call_of, program_of

__all__ = ["Seen", "Source", "Watch", "places_of", "source"]


class Source:
    """A file's text and tree."""

    def __init__(self, text: str):
        self.lines = text.splitlines()
        self.tree = ast.parse(text)
        self.nodes = list(ast.walk(self.tree))
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        self.spans: dict[tuple[Any, ...], list[ast.AST]] = {}
        for node in self.nodes:
            if getattr(node, "lineno", 0):
                self.spans.setdefault((node.lineno, node.col_offset, node.end_lineno, node.end_col_offset), []).append(node)
        self.functions = [n for n in self.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]

    def on(self, line: int) -> list[ast.AST]:
        """Everything that begins on a line or spans it, but for definitions."""
        found = [node for span, nodes in self.spans.items() if span[0] <= line <= span[2] for node in nodes]
        return [node for node in found if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.Lambda)]

    def at(self, place: Any) -> list[ast.AST]:
        """What spans a place exactly."""
        return self.spans.get((place.line, place.column, place.end_line, place.end_column), [])

    def text(self, node: ast.AST) -> str:
        """A node's own text, in one line."""
        return " ".join(self._cut(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset).split())

    def segment(self, place: Any) -> str:
        """The text of a place."""
        return self._cut(place.line, place.column, place.end_line, place.end_column)

    def _cut(self, line: int, column: int, end_line: int, end_column: int) -> str:
        lines = [text.encode() for text in self.lines[line - 1 : end_line]]
        if not lines or column < 0:
            return ""
        lines[-1] = lines[-1][:end_column]
        lines[0] = lines[0][column:]
        return b"\n".join(lines).decode(errors="replace")

    def around(self, line: int) -> ast.AST | None:
        """The innermost function that a line is in."""
        found = [n for n in self.functions if n.lineno <= line <= (n.end_lineno or 0)]
        return max(found, key=lambda n: (n.lineno, n.col_offset), default=None)


@functools.cache
def _source(text: str) -> Source | None:
    try:
        return Source(text)
    except SyntaxError:
        return None


def source(file: str) -> Source | None:
    text = "".join(linecache.getlines(file))
    return _source(text) if text else None


# ---- watching
class Seen(NamedTuple):
    """One value that an expression had."""

    text: str
    type: str
    shape: str = ""
    dtype: str = ""
    name: str = ""
    value: str = ""


def _of(text: str, value: Any) -> Seen:
    kind = type(value).__name__
    if isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_nested:
        shape = f"[{', '.join(map(str, value.shape))}]" if value.dim() else "0-d"
        shown = str(bool(value)) if value.numel() == 1 and value.dtype is torch.bool else ""
        return Seen(text, kind, shape, str(value.dtype).removeprefix("torch."), "", shown)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) if not isinstance(value, torch.Tensor) else None
    plain = repr(value) if type(value) in (int, float, bool, str) else ""
    return Seen(text, kind, "", "", name if isinstance(name, str) else "", plain)


class _Wrap(ast.NodeTransformer):
    """Hands every expression within the places to `__see__`."""

    def __init__(self, places: set[tuple[int, int, int, int]], source: Source):
        self.places, self.source = places, source

    def _inside(self, node: ast.AST) -> tuple[int, int, int, int] | None:
        start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        return next((p for p in self.places if p[:2] <= start and end <= p[2:]), None)

    def visit(self, node: ast.AST) -> Any:
        wanted = isinstance(node, ast.expr) and not isinstance(node, ast.Starred | ast.Slice | ast.JoinedStr | ast.FormattedValue | ast.Constant)
        place = self._inside(node) if wanted and isinstance(getattr(node, "ctx", ast.Load()), ast.Load) else None
        text = self.source.text(node) if place is not None else ""
        if isinstance(node, ast.FormattedValue | ast.JoinedStr):
            return node
        made = self.generic_visit(node)
        if place is None:
            return made
        call = ast.Call(ast.Name("__see__", ast.Load()), [ast.Constant(place), ast.Constant(text), made], [])
        return ast.copy_location(call, node)


class Watch:
    """Runs programs untraced with the expressions of some places watched. `seen`: (file, place) → what was seen there."""

    def __init__(self, places: dict[str, set[tuple[int, int, int, int]]]):
        self.places = places
        self.seen: dict[tuple[str, tuple[int, int, int, int]], list[Seen]] = {}
        self._modules: dict[str, dict[str, Any]] = {}
        self._registries: dict[str, dict[str, Any]] = {}

    def _code(self, text: str, file: str) -> types.CodeType:
        found = Source(text)
        tree = _Wrap(self.places.get(file, set()), found).visit(copy.deepcopy(found.tree))
        return compile(ast.fix_missing_locations(tree), file, "exec")

    def _see(self, file: str) -> Any:
        def see(place: Any, text: str, value: Any) -> Any:
            self.seen.setdefault((file, place), []).append(_of(text, value))
            return value

        return see

    def module(self, file: str, name: str = "watched") -> dict[str, Any]:
        """The names of a file, run once with its places watched."""
        if file not in self._modules:
            names: dict[str, Any] = {"__name__": name, "__file__": file, "__see__": self._see(file), "__builtins__": __builtins__}
            self._modules[file] = names
            exec(self._code("".join(linecache.getlines(file)), file), names)
        return self._modules[file]

    def registry(self, file: str, module: str) -> dict[str, Any]:
        """The programs that a file registers, watched."""
        if file not in self._registries:
            kept, registered.REGISTRY = registered.REGISTRY, {}
            try:
                self.module(file, module)
                self._registries[file] = registered.REGISTRY
            finally:
                registered.REGISTRY = kept
        return self._registries[file]

    def source(self, entry: Any) -> None:
        """Runs a program of the catalogue."""
        file, setup, call = f"<break {entry.id}>", program_of(entry), call_of(entry)
        module = types.ModuleType(f"watched_{entry.id.replace('-', '_')}")
        module.__dict__.update({"torch": torch, "__see__": self._see(file)})
        sys.modules[module.__name__] = module
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
                warnings.simplefilter("ignore")
                exec(self._code(setup, file), module.__dict__)
                eval(call, module.__dict__)
        finally:
            del sys.modules[module.__name__]


def places_of(breaks: Iterable[Any]) -> dict[str, set[tuple[int, int, int, int]]]:
    found: dict[str, set[tuple[int, int, int, int]]] = {}
    for one in breaks:
        at = one.location
        if at is not None and at.column >= 0:
            found.setdefault(at.file, set()).add((at.line, at.column, at.end_line, at.end_column))
    return found
