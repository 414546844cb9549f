"""Checkpoints whose function would compute something else by the time of the backward, because of what the frame does behind them.

A checkpointed function runs twice: where it stands, and once more in the backward, where it reads what is there then. The node of a graph computes the
same again. So what a checkpoint comes to is kept as it was, and where the frame has changed any of it by its end, the function is followed once more, as the
backward would run it. Where that gives another graph, the frame begins again without that checkpoint in its graph.

What changes behind the frame isn't known here: there the graph computes again what it had computed, as torch.compile's does, whose documentation of
checkpoints leaves open what becomes of such programs. Nor is a checkpoint looked at that stands in a body of another operator.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ..graph.modes import MODES, AutocastState, put_modes
from ..isa.flow import successors
from ..signals import Decision, Restart
from ..variables import CellVariable, Lazy, PartialVariable, TensorVariable, Variable
from .again import Reach
from .escapes import parts_of
from .marks import same_state
from .nodes import form_of
from .speculate import Body, Policy, Rejected, speculate

if TYPE_CHECKING:
    from ..context import Context
    from ..interpreter.frame import Frame

__all__ = ["Recomputed", "check_left", "has_backward"]

_SAME, _OTHER = "computes the same again", "computes something else by now"


class Recomputed:
    """A checkpoint in the graph of a frame, with what it depends on as it is where it stands."""

    __slots__ = ("_args", "_autocast", "_form", "_function", "_kwargs", "_lifted", "_modes", "_policy", "_reached", "_reads", "_states", "key")

    def __init__(
        self, ctx: Context, key: tuple[Any, ...], policy: Policy, function: Variable, args: list[Variable], kwargs: dict[str, Variable], body: Body, read: int
    ):
        """`read`: how many reads of globals and closures there were before its body."""
        self.key, self._policy, self._function, self._args, self._kwargs = key, policy, function, args, kwargs
        self._form, self._lifted = form_of(ctx, body.graph), body.lifted
        self._modes, self._autocast = {name: mode.read() for name, mode in MODES.items()}, AutocastState()
        self._reads = frozenset(ctx.globals_read[read:])
        self._reached = _reached(ctx, [function, *args, *kwargs.values()])
        self._states = {variable: variable.snapshot() for variable in (*self._reached, *ctx.effects) if variable.mutable}

    def changed(self, ctx: Context) -> Variable | None:
        """Something that its function can come to and that isn't what it was."""
        found = [variable for variable, state in self._states.items() if not same_state(state, variable.snapshot())]
        found += [variable for variable in ctx.effects if variable not in self._states]
        near = next((variable for variable in found if variable in self._reached), None)
        if near is not None or not found:
            return near
        reach = Reach(ctx, self._reads, [variable.source for variable in self._reached if variable.source is not None])
        return next((variable for variable, _ in reach.paths(found)), None)

    def reads_one_of(self, cells: set[Any]) -> Variable | None:
        return next((variable for variable in self._reached if variable in cells), None)

    def stays(self, ctx: Context) -> bool:
        """Whether its function, followed once more, computes what it did."""
        try:
            with self._as_it_was(ctx):
                because = "the frame changed what it may read"
                speculate(ctx, self._policy, "checkpoint_body", self._function, self._args, self._kwargs, because, self._compared(ctx))
        except Rejected as rejected:
            return rejected.does == _SAME and not rejected.lasting
        return False

    def _compared(self, ctx: Context) -> Any:
        return lambda body: _SAME if body.lifted == self._lifted and form_of(ctx, body.graph) == self._form else _OTHER

    @contextmanager
    def _as_it_was(self, ctx: Context) -> Iterator[None]:
        """Under the modes of the forward, which torch gives the second run too."""
        modes, autocast = {name: mode.read() for name, mode in MODES.items()}, AutocastState()
        _write(ctx, self._modes, self._autocast)
        try:
            yield
        finally:
            _write(ctx, modes, autocast)


def _write(ctx: Context, modes: dict[str, Any], autocast: AutocastState) -> None:
    put_modes(modes, autocast)
    ctx.refresh_modes()


def _reached(ctx: Context, start: list[Any]) -> dict[Variable, None]:
    """What these hold, as far as it was read."""
    found: dict[Variable, None] = {}
    pending = list(start)
    while pending:
        variable = pending.pop()
        if type(variable) is Lazy:
            variable = ctx.by_source.get(variable.source)
        if not isinstance(variable, Variable) or variable in found:
            continue
        found[variable] = None
        pending += (variable.function, *variable.args) if isinstance(variable, PartialVariable) else parts_of(variable)
    return found


def has_backward(body: Body) -> bool:
    """Whether the body's function will run again."""
    return torch.is_grad_enabled() and any(isinstance(leaf, TensorVariable) and leaf.fake.requires_grad for leaf in body.leaves)


def check_left(ctx: Context, ahead: Frame | None) -> None:
    """At the end of a graph: the frame begins again where one of its checkpoints would compute something else by now, or may, since the frame goes on
    (`ahead`: from where it stands) and writes to a variable of the function."""
    written = _written_from(ahead) if ahead is not None and ctx.recomputed else set()
    for one in ctx.recomputed:
        changed = one.reads_one_of(written)
        if changed is None:
            changed = one.changed(ctx)
            if changed is None or one.stays(ctx):
                continue
        why = f"its function reads {_named(changed)}, which changes behind it: torch computes with the new one when it runs the function again"
        raise Restart(Decision(one.key, why, why))


def _written_from(frame: Frame) -> set[Any]:
    """The cells of a frame that what is left of it may write to."""
    decoded, found, seen, pending = frame.program.decoded, set(), set(), [frame.pc]
    while pending:
        index = pending.pop()
        if index in seen:
            continue
        seen.add(index)
        op, handler = decoded.ops[index], decoded.handlers[index]
        if op.name in ("StoreDeref", "DeleteDeref"):
            found.add(frame.locals[op.arg])
        pending += [following for following, _ in successors(decoded.ops, index)]
        if handler is not None:
            pending.append(handler.target)
    return found


def _named(variable: Variable) -> str:
    if isinstance(variable, CellVariable):
        return variable.name
    return variable.source.text if variable.source is not None else variable.describe()
