"""Guards on tensors and on torch's switches: what each notices, in C++ and in Python alike."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.guards.support import local, lowered, seen, verdict
from tracer.compat.guards import STATES, default_device, function_modes, self_test
from tracer.guards import GlobalState, Guard

x = local("x")
ones = torch.ones
plain = ones(2, 3)


class Sub(torch.Tensor):
    pass


warnings.filterwarnings("ignore", message="Sparse CSR|torch.quantize_per_tensor")

#: name → (example, other values that match, values that don't)
TENSORS: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "plain": (
        plain,
        [torch.zeros(2, 3), torch.randn(2, 3).clone(), ones(2, 3).contiguous(), ones(12)[:6].view(2, 3)],
        [
            ones(2, 4), ones(3, 2), ones(6), ones(2, 3, 1), ones(3, 2).t(), ones(2, 3, dtype=torch.float64), ones(2, 3, device="meta"),
            ones(2, 3, requires_grad=True), torch.nn.Parameter(ones(2, 3)), ones(2, 3).as_subclass(Sub), ones(2, 3).to_sparse(),
            torch.ones(2, 3, dtype=torch.complex64), None, [1], 3,
        ],
    ),
    "parameter": (torch.nn.Parameter(plain), [torch.nn.Parameter(plain)], [plain, torch.nn.Parameter(plain, requires_grad=False)]),
    "subclass": (plain.as_subclass(Sub), [ones(2, 3).as_subclass(Sub)], [plain]),
    "conjugate": (torch.ones(2, dtype=torch.complex64).conj(), [torch.zeros(2, dtype=torch.complex64).conj()], [torch.ones(2, dtype=torch.complex64)]),
    "sparse": (torch.eye(3).to_sparse(), [torch.eye(3).to_sparse()], [torch.eye(3), torch.eye(4).to_sparse(), torch.eye(3).to_sparse_csr()]),
    "csr": (torch.eye(3).to_sparse_csr(), [torch.eye(3).to_sparse_csr()], [torch.eye(3).to_sparse()]),
    "meta": (ones(2, device="meta"), [torch.zeros(2, device="meta")], [ones(2)]),
    "scalar": (ones(()), [torch.zeros(())], [ones(1), 1.0]),
    "empty": (ones(0, 3), [ones(0, 3)], [ones(3, 0)]),
    "quantised": (
        torch.quantize_per_tensor(plain, 0.1, 0, torch.quint8), [torch.quantize_per_tensor(plain, 0.2, 0, torch.quint8)], [plain],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_is_matched_by_its_metadata(name: str) -> None:
    example, matching, failing = TENSORS[name]
    entry = lowered(Guard(x, "TENSOR_MATCH", example), x=example)
    for value in (example, *matching):
        assert verdict(entry, x=value)
    for value in failing:
        assert not verdict(entry, x=value)
    assert not verdict(entry)


def test_dynamic_dimensions_may_vary_and_others_may_not() -> None:
    entry = lowered(Guard(x, "TENSOR_MATCH", (plain, [None, 3], [3, 1])), x=plain)
    assert verdict(entry, x=ones(5, 3)) and verdict(entry, x=ones(1, 3))
    assert not verdict(entry, x=ones(2, 4)) and not verdict(entry, x=ones(5)) and not verdict(entry, x=ones(3, 5).t())
    free = lowered(Guard(x, "TENSOR_MATCH", (plain, [None, None], [None, 1])), x=plain)
    assert verdict(free, x=ones(7, 9)) and not verdict(free, x=ones(9, 7).t())
    assert entry.guards[0].expression == (
        "x is a Tensor of torch.float32, size [*, 3], stride [3, 1], on cpu, requires_grad=False"
    )


def test_what_differs_in_a_tensor_is_said() -> None:
    entry = lowered(Guard(x, "TENSOR_MATCH", plain), x=plain)
    (text,) = seen(entry, x=ones(3, 2, requires_grad=True).t())
    assert text.endswith("Tensor of torch.float32, size [2, 3], stride [1, 2], requires_grad=True")
    assert seen(entry, x=[1])[0].endswith("list of 1")


def test_tensors_are_read_without_their_torch_functions() -> None:
    called = []

    class Loud(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(func)
            return super().__torch_function__(func, types, args, kwargs or {})

    class LoudMode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(func)
            return func(*args, **(kwargs or {}))

    loud = plain.as_subclass(Loud)
    entry = lowered(Guard(x, "TENSOR_MATCH", loud), x=loud)
    called.clear()
    assert verdict(entry, x=loud) and not verdict(entry, x=plain)
    with LoudMode():
        assert verdict(entry, x=loud)
    assert not called


def _by_mode(make: Callable[[], Any]) -> Callable[[], Iterator[None]]:
    def change() -> Iterator[None]:
        with make():
            yield

    return change


def _by_setting(on: Callable[[], Any], off: Callable[[], Any]) -> Callable[[], Iterator[None]]:
    def change() -> Iterator[None]:
        on()
        try:
            yield
        finally:
            off()

    return change


class Function(TorchFunctionMode):
    pass


class Dispatch(TorchDispatchMode):
    pass


def identity(value: Any) -> Any:
    return value


#: kind → (what is expected of the usual state, ways to change it that must be noticed)
THREAD: dict[str, tuple[Callable[[], Any], list[Callable[[], Iterator[None]]]]] = {
    "GLOBAL_STATE": (
        GlobalState,
        [
            _by_mode(torch.no_grad),
            _by_mode(torch.inference_mode),
            _by_mode(lambda: torch.inference_mode(False)) if torch.is_inference_mode_enabled() else _by_mode(torch.no_grad),
            _by_mode(lambda: torch.autocast("cpu")),
            _by_mode(torch._C.DisableTorchFunction),
            _by_mode(torch._C.DisableTorchFunctionSubclass),
            _by_setting(lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32)),
            _by_setting(lambda: torch.use_deterministic_algorithms(True), lambda: torch.use_deterministic_algorithms(False)),
        ],
    ),
    "GRAD_MODE": (STATES["GRAD_MODE"], [_by_mode(torch.no_grad)]),
    "INFERENCE_MODE": (STATES["INFERENCE_MODE"], [_by_mode(torch.inference_mode)]),
    "DETERMINISTIC": (
        STATES["DETERMINISTIC"],
        [_by_setting(lambda: torch.use_deterministic_algorithms(True), lambda: torch.use_deterministic_algorithms(False))],
    ),
    "DETERMINISTIC_WARN_ONLY": (
        STATES["DETERMINISTIC_WARN_ONLY"],
        [_by_setting(lambda: torch.use_deterministic_algorithms(True, warn_only=True), lambda: torch.use_deterministic_algorithms(False))],
    ),
    "TORCH_FUNCTION_STATE": (STATES["TORCH_FUNCTION_STATE"], [_by_mode(torch._C.DisableTorchFunctionSubclass)]),
    "TORCH_FUNCTION_OFF": (STATES["TORCH_FUNCTION_OFF"], [_by_mode(torch._C.DisableTorchFunction)]),
    "TORCH_FUNCTION_MODE_STACK": (function_modes, [_by_mode(Function), _by_mode(lambda: torch.device("cpu"))]),
    "DISPATCH_MODES": (STATES["DISPATCH_MODES"], [_by_mode(Dispatch)]),
    "DUAL_LEVEL": (STATES["DUAL_LEVEL"], [_by_mode(torch.autograd.forward_ad.dual_level)]),
    "SAVED_TENSOR_HOOKS": (
        STATES["SAVED_TENSOR_HOOKS"],
        [_by_mode(lambda: torch.autograd.graph.saved_tensors_hooks(identity, identity))],
    ),
    "SAVED_TENSOR_HOOKS_DISABLED": (
        STATES["SAVED_TENSOR_HOOKS_DISABLED"],
        [_by_mode(lambda: torch.autograd.graph.disable_saved_tensors_hooks("not here"))],
    ),
    "SDPA_KERNELS": (
        STATES["SDPA_KERNELS"],
        [
            _by_mode(lambda: torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)),
            _by_setting(lambda: torch._C._set_sdp_priority_order([0, 1, 2, 3, 4]), lambda: torch._C._set_sdp_priority_order([1, 2, 0, 3, 4])),
        ],
    ),
    "DEFAULT_DEVICE": (
        default_device,
        [_by_setting(lambda: torch.set_default_device("meta"), lambda: torch.set_default_device(None))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", THREAD)
def test_a_switch_that_is_flipped_fails_and_flipped_back_passes(kind: str) -> None:
    expected, changes = THREAD[kind]
    entry = lowered(Guard(None, kind, expected()))
    assert verdict(entry)
    for change in changes:
        changing = change()
        next(changing)
        try:
            assert not verdict(entry), change
            assert entry.failures(_roots())[0].seen
        finally:
            next(changing, None)
        assert verdict(entry)


@pytest.mark.parametrize("kind", THREAD)
def test_the_same_unusual_state_passes_and_the_usual_one_fails(kind: str) -> None:
    expected, changes = THREAD[kind]
    changing = changes[0]()
    next(changing)
    try:
        entry = lowered(Guard(None, kind, expected()))
        assert verdict(entry)
    finally:
        next(changing, None)
    if kind != "DUAL_LEVEL":  # each level has its own number, and the first is used again
        assert not verdict(entry)


def _roots() -> Any:
    from tracer.sources import Roots

    return Roots({})


def test_an_expected_state_is_the_one_at_entry_not_the_one_at_lowering() -> None:
    entered = GlobalState()
    with torch.no_grad():
        entry = lowered(Guard(None, "GLOBAL_STATE", entered))
        assert not verdict(entry)
        assert "grad_mode" in seen(entry)[0]
    assert verdict(entry)


def test_transforms_of_torch_func() -> None:
    entry = lowered(Guard(None, "FUNCTORCH_STACK", ()))
    assert verdict(entry)
    found = []
    torch.func.vmap(lambda v: found.append(verdict(entry)) or v)(ones(2))
    assert found == [False]
    assert verdict(entry)


def test_dispatch_keys() -> None:
    keys = torch._C._dispatch_keys(plain)
    entry = lowered(Guard(x, "DISPATCH_KEY_SET", keys), x=keys)
    assert verdict(entry, x=torch._C._dispatch_keys(ones(1)))
    assert not verdict(entry, x=torch._C._dispatch_keys(ones(1, device="meta"))) and not verdict(entry, x=None)


def test_the_self_test_passes_here() -> None:
    self_test()


@pytest.mark.parametrize("name", ["plain", "parameter", "subclass", "sparse"])
@pytest.mark.parametrize("made_in", [False, True])
@pytest.mark.parametrize("lowered_in", [False, True])
def test_a_tensor_guard_tells_the_inference_mode(name: str, made_in: bool, lowered_in: bool) -> None:
    """The global state's own check of inference mode is left out where a tensor is guarded."""
    with torch.inference_mode(made_in):
        value = TENSORS[name][0].clone() if name != "parameter" else torch.nn.Parameter(ones(2, 3), requires_grad=False)
    with torch.inference_mode(lowered_in):
        entry = lowered(Guard(None, "GLOBAL_STATE", GlobalState()), Guard(x, "TENSOR_MATCH", value), x=value)
    for mode in (False, True, False):
        with torch.inference_mode(mode):
            assert verdict(entry, x=value) == (mode == lowered_in)
    with torch.inference_mode(not lowered_in), torch.no_grad():
        assert not verdict(entry, x=value)
        if not lowered_in:
            with torch.inference_mode(False), torch.no_grad():
                assert not verdict(entry, x=value)  # the grad mode is another one
