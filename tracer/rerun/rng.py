"""The states of the random number generators that a program may draw from without naming one."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import torch

from ..compat.copies import plain_dispatch

__all__ = ["RandomState", "unmoved"]


class RandomState:
    """Python's, NumPy's (where it is imported), torch's of the CPU and (where CUDA runs) of each GPU, as they are now."""

    __slots__ = ("cpu", "gpus", "numpy", "python")

    def __init__(self) -> None:
        self.python = random.getstate()
        numpy = sys.modules.get("numpy")
        self.numpy: Any = numpy.random.get_state() if numpy is not None else None
        self.cpu = torch.get_rng_state()
        self.gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []

    def restore(self) -> None:
        random.setstate(self.python)
        if self.numpy is not None:
            sys.modules["numpy"].random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        for number, state in enumerate(self.gpus):
            torch.cuda.set_rng_state(state, number)

    def drawn(self) -> bool:
        """Whether torch's numbers were drawn since, of generators that were there."""
        now = RandomState()
        return any(not torch.equal(a, b) for a, b in zip([self.cpu, *self.gpus], [now.cpu, *now.gpus]))

    @contextlib.contextmanager
    def replayed(self) -> Iterator[None]:
        """These states inside; what was there before, afterwards."""
        before = RandomState()
        self.restore()
        try:
            yield
        finally:
            before.restore()


@contextlib.contextmanager
def unmoved() -> Iterator[None]:
    """Whatever is drawn inside, the program draws the numbers that it would have drawn."""
    with plain_dispatch():
        before = RandomState()
    try:
        yield
    finally:
        with plain_dispatch():
            before.restore()
