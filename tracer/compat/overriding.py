"""What torch tells a class or a mode that overrides its functions (`__torch_function__`), asked of torch itself.

A call is made on stand-ins under a mode that only listens: torch says which function it would tell of, with which arguments and for which
classes, and nothing runs.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch.overrides import BaseTorchFunctionMode, TorchFunctionMode, _get_overloaded_args

from .memo import without_dispatch

__all__ = [
    "ALL_OFF", "DISABLED", "ENABLED", "FIELDS", "SUBCLASSES_OFF", "BaseTorchFunctionMode", "Told", "current", "function_mode_count", "is_told",
    "kept_plain", "listen", "overloaded", "push_function_mode", "put_back_overriding", "stand_in_tensor", "state", "with_state",
]  # fmt: skip

_c = torch._C
_State = _c._TorchFunctionState
ENABLED, SUBCLASSES_OFF, ALL_OFF = _State.ENABLED, _State.SUBCLASSES_DISABLED, _State.ALL_DISABLED
#: The `__torch_function__` of classes that override nothing.
DISABLED = _c._disabled_torch_function_impl
current = _c._get_torch_function_state


@contextlib.contextmanager
def with_state(wanted: Any) -> Iterator[None]:
    """Overriding on or off for this thread."""
    before = current()
    _c._set_torch_function_state(wanted)
    try:
        yield
    finally:
        _c._set_torch_function_state(before)


def state(wanted: Any) -> Any:
    """`with_state`, or nothing where it is so already."""
    return contextlib.nullcontext() if current() == wanted else with_state(wanted)


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
    with with_state(ALL_OFF), without_dispatch():
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
