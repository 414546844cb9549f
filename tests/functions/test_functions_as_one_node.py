"""Functions that are marked to be one node of the graph: what they are given and give, with every backend, as untraced."""

from __future__ import annotations

import collections
import dataclasses

import pytest
import torch
from torch.utils import _pytree as pytree

import tracer

nonstrict_trace = getattr(torch.compiler, "nonstrict_trace", None) or torch._dynamo.nonstrict_trace
WEIGHT = torch.full((2,), 3.0)
LINEAR = torch.nn.Linear(2, 2)
Pair = collections.namedtuple("Pair", "first second")


class Point:
    def __init__(self, x, y, scale):
        self.x, self.y, self.scale = x, y, scale


pytree.register_pytree_node(Point, lambda p: ([p.x, p.y], p.scale), lambda children, scale: Point(*children, scale))


@dataclasses.dataclass
class Box:
    low: torch.Tensor
    high: torch.Tensor


pytree.register_dataclass(Box)


class Setting:
    def __init__(self, level):
        self.level = level

    def __eq__(self, other):
        return isinstance(other, Setting) and other.level == self.level

    def __hash__(self):
        return hash(self.level)


pytree.register_constant(Setting)
SETTING = Setting(4)


class Unknown:
    value = 1


@nonstrict_trace
def scaled(x, k=2):
    torch._dynamo.graph_break()
    return x * k + WEIGHT


@nonstrict_trace
def several(x, named, pair):
    torch._dynamo.graph_break()
    return {"sum": x + named["a"], "pair": (pair[0] * 2, 3, None), "list": [x, "text"], "same": x}


@nonstrict_trace
def of_points(point, pair):
    torch._dynamo.graph_break()
    return Point(point.x + pair.first, point.y * point.scale, point.scale), Pair(pair.second, point.x)


@nonstrict_trace
def of_boxes(box, setting):
    torch._dynamo.graph_break()
    return Box(box.low * setting.level, box.high), box


@nonstrict_trace
def of_modules(modules, x):
    torch._dynamo.graph_break()
    return modules["m"](x) * x


@nonstrict_trace
def of_unknown(thing, x):
    return x + thing.value


@nonstrict_trace
def gives_unknown(x):
    return Unknown()


@nonstrict_trace
def asks(x):
    return x * x.sum().item()


@torch.compiler.allow_in_graph
def allowed(x):
    torch._dynamo.graph_break()
    return x * WEIGHT


def a_captured_tensor_and_a_keyword(x):
    return scaled(x) + 1, scaled(x, k=5), allowed(x)


def containers(x):
    found = several(x, {"a": x * 2}, (x,))
    return found, found["same"] is x, type(found["pair"]) is tuple


def registered_classes(x):
    point, pair = of_points(Point(x, x + 1, 7), Pair(x, x * 3))
    return point.x, point.y, point.scale, pair.first, type(pair) is Pair


def registered_dataclasses(x):
    made, given = of_boxes(Box(x, x * 2), SETTING)
    return made.low, made.high, given.low, type(made) is Box


def modules_in_containers(x):
    return of_modules({"m": LINEAR}, x)


def an_unknown_class(x):
    return of_unknown(Unknown(), x)


def an_unknown_result(x):
    return gives_unknown(x).value + x


def asks_for_a_value(x):
    return asks(x) + 1


def plain(value):
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize(
    "program",
    [a_captured_tensor_and_a_keyword, containers, registered_classes, registered_dataclasses, modules_in_containers],
    ids=lambda program: program.__name__,
)
def test_one_graph_with_the_function_in_it(program, backend):
    session = tracer.Session("trace", backend=backend)
    for x in (torch.ones(2), torch.randn(2)):
        assert plain(session.run(program, x)) == plain(program(x))
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles


@pytest.mark.parametrize(
    "program, words",
    [(an_unknown_class, "an argument of a graph node"), (an_unknown_result, "torch's pytrees don't know it"), (asks_for_a_value, "")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_no_node_can_do_is_done_by_python(program, words):
    session = tracer.Session("trace")
    for x in (torch.ones(2), torch.randn(2)):
        assert plain(session.run(program, x)) == plain(program(x))
    assert words in " ".join(session.graph_breaks[0].explanation.split())


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm = torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)

    @nonstrict_trace
    def part(self, x):
        torch._dynamo.graph_break()
        return self.norm(self.linear(x))

    def forward(self, x):
        return self.part(x) + 1


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_marked_method_trains_its_module(backend):
    net, reference = Net(), Net()
    reference.load_state_dict(net.state_dict())
    compiled = tracer.compile(net, backend=backend)
    for training in (True, True, False, True):
        x = torch.randn(4, 2)
        net.train(training), reference.train(training)
        found, wanted = compiled(x), reference(x)
        found.sum().backward(), wanted.sum().backward()
        torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(net.state_dict(), reference.state_dict())
    torch.testing.assert_close([p.grad for p in net.parameters()], [p.grad for p in reference.parameters()])
    assert all(type(tensor) in (torch.Tensor, torch.nn.Parameter) for tensor in net.state_dict(keep_vars=True).values())


def test_a_result_of_another_outline_than_at_the_first_call_is_an_error():
    answers = [1]

    @nonstrict_trace
    def changing(x):
        return x, answers[0]

    compiled = tracer.compile(lambda x: changing(x)[1], backend="eager")
    assert compiled(torch.ones(1)) == 1 == compiled(torch.ones(1))
    answers[0] = 2
    with pytest.raises(RuntimeError, match=r"it was tuple\(a tensor, 1\), and is tuple\(a tensor, 2\) now"):
        compiled(torch.ones(1))


def test_what_a_handler_would_catch_is_raised_under_it():
    @nonstrict_trace
    def fails(x):
        if not isinstance(x, torch._subclasses.FakeTensor):
            raise ValueError("at run time")
        return x + 1

    def program(x):
        try:
            return fails(x * 2)
        except ValueError as error:
            return x, str(error)

    session = tracer.Session("trace")
    assert plain(session.run(program, torch.ones(1))) == [[1.0], "at run time"]


def test_symbolic_sizes_go_in_and_out():
    @nonstrict_trace
    def sized(x, n):
        torch._dynamo.graph_break()
        return x * n, x.shape[0] * 2

    session = tracer.Session("trace", dynamic=True)
    for n in (3, 5, 7):
        found, double = session.run(lambda x: sized(x, x.shape[0]), torch.ones(n))
        assert found.tolist() == [n] * n and double == 2 * n
    assert len(session.graphs) == 1 and not session.graph_breaks
