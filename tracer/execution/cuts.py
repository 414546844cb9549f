"""A backend's fault found by cutting the graph: the smallest part that still differs from eager, in as few compiles as two binary searches need.

In: two runs, one of them eager. Out: a `Comparison`. First the whole graph is compiled; where it differs, its beginnings are, until the shortest that differs
is known, then what can be left out before its end; and again, until nothing can be left out. Each part gets, for each run, the values that eager has at
its cut, so nothing is carried in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat.backends import lookup_backend
from ..errors import TracerError
from ..graph.modes import enter_autocast
from ..rerun.copies import Copier
from .comparing import errors_of
from .comparison import Comparison, NodeError
from .passes import tensors_in

if TYPE_CHECKING:
    from .model import GraphRun

__all__ = ["by_cuts"]


def by_cuts(run: GraphRun, other: GraphRun, tolerance: float | None, progress: Callable[..., Any] | None, stop: Callable[[], bool] | None) -> Comparison:
    """`tolerance`: how far outputs may be apart, of the largest magnitude; None: their dtype's precision to the power of 2/3."""
    if "eager" not in (run.backend, other.backend):
        raise TracerError(f"can't compare {run.backend} with {other.backend}: one of both must be eager.", next="compare each with an eager run")
    compiled = other if run.backend == "eager" else run
    cutting = _Cutting(compiled, tolerance, progress, stop)
    with compiled.__dict__["live"].entered():
        return cutting.compared()


class _Cutting:
    def __init__(self, run: GraphRun, tolerance: float | None, progress: Callable[..., Any] | None, stop: Callable[[], bool] | None):
        self.run, self.tolerance, self.progress, self.stop = run, tolerance, progress, stop
        self.setting = run.__dict__["live"]
        self.compiler = lookup_backend(run.__dict__["compiler"])
        self.gm: fx.GraphModule = self.setting.gm
        self.nodes = [node for node in self.gm.graph.nodes if node.op.startswith("call")]
        self.cuts = _cuts(self.nodes)
        self.compiles = 0
        self.most = 1 + 3 * max(len(self.cuts) - 1, 1).bit_length()
        self.notes: list[str] = []
        self._known: dict[tuple[int, int], list[tuple[str, Any, Any]]] = {}

    def compared(self) -> Comparison:
        last = len(self.cuts) - 1
        what = ("eager", self.run.backend)
        whole = self._differs(0, last)
        if not self._apart(whole):
            return Comparison(what, self.run.graph, tuple(self._errors(whole, wrong=False)), compiles=self.compiles, random=self.run.random)
        begin, end, found = 0, last, whole
        try:
            while True:
                shorter = self._end(begin, end)
                later = self._begin(begin, shorter)
                if (later, shorter) == (begin, end):
                    break
                begin, end = later, shorter
        except _Cancelled as cancelled:
            begin, end = cancelled.args
            self.notes.append(f"cancelled after {self.compiles} compiles: the fault is made by one of {self.cuts[end] - self.cuts[begin]} operators")
        found = self._known.get((begin, end), whole)
        return self._told(what, begin, end, found)

    def _end(self, begin: int, end: int) -> int:
        """The first end with which the part differs; it does with this one, and what is made before is carried on as a rule."""
        low = begin
        while end - low > 1:
            middle = (low + end) // 2
            if self._apart(self._asked(begin, middle, (begin, end))):
                end = middle
            else:
                low = middle
        return end

    def _begin(self, begin: int, end: int) -> int:
        """The last beginning with which the part still differs."""
        top = end
        while top - begin > 1:
            middle = (begin + top) // 2
            if self._apart(self._asked(middle, end, (begin, end))):
                begin = middle
            else:
                top = middle
        return begin

    def _asked(self, begin: int, end: int, now: tuple[int, int]) -> list[tuple[str, Any, Any]]:
        """Each part is compiled once. `now`: what is known to differ, for who cancels."""
        known = self._known.get((begin, end))
        if known is None:
            if self.stop is not None and self.stop():
                raise _Cancelled(*now)
            known = self._known[begin, end] = self._differs(begin, end)
        return known

    def _told(self, what: tuple[str, str], begin: int, end: int, found: list[tuple[str, Any, Any]]) -> Comparison:
        from .repro import piece_script

        part = self.nodes[self.cuts[begin] : self.cuts[end]]
        made = Comparison(
            what, self.run.graph, tuple(self._errors(found, wrong=True, last=part[-1].name)), piece=tuple(node.name for node in part),
            compiles=self.compiles, notes=tuple(self.notes), random=self.run.random,
        )  # fmt: skip
        if made.first is not None:
            from .comparing import chain

            made.chain = chain(self.setting.program.steps, made.first.name, made.nodes)
        gm, inputs = self._piece(begin, end), self._values(begin, end)
        made.__dict__["write"] = lambda path: piece_script(path, gm, inputs, self.run.__dict__["compiler"], self._allowed(1.0, gm, inputs))
        return made

    # ---- one part
    def _differs(self, begin: int, end: int) -> list[tuple[str, Any, Any]]:
        """(name, by eager, by the backend) of everything that a part gives or writes to."""
        gm = self._piece(begin, end)
        names = [str(node.target) for node in gm.graph.nodes if node.op == "placeholder"]
        given, mine = self._values(begin, end), self._values(begin, end)
        compiled = self.compiler(self._piece(begin, end), self._values(begin, end))
        self.compiles += 1
        if self.progress is not None:
            self.progress(self.compiles, self.most, f"{self.nodes[self.cuts[begin]].name} … {self.nodes[self.cuts[end] - 1].name}")
        state = self.setting.record.state
        state.restore()
        wanted = gm(*given)
        state.restore()
        got = compiled(*mine)
        results = [node.name for node in gm.graph.nodes if node.op == "output" for node in node.args[0]]
        return [*zip(results, wanted, got), *(one for one in zip(names, given, mine) if isinstance(one[1], torch.Tensor))]

    def _apart(self, outcome: list[tuple[str, Any, Any]]) -> bool:
        return any(self._wrong(wanted, got) for _, wanted, got in outcome)

    def _wrong(self, wanted: Any, got: Any) -> bool:
        left, right = tensors_in(wanted), tensors_in(got)
        if [one.shape for one in left] != [one.shape for one in right]:
            return True
        return any(_far(a, b, self._share(a)) for a, b in zip(left, right))

    def _share(self, tensor: torch.Tensor) -> float:
        if self.tolerance is not None:
            return self.tolerance
        return float(torch.finfo(tensor.dtype).eps ** (2 / 3)) if tensor.is_floating_point() or tensor.is_complex() else 0.0

    def _allowed(self, scale: float, gm: fx.GraphModule, inputs: Sequence[Any]) -> float:
        floats = [one for one in tensors_in(list(inputs)) if one.is_floating_point()]
        return scale * max((self._share(one) for one in floats), default=1e-3)

    def _errors(self, outcome: list[tuple[str, Any, Any]], *, wrong: bool, last: str = "") -> list[NodeError]:
        """Of each output, those that differ marked where the part is the smallest one; the last operator first among them."""
        made = []
        for name, wanted, got in outcome:
            known = next((node for node in self.run.nodes if node.name == name), None)
            errors = errors_of(wanted, got)
            if errors is None or known is None:
                continue
            bad = wrong and self._wrong(wanted, got)
            floats = [one for one in tensors_in(wanted) if one.numel() and one.is_floating_point()]
            most = max((self._share(one) * float(one.detach().double().nan_to_num(posinf=0, neginf=0).abs().max()) for one in floats), default=0.0)
            made.append(NodeError(name, name, known.target, known.module, known.location, **errors, added=errors["max_abs"], explained=most, wrong=bad))
        return sorted(made, key=lambda one: (not one.wrong, one.name != last)) if wrong else made

    def _piece(self, begin: int, end: int) -> fx.GraphModule:
        """The operators between two cuts as a graph: given what comes from before, it gives what is read behind."""
        part = self.nodes[self.cuts[begin] : self.cuts[end]]
        inside = set(part)
        graph, known = fx.Graph(), {}
        for node in self._needed(part):
            known[node] = graph.placeholder(node.name)
        for node in self.gm.graph.nodes:
            if node.op == "get_attr" and any(user in inside for user in node.users):
                known[node] = graph.node_copy(node, known.__getitem__)
            elif node in inside:
                known[node] = graph.node_copy(node, known.__getitem__)
                known[node].name = node.name
        outputs = [node for node in part if any(user not in inside for user in node.users) or node is part[-1]]
        graph.output(tuple(known[node] for node in outputs))
        return fx.GraphModule(self.gm, graph)

    def _needed(self, part: Sequence[fx.Node]) -> list[fx.Node]:
        inside = set(part)
        found = dict.fromkeys(one for node in part for one in node.all_input_nodes if one not in inside and one.op != "get_attr")
        return list(found)

    def _values(self, begin: int, end: int) -> list[Any]:
        """What eager has at the first cut, as copies that share memory as it does."""
        env: dict[fx.Node, Any] = dict(zip([n for n in self.gm.graph.nodes if n.op == "placeholder"], Copier().copy(list(self.setting.inputs()))))
        interpreter = fx.Interpreter(self.gm, garbage_collect_values=False)
        interpreter.env = env
        self.setting.record.state.restore()
        for node in self.gm.graph.nodes:
            if node.op == "get_attr":
                env[node] = interpreter.run_node(node)
        for node in self.nodes[: self.cuts[begin]]:
            env[node] = interpreter.run_node(node)
        made: list[Any] = Copier().copy([env[node] for node in self._needed(self.nodes[self.cuts[begin] : self.cuts[end]])])
        return made


class _Cancelled(Exception):
    """Leaves the search with the part that is known to differ by then: its cuts."""


def _cuts(nodes: Sequence[fx.Node]) -> list[int]:
    """So many operators stand before each cut: not inside a block of autocast, whose end undoes its beginning, nor between an operator with several
    results and what takes them apart."""
    cuts, depth = [0], 0
    for number, node in enumerate(nodes, 1):
        if node.target is enter_autocast:
            depth += 1
        elif node.target is torch.amp.autocast_mode._exit_autocast:
            depth -= 1
        if not depth:
            cuts.append(number)
    return cuts if cuts[-1] == len(nodes) else [*cuts, len(nodes)]


def _far(wanted: torch.Tensor, got: torch.Tensor, share: float) -> bool:
    """Whether they are further apart than a share of the largest magnitude, or not finite in other places."""
    if wanted.is_meta or wanted.layout is not torch.strided:
        return False
    if not (wanted.is_floating_point() or wanted.is_complex()):
        return not torch.equal(wanted.detach().cpu(), got.detach().cpu())
    a, b = (one.detach().cpu() for one in (wanted, got))
    a, b = (torch.view_as_real(one.resolve_conj()).double() if one.is_complex() else one.double() for one in (a, b))
    if not torch.equal(a.isnan(), b.isnan()) or not torch.equal(a.isinf(), b.isinf()):
        return True
    finite = a.isfinite()
    scale = float(a[finite].abs().max()) if bool(finite.any()) else 0.0
    return bool(finite.any()) and float((a - b)[finite].abs().max()) > share * scale
