"""A call as one node of the graph, and a call that is followed against policy: what two overrides do to a callable.

A call that can't be what the override asks for is refused, with the reason: the frame begins again with that pinned, and the
call is traced as without the override.

A node's callable is followed once before it becomes one, for what it does beside its result: Python runs it on tensors without data, and again whenever the
graph runs, which is before what the frame changes is replayed. So it may change nothing but tensors, and read nothing that the frame changed. What it was
found to read is guarded: read otherwise, it may do something else.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from torch.func import functional_call

from ..breaks import render
from ..codegen.resume import original_of
from ..compat import original_callable
from ..higher_order.again import Reach
from ..higher_order.speculate import Policy, Rejected, speculate
from ..interpreter.frame import Program
from ..interpreter.paths import path_of
from ..isa import Decoded, decode
from ..overrides import Override
from ..rerun.rng import unmoved
from ..signals import Break, Decision, Raised, Restart
from ..variables import (
    BoundVariable,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    ListVariable,
    ModuleVariable,
    PartialVariable,
    PinnedVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
)

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source

__all__ = ["followed", "one_node", "original_program", "was_refused"]


def original_program(program: Program) -> Decoded:
    """The user's code, decoded, of a program that may be a resume function's."""
    code = original_of(program.code)[0]
    return program.decoded if code is program.code else decode(code)


# ---- refusing
def _key(ctx: Context, override: Override, time: int) -> tuple[Any, ...]:
    assert ctx.frame is not None
    return path_of(ctx.frame, time), "refused", override


def was_refused(ctx: Context, override: Override, time: int) -> bool:
    """Whether an earlier attempt found that the override can't be carried out for the call that runs now."""
    return bool(ctx.decisions) and _key(ctx, override, time) in ctx.decisions


def _refuse(ctx: Context, override: Override, time: int, why: str) -> NoReturn:
    ctx.pins.refuse(override, why)
    raise Restart(Decision(_key(ctx, override, time), why, f"{override.text}: {why}"))


# ---- following
def followed(ctx: Context, override: Override, variable: Any, args: list[Variable], kwargs: dict[str, Variable], time: int) -> Any:
    """`variable(*args, **kwargs)` inlined where there is Python code, whatever marks or policies say."""
    if type(variable) is PartialVariable:
        return followed(ctx, override, variable.function, variable.given(ctx, args), {**variable.named(ctx), **kwargs}, time)
    if type(variable) is BoundVariable:
        return followed(ctx, override, variable.function, [variable.owner, *args], kwargs, time)
    if type(variable) is FunctionVariable:
        variable = _without_marks(ctx, variable)
        ctx.pins.note(override, variable.qualname)
        return ctx.functions.inline(ctx, variable, args, kwargs)
    if type(variable) is PinnedVariable and not isinstance(variable.value, type):
        _refuse(ctx, override, time, f"{variable.describe()} is compiled code: there is no Python to follow")
    ctx.pins.note(override, variable.describe())
    return variable.call(ctx, args, kwargs)  # an object: its calls are followed anyway


# ---- one node
def one_node(ctx: Context, override: Override, variable: Any, args: list[Variable], kwargs: dict[str, Variable], time: int) -> Any:
    """`variable(*args, **kwargs)` as one node that runs the callable as it is."""
    if type(variable) is PartialVariable:
        return one_node(ctx, override, variable.function, variable.given(ctx, args), {**variable.named(ctx), **kwargs}, time)
    if type(variable) is BoundVariable and isinstance(variable.owner, TensorVariable | ConstantVariable):
        return one_node(ctx, override, variable.function, [variable.owner, *args], kwargs, time)
    name = variable.describe()
    node: Callable[..., Any] | None = None
    strange = next((v for v in (*args, *kwargs.values()) if not _can_be_argument(v)), None)
    if strange is not None:
        _refuse(ctx, override, time, f"a graph can't hold one of its arguments, a {strange.python_type().__name__}")
    if type(variable) is FunctionVariable and variable.function is not None and ctx.functions.has_rule(variable.function):
        _refuse(ctx, override, time, f"what {variable.qualname} does is known: it has a rule of its own")
    if type(variable) is FunctionVariable and variable.function is not None:
        if variable.source is not None:
            ctx.guard(variable.source, "ID_MATCH", variable.function)
        node, name = variable.function, variable.qualname
    elif type(variable) is PinnedVariable and callable(variable.value) and not isinstance(variable.value, type):
        node = variable.value
    elif not isinstance(variable, ModuleVariable):
        _refuse(ctx, override, time, f"{name} is no function, module or builtin that a graph could name")
    _look_through(ctx, override, variable, args, kwargs, time)
    if isinstance(variable, ModuleVariable):
        held, node = _parameters(ctx, override, variable, time)
        args = [held, *args]
    assert node is not None
    try:
        with unmoved():
            result = ctx.node("call_function", _target(name, node), args, kwargs)
    except Break as stop:
        _refuse(ctx, override, time, _words(stop))
    except Raised as error:
        _refuse(ctx, override, time, f"it raises {error.variable.python_type().__name__} on tensors without data")
    if isinstance(result, ConstantVariable) and result.value is None:
        _refuse(ctx, override, time, "it returns nothing: what it does besides can't be seen by the rest of the graph")
    if not _holds_only_tensors(result):
        _refuse(ctx, override, time, "it returns more than tensors: a number or text would stay what it was in this run")
    ctx.pins.note(override, name)
    return result


def _can_be_argument(variable: Any) -> bool:
    if isinstance(variable, ListVariable | TupleVariable):
        return all(_can_be_argument(v) for v in (variable.held if isinstance(variable, ListVariable) else variable.items) if isinstance(v, Variable))
    if isinstance(variable, DictVariable):
        return all(_can_be_argument(v) for v in variable.items.values() if isinstance(v, Variable))
    return isinstance(variable, TensorVariable | SymVariable | ConstantVariable)


def _words(stop: Break) -> str:
    context = {k: v for k, v in stop.context.items() if isinstance(v, str | int | float)}
    why = stop.context.get("why")
    return f"{render(stop.reason, **context).title} [{stop.reason}]" + (f": {why}" if isinstance(why, str) and why else "")


#: The call runs once, where it stands; what it is given it may return and write to, as any operator.
_POLICY = Policy("graph_node", inputs=True, shared=True, overlaps=True, writes=True, restores=True)


def _look_through(ctx: Context, override: Override, variable: Any, args: list[Variable], kwargs: dict[str, Variable], time: int) -> None:
    """Refuse the call if it does more than its result and the tensors that it writes to show. It is followed as a body that becomes no node."""
    pending, lasting, read = list(ctx.effects.since(0)), ctx.lasting, len(ctx.globals_read)
    followed, pins = _without_marks(ctx, variable), ctx.pins
    pins.looking += 1
    try:
        body = speculate(ctx, _POLICY, variable.describe().rpartition(" ")[2], followed, args, kwargs)
    except Rejected as rejected:
        _refuse(ctx, override, time, _rejected(rejected))
    finally:
        pins.looking -= 1
    if ctx.lasting != lasting:
        _refuse(ctx, override, time, "it changes what a tensor is, beside its numbers")
    if any("unbacked_bindings" in node.meta for node in body.graph.nodes):
        _refuse(ctx, override, time, "it makes sizes that depend on data")
    reached = Reach(ctx, frozenset(ctx.globals_read[read:]), [v.source for v in (variable, followed) if v.source is not None])
    for _, path in reached.paths(pending):
        _refuse(ctx, override, time, f"the function changed {path.text} before, which the call may read: a node runs before what is changed is replayed")


def _rejected(rejected: Rejected) -> str:
    if rejected.stop is not None:
        return f"what it does beside its result isn't known, for it can't be followed: {_words(rejected.stop)}"
    if rejected.kind == "result":
        return f"it returns more than tensors: it {rejected.does}"
    at = f", at line {rejected.at[1]}" if rejected.at else ""
    return f"it {rejected.does}{at}"


def _without_marks(ctx: Context, variable: Any) -> Any:
    """The function that torch.compiler.disable and its like have wrapped."""
    function = variable.function if type(variable) is FunctionVariable else None
    original = original_callable(function) if function is not None else None
    if isinstance(original, types.FunctionType) and original is not function:
        return ctx.build(original, ctx.pinned(original))  # the wrapper is guarded by identity, and holds it
    return variable


def _target(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """A function of its own for each node: fakes are remembered by function, and what it reads may have changed."""

    def opaque(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    opaque.__name__ = opaque.__qualname__ = "".join(c if c.isalnum() else "_" for c in name.rpartition(" ")[2])
    return opaque


def _holds_only_tensors(result: Any) -> bool:
    if isinstance(result, TensorVariable | SymVariable):
        return True
    if isinstance(result, ListVariable | TupleVariable):
        return all(map(_holds_only_tensors, result.held if isinstance(result, ListVariable) else result.items))
    if isinstance(result, DictVariable):
        return all(map(_holds_only_tensors, result.items.values()))
    return isinstance(result, ConstantVariable) and result.value is None


def _parameters(ctx: Context, override: Override, module: ModuleVariable, time: int) -> tuple[Variable, Callable[..., Any]]:
    """A module's parameters and buffers, inputs of the graph; and what puts them in their places and calls the module."""
    value = module.value
    if value is None or module.source is None or module.attrs:
        _refuse(ctx, override, time, "the module was made or changed earlier in this function")
    names, held = [], []
    for path, child in value.named_modules():
        source = _child(module.source, path)
        ctx.guard(source, "ID_MATCH", child)
        known = ctx.by_source.get(source)
        if isinstance(known, ModuleVariable) and known.attrs:
            _refuse(ctx, override, time, f"{source.text} was changed earlier in this function")
        for part in ("_parameters", "_buffers"):
            for name, tensor in getattr(child, part).items():
                if tensor is not None:
                    names.append(f"{path}.{name}" if path else name)
                    held.append(ctx.build(tensor, source.dict().item(part).item(name)))

    def call(tensors: tuple[Any, ...], *args: Any, **kwargs: Any) -> Any:
        return functional_call(value, dict(zip(names, tensors, strict=True)), args, kwargs, tie_weights=False)

    return TupleVariable(held, tuple), call


def _child(source: Source, path: str) -> Source:
    for name in path.split(".") if path else ():
        source = source.dict().item("_modules").item(name)
    return source
