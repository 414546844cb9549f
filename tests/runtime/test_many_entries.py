"""What a compile costs doesn't depend on how many entries its function has already: counted in instructions of Python, which no busy machine changes."""

from __future__ import annotations

import gc
import sys
from collections import Counter

import pytest
import torch

import tracer

PROGRAMS = {
    "plain": "def f(x, n):\n return x * n + 1\n",
    "break": "def f(x, n):\n y = x * n\n print(end='')\n return y + 1\n",
    "inlined": "def g(x, n):\n return x * n\ndef f(x, n):\n return g(x, n) + g(x, 2)\n",
    "object": "class A:\n pass\ndef f(x, n):\n a = A()\n a.n = n\n return x * a.n\n",
}


def instructions(call):
    """How many instructions `call()` runs, by the function that they are of; without the collector, which comes when it likes and calls others."""
    found = Counter()

    def called(frame, event, arg):
        code = frame.f_code
        if code.co_name in ("_collector", "__del__"):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        name = f"{code.co_filename.rpartition('/')[2]}:{code.co_qualname}"

        def step(frame, event, arg):
            if event == "opcode":
                found[name] += 1
            return step

        return step

    gc.disable()
    sys.settrace(called)
    try:
        call()
    finally:
        sys.settrace(None)
        gc.enable()
    return found


@pytest.mark.parametrize(("name", "record"), [*((name, "decisions") for name in PROGRAMS), ("break", "all"), ("plain", "nothing")])
def test_a_compile_costs_the_same_with_few_and_with_many_entries(name, record):
    names = {"torch": torch}
    exec(PROGRAMS[name], names)
    compiled = tracer.compile(names["f"], backend="eager", recompile_limit=1000, dynamic=False, record=record)
    x, numbers = torch.ones(2), iter(range(1000))

    def once():
        compiled(x, next(numbers) + 0.5)

    def several(times):
        for _ in range(times):
            once()

    several(12)
    few = instructions(once)
    several(40)
    many = instructions(once)
    grown = (many - few).most_common(3)
    assert many.total() < few.total() + 200, grown  # of some 70,000
    assert compiled.session.hook.number(names["f"].__code__) == 54


@pytest.mark.slow
def test_a_thousand_entries_cost_as_much_time_each_as_a_hundred():
    """But for the guards of those that don't hold, which torch asks one by one: about a microsecond each."""
    import time

    names = {"torch": torch}
    exec(PROGRAMS["plain"], names)
    compiled = tracer.compile(names["f"], backend="eager", recompile_limit=2000, dynamic=False)
    x, took = torch.ones(2), []
    for number in range(1000):
        began = time.process_time()
        compiled(x, number + 0.5)
        took.append(time.process_time() - began)

    def usual(some):
        return sorted(some)[len(some) // 2]

    assert usual(took[-100:]) < 1.5 * usual(took[20:120]) + 0.002
