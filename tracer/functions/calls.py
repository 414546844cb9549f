"""Calling Python functions: a rule of the table, a graph node, a constant, or the function inlined.

Reached as `ctx.functions`.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from ..compat import original_callable
from ..compat.optimizers import is_set_aside
from ..compat.overriding import is_told
from ..compat.type_names import type_name
from ..compat.wrappers import Wrapper, wrapper_of
from ..interpreter.frame import Frame, Program
from ..signals import Break, Declined, NotConstant, NotHeld
from ..variables import (
    NONE,
    UNSET,
    BoundVariable,
    CellVariable,
    DictVariable,
    FunctionVariable,
    Lazy,
    TupleVariable,
    Variable,
    literal,
)
from . import policy
from .binding import bind
from .known import settled_values
from .overridden import Overridden
from .pinned import (
    call_pinned,
    import_member,
    import_module,
    is_torch_owner,
    pinned_argument,
    pinned_attribute,
    pinned_contains,
    pinned_getitem,
    pinned_iterator,
    pinned_length,
    pinned_truth,
    set_pinned_attribute,
)
from .python.annotations import annotations_of
from .python.type_expressions import part_of_type, type_expression, type_subscript
from .table import calls
from .torch import marks, optimizers
from .torch.opaque import call_opaque

if TYPE_CHECKING:
    from ..context import Context

__all__ = [
    "call_function", "call_pinned", "function_attribute", "has_rule", "is_node", "import_member", "import_module", "inline", "is_known", "is_torch_owner",
    "pinned_argument", "pinned_attribute", "pinned_contains", "pinned_getitem", "pinned_iterator", "pinned_length", "pinned_truth",
    "part_of_type", "set_pinned_attribute", "type_expression", "type_subscript",
]  # fmt: skip


def is_known(function: types.FunctionType) -> bool:
    """Whether calls of this very function mean something of their own, so that its identity matters, not its code."""
    return bool(calls.of(function)) or marks.of(function) is not None or policy.verdict(function) != "inline"


def is_node(function: types.FunctionType) -> bool:
    """Whether policy makes calls of this function one node each: torch's own functions."""
    return policy.verdict(function) == "node"


def has_rule(function: types.FunctionType) -> bool:
    """Whether the table of call rules says what calls of this function mean."""
    return bool(calls.of(function) or calls.of(original_callable(function)))


def call_function(ctx: Context, variable: FunctionVariable, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """A call of a Python function."""
    function = variable.function
    if function is None:
        return inline(ctx, variable, args, kwargs)
    known = ctx.session.plans.get(id(function))
    if known is None:
        plan = _plan(ctx, function)
        if ctx.pins.by_name:
            plan = ctx.pins.named(ctx, function, plan)
        known = ctx.session.remember_plan(function, plan)
    plan = known[1]
    if plan == "inline" or ctx.tensors.told_of_python(ctx, function, args, kwargs) and _tells(plan, function):
        return inline(ctx, variable, args, kwargs)
    if type(plan) is Overridden:
        if plan.applies(ctx):
            return plan(ctx, variable, args, kwargs)
        plan = plan.otherwise
    if plan == "inline":
        return inline(ctx, variable, args, kwargs)
    if type(plan) is Wrapper:
        return follow(ctx, variable, plan).call(ctx, args, kwargs)
    if plan == "set aside":
        return _held(ctx, variable, "fn").call(ctx, args, kwargs)
    if plan == "node":
        return _node(ctx, variable, args, kwargs)
    if plan == "whole":
        return call_opaque(ctx, function, args, kwargs)
    if plan == "constant":
        return _constant_call(ctx, function, args, kwargs)
    if type(plan) is list:
        rejected = ""
        for rule in plan:
            answer = rule(ctx, args, kwargs)
            if type(answer) is not Declined:
                return answer
            rejected = answer.why
        if policy.verdict(function) == "node":
            return _node(ctx, variable, args, kwargs)
        if policy.verdict(function) == "opaque":
            reason = policy.opaque_reason(function.__module__) or "unsupported-builtin"
            raise Break(reason, func=function.__qualname__, name=function.__qualname__, expr=f"{function.__name__}()", why=rejected)
        return inline(ctx, variable, args, kwargs)
    if plan == "user-requested-break" and optimizers.followed(ctx):
        return NONE
    raise Break(
        plan,
        func=function.__qualname__,
        name=function.__qualname__,
        expr=f"{function.__name__}()",
        module=function.__module__,
    )


def _tells(plan: Any, function: types.FunctionType) -> bool:
    """Whether torch's own function, which is one node or has a rule, is to tell by itself what overrides it."""
    return plan == "node" or type(plan) in (list, Overridden) and is_told(function)


def _node(ctx: Context, variable: FunctionVariable, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """One node; what is given something that a node can't hold, such as a distance to call, is followed as any Python code."""
    try:
        return ctx.node("call_function", variable.function, args, kwargs)
    except NotHeld:
        return inline(ctx, variable, args, kwargs)


def _plan(ctx: Context, function: types.FunctionType) -> Any:
    """ "inline", "node", "whole", "constant", "set aside", what torch.compile wraps, a list of rules, or the id of a break."""
    wrapper = wrapper_of(function)
    if wrapper is not None:
        return wrapper
    rules = calls.of(function) or calls.of(original_callable(function))  # torch._dynamo wraps torch.manual_seed when it is loaded
    if rules:
        return rules
    if is_set_aside(function):
        return "set aside"
    marked = marks.of(function)
    if marked is not None:
        return marked
    rules = calls.matching(function)
    if rules:
        return rules
    verdict = policy.verdict(function)
    return policy.opaque_reason(function.__module__) or "unsupported-builtin" if verdict == "opaque" else verdict


def follow(ctx: Context, variable: FunctionVariable, wrapper: Wrapper) -> Variable:
    """What a wrapper of torch.compile calls. It is guarded as what the wrapper's cell holds: wrappers share their code."""
    ctx.session.following.tell(wrapper, False)
    return _held(ctx, variable, "fn")


def _held(ctx: Context, variable: FunctionVariable, name: str) -> Variable:
    """What the function holds in its cell `name`."""
    function = variable.function
    assert function is not None and function.__closure__ is not None
    index = function.__code__.co_freevars.index(name)
    return ctx.settle(existing_cell(ctx, variable, index, function.__closure__[index]).load(ctx))


def _constant_call(
    ctx: Context, function: types.FunctionType, args: list[Variable], kwargs: dict[str, Variable]
) -> Any:
    """A pure helper whose arguments are known: run it."""
    looks = function.__module__ in policy.INTROSPECTION
    try:
        values, named = settled_values(ctx, args, kwargs, functions=looks)
        for argument in (*args, *kwargs.values()) if looks else ():
            _hold(ctx, argument)
    except NotConstant:
        return inline(ctx, ctx.wrap(function), args, kwargs)  # type: ignore[arg-type]
    if named.get("eval_str"):
        raise Break("exec-or-eval", expr=f"{function.__name__}(…, eval_str=True)", func=function.__name__, why="it evaluates annotations that are text")
    try:
        return ctx.wrap(function(*values, **named))
    except Exception as error:
        ctx.raise_from_host(error)


def _hold(ctx: Context, argument: Variable) -> None:
    """Guard what `inspect` and its kin can see of a function beside its code."""
    function = argument.function if isinstance(argument, BoundVariable) else argument
    if isinstance(function, FunctionVariable) and function.function is not None:
        source = function.source or ctx.pinned(function.function)
        for name in ("__defaults__", "__kwdefaults__"):
            ctx.guard(source.attr(name), "EQUALS_MATCH", getattr(function.function, name))
        ctx.guard(source.attr("__annotations__"), "DICT_KEYS", tuple(annotations_of(ctx, function.function)))
        ctx.guard(source.dict(), "DICT_KEYS", tuple(function.function.__dict__))


# ---- inlining
def inline(ctx: Context, variable: FunctionVariable, args: list[Variable], kwargs: dict[str, Variable]) -> Frame:
    """The frame of a call, arguments bound."""
    program = ctx.program(variable.code)
    count = len(args)
    locals: list[Any] = [None] * program.size
    if not kwargs and count == program.argcount and program.simple:
        locals[:count] = args
    else:
        bind(ctx, variable, program, locals, args, kwargs)
    frame = Frame(program, locals, variable.globals, variable)
    if program.code.co_freevars:
        _bind_cells(ctx, variable, program, locals)
    if program.code.co_flags & 0x20:  # CO_GENERATOR
        frame.call = (variable, list(args), dict(kwargs))
    return frame


def _bind_cells(ctx: Context, variable: FunctionVariable, program: Program, locals: list[Any]) -> None:
    base = program.free_base
    if variable.closure is not None:
        locals[base:] = variable.closure
        return
    assert variable.function is not None and variable.function.__closure__ is not None
    for i, cell in enumerate(variable.function.__closure__):
        locals[base + i] = existing_cell(ctx, variable, i, cell)


def existing_cell(ctx: Context, variable: FunctionVariable, index: int, cell: types.CellType) -> CellVariable:
    ctx.globals_read.append((id(cell), ""))
    known = ctx.by_id.get(id(cell))
    if known is None:
        source = (variable.source or ctx.pinned(variable.function)).closure(index)
        try:
            held: Any = Lazy(cell.cell_contents, source.contents())
        except ValueError:
            held = UNSET
            ctx.guard(source, "EMPTY_CELL")
        known = CellVariable(held, source, cell, variable.code.co_freevars[index])
        ctx.remember(known, cell, source)
    return known  # type: ignore[return-value]


# ---- attributes of functions
#: What is set on a function and isn't in its dict.
_VALUES = 1  #: `annotationlib.Format.VALUE`
_IN_SLOTS = frozenset({"__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "__annotate__", "__type_params__"})


def function_attribute(ctx: Context, variable: FunctionVariable, name: str) -> Any:
    """`f.name`."""
    if variable.attributes is not None and name in variable.attributes:
        return variable.attributes[name]
    function = variable.function
    if name == "__name__" or name == "__qualname__":
        text = variable.name if name == "__name__" else variable.qualname
        if function is not None:
            ctx.guard((variable.source or ctx.pinned(function)).attr(name), "EQUALS_MATCH", text)
        return literal(text)
    if name in ("__class__", "__get__", "__call__", "__hash__", "__eq__", "__ne__", "__repr__", "__str__"):
        return ctx.protocol.generic_attribute(ctx, variable, name)
    if function is None:
        return _made_attribute(ctx, variable, name)
    if name == "__globals__" or name == "__builtins__":
        raise Break(
            "exec-or-eval", expr=f"{variable.name}.{name}", why="the namespace of a module is shared with everybody"
        )
    if name == "__closure__" and function.__closure__ is not None:
        return TupleVariable([existing_cell(ctx, variable, i, c) for i, c in enumerate(function.__closure__)], tuple)
    source = variable.source or ctx.pinned(function)
    held = function.__dict__
    if name in held:
        return ctx.build(held[name], source.dict().item(name))
    try:
        value = annotations_of(ctx, function) if name == "__annotations__" else getattr(function, name)
    except AttributeError:
        ctx.guard(source, "NOHASATTR", name, name)
        ctx.raise_(AttributeError, f"'function' object has no attribute {name!r}")
    return ctx.build(value, source.attr(name))


def _annotations(ctx: Context, variable: FunctionVariable) -> Any:
    """Those that nobody has asked for yet: `__annotate__` (since 3.14) says them, once."""
    annotate = (variable.attributes or {}).get("__annotate__")
    if annotate is None or annotate.python_type() is type(None):
        return DictVariable({})
    found = ctx.call_now(annotate, [literal(_VALUES)])
    if not isinstance(found, DictVariable):
        ctx.raise_(TypeError, f"__annotate__ returned non-dict of type {type_name(found.python_type())!r}")
    ctx.mutate(variable)
    variable.attributes = {**(variable.attributes or {}), "__annotations__": found}
    variable.annotated = dict(found.items)
    return found


def _made_attribute(ctx: Context, variable: FunctionVariable, name: str) -> Any:
    if name == "__code__":
        return literal(variable.code)
    if name == "__defaults__":
        return TupleVariable(list(variable.defaults), tuple) if variable.defaults else literal(None)
    if name == "__kwdefaults__":
        return DictVariable(dict(variable.kwdefaults)) if variable.kwdefaults else literal(None)
    if name == "__closure__":
        return TupleVariable(list(variable.closure), tuple) if variable.closure else literal(None)
    if name == "__module__":
        return literal(variable.globals.get("__name__"))
    if name == "__doc__":
        return literal(types.FunctionType(variable.code, {}, closure=tuple(types.CellType() for _ in variable.code.co_freevars)).__doc__)
    if name == "__dict__":
        own = {k: v for k, v in (variable.attributes or {}).items() if k not in _IN_SLOTS}
        return DictVariable(own)
    if name == "__annotations__":
        return _annotations(ctx, variable)
    if name == "__annotate__" and name in types.FunctionType.__dict__:
        return literal(None)
    if name == "__type_params__":
        return TupleVariable([], tuple)
    ctx.raise_(AttributeError, f"'function' object has no attribute {name!r}")
