"""`%%trace`: run a cell with everything that it calls traced, then show what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.display_functions import display
from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from notebook_ext.cells import Cell, compile_cell, run_cell, run_cell_async, shown_as_usual
from notebook_ext.live import Live
from tracer.errors import TracerError
from widgets.summary import summary

__all__ = ["TraceMagics", "redirect_awaiting"]

#: The name that the session of the last traced cell has in the user's namespace.
HANDLE = "_tracer_session"
#: … and what drives it, where it is stepped.
STEPPER = "_tracer_stepper"
#: So many sessions of a notebook stay open; older ones are closed, their recordings stay readable.
KEEP = 5
AWAITS = "This cell awaits, so it can't be stepped. What it calls is traced; coroutines themselves run as Python."
NESTED = "This cell uses magics or shell commands, which belong to the main thread, so it can't be stepped. What it calls is traced."
DYNAMIC = {"auto": None, "yes": True, "no": False}


def new_session(**settings: Any) -> Any:
    """A session for one cell."""
    import tracer

    return tracer.Session("trace", **settings)


@magics_class
class TraceMagics(Magics):
    """The magics of one notebook, and the sessions that they made."""

    shell: Any

    def __init__(self, shell: Any, make_session: Callable[..., Any] = new_session) -> None:
        super().__init__(shell)
        self.make_session = make_session
        self.sessions: list[Any] = []
        self.live = Live(shell)

    @magic_arguments()
    @argument("--engine", choices=["tracer"], default="tracer", help="Who captures the graphs.")
    @argument("--backend", default="eager", help="What turns a graph into a callable: eager, inductor, …")
    @argument("--dynamic", choices=[*DYNAMIC], default="auto", help="Symbolic sizes: when they vary, always, never.")
    @argument(
        "--step",
        action="store_true",
        help="Return at once and wait before the first instruction; the widget's buttons go on.",
    )
    @argument(
        "--break",
        dest="breaks",
        nargs="+",
        default=[],
        metavar="KIND",
        help="Stop at these kinds of events (GraphBreak, …); implies --step.",
    )
    @argument("--save", metavar="PATH", help="Write the recording there; gzip where it ends in .gz.")
    @argument("--quiet", action="store_true", help="Show nothing but the cell's own output.")
    @cell_magic
    def trace(self, line: str, cell: str) -> None:
        """Run the cell with everything that it calls traced, then say what happened.

        The cell's own lines run as Python, its names appear in the namespace. The session is `_tracer_session`.
        """
        __tracebackhide__ = True
        options = parse_argstring(self.trace, line)
        compiled = compile_cell(self.shell, cell)
        if options.step or options.breaks:
            if not compiled.nested:
                self._step(options, compiled)
                return
            print(NESTED)
        with self._traced(options, compiled):
            run_cell(self.shell, compiled)

    def _step(self, options: Any, cell: Cell) -> None:
        """The cell in a thread of its own; the widget that is shown drives it, or the stepper `_tracer_stepper`."""
        session = self._session(options)
        label = f"In [{self.shell.execution_count}]"

        def run() -> None:
            try:
                with session.tracing(label):
                    run_cell(self.shell, cell)
            except Exception as error:
                shown_as_usual(self.shell, error, cell.file)
                self.shell.showtraceback((type(error), error, error.__traceback__))
                raise
            finally:
                if options.save:
                    session.save(options.save)

        stepper = self.live.step(session, run, breaks=options.breaks)
        self.shell.push({STEPPER: stepper}, interactive=False)

    async def trace_awaiting(self, line: str, cell: str) -> None:
        """`%%trace` for a cell that awaits: the same, on the loop that runs already."""
        __tracebackhide__ = True
        options = parse_argstring(self.trace, line)
        compiled = compile_cell(self.shell, cell)
        if not options.quiet:
            print(AWAITS)
        with self._traced(options, compiled):
            await run_cell_async(self.shell, compiled)

    @contextmanager
    def _traced(self, options: Any, cell: Cell) -> Iterator[None]:
        """A session round the cell; the summary is shown whether or not the cell fails."""
        __tracebackhide__ = True
        session = self._session(options)
        widget = None if options.quiet else self.live.show(session)
        try:
            with session.tracing(f"In [{self.shell.execution_count}]"):
                yield
        except BaseException as error:
            shown_as_usual(self.shell, error, cell.file)
            raise
        finally:
            if widget is not None:
                widget.finish()
            self._finish(session, options)

    def _session(self, options: Any) -> Any:
        try:
            session = self.make_session(backend=options.backend, dynamic=DYNAMIC[options.dynamic])
        except TracerError as error:
            raise UsageError(str(error)) from None
        self._keep(session)
        return session

    def _keep(self, session: Any) -> None:
        self.sessions.append(session)
        for old in self.sessions[:-KEEP]:
            self.live.forget(old)
            old.close()
        del self.sessions[:-KEEP]
        self.shell.push({HANDLE: session}, interactive=False)

    def _finish(self, session: Any, options: Any) -> None:
        if not options.quiet:
            display({"text/html": summary(session), "text/plain": session.explain()}, raw=True)
        if options.save:
            session.save(options.save)
            if not options.quiet:
                print(f"Recording: {options.save}")

    def close(self) -> None:
        """Close every session that is still open."""
        while self.sessions:
            session = self.sessions.pop()
            self.live.forget(session)
            session.close()


def redirect_awaiting(lines: list[str]) -> list[str]:
    """Input transformer: a `%%trace` cell with `await` in it is awaited by the shell, on the shell's own loop.

    A magic is an ordinary call, which can't await; so the cell becomes an expression that can.
    """
    if not lines or lines[0].split(None, 1)[:1] != ["%%trace"]:
        return lines
    cell = "".join(lines[1:])
    if not ("await" in cell or "async" in cell) or not _awaits(cell):
        return lines
    line = lines[0].strip().removeprefix("%%trace").strip()
    return [f"await get_ipython().magics_manager.registry['TraceMagics'].trace_awaiting({line!r}, {cell!r})\n"]


def _awaits(cell: str) -> bool:
    from IPython.core.async_helpers import _should_be_async
    from IPython.core.inputtransformer2 import TransformerManager

    return bool(_should_be_async(TransformerManager().transform_cell(cell)))
