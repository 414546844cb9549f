"""What a backend shows of its stages: AOTAutograd's graphs and inductor's code are told as events, kept as artifacts, exported."""

from __future__ import annotations

import logging
import threading

import pytest
import torch
from torch import nn

import tracer
from tracer.compat.stages import Stages

TRACE = logging.getLogger("torch.__trace")


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.fixture(params=["tracer", "dynamo"])
def session_of(request):
    def make(backend, **options):
        return tracer.Session(engine=request.param, backend=backend, **options)

    return make


def stages(session, number=0):
    return [(one.stage, one.name) for one in session.graphs[number].artifacts]


def test_eager_shows_nothing(session_of, net):
    session = session_of("eager")
    session.run(net, torch.ones(3, 4))
    assert stages(session) == []


def test_a_forward_with_gradients_and_its_backward(session_of, net):
    session = session_of("aot_eager")
    session.run(net, torch.ones(3, 4))
    assert stages(session) == [("aot_forward", "forward"), ("aot_backward", "backward")]
    forward, backward = session.graphs[0].artifacts
    assert "torch.ops.aten.addmm" in forward.text and "tangents_1" in backward.text
    assert not any(type(one).__module__.startswith("tracer") for one in TRACE.handlers), "nothing more is to come"


def test_without_gradients_there_is_one_graph(session_of, net):
    session = session_of("aot_eager")
    with torch.no_grad():
        session.run(net, torch.ones(3, 4))
    assert stages(session) == [("aot_forward", "inference")]


def test_each_graph_has_its_own(session_of, net):
    def cut(x):
        y = net(x)
        torch._dynamo.graph_break()
        return y.exp()

    session = session_of("aot_eager")
    session.run(cut, torch.ones(3, 4))
    assert [stages(session, n) for n in (0, 1)] == [[("aot_forward", "forward"), ("aot_backward", "backward")]] * 2
    assert "addmm" in session.graphs[0].artifacts[0].text and "exp" in session.graphs[1].artifacts[0].text


def test_the_backwards_code_comes_when_the_backward_runs(session_of, net):
    session = session_of("inductor")
    out = session.run(net, torch.ones(3, 4))
    first = [("aot_forward", "forward"), ("aot_backward", "backward"), ("inductor_code", "forward")]
    assert stages(session)[:3] == first
    out.sum().backward()
    assert stages(session) == [*first, ("inductor_code", "backward")]
    assert "def call(" in session.graphs[0].artifacts[2].text
    assert not any(type(one).__module__.startswith("tracer") for one in TRACE.handlers)


def test_the_backward_may_run_in_another_thread(net):
    session = tracer.Session(backend="inductor", dynamic=False)
    out = session.run(lambda x: net(x).sin(), torch.ones(5, 4)).sum()
    thread = threading.Thread(target=out.backward)
    thread.start()
    thread.join()
    assert stages(session)[-1] == ("inductor_code", "backward")
    late = session.events[-1]
    assert type(late).__name__ == "ArtifactProduced" and late.frame == session.graphs[0].frame


def test_a_backend_that_fails_still_shows_what_it_made(net):
    def half(gm, inputs):
        from torch._dynamo.backends.common import aot_autograd

        def refuse(_gm, _inputs):
            raise RuntimeError("no code for this")

        return aot_autograd(fw_compiler=refuse)(gm, inputs)

    session = tracer.Session(backend=half)
    with pytest.raises(tracer.errors.BackendError, match="no code for this"), torch.no_grad():
        session.run(net, torch.ones(3, 4))
    assert [e.stage for e in session.events if type(e).__name__ == "ArtifactProduced"] == ["aot_forward"]


def test_stages_name_the_users_lines(net):
    def lines(x):
        y = net(x)
        return y.exp()

    session = tracer.Session(backend="aot_eager")
    session.run(lines, torch.ones(3, 4))
    at = lines.__code__.co_firstlineno
    text = session.graphs[0].artifacts[0].text
    assert f"{__file__}:{at + 1} in " in text and "code: y = net(x)" in text
    assert f"{__file__}:{at + 2} in " in text and "code: return y.exp()" in text


def test_recordings_keep_them(session_of, net, tmp_path):
    session = session_of("aot_eager")
    session.run(net, torch.ones(3, 4))
    session.save(tmp_path / "r.jsonl.gz")
    assert tracer.load(tmp_path / "r.jsonl.gz").graphs[0].artifacts == session.graphs[0].artifacts


def test_a_silent_session_listens_to_nothing(net, monkeypatch):
    heard = []
    monkeypatch.setattr(Stages, "hear", lambda self, *args: heard.append(args))
    session = tracer.Session(backend="aot_eager", record="nothing")
    session.run(net, torch.ones(3, 4))
    assert heard == [] and len(session.graphs) == 1


def test_they_are_exported_beside_the_graph(session_of, net, tmp_path):
    session = session_of("aot_eager")
    session.run(net, torch.ones(3, 4))
    (path,) = session.export(tmp_path / "net.stages.txt")
    text = path.read_text()
    parts = [line for line in text.splitlines() if line.startswith("# graph_0: ")]
    assert parts == ["# graph_0: FX graph", "# graph_0: AOT forward", "# graph_0: AOT backward"]
    assert "def graph_0(" in text and all(one.text.strip() in text for one in session.graphs[0].artifacts)


def test_without_stages_the_export_says_how_to_get_some(net, tmp_path):
    session = tracer.trace(net, torch.ones(3, 4))
    (path,) = session.export(tmp_path / "net.stages.txt")
    assert "torch.nn.functional.linear(" in path.read_text() and "The backend, eager, showed no stages. aot_eager" in path.read_text()
