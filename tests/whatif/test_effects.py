"""What a call does beside its result, under each override about calls: as often as untraced, and in the program's order."""

from __future__ import annotations

import contextvars
import itertools
import random
import types
import warnings
from collections import OrderedDict, defaultdict, deque
from typing import Any

import pytest
import torch

import tracer
from tests.differential import Traced, check
from tests.whatif.programs import why_not

LIST: list[Any] = []
TABLE: dict[str, int] = {}
COUNTER = itertools.count()
HOLDER = types.SimpleNamespace(n=0)
QUEUE: deque[Any] = deque(maxlen=4)
DEFAULTS: defaultdict[str, int] = defaultdict(int)
ORDERED = OrderedDict(a=1, b=2)
VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
NUMBER = 0
GENERATOR: Any = None


class Counted:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    @property
    def doubled(self) -> int:
        HOLDER.n += 2
        return HOLDER.n


def attribute(x: Any) -> Any:
    HOLDER.n += 1
    return x + 1


def appended(x: Any) -> Any:
    LIST.append(1)
    return x + 1


def entry(x: Any) -> Any:
    TABLE["n"] = TABLE.get("n", 0) + 1
    return x + 1


def number(x: Any) -> Any:
    global NUMBER
    NUMBER += 1
    return x + 1


def counted(x: Any) -> Any:
    return x + next(COUNTER)


def queued(x: Any) -> Any:
    QUEUE.append(len(QUEUE))
    return x + 1


def missing(x: Any) -> Any:
    return x + DEFAULTS["a"]


def moved(x: Any) -> Any:
    ORDERED.move_to_end("a")
    return x + 1


def of_a_class(x: Any) -> Any:
    Counted()
    return x + 1


def behind_a_property(x: Any) -> Any:
    return x + object.__new__(Counted).doubled


def generated(x: Any) -> Any:
    return x + next(GENERATOR)


def printed(x: Any) -> Any:
    print("printed")
    return x + 1


def drawn(x: Any) -> Any:
    return x + random.random()


def warned(x: Any) -> Any:
    warnings.warn("warned", stacklevel=1)
    return x + 1


def in_context(x: Any) -> Any:
    VARIABLE.set(VARIABLE.get() + 1)
    return x + 1


def on_a_tensor(x: Any) -> Any:
    x.tag = getattr(x, "tag", 0) + 1
    return x + 1


def transposed(x: Any) -> Any:
    x.t_()
    return x + 1


def leaf(x: Any) -> Any:
    x.requires_grad_()
    return x + 1


def written(x: Any) -> Any:
    x.add_(1)
    return x + 1


def drops(x: Any) -> Any:
    return torch.nn.functional.dropout(x, 0.5) + torch.rand(2)


def quiet(x: Any) -> Any:
    torch.set_grad_enabled(False)
    return x + 1


def restores(x: Any) -> Any:
    before, HOLDER.n = HOLDER.n, 100
    try:
        return x + HOLDER.n
    finally:
        HOLDER.n = before


EFFECTS = (
    attribute, appended, entry, number, counted, queued, missing, moved, of_a_class, behind_a_property, generated, printed, drawn, warned, in_context,
    on_a_tensor, transposed, leaf, written, drops, quiet, restores,
)  # fmt: skip
#: Those that a node can be: what they do is done to tensors, or put back.
NODES = {"written", "drops", "restores"}
#: Those that a second call finds done.
DONE_ONCE = {"missing", "moved", "quiet"}


def reset() -> None:
    global NUMBER, COUNTER, GENERATOR
    for held in (LIST, TABLE, QUEUE, DEFAULTS):
        held.clear()
    ORDERED.clear()
    ORDERED.update(a=1, b=2)
    NUMBER, HOLDER.n, Counted.made, COUNTER, GENERATOR = 0, 0, 0, itertools.count(), (n * n for n in range(9))
    VARIABLE.set(0)
    torch.set_grad_enabled(True)


def state() -> Any:
    held = (list(LIST), dict(TABLE), list(QUEUE), dict(DEFAULTS), list(ORDERED), NUMBER, HOLDER.n, Counted.made, repr(COUNTER), VARIABLE.get())
    return (*held, next(GENERATOR), torch.is_grad_enabled(), random.random(), float(torch.rand(())))


def outcome(run: Any, capsys: Any) -> list[Any]:
    """Of two calls: results, arguments, printed text, warnings and all of the state above."""
    reset()
    torch.manual_seed(0)
    random.seed(0)
    found: list[Any] = []
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always")
        for _ in range(2):
            x = torch.arange(4.0).reshape(2, 2)
            y = run(x)
            found += [y.tolist(), y.requires_grad, x.tolist(), x.requires_grad, tuple(x.shape), dict(x.__dict__)]
        found += [str(warning.message) for warning in noticed if "warned" in str(warning.message)]
    found += [capsys.readouterr().out, state()]
    reset()
    return found


@pytest.mark.parametrize("action", ["graph_node", "inline", "eager"])
@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__)
def test_a_call_does_what_it_does_once(effect: Any, action: str, capsys: Any) -> None:
    def program(x: Any) -> Any:
        y = effect(x * 1 if effect is not leaf and effect is not on_a_tensor and effect is not transposed else x)
        return y * 2

    wanted = outcome(program, capsys)
    with tracer.Session(overrides=[f"{action} {effect.__name__}"], backend="eager") as session:
        got = outcome(lambda x: session.run(program, x), capsys)
    assert got == wanted
    if action == "graph_node":
        assert (session.unmatched_overrides == []) is (effect.__name__ in NODES | DONE_ONCE), session.unmatched_overrides


class Buffered(torch.nn.Module):
    def __init__(self, rebinds: bool):
        super().__init__()
        self.rebinds, self.seen = rebinds, 0
        self.register_buffer("total", torch.zeros(2))

    def forward(self, x: Any) -> Any:
        if self.rebinds:
            self.total = self.total + x.sum()
        else:
            self.total += x.sum()
        return x * self.total.sum()


@pytest.mark.parametrize("rebinds", [True, False])
def test_a_module_that_puts_another_tensor_in_a_buffers_place_is_no_node(rebinds: bool) -> None:
    def program(x: Any, module: Any) -> Any:
        return module(x) + 1, module.total, [name for name, _ in module.named_buffers()]

    compiler = Traced(overrides=["graph_node Buffered"])
    check(program, lambda: (torch.ones(2), Buffered(rebinds)), 3, compiler=compiler)
    with tracer.Session(overrides=["graph_node Buffered"]) as session:
        session.run(program, torch.ones(2), Buffered(rebinds))
    found = [why.partition(", at line")[0] for why in why_not(session)]
    assert found == (["it changes module._buffers outside itself"] if rebinds else [])


def reads(x: Any) -> Any:
    return x + HOLDER.n + NUMBER + len(LIST) + VARIABLE.get()


def writes_attribute(x: Any) -> Any:
    HOLDER.n += 1
    return reads(x) * 2


def writes_list(x: Any) -> Any:
    LIST.append(0)
    return reads(x) * 2


def writes_global(x: Any) -> Any:
    global NUMBER
    NUMBER += 1
    return reads(x) * 2


def writes_context(x: Any) -> Any:
    VARIABLE.set(VARIABLE.get() + 1)
    return reads(x) * 2


def writes_behind(x: Any) -> Any:
    y = reads(x) * 2
    HOLDER.n += 1
    return y


def writes_another(x: Any) -> Any:
    TABLE["a"] = 1
    return reads(x) * 2


@pytest.mark.parametrize("program", [writes_attribute, writes_list, writes_global, writes_context, writes_behind, writes_another], ids=lambda program: program.__name__)
def test_a_node_reads_nothing_that_was_changed_before_it(program: Any) -> None:
    def twice(run: Any) -> list[Any]:
        reset()
        return [run(torch.ones(2)).tolist() for _ in range(3)]

    wanted = twice(program)
    with tracer.Session(overrides=["graph_node reads"]) as session:
        assert twice(lambda x: session.run(program, x)) == wanted
        assert bool(why_not(session)) is (program not in (writes_behind, writes_another)), why_not(session)
    reset()


def sized(x: Any) -> Any:
    return x.repeat(HOLDER.n + 1) if HOLDER.n < 2 else (LIST.append(1), x)[1]


def test_what_a_node_does_holds_for_later_calls() -> None:
    """A size, or an effect, that depends on what it reads: the node is made for what was read."""

    def program(x: Any) -> Any:
        y = sized(x)
        return y.shape[0] * 2 + y

    reset()
    with tracer.Session(overrides=["graph_node sized"]) as session:
        for n in (0, 1, 2, 2, 0):
            HOLDER.n = n
            before = len(LIST)
            got = session.run(program, torch.ones(2))
            assert len(LIST) - before == (n == 2)
            assert torch.equal(got, program(torch.ones(2)))
    reset()


def test_an_override_inside_a_call_that_is_one_node_is_not_asked() -> None:
    def inner(x: Any) -> Any:
        return x.sin()

    def outer(x: Any) -> Any:
        return inner(x) + 1

    with tracer.Session(overrides=["graph_node outer", "eager inner"]) as session:
        assert torch.equal(session.run(lambda x: outer(x) * 2, torch.ones(2)), outer(torch.ones(2)) * 2)
    assert [why for _, why in session.unmatched_overrides] == ["it matches no call of a function or module that was traced"]
    assert session.graph_breaks == []
