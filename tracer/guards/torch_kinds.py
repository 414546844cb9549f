"""Guards on tensors and on torch's thread-wide switches.

A switch is guarded with the value that it had at the frame's entry: take `GlobalState()` before tracing changes any.
Tensor guards compare dispatch keys as the thread's switches leave them, so `lower` must run under those of the
frame's entry, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from ..compat.arrays import ARRAY, tensor_of
from ..compat.guards import (
    STATES,
    GlobalStateGuard,
    add_tensor_match,
    applied_keys,
    default_device,
    disable_torch_function,
    function_modes,
    mode_count,
)
from .held import Keeper, Ref, name_of
from .kind import Place, define
from .kinds import add_constant, hold_constant, same_constant
from .summary import constant_text, ids_of, summarise, type_name
from .whole import whole

__all__ = ["FACTS", "UNCHANGED", "GlobalState", "TensorFacts", "switches"]

_BASE = torch.Tensor
_PLAIN = ids_of(torch.Tensor, torch.nn.Parameter)
Dims = list[int | None]

# --- arrays of NumPy's ------------------------------------------------------------------------------------------------


def _has_no_tensor(value: Any, _expected: Any) -> bool:
    return type(value) is ARRAY and tensor_of(value) is None


define(  # source: an array of NumPy's that torch has no tensor for
    "NO_TENSOR",
    _has_no_tensor,
    lambda source, _: f"torch can't have the memory of {source} as a tensor",
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda value: _has_no_tensor(value, expected)), parts, None),
    rank=3,
    live=True,
)

# --- tensors ----------------------------------------------------------------------------------------------------------


class TensorFacts:
    """What is left of a tensor: class, dispatch keys, dtype, device, requires_grad, sizes and strides (None: any)."""

    __slots__ = ("cls", "device", "dtype", "keys", "requires_grad", "sizes", "strides")

    def __init__(self, cls: Any, tensor: torch.Tensor, sizes: Dims | None, strides: Dims | None):
        self.cls = cls
        if id(type(tensor)) in _PLAIN and not mode_count():
            self._read(tensor, sizes, strides)
        else:
            with disable_torch_function():
                self._read(tensor, sizes, strides)

    def _read(self, tensor: torch.Tensor, sizes: Dims | None, strides: Dims | None) -> None:
        self.keys = applied_keys(tensor)
        self.dtype, self.device = _BASE.dtype.__get__(tensor), _BASE.device.__get__(tensor)
        self.requires_grad = _BASE.requires_grad.__get__(tensor)
        shape = _BASE.size(tensor)
        self.sizes = list(shape) if sizes is None else sizes
        if strides is not None:
            self.strides = strides
        elif _BASE.layout.__get__(tensor) is torch.strided:
            self.strides = list(_BASE.stride(tensor))
        else:
            self.strides = [None] * len(shape)


def _unpack(expected: Any) -> tuple[Any, Any, Any]:
    return expected if type(expected) is tuple else (expected, None, None)


def _facts(expected: Any) -> TensorFacts:
    if type(expected) is TensorFacts:
        return expected
    tensor, sizes, strides = _unpack(expected)
    return TensorFacts(type(tensor), tensor, sizes, strides)


def _hold_tensor(expected: Any, keeper: Keeper) -> TensorFacts:
    tensor, sizes, strides = _unpack(expected)
    return TensorFacts(keeper.ref(type(tensor)), tensor, sizes, strides)


def _matches(found: Dims, wanted: Dims) -> bool:
    return len(found) == len(wanted) and all(w is None or f == w for f, w in zip(found, wanted, strict=True))


def _check_tensor(value: Any, expected: Any) -> bool:
    wanted, cls = _facts(expected), type(value)
    if not (wanted.cls.matches(cls) if type(wanted.cls) is Ref else cls is wanted.cls):
        return False
    found = TensorFacts(cls, value, None, None)
    return (
        found.keys == wanted.keys
        and found.dtype == wanted.dtype
        and found.device.index == wanted.device.index
        and found.requires_grad == wanted.requires_grad
        and _matches(found.sizes, wanted.sizes)
        and _matches(found.strides, wanted.strides)
    )


def _tensor_text(source: str, expected: Any) -> str:
    facts = _facts(expected)
    sizes = ", ".join("*" if size is None else str(size) for size in facts.sizes)
    strides = ", ".join("*" if stride is None else str(stride) for stride in facts.strides)
    return (
        f"{source} is a {name_of(facts.cls)} of {facts.dtype}, size [{sizes}], stride [{strides}], on {facts.device}, "
        f"requires_grad={facts.requires_grad}"
    )


def _see_tensor(value: Any, expected: Any) -> str:
    if not issubclass(type(value), torch.Tensor):
        return summarise(value)
    found, wanted = TensorFacts(type(value), value, None, None), _facts(expected)
    text = f"{type_name(type(value))} of {found.dtype}, size {found.sizes}"
    if not _matches(found.strides, wanted.strides):
        text += f", stride {found.strides}"
    if found.device != wanted.device:
        text += f", on {found.device}"
    if found.requires_grad != wanted.requires_grad:
        text += f", requires_grad={found.requires_grad}"
    return text + (", other dispatch keys" if found.keys != wanted.keys else "")


def _lower_tensor(at: Place, expected: TensorFacts, parts: list[Any]) -> None:
    add_tensor_match(at.manager, _unpack(at.seen)[0], expected.sizes, expected.strides, parts)


define(  # expected: the tensor, or (tensor, sizes, strides) with None for what may vary
    "TENSOR_MATCH",
    _check_tensor,
    _tensor_text,
    _lower_tensor,
    hold=_hold_tensor,
    see=_see_tensor,
    rank=0,
    live=True,
)

#: What a tensor tells beyond what TENSOR_MATCH compares: name → how it is asked, without functions of the program.
FACTS: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(_BASE, name).__get__ for name in ("is_leaf", "output_nr", "names") if hasattr(_BASE, name)},
    **{name: getattr(_BASE, name) for name in ("_is_view", "storage_offset", "is_shared", "is_pinned", "has_names") if hasattr(_BASE, name)},
}


def _says(value: Any, expected: tuple[str, Any]) -> bool:
    name, answer = expected
    if not issubclass(type(value), _BASE):
        return False
    with disable_torch_function():
        return bool(FACTS[name](value) == answer)


define(  # source: a tensor; expected: (name of one of FACTS, what it gave)
    "TENSOR_SAYS",
    _says,
    lambda source, expected: f"{source}.{expected[0]} is {expected[1]}",
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda value: _says(value, expected)), parts, None),
    see=lambda value, expected: str(FACTS[expected[0]](value)) if issubclass(type(value), _BASE) else summarise(value),
    rank=5,
    live=True,
)
define(  # expected: a DispatchKeySet
    "DISPATCH_KEY_SET",
    lambda value, expected: type(value) is type(expected) and value.raw_repr() == expected.raw_repr(),
    lambda source, expected: f"{source} == {expected}",
    lambda at, expected, parts: at.manager.add_dispatch_key_set_guard(expected, parts, None),
    exact=True,
)

# --- thread-wide switches ---------------------------------------------------------------------------------------------


class GlobalState:
    """Grad and inference mode, autocast, deterministic algorithms, TF32 and reduced precision, default dtype, the
    number of threads, and whether torch functions are overridden: as they are when this is made."""

    __slots__ = ("_compared", "inference")

    def __init__(self) -> None:
        self._compared = GlobalStateGuard()
        self.inference = torch.is_inference_mode_enabled()

    def check(self) -> bool:
        return bool(self._compared.check()) and torch.is_inference_mode_enabled() == self.inference

    def changed(self) -> str:
        """The switches that differ now, those that are on or off with what they were and are."""
        names = self._compared.reason().split()
        if torch.is_inference_mode_enabled() != self.inference:
            names.append("inference_mode")
        return switches(names)


#: What the guard on all of them says.
UNCHANGED = "torch's global state is unchanged"


def switches(names: Iterable[str]) -> str:
    """Switches that changed, in words: those that are on or off with what they were and are."""
    return ", ".join(f"{name} {'off → on' if _ON[name]() else 'on → off'}" if name in _ON else name for name in names)


#: Those of the switches that are just on or off.
_ON: dict[str, Callable[[], bool]] = {
    "grad_mode": torch.is_grad_enabled,
    "inference_mode": torch.is_inference_mode_enabled,
    "deterministic_algorithms": torch.are_deterministic_algorithms_enabled,
}


def _lower_global(at: Place, expected: GlobalState, parts: list[Any]) -> None:
    at.manager.add_global_state_guard(expected._compared, parts, None)
    if not at.lowering.tells_inference:
        add_constant(at.lowering.state("INFERENCE_MODE"), expected.inference, parts)


define(  # expected: a GlobalState, or None for the state now
    "GLOBAL_STATE",
    lambda _, expected: expected.check(),
    lambda _source, _expected: UNCHANGED,
    _lower_global,
    hold=lambda expected, _: GlobalState() if expected is None else expected,
    see=lambda _, expected: f"changed: {expected.changed()}",
    rank=0,
    scope="thread",
)


def _lower_state(name: str) -> Any:
    def lower(at: Place, expected: Any, parts: list[Any]) -> None:
        if name.startswith("TORCH_FUNCTION"):  # off while C++ is below the root
            at.manager.add_lambda_guard(whole(lambda _: STATES[name]() is expected), parts, None)
        else:
            add_constant(at.lowering.state(name), expected, parts)

    return lower


_STATE_TEXTS = {
    "GRAD_MODE": "torch.is_grad_enabled()",
    "INFERENCE_MODE": "torch.is_inference_mode_enabled()",
    "DETERMINISTIC": "torch.are_deterministic_algorithms_enabled()",
    "DETERMINISTIC_WARN_ONLY": "torch.is_deterministic_algorithms_warn_only_enabled()",
    "TORCH_FUNCTION_STATE": "torch functions are overridable",
    "TORCH_FUNCTION_OFF": "all torch functions are off",
    "DUAL_LEVEL": "the level of forward-mode autograd",
    "DISPATCH_MODES": "the number of torch dispatch modes",
    "SDPA_KERNELS": "which kernels attention may take",
    "SAVED_TENSOR_HOOKS_DISABLED": "why saved-tensor hooks are disabled",
    "FORWARD_GRAD_MODE": "whether forward-mode autograd is on",
    "FUNCTORCH_STACK": "the stack of torch.func transforms",
    "DEVICE_CONTEXTS": "the stack of default devices",
}
for _name, _what in _STATE_TEXTS.items():  # expected: what STATES[name]() gave
    define(
        _name,
        lambda _, expected, name=_name: same_constant(STATES[name](), expected),
        lambda _source, expected, what=_what: f"{what} is {constant_text(expected)}",
        _lower_state(_name),
        hold=hold_constant,
        see=lambda _value, _expected, name=_name: constant_text(STATES[name]()),
        rank=1,
        scope="thread",
    )


def _check_hooks(_value: Any, expected: Any) -> bool:
    found = STATES["SAVED_TENSOR_HOOKS"]()
    if expected is None or found is None:
        return expected is None and found is None
    return len(found) == len(expected) and all(
        e.matches(f) if type(e) is Ref else e is f for f, e in zip(found, expected, strict=True)
    )


def _lower_hooks(at: Place, expected: Any, parts: list[Any]) -> None:
    manager = at.lowering.state("SAVED_TENSOR_HOOKS")
    if expected is None:
        manager.add_none_match_guard(parts, None)
    else:
        manager.add_lambda_guard(whole(lambda _: _check_hooks(None, expected)), parts, None)


define(  # expected: None, or the pair of functions that pack and unpack
    "SAVED_TENSOR_HOOKS",
    _check_hooks,
    lambda _source, expected: f"{'no' if expected is None else 'the same'} hooks on saved tensors",
    _lower_hooks,
    hold=lambda expected, keeper: None if expected is None else tuple(map(keeper.ref, expected)),
    see=lambda _value, _expected: "hooks are set" if STATES["SAVED_TENSOR_HOOKS"]() else "no hooks",
    rank=1,
    scope="thread",
)


def _check_modes(_value: Any, expected: Any) -> bool:
    found = function_modes()
    return len(found) == len(expected) and all(
        e.matches(type(f)) if type(e) is Ref else type(e) is type(f) for f, e in zip(found, expected, strict=True)
    )


def _modes_text(_source: str, expected: Any) -> str:
    names = [e.label if type(e) is Ref else type_name(type(e)) for e in expected]
    return f"the torch function modes are [{', '.join(names)}]"


define(  # expected: the list of torch-function modes, outermost first (`compat.guards.function_modes()`)
    "TORCH_FUNCTION_MODE_STACK",
    _check_modes,
    _modes_text,
    lambda at, _, parts: at.manager.add_torch_function_mode_stack_guard(list(at.seen), parts, None),
    hold=lambda expected, keeper: tuple(keeper.ref(type(mode)) for mode in expected),
    see=lambda _value, _expected: f"[{', '.join(type_name(type(mode)) for mode in function_modes())}]",
    rank=0,
    scope="thread",
)


define(  # expected: a device or None (`compat.guards.default_device()`)
    "DEFAULT_DEVICE",
    lambda _, expected: same_constant(default_device(), expected),
    lambda _source, expected: f"the default device is {constant_text(expected)}",
    lambda at, expected, parts: add_constant(at.lowering.default_device(), expected, parts),
    hold=hold_constant,
    see=lambda _value, _expected: constant_text(default_device()),
    rank=1,
    scope="thread",
)


def _answers(_value: Any, expected: Any) -> bool:
    function, args, answer = expected
    return bool(function(*args) == answer)


define(  # expected: (one of `compat.guards.SWITCH_GETTERS`, its arguments, what it answered)
    "ANSWER",
    _answers,
    lambda _source, expected: f"{expected[0].__name__}({', '.join(map(repr, expected[1]))}) is {expected[2]!r}",
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda _: _answers(None, expected)), parts, None),
    see=lambda _value, expected: repr(expected[0](*expected[1])),
    rank=1,
    scope="thread",
)


def _within(value: Any, expected: tuple[tuple[int | None, int | None, int | None], ...]) -> bool:
    numbers = ((value if dim is None else value.shape[dim], least, most) for dim, least, most in expected)
    return all((least is None or number >= least) and (most is None or number <= most) for number, least, most in numbers)


def _within_text(source: str, expected: tuple[tuple[int | None, int | None, int | None], ...]) -> str:
    parts = []
    for dim, least, most in expected:
        number = source if dim is None else f"{source}.shape[{dim}]"
        parts.append(f"{'' if least is None else f'{least} <= '}{number}{'' if most is None else f' <= {most}'}")
    return " and ".join(parts)


define(  # expected: ((dimension, or None for a number itself, least, most), …), None where open
    "WITHIN",
    _within,
    _within_text,
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda value: _within(value, expected)), parts, None),
    rank=9,
    exact=True,
)
