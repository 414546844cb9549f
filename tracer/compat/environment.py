"""The variables of the process, taken at once and put back.

In: nothing, or what was taken. Out: what was taken, in the form in which `os.environ` holds it: reading it by items decodes each one.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["put_back", "taken"]


def taken() -> dict[Any, Any]:
    """The variables as they are now, for `put_back`."""
    return dict(_held())


def put_back(variables: dict[Any, Any]) -> None:
    """Makes the variables those that were taken; one that has its value already isn't touched."""
    held: Any = _held()
    if held == variables:
        return
    key, text = getattr(os.environ, "decodekey", str), getattr(os.environ, "decodevalue", str)
    for name in [name for name in held if name not in variables]:
        del os.environ[key(name)]
    for name, value in variables.items():
        if held.get(name) != value:
            os.environ[key(name)] = text(value)


def _held() -> Any:
    return getattr(os.environ, "_data", os.environ)
