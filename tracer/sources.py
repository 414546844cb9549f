"""Where a value was found, as data: enough to read it again, to guard it and to name it to a person.

A source is a node of an interned tree: a root (a local, a namespace, a pinned object) and the steps that lead from it
to the value. Two sources are equal exactly when they are the same object, so they serve as keys of the tables that a
roll-back truncates. Nothing here reads the program's state but `Source.read`, and that reads as CPython's C accessors
do: no property, no `__getattr__`, no user code runs.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping
from typing import Any

from .compat.arrays import tensor_of
from .iterated import parts

__all__ = ["STEPS", "Roots", "Source", "Step"]

_instance_dict = types.GetSetDescriptorType


def _shown(key: Any) -> str:
    """A key as it is written; of an object that has no such form, its class: its own `__repr__` is the program's."""
    cls = type(key)
    if isinstance(key, enum.Enum):
        return f"{cls.__name__}.{key._name_}"
    return repr(key) if cls in _WRITTEN or isinstance(key, type) or (cls.__module__, cls.__name__) in _TORCH else f"<{cls.__name__}>"


_WRITTEN = frozenset({bool, int, float, complex, str, bytes, type(None), tuple, frozenset})
_TORCH = frozenset({("torch", "dtype"), ("torch", "device")})


class Step:
    """How one kind of step is read and written down. `read(parent, key)`; `text(parent_text, key)` is Python."""

    __slots__ = ("read", "text")

    def __init__(self, read: Callable[[Any, Any], Any], text: Callable[[str, Any], str]):
        self.read, self.text = read, text


def _read_attr(owner: Any, name: str) -> Any:
    return (type if isinstance(owner, type) else object).__getattribute__(owner, name)


def _read_dict(owner: Any, _key: Any) -> Any:
    if isinstance(owner, type):
        return type.__dict__["__dict__"].__get__(owner)
    return object.__getattribute__(owner, "__dict__")


def _read_item(owner: Any, key: Any) -> Any:
    if isinstance(owner, dict):
        if not dict.__contains__(owner, key):  # `dict.__getitem__` would ask the class's `__missing__`
            raise KeyError(key)
        return dict.__getitem__(owner, key)
    if isinstance(owner, list):
        return list.__getitem__(owner, key)
    if isinstance(owner, tuple):
        return tuple.__getitem__(owner, key)
    return owner[key]


#: Every kind of step below a root. Guards lower each kind to one C++ accessor (`guards/accessors.py`).
STEPS: dict[str, Step] = {
    "attr": Step(_read_attr, lambda p, name: f"{p}.{name}"),
    "dict": Step(_read_dict, lambda p, _: f"{p}.__dict__"),
    "item": Step(_read_item, lambda p, key: f"{p}[{_shown(key)}]"),
    "key": Step(lambda owner, index: list(dict.keys(owner))[index], lambda p, index: f"list({p})[{index}]"),
    "type": Step(lambda owner, _: type(owner), lambda p, _: f"type({p})"),
    "closure": Step(lambda owner, index: owner.__closure__[index], lambda p, index: f"{p}.__closure__[{index}]"),
    "contents": Step(lambda owner, _: owner.cell_contents, lambda p, _: f"{p}.cell_contents"),
    "iterated": Step(
        lambda owner, index: parts(owner)[index], lambda p, index: f"iterated({p})" + (f"[{index}]" if index else "")
    ),
    "deref": Step(lambda owner, _: owner(), lambda p, _: f"{p}()"),
    "context": Step(lambda owner, _: owner.get(), lambda p, _: f"{p}.get()"),
    "array": Step(lambda owner, _: tensor_of(owner), lambda p, _: f"torch.from_numpy({p})"),
}


class Roots:
    """What the roots of sources mean for one frame: its locals (cells read through) by name."""

    __slots__ = ("locals",)

    def __init__(self, locals: Mapping[str, Any]):
        self.locals = locals


#: How `Source.children` has the step to a `__dict__`.
_DICT = ("dict", None, type(None))


class Source:
    """One interned node. Roots: `local(name)`, `namespace(dict)`, `pinned(object)`; steps: the methods below."""

    __slots__ = ("base", "children", "depth", "key", "kind", "label", "_text")

    def __init__(self, base: Source | None, kind: str, key: Any, label: str = ""):
        self.base, self.kind, self.key, self.label = base, kind, key, label
        self.children: dict[tuple[str, Any, type], Source] | None = None
        self.depth = 0 if base is None else base.depth + 1
        self._text: str | None = None

    def step(self, kind: str, key: Any = None) -> Source:
        """The child reached by one step; the same child each time (keys of differing types never meet: 1 is not True)."""
        children = self.children
        if children is None:
            children = self.children = {}
        handle = (kind, key, type(key))
        child = children.get(handle)
        if child is None:
            child = children[handle] = Source(self, kind, key)
        return child

    def attr(self, name: str) -> Source:
        return self.step("attr", name)

    def dict(self) -> Source:
        """The instance's or the class's own `__dict__`."""
        known = self.children.get(_DICT) if self.children else None  # asked most often, with `item`: most are known
        return known or self.step("dict")

    def item(self, key: Any) -> Source:
        """The entry of a list, tuple or dict under a constant key, read without user overrides."""
        known = self.children.get(("item", key, type(key))) if self.children else None
        return known or self.step("item", key)

    def nth_key(self, index: int) -> Source:
        return self.step("key", index)

    def type(self) -> Source:
        return self.step("type")

    def closure(self, index: int) -> Source:
        """The cell object itself; `.contents()` is what it holds."""
        return self.step("closure", index)

    def contents(self) -> Source:
        return self.step("contents")

    def iterated(self, index: int = 0) -> Source:
        """What an iterator goes over (see `tracer.iterated`)."""
        return self.step("iterated", index)

    def deref(self) -> Source:
        """What a weak reference points at."""
        return self.step("deref")

    def array(self) -> Source:
        """The tensor in the memory of an array of NumPy's."""
        return self.step("array")

    @property
    def root(self) -> Source:
        node = self
        while node.base is not None:
            node = node.base
        return node

    @property
    def global_name(self) -> str:
        """The name of the program's global through which this is found; "" for what is found otherwise."""
        node = self
        while node.base is not None and node.base.base is not None:
            node = node.base
        named = node.base is not None and node.base.kind == "namespace" and node.kind == "item"
        return node.text if named and node.text == node.key else ""

    def read(self, roots: Roots) -> Any:
        """The value that is there now. Raises what the access raises (KeyError, AttributeError, IndexError, …)."""
        if self.base is None:
            return roots.locals[self.key] if self.kind == "local" else self.key
        return STEPS[self.kind].read(self.base.read(roots), self.key)

    @property
    def text(self) -> str:
        """How a person would write it: `self.layers[0].weight`; private steps are folded where Python's own lookup hides them."""
        if self._text is None:
            self._text = self._spell()
        return self._text

    def _spell(self) -> str:
        if self.base is None:
            return self.label or str(self.key)
        if self.kind == "item" and isinstance(self.key, str):
            holder = self.base
            if holder.kind == "dict" and holder.base is not None:
                return f"{holder.base.text}.{self.key}"
            if holder.kind == "namespace":
                module = holder.label.removeprefix("globals of ")
                return f"{module}.{self.key}" if module.partition(".")[0] == "torch" else self.key
            if (
                holder.kind == "item"
                and holder.key in ("_parameters", "_buffers", "_modules")
                and holder.base is not None
                and holder.base.kind == "dict"
            ):
                owner = holder.base.base
                assert owner is not None
                return f"{owner.text}.{self.key}" if not self.key.isdigit() else f"{owner.text}[{self.key}]"
        if self.kind == "item" and self.label:
            return f"{self.base.text}[{self.label}]"
        if self.kind == "contents" and self.base.kind == "closure" and self.base.label:
            return self.base.label
        return STEPS[self.kind].text(self.base.text, self.key)

    def __repr__(self) -> str:
        return self.text
