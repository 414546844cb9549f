"""What every test starts from: one thread for torch (workers share the cores), fixed seeds, nothing compiled before."""

from __future__ import annotations

import gc
import random
import signal
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Hypothesis tells a slow machine apart from a slow test badly: two workers share these cores."""
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:
        return
    settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("shared")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """GPU tests skip themselves where there is no GPU, so that `pytest -m gpu` is harmless everywhere."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """What the test files import lives as long as the run: no collection has to walk it again, and tests that ask for one are as fast in the
    suite as by themselves."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Seeds before, compiled entries dropped after. Tests that never touch torch don't pay for importing it."""
    random.seed(0)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        left = _left_behind(torch)
        assert not left, f"the test left {', '.join(left)}"
    tracer = sys.modules.get("tracer")
    if tracer is not None and "tracer.session" in sys.modules:
        tracer.reset()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where the suite runs in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _left_behind(torch: ModuleType) -> list[str]:
    """Global and thread-local settings that differ from what a process starts with; they are put back for the next test."""
    usual = (
        ("gradients off", not torch.is_grad_enabled(), lambda: torch.set_grad_enabled(True)),
        ("autocast on", torch.is_autocast_enabled("cpu"), lambda: torch.set_autocast_enabled("cpu", False)),
        (
            "another autocast dtype",
            torch.get_autocast_dtype("cpu") != torch.bfloat16,
            lambda: torch.set_autocast_dtype("cpu", torch.bfloat16),
        ),
        (
            "another default dtype",
            torch.get_default_dtype() != torch.float32,
            lambda: torch.set_default_dtype(torch.float32),
        ),
        ("another default device", torch.get_default_device().type != "cpu", lambda: torch.set_default_device(None)),
        (
            "a torch-function mode",
            torch._C._len_torch_function_stack() > 0,
            lambda: [torch._C._pop_torch_function_stack() for _ in range(torch._C._len_torch_function_stack())],
        ),
        (
            "a dispatch mode",
            torch._C._len_torch_dispatch_stack() > 0,
            lambda: [torch._C._pop_torch_dispatch_stack(None) for _ in range(torch._C._len_torch_dispatch_stack())],
        ),
        (
            "saved-tensor hooks disabled",
            torch._C._autograd._saved_tensors_hooks_get_disabled_error_message() is not None,
            torch._C._autograd._saved_tensors_hooks_enable,
        ),
        (
            "deterministic algorithms",
            torch.are_deterministic_algorithms_enabled(),
            lambda: torch.use_deterministic_algorithms(False),
        ),
    )
    found = [(name, restore) for name, wrong, restore in usual if wrong]
    for _, restore in found:
        restore()
    return [name for name, _ in found]
