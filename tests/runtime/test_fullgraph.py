"""`fullgraph=True`: whatever keeps a frame from being one graph is said to the caller; nothing else is called our fault."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

import tracer
from tracer.functions.torch import tensors as torch_tensors


def branches(x: Any) -> Any:
    if x.sum() > 0:
        return x + 1
    return x - 1


def sine(x: Any) -> Any:
    return x.sin()


def test_a_break_is_the_one_break_of_the_session() -> None:
    session = tracer.Session(fullgraph=True)
    with pytest.raises(tracer.FullGraphError, match="if` on a tensor's value") as caught:
        session.run(branches, torch.ones(2))
    (found,) = session.graph_breaks
    assert caught.value.reason == found.reason == "data-dependent-branch" and found.location.line > 0
    assert not session.faults and session.stats["faults"] == 0
    text = session.explain()
    assert "1 graph break" in text and "the call was refused" in text and found.explanation[:40] in text
    assert "internal fault" not in text and "results are right" not in text


def failing(*_: Any, **__: Any) -> Any:
    raise KeyError("oops")


def escaping(ctx: Any, *_: Any, **__: Any) -> Any:
    ctx.raise_(RuntimeError, "no")


def test_a_fault_of_ours_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_tensors, "record", failing)
    session = tracer.Session(fullgraph=True)
    with pytest.raises(tracer.FullGraphError, match="a fault of ours") as caught:
        session.run(sine, torch.ones(2))
    assert type(caught.value.__cause__) is KeyError
    (fault,) = session.faults
    text = session.explain()
    assert fault.python_type == "KeyError" and "The call was refused" in text and "results are right" not in text


def test_without_fullgraph_it_runs_as_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_tensors, "record", failing)
    session = tracer.Session(strict=False)
    session.hook.strict = False
    with pytest.warns(RuntimeWarning, match="Tracer failed on sine"):
        result = session.run(sine, torch.ones(2))
    assert torch.equal(result, torch.ones(2).sin())
    assert "results are right" in session.explain() and session.frames[0].outcome == "failed"


@pytest.mark.parametrize("fullgraph", [False, True])
def test_what_left_the_trace_only_is_not_said_to_be_raised(monkeypatch: pytest.MonkeyPatch, fullgraph: bool) -> None:
    monkeypatch.setattr(torch_tensors, "record", escaping)
    compiled = tracer.compile(sine, backend="eager", fullgraph=fullgraph)
    if fullgraph:
        with pytest.raises(tracer.FullGraphError, match="RuntimeError left it, but nothing was raised"):
            compiled(torch.ones(2))
    else:
        compiled(torch.ones(2))
    assert "raised natively" not in compiled.session.explain()


def test_the_programs_exception_is_the_programs() -> None:
    def raises(x: Any) -> Any:
        raise ValueError("own")

    compiled = tracer.compile(raises, backend="eager", fullgraph=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="own"):
            compiled(torch.ones(2))
    assert not compiled.session.faults


def test_frames_that_are_never_captured_are_refused() -> None:
    def generator(x: Any) -> Any:
        yield x + 1

    with pytest.raises(tracer.FullGraphError, match="generator and coroutine frames"):
        list(tracer.compile(generator, backend="eager", fullgraph=True)(torch.ones(2)))
    counted = tracer.compile(lambda x, n: x + n, backend="eager", fullgraph=True, recompile_limit=2)
    counted(torch.ones(2), 1.5), counted(torch.ones(2), 2.5)
    with pytest.raises(tracer.FullGraphError) as caught:
        counted(torch.ones(2), 3.5)
    assert caught.value.reason == "recompile-limit"


@pytest.mark.parametrize("fullgraph", [False, True])
def test_a_mark_that_the_program_breaks_is_its_error(fullgraph: bool) -> None:
    from torch.fx.experimental.symbolic_shapes import ConstraintViolationError

    session = tracer.Session(fullgraph=fullgraph)
    for n in (4, 20):
        x = torch.ones(n)
        torch._dynamo.mark_dynamic(x, 0, min=2, max=8)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if n == 4:
                session.run(sine, x)
                continue
            with pytest.raises(ConstraintViolationError, match=r"size of x is not .* 20 not in range \[2, 8\]") as caught:
                session.run(sine, x)
    assert isinstance(caught.value, tracer.TracerError) and not session.faults
    assert "the call was refused" in session.explain() and "internal fault" not in session.explain()


def test_a_backend_that_fails_is_no_fault_of_ours() -> None:
    def refuses(gm: Any, inputs: Any) -> Any:
        raise ZeroDivisionError("no")

    session = tracer.Session(backend=refuses)
    with pytest.raises(tracer.TracerError, match="ZeroDivisionError"):
        session.run(sine, torch.ones(2))
    assert not session.faults and session.frames[0].outcome == "refused"
