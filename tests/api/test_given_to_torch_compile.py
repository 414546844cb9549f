"""Programs that use torch.compile already: our engine traces what they gave to it, whichever way they come in, and says so."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

import tracer
from tracer.compat import dynamo as watched


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def plain(x):
    return x.sin() + 1


def branching(x):
    x = x + 1
    if x.sum() > 0:
        x = x * 2
    return x.cos()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.layer(x).relu()

    @torch.compile(backend="eager")
    def decorated(self, x):
        return self.layer(x) * 2


def in_place():
    net = Net()
    net.compile(backend="eager")
    return net


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([torch.compile(Net(), backend="eager"), in_place()])

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x + 1


def calling(function):
    return lambda x: function(x) * 2


#: By name: what makes the callable, and what it was made of as the report calls it.
GIVEN = {
    "function": (lambda: torch.compile(plain, backend="eager"), "plain"),
    "twice": (lambda: torch.compile(torch.compile(plain, backend="aot_eager"), backend="eager"), "plain"),
    "module": (lambda: torch.compile(Net(), backend="eager"), "Net"),
    "in place": (in_place, "Net"),
    "decorated method": (lambda: Net().decorated, "Net.decorated"),
    "bound method": (lambda: torch.compile(Net().forward, backend="eager"), "Net.forward"),
    "function of torch": (lambda: torch.compile(nn.functional.relu, backend="eager"), "relu"),
    "module of torch": (lambda: torch.compile(nn.Linear(3, 3), backend="eager"), "Linear"),
    "called by a function": (lambda: calling(torch.compile(plain, backend="eager")), "plain"),
    "parts of a module": (Parts, "Net"),
}


def by_trace(fn, x):
    return tracer.trace(fn, x)


def by_compile(fn, x):
    made = tracer.compile(fn, backend="eager", record="all")
    made.session.result = made(x)
    return made.session


def by_block(fn, x):
    session = tracer.Session()
    with session.tracing():
        result = fn(x)
    session.result = result
    return session


def by_steps(fn, x):
    stepper = tracer.step(fn, x)
    stepper.run()
    return stepper.session


@pytest.mark.parametrize("way", [by_trace, by_compile, by_block, by_steps])
@pytest.mark.parametrize("name", GIVEN)
def test_the_original_is_traced_and_said(name, way) -> None:
    make, called = GIVEN[name]
    torch.manual_seed(0)
    fn = make()
    x = torch.ones(2, 3)
    session = way(fn, x)
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.faults
    assert {one.name for one in session.records.followed} == {called}
    assert session.records.followed[0].given == "torch.compile(backend='eager')"
    assert "was stepped over and the original traced" in " ".join(session.explain().split())
    assert torch.equal(session.result, fn(x))


def test_a_second_call_runs_what_was_compiled_and_is_told_once() -> None:
    for name, (make, _) in GIVEN.items():
        fn, session = make(), tracer.Session()
        for n in range(3):
            session.run(fn, torch.ones(2, 3) * n)
        assert len(session.graphs) == 1, name
        assert len(session.records.followed) == 1, name


def test_breaks_are_those_of_the_original() -> None:
    ours, given = tracer.trace(branching, torch.ones(3)), tracer.trace(torch.compile(branching, backend="eager"), torch.ones(3))
    assert [(b.reason, b.location) for b in given.graph_breaks] == [(b.reason, b.location) for b in ours.graph_breaks] != []
    assert given.stats["graphs"] == ours.stats["graphs"] == 2


@pytest.mark.parametrize("way", ["run", "block"])
@pytest.mark.parametrize("what", ["function", "module"])
def test_its_dynamic_counts_unless_the_session_has_one(way, what) -> None:
    given = torch.compile(plain if what == "function" else nn.Linear(3, 3), backend="eager", dynamic=True)

    def graphs(**settings):
        session = tracer.Session(**settings)
        for size in (4, 5, 6):
            if way == "run":
                session.run(given, torch.ones(size, 3))
            else:
                with session.tracing():
                    given(torch.ones(size, 3))
        (told,) = session.records.followed
        return len(session.graphs), told.taken

    assert graphs() == (1, ("dynamic",))
    assert graphs(dynamic=False) == (3, ())


def test_in_another_traced_frame_no_setting_counts() -> None:
    session = tracer.Session()
    fn = calling(torch.compile(plain, backend="eager", dynamic=True))
    for size in (4, 5):
        session.run(fn, torch.ones(size))
    assert len(session.graphs) == 2 and session.records.followed[0].taken == ()


def test_settings_that_do_not_count_are_said() -> None:
    session = tracer.trace(torch.compile(branching, backend="aot_eager", fullgraph=True, dynamic=False), torch.ones(3))
    (told,) = session.records.followed
    assert told.given == "torch.compile(backend='aot_eager', dynamic=False, fullgraph=True)" and told.taken == ("dynamic",)
    said = " ".join(session.explain().split())
    assert "Of these settings dynamic counts here; the others are the session's. fullgraph=True isn't enforced: all graph breaks are told." in said
    assert session.graph_breaks
    whole = torch.compile(plain, backend="eager", fullgraph=True)
    session = tracer.Session(fullgraph=True)
    session.run(whole, torch.ones(3))
    assert session.records.followed[0].taken == ("fullgraph",) and "isn't enforced" not in session.explain()


def test_mode_and_options_of_inductor_are_said() -> None:
    pytest.importorskip("torch._inductor")
    for settings, said in (
        ({"mode": "max-autotune-no-cudagraphs"}, "mode='max-autotune-no-cudagraphs'"),
        ({"options": {"max_fusion_size": 3}}, "options={'max_fusion_size': 3}"),
    ):
        (told,) = tracer.trace(torch.compile(plain, **settings), torch.ones(3)).records.followed
        assert told.given == f"torch.compile(backend='inductor', {said})"


def test_the_sessions_fullgraph_refuses_breaks_of_the_original() -> None:
    session = tracer.Session(fullgraph=True)
    with pytest.raises(tracer.TracerError, match="Python `if`"):
        session.run(torch.compile(branching, backend="eager"), torch.ones(3))
    assert session.graph_breaks and session.records.calls[0].by == "fullgraph"


def test_hooks_on_the_wrapper_and_on_the_original_run() -> None:
    net, seen = Net(), []
    given = torch.compile(net, backend="eager")
    given.register_forward_hook(lambda *_: seen.append("wrapper"))
    net.register_forward_hook(lambda *_: seen.append("original"))
    given(torch.ones(3))
    expected, seen[:] = list(seen), []
    assert tracer.trace(given, torch.ones(3)).graphs and seen == expected


def test_another_wrapper_in_its_place_is_seen() -> None:
    """Wrappers share their code: what one wraps is part of what is guarded."""
    wrappers = [torch.compile(lambda x: x + 1, backend="eager"), torch.compile(lambda x: x * 5, backend="eager")]
    session = tracer.Session()

    def program(x, n):
        return held[0](x)

    held = [wrappers[0]]
    assert session.run(program, torch.ones(2), 0)[0] == 2
    held[0] = wrappers[1]
    assert session.run(program, torch.ones(2), 0)[0] == 5


def test_a_wrapper_that_is_made_inside_is_one_break_told_as_such() -> None:
    def making(x):
        return torch.compile(plain, backend="eager")(x) * 2

    session = tracer.Session()
    for _ in range(3):
        assert torch.equal(session.run(making, torch.ones(3)), plain(torch.ones(3)) * 2)
    (found,) = session.graph_breaks
    assert found.reason == "unsupported-builtin" and "runs under torch.compile" in found.explanation
    assert "Make the call once, outside" in found.hints[0]
    assert len(session.graphs) == 1 and not session.recompiles


def test_what_torch_wraps_for_itself_runs_as_it_is() -> None:
    session, x = tracer.Session(), torch.ones(3)
    with session.tracing():
        found = torch._dynamo.explain(branching)(x)
        added = torch.cond(torch.tensor(True), lambda x: x + 1, lambda x: x - 1, (x,))
    assert found.graph_break_count == 1 and torch.equal(added, x + 1)
    assert not session.records.followed


def test_the_programs_own_entries_stay() -> None:
    counted = []

    def backend(gm, examples):
        counted.append(gm)
        return gm.forward

    given = torch.compile(plain, backend=backend)
    given(torch.ones(3))
    session = tracer.trace(given, torch.ones(3))
    given(torch.ones(3))
    assert len(counted) == 1 and len(session.graphs) == 1


def test_gradients_and_errors_are_the_programs() -> None:
    x = torch.ones(3, requires_grad=True)
    tracer.trace(torch.compile(lambda x: (x * 3).sum(), backend="eager"), x).result.backward()
    assert x.grad is not None and x.grad[0] == 3

    def failing(x):
        raise ValueError("mine")

    session = tracer.Session()
    with pytest.raises(ValueError, match="mine"):
        session.run(torch.compile(failing, backend="eager"), x)
    assert session.records.calls[0].by == "program"


@pytest.mark.parametrize(
    "make",
    [
        lambda net: torch.compile(net, backend="eager", dynamic=True),
        lambda net: (net.compile(backend="eager"), net)[1],
        lambda net: torch.compile(net.forward, backend="eager"),
    ],
)
def test_reruns_use_a_copy_of_the_original(make) -> None:
    net = Net()
    given = make(net)
    session = tracer.trace(given, torch.ones(2, 3))
    ours, theirs = session.recompile(), session.recompile(engine="dynamo")
    assert net.calls == 1 and torch.equal(ours.result, session.result) and torch.equal(theirs.result, session.result)
    assert ours.records.followed[0].settings == session.records.followed[0].settings and not ours.not_comparable
    assert len(theirs.graphs) == 1 and session.replay().ok


def test_any_module_runs_again_under_torch_compile() -> None:
    session = tracer.trace(Net(), torch.ones(2, 3))
    again = session.recompile(engine="dynamo")
    assert torch.equal(again.result, session.result) and len(again.graphs) == 1


# ---- watched
def test_what_was_compiled_before_is_compiled_anew_apart() -> None:
    given, module = torch.compile(plain, backend="eager"), torch.compile(nn.Linear(3, 3), backend="eager")
    entries = torch._dynamo.utils.counters["stats"]
    given(torch.ones(3)), module(torch.ones(2, 3))
    session = tracer.Session(engine="dynamo")
    with session.tracing():
        for _ in range(2):
            given(torch.ones(3)), module(torch.ones(2, 3))
    assert len(session.graphs) == 2 and session.records.hits == {"plain": 1, "Linear": 1}
    assert "compiled before this session" not in session.explain()
    again = tracer.Session(engine="dynamo")
    again.run(given, torch.ones(3))
    assert len(again.graphs) == 1
    known = entries["unique_graphs"]
    given(torch.ones(3)), module(torch.ones(2, 3))
    assert entries["unique_graphs"] == known  # the program's own are found as before


def test_hits_of_earlier_compiles_are_told() -> None:
    given = torch.compile(plain, backend="eager")
    given(torch.ones(3))
    session = tracer.Session(engine="dynamo", fresh=False)
    with session.tracing():
        given(torch.ones(3)), given(torch.ones(3))
    assert not session.graphs and session.records.hits == {"plain": 2}
    assert session.why_nothing.startswith("plain ran from torch.compile's cache: it was compiled before this session")
    assert "Nothing was captured" in session.explain()
    other, module = tracer.Session(engine="dynamo", fresh=False), torch.compile(Net(), backend="eager")
    with other.tracing():
        given(torch.ones(3)), module(torch.ones(2, 3)), module(torch.ones(2, 3))
    text = other.explain()
    assert other.records.hits == {"plain": 1, "Net": 1} and "From torch.compile's cache · 1" in text and "compiled before this session" in text


def test_nothing_of_the_watch_is_left() -> None:
    from torch._dynamo import eval_frame

    before = eval_frame._callback_from_stance
    session = tracer.Session(engine="dynamo")
    session.run(plain, torch.ones(3))
    assert eval_frame._callback_from_stance is before and not isinstance(before, watched._Apart)


# ---- the command line
SCRIPT = """
import torch
@torch.compile
def f(x):
    if x.sum() > 0:
        x = x + 1
    return x * 2
f(torch.ones(3))
"""


@pytest.mark.parametrize("engine", ["tracer", "dynamo"])
def test_a_script_with_a_decorated_function(engine, tmp_path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.replace("@torch.compile", "@torch.compile(backend='eager')"))
    done = subprocess.run(
        [sys.executable, "-m", "tracer", "run", "--engine", engine, "--max-breaks", "0", str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1 and "1 graph breaks, 0 allowed" in done.stderr, done.stderr
    assert "Graph break" in done.stdout and "script.py:5" in done.stdout
