"""Where a person asks for torch.compile: the command line and the notebook."""

from __future__ import annotations

import pytest
import torch._dynamo

from tests.observer.test_pausing import fresh  # noqa: F401  (a fixture)
from tracer.cli import main

SCRIPT = """
import torch

def f(x):
    y = x * 2
    print("between")
    return y + 1

f(torch.ones(3))
"""


def test_the_command_line(tmp_path, capsys) -> None:
    script, saved = tmp_path / "script.py", tmp_path / "run.jsonl"
    script.write_text(SCRIPT)
    assert main(["run", "--engine", "dynamo", "--save", str(saved), str(script)]) == 0
    assert "Failed to trace builtin operator" in capsys.readouterr().out
    ours = tmp_path / "ours.jsonl"
    assert main(["run", "--quiet", "--save", str(ours), str(script)]) == 0
    assert main(["diff", str(ours), str(saved)]) == 1  # the settings and guards differ
    assert "2 graphs captured the same in both runs" in capsys.readouterr().out


def test_the_notebook() -> None:
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    try:
        shell.run_line_magic("load_ext", "tracer")
        shell.run_cell(SCRIPT.replace("f(torch.ones(3))", "")).raise_error()
        shell.run_cell("%%trace --engine dynamo\nout = f(torch.ones(3))").raise_error()
        session = shell.user_ns["_tracer_session"]
        assert session.config.engine == "dynamo" and [found.reason for found in session.graph_breaks] == ["print-call"]
        assert torch.equal(shell.user_ns["out"], torch.full((3,), 3.0))
        shell.run_line_magic("unload_ext", "tracer")
    finally:
        InteractiveShell.clear_instance()
