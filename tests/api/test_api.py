"""The public functions, as a user meets them: results, errors that say what to do, copies, closing, recordings."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest
import torch

import tracer


def branches(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        return x + 1
    return x - 1


def marked(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    tracer.graph_break()
    return y * 2


def test_trace_gives_the_result_and_what_happened() -> None:
    session = tracer.trace(marked, torch.ones(2))
    assert torch.equal(session.result, torch.full((2,), 4.0))
    assert [found.reason for found in session.graph_breaks] == ["user-requested-break"]
    assert len(session.graphs) == 2
    assert all(graph.gm is not None and graph.op_count == 1 for graph in session.graphs)
    assert "tracer.graph_break()" in session.explain()
    assert "<" in session._repr_html_()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"backend": "induktor"}, ["induktor", "inductor", "eager"]),
        ({"dynamicc": True}, ["dynamicc", "did you mean", "dynamic"]),
        ({"dynamic": "yes"}, ["dynamic", "True", "False", "None"]),
    ],
)
def test_bad_arguments_get_one_error_that_lists_the_valid_ones(settings: dict[str, object], says: list[str]) -> None:
    with pytest.raises(tracer.TracerError) as caught:
        tracer.Session(**settings)
    assert all(word in str(caught.value) for word in says)


def test_fullgraph_names_the_line_and_the_reason() -> None:
    with pytest.raises(tracer.TracerError, match=r"test_api\.py:\d+.*`x\.sum\(\) > 0`"):
        tracer.compile(branches, backend="eager", fullgraph=True)(torch.ones(3))


def test_compile_is_a_decorator_and_keeps_the_original_at_hand() -> None:
    @tracer.compile(backend="eager")
    def double(x: torch.Tensor) -> torch.Tensor:
        """Twice."""
        return x * 2

    assert torch.equal(double(torch.ones(2)), torch.full((2,), 2.0))
    assert double.__doc__ == "Twice." and double.__name__ == "double"
    compiled = tracer.compile(torch.nn.Linear(2, 2), backend="eager")
    compiled(torch.ones(1, 2))
    compiled(torch.ones(1, 2))
    assert compiled.weight.shape == (2, 2)
    assert len(compiled.session.graphs) == 1 and not compiled.session.recompiles


def test_copies_and_pickles_have_sessions_of_their_own() -> None:
    compiled = tracer.compile(torch.nn.Linear(2, 2), backend="eager", dynamic=False)
    x = torch.ones(1, 2)
    expected = compiled(x)
    for other in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert torch.equal(other(x), expected)
        assert other.session is not compiled.session
        assert other.session.config.dynamic is False
        assert other.weight is not compiled.weight


def test_disable_runs_as_python() -> None:
    seen: list[bool] = []

    @tracer.disable
    def outside(x: torch.Tensor) -> float:
        seen.append(torch.compiler.is_compiling())
        return float(x.numpy().sum())

    session = tracer.trace(lambda x: x + outside(x), torch.ones(2))
    assert torch.equal(session.result, torch.full((2,), 3.0))
    assert seen == [False]
    assert "disabled-function" in [found.reason for found in session.graph_breaks]


def test_allow_in_graph_is_one_node() -> None:
    @tracer.allow_in_graph
    def block(x: torch.Tensor) -> torch.Tensor:
        return x.sin().cos()

    session = tracer.trace(lambda x: block(x) + 1, torch.ones(2))
    assert [node.op for node in session.graphs[0].nodes if node.op.startswith("call")] == ["call_function"] * 2
    assert torch.equal(session.result, torch.ones(2).sin().cos() + 1)


def test_a_recording_explains_as_the_session_did(tmp_path: object) -> None:
    session = tracer.trace(marked, torch.ones(2))
    path = f"{tmp_path}/call.jsonl.gz"
    session.save(path)
    assert tracer.load(path).explain() == session.explain()


def test_a_silent_session_still_has_its_graphs() -> None:
    session = tracer.Session(record="nothing")
    session.run(marked, torch.ones(2))
    assert not session.events
    assert [graph.op_count for graph in session.graphs] == [1, 1]


def test_nothing_is_kept_alive() -> None:
    def use() -> tuple[weakref.ref[object], weakref.ref[object]]:
        module = torch.nn.Linear(3, 3)
        compiled = tracer.compile(module, backend="eager")
        compiled(torch.ones(1, 3))
        return weakref.ref(module), weakref.ref(compiled.session)

    module, session = use()
    gc.collect()
    assert module() is None and session() is None


def test_a_closed_session_says_so() -> None:
    with tracer.Session() as session:
        session.run(marked, torch.ones(2))
    with pytest.raises(tracer.TracerError, match="closed"):
        session.run(marked, torch.ones(2))
    assert "graph" in session.explain()


def test_reset_drops_entries_and_compiles_again() -> None:
    compiled = tracer.compile(marked, backend="eager")
    compiled(torch.ones(2))
    before = len(compiled.session.graphs)
    tracer.reset()
    compiled(torch.ones(2))
    assert len(compiled.session.graphs) == 2 * before


def test_one_function_in_two_sessions_and_in_torch_compile() -> None:
    def same(x: torch.Tensor) -> torch.Tensor:
        return x.relu() + 1

    x = torch.randn(4)
    first, second = tracer.compile(same, backend="eager"), tracer.compile(same, backend="eager")
    theirs = torch.compile(same, backend="eager")
    for call in (first, theirs, second, first, second, theirs):
        assert torch.equal(call(x), same(x))
    assert len(first.session.graphs) == len(second.session.graphs) == 1
