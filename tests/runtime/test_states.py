"""What the thread and the process are in is the program's own: modes that watch, hooks, other tracers, threads, blocks that overlap."""

from __future__ import annotations

import logging
import random
import threading
import time

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import tracer
from tracer.compat import evalframe as ef
from tracer.graph.transaction import undone


def compiled(fn, **config):
    return tracer.compile(fn, backend="eager", **config)


class Operators(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(func.name())
        return func(*args, **(kwargs or {}))


class Functions(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.append(getattr(func, "__name__", "?"))
        return func(*args, **(kwargs or {}))


def test_a_flop_counter_counts_what_the_program_computes():
    w = torch.ones(4, 4)
    c = compiled(lambda x: torch.sin(x @ w) @ w)
    for _ in range(2):
        with FlopCounterMode(display=False) as counter:
            c(torch.ones(2, 4))
        assert counter.get_total_flops() == 128


@pytest.mark.parametrize("kind", [Operators, Functions])
def test_a_mode_sees_each_operation_once_before_and_after_a_compile(kind):
    x, c = torch.ones(2), compiled(lambda x: torch.sin(x) + 1)
    with kind() as untraced:
        torch.sin(x) + 1
    with kind() as first:
        c(x)
    c(x)
    assert len(c.session.compiled) == 1
    with kind() as second:
        c(x)
    assert first.seen == second.seen == untraced.seen


def test_a_function_mode_that_changes_results_changes_those_of_compiled_code():
    class Doubling(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            return torch.cat([result, result]) if func is torch.sin else result

    c = compiled(lambda x: torch.sin(x).shape[0])
    assert c(torch.ones(2)) == 2
    with Doubling():
        assert c(torch.ones(2)) == 4
    assert c(torch.ones(2)) == 2


def test_the_default_device_is_told_apart():
    c = compiled(lambda: torch.zeros(2).device.type)
    assert c() == "cpu"
    with torch.device("meta"):
        assert c() == "meta"
    with torch.device("cpu"):
        assert c() == "cpu"
    assert c() == "cpu"


def test_saved_tensor_hooks_are_called_by_the_program_alone():
    packed = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(1) or t, lambda t: t):
        compiled(lambda a, b: a * b)(torch.ones(3, requires_grad=True), torch.ones(3))
    assert len(packed) == 1


def test_frames_under_other_tracers_run_as_they_are():
    traced = torch.jit.trace(compiled(lambda v: v * 2 + 1), (torch.ones(3, 4),))
    assert torch.equal(traced(torch.ones(2)), torch.full((2,), 3.0))

    class Sized(torch.nn.Module):
        def forward(self, x):
            return x + x.shape[0]

    module = Sized()
    inside = tracer.Session(backend="eager").run(lambda: torch.jit.trace(module, (torch.rand(3, 4),)))
    assert torch.equal(inside(torch.zeros(5)), torch.full((5,), 5.0))
    c = compiled(lambda v: v.sin() + 1)
    symbolic = torch.fx.symbolic_trace(lambda v: c(v))
    assert [node.op for node in symbolic.graph.nodes] == ["placeholder", "call_method", "call_function", "output"]
    made = torch.fx.experimental.proxy_tensor.make_fx(compiled(lambda v: v.sin() + 1))(torch.ones(2))
    assert [node.target for node in made.graph.nodes if node.op == "call_function"] == [torch.ops.aten.sin.default, torch.ops.aten.add.Tensor]


def test_threads_that_compile_at_once_leave_loggers_and_results_alone():
    levels = {name: logging.getLogger(name).level for name in ("torch._subclasses.fake_tensor", "torch._subclasses.fake_impls")}
    wrong = []

    def work(i):
        for k in range(4):
            names: dict = {}
            exec(f"def f(x): return (x * {i} + {k}).sin()", names)
            if not torch.equal(compiled(names["f"])(torch.ones(3)), names["f"](torch.ones(3))):
                wrong.append((i, k))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong
    assert levels == {name: logging.getLogger(name).level for name in levels}


def test_a_session_closed_while_another_thread_is_in_a_call():
    c, raised = compiled(lambda x, n: x * n + 1), []

    def work():
        try:
            for k in range(1500):
                assert c(torch.ones(2 + k % 4), k % 5)[0] == k % 5 + 1
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    c.session.close()
    thread.join()
    assert not raised


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_blocks_that_overlap_leave_no_hook_on(order):
    sessions = {name: tracer.Session(backend="eager") for name in "ab"}
    blocks = {name: session.tracing() for name, session in sessions.items()}
    for name in "ab":
        blocks[name].__enter__()
    blocks[order[0]].__exit__(None, None, None)
    left = sessions[order[1]]
    (lambda x: x.sin())(torch.ones(2))
    assert len(left.compiled) == 1 and not sessions[order[0]].compiled
    blocks[order[1]].__exit__(None, None, None)
    (lambda x: x.cos())(torch.ones(2))
    assert len(left.compiled) == 1
    assert ef.set_eval_frame(None) is None


def test_what_a_recompile_says_does_not_grow_with_their_number():
    c = compiled(lambda x, s: x * 2 if s else x, recompile_limit=64)
    for k in range(30):
        c(torch.ones(2), str(k))
    explained = [len(r.failed_guards) for r in c.session.recompiles]
    assert len(explained) == 29 and max(explained) <= 8


def test_a_backend_that_draws_random_numbers_while_it_compiles_moves_no_generator():
    numpy = pytest.importorskip("numpy")

    def drawing(gm, inputs):
        torch.rand(3), random.random(), numpy.random.rand()
        if len(failing):
            raise ValueError("no")
        return gm.forward

    def drawn(f):
        torch.manual_seed(1), random.seed(1), numpy.random.seed(1)
        try:
            f(torch.ones(2))
        except tracer.TracerError:
            torch.rand(2)  # what the program would have drawn itself
        return torch.rand(1).item(), random.random(), numpy.random.rand()

    def f(x):
        return x + torch.rand(2)

    failing: list = []
    assert drawn(tracer.compile(f, backend=drawing)) == drawn(f)
    failing.append(True)
    assert drawn(tracer.compile(f, backend=drawing)) == drawn(f)


def test_hooks_on_saved_tensors_are_asked_for_where_a_graph_switches_them():
    def f(x):
        try:
            with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
                return x * 2
        except RuntimeError:
            return x * 3

    c, x = compiled(f), torch.ones(2)
    assert c(x).tolist() == f(x).tolist() == [2.0, 2.0]
    for _ in range(2):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            assert c(x).tolist() == f(x).tolist() == [3.0, 3.0]
        assert c(x).tolist() == [2.0, 2.0]


def test_transforms_of_the_program_that_a_trace_set_aside_are_put_back_whatever_raises():
    functorch = torch._C._functorch

    def cut():
        while functorch.get_dynamic_layer_stack_depth():
            functorch.pop_dynamic_layer_stack()
        raise KeyboardInterrupt

    def inner(x):
        with pytest.raises(KeyboardInterrupt):
            undone(cut)
        assert functorch.get_dynamic_layer_stack_depth() == 2
        return x.sin()

    x = torch.ones(3)
    assert torch.equal(torch.vmap(torch.func.grad(inner))(x), x.cos())
    assert functorch.get_dynamic_layer_stack_depth() == 0
