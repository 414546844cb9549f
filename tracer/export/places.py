"""Where in the arguments of `forward` the things lie that guards and graphs read.

In: what was called, with what, and the code of the frame that was compiled for it. Out: for a source a `Place`, None where what is read
is no argument (an attribute of the called module, a global, a default). A module among the arguments is none of `forward`'s: it is
part of the file, as its weights are.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import keyword
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from tracer.compat.trees import accessor, leaves_with_path
from tracer.export.constants import constant, plain
from tracer.export.helpers import NAMES
from tracer.sources import Source

__all__ = ["RESERVED", "Arguments", "Place", "Unreadable"]

#: What the methods of a written class name beside their parameters.
RESERVED = frozenset(
    {*dir(builtins), *keyword.kwlist, *keyword.softkwlist, *NAMES, "self", "out", "held", "load", "torch", "math", "operator", "collections"}
    | {"functools", "itertools"}
)


class Unreadable(Exception):
    """What can't be read from the arguments by a file, in words."""


class Place(NamedTuple):
    """A parameter of `forward` and the accesses below it, as a person writes them and as they are read."""

    root: str
    text: str
    read: str

    @property
    def what(self) -> str:
        return f"{self.root}{self.text}"


class _Slot(NamedTuple):
    """One argument that the call was given, as `forward` names it; `root` "" for a module, which `forward` isn't given."""

    root: str
    text: str


class Arguments:
    """`names`: parameters of `forward` with their kinds, in order. `given`: parameter → value. `safe`: parameter → what the methods
    behind `forward` call it. `modules`: those among the arguments, by parameter."""

    def __init__(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, optional: bool = False):
        self.optional = optional  # whether plain values at the end may be left out: which were given isn't known
        self.given: dict[str, Any] = {}
        self.kinds: dict[str, Any] = {}
        self.modules: dict[str, torch.nn.Module] = {}
        self.starred: dict[str, Any] = {}  # *args and **kwargs of forward → how many, which names
        self.keywords = frozenset(kwargs)  # that were given by name
        self._args, self._kwargs = [_Slot("", "") for _ in args], dict.fromkeys(kwargs, _Slot("", ""))
        self.signature, bound = _bound(fn, args, kwargs)
        for name, value in bound.items():
            self._bind(name, value)
        self.safe = _safe(self.given)
        self._locals: dict[str, _Slot | None] = {}
        self._items: dict[tuple[str, Any], _Slot] = {}
        self._stars: dict[str, str] = {}

    def _bind(self, name: str, value: Any) -> None:
        parameters = self.signature.parameters if self.signature is not None else {}
        plain_kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        kind = self.kinds[name] = parameters[name].kind if name in parameters else plain_kind
        if kind is inspect.Parameter.VAR_POSITIONAL or self.signature is None and name == "args":
            self.given[name] = tuple(one.value for one in value)
            self.starred[name] = len(value)
            for index, one in enumerate(value):
                self._place(one, _Slot(name, f"[{index}]"))
        elif kind is inspect.Parameter.VAR_KEYWORD or self.signature is None and name == "kwargs":
            self.given[name] = {key: one.value for key, one in value.items()}
            self.starred[name] = tuple(value)
            for key, one in value.items():
                self._place(one, _Slot(name, f"[{key!r}]"))
        elif isinstance(value.value, torch.nn.Module):
            self.modules[name] = value.value
        else:
            self.given[name] = value.value
            self._place(value, _Slot(name, ""))

    def _place(self, one: _Given, slot: _Slot) -> None:
        if isinstance(one.where, int):
            self._args[one.where] = slot
        else:
            self._kwargs[one.where] = slot

    # ---- the frame
    def enter(self, target: Any, is_frames: Callable[[types.CodeType], bool]) -> bool:
        """Say which locals of the compiled frame hold which argument; False where what is called, `target`, has not that frame's code."""
        args, kwargs = list(self._args), dict(self._kwargs)
        while isinstance(target, functools.partial):
            args = [_Slot("", "")] * len(target.args) + args
            kwargs = {**dict.fromkeys(target.keywords, _Slot("", "")), **kwargs}
            target = target.func
        if isinstance(target, types.MethodType):
            args, target = [_Slot("", ""), *args], target.__func__
        elif not isinstance(target, types.FunctionType):
            args = [_Slot("", ""), *args]
            target = next((vars(base)["__call__"] for base in type(target).__mro__ if "__call__" in vars(base)), None)
        code = getattr(target, "__code__", None)
        if code is None or not is_frames(code):
            return False
        count, named = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames
        rest = names[named] if code.co_flags & inspect.CO_VARARGS else ""
        others = names[named + bool(rest)] if code.co_flags & inspect.CO_VARKEYWORDS else ""
        self._locals.update(zip(names, args[:count], strict=False))
        self._items.update({(rest, index): slot for index, slot in enumerate(args[count:])})
        for name, slot in kwargs.items():
            if name in names[code.co_posonlyargcount : named]:
                self._locals[name] = slot
            else:
                self._items[others, name] = slot
        for star in filter(None, (rest, others)):
            mine = {slot for (local, _), slot in self._items.items() if local == star}
            same = star in self.starred and len(mine) == len(self.given[star]) and all(slot.root == star for slot in mine)
            self._stars[star] = star if same else ""
        return True

    def follow(self, other: Arguments) -> None:
        """What `other`, of the same call run again, knows of its frame."""
        self._locals, self._items, self._stars = other._locals, other._items, other._stars

    @property
    def stars(self) -> set[str]:
        """Those of *args and **kwargs that are locals of the frame as they are parameters of `forward`."""
        return set(self._stars.values())

    # ---- reading
    def place(self, source: Source) -> Place | None:
        """How what is at a source is read from the arguments; None where it is no part of them. Raises Unreadable."""
        base = source.base
        if base is None:
            if source.kind != "local":
                return None
            if source.key in self._stars:
                return self._root(self._stars[source.key], "")
            slot = self._locals.get(source.key)
            return None if slot is None else self._root(slot.root, slot.text)
        if base.base is None and base.kind == "local" and base.key in self._stars and source.kind == "item":
            slot = self._items.get((base.key, source.key))
            return None if slot is None else self._root(slot.root, slot.text)
        if source.kind == "type":
            return None  # what a class holds isn't an argument, and which class it is has a guard of its own
        owner = self.place(base)
        if owner is None:
            return None
        return _step(owner, base, source)

    def _root(self, root: str, text: str) -> Place | None:
        return Place(root, text, f"{self.safe[root]}{text}") if root else None

    def leaf(self, path: tuple[Any, ...]) -> Place:
        """A leaf of `given`. Raises Unreadable for a container whose access can't be written down."""
        root = path[0].key
        try:
            text = accessor(path[1:], _key, self.given[root])
        except TypeError as error:
            raise Unreadable(f"what lies in a container with {error}") from None
        return Place(root, text, f"{self.safe[root]}{text}")

    def leaves(self) -> dict[str, Any]:
        """What lies in the arguments and is no container of torch's pytrees, by `Place.what`. Raises Unreadable."""
        return {self.leaf(path).what: leaf for path, leaf in leaves_with_path(self.given)}

    # ---- writing
    def header(self) -> str:
        """`def forward(self, …)` with the names and kinds of the program's own parameters, as far as they were given."""
        defaults = self._defaults() if self.optional else {}
        parts, starred = [self.me], False
        for name in self.given:
            kind = self.kinds[name]
            if kind is inspect.Parameter.KEYWORD_ONLY and not starred:
                parts.append("*")
                starred = True
            if kind is inspect.Parameter.VAR_POSITIONAL:
                parts.append(f"*{name}")
                starred = True
            elif kind is inspect.Parameter.VAR_KEYWORD:
                parts.append(f"**{name}")
            else:
                parts.append(f"{name}={defaults[name]}" if name in defaults else name)
        return f"def forward({', '.join(parts)}):"

    def _defaults(self) -> dict[str, str]:
        """Of the parameters behind the last that is no plain value."""
        found: dict[str, str] = {}
        for name in reversed(self.given):
            if plain(self.given[name]) and name not in self.starred:
                found[name] = constant(self.given[name])
            elif self.kinds[name] is not inspect.Parameter.KEYWORD_ONLY:
                break
        return found

    @property
    def me(self) -> str:
        """What `forward` calls its module."""
        return next(name for name in ("self", "module", "module_", "module__") if name not in self.given)


def _step(owner: Place, base: Source, source: Source) -> Place:
    kind, key = source.kind, source.key
    if kind == "attr":
        return Place(owner.root, f"{owner.text}.{key}", f"{owner.read}.{key}")
    if kind == "dict":
        return Place(owner.root, f"{owner.text}.__dict__", f"vars({owner.read})")
    if kind == "item" and plain(key):
        if base.kind == "dict" and type(key) is str:
            return Place(owner.root, f"{owner.text.removesuffix('.__dict__')}.{key}", f"{owner.read}[{key!r}]")
        return Place(owner.root, f"{owner.text}[{constant(key)}]", f"{owner.read}[{constant(key)}]")
    if kind == "array":
        raise Unreadable(f"{base.text}, an array of NumPy's, and a file takes and gives tensors")
    raise Unreadable(f"{source.text}, which lies in an object that only the program knows")


def _key(key: Any) -> str:
    if not plain(key):
        raise TypeError(f"a {type(key).__name__} as its key")
    return constant(key)


class _Given(NamedTuple):
    """One argument: its position or keyword, and its value."""

    where: int | str
    value: Any


def _bound(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[inspect.Signature | None, dict[str, Any]]:
    """Parameter → what it was given, each a `_Given`; *args and **kwargs as a tuple and a dict of them."""
    slots = [_Given(index, value) for index, value in enumerate(args)]
    named = {name: _Given(name, value) for name, value in kwargs.items()}
    try:
        signature = inspect.signature(fn.forward if isinstance(fn, torch.nn.Module) else fn)
        return signature, dict(signature.bind(*slots, **named).arguments)
    except (TypeError, ValueError):  # a callable that doesn't say what it takes
        return None, {name: value for name, value in (("args", tuple(slots)), ("kwargs", named)) if value}


def _safe(names: Any) -> dict[str, str]:
    """Names that hide nothing that a written method uses."""
    made: dict[str, str] = {}
    for name in names:
        safe = name
        while safe in RESERVED or safe in made.values() or safe != name and safe in names:
            safe += "_"
        made[name] = safe
    return made
