"""torch's private guard machinery: the C++ guard managers, and the global switches that guards look at.

In: nothing. Out: names that `tracer.guards` lowers with. This is the only module of the guards that names
`torch._C._dynamo` or `torch._dynamo`. What was seen on torch 2.13 and is relied on, held by the self-test or by tests:

- Leaf guards of a manager run before its accessors, in the order of adding; the first failure ends the check.
- A manager made with a dict as example remembers the dict's version. While that version stays, children without
  children of their own whose example was immutable (None, int, float, bool, str) are skipped. Never pass None as
  the example of something that can change behind the same reference, nor a dict where it may be an object's: that
  example is `DICT` (below).
- A `DICT_MANAGER` takes the type and the number of keys from its example, and skips nothing for an unchanged version.
- Accessors answer False on a value of another type, but for `type_dict_manager`, which crashes on a value that is no
  class, and for length guards, which let Python's error through. Type guards come first there.
- Leaf guards of the root come first, under the thread's switches as they are; below them, and in epilogue guards, torch
  functions and their modes are off.
- `globals_dict_manager` tells its children apart by comparing dicts with ==: one root may have one such dict only.
- Code parts may be any objects; they come back in `check_verbose(...).verbose_code_parts`.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch._dynamo.config as _config
from torch._C._dynamo import eval_frame as _eval_frame
from torch._C._dynamo import guards as _c
from torch._dynamo.guards import GuardManagerType

from ..errors import CompatError
from . import TORCH_VERSION, functorch
from .versions import PROVEN, TORCHES

__all__ = [
    "DICT",
    "DICT_MANAGER",
    "DICT_MANAGER_TAKES_IDENTITY",
    "MANAGER",
    "SDPA_KERNELS",
    "STATES",
    "SWITCH_GETTERS",
    "GlobalStateGuard",
    "RootGuardManager",
    "TorchSource",
    "add_tensor_match",
    "applied_keys",
    "default_device",
    "device_contexts",
    "disable_torch_function",
    "function_modes",
    "global_dict_of_default_device",
    "local_names",
    "mode_count",
    "object_aliasing",
    "overlapping",
    "overlapping_elsewhere",
    "quick_config",
    "shape_expressions",
    "tensor_aliasing",
]

RootGuardManager = _c.RootGuardManager
GlobalStateGuard = _c.GlobalStateGuard

#: What every accessor call wants as its last argument.
MANAGER = GuardManagerType.GUARD_MANAGER
#: The same for a dict whose keys and values are checked in one walk, in their order.
DICT_MANAGER = GuardManagerType.DICT_GUARD_MANAGER


def _takes_identity() -> bool:
    root = RootGuardManager()  # owns the other
    manager = root.dict_getitem_manager("x", "", {}, DICT_MANAGER)
    try:
        manager.add_id_match_guard(0, [], None)
    except RuntimeError:  # "DictGuardManager does not support a leaf_guard"
        return False
    return True


def _hears_attributes() -> bool:
    class Owner:
        pass

    owner = Owner()
    owner.entry = 0  # type: ignore[attr-defined]
    entries = owner.__dict__
    before = _c.dict_version(entries)
    owner.entry = 1  # type: ignore[attr-defined]
    return _c.dict_version(entries) != before


#: The example of a dict in which unchanged entries may be skipped: one with a version, where an attribute that is written changes the
#: version of its object's dict. CPython 3.13.0 tells dict watchers nothing of it: there no entry is skipped.
DICT: Any = {} if _hears_attributes() else object()

#: Whether the identity of a dict can be guarded by its `DICT_MANAGER`, too: not before torch 2.13.
DICT_MANAGER_TAKES_IDENTITY = _takes_identity()

object_aliasing = _c.install_object_aliasing_guard
tensor_aliasing = _c.install_no_tensor_aliasing_guard

disable_torch_function = torch._C.DisableTorchFunction
mode_count: Callable[[], int] = torch._C._len_torch_function_stack


def overlapping_elsewhere(tensors: list[torch.Tensor]) -> set[int]:
    """The indices of tensors that reach into the memory of another's storage, as arrays of NumPy's do that are views of one array."""
    spans = sorted((start, end, storage, index) for index, tensor in enumerate(tensors) for start, end, storage in _span(tensor))
    found: set[int] = set()
    for place, (_, end, storage, index) in enumerate(spans):
        for start, _, other, position in spans[place + 1 :]:
            if start >= end:
                break
            if storage != other:
                found |= {index, position}
    return found


def _span(tensor: torch.Tensor) -> list[tuple[int, int, int]]:
    """From the first to behind the last byte that it reaches, and its storage; nothing for one without elements or memory."""
    storage = tensor.untyped_storage()
    if not tensor.numel() or not storage.nbytes() or tensor.device.type == "meta":
        return []
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return [(tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.itemsize, storage._cdata)]


def overlapping(tensors: list[torch.Tensor]) -> set[int]:
    """The indices of tensors whose memory overlaps another one's. torch's own function compares offsets only."""
    by_storage: dict[int, list[int]] = {}
    for index, tensor in enumerate(tensors):
        by_storage.setdefault(tensor.untyped_storage()._cdata, []).append(index)
    found = overlapping_elsewhere(tensors) if len(by_storage) > 1 else set()
    for group in by_storage.values():
        if len(group) > 1:
            among = _c.compute_overlapping_tensors([tensors[index] for index in group], symbolic=False)
            found.update(group[position] for position in among)
    return found


def memory_layout(tensors: list[torch.Tensor], shared: set[int]) -> tuple[Any, ...]:
    """For each tensor None, or, where it lies in a storage in which others (`shared`) overlap: (the first that does, its offset)."""
    storages = [tensor.untyped_storage()._cdata for tensor in tensors]
    meant = {storages[index] for index in shared}
    return tuple(
        (storages.index(storage), tensor.storage_offset()) if storage in meant else None
        for storage, tensor in zip(storages, tensors, strict=True)
    )


def local_names(code: types.CodeType) -> tuple[str, ...]:
    """The names of a frame's fast locals in the order of their slots: variables, cells, free variables."""
    return tuple(_eval_frame.code_framelocals_names(code))


def function_modes() -> list[Any]:
    """The torch-function modes that are on, outermost first."""
    return [torch._C._get_function_stack_at(i) for i in range(mode_count())]


def device_contexts() -> tuple[torch.device | None, ...]:
    """The devices of the function modes that are on, outermost first: `torch.set_default_device` and `with torch.device(…)` are such
    modes; None for one that has none."""
    return tuple(getattr(mode, "device", None) for mode in function_modes())


def applied_keys(tensor: torch.Tensor) -> int:
    """The tensor's dispatch keys as this thread's switches leave them: what C++ compares. A raw bit set."""
    keys = torch._C._dispatch_keys(tensor) | torch._C._dispatch_tls_local_include_set()
    return (keys - torch._C._dispatch_tls_local_exclude_set()).raw_repr()


def global_dict_of_default_device() -> dict[str, Any]:
    """Where `torch.set_default_device` keeps its device, under the key CURRENT_DEVICE."""
    return torch.utils._device.__dict__


def default_device() -> torch.device | None:
    """What `torch.set_default_device` was last given, in whatever thread."""
    return torch.utils._device.CURRENT_DEVICE


def _forward_level() -> int:
    return torch.autograd.forward_ad._current_level


#: What chooses the kernel of scaled_dot_product_attention: mode → (what reads it, what sets it).
SDPA_KERNELS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    **{
        f"sdpa_{name}": (getattr(torch._C, f"_get_{name}_sdp_enabled"), getattr(torch._C, f"_set_sdp_use_{name}"))
        for name in ("flash", "mem_efficient", "math", "cudnn", "overrideable")
    },
    "sdpa_order": (torch._C._get_sdp_priority_order, torch._C._set_sdp_priority_order),
}

#: Thread-wide switches by guard kind: a function of no arguments, in C where there is one, called at each check.
STATES: dict[str, Callable[[], Any]] = {
    "GRAD_MODE": torch.is_grad_enabled,
    "INFERENCE_MODE": torch.is_inference_mode_enabled,
    "DETERMINISTIC": torch._C._get_deterministic_algorithms,
    "DETERMINISTIC_WARN_ONLY": torch._C._get_deterministic_algorithms_warn_only,
    "TORCH_FUNCTION_STATE": torch._C._is_torch_function_enabled,
    "TORCH_FUNCTION_OFF": torch._C._is_torch_function_all_disabled,
    "DUAL_LEVEL": _forward_level,
    "DISPATCH_MODES": torch._C._len_torch_dispatch_stack,
    "SAVED_TENSOR_HOOKS": functools.partial(torch._C._autograd._top_saved_tensors_default_hooks, True),
    "SDPA_KERNELS": lambda: tuple(
        tuple(value) if type(value) is list else value for value in (get() for get, _ in SDPA_KERNELS.values())
    ),
    "SAVED_TENSOR_HOOKS_DISABLED": torch._C._autograd._saved_tensors_hooks_get_disabled_error_message,
    "FUNCTORCH_STACK": functorch.stack,
    "FORWARD_GRAD_MODE": torch._C._is_fwd_grad_enabled,
    "DEVICE_CONTEXTS": lambda: device_contexts(),
}



def _switch_getters() -> list[Callable[..., Any]]:
    """What reads switches of the process that neither GLOBAL_STATE nor `STATES` compares: of constants, in C, as quick as a read."""
    names = (
        "_get_float32_matmul_precision", "_get_fp32_precision_getter", "_get_deterministic_fill_uninitialized_memory", "_get_warnAlways",
        "_get_cublas_allow_tf32", "_get_cublas_allow_bf16_reduced_precision_reduction", "_get_cublas_allow_fp16_reduced_precision_reduction",
        "_get_cublas_allow_fp16_accumulation", "_get_cpu_allow_fp16_reduced_precision_reduction", "_get_math_sdp_allow_fp16_bf16_reduction",
        "_get_nnpack_enabled", "_get_qengine", "_get_deterministic_algorithms_warn_only", "_get_graph_executor_optimize",
    )  # fmt: skip
    found = [getattr(torch._C, name) for name in names if hasattr(torch._C, name)]
    found += [torch.get_autocast_dtype, torch.is_autocast_cache_enabled, torch.get_num_threads, torch.get_num_interop_threads]
    for module in list(vars(torch.backends).values()):
        for entry in vars(type(module)).values():
            getter = entry.getter if type(entry) is torch.backends.ContextProp else None
            if type(getter) is types.BuiltinFunctionType and getter not in found:
                found.append(getter)
    return found


#: Their answers are guarded where a program asks: kind ANSWER.
SWITCH_GETTERS = _switch_getters()

# --- lowering without torch's detours ---------------------------------------------------------------------------------

_READ_BY_EVERY_MANAGER = (
    "skip_tensor_guards_with_matching_dict_tags",
    "max_saved_pointers_for_recursive_dict_tags_check",
)
_quick_lock = threading.Lock()
_quick_depth = 0


@contextlib.contextmanager
def quick_config() -> Iterator[None]:
    """Each C++ manager reads torch's config three times when it is made, 5 of its 8 µs. Within, those reads find plain
    attributes of the same value. A change of those two settings by another thread meanwhile is seen afterwards."""
    global _quick_depth
    plain = _config.__dict__
    with _quick_lock:
        _quick_depth += 1
        if _quick_depth == 1:
            for name in _READ_BY_EVERY_MANAGER:
                if name not in plain and hasattr(_config, name):
                    plain[name] = getattr(_config, name)
    try:
        yield
    finally:
        with _quick_lock:
            _quick_depth -= 1
            if _quick_depth == 0:
                for name in _READ_BY_EVERY_MANAGER:
                    plain.pop(name, None)


# --- tensors ----------------------------------------------------------------------------------------------------------

#: torch 2.15 asks for one more argument, whether the device index is "the current one".
_trailing: tuple[Any, ...] = (False,) if TORCH_VERSION >= (2, 15) else ()


def add_tensor_match(
    manager: Any,
    tensor: torch.Tensor,
    sizes: list[int | None],
    strides: list[int | None],
    parts: list[Any],
) -> None:
    """Type, dispatch keys, dtype, device, requires_grad, rank, and the sizes and strides that aren't None."""
    keys = torch._C._dispatch_keys(tensor)
    manager.add_tensor_match_guard(tensor, sizes, strides, "", parts, None, type(tensor), keys, *_trailing)


# --- shapes -----------------------------------------------------------------------------------------------------------


@functools.cache
def _shape_modules() -> tuple[Any, Any]:
    from torch._dynamo.source import TensorPropertySource
    from torch.fx.experimental import symbolic_shapes

    return TensorPropertySource, symbolic_shapes


class TorchSource(torch._guards.Source):
    """One of our sources in the shape that ShapeEnv accepts: it wants a subclass, a name and equality.

    `ours` is any object; `name` must be unique for it. Sources given to symbols at their creation may be of this class
    too.
    """

    def __init__(self, ours: Any, name: str):
        object.__setattr__(self, "ours", ours)
        object.__setattr__(self, "_given", name)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self._given

    @property
    def guard_source(self) -> Any:  # type: ignore[override]
        return torch._guards.GuardSource.LOCAL

    def __eq__(self, other: object) -> bool:
        return type(other) is TorchSource and other._given == self._given

    def __hash__(self) -> int:
        return hash(self._given)

    def __repr__(self) -> str:
        return f"TorchSource({self._given})"


def shape_expressions(
    shape_env: Any,
    fakes: list[Any],
    sources: list[TorchSource],
    named: Callable[[Any, str, int | None], str],
    contexts: Any = None,
) -> tuple[list[str], dict[str, Any]]:
    """(Python expressions that must hold, the names they use beside those of `named`).

    `named(source, property, index)` gives the variable for a read: property is "value", "size", "stride" or "offset".
    Raises torch's ConstraintViolationError where a dimension marked dynamic was specialised.
    """
    property_source, symbolic_shapes = _shape_modules()
    properties = {"SIZE": "size", "STRIDE": "stride", "STORAGE_OFFSET": "offset"}

    def spell(source: Any) -> str:
        if isinstance(source, property_source):
            return named(source.base, properties[source.prop.name], source.idx)
        return named(source, "value", None)

    (python,) = shape_env.produce_guards_verbose(
        fakes, sources, source_ref=spell, input_contexts=contexts, ignore_static=True, langs=("python",)
    )
    return list(python.exprs), dict(symbolic_shapes.SYMPY_INTERP)


# --- self-test --------------------------------------------------------------------------------------------------------



def _try_tensor_match() -> None:
    root = RootGuardManager()
    tensor = torch.ones(2, 3)
    child = root.dict_getitem_manager("x", "", object(), MANAGER)
    add_tensor_match(child, tensor, [2, None], [None, 1], [0])
    if not root.check({"x": torch.zeros(2, 3)}) or root.check({"x": torch.zeros(3, 3)}):
        raise AssertionError("a tensor guard answers otherwise than expected")


def _try_accessors() -> None:
    root = RootGuardManager()
    private = {"cls": GlobalStateGuard, "n": (1, 2)}
    held = root.globals_dict_manager(private, "", object(), MANAGER)
    held.dict_getitem_manager("cls", "", object(), MANAGER).add_id_match_guard(id(GlobalStateGuard), [0], None)
    pair = held.dict_getitem_manager("n", "", object(), MANAGER)
    pair.add_length_check_guard(2, [0], None)
    pair.tuple_getitem_manager(1, "", object(), MANAGER).add_equals_match_guard(2, [7], None)
    root.add_epilogue_lambda_guard(lambda scope: scope["x"] == 5, [0], None)
    if not root.check({"x": 5}) or root.check({"x": 6}):
        raise AssertionError("an accessor or a lambda guard answers otherwise than expected")
    private["n"] = (1, 3)
    if root.check_verbose({"x": 5}).verbose_code_parts != [7]:
        raise AssertionError("a failed check doesn't give back the code parts")


def _try_shapes() -> None:
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv

    env, source = ShapeEnv(), TorchSource(None, "x")
    symbol = env.create_unspecified_symbol(5, source, DimDynamic.DYNAMIC)
    number = env.create_symintnode(symbol, hint=5, source=source)
    assert number > 3
    expressions, names = shape_expressions(env, [number], [source], lambda *_: "n")
    answers = [all(eval(text, dict(names), {"n": n}) for text in expressions) for n in (3, 4)]
    if answers != [False, True]:
        raise AssertionError("symbolic shapes give other guards than expected")


def self_test() -> None:
    """Try the calls whose arity differs between versions on a throwaway manager. Raises CompatError."""
    global _trailing
    try:
        try:
            _try_tensor_match()
        except TypeError:
            _trailing = () if _trailing else (False,)
            _try_tensor_match()
        _try_accessors()
        _try_shapes()
    except Exception as error:
        raise CompatError(
            f"the guards of torch {torch.__version__} don't work as those of the versions Tracer was made for: {error}",
            asked_by="the self-test of tracer.guards at import",
            next=f"install a torch that Tracer was made for: pip install '{TORCHES}'",
        ) from error


if TORCH_VERSION != PROVEN:
    self_test()
