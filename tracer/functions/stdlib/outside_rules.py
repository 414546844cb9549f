"""Call rules for what lies outside the program: the environment, clocks, random numbers, warnings, logs, another compiler."""

from __future__ import annotations

import _random
import collections.abc
import datetime
import logging
import os
import random
import types
import warnings
from typing import TYPE_CHECKING, Any

import torch

from ...compat.type_names import type_name
from ...signals import Break, Declined
from ...variables import NONE, ConstantVariable, PinnedVariable, Variable, literal
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_ENVIRON = os.environ


# ---- the environment
def _is_environ(variable: Variable) -> bool:
    return getattr(variable, "value", None) is _ENVIRON and not getattr(variable, "attrs", None)


def _variable(ctx: Context, key: Variable) -> str | None:
    """The value of an environment variable, guarded to stay as it is."""
    if not isinstance(key, ConstantVariable) or not isinstance(key.value, str):
        ctx.raise_(TypeError, f"str expected, not {type_name(key.python_type())}")
    data = _ENVIRON._data
    encoded = _ENVIRON.encodekey(key.value)
    source = ctx.pinned(data)
    if encoded not in data:
        ctx.guard(source, "DICT_ABSENT", encoded, encoded)
        return None
    ctx.guard(source.item(encoded), "EQUALS_MATCH", data[encoded])
    return _ENVIRON.decodevalue(data[encoded])


@calls.exact(os.getenv)
def getenv(ctx: Context, key: Variable, default: Variable = NONE) -> Any:
    """`os.getenv(name, default)`, guarded by the value."""
    value = _variable(ctx, key)
    return default if value is None else literal(value)


@calls.exact(collections.abc.Mapping.get)
def environ_get(ctx: Context, mapping: Variable, key: Variable, default: Variable = NONE) -> Any:
    """`os.environ.get(name, default)`, guarded by the value."""
    return getenv(ctx, key, default) if _is_environ(mapping) else Declined("not os.environ")


@calls.exact(collections.abc.Mapping.__contains__)
def environ_contains(ctx: Context, mapping: Variable, key: Variable) -> Any:
    """`name in os.environ`, guarded."""
    return literal(_variable(ctx, key) is not None) if _is_environ(mapping) else Declined("not os.environ")


@calls.exact(type(os.environ).__setitem__)
def environ_setitem(ctx: Context, mapping: Variable, key: Variable, value: Variable) -> Any:
    """`os.environ[name] = text`, which is the process's at once."""
    return _written(mapping, key, "os.environ[{}] = …")


@calls.exact(type(os.environ).__delitem__)
def environ_delitem(ctx: Context, mapping: Variable, key: Variable) -> Any:
    """`del os.environ[name]`, which is the process's at once."""
    return _written(mapping, key, "del os.environ[{}]")


def _written(mapping: Variable, key: Variable, text: str) -> Any:
    if not _is_environ(mapping):
        return Declined("not os.environ")
    named = repr(key.value) if type(key) is ConstantVariable else "…"
    raise Break("outside-state-write", expr=text.format(named), type=type(os.environ).__name__)


@calls.exact(type(os.environ).__getitem__)
def environ_getitem(ctx: Context, mapping: Variable, key: Variable) -> Any:
    """`os.environ[name]`, guarded by the value."""
    if not _is_environ(mapping):
        return Declined("not os.environ")
    value = _variable(ctx, key)
    if value is None:
        ctx.raise_with(KeyError, [key])
    return literal(value)


@calls.exact(os.fspath)
def fspath(ctx: Context, path: Variable) -> Any:
    """`os.fspath(x)`: a text itself, else what the object's `__fspath__` says."""
    if isinstance(path, ConstantVariable) and isinstance(path.value, str | bytes):
        return path
    if not ctx.protocol.has(ctx, path.python_type(), "__fspath__"):
        ctx.raise_(TypeError, f"expected str, bytes or os.PathLike object, not {path.python_type().__name__}")
    return ctx.protocol.special(ctx, path, "__fspath__", [], "")


# ---- clocks and random numbers
def _moment(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """Clocks and random numbers of Python: the answer is another one at each call."""
    ctx.break_("time-or-random", expr="the call")


for _cls in (datetime.datetime, datetime.date):
    for _name in ("now", "utcnow", "today"):
        if _name in vars(_cls):
            calls.exact(vars(_cls)[_name])(_moment)
for _cls in (random.Random, random.SystemRandom, _random.Random):
    for _name, _function in vars(_cls).items():
        if isinstance(_function, types.FunctionType | types.MethodDescriptorType) and not _name.startswith("_"):
            calls.exact(_function)(_moment)


# ---- warnings and logs
@calls.exact(warnings.warn, warnings.warn_explicit)
def warn(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """`warnings.warn(…)` shows text now; nothing where the settings say to ignore it."""
    if warnings.warn in ctx.config.ignore_logging_functions:
        return NONE
    ctx.break_("print-call", expr="warnings.warn(…)", func="warnings.warn")


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "exception": 40, "critical": 50, "fatal": 50}


def _silent(ctx: Context, logger: logging.Logger, level: int) -> bool:
    """Whether the logger drops messages of that level; guarded."""
    manager = ctx.pinned(logger.manager)
    ctx.guard(manager.attr("disable"), "EQUALS_MATCH", logger.manager.disable)
    one: logging.Logger | None = logger
    while one is not None:
        ctx.guard(ctx.pinned(one).attr("level"), "EQUALS_MATCH", one.level)
        if one.level:
            break
        one = one.parent
    ctx.guard(ctx.pinned(logger).attr("disabled"), "EQUALS_MATCH", logger.disabled)
    return logger.disabled or logger.manager.disable >= level or level < logger.getEffectiveLevel()


def _logging(name: str) -> Any:
    function = getattr(logging.Logger, name)

    def rule(ctx: Context, logger: Variable, *args: Variable, **kwargs: Variable) -> Any:
        """`logger.info(…)` and its siblings: nothing where the logger is silent or the settings say to ignore it."""
        if function in ctx.config.ignore_logging_functions:
            return NONE
        level = _LEVELS.get(name)
        if level is None and args and isinstance(args[0], ConstantVariable) and isinstance(args[0].value, int):
            level = args[0].value
        held = logger.value if isinstance(logger, PinnedVariable) else None
        if type(held) in (logging.Logger, logging.RootLogger) and level is not None:
            if held.__dict__.get(name) in ctx.config.ignore_logging_functions or _silent(ctx, held, level):
                return NONE
        ctx.break_("print-call", expr=f"logger.{name}(…)", func=f"logger.{name}")

    rule.__name__ = name
    return rule


for _name in (*_LEVELS, "log"):
    if hasattr(logging.Logger, _name):
        calls.exact(getattr(logging.Logger, _name))(_logging(_name))


def _module_logging(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """`logging.info(…)` and its siblings of the module write through the root logger."""
    ctx.break_("print-call", expr="logging.…(…)", func="logging")


for _name in _LEVELS:
    if hasattr(logging, _name):
        calls.exact(getattr(logging, _name))(_module_logging)


@calls.exact(logging.Logger.isEnabledFor)
def is_enabled_for(ctx: Context, logger: Variable, level: Variable) -> Any:
    """`logger.isEnabledFor(level)`, guarded by the levels that decide."""
    if not isinstance(logger, PinnedVariable) or not isinstance(level, ConstantVariable) or not isinstance(level.value, int):
        return Declined("not a known logger")
    return literal(not _silent(ctx, logger.value, level.value))


@calls.exact(logging.getLogger)
def get_logger(ctx: Context, name: Variable = NONE) -> Any:
    """`logging.getLogger(name)`: the same object at each call."""
    if not isinstance(name, ConstantVariable):
        return Declined("a name that isn't known")
    return ctx.wrap(logging.getLogger(name.value))


@calls.exact(torch.compile)
def compile_inside(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
    """What torch.compile makes is an object of its own, which Python makes."""
    raise Break("unsupported-builtin", func="torch.compile", name="torch.compile", why="it makes a function or module that runs under torch.compile")
