"""torch.compiler.set_stance speaks to our compiler as to torch.compile: around calls, inside of them, at the level of a block."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.compiler import set_stance

import tracer
from tracer.errors import RecompileError

ENGINES = ("tracer", "dynamo")


@pytest.fixture(autouse=True)
def default():
    yield
    set_stance("default")
    torch._dynamo.reset()


def add(x, n):
    return x + n


def compiled(**settings):
    return tracer.compile(add, backend="eager", **settings)


def graphs(wrapper):
    return wrapper.session.stats["graphs"]


def reasons(session):
    return [frame.reason for frame in session.records.frames if frame.outcome == "skipped"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("way", ["with", "decorator", "function"])
def test_force_eager_runs_nothing_compiled_and_compiles_nothing(engine, way):
    c, x = compiled(engine=engine), torch.ones(3)
    assert c(x, 1).tolist() == [2.0] * 3
    hits = dict(c.session.records.hits)

    def body():
        return c(x, 1).tolist(), c(x, 2).tolist()

    if way == "with":
        with set_stance("force_eager"):
            got = body()
    elif way == "decorator":
        got = set_stance("force_eager")(body)()
    else:
        set_stance("force_eager")
        got = body()
        set_stance("default")
    assert got == ([2.0] * 3, [3.0] * 3) and graphs(c) == 1 and dict(c.session.records.hits) == hits
    assert reasons(c.session)[0] == "torch.compiler.set_stance('force_eager') is in force"
    c(x, 1)
    assert c.session.records.hits != hits


def test_a_session_says_why_it_captured_nothing():
    with set_stance("force_eager"):
        session = tracer.trace(add, torch.ones(2), 1)
    assert "add runs as ordinary Python: torch.compiler.set_stance('force_eager') is in force." in " ".join(session.explain().split())
    net = tracer.compile(torch.nn.Linear(2, 2), backend="eager")
    with set_stance("force_eager"):
        net(torch.ones(1, 2))
    assert not net.session.stats["graphs"] and "force_eager" in reasons(net.session)[0]


def test_eager_on_recompile_runs_what_fits_and_compiles_nothing():
    c, x = compiled(), torch.ones(3)
    c(x, 1)
    with set_stance("eager_on_recompile"):
        assert (c(x, 2)[0].item(), c(x, 1)[0].item()) == (3.0, 2.0)
    assert graphs(c) == 1 and list(c.session.records.hits.values()) == [1] and c.session.stats["recompiles"] == 0
    assert "nothing that is compiled fits" in reasons(c.session)[0]


def test_behind_a_break_eager_on_recompile_goes_on_as_python():
    def f(x, n):
        x = x + 1
        print(end="")
        return x * n

    c = tracer.compile(f, backend="eager")
    c(torch.ones(2), 2)
    with set_stance("eager_on_recompile"):
        assert c(torch.ones(2), 3).tolist() == [6.0, 6.0]
    assert graphs(c) == 2 and list(c.session.records.hits) == [f.__qualname__]


def test_fail_on_recompile_is_an_error_that_says_what_changed():
    c, x = compiled(), torch.ones(3)
    c(x, 1)
    with set_stance("fail_on_recompile"):
        c(x, 1)
        with pytest.raises(RuntimeError, match="n == 1, which is 2 now") as caught:
            c(x, 2)
    assert type(caught.value) is RecompileError and graphs(c) == 1
    assert c(x, 2)[0].item() == 3.0
    call = next(call for call in c.session.records.calls if call.outcome == "refused")
    assert call.by == "stance" and "'fail_on_recompile') makes a compile an error" in c.session.explain()
    with set_stance("fail_on_recompile"), pytest.raises(RuntimeError, match="at this call, for the first time"):
        compiled()(x, 1)


@pytest.mark.usefixtures("torch_raises")
def test_fail_on_recompile_of_torch_compile_is_told_as_what_it_is():
    c, x = compiled(engine="dynamo"), torch.ones(3)
    with set_stance("fail_on_recompile"), pytest.raises(RuntimeError, match="fail_on_recompile"):
        c(x, 1)
    assert c.session.records.calls[-1].by == "stance" and "makes a compile an error" in c.session.explain()


def test_eager_then_compile_compiles_the_second_call_with_what_changed_symbolic():
    c, net = compiled(), tracer.compile(torch.nn.Linear(3, 3), backend="eager")
    with set_stance("eager_then_compile"):
        for rows in (3, 4, 5):
            assert c(torch.ones(rows), 1).tolist() == [2.0] * rows
            net(torch.ones(rows, 3))
    assert [graphs(c), graphs(net)] == [1, 1] and c.session.stats["recompiles"] == 0
    assert "the first call runs as Python" in reasons(c.session)[0]


def test_aot_eager_then_compile_gives_the_first_graph_to_aot_eager():
    c = compiled()
    with set_stance("aot_eager_then_compile"):
        for rows in (3, 3, 4, 5):
            assert c(torch.ones(rows), 1).tolist() == [2.0] * rows
    assert [graph.backend for graph in c.session.records.graphs] == ["aot_eager", "eager"] and c.session.backend_label == "eager"


def test_another_backend_that_is_forced_is_none_of_this_session_s():
    c, x = compiled(), torch.ones(3)
    with set_stance(force_backend="aot_eager"):
        assert c(x, 1)[0].item() == 2.0
    assert graphs(c) == 0
    assert reasons(c.session) == ["torch.compiler.set_stance(force_backend='aot_eager') is in force, and this session compiles for 'eager'"]
    with set_stance(force_backend="eager"):
        c(x, 1)
    assert graphs(c) == 1


def test_a_stance_that_nobody_knows_compiles_nothing():
    c = compiled()
    with set_stance("as_you_like"):
        assert c(torch.ones(2), 1)[0].item() == 2.0
    assert graphs(c) == 0 and "which Tracer doesn't know" in reasons(c.session)[0]


def test_all_guards_are_checked_where_fewer_would_be_allowed():
    c, x = compiled(), torch.ones(3)
    c(x, 1), c(x, 2)
    with set_stance("default", skip_guard_eval_unsafe=True):
        assert [c(x, n)[0].item() for n in (1, 2, 5, 1)] == [2.0, 3.0, 6.0, 2.0]
    switch = torch._C._dynamo.eval_frame.set_skip_guard_eval_unsafe
    before = switch(True)  # as inside of a function that torch.compile runs under that stance
    try:
        assert [c(x, n)[0].item() for n in (1, 2, 5)] == [2.0, 3.0, 6.0]
    finally:
        switch(before)


# ---- inside a traced function, where torch.compile refuses


def inside(x):
    y = x + 1
    with set_stance("force_eager"):
        y = y * 2
    return y.sin() + helper(y)


def helper(x):
    return x.cos()


def test_inside_a_traced_function_the_graph_ends_and_the_stance_holds():
    session, x = tracer.Session(), torch.ones(2)
    for _ in range(2):
        assert torch.equal(session.run(inside, x), inside(x))
    assert [found.reason for found in session.graph_breaks] == ["stance-change"]
    told = session.graph_breaks[0]
    assert (told.user_stack[-1].line if hasattr(told.user_stack[-1], "line") else told.user_stack[-1][1]) == inside.__code__.co_firstlineno + 2
    assert session.records.frames[0].name == "inside" and torch._dynamo.eval_frame._stance.stance == "default"


@set_stance("force_eager")
def decorated(x):
    return helper(x) + 1


def test_a_decorated_function_that_is_called_in_a_traced_one():
    def outer(x):
        return decorated(x * 2) - 1

    session, x = tracer.Session(), torch.ones(2)
    for _ in range(2):
        assert torch.equal(session.run(outer, x), outer(x))
    assert {found.reason for found in session.graph_breaks} == {"stance-change"}
    assert "helper" not in [frame.name for frame in session.records.frames if frame.outcome == "compiled"]


def test_a_stance_that_a_traced_function_leaves_behind():
    def switches(x):
        set_stance("force_eager")
        return x + 1

    session = tracer.Session()
    assert session.run(switches, torch.ones(2)).tolist() == [2.0, 2.0]
    session.run(add, torch.ones(2), 1)
    assert "force_eager" in reasons(session)[-1]
    set_stance("default")
    assert session.run(add, torch.ones(2), 1).tolist() == [2.0, 2.0] and "add" in [frame.name for frame in session.records.frames if frame.id]


# ---- at the level of a block


@pytest.mark.parametrize("engine", ENGINES)
def test_a_block_sets_stances_as_a_script_does(engine):
    seen = []

    def backend(gm, inputs):
        seen.append(gm)
        return gm

    given, session = torch.compile(lambda x: x * 3, backend=backend), tracer.Session(engine=engine)
    with session.tracing():
        given(torch.ones(2)), helper(torch.ones(2))
        with set_stance("force_eager"):
            assert given(torch.ones(3)).tolist() == [3.0] * 3 and helper(torch.ones(3)).shape == (3,)
            with set_stance("default"):
                given(torch.ones(4, 1))
        given(torch.ones(5, 1, 1)), helper(torch.ones(5, 1, 1))
    assert session.stats["graphs"] == 5
    assert len(seen) == (0 if engine == "tracer" else 3)


def test_a_block_that_is_left_under_a_stance_leaves_the_outer_one_as_it_should_be():
    outer, inner, x = tracer.Session(), tracer.Session(), torch.ones(2)
    with outer.tracing():
        with inner.tracing():
            set_stance("force_eager")
            helper(x)
        helper(x)
        set_stance("default")
        helper(x)
    assert [inner.stats["graphs"], outer.stats["graphs"]] == [0, 1]
    assert "force_eager" in reasons(inner)[0] and "force_eager" in reasons(outer)[0]


def test_other_threads_go_by_the_stance_from_their_next_call():
    c, x, got = compiled(), torch.ones(3), []
    with set_stance("force_eager"):
        thread = threading.Thread(target=lambda: got.append(c(x, 1).tolist()))
        thread.start()
        thread.join()
    assert got == [[2.0] * 3] and graphs(c) == 0


def test_closing_a_session_that_rested_leaves_the_setter_free():
    setter, x = torch._dynamo.eval_frame._set_stance.__code__, torch.ones(2)
    for _ in range(3):
        session = tracer.Session()
        with session.tracing(), set_stance("force_eager"):
            helper(x)
        session.close()
    found = torch._C._dynamo.eval_frame._debug_get_cache_entry_list(setter)
    assert not [entry for entry in found if entry.code is not None]
