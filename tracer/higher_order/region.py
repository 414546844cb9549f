"""`torch.compiler.nested_compile_region`: the function's body is a graph of its own, which calls of the same form share, to be compiled once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from ..compat.fakes import is_traced
from ..compat.marks import region_call
from ..functions.table import calls
from ..signals import Decision, Restart
from ..variables import FunctionVariable, Variable
from .again import Traced, conditions
from .calls_alike import Call, Different
from .marks import Mark
from .nodes import as_node, form_of, graded, install, note_effects, parts
from .results import rebuild
from .speculate import Body, Policy, Rejected, speculate
from .told import Tried

if TYPE_CHECKING:
    from ..context import Context

_POLICY = Policy("nested region", inputs=True, shared=True, overlaps=True, restores=True)
#: How many of the bodies of one code, the latest first, a call is held against.
_TRIED = 4
_FIRST = "it is the first call"


@calls.exact(region_call())
def region(ctx: Context, function: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """A marked function: one `invoke_subgraph` node. What can't be a graph of its own is followed as if it weren't marked, which is what eager does."""
    ctx.regions_met += 1
    key = ("region", ctx.regions_met)
    if key in ctx.decisions:
        return ctx.call(function, list(args), kwargs)
    read = _Read(ctx, function, list(args), kwargs)
    if ("again", ctx.regions_met) not in ctx.decisions:
        served = read.served()
        if served is not None:
            return served
    met = ctx.regions_met
    try:
        body = speculate(ctx, _POLICY, "region", function, list(args), kwargs, because=read.why)
    except Rejected as rejected:
        if rejected.lasting:
            raise Restart(Decision(key, False, rejected.does)) from None
        return ctx.call(function, list(args), kwargs)
    return read.kept(body, ctx.regions_met - met)


class _Read:
    """One call of a region: served by a body that was traced for an equal call, or traced, and then kept for others. `why`: why it isn't served."""

    def __init__(self, ctx: Context, function: Variable, args: list[Variable], kwargs: dict[str, Variable]):
        self.ctx, self.why = ctx, _FIRST
        self.code = function.code if isinstance(function, FunctionVariable) else None
        self.call: Call | None = None
        self.reads = len(ctx.globals_read)
        try:
            self.conditions = conditions(ctx)
            self.call = Call(ctx, function, args, kwargs)
        except Different as different:
            self.why = str(different)

    def served(self) -> Variable | None:
        """The result, from the body of an earlier call that is proven equal."""
        ctx, call = self.ctx, self.call
        if call is None:
            return None
        found = [traced for code, traced in ctx.traced_regions.values() if code is self.code]
        for traced in found[: -_TRIED - 1 : -1]:
            if isinstance(traced, str):
                self._note(traced)
                continue
            try:
                proof = traced.holds(ctx, self.conditions, call)
            except Different as different:
                self._note(str(different))
                continue
            result = self._take(traced, proof)
            if result is not None:
                return result
        return None

    def _note(self, why: str) -> None:
        """The latest body's reason is told."""
        self.why = why if self.why == _FIRST else self.why

    def _take(self, traced: Traced, proof: Any) -> Variable | None:
        ctx, call = self.ctx, self.call
        assert call is not None
        mark, tried = Mark(ctx), Tried(ctx, _POLICY.operator, traced.body)
        try:
            operands, given = traced.taken(ctx, call, proof)
        except Different as different:
            self._note(str(different))
            lasting = mark.lasting(ctx)
            mark.roll_back(ctx)
            tried.rolled_back(mark, str(different))
            if lasting:
                raise Restart(Decision(("again", ctx.regions_met), False, str(different))) from None
            return None
        tried.reused(traced.name, traced.seq, traced.inputs, operands)
        fakes = traced.fakes(ctx)
        module = ctx.create_node("get_attr", traced.name, (), {}, None)
        node = ctx.create_node("call_function", invoke_subgraph, (module, traced.name, *operands), {}, tuple(fakes))
        note_effects(node, traced.graph, ())
        made = iter(parts(ctx, node, fakes))
        return rebuild(ctx, traced.structure, iter([next(made) if leaf is None else leaf for leaf in given]))

    def kept(self, body: Body, inner: int) -> Variable:
        """The node of a body that was traced."""
        ctx = self.ctx
        traced: Any = self.why
        if self.call is not None:
            try:
                traced = Traced(ctx, self.conditions, self.call, body, inner, frozenset(ctx.globals_read[self.reads :]))
            except Different as different:
                traced = str(different)

        def leading(graph: fx.Graph) -> tuple[Any, ...]:
            form = (self.code, form_of(ctx, graph))
            name = ctx.regions.get(form)
            if name is not None and name in ctx.submodules:
                module = ctx.create_node("get_attr", name, (), {}, None)
            else:
                module = install(ctx, graph, body.name)
                ctx.regions[form] = name = module.target
            if isinstance(traced, Traced):
                traced.name, traced.seq = name, body.seq
            return module, name

        result = as_node(ctx, body, invoke_subgraph, leading, {})
        ctx.traced_regions[len(ctx.traced_regions)] = self.code, traced
        return result


def invoke_subgraph(graph: Any, name: str, *operands: Any) -> Any:
    """The operator, for backends that trace the graph, and where nothing asks for gradients; else the graph itself. The operator has no backward
    outside of a trace, and inductor's of two regions that are given one tensor is wrong on torch 2.13."""
    return graph(*operands) if graded(*operands) or not any(map(is_traced, operands)) else torch.ops.higher_order.invoke_subgraph(graph, name, *operands)


invoke_subgraph.__module__ = "tracer"
