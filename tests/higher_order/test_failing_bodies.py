"""Bodies that can't be captured: what is raised or given is what it is untraced, and the break says what the body does, where, and what to do."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch._higher_order_ops.map import map as torch_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.utils.checkpoint import checkpoint

import tracer

SEEN: list[int] = []
KEPT = torch.zeros(3)


def changes_a_list(x):
    SEEN.append(1)
    return x.sin()


def writes_to_a_global(x):
    KEPT.add_(1)
    return x.sin()


def writes_to_its_input(x):
    x.add_(1)
    return x.sin()


def raises(x):
    if SEEN is not None:
        raise ValueError("no")
    return x


def inner_raises(x):
    return raises(x.sin())


def asks_for_a_break(x):
    x = x + 1
    tracer.graph_break()
    return x.sin()


def takes_a_number(x):
    return x * x.sum().item()


def gives_what_it_is_given(x):
    return x


def gives_a_view(x):
    y = x + 1
    del y
    return x[:]


def gives_text(x):
    return "x"


def flips_the_grad_mode(x):
    torch.set_grad_enabled(False)
    return x.sin()


def branch(body):
    return lambda x: torch.cond(x.sum() > 0, body, lambda a: a.cos(), (x,))


def loop(body):
    def turn(i, x):
        return i + 1, body(x)

    return lambda x: while_loop(lambda i, x: i < 2, turn, (torch.zeros((), dtype=torch.int64), x))


def scanned(body):
    def step(carry, x):
        return carry + 1, body(x)

    return lambda x: scan(step, torch.zeros(3), torch.stack([x, x]))


def mapped(body):
    return lambda x: torch_map(body, torch.stack([x, x]))


def checkpointed(body):
    return lambda x: checkpoint(body, x, use_reentrant=False)


CONTROL = (branch, loop, scanned, mapped)
ALL = (*CONTROL, checkpointed)
SOME = (branch, loop, checkpointed)

#: What a body does → (how the break says it, the text of the line where it does, what is advised, the operators that don't take it).
CASES = {
    changes_a_list: ("changes SEEN outside itself", "SEEN.append(1)", {branch: "do it after the call", checkpointed: "after the checkpoint"}, ALL),
    writes_to_a_global: ("writes to KEPT outside itself", "KEPT.add_(1)", {branch: "out-of-place", checkpointed: "out-of-place"}, SOME),
    writes_to_its_input: ("modifies its input in place", "x.add_(1)", {branch: "out-of-place", scanned: "out-of-place"}, ALL),
    raises: ("raises ValueError", 'raise ValueError("no")', {branch: "plain `if`", checkpointed: "Check before"}, SOME),
    inner_raises: ("raises ValueError", 'raise ValueError("no")', {mapped: "plain `for`"}, (mapped,)),
    asks_for_a_break: ("ends the graph", "tracer.graph_break()", dict.fromkeys(ALL, "Delete the line"), (scanned, checkpointed)),
    takes_a_number: ("ends the graph", "x.sum().item()", {branch: "plain `if`", loop: "plain `for`"}, SOME),
    gives_what_it_is_given: ("returns an input as it is", "", dict.fromkeys(CONTROL, "x.clone()"), CONTROL),
    gives_a_view: ("returns a view of an input", "return x[:]", dict.fromkeys(CONTROL, "x.clone()"), (branch, scanned)),
    gives_text: ("returns a str", "", {branch: "plain `if`"}, (branch, mapped)),
    flips_the_grad_mode: ("leaves the grad mode changed", "", {branch: "after the call"}, SOME),
}
EACH = [(operator, body) for body, (*_, refusing) in CASES.items() for operator in refusing]


def outcome(function):
    """What is given or raised, and what is left outside."""
    KEPT.zero_()
    SEEN.clear()
    try:
        with torch.enable_grad():
            found = "given", [t for t in torch.utils._pytree.tree_leaves(function(torch.ones(3)))]
    except Exception as error:
        found = "raised", type(error).__name__
    return *found, KEPT[0].item(), len(SEEN)


def line_of(body, text):
    lines, first = inspect.getsourcelines(raises if body is inner_raises else body)
    return first + next(number for number, line in enumerate(lines) if text in line)


@pytest.mark.parametrize(("operator", "body"), EACH, ids=lambda value: value.__name__)
def test_it_ends_as_untraced_and_the_break_says_why_and_where(operator, body):
    does, line, advice, _ = CASES[body]
    program = operator(body)
    session = tracer.Session("trace")
    kind, wanted, *left = outcome(program)
    torch._dynamo.reset()
    found_kind, found, *found_left = outcome(lambda x: session.run(program, x))
    assert (found_kind, found_left) == (kind, left)
    if kind == "given":
        torch.testing.assert_close(found, wanted)
    else:
        assert found == wanted
    told = session.graph_breaks[0]
    assert does in told.explanation, told.explanation
    if line:
        assert f"at line {line_of(body, line)}" in told.explanation, told.explanation
    assert any(advice.get(operator, "") in hint for hint in told.hints), told.hints
    assert "torch._higher" not in told.explanation and "partial" not in told.explanation


@pytest.mark.parametrize("operator", ALL, ids=lambda value: value.__name__)
def test_as_an_error_under_fullgraph_it_says_the_same(operator):
    session = tracer.Session("trace", fullgraph=True)
    with pytest.raises(tracer.TracerError) as raised:
        session.run(operator(changes_a_list), torch.ones(3))
    told = session.graph_breaks[0]
    assert type(raised.value).__name__ == "FullGraphError" and told.explanation in str(raised.value) and told.hints[0] in str(raised.value)


@pytest.mark.parametrize("operator", [branch, scanned], ids=lambda value: value.__name__)
@pytest.mark.parametrize("body", [changes_a_list, raises, gives_text], ids=lambda value: value.__name__)
def test_what_torch_compile_raises_for_it_is_raised(operator, body):
    torch._dynamo.reset()
    program = operator(body)
    kind, wanted, *_ = outcome(torch.compile(program, backend="eager"))
    torch._dynamo.reset()
    assert (kind, wanted) == outcome(lambda x: tracer.Session("trace").run(program, x))[:2]
