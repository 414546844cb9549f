"""What the tests of guards share: sources by name, a verdict that asks both evaluators, objects that tell on whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracer.guards import Guard, Lowered, lower
from tracer.sources import Roots, Source


def frame(x, y=None, z=None):  # the locals that these tests guard
    return x


def local(name: str) -> Source:
    return Source(None, "local", name, name)


def pinned(value: Any) -> Source:
    return Source(None, "pinned", value, getattr(value, "__name__", type(value).__name__))


def lowered(*guards: Guard, **locals: Any) -> Lowered:
    return lower(guards, code=frame.__code__, roots=Roots(locals))


def verdict(entry: Lowered, **locals: Any) -> bool:
    """What C++ says; fails if Python says otherwise, or if asking twice changes the answer."""
    for _ in range(2):
        armed.append(True)
        try:
            compiled = entry.check(locals)
            found = entry.failures(Roots(locals))
        finally:
            armed.pop()
        assert compiled == (not found), (compiled, found)
        for failure in found:
            assert failure.guard.expression and failure.seen
    return compiled


def seen(entry: Lowered, **locals: Any) -> list[str]:
    return [f"{f.guard.expression} <- {f.seen}" for f in entry.failures(Roots(locals))]


class Called(Exception):
    """User code ran."""


#: What hostile objects were asked for while guards were being checked.
calls: list[str] = []
#: Whether that counts now; pytest's own questions don't.
armed: list[bool] = []


def _tells(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if armed:
            calls.append(name)
        elif name in ("repr", "str"):
            return "<hostile>"
        raise Called(name)

    return method


class HostileMeta(type):
    __eq__ = _tells("meta.__eq__")
    __hash__ = type.__hash__
    __instancecheck__ = _tells("meta.__instancecheck__")
    __getattr__ = _tells("meta.__getattr__")

    @property
    def __name__(cls):
        if not armed:
            return "Hostile"
        calls.append("meta.__name__")
        raise Called("meta.__name__")


_OPERATIONS = (
    "eq ne hash len bool iter contains getitem missing getattr repr str call index int float lt reduce length_hint dir"
)


class Hostile(metaclass=HostileMeta):
    """Raises on nearly every operation, and notes it."""

    @property
    def __class__(self):
        if not armed:
            return type(self)
        calls.append("__class__")
        raise Called("__class__")

    @property
    def __code__(self):
        if armed:
            calls.append("__code__")
        raise Called("__code__")

    cell_contents = __closure__ = shape = dtype = grad = slot = __code__


for _name in _OPERATIONS.split():
    type.__setattr__(Hostile, f"__{_name}__", _tells(_name))


def hostile_variants() -> list[Any]:
    """Hostile objects that also are lists, dicts, tuples, strings, numbers or tensors."""
    import torch

    found = [object.__new__(Hostile)]
    for base in (dict, list, tuple, str, int, float, bytes, set, frozenset):
        cls = type.__call__(HostileMeta, f"Hostile{base.__name__}", (Hostile, base), {})
        found.append(base.__new__(cls))
    body = {f"__{n}__": getattr_of(n) for n in _OPERATIONS.split() if n not in ("hash", "getattr", "dir")}
    body["__torch_function__"] = classmethod(_tells("__torch_function__"))
    found.append(torch.ones(2).as_subclass(type("HostileTensor", (torch.Tensor,), body)))
    return found


def getattr_of(name: str) -> Callable[..., Any]:
    return Hostile.__dict__[f"__{name}__"]
