"""What the page is given: plain data, true to the run, quick for large recordings; no string of the program is markup."""

from __future__ import annotations

import json
import sys
import time

import pytest
import torch
from torch import nn

import tracer
from tracer.events import ArtifactProduced, CallStarted, GraphBreak, Instruction, kind_of
from tracer.explain.words import file_name
from tracer.journal import Journal
from widgets.bundle import BUNDLE, LIMIT, PAGE, build, fresh
from widgets.document import document
from widgets.exports import files_of
from widgets.models import VIEWS, Book, views
from widgets.models.compare import compare
from widgets.models.events import facts
from widgets.models.stages import stages, text_of
from widgets.models.state import state_at


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        if x.sum() > 0:
            x = x / 2
        return torch.cond(x.sum() > 0, lambda: x + 1, lambda: x - 1)


@pytest.fixture(scope="module")
def session():
    torch.manual_seed(0)
    made = tracer.Session("trace")
    net = Net().eval()
    for n in (2, 3):
        made.run(net, torch.ones(n, 4))
    return made


@pytest.fixture(scope="module")
def data(session):
    return views(Book(session))


def test_all_views_are_plain_data(data):
    assert set(data) == set(VIEWS) and json.loads(json.dumps(data)) == json.loads(json.dumps(data))


def test_head(data, session):
    head = data["head"]
    assert head["sign"] == "broken" and head["state"] == "done" and head["events"] == len(session.events)
    assert head["title"].startswith("4 graphs · 2 graph breaks") and head["stats"][0][:3] == [2, "recompile", "recompiles"]


def test_stages_come_with_their_texts_unless_a_kernel_can_be_asked(session, monkeypatch):
    assert views(Book(session))["stages"] == {"graphs": []}
    other = tracer.Session("trace", backend="aot_eager")
    net = Net()
    other.run(net, torch.ones(2, 4))
    (one, *_) = stages(Book(other))["graphs"]
    assert [row[1:3] for row in one["stages"]] == [["aot_forward", "AOT forward"], ["aot_backward", "AOT backward"]]
    seq, _, _, text, places = one["stages"][0]
    assert isinstance(other.events[seq], ArtifactProduced) and text == other.graphs[0].artifacts[0].text.replace(__file__, file_name(__file__))
    at = f"{__file__}:{Net.forward.__code__.co_firstlineno + 2}"
    first, last = places[0], next(row for row in places if not row[1])
    lines = text.split("\n")
    assert first[1] == at and lines[first[0]].strip().startswith("# File: ") and lines[last[0]].strip() in ("", "return (")
    nodes = [row for row in one["lines"] if row[1] == "linear"]
    assert len(nodes) == 1 and nodes[0][3] == at and other.events[nodes[0][2]].name == "linear"

    monkeypatch.setattr(sys.modules["widgets.models.stages"], "AT_ONCE", 100)  # the package has a function of that name
    live = Book(other, journal=Journal(other.events))
    assert stages(live)["graphs"][0]["stages"][0][3:] == [None, []]
    assert text_of(live, other.graphs[0].name, 0) == [text, places]
    assert stages(Book(other))["graphs"][0]["stages"][0][3] == text, "a page without a kernel holds all of them"


def test_graph_lanes(data, session):
    lanes = data["graph"]["lanes"]
    assert [one["name"] for one in lanes] == [graph.name for graph in session.graphs]
    first = lanes[0]
    linear = first["nodes"]["linear"]
    assert (linear[0], linear[1], linear[3]) == ("op", "linear", "2×4") and linear[7].endswith(
        f"test_models.py:{Net.forward.__code__.co_firstlineno + 2}"
    )
    assert session.events[linear[6]].name == "linear"
    assert first["break"]["title"] and isinstance(session.events[first["break"]["seq"]], GraphBreak)
    drawn = first["drawn"]
    assert len(drawn["widths"]) == len(drawn["at"]) == len(first["nodes"]) and len(drawn["edges"]) % 2 == 0


def test_nodes_of_bodies_say_where_they_are_and_what_made_them(data, session):
    last = next(one for one in data["graph"]["lanes"] if "cond" in one["nodes"])
    assert last["drawn"]["roles"] == {"cond_true": "cond", "cond_false": "cond"}
    said = last["nodes"]["cond_false/sub"]
    assert (said[1], said[14]) == ("sub", "cond_false of cond") and session.events[said[6]].graph == "cond_false"
    assert set(said[13]) <= set(last["nodes"])
    assert {"cond_true/add", "cond_false/sub"} < set(last["nodes"]["cond"][13]) and "cond_true" not in last["nodes"]
    assert last["nodes"]["cond"][14] == "" and last["nodes"]["cond"][6] > said[6]


def test_source(data, session):
    file = data["source"]["files"][0]
    first = Net.forward.__code__.co_firstlineno
    lines = {row[0]: row for row in file["lines"] if len(row) > 1}
    assert lines[first + 2][2] == "cap" and lines[first + 3][2] == "py" and lines[first + 2][3] >= 4
    assert [row[0] for row in file["breaks"]] == [first + 3]
    track = data["source"]["track"]
    assert [row[0] for row in track] == sorted(row[0] for row in track)
    assert all(isinstance(session.events[row[0]], Instruction) for row in track)


def test_timeline(data, session):
    timeline = data["timeline"]
    assert {"call", "frame", "attempt", "tried", "compile"} <= {span[0] for span in timeline["spans"]}
    assert all(0 <= first <= last < len(session.events) for _, first, last, *_ in timeline["spans"])
    assert any(span[5] for span in timeline["spans"] if span[0] == "attempt")
    assert timeline["kept"] == sorted(set(timeline["kept"]))


def test_the_clock_counts_calls_and_ends_with_the_last():
    session = tracer.Session("trace")
    for size in (2, 3):
        session.run(lambda x: x.sin() + 1, torch.ones(size))
        time.sleep(0.05)
    session.close()
    clock = views(Book(session))["timeline"]["clock"]
    calls = [(e.seq, session.journal.span(e.seq)[1]) for e in session.journal.of(CallStarted)]
    spent = [session.events[last].t - session.events[first].t for first, last in calls]
    at = dict(clock)
    assert len(calls) == 2 and session.events[-1].seq > calls[1][1], "the session went on"
    assert clock[0] == [calls[0][0], 0] and clock[-1] == [calls[1][1], sum(spent) // 1000]
    assert at[calls[0][1]] == spent[0] // 1000 and at[calls[1][0]] - at[calls[0][1]] <= 1, "nothing between calls"
    assert [t for _, t in clock] == sorted(t for _, t in clock) and len(clock) < 500


def test_breaks_have_ways_out(data):
    found = data["breaks"]["list"]
    assert found[0]["reason"] == "data-dependent-branch" and found[0]["excerpt"][0][2] == "x.sum() > 0"
    assert {"where", "cond"} <= {fix["name"] for fix in found[0]["fixes"]}
    assert {sign for sign, _ in found[0]["fixes"][0]["diff"]} == {"+", "-", " "}


def test_guards_builder_and_speculations(data, session):
    guards = data["guards"]
    assert [card["change"] for card in data["recompiles"]["list"]] == [["x.shape[0]", "2", "3"]] * 2
    assert all(kind_of(session.events[row[0]]) == "GuardInstalled" for row in guards["list"])
    values = data["builder"]["list"]
    assert any(row[1] == "x" and row[3] == "tensor" and row[5] for row in values)
    tried = data["speculations"]["groups"][0]
    assert [body["outcome"] for body in tried["bodies"]] == ["committed", "committed"] and tried["bodies"][0]["inputs"]


def test_state_and_facts_at_an_event(session):
    book = Book(session)
    seq = next(e.seq for e in session.events if isinstance(e, Instruction) and e.op == "BinaryOp" and e.depth == 0)
    state = state_at(book, seq)
    assert state["frames"][-1][0].endswith("forward") and dict(state["frames"][-1][3])["x"]
    assert [row for row in state["ops"] if row[4]][0][0] == seq
    assert facts(book, seq)["kind"] == "Instruction" and dict(facts(book, seq)["payload"])["op"] == "BinaryOp"


def test_a_page_of_a_large_recording_holds_some_moments():
    layers = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(60)]
    small, large = (tracer.trace(nn.Sequential(*layers[:size]).eval(), torch.ones(2, 4)) for size in (1, 60))
    few, many = (views(Book(one))["state"] for one in (small, large))
    assert few["all"] and len(few["held"]) > 10
    assert not many["all"] and 10 < len(many["held"]) <= 400 and all(one["ops"] for one in many["held"].values())


def test_runs_that_differ_share_one_layout():
    """A node of the first run only and one of the second run only are both drawn, each marked, nothing else is."""
    torch.manual_seed(0)

    def program(x, fast):
        x = x + 1
        x = x.relu() if fast else x.tanh()
        return x.sum()

    left, right = (tracer.trace(program, torch.ones(2), fast) for fast in (True, False))
    found = compare(left, right, left.diff(right))
    (only,) = found["lanes"]
    assert only["state"] == "changed" and set(only["marks"].values()) <= {"added", "removed", "changed"}
    drawn = {row[1] for row in only["nodes"].values()}
    assert {"~ tanh"} <= drawn or {"+ tanh", "− relu"} <= drawn
    assert {"add", "sum"} <= drawn and found["outputs"]["equal"] is False and not found["same"]
    assert json.loads(json.dumps(found)) == found
    assert [row[0] for row in found["figures"]] == ["Graphs", "Breaks", "Guards", "Ops", "Recompiles", "Entries", "Tracing"]
    same = compare(left, left, left.diff(left))
    assert same["same"] and not same["lanes"][0]["marks"] and [g["title"] for g in same["groups"]] == []


def test_strings_of_the_program_are_text():
    def program(x):
        name = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
        print(name)
        return {name: x + 1}

    page = document(tracer.trace(program, torch.ones(2)))
    assert "</script><script>" not in page and "<img src=x" not in page and page.count("<script") == 2


def test_large_recordings_are_made_ready_quickly():
    """40,000 events and 1,000 nodes take about a second; nothing may grow faster than the recording."""
    layers = [nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.LayerNorm(4)) for _ in range(240)]
    recorded = tracer.trace(nn.Sequential(*layers).eval(), torch.ones(2, 4))
    began = time.perf_counter()
    made = views(Book(recorded, journal=Journal(recorded.events)))
    assert len(recorded.events) > 20_000 and time.perf_counter() - began < 15
    assert made["events"]["rows"] is None or len(recorded.events) <= 20_000
    assert len(made["graph"]["lanes"][0]["nodes"]) > 700


def test_the_bundle_is_small_and_fresh():
    build()
    assert fresh() and BUNDLE.stat().st_size <= LIMIT and PAGE.stat().st_size <= LIMIT
    assert "fetch(" not in BUNDLE.read_text() and "innerHTML" not in BUNDLE.read_text()


@pytest.mark.parametrize("suffix", ["html", "jsonl", "json", "svg", "dot", "txt", "perfetto"])
def test_every_format(session, suffix):
    ((name, mime, data),) = files_of(session, suffix)
    assert name.endswith(suffix) and mime and (b"relu" in data or b"graph break" in data)


def test_a_module_comes_with_its_tensors():
    session = tracer.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    assert [name for name, _, _ in files_of(session, "py")] == ["trace.py", "trace.safetensors"]


def test_an_unknown_format_names_the_known_ones(session):
    with pytest.raises(tracer.TracerError, match="html"):
        files_of(session, "doc")


@torch.compiler.nested_compile_region
def scaled(x, by):
    return x * by


def bodies_of(program, *args):
    session = tracer.Session("trace")
    session.run(program, *args)
    return [(group["operator"], group["depth"], group["bodies"]) for group in views(Book(session))["speculations"]["groups"]]


def test_bodies_of_one_call_stand_together_and_say_what_they_share():
    def program(x, y):
        z = torch.cond(x.sum() > 0, lambda v: v + y, lambda v: v * y + x, (x,))
        return torch.cond(x.sum() > 0, lambda v: v.sin(), lambda v: v.cos(), (z,))

    first, second = bodies_of(program, torch.ones(2), torch.ones(2))
    assert [body["body"] for body in first[2]] == ["cond_true", "cond_false"] == [body["body"] for body in second[2]]
    shared = [{row[1]: row[3] for row in body["inputs"]} for body in first[2]]
    assert shared == [{"l_x_": True, "l_y_": True}] * 2
    assert [text for _, _, text in first[2][1]["nodes"]] == ["mul(lifted_l_x_, lifted_l_y_)", "add(mul, lifted_l_x_)"] and first[2][1]["gives"] == "add"
    assert any("y is a Tensor" in text for _, text in first[2][0]["guards"]) and not any("y is a Tensor" in text for _, text in first[2][1]["guards"])


def test_a_body_that_was_taken_back_and_one_that_was_taken_again_say_so():
    log = []

    def program(x):
        y = [scaled(x, 2), scaled(x, 2), scaled(x, 3)]
        return torch.utils.checkpoint.checkpoint(lambda v: torch.cond(v.sum() > 0, lambda u: u + 1, lambda u: u - 1, (v,)), y[0], use_reentrant=False)

    found = bodies_of(program, torch.ones(2))
    assert [(operator, depth, [body["outcome"] for body in bodies]) for operator, depth, bodies in found] == [
        ("nested region", 0, ["committed"]), ("nested region", 0, ["taken again"]), ("nested region", 0, ["committed"]), ("checkpoint", 0, ["committed"]),
        ("cond", 1, ["committed", "committed"]),
    ]  # fmt: skip
    assert found[1][2][0]["of"] == found[0][2][0]["seq"] and found[2][2][0]["because"] == "its argument 1 is another"

    def leaks(x):
        log.append(1)
        return x

    session = tracer.Session("trace")
    with pytest.raises(Exception, match="side effect"):
        session.run(lambda x: torch.cond(x.sum() > 0, leaks, lambda v: v + 1, (x,)), torch.ones(2))
    bodies = [body for group in views(Book(session))["speculations"]["groups"] for body in group["bodies"]]
    taken = [body for body in bodies if body["outcome"] == "rolled back"]
    assert taken and taken[0]["reason"].startswith("changes leaks") and ["changes", 1] in taken[0]["undone"]


def test_forward_and_backward_of_a_function_are_two_bodies():
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2

    ((_, _, bodies),) = bodies_of(lambda x: Doubled.apply(x), torch.ones(2, requires_grad=True))
    assert [body["body"] for body in bodies] == ["fwd_body", "bwd_body"] and bodies[1]["inputs"][0][:2] == ["gradient_0", ""]


def test_a_waiting_call_runs_to_where_a_body_is_taken_back():
    log = []

    def leaks(x):
        log.append(1)
        return x

    stepper = tracer.step(lambda x: torch.cond(x.sum() > 0, leaks, lambda v: v + 1, (x,)), torch.ones(2))
    try:
        at = stepper.until(kind="RolledBack")
        assert at.reason.startswith("changes leaks") and dict(at.undone)["changes"] == 1
    finally:
        stepper.abandon()


def test_a_waiting_call_goes_over_a_body_and_into_it():
    def program(x):
        return torch.cond(x.sum() > 0, lambda v: v.sin(), lambda v: v.cos(), (x,))

    for command, inside in (("over", False), ("into", True)):
        stepper = tracer.step(program, torch.ones(2))
        try:
            begun = stepper.until(kind="SpeculationStarted")
            at = getattr(stepper, command)()
            assert begun.body == "cond_true" and (at.parent == begun.seq or at.parent > begun.seq) is inside
        finally:
            stepper.abandon()
