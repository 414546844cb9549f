"""Functions whose body is one instruction of this CPython, for what only an instruction can make: type parameters whose bounds are asked for
later, template strings of given parts.

In: the instruction's name and argument, and how many operands it takes. Out: a function that runs it on its arguments. CPython says itself
what the numbers of its internal functions stand for.
"""

from __future__ import annotations

import builtins
import functools
import opcode
import types
from collections.abc import Callable
from typing import Any

from bytecode import ConcreteBytecode, ConcreteInstr
from bytecode.flags import CompilerFlags

__all__ = ["instruction", "intrinsic"]

_NAMES: dict[int, list[str]] = {
    count: [name.removeprefix("INTRINSIC_").lower() for name in getattr(opcode, f"_intrinsic_{count}_descs", ())] for count in (1, 2)
}


@functools.cache
def instruction(name: str, count: int, arg: int | None = None) -> Callable[..., Any]:
    """The function of `count` operands."""
    code = ConcreteBytecode()
    code.name, code.filename = name.lower(), __file__
    code.argcount, code.varnames = count, [f"operand{i}" for i in range(count)]
    code.flags = CompilerFlags.OPTIMIZED | CompilerFlags.NEWLOCALS
    loads = [ConcreteInstr("LOAD_FAST", i) for i in range(count)]
    code.extend([ConcreteInstr("RESUME", 0), *loads, ConcreteInstr(name) if arg is None else ConcreteInstr(name, arg), ConcreteInstr("RETURN_VALUE")])
    made = code.to_code(count + 1, compute_exception_stack_depths=False)  # else `bytecode` wants to know the instruction, and doesn't know all
    return types.FunctionType(made, {"__builtins__": builtins})  # CPython imports `typing` by it


def intrinsic(name: str, count: int) -> Callable[..., Any]:
    """An internal function of CPython (3.12 and later) with one or two operands, by its name in small letters."""
    return instruction(f"CALL_INTRINSIC_{count}", count, _NAMES[count].index(name))
