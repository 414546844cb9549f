"""`%trace_config`: what later cells start from."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output

from tracer.config import FIELDS


def run(shell, cell: str):
    with capture_output() as captured:
        result = shell.run_cell(cell)
    return result, captured


def config(shell, line: str) -> None:
    """As typed; errors are raised here."""
    shell.run_line_magic("trace_config", line)


def traced(shell, options: str = "") -> dict:
    """The settings of the session of one more traced cell."""
    run(shell, f"%%trace --quiet {options}\n0;")
    return shell.user_ns["_tracer_session"].settings


def test_settings_become_the_defaults_of_later_cells_and_options_win(shell) -> None:
    config(shell, "backend=aot_eager dynamic=yes recompile_limit=3")
    assert traced(shell) == {"backend": "aot_eager", "dynamic": True, "recompile_limit": 3}
    assert traced(shell, "--dynamic auto") == {"backend": "aot_eager", "dynamic": None, "recompile_limit": 3}
    config(shell, "dynamic=no")
    assert traced(shell)["dynamic"] is False
    config(shell, "reset")
    assert traced(shell) == {}


def test_another_backend_does_not_take_over_mode_and_options(shell) -> None:
    config(shell, "backend=inductor mode=max-autotune-no-cudagraphs")
    assert traced(shell, "--backend eager") == {"backend": "eager"}


def mine(gm, inputs):
    return gm.forward


@pytest.mark.parametrize(
    "line, name, value",
    [
        ("dynamic=auto", "dynamic", None), ("dynamic = True", "dynamic", True), ("fullgraph=yes", "fullgraph", True),
        ("max_trace_seconds=none", "max_trace_seconds", None), ("max_trace_seconds=2.5", "max_trace_seconds", 2.5),
        ("keep_inputs=metadata", "keep_inputs", "metadata"), ('backend="aot_eager"', "backend", "aot_eager"), ("backend=mine", "backend", mine),
        ("reorderable_logging_functions={print, mine}", "reorderable_logging_functions", frozenset({print, mine})),
    ],
)  # fmt: skip
def test_values_are_read_as_a_person_means_them(shell, line, name, value) -> None:
    shell.user_ns["mine"] = mine
    config(shell, line)
    assert traced(shell) == {name: value}


def test_a_value_may_have_spaces_and_equal_signs_inside(shell) -> None:
    config(shell, "backend=inductor options={'max_autotune': False, 'trace.enabled': False} fullgraph=yes")
    assert traced(shell) == {
        "backend": "inductor",
        "options": {"max_autotune": False, "trace.enabled": False},
        "fullgraph": True,
    }


@pytest.mark.parametrize(
    "line, said",
    [
        ("dynamik=yes", ["there is no setting 'dynamik'", "did you mean: dynamic or dynamic_shapes?", "recompile_limit", "keep"]),
        ("dynamic=perhaps", ["can't set dynamic to 'perhaps'", "True", "False"]),
        ("record=everything", ["can't set record to 'everything'", "'all', 'decisions', 'nothing'"]),
        ("recompile_limit=0", ["can't set recompile_limit to 0", "a whole number from 1"]),
        ("backend=indctor", ["indctor", "inductor"]),
        ("ignore_logging_functions={nothing_like_it}", ["nothing_like_it", "NameError"]),
        ("keep=0", ["can't set keep to 0"]),
        ("keep=many", ["can't set keep to 'many'"]),
        ("device=cuda:99", ["can't run on 'cuda:99': this machine has cpu"]),
        ("mode=default options={'max_autotune': False}", ["mode and options can't both be set"]),
        ("yes dynamic=no", ["can't read 'yes dynamic=no'"]),
        ("dynamik", ["there is no setting 'dynamik'"]),
    ],
)
def test_what_is_refused_is_refused_in_words_and_changes_nothing(shell, line, said) -> None:
    config(shell, "specialize_int=yes")
    with pytest.raises(UsageError) as caught:
        config(shell, f"fullgraph=yes {line}" if "=" in line and " " not in line else line)
    for words in said:
        assert words in str(caught.value)
    assert traced(shell) == {"specialize_int": True}


def test_without_arguments_every_setting_is_shown(shell) -> None:
    config(shell, "dynamic=no keep=3")
    _, captured = run(shell, "%trace_config")
    (shown,) = captured.outputs
    text = shown.data["text/plain"]
    for name in (*FIELDS, "keep", "device"):
        assert name in text and name in shown.data["text/html"]
    assert "dynamic=False, keep=3" in text.splitlines()[0]
    (row,) = (line.split() for line in text.splitlines() if " dynamic " in line)
    assert row[:6] == ["*", "dynamic", "False", "auto,", "yes,", "no"]


def test_one_setting_is_shown_with_what_is_possible(shell) -> None:
    _, captured = run(shell, "%trace_config record")
    assert "all, decisions, nothing" in captured.outputs[0].data["text/plain"]
    assert "recompile_limit" not in captured.outputs[0].data["text/plain"]


def test_keep_closes_older_sessions_at_once(shell) -> None:
    made = []
    for _ in range(4):
        traced(shell)
        made.append(shell.user_ns["_tracer_session"])
    config(shell, "keep=2")
    assert [one.closed for one in made] == [True, True, False, False]
    traced(shell)
    assert [one.closed for one in made] == [True, True, True, False]


def test_help_is_complete(shell) -> None:
    magics = shell.magics_manager.magics["line"]
    for name in (*FIELDS, "keep", "device", "reset"):
        assert name in magics["trace_config"].__doc__
    for option in (
        "--engine",
        "--backend",
        "--dynamic",
        "--device",
        "--step",
        "--break",
        "--save",
        "--quiet",
        "_tracer_session",
    ):
        assert option in shell.magics_manager.magics["cell"]["trace"].__doc__


def test_unloading_takes_every_magic_away(shell) -> None:
    import notebook_ext

    notebook_ext.unload(shell)
    assert not {"trace_config", "trace_diff"} & shell.magics_manager.magics["line"].keys()
