"""`%trace_diff`: two runs of a notebook compared."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output

import notebook_ext

FUNCTION = "def f(x):\n    y = torch.relu(x) + 1\n    return y.sum()"
OTHER = "def f(x):\n    y = torch.relu(x) + 1\n    print('seen')\n    return y.sum()"


@pytest.fixture
def live(plain_shell):
    plain_shell.run_cell("%load_ext tracer\nimport torch", store_history=True)
    yield plain_shell
    notebook_ext.unload(plain_shell)


def run(shell, cell: str):
    with capture_output() as captured:
        result = shell.run_cell(cell, store_history=True)
    return result, captured


def diff(shell, line: str = "") -> dict[str, str]:
    with capture_output() as captured:
        shell.run_line_magic("trace_diff", line)
    (shown,) = captured.outputs
    return shown.data


@pytest.fixture
def two(live):
    """In [3] traced `f`, In [5] traced it with a break."""
    for cell in (FUNCTION, "%%trace --quiet\nf(torch.ones(4))", OTHER, "%%trace --quiet\nf(torch.ones(4))"):
        assert run(live, cell)[0].success
    return live


def test_the_last_two_runs_are_compared(two) -> None:
    shown = diff(two)
    assert shown["text/plain"].startswith("In [3] → In [5]\n1 graph → 2")
    assert "+1 break" in shown["text/plain"]
    assert "In [3] → In [5]" in shown["text/html"] and "<script" not in shown["text/html"]


@pytest.mark.parametrize("line", ["5 3", "'In [5]' In[3]", "In [5] In [3]", "_tracer_session 3"])
def test_runs_go_by_the_numbers_of_their_cells_and_by_names(two, line) -> None:
    assert "2 graphs → 1" in diff(two, line)["text/plain"]


def test_a_recording_is_compared_too(two, tmp_path) -> None:
    run(
        two,
        f"_tracer_session.save('{tmp_path}/one.jsonl')\nimport tracer\nbefore = tracer.load('{tmp_path}/one.jsonl')",
    )
    assert diff(two, "before 5")["text/plain"].startswith("before → In [5]\nBoth runs captured the same")


def test_what_was_recompiled_under_a_widget_has_its_title(two, monkeypatch) -> None:
    from widgets.runs import Runs

    class Widget:
        session = two.user_ns["_tracer_session"]
        runs = Runs(session)

        def retire(self) -> None: ...

        def stop(self) -> None: ...

    Widget.runs.recompile({"dynamic": True})
    magics = two.magics_manager.registry["TraceMagics"]
    monkeypatch.setattr(magics.live, "widgets", [Widget()])
    assert diff(two)["text/plain"].startswith("In [5] → In [5] dynamic=True")
    assert diff(two, "3 'In [5] dynamic=True'")["text/plain"].startswith("In [3] → In [5] dynamic=True")
    Widget.runs.close()


@pytest.mark.parametrize(
    "line, said",
    [
        ("3 99", "there is no run '99' in this notebook.\n  next: these are kept: In [3], In [5]"),
        ("3", "two runs are compared, not 1"),
        ("3 4 5", "two runs are compared, not 3"),
        ("'3", "can't read"),
    ],
)
def test_a_run_that_is_not_there_is_refused_with_those_that_are(two, line, said) -> None:
    with pytest.raises(UsageError) as caught:
        two.run_line_magic("trace_diff", line)
    assert said in str(caught.value)


def test_one_run_is_not_enough(live) -> None:
    with pytest.raises(UsageError, match="there are no runs to compare"):
        live.run_line_magic("trace_diff", "")
    run(live, FUNCTION)
    run(live, "%%trace --quiet\nf(torch.ones(4))")
    with pytest.raises(UsageError, match="there is one run to compare"):
        live.run_line_magic("trace_diff", "")


def test_closed_runs_are_gone(two) -> None:
    two.run_line_magic("trace_config", "keep=1")
    with pytest.raises(UsageError, match="one run"):
        two.run_line_magic("trace_diff", "")
