"""The house rules that a reader relies on: rooms fit on a few screens, and names stay in the rooms they belong to."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("tracer", "notebook_ext", "widgets")
FILES = sorted(p.relative_to(ROOT).as_posix() for package in PACKAGES for p in (ROOT / package).rglob("*.py"))

LONGEST_FILE = 600
LONGEST_FUNCTION = 80

#: (what must not be named, where it may be named, why)
NAMES = [
    (
        r"torch\._(C\._)?dynamo",
        ("tracer/compat", "tracer/observer", "tracer/coverage", "tracer/breaks/recompiling.py"),  # the last two: in programs that are run or shown
        "private torch names are wrapped in tracer.compat",
    ),
    (
        r"sys\.version_info",
        ("tracer/isa", "tracer/codegen", "tracer/compat"),
        "versions are the business of the lowest layers",
    ),
]


@functools.cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@functools.cache
def code_of(name: str) -> str:
    """The file without comments and docstrings: those may name anything."""
    tree = ast.parse(text_of(name))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0] = ast.Pass()
    return ast.unparse(tree)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_one_concept(name: str) -> None:
    lines = text_of(name).count("\n")
    assert lines <= LONGEST_FILE, f"{name} has {lines} lines: which of its parts deserve a file of their own?"


def test_functions_fit_a_screen() -> None:
    long = []
    for name in FILES:
        for node in ast.walk(ast.parse(text_of(name))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    long.append(f"{name}:{node.lineno} {node.name} has {length} lines")
    assert not long, "\n".join(long)


@pytest.mark.parametrize(("pattern", "allowed", "why"), NAMES, ids=[n[0] for n in NAMES])
def test_names_stay_in_their_rooms(pattern: str, allowed: tuple[str, ...], why: str) -> None:
    strays = [name for name in FILES if not name.startswith(allowed) and re.search(pattern, code_of(name))]
    assert not strays, f"{why}: {', '.join(strays)}"


def imports_of(name: str) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text_of(name))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("package", ["tracer/isa", "tracer/layout"])
def test_pure_packages_import_only_themselves(package: str) -> None:
    own = package.replace("/", ".")
    for name in (f for f in FILES if f.startswith(package + "/")):
        outside = {m for m in imports_of(name) if m.split(".")[0] not in sys.stdlib_module_names}
        foreign = {m for m in outside if not m.startswith((own, "tracer.errors"))}
        assert not foreign, f"{name} imports {sorted(foreign)}"


@pytest.mark.parametrize(
    "module", ["tracer", "tracer.isa", "tracer.layout", "tracer.events", "tracer.export.svg", "widgets.summary"]
)
def test_import_without_torch(module: str) -> None:
    code = f"import sys, {module}; assert 'torch' not in sys.modules; assert 'IPython' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
