"""Replaying a call: the same decisions, or the first one that is another, at the right place."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import tracer
from tests.golden import programs as golden
from tracer.rerun.replay import Replay

COUNTER = [0]


def line_of(function: Any, offset: int) -> str:
    return f"{__file__}:{function.__code__.co_firstlineno + offset}"


@pytest.mark.parametrize("name", golden.PROGRAMS)
def test_programs_replay(name: str) -> None:
    function, calls = golden.PROGRAMS[name]
    with tracer.Session() as session:
        for arguments in calls:
            torch.manual_seed(0)
            try:
                session.run(function, *arguments())
            except Exception as error:  # some programs are there to raise
                assert session.raised is type(error)
        for call in list(session.keeper.calls):
            replayed = session.replay(call=call.number)
            assert replayed.ok, str(replayed)
            assert replayed.compared > (3 if call.order is not None else 1)  # of a call from the cache there is little to tell
            assert str(replayed).startswith(f"replayed: {replayed.compared:,} events agree.")


def test_a_changed_size_is_dynamic_again() -> None:
    def program(x: torch.Tensor, n: int) -> torch.Tensor:
        return x * 2 + n

    with tracer.Session() as session:
        for size in (4, 5, 6):
            session.run(program, torch.ones(size), size)
        replayed = session.replay()
        assert replayed.session.result.shape == (5,) and replayed.ok, str(replayed)  # the last that compiled
        assert any(type(event).__name__ == "ShapeDecision" for event in replayed.session.events)


def test_modules_replay_in_their_state() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5))
    with tracer.Session() as session:
        for batch in (2, 5):
            session.run(model, torch.randn(batch, 3))
        assert len(session.keeper.calls) == 2
        for number in (1, 2):
            replayed = session.replay(call=number)
            assert replayed.ok, str(replayed)


def test_random_numbers_and_globals_are_as_recorded() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        COUNTER[0] += 1
        if random.random() > 0.5:
            x = x + 1
        if torch.rand(()) > 0.5:
            x = x.relu()
        return x * COUNTER[0]

    for seed in range(4):
        random.seed(seed)
        torch.manual_seed(seed)
        replayed = tracer.trace(program, torch.ones(2)).replay()
        assert replayed.ok, str(replayed)


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACER_TEST_SEEN", raising=False)

    def program(x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        if os.environ.get("TRACER_TEST_SEEN"):
            return y.sin()
        os.environ["TRACER_TEST_SEEN"] = "1"
        return y.cos()

    replayed = tracer.trace(program, torch.ones(2)).replay()
    assert replayed.ok, str(replayed)
    assert os.environ["TRACER_TEST_SEEN"] == "1"


# ---- programs that do diverge
def diverges(replayed: Replay) -> Any:
    assert not replayed.ok and not replayed and replayed.divergence is not None
    assert "expected: " in str(replayed) and "actual:   " in str(replayed)
    return replayed.divergence


def test_time_goes_on() -> None:
    began = time.monotonic_ns()

    def program(x: torch.Tensor, wait: Any) -> torch.Tensor:
        y = x + 1
        late = wait()
        tracer.graph_break()
        if late:
            return y.sin()
        return y.cos()

    session = tracer.trace(program, torch.ones(2), lambda: time.monotonic_ns() - began > 10**9 * 1000)
    began -= 10**9 * 2000
    # `began` is a closed-over value, so the recorded one is used; the clock itself is not
    assert session.replay().ok
    limit = _Clock(time.monotonic_ns() + 200_000_000)
    session = tracer.trace(program, torch.ones(2), limit.past)
    time.sleep(0.25)
    found = diverges(session.replay())
    assert found.location.startswith(__file__) and found.expected is not None
    first = program.__code__.co_firstlineno
    assert first + 2 <= int(found.location.rpartition(":")[2]) <= first + 6


class _Clock:
    def __init__(self, limit: int):
        self.limit = limit

    @tracer.disable
    def past(self) -> bool:
        return time.monotonic_ns() > self.limit


def test_a_counter_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "count"
    file.write_text("0")

    @tracer.disable
    def count() -> int:
        number = int(file.read_text())
        file.write_text(str(number + 1))
        return number

    def program(x: torch.Tensor) -> torch.Tensor:
        n = count()
        y = x + 1
        if n:
            y = y.sin()
        return y.cos()

    found = diverges(tracer.trace(program, torch.ones(2)).replay())
    first = program.__code__.co_firstlineno
    assert (
        found.location.rpartition(":")[0] == __file__
        and first + 1 <= int(found.location.rpartition(":")[2]) <= first + 4
    )


def test_a_call_that_broke_one_time_only() -> None:
    """Another program under the same name: the recording ends where the new run goes on."""

    def make(extra: bool) -> Any:
        def program(x: torch.Tensor) -> torch.Tensor:
            y = x + 1
            if extra:
                y = y * 2
            return y

        return program

    session = tracer.trace(make(False), torch.ones(2))
    replayed = tracer.replay(make(True), tracer.Recording(session.journal), torch.ones(2))
    found = diverges(replayed)
    assert found.location == f"{__file__}:{make(True).__code__.co_firstlineno + 2}"
    assert found.expected.words != found.actual.words


# ---- recordings
SCRIPT = """
import sys, torch, tracer
sys.path.insert(0, {folder!r})
import replayed_program as program
what, name = sys.argv[1:]
if what == "record":
    tracer.trace(getattr(program, name), torch.ones(3), 4).save({path!r})
else:
    print(tracer.replay(getattr(program, name), {path!r}, torch.ones(3), 4))
"""
PROGRAM = """
import torch

def program(x, n):
    y = x * n
    print("between")
    return y.relu()

def other(x, n):
    y = x * n
    print("between")
    return y.sin()
"""


def test_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "replayed_program.py").write_text(PROGRAM)
    script = SCRIPT.format(folder=str(tmp_path), path=str(tmp_path / "r.jsonl.gz"))
    for what, name, says in (("record", "program", ""), ("replay", "program", "events agree."), ("replay", "other", "replay diverges at")):
        done = subprocess.run([sys.executable, "-c", script, what, name], capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stderr
        assert says in done.stdout


def test_what_cannot_be_replayed() -> None:
    with tracer.Session(record="nothing") as silent:
        silent.run(lambda x: x + 1, torch.ones(1))
        with pytest.raises(tracer.TracerError, match="recorded nothing"):
            silent.replay()
    with tracer.Session() as session:
        session.run(len, [1])
        with pytest.raises(tracer.TracerError, match="nothing was compiled"):
            tracer.replay(len, tracer.Recording(session.journal), [1])


def test_what_ran_from_the_cache_is_left_out() -> None:
    def program(x: torch.Tensor, flag: list[int]) -> torch.Tensor:
        y = x + 1
        tracer.graph_break()
        return y * flag[0]

    with tracer.Session() as session:
        session.run(program, torch.ones(2), [1])
        session.run(program, torch.ones(2), [2])
        replayed = session.replay()
        assert replayed.ok, str(replayed)
        assert "its compile is left out" in str(replayed)


def test_decisions_alone_replay() -> None:
    compiled = tracer.compile(lambda x: x.sin() + 1, backend="eager", keep_inputs=True)
    compiled(torch.ones(2))
    replayed = compiled.session.replay()
    assert replayed.ok and 5 < replayed.compared < 40
