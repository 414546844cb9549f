"""`run.compare`: one graph in two settings, operator by operator, or as a backend makes one program of it.

In: two runs that hold their program. Out: a `Comparison`. In another dtype or on another device both run node by node; each operator is also run in
the second setting on the first one's inputs, so that what it adds is told from what came to it. What a dtype explains is measured, not assumed: the first
setting's operator, run on the inputs as the second one holds them, gives what the rounding of the inputs does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..diff.align import align
from ..errors import TracerError
from .comparison import Comparison, NodeError
from .model import GraphRun
from .passes import tensors_in
from .program import Step, Watch

__all__ = ["compare", "errors_of", "explained"]

#: So many roundings of the narrower dtype, of the largest magnitude, are nothing to tell.
ROUNDINGS = 8.0


def compare(run: GraphRun, other: GraphRun, *, tolerance: float | None, progress: Callable[..., Any] | None, stop: Callable[[], bool] | None) -> Comparison:
    """See `GraphRun.compare`."""
    for one in (run, other):
        if "live" not in one.__dict__:
            raise TracerError("a run of a recording holds no program, so it can't be compared.", next="run the graph of a session, twice")
    if run.graph != other.graph and not {node.name for node in run.nodes} & {node.name for node in other.nodes}:
        raise TracerError(f"{run.graph} and {other.graph} have no operator in common.", next="compare two runs of one graph")
    if run.backend != other.backend:
        from .cuts import by_cuts

        return by_cuts(run, other, tolerance, progress, stop)
    made = _Nodes(run, other, stop, progress)
    return made.compared()


def _named(run: GraphRun, other: GraphRun) -> tuple[str, str]:
    def name(one: GraphRun) -> str:
        return " ".join(filter(None, (one.dtype or "recorded dtype", f"on {one.device}", one.backend)))

    return name(run), name(other)


class _Kept(Watch):
    """Every result, as it was right behind its operator; of one that runs several times each."""

    def __init__(self, stop: Callable[[], bool] | None) -> None:
        self.results: dict[str, list[Any]] = {}
        self.inputs: dict[str, list[tuple[Any, Any]]] = {}
        self._stop = stop

    def call(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if self._stop is not None and self._stop():
            raise TracerError("the comparison was cancelled.", next="compare the runs again")
        given = copied_values((list(args), dict(kwargs)))
        result = step.function(*args, **kwargs)
        self.inputs.setdefault(step.name, []).append(given)
        self.results.setdefault(step.name, []).append(copied_values(result))
        return result


def copied_values(value: Any) -> Any:
    """The same containers with copies of the tensors; modules, which are bodies, are what they are."""
    return torch.utils._pytree.tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf, value)


class _Nodes:
    """Both runs node by node."""

    def __init__(self, run: GraphRun, other: GraphRun, stop: Callable[[], bool] | None, progress: Callable[..., Any] | None):
        self.run, self.other, self.stop, self.progress = run, other, stop, progress
        self.notes: list[str] = []
        self.left, self.right = run.__dict__["live"], other.__dict__["live"]

    def compared(self) -> Comparison:
        first, second = _Kept(self.stop), _Kept(self.stop)
        with self.left.entered():
            self.left.run(first)
        with self.right.entered():
            self.right.run(second)
        pairs = align(self.left.program.steps, self.right.program.steps, lambda step: (step.name, step.node.target), lambda step: step.name)
        both = [(a, b) for a, b in pairs if a is not None and b is not None and first.results.get(a.name) and second.results.get(b.name)]
        missing = tuple(one.name for a, b in pairs if (a is None or b is None) and (one := a or b) is not None)
        nodes = []
        for number, (a, b) in enumerate(both):
            if self.stop is not None and self.stop():
                raise TracerError("the comparison was cancelled.", next="compare the runs again")
            nodes.append(self._node(a, b, first, second))
            if self.progress is not None:
                self.progress(number + 1, len(both), b.name)
        made = Comparison(_named(self.run, self.other), self.run.graph, tuple(nodes), missing=missing, random=self.run.random or self.other.random)
        made.notes = tuple(dict.fromkeys([*self.notes, *self.run.notes, *self.other.notes]))
        if made.first is not None:
            made.chain = chain(self.right.program.steps, made.first.other, nodes)
            made.__dict__["write"] = self._writer(made.first, first)
        return made

    def _node(self, a: Step, b: Step, first: _Kept, second: _Kept) -> NodeError:
        wanted, got = first.results[a.name], second.results[b.name]
        total = errors_of(wanted, got)
        known = self.run.node(a.name)
        told: dict[str, Any] = {"target": known.target, "module": known.module, "location": known.location, **(total or {})}
        if b.nested or a.nested or total is None:
            return NodeError(a.name, b.name, **told)
        added, allowed, wrong = 0.0, 0.0, False
        for given, result, mine in zip(first.inputs[a.name], wanted, second.inputs[b.name]):
            one = self._added(a, b, given, result, mine)
            if one is not None:
                added, allowed, wrong = max(added, one[0]), max(allowed, one[1]), wrong or one[2]
        return NodeError(a.name, b.name, **told, added=added, explained=allowed, wrong=wrong)

    def _added(self, a: Step, b: Step, given: Any, result: Any, mine: Any) -> tuple[float, float, bool] | None:
        """The error that the operator makes in the second setting on the first one's inputs; what is explained; whether it is more."""
        other = _as(given, mine)
        try:
            with self.right.entered():
                self.right.record.state.restore()
                here = b.function(*(args := copied_values(other))[0], **args[1])
            with self.left.entered():
                self.left.record.state.restore()
                rounded = a.function(*(args := copied_values(_as(other, given)))[0], **args[1])
        except Exception as error:
            self.notes.append(f"{b.name} can't be run by itself ({type(error).__name__}): its error isn't told apart from that of its inputs")
            return None
        return judged(tensors_in(given), tensors_in(result), tensors_in(rounded), tensors_in(here), self.run.node(a.name).flops > 0)

    def _writer(self, first: NodeError, kept: _Kept) -> Callable[[Any], list[Any]]:
        from .repro import node_script

        step = next(step for step in self.right.program.steps if step.name == first.other)
        return lambda path: node_script(path, step, kept.inputs[first.name][0], self.left, self.right)


def _as(value: Any, like: Any) -> Any:
    """Tensors of `value` in the dtypes and on the devices of those in `like`, which has the same form."""
    flat, spec = torch.utils._pytree.tree_flatten(value)
    others = torch.utils._pytree.tree_leaves(like)
    if len(flat) != len(others):
        return value
    made = [one.to(two.device, two.dtype) if isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor) else two for one, two in zip(flat, others)]
    return torch.utils._pytree.tree_unflatten(made, spec)


# ---- errors
def judged(given: list[Any], wanted: list[Any], rounded: list[Any], here: list[Any], products: bool) -> tuple[float, float, bool]:
    """(error added, explained, whether it is wrong). `wanted`: the first setting's result, `rounded`: its operator on rounded inputs, `here`: the second's."""
    added = allowed = 0.0
    wrong = len(wanted) != len(here)
    for want, near, got in zip(wanted, rounded, here):
        if want.shape != got.shape or want.is_meta:
            wrong = wrong or want.shape != got.shape
            continue
        if not (want.is_floating_point() or want.is_complex()):
            continue  # whole numbers and truths follow from what they were made of
        a, r, g = (_wide(one) for one in (want, near, got))
        bad = torch.isfinite(a) & ~torch.isfinite(g)
        if bool(bad.any()):
            return math.inf, allowed, True
        both = torch.isfinite(r) & torch.isfinite(g)
        error = float((r - g)[both].abs().max()) if bool(both.any()) else 0.0
        most = explained([*given, want], a, got, products)
        added, allowed = max(added, error), max(allowed, most)
        wrong = wrong or error > most
    return added, allowed, wrong


def explained(given: Sequence[Any], wanted: torch.Tensor, got: torch.Tensor, products: bool) -> float:
    """How large an error rounding explains: a few of the narrower dtype, of the largest magnitude that takes part; of sums as many more as their length's
    root, since they may be added up in any order."""
    floats = [one for one in given if isinstance(one, torch.Tensor) and one.is_floating_point()]
    eps = max([torch.finfo(one.dtype).eps for one in (*floats, got) if one.is_floating_point()], default=0.0)
    inputs = sorted(_largest(_wide(one)) for one in floats[:-1] if one.numel())
    longest = max((max(one.shape, default=1) for one in floats), default=1)
    summed = 0.0
    if products and len(inputs) > 1:
        summed = inputs[-1] * inputs[-2]
    elif inputs and any(one.numel() > wanted.numel() for one in floats):
        summed = inputs[-1]
    return eps * (ROUNDINGS * max(_largest(wanted), summed) + summed * math.sqrt(longest))


def _largest(values: torch.Tensor) -> float:
    finite = values[torch.isfinite(values)]
    return float(finite.abs().max()) if finite.numel() else 0.0


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    values = tensor.detach()
    return (torch.view_as_real(values.resolve_conj()) if values.is_complex() else values).to("cpu", torch.float64)


def errors_of(wanted: Any, got: Any) -> dict[str, float] | None:
    """Of what an operator gave in both: the largest absolute and relative error, ULPs, cosine. None where there is nothing to compare."""
    pairs = [(a, b) for a, b in zip(tensors_in(wanted), tensors_in(got)) if a.shape == b.shape and a.numel() and not a.is_meta and a.layout is torch.strided]
    if not pairs:
        return None
    largest = relative = ulps = 0.0
    cosine = 1.0
    for a, b in pairs:
        left, right = _wide(a), _wide(b)
        same = (left == right) | (left.isnan() & right.isnan())
        gap = torch.where(same, 0.0, (left - right).abs()).nan_to_num(nan=math.inf, posinf=math.inf)
        error, scale = float(gap.max()), _largest(left)
        floats = [one for one in (a, b) if one.is_floating_point()]
        narrow = max(floats, key=lambda one: torch.finfo(one.dtype).eps, default=None)
        largest, relative = max(largest, error), max(relative, error / scale if scale else math.inf if error else 0.0)
        if narrow is not None:
            info = torch.finfo(narrow.dtype)
            spacing = (2.0 ** torch.floor(torch.log2(left.abs().clamp_min(info.tiny)))) * info.eps
            ulps = max(ulps, float((gap / spacing.nan_to_num(nan=math.inf)).nan_to_num(nan=math.inf).max()))
        norms = float(left.norm() * right.norm())
        if math.isfinite(norms) and norms > 0:
            cosine = min(cosine, float((left * right).sum()) / norms)
    return {"max_abs": largest, "max_rel": relative, "ulps": ulps, "cosine": cosine}


def chain(steps: Sequence[Step], start: str, nodes: Sequence[NodeError]) -> tuple[str, ...]:
    """From an operator to the output, each time to the reader with the largest relative error."""
    error = {node.other: node.max_rel if node.max_rel == node.max_rel else math.inf for node in nodes}
    at, names = start, [start]
    while True:
        readers = [step.name for step in steps if at in step.inputs]
        if not readers:
            return tuple(names)
        at = max(readers, key=lambda name: error.get(name, 0.0))
        names.append(at)
