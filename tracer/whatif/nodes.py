"""A call as one opaque node of the graph, and a call that is followed against policy: what two overrides do to a callable.

A call that can't be what the override asks for is refused, with the reason: the frame begins again with that pinned, and the
call is traced as without the override.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from torch.func import functional_call

from ..breaks import render
from ..codegen.resume import original_of
from ..compat import original_callable
from ..errors import TracerError
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
        return followed(ctx, override, variable.function, [*variable.args, *args], {**variable.kwargs, **kwargs}, time)
    if type(variable) is BoundVariable:
        return followed(ctx, override, variable.function, [variable.owner, *args], kwargs, time)
    if type(variable) is FunctionVariable:
        function = variable.function
        original = original_callable(function) if function is not None else None
        if isinstance(original, types.FunctionType) and original is not function:
            variable = ctx.build(original, ctx.pinned(original))  # the wrapper is guarded by identity, and holds it
        ctx.pins.note(override, variable.qualname)
        return ctx.functions.inline(ctx, variable, args, kwargs)
    if type(variable) is PinnedVariable and not isinstance(variable.value, type):
        _refuse(ctx, override, time, f"{variable.describe()} is compiled code: there is no Python to follow")
    ctx.pins.note(override, variable.describe())
    return variable.call(ctx, args, kwargs)  # an object: its calls are followed anyway


# ---- one node
def one_node(ctx: Context, override: Override, variable: Any, args: list[Variable], kwargs: dict[str, Variable], time: int) -> Any:
    """`variable(*args, **kwargs)` as one node that runs the callable as it is. Nothing that it reads is guarded."""
    if type(variable) is PartialVariable:
        return one_node(ctx, override, variable.function, [*variable.args, *args], {**variable.kwargs, **kwargs}, time)
    if type(variable) is BoundVariable and isinstance(variable.owner, TensorVariable | ConstantVariable):
        return one_node(ctx, override, variable.function, [variable.owner, *args], kwargs, time)
    name = variable.describe()
    node = _Node(name)
    strange = next((v for v in (*args, *kwargs.values()) if not _can_be_argument(v)), None)
    if strange is not None:
        _refuse(ctx, override, time, f"a graph can't hold one of its arguments, a {strange.python_type().__name__}")
    if type(variable) is FunctionVariable and variable.function is not None and ctx.functions.has_rule(variable.function):
        _refuse(ctx, override, time, f"what {variable.qualname} does is known: it has a rule of its own")
    if type(variable) is FunctionVariable and variable.function is not None:
        if variable.source is not None:
            ctx.guard(variable.source, "ID_MATCH", variable.function)
        node.call, name = variable.function, variable.qualname
    elif type(variable) is PinnedVariable and callable(variable.value) and not isinstance(variable.value, type):
        node.call = variable.value
    elif isinstance(variable, ModuleVariable):
        args = [_parameters(ctx, override, variable, node, time), *args]
    else:
        _refuse(ctx, override, time, f"{name} is no function, module or builtin that a graph could name")
    try:
        with unmoved():
            result = ctx.node("call_function", node.target(), args, kwargs)
    except Break as stop:
        _refuse(ctx, override, time, _words(stop))
    except Raised as error:
        _refuse(ctx, override, time, node.changed or f"it raises {error.variable.python_type().__name__} on tensors without data")
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


class _Node:
    """What a node calls. `changed`: what the callable did to a list or dict among its arguments, which a graph would lose."""

    def __init__(self, name: str):
        self.name, self.changed = name.rpartition(" ")[2], ""
        self.call: Callable[..., Any] = lambda: None

    def target(self) -> Callable[..., Any]:
        """A function of its own for each node: fakes are remembered by function, and what it reads may have changed."""

        def opaque(*args: Any, **kwargs: Any) -> Any:
            held = [(value, _copy(value)) for value in (*args, *kwargs.values()) if type(value) in (list, dict)]
            result = self.call(*args, **kwargs)
            if any(not _same(value, before) for value, before in held):
                self.changed = f"it changes a {next(type(v).__name__ for v, before in held if not _same(v, before))} among its arguments"
                raise TracerError(f"{self.name} can't be a node of a graph: {self.changed}.", next="leave out the override")
            return result

        opaque.__name__ = opaque.__qualname__ = "".join(c if c.isalnum() else "_" for c in self.name)
        return opaque


def _copy(value: Any) -> Any:
    return list(value) if type(value) is list else dict(value)


def _same(value: Any, before: Any) -> bool:
    if len(value) != len(before):
        return False
    if type(value) is dict:
        return list(value) == list(before) and all(value[key] is before[key] for key in value)
    return all(a is b for a, b in zip(value, before, strict=True))


def _holds_only_tensors(result: Any) -> bool:
    if isinstance(result, TensorVariable | SymVariable):
        return True
    if isinstance(result, ListVariable | TupleVariable):
        return all(map(_holds_only_tensors, result.held if isinstance(result, ListVariable) else result.items))
    if isinstance(result, DictVariable):
        return all(map(_holds_only_tensors, result.items.values()))
    return isinstance(result, ConstantVariable) and result.value is None


def _parameters(ctx: Context, override: Override, module: ModuleVariable, node: _Node, time: int) -> Variable:
    """A module's parameters and buffers, inputs of the graph; the node puts them in their places and calls the module."""
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

    node.call = call
    return TupleVariable(held, tuple)


def _child(source: Source, path: str) -> Source:
    for name in path.split(".") if path else ():
        source = source.dict().item("_modules").item(name)
    return source
