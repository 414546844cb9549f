"""Traced against plain Python: what agrees is called so, and each planted difference is named where it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tracer
from tests.snapshots import Differ, Numbering
from tracer.cli import main
from tracer.errors import TracerError

COUNT, LOG, SCALE = 0, [], 2.0


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.seen = nn.Linear(4, 4), []
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        global COUNT
        COUNT += 1
        self.calls += 1
        self.seen.append(COUNT)
        print("called")
        y = self.layer(x)
        return {"y": y, "view": y.T, "drawn": torch.rand(2)}


def session_of(program, *calls, **settings):
    session = tracer.Session(keep_calls=8, **settings)
    for args in calls:
        session.run(program, *args)
    return session


# ---- what agrees
def test_a_module_with_effects_agrees(capsys):
    global COUNT
    COUNT = 0
    model = Counting()
    session = session_of(model, *[(torch.randn(2, 4),) for _ in range(3)])
    numbering = Numbering()
    before = numbering.snapshot((model, COUNT, LOG))
    state = torch.get_rng_state()
    found = session.check()
    assert found.ok and bool(found) and found.first is None and found.compared == 3 and not found.tolerant, str(found)
    differ = Differ()
    differ.compare("program", before, numbering.snapshot((model, COUNT, LOG)))
    assert not differ.found and torch.equal(state, torch.get_rng_state())
    assert capsys.readouterr().out == "called\n" * 3, "only the program's own calls print"
    lines = {(effect.kind, effect.location.line) for effect in found.effects}
    first = Counting.forward.__code__.co_firstlineno
    assert {line for _, line in lines} == {first + 2, first + 3, first + 4}
    assert all(effect.behind.startswith("graph_") for effect in found.effects)


def train(model, x):
    loss = model(x)["y"].pow(2).mean()
    loss.backward()
    return loss


def raising(x):
    LOG.append(len(LOG))
    if x.shape[0] > 2:
        raise ValueError(f"too long: {x.shape[0]}")
    return x + 1


def switching(x):
    torch.set_grad_enabled(False)
    return x * 2


@pytest.mark.parametrize("program, calls", [(train, [(Counting(), torch.ones(2, 4))]), (switching, [(torch.ones(2),)])])
def test_gradients_and_modes_agree(program, calls):
    try:
        session = session_of(program, *calls)
    finally:
        torch.set_grad_enabled(True)
    assert session.check().ok
    assert torch.is_grad_enabled()


def test_exceptions_agree():
    session = tracer.Session()
    with pytest.raises(ValueError, match="too long: 3"):
        session.run(raising, torch.ones(3))
    found = session.check()
    assert found.ok, str(found)


def test_nothing_outside_is_said():
    found = session_of(lambda x: x.sin(), (torch.ones(2),)).check()
    assert "This program changes nothing outside of itself." in str(found) and not found.effects


def test_torch_compile_is_checked():
    found = session_of(Counting(), (torch.ones(2, 4),), engine="dynamo", backend="eager").check()
    assert found.compared == 1 and found.ok, str(found)


# ---- what differs
def marked(x):
    return x.sin() + held(x)


def held(x):
    LOG.append("x")
    return x * 2


def test_an_effect_that_happens_more_often():
    """The author promised that nothing but the result matters: the compiler runs the function on stand-ins as well."""
    torch_marked = tracer.allow_in_graph(held)
    try:
        session = session_of(marked, (torch.ones(2),))
        found = session.check()
    finally:
        torch_marked.__dict__.clear()
    assert not found.ok and found.first.kind == "place" and "LOG" in found.first.what, str(found)
    assert "no effect of this was recorded" in found.first.decision


def scaled(x):
    y = x.cos()
    return (y * SCALE).sum()  # here


def test_a_guard_that_let_a_call_pass():
    global SCALE
    session = tracer.Session(keep_calls=4, overrides=["skip_guard SCALE"])
    try:
        for SCALE in (2.0, 3.0):
            session.run(scaled, torch.ones(3))
        found = session.check()
    finally:
        SCALE = 2.0
    assert found.first is not None, session.unmatched_overrides
    assert found.first.call == 2 and found.first.kind == "result"
    assert (found.first.node, found.first.location.line) == ("mul", scaled.__code__.co_firstlineno + 2), str(found)


def chain(x):
    a = x.sin()
    b = a * 2
    c = b.clone()
    c.add_(1)
    x.mul_(2)
    return b, c, x


def backend(change):
    def made(gm, _):
        def run(*inputs):
            return change(gm, list(inputs))

        return run

    return made


def _apart(gm, inputs):
    return [out.clone() if isinstance(out, torch.Tensor) else out for out in gm(*inputs)]


def _without_writes(gm, inputs):
    return gm(*[one.clone() for one in inputs])


def _with_draw(gm, inputs):
    torch.rand(1)
    return gm(*inputs)


def _printing(gm, inputs):
    print("inside")
    return gm(*inputs)


def _without_history(gm, inputs):
    return [out.detach() for out in gm(*inputs)]


def _in_double(gm, inputs):
    return [out.double() for out in gm(*inputs)]


def _off(gm, inputs):
    return [out + 1e-6 for out in gm(*inputs)]


def _leaving_a_mode(gm, inputs):
    torch.set_default_dtype(torch.float64)
    return gm(*inputs)


def _negative_zero(gm, inputs):
    return [out * -1.0 for out in gm(*inputs)]


def _raising(gm, inputs):
    raise ValueError("from the backend")


#: Program, its argument, what the backend does wrong, the path and kind of what differs.
TABLE = [
    (lambda x: x.sin(), torch.ones(3), _off, "the result.data", "result"),
    (lambda x: (x.sin(), x.cos() + 1), torch.ones(3), _in_double, "the result[0].dtype", "result"),
    (lambda x: x * 0.0, torch.ones(3), _negative_zero, "the result.data", "result"),
    (lambda x: (x.sin(), x.view(-1)), torch.ones(3), _apart, "argument 0.memory", "argument"),
    (lambda x: x.mul_(2).sum(), torch.ones(3), _without_writes, "argument 0.data", "argument"),
    (lambda x: x.sin(), torch.ones(3, requires_grad=True), _without_history, "the result.requires_grad", "result"),
    (lambda x: x.sin(), torch.ones(3), _printing, "what is written", "text"),
    (lambda x: x.sin(), torch.ones(3), _leaving_a_mode, "mode default_dtype", "mode"),
    (lambda x: x.sin(), torch.ones(3), _raising, "the exception", "exception"),
    (nn.Sequential(nn.BatchNorm1d(3)), torch.randn(2, 3), _without_writes, "what is called._modules['0']._buffers['running_mean'].data", "state"),
]  # fmt: skip


@pytest.mark.parametrize("program, x, wrong, path, kind", TABLE, ids=[row[2].__name__ + str(n) for n, row in enumerate(TABLE)])
def test_what_a_backend_gets_wrong(program, x, wrong, path, kind):
    session = tracer.Session(backend=backend(wrong))
    try:
        session.run(program, x)
    except ValueError:
        assert wrong is _raising
    finally:
        torch.set_default_dtype(torch.float32)
    found = session.check(tolerance=False)
    assert found.first is not None
    assert (found.first.what, found.first.kind) == (path, kind), str(found)
    if kind == "result" and path.endswith("data"):
        assert "made by the backend made" in found.first.decision
    assert torch.get_default_dtype() == torch.float32


def test_random_states_are_compared_where_they_are_the_programs():
    session = session_of(lambda x: x + torch.rand(2), (torch.ones(2),), backend="eager")
    assert session.check().ok
    session = session_of(lambda x: x + 1, (torch.ones(2),), backend=backend(_with_draw))
    assert any("random states aren't compared" in note for note in session.check().notes)


# ---- what can't be checked; the command line
def test_without_inputs():
    session = session_of(lambda x: x + 1, (torch.ones(2),), keep_inputs=False)
    with pytest.raises(TracerError, match="keep_inputs=True"):
        session.check()
    with pytest.raises(TracerError, match="nothing of it was compiled"):
        session_of(lambda x: x + 1, (torch.ones(2),)).check(call=9)


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fine.py").write_text("import torch\ndef f(x):\n    return x.sin() + 1\nprint(f(torch.ones(2)).sum())\n")
    assert main(["run", "fine.py", "--check", "--quiet"]) == 0
    assert "As plain Python: 1 call compared bit by bit." in capsys.readouterr().out
    (tmp_path / "wrong.py").write_text(
        "import torch, tracer\nlog = []\ndef g(x):\n    log.append(1)\n    return x * 2\n"
        "tracer.allow_in_graph(g)\ndef f(x):\n    return g(x).sin()\nf(torch.ones(2))\n"
    )
    assert main(["run", "wrong.py", "--check", "--quiet"]) == 1
    out = capsys.readouterr().out
    assert "Differs from plain Python" in out and "global log" in out
    (tmp_path / "none.py").write_text("print(3)\n")
    assert main(["run", "none.py", "--check", "--quiet"]) == 1
    assert "nothing to check" in capsys.readouterr().err
