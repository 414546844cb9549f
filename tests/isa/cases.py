"""What single instructions become, on the version that runs this; a plain script, as `corpus` is.

Every function named `case_…` is a test; `python -m tests.isa.cases` runs them all and prints a JSON object: name → None or the
traceback. `test_cases.py` shows them as tests of their own.
"""

from __future__ import annotations

import gc
import json
import operator
import sys
import textwrap
import traceback
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from tracer.isa import OPS, Decoded, Op, decode, target_of

MINOR = sys.version_info[1]
NULL = ("PushNull", None)


def of(source: str, name: str = "f") -> Decoded:
    """The decoded function `name` of a piece of source."""
    namespace: dict[str, Any] = {}
    exec(compile(textwrap.dedent(source), "<case>", "exec"), namespace)
    return decode(namespace[name].__code__)


def body(source: str, kind: str = "exec") -> Decoded:
    """The decoded code of the source itself."""
    return decode(compile(textwrap.dedent(source), "<case>", kind))


def pairs(decoded: Decoded) -> list[tuple[str, Any]]:
    return [(op.name, op.arg) for op in decoded.ops]


def has(decoded: Decoded, *wanted: tuple[str, Any]) -> None:
    """That a run of operations is in there."""
    found = pairs(decoded)
    assert any(found[at : at + len(wanted)] == list(wanted) for at in range(len(found))), f"{wanted} not in {found}"


def only(decoded: Decoded, name: str) -> Op:
    found = [op for op in decoded.ops if op.name == name]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def load_global(name: str) -> list[tuple[str, Any]]:
    return [("LoadGlobal", name), NULL] if MINOR >= 13 else [NULL, ("LoadGlobal", name)]


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
    assert only(of("def f(a): return g(*a)"), "CallEx").arg is False
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
    assert loads == [("f", True, MINOR < 13), ("g", False, MINOR < 13)]
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
    if MINOR >= 12:
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


def case_comparison_in_a_condition() -> None:
    decoded = of("def f(a, b):\n    if a < b: return 1\n    return 2")
    assert only(decoded, "Compare").arg == (operator.lt, MINOR >= 13)
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
    backwards = [op for index, op in enumerate(decoded.ops) if (target_of(op) or index + 1) <= index]
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
    assert (decoded.ops[loop.arg].name, decoded.ops[loop.arg].arg) == ("LoadConst", 5)
    assert decoded.stack_depth(loop.arg) == 0
    assert decoded.stack_depth(decoded.ops.index(loop)) == 1


def case_slices() -> None:
    has(of("def f(a): return a[1:2:3]"), ("BuildSlice", 3), ("Subscript", None))
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
    parts = ["defaults", "kwdefaults", "annotations", "closure"]
    if MINOR >= 13:
        assert only(decoded, "MakeFunction").arg == ()
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
    assert any((target_of(op) or len(decoded.ops)) < 5 for op in decoded.ops[-10:])


# --- locals and cells -----------------------------------------------------------------------------------------------------


def case_slots_of_cells() -> None:
    decoded = of("""
        def outer(free):
            def f(a, b, *rest, **options):
                c = 1
                def g(): return b, c, free
                return a, g
            return f
        f = outer(0)
    """)
    assert decoded.names == ["a", "b", "rest", "options", "g", "c", "free"]
    assert decoded.cells == (1, 5) and decoded.frees == (6,) and decoded.cell_args == (1,)
    assert [op.arg for op in decoded.ops if op.name == "MakeCell"] == [1, 5]
    assert {op.arg for op in decoded.ops if op.name == "LoadClosure"} == {1, 5, 6}
    assert decoded.live_in(len(decoded.ops) - 1) == {1, 5, 6}


def case_class_body() -> None:
    decoded = of("""
        def outer(a):
            class A:
                b = a
            return A
        f = outer
    """)
    inner = [each for each in decoded.code.co_consts if isinstance(each, types.CodeType)][0]
    loads = [op.arg for op in decode(inner).ops if op.name == "LoadFromDictOrDeref"]
    assert loads == [(0, MINOR >= 12)]
    assert {op.name for op in decode(inner).ops} >= {"LoadName", "StoreName"}


def case_comprehension_puts_its_variable_aside() -> None:
    decoded = of("def f(a, b):\n    c = [b for b in a]\n    return b, c")
    names = [op.name for op in decoded.ops]
    if MINOR == 11:
        assert "LoadFastAndClear" not in names
        return
    clear = names.index("LoadFastAndClear")
    assert decoded.ops[clear].arg == 1 and 1 in decoded.live_in(clear)
    assert 1 not in decoded.live_in(clear + 1), "it is kept on the stack meanwhile"


# --- handlers -------------------------------------------------------------------------------------------------------------


def case_inner_handler_wins() -> None:
    decoded = of("""
        def f(a):
            try:
                x(a)
                try:
                    y(a)
                finally:
                    z(a)
            except KeyError:
                return w(a)
    """)
    of_call = {
        decoded.ops[index - 2 if MINOR < 13 else index - 3].arg: decoded.handlers[index] for index in calls(decoded)
    }
    outer, inner = of_call["x"], of_call["y"]
    assert outer is not None and inner is not None
    assert outer.target > inner.target and outer.depth == inner.depth == 0
    assert decoded.ops[inner.target].name == decoded.ops[outer.target].name == "PushExcInfo"
    assert decoded.stack_depth(inner.target) == inner.height == 1
    assert of_call["w"] is not None and of_call["w"].push_lasti, "to restore the state if the handler itself raises"


def calls(decoded: Decoded) -> Iterator[int]:
    return (index for index, op in enumerate(decoded.ops) if op.name == "Call" and decoded.stack_depth(index) >= 0)


def case_with_restores_the_stack() -> None:
    decoded = of("def f(a):\n    with a: g(a)\n    return 1")
    handler = decoded.handlers[next(iter(calls(decoded)))]
    assert handler is not None and handler.depth == 1 and handler.push_lasti and handler.height == 3
    index = decoded.ops.index(only(decoded, "WithExceptStart"))
    assert decoded.stack_depth(index) == 4 and decoded.stack_depth(index + 1) == 5


def case_no_handler_outside() -> None:
    decoded = of("def f(a):\n    try: x(a)\n    except E: pass\n    return y(a)")
    first, *_, last = calls(decoded)
    assert decoded.handlers[first] is not None and decoded.handlers[last] is None


def case_generators() -> None:
    decoded = of("def f(a):\n    b = yield a\n    return b")
    assert decoded.ops[0].name == "ReturnGenerator" and decoded.stack_depth(0) == 0 and decoded.stack_depth(1) == 1
    assert decoded.stack_depth(decoded.ops.index(only(decoded, "Yield"))) == 1


def case_await_goes_past_its_end() -> None:
    decoded = of("async def f(a): return await a")
    send = only(decoded, "Send")
    assert decoded.stack_depth(decoded.ops.index(send)) == 2 and decoded.stack_depth(send.arg) == 1
    assert decoded.ops[send.arg].name == "Return"


# --- liveness -------------------------------------------------------------------------------------------------------------


def live_at(decoded: Decoded, name: str, occurrence: int = 0) -> set[str]:
    """The names that are live before the load of global `name`."""
    found = [index for index, op in enumerate(decoded.ops) if op.name == "LoadGlobal" and op.arg == name]
    return {decoded.names[local] for local in decoded.live_in(decoded.group_start(found[occurrence]))}


def case_dead_after_the_last_read() -> None:
    decoded = of("def f(a, b):\n    c = x(a)\n    d = y(b)\n    return z(c)")
    assert live_at(decoded, "x") == {"a", "b"}
    assert live_at(decoded, "y") == {"b", "c"}
    assert live_at(decoded, "z") == {"c"}


def case_overwritten_is_dead() -> None:
    decoded = of("def f(a):\n    x()\n    a = 1\n    y()\n    return a")
    assert live_at(decoded, "x") == set() and live_at(decoded, "y") == {"a"}


def case_loop_carries() -> None:
    decoded = of("def f(a, n):\n    for i in n:\n        x()\n        a = a + i\n    y()\n    return a")
    assert live_at(decoded, "x") == {"a", "i"}
    assert live_at(decoded, "y") == {"a"}


def case_either_branch_counts() -> None:
    decoded = of("def f(a, b, c):\n    x()\n    if a: return b\n    return c")
    assert live_at(decoded, "x") == {"a", "b", "c"}


def case_handler_reads() -> None:
    decoded = of("""
        def f(a, b):
            x()
            try:
                b = y()
            except E:
                return a, b
            z()
            return b
    """)
    assert live_at(decoded, "x") == {"a", "b"} and live_at(decoded, "y") == {"a", "b"}
    assert live_at(decoded, "z") == {"b"}


def case_finally_reads() -> None:
    decoded = of("def f(a, b):\n    try:\n        x()\n    finally:\n        y(a)\n    z(b)")
    assert live_at(decoded, "x") == {"a", "b"} and live_at(decoded, "y", 1) >= {"a"}


def case_deleting_needs_the_value() -> None:
    decoded = of("def f(a):\n    x()\n    del a\n    y()")
    assert live_at(decoded, "x") == {"a"} and live_at(decoded, "y") == set()


def case_super_reads_the_first_argument() -> None:
    """It takes it out of the frame, unseen by the bytecode."""
    decoded = of("""
        class A:
            def f(self, a):
                x(a)
                b = super()
                y()
                return b
        f = A.f
    """)
    assert live_at(decoded, "x") == {"self", "a", "__class__"}
    super_at = next(index for index, op in enumerate(decoded.ops) if op.name == "Call" and op.arg[0] == 0)
    assert 0 in decoded.live_in(super_at) and 0 in decoded.live_in(super_at + 1), (
        "y() may be super too, for all one knows"
    )


# --- the cache --------------------------------------------------------------------------------------------------------------


def case_work_is_done_once() -> None:
    decoded = of("def f(a): return a")
    assert decode(decoded.code).ops is decoded.ops
    assert decode(decoded.code).code is decoded.code


def case_equal_code_is_not_mixed_up() -> None:
    first, second = (compile("def f(a): return a", name, "exec").co_consts[0] for name in ("one.py", "two.py"))
    assert first == second and decode(first).ops is not decode(second).ops
    assert decode(first).code.co_filename == "one.py" and decode(second).code.co_filename == "two.py"


def case_code_is_freed() -> None:
    code = compile("def f(a): return a", "<case>", "exec").co_consts[0]
    gone = weakref.ref(code)
    decoded = decode(code)
    assert decoded.ops[0].location == (1, 17, 1, 18)
    ops = decoded.ops
    del code, decoded
    gc.collect()
    assert gone() is None and ops[0].location == (1, 17, 1, 18)


def case_cache_is_bounded() -> None:
    module = sys.modules["tracer.isa.decode"]
    most, module._MOST_BODIES = module._MOST_BODIES, 4
    try:
        codes = [compile(f"{number}", "<case>", "eval") for number in range(10)]
        for code in codes:
            assert decode(code).ops[0].name == "LoadConst"
        assert len(module._bodies) <= most
        assert decode(codes[0]).ops[0].arg == 0
    finally:
        module._MOST_BODIES = most


# --- odd code ---------------------------------------------------------------------------------------------------------------


def case_unknown_instruction_is_named() -> None:
    module = sys.modules["tracer.isa.decode"]
    full = module.dialect(sys.version_info[:2])
    without = full._replace(rules={name: rule for name, rule in full.rules.items() if name != "BINARY_OP"})
    body = module._decode(compile("a + b", "<case>", "eval"), module._arrange(without))
    assert ("Unsupported", "BINARY_OP") in [(op.name, op.arg) for op in body.ops]
    assert body.ops[-1].name == "Return" and body.stack_depth(len(body.ops) - 1) == -1, (
        "nothing is known of what follows"
    )


def case_keyword_call_without_its_names() -> None:
    """Hand-made code may push the names in another way: that is refused, not guessed."""
    if MINOR < 13:
        return
    import opcode

    decoded = of("def f(a): return g(b=a)")
    call = only(decoded, "Call")
    raw = bytearray(decoded.code.co_code)
    raw[call.start] = opcode.opmap["LOAD_FAST"]
    raw[call.start + 1] = 0
    assert only(decode(decoded.code.replace(co_code=bytes(raw))), "Unsupported").arg == "CALL_KW"


def case_the_table_covers_the_version() -> None:
    """Every instruction of the running CPython has a rule, but for those that never reach `co_code`."""
    import opcode

    module = sys.modules["tracer.isa.decode"]
    rules = module.dialect(sys.version_info[:2]).rules
    internal = {"INTERPRETER_EXIT", "RESERVED", "ENTER_EXECUTOR", "EXIT_INIT_CHECK"}
    real = {name for name, number in opcode.opmap.items() if number < 256 and not name.startswith("INSTRUMENTED_")}
    assert real - set(rules) - internal == set(), real - set(rules) - internal
    assert set(rules) <= real, set(rules) - real


def case_caches_are_those_of_the_interpreter() -> None:
    import opcode

    entries = opcode._inline_cache_entries  # type: ignore[attr-defined]
    found = (
        entries
        if isinstance(entries, dict)
        else {name: entries[number] for name, number in opcode.opmap.items() if number < 256}
    )
    expected = {name: count for name, count in found.items() if count and not name.startswith("INSTRUMENTED_")}
    caches = sys.modules["tracer.isa.decode"].dialect(sys.version_info[:2]).caches
    assert {name: count for name, count in expected.items() if name in caches} == dict(caches)
    assert set(expected) <= set(caches), set(expected) - set(caches)


def case_the_table_is_complete() -> None:
    for name, kind in OPS.items():
        assert kind.name == name and kind.meaning and callable(kind.effect)


# --- running them ---------------------------------------------------------------------------------------------------------


def cases() -> dict[str, Callable[[], None]]:
    return {name: case for name, case in globals().items() if name.startswith("case_")}


def outcome(case: Callable[[], None]) -> str | None:
    try:
        case()
    except Exception:
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    print(json.dumps({name: outcome(case) for name, case in cases().items()}))
