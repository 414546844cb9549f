"""Expressions over what is known of a waiting call, as a person types them at the prompt: `x`, `x.shape[0]`, `n + 1`, `len(graph)`."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from tracer.control.values import Value

__all__ = ["shown"]

_CONSTANTS = frozenset({"int", "float", "bool", "str", "NoneType"})


def _known(value: Value) -> Any:
    """A value that is known, so that it can be computed with; of any other, what is known: `.shape`, `.dtype`, `.source`."""
    if value.python_type in _CONSTANTS:
        try:
            found = ast.literal_eval(value.text)
        except (ValueError, SyntaxError):
            return value
        if type(found).__name__ == value.python_type:
            return found
    return value


def shown(text: str, locals: Mapping[str, Value], others: Mapping[str, Any]) -> str:
    """What an expression gives, or what it raises, in one line. A local by its name is told with all that is known of it. `others`: what is
    looked up where no local of the program has the name."""
    if text in locals:
        return str(locals[text])
    try:
        found = eval(text, {**others, **{name: _known(value) for name, value in locals.items()}})  # what the person typed
    except Exception as error:
        return f"*** {type(error).__name__}: {error}"
    return str(found) if isinstance(found, Value) else repr(found)
