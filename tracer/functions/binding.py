"""Arguments bound to the parameters of a Python function as CPython binds them, defaults included.

In: the function and a call's arguments. Out: the parameters filled in, or CPython's own TypeError where the call doesn't fit.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, NoReturn

from ..variables import LITERALS, DictVariable, FunctionVariable, TupleVariable, Variable, literal

if TYPE_CHECKING:
    from ..context import Context
    from ..interpreter.frame import Program
    from ..sources import Source

__all__ = ["bind"]

_VARARGS, _VARKEYWORDS = 4, 8
_EMPTY = (lambda: None).__code__


def bind(ctx: Context, variable: FunctionVariable, program: Program, locals: list[Any], args: list[Variable], kwargs: dict[str, Variable]) -> None:
    """Fill the parameters of `locals`; raises the program's TypeError where the call doesn't fit."""
    code, names = program.code, program.names
    argcount, total = program.argcount, program.total
    count, flags = len(args), code.co_flags
    positional = min(count, argcount)
    locals[:positional] = args[:positional]
    if count > argcount and not flags & _VARARGS:
        _misfit(ctx, variable, program, args, kwargs)
    extra: dict[Any, Any] = {}
    posonly = code.co_posonlyargcount
    for name, value in kwargs.items():
        try:
            where = names.index(name, posonly, total)
        except ValueError:
            if not flags & _VARKEYWORDS:
                _misfit(ctx, variable, program, args, kwargs)
            extra[name] = value
            continue
        if locals[where] is not None:
            _misfit(ctx, variable, program, args, kwargs)
        locals[where] = value
    if None in locals[:total]:
        _fill_defaults(ctx, variable, program, locals)
        if None in locals[:total]:
            _misfit(ctx, variable, program, args, kwargs)
    slot = total
    if flags & _VARARGS:
        locals[slot] = TupleVariable(list(args[argcount:]), tuple)
        slot += 1
    if flags & _VARKEYWORDS:
        locals[slot] = DictVariable(extra)


def _fill_defaults(ctx: Context, variable: FunctionVariable, program: Program, locals: list[Any]) -> None:
    argcount, total, names = program.argcount, program.total, program.names
    function = variable.function
    defaults = _defaults(variable)
    if function is not None and None in locals[:argcount]:
        ctx.guard((variable.source or ctx.pinned(function)).attr("__defaults__"), "ID_MATCH", defaults)
    if defaults:
        start = argcount - len(defaults)
        for i in range(max(start, 0), argcount):
            if locals[i] is None:
                locals[i] = _default(ctx, variable, defaults[i - start], "__defaults__", i - start)
    named = _named_defaults(variable)
    for i in range(argcount, total):
        if locals[i] is None:
            if named and names[i] in named:
                locals[i] = _default(ctx, variable, named[names[i]], "__kwdefaults__", names[i])
            elif function is not None:
                _guard_no_default(ctx, (variable.source or ctx.pinned(function)).attr("__kwdefaults__"), named, names[i])


def _defaults(variable: FunctionVariable) -> Any:
    return variable.defaults if variable.function is None else variable.function.__defaults__


def _named_defaults(variable: FunctionVariable) -> Any:
    return variable.kwdefaults if variable.function is None else variable.function.__kwdefaults__


def _guard_no_default(ctx: Context, source: Source, named: dict[str, Any] | None, name: str) -> None:
    if named is None:
        ctx.guard(source, "CONSTANT_MATCH", None)
    else:
        ctx.guard(source, "DICT_ABSENT", name, name)


def _default(ctx: Context, variable: FunctionVariable, value: Any, holder: str, key: Any) -> Variable:
    if isinstance(value, Variable):
        return value
    source = (variable.source or ctx.pinned(variable.function)).attr(holder).item(key)
    if type(value) in LITERALS and holder == "__defaults__":
        return literal(value)  # the tuple of defaults is guarded by identity, and can't change
    return ctx.build(value, source)


def _misfit(ctx: Context, variable: FunctionVariable, program: Program, args: list[Variable], kwargs: dict[str, Variable]) -> NoReturn:
    """CPython says what is wrong: an empty function with the same parameters is called in the same way."""
    code, names = program.code, program.names
    flags = code.co_flags & (_VARARGS | _VARKEYWORDS)
    parameters = names[: program.total + flags.bit_count()]
    empty = _EMPTY.replace(
        co_argcount=code.co_argcount, co_posonlyargcount=code.co_posonlyargcount, co_kwonlyargcount=code.co_kwonlyargcount,
        co_varnames=tuple(parameters), co_nlocals=len(parameters), co_flags=_EMPTY.co_flags | flags,
    )  # fmt: skip
    stand_in = types.FunctionType(empty, {}, variable.name, tuple([None for _ in _defaults(variable) or ()]))
    stand_in.__qualname__, stand_in.__kwdefaults__ = variable.qualname, dict.fromkeys(_named_defaults(variable) or ())
    try:
        stand_in(*[None for _ in args], **dict.fromkeys(kwargs))
    except TypeError as error:
        ctx.raise_from_host(error)
    raise AssertionError(f"the call fits {variable.qualname}")
