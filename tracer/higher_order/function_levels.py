"""A `torch.autograd.Function` applied where levels of torch.func, or of forward mode, are on: each of its methods becomes a graph.

Torch decides anew each time which level calls which method, so the methods are traced as they are called from below all levels, over stand-ins
for what they are given: what only one level knows (who needs a gradient, how something lies in memory) isn't answered there (`Later`). The one
exception is the program's own rule for batches, which is traced where torch first calls it, with the levels on that are on then. What comes out
is found by running the captured function on fakes.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat import functorch
from ..compat.autograd_functions import DIFFERENTIATED_FORWARD
from ..compat.memo import fake_alike
from ..functions.torch.later import Later
from ..functions.torch.operators import raise_operator_error
from ..graph.applied_in_levels import NotCaptured, autograd_function_in_levels
from ..signals import Break, Raised
from ..variables import NONE, TensorVariable, TupleVariable, Variable, literal
from .function_bodies import Backward, Forward, Method, is_none, stand_in
from .function_context import FunctionContextVariable
from .moments import at_level, in_later, in_moment
from .nodes import install, module_of, note_written, shared_inputs, with_inputs
from .speculate import Body, Given, Policy, Rejected, speculate

if TYPE_CHECKING:
    from ..context import Context
    from .autograd_function import Applied

__all__ = ["InLevels"]

_ONCE = Policy("autograd.Function", inputs=True, shared=True, overlaps=True, once=True)
_OFTEN = Policy("autograd.Function", inputs=True, shared=True, overlaps=True)


class _Ahead(Forward):
    """`forward` alone, over stand-ins for the tensors among its arguments."""

    __slots__ = ()

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        assert ctx.later is not None
        ctx.later.within = ctx.graph
        self.given = _placed(self.given, args)
        self.take(ctx, ctx.call_now(self.forward, self.given))
        return self.results(ctx)

    def places(self) -> tuple[int | None, ...]:
        """For each result that is an argument: which of the tensors among these."""
        tensors = [arg for arg in self.given if isinstance(arg, TensorVariable)]
        return tuple(next((i for i, arg in enumerate(tensors) if arg.fake is item.fake), None) for item in self.tensors())


class _Setup(Forward):
    """`setup_context`, over stand-ins for arguments and results, which is called once at every level."""

    __slots__ = ("ahead",)

    def __init__(self, ahead: _Ahead, setup: Variable, own: FunctionContextVariable, given: list[Variable]):
        super().__init__(ahead.forward, setup, own, given)
        self.ahead, self.alone = ahead, ahead.alone

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        assert ctx.later is not None and self.setup is not None
        ctx.later.within = ctx.graph
        count = sum(isinstance(arg, TensorVariable) for arg in self.given)
        arguments, made = args[:count], iter(args[count:])
        self.given = _placed(self.given, arguments)
        places = iter(self.ahead.places())
        self.items = []
        for item in self.ahead.items:
            place = next(places) if isinstance(item, TensorVariable) else None
            tensor = item if not isinstance(item, TensorVariable) else next(made) if place is None else arguments[place]
            self.items.append(tensor)
        result = self.items[0] if self.alone else TupleVariable(list(self.items), tuple)
        ctx.call_now(self.setup, [self.own, TupleVariable(list(self.given), tuple), result])
        self.check_kept(ctx)
        self.check_apart(ctx)
        return NONE


class _Jvp(Method):
    """`jvp`, over stand-ins for the tangents. `coming`: whether there is one, by argument that is a tensor; `places`: whether a tangent is given, by result."""

    __slots__ = ("args", "coming", "forward", "function", "laid_out", "own", "places")

    def __init__(self, function: Variable, own: FunctionContextVariable, forward: _Setup, coming: tuple[bool, ...], laid_out: bool):
        super().__init__()
        self.function, self.own, self.forward, self.coming, self.laid_out = function, own, forward, coming, laid_out
        self.places: list[bool] = []

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        assert ctx.later is not None
        ctx.later.within = ctx.graph
        coming, found = iter(self.coming), []
        for arg in self.forward.given:
            comes = isinstance(arg, TensorVariable) and next(coming)
            found.append(stand_in(ctx, arg, f"tangent_{len(found)}", self.laid_out) if isinstance(arg, TensorVariable) and comes else NONE)
        result = ctx.call_now(self.function, [self.own, *found])
        items = result.settled(ctx) if isinstance(result, TupleVariable) else [result]
        if len(items) != len(self.forward.items) or not all(isinstance(item, TensorVariable) or is_none(item) for item in items):
            raise Rejected("doesn't return a tangent, or None, for each result")
        kept = [item for item, of in zip(items, self.forward.items, strict=True) if isinstance(of, TensorVariable)]
        self.places = [isinstance(item, TensorVariable) for item in kept]
        return TupleVariable([item for item in kept if isinstance(item, TensorVariable)], tuple)


class _Way:
    """What the methods but forward do, for one answer to `needs_input_grad`."""

    def __init__(self, needs: Any, own: FunctionContextVariable, setup: _Setup, body: Body):
        self.needs, self.own, self.setup, self.body = needs, own, setup, body
        self.backwards: list[tuple[tuple[bool, ...], Body, Backward]] = []
        self.jvps: list[tuple[tuple[bool, ...], Body, _Jvp]] = []
        self.asks = [False, False]
        self.lists: list[list[Any]] = [[], []]

    def held(self, which: int) -> list[Any]:
        """Nodes of `setup_context` that the backwards, or the jvps, use and don't ask the context's saved tensors for."""
        saved = set(self.lists[which]) if self.asks[which] else set()
        bodies = (self.backwards, self.jvps)[which]
        return list(dict.fromkeys(node for _, body, _ in bodies for node in body.subgraph.lifted if node not in saved))  # type: ignore[attr-defined]

    def kept(self, which: int) -> list[Any]:
        return self.held(which) + ([node for node in self.lists[which] if node is not None] if self.asks[which] else [])


class InLevels:
    """One call of `apply`."""

    def __init__(self, ctx: Context, applied: Applied, setup: Variable):
        self.ctx, self.applied, self.setup = ctx, applied, setup
        self.tensors = [arg for arg in applied.args if isinstance(arg, TensorVariable)]
        backward, self.once = applied.backward()
        self.backward = backward
        self.jvp = applied.own("jvp")
        self.vmap = applied.own("vmap")
        self.generated = bool(applied.part("generate_vmap_rule").constant())
        #: Its methods may run at other levels than those that are on: nothing can be looked up by running it on fakes.
        self.unsure = ctx.later is not None
        if self.unsure and (self.jvp is not None or self.vmap is not None):
            applied.stop("another function applies it, and it has its own `jvp` or `vmap`")
        self.ways: list[_Way] = []
        self.batch: tuple[Any, Body, tuple[Any, ...]] | None = None

    def result(self) -> Variable:
        """The variable of what `apply` gives, whose node is in the graph."""
        try:
            self._trace_forward()
            self._trace_way(None)
            fakes = self._run()
        except Rejected as rejected:
            self.applied.rejected(self.what, rejected)
        return self._node(fakes)

    # ---- bodies
    def _moment(self, grad: bool, autocast: bool, later: Later | None) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(at_level(self.ctx, 0))
        stack.enter_context(in_moment(self.ctx, grad=grad, autocast=autocast))
        stack.enter_context(in_later(self.ctx, later))
        return stack

    def _later(self, grad_known: bool, laid_out: bool) -> Later:
        of = self.ctx.later.of if self.ctx.later is not None else ()
        return Later(self.ctx.graph, grad_known, laid_out, (*of, self.applied.cls.value), in_levels=True)

    def _trace_forward(self) -> None:
        ctx, self.what = self.ctx, "forward"
        own = FunctionContextVariable(self.applied.cls.value, None)
        self.ahead = _Ahead(self.applied.forward, None, own, list(self.applied.args))
        below_all = self.vmap is not None and any(functorch.is_batched(tensor.fake) for tensor in self.tensors)  # it may not be called at all
        with self._moment(False, True, self._later(True, False)):
            given = [Given(f"argument_{i}", _alike(ctx, tensor.fake)) for i, tensor in enumerate(self.tensors)]
            self.body = speculate(ctx, _OFTEN if below_all else _ONCE, "fwd_body", self.ahead, given)
        self._check_lifted(self.body)

    def _trace_way(self, needs: Any) -> None:
        """What `setup_context` and backward do; where they ask who needs a gradient, nothing is found, and the run asks for each answer."""
        ctx, self.what = self.ctx, "setup_context"
        needed = None if needs is None else self._by_argument(needs)
        with self._moment(False, True, self._later(True, False)):
            own = FunctionContextVariable(self.applied.cls.value, needed)
            setup = _Setup(self.ahead, self.setup, own, list(self.applied.args))
            items, places = self.ahead.tensors(), self.ahead.places()
            given = [Given(f"argument_{i}", _alike(ctx, tensor.fake)) for i, tensor in enumerate(self.tensors)]
            given += [Given(f"result_{i}", _alike(ctx, item.fake)) for i, item in enumerate(items) if places[i] is None]
            try:
                way = _Way(needs, own, setup, speculate(ctx, _OFTEN, "setup_body", setup, given))
                way.own.kept = own.said(ctx, "to_save")
                self.what = "backward"
                for coming in setup.missing(ctx, marked=False):  # torch's rule for batches loses the marks
                    body, backward = self.applied.speculate_backward(own, self.backward, self.once, setup, coming, way.body, in_levels=True)
                    way.backwards.append((coming, body, backward))
            except Rejected:
                if needed is None and own.unanswered and not self.unsure:
                    return
                raise
            way.asks[0], inside = own.unpacked, way.body.subgraph
            way.lists = [[_local(inside, held) for held in own.said(ctx, name)] for name in ("to_save", "saved_for_forward")]
        self._check_lifted(way.body)
        self.ways.append(way)

    def _trace_jvp(self, way: _Way, coming: tuple[bool, ...]) -> None:
        ctx, self.what = self.ctx, "jvp"
        assert self.jvp is not None
        own = way.own
        kept, unpacked, own.kept, own.unpacked = own.kept, own.unpacked, own.said(ctx, "saved_for_forward"), False
        outer = ctx.graph
        try:
            for laid_out in (False, True):
                body = _Jvp(self.jvp, own, way.setup, coming, laid_out)
                later = self._later(False, laid_out)
                try:
                    with self._moment(torch.is_grad_enabled(), True, later):
                        ctx.graph = way.body.subgraph
                        way.jvps.append((coming, speculate(ctx, _OFTEN, "jvp_body", body, []), body))
                        way.asks[1] = way.asks[1] or own.unpacked
                        return
                except Rejected:
                    if not later.asked or laid_out:
                        raise
                finally:
                    ctx.graph = outer
        finally:
            own.kept, own.unpacked = kept, unpacked

    def _trace_batches(self, info: Any, dims: tuple[Any, ...], arguments: tuple[Any, ...]) -> Any:
        """Called by torch while the function runs on fakes: the program's rule for batches, at the level where it is called."""
        ctx, self.what = self.ctx, "vmap"
        assert self.vmap is not None
        if type(info.batch_size) is not int:
            raise Rejected("is for a number of rows that isn't known")
        by_argument = [literal(dim) for dim in self._by_argument(dims, None)]
        rule = _Batches(self.vmap, info, by_argument, list(self.applied.args), self.ahead)
        with at_level(ctx, functorch.depth()), in_later(ctx, None):
            ctx.refresh_modes()
            body = speculate(ctx, _OFTEN, "vmap_body", rule, [Given(f"argument_{i}", fake) for i, fake in enumerate(arguments)])
        ctx.refresh_modes()
        self._check_lifted(body, functorch.depth())
        self.batch = (dims, body, rule.dims)
        graph = self._compiled(with_inputs(body, body.lifted), "vmap_body")
        values = [node.meta["example_value"] for node in body.lifted]
        return dims, lambda *given: graph(*given[: len(arguments)], *values), rule.dims

    def _by_argument(self, of_tensors: tuple[Any, ...], otherwise: Any = False) -> list[Any]:
        answers = iter(of_tensors)
        return [next(answers) if isinstance(arg, TensorVariable) else otherwise for arg in self.applied.args]

    def _check_lifted(self, body: Body, depth: int = 0) -> None:
        for node in body.lifted:
            fake = node.meta.get("example_value")
            if isinstance(fake, torch.Tensor) and functorch.level_of(fake) > depth:
                raise Rejected("uses a tensor of a level of torch.func that it isn't given")

    # ---- the function, of graphs
    def _run(self) -> tuple[Any, ...]:
        """What it gives for the fakes, which have their history then. What torch asks for while it runs is traced, and it runs again."""
        while True:
            self.what = "apply"
            try:
                return self._called()
            except NotCaptured as missing:
                if self.unsure:
                    raise Rejected("asks who needs a gradient") from None
                self._find(*missing.what)
            except (Break, Raised, Rejected):
                raise
            except NotImplementedError as error:
                if not _is_torchs_own(error):
                    raise_operator_error(self.ctx, autograd_function_in_levels, error)
                self.ctx.raise_from_host(error)
            except Exception as error:
                raise_operator_error(self.ctx, autograd_function_in_levels, error)

    def _find(self, what: str, needs: Any, coming: Any = None) -> None:
        if what == "setup_context":
            self._trace_way(needs)
        else:
            way = next(way for way in self.ways if way.needs in (None, needs))
            self._trace_jvp(way, coming)

    def _called(self) -> tuple[Any, ...]:
        shared = self._shared()
        values = [node.meta["example_value"] for node in shared]
        parts = self._parts(self._compiled, shared)
        given = [tensor.fake for tensor in self.tensors]
        result: tuple[Any, ...] = autograd_function_in_levels(*parts, *given, *values, **self._options(self._compiled, shared))
        return result

    def _shared(self) -> list[fx.Node]:
        """Nodes of the graph around that the bodies use."""
        return shared_inputs(*self._bodies())

    def _bodies(self) -> list[Body]:
        """Those that use nodes of the graph around."""
        return [self.body, *(way.body for way in self.ways), *([self.batch[1]] if self.batch is not None else [])]

    def _compiled(self, graph: fx.Graph, name: str) -> Any:
        return module_of(self.ctx, graph, name)

    def _parts(self, make: Callable[[fx.Graph, str], Any], shared: list[fx.Node]) -> tuple[Any, Any]:
        forward = make(with_inputs(self.body, shared), "fwd_body")
        return forward, tuple(self._way(way, make, shared) for way in self.ways)

    def _way(self, way: _Way, make: Callable[[fx.Graph, str], Any], shared: list[fx.Node]) -> tuple[Any, ...]:
        own, results, ctx = way.own, way.setup.tensors(), self.ctx
        kept = ((tuple(way.held(0)), tuple(way.held(1))), *map(tuple, way.lists))
        setup = make(with_inputs(way.body, shared, kept), "setup_body")
        backwards = tuple(
            (coming, make(with_inputs(body, way.kept(0), _by_place(body, backward.places), "kept"), "bwd_body")) for coming, body, backward in way.backwards
        )
        jvps = tuple((coming, make(with_inputs(body, way.kept(1), _by_place(body, jvp.places), "kept"), "jvp_body")) for coming, body, jvp in way.jvps)
        dirty, apart = (
            tuple(i for i, item in enumerate(results) if any(item is held for held in held_of))
            for held_of in (way.setup.dirty(ctx), own.said(ctx, "non_differentiable"))
        )
        return way.needs, setup, backwards, jvps, tuple(way.asks), dirty, apart, own.materializes()

    def _options(self, make: Callable[[fx.Graph, str], Any], shared: list[fx.Node]) -> dict[str, Any]:
        options: dict[str, Any] = {"name": self.applied.name, "given": len(self.tensors), "arguments": self.ahead.places()}
        flags = {"alone": self.ahead.alone, "once": self.once, "generated": self.generated, "forwards": self.jvp is not None}
        options.update({name: True for name, is_so in flags.items() if is_so})
        if self.batch is not None:
            dims, body, made = self.batch
            options["batch"] = dims, make(with_inputs(body, shared), "vmap_body"), made
        elif self.vmap is not None:
            options["batch"] = None, self._trace_batches if make == self._compiled else None, ()
        return options

    # ---- in the graph
    def _node(self, fakes: tuple[Any, ...]) -> Variable:
        ctx, shared = self.ctx, self._shared()
        given = [ctx.argument(tensor)[0] for tensor in self.tensors]
        make = functools.partial(install, ctx)
        parts, options = self._parts(make, shared), self._options(make, shared)
        node = ctx.create_node("call_function", autograd_function_in_levels, (*parts, *given, *shared), options, fakes)
        bodies = self._bodies()
        note_written(node, bodies, [body.graph for body in bodies], shared, [tensor.fake for tensor in self.tensors])
        made = iter([self._part(node, i, fake) for i, fake in enumerate(fakes)])
        items = [next(made) if isinstance(item, TensorVariable) else item for item in self.ahead.items]
        return items[0] if self.ahead.alone else TupleVariable(items, tuple)

    def _part(self, node: fx.Node, index: int, fake: Any) -> Variable:
        for tensor in self.tensors:
            if tensor.fake is fake:
                return tensor
        return self.ctx.tensors.wrap_result(self.ctx, fake, self.ctx.create_node("call_function", operator.getitem, (node, index), {}, fake))


class _Batches(Method):
    """The program's `vmap`. `dims`: the dimensions of the results' batches, by tensor."""

    __slots__ = ("ahead", "args", "dims", "function", "in_dims", "info")

    def __init__(self, function: Variable, info: Any, in_dims: list[Variable], args: list[Variable], ahead: _Ahead):
        super().__init__()
        self.function, self.info, self.in_dims, self.args, self.ahead = function, info, in_dims, args, ahead
        self.dims: tuple[Any, ...] = ()

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        info = TupleVariable([literal(part) for part in self.info], type(self.info))
        found = ctx.call_now(self.function, [info, TupleVariable(self.in_dims, tuple), *_placed(self.args, args)])
        parts = found.settled(ctx) if isinstance(found, TupleVariable) else []
        if len(parts) != 2:
            raise Rejected("doesn't return results and the dimensions of their batches")
        results, dims = parts
        alone = not isinstance(results, TupleVariable)
        items = [results] if alone else results.settled(ctx)  # type: ignore[attr-defined]
        if alone is not self.ahead.alone or len(items) != len(self.ahead.items) or not all(isinstance(item, TensorVariable) for item in items):
            raise Rejected("returns results of another form than forward")
        given = dims.constant()
        self.dims = tuple(given) if isinstance(given, tuple | list) else (given,) * len(items)
        if len(self.dims) != len(items) or alone and isinstance(given, tuple | list) or any(type(dim) not in (int, type(None)) for dim in self.dims):
            raise Rejected("returns dimensions of batches that don't fit its results")
        return TupleVariable(items, tuple)


def _placed(args: list[Variable], tensors: list[Variable]) -> list[Variable]:
    """The arguments, with these in place of the tensors among them."""
    found = iter(tensors)
    return [next(found) if isinstance(arg, TensorVariable) else arg for arg in args]


def _alike(ctx: Context, fake: Any) -> Any:
    """What a method is given for a tensor below all levels, or at one: of its form, without a history."""
    if fake.layout is not torch.strided:
        raise Rejected(f"is given a tensor of layout {fake.layout}")
    return fake_alike(ctx.fake_mode, fake.shape, fake.stride(), fake.dtype, fake.device, False)


def _local(graph: Any, held: Variable) -> Any:
    return graph.local(held.node, held.fake) if isinstance(held, TensorVariable) else None


def _by_place(body: Body, places: list[bool]) -> tuple[Any, ...]:
    found = iter(body.outputs)
    return tuple(next(found) if place else None for place in places)


def _is_torchs_own(error: BaseException) -> bool:
    """Whether it was raised by what a function has for a jvp where its author gave none."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code is DIFFERENTIATED_FORWARD
