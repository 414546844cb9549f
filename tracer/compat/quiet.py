"""Python code that torch's C++ calls where no exception may leave: the process would end.

In: nothing; importing this changes torch's function in place, since C++ keeps the function. Out: nothing that an operator gives changes,
but an interrupt that waits there leaves a moment later, in code that may raise. No instruction of what is put in looks for signals: not
the first one (`unasked`), and there is no call and no jump backwards.
"""

from __future__ import annotations

from typing import Any

from torch._library import simple_registry

from .evalframe import opaque, unasked

__all__ = ["QUIET"]


def _rule(op: Any, torch_dispatch_class: type) -> Any:
    # In torch's module: its globals. Who was never asked about has no rules.
    try:
        return singleton._data[op.__qualname__].torch_dispatch_rules._data[torch_dispatch_class]  # type: ignore[name-defined] # noqa: F821
    except KeyError:
        return None


def _as_known() -> bool:
    """Whether torch keeps the rules of an operator as `_rule` reads them."""
    find = getattr(simple_registry, "find_torch_dispatch_rule", None)
    code = getattr(find, "__code__", None)
    if code is None or code.co_varnames[: code.co_argcount] != ("op", "torch_dispatch_class") or find.__closure__:
        return False
    registry = simple_registry.SimpleLibraryRegistry()
    rules = registry.find("tracer::probe").torch_dispatch_rules
    rules.register(int, len)
    held = registry._data["tracer::probe"].torch_dispatch_rules._data
    return type(simple_registry.singleton) is type(registry) and type(registry._data) is type(held) is dict and held == {int: len}


#: Each operator on a fake tensor, or under a dispatch mode, asks whether its class has a rule for the operator.
QUIET: bool = _as_known()
if QUIET:
    simple_registry.find_torch_dispatch_rule.__code__ = unasked(_rule).__code__
    opaque(simple_registry.find_torch_dispatch_rule)
