"""Runs programs with every dead local overwritten before each instruction: their results must not change.

This is what generated code relies on, since it carries over only what is live. A plain script, as `cases` is.
"""

from __future__ import annotations

import ast
import difflib
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.isa.support import report
from tracer.isa import decode


class Poison:
    """What a dead local holds. It has no behaviour, so that any use of it shows."""


POISON = Poison()


def poisoned(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Counter[str]]:
    """What the function returns when its frames, and those of all that it calls, lose their dead locals; and how many they lost."""
    lost: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            decoded = decode(frame.f_code)
            live = decoded.live_in(decoded.index_of[frame.f_lasti])
            values = frame.f_locals
            for local, name in enumerate(decoded.names):
                if local not in live and name in values and values[name] is not POISON:
                    values[name] = POISON
                    lost[frame.f_code.co_name] += 1
        return trace

    before = sys.gettrace()
    for _ in range(2):  # 3.12 and 3.13 don't report the instructions of a code object that was never traced before
        sys.settrace(trace)
        try:
            result = function(*arguments)
        finally:
            sys.settrace(before)
    return result, lost


def unchanged(function: Callable[..., Any], *arguments: Any) -> None:
    expected = function(*arguments)
    result, lost = poisoned(function, *arguments)
    assert result == expected, f"{result} is not {expected}"
    assert lost, "nothing was dead"


# --- small programs, one construct each -------------------------------------------------------------------------------------


def case_branches() -> None:
    def program(a: int, b: int) -> int:
        c = a + b
        if c > 3:
            d = a
        else:
            d = b
            c = 0
        return d * 10 + c

    unchanged(program, 1, 2)
    unchanged(program, 3, 2)


def case_loops() -> None:
    def program(n: int) -> list[int]:
        found, total = [], 0
        for i in range(n):
            square = i * i
            for j in range(i):
                if j == 2:
                    break
                total += square
            else:
                continue
            last = total - j
            found.append(last)
        while n > 0:
            n -= 1
            rest = n
        return [*found, total, rest]

    unchanged(program, 6)


def case_exceptions() -> None:
    def program(n: int) -> list[object]:
        seen: list[object] = []
        for i in range(n):
            before = i
            try:
                value = 6 // (i - 1)
                before = seen[value]
            except ZeroDivisionError as error:
                seen.append(str(error))
                continue
            except IndexError:
                seen.append(before)
            else:
                seen.append(value)
            finally:
                seen.append(i)
        return seen

    unchanged(program, 5)


def case_exception_groups() -> None:
    def program() -> list[str]:
        seen = []
        note = "outer"
        try:
            inner = [ValueError("a"), KeyError("b"), ValueError("c")]
            raise ExceptionGroup(note, inner)
        except* ValueError as group:
            seen.append(str(len(group.exceptions)))
        except* KeyError as group:
            seen.append(repr(group.exceptions[0]))
        return [*seen, note]

    unchanged(program)


def case_with() -> None:
    class Manager:
        def __enter__(self) -> list[int]:
            self.seen = [1]
            return self.seen

        def __exit__(self, kind: object, error: object, where: object) -> bool:
            self.seen.append(2)
            return kind is KeyError

    def program(raises: bool) -> list[int]:
        manager = Manager()
        with manager as seen:
            size = len(seen)
            if raises:
                raise KeyError
            size += 5
        return [*seen, size]

    unchanged(program, False)
    unchanged(program, True)


def case_generators() -> None:
    def numbers(n: int) -> Any:
        sent = 0
        for i in range(n):
            kept = sent
            sent = yield i + kept
            sent = sent or 1
        return kept

    def chained(n: int) -> Any:
        result = yield from numbers(n)
        yield result

    def program(n: int) -> list[object]:
        generator = chained(n)
        return [next(generator), generator.send(7), *generator]

    unchanged(program, 4)


def case_coroutines() -> None:
    class Ready:
        def __await__(self) -> Any:
            got = yield 5
            return got

    async def items(n: int) -> Any:
        for i in range(n):
            waited = await Ready()
            yield i + waited

    async def program(n: int) -> list[int]:
        total = []
        async for item in items(n):
            doubled = item * 2
            total.append(doubled)
        return total

    def drive(n: int) -> list[int]:
        coroutine = program(n)
        value = None
        while True:
            try:
                value = coroutine.send(value)
            except StopIteration as stop:
                return stop.value

    unchanged(drive, 3)


def case_closures_and_comprehensions() -> None:
    def program(a: int, x: int) -> list[object]:
        def add(b: int) -> int:
            nonlocal a
            a += b
            return a

        squares = [x * a for x in range(3)]
        table = {x: [y for y in range(x)] for x in squares}
        late = [lambda: y for y in range(2)]
        return [add(x), squares, table, [each() for each in late], x]

    unchanged(program, 2, 3)


def case_deleting() -> None:
    def program(a: list[int]) -> object:
        b = a
        del a
        try:
            return a  # noqa: F821
        except UnboundLocalError as error:
            kept = len(b)
            return type(error), kept

    unchanged(program, [1, 2])


def case_match() -> None:
    def program(value: object) -> object:
        match value:
            case [first, *rest] if first:
                return first, rest
            case {"key": found, **others}:
                return found, others
            case int(number) | str(number):
                return number
            case _:
                return None

    for value in ([1, 2, 3], [0], {"key": 1, "b": 2}, 5, "x", 2.5):
        assert poisoned(program, value)[0] == program(value)


# --- programs of the standard library ---------------------------------------------------------------------------------------

TEXT = "def f(a, *b, c=1):\n    '''A text that is long enough to be wrapped at some width.'''\n    return [a for a in b if a]\n"


def case_unparse() -> None:
    unchanged(lambda: ast.unparse(ast.parse(TEXT)))


def case_wrap() -> None:
    unchanged(lambda: textwrap.fill(TEXT * 2, width=30, initial_indent="> "))


def case_diff() -> None:
    unchanged(lambda: list(difflib.unified_diff(TEXT.splitlines(), TEXT.replace("a", "q").splitlines())))


def case_pretty_print() -> None:
    import pprint

    unchanged(lambda: pprint.pformat({"b": list(range(30)), "a": {"deep": [TEXT] * 2}}, width=40))


def case_json_in_python() -> None:
    import json.decoder
    import json.encoder

    def program() -> str:
        encoder = json.encoder.JSONEncoder(indent=2)
        return encoder.encode({"a": [1, 2.5, None, {"b": "c"}]})

    unchanged(program)


def case_decimal_in_python() -> None:
    import _pydecimal

    unchanged(lambda: str(_pydecimal.Decimal("2.5").sqrt() + _pydecimal.Decimal(3) / 7))


def cases() -> dict[str, Callable[[], None]]:
    return {name: case for name, case in globals().items() if name.startswith("case_")}


if __name__ == "__main__":
    report(cases())
