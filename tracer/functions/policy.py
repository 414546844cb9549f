"""What to do with a Python function that no rule names: inline it, record it as one node, run it as a constant, or break."""

from __future__ import annotations

import types
from typing import Any

import torch

from ..compat.functorch import is_transform
from ..libraries import PROGRAM, whose

__all__ = ["opaque_reason", "verdict"]

#: Functions of these modules become one node of the graph each: their bodies are torch's own business.
NODE_MODULES = frozenset(
    {
        "torch.nn.functional",
        "torch.functional",
        "torch._tensor",
        "torch.nn.init",
        "torch._C._nn",
        "torch.special",
        "torch.linalg",
        "torch.masked._ops",
    }
)
#: Pure helpers: they run natively when their arguments are known.
CONSTANT_MODULES = frozenset({
    "inspect", "importlib", "importlib.util", "importlib.metadata", "packaging.version", "packaging.specifiers",
    "dataclasses", "json", "keyword", "re", "fnmatch", "textwrap", "string", "numbers", "fractions", "statistics", "typing", "types", "abc",
    "torch._utils_internal", "torch.version", "platform", "sysconfig", "locale",
})  # fmt: skip
#: Of these, functions that write to what they are given or to the process, register it, run code of its class, or look at the
#: frames that run: they are followed as any other Python code, or end the graph where they can't be.
_NOT_PURE = {
    "inspect": "stack trace currentframe getframeinfo getouterframes getinnerframes",
    "dataclasses": "dataclass make_dataclass _process_class _add_slots _set_new_attribute",
    "abc": "ABCMeta.register ABCMeta.__new__ abstractmethod update_abstractmethods",
    "typing": "final override overload clear_overloads no_type_check no_type_check_decorator runtime_checkable dataclass_transform "
    "_caller _allow_reckless_class_checks _ProtocolMeta.__instancecheck__ _ProtocolMeta.__subclasscheck__",
    "types": "new_class prepare_class coroutine",
    "importlib": "reload",
    "locale": "setlocale resetlocale",
}
#: Of the modules above, the ones that look at functions which they are given and don't call them.
INTROSPECTION = frozenset({"inspect", "typing", "types", "dataclasses", "abc"})
#: Code that talks to the machine or to the interpreter itself: never inlined.
OPAQUE_MODULES = frozenset({
    "threading", "subprocess", "socket", "ssl", "asyncio", "multiprocessing", "tempfile", "shutil", "pickle", "ctypes", "linecache",
    "traceback", "logging", "warnings", "random", "time", "sys", "gc", "signal", "pdb", "bdb", "unittest.mock", "selectors",
})  # fmt: skip
#: Transforms of functions (`vmap`, `grad`): code that swaps the interpreter of operators under what it calls.
_TRANSFORMS = ("torch.func.", "torch._functorch.")  # modules, and what is below them
_NODE_EXCEPTIONS = frozenset({"is_tensor", "_in_projection_packed"})


def verdict(function: types.FunctionType) -> str:
    """ "inline" | "node" | "constant" | "opaque"."""
    module: Any = function.__module__
    if not isinstance(module, str):
        return "inline"
    if module in NODE_MODULES and function.__name__ not in _NODE_EXCEPTIONS and function.__closure__ is None:
        return "node"
    if module in NODE_MODULES and getattr(torch.nn.functional, function.__name__, None) is function:
        return "node"
    if function.__qualname__.partition(".<locals>")[0] in _NOT_PURE.get(module, "").split():
        return _APART.get(module, "inline")
    if module in CONSTANT_MODULES or _asks_what_is_installed(function):
        return "constant"
    if _transforms(module):
        return "inline" if is_transform(function) else "opaque"
    if module in OPAQUE_MODULES or module.split(".")[0] in ("asyncio", "multiprocessing", "logging", "concurrent"):
        return "opaque"
    return "inline"


def _transforms(module: str) -> bool:
    return f"{module}.".startswith(_TRANSFORMS)


#: What becomes of those of a module that can't be followed.
_APART = {"inspect": "opaque", "dataclasses": "opaque", "locale": "opaque"}


def _asks_what_is_installed(function: types.FunctionType) -> bool:
    """`is_…_available()` and version comparisons of libraries: facts about the machine, often behind slow imports. Functions of a person's own files are
    followed, whatever they are called."""
    if not function.__name__.endswith(("_available", "_greater_or_equal", "_version_at_least")) or function.__closure__ is not None:
        return False
    return whose(function.__code__.co_filename) != PROGRAM


_REASONS = {
    "thread-or-process": ("threading", "subprocess", "multiprocessing", "concurrent", "asyncio"),
    "file-or-socket": ("socket", "ssl", "tempfile", "selectors", "pathlib"),
    "time-or-random": ("random", "time"),
    "print-call": ("logging",),
    "exec-or-eval": ("traceback", "sys", "linecache", "gc", "inspect"),
    "breakpoint-inside": ("pdb", "bdb"),
    "class-definition-inside": ("dataclasses",),
    "outside-state-write": ("locale", "warnings"),
}


def opaque_reason(module: Any) -> str | None:
    """The catalogue id for code of a module that is never followed; None for other modules."""
    if not isinstance(module, str):
        return None
    if _transforms(module):
        return "higher-order-unsupported"
    top = module.split(".")[0]
    for reason, modules in _REASONS.items():
        if top in modules:
            return reason
    return "unsupported-builtin" if module in OPAQUE_MODULES else None
