"""The catalogue keeps its own writing rules."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.breaks.harness import name_of
from tracer.breaks import CATALOGUE, Entry, call_of, entry, program_of, render
from tracer.breaks.table import GROUPS
from tracer.breaks.template import SENTENCE_END, placeholders
from tracer.config import FIELDS
from tracer.errors import TracerError

ROOT = Path(__file__).resolve().parents[2]

#: What a template may ask the tracer for; `here`, `subject` and `at` are made from the others.
PLACEHOLDERS = frozenset(
    """expr line var shape dtype value func type module name graphs breaks try_line limit calls recompiles old_value does
    source value_expr what why number backend running here subject at inside test construct is_if called loop block try_file met
    setting body_at effect write memory result raises error""".split()
)
#: One value for each of them, as a run would give it.
FULL = {
    "expr": "scale(x)", "line": 7, "var": "x", "shape": (2, 4), "dtype": "float32", "value": 3, "func": "forward",
    "type": "Lock", "module": "zlib", "name": "crc32", "graphs": 3, "breaks": 2, "try_line": 5, "limit": 8, "calls": 12,
    "recompiles": 7, "old_value": 2, "does": "changes `seen`", "source": "x", "value_expr": "x.min()", "what": "class",
    "why": "it has no fake", "number": "u0", "backend": "inductor", "running": "rows", "test": "scale(x)", "construct": "if", "is_if": "scale(x)", "called": "scale(x)", "loop": "scale(x)", "block": "try", "met": "print-call",
    "setting": "capture_scalar_outputs", "body_at": "line 3", "error": "RuntimeError", **dict.fromkeys(("effect", "write", "memory", "result", "raises"), "torch.cond"),
}  # fmt: skip

#: No blame, nothing waved away, no class of the compiler's own.
FORBIDDEN = re.compile(
    r"\b(simply|just|obviously|illegal|invalid|wrong(ly)?|incorrect(ly)?|mistakes?|must not|you should|unsupported|"
    r"report an issue|polyfills?|resume function|\w+Variable)\b",
    re.IGNORECASE,
)
#: Their program would need a fault, a debugger, special hardware or thousands of frames, or is an error under torch.compile.
NO_PROGRAM = frozenset(
    """unsupported-opcode mutated-while-iterating unsupported-type descriptor-unsupported stance-change cannot-rebuild star-import
    dynamic-shape-unsupported symbolic-number-escape breakpoint-inside tensor-hook too-deep override-asked-for-break
    backend-limit known-when-run
    backend-failed internal-fault distributed-unsupported triton-unsupported
    self-referential-container user-hash-or-eq weakref-call inplace-on-input-view""".split()
)

ENTRIES = pytest.mark.parametrize("found", CATALOGUE.values(), ids=name_of)


def sentences(text: str) -> list[str]:
    return [s for s in SENTENCE_END.split(text) if s]


def test_every_entry_of_every_group_is_in_the_table() -> None:
    assert sum(len(group.ENTRIES) for group in GROUPS) == len(CATALOGUE)
    assert all(id == found.id and re.fullmatch(r"[a-z]+(-[a-z]+)*", id) for id, found in CATALOGUE.items())


def test_an_unknown_id_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(TracerError, match="data-dependent-branch"):
        entry("data-dependant-branch")
    with pytest.raises(LookupError):
        render("zzz")


@ENTRIES
def test_titles_are_short(found: Entry) -> None:
    assert 2 <= len(render(found.id).title.split()) <= 8
    assert not render(found.id).title.endswith(".")


@ENTRIES
def test_explanations_are_two_to_four_sentences(found: Entry) -> None:
    for context in (FULL, {}):
        text = render(found.id, **context).explanation
        assert 2 <= len(sentences(text)) <= 4, text
        assert text.endswith(".")


@ENTRIES
def test_every_entry_says_what_it_costs_and_what_to_do(found: Entry) -> None:
    assert found.why_it_matters
    assert found.hints
    assert all(hint.endswith((".", ")")) for hint in render(found.id).hints)


@ENTRIES
def test_every_advice_says_what_it_trades(found: Entry) -> None:
    for fix in found.fixes:
        assert fix.do and fix.when and fix.trades and fix.source.strip()
        assert not fix.trades.endswith(".") and fix.do[0].isupper()
    for text in found.also:
        assert "Trades: " in text or text.startswith("Nothing to change"), text
    assert len({fix.name for fix in found.fixes}) == len(found.fixes)


@ENTRIES
def test_words(found: Entry) -> None:
    for text in (found.title, *render(found.id, **FULL)[2:4], *found.hints):
        assert not FORBIDDEN.search(text), FORBIDDEN.search(text)


@ENTRIES
def test_settings_are_settings(found: Entry) -> None:
    if found.config is None:
        return
    stated = f"Setting: {found.config}"
    assert found.hints[-1] == (f"[[{{{found.setting_if}?}}{stated}]]" if found.setting_if else stated)
    named = {n for quoted in re.findall(r"`([^`]+)`", found.config) for n in re.findall(r"[a-z]+_[a-z_]+|dynamic|strict|engine", quoted)}
    assert named & set(FIELDS), f"none of {named} is a setting"


def test_what_was_met_in_a_body_is_told_with_its_title_and_hints() -> None:
    told = render("autograd-function-unsupported", name="Noting", line=3, expr="print(x)", why="its forward ends the graph", met="print-call")
    inner, own = entry("print-call"), entry("autograd-function-unsupported")
    assert f"its forward ends the graph: {inner.title}. So" in told.explanation
    assert told.explanation.startswith("`print(x)` at line 3 is part of `Noting`, a custom autograd function.")
    assert told.hints == (*(fix.hint for fix in inner.fixes), *inner.also, *own.hints)


@ENTRIES
def test_placeholders_are_known(found: Entry) -> None:
    texts = (found.title, found.explanation, found.why_it_matters, *found.hints)
    assert frozenset().union(*map(placeholders, texts)) <= PLACEHOLDERS


@ENTRIES
def test_programs_define_f_and_end_with_a_call(found: Entry) -> None:
    if not found.reproducer:
        assert found.id in NO_PROGRAM
        assert not found.fixes, "a fix is verified against a reproducer"
        return
    assert found.id not in NO_PROGRAM
    for fix in (None, *found.fixes):
        setup = program_of(found, fix)
        names = {getattr(n, "name", None) for n in ast.parse(setup).body}
        assert "f" in names or re.search(r"^f = ", setup, re.MULTILINE)
        called = {n.func.id for n in ast.walk(ast.parse(call_of(found, fix))) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert called & {"f", "call"}


def test_the_catalogue_needs_no_torch() -> None:
    code = "import sys, tracer.breaks; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_ids_that_the_compiler_uses_exist() -> None:
    """`Break("id", …)`, `Untraceable("id", …)`, `break_("id", …)`, `or_break="id"` anywhere in tracer/."""
    pattern = re.compile(r"(?:\b(?:Break|Untraceable)\(|\bbreak_\(|or_break=)\s*\"([a-z-]+)\"")
    used = {
        (path.relative_to(ROOT).as_posix(), id)
        for path in (ROOT / "tracer").rglob("*.py")
        for id in pattern.findall(path.read_text(encoding="utf-8"))
    }
    assert not {where for where in used if where[1] not in CATALOGUE}
