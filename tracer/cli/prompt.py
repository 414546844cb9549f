"""The prompt of `step`: pdb's commands over a traced call, and a few that only tracing has."""

from __future__ import annotations

import cmd
import contextlib
import linecache
from typing import Any

from tracer.cli.expressions import shown
from tracer.control import Stepper
from tracer.control.typed import Condition, terms
from tracer.errors import TracerError
from tracer.events import KINDS, Event, Instruction, kind_of

__all__ = ["Prompt"]

SHORT = {
    "s": "enter", "step": "enter", "n": "line", "next": "line", "i": "into", "o": "over", "dec": "decision", "r": "out", "return": "out",
    "unt": "until", "c": "run", "cont": "run", "continue": "run",
    "b": "break", "cl": "clear", "w": "where", "bt": "where", "l": "list", "ll": "list", "p": "print", "q": "quit", "exit": "quit", "h": "help",
    "a": "locals", "args": "locals", "g": "graph", "u": "up", "d": "down",
}  # fmt: skip


class Prompt(cmd.Cmd):
    """Reads commands and drives a stepper; everything that is said goes to stdout. An empty line repeats the last command."""

    prompt = "(tracer) "
    doc_header = "Commands (pdb's short names work; help COMMAND says more):"

    def __init__(self, stepper: Stepper, session: Any):
        super().__init__()
        self.stepper, self.session = stepper, session
        self._listed: tuple[str, int] | None = None
        self._above = 0  # how many functions the person has gone up from the innermost
        self._displayed: dict[str, str] = {}  # expression → what it last was
        self.intro = f"tracer: {len(KINDS)} kinds of events can be stopped at. help lists the commands."
        self._here()

    # ---- the loop
    def precmd(self, line: str) -> str:
        word, _, rest = line.strip().partition(" ")
        return f"{SHORT.get(word, word)} {rest}".strip() if word else line

    def onecmd(self, line: str) -> bool:
        try:
            return bool(super().onecmd(self.precmd(line)))
        except TracerError as error:
            print(f"*** {error}")
        except (SyntaxError, ValueError) as error:  # of what was typed: an open quote, half an expression
            print(f"*** {type(error).__name__}: {error}")
        except KeyboardInterrupt:
            print("\n*** interrupted: the call waits at its next event")
        return False

    def default(self, line: str) -> bool:  # type: ignore[override]
        if line == "EOF":
            print()
            return self.do_quit("")
        print(f"*** there is no command {line.split()[0]!r}: help lists them")
        return False

    def do_help(self, arg: str) -> None:
        """h(elp) [COMMAND]: the commands, or what one does."""
        super().do_help(SHORT.get(arg, arg))

    # ---- going on
    def _go(self, command: str, **terms: Any) -> bool | None:
        self._listed, self._above = None, 0
        if self.stepper.done:
            print("*** the call has ended: q leaves, seek and back still look at it")
            return None
        with contextlib.suppress(KeyboardInterrupt):
            getattr(self.stepper, command)(**terms)
        self._here()
        return None

    def do_into(self, _: str) -> None:
        """i(nto): to the next event: an instruction, a value that is built, a guard, a node, a body that is tried."""
        self._go("into")

    def do_over(self, _: str) -> None:
        """o(ver): to the next event that isn't part of the current one."""
        self._go("over")

    def do_out(self, _: str) -> None:
        """r(eturn), out: to where the current function has returned."""
        self._go("out")

    def do_line(self, _: str) -> None:
        """n(ext), line: to the next line of the current function, or of its caller."""
        self._go("line")

    def do_enter(self, _: str) -> None:
        """s(tep), enter: to the first line of a function of the program that this line calls; where it calls none, as next."""
        self._go("enter")

    def do_decision(self, _: str) -> None:
        """dec(ision): to the next event that is no instruction."""
        self._go("decision")

    def do_run(self, _: str) -> None:
        """c(ontinue), run: to the next breakpoint, or to the end."""
        self._go("run")

    def do_until(self, text: str) -> None:
        """unt(il) [LINE | KIND | TERM=VALUE …]: to a later line of this function (as in pdb), or to the next event that the
        terms describe: kind, line, file, function, source, target, reason. `until target=add`, `until GraphBreak`."""
        self._go("until", **terms(text))

    def do_abort(self, _: str) -> None:
        """abort: give the call up; what was recorded can still be looked at."""
        self.stepper.abort()
        self._here()

    def do_quit(self, _: str) -> bool:
        """q(uit): give the call up, if it has not ended, and leave."""
        if not self.stepper.done:
            self.stepper.abort()
        return True

    # ---- breakpoints
    def do_break(self, text: str) -> None:
        """b(reak) [FILE:LINE | LINE | FUNCTION | KIND | TERM=VALUE …]: stop there each time; without anything, list them."""
        if not text:
            for point in self.stepper.breakpoints:
                print(point)
            return
        print(self.stepper.breakpoint(**terms(text, function=True)))

    def do_tbreak(self, text: str) -> None:
        """tbreak …: as break, but it goes once it has stopped the call."""
        print(self.stepper.breakpoint(temporary=True, **terms(text, function=True)))

    def do_condition(self, text: str) -> None:
        """condition NUMBER [EXPRESSION]: the breakpoint stops only where the expression of `event` is true; without one, always."""
        number, _, expression = text.partition(" ")
        point = self._point(number)
        if not expression:
            point.condition = None
            return
        point.condition = Condition(expression)

    def do_ignore(self, text: str) -> None:
        """ignore NUMBER COUNT: the breakpoint lets the next COUNT hits pass."""
        number, _, count = text.partition(" ")
        self._point(number).ignore = _number(count or "0")

    def do_clear(self, text: str) -> None:
        """cl(ear) [NUMBER …]: remove these breakpoints, or all."""
        self.stepper.clear(*(_number(word) for word in text.split()))

    def _point(self, number: str) -> Any:
        for point in self.stepper.breakpoints:
            if str(point.number) == number:
                return point
        raise TracerError(f"there is no breakpoint {number!r}.", next="break lists them")

    # ---- what-if
    def do_override(self, text: str) -> None:
        """override ACTION | TEXT: pin a decision for the operation that waits (`override eager`), or one told in full
        (`override eager scale at model.py:12`)."""
        self.stepper.override(text)
        self._here()

    # ---- looking
    def do_where(self, _: str) -> None:
        """w(here): the functions that are being traced, the innermost last."""
        frames = self.stepper.state.frames
        for depth, frame in enumerate(frames):
            print(f"{'>' if depth == len(frames) - 1 - self._above else ' '} {frame.file}:{_line_of(frame)} {frame.function}")

    def do_up(self, _: str) -> None:
        """u(p): look at the function that called this one: p, locals, stack and list are about it."""
        self._move(1)

    def do_down(self, _: str) -> None:
        """d(own): look at the function that this one called."""
        self._move(-1)

    def _move(self, by: int) -> None:
        if not 0 <= self._above + by < len(self.stepper.state.frames):
            print(f"*** {'oldest' if by > 0 else 'newest'} frame")
            return
        self._above += by
        self._listed = None
        frame = self._frame()
        print(f"> {frame.file}({_line_of(frame)}) {frame.function}")

    def _frame(self) -> Any:
        frames = self.stepper.state.frames
        return frames[-1 - self._above] if self._above < len(frames) else None

    def do_stack(self, _: str) -> None:
        """stack: the symbolic value stack of this function, the top last."""
        for value in self.stepper.stack_of(self._above):
            print(f"  {value}")

    def do_locals(self, _: str) -> None:
        """a(rgs), locals: the symbolic locals of this function."""
        for name, value in self.stepper.locals_of(self._above).items():
            print(f"  {name} = {value}")

    def do_graph(self, _: str) -> None:
        """g, graph: the nodes of the graph so far."""
        for node in self.stepper.graph:
            print(f"  {node!r}")

    def do_guards(self, _: str) -> None:
        """guards: what the graph relies on so far."""
        for guard in self.stepper.guards:
            print(f"  {guard!r}")

    def do_print(self, text: str) -> None:
        """p(rint) EXPRESSION: over the locals of this function (`x`, `x.shape[0]`, `n + 1`), and event, stack, locals, graph, guards, session."""
        print(self._shown(text))

    def _shown(self, text: str) -> str:
        stepper, values = self.stepper, self.stepper.locals_of(self._above)
        others = {"event": stepper.at, "stack": stepper.stack, "locals": values, "graph": stepper.graph, "guards": stepper.guards, "session": self.session}
        return shown(text, values, others)

    def do_display(self, text: str) -> None:
        """display [EXPRESSION]: show it wherever the call stops and it has changed; without one, show all."""
        if text:
            self._displayed[text] = ""
        self._display(always=not text)

    def do_undisplay(self, text: str) -> None:
        """undisplay [EXPRESSION]: show it no more; without one, none."""
        if not text:
            self._displayed.clear()
        elif self._displayed.pop(text, None) is None:
            print(f"*** {text} is not displayed")

    def _display(self, always: bool = False) -> None:
        for text, before in self._displayed.items():
            now = self._shown(text)
            if always or now != before:
                print(f"display {text}: {now}")
                self._displayed[text] = now

    def do_list(self, text: str) -> None:
        """l(ist) [LINE]: source around the current line, or around LINE; again: what follows."""
        at, frame = self.stepper.at, self._frame()
        place = frame.location if self._above and frame is not None else at.location if at is not None else None
        if not place:
            print("*** no source here")
            return
        file, now = str(place[0]), int(place[1] or 0)
        first = (
            max(1, _number(text) - 5)
            if text
            else self._listed[1]
            if self._listed and self._listed[0] == file
            else max(1, now - 5)
        )
        for number in range(first, first + 11):
            line = linecache.getline(file, number)
            if not line:
                break
            print(f"{number:5} {'->' if number == now else '  '} {line.rstrip()}")
        self._listed = file, first + 11

    def do_back(self, _: str) -> None:
        """back: look one event back. The call stays where it is."""
        self.stepper.back()
        self._here()

    def do_forward(self, _: str) -> None:
        """forward: look one event on, as far as events are recorded."""
        self.stepper.next()
        self._here()

    def do_seek(self, text: str) -> None:
        """seek NUMBER: look at any recorded event."""
        self.stepper.seek(_number(text))
        self._here()

    def do_explain(self, _: str) -> None:
        """explain: what happened so far, in words."""
        print(self.session.explain())

    # ---- what is said after each command
    def _here(self) -> None:
        at = self.stepper.at
        if at is None:
            print("--the call has ended--" if self.stepper.done else "--running--")
            return
        print(
            f"> {_place(at)}[{at.seq}] {kind_of(at)} {_words(at)}".rstrip()
            + (f"   ({self.stepper.why})" if self.stepper.why not in ("", "step", "line") else "")
        )
        line = linecache.getline(str(at.location[0]), int(at.location[1] or 0)).strip() if at.location else ""
        if line:
            print(f"-> {line}")
        self._display()


def _place(event: Event) -> str:
    return f"{event.location[0]}({event.location[1]}) " if event.location else ""


def _line_of(frame: Any) -> Any:
    place = getattr(frame, "location", None)
    return place[1] if place else frame.line


def _words(event: Event) -> str:
    if isinstance(event, Instruction):
        return f"{event.op} {event.arg}"
    names = ("target", "expression", "source", "function", "operator", "title", "why", "name", "reason", "text")
    return next((str(getattr(event, name)) for name in names if getattr(event, name, "")), "")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise TracerError(f"{text!r} is no number.", next="give a whole number") from None
