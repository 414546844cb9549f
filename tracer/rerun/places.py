"""Where a program keeps values outside of its arguments: globals, cells, defaults, attributes of functions, classes, modules and
enum members, thread-locals, context variables, the environment.

In: what is called, and its arguments. Out: the places that the code reachable from there names and that hold data; of globals and
class attributes also those that hold code, where that is asked for. A place can be read, written, and left without a value;
nothing of the program runs for it.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import enum
import functools
import gc
import os
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from ..compat.environment import put_back, taken
from ..compat.marks import late_marks
from ..compat.python_classes import can_be_given
from ..compat.registries import registries
from ..libraries import PROGRAM, whose
from ..protocol.instances import instance_dict

__all__ = ["MISSING", "Place", "Walk", "in_context", "places", "put"]


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

    def holds(self, value: Any) -> bool:
        """Whether `value` is there."""
        return self.read() is value

    def write(self, value: Any) -> None:
        """Puts `value` there, or takes away what is there; nothing happens where it is there already."""
        owner, key = self.owner, self.key
        now = self.read()
        if now is value or value is MISSING and isinstance(now, types.ModuleType):  # imported meanwhile
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


class Attributes(Place):
    """All attributes of something that is never copied, by its dict. What is read is a dict of its own."""

    __slots__ = ()

    def read(self) -> Any:
        return dict(self.owner)

    def holds(self, value: Any) -> bool:
        return self.owner.keys() == value.keys() and all(self.owner[name] is held for name, held in value.items())

    def write(self, value: Any) -> None:
        owner = self.owner
        for name in [name for name in owner if name not in value]:
            del owner[name]
        for name, held in value.items():
            if owner.get(name, MISSING) is not held:
                owner[name] = held


class Variables:
    """Variables of the process, which are copies already."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = taken()

    def __deepcopy__(self, memo: Any) -> Variables:
        return self


class Environment(Place):
    """The variables of the process."""

    __slots__ = ()

    def read(self) -> Any:
        return Variables()

    def write(self, value: Any) -> None:
        put_back(value.held)


class Variable(Place):
    """A context variable. In a context it can't be left without a value again: see `in_context`."""

    __slots__ = ()

    def read(self) -> Any:
        return self.owner.get(MISSING)

    def write(self, value: Any) -> None:
        if value is not MISSING and self.read() is not value:
            self.owner.set(value)


def in_context(values: Sequence[tuple[Place, Any]], function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`function(*args, **kwargs)` where context variables among the places are as these values say. What it does to any stays there."""
    own = {place.owner: value for place, value in values if isinstance(place, Variable)}
    if not own:
        return function(*args, **kwargs)
    context = contextvars.Context()
    for variable, value in {**contextvars.copy_context(), **own}.items():
        if value is not MISSING:
            context.run(variable.set, value)
    return context.run(function, *args, **kwargs)


@contextlib.contextmanager
def put(values: Sequence[tuple[Place, Any]]) -> Iterator[None]:
    """These values in their places; what was there before, afterwards."""
    with contextlib.ExitStack() as stack:
        for place, _ in values:
            stack.callback(place.write, place.read())
        for place, value in values:
            place.write(value)
        yield


def places(roots: Iterable[Any]) -> list[Place]:
    """The places of data that code reachable from `roots` may read or write, each once."""
    return list(Walk(roots).found.values())


class Walk:
    """What code reachable from `roots` names. `found`: places of data, and with `code` of code. `functions`: those whose code is run
    from there. `notes`: what is state, and can't be read."""

    def __init__(self, roots: Iterable[Any], *, code: bool = False) -> None:
        self.found: dict[tuple[int, str], Place] = {}
        self.functions: list[types.FunctionType] = []
        self.notes: list[str] = []
        self.waiting: list[Any] = list(roots)
        self.seen: dict[int, Any] = {}
        self._code = code
        self.place(os.environ, kind=Environment)
        while self.waiting:
            self.visit(self.waiting.pop())

    def place(self, owner: Any, key: str = "", kind: type[Place] = Place) -> None:
        self.found.setdefault((id(owner), key), kind(owner, key))

    def attributes(self, members: dict[str, Any]) -> None:
        self.place(members, kind=Attributes)
        self.waiting += members.values()

    def visit(self, value: Any) -> None:
        if type(value) in _EXACT or id(value) in self.seen:
            return
        if isinstance(value, _DATA_FREE) and not isinstance(value, enum.Enum):  # of a class that may hold something
            self.waiting += [type(value), *(instance_dict(value) or {}).values()]
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
        elif isinstance(value, contextvars.ContextVar):
            self.place(value, kind=Variable)
            self.waiting.append(self.found[id(value), ""].read())
        elif isinstance(value, threading.local):
            self.thread_local(value)
        elif isinstance(value, enum.Enum):
            self.attributes(value.__dict__)
            self.waiting.append(type(value))
        elif isinstance(value, property):
            self.waiting += [function for function in (value.fget, value.fset, value.fdel) if function is not None]
        elif not isinstance(value, (types.ModuleType, types.BuiltinFunctionType)) and not _foreign(value):
            cls: Any = type(value)
            for namespace, name in registries(cls):
                self.name(namespace, name, set())
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
            self.late(function)
            return
        self.functions.append(function)
        for name, values in (("__defaults__", function.__defaults__), ("__kwdefaults__", function.__kwdefaults__)):
            if values:
                self.place(function, name)
                self.waiting.append(values)
        self.attributes(function.__dict__)
        names = set(_names(function.__code__))
        for name in names:
            self.name(function.__globals__, name, names)

    def late(self, function: types.FunctionType) -> None:
        members = late_marks(function)
        if members is not None:
            self.place(members, kind=Attributes)

    def thread_local(self, value: threading.local) -> None:
        if type(value) is not threading.local and _of_library(type(value)):
            return
        if type(value).__init__ is not object.__init__:  # it would run for a thread that has none of it yet
            self.notes.append(f"a {type(value).__qualname__}, which makes itself for each thread, is as it is now")
        else:
            self.attributes(value.__dict__)

    def name(self, namespace: dict[str, Any], name: str, names: set[str]) -> None:
        value = namespace.get(name, MISSING)
        if isinstance(value, types.ModuleType):
            self.module(value, names)
        elif isinstance(value, _CODE) and value is not MISSING:
            if self._code:
                self.place(namespace, name)
            self.waiting.append(value)
        else:  # also one that is missing: the call may make it
            self.place(namespace, name)
            if value is not MISSING:
                self.waiting.append(value)

    def module(self, module: types.ModuleType, names: set[str]) -> None:
        """Its attributes of these names: of one that the program made all of them, of a library plain data only."""
        members = module.__dict__
        made = getattr(module, "__spec__", None) is None and not hasattr(module, "__file__") and module.__name__ != "__main__"
        if made and module.__name__ not in sys.modules:
            if id(module) not in self.seen:
                self.seen[id(module)] = module
                self.attributes(members)
            return
        library = _library(getattr(module, "__file__", None) or "<frozen")
        for inner in names:
            value = members.get(inner, MISSING)
            if inner.startswith("__") or isinstance(value, types.ModuleType):
                continue
            if not library:
                self.name(members, inner, set())
            elif value is MISSING or _is_plain(value):
                self.place(members, inner)

    def type(self, cls: type) -> None:
        if _of_library(cls):
            for base in cls.__mro__:
                for value in base.__dict__.values() if base.__module__ != "builtins" else ():
                    if type(value) is types.FunctionType:
                        self.late(value)
            return
        if issubclass(cls, enum.Enum):
            self.waiting += cls.__members__.values()
            return
        self.waiting += cls.__bases__
        given = can_be_given(cls)
        for name, value in list(cls.__dict__.items()):
            if given and not name.startswith("__") and (self._code or not isinstance(value, _CODE)) and not _is_field(value):
                self.place(cls, name)
            if not name.startswith("__") or isinstance(value, _CODE):
                self.waiting.append(value)


def _of_library(cls: type) -> bool:
    return cls.__module__ == "builtins" or _library(getattr(sys.modules.get(cls.__module__), "__file__", None) or "")


def _is_field(value: Any) -> bool:
    """A descriptor of the class itself, which no assignment makes."""
    return not isinstance(value, _CODE) and hasattr(type(value), "__get__")


def _is_plain(value: Any) -> bool:
    """Data of a library that is its own copy, or a list of such."""
    if type(value) in (list, set):
        return all(map(_is_plain, value))
    return type(value) in (type(None), bool, int, float, complex, str, bytes)


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


def _library(file: str) -> bool:
    return whose(file) != PROGRAM or file.startswith("<string>")
