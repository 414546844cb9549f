"""Two runs compared: each kind of difference is found, and nothing else is said."""

from __future__ import annotations

import dataclasses
import math
import random
import time
import types

import pytest
import torch

import tracer
from tracer.diff import diff
from tracer.diff.align import align
from tracer.diff.outputs import compare
from tracer.records import Node


def one(x):
    y = x * 2
    return y.relu() + 1


def other(x):
    y = x * 2
    print("between")
    return y.relu() + 1


def trace(fn, *args, **config):
    session = tracer.Session("trace", **config)
    session.run(fn, *args)
    return session


def test_a_run_is_the_same_as_itself_and_its_like(tmp_path):
    a, b = trace(one, torch.ones(3)), trace(one, torch.ones(3))
    found = a.diff(b)
    assert found.same and found.graphs[0].state == "same" and not found.graphs[0].changes
    assert str(found).startswith("Both runs captured the same · outputs are equal")
    a.save(tmp_path / "a.jsonl")
    recording = tracer.load(tmp_path / "a.jsonl")
    assert recording.diff(b).same and "holds no results" in str(b.diff(recording))


def test_nodes_that_changed(capsys):
    a, b = trace(one, torch.ones(3)), trace(one, torch.ones(4, dtype=torch.float64))
    found = a.diff(b)
    assert not found.same and found.graphs[0].state == "changed"
    change = next(c for c in found.graphs[0].changes if c.right and c.right.target == "mul")
    assert dict((name, (old, new)) for name, old, new in change.what) == {
        "shape": ("(3,)", "(4,)"),
        "dtype": ("float32", "float64"),
    }
    assert found.guards_changed and found.outputs[0].note == "shape (3,) became (4,)"
    assert "shape (3,) → (4,)" in str(found)


def test_breaks_and_graphs(capsys):
    a, b = trace(one, torch.ones(3)), trace(other, torch.ones(3))
    found = a.diff(b)
    assert [x.reason for x in found.breaks_gained] == ["print-call"] and not found.breaks_lost
    assert found.outputs and found.outputs[0].same
    back = b.diff(a)
    assert [x.reason for x in back.breaks_lost] == ["print-call"] and "−1 break" in str(back)
    plain = found.plain()
    assert plain["breaks"]["gained"] and not plain["same"] and plain["graphs"]


def test_a_break_that_moved_with_its_function_is_the_same(tmp_path):
    program = "import torch\ndef f(x):\n    print('here')\n    x = x + 1\n    print('there')\n    return x * 2\n"
    runs = []
    for text in (program, program.replace("def f", "\n\ndef f"), program.replace("    print('here')\n", "")):
        path = tmp_path / f"version{len(runs)}.py"
        path.write_text(text)
        names: dict = {}
        exec(compile(text, str(path), "exec"), names)
        runs.append(trace(names["f"], torch.ones(2)))
    moved, removed = runs[0].diff(runs[1]), runs[0].diff(runs[2])
    assert not moved.breaks_gained and not moved.breaks_lost
    assert [one.context["expr"] for one in removed.breaks_lost] == ["print('here')"] and not removed.breaks_gained


def test_added_and_removed_nodes():
    nodes = [Node(f"n{i}", "call_function", f"op{i % 7}", shape=(i,)) for i in range(20)]
    pairs = align(
        nodes,
        [*nodes[:5], *nodes[8:12], Node("new", "call_function", "other"), *nodes[12:]],
        lambda n: (n.op, n.target, n.shape),
    )
    assert [a.name for a, b in pairs if b is None] == ["n5", "n6", "n7"]
    assert [b.name for a, b in pairs if a is None] == ["new"]
    assert [a for a, _ in pairs if a] == nodes


def test_large_graphs_are_aligned_fast():
    left = [Node(f"n{i}", "call_function", f"op{i % 13}") for i in range(10_000)]
    right = [node for i, node in enumerate(left) if i % 97] + [Node("x", "call_function", "op3")] * 50
    began = time.process_time()
    pairs = align(left, right, lambda n: (n.op, n.target))
    assert time.process_time() - began < 2
    assert len(pairs) >= len(left) and all(a is None or b is None or a.target == b.target for a, b in pairs)


def test_few_changes_in_a_large_list_of_few_kinds_are_found_exactly():
    draw = random.Random(1)
    left = [draw.randrange(13) for _ in range(10_000)]
    right = [kind for kind in left if draw.random() > 0.02]
    began = time.perf_counter()
    pairs = align(left, right, lambda kind: kind)
    assert time.perf_counter() - began < 2
    assert len(pairs) == len(left) and all(b is not None and (a is None or a == b) or b is None for a, b in pairs)
    assert [a for a, _ in pairs if a is not None] == left and [b for _, b in pairs if b is not None] == right


def test_symbols_settings_and_recompiles():
    a, b = tracer.Session("trace"), tracer.Session("trace", dynamic=True)
    for session in (a, b):
        for n in (3, 5):
            session.run(one, torch.ones(n))
    found = a.diff(b)
    assert ("dynamic", None, True) in found.settings and len(found.recompiles[0]) == 1 and not found.recompiles[1]
    assert "Recompiles: 1 → 0" in str(found)
    static = trace(one, torch.ones(3)).diff(trace(one, torch.ones(3), dynamic=True))
    assert static.symbols and static.symbols[0][1:] == ("", "symbolic")


@dataclasses.dataclass
class Output:
    logits: torch.Tensor
    extra: dict


@pytest.mark.parametrize(
    ("left", "right", "path", "max_abs", "note"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]), "out", 0.5, ""),
        (Output(torch.ones(2), {"a": (1, 2)}), Output(torch.ones(2), {"a": (1, 5)}), "out.extra['a'][1]", 3.0, ""),
        ([1.0], [1.0, 2.0], "out[1]", None, "only in the second run"),
        (torch.tensor([math.nan, 1.0]), torch.tensor([math.nan, 1.0]), None, 0.0, ""),
        (torch.tensor([math.nan]), torch.tensor([1.0]), "out", math.inf, "NaN in one run only"),
        (torch.tensor([math.inf]), torch.tensor([math.inf]), None, 0.0, ""),
        (torch.tensor([math.inf]), torch.tensor([1.0]), "out", math.inf, ""),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2), "out", 0.0, "torch.bfloat16 became torch.float32"),
        (torch.empty(0), torch.empty(0), None, 0.0, ""),
        ("a", "b", "out", None, "'a' became 'b'"),
        (1, "a", "out", None, "int became str"),
        (torch.tensor([1 + 1j]), torch.tensor([1 + 2j]), "out", 1.0, ""),
        (2**70, 2**70 + 1, "out", 1.0, ""),
        (2**53, 2**53 + 1, "out", 1.0, ""),
        (torch.tensor(2**53), torch.tensor(2**53 + 1), "out", 1.0, ""),
        (True, 1, "out", 0.0, "bool became int"),
        ({1, 2}, {1, 3}, "out", None, "{1, 2} became {1, 3}"),
        (torch.float32, torch.int8, "out", None, "torch.float32 became torch.int8"),
        ([1], (1,), "out", None, "list became tuple"),
        (torch.ones(2).to_sparse(), torch.zeros(2).to_sparse(), "out", 1.0, ""),
        (torch.tensor([math.inf]), torch.tensor([-math.inf]), "out", math.inf, ""),
        (types.SimpleNamespace(a=torch.ones(1)), types.SimpleNamespace(a=torch.zeros(1)), "out.a", 1.0, ""),
    ],
)
def test_outputs(left, right, path, max_abs, note):
    different = [output for output in compare(left, right) if not output.same]
    if path is None:
        assert not different
    else:
        assert [(o.path, o.max_abs, o.note) for o in different] == [(path, max_abs, note)]


def test_what_cannot_be_told_apart_is_said_and_no_difference():
    knot: list = []
    knot.append(knot)
    knot.append(knot)
    assert compare(knot, knot) == ()
    for value in (object(), torch.ones(2, device="meta")):
        (found,) = compare(value, type(value)() if type(value) is object else torch.ones(2, device="meta"))
        assert found.same and not found.compared and "compared" in found.note
    a, b = trace(one, torch.ones(3)), trace(one, torch.ones(3))
    a.result, b.result = (torch.ones(1), object()), (torch.ones(1), object())
    assert (
        a.diff(b).same
        and "as far as they were compared" in str(a.diff(b))
        and "object is not compared" in str(a.diff(b))
    )


BEFORE = """
def program(x):
    x = x.relu()
    x = x.relu()
    x = x.sin()
    return x * 2
"""


def made(source, path):
    namespace: dict = {}
    exec(compile(source, str(path), "exec"), namespace)
    return namespace["program"]


def test_a_function_that_moved_is_the_same_function(tmp_path):
    a, b = (
        trace(made(BEFORE, tmp_path / "a.py"), torch.ones(3)),
        trace(made("\n\n" + BEFORE, tmp_path / "b.py"), torch.ones(3)),
    )
    assert a.diff(b).same, str(a.diff(b))


def test_a_line_that_came_in_between_is_the_only_difference(tmp_path):
    edited = BEFORE.replace("    x = x.sin()\n", "    x = x.relu()\n    x = x.cos()\n    x = x.sin()\n")
    found = trace(made(BEFORE, tmp_path / "a.py"), torch.ones(3)).diff(
        trace(made(edited, tmp_path / "a.py"), torch.ones(3))
    )
    (graph,) = found.graphs
    assert [(c.state, c.right.target) for c in graph.changes] == [("added", "relu"), ("added", "cos")]
    states = [row[0] for row in found.plain()["graphs"][0]["nodes"]]
    assert states.count("same") == len(graph.left.nodes) and states.count("added") == 2


def test_repetitions_are_aligned_anew_behind_an_insertion():
    left = list("ababab")
    pairs = align(left, list("aababab"), lambda letter: letter)
    assert [b for a, b in pairs if a is None] == ["a"] and all(pair[1] for pair in pairs)


def test_why_outputs_are_not_compared():
    a, b = trace(one, torch.ones(3)), trace(one, torch.ones(3))
    b.not_comparable = "Random tensors stood in for the inputs."
    found = diff(a, b)
    assert found.outputs == () and "Random tensors stood in" in str(found)


def test_html_is_escaped_and_has_no_scripts():
    def program(x):
        name = "<script>alert(1)</script>"
        return {name: x + 1}

    found = trace(program, torch.ones(3)).diff(trace(program, torch.ones(4)))
    page = found._repr_html_()
    assert "<script" not in page and "&lt;script&gt;" in page


def sized(x, y):
    rows = (x.reshape(-1, 2) * x.shape[0]).sum(0)
    return rows + y.view(-1)[:2] + torch.zeros(y.shape[0] * x.shape[0] + 1).sum()


def test_engines_name_symbols_and_inputs_in_their_own_ways() -> None:
    runs = []
    for engine in ("tracer", "dynamo"):
        session = tracer.Session(dynamic=True, engine=engine)
        session.run(sized, torch.ones(6, 2), torch.ones(4, 3))
        runs.append(session)
    found = runs[0].diff(runs[1])
    assert [node for graph in found.graphs for node in graph.nodes if node.state != "same"] == []
    assert found.symbols == ()


@pytest.mark.parametrize(
    ("one", "names", "other", "others", "same"),
    [
        (("s1*s2",), {"s1": "x_dim_0", "s2": "y_dim_0"}, ("s9*s3",), {"s3": "x_dim_0", "s9": "y_dim_0"}, True),
        (("2*s1 + s2", 3), {"s1": "x_dim_0", "s2": "y_dim_0"}, ("s1 + 2*s2", 3), {"s2": "x_dim_0", "s1": "y_dim_0"}, True),
        (("s1",), {"s1": "x_dim_0"}, ("s1",), {"s1": "y_dim_0"}, False),
        (("s1 // 2",), {"s1": "x_dim_0"}, ("s7 // 3",), {"s7": "x_dim_0"}, False),
        (("Mod(s1, 0) + __import__('os').getpid()",), {"s1": "x_dim_0"}, ("Mod(s7, 0) + __import__('os').getpid()",), {"s7": "x_dim_0"}, True),
    ],
)
def test_sizes_are_compared_by_the_inputs_that_have_them(one, names, other, others, same) -> None:
    """As text where they are more than sums and products: nothing of a file is run."""
    from tracer.diff.symbols import renamed

    assert (renamed(one, names) == renamed(other, others)) is same
