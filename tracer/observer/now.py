"""What a guard of torch's asks about, as it is now: torch says what was expected, and of most guards not what is there instead.

In: a guard as torch writes it, and the frame that it failed for. Out: text, "" where it can't be read without running code of the
program: locals, globals, entries of instances and of modules, items of builtin containers.
"""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Mapping
from typing import Any

from ..guards.summary import constant_text

__all__ = ["relied_on", "seen_now"]

_PLAIN = (int, float, complex, bool, str, bytes, types.NoneType)
_SIZED = (list, tuple, dict, set, frozenset, str, bytes)
_IN_MODULES = ("_parameters", "_buffers", "_modules")
_USER_STACK = re.compile(r'File "([^"\n]+)", line (\d+), in ([^\n]+)')


class _Unread(Exception):
    """It can't be told without running code."""


def seen_now(expression: str, locals: Mapping[str, Any], globals: Mapping[str, Any]) -> str:
    """The value on the left of a comparison with a constant, where it is one itself: `self.n == 0` → "1"."""
    try:
        asked = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    if not isinstance(asked, ast.Compare) or len(asked.ops) != 1 or not isinstance(asked.ops[0], ast.Eq | ast.Is):
        return ""
    try:
        value = _read(asked.left, locals, globals)
    except (_Unread, LookupError):
        return ""
    return constant_text(value) if type(value) in _PLAIN else ""


def _read(node: ast.expr, locals: Mapping[str, Any], globals: Mapping[str, Any]) -> Any:
    match node:
        case ast.Subscript(ast.Name("L"), ast.Constant(str() as name)):
            return locals[name]
        case ast.Subscript(ast.Name("G"), ast.Constant(str() as name)):
            return globals[name]
        case ast.Name(name):
            return locals[name]
        case ast.Call(ast.Name("len"), [inner], []):
            held = _read(inner, locals, globals)
            if type(held) in _SIZED:
                return len(held)
        case ast.Attribute(inner, name):
            return _entry(_read(inner, locals, globals), name)
        case ast.Subscript(inner, ast.Constant(key)) if isinstance(key, int | str):
            held = _read(inner, locals, globals)
            if type(held) in (list, tuple, dict):
                return held[key]
    raise _Unread


def _entry(owner: Any, name: str) -> Any:
    """An attribute that stands in the instance, or among a module's parts, where no descriptor of its class is asked before."""
    try:
        entries = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        raise _Unread from None
    if type(entries) is not dict or any(hasattr(found, "__set__") for found in _of_class(type(owner), name)):
        raise _Unread
    if name in entries:
        return entries[name]
    for part in _IN_MODULES:
        held = entries.get(part)
        if type(held) is dict and name in held:
            return held[name]
    raise _Unread


def _of_class(cls: type, name: str) -> list[type]:
    """The type of what a class has under a name, if anything."""
    for base in type.__dict__["__mro__"].__get__(cls):
        entries = type.__dict__["__dict__"].__get__(base)
        if name in entries:
            return [type(entries[name])]
    return []


def relied_on(reason: str) -> tuple[Any, ...]:
    """(file, line, None, line, None, function) that the guard was made for, where torch says it: the innermost of its user stack."""
    found = _USER_STACK.findall(reason)
    if not found:
        return ()
    file, line, function = found[-1]
    return file, int(line), None, int(line), None, function
