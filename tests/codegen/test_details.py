"""What single adapters and resume functions look like. No pytest in here: `checking.py` runs it on other CPythons too."""

from __future__ import annotations

import gc
import sys
import traceback
import types
import weakref
from collections.abc import Callable
from typing import Any

from tracer.codegen import Point, Slot, broken, entry_names, finished, needed, original_of, resume_code
from tracer.codegen.listing import assemble, local_slots, read

VALUE, NULL, EXC, STATE = Slot.VALUE, Slot.NULL, Slot.EXC, Slot.STATE


def offset_of(code: types.CodeType, name: str, nth: int = 0) -> int:
    """Offset of the n-th operation whose name begins so."""
    return [i.offset for i in read(code).instructions if i.name.startswith(name)][nth]


def resume_of(adapter: types.CodeType, nth: int = 0) -> types.CodeType:
    return [c for c in adapter.co_consts if isinstance(c, types.CodeType) and original_of(c)[0] is not c][nth]


def run(code: types.CodeType, like: Any, *args: Any, **kwargs: Any) -> Any:
    function = types.FunctionType(code, like.__globals__, like.__name__, like.__defaults__, like.__closure__)
    return function(*args, **kwargs)


def raised(kind: type[BaseException], call: Callable[[], Any]) -> BaseException:
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def callee(value: Any) -> Any:
    return value


def program(a: Any, *rest: Any, key: Any = 1, **others: Any) -> Any:
    b = callee(a)
    return b, key, rest


# ---- the parts of the interface


def test_entry_names() -> None:
    def inner(x: Any, /, y: Any, *args: Any, z: Any = 1, **kwargs: Any) -> Any:
        local = 1
        return lambda: (y, kwargs, local, run)

    assert entry_names(program.__code__) == (("a", "key", "rest", "others"), ())
    assert entry_names(inner.__code__) == (("x", "z", "args"), inner.__code__.co_cellvars)
    assert set(inner.__code__.co_cellvars) == {"y", "kwargs", "local"}


def test_finished_gives_the_body_its_entry() -> None:
    code = finished(program.__code__, lambda *entry: entry)
    assert run(code, program, 1, 2, 3, key=4, x=5) == (1, 4, (2, 3), {"x": 5})


def test_finished_gives_cells() -> None:
    outer = "outer"

    def function(a: Any, b: Any) -> Any:
        return lambda: (a, outer)

    code = finished(function.__code__, lambda *entry: entry)
    b, a, free = run(code, function, 1, 2)
    assert (b, a.cell_contents, free.cell_contents) == (2, 1, "outer")


def test_generators_are_refused() -> None:
    def generator() -> Any:
        yield 1

    async def coroutine() -> None: ...

    for function in (generator, coroutine):
        code = function.__code__
        for call in (lambda: finished(code, callee), lambda: broken(code, callee, Point(0)), lambda: resume_code(code, Point(0))):
            assert "generator" in str(raised(ValueError, call))


def test_offsets_of_nothing_are_refused() -> None:
    assert "offset 1" in str(raised(ValueError, lambda: broken(program.__code__, callee, Point(1))))
    resume = resume_code(program.__code__, Point(offset_of(program.__code__, "STORE_FAST"), ("a",), (VALUE,)))
    raised(ValueError, lambda: original_of(resume, 100_000))


def test_a_stack_that_is_too_short_is_refused() -> None:
    raised(ValueError, lambda: broken(program.__code__, callee, Point(offset_of(program.__code__, "CALL"), ("a",), (VALUE,))))


def test_resume_code_keeps_what_people_see() -> None:
    code = program.__code__
    resume = resume_code(code, Point(offset_of(code, "STORE_FAST"), ("a", "key", "rest"), (VALUE,)))
    for name in ("co_name", "co_qualname", "co_filename", "co_firstlineno"):
        assert getattr(resume, name) == getattr(code, name)
    assert resume.co_varnames[:4] == ("a", "key", "rest", "__stack_0")
    assert resume.co_argcount == 4 and not resume.co_kwonlyargcount and not resume.co_flags & 12
    positions, originals = list(resume.co_positions()), list(code.co_positions())
    for instruction in read(resume).instructions[-3:]:
        _, offset = original_of(resume, instruction.offset)
        assert positions[instruction.offset // 2] == originals[offset // 2]


def test_one_point_has_one_resume_code_through_several_levels() -> None:
    code = program.__code__
    store, back = offset_of(code, "STORE_FAST"), offset_of(code, "BUILD_TUPLE")
    first = resume_code(code, Point(store, ("key", "rest"), (VALUE,)))
    at = next(i.offset for i in read(first).instructions if original_of(first, i.offset)[1] == back)
    second = resume_code(first, Point(at, ("rest", "key"), (VALUE, VALUE, VALUE)))
    assert second is resume_code(code, Point(back, ("key", "rest"), (VALUE,) * 3))
    assert original_of(second) == (code, back) and original_of(first) == (code, store)
    assert original_of(code, 4) == (code, 4)
    assert len(second.co_code) < len(code.co_code)


def test_equal_code_objects_stay_apart() -> None:
    source = "def f(a):\n    b = g(a)\n    return b, a\n"
    codes = [compile(source, "same", "exec").co_consts[0] for _ in range(2)]
    assert codes[0] == codes[1] and codes[0] is not codes[1]
    resumes = [resume_code(code, Point(offset_of(code, "STORE_FAST"), ("a",), (VALUE,))) for code in codes]
    assert [original_of(resume)[0] for resume in resumes] == codes
    assert original_of(resumes[0])[0] is codes[0] and original_of(resumes[1])[0] is codes[1]


def test_nothing_is_kept_alive() -> None:
    space: dict[str, Any] = {}
    exec("def f(a):\n    b = callee(a)\n    return callee(b), a\n", space)
    code = space.pop("f").__code__
    adapter = broken(code, callee, Point(offset_of(code, "CALL"), ("a",), (NULL, VALUE, VALUE)))
    seen = [weakref.ref(code), weakref.ref(adapter), weakref.ref(resume_of(adapter))]
    del code, adapter, space
    gc.collect()
    assert [ref() for ref in seen] == [None] * 3


def test_hidden_names_give_way_to_the_users() -> None:
    def function(__stack_0: Any, __kept_0: Any) -> Any:
        return [__stack_0, callee(__kept_0), 1][1]

    code = function.__code__
    stack = (VALUE, NULL, VALUE, VALUE) if sys.version_info < (3, 13) else (VALUE, VALUE, NULL, VALUE)
    adapter = broken(code, lambda a, b: (a, b, a, callee, b), Point(offset_of(code, "CALL"), code.co_varnames, stack))
    assert run(adapter, function, 1, 2) == 2
    assert len(set(adapter.co_varnames)) == len(adapter.co_varnames)


def test_needed() -> None:
    class Child(list):
        def method(self, x: Any) -> Any:
            y = callee(x)
            return super().__len__() + y

    def looks(x: Any) -> Any:
        callee(x)
        return locals()

    code = Child.method.__code__
    assert needed(code, offset_of(code, "STORE_FAST")) - {"__class__"} == {"self"}
    assert needed(looks.__code__, offset_of(looks.__code__, "POP_TOP")) == {"x"}


# ---- running


def test_a_read_and_written_code_is_the_same() -> None:
    """For all functions of some modules of the standard library, among them big ones."""
    import argparse
    import dis
    import inspect
    import typing

    def functions(module: Any) -> list[types.CodeType]:
        found, waiting = [], [compile(inspect.getsource(module), module.__file__, "exec")]
        while waiting:
            code = waiting.pop()
            found.append(code)
            waiting += [const for const in code.co_consts if isinstance(const, types.CodeType)]
        return found

    for module in (argparse, inspect, typing, traceback):
        for code in functions(module):
            listing = read(code)
            new, starts = assemble(
                listing.instructions, code, slot=lambda arg: arg, consts=code.co_consts, stacksize=code.co_stacksize
            )
            if not any(i.opname.startswith(("LOAD_FAST_LOAD", "LOAD_FAST_B", "STORE_FAST_S", "STORE_FAST_L")) for i in dis.get_instructions(code)):
                assert new.co_code == code.co_code, code
                assert new.co_exceptiontable == code.co_exceptiontable, code
                assert list(new.co_positions()) == list(code.co_positions()), code
            again = read(new)
            assert [(i.name, i.location) for i in again.instructions] == [(i.name, i.location) for i in listing.instructions]


def test_traceback_lines_are_the_users() -> None:
    def function(x: Any) -> Any:
        y = callee(x)
        y = y + 1
        return y / 0

    code = function.__code__
    adapter = broken(code, lambda x: (x,), Point(offset_of(code, "STORE_FAST"), (), (VALUE,)))
    error = raised(ZeroDivisionError, lambda: run(adapter, function, 1))
    found = [entry for entry in traceback.extract_tb(error.__traceback__) if entry.name == "function"]
    assert [entry.lineno - code.co_firstlineno for entry in found] == [1, 3]
    assert found[-1].line == "return y / 0"
    if found[-1].colno is not None:
        assert found[-1].line[found[-1].colno - 8 : found[-1].end_colno - 8] == "y / 0"


def test_locals_hold_nothing_of_ours() -> None:
    def function(x: Any) -> Any:
        y = [x, callee(x)]
        return sorted(locals()), y

    code = function.__code__
    stack = (VALUE, NULL, VALUE, VALUE) if sys.version_info < (3, 13) else (VALUE, VALUE, NULL, VALUE)
    adapter = broken(code, lambda x: (x, x, callee, x), Point(offset_of(code, "CALL"), ("x",), stack))
    assert run(adapter, function, 1) == (["x", "y"], [1, 1])


def test_locals_hold_nothing_of_ours_where_a_handler_goes_on() -> None:
    def function(x: Any) -> Any:
        try:
            y = [x, x.missing]
        except AttributeError:
            return sorted(locals())
        return y

    code = function.__code__
    adapter = broken(code, lambda x: (x, x, x), Point(offset_of(code, "LOAD_ATTR"), ("x",), (VALUE, VALUE)))
    assert run(adapter, function, 1) == ["x"]


def test_exception_states_are_rebuilt_and_left() -> None:
    """One slot for state and exception, or one for each."""

    def function(x: Any) -> Any:
        try:
            raise ValueError(x)
        except ValueError:
            seen = callee(sys.exception())
            assert sys.exception() is seen
        return seen, sys.exception()

    code = function.__code__
    handled = ValueError("by body")
    seen = sys.exception()
    at = [i.offset for i in read(code).instructions if i.name == "LOAD_GLOBAL"]
    names = {name: offset for offset in at for name in [code.co_names[read(code).instructions[read(code).starts[offset]].arg >> 1]] if name == "callee"}
    point = Point(names["callee"], (), (STATE,))
    adapter = broken(code, lambda *entry: (handled,), point)
    assert run(adapter, function, 1) == (handled, None)
    assert sys.exception() is seen
    popped = offset_of(code, "POP_TOP", -1)
    del popped
    match = Point(offset_of(code, "CHECK_EXC_MATCH"), (), (EXC, VALUE))
    adapter = broken(code, lambda *entry: (handled, ValueError), match)
    assert run(adapter, function, 1) == (handled, None)


def test_nulls_come_and_go_ten_thousand_times() -> None:
    class Witness:
        pass

    def function(x: Any) -> Any:
        return [callee, callee(callee(x)), x][1]

    code, witness = function.__code__, Witness()
    stack = (VALUE, NULL, VALUE, NULL, VALUE, VALUE)
    if sys.version_info >= (3, 13):
        stack = (VALUE, VALUE, NULL, VALUE, NULL, VALUE)
    adapter = broken(code, lambda x: (x, callee, callee, callee, x), Point(offset_of(code, "CALL"), ("x",), stack))
    runs = types.FunctionType(adapter, globals())
    runs(witness)
    before, blocks = sys.getrefcount(witness), sys.getallocatedblocks()
    for _ in range(10_000):
        assert runs(witness) is witness
    assert sys.getrefcount(witness) == before
    assert sys.getallocatedblocks() - blocks < 500


def test_arguments_without_a_value_are_unbound_in_handlers() -> None:
    def function(x: Any, y: Any) -> Any:
        del x
        try:
            y = y.missing
        except AttributeError:
            try:
                return x  # noqa: F821
            except UnboundLocalError:
                return "unbound"

    code = function.__code__
    adapter = broken(code, lambda x, y: (y, y), Point(offset_of(code, "LOAD_ATTR"), ("y",), (VALUE,)))
    assert run(adapter, function, 1, 2) == "unbound"


def test_a_local_left_out_is_an_error_not_a_crash() -> None:
    code = program.__code__
    adapter = broken(code, lambda *entry: (1,), Point(offset_of(code, "STORE_FAST"), (), (VALUE,)))
    assert "key" in str(raised(UnboundLocalError, lambda: run(adapter, program, 1, key=2)))


def test_a_call_that_breaks_in_a_try_reaches_its_handler() -> None:
    """Also where the call is all that the `try` covers, and in the resume function where it is what comes next."""

    def fail(*args: Any) -> None:
        raise ValueError

    def function(x: Any) -> Any:
        try:
            fail(callee(x))
        except ValueError:
            return "caught"
        return x

    code = function.__code__
    calls = [i.offset for i in read(code).instructions if i.name == "CALL"]
    rest = (VALUE, NULL) if sys.version_info >= (3, 13) else (NULL, VALUE)
    inner = broken(code, lambda x, free: (x, fail, callee, x), Point(calls[0], ("x",), (*rest, *rest, VALUE)))
    outer = broken(code, lambda x, free: (x, fail, x), Point(calls[1], ("x",), (*rest, VALUE)))
    for adapter in (inner, outer):
        assert run(adapter, function, 1) == "caught"


def test_many_locals_and_far_jumps() -> None:
    """Arguments above 255 need prefixes; the point may be given at the prefix or at the operation."""
    lines = [f"    v{i} = x + {i}" for i in range(300)]
    source = "\n".join(
        ["def f(x, n):", "    while n:", "        n -= 1", *["    " + text for text in lines], "    y = callee(v299)", "    return y + v298 + x"]
    )
    space = {"callee": callee}
    exec(source, space)
    function, code = space["f"], space["f"].__code__
    listing = read(code)
    call = next(i for i in listing.instructions if i.name == "CALL")
    stored = next(i for i in listing.instructions if i.offset > call.offset and i.name.startswith("STORE_FAST"))
    assert stored.unit < stored.offset
    jump = next(i for i in listing.instructions if i.name.startswith("POP_JUMP"))
    for offset in (stored.unit, stored.offset):
        adapter = broken(code, lambda x, n: (x, x + 298, x + 299), Point(offset, ("x", "v298"), (VALUE,)))
        assert run(adapter, function, 5, 1) == function(5, 1)
    adapter = broken(code, lambda x, n: (x, n, n), Point(jump.unit, ("x", "n"), (VALUE,)))
    for n in (1, 3):
        assert run(adapter, function, 5, n) == function(5, n)
    assert len(local_slots(resume_of(adapter))) > 255


def test_globals_of_the_frame_are_those_of_the_resume_function() -> None:
    space: dict[str, Any] = {"callee": callee, "marker": "there"}
    exec("def f(a):\n    b = callee(a)\n    return b, marker\n", space)
    code = space["f"].__code__
    adapter = broken(code, lambda a: (a,), Point(offset_of(code, "STORE_FAST"), (), (VALUE,)))
    assert run(adapter, space["f"], 1) == (1, "there")


def test_a_break_right_before_the_end_needs_no_resume_function() -> None:
    code = callee.__code__
    adapter = broken(code, lambda value: (value,), Point(offset_of(code, "RETURN_VALUE"), (), (VALUE,)))
    assert run(adapter, callee, 7) == 7
    assert not [const for const in adapter.co_consts if isinstance(const, types.CodeType)]


def test_closures_are_shared_with_resume_functions() -> None:
    def function(x: Any) -> Any:
        count = 0

        def add():  # type: ignore[no-untyped-def]
            nonlocal count
            count += x
            return count

        callee(add)
        add()
        return count, add

    code = function.__code__

    def body(*cells: types.CellType) -> tuple[Any, ...]:
        count, x = cells if code.co_cellvars[0] == "count" else reversed(cells)
        count.cell_contents = 0
        inner = next(const for const in code.co_consts if isinstance(const, types.CodeType))
        closure = tuple({"count": count, "x": x}[name] for name in inner.co_freevars)
        return types.FunctionType(inner, globals(), closure=closure), "result"

    adapter = broken(code, body, Point(offset_of(code, "POP_TOP"), ("add",), (VALUE,)))
    count, add = run(adapter, function, 2)
    assert count == 2 and add() == 4


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
