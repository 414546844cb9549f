"""`dynamic_shapes=`: sizes and ints are symbolic where torch's specification names them, static elsewhere, and as bounded as it says."""

from __future__ import annotations

import inspect

import pytest
import torch

import tracer
from tracer.errors import TracerError

specs = None
if "dynamic_shapes" in inspect.signature(torch.compile).parameters:
    from torch.fx.experimental import dynamic_spec as specs

needs_specs = pytest.mark.skipif(specs is None, reason="torch has dynamic_shapes since 2.14")


def added(x, y):
    return x + y, x.shape[0] * 2


def inside_the_bounds(x):
    return x + 1 if x.shape[0] <= 6 else x - 1


def a_branch_on_the_size(x):
    return x + 1 if x.shape[0] > 3 else x - 1


def a_number(x, n):
    return x * n, n + 1


def variadic(*args, **kwargs):
    return args[0] + kwargs["k"]


def in_containers(d, items):
    return d["a"] + items[0]


class Holder:
    def __init__(self, t):
        self.t = t


def in_an_object(holder):
    return holder.t * 2


def cases():
    size, rows = specs.ShapeVar("b", max=6), specs.TensorSpec
    return {
        added: ({"x": rows([size, None]), "y": rows([size, 2])}, lambda n: ((torch.randn(n, 2), torch.randn(n, 2)), {})),
        inside_the_bounds: ({"x": rows([size])}, lambda n: ((torch.randn(n),), {})),
        a_branch_on_the_size: ({"x": rows([size])}, lambda n: ((torch.randn(n),), {})),
        a_number: ({"n": specs.IntVar("n", min=0, max=6)}, lambda n: ((torch.randn(2), n), {})),
        variadic: (
            {"*args": [rows([size, None])], "**kwargs": {"k": rows([size, None])}},
            lambda n: ((torch.randn(n, 2),), {"k": torch.randn(n, 2)}),
        ),
        in_containers: (
            {"d": specs.DictSpec({"a": rows([size, None])}), "items": specs.SeqSpec([rows([size * 1, None])])},
            lambda n: (({"a": torch.randn(n, 2)}, [torch.randn(n, 2)]), {}),
        ),
        in_an_object: ({"holder": specs.ObjectSpec({"t": rows([size, None])})}, lambda n: ((Holder(torch.randn(n, 2)),), {})),
    }


PROGRAMS = [added, inside_the_bounds, a_branch_on_the_size, a_number, variadic, in_containers, in_an_object]


@needs_specs
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_one_graph_serves_all_sizes_in_the_bounds(program, backend):
    spec, make = cases()[program]
    session = tracer.Session("trace", dynamic_shapes=spec, backend=backend)
    for n in (3, 5, 1, 2, 0):
        args, kwargs = make(n)
        torch.testing.assert_close(session.run(program, *args, **kwargs), program(*args, **kwargs))
    assert not session.recompiles
    if program is a_branch_on_the_size:
        assert [found.reason for found in session.graph_breaks] == ["data-dependent-number"]
    else:
        assert len(session.graphs) == 1 and not session.graph_breaks
    args, kwargs = make(7)
    with pytest.raises(ValueError, match=r"dynamic_shapes says that .* is from 0 to 6, and it is 7"):
        session.run(program, *args, **kwargs)


@needs_specs
def test_what_is_not_named_is_static():
    session = tracer.Session("trace", dynamic_shapes=specs.ParamsSpec({"x": specs.TensorSpec([specs.ShapeVar(), specs.STATIC])}))
    for shape in ((3, 2), (4, 2), (4, 3), (5, 3), (5, 4)):
        x = torch.randn(shape)
        torch.testing.assert_close(session.run(lambda x, n: (x * n).sum(), x, 2), (x * 2).sum())
    assert len(session.graphs) == 3


@needs_specs
def test_numbers_that_are_said_are_checked():
    session = tracer.Session("trace", dynamic_shapes={"x": specs.TensorSpec([2, 3]), "n": 4})
    x = torch.randn(2, 3)
    torch.testing.assert_close(session.run(a_number, x, 4), a_number(x, 4))
    with pytest.raises(ValueError, match="n is 4, and it is 5"):
        session.run(a_number, x, 5)
    with pytest.raises(ValueError, match=r"x.shape\[1\] is 3, and it is 2"):
        session.run(a_number, torch.randn(2, 2), 4)
    with pytest.raises(ValueError, match="x has 2 dimensions, and it has 1"):
        session.run(a_number, torch.randn(2), 4)


@needs_specs
def test_a_decorator_says_it_too():
    @specs.dynamic_spec({"x": specs.TensorSpec([specs.ShapeVar()])})
    def program(x):
        return x * 2

    compiled = tracer.compile(program, backend="eager")
    for n in (3, 1, 5):
        assert compiled(torch.ones(n)).tolist() == [2.0] * n
    assert len(compiled.session.graphs) == 1
    with pytest.raises(TracerError, match="leave one of them out"):
        tracer.compile(program, dynamic_shapes={"x": specs.TensorSpec([None])})


@needs_specs
def test_torch_compile_is_given_it():
    session = tracer.Session("trace", engine="dynamo", dynamic_shapes={"x": specs.TensorSpec([specs.ShapeVar(max=6)])})
    for n in (3, 4, 5):
        x = torch.randn(n)
        torch.testing.assert_close(session.run(inside_the_bounds, x), inside_the_bounds(x))
    assert len(session.graphs) == 1
    torch._dynamo.reset()


@needs_specs
def test_it_is_refused_with_dynamic_and_in_other_forms():
    with pytest.raises(TracerError, match="can't both be set"):
        tracer.Session("trace", dynamic=True, dynamic_shapes={})
    with pytest.raises(TracerError, match="dynamic_shapes"):
        tracer.Session("trace", dynamic_shapes=[3])


@pytest.mark.skipif(specs is not None, reason="this torch has it")
def test_a_torch_without_it_says_so():
    with pytest.raises(TracerError, match=r"since 2\.14"):
        tracer.Session("trace", dynamic_shapes={})
