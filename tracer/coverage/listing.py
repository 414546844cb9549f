"""The full listing of every table: builder rules, call rules by module, handlers, guard kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import wrappers
from ..builder.sourceless import sourceless
from ..builder.table import RuleTable, rules
from ..functions.python.native_methods import _METHODS as METHODS
from ..functions.table import calls
from ..guards.kind import KINDS
from ..interpreter.table import HANDLERS
from ..isa.canonical import OPS
from .probe import first_line

__all__ = ["cell", "listing"]


def cell(text: str) -> str:
    """Text for one cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return [*lines, *(f"| {' | '.join(cell(text) for text in row)} |" for row in rows), ""]


def grouped(rows: Iterable[tuple[str, str, Any]]) -> dict[Any, list[str]]:
    """Each rule once, with everything that it is registered for."""
    found: dict[Any, list[str]] = {}
    for how, what, rule in rows:
        found.setdefault(rule, []).append(what if how == "exact" else f"{what} ({how})")
    return found


def named(what: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(what))


def builder(title: str, source: RuleTable) -> list[str]:
    rows = [(f"`{rule.__name__}`", named(what), first_line(rule)) for rule, what in grouped(source.rows).items()]
    return [f"### {title}", "", *table(("Rule", "Takes", "Meaning"), rows)]


def called(prefix: str) -> list[str]:
    """Call rules of the modules below a package, one table a module."""
    lines = []
    modules = sorted({rule.__module__ for _, _, rule in calls.rows if rule.__module__.startswith(prefix)})
    for module in modules:
        merged: dict[tuple[str, str], list[str]] = {}  # rules made by one function share name and meaning
        for rule, what in grouped(row for row in calls.rows if row[2].__module__ == module).items():
            merged.setdefault((rule.__name__, first_line(rule)), []).extend(what)
        rows = sorted((f"`{name}`", named(sorted(what)), said) for (name, said), what in merged.items())
        room = module[len(prefix) + 1 :].replace(".", "/") or module.rpartition(".")[2]
        lines += [f"#### {room}", "", *table(("Rule", "Calls of", "Meaning"), rows)]
    return lines


def handlers() -> list[str]:
    rows = [
        (f"`{name}`", f"`{handler.__module__.rpartition('.')[2]}.{handler.__name__}`", OPS[name].meaning)
        for name, handler in sorted(HANDLERS.items())
    ]
    return table(("Operation", "Handler", "Stack"), rows)


def guards() -> list[str]:
    of = {"value": "a value", "thread": "a thread", "many": "several values"}
    return table(("Kind", "Of", "Rank"), [(f"`{kind.name}`", of[kind.scope], str(kind.rank)) for kind in KINDS.values()])


def listing() -> list[str]:
    """The lines of the second half of the page."""
    return [
        "## All rules", "",
        *builder("VariableBuilder", rules),
        *builder("SourcelessBuilder", sourceless),
        "### Call rules", "",
        *called("tracer.functions"),
        *called(wrappers.__name__),
        "### Higher-order operators", "",
        *called("tracer.higher_order"),
        "### Methods of builtin types and of object", "",
        ", ".join(f"`{name}`" for name in sorted(METHODS)), "",
        "### Operations", "",
        *handlers(),
        "### Guard kinds", "",
        *guards(),
    ]  # fmt: skip
