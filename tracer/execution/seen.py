"""What a program could see of values at one moment, and where two such moments differ.

In: any values. Out: a tree of plain parts (`Frozen`), later compared with that of another run (`Comparing`). Objects are numbered in the order in
which they are met, so that it counts which of them are the same object, and which tensors share memory. Tensors are compared bit by bit, or up to a
tolerance. No method of the program runs. Functions, classes and modules are what they are; a function made in the run is its code and its cells.
"""

from __future__ import annotations

import collections
import enum
import functools
import math
import random
import types
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from ..compat.copies import plain_dispatch

__all__ = ["Comparing", "Differs", "Frozen"]

_ATOMS = frozenset((
    type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), range, torch.dtype, torch.device, torch.layout,
    torch.memory_format, types.CodeType, types.ModuleType, types.BuiltinFunctionType, types.MethodWrapperType,
))  # fmt: skip
#: What torch writes on objects for itself, or what a trace leaves on them; no program looks there.
_NOISE = frozenset(("_compiled_call_impl", "_forward_hooks_always_called", "_dynamo_mark", "__weakref__", "_tracer_graph_break"))


class Differs(NamedTuple):
    """`path`: of what; `plain` and `traced`: in words."""

    path: str
    plain: str
    traced: str


class _Part:
    __slots__ = ("kind", "number", "parts")

    def __init__(self, kind: str, number: int | None, parts: list[tuple[str, Any]]):
        self.kind, self.number, self.parts = kind, number, parts

    def __str__(self) -> str:
        return self.kind if self.number is None else f"{self.kind} (object {self.number})"


class _Data:
    """The items of a tensor, kept as they were."""

    __slots__ = ("values",)

    def __init__(self, values: torch.Tensor):
        self.values = values

    def __str__(self) -> str:
        flat = self.values.reshape(-1)
        return f"{flat[:6].tolist()}{'…' if flat.numel() > 6 else ''}"


class Frozen:
    """Values of one run, moment after moment: objects keep their numbers."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._alive: list[Any] = []
        self._met: set[int] = set()

    def freeze(self, named: dict[str, Any]) -> list[tuple[str, Any]]:
        """Parts by name."""
        self._met = set()
        with torch.no_grad(), plain_dispatch():
            return [(name, self._freeze(value)) for name, value in named.items()]

    def _number(self, key: Any, value: Any) -> int:
        if key not in self._numbers:
            self._alive.append(value)
            self._numbers[key] = len(self._numbers)
        return self._numbers[key]

    def _freeze(self, value: Any) -> Any:
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is torch.Size:
            return _Part("torch.Size", None, self._items(value))
        if isinstance(value, type):
            return _Part(f"class {value.__module__}.{value.__qualname__}", None, [])
        if issubclass(kind, enum.Enum):
            return _Part(f"{kind.__qualname__}.{value._name_}", None, [])
        if kind is types.MethodType:
            return _Part("method", None, [(".function", self._freeze(value.__func__)), (".self", self._freeze(value.__self__))])
        if kind is tuple or kind is frozenset:
            return _Part(kind.__qualname__, None, self._items(value if kind is tuple else sorted(value, key=repr)))
        number = self._number(id(value), value)
        if number in self._met:
            return _Part("the same object as before", number, [])
        self._met.add(number)
        return _Part(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."), number, list(self._describe(value, kind)))

    def _items(self, values: Any) -> list[tuple[str, Any]]:
        return [(f"[{n}]", self._freeze(one)) for n, one in enumerate(values)]

    def _describe(self, value: Any, kind: type) -> Iterator[tuple[str, Any]]:
        if isinstance(value, torch.Tensor):
            yield from self._tensor(value)
        elif kind is types.FunctionType:
            yield ".__code__", value.__code__
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
                yield f" closure {name}", self._freeze(_contents(cell))
            yield ".__defaults__", self._freeze(value.__defaults__)
        elif kind is types.CellType:
            yield ".contents", self._freeze(_contents(value))
        elif isinstance(value, torch.Generator):
            yield ".state", _Data(value.get_state())
        elif isinstance(value, random.Random):
            yield ".state", random.Random.getstate(value)
        elif isinstance(value, weakref.ref):
            yield ".referent", self._freeze(weakref.ref.__call__(value))
        elif isinstance(value, functools.partial):
            yield from ((".func", self._freeze(value.func)), (".args", self._freeze(value.args)), (".keywords", self._freeze(value.keywords)))
        elif _is_array(value):
            yield from ((".dtype", str(value.dtype)), (".shape", tuple(value.shape)), (".data", value.tobytes()))
        else:
            yield from self._held(value, kind)

    def _held(self, value: Any, kind: type) -> Iterator[tuple[str, Any]]:
        """Contents of a builtin's class, then attributes."""
        members: Any
        if isinstance(value, dict):
            members = collections.OrderedDict if isinstance(value, collections.OrderedDict) else dict
            for n, (key, one) in enumerate(members.items(value)):
                yield f".key[{n}]", self._freeze(key)
                yield f"[{key!r}]" if type(key) in (str, int) else f".value[{n}]", self._freeze(one)
        for members in (list, tuple, collections.deque):
            if isinstance(value, members):
                yield from self._items(members.__iter__(value))
        for members in (set, frozenset):
            if isinstance(value, members):
                yield from self._items(sorted(members.__iter__(value), key=_sorting))
        for base in (int, float, complex, str, bytes):
            if isinstance(value, base):
                yield ".value", base.__repr__(value)
        if isinstance(value, BaseException):
            yield ".args", self._freeze(value.args)
            yield ".notes", self._freeze(getattr(value, "__notes__", None))
        for name, one in _attributes(value, kind):
            if name not in _NOISE and not name.startswith("_dynamo"):
                yield f".{name}", self._freeze(one)

    def _tensor(self, tensor: torch.Tensor) -> Iterator[tuple[str, Any]]:
        for name in ("dtype", "device", "layout", "requires_grad", "is_leaf"):
            yield f".{name}", getattr(tensor, name)
        yield ".shape", tuple(tensor.shape)
        if tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_meta:
            yield ".stride", tuple(stride for stride, size in zip(tensor.stride(), tensor.shape) if size > 1)
            yield ".memory", _Part("memory", self._memory(tensor), [])
            yield ".data", _Data(tensor.detach().resolve_conj().resolve_neg().clone().contiguous().cpu())
        elif tensor.layout is not torch.strided:
            yield ".data", _Data(tensor.detach().to_dense().cpu())
        yield ".grad", self._freeze(tensor.grad if tensor.is_leaf else None)
        for name, one in (getattr(tensor, "__dict__", None) or {}).items():
            if not name.startswith("_dynamo"):
                yield f".{name}", self._freeze(one)

    def _memory(self, tensor: torch.Tensor) -> int:
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # a subclass over others
            return self._number(id(tensor), tensor)
        return self._number(("memory", storage._cdata), storage)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return "<empty cell>"


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "tobytes")


def _sorting(value: Any) -> str:
    return repr(value) if type(value) in _ATOMS else "~"


def _attributes(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    """`__dict__` in order, then slots, as C reads them."""
    try:
        yield from dict(object.__getattribute__(value, "__dict__")).items()
    except AttributeError:
        pass
    for owner in kind.__mro__:
        if owner.__module__ == "builtins":
            continue
        for name, member in owner.__dict__.items():
            if isinstance(member, types.MemberDescriptorType):
                try:
                    yield name, member.__get__(value)
                except AttributeError:
                    continue


# ---- two of them
class Comparing:
    """Two runs compared, moment after moment: an object of one is one object of the other throughout."""

    def __init__(self, tolerant: bool, most: int = 6):
        self.tolerant, self.most = tolerant, most
        self.found: list[Differs] = []
        self.pairs: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def moments(self, plain: list[tuple[str, Any]], traced: list[tuple[str, Any]]) -> list[Differs]:
        """Where they differ, the first few. Both have the same names."""
        self.found = []
        for (name, left), (_, right) in zip(plain, traced, strict=True):
            self.compare(name, left, right)
        return self.found

    def compare(self, path: str, plain: Any, traced: Any) -> None:
        if len(self.found) >= self.most:
            return
        if isinstance(plain, _Part) and isinstance(traced, _Part):
            self._parts(path, plain, traced)
        elif isinstance(plain, _Data) and isinstance(traced, _Data):
            if not _same(plain.values, traced.values, self.tolerant):
                self.found.append(Differs(path, *_differing(plain.values, traced.values)))
        elif type(plain) is not type(traced) or not _equal(plain, traced):
            self.found.append(Differs(path, _words(plain), _words(traced)))

    def _parts(self, path: str, plain: _Part, traced: _Part) -> None:
        if plain.kind != traced.kind:
            self.found.append(Differs(path, str(plain), str(traced)))
        elif plain.number is not None and traced.number is not None and not self._paired(plain.number, traced.number):
            what = "memory" if plain.kind == "memory" else "object"
            self.found.append(Differs(path, *self._known(plain.number, traced.number, what)))
        elif [name for name, _ in plain.parts] != [name for name, _ in traced.parts]:
            mine, theirs = ([name for name, _ in part.parts] for part in (plain, traced))
            only = [", ".join(n for n in one if n not in other) or f"in the order {', '.join(one[:8])}" for one, other in ((mine, theirs), (theirs, mine))]
            self.found.append(Differs(path, f"has {only[0]}", f"has {only[1]}"))
        else:
            for (name, one), (_, other) in zip(plain.parts, traced.parts):
                self.compare(path + name, one, other)

    def _paired(self, plain: int, traced: int) -> bool:
        return self.pairs[0].setdefault(plain, traced) == traced and self.pairs[1].setdefault(traced, plain) == plain

    def _known(self, plain: int, traced: int, what: str) -> tuple[str, str]:
        own = self.pairs[0].get(plain) != traced and plain in self.pairs[0]
        shared, apart = f"the {what} of something met before", f"{what} of its own, or of something else"
        return (shared, apart) if own else (apart, shared)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (one == other and math.copysign(1, one) == math.copysign(1, other))
    return one is other or bool(one == other)


def _same(one: torch.Tensor, other: torch.Tensor, tolerant: bool) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if tolerant and (one.is_floating_point() or one.is_complex()):
        try:
            torch.testing.assert_close(other, one, equal_nan=True)
            return True
        except AssertionError:
            return False
    if one.is_quantized:
        return torch.equal(one, other)
    return torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8)) if one.numel() else True


def _differing(one: torch.Tensor, other: torch.Tensor) -> tuple[str, str]:
    """The first item that differs, on both sides, and how many do."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return str(_Data(one)), str(_Data(other))
    flat, others = one.reshape(-1), other.reshape(-1)
    apart = (flat != others) & ~((flat != flat) & (others != others))
    count = int(apart.sum())
    if not count:
        return "zeros of one sign, or NaN of one kind", "of another"
    at = int(apart.nonzero()[0])
    more = f", and {count - 1:,} of {flat.numel():,} more differ" if count > 1 else ""
    return f"{flat[at].item()!r} in item {at}", f"{others[at].item()!r}{more}"


def _words(value: Any) -> str:
    text = str(value) if isinstance(value, _Part | _Data) else repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
