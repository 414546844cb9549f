"""A check for each kind of claim: what is wrong with it, "" where it is so, None where nothing tells.

In: a claim, the break that it is about, and the facts. A kind without a check here is counted as not checked.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.truth.facts import Seen, Source, Watch, source
from tracer.breaks import Claim, claims_of
from tracer.config import FIELDS
from tracer.explain import excerpt, headline, source_of
from tracer.records import Records

__all__ = ["Checked", "checked", "summaries"]


class Checked(NamedTuple):
    """One statement and what came of it: `wrong` says what is not so."""

    kind: str
    value: str
    wrong: str | None


class Case:
    """A break with what is known of its line."""

    def __init__(self, found: Any, watch: Watch):
        self.found, self.place, self.context = found, found.location, found.context
        self.inside = "inside" in self.context and "by way of `" + self.context["inside"] in found.explanation + " in `" or (
            "inside" in self.context and "`" + self.context["inside"] + "`, which line" in found.explanation
        )
        if self.inside:
            file, _, line = self.context["inside_at"].rpartition(":")
            self.file, self.line = file, int(line)
        else:
            self.file, self.line = self.place.file, self.place.line
        self.source: Source | None = source(self.file)
        span = (self.place.line, self.place.column, self.place.end_line, self.place.end_column)
        self.seen: list[Seen] = [] if self.inside else watch.seen.get((self.place.file, span), [])

    @property
    def text(self) -> str:
        """What stands in the place; of a library, the whole line."""
        assert self.source is not None
        if self.inside or self.place.column < 0:
            return self.source.lines[self.line - 1]
        return self.source.segment(self.place)

    def nodes(self) -> list[ast.AST]:
        assert self.source is not None
        return self.source.on(self.line) if self.inside or self.place.column < 0 else self.source.at(self.place)


CHECKS: dict[str, Callable[[Case, str], str | None]] = {}


def check(kind: str) -> Any:
    def keep(rule: Any) -> Any:
        CHECKS[kind] = rule
        return rule

    return keep


def checked(found: Any, watch: Watch) -> Iterator[Checked]:
    """Every statement about a break."""
    if found.location is None:
        return
    case = Case(found, watch)
    for claim in claims_of(found.reason, found.context):
        yield Checked(claim.kind, claim.value, _one(case, claim))
    yield Checked("excerpt", "", _excerpt(case))


def _one(case: Case, claim: Claim) -> str | None:
    rule = CHECKS.get(claim.kind)
    return None if rule is None or case.source is None else rule(case, claim.value)


# ---- lines and what stands there
@check("line")
def line(case: Case, value: str) -> str | None:
    known = source(case.place.file)
    if known is None:
        return None
    if value != str(case.place.line):
        return f"the break is on line {case.place.line}"
    return "" if int(value) <= len(known.lines) and known.lines[int(value) - 1].strip() else "nothing stands there"


@check("expr")
def expr(case: Case, value: str) -> str | None:
    words = re.findall(r"\w+", value.rstrip("…").partition("(")[0] if "…" in value else value)
    text = case.text
    if " ".join(value.split()) in " ".join(text.split()):
        return ""
    if case.seen and any(words and words[-1] in (one.name.split(".")[-1:] or [""]) for one in case.seen):
        return ""
    missing = [word for word in words if not re.search(rf"\b{re.escape(word)}\b", text)]
    return f"{' '.join(missing)} is not in `{' '.join(text.split())[:90]}`" if missing else ""


@check("test")
def test(case: Case, value: str) -> str | None:
    assert case.source is not None
    part = [n for node in case.nodes() for n in ast.walk(node) if isinstance(n, ast.expr) and case.source.text(n) == value]
    if not part:
        return "no such expression"
    if case.inside:
        return ""
    held = [one for one in case.seen if one.text == value]
    return None if not held else "" if any(one.type == "Tensor" or "Tensor" in one.type or one.dtype for one in held) else f"it is a {held[0].type}"


@check("construct")
def construct(case: Case, value: str) -> str | None:
    """The word stands on the line, and asks."""
    assert case.source is not None
    for node in case.nodes():
        near = [node, case.source.parents.get(node)]
        if any(value in _words(n) for n in near if n is not None):
            return ""
    return f"no `{value}` there"


def _words(node: ast.AST) -> tuple[str, ...]:
    """The words with which a node asks for truths."""
    match node:
        case ast.If() | ast.IfExp() | ast.comprehension():
            return ("if",)
        case ast.While():
            return ("while",)
        case ast.Assert():
            return ("assert",)
        case ast.BoolOp():
            return ("and" if isinstance(node.op, ast.And) else "or",)
        case ast.UnaryOp(op=ast.Not()):
            return ("not",)
    return ()


@check("called")
def called(case: Case, value: str) -> str | None:
    assert case.source is not None
    return "" if any(isinstance(n, ast.Call) and case.source.text(n) == value for n in case.nodes()) else "no such call"


@check("is_if")
def is_if(case: Case, value: str) -> str | None:
    return construct(case, "if")


@check("setting")
def setting(case: Case, value: str) -> str | None:
    """That it takes the break away is tried as advice."""
    return "" if value in FIELDS else "no such setting"


@check("loop")
def loop(case: Case, value: str) -> str | None:
    assert case.source is not None
    for node in case.source.nodes:
        if isinstance(node, ast.For | ast.comprehension) and node.iter.lineno <= case.line <= (node.iter.end_lineno or 0):
            if any(isinstance(n, ast.expr) and case.source.text(n) == value for n in ast.walk(node.iter)):
                return ""
    return "nothing loops over it"


@check("stands")
def stands(case: Case, value: str) -> str | None:
    assert case.source is not None
    kinds: dict[str, Any] = {
        "call": ast.Call, "with": ast.With | ast.AsyncWith, "loop": ast.For | ast.comprehension | ast.While, "assert": ast.Assert,
        "except*": ast.TryStar, "import": ast.ImportFrom,
    }  # fmt: skip
    wide = value in ("with", "loop", "except*", "assert", "import")
    for node in [*case.nodes(), *(case.source.on(case.line) if wide else ())]:
        if isinstance(node, kinds[value]) or isinstance(case.source.parents.get(node), kinds[value]):
            return ""
    return f"no {value} there: `{' '.join(case.text.split())[:90]}`"


# ---- blocks and files
@check("try_line")
def try_line(case: Case, value: str) -> str | None:
    name, kind = case.context.get("try_file"), ast.Try | ast.TryStar if case.context.get("block") == "try" else ast.With | ast.AsyncWith
    for frame in reversed(case.found.user_stack):
        if os.path.basename(frame.place.file) == (name or os.path.basename(case.place.file)):
            known = source(frame.place.file)
            for node in known.nodes if known is not None else ():
                if isinstance(node, kind) and node.lineno == int(value) and node.lineno <= frame.line <= (node.end_lineno or 0):
                    return ""
    return f"no `{case.context.get('block')}` that opens there holds the line"


@check("try_file")
def try_file(case: Case, value: str) -> str | None:
    return "" if value in {os.path.basename(frame.place.file) for frame in case.found.user_stack} else "no caller is in that file"


@check("block")
def block(case: Case, value: str) -> str | None:
    return try_line(case, case.context["try_line"])


@check("inside")
def inside(case: Case, value: str) -> str | None:
    """The function is in that file, around that line."""
    assert case.source is not None
    found = case.source.around(case.line)
    if isinstance(found, ast.Lambda) or found is None:
        return "" if value.split(".")[-1].startswith("<") or case.context["inside_at"].endswith(value) else f"line {case.line} is in no function of a name"
    name = value.split(".")[-1]
    if name.startswith("<"):
        return ""
    return "" if getattr(found, "name", "") == name else f"line {case.line} of {case.file} is in {getattr(found, 'name', 'a lambda')}"


# ---- names and values
@check("var")
def var(case: Case, value: str) -> str | None:
    """It is a name of the function that the line is in, or of its file."""
    if case.inside or not (root := re.match(r"\w+", value)):
        return None
    assert case.source is not None
    within: ast.AST | None = case.source.around(case.line)
    names = {n.id if isinstance(n, ast.Name) else n.arg for n in (ast.walk(within) if within is not None else case.source.nodes) if isinstance(n, ast.Name | ast.arg)}
    names |= {n.id for n in case.source.nodes if isinstance(n, ast.Name)}
    return "" if root[0] in names else f"no {root[0]} in the function"


@check("shape")
def shape(case: Case, value: str) -> str | None:
    return _seen(case, "shape", value)


@check("dtype")
def dtype(case: Case, value: str) -> str | None:
    return _seen(case, "dtype", value)


def _seen(case: Case, field: str, value: str) -> str | None:
    """Some value in the place has it; the one that is named, where one is."""
    named = case.context.get("var") or case.context.get("test")
    held = [one for one in case.seen if one.text == named] or case.seen
    values = {getattr(one, field) for one in held} - {""}
    if not values or "s" in value:  # a size that is a symbol
        return None
    return "" if value in values else f"seen: {', '.join(sorted(values))}"


@check("type")
def type_(case: Case, value: str) -> str | None:
    if not case.seen:
        return None
    seen = {one.type for one in case.seen} | {one.name.split(".")[-1] for one in case.seen}
    return "" if value in seen else None  # an operand may be made within a call


@check("value")
def value_(case: Case, value: str) -> str | None:
    values = {one.value for one in case.seen} - {""}
    return None if not values else "" if value in values else f"seen: {', '.join(sorted(values))}"


def _named(case: Case, value: str) -> str | None:
    """A callable of that name is called there, or its name stands there."""
    last = value.split(".")[-1].rstrip("()")
    if last in _IMPLICIT:
        return stands(case, _IMPLICIT[last])
    if last.startswith("__") and not any(isinstance(n, ast.Call) for n in case.nodes()):
        return None  # an operator or a subscript calls it, which the text doesn't spell
    assert case.source is not None
    if getattr(case.source.around(case.line), "name", None) == last:
        return ""
    if any(one.name.split(".")[-1] == last for one in case.seen) or re.search(rf"\b{re.escape(last)}\b", case.text):
        return ""
    return None if case.inside or not case.seen else f"neither stands in nor is called by `{' '.join(case.text.split())[:90]}`"


@check("running")
def running(case: Case, value: str) -> str | None:
    """The function that the line is in calls the generator by that name, or is it."""
    assert case.source is not None
    within, last = case.source.around(case.line), value.split(".")[-1]
    if within is None or last.startswith("<"):
        return None
    names = {getattr(n, "id", getattr(n, "attr", getattr(n, "name", ""))) for n in ast.walk(within)}
    return "" if last in names else f"no {last} in the function"


#: Methods that a statement calls: which.
_IMPLICIT = {"__enter__": "with", "__exit__": "with", "__iter__": "loop", "__next__": "loop"}

@check("func")
@check("name")
def name(case: Case, value: str) -> str | None:
    """Of a body in which something was met: the line is the body's own, or it stands in a method of the class of that name."""
    wrong = _named(case, value)
    return "" if wrong and "met" in case.context and any(value in frame.function.split(".") for frame in case.found.user_stack) else wrong


# ---- what surrounds the words
def _excerpt(case: Case) -> str | None:
    """The lines that are shown are those of the file, with their numbers."""
    shown, known = excerpt(case.place, source_of(Records())), source(case.place.file)
    if shown is None or known is None:
        return None
    for part in shown.lines:
        written = known.lines[part.number - 1]
        text = part.before + part.marked + part.after
        if text.strip().strip("…") not in written.expandtabs() and text.strip() not in written:
            return f"line {part.number} is `{written.strip()[:60]}`, shown is `{text.strip()[:60]}`"
    return ""


def summaries(ran: Any) -> Iterator[Checked]:
    """The counts at the top of a report."""
    if ran.records is None:
        return
    first = headline(ran.records)
    told = re.search(r"^([\d,]+) graphs?", first)
    number = int(told[1].replace(",", "")) if told else 0
    yield Checked("graphs", str(number), "" if number == ran.graphs else f"the backend was given {ran.graphs}")
    told = re.search(r"([\d,]+) graph breaks?", first)
    number = int(told[1].replace(",", "")) if told else 0
    yield Checked("breaks", str(number), "" if number == len(ran.breaks) else f"there are {len(ran.breaks)}")
