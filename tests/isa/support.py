"""Helpers of the plain scripts: pieces of source to decoded code, and how a script reports its cases."""

from __future__ import annotations

import json
import sys
import textwrap
import traceback
from collections.abc import Callable
from typing import Any

from tracer.isa import Decoded, Op, decode

MINOR = sys.version_info[1]
NULL = ("PushNull", None)


def of(source: str, name: str = "f") -> Decoded:
    """The decoded function `name` of a piece of source."""
    namespace: dict[str, Any] = {}
    exec(compile(textwrap.dedent(source), "<case>", "exec"), namespace)
    return decode(namespace[name].__code__)


def body(source: str, kind: str = "exec") -> Decoded:
    """The decoded code of the source itself."""
    return decode(compile(textwrap.dedent(source), "<case>", kind))


def pairs(decoded: Decoded) -> list[tuple[str, Any]]:
    return [(op.name, op.arg) for op in decoded.ops]


def has(decoded: Decoded, *wanted: tuple[str, Any]) -> None:
    """That a run of operations is in there."""
    found = pairs(decoded)
    assert any(found[at : at + len(wanted)] == list(wanted) for at in range(len(found))), f"{wanted} not in {found}"


def only(decoded: Decoded, name: str) -> Op:
    found = [op for op in decoded.ops if op.name == name]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def load_global(name: str) -> list[tuple[str, Any]]:
    return [("LoadGlobal", name), NULL] if MINOR >= 13 else [NULL, ("LoadGlobal", name)]


def report(cases: dict[str, Callable[[], None]]) -> None:
    """Runs them all and prints a JSON object: name → None or the traceback."""
    print(json.dumps({name: _outcome(case) for name, case in cases.items()}))


def _outcome(case: Callable[[], None]) -> str | None:
    try:
        case()
    except Exception:
        return traceback.format_exc()
    return None
