"""`flex_attention`: the function that changes scores and the one that masks them, each speculated over scalars, in one node.

Programs call torch's own function, which checks what it is given and is followed, `BlockMask` and all; what is speculated is the operator under
it. Both functions run for every pair of a query and a key at once, so an index among them is a tensor: `x[i]` picks by it and asks for no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..compat.attention import attention_results, picks_by_tensors
from ..functions.table import calls
from ..functions.torch.indexing import IndexMode, indexed_by_body
from ..graph.operators import carry_effects
from ..interpreter.paths import break_at, moment_of
from ..signals import Break, Declined
from ..variables import NONE, ConstantVariable, TensorVariable, TupleVariable, Variable
from .nodes import graded, install, parts, refused, shared_inputs, speculated, values_of, with_inputs
from .speculate import Body, Given, Policy, Rejected

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["check_left"]

_POLICY = Policy("flex_attention", inputs=True, shared=True, overlaps=True, constants=())
_INDICES = ("batch", "head", "query_index", "key_index")


@calls.exact(torch.ops.higher_order.flex_attention)
def flex_attention(
    ctx: Context, query: Variable, key: Variable, value: Variable, score_mod: Variable, block_mask: Variable, scale: Variable, kernel_options: Variable,
    score_mod_other_buffers: Variable | None = None, mask_mod_other_buffers: Variable | None = None,
) -> Any:  # fmt: skip
    """`flex_attention(query, key, value, score_mod, block_mask, scale, options)`: one node with two bodies, of scores and of the mask."""
    tensors = [query, key, value]
    for given in (score_mod_other_buffers, mask_mod_other_buffers):
        if given is not None and ctx.protocol.unpack(ctx, given):
            return Declined("it is given the operands of its bodies")
    if not all(isinstance(each, TensorVariable) for each in tensors) or not isinstance(block_mask, TupleVariable):
        return Declined("it isn't given tensors and a mask")
    *blocks, mask_mod = block_mask.settled(ctx)
    fake = query.fake  # type: ignore[attr-defined]
    indices = [Given(name, fake.new_empty((), dtype=torch.int32)) for name in _INDICES]
    with torch.no_grad():
        score = fake.new_empty(())
    scored = _speculated(ctx, "score_mod", score_mod, [Given("score", score.requires_grad_(fake.requires_grad)), *indices])
    if isinstance(mask_mod, ConstantVariable):
        mask_mod = ctx.wrap(torch.nn.attention.flex_attention.noop_mask)
    masked = _speculated(ctx, "mask_mod", mask_mod, indices)
    return _node(ctx, tensors, scored, masked, blocks, scale, kernel_options)


def _speculated(ctx: Context, name: str, function: Variable, args: list[Any]) -> Body:
    with indexed_by_body(ctx):
        body = speculated(ctx, _POLICY, "attention-function-rejected", "flex_attention", name, function, args)
    if len(body.leaves) != 1 or not isinstance(body.leaves[0], TensorVariable) or body.leaves[0].fake.dim():
        raise refused(ctx, "attention-function-rejected", "flex_attention", function, Rejected("returns something else than one scalar"))
    return body


# ---- the mode under which masks are made of functions
def check_left(ctx: Context) -> None:
    """At the end of a graph: a mode that is still on can't be carried over to Python. The graph ends before what entered it."""
    for entered in ctx.indexing:
        assert entered is not None
        name = entered.mode.python_type().__name__
        raise break_at(entered.began, Break("context-unsupported", expr=name, name=name, type="torch-function mode that the graph doesn't leave"))


@calls.exact(torch._C._push_on_torch_function_stack)
def push_mode(ctx: Context, mode: Variable) -> Any:
    """A torch-function mode is entered: of those, the one that makes an index of a tensor is followed."""
    if not picks_by_tensors(mode.python_type()) or ctx.overriding.modes:
        return Declined("what it does to every call of torch isn't followed")
    ctx.indexing.append(IndexMode(mode, moment_of(ctx.root_frame)))
    return NONE


@calls.exact(torch._C._pop_torch_function_stack)
def pop_mode(ctx: Context) -> Any:
    """The mode that was entered last is left."""
    if not ctx.indexing or ctx.indexing[-1] is None:
        return Declined("it was entered elsewhere")
    return ctx.indexing.pop().mode


# ---- the node
def _node(
    ctx: Context, tensors: list[Any], scored: Body, masked: Body, blocks: list[Variable], scale: Variable, options: Variable
) -> Variable:
    of_scores, of_mask = shared_inputs(scored), shared_inputs(masked)
    graphs = [with_inputs(body, shared, body.outputs[0]) for body, shared in ((scored, of_scores), (masked, of_mask))]
    score_mod, mask_mod = (install(ctx, graph, name) for graph, name in zip(graphs, ("score_mod", "mask_mod"), strict=True))
    args = [ctx.argument(each)[0] for each in tensors]
    mask = (*(ctx.argument(each)[0] for each in blocks), mask_mod)
    known = [each.fake for each in tensors]
    fakes = attention_results(known[0], known[2])
    grad = graded(*known, *values_of(of_scores))
    for fake in fakes[:2]:
        fake.requires_grad_(grad)
    target = torch.ops.higher_order.flex_attention
    rest = (score_mod, mask, ctx.argument(scale)[0], ctx.argument(options)[0], tuple(of_scores), tuple(of_mask))
    node = ctx.create_node("call_function", target, (*args, *rest), {}, tuple(fakes))
    carry_effects(node, *graphs)
    return TupleVariable(parts(ctx, node, fakes), tuple)

