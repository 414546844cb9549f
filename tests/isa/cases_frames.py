"""Slots, handlers, liveness, and the cache of decoded code, on the version that runs this; a plain script, as `corpus` is."""

from __future__ import annotations

import gc
import opcode
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Mapping

from tests.isa.support import MINOR, body, has, of, only, report
from tracer.isa import OPS, Decoded, decode

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
    depth = 2 if MINOR >= 14 else 1  # what leaves the block stands as a callable and its NULL
    assert handler is not None and handler.depth == depth and handler.push_lasti and handler.height == depth + 2
    index = decoded.ops.index(only(decoded, "WithExceptStart"))
    assert decoded.stack_depth(index) == depth + 3 and decoded.stack_depth(index + 1) == depth + 4


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
    found = module._decode(compile("a + b", "<case>", "eval"), module._arrange(without))
    assert ("Unsupported", "BINARY_OP") in [(op.name, op.arg) for op in found.ops]
    assert found.ops[-1].name == "Return" and found.stack_depth(len(found.ops) - 1) == -1, (
        "nothing is known of what follows"
    )


def case_keyword_call_without_its_names() -> None:
    """Hand-made code may push the names in another way: that is refused, not guessed."""
    if MINOR < 13:
        return
    decoded = of("def f(a): return g(b=a)")
    call = only(decoded, "Call")
    raw = bytearray(decoded.code.co_code)
    raw[call.start] = opcode.opmap["LOAD_FAST"]
    raw[call.start + 1] = 0
    assert only(decode(decoded.code.replace(co_code=bytes(raw))), "Unsupported").arg == "CALL_KW"


def case_what_stands_beside_an_iterator_is_there_again_behind_each_step() -> None:
    if MINOR < 15:
        return
    loop = of("def f(a):\n    for b in a: pass")
    index = loop.ops.index(only(loop, "ForIter"))
    assert [(op.name, op.arg) for op in loop.ops[index - 1 : index + 4 : 2]] == [("Swap", 2), ("Swap", 2), ("Swap", 2)]
    assert [loop.stack_depth(at) for at in range(index - 1, index + 5)] == [2, 2, 3, 3, 3, 3]
    sent = of("def f(a): return (yield from a)")
    has(sent, ("GetYieldFromIter", None), ("PushNull", None), ("LoadConst", None))
    ended = sent.ops.index(only(sent, "CleanupThrow"))
    assert [sent.stack_depth(at) for at in (ended - 3, ended, ended + 3)] == [4, 3, 3]


def case_imports_say_whether_they_are_lazy() -> None:
    if MINOR < 15:
        return
    assert [op.arg for op in body("lazy import a\nimport b").ops if op.name in ("ImportName", "CallIntrinsic2")] == ["IMPORT_LAZILY a", "b"]


def case_the_table_covers_the_version() -> None:
    """Every instruction of the running CPython has a rule, but for those that never reach `co_code`."""
    module = sys.modules["tracer.isa.decode"]
    rules = module.dialect(sys.version_info[:2]).rules
    internal = {"INTERPRETER_EXIT", "RESERVED", "ENTER_EXECUTOR", "EXIT_INIT_CHECK", "TRACE_RECORD"}
    real = {name for name, number in opcode.opmap.items() if number < 256 and not name.startswith("INSTRUMENTED_")}
    assert real - set(rules) - internal == set(), real - set(rules) - internal
    assert set(rules) <= real, set(rules) - real


def case_caches_are_those_of_the_interpreter() -> None:
    entries = opcode._inline_cache_entries  # type: ignore[attr-defined]
    found = (
        entries
        if isinstance(entries, Mapping)
        else {name: entries[number] for name, number in opcode.opmap.items() if number < 256}
    )
    expected = {name: count for name, count in found.items() if count and not name.startswith("INSTRUMENTED_")}
    caches = sys.modules["tracer.isa.decode"].dialect(sys.version_info[:2]).caches
    assert {name: count for name, count in expected.items() if name in caches} == dict(caches)
    assert set(expected) <= set(caches), set(expected) - set(caches)


def case_the_table_is_complete() -> None:
    for name, kind in OPS.items():
        assert kind.name == name and kind.meaning and callable(kind.effect)


def cases() -> dict[str, Callable[[], None]]:
    return {name: case for name, case in globals().items() if name.startswith("case_")}


if __name__ == "__main__":
    report(cases())
