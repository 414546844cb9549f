"""Symbolic sizes: what backends make of such graphs, what is recorded, what limits do, what marks mean."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch

import tracer
from tracer.errors import TracerError
from tracer.events import FrameStarted, GuardInstalled, ShapeDecision

compiler_missing = not (shutil.which("g++") or shutil.which("clang++"))
BACKENDS = ["eager", "aot_eager", pytest.param("inductor", marks=[pytest.mark.timeout(300), pytest.mark.skipif(compiler_missing, reason="no C++ compiler")])]


def sizes_and_text(x: torch.Tensor, y: torch.Tensor) -> Any:
    n = x.shape[0]
    z = torch.nn.functional.pad(x, (0, 0, 0, n)).view(2, n, -1)
    return (x @ y).softmax(-1) * n, z.sum(0)[: n // 2], torch.arange(n) + n, n * 2, n / 4, {"shape": x.shape}


def with_a_number(x: torch.Tensor, n: int) -> Any:
    return x[:n] * n, torch.ones(n, 2).sum(), n + x.shape[0], max(n, 2)


def training(x: torch.Tensor, w: torch.Tensor) -> Any:
    return torch.nn.functional.layer_norm(x @ w, (w.shape[1],)).relu().sum(0) / x.shape[0]


def same(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_take_symbolic_sizes(backend: str) -> None:
    f = tracer.compile(sizes_and_text, backend=backend)
    for n in (6, 8, 10, 6, 14):
        args = torch.randn(n, 4), torch.randn(4, n)
        same(f(*args), sizes_and_text(*args))
    assert len(f.session.graphs) == 2 and len(f.session.recompiles) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_take_symbolic_numbers(backend: str) -> None:
    f = tracer.compile(with_a_number, backend=backend)
    for n in (3, 5, 7, 4):
        x = torch.randn(10, 2)
        same(f(x, n), with_a_number(x, n))
    assert len(f.session.graphs) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_through_symbolic_sizes(backend: str) -> None:
    f = tracer.compile(training, backend=backend)
    for n in (4, 6, 9):
        torch.manual_seed(n)
        seen = []
        for fn in (training, f):
            torch.manual_seed(n)
            x, w = torch.randn(n, 3, requires_grad=True), torch.randn(3, 5, requires_grad=True)
            fn(x, w).pow(2).sum().backward()
            seen.append((x.grad, w.grad))
        same(*seen)
    assert len(f.session.graphs) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_sizes_that_data_decides(backend: str) -> None:
    def fn(x: torch.Tensor, n: torch.Tensor) -> Any:
        k = n.item()
        torch._check(k >= 0)
        torch._check(k <= 6)
        return torch.ones(k).sum() + x.sum(), x.nonzero().sum(), k + 1

    f = tracer.compile(fn, backend=backend, fullgraph=True)
    for k in (2, 3, 5):
        args = torch.randn(6), torch.tensor(k)
        same(f(*args), fn(*args))
    assert len(f.session.graphs) == 1 and not f.session.graph_breaks
    with pytest.raises(RuntimeError):
        f(torch.randn(6), torch.tensor(9))


def test_the_line_that_fixed_a_size_is_named() -> None:
    def fn(x: torch.Tensor) -> Any:
        if x.shape[0] > 6:
            x = x + 1
        return x * [1, 2, 3, 4, 5, 6, 7, 8, 9, 10][x.shape[0]]

    f = tracer.compile(fn, backend="eager")
    for n in (4, 5):
        f(torch.randn(n))
    found = [e for e in f.session.events if isinstance(e, ShapeDecision)]
    first = fn.__code__.co_firstlineno
    assert [(e.source, e.why, e.location[1] - first) for e in found] == [
        ("x.shape[0]", "symbolic: it changed between calls", 1),
        ("x.shape[0]", "decided: False", 1),
        ("x.shape[0]", "specialised to 5", 3),
    ]


def test_guards_on_shapes_are_recorded() -> None:
    f = tracer.compile(lambda x: x + 1 if x.shape[0] > 3 else x, backend="eager", dynamic=True)
    f(torch.randn(5))
    assert [e.expression for e in f.session.events if isinstance(e, GuardInstalled) and e.kind == "SHAPES"] == ["4 <= x.shape[0]"]
    f(torch.randn(3))
    failed = dict(f.session.recompiles[0].failed_guards)
    assert failed == {"4 <= x.shape[0]": "x.shape[0] = 3"}


def test_every_failing_guard_is_listed_with_the_value_seen() -> None:
    f = tracer.compile(lambda x, n, s: x * n + len(s), backend="eager")
    f(torch.randn(3), 2, "a")
    f(torch.randn(4), 3, "b")
    recompile = f.session.recompiles[0]
    failed = recompile.failed_guards
    assert recompile.location is not None and recompile.location.file == __file__
    assert len(failed) == 3
    assert any("size [3]" in text and "size [4]" in seen for text, seen in failed)
    assert ("n == 2", "3") in failed and ("s == 'a'", "'b'") in failed


def test_past_the_limit_the_frame_runs_untraced() -> None:
    def fn(x: torch.Tensor, s: str) -> torch.Tensor:
        return x * len(s)

    f = tracer.compile(fn, backend="eager", recompile_limit=3)
    x = torch.randn(3)
    for n in range(1, 8):
        assert torch.equal(f(x, "s" * n), x * n)
    assert len(f.session.graphs) == 3 and len(f.session.recompiles) == 2
    assert any("recompile limit" in getattr(e, "why", "") for e in f.session.events if type(e).__name__ == "FrameSkipped")
    assert torch.equal(f(x, "ss"), x * 2)


def test_a_marked_size_that_is_fixed_is_an_error() -> None:
    def fn(x: torch.Tensor) -> torch.Tensor:
        return x * (2 if x.shape[0] == 5 else 3)

    f = tracer.compile(fn, backend="eager")
    x = torch.randn(5)
    torch._dynamo.mark_dynamic(x, 0)
    with pytest.raises(TracerError, match="next:") as raised:
        f(x)
    line = fn.__code__.co_firstlineno + 1
    assert f"x.shape[0] became 5 at {__file__}:{line}: `return x * (2 if x.shape[0] == 5 else 3)`" in str(raised.value)


def test_the_operator_that_fixes_a_marked_size_is_named() -> None:
    def fn(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        z = y + torch.ones(8)
        return z.sin()

    x = torch.randn(8)
    torch._dynamo.mark_dynamic(x, 0)
    with pytest.raises(TracerError) as raised:
        tracer.compile(fn, backend="eager")(x)
    assert f"x.shape[0] became 8 at {__file__}:{fn.__code__.co_firstlineno + 2}: `z = y + torch.ones(8)`" in str(raised.value)


def test_bounds_of_a_marked_size_are_guarded() -> None:
    f = tracer.compile(lambda x: x * x.shape[0], backend="eager")
    x = torch.randn(5)
    torch._dynamo.mark_dynamic(x, 0, min=2, max=8)
    f(x)
    assert torch.equal(f(torch.ones(7)), torch.ones(7) * 7)
    assert len(f.session.graphs) == 1
    assert torch.equal(f(torch.ones(9)), torch.ones(9) * 9)
    assert len(f.session.graphs) == 2


def test_a_session_keeps_entries_of_a_module_between_runs() -> None:
    session, module = tracer.Session(backend="eager"), torch.nn.Linear(3, 3)
    for n in (2, 4, 5, 6):
        session.run(module, torch.randn(n, 3))
    assert len(session.graphs) == 2


def test_modules_made_inside_after_torch_compile_was_used() -> None:
    """torch.compile, once used, makes every module constructor note the new module."""
    torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2))
    layers = torch.nn.ModuleList([torch.nn.Linear(3, 3) for _ in range(3)])

    def fn(x: torch.Tensor) -> torch.Tensor:
        for layer in layers[:2]:
            x = layer(x)
        return x

    f = tracer.compile(fn, backend="eager")
    x = torch.randn(2, 3)
    assert torch.equal(f(x), fn(x))
    assert len(f.session.graphs) == 1 and not f.session.graph_breaks


def test_a_frame_says_what_it_is_known_to_change() -> None:
    session = tracer.Session(backend="eager", record="all")
    session.run(lambda x: x, torch.ones(1))
    code = compile("def f(x, n):\n    return x * n + x.shape[0]", "f.py", "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    for rows, columns, n in ((3, 2, 4), (4, 2, 5), (5, 7, 6)):
        session.run(names["f"], torch.ones(rows, columns), n)
    started = [event.dynamism for event in session.events if isinstance(event, FrameStarted) and event.name == "f"]
    assert started == [(), (), (("x[0]", "automatic"), ("n", "automatic"))]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_is_promised_to_be_a_size_is_checked() -> None:
    def f(x, n):
        torch._check_is_size(n.item())
        return x * 2

    compiled = tracer.compile(f, backend="eager", fullgraph=True)
    assert compiled(torch.ones(2), torch.tensor(3)).tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="Expected cond to be True"):
        compiled(torch.ones(2), torch.tensor(-2))
    assert len(compiled.session.graphs) == 1
