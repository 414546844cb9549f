"""A body that fails at any of its events leaves the attempt as it was: graphs, guards, inputs, changes, tables, modes, the frame."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.attention.flex_attention as attention
from torch._higher_order_ops.map import map as map_
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.utils.checkpoint import checkpoint

import tracer
from tests.higher_order.alike import ramp
from tracer.context import Context
from tracer.graph.modes import MODES
from tracer.graph.subgraph import Subgraph
from tracer.higher_order import marks
from tracer.signals import Break

WEIGHT = torch.tensor([0.5, -1.0, 2.0, 1.5])
SETTINGS = {"scale": 2.0, "terms": 2}
LINEAR = torch.nn.Linear(4, 4)
MASK = attention.create_block_mask(lambda b, h, q, k: q >= k, None, None, 16, 16, device="cpu")


class Part:
    def __init__(self, scale):
        self.scale = scale


def computed(v, outer):
    """Something of everything: builds, guards, inputs, objects, changes of its own, sizes, modes, what is lifted."""
    parts, part = [], Part(SETTINGS["scale"])
    for k in range(SETTINGS["terms"]):
        parts.append(v * k + WEIGHT)
    part.scale = part.scale + v.shape[-1]
    with torch.no_grad():
        shift = LINEAR(outer)
    drawn = torch.rand(4)
    drawn.add_(1)
    return sum(parts) * part.scale + shift.sum() + drawn * 0


def chosen(x):
    y = x + 1
    return torch.cond(x.sum() > 0, lambda v: computed(v, y[0]), lambda v: v.sin(), (x,))


def looped(x):
    y = x + 1
    return while_loop(lambda i, v: i < 2, lambda i, v: (i + 1, computed(v, y[0])), (torch.tensor(0), x))[1]


def scanned(x):
    y = x + 1
    return scan(lambda carry, v: (carry + computed(v, y[0]), carry.sin()), x[0], x)[1]


def mapped(x):
    y = x + 1
    return map_(lambda v: computed(v, y[0]), x)


def combined(x):
    y = x + 1
    return torch.ops.higher_order.associative_scan(lambda a, b: a + b + 0 * computed(a, y[0]), [x], ())


def attended(x):
    q = torch.ones(1, 1, 16, 4) + x[0]
    return attention.flex_attention(q, q, q, score_mod=lambda s, b, h, i, j: s + WEIGHT[h] * SETTINGS["scale"], block_mask=MASK)


def checkpointed(x):
    y = x + 1
    return checkpoint(lambda v: computed(v, y[0]), x, use_reentrant=False)


def wrapped(x):
    y = x + 1
    return torch.ops.higher_order.wrap(lambda v: computed(v, y[0]), x)


@torch.compiler.nested_compile_region
def region(v, outer):
    return computed(v, outer)


def in_a_region(x):
    y = x + 1
    return region(x, y[0])


PROGRAMS = [chosen, looped, scanned, mapped, combined, attended, checkpointed, wrapped, in_a_region]
#: Not of the attempt's state: counters of work done, interned sources, what `lasting` tells of.
_BESIDE = {"ticks", "items", "lasting", "regions_met", "sources", "rec", "session", "frame", "root_frame", "graph", "lifetimes", "speculating"}


def described(value):
    if isinstance(value, dict):
        return [(id(key) if not isinstance(key, str) else key, id(held)) for key, held in value.items()]
    if isinstance(value, list | tuple):
        return [id(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    return value if isinstance(value, int | str | bool | None) else id(value)


def state(ctx, graph, frame):
    found = {name: described(value) for name, value in vars(ctx).items() if name not in _BESIDE}
    found["effects"] = [id(variable) for variable in ctx.effects]
    found["modes"] = {name: str(mode.read()) for name, mode in MODES.items()}
    while graph is not None:
        nodes = [(node.name, node.op, str(node.target), str(node.args), str(node.kwargs), sorted(user.name for user in node.users)) for node in graph.graph.nodes]
        found[f"graph {graph.name}"] = nodes, described(graph.lifted), list(map(str, graph.symbols)), id(graph.last_input), len(graph.created)
        graph = graph.parent
    depth = itertools.count()
    while frame is not None:
        found[f"frame {next(depth)}"] = described(frame.locals), described(frame.stack), frame.pc
        frame = frame.back
    return found


class Failing:
    """Raises at the n-th event inside a body, and compares what the roll-back leaves with what the mark saw."""

    def __init__(self, patch, at):
        self.at, self.met, self.undone, self.differing = at, 0, 0, []
        for owner, name in ((Context, "create_node"), (Context, "guard"), (Context, "build"), (Context, "mutate"), (Subgraph, "placeholder")):
            patch.setattr(owner, name, self.counting(owner, getattr(owner, name)))
        patch.setattr(marks.Mark, "__init__", self.marking(marks.Mark.__init__))
        patch.setattr(marks.Mark, "roll_back", self.rolling_back(marks.Mark.roll_back))
        self.before = {}

    def counting(self, owner, method):
        def counted(subject, *args, **kwargs):
            inside = subject.speculating if owner is Context else subject.parent is not None
            if inside:
                self.met += 1
                if self.met == self.at:
                    raise Break("print-call", func="print", expr="print()")
            return method(subject, *args, **kwargs)

        return counted

    def marking(self, method):
        def marked(mark, ctx):
            method(mark, ctx)
            self.before[id(mark)] = ctx.graph, ctx.frame, state(ctx, ctx.graph, ctx.frame)

        return marked

    def rolling_back(self, method):
        def rolled_back(mark, ctx):
            method(mark, ctx)
            graph, frame, before = self.before[id(mark)]
            after = state(ctx, graph, frame)
            self.undone += 1
            self.differing += [name for name in before if before[name] != after.get(name)]

        return rolled_back


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_at_any_event_of_a_body(program, monkeypatch):
    x = ramp(3, 4)
    at, failed = 1, 0
    while True:
        with monkeypatch.context() as patch:
            failing = Failing(patch, at)
            session = tracer.Session("trace")
            torch.manual_seed(0)
            session.run(program, x)
        assert not failing.differing, (at, failing.differing)
        failed += failing.undone
        if failing.met < at:
            break
        at += 1 + at // 2
    assert failed >= 5


LOG: list[int] = []


@torch.compiler.nested_compile_region
def decides_and_logs(v):
    if v.shape[0] > 4:
        v = v * 2
    LOG.append(1)
    return v + v.shape[0]


def goes_on(x):
    return decides_and_logs(x) + decides_and_logs(x + 1)


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_region_that_is_followed_instead_is_as_if_it_had_never_been_tried(dynamic):
    session = tracer.Session("trace", dynamic=dynamic)
    for size in (3, 4, 6, 7):
        LOG.clear()
        torch.testing.assert_close(session.run(goes_on, ramp(size)), goes_on(ramp(size)))
        assert len(LOG) == 4
    assert not session.graph_breaks and len(session.graphs) == (2 if dynamic else 4)
    assert not any(node.op == "get_attr" for graph in session.graphs for node in graph.nodes)
