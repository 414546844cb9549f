"""Sentences with gaps: `{name}` is filled from the run, and `[[…]]` goes when what it needs is not known.

    fill("[[Line {line}|This line]] stops[[ at `{expr}`]].", {"line": 3})    # 'Line 3 stops.'

A clause may offer alternatives, `[[first|second]]`: the first whose placeholders are all known is used, else
none; clauses nest. `{name?}` asks whether the name is known, and adds nothing to the text. A sentence with an unknown
placeholder outside every clause is dropped whole. What comes out never holds a placeholder.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..signals import UNNAMED

__all__ = ["fill", "placeholders", "shown", "used"]

TOKEN = re.compile(r"\[\[|\]\]|\||\{[a-z_]+\??\}")
SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\S)")
SPACE_BEFORE = re.compile(r" (?=[.,;:](?: |$))")
#: Longer values are cut: an explanation is read, not searched.
LONGEST = 100


class Gap(NamedTuple):
    name: str
    silent: bool = False


class Clause(NamedTuple):
    alternatives: tuple[tuple[Any, ...], ...]


Part = str | Gap | Clause


@functools.cache
def parse(template: str) -> tuple[tuple[Part, ...], ...]:
    """The sentences of a template, each a sequence of text, gaps and clauses."""
    stack: list[list[list[Part]]] = [[[]]]
    at = 0
    for token in TOKEN.finditer(template):
        text, mark = template[at : token.start()], token.group()
        if text:
            stack[-1][-1].append(text)
        at = token.end()
        if mark == "[[":
            stack.append([[]])
        elif mark == "]]" and len(stack) > 1:
            clause = Clause(tuple(tuple(parts) for parts in stack.pop()))
            stack[-1][-1].append(clause)
        elif mark == "|" and len(stack) > 1:
            stack[-1].append([])
        else:
            stack[-1][-1].append(Gap(mark[1:-1].rstrip("?"), mark[-2] == "?") if mark[0] == "{" else mark)
    if len(stack) > 1:
        raise ValueError(f"a clause is not closed in {template!r}")
    if template[at:]:
        stack[-1][-1].append(template[at:])
    return tuple(sentences(stack[0][0]))


def sentences(parts: list[Part]) -> list[tuple[Part, ...]]:
    """Split where text outside every clause ends a sentence."""
    found: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, str):
            first, *rest = SENTENCE_END.split(part)
            found[-1].append(first)
            found += [[" " + text] for text in rest]
        else:
            found[-1].append(part)
    return [tuple(sentence) for sentence in found]


def placeholders(template: str) -> frozenset[str]:
    """Every name that a template may use."""
    return frozenset(name[1:-1].rstrip("?") for name in TOKEN.findall(template) if name[0] == "{")


def fill(template: str, known: Mapping[str, str]) -> str:
    """The template's text, with what is not known left out. Values are text already: see `shown`."""
    text = "".join(_sequence(sentence, known) or "" for sentence in parse(template))
    return SPACE_BEFORE.sub("", " ".join(text.split()))


def used(template: str, known: Mapping[str, str]) -> frozenset[str]:
    """The names whose values the text holds, or depends on."""
    names: set[str] = set()
    for sentence in parse(template):
        _sequence(sentence, known, names)
    return frozenset(names)


def _sequence(parts: tuple[Part, ...], known: Mapping[str, str], names: set[str] | None = None) -> str | None:
    out, mine = [], set()
    for part in parts:
        if isinstance(part, str):
            out.append(part)
        elif isinstance(part, Gap):
            if part.name not in known:
                return None
            out.append("" if part.silent else str(known[part.name]))
            mine.add(part.name)
        else:
            texts = (_sequence(alternative, known, mine) for alternative in part.alternatives)
            out.append(next((text for text in texts if text is not None), ""))
    if names is not None:
        names |= mine
    return "".join(out)


#: The name of a class, whatever its metaclass thinks about it.
_name = type.__dict__["__name__"].__get__


def shown(name: str, value: Any) -> str | None:
    """A context value as text that a person reads, None where it says nothing. Never runs a user's code."""
    kind = type(value)
    if kind is str:
        text = " ".join(value.split())
        if not text or text[0] == "<" or UNNAMED in text:
            return None
    elif kind is float:
        text = f"{value:.9g}"
    elif kind in (int, bool, complex):
        text = str(value)
    elif kind in (tuple, list):
        items = [shown(name, item) or "?" for item in value]
        text = f"[{', '.join(items)}]" if items or name != "shape" else "0-d"
    elif issubclass(kind, type):
        text = _name(value)
    elif value is None:
        return None
    else:
        text = _name(kind)
    if name == "shape" and text[0] == "(":
        text = f"[{text[1:-1].removesuffix(',')}]" if text != "()" else "0-d"
    if name == "dtype":
        text = text.removeprefix("torch.")
    if not text or text.endswith("Variable") or (name == "graphs" and text == "1"):
        return None
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
