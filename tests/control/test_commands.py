"""What each command means, as scripts: where the call waits, then the command given there."""

from __future__ import annotations

import sys

import pytest
import torch

import tracer
from tests.control.samples import SAMPLES, branches, broken, plain
from tracer.errors import TracerError
from tracer.events import InlineStarted, kind_of


def place(stepper) -> str:
    """`kind op-or-name function:line`, relative to the function's first line."""
    at = stepper.at
    if at is None:
        return "end"
    what = next(
        (
            str(getattr(at, f))
            for f in ("target", "op", "function", "reason", "source", "operator")
            if getattr(at, f, "")
        ),
        "",
    )
    line = at.location[1] if at.location else 0
    for name, (fn, _) in {**SAMPLES, "double": (SAMPLES["plain"][0].__globals__["double"], None)}.items():
        first = fn.__code__.co_firstlineno
        if any(first <= line <= number for *_, number in fn.__code__.co_lines() if number):
            last = max(number for *_, number in fn.__code__.co_lines() if number)
            if line <= last:
                return f"{kind_of(at)} {what} {name}+{line - first}".replace("  ", " ")
    return f"{kind_of(at)} {what}".strip()


def play(stepper, script: str) -> None:
    """Each line: where the call waits; behind `|`, the command given there."""
    for number, text in enumerate(filter(None, (line.strip() for line in script.splitlines())), 1):
        expected, _, command = (part.strip() for part in text.partition("|"))
        assert place(stepper) == expected, f"line {number} of the script: {stepper}"
        if command:
            eval(f"stepper.{command}", {"stepper": stepper})  # our own scripts


#: The place for `self` in a call is pushed before the callee, or behind it since CPython 3.13.
NULL_FIRST = sys.version_info < (3, 13)
FIRST = "PushNull" if NULL_FIRST else "LoadGlobal"


def test_into_goes_everywhere():
    stepper = tracer.step(plain, torch.ones(3))
    null = "Instruction PushNull plain+1          | into()"
    play(
        stepper,
        f"""
        {null if NULL_FIRST else ""}
        Instruction LoadGlobal plain+1        | into()
        BuildStarted double plain+1           | into()
        GuardInstalled double plain+1         | into()
        {"" if NULL_FIRST else null}
        Instruction LoadFast plain+1          | into()
        BuildStarted x plain+1                | over()
        Instruction Call plain+1              | into()
        InlineStarted double plain+1          | into()
        Instruction LoadFast double+1         | into()
        Instruction LoadConst double+1        | into()
        Instruction BinaryOp double+1         | into()
        NodeCreated mul double+1              | into()
        Instruction StoreFast double+1        | out()
        Instruction StoreFast plain+1         | run()
        end
        """,
    )
    torch.testing.assert_close(stepper.result, plain(torch.ones(3)))


def test_over_runs_through_calls_and_line_goes_by_lines():
    play(
        tracer.step(plain, torch.ones(3)),
        f"""
        Instruction {FIRST} plain+1                | until("Instruction", when=lambda e: e.op == "Call")
        Instruction Call plain+1                    | over()
        Instruction StoreFast plain+1               | line()
        Instruction LoadFast plain+2                | line()
        Instruction LoadFast plain+3                | line()
        end
        """,
    )
    play(
        tracer.step(plain, torch.ones(3)),
        f"""
        Instruction {FIRST} plain+1                | until(function="double")
        InlineStarted double plain+1                | line()
        Instruction LoadFast double+1               | line()
        Instruction LoadFast double+2               | line()
        Instruction LoadFast plain+2                | abort()
        end
        """,
    )


def test_decision_skips_instructions():
    stepper = tracer.step(branches, torch.ones(3))
    kinds = []
    while stepper.decision():
        kinds.append(kind_of(stepper.at))
    assert "Instruction" not in kinds and "Summary" not in kinds
    assert kinds.count("SpeculationStarted") == 2 and "GuardInstalled" in kinds and "CodeGenerated" in kinds


def test_until_line_is_pdbs():
    play(
        tracer.step(broken, torch.ones(3)),
        f"""
        Instruction {FIRST} broken+1               | until()
        Instruction {FIRST} broken+2               | until(line={broken.__code__.co_firstlineno + 5})
        Instruction LoadFast broken+5               | until(line=1)
        end
        """,
    )


def test_out_follows_a_function_over_its_breaks(capsys):
    stepper = tracer.step(broken, torch.ones(3))
    assert stepper.out() is None
    assert len(stepper.session.graph_breaks) == 1 and capsys.readouterr().out == "between\n" * 2


def test_terms():
    for terms, kind in (
        ({"kind": "GraphBreak"}, "GraphBreak"),
        ({"reason": "print-*"}, "GraphBreak"),
        ({"target": "mul"}, "NodeCreated"),
        ({"kind": "GuardInstalled", "source": "x"}, "GuardInstalled"),
        ({"source": "x"}, "BuildStarted"),
        ({"line": f"samples.py:{broken.__code__.co_firstlineno + 4}"}, "Instruction"),
        ({"kind": ("CodeGenerated", "GraphCompiled")}, "GraphCompiled"),
        ({"when": lambda e: e.depth == 1}, "InlineStarted"),
        ({"function": "double", "kind": "Instruction"}, "Instruction"),
    ):
        with tracer.step(broken, torch.ones(3)) as stepper:
            assert kind_of(stepper.until(**terms)) == kind, terms
            assert stepper.why.startswith("until ")


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"kind": "Graphbreak"}, "no kind of event 'Graphbreak'"),
        ({"line": 0, "file": "x"}, "line=0 is no line"),
        ({"line": "x.py"}, "is no line"),
        ({"when": 3}, "no function of an event"),
        ({"file": None, "kind": None, "source": None}, "at least one term"),
    ],
)
def test_bad_terms_are_refused_and_the_call_stays(terms, message):
    with tracer.step(plain, torch.ones(3)) as stepper:
        before = stepper.at
        with pytest.raises(TracerError, match=message):
            stepper.until(**terms)
        with pytest.raises(TracerError, match=message):
            stepper.breakpoint(**terms)
        assert stepper.at is before
        torch.testing.assert_close((stepper.run(), stepper.result)[1], plain(torch.ones(3)))


def test_breakpoints(capsys):
    stepper = tracer.step(broken, torch.ones(3))
    inside = broken.__code__.co_firstlineno + 4
    first = stepper.breakpoint(line=inside)
    stepper.run()
    assert stepper.why == "breakpoint 1" and stepper.at.location[1] == inside and first.hits == 1
    stepper.clear(1)
    second = stepper.breakpoint("GraphBreak", temporary=True)
    assert kind_of(stepper.run()) == "GraphBreak" and stepper.breakpoints == [] and second.hits == 1
    third = stepper.breakpoint("Instruction", line=inside, ignore=1)
    stepper.run()
    assert third.hits == 2 and third.ignore == 0 and stepper.at.location[1] == inside
    third.enabled = False
    fourth = stepper.breakpoint("Instruction", condition=lambda e: e.op == "Return")
    assert stepper.run().op == "Return" and "fourth" not in repr(fourth) and "2 hits" in repr(third)
    with pytest.raises(TracerError, match=r"(?s)no breakpoint 9.*known: 3, 4"):
        stepper.clear(9)
    stepper.clear()
    assert stepper.run() is None


def test_a_condition_that_raises_stops_the_call():
    stepper = tracer.step(plain, torch.ones(3))
    stepper.breakpoint("NodeCreated", condition=lambda e: 1 / 0)
    assert kind_of(stepper.run()) == "NodeCreated" and "breakpoint 1 raised ZeroDivisionError" in stepper.why
    stepper.clear()
    assert stepper.run() is None


def test_what_was_recorded_can_be_looked_at():
    stepper = tracer.step(plain, torch.ones(3))
    stepper.until(target="add")
    here = stepper.at
    for _ in range(5):
        stepper.back()
    assert stepper.at.seq < here.seq
    assert stepper.next().seq <= here.seq
    assert stepper.seek(0) is stepper.session.events[0]
    with pytest.raises(TracerError, match="no event before"):
        stepper.back()
    with pytest.raises(TracerError, match="no event 100000"):
        stepper.seek(100_000)
    assert stepper.into().seq > here.seq  # commands go on from where the call waits
    while stepper.into():
        pass
    with pytest.raises(TracerError, match="has ended"):
        stepper.over()


def test_stack_locals_graph_and_guards_where_it_waits():
    stepper = tracer.step(plain, torch.ones(3))
    stepper.until(target="add")
    assert [value.text for value in stepper.stack] == ["mul", "1"] and stepper.stack[0].shape == (3,)
    assert stepper.locals["x"].source == "x" and str(stepper.locals["y"]) == "mul float32[3]"
    assert [repr(node) for node in stepper.graph] == [
        "%mul = mul(l_x_, 2) : float32[3]",
        "%add = add(mul, 1) : float32[3]",
    ]
    assert {guard.source for guard in stepper.guards} == {"double", "x"}
    stepper.seek(stepper.session.journal.of(InlineStarted)[0].seq + 1)
    assert list(stepper.locals) == ["x"] and stepper.graph == []
    stepper.abort()


def test_overrides_where_it_waits():
    stepper = tracer.step(plain, torch.ones(3))
    stepper.until("Instruction", when=lambda e: e.op == "Call")
    at = stepper.at
    stepper.override("eager")  # the call that waits
    assert stepper.at is not None and stepper.at.seq > at.seq
    with pytest.raises(TracerError, match="no override 'egaer'"):
        stepper.override("egaer")
    assert not stepper.done
    stepper.run()
    torch.testing.assert_close(stepper.result, plain(torch.ones(3)))
    assert [one.reason for one in stepper.session.graph_breaks] == ["override-asked-for-break"]
    again = tracer.step(plain, torch.ones(3))
    again.until(target="add")
    again.override(
        f"break_here at samples.py:{plain.__code__.co_firstlineno + 1}"
    )  # applied earlier: the frame begins again
    assert kind_of(again.at) == "Instruction" and again.at.attempt == 1 and again.at.depth == 0
    again.run()
    torch.testing.assert_close(again.result, plain(torch.ones(3)))
    assert len(again.session.graphs) == 2 or len(again.session.graph_breaks) == 1


def test_results():
    stepper = tracer.step(plain, torch.ones(3))
    with pytest.raises(TracerError, match="has not ended"):
        _ = stepper.result
    stepper.run()
    torch.testing.assert_close(stepper.result, plain(torch.ones(3)))
    assert stepper.session.result is stepper.result
    stepper = tracer.step(SAMPLES["doomed"][0], torch.ones(3))
    stepper.run()
    with pytest.raises(ValueError, match="no 1") as caught:
        _ = stepper.result
    assert not [entry for entry in caught.traceback if entry.path.name in ("stepper.py", "gate.py")][1:]


def test_one_call_at_a_time_and_something_to_stop_at():
    stepper = tracer.step(plain, torch.ones(3))
    with pytest.raises(TracerError, match="stepping through a call already"):
        stepper.session.step(plain, torch.ones(3))
    stepper.abort()
    assert stepper.session.step(plain, torch.ones(3)).run() is None
    with pytest.raises(TracerError, match="no events to stop at"):
        tracer.Session(record="nothing").step(plain, torch.ones(3))
    quiet = tracer.Session(record="decisions").step(plain, torch.ones(3))
    assert kind_of(quiet.at) == "CallStarted" and quiet.until(target="add") and quiet.run() is None


def test_compiled_entries_and_changed_settings():
    session = tracer.Session("step", dynamic=True)
    first = session.step(plain, torch.ones(3))
    first.run()
    second = session.step(plain, torch.ones(7))
    assert second.done or kind_of(second.at) != "Instruction"
    torch.testing.assert_close(second.result, plain(torch.ones(7)))


@pytest.mark.parametrize("target", ["sin", "torch.sin", "torch.*", "relu", "add", "add_1"])
def test_a_node_is_met_by_its_target_the_targets_last_part_or_its_name(target) -> None:
    stepper = tracer.step(lambda x: torch.sin(x).relu() + 1 + 2, torch.ones(1))
    event = stepper.until(target=target)
    assert kind_of(event) == "NodeCreated" and target.rpartition(".")[2] in (event.name, event.target.rpartition(".")[2], "*")
    stepper.run()


# ---- lines, as in a debugger
class Block(torch.nn.Module):
    def forward(self, x):
        y = helped(x)
        return y + 1


def helped(x):
    return x * 2


def net(x):
    for block in BLOCKS:
        x = block(x)
    return x.relu()


BLOCKS = torch.nn.ModuleList([Block(), Block()])


def lines(stepper, command: str, most: int = 30) -> list[str]:
    """The lines of this file that a command goes to, one after another, to the end of the call."""
    source, found = open(__file__).read().splitlines(), []
    while not stepper.done and len(found) < most:
        assert stepper.at.location[0] == __file__
        found.append(source[stepper.at.location[1] - 1].strip())
        getattr(stepper, command)()
    return found


def test_a_call_is_entered_once_past_all_that_a_library_does_on_the_way():
    block = ["x = block(x)", "y = helped(x)", "return x * 2", "return y + 1"]
    loop = "for block in BLOCKS:"
    assert lines(tracer.step(net, torch.ones(3)), "enter") == [loop, *block, loop, *block, loop, "return x.relu()"]


def test_the_next_line_is_one_of_this_function():
    loop, call = "for block in BLOCKS:", "x = block(x)"
    assert lines(tracer.step(net, torch.ones(3)), "line") == [loop, call, loop, call, loop, "return x.relu()"]


def test_a_modules_call_begins_in_its_own_code():
    stepper = tracer.step(torch.nn.Sequential(Block()), torch.ones(3))
    seen = []
    while not stepper.done and stepper.at.location[0] != __file__:
        seen.append(stepper.state.frames[-1].function)
        stepper.enter()
    assert set(seen) == {"Sequential.forward"} and stepper.locals["x"].shape == (3,)
    assert tracer.step(Block(), torch.ones(3)).at.location[:2] == (__file__, Block.forward.__code__.co_firstlineno + 1)
