"""The magics. `%%trace`: run a cell with everything that it calls traced, then show what happened. `%trace_config`: what later
cells start from. `%trace_diff`: two runs compared."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from IPython.core.display_functions import display
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from notebook_ext.cells import Cell, compile_cell, number_cells, run_cell, run_cell_async, shown_as_usual
from notebook_ext.compared import compared, runs_of
from notebook_ext.devices import on_device
from notebook_ext.live import Live
from notebook_ext.settings import ROWS, Settings, described
from tracer.errors import TracerError
from widgets.summary import summary

__all__ = ["TraceMagics", "redirect_awaiting"]

#: The name that the session of the last traced cell has in the user's namespace.
HANDLE = "_tracer_session"
#: … and what drives it, where it is stepped.
STEPPER = "_tracer_stepper"
AWAITS = "This cell awaits, so it can't be stepped. What it calls is traced; coroutines themselves run as Python."
NESTED = "This cell uses magics or shell commands, which belong to the main thread, so it can't be stepped. What it calls is traced."
STEPPED = "The cell waits in a thread of its own: the widget's buttons go on, or `_tracer_stepper` (over, line, until, run, …)."
ALL_FINITE = "No operator of the captured graphs made a NaN or an infinity."
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
        self.names: dict[Any, str] = {}  # session → the cell that made it, as its prompt says
        self.settings = Settings()
        self.live = Live(shell)
        self._unnumber = number_cells(shell)

    @magic_arguments()
    @argument("--engine", choices=["tracer", "dynamo"], help="Who captures the graphs: our compiler, or torch.compile.")
    @argument("--backend", help="What turns a graph into a callable: eager, aot_eager, inductor, …")
    @argument("--dynamic", choices=[*DYNAMIC], help="Symbolic sizes: when they vary, always, never.")
    @argument(
        "--device", metavar="D", help="Run on copies of the cell's modules and tensors there: cpu, cuda, cuda:1, …"
    )
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
    @argument("--check-finite", action="store_true", help="Say which operator makes the first NaN or infinity; runs the cell's calls again, on copies.")
    @argument("--save", metavar="PATH", help="Write the recording there; gzip where it ends in .gz.")
    @argument("--quiet", action="store_true", help="Show nothing but the cell's own output.")
    @no_var_expand
    @line_cell_magic
    def trace(self, line: str, cell: str | None = None) -> Any:
        """Run the cell, or as `%trace f(x)` the rest of the line, with everything that it calls traced, then say what happened.

            %%trace --backend aot_eager
            out = model(x)

            out = %trace --dynamic yes model(x)

        The cell's own lines run as Python, its names appear in the namespace. The session is `_tracer_session`, and what drives a
        stepped cell is `_tracer_stepper`. Options that are left out are as `%trace_config` says.

        With --device, the modules and tensors that the cell reaches by names of the notebook are replaced by copies on that
        device while it runs (training a copy leaves the notebook's model as it is), and tensors that name no device are made
        there. What the cell assigns stays on the device; all other names hold their own values again afterwards.
        """
        __tracebackhide__ = True
        line, code = (line, cell) if cell is not None else _split_line(line)
        options = parse_argstring(self.trace, self.shell.var_expand(line))
        compiled = compile_cell(self.shell, code)
        if cell is None and compiled.awaits:
            raise UsageError("%trace of a line doesn't await: put %%trace before a cell")
        if options.step or options.breaks:
            if options.check_finite:
                raise UsageError("--check-finite runs the cell's calls again when they have ended: leave out --step and --break")
            if not compiled.nested:
                self._step(options, compiled)
                return None
            print(NESTED)
        shown: list[Any] = []
        with self._traced(options, compiled):
            run_cell(self.shell, compiled, None if cell is not None else shown.append)
        return shown[-1] if shown else None

    def _step(self, options: Any, cell: Cell) -> None:
        """The cell in a thread of its own; the widget that is shown drives it, or the stepper `_tracer_stepper`."""
        device = self._device(options)
        session = self._session(options)
        label = self.names[session]

        places: list[Any] = []  # where the summary will stand: below the widget
        ended = threading.Event()

        def run() -> None:
            try:
                with on_device(device, cell, self.shell.user_ns), session.tracing(label):
                    run_cell(self.shell, cell)
            except Exception as error:
                shown_as_usual(self.shell, error, cell.file)
                self.shell.showtraceback((type(error), error, error.__traceback__))
                raise
            finally:
                if options.save:
                    session.save(options.save)
                ended.set()
                for place in places:
                    _update(place, session)

        stepper = self.live.step(session, run, breaks=options.breaks)
        if not options.quiet:
            places.append(display({"text/plain": STEPPED}, raw=True, display_id=True))
            if ended.is_set():  # it found nothing to wait at
                _update(places[0], session)
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
        device = self._device(options)
        session = self._session(options)
        widget = None if options.quiet else self.live.show(session)
        try:
            with on_device(device, cell, self.shell.user_ns), session.tracing(self.names[session]):
                yield
        except BaseException as error:
            shown_as_usual(self.shell, error, cell.file)
            raise
        finally:
            if widget is not None:
                widget.finish()
            self._finish(session, options)

    def _session(self, options: Any) -> Any:
        given = {
            name: getattr(options, name)
            for name in ("engine", "backend", "dynamic")
            if getattr(options, name) is not None
        }
        if "dynamic" in given:
            given["dynamic"] = DYNAMIC[given["dynamic"]]
        with _told():
            session = self.make_session(**self.settings.of_session(**given))
        self.sessions.append(session)
        self.names[session] = f"In [{self.shell.displayhook.prompt_count}]"
        self._keep()
        self.shell.push({HANDLE: session}, interactive=False)
        return session

    def _device(self, options: Any) -> Any:
        """Where the cell runs; None for where its values are. UsageError where this machine has no such device."""
        wanted = options.device or self.settings.device
        if wanted is None:
            return None
        from tracer.rerun.running import device_here

        with _told():
            return device_here(wanted, asked_by=f"%%trace --device {wanted}")

    def _keep(self) -> None:
        """Close the sessions that are too many, the oldest first."""
        for old in self.sessions[: -self.settings.keep]:
            self.live.forget(old)
            old.close()
            self.names.pop(old, None)
        del self.sessions[: -self.settings.keep]

    def _finish(self, session: Any, options: Any) -> None:
        if not options.quiet:
            display(_summary(session), raw=True)
        if options.check_finite:
            with _told():
                print(session.first_nonfinite() or ALL_FINITE)
        if options.save:
            session.save(options.save)
            if not options.quiet:
                print(f"Recording: {options.save}")

    @no_var_expand
    @line_magic
    def trace_config(self, line: str) -> None:
        """Set what later `%%trace` cells start from; options of a cell win.

        %trace_config                                  all settings: * marks what was set here
        %trace_config dynamic recompile_limit          some of them, with what is possible
        %trace_config backend=aot_eager dynamic=yes    change some; either all are taken or none
        %trace_config keep=2                           close older sessions: 2 stay open
        %trace_config device=cuda                      as %%trace --device cuda
        %trace_config reorderable_logging_functions={print}
        %trace_config reset                            the defaults again

        Values are Python's, or yes, no, auto, none. Settings:
        """
        line, settings = line.strip(), self.settings
        with _told():
            if line == "reset":
                settings.reset()
            elif "=" in line:
                settings.change(line, self.shell.user_ns)
            else:
                names = described(line)
                display({"text/html": settings.html(names), "text/plain": settings.text(names)}, raw=True)
        self._keep()

    trace_config.__doc__ = (
        f"{trace_config.__doc__}{''.join(f'{chr(10)}          {name:<34}{row.meaning}' for name, row in ROWS.items())}"
    )

    @line_magic
    def trace_diff(self, line: str) -> None:
        """Show what changed from one run to another: graphs, breaks, guards, recompiles, times.

        %trace_diff                              the last two runs
        %trace_diff 3 5                          the cells In [3] and In [5]
        %trace_diff 3 "In [3] dynamic=True"      a cell, and what was recompiled under its widget
        %trace_diff before _tracer_session       sessions and recordings by their names in the notebook

        Runs are the traced cells that are still kept (see `%trace_config keep`) and what was recompiled in their widgets.
        """
        with _told():
            runs = runs_of([(self.names[session], session) for session in self.sessions], self.live.widgets)
            data = compared(line, runs, self.shell.user_ns)
        display(data, raw=True)

    @magic_arguments()
    @argument("path", metavar="PATH", help="The file; its suffix names the format: .py, .pt2, .html, .json, .svg, …")
    @argument("--format", metavar="NAME", help="The format, where the suffix doesn't name it.")
    @argument("--run", metavar="CELL", help="The number of a traced cell; without it, the last one.")
    @argument("--force", action="store_true", help="Write over files that are there.")
    @argument("--unchecked", action="store_true", help="Write a .py or .pt2 without running it first, which takes as long as a start of Python and torch.")
    @line_magic
    def trace_export(self, line: str) -> None:
        """Write what a traced cell captured as a file, next to the notebook.

        %trace_export model.py                   a module that runs on its own, with its tensors in model.safetensors
        %trace_export report.html                the widget's views in one page
        %trace_export graph.svg --run 3          the picture of the cell In [3]
        """
        with _told():
            options = parse_argstring(self.trace_export, line)
            session, path = self._run(options.run), Path(options.path).expanduser()
            if path.exists() and not options.force:
                raise TracerError(f"{path} is there already.", next="--force writes over it")
            for written in session.export(path, options.format, check=not options.unchecked, tell=print):
                print(written)

    def _run(self, number: str | None) -> Any:
        """The session of a traced cell. TracerError where there is none."""
        if not self.sessions:
            raise TracerError("no cell was traced yet.", next="run a cell that begins with %%trace")
        for session in reversed(self.sessions):
            if number is None or self.names[session] == f"In [{number}]":
                return session
        known = ", ".join(self.names[session] for session in self.sessions)
        raise TracerError(f"In [{number}] is not a traced cell that is still kept.", next=f"kept: {known}")

    def close(self) -> None:
        """Close every session that is still open."""
        while self.sessions:
            session = self.sessions.pop()
            self.live.forget(session)
            session.close()
        self.live.leave()
        self._unnumber()


#: Options of `%trace` that take no value.
_FLAGS = ("--step", "--quiet", "--check-finite")


def _split_line(line: str) -> tuple[str, str]:
    """The options of a line magic, and the code behind them."""
    rest, options = line.strip(), []
    while rest.startswith("--"):
        word, _, rest = rest.partition(" ")
        options.append(word)
        if word not in _FLAGS and "=" not in word:
            value, _, rest = rest.lstrip().partition(" ")
            options.append(value)
        rest = rest.lstrip()
    if not rest:
        raise UsageError("%trace needs something to run: %trace model(x), or %%trace before a cell")
    return " ".join(options), rest


def _summary(session: Any) -> dict[str, str]:
    """What stays in the notebook when the widget is gone, as data of a display."""
    return {"text/html": summary(session), "text/plain": session.explain()}


def _update(place: Any, session: Any) -> None:
    """Put the summary where it was promised. A message of the cell that runs now, if one does: who executes a notebook without a
    page listens to no other. (A kernel's messages belong to the cell that the context names; an empty one names the latest.)"""
    contextvars.Context().run(place.update, _summary(session), raw=True)


@contextmanager
def _told() -> Iterator[None]:
    """An error of ours is shown as its text, without a traceback."""
    try:
        yield
    except TracerError as error:
        raise UsageError(str(error)) from None


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
