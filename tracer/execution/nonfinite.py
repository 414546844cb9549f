"""`session.first_nonfinite`: the recorded calls again, on copies, with every operator's results looked at.

In: a session. Out: a `NonFinite`, or None. An operator is to blame for a NaN if nothing that it read holds one, and for an infinity if nothing that
it read holds an infinity or a NaN. An infinity that the program writes down itself (a mask filled with -inf) is nobody's fault, and so is memory that
nobody has written to. For the backward, each autograd node that an operator made is heard: its gradients out are held against those in.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat.execution import Seen, is_wrapped, uninitialised
from ..compat.trees import leaves
from ..config import FIELDS
from ..errors import TracerError
from ..rerun.rng import unmoved
from ..rerun.running import chosen, run_again
from .finite import Given, NonFinite
from .model import Stats
from .passes import facts_of, tensors_in
from .program import Program, Step, Watch
from .statistics import statistics

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["first_nonfinite"]


def first_nonfinite(session: Session, *, call: int | None, backward: bool | None) -> NonFinite | None:
    """See `Executions.first_nonfinite`."""
    if session.keeper.keep is not True and not session.closed:
        kept = "only shapes of inputs" if session.keeper.keep else "no inputs"
        raise TracerError(f"this session keeps {kept}, so its calls can't be run again with their values.", next="make it with keep_inputs=True")
    calls = chosen(session, call)
    for one in calls:
        if one.used_up:
            raise TracerError(f"call {one.number} can't be run again: it reaches {one.used_up[0]}, which would be used up.", next="give it a list instead")
    looking = _Looking(backward is not False)
    settings = {name: getattr(session.config, name) for name in FIELDS}
    settings |= {"backend": looking, "mode": None, "options": None, "record": "nothing", "keep_inputs": False, "fullgraph": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the program raises it raised before; this is about its numbers
        new = run_again(session, calls, overrides=session.overrides, settings=settings)
    try:
        if looking.found is None and backward is not False and not looking.went_back:
            _go_back(looking, new.result, backward is True)
        if looking.found is None:
            return None
        names = {id(record.gm): record.graph for record in new.compiled if record.gm is not None}
        return looking.told(session, names)
    finally:
        new.close()


def _go_back(looking: _Looking, result: Any, whatever: bool) -> None:
    """The backward that the program hasn't run: from a result that is one number, as a loss is; `whatever`: from all, with gradients of one."""
    wanted = [t for t in tensors_in(result) if t.requires_grad and t.grad_fn is not None and (t.numel() == 1 or whatever)]
    if wanted:
        looking.note = "the program ran no backward: it was run from the result, with gradients of 1"
        with torch.enable_grad(), unmoved():
            torch.autograd.backward(wanted, [torch.ones_like(t) for t in wanted])


class _Looking:
    """The backend: runs graphs node by node, as they are, until something is found."""

    def __init__(self, backward: bool):
        self.backward, self.runs = backward, 0
        self.found: _Found | None = None
        self.went_back = False
        self.note = ""

    def __call__(self, gm: fx.GraphModule, _: list[Any]) -> Any:
        program = Program(gm)

        def run(*inputs: Any) -> Any:
            self.runs += 1
            if self.found is not None:
                return gm(*inputs)
            return program.run(_Finite(self, gm, program, inputs), inputs)

        return run

    def told(self, session: Session, names: dict[int, str]) -> NonFinite:
        from .running import records_of

        found = self.found
        assert found is not None
        names_here = [node.name for node in found.gm.graph.nodes if node.op.startswith("call")]
        same = next((one for one in session.graphs if [n.name for n in one.nodes if n.op.startswith("call")] == names_here), None)
        known = records_of(found.gm, same).get(found.name)
        location = found.step.location if found.step is not None else None
        return NonFinite(
            found.name, same.name if same is not None else names.get(id(found.gm), "graph"), found.kind, found.phase,
            known.target if known is not None else "", known.module_path if known is not None else "",
            location or (known.location if known is not None else None), found.stats, tuple(found.given), found.run, self.note,
        )  # fmt: skip


class _Found:
    def __init__(self, gm: fx.GraphModule, step: Step | None, name: str, kind: str, phase: str, stats: Any, given: Sequence[Given], run: int):
        self.gm, self.step, self.name, self.kind, self.phase = gm, step, name, kind, phase
        self.stats, self.given, self.run = stats, given, run


class _Finite(Watch):
    """Looks at every result of one run of a graph."""

    def __init__(self, looking: _Looking, gm: fx.GraphModule, program: Program, inputs: Sequence[Any]):
        self.looking, self.gm, self.program, self.run = looking, gm, program, looking.runs
        self.memory: dict[int, tuple[bool, bool]] = {}  # by storage: whether it was seen to hold a NaN, an infinity
        self.steps = {step.name: step for step in program.steps}
        self._known: dict[Any, None] = {}  # autograd nodes that were there before
        for (_, name), value in zip(program.placeholders, inputs):
            for tensor in tensors_in(value):
                self._known.update(dict.fromkeys(_history(tensor, {})))
                nan, inf = self._look(tensor)
                if nan and looking.found is None:
                    looking.found = _Found(gm, None, name, "NaN", "input", statistics(tensor), (), self.run)
        for _, value in program.constants:
            for tensor in tensors_in(value) if not isinstance(value, torch.nn.Module) else ():
                self._look(tensor)

    def call(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if self.looking.found is not None:
            return step.function(*args, **kwargs)
        read = _named(step, args, kwargs)
        before = [(tensor, _version(tensor), *self._state(tensor)) for _, tensor in read]
        written = _writes(step)
        early = [self._given(name, tensor) for name, tensor in read] if written else []
        result = step.function(*args, **kwargs)
        if self.looking.found is not None:  # inside a body of it
            return result
        given = tensors_in(result)
        nan, inf = (any(parts) for parts in zip(*map(self._look, given))) if given else (False, False)
        if nan or inf:
            had_nan, had_inf = any(b[2] for b in before), any(b[3] for b in before)
            made = nan and not had_nan or inf and not had_nan and not had_inf
            if made and not _says_so(args, kwargs) and not self._unwritten(step, args, kwargs, before):
                self._blame(step, args, kwargs, given, nan and not had_nan, early or [self._given(name, tensor) for name, tensor in read])
        if self.looking.backward and torch.is_grad_enabled():
            self._listen(step, given, read)
        return result

    # ---- looking
    def _look(self, tensor: torch.Tensor) -> tuple[bool, bool]:
        """Whether it holds a NaN, an infinity."""
        if not _readable(tensor):
            return False, False
        values = tensor.detach()
        found = (False, False) if bool(torch.isfinite(values).all()) else (bool(values.isnan().any()), bool(values.isinf().any()))
        self.memory[values.untyped_storage()._cdata] = found
        return found

    def _state(self, tensor: torch.Tensor) -> tuple[bool, bool]:
        if not _readable(tensor):
            return False, False
        known = self.memory.get(tensor.untyped_storage()._cdata)
        return (False, False) if known == (False, False) else self._look(tensor)

    def _given(self, name: str, tensor: torch.Tensor) -> Given:
        dtype, shape, _, _ = facts_of(tensor)
        stats = statistics(tensor) if not is_wrapped(tensor) else None
        step = self.steps.get(name)
        return Given(name, stats, suspicious(tensor, stats), step.location if step is not None else None, dtype, shape)

    def _unwritten(self, step: Step, args: Any, kwargs: Any, before: list[tuple[Any, ...]]) -> bool:
        """Whether the result is memory as it was found. The operator runs once more for it, unless it writes to what it reads."""
        if step.nested or any(_version(tensor) != version for tensor, version, *_ in before):
            return False
        ran: list[Any] = []
        with unmoved(), torch.no_grad(), Seen(lambda func, *_: ran.append(func)):
            step.function(*args, **kwargs)
        return bool(ran) and uninitialised(ran[-1])

    def _blame(self, step: Step, args: Any, kwargs: Any, given: list[torch.Tensor], nan: bool, read: list[Given]) -> None:
        looking = self.looking
        if step.nested and not _writes(step):
            with torch.no_grad(), unmoved():  # torch shows bodies as they run only where nothing is differentiated
                plain = fx.node.map_aggregate((tuple(args), kwargs), lambda value: value.detach() if isinstance(value, torch.Tensor) else value)
                self.program._listen(self)
                step.function(*plain[0], **plain[1])
            if looking.found is not None:
                return
        bad = next(tensor for tensor in given if _readable(tensor) and not bool(torch.isfinite(tensor.detach()).all()))
        stats = statistics(bad)
        kind = "NaN" if nan else "-inf" if stats is not None and stats.negative_inf == stats.inf else "inf"
        looking.found = _Found(self.gm, step, step.name, kind, "forward", stats, _weakly_told(read, kind), self.run)

    # ---- the backward
    def _listen(self, step: Step, given: list[torch.Tensor], read: list[tuple[str, torch.Tensor]]) -> None:
        weak = [(name, weakref.ref(tensor)) for name, tensor in read]
        for tensor in given:
            for node in _history(tensor, self._known):
                self._known[node] = None
                node.register_hook(self._hook(step, weak))

    def _hook(self, step: Step, read: list[tuple[str, Any]]) -> Callable[[Any, Any], None]:
        looking = self.looking

        def hear(out: Any, into: Any) -> None:
            looking.went_back = True
            if looking.found is not None:
                return
            bad_in = [g for g in into if g is not None and _holds(g)]
            bad = next((g for g in out if g is not None and _holds(g)), None)
            if bad_in:
                kind, stats = _kind(bad_in[0])
                looking.found = _Found(self.gm, step, step.name, kind, "gradient", stats, (), self.run)
            elif bad is not None:
                kind, stats = _kind(bad)
                told = [self._given(name, tensor) for name, reference in read if (tensor := reference()) is not None]
                told += [Given(f"gradient {number}", statistics(g), "", None, *facts_of(g)[:2]) for number, g in enumerate(into) if g is not None]
                looking.found = _Found(self.gm, step, step.name, kind, "backward", stats, _weakly_told(told, kind), self.run)

        return hear


# ---- what is asked of values
def _readable(tensor: torch.Tensor) -> bool:
    """Whether it has numbers that can be infinite, and they can be looked at."""
    known = tensor.layout is torch.strided and not tensor.is_meta and not tensor.is_quantized and not tensor.is_nested
    return known and (tensor.is_floating_point() or tensor.is_complex()) and not is_wrapped(tensor)


def _holds(tensor: torch.Tensor) -> bool:
    return _readable(tensor) and not bool(torch.isfinite(tensor.detach()).all())


def _kind(tensor: torch.Tensor) -> tuple[str, Any]:
    stats = statistics(tensor)
    assert stats is not None
    return "NaN" if stats.nan else "-inf" if stats.negative_inf == stats.inf else "inf", stats


def _version(tensor: torch.Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


def _named(step: Step, args: Any, kwargs: Any) -> list[tuple[str, torch.Tensor]]:
    """The tensors that an operator reads, each with the node that it comes from."""
    named: list[tuple[str, torch.Tensor]] = []
    prefix = f"{step.body}." if step.body else ""

    def walk(template: Any, value: Any) -> None:
        if isinstance(template, fx.Node):
            named.extend((prefix + template.name, tensor) for tensor in tensors_in(value) if not isinstance(value, torch.nn.Module))
        elif isinstance(template, list | tuple) and isinstance(value, list | tuple):
            for one, other in zip(template, value):
                walk(one, other)
        elif isinstance(template, dict):
            for key, one in template.items():
                walk(one, value[key])

    walk(tuple(step.node.args), tuple(args))
    walk(dict(step.node.kwargs), kwargs)
    return list({id(tensor): (name, tensor) for name, tensor in reversed(named)}.values())[::-1]


def _says_so(args: Any, kwargs: Any) -> bool:
    """Whether the program itself gives the operator a number that is none."""
    numbers = (value for value in leaves((list(args), dict(kwargs))) if isinstance(value, float | complex))
    return any(not (math.isfinite(value) if isinstance(value, float) else math.isfinite(abs(value))) for value in numbers)


def _writes(step: Step) -> bool:
    effect = step.node.meta.get("effect")
    return effect is not None and bool(effect.writes)


def _history(tensor: torch.Tensor, known: dict[Any, None]) -> list[Any]:
    """The autograd nodes behind a tensor up to those that are known."""
    found: dict[Any, None] = {}
    ahead = [tensor.grad_fn] if tensor.grad_fn is not None else []
    while ahead:
        node = ahead.pop()
        if node in found or node in known:
            continue
        found[node] = None
        ahead += [after for after, _ in node.next_functions if after is not None]
    return list(found)


def suspicious(tensor: torch.Tensor, stats: Any) -> str:
    """What is odd about an input of an operator, so that its result may be no number: words, "" for nothing."""
    if stats is None or not stats.count or not (tensor.is_floating_point() or tensor.is_complex()):
        return ""
    if stats.nan:
        return "holds NaN already"
    if stats.negative_inf and tensor.dim() and bool(tensor.detach().isneginf().all(-1).any()):
        return "has rows that are all -inf (all masked)"
    if stats.inf:
        return "holds infinities already"
    most = torch.finfo(tensor.dtype).max
    if stats.largest > math.sqrt(most):
        return f"is huge: its square is more than {tensor.dtype} holds"
    if stats.subnormals:
        return "holds subnormal numbers"
    return "is all zeros" if stats.zeros == stats.count else ""


def _weakly_told(read: Sequence[Given], kind: str) -> tuple[Given, ...]:
    """Where nothing else is suspicious, what is harmless elsewhere may be the reason: zeros to divide by or to take the logarithm of; for a NaN
    negative numbers under a root, and items that are all equal, which have no variance to divide by."""
    if any(one.suspicious for one in read):
        return tuple(read)
    return tuple(Given(one.name, one.stats, _weakly(one.stats, kind), one.location, one.dtype, one.shape) for one in read)


def _weakly(stats: Stats | None, kind: str) -> str:
    if stats is None or not stats.count:
        return ""
    if stats.zeros:
        return "holds zeros"
    if kind == "NaN" and stats.min < 0:
        return "holds negative numbers"
    return "has no variance: all items are equal" if kind == "NaN" and stats.count > 1 and stats.std == 0 else ""
