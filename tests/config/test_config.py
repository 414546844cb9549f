"""Settings: valid or refused with a text that says what to do; the table is the only description."""

import subprocess
import sys

import pytest

from tracer.config import FIELDS, PRESETS, TraceConfig, markdown
from tracer.errors import TracerError


def refused(**settings):
    with pytest.raises(TracerError) as caught:
        TraceConfig(**settings)
    return str(caught.value)


def test_defaults_are_valid_and_every_field_is_described():
    config = TraceConfig()
    for name, row in FIELDS.items():
        assert row.check(name, getattr(config, name)) == getattr(config, name)
        assert row.meaning.endswith(".")
        assert not row.choices or row.default in row.choices


def test_a_misspelt_name_is_guessed():
    text = refused(dynamc=True)
    assert "there is no setting 'dynamc'" in text and "did you mean: dynamic" in text and "recompile_limit" in text


def test_a_misspelt_choice_is_guessed():
    text = refused(record="decision")
    assert "'all', 'decisions', 'nothing'" in text and "did you mean 'decisions'" in text


@pytest.mark.parametrize(
    "settings",
    [
        {"dynamic": 1},  # 1 == True, but is not it
        {"fullgraph": 0},
        {"recompile_limit": True},
        {"recompile_limit": 0},
        {"max_trace_seconds": float("nan")},
        {"max_trace_seconds": -1},
        {"keep_calls": 2.0},
        {"backend": 3},
        {"backend": ""},
        {"options": [1]},
        {"options": {1: 2}},
        {"ignore_logging_functions": "print"},
        {"ignore_logging_functions": {1}},
        {"mode": "default", "options": {}},
    ],
)
def test_bad_values_are_refused(settings):
    assert str(refused(**settings)).startswith(("can't set", "mode and options"))


def test_a_refusal_never_calls_an_unknown_repr():
    class Hostile:
        def __repr__(self):
            raise AssertionError("called")

    assert "a Hostile" in refused(backend=Hostile())


def test_with_changes_makes_another_and_validates():
    config = TraceConfig(dynamic=True)
    changed = config.with_changes(backend="inductor", reorderable_logging_functions={print})
    assert (config.backend, changed.backend, changed.dynamic) == ("eager", "inductor", True)
    assert changed.reorderable_logging_functions == frozenset({print})
    assert config.with_changes() is config
    with pytest.raises(TracerError):
        config.with_changes(nothing=1)
    with pytest.raises(AttributeError):
        config.dynamic = False


def test_the_given_options_are_copied():
    options = {"a": 1}
    config = TraceConfig(options=options)
    options["a"] = 2
    assert config.options == {"a": 1}


def test_plain_round_trip():
    config = TraceConfig(dynamic=False, keep_inputs="metadata", options={"x": [1, 2]}, max_instructions=None)
    assert TraceConfig.from_plain(config.plain()) == config
    assert TraceConfig.from_plain({"unheard_of": 1, "dynamic": "odd", "keep_calls": 3}) == TraceConfig(keep_calls=3)
    assert TraceConfig(ignore_logging_functions={print}).plain()["ignore_logging_functions"] == ["builtins.print"]


def test_presets():
    for use in PRESETS:
        TraceConfig.preset(use)
    config = TraceConfig.preset("compile", fullgraph=True)
    assert (config.backend, config.record, config.keep_inputs, config.fullgraph) == (
        "inductor",
        "decisions",
        "metadata",
        True,
    )


def test_strict_follows_the_environment(monkeypatch):
    monkeypatch.setenv("TRACER_STRICT", "1")
    assert TraceConfig().strict and not TraceConfig(strict=False).strict
    monkeypatch.setenv("TRACER_STRICT", "0")
    assert not TraceConfig().strict


def test_markdown_has_every_field():
    text = markdown()
    assert all(f"`{name}`" in text for name in FIELDS)
    assert len({len(line.replace("\\|", "").split("|")) for line in text.splitlines() if line.startswith("|")}) == 1


def test_names_that_torch_has_are_spelt_as_there():
    config = pytest.importorskip("torch._dynamo.config")
    ours = {"engine", "fresh", "backend", "mode", "options", "dynamic", "fullgraph", "max_trace_seconds", "max_instructions", "record",
            "keep_inputs", "keep_calls", "strict"}  # fmt: skip
    for name in FIELDS.keys() - ours:
        assert hasattr(config, name), name


def test_importing_needs_no_torch():
    modules = [
        "tracer.events",
        "tracer.journal",
        "tracer.config",
        "tracer.records",
        "tracer.recording",
        "tracer.explain",
    ]
    code = f"import sys, {', '.join(modules)}; assert not any(m.split('.')[0] == 'torch' for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
