"""What holds of the package whatever the version: its errors, what it imports, how it reads exception tables."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tests.isa.interpreters import ROOT
from tracer.errors import TracerError
from tracer.isa import OPS, READ, Op, decode, effect, target_of
from tracer.isa.exceptions import Range, parse
from tracer.isa.locations import Locations

module = sys.modules["tracer.isa.decode"]  # the package's `decode` is the function


def op(name: str, arg: object = None) -> Op:
    return Op(name, arg, 0, 2, Locations(compile("0", "<test>", "eval")), 0)


def test_an_unknown_version_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "version_info", (3, 99, 0, "final", 0))
    monkeypatch.setattr(module, "_plans", [])
    with pytest.raises(TracerError) as error:
        decode(compile("1", "<test>", "eval"))
    assert "3.99" in str(error.value) and "3.11, 3.12, 3.13" in str(error.value) and "next:" in str(error.value)


def test_every_version_that_is_read_has_its_tables() -> None:
    for version in READ:
        assert module.dialect(version).version == version


def test_tables_name_only_canonical_operations() -> None:
    for version in READ:
        for rule in module.dialect(version).rules.values():
            assert getattr(rule, "name", "Pop") in OPS


def test_it_needs_no_torch() -> None:
    asked = "import sys, tracer.isa; tracer.isa.decode(tracer.isa.decode.__code__); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=False).returncode == 0


def test_exception_table_with_long_numbers() -> None:
    """start 100 units (two groups), length 2, target 70 (two groups), depth 3 with the offset pushed."""
    table = bytes([0x80 | 0x40 | 1, 36, 2, 0x40 | 1, 6, 7, 0x80 | 1, 1, 2, 0])
    assert parse(table) == [Range(200, 204, 140, 3, True), Range(2, 4, 4, 0, False)]
    assert parse(b"") == []


def test_effects() -> None:
    assert effect(op("Call", (2, ("k",)))) == -3
    assert (effect(op("ForIter", 5)), effect(op("ForIter", 5), jump=True)) == (1, -1)
    assert (effect(op("JumpIfOrPop", (True, 3))), effect(op("JumpIfOrPop", (True, 3)), jump=True)) == (-1, 0)
    assert effect(op("MakeFunction", ("closure", "defaults"))) == -2


def test_targets() -> None:
    assert target_of(op("Jump", 4)) == 4
    assert target_of(op("JumpIf", ("none", 5))) == 5
    assert target_of(op("Pop")) is None


def test_threads_get_the_same_answer() -> None:
    codes = [compile(f"a{number} + 1", "<test>", "eval") for number in range(200)]
    found: list[list[list[str]]] = []

    def work() -> None:
        found.append([[each.name for each in decode(code).ops] for code in codes])
        for code in codes:
            assert decode(code).ops[0].location[0] in (0, 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(each == found[0] for each in found)
