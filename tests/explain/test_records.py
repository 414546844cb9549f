"""Records from events alone: abandoned attempts count for nothing, one record for one break."""

from tracer import events as ev
from tracer.journal import Journal, Recorder
from tracer.recording import load
from tracer.records import GraphBreak, GraphInput, Node, Place, Records, from_events, place

from .sample import compiled, node, session


def records():
    return from_events(session().events)


def test_graphs():
    graph, second = records().graphs
    assert (graph.name, graph.frame, graph.backend, graph.seconds, graph.call) == ("graph_0", "0/0", "eager", 0.125, 1)
    assert [node.name for node in graph.nodes] == ["x", "relu"] and graph.op_count == 1
    at = Place("model.py", 6, 7, 6, 18)
    relu = Node("relu", "call_function", "torch.relu", "(%x)", (4, 3), "float32", "cpu", "attn", at, ("x",))
    assert graph.nodes[1] == relu
    assert graph.inputs == [GraphInput("x", "x", (4, 3), "float32", "cpu")]
    assert [(guard.source, guard.kind) for guard in graph.guards] == [
        ("x", "TENSOR_MATCH"),
        ("self.attn.weight", "TENSOR_MATCH"),
        ("x", "TYPE_MATCH"),
    ]
    assert graph.artifacts == [("aot_forward", "forward", "def forward(x): ...")] and second.artifacts == []
    assert graph.gm is None and graph.example_inputs is None


def test_one_record_for_one_break_with_the_frames_it_splits():
    (found,) = records().graph_breaks
    assert found.reason == "data-dependent-branch" and found.frames == ["0/0", "1/0"] and found.call == 1
    assert found.location == Place("model.py", 6, 7, 6, 18) and found.location.end_column == 18
    assert [(entry.function, entry.line) for entry in found.user_stack] == [("step", 12), ("forward", 6)]
    assert found.context == {"expr": "h.max() > 3", "line": "6"} and len(found.hints) == 2


def test_the_same_break_in_another_call_or_for_another_reason_is_another():
    kept = Records()
    first = GraphBreak("a", "A", location=Place("m.py", 1), frames=["0/0"], call=1)
    for other in (
        GraphBreak("a", "A", location=Place("m.py", 1), call=2),
        GraphBreak("b", "B", location=Place("m.py", 1), call=1),
    ):
        kept.add_break(other)
    assert kept.add_break(first) is first and len(kept.graph_breaks) == 3
    assert kept.add_break(GraphBreak("a", "A", location=Place("m.py", 1), frames=["0/0", "1/0"], call=1)) is first
    assert first.frames == ["0/0", "1/0"]


def test_guards_know_what_installed_them():
    found = records().guards
    assert [guard.source for guard in found] == ["x", "self.attn.weight", "x", "h"]
    assert isinstance(found[0].cause, ev.BuildStarted) and found[0].cause.source == "x"
    assert isinstance(found[2].cause, ev.AttemptStarted)


def test_frames():
    first, resumed, skipped, again = records().frames
    assert (first.id, first.outcome, first.attempts, first.graph) == ("0/0", "compiled", 2, "graph_0")
    assert (resumed.resumes, resumed.name, resumed.attempts) == ("0/0", "forward", 1)
    assert (skipped.id, skipped.outcome, skipped.reason) == ("", "skipped", "it is a generator")
    assert (again.outcome, again.graph, again.reason) == ("failed", "", "an internal fault (see below)")


def test_speculations_and_recompiles_and_faults():
    found = records()
    assert [(one.operator, one.body, one.outcome, one.reason, one.lifted, one.graph) for one in found.speculations] == [
        ("cond", "true_fn", "rolled back", "it writes to outside state", (), ""),
        ("map", "body", "committed", "", ("w",), "graph_0.body"),
    ]
    (again,) = found.recompiles
    assert again.failed_guards == (("x.shape[0] == 4", "5"), ("self.training is True", "False"))
    assert again.values == {"x": "5", "self.training": "False"} and again.entries == ("0/0", "0/0")
    assert (again.location, again.frame, again.call) == (Place("model.py", 11, 0, 11, 3), "0/1", 2)
    assert [(fault.python_type, fault.text) for fault in found.faults] == [("KeyError", "'dim'")]


def test_stats_are_numbers():
    stats = records().stats
    wanted = {
        "calls": 2, "frames": 3, "graphs": 2, "graph_breaks": 1, "guards": 4, "recompiles": 1, "ops": 2, "attempts": 4,
        "restarts": 1, "skipped": 1, "speculations": 2, "faults": 1, "instructions": 1, "cache_hits": 1,
    }  # fmt: skip
    assert wanted.items() <= stats.items()
    assert stats["backend_seconds"] == 0.25 and stats["seconds"] > 0
    assert all(type(value) in (int, float) for value in stats.values())


def test_a_rejected_entry_past_the_limit_is_no_recompile():
    rec = Recorder()
    rec.point(ev.GuardFailed, "0/0", "x", "x == 1", "2")
    rec.point(ev.Recompiled, "f", 8, True)
    assert from_events(rec.events).recompiles == []


def test_a_graph_that_the_backend_refused_is_none():
    rec = Recorder()
    opens = rec.begin(ev.GraphCompileStarted, "graph_0", "inductor")
    rec.end(ev.GraphCompiled, opens, "graph_0", "inductor", 0.1, "RuntimeError: no compiler")
    assert from_events(rec.events).graphs == []


def test_frames_may_call_their_graphs_alike():
    rec = Recorder()
    for frame in ("0/0", "1/0"):
        rec.frame = frame
        node(rec, "graph", f"relu_{frame[0]}")
        compiled(rec, "graph", artifacts=False)
    assert [[n.name for n in graph.nodes] for graph in from_events(rec.events).graphs] == [["relu_0"], ["relu_1"]]


def test_a_session_that_goes_on():
    events = session().events
    for end in range(len(events) + 1):  # also every recording that was cut short
        from_events(events[:end])
    begun = from_events(events[:8])
    assert begun.frames[0].outcome == "open" and begun.calls[0].outcome == "open"


def test_live_and_loaded_agree(tmp_path):
    rec = session()
    Journal(rec.events).save(tmp_path / "run.jsonl.gz")
    recording = load(tmp_path / "run.jsonl.gz")
    live = from_events(rec.events)
    assert recording.records == live and recording.records.stats == live.stats
    for name in ("calls", "frames", "graphs", "graph_breaks", "guards", "speculations", "recompiles", "faults"):
        assert getattr(recording, name) == getattr(live, name)
    assert recording.events == rec.events and not recording.truncated
    assert recording.config.backend == "eager" and recording.versions == {"torch": "2.13.0"}
    assert "2 graphs" in repr(recording) and recording._repr_html_().startswith("<div")


def test_a_recording_that_was_cut_short_says_so(tmp_path):
    Journal(session().events).save(tmp_path / "run.jsonl")
    data = (tmp_path / "run.jsonl").read_bytes()
    (tmp_path / "run.jsonl").write_bytes(data[: len(data) // 2])
    recording = load(tmp_path / "run.jsonl")
    assert recording.truncated and "This recording was cut short" in recording.explain()
    assert "cut short" in recording._repr_html_()


def test_places():
    assert place(()) is None
    assert place(("a.py", 3, None, None, None)) == Place("a.py", 3) and str(Place("a.py", 3)) == "a.py:3"
    assert place(("a.py", 3)) == Place("a.py", 3)
