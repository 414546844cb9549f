"""Whether a program has put functions of its own in the place of Python's builtins (`builtins.len = …`, as unittest.mock.patch does).

While it has, our code and torch's would call them too, so nothing is traced: frames run as Python. Asked without calling a builtin.
"""

from __future__ import annotations

import builtins
import operator
import types

__all__ = ["replaced"]

#: What programs replace to hear of it or to change what they show or load, and nothing here depends on.
_HOOKS = frozenset({
    "print", "input", "open", "breakpoint", "help", "exit", "quit", "copyright", "credits", "license", "exec", "eval", "compile", "__import__",
    "__build_class__", "display", "get_ipython",
})  # fmt: skip
_NAMES = tuple(
    name for name, value in vars(builtins).items()
    if name not in _HOOKS and isinstance(value, types.BuiltinFunctionType | type) and not (isinstance(value, type) and issubclass(value, BaseException))
)  # fmt: skip
_NOW, _values = vars(builtins), operator.itemgetter(*_NAMES)
_THEN = _values(_NOW)


def replaced() -> bool:
    """Whether a builtin isn't what it was when this was imported."""
    try:
        return _values(_NOW) != _THEN
    except KeyError:
        return True
