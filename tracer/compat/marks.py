"""What torch's markers leave behind: dimensions marked on tensors, disabled functions, functions allowed in the graph.

Everything is read without importing `torch._dynamo`: while it isn't loaded nobody can have used its markers
(`nonstrict_trace`, which marks, loads it).
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any, NamedTuple

import torch

__all__ = [
    "DimMarks",
    "dims_marked",
    "disable",
    "disable_message",
    "disables_callees",
    "is_allowed_in_graph",
    "is_compiled_wrapper",
    "is_compiling_query",
    "is_disabled",
    "is_disallowed_in_graph",
    "is_forbidden",
    "is_graph_break",
    "is_nested_region",
    "is_nonstrict_traceable",
    "late_marks",
    "nonstrict_trace",
    "nonrecursive_disable_code",
    "original_callable",
    "region_call",
]


def _dynamo(module: str) -> Any:
    return sys.modules.get(f"torch._dynamo.{module}")


# --- tensors ----------------------------------------------------------------------------------------------------------


class DimMarks(NamedTuple):
    """What mark_dynamic, maybe_mark_dynamic, mark_unbacked and mark_static said about a tensor's dimensions.

    ranges: dimension → (least, most), None where open. static_address: mark_static_address was used.
    """

    dynamic: frozenset[int] = frozenset()
    maybe_dynamic: frozenset[int] = frozenset()
    unbacked: frozenset[int] = frozenset()
    static: frozenset[int] = frozenset()
    ranges: dict[int, tuple[int | None, int | None]] = {}
    hints: dict[int, int] = {}
    static_address: bool = False


_UNMARKED = DimMarks()
_MARKS = {
    "dynamic": "_dynamo_dynamic_indices",
    "maybe_dynamic": "_dynamo_weak_dynamic_indices",
    "unbacked": "_dynamo_unbacked_indices",
    "static": "_dynamo_static_indices",
}


def dims_marked(tensor: torch.Tensor) -> DimMarks:
    """The marks on `tensor`. Read from its instance dictionary: a subclass's `__getattr__` doesn't run.

    >>> x = torch.ones(4, 3); dims_marked(x).dynamic
    frozenset()
    """
    try:
        own = object.__getattribute__(tensor, "__dict__")
    except AttributeError:
        return _UNMARKED
    if not own:
        return _UNMARKED
    found: dict[str, Any] = {name: frozenset(own[key]) for name, key in _MARKS.items() if own.get(key)}
    if own.get("_dynamo_dynamic_range"):
        found["ranges"] = {each.dim: (each.min, each.max) for each in own["_dynamo_dynamic_range"]}
    if own.get("_dynamo_hint_overrides"):
        found["hints"] = dict(own["_dynamo_hint_overrides"])
    if "_dynamo_static_input_type" in own:
        found["static_address"] = True
    return DimMarks(**found) if found else _UNMARKED


# --- functions --------------------------------------------------------------------------------------------------------


def _own(function: Any, name: str, default: Any = None) -> Any:
    """An attribute that a marker put on a function, method, partial or class; never a property of an instance."""
    function = getattr(function, "__func__", function) if isinstance(function, types.MethodType) else function
    try:
        return object.__getattribute__(function, "__dict__").get(name, default)
    except AttributeError:
        return default


def is_disabled(function: Any) -> bool:
    """Whether `function` is the wrapper of torch.compiler.disable, torch._dynamo.skip or tracer.disable."""
    return bool(_own(function, "_torchdynamo_disable", False))


def disables_callees(function: Any) -> bool:
    """Whether a disabled function's callees run untraced too (the default)."""
    return bool(_own(function, "_torchdynamo_disable_recursive", True))


def disable_message(function: Any) -> str | None:
    """The reason given to torch.compiler.disable(reason=…)."""
    return _own(function, "_torchdynamo_disable_msg")


@functools.cache
def _late() -> types.CodeType | None:
    """The code of functions that torch leaves to Python, and marks so the first time that they are called."""
    made = getattr(torch, "_disable_dynamo", None)
    return made(lambda: None).__code__ if made is not None else None


def late_marks(function: types.FunctionType) -> dict[str, Any] | None:
    """The attributes of the function of torch's that `function` stands for, where torch writes there at its first call; else None."""
    code = function.__code__
    if code is not _late() or "fn" not in code.co_freevars or not function.__closure__:
        return None
    marked = function.__closure__[code.co_freevars.index("fn")].cell_contents
    return marked.__dict__ if isinstance(marked, types.FunctionType) else None


def original_callable(function: Any) -> Any:
    """What a wrapper of torch.compile, torch.compiler.disable or tracer.compile wraps; `function` itself otherwise.

    `_torchdynamo_inline` is what a compiler inlines in place of the wrapper; it comes first.
    """
    for name in ("_torchdynamo_inline", "_torchdynamo_orig_callable"):
        original = _own(function, name)
        if original is not None:
            return original
    return function


def is_compiled_wrapper(function: Any) -> bool:
    """Whether `function` is what torch.compile returned for a function, or an OptimizedModule."""
    if is_disabled(function):
        return False
    frames = _dynamo("eval_frame")
    if frames is not None and isinstance(function, frames.OptimizedModule):
        return True
    return _own(function, "_torchdynamo_orig_callable") is not None


def is_graph_break(function: Any) -> bool:
    """Whether `function` is torch._dynamo.graph_break (or skip_frame, step_unsupported, which break here as well)."""
    decorators = _dynamo("decorators")
    return decorators is not None and any(
        function is getattr(decorators, name, None) for name in ("graph_break", "skip_frame", "step_unsupported")
    )


def is_allowed_in_graph(function: Any) -> bool:
    """Whether torch.compiler.allow_in_graph was used on `function`."""
    rules = _dynamo("trace_rules")
    return rules is not None and id(function) in _ids(rules, "_allowed_callable_ids")


def nonstrict_trace(function: Any) -> Any:
    """torch's own mark; public since 2.14."""
    public = getattr(torch.compiler, "nonstrict_trace", None)
    return (public or importlib.import_module("torch._dynamo").nonstrict_trace)(function)


def is_nonstrict_traceable(function: Any) -> bool:
    """Whether torch._dynamo.nonstrict_trace was used on `function`."""
    rules = _dynamo("trace_rules")
    return rules is not None and id(function) in _ids(rules, "_nonstrict_trace_callable_ids")


def is_disallowed_in_graph(function: Any) -> bool:
    """Whether torch._dynamo.disallow_in_graph was used on `function`."""
    rules = _dynamo("trace_rules")
    return rules is not None and id(function) in _ids(rules, "_disallowed_callable_ids")


def _ids(rules: Any, name: str) -> Any:
    holder = getattr(rules, name, None)
    if holder is None:
        return ()
    return holder() if callable(holder) else holder


def is_forbidden(function: Any) -> bool:
    """Whether calling `function` in traced code is an error (torch._dynamo.forbid_in_graph: mark_dynamic, …)."""
    return bool(_own(function, "_dynamo_forbidden", False))


def is_nested_region(function: Any) -> bool:
    """Whether torch.compiler.nested_compile_region wraps `function`."""
    return _own(function, "__marked_compile_region_fn__") is not None


def region_call() -> Any:
    """What the wrapper of torch.compiler.nested_compile_region calls, with the function and its arguments."""
    return sys.modules["torch._higher_order_ops.invoke_subgraph"].invoke_subgraph_placeholder


_COMPILING = tuple(
    function
    for function in (
        getattr(torch.compiler, "is_compiling", None),
        getattr(torch.compiler, "is_dynamo_compiling", None),
        getattr(getattr(torch, "_utils", None), "is_compiling", None),
    )
    if function is not None
)


def is_compiling_query(function: Any) -> bool:
    """Whether `function` asks "am I being compiled?": is True while tracing, here as under torch.compile."""
    return any(function is each for each in _COMPILING)


def bookkeeping() -> tuple[Any, ...]:
    """Functions that torch.compile, once used, makes every `nn.Module` constructor call, for its own purposes."""
    from torch._dynamo import mutation_guard

    tag = getattr(getattr(mutation_guard, "GenerationTracker", None), "tag", None)
    return () if tag is None else (tag.__func__,)


def disable(function: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """torch.compiler.disable: turns every hook off for the call, so that it means the same under torch.compile."""
    return torch.compiler.disable(function, recursive=recursive, **({"reason": reason} if reason else {}))


def nonrecursive_disable_code() -> types.CodeType | None:
    """The code of the wrapper that torch.compiler.disable(recursive=False) makes."""
    decorators = _dynamo("decorators")
    return getattr(decorators, "_nonrecursive_disable_wrapper_code", None) if decorators else None
