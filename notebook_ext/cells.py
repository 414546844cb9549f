"""Running the text of a cell as the shell would: in the user's namespace, its last expression shown, errors as usual.

In: the shell and the text under `%%trace`. Out: compiled pieces with real sources in linecache. The text goes through
the shell's own transformations, so magics, `!commands` and `?help` inside it work.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any, NamedTuple

from tracer.explain.words import CELLS

__all__ = ["Cell", "Piece", "compile_cell", "number_cells", "run_cell", "run_cell_async", "shown_as_usual"]


class Piece(NamedTuple):
    """Some statements of a cell, or an expression whose value is displayed."""

    code: CodeType
    shown: bool = False

    @property
    def awaits(self) -> bool:
        return bool(self.code.co_flags & inspect.CO_COROUTINE)


class Cell(NamedTuple):
    """A cell ready to run."""

    file: str  # the name that linecache knows it by
    pieces: tuple[Piece, ...]  # statements, then what is displayed
    nested: bool = False  # it uses magics or shell commands

    @property
    def awaits(self) -> bool:
        return any(piece.awaits for piece in self.pieces)


def compile_cell(shell: Any, text: str) -> Cell:
    """Compile through the shell's compiler, which keeps the source. Raises SyntaxError as Python does."""
    source = shell.transform_cell(text)
    file = shell.compile.cache(source, shell.displayhook.prompt_count, raw_code=text)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | shell.compile.flags
    tree = shell.transform_ast(compile(source, file, "exec", flags | ast.PyCF_ONLY_AST, True))
    silent, shown = _split(tree.body, shell.ast_node_interactivity, quiet=text.rstrip().endswith(";"))
    pieces = []
    if silent:
        pieces.append(Piece(compile(ast.Module(silent, tree.type_ignores), file, "exec", flags, True)))
    for node in shown:
        if isinstance(node, ast.Expr):
            pieces.append(Piece(compile(ast.Expression(node.value), file, "eval", flags, True), shown=True))
        else:
            pieces.append(Piece(compile(ast.Interactive([node]), file, "single", flags, True)))
    return Cell(file, tuple(pieces), nested="get_ipython()" in source and "get_ipython()" not in text)


def number_cells(shell: Any) -> Callable[[], None]:
    """From now on a place in a cell is told by the cell's number at its prompt, as IPython's tracebacks tell it, which keep it
    by the cell's file. Returns what ends it."""
    known = getattr(shell.compile, "_filename_map", {})
    CELLS.maps.append(known)

    def end() -> None:
        CELLS.maps[:] = [each for each in CELLS.maps if each is not known]

    return end


def _split(body: list[ast.stmt], interactivity: str, *, quiet: bool) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The statements to run, and those behind them whose value is displayed."""
    if not body or quiet or interactivity == "none":
        return body, []
    if interactivity == "all":
        return [], body
    if interactivity == "last" or isinstance(body[-1], ast.Expr):
        return body[:-1], body[-1:]
    return body, []


def run_cell(shell: Any, cell: Cell, show: Callable[[Any], None] | None = None) -> None:
    """Run the pieces in the user's namespace, in this thread. `show`: what is done with the values that a cell shows, instead of that."""
    __tracebackhide__ = True
    show = show or _displayed()
    for piece in cell.pieces:
        value = eval(piece.code, shell.user_global_ns, shell.user_ns)
        if piece.shown:
            show(value)


async def run_cell_async(shell: Any, cell: Cell) -> None:
    """The same for a cell with `await` in it, on the loop that runs already."""
    __tracebackhide__ = True
    show = _displayed()
    for piece in cell.pieces:
        value = eval(piece.code, shell.user_global_ns, shell.user_ns)
        if piece.awaits:
            value = await value
        if piece.shown:
            show(value)


def _displayed() -> Callable[[Any], None]:
    """Displays a value as the shell does. What IPython calls to make text of it is not the cell's, so it isn't traced."""
    from tracer.runtime.hook import without_hook

    return without_hook(lambda value: sys.displayhook(value))


def _without_ours(start: TracebackType) -> TracebackType:
    """The same traceback without the compiler's own frames: an interrupt may come while it works."""
    import tracer

    ours = os.path.join(os.path.dirname(tracer.__file__), "")
    kept: list[TracebackType] = []
    one: TracebackType | None = start
    while one is not None:
        if not one.tb_frame.f_code.co_filename.startswith(ours):
            kept.append(one)
        one = one.tb_next
    made: TracebackType | None = None
    for one in reversed(kept):
        made = TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made or start


def shown_as_usual(shell: Any, error: BaseException, file: str) -> None:
    """Make the shell show this error from the cell's own first line on, as if the cell had been run without a magic."""
    start: TracebackType | None = error.__traceback__
    while start is not None and start.tb_frame.f_code.co_filename != file:
        start = start.tb_next
    if start is None or isinstance(error, SyntaxError):
        return
    start = _without_ours(start)

    def render() -> Any:
        return shell.InteractiveTB.structured_traceback(type(error), error, start, tb_offset=0)

    try:
        error._render_traceback_ = render  # type: ignore[attr-defined]
    except AttributeError:  # an exception with slots is shown with our frames
        return
