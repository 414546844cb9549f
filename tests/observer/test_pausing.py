"""Stepping through what torch.compile does: it waits at every event, and giving up leaves nothing behind."""

from __future__ import annotations

import gc

import pytest
import torch
import torch._dynamo

import tracer
from tests.observer import programs
from tracer.compat.dynamo import collecting
from tracer.errors import TracerError

STEPPED = {
    "broken": (programs.broken, lambda: (torch.ones(3),)),
    "handled": (programs.handled, lambda: (torch.ones(3), {"a": 1})),
    "cond": (programs.cond, lambda: (torch.ones(3), torch.ones(3))),
}


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def stepped(name: str = "broken"):
    fn, make = STEPPED[name]
    return tracer.Session(engine="dynamo", strict=True).step(fn, *make())


def works() -> bool:
    """torch.compile compiles something new."""
    return torch.equal(torch.compile(lambda x: x * 3 + 1, backend="eager")(torch.ones(2)), torch.full((2,), 4.0))


@pytest.mark.parametrize("name", STEPPED)
def test_it_waits_at_every_event(name: str) -> None:
    fn, make = STEPPED[name]
    with stepped(name) as stepper:
        places = 0
        while (event := stepper.into()) is not None:
            assert stepper.waiting is event
            places += 1
        assert torch.equal(stepper.result, fn(*make()))
        assert places > 20
    assert works()


def abortable() -> list[str]:
    session = tracer.Session(engine="dynamo", strict=True)
    session.run(programs.broken, torch.ones(3))
    return sorted({type(event).__name__ for event in session.events[2:-1]} - {"Summary"})


def test_giving_up_at_every_kind_leaves_torch_able_to_compile() -> None:
    for kind in abortable():
        torch._dynamo.reset()
        stepper = stepped()
        if stepper.until(kind=kind) is None:
            stepper.close()
            continue
        stepper.abort()
        with pytest.raises(TracerError, match="given up"):
            stepper.result
        assert works(), kind
        assert not torch.compiler.is_compiling() and torch.is_grad_enabled()
        assert torch.equal(
            torch.compile(programs.broken, backend="eager")(torch.ones(3)), programs.broken(torch.ones(3))
        )


@pytest.mark.skipif(
    not hasattr(torch._dynamo.config, "gc_gen2_threshold_during_compile"), reason="torch leaves the collector alone before 2.15"
)
def test_the_collector_is_as_it_was_while_a_person_thinks() -> None:
    before = gc.get_threshold()
    try:
        with stepped() as stepper:
            stepper.until(kind="NodeCreated")
            assert gc.get_threshold() == before
            stepper.into()
            gc.set_threshold(before[0], before[1], before[2] + 7)
            stepper.run()
        assert gc.get_threshold() == (before[0], before[1], before[2] + 7)
    finally:
        gc.set_threshold(*before)


def test_a_raised_threshold_is_set_aside_and_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold()
    monkeypatch.setattr(torch._dynamo.utils, "_gc_threshold_saved", before, raising=False)
    try:
        gc.set_threshold(before[0], before[1], 1000)
        with collecting():
            assert gc.get_threshold() == before
            gc.set_threshold(before[0] + 1, before[1], before[2])
        assert gc.get_threshold() == (before[0] + 1, before[1], 1000)
        assert torch._dynamo.utils._gc_threshold_saved == (before[0] + 1, *before[1:])
    finally:
        gc.set_threshold(*before)


def test_state_is_seen_where_it_waits() -> None:
    with stepped() as stepper:
        stepper.until(kind="NodeCreated")
        assert [node.name for node in stepper.graph] == ["sin"]
        assert stepper.locals["x"].source == "x"
        event = stepper.until(kind="GraphBreak")
        assert event.reason == "print-call" and set(stepper.locals) == {"x", "y"}


def test_breakpoints_stop_it() -> None:
    with stepped() as stepper:
        stepper.breakpoint(kind="GuardInstalled", source="x")
        event = stepper.run()
        assert event.source == "x"


def test_another_compile_is_refused_while_it_waits() -> None:
    ready = torch.compile(programs.unused, backend="eager")
    ready(torch.ones(3))
    with stepped() as stepper:
        stepper.until(kind="NodeCreated")
        with pytest.raises(TracerError, match="one frame at a time"):
            torch.compile(lambda x: x + 2, backend="eager")(torch.ones(2))
        assert torch.equal(ready(torch.ones(3)), torch.ones(3).sin())  # compiled already
        stepper.run()
    assert works()


def test_overrides_are_refused_where_it_waits() -> None:
    with stepped() as stepper:
        with pytest.raises(TracerError, match=r"session\.recompile\("):
            stepper.override("eager inner")
        stepper.run()
        assert stepper.result is not None


def test_random_numbers_drawn_meanwhile_stay_drawn() -> None:
    torch.manual_seed(7)
    wanted = [torch.rand(1).item() for _ in range(4)]
    torch.manual_seed(7)
    with stepped() as stepper:
        got = [torch.rand(1).item()]
        stepper.until(kind="NodeCreated")
        got.append(torch.rand(1).item())
        stepper.until(kind="GraphBreak")
        got.append(torch.rand(1).item())
        stepper.run()
        got.append(torch.rand(1).item())
    assert got == wanted


def test_default_dtype_set_meanwhile_stays() -> None:
    try:
        with stepped() as stepper:
            stepper.until(kind="NodeCreated")
            torch.set_default_dtype(torch.float64)
            stepper.run()
            assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
