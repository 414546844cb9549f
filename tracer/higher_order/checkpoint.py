"""Activation checkpointing: the body is one region of the graph whose intermediates are computed again in the backward.

What a checkpoint is told (which variant, random states, checks) stays told; what torch refuses, it refuses itself, behind a break. Contexts
around the body may change what it gives, so only those of selective checkpointing are taken: they keep some results, as a policy says, which runs
when the graph runs. The reentrant variant differs from the other in what gets a gradient; where it would, Python runs it.
"""

from __future__ import annotations

import functools
import types
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import torch
import torch.utils.checkpoint as machinery
from torch.utils._python_dispatch import TorchDispatchMode

from ..compat.autograd_functions import is_differentiable
from ..compat.graphs import keep_contexts
from ..functions.table import calls
from ..signals import Break, Declined, NotConstant
from ..variables import (
    UNSET,
    CellVariable,
    ConstantVariable,
    FunctionVariable,
    ListVariable,
    PartialVariable,
    PinnedVariable,
    TensorVariable,
    TupleVariable,
    Variable,
)
from .nodes import as_node, install, speculated, values_of
from .recomputed import Recomputed, has_backward
from .results import LEAF
from .speculate import Body, Policy

if TYPE_CHECKING:
    from ..context import Context

#: The body runs where the call stands, and once more in the backward.
_POLICY = Policy("checkpoint", inputs=True, shared=True, overlaps=True, restores=True)
_OPTIONS = ("use_reentrant", "preserve_rng_state", "determinism_check", "debug", "early_stop")


@calls.exact(torch.utils.checkpoint.checkpoint)
def checkpoint(ctx: Context, function: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`checkpoint(fn, *args, use_reentrant=…)`: one `tag_activation_checkpoint` node around the body's graph."""
    options: dict[str, Any] = {}
    for name in _OPTIONS:
        given = kwargs.pop(name, None)
        if given is not None:
            if not isinstance(given, ConstantVariable):
                return Declined(f"{name} isn't known")
            options[name] = given.value
    if options.get("use_reentrant") is None:
        if warnings.warn not in ctx.config.ignore_logging_functions:
            _stop("it isn't told `use_reentrant`, of which torch warns")
        options["use_reentrant"] = True
    reentrant = bool(options["use_reentrant"])
    contexts = _contexts(ctx, kwargs.pop("context_fn", None))
    if options.get("determinism_check", "default") not in ("default", "none"):
        _stop("torch refuses its `determinism_check`")
    if reentrant and (kwargs or contexts is not None or options.get("debug")) or contexts is not None and options.get("debug"):
        _stop("torch refuses these arguments together")
    ctx.regions_met += 1
    key, read = ("checkpoint", ctx.regions_met), len(ctx.globals_read)
    if key in ctx.decisions:
        _stop(ctx.decisions[key].value)
    body = speculated(ctx, _POLICY, "checkpoint-body-rejected", "checkpoint", "checkpoint_body", function, list(args), kwargs)
    if not ctx.speculating and not ctx.levels and has_backward(body):
        ctx.recomputed.append(Recomputed(ctx, key, _POLICY, function, list(args), kwargs, body, read))
    if reentrant:
        _check_reentrant(ctx, body, args)
    given = {"use_reentrant": False, "preserve_rng_state": True, **options}

    def leading(graph: torch.fx.Graph) -> tuple[Any, ...]:
        module = install(ctx, graph, body.name)
        if contexts is not None:
            keep_contexts(ctx.submodules[module.target], contexts)
        return (module,)

    return as_node(ctx, body, torch.ops.higher_order.tag_activation_checkpoint, leading, given)


def _stop(why: str) -> NoReturn:
    raise Break("checkpoint-unsupported", expr="checkpoint", func="checkpoint", why=why)


# ---- the reentrant variant
def _check_reentrant(ctx: Context, body: Body, args: tuple[Variable, ...]) -> None:
    """It runs its body without grad, so all of its results need a gradient if a tensor that it is given does, and none otherwise; what else the body
    uses gets its gradient from a backward of its own. Where that is what the other variant does, the graph has that."""
    if any(node in body.subgraph.lifted.values() for node in body.outputs):
        _stop("the reentrant variant gives what it was given as another tensor")
    if ctx.later is not None:
        _stop("whether the reentrant variant has gradients isn't known in a backward")
    if not torch.is_grad_enabled():
        return
    given = [ctx.argument(arg)[0] for arg in args if isinstance(arg, TensorVariable)]
    needing = [node for node, value in zip(body.lifted, values_of(body.lifted), strict=True) if isinstance(value, torch.Tensor) and value.requires_grad]
    if not any(arg.fake.requires_grad for arg in args if isinstance(arg, TensorVariable)):
        if needing:
            _stop("the reentrant variant has no gradients, since no tensor that it is given needs one")
        return
    others = [node.meta["example_value"] for node in needing if node not in given]
    if not all(ctx.tensors.is_leaf_input(ctx, fake) for fake in others):
        _stop("the reentrant variant runs a backward of its own through what its function uses from outside")
    results = [leaf.fake for leaf in body.leaves if isinstance(leaf, TensorVariable) and is_differentiable(leaf.fake)]
    if not _is_flat(body.structure) or not all(fake.requires_grad for fake in results):
        _stop("the reentrant variant gives all of its results a gradient, and none to those inside of others")


def _is_flat(structure: Any) -> bool:
    parts = structure[3] if structure[0] == "sequence" and structure[2] is tuple else [structure]
    return all(part == LEAF or part[0] == "constant" for part in parts)


# ---- contexts
class SelectiveContextVariable(Variable):
    """One of the two contexts of selective checkpointing. `make`: makes both, when the graph runs."""

    __slots__ = ("make",)

    def __init__(self, make: Any):
        self.make, self.source, self.vid = make, None, 0

    def python_type(self) -> type:
        return TorchDispatchMode

    def attribute(self, ctx: Context, name: str) -> Any:
        raise Break("context-unsupported", expr="create_selective_checkpoint_contexts", name="create_selective_checkpoint_contexts", type="dispatch mode")


@calls.exact(machinery.create_selective_checkpoint_contexts)
def selective_contexts(ctx: Context, policy_fn_or_list: Variable, allow_cache_entry_mutation: Variable | None = None) -> Any:
    """The contexts under which a checkpoint keeps what a policy says: made when the graph runs, with the program's own policy."""
    policy = _object(ctx, policy_fn_or_list)
    allowed = allow_cache_entry_mutation is not None and ctx.protocol.truth(ctx, allow_cache_entry_mutation)
    make = functools.partial(machinery.create_selective_checkpoint_contexts, policy, allowed)
    try:
        make()
    except Exception as error:
        ctx.raise_from_host(error)
    return TupleVariable([SelectiveContextVariable(make), SelectiveContextVariable(make)], tuple)


def _contexts(ctx: Context, function: Variable | None) -> Any:
    """What makes the contexts of a checkpoint; None where it has none. The program's function is followed."""
    if function is None or isinstance(function, FunctionVariable) and function.function is machinery.noop_context_fn:
        return None
    made = ctx.call_now(function, [])
    pair = made.settled(ctx) if isinstance(made, TupleVariable | ListVariable) else []
    if len(pair) == 2 and isinstance(pair[0], SelectiveContextVariable) and isinstance(pair[1], SelectiveContextVariable) and pair[0].make is pair[1].make:
        return pair[0].make
    _stop("what its `context_fn` gives may change what the function computes")


def _object(ctx: Context, variable: Variable) -> Any:
    """The object itself, for code that runs when the graph runs: guarded to be the same, or made once of such."""
    if isinstance(variable, ConstantVariable | PinnedVariable):
        return variable.real()
    if isinstance(variable, ListVariable | TupleVariable) and variable.cls in (list, tuple):
        return variable.cls(_object(ctx, item) for item in variable.settled(ctx))
    if variable.source is not None:
        try:
            value = variable.real()
        except NotConstant:
            _stop("its policy isn't known")
        ctx.guard(variable.source, "ID_MATCH", value)
        return value
    if isinstance(variable, PartialVariable):
        named = {name: _object(ctx, value) for name, value in variable.named(ctx).items()}
        return functools.partial(_object(ctx, variable.function), *(_object(ctx, arg) for arg in variable.args), **named)
    if isinstance(variable, FunctionVariable):
        return _function(ctx, variable)
    _stop("its policy isn't known")


def _function(ctx: Context, variable: FunctionVariable) -> types.FunctionType:
    if variable.kwdefaults or variable.attributes:
        _stop("its policy isn't known")
    cells = []
    for cell in variable.closure or ():
        held = cell.load(ctx) if isinstance(cell, CellVariable) else UNSET
        if held is UNSET:
            _stop("its policy isn't known")
        cells.append(types.CellType(_object(ctx, held)))
    defaults = tuple(_object(ctx, value) for value in variable.defaults or ())
    return types.FunctionType(variable.code, variable.globals, variable.name, defaults or None, tuple(cells))
