"""What a program left behind, as plain data that two runs can be compared by.

In: live objects. Out: `Node` trees in which every object that has an identity carries the number of its first visit in
that run, so that two trees are equal exactly when values, types, order and aliasing are. Nothing here runs user code:
no `__eq__`, `__repr__`, property or `__getattr__` of a user's class is called.
"""

from __future__ import annotations

import collections
import enum
import functools
import inspect
import itertools
import math
import random
import re
import types
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["Differ", "Node", "Numbering"]

ATOMS = (int, float, complex, bool, str, bytes, type(None), type(Ellipsis), type(NotImplemented), torch.dtype)
ATOMS += (torch.device, torch.layout, torch.memory_format, re.Pattern, types.CodeType, types.ModuleType)
NAMED = (types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType, types.MemberDescriptorType)
NAMED += (types.GetSetDescriptorType, types.ClassMethodDescriptorType)
ITERATORS = tuple(type(i) for i in (iter([]), iter(()), iter({}), iter({}.values()), iter({}.items()), iter(range(0))))
ITERATORS += (type(iter("")), type(iter(set())), type(reversed([])), enumerate, zip, map, filter, itertools.count)
ITERATORS += (itertools.chain, itertools.islice, itertools.cycle, itertools.repeat, itertools.product)
OPAQUE = (torch._ops.OpOverload, torch._ops.OpOverloadPacket, torch._library.custom_ops.CustomOpDef)
NOISE = {"__weakref__", "__dict__", "__doc__", "__module__", "__qualname__", "_abc_impl", "__annotations__"}
NOISE |= {
    "__static_attributes__",
    "__firstlineno__",
    "__match_args__",
    "__abstractmethods__",
    "_compiled_call_impl",
    "_is_torch_compile",
}
MINTS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Node:
    """One object: what it is, its number where identity counts, its parts in order."""

    __slots__ = ("kind", "number", "parts")

    def __init__(self, kind: str, number: int | None, parts: list[tuple[str, Any]] | None):
        self.kind, self.number, self.parts = kind, number, parts

    def __repr__(self) -> str:
        inner = ", ".join(f"{k}={v!r}" for k, v in (self.parts or [])[:4])
        number = "" if self.number is None else f"#{self.number}"
        return f"<{self.kind}{number} {inner}>"[:300]


class Data:
    """A tensor's or array's contents, cloned; compared bit by bit (every NaN is equal to every NaN) or closely."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: torch.Tensor):
        self.tensor = tensor

    def same(self, other: Data, tolerance: float | None) -> bool:
        left, right = self.tensor, other.tensor
        if left.dtype != right.dtype or left.shape != right.shape:
            return False
        if tolerance is not None and (left.is_floating_point() or left.is_complex()):
            return torch.allclose(left, right, rtol=tolerance, atol=tolerance, equal_nan=True)
        if left.is_complex():
            left, right = torch.view_as_real(left), torch.view_as_real(right)
        if not left.is_floating_point():
            return torch.equal(left, right)
        nan, other_nan = left.to(torch.float64).isnan(), right.to(torch.float64).isnan()
        bits = MINTS[left.element_size()]
        return torch.equal(nan, other_nan) and bool(((left.view(bits) == right.view(bits)) | nan).all())

    def __repr__(self) -> str:
        return " ".join(repr(self.tensor).split())[:200]


def is_user(thing: Any) -> bool:
    """Defined by a program under test, so that its own state is compared too."""
    module = getattr(thing, "__module__", None) or ""
    if module in ("tests.differential", "tests.snapshots"):
        return False
    return module.startswith("tests.") or module in ("tests", "__main__", "__generated__")


def is_plain(value: Any) -> bool:
    """An immutable container of atoms and classes: whether it is made anew or kept is nobody's business."""
    immutable = type(value) in (tuple, torch.Size, frozenset)
    return immutable and all(type(v) in ATOMS or isinstance(v, type) or is_plain(v) for v in value)


class Numbering:
    """The identities of one run. Everything numbered is kept alive, so that an id never means two objects."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []
        self._seen: set[int] = set()

    def number(self, value: Any) -> int:
        if id(value) not in self._numbers:
            self._alive.append(value)
            self._numbers[id(value)] = len(self._numbers)
        return self._numbers[id(value)]

    def snapshot(self, value: Any) -> Any:
        """`value` and all that it reaches, as it is now."""
        self._seen = set()
        with torch.no_grad(), torch._C.DisableTorchFunction(), _disable_current_modes():
            return self.freeze(value)

    def freeze(self, value: Any) -> Any:
        kind = type(value)
        if kind in ATOMS or isinstance(value, (types.CodeType, types.ModuleType)):
            return value
        if kind is types.MethodType:
            return Node("method", None, self.parts(func=value.__func__, bound=value.__self__))
        if isinstance(value, NAMED):
            owner = getattr(value, "__self__", None)
            owner = None if isinstance(owner, types.ModuleType) else owner
            return Node(f"builtin {value.__qualname__}", None, self.parts(bound=owner))
        if isinstance(value, OPAQUE):
            return Node(f"{kind.__name__} {value}", None, None)
        if isinstance(value, type) and not is_user(value):
            return Node(f"class {value.__module__}.{value.__qualname__}", id(value), None)
        if kind is types.FunctionType and not is_user(value):
            return Node(f"function {value.__module__}.{value.__qualname__}", None, None)
        if isinstance(value, np.generic):  # immutable, and made anew by whatever computes one
            return Node(f"{kind.__module__}.{kind.__qualname__}", None, [(".item", value.item())])
        if is_plain(value):
            parts = sorted(value, key=repr) if kind is frozenset else value
            return Node(kind.__qualname__, None, self.items(parts))
        number = self.number(value)
        if number in self._seen:
            return Node("same object as before", number, None)
        self._seen.add(number)
        return Node(*self.describe(value, kind, number))

    def parts(self, **named: Any) -> list[tuple[str, Any]]:
        return [(f".{name}", self.freeze(part)) for name, part in named.items()]

    def items(self, values: Any) -> list[tuple[str, Any]]:
        return [(f"[{i}]", self.freeze(v)) for i, v in enumerate(values)]

    def entries(self, mapping: dict) -> list[tuple[str, Any]]:
        out: list[tuple[str, Any]] = []
        for i, (key, value) in enumerate((collections.OrderedDict if isinstance(mapping, collections.OrderedDict) else dict).items(mapping)):
            out.append((f".key[{i}]", self.freeze(key)))
            out.append((f"[{key!r}]" if type(key) in (str, int) else f".value[{i}]", self.freeze(value)))
        return out

    def describe(self, value: Any, kind: type, number: int) -> tuple[str, int, list[tuple[str, Any]] | None]:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if isinstance(value, torch.Tensor):
            return name, number, self.tensor(value)
        if isinstance(value, type):
            members = {k: v for k, v in type.__dict__["__dict__"].__get__(value).items() if k not in NOISE}
            return f"class {value.__qualname__}", number, [*self.parts(bases=value.__bases__), *self.entries(members)]
        if isinstance(value, enum.Enum):
            return f"{name}.{value._name_}", number, None
        if isinstance(value, BaseException):
            return name, number, self.exception(value)
        special = self.special(value, kind)
        return name, number, special if special is not None else self.object(value, kind)

    def special(self, value: Any, kind: type) -> list[tuple[str, Any]] | None:
        """Types whose state is not in a `__dict__`."""
        if kind is types.FunctionType:
            return self.function(value)
        if kind is types.CellType:
            return self.parts(contents=value.cell_contents) if cell_is_set(value) else [(".empty", True)]
        if isinstance(value, np.ndarray):
            return [
                (".dtype", str(value.dtype)),
                (".strides", tuple(stride for stride, size in zip(value.strides, value.shape, strict=True) if size > 1)),
                (".writeable", value.flags.writeable),
                (".data", Data(torch.tensor(value.copy()))),
            ]
        if isinstance(value, (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)):
            state = inspect.getgeneratorstate(value) if isinstance(value, types.GeneratorType) else "?"
            return [(".name", value.__qualname__), (".state", state)]
        if kind in ITERATORS:
            return self.items(value.__reduce__())
        if isinstance(value, weakref.ref):
            return self.parts(referent=weakref.ref.__call__(value))
        if isinstance(value, (range, slice)):
            return self.parts(start=value.start, stop=value.stop, step=value.step)
        if isinstance(value, (property, functools.cached_property)):
            return self.parts(getter=getattr(value, "fget", None) or getattr(value, "func", None))
        if isinstance(value, (classmethod, staticmethod)):
            return self.parts(func=value.__func__)
        if isinstance(value, functools.partial):
            return self.parts(func=value.func, args=value.args, keywords=value.keywords)
        if isinstance(value, types.MappingProxyType):
            return self.entries(dict(value))
        if isinstance(value, (type({}.keys()), type({}.values()), type({}.items()))):
            return self.items(list(value))
        if isinstance(value, torch.Generator):
            return [(".state", Data(value.get_state()))]
        if isinstance(value, random.Random):
            return [(".state", random.Random.getstate(value))]
        if isinstance(value, torch.utils.hooks.RemovableHandle):
            return []
        return None

    def object(self, value: Any, kind: type) -> list[tuple[str, Any]]:
        parts = self.parts(type=kind) if is_user(kind) else []
        if isinstance(value, dict):
            parts += self.entries(value)
            parts += self.parts(factory=value.default_factory) if isinstance(value, collections.defaultdict) else []
        elif isinstance(value, list):
            parts += self.items(list.__iter__(value))
        elif isinstance(value, tuple):
            parts += self.items(tuple.__iter__(value))
        elif isinstance(value, (set, frozenset)):
            iterate = set.__iter__ if isinstance(value, set) else frozenset.__iter__
            parts += self.items(sorted(iterate(value), key=lambda v: repr(v) if type(v) in ATOMS else "~"))
        elif isinstance(value, collections.deque):
            parts += [*self.items(collections.deque.__iter__(value)), (".maxlen", value.maxlen)]
        elif isinstance(value, (int, float, str, bytes, complex)):
            base = next(b for b in (int, float, str, bytes, complex) if isinstance(value, b))
            parts.append((".value", base.__str__(value) if base is str else base.__repr__(value)))
        for name, attribute in instance_state(value):
            if name in NOISE:
                continue
            if isinstance(value, torch.nn.Module) and name.startswith("_") and "hooks" in name:
                attribute = list(attribute.values()) if isinstance(attribute, dict) else attribute
            parts.append((f".{name}", self.freeze(attribute)))
        return parts

    def function(self, fn: types.FunctionType) -> list[tuple[str, Any]]:
        parts = self.parts(
            code=fn.__code__, defaults=fn.__defaults__, kwdefaults=fn.__kwdefaults__, name=fn.__name__, dict=fn.__dict__
        )
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or ()):
            parts.append((f" closure {name}", self.freeze(cell)))
        for name in sorted(global_names(fn.__code__)):
            if name in fn.__globals__:
                parts.append((f" global {name}", self.freeze(fn.__globals__[name])))
        return parts

    def exception(self, error: BaseException) -> list[tuple[str, Any]]:
        parts = self.parts(args=error.args, notes=getattr(error, "__notes__", None))
        if is_user(type(error)):
            parts += [(f".{k}", self.freeze(v)) for k, v in instance_state(error)]
        else:
            parts.append((".text", error_text(error)))
        if isinstance(error, BaseExceptionGroup):
            parts += self.parts(exceptions=error.exceptions)
        context = None if error.__suppress_context__ else error.__context__
        return parts + self.parts(cause=error.__cause__, context=context, suppress=error.__suppress_context__)

    def tensor(self, t: torch.Tensor) -> list[tuple[str, Any]]:
        parts = [(f".{n}", getattr(t, n)) for n in ("dtype", "device", "layout", "requires_grad", "is_leaf")]
        parts += self.parts(shape=tuple(t.shape))
        if t.layout is torch.strided and not t.is_nested:
            parts += self.parts(stride=t.stride(), offset=t.storage_offset())
            parts += [(".conj", t.is_conj()), (".neg", t.is_neg()), (".inference", t.is_inference())]
        parts.append((".grad_fn", type(t.grad_fn).__name__))
        if not t.is_inference():
            parts.append((".version", t._version))
        if hasattr(type(t), "__tensor_flatten__"):
            names, context = t.__tensor_flatten__()
            return parts + self.parts(context=context, **{n: getattr(t, n) for n in names})
        if t.layout is torch.strided and not t.is_nested and t.device.type == "cpu":
            parts.append((".storage", Node("storage", self.storage(t), None)))
            parts += self.parts(base=t._base)
            data = t.detach().resolve_conj().resolve_neg().clone().contiguous()
            parts.append((".data", Data(data.as_subclass(torch.Tensor))))
        elif t.layout is not torch.strided:
            parts.append((".data", Data(t.detach().to_dense())))
        parts += self.parts(grad=t.grad if t.is_leaf else None)
        attributes = (getattr(t, "__dict__", None) or {}).items()
        return parts + [(f".{k}", self.freeze(v)) for k, v in attributes if not k.startswith("_dynamo")]

    def storage(self, t: torch.Tensor) -> int:
        storage = t.untyped_storage()
        key = ("storage", storage._cdata)
        if key not in self._numbers:
            self._alive.append(storage)
            self._numbers[key] = len(self._numbers)
        return self._numbers[key]


def cell_is_set(cell: types.CellType) -> bool:
    try:
        cell.cell_contents
    except ValueError:
        return False
    return True


def error_text(error: BaseException) -> str:
    """The message without what differs from run to run by nature: addresses."""
    return re.sub(r"0x[0-9a-f]+", "0x…", str(error))


def global_names(code: types.CodeType) -> set[str]:
    nested = [global_names(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*nested)


def instance_state(value: Any) -> Iterator[tuple[str, Any]]:
    """`__dict__` in order, then slots, read as the C accessors do."""
    try:
        yield from dict(object.__getattribute__(value, "__dict__")).items()
    except AttributeError:
        pass
    for owner in type(value).__mro__:
        for name, member in owner.__dict__.items():
            if isinstance(member, types.MemberDescriptorType) and is_user(owner):
                try:
                    yield name, member.__get__(value)
                except AttributeError:
                    continue


class Differ:
    """Compares two snapshots; `ignore` names parts that this comparison does not hold against either."""

    def __init__(self, tolerance: float | None = None, ignore: frozenset[str] = frozenset(), limit: int = 6):
        self.tolerance, self.ignore, self.limit = tolerance, ignore, limit
        self.found: list[str] = []
        self.pairs: tuple[dict, dict] = ({}, {})  # which object of one run plays which one of the other

    def compare(self, path: str, left: Any, right: Any) -> None:
        if len(self.found) >= self.limit:
            return
        if isinstance(left, Data) and isinstance(right, Data):
            if not left.same(right, self.tolerance):
                self.say(path, left, right)
        elif isinstance(left, Node) and isinstance(right, Node):
            self.nodes(path, left, right)
        elif type(left) is not type(right):
            self.say(f"{path} (type)", f"{type(left).__name__} {left!r}", f"{type(right).__name__} {right!r}")
        elif not equal_atoms(left, right):
            self.say(path, left, right)

    def nodes(self, path: str, left: Node, right: Node) -> None:
        if left.kind != right.kind:
            return self.say(f"{path} (kind or aliasing)", left, right)
        if not self.paired(left.number, right.number):
            return self.say(f"{path} (identity: not the same object as untraced)", left, right)
        ours, theirs = ([part for part in node.parts or () if part[0] not in self.ignore] for node in (left, right))
        names = [[name for name, _ in parts] for parts in (ours, theirs)]
        if names[0] != names[1]:
            only = [n for n in names[0] if n not in names[1]], [n for n in names[1] if n not in names[0]]
            if not only[0] and not only[1]:
                return self.say(f"{path} (order of parts)", names[0], names[1])
            return self.say(f"{path} (parts)", f"only here: {only[0]}", f"only here: {only[1]}")
        for (name, one), (_, other) in zip(ours, theirs):
            self.compare(path + name, one, other)

    def paired(self, left: int | None, right: int | None) -> bool:
        if left is None or right is None:
            return left is right
        return self.pairs[0].setdefault(left, right) == right and self.pairs[1].setdefault(right, left) == left

    def say(self, path: str, left: Any, right: Any) -> None:
        self.found.append(f"{path}\n    untraced: {str(left)[:600]}\n    traced:   {str(right)[:600]}")


def equal_atoms(left: Any, right: Any) -> bool:
    if isinstance(left, float):
        same_sign = math.copysign(1, left) == math.copysign(1, right)
        return (math.isnan(left) and math.isnan(right)) or (left == right and same_sign)
    return left is right or left == right
