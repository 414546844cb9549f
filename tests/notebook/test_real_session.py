"""`%%trace` with the real compiler, in this process."""

from __future__ import annotations

import pytest
from IPython.utils.capture import capture_output

import notebook_ext


@pytest.fixture
def live(plain_shell):
    """A shell after `%load_ext tracer`, with torch imported."""
    pytest.importorskip("tracer.session", exc_type=ImportError)
    plain_shell.run_cell("%load_ext tracer\nimport torch")
    yield plain_shell
    notebook_ext.unload(plain_shell)


def run(shell, cell: str):
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return result, captured


FUNCTION = "def f(x):\n    y = torch.relu(x) + 1\n    return y.sum()"
BREAKS = "def g(x):\n    y = x * 2\n    if y.sum() > 0:\n        y = y + 1\n    return y.sin()"


def test_a_function_called_in_the_cell_is_captured(live) -> None:
    live.run_cell(FUNCTION)
    result, captured = run(live, "%%trace\nout = f(torch.ones(4))")
    assert result.success
    assert live.user_ns["out"].item() == 8
    session = live.user_ns["_tracer_session"]
    assert len(session.graphs) == 1 and not session.graph_breaks
    assert "1 graph · 0 graph breaks" in captured.outputs[-1].data["text/plain"]


def test_a_function_defined_in_the_same_cell_is_captured(live) -> None:
    run(live, f"%%trace\n{FUNCTION}\nout = f(torch.ones(4))")
    assert len(live.user_ns["_tracer_session"].graphs) == 1


def test_a_break_is_shown_at_its_line(live) -> None:
    run(live, BREAKS)
    _, captured = run(live, "%%trace\nout = g(torch.ones(4))")
    (found,) = live.user_ns["_tracer_session"].graph_breaks
    assert found.location.line == 3
    data = captured.outputs[-1].data
    assert "if y.sum() > 0" in data["text/plain"].replace("\n", " ")
    assert "<mark>" in data["text/html"] and "<svg" in data["text/html"]


def test_the_cells_own_lines_run_as_python(live) -> None:
    _, captured = run(live, "%%trace\nx = torch.ones(3)\ny = x + 1\nprint(y.sum().item())")
    assert captured.stdout.startswith("6.0\n")
    assert not live.user_ns["_tracer_session"].graphs


def test_the_programs_exception_is_the_users(live) -> None:
    live.run_cell("def h(x):\n    y = x + 1\n    raise ValueError('mine')")
    result, captured = run(live, "%%trace\nh(torch.ones(2))")
    assert isinstance(result.error_in_exec, ValueError)
    assert captured.outputs


def test_nothing_is_traced_after_the_cell(live) -> None:
    live.run_cell(FUNCTION)
    run(live, "%%trace --quiet\nf(torch.ones(4))")
    session = live.user_ns["_tracer_session"]
    before = len(session.events)
    run(live, "f(torch.ones(4, 4, 4))")
    assert len(session.events) == before


def test_a_recording_is_saved(live, tmp_path) -> None:
    live.run_cell(FUNCTION)
    run(live, f"%%trace --quiet --save {tmp_path}/one.jsonl\nf(torch.ones(4))")
    assert (tmp_path / "one.jsonl").stat().st_size > 500


def test_an_unknown_backend_is_refused_in_words(live) -> None:
    result, captured = run(live, "%%trace --backend nothing_like_it\nran = 1")
    assert result.error_in_exec is not None and "ran" not in live.user_ns


def test_displaying_a_value_is_not_traced(live) -> None:
    live.run_cell(FUNCTION)
    _, captured = run(live, "%%trace\nf(torch.ones(4))\ntorch.ones(3)")
    assert [frame.name for frame in live.user_ns["_tracer_session"].frames] == ["f"]
    assert "tensor([1., 1., 1.])" in captured.stdout


@pytest.mark.parametrize("engine", ["tracer", "dynamo"])
def test_what_torch_compile_returned_is_captured_also_after_it_ran(live, engine) -> None:
    live.run_cell("class Net(torch.nn.Module):\n    def forward(self, x):\n        return x.sin() + 1")
    live.run_cell("given = torch.compile(Net(), backend='eager')\nother = Net()\nother.compile(backend='eager')")
    live.run_cell("x = torch.ones(2, 3)\ngiven(x), other(x)")
    for call in ("given(x)", "other(x)"):
        _, captured = run(live, f"%%trace --engine {engine}\nout = {call}")
        session = live.user_ns["_tracer_session"]
        assert len(session.graphs) == 1 and session.why_nothing == ""
        assert "1 graph · 0 graph breaks" in captured.outputs[-1].data["text/plain"]
        assert ("Given to torch.compile" in captured.outputs[-1].data["text/plain"]) == (engine == "tracer")


def test_a_cell_that_captures_nothing_says_why(live) -> None:
    _, captured = run(live, "%%trace\nx = 1 + 1")
    data = captured.outputs[-1].data
    assert "Nothing was captured" in data["text/plain"] and "Nothing was captured" in data["text/html"]
    assert live.user_ns["_tracer_session"].why_nothing in " ".join(data["text/plain"].split())


def test_a_file_that_is_there_is_not_written_over_unasked(live, tmp_path) -> None:
    live.run_cell(FUNCTION + "\n%trace --quiet f(torch.ones(4))")
    path = tmp_path / "graph.svg"
    assert run(live, f"%trace_export {path}")[0].success and path.exists()
    path.write_text("mine")
    result, captured = run(live, f"%trace_export {path}")
    assert not result.success and "is there already" in str(result.error_in_exec) and "--force" in str(result.error_in_exec)
    assert path.read_text() == "mine"
    assert run(live, f"%trace_export {path} --force")[0].success and path.read_text().startswith("<svg")


def test_the_first_number_that_is_none_is_said(live) -> None:
    live.run_cell("def h(x):\n    y = x - 1\n    return y.log().exp()")
    _, captured = run(live, "%%trace --quiet --check-finite\nout = h(torch.ones(4))")
    assert captured.stdout.startswith("graph_0: log at ") and ":3 makes the first -inf (4 of 4 items)." in captured.stdout
    assert "is all zeros" in captured.stdout
    _, captured = run(live, "%%trace --quiet --check-finite\nout = h(torch.ones(4) * 2)")
    assert captured.stdout == "No operator of the captured graphs made a NaN or an infinity.\n"
    result, _ = run(live, "%%trace --step --check-finite\nh(torch.ones(4))")
    assert "leave out --step" in str(result.error_in_exec or result.error_before_exec)
