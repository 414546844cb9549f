"""Every format of `session.export`: what is written can be read, what can't be written is refused by name."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tracer
from tracer.export import table


def program(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    print("between")
    return torch.cond(y.sum() > 0, lambda: y * 2, lambda: y.cos())


@pytest.fixture
def session(capsys) -> tracer.Session:
    return tracer.trace(program, torch.ones(2))


@pytest.mark.parametrize("name", [one.name for one in table.OURS if one.name not in ("png", "pt2")])
def test_each_is_written(session, tmp_path, name):
    paths = session.export(tmp_path / "deep" / f"run.v2.{name}", check=False)
    assert paths[0] == tmp_path / "deep" / f"run.v2.{name}" and all(path.stat().st_size > 100 for path in paths)


def test_suffix_and_format(session, tmp_path):
    assert session.export(tmp_path / "explained", "txt") == [tmp_path / "explained"]
    assert "graph break" in (tmp_path / "explained").read_text()
    for path, why in (("graph.doc", r"\.doc"), ("graph", "no suffix"), (".svg", "no suffix")):
        with pytest.raises(tracer.TracerError, match=why) as refused:
            session.export(tmp_path / path)
        assert ".pt2" in str(refused.value)


def test_a_recording_is_exported_too(session, tmp_path):
    session.save(tmp_path / "run.jsonl")
    recording = tracer.load(tmp_path / "run.jsonl")
    recording.export(tmp_path / "again.json")
    session.export(tmp_path / "live.json")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads((tmp_path / "live.json").read_text())
    for name in ("py", "pt2"):
        with pytest.raises(tracer.TracerError, match="holds no program"):
            recording.export(tmp_path / f"run.{name}")


def test_data_is_complete(session, tmp_path):
    session.export(tmp_path / "run.json")
    data = json.loads((tmp_path / "run.json").read_text())
    assert [len(graph["nodes"]) for graph in data["graphs"]] == [len(graph.nodes) for graph in session.graphs]
    assert (
        data["graph_breaks"][0]["reason"] == "print-call"
        and data["guards"]
        and data["versions"]["torch"] == torch.__version__
    )


def test_the_time_line_nests(session, tmp_path):
    session.export(tmp_path / "run.perfetto")
    entries = json.loads((tmp_path / "run.perfetto").read_text())["traceEvents"]
    spans = [entry for entry in entries if entry["ph"] == "X"]
    open_spans: list[dict] = []
    for span in sorted(spans, key=lambda span: (span["ts"], -span["dur"])):
        while open_spans and open_spans[-1]["ts"] + open_spans[-1]["dur"] <= span["ts"] + 1e-3:
            open_spans.pop()
        assert not open_spans or span["ts"] + span["dur"] <= open_spans[-1]["ts"] + open_spans[-1]["dur"] + 0.01
        open_spans.append(span)
    assert {"Call", "Instruction", "GraphBreak"} <= {
        entry["cat"].removesuffix("Started") for entry in entries if "cat" in entry
    }
    assert len(spans) + sum(entry["ph"] == "i" for entry in entries) + sum(
        event.__class__.__mro__[1].__name__ == "Outcome" for event in session.events
    ) == len(session.events)


def test_png_needs_dot(session, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tracer.TracerError, match="Graphviz"):
        session.export(tmp_path / "graph.png")
    dot = tmp_path / "dot"
    dot.write_text(f"#!{sys.executable}\nimport sys\nassert 'digraph' in sys.stdin.read()\nprint('picture', end='')\n")
    dot.chmod(0o755)
    session.export(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_text() == "picture"
    dot.write_text(f"#!{sys.executable}\nraise SystemExit('syntax error')\n")
    with pytest.raises(tracer.TracerError, match="syntax error"):
        session.export(tmp_path / "graph.png")


def test_a_slow_dot_is_given_up(session, tmp_path, monkeypatch):
    from tracer.export.dot import draw

    dot = tmp_path / "dot"
    dot.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tracer.TracerError, match=r"after 0\.5 s"):
        draw(session, tmp_path / "graph.png", seconds=0.5)


def test_formats_of_other_packages(session, tmp_path, monkeypatch):
    def points(group: str):
        assert group == "tracer.exporters"
        named = {
            "count": "tests.export.test_files:count",
            "svg": "tests.export.test_files:count",
            "bad": "no.such:thing",
        }
        return [importlib.metadata.EntryPoint(name, value, group) for name, value in named.items()]

    monkeypatch.setattr(table, "entry_points", points)
    session.export(tmp_path / "run.count")
    assert (tmp_path / "run.count").read_text() == "2 graphs"
    session.export(tmp_path / "run.svg")
    assert "<svg" in (tmp_path / "run.svg").read_text()
    with pytest.raises(tracer.TracerError, match=r"\.bad can't be loaded"):
        session.export(tmp_path / "run.bad")


def count(session, path: Path) -> None:
    path.write_text(f"{len(session.graphs)} graphs")


def test_the_command_line(session, tmp_path):
    session.save(tmp_path / "run.jsonl.gz")
    command = [sys.executable, "-m", "tracer", "export", str(tmp_path / "run.jsonl.gz")]
    done = subprocess.run([*command, str(tmp_path / "run.svg")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "run.svg") and "<svg" in (tmp_path / "run.svg").read_text()
    refused = subprocess.run([*command, str(tmp_path / "run.pt2")], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "holds no program" in refused.stderr and "Traceback" not in refused.stderr
