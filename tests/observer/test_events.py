"""What a watched call records: every kind that torch.compile has decisions for, in our records, recordings, views and diffs."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch._dynamo
from torch._dynamo.output_graph import SubgraphTracer

import tracer
from tests.observer import programs
from tracer.compat import dynamo
from tracer.errors import TracerError
from tracer.events import KINDS
from tracer.observer import switch

#: Kinds that our own compiler, re-runs or overrides tell of, and torch.compile has nothing like.
OTHERS = {
    "OverrideApplied", "OverrideUnmatched", "UnsafeRun", "InternalFault", "Output", "SessionFinished", "WrapperFollowed", "BreakCompared", "GraphRan", "Reused", "GuardRelaxed", "GuardSettled",
}  # fmt: skip


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture(scope="module")
def session():
    torch._dynamo.reset()
    made = tracer.Session(engine="dynamo", strict=True, backend="aot_eager")
    programs.run_all(made.run)
    return made


def kinds(session) -> set[str]:
    return {type(event).__name__ for event in session.events}


def test_every_kind_is_seen(session) -> None:
    untold = set() if tells_why_it_skips() else {"FrameSkipped"}
    assert set(KINDS) - kinds(session) == OTHERS | untold


def tells_why_it_skips() -> bool:
    """Since 2.13 torch.compile says why it leaves a function to Python."""
    return hasattr(dynamo.left_alone("asked"), "skip_reason")


def test_results_are_the_programs_own(session) -> None:
    assert torch.equal(session.run(programs.broken, torch.ones(4)), (torch.ones(4).sin() + 1) * 2)


def test_a_break_has_torchs_words_and_our_entry(capsys) -> None:
    session = tracer.Session(engine="dynamo", strict=True)
    session.run(programs.broken, torch.ones(3))
    (found,) = session.graph_breaks
    assert (found.reason, found.title) == ("print-call", "Failed to trace builtin operator")
    assert found.context["number"] == "GB0059" and found.hints
    assert (
        found.location is not None
        and found.location.line == programs.broken.__code__.co_firstlineno + 2
        and found.location.column >= 0
    )
    assert [entry.function for entry in found.user_stack] == ["broken"]
    first, second = session.graphs
    assert [node.target for node in first.nodes] == ["sin", "add"] and [node.target for node in second.nodes] == ["mul"]
    begun, rest = (frame for frame in session.frames if frame.id)
    assert rest.resumes == begun.id and begun.attempts == 2
    assert first.gm is not None and "print-call" in session.explain()


def test_a_jump_on_a_tensor_is_told_by_its_own_text() -> None:
    """torch ends the graph there for a reason that quotes nothing of what it said."""

    def program(x):
        if x.sum() > 0:
            x = x + 1
        if x.max() > 100:
            x = x - 1
        return x * 2

    x = torch.ones(3)
    ours, theirs = tracer.trace(program, x), tracer.trace(program, x).recompile(engine="dynamo")
    assert [found.title for found in theirs.graph_breaks] == ["Data-dependent branching"] * 2
    assert [(found.reason, found.location.line) for found in theirs.graph_breaks] == [
        (found.reason, found.location.line) for found in ours.graph_breaks
    ]
    diff = ours.diff(theirs)
    assert not diff.breaks_gained and not diff.breaks_lost


@pytest.mark.parametrize("engine", ["tracer", "dynamo"])
def test_what_checking_the_guards_takes_is_measured(engine, tmp_path) -> None:
    session = tracer.Session(engine=engine, strict=True)
    session.run(programs.broken, torch.ones(3))
    found = [frame.check_seconds for frame in session.frames if frame.id]
    assert len(found) == 2 and all(0 < one < 0.01 for one in found)
    session.save(tmp_path / "r.jsonl")
    assert [frame.check_seconds for frame in tracer.load(tmp_path / "r.jsonl").frames if frame.id] == found
    silent = tracer.Session(engine=engine, strict=True, record="nothing")
    silent.run(programs.broken, torch.ones(3))
    assert not any(frame.check_seconds for frame in silent.frames)


def test_nodes_are_those_of_the_graph(session) -> None:
    for graph in session.graphs:
        wanted = [node.name for node in graph.gm.graph.nodes]
        placed = [node.name for node in graph.gm.graph.nodes if node.op == "placeholder"]
        assert [one.name for one in graph.inputs] == placed
        assert [*placed, *(node.name for node in graph.nodes), "output"] == wanted


def test_what_was_raised_and_caught_is_no_break() -> None:
    session = tracer.Session(engine="dynamo", strict=True)
    session.run(programs.cond, torch.ones(3), torch.ones(3))
    assert not session.graph_breaks and [one.outcome for one in session.speculations] == ["committed", "committed"]
    assert [[(outside, why) for _, outside, why in one.inputs] for one in session.speculations] == [[("l_x_", "used in the body"), ("l_w_", "used in the body")]] * 2


def test_what_fullgraph_refuses_is_a_break_of_a_refused_call() -> None:
    session = tracer.Session(engine="dynamo", fullgraph=True, strict=True)
    with pytest.raises(torch._dynamo.exc.Unsupported):
        session.run(programs.broken, torch.ones(3))
    (found,), (call,) = session.graph_breaks, session.records.calls
    assert (found.reason, found.location.line) == ("print-call", programs.broken.__code__.co_firstlineno + 2) and found.hints
    assert (call.outcome, call.by) == ("refused", "fullgraph") and session.frames[0].outcome == "refused"


def test_recompiles_name_the_failed_guard() -> None:
    session = tracer.Session(engine="dynamo", strict=True)
    for size in (4, 5):
        session.run(programs.sized, torch.ones(size))
    (again,) = session.recompiles
    assert "expected 4" in again.failed_guards[0][0] and again.failed_guards[0][1] == "5" and again.entries == (session.frames[0].id,)


def test_hits_are_counted(session) -> None:
    assert session.stats["cache_hits"] >= 2


def test_recordings_tell_the_same(session, tmp_path) -> None:
    session.save(tmp_path / "seen.jsonl.gz")
    loaded = tracer.load(tmp_path / "seen.jsonl.gz")
    assert loaded.explain() == session.explain() and loaded.config.engine == "dynamo"
    assert loaded.records == session.records


def test_state_can_be_asked_at_every_event(session) -> None:
    for seq in range(0, len(session.events), 7):
        state = session.journal.state_at(seq)
        assert all(isinstance(text, str) for _, text in state.stack_rows())


def test_blocks_are_watched(capsys) -> None:
    with tracer.Session(engine="dynamo", strict=True).tracing() as session:
        programs.broken(torch.ones(3))
    assert [found.reason for found in session.graph_breaks] == ["print-call"]


def test_silent_sessions_keep_their_graphs() -> None:
    session = tracer.Session(engine="dynamo", record="nothing", strict=True)
    session.run(programs.unused, torch.ones(3))
    assert not session.events and [graph.op_count for graph in session.graphs] == [2]


def test_compile_takes_the_engine() -> None:
    compiled = tracer.compile(programs.sized, engine="dynamo", backend="eager", strict=True)
    assert torch.equal(compiled(torch.ones(4)), torch.ones(4) * 4)
    assert len(compiled.session.graphs) == 1


def test_both_engines_side_by_side() -> None:
    ours = tracer.Session(strict=True)
    ours.run(programs.broken, torch.ones(3))
    theirs = ours.recompile(engine="dynamo")
    found = ours.diff(theirs)
    assert ("engine", "tracer", "dynamo") in found.settings
    assert not found.breaks_gained and not found.breaks_lost
    assert [graph.state for graph in found.graphs] == ["same", "same"], str(found)
    back = theirs.recompile(engine="tracer")
    assert [graph.op_count for graph in back.graphs] == [graph.op_count for graph in ours.graphs]


# ---- the hooks themselves
def test_everything_is_put_back() -> None:
    before = {found.point.name: (found.owner, found.function) for found in dynamo.probe()}
    tracer.Session(engine="dynamo", strict=True).run(programs.sized, torch.ones(4))
    for found in dynamo.probe():
        assert vars(found.owner)[found.point.path.rpartition(".")[2]] is before[found.point.name][1]
    assert type(torch._dynamo.convert_frame.compile_lock).__name__ == "RLock"


def test_every_point_is_there_and_has_a_hook() -> None:
    from tracer.observer.hooks import HOOKS

    assert switch.missing() == []
    assert set(HOOKS) == {point.name for point in dynamo.POINTS}


def test_a_missing_hook_is_off_alone(monkeypatch) -> None:
    gone = dynamo.Point("guard", "torch._guards", "GuardsSet.gone", (), "guards")
    found = tuple(dynamo._find(gone) if one.point.name == "guard" else one for one in dynamo.probe())
    monkeypatch.setattr(dynamo, "probe", lambda: found)
    assert switch.missing() == [("guard", "guards", "there is no torch._guards.GuardsSet.gone")]
    session = tracer.Session(engine="dynamo", strict=True)
    with pytest.warns(RuntimeWarning, match=r"can't follow guards"):
        session.run(programs.sized, torch.ones(4))
    assert not session.guards and session.graphs[0].nodes


def test_a_parameter_of_another_name_turns_a_hook_off() -> None:
    renamed = dynamo.POINTS[1]._replace(reads=("code", "a_name_of_other_versions"))
    assert dynamo._find(renamed).why == "_compile has no parameter a_name_of_other_versions"


def test_a_fault_of_a_hook_stays_out_of_the_compile(monkeypatch) -> None:
    from tracer.observer import hooks

    def fails(watch, node, example_value):
        raise ZeroDivisionError("ours")
        yield

    monkeypatch.setattr(hooks.HOOKS["node_value"], "body", fails)
    session = tracer.Session(engine="dynamo", strict=False)
    with pytest.warns(RuntimeWarning, match="ZeroDivisionError: ours"):
        out = session.run(programs.unused, torch.ones(3))
    assert torch.equal(out, torch.ones(3).sin()) and session.records.faults
    with pytest.raises(ZeroDivisionError):
        tracer.Session(engine="dynamo", strict=True).run(programs.unused, torch.ones(3))


def test_overrides_are_refused_with_another_way() -> None:
    with pytest.raises(TracerError, match=r"session\.recompile\("):
        tracer.Session(engine="dynamo", overrides=["eager at x.py:2"])


def test_other_threads_are_not_watched() -> None:
    import threading

    session = tracer.Session(engine="dynamo", strict=True)
    with session.hook.active_for_call():
        thread = threading.Thread(target=lambda: torch.compile(programs.unused, backend="eager")(torch.ones(3)))
        thread.start()
        thread.join()
    assert not session.graphs


def test_our_own_engine_imports_nothing_of_it() -> None:
    code = "import sys, torch, tracer; tracer.trace(lambda x: x + 1, torch.ones(2)); assert 'tracer.observer' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_nothing_of_torchs_is_wrapped_while_nobody_watches() -> None:
    assert SubgraphTracer.create_node.__code__.co_name == "create_node"


def test_the_page_lists_every_hook_point() -> None:
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "docs" / "observer.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip().strip("`"): line for line in text.splitlines() if line.startswith("| `")}
    assert set(rows) == {f"{point.module.removeprefix('torch.')}.{point.path}" for point in dynamo.POINTS}
    assert all(
        rows[f"{found.point.module.removeprefix('torch.')}.{found.point.path}"].rstrip("| ").endswith("yes")
        for found in dynamo.probe()
    )
