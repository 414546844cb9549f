"""`%%trace` with a session that traces nothing: the cell behaves as it would without the magic."""

from __future__ import annotations

import linecache

import pytest
from IPython.utils.capture import capture_output

import notebook_ext
from tracer.explain.words import at_line, file_name


def run(shell, cell: str):
    """Run one cell; returns (result, captured)."""
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return result, captured


def session(shell):
    return shell.user_ns["_tracer_session"]


def test_names_appear(shell) -> None:
    run(shell, "%%trace\na = 1\ndef f(): return a + 1")
    assert shell.user_ns["a"] == 1
    assert shell.user_ns["f"]() == 2


def test_the_cell_runs_inside_the_session_and_nothing_else_does(shell) -> None:
    shell.user_ns["probe"] = lambda: session(shell).inside
    run(shell, "%%trace\ninside = probe()")
    assert shell.user_ns["inside"] is True
    assert session(shell).inside is False


def test_the_last_expression_is_displayed(shell) -> None:
    _, captured = run(shell, "%%trace --quiet\nx = 20\nx + 1")
    assert "21" in captured.stdout
    assert shell.user_ns["_"] == 21


@pytest.mark.parametrize("cell", ["x = 20", "20 + 1;", "print(end='')"])
def test_nothing_else_is_displayed(shell, cell: str) -> None:
    _, captured = run(shell, f"%%trace --quiet\n{cell}")
    assert captured.stdout == "" and captured.outputs == []


def test_output_comes_as_usual_and_the_summary_after_it_as_one_output(shell) -> None:
    _, captured = run(shell, "%%trace\nprint('hello')")
    assert captured.stdout.startswith("hello\n")
    (shown,) = captured.outputs
    assert set(shown.data) == {"text/html", "text/plain"}
    assert shown.data["text/plain"] == "1 graph"
    assert "tracer-summary" in shown.data["text/html"] and "<script" not in shown.data["text/html"]


def test_quiet_shows_only_the_cells_own_output(shell) -> None:
    _, captured = run(shell, "%%trace --quiet\nprint('hello')")
    assert (captured.stdout, captured.outputs) == ("hello\n", [])


def test_an_exception_fails_the_cell_and_the_summary_still_appears(shell) -> None:
    result, captured = run(shell, "%%trace\nbefore = 1\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert shell.user_ns["before"] == 1
    assert len(captured.outputs) == 1


def test_a_traceback_starts_at_the_cells_own_line(shell) -> None:
    _, captured = run(shell, "%%trace --quiet\ndef inner():\n    1 / 0\ninner()")
    assert "inner()" in captured.stdout and "ZeroDivisionError" in captured.stdout
    assert "magics.py" not in captured.stdout and "cells.py" not in captured.stdout
    assert "run_cell_magic" not in captured.stdout


def test_an_exception_that_refuses_attributes_still_reaches_the_user(shell) -> None:
    cell = """
class Strict(Exception):
    def __setattr__(self, name, value):
        if not name.startswith("__"):
            raise AttributeError(name)
        super().__setattr__(name, value)
raise Strict("oh")
"""
    result, _ = run(shell, f"%%trace --quiet{cell}")
    assert type(result.error_in_exec).__name__ == "Strict"


def test_a_syntax_error_is_shown_and_no_session_is_made(shell) -> None:
    result, captured = run(shell, "%%trace\nif x\n    pass")
    assert isinstance(result.error_in_exec, SyntaxError)
    assert "SyntaxError" in captured.stdout
    assert "_tracer_session" not in shell.user_ns


def test_an_interrupt_is_the_users(shell) -> None:
    result, captured = run(shell, "%%trace\nraise KeyboardInterrupt")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert len(captured.outputs) == 1


def test_sources_are_in_linecache(shell) -> None:
    run(shell, "%%trace\ndef f():\n    return 'here'")
    code = shell.user_ns["f"].__code__
    assert linecache.getline(code.co_filename, code.co_firstlineno + 1) == "    return 'here'\n"


def test_options_reach_the_session(shell) -> None:
    run(shell, "%%trace --backend inductor --dynamic yes\n0")
    assert session(shell).settings == {"backend": "inductor", "dynamic": True}
    run(shell, "%%trace --engine tracer --dynamic no\n0")
    assert session(shell).settings == {"engine": "tracer", "dynamic": False}


def test_the_recording_is_saved_even_where_the_cell_failed(shell, tmp_path) -> None:
    run(shell, f"%%trace --save {tmp_path}/one.jsonl\n1 / 0")
    assert session(shell).saved == [f"{tmp_path}/one.jsonl"]


@pytest.mark.parametrize("line", ["--step", "--dynamic maybe", "--engine other", "--device cuda:99"])
def test_unknown_options_are_refused(shell, line: str) -> None:
    result, _ = run(shell, f"%%trace {line}\nran = 1")
    assert type(result.error_in_exec).__name__ == "UsageError" or result.error_in_exec is not None
    assert "ran" not in shell.user_ns


def test_magics_inside_the_cell_work(shell) -> None:
    run(shell, "%%trace\nvalue = %pwd\n%time x = 3")
    assert isinstance(shell.user_ns["value"], str) and shell.user_ns["x"] == 3


def test_a_cell_magic_inside_the_cell_works(shell) -> None:
    _, captured = run(shell, "%%trace --quiet\n%%capture out\nprint('caught')")
    assert captured.stdout == "" and shell.user_ns["out"].stdout == "caught\n"


def test_a_cell_that_awaits_runs_on_the_shells_loop(shell) -> None:
    cell = "import asyncio\nloop = asyncio.get_running_loop()\nawait asyncio.sleep(0)\nvalue = 5\nvalue + 1"
    _, captured = run(shell, f"%%trace\n{cell}")
    assert shell.user_ns["value"] == 5
    assert "can't be stepped" in captured.stdout
    assert session(shell).records.calls and len(captured.outputs) >= 1


def test_an_error_in_a_cell_that_awaits_is_shown_as_usual(shell) -> None:
    result, captured = run(shell, "%%trace --quiet\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert "magics.py" not in captured.stdout


def test_a_function_that_awaits_does_not_make_the_cell_await(shell) -> None:
    _, captured = run(shell, "%%trace\nasync def f():\n    await g()")
    assert "can't be stepped" not in captured.stdout
    assert "f" in shell.user_ns


def test_old_sessions_are_closed(shell) -> None:
    made = []
    for _ in range(7):
        run(shell, "%%trace --quiet\n0;")
        made.append(session(shell))
    assert [one.closed for one in made] == [True, True, False, False, False, False, False]


def test_unloading_closes_sessions_and_takes_the_magic_away(shell) -> None:
    run(shell, "%%trace --quiet\n0;")
    made = session(shell)
    notebook_ext.unload(shell)
    assert made.closed
    result, _ = run(shell, "%%trace\nran = 1")
    assert "ran" not in shell.user_ns and result is not None


def test_loading_twice_is_loading_once(shell) -> None:
    before = len(shell.input_transformer_manager.cleanup_transforms)
    notebook_ext.load(shell)
    assert len(shell.input_transformer_manager.cleanup_transforms) == before


def test_a_line_is_traced_and_gives_its_value(shell) -> None:
    shell.user_ns["probe"] = lambda number: (session(shell).inside, number)
    result, captured = run(shell, "out = %trace --backend eager probe( 3 )")
    assert result.success and shell.user_ns["out"] == (True, 3) and session(shell).settings["backend"] == "eager"
    assert captured.outputs[0].data["text/plain"] == "1 graph"
    result, captured = run(shell, "%trace --quiet probe(4)")
    assert result.result == (True, 4) and "4" in captured.stdout and not captured.outputs
    run(shell, "%trace --quiet y = probe('{x} $x')")
    assert shell.user_ns["y"] == (True, "{x} $x")


@pytest.mark.parametrize(("line", "says"), [("%trace", "needs something to run"), ("%trace --quiet", "needs something to run"), ("%trace await f()", "doesn't await")])
def test_a_line_that_cannot_be_traced_says_why(shell, line: str, says: str) -> None:
    result, captured = run(shell, line)
    assert not result.success and says in captured.stdout + captured.stderr + str(result.error_in_exec)


def test_cells_are_called_by_their_numbers(shell) -> None:
    run(shell, "def earlier():\n    return 1")
    number = shell.execution_count
    shell.run_cell("def ordinary():\n    return 1", store_history=True)
    assert file_name(shell.user_ns["ordinary"].__code__.co_filename) == f"cell [{number}]"
    number = shell.execution_count
    shell.run_cell("%%trace --quiet\ndef traced():\n    return 1", store_history=True)
    file = shell.user_ns["traced"].__code__.co_filename
    assert (file_name(file), at_line(file, 2), at_line("model.py", 2)) == (f"cell [{number}]", f"cell [{number}], line 2", "model.py:2")
