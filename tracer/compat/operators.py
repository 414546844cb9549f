"""What an operator of torch does beside giving a result, by its own declaration.

In goes an overload, out comes what its schema, its tags and the registries of effects say: which arguments it writes to,
whether it draws random numbers, whether it is known to do nothing else. What nobody declared is unknown, not harmless: only
operators that torch itself defines are known. `_UNDECLARED` holds the few whose schema keeps quiet about a write; the tests call
every operator that torch has samples of to see that there are no more.
"""

from __future__ import annotations

import functools
import importlib
import keyword
import operator
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import _pop_mode_temporarily

__all__ = [
    "BASE_HOP", "SWITCH", "UNHELD", "Declared", "declared", "in_tree", "number_keywords", "on_fakes", "overload_of", "overloads_of", "parameters",
    "run_with_rng_state_operator", "scan_skips_none", "switch_call", "writes_first", "written",
]  # fmt: skip

#: Namespaces of operators that torch defines and that do nothing which their declaration doesn't say.
_KNOWN = frozenset({"aten", "prims", "prim"})
#: Statistics that these update when they are told to train: (arguments written, flag or None for always).
_STATISTICS = ("running_mean", "running_var")
_UNDECLARED: dict[str, tuple[tuple[str, ...], str | None]] = {
    "aten::native_batch_norm": (_STATISTICS, "training"),
    "aten::cudnn_batch_norm": (_STATISTICS, "training"),
    "aten::miopen_batch_norm": (_STATISTICS, "training"),
    "aten::batch_norm_update_stats": (_STATISTICS, None),
    "aten::batch_norm_gather_stats": (_STATISTICS, None),
    "aten::batch_norm_gather_stats_with_counts": (_STATISTICS, None),
}
#: Called for the error that they may raise, and for nothing else.
_CHECKS = frozenset({"aten::_assert_async", "aten::_assert_scalar", "aten::_assert_tensor_metadata"})
_RESHAPES = torch.Tag.inplace_view
_DRAWS = torch.Tag.nondeterministic_seeded
_ASKS_DATA = frozenset({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape})


class Declared:
    """`writes`: (position, name) of arguments that are written to; `beside`: those that the schema doesn't tell of, if the
    argument at `flag` says so; `mutates`: whether there are any. `result`: whether autograd takes what was written for
    what the operator computes (statistics beside the result are not that). `reshapes`: gives its argument other sizes.
    `draws`: random numbers. `asks_data`: the result's metadata, or the number that it is, depends on data. `checks`: raises, or does
    nothing. `known`: nothing else happens. `pure`: none of all that. `reserved`: its name is a reserved word of Python, so that torch
    prints code that isn't any."""

    __slots__ = ("asks_data", "beside", "checks", "draws", "flag", "known", "mutates", "pure", "reserved", "reshapes", "result", "writes")

    def __init__(self, op: Any):
        schema = op._schema
        arguments = list(schema.arguments)
        self.writes = tuple((i, a.name) for i, a in enumerate(arguments) if a.alias_info is not None and a.alias_info.is_write)
        aliased = any(r.alias_info is not None and r.alias_info.is_write for r in schema.returns)
        self.beside, self.flag = _beside(schema.name, arguments)
        self.reshapes = _RESHAPES in op.tags
        self.draws = _DRAWS in op.tags
        self.asks_data = not _ASKS_DATA.isdisjoint(op.tags)
        self.result = bool(self.writes) and (aliased or not schema.returns)
        self.mutates = bool(self.writes or self.beside)
        self.checks = schema.name in _CHECKS
        silent = not schema.returns and not self.mutates  # called for what it does
        ordered = any(a.name == "dep_token" for a in arguments)
        self.known = op.namespace in _KNOWN and not silent and not ordered and not _has_effect(op)
        self.reserved = keyword.iskeyword(op._overloadname)
        self.pure = self.known and not (self.draws or self.mutates or self.asks_data)


def _beside(name: str, arguments: list[Any]) -> tuple[tuple[tuple[int, str], ...], tuple[int, str] | None]:
    """What `_UNDECLARED` says of an operator, as places of its arguments."""
    if name not in _UNDECLARED:
        return (), None
    names, flag = _UNDECLARED[name]
    places = {a.name: i for i, a in enumerate(arguments)}
    return tuple((places[n], n) for n in names), (places[flag], flag) if flag is not None else None


def _has_effect(op: Any) -> bool:
    """Whether a registry of torch's says that the operator has effects."""
    return op in _SIDE_EFFECTS or _effect_of(op) is not None


def _no_effect(op: Any) -> None:
    return None


try:
    from torch._higher_order_ops.effects import _get_effect as _effect_of
except ImportError:  # before the registry took operators in general
    _effect_of = _no_effect
try:
    from torch.fx.node import _side_effectful_functions as _SIDE_EFFECTS
except ImportError:
    _SIDE_EFFECTS = set()

#: The operator that runs one of several branches, by index; None before torch 2.14.
SWITCH: Any = getattr(torch.ops.higher_order, "switch", None)


try:
    from torch._higher_order_ops.base_hop import BaseHOP as BASE_HOP
except ImportError:  # the class of operators that are a call of a graph
    BASE_HOP = None  # type: ignore[assignment, misc]


#: Operators that are no part of a graph of ours: why, and what it takes to try them, empty where that is nothing.
UNHELD: dict[str, tuple[str, str]] = {
    "call_torchbind": ("it calls a method of an object that C++ made, of which no fake is known", "a class made in C++"),
    "inline_asm_elementwise": ("its text is assembly for a CUDA device", "a CUDA device"),
    "triton_kernel_wrapper_mutation": ("it launches a kernel of Triton's, by its number in a table of the process", "Triton and a GPU"),
    "triton_kernel_wrapper_functional": ("it launches a kernel of Triton's, by its number in a table of the process", "Triton and a GPU"),
    "local_map_hop": ("it runs on shards of tensors that several processes hold", "a process group"),
    "run_dtensor_rng_op": ("it runs on shards of tensors that several processes hold", "a process group"),
    "graphsafe_run_with_rng_state": ("it draws from a generator of a CUDA graph", "a CUDA device"),
    "executorch_call_delegate": ("it calls a module that ExecuTorch lowered", "ExecuTorch"),
    "aoti_call_delegate": ("it calls a library that AOTInductor compiled", "a compiled library"),
    "inductor_compiled_code": ("it calls code that inductor compiled, by its number in a table of the process", "a compiled graph"),
    "flex_attention_backward": ("it is given the graphs of a forward and of a backward, which only a compiler has", ""),
    "dynamo_bypassing_wrapper": ("what the wrapper does around the function isn't followed", ""),
    "invoke_leaf_function": ("its function is one that only a compiler's tables know", ""),
    "run_and_save_rng_state": ("it gives a state of the process's random numbers, which a graph doesn't read", ""),
    "with_effects": ("it is given a token that only a compiler has", ""),
    "wrap_activation_checkpoint": ("it is what a compiler makes of a checkpoint", ""),
    "tag_activation_checkpoint": ("it is what a compiler makes of a checkpoint", ""),
    "trace_wrapped": ("it keeps a function for the graph of a backward, which only a compiler makes", ""),
    "run_const_graph": ("it is given a graph that only a compiler has", ""),
}

_REGISTERED_BY = {
    "hints_wrapper": "torch._higher_order_ops.hints_wrap", "print": "torch._higher_order_ops", "_export_tracepoint": "torch._export.wrappers",
    "auto_functionalized": "torch._higher_order_ops.auto_functionalize", "auto_functionalized_v2": "torch._higher_order_ops.auto_functionalize",
}  # fmt: skip


def in_tree(name: str) -> Any:
    """A higher-order operator that torch registers when its module is imported; None where it has none."""
    if name in _REGISTERED_BY:
        importlib.import_module(_REGISTERED_BY[name])
    return getattr(torch.ops.higher_order, name, None)


def on_fakes(target: Any, args: Any, kwargs: Any) -> Any:
    """What a higher-order operator gives for fakes of the mode that is on: torch looks its rule up by the class of the mode, and ours is a class of its own."""
    rule = target.python_key_table.get(FakeTensorMode)
    if rule is None:
        raise NotImplementedError(f"{target.name()} has no rule for fakes")
    with _pop_mode_temporarily() as mode:
        return rule(mode, *args, **kwargs)


@functools.cache
def scan_skips_none() -> bool:
    """Whether a body of `scan` may give None in the place of a slice, as it may since torch 2.14: torch's own rule for fakes is asked."""
    with FakeTensorMode():
        one, several = torch.empty(()), torch.empty(1)
        try:
            on_fakes(torch.ops.higher_order.scan, (lambda carry, _: (carry.clone(), None), [one], [several], ()), {})
        except (AttributeError, NotImplementedError):
            return False
    return True


def run_with_rng_state_operator() -> Any:
    """The operator that runs another one from a random state of its own."""
    return importlib.import_module("torch._prims.rng_prims").run_with_rng_state


def switch_call() -> Any:
    """The function that programs call for it: it clamps the index."""
    return torch._higher_order_ops.switch


#: One entry for each overload that ran: a fact about torch, not state.
_ASKED: dict[Any, Declared] = {}


def declared(op: Any) -> Declared:
    """What this overload says of itself."""
    known = _ASKED.get(op)
    if known is None:
        known = _ASKED[op] = Declared(op)
    return known


def written(facts: Declared, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Any]:
    """The tensors that a call of an overload with these facts writes to, lists of them taken apart."""
    beside = facts.beside if facts.flag is None or _argument(facts.flag, args, kwargs) else ()
    for place in (*facts.writes, *beside):
        value = _argument(place, args, kwargs)
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (part for part in value if isinstance(part, torch.Tensor))


def _argument(place: tuple[int, str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    index, name = place
    return args[index] if index < len(args) else kwargs.get(name)


# ---- from what a program calls to what torch declares
_STEPS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and", "or", "xor")
#: Python's own in-place operators: they write to their first operand, if it is a tensor.
_IN_PLACE = frozenset({operator.setitem, *[getattr(operator, "i" + n) for n in _STEPS]})
_SLOTS = frozenset({"__setitem__", *[f"__i{n}__" for n in _STEPS]})


def overloads_of(function: Any) -> list[Any]:
    """The overloads that a function, a method or an operator of torch may run; none where that isn't known."""
    if isinstance(function, torch._ops.OpOverload):
        return [function]
    packet = function if isinstance(function, torch._ops.OpOverloadPacket) else _packet(function)
    return [getattr(packet, name) for name in packet.overloads()] if packet is not None else []


def overload_of(function: Any) -> Any:
    """The overload or packet that `function` itself is, one that somebody registered; None for anything else."""
    return function if isinstance(function, torch._ops.OpOverload | torch._ops.OpOverloadPacket) else None


def _packet(function: Any) -> Any:
    """torch's own functions and methods in C are named after the operators that they run."""
    kind = type(function)
    if kind is types.MethodDescriptorType:
        own = function.__objclass__ is torch._C.TensorBase
    else:
        own = kind is types.BuiltinFunctionType and (function.__module__ or "").split(".")[0] == "torch"
    return getattr(torch.ops.aten, function.__name__, None) if own else None


@functools.cache
def writes_first(function: Callable[..., Any]) -> bool:
    """Whether `function` is declared to write to its first argument, whatever the others are."""
    if function in _IN_PLACE or getattr(function, "__name__", "") in _SLOTS and getattr(function, "__objclass__", None) is torch._C.TensorBase:
        return True
    overloads = overloads_of(function)
    facts = [declared(op) for op in overloads if not _is_out(op)]
    return bool(facts) and all(f.writes and f.writes[0][0] == 0 for f in facts)


def _is_out(op: Any) -> bool:
    """A variant that is given the memory of its result by keyword."""
    arguments = op._schema.arguments
    return bool(arguments) and arguments[-1].kwarg_only and arguments[-1].alias_info is not None and arguments[-1].alias_info.is_write


def parameters(function: Any) -> list[list[tuple[str, bool, Any]]]:
    """For each overload that `function` may run: (name, by keyword only, default or None) of its parameters."""
    return [[(a.name, a.kwarg_only, a.default_value) for a in op._schema.arguments] for op in overloads_of(function)]


@functools.cache
def number_keywords(function: Any) -> frozenset[str]:
    """Which keywords of a function of torch take a number, by the schemas of its overloads: `alpha`, `value`."""
    arguments = [argument for op in overloads_of(function) for argument in op._schema.arguments]
    return frozenset(a.name for a in arguments if a.kwarg_only and isinstance(a.type, torch.NumberType))
