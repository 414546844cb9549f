"""What a catalogue entry holds: words with placeholders, a program that shows the break, programs that avoid it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

__all__ = ["Change", "Entry", "Fix", "Kind"]

#: break: the graph ends and another begins. whole-frame: the function runs as ordinary Python.
#: recompile: one more graph for the same code. error: the program stops, or the compiler did.
Kind = Literal["break", "whole-frame", "recompile", "error"]


class Change(NamedTuple):
    """A setting of `TraceConfig` and the value to give it: `session.recompile(**{setting: value})`."""

    setting: str
    value: Any


def _tidy(record: object, *names: str) -> None:
    """Lets texts be wrapped in the source as paragraphs are."""
    for name in names:
        if text := getattr(record, name):
            object.__setattr__(record, name, " ".join(text.split()))


def _where(needed: str, text: str) -> str:
    """The template of a text that stands only where a placeholder is known."""
    return f"[[{{{needed}?}}{text}]]" if needed else text


@dataclass(frozen=True, kw_only=True)
class Fix:
    """One verified way out. `source` replaces the reproducer and runs with its call line unless it brings its own.

    `silent`: same results, but text that the reproducer prints is not printed.
    `own_result`: shows a technique; its results are its own.
    `needs`: a placeholder; where it isn't known the advice doesn't fit the line and isn't given.
    """

    name: str
    do: str  # "Replace the `if` by `torch.where`": an imperative clause, the hint's first half
    when: str  # "both paths are cheap and pure": completes "when …"
    trades: str  # completes "Trades: …"
    source: str
    silent: bool = False
    own_result: bool = False
    needs: str = ""

    def __post_init__(self) -> None:
        _tidy(self, "do", "when", "trades")
        object.__setattr__(self, "source", inspect.cleandoc(self.source) + "\n")

    @property
    def hint(self) -> str:
        return _where(self.needs, f"{self.do} when {self.when}. Trades: {self.trades}.")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One reason for which capture stops, is repeated or fails.

    `title`, `explanation`, `why_it_matters`, `also` and `config` are templates (see `tracer.breaks.template`).
    `reproducer` defines `f`, the function that gets compiled, and ends with the line that calls it; it is empty where
    no program can show the entry on its own.
    `of_line`: what is said is true of the user's line as a whole, also where the operation itself is deeper, in a library.
    `stands`: what is said to stand at the line, in so many words: "call", "with", "loop", "assert", "except*".
    `setting_if`: a placeholder; where it isn't known the setting in `config` doesn't take this one away, and isn't named.
    `measured`: the (breaks, graphs) of the reproducer under torch.compile of torch 2.13, backend="eager".
    """

    id: str
    title: str
    explanation: str
    why_it_matters: str
    fixes: tuple[Fix, ...] = ()
    also: tuple[str, ...] = ()  # advice without a program to run, cheapest first
    config: str | None = None
    setting_if: str = ""
    reproducer: str = ""
    kind: Kind = "break"
    of_line: bool = False
    stands: str | None = None
    measured: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _tidy(self, "explanation", "why_it_matters", "config")
        if self.reproducer:
            object.__setattr__(self, "reproducer", inspect.cleandoc(self.reproducer) + "\n")

    @property
    def hints(self) -> tuple[str, ...]:
        """Every way out in order of cost: verified edits, other advice, the setting last and labelled."""
        setting = (_where(self.setting_if, f"Setting: {self.config}"),) if self.config else ()
        return (*(fix.hint for fix in self.fixes), *self.also, *setting)

    def fix(self, name: str) -> Fix:
        return next(fix for fix in self.fixes if fix.name == name)
