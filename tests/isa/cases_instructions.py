"""What single instructions become, on the version that runs this; a plain script, as `corpus` is.

Every function named `case_…` is a test; `python -m tests.isa.cases_instructions` runs them all, and `test_cases.py` shows them
as tests of their own under each version.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from tests.isa.support import MINOR, body, has, load_global, of, only, pairs, report
from tracer.isa import target_of

# --- folding and splitting ------------------------------------------------------------------------------------------------


def case_positional_call() -> None:
    has(of("def f(a): return g(a, 1)"), *load_global("g"), ("LoadFast", 0), ("LoadConst", 1), ("Call", (2, ())))


def case_keyword_call() -> None:
    decoded = of("def f(a): return g(a, b=a, c=2)")
    has(decoded, ("LoadConst", 2), ("Call", (3, ("b", "c"))), ("Return", None))
    call = only(decoded, "Call")
    covered = decoded.code.co_code[call.start : call.end]
    assert call.start < call.offset, "the keyword names belong to the call's bytes"
    index = decoded.ops.index(call)
    for offset in range(call.start, call.end, 2):
        assert decoded.index_of.get(offset, index) == index
    assert len(covered) == call.end - call.start
    assert decoded.ops[index - 1].end == call.start and decoded.ops[index + 1].start == call.end


def case_keyword_names_belong_to_one_call() -> None:
    decoded = of("def f(a): return g(h(a, b=1), 2)")
    assert [op.arg for op in decoded.ops if op.name == "Call"] == [(2, ("b",)), (2, ())]


def case_keyword_call_after_extended_arg() -> None:
    """Its constant has a number above 255."""
    values = ", ".join(f"{number}.5" for number in range(300))
    decoded = of(f"def f(a):\n    b = {values.replace(',', ';b =')}\n    return g(a, key=a)")
    assert only(decoded, "Call").arg == (2, ("key",))


def case_starred_call() -> None:
    decoded = of("def f(a, k): return g(*a, **k)")
    assert only(decoded, "CallEx").arg is True
    assert only(of("def f(a): return g(*a)"), "CallEx").arg is (MINOR >= 14)  # since then there is always a place for keywords
    index = next(index for index, op in enumerate(decoded.ops) if op.name == "CallEx")
    assert decoded.stack_depth(index) == 4 and decoded.stack_depth(index + 1) == 1


def case_method_call() -> None:
    has(
        of("def f(a): return a.m(1)"),
        ("LoadFast", 0),
        ("LoadMethod", ("m", MINOR < 13)),
        ("LoadConst", 1),
        ("Call", (1, ())),
    )
    has(of("def f(a): return a.m"), ("LoadFast", 0), ("LoadAttr", "m"), ("Return", None))


def case_super() -> None:
    source = """
        class A:
            def f(self): return super().f(1) + super().g
        f = A.f
    """
    decoded = of(source)
    if MINOR == 11:
        assert not [op for op in decoded.ops if op.name == "LoadSuperAttr"]
        return
    loads = [op.arg for op in decoded.ops if op.name == "LoadSuperAttr"]
    assert loads == [("f", True, MINOR < 13, False), ("g", False, MINOR < 13, False)]
    has(decoded, ("LoadGlobal", "super"), ("LoadDeref", 1), ("LoadFast", 0), ("LoadSuperAttr", loads[0]))


def case_superinstructions_are_split() -> None:
    decoded = of("def f(a, b):\n    c, d = b, a\n    return c + d")
    has(decoded, ("LoadFast", 1), ("LoadFast", 0))
    has(decoded, ("StoreFast", 3), ("StoreFast", 2), ("LoadFast", 2), ("LoadFast", 3), ("BinaryOp", operator.add))
    for index, op in enumerate(decoded.ops):
        first = decoded.group_start(index)
        assert decoded.index_of[op.start] == first and decoded.ops[first].offset == op.offset
        assert (decoded.ops[first].start, decoded.ops[first].end) == (op.start, op.end)


def case_return_of_a_constant() -> None:
    decoded = of("def f(): return 7")
    assert pairs(decoded) == [("LoadConst", 7), ("Return", None)]
    if 12 <= MINOR <= 13:
        assert decoded.ops[0].offset == decoded.ops[1].offset


def case_operators() -> None:
    for sign, function in {"+": operator.add, "@": operator.matmul, "**": operator.pow, "<<": operator.lshift}.items():
        assert only(of(f"def f(a, b): return a {sign} b"), "BinaryOp").arg is function
    signs = ["+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^"]
    for sign in signs:
        inplace = only(of(f"def f(a, b):\n    a {sign}= b\n    return a"), "BinaryOp").arg
        plain = only(of(f"def f(a, b): return a {sign} b"), "BinaryOp").arg
        assert inplace.__name__ == "i" + plain.__name__.strip("_")
        if sign != "@":
            assert plain(5, 2) == eval(f"5 {sign} 2")
    for sign in ["<", "<=", "==", "!=", ">", ">="]:
        function, to_bool = only(of(f"def f(a, b): return a {sign} b"), "Compare").arg
        assert [function(*values) for values in ((1, 2), (2, 2), (2, 1))] == [
            eval(f"{left} {sign} {right}") for left, right in ((1, 2), (2, 2), (2, 1))
        ]
        assert to_bool is False
    for sign, function in {"-": operator.neg, "+": operator.pos, "~": operator.invert, "not ": operator.not_}.items():
        assert only(of(f"def f(a): return {sign}a"), "UnaryOp").arg is function
    assert only(of("def f(a, b): return a is not b"), "IsOp").arg is True
    assert only(of("def f(a, b): return a in b"), "ContainsOp").arg is False


def case_what_asks_for_a_bool_takes_any_value() -> None:
    for text in ("if a < b: return 1", "if a: return 1", "return not a", "return not a < b", "assert a", "return a and b", "while a: b()"):
        ops = of(f"def f(a, b):\n    {text}\n    return 2").ops
        assert not any(op.name == "ToBool" or op.name == "Compare" and op.arg[1] for op in ops), text


def case_comparison_in_a_condition() -> None:
    decoded = of("def f(a, b):\n    if a < b: return 1\n    return 2")
    assert only(decoded, "Compare").arg == (operator.lt, False)
    kind, target = only(decoded, "JumpIf").arg
    assert kind == "false" and decoded.ops[target].name == "LoadConst" and decoded.ops[target].arg == 2


def case_conditions() -> None:
    kinds = {
        "if a: g()": "false",
        "if not a: g()": "true",
        "if a is None: g()": "not_none",
        "if a is not None: g()": "none",
    }
    for statement, kind in kinds.items():
        assert only(of(f"def f(a):\n    {statement}\n    return a"), "JumpIf").arg[0] == kind


def case_loop_backwards_on_a_condition() -> None:
    decoded = of("def f(a):\n    while a: a = g(a)\n    return a")
    backwards = [op for index, op in enumerate(decoded.ops) if (-1 if (target := target_of(op)) is None else target) in range(index)]
    assert len(backwards) == 1 and backwards[0].name == ("JumpIf" if MINOR <= 11 else "Jump")


def case_or_keeps_the_value() -> None:
    decoded = of("def f(a, b): return a or b")
    if MINOR == 11:
        truth, target = only(decoded, "JumpIfOrPop").arg
        assert truth is True and decoded.ops[target].name == "Return"
    else:
        assert only(decoded, "JumpIf").arg[0] == "true"


def case_for_goes_past_its_end() -> None:
    decoded = of("def f(a):\n    for b in a: g(b)\n    return 5")
    loop = only(decoded, "ForIter")
    placed = MINOR >= 15  # what is beside the iterator is popped behind the loop
    assert pairs(decoded)[loop.arg : loop.arg + 1 + placed] == [("Pop", None)] * placed + [("LoadConst", 5)]
    assert decoded.stack_depth(loop.arg + placed) == 0
    assert decoded.stack_depth(decoded.ops.index(loop)) == 1 + placed


def case_slices() -> None:
    has(of("def f(a, b): return a[b:2:3]"), ("BuildSlice", 3), ("Subscript", None))
    if MINOR >= 14:
        has(of("def f(a): return a[1:2:3]"), ("LoadConst", slice(1, 2, 3)), ("Subscript", None))
    if MINOR >= 12:
        has(of("def f(a, b): return a[b:2]"), ("LoadConst", 2), ("BinarySlice", None))
        has(of("def f(a, b): a[b:2] = 1"), ("LoadConst", 2), ("StoreSlice", None))
    else:
        has(of("def f(a, b): return a[b:2]"), ("BuildSlice", 2), ("Subscript", None))
    has(of("def f(a): del a[1]"), ("DeleteSubscript", None))


def case_formatting() -> None:
    formats = [op.arg for op in of("def f(a): return f'{a}{a!r:>{a}}{a!s}'").ops if op.name == "FormatValue"]
    converts = [op.arg for op in of("def f(a): return f'{a}{a!r:>{a}}{a!s}'").ops if op.name == "ConvertValue"]
    if MINOR >= 13:
        assert formats == [(None, False), (None, False), (None, True), (None, False)] and converts == ["r", "s"]
    else:
        assert formats == [(None, False), (None, False), ("r", True), ("s", False)] and converts == []


def case_building() -> None:
    has(of("def f(a, b): return [a, b]"), ("BuildList", 2))
    has(of("def f(a, b): return {a: b}"), ("BuildMap", 1))
    if MINOR < 14:
        has(of("def f(a, b): return {'x': a, 'y': b}"), ("LoadConst", ("x", "y")), ("BuildConstKeyMap", 2))
    has(of("def f(a): return (*a, 1)"), ("ListExtend", 1), ("LoadConst", 1), ("ListAppend", 1), ("ListToTuple", None))
    has(
        of("def f(a):\n    b, *c, d, e = a"), ("UnpackEx", (1, 2)), ("StoreFast", 1), ("StoreFast", 2), ("StoreFast", 3)
    )


def case_functions() -> None:
    decoded = of("def f(a):\n    def g(b: int = 1, *, c=2): return a\n    return g")
    parts = ["defaults", "kwdefaults", "annotate" if MINOR >= 14 else "annotations", "closure"]
    if MINOR >= 13:
        made = [op.arg for op in decoded.ops if op.name == "MakeFunction"]
        assert made == [()] * (2 if MINOR >= 14 else 1), "what gives the annotations is a function"
        assert [op.arg for op in decoded.ops if op.name == "SetFunctionAttribute"] == parts[::-1]
    else:
        assert only(decoded, "MakeFunction").arg == tuple(parts[::-1])
    has(decoded, ("LoadClosure", 0), ("BuildTuple", 1))


def case_import_star_leaves_nothing() -> None:
    decoded = body("from os import *")
    has(decoded, ("ImportName", "os"), ("ImportStar", None))
    index = decoded.ops.index(only(decoded, "ImportStar"))
    assert decoded.stack_depth(index) == 1 and decoded.stack_depth(index + 1) == 0


def case_interactive_print() -> None:
    decoded = body("1 + x", "single")
    index = decoded.ops.index(only(decoded, "PrintExpr"))
    assert decoded.stack_depth(index) == 1 and decoded.stack_depth(index + 1) == 0


def case_wide_argument() -> None:
    """The offset is that of the opcode; its EXTENDED_ARG leads to the operation as well."""
    stores = "\n".join(f"    v{number} = {number}" for number in range(300))
    decoded = of(f"def f():\n{stores}\n    return v299")
    last = [op for op in decoded.ops if op.name == "StoreFast" and op.arg == 299][0]
    assert decoded.names[299] == "v299" and last.start == last.offset - 2
    assert decoded.index_of[last.start] == decoded.index_of[last.offset]


def case_far_jump() -> None:
    statements = "\n".join("        g(a)" for _ in range(200))
    decoded = of(f"def f(a):\n    while a:\n{statements}\n    return a")
    assert all(0 <= target < len(decoded.ops) for op in decoded.ops if (target := target_of(op)) is not None)
    assert any(target_of(op) in range(5) for op in decoded.ops[-10:])


def cases() -> dict[str, Callable[[], None]]:
    return {name: case for name, case in globals().items() if name.startswith("case_")}


if __name__ == "__main__":
    report(cases())
