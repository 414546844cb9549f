"""What special methods answer, and real objects that stand in for the program's own in native code.

CPython's slots check and convert what a method returns (`__len__` is no negative number, `__str__` a text). The words of this Python are
its own: where an answer isn't plainly right, the operation is run on an object whose method returns the same.
Native code that only computes runs on stand-ins whose methods are the program's, traced: it asks them in its own order.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compat.python_classes import is_python_class
from ..compat.type_names import type_name
from ..signals import NotConstant
from ..variables import ConstantVariable, ObjectVariable, SymVariable, TensorVariable, Variable, literal
from .lookup import find

if TYPE_CHECKING:
    from ..context import Context

__all__ = ["checked", "stand_in", "wrap_native"]

#: method → (the class of a right answer, the operation that asks for it)
_ANSWERS: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "__len__": (int, len), "__bool__": (bool, bool), "__index__": (int, operator.index), "__int__": (int, int), "__float__": (float, float),
    "__complex__": (complex, complex), "__str__": (str, str), "__repr__": (str, repr), "__format__": (str, format), "__hash__": (int, hash),
    "__bytes__": (bytes, bytes),
}  # fmt: skip
#: What native code that computes may ask of an operand.
_ASKED = (
    *_ANSWERS, "__floor__", "__ceil__", "__trunc__", "__round__", "__abs__", "__neg__", "__pos__", "__invert__", "__eq__", "__ne__", "__lt__", "__le__",
    "__gt__", "__ge__",
)  # fmt: skip


def checked(ctx: Context, subject: Variable, name: str, answer: Variable) -> Variable:
    """What the operation gives whose method `name` returned `answer`; raises what CPython raises where that is no right answer."""
    wanted, operation = _ANSWERS[name]
    kind = answer.python_type()
    if kind is wanted and _plainly_right(name, answer):
        return answer
    if name == "__len__" and not isinstance(answer, ConstantVariable) and ctx.protocol.has(ctx, kind, "__index__"):
        answer = literal(ctx.protocol.index(ctx, answer))
    elif kind is not wanted and issubclass(kind, wanted) and name not in ("__len__", "__hash__"):
        ctx.break_("unsupported-builtin", func=operation.__name__, type=type_name(subject.python_type()), why=f"its {name} returns a {kind.__name__}")
    elif name == "__hash__" and isinstance(answer, ObjectVariable) and isinstance(answer.data, ConstantVariable):
        answer = answer.data
    returned = answer.value if isinstance(answer, ConstantVariable) else type(type_name(kind), (), {})()
    probe = type(type_name(subject.python_type()), (), {name: lambda *_: returned})()
    try:
        result = operation(probe)
    except (TypeError, ValueError, OverflowError) as error:
        ctx.raise_from_host(error)
    return answer if result is returned else literal(result)


def _plainly_right(name: str, answer: Variable) -> bool:
    if not isinstance(answer, ConstantVariable) or name not in ("__len__", "__hash__"):
        return True
    return 0 <= answer.value <= sys.maxsize if name == "__len__" else -1 != answer.value == hash(answer.value)


def stand_in(ctx: Context, variable: Variable) -> Any:
    """A real object that native code may ask in the variable's place; raises NotConstant where there is none."""
    if isinstance(variable, SymVariable):
        return variable.specialise(ctx)
    if not isinstance(variable, ObjectVariable):
        return variable.constant()
    cls, data = variable.cls, variable.data
    if not is_python_class(cls) or data is not None and not isinstance(data, ConstantVariable):
        raise NotConstant(variable)
    methods: dict[str, Any] = {"tracer_variable": variable}
    for name in _ASKED:
        owner, raw = find(ctx, cls, name)
        if owner is not None and is_python_class(owner):
            if raw is not None and not isinstance(raw, types.FunctionType):
                raise NotConstant(variable)
            methods[name] = None if raw is None else _forward(ctx, variable, name)
    if data is None:
        return type(type_name(cls), (), methods)()
    native = type(data.value)
    return native.__new__(type(type_name(cls), (native,), methods), data.value)


def _forward(ctx: Context, variable: Variable, name: str) -> Callable[..., Any]:
    def method(_self: Any, *args: Any) -> Any:
        answer = ctx.settle(ctx.protocol.special(ctx, variable, name, [wrap_native(ctx, a) for a in args], ""))
        if isinstance(answer, TensorVariable):
            raise NotConstant(answer)
        return stand_in(ctx, checked(ctx, variable, name, answer) if name in _ANSWERS else answer)

    return method


def wrap_native(ctx: Context, value: Any) -> Variable:
    """The variable of what native code answered: a stand-in is the program's object again."""
    return getattr(type(value), "tracer_variable", None) or ctx.wrap(value)
