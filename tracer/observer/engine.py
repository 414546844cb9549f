"""torch.compile in the place of our frame hook: a session with `engine="dynamo"` runs its calls through this.

It answers what a session asks of its hook (`tracer.runtime.hook.FrameHook`): run a call, watch a block, drop what is compiled.
"""

from __future__ import annotations

import contextlib
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from ..callers import name_of
from ..compat import dynamo, stances
from ..compat import evalframe as ef
from ..compat.copies import plain_dispatch
from ..compat.wrappers import original_of
from ..config import TraceConfig
from ..errors import TracerError
from ..events import FrameSkipped
from ..rerun.rng import RandomState
from . import switch
from .watch import Watch

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["DynamoEngine"]

#: Settings that torch.compile has by the same name; a session passes on those that differ from our defaults.
_SHARED = (
    "assume_static_by_default",
    "automatic_dynamic_shapes",
    "specialize_int",
    "specialize_float",
    "allow_unspec_int_on_nn_module",
    "capture_scalar_outputs",
    "capture_dynamic_output_shape_ops",
    "trace_numpy",
    "allow_rnn",
    "reorderable_logging_functions",
    "ignore_logging_functions",
    "recompile_limit",
)


class _Outside:
    """What a pause shares with the rest of the process, and torch.compile puts back when an attempt ends."""

    def __init__(self) -> None:
        with plain_dispatch():
            self.random, self.dtype = RandomState(), torch.get_default_dtype()

    def apply(self) -> None:
        with plain_dispatch():
            self.random.restore()
            torch.set_default_dtype(self.dtype)

    def differs(self, other: _Outside) -> bool:
        mine, theirs = self.random, other.random
        return (
            self.dtype != other.dtype
            or mine.python != theirs.python
            or not torch.equal(mine.cpu, theirs.cpu)
            or _numpy(mine) != _numpy(theirs)
        )


def _numpy(state: RandomState) -> Any:
    return None if state.numpy is None else (state.numpy[0], state.numpy[1].tobytes(), *state.numpy[2:])


class DynamoEngine:
    """`muted`: the thread whose call was given up (its events raise; see `tracer.control.gate`)."""

    def __init__(self, session: Session):
        self._session = weakref.ref(session)
        self.region = ef.new_region()
        self.closed = False
        self.muted = 0
        self.watch: Watch | None = None
        self._compiled: dict[int, tuple[Any, Any]] = {}
        self._outside: _Outside | None = None
        self._block_backend = dynamo.own_backend(session.backend, self.region)

    @property
    def session(self) -> Session:
        found = self._session()
        assert found is not None
        return found

    # ---- running
    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`function(*args, **kwargs)` under torch.compile, watched."""
        compiled = self.compiled(function)
        if stances.current().name == "force_eager" and self.session.recorder.on:
            code = getattr(function, "__code__", None)
            file, line = (code.co_filename, code.co_firstlineno) if code is not None else ("", 0)
            self.session.recorder.aside(FrameSkipped, name_of(function), file, line, "torch.compiler.set_stance('force_eager') is in force")
        with self.active_for_call():
            return compiled(*args, **kwargs)

    def compiled(self, function: Any) -> Any:
        """torch.compile of the function, the same each time. Of a module that torch.compile returned, of its original."""
        known = self._compiled.get(id(function))
        if known is None:
            config = self.session.config
            made = dynamo.compiled(
                original_of(function),
                self.region,
                backend=config.backend,
                dynamic=config.dynamic,
                fullgraph=config.fullgraph,
                mode=config.mode,
                options=config.options,
                **({} if config.dynamic_shapes is None else {"dynamic_shapes": config.dynamic_shapes}),
            )
            known = self._compiled[id(function)] = (function, made)
        return known[1]

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Functions that are called inside are compiled by torch.compile, and watched; the block's own level runs as Python."""
        config = self.session.config
        with (
            self._own_region(),
            self.active_for_call(),
            dynamo.tracing_block(self._block_backend, fullgraph=config.fullgraph, dynamic=config.dynamic, shapes=config.dynamic_shapes),
        ):
            assert self.watch is not None
            self.watch.blocks += 1
            try:
                yield
            finally:
                self.watch.blocks -= 1

    @contextlib.contextmanager
    def _own_region(self) -> Iterator[None]:
        """Entries of a block, where other callers of torch.compile don't meet them."""
        prior = ef.set_region(self.region)
        try:
            yield
        finally:
            ef.set_region(prior)

    @contextlib.contextmanager
    def active_for_call(self) -> Iterator[None]:
        watch = self.watch
        if watch is None:
            watch = self.watch = Watch(self.session)
            for _, gives, why in switch.missing():
                warnings.warn(f"with this torch Tracer can't follow {gives}: {why}", RuntimeWarning, stacklevel=5)
        changes = _changes(self.session.config)
        try:
            with dynamo.configured(changes) if changes else contextlib.nullcontext(), switch.observing(watch):
                yield
        finally:
            watch.ended()
            faults, watch.faults = watch.faults, []
            self._report(faults)

    def _report(self, faults: list[Exception]) -> None:
        if not faults:
            return
        first = faults[0]
        if self.session.config.strict:
            raise first
        warnings.warn(
            f"Tracer failed to follow torch.compile {len(faults)} times ({type(first).__name__}: {first}); what it compiled is unaffected. "
            "Please report this with the session's recording (session.save).",
            RuntimeWarning,
            stacklevel=5,
        )

    # ---- stepping
    @contextlib.contextmanager
    def pausing(self) -> Iterator[None]:
        """Around a pause of the stepped call: inside a trace torch.compile holds its lock, and will put random states and the
        default dtype back; what the person does to them meanwhile is kept for afterwards."""
        watch = self.watch
        if watch is None or not watch.compiling:
            yield
            return
        with switch.paused(watch.compiling[-1]), dynamo.collecting():
            inside = _Outside()
            if self._outside is not None:
                self._outside.apply()
            try:
                yield
            finally:
                now = _Outside()
                if watch.attempts and (self._outside is not None or now.differs(inside)):
                    self._outside = now
                    inside.apply()

    def traced_once(self) -> None:
        """An attempt has ended, and torch.compile has put back what was there when it began."""
        if self._outside is not None:
            self._outside.apply()
            self._outside = None

    def refuse(self, what: str) -> None:
        """Decisions inside of a frame are torch.compile's own."""
        raise TracerError(
            f"{what} can't be overridden with engine='dynamo': torch.compile's own decisions are watched, not taken for it.",
            next="change settings instead: session.recompile(dynamic=True, …), or try the override with our compiler: "
            "session.recompile(engine='tracer', overrides=[…])",
        )

    # ---- what is compiled
    def entries(self, code: types.CodeType) -> list[Any]:
        """None of ours: torch.compile keeps its entries itself."""
        return []

    def count(self, code: types.CodeType) -> int:
        return 0

    def codes(self) -> list[types.CodeType]:
        return list(self.watch.codes.values()) if self.watch is not None else []

    def reset(self) -> None:
        """What was compiled is compiled anew at its next call (a region of its own: other callers of torch.compile keep theirs)."""
        self._compiled.clear()
        self.region = ef.new_region()
        if self.watch is not None:
            self.watch.forget()

    def close(self) -> None:
        self.closed = True
        self.reset()


def _changes(config: TraceConfig) -> dict[str, Any]:
    """The settings that differ from our defaults. Without any, torch.compile's own are in force."""
    default = TraceConfig()
    found = {name: getattr(config, name) for name in _SHARED if getattr(config, name) != getattr(default, name)}
    return {name: set(value) if isinstance(value, frozenset) else value for name, value in found.items()}
