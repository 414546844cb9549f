"""Where a program keeps values outside of its arguments: globals, cells, defaults and attributes of functions, of classes and
of Python modules of its own.

In: what is called, and its arguments. Out: the places that the code reachable from there names and that hold data (not
functions, classes, modules). A place can be read, written, and left without a value; nothing of the program runs for it.
"""

from __future__ import annotations

import collections
import enum
import functools
import gc
import os
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from typing import Any

import torch

__all__ = ["MISSING", "Place", "places"]


class MISSING:
    """Stands for no value. A class, so that copies of it are it."""


_CODE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    type,
    property,
    classmethod,
    staticmethod,
)
_DATA_FREE = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    torch.dtype,
    torch.device,
    torch.Tensor,
    torch.UntypedStorage,
    types.CodeType,
)
_CONTAINERS = frozenset((dict, list, tuple, set, frozenset, collections.OrderedDict))
_EXACT = frozenset(_DATA_FREE)
_LIBRARY = tuple(
    {
        os.path.join(path, "")
        for path in (
            *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
            os.path.dirname(torch.__file__),
            os.path.dirname(os.path.dirname(__file__)),
        )
    }
)


class Place:
    """One place: `owner` is a namespace (`key` a name), a cell, or a function or class (`key` an attribute)."""

    __slots__ = ("key", "owner")

    def __init__(self, owner: Any, key: str = ""):
        self.owner, self.key = owner, key

    def read(self) -> Any:
        """What is there now; MISSING where nothing is."""
        owner = self.owner
        if isinstance(owner, dict):
            return owner.get(self.key, MISSING)
        if isinstance(owner, types.CellType):
            try:
                return owner.cell_contents
            except ValueError:
                return MISSING
        return owner.__dict__.get(self.key, MISSING) if isinstance(owner, type) else getattr(owner, self.key)

    def write(self, value: Any) -> None:
        """Puts `value` there, or takes away what is there; nothing happens where it is there already."""
        owner, key = self.owner, self.key
        if self.read() is value:
            return
        if isinstance(owner, dict):
            if value is MISSING:
                del owner[key]
            else:
                owner[key] = value
        elif isinstance(owner, types.CellType):
            if value is MISSING:
                del owner.cell_contents
            else:
                owner.cell_contents = value
        elif value is MISSING:
            type.__delattr__(owner, key)
        elif isinstance(owner, type):
            type.__setattr__(owner, key, value)
        else:
            setattr(owner, key, value)

    def __repr__(self) -> str:
        return f"Place({type(self.owner).__name__}, {self.key!r})"


def places(roots: Iterable[Any]) -> list[Place]:
    """The places that code reachable from `roots` may read or write, each once."""
    walk = _Walk()
    walk.waiting.extend(roots)
    while walk.waiting:
        walk.visit(walk.waiting.pop())
    return list(walk.found.values())


class _Walk:
    def __init__(self) -> None:
        self.found: dict[tuple[int, str], Place] = {}
        self.waiting: list[Any] = []
        self.seen: dict[int, Any] = {}

    def place(self, owner: Any, key: str = "") -> None:
        self.found.setdefault((id(owner), key), Place(owner, key))

    def visit(self, value: Any) -> None:
        if type(value) in _EXACT or id(value) in self.seen or isinstance(value, _DATA_FREE):
            return
        if type(value) in _CONTAINERS and not value:
            return
        self.seen[id(value)] = value
        if type(value) in _CONTAINERS:
            self.inside(value)
        elif isinstance(value, types.FunctionType):
            self.function(value)
        elif isinstance(value, types.MethodType):
            self.waiting += [value.__func__, value.__self__]
        elif isinstance(value, functools.partial):
            self.waiting += [value.func, value.args, value.keywords]
        elif isinstance(value, type):
            self.type(value)
        elif isinstance(value, (classmethod, staticmethod)):
            self.waiting.append(value.__func__)
        elif isinstance(value, property):
            self.waiting += [function for function in (value.fget, value.fset, value.fdel) if function is not None]
        elif not isinstance(value, (types.ModuleType, types.BuiltinFunctionType)) and not _foreign(value):
            self.inside(value)

    def inside(self, value: Any) -> None:
        self.waiting += [
            member for member in gc.get_referents(value) if type(member) not in _EXACT and id(member) not in self.seen
        ]

    def function(self, function: types.FunctionType) -> None:
        library = _library(function.__code__.co_filename)
        for cell in function.__closure__ or ():
            if not library:
                self.place(cell)
            held = Place(cell).read()
            if held is not MISSING:
                self.waiting.append(held)
        if library:
            return
        for name, values in (("__defaults__", function.__defaults__), ("__kwdefaults__", function.__kwdefaults__)):
            if values:
                self.place(function, name)
                self.waiting.append(values)
        for name, value in function.__dict__.items():
            if not isinstance(value, _CODE):
                self.place(function.__dict__, name)
            self.waiting.append(value)
        names = set(_names(function.__code__))
        for name in names:
            self.name(function.__globals__, name, names)

    def name(self, namespace: dict[str, Any], name: str, names: set[str]) -> None:
        value = namespace.get(name, MISSING)
        if isinstance(value, types.ModuleType):
            if not _library(getattr(value, "__file__", None) or "<frozen"):
                for inner in names & value.__dict__.keys():
                    if not inner.startswith("__") and not isinstance(value.__dict__[inner], types.ModuleType):
                        self.name(value.__dict__, inner, set())
        elif isinstance(value, _CODE) and value is not MISSING:
            self.waiting.append(value)
        else:  # also one that is missing: the call may make it
            self.place(namespace, name)
            if value is not MISSING:
                self.waiting.append(value)

    def type(self, cls: type) -> None:
        if _library(getattr(sys.modules.get(cls.__module__), "__file__", None) or "") or cls.__module__ == "builtins":
            return
        if issubclass(cls, enum.Enum):
            return
        self.waiting += cls.__bases__
        for name, value in list(cls.__dict__.items()):
            if not name.startswith("__") and not isinstance(value, _CODE) and not hasattr(type(value), "__get__"):
                self.place(cls, name)
            if not name.startswith("__") or isinstance(value, _CODE):
                self.waiting.append(value)


def _foreign(value: Any) -> bool:
    """Frames, generators and the like, and what belongs to Tracer: nothing of the program's data is behind them."""
    kind = type(value)
    if kind.__module__.partition(".")[0] == "tracer":
        return not hasattr(value, "original")
    return isinstance(value, (types.FrameType, types.GeneratorType, types.CoroutineType, types.TracebackType))


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


@functools.cache
def _library(file: str) -> bool:
    return file.startswith(_LIBRARY) or file.startswith("<frozen") or file.startswith("<string>")
