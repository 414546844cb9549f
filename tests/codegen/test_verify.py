"""What the check of generated bodies finds, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from tracer.codegen.verify import faults, undefined

GOOD = """
def body(arg_x, cell_n):
    local_n = cell_n.cell_contents
    v = arg_x.weight
    v_1 = v[0]
    failed = None
    try:
        out, number, = graph(v, local_n)
    except RuntimeError as error:
        failed = asserted.get(str(error))
        if failed is None: raise
    if failed is not None: raise AssertionError(*failed)
    list_1 = [out, v_1]
    for _ in range(2): next(v_1)
    for _ in v_1: pass
    k.__setitem__(list_1, 0, number); list_1.extend((out,))
    return list_1
"""

WRONG = {
    "a name that nothing binds": ("    return number\n", "number has no value"),
    "a name before it is bound": ("    a = [b]\n    b = 1\n    return a\n", "b has no value"),
    "a name bound twice": ("    a = [1]\n    a = [2]\n    return a\n", "a is bound twice"),
    "a parameter bound again": ("    arg_x = [1]\n    return arg_x\n", "arg_x is bound twice"),
    "one read made twice": ("    a = arg_x.weight\n    b = arg_x.weight\n    return a, b\n", "arg_x.weight was read in line 2"),
}


def test_a_good_body_passes() -> None:
    given = {"graph", "asserted", "k"}
    assert faults(GOOD, given) == []
    assert undefined(compiled(GOOD), given) == []


@pytest.mark.parametrize("name", WRONG)
def test_faults_are_found(name: str) -> None:
    lines, words = WRONG[name]
    (found,) = faults(f"def body(arg_x):\n{lines}", ())
    assert words in found


def test_undefined_names_are_found_in_long_code() -> None:
    many = "".join(f"    v_{i} = k_{i}.a\n" for i in range(400))
    code = compiled(f"def body():\n{many}    return missing, len(v_1)\n")
    assert undefined(code, {f"k_{i}" for i in range(400)}) == ["missing"]


def compiled(text: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    return namespace["body"].__code__
