"""What torch tells a class or a mode that overrides its functions (`__torch_function__`), asked of torch itself.

A call is made on stand-ins under a mode that only listens: torch says which function it would tell of, with which arguments and for which
classes, and nothing runs.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.overrides import BaseTorchFunctionMode, TorchFunctionMode, _get_overloaded_args

from .memo import without_dispatch

__all__ = [
    "ALL_OFF", "DISABLED", "ENABLED", "FIELDS", "PLAIN", "SUBCLASSES_OFF", "BaseTorchFunctionMode", "Told", "as_class", "as_class_of_graph", "as_plain",
    "current", "function_mode_count", "is_followed", "is_overriding", "is_plain", "is_told", "kept_plain", "listen", "made_of", "on_plain",
    "overloaded", "plainly", "push_function_mode", "put_back_overriding", "stand_in_tensor", "state", "unseen",
]  # fmt: skip

_c = torch._C
_State = _c._TorchFunctionState
ENABLED, SUBCLASSES_OFF, ALL_OFF = _State.ENABLED, _State.SUBCLASSES_DISABLED, _State.ALL_DISABLED
#: The `__torch_function__` of classes that override nothing.
DISABLED = _c._disabled_torch_function_impl
current = _c._get_torch_function_state


_MANAGERS = {ENABLED: _c._EnableTorchFunction, SUBCLASSES_OFF: _c.DisableTorchFunctionSubclass, ALL_OFF: _c.DisableTorchFunction}


def state(wanted: Any) -> Any:
    """A context with overriding on or off in this thread. C++'s own: no interrupt comes between its being entered and left."""
    return contextlib.nullcontext() if current() == wanted else _MANAGERS[wanted]()


def unseen() -> Any:
    """A context in which no class is told of what is done to its objects."""
    return state(SUBCLASSES_OFF) if current() == ENABLED else contextlib.nullcontext()


def plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, of whose calls no class is told."""

    def call(*args: Any) -> Any:
        with unseen():
            return function(*args)

    return call


def on_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, given plain tensors of the same memory: AOTAutograd knows no other ones."""

    def call(*args: Any) -> Any:
        return function(*map(as_plain, args))

    return call


#: torch's own classes of tensors, of parameters and of buffers.
PLAIN = (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)


def is_plain(cls: type) -> bool:
    """Whether it is one of torch's own classes."""
    return cls in PLAIN


def as_plain(value: Any) -> Any:
    """A tensor of a class that C++ takes for an ordinary one, as a plain one of the same memory; anything else as it is."""
    if not isinstance(value, torch.Tensor) or is_plain(type(value)) or _dispatches(value):
        return value
    return value.as_subclass(torch.Tensor)


class _PlainGradient(torch.autograd.Function):
    """Hands a tensor on; what comes back for it is made plain."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:  # type: ignore[override]
        with unseen():
            return as_plain(gradient)


def _plain_gradient(tensor: torch.Tensor) -> Any:
    with torch.enable_grad():
        return _PlainGradient.apply(tensor)  # type: ignore[no-untyped-call]


def as_class_of_graph(tensor: torch.Tensor, cls: type) -> torch.Tensor:
    """`as_class` of what a backend's graph gave: AOTAutograd's backward takes plain gradients only."""
    return as_class(_plain_gradient(tensor) if tensor.requires_grad else tensor, cls)


def is_overriding(cls: type) -> bool:
    """Whether calls with tensors of this class are told to it."""
    return getattr(cls, "__torch_function__", DISABLED) is not DISABLED


def is_followed(value: torch.Tensor) -> bool:
    """Whether a tensor of a subclass is an ordinary one for C++: all that is its own is Python's."""
    cls = type(value)
    return cls.__torch_dispatch__ is torch.Tensor.__torch_dispatch__ and not hasattr(cls, "__tensor_flatten__") and not _dispatches(value)


def _dispatches(value: torch.Tensor) -> bool:
    return bool(_c._dispatch_keys(value).has(_c.DispatchKey.Python))


made_of = torch.Tensor._make_subclass


def as_class(tensor: torch.Tensor, cls: type) -> torch.Tensor:
    """The tensor as one of a class, of the same memory: with its history, whatever grad mode the graph has left on."""
    if type(tensor) is cls:
        return tensor
    with torch.enable_grad():
        return tensor.as_subclass(cls)


push_function_mode = _c._push_on_torch_function_stack
function_mode_count = _c._len_torch_function_stack


def put_back_overriding(modes: int, wanted: Any) -> None:
    """Only so many modes on, the outermost, and this state."""
    while _c._len_torch_function_stack() > modes:
        _c._pop_torch_function_stack()
    _c._set_torch_function_state(wanted)


# ---- what is told
class Told(NamedTuple):
    """What an override is called with: `kwargs` is None where it isn't given any."""

    function: Any
    types: tuple[type, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] | None


class _Heard(BaseException):
    """Carries it past whatever code of torch's is between; no `except Exception` of it may stop that."""

    def __init__(self, told: Told):
        super().__init__()
        self.told = told


class _Listener(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise _Heard(Told(func, tuple(types), tuple(args), kwargs))


def listen(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Told | None:
    """What an override would be told of `function(*args, **kwargs)`; None where it isn't told, or C takes no such arguments."""
    try:
        with state(ENABLED), without_dispatch(), _Listener():
            function(*args, **kwargs)
    except _Heard as heard:
        return heard.told
    except Exception:  # on stand-ins: what the real call raises is found where it is recorded
        return None
    return None


def overloaded(relevant: list[Any]) -> tuple[Any, ...]:
    """Those of a call's arguments whose classes are asked, in the order in which they are, as torch's own Python functions find them."""
    with state(ENABLED):
        return tuple(_get_overloaded_args(relevant))


def stand_in_tensor(like: Any, cls: type) -> Any:
    """A tensor of class `cls` without data; of as many dimensions and the dtype of `like`, which C's parsers look at."""
    with state(ALL_OFF), without_dispatch():
        made = torch.empty((1,) * like.dim(), dtype=like.dtype, device="meta", requires_grad=like.requires_grad)
        return made if cls is torch.Tensor else made.as_subclass(cls)


# ---- which functions
_NAMES = frozenset({"has_torch_function", "has_torch_function_unary", "has_torch_function_variadic", "handle_torch_function"})
#: What reads and what writes a field of C's, given which: of a tensor, torch tells of that.
FIELDS = (types.GetSetDescriptorType.__get__, types.GetSetDescriptorType.__set__)  # type: ignore[attr-defined]
_METHODS = (types.MethodDescriptorType, types.WrapperDescriptorType)


def _of_tensors(descriptor: Any) -> bool:
    return issubclass(torch.Tensor, descriptor.__objclass__) and descriptor.__objclass__ is not object


def is_told(function: Any) -> bool:
    """Whether a call of `function`, which is no operator, may be told to an override. Of Python functions: whether its code asks."""
    if isinstance(function, types.FunctionType):
        return not _NAMES.isdisjoint(function.__code__.co_names)
    if isinstance(function, _METHODS) and _of_tensors(function):
        return True
    return any(function is each for each in (*FIELDS, *_TELLS))


def _tells(function: Any, *args: Any) -> bool:
    return listen(function, list(args), {}) is not None


#: Functions of C's that set or make something, and of which a mode is told; called so that nothing changes.
_TELLS = [f for f, args in ((_c._set_grad_enabled, (torch.is_grad_enabled(),)), (torch.device, ("cpu",))) if _tells(f, *args)]


def kept_plain(function: Any) -> bool:
    """Whether torch's own override gives what this function gives as it is, without making it one of the class."""
    return function in torch.overrides.get_default_nowrap_functions()
