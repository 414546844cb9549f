"""A stepped call lives in a thread of its own and is still its caller's: modes, context variables, interrupts; and while it
waits, everything else goes on."""

from __future__ import annotations

import contextlib
import contextvars
import signal
import threading
import time

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import tracer
from tests.control.samples import SAMPLES, broken, plain
from tracer.control.stepper import Stepper
from tracer.errors import TracerError
from tracer.events import kind_of

NAME = contextvars.ContextVar("NAME", default="unset")


class Functions(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class Dispatched(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def look(_=None):
    """What a program can see of its thread's state."""
    return (
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"),
        str(torch.get_default_device()), torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack(),
        torch._C._is_torch_function_enabled(), torch._C._is_multithreading_enabled(), torch._C._is_fwd_grad_enabled(),
        torch.autograd.forward_ad._current_level, NAME.get(),
        torch._C._autograd._saved_tensors_hooks_get_disabled_error_message(), torch.nn.attention._cur_sdpa_kernel_backends(),
    )  # fmt: skip


@contextlib.contextmanager
def named():
    token = NAME.set("given")
    yield
    NAME.reset(token)


CONTEXTS = {
    "nothing": contextlib.nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.float16),
    "default device": lambda: torch.device("meta"),
    "function mode": Functions,
    "dispatch mode": Dispatched,
    "no torch function": torch._C.DisableTorchFunction,
    "one thread of autograd": lambda: torch.autograd.set_multithreading_enabled(False),
    "forward AD": torch.autograd.forward_ad.dual_level,
    "saved tensors elsewhere": torch.autograd.graph.save_on_cpu,
    "no saved-tensor hooks": lambda: torch.autograd.graph.disable_saved_tensors_hooks("not here"),
    "sdpa kernel": lambda: torch.nn.attention.sdpa_kernel([torch.nn.attention.SDPBackend.MATH]),
    "context variable": named,
}


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_modes_are_handed_over(context):
    outside = look()
    seen = []

    @tracer.disable
    def note():
        seen.append(look())

    def program():
        note()
        return 1

    with context():
        expected = look()
        stepper = tracer.step(program)
        stepper.run()
        assert stepper.result == 1 and seen == [expected] and look() == expected
    assert look() == outside


def test_the_default_device_is_handed_over():
    torch.set_default_device("meta")
    try:
        stepper = tracer.step(lambda: torch.ones(2))
        stepper.run()
        assert stepper.result.device.type == "meta"
    finally:
        torch.set_default_device(None)


def test_saved_tensor_hooks_are_handed_over():
    packed = []

    def pack(tensor):
        packed.append(threading.current_thread().name)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        stepper = tracer.step(lambda x: x.sin(), torch.ones(3, requires_grad=True))
        stepper.run()
        assert stepper.result.grad_fn is not None and packed and set(packed) == {"tracer-step"}
    count = len(packed)
    torch.ones(3, requires_grad=True).sin()
    assert len(packed) == count


def test_flushed_denormals_are_handed_over():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor can't flush denormals")
    try:
        stepper = tracer.step(lambda x: x * 0.5, torch.tensor([2.0**-126]))
        stepper.run()
        assert stepper.result.item() == 0.0
    finally:
        torch.set_flush_denormal(False)


def test_what_cannot_be_handed_over_is_refused_by_name():
    def inside(x):
        with pytest.raises(TracerError, match=r"torch\.func"):
            tracer.step(plain, torch.ones(3))
        return x

    torch.vmap(inside)(torch.ones(2))
    with torch._C._AutoDispatchBelowAutograd():
        stepper = tracer.step(plain, torch.ones(3))
        with pytest.raises(TracerError, match="dispatch keys"):
            _ = stepper.result


def test_changed_modes_are_handed_back():
    def program(x):
        torch.set_grad_enabled(False)
        torch.set_autocast_dtype("cpu", torch.float16)
        NAME.set("changed")
        return x + 1

    def check():
        before = torch.get_autocast_dtype("cpu")
        stepper = tracer.step(program, torch.ones(2))
        stepper.run()
        assert torch.is_grad_enabled() and NAME.get() == "unset"
        _ = stepper.result
        assert (
            not torch.is_grad_enabled() and torch.get_autocast_dtype("cpu") == torch.float16 and NAME.get() == "changed"
        )
        torch.set_grad_enabled(True)
        torch.set_autocast_dtype("cpu", before)

    contextvars.copy_context().run(check)


def test_a_pause_keeps_everything_else_usable():
    """At each kind of event: eager torch, backward, a cached compiled call, a new one, torch.compile, RNG."""
    cached = tracer.compile(lambda x: x * 3, backend="eager")
    cached(torch.ones(2))
    theirs = torch.compile(lambda x: x * 5, backend="eager")
    theirs(torch.ones(2))
    stepper = tracer.step(broken, torch.ones(3, requires_grad=True))
    seen = set()
    while not stepper.done:
        kind = kind_of(stepper.at)
        if kind not in seen:
            seen.add(kind)
            assert not torch.compiler.is_compiling() and torch._C._len_torch_dispatch_stack() == 0
            x = torch.ones(2, requires_grad=True)
            (x * 2).sum().backward()
            torch.testing.assert_close(x.grad, torch.full((2,), 2.0))
            torch.testing.assert_close(cached(torch.ones(2)), torch.full((2,), 3.0))
            torch.testing.assert_close(theirs(torch.ones(2)), torch.full((2,), 5.0))
            fresh = tracer.trace(lambda y: y + 4, torch.ones(2))
            assert fresh.graphs and torch.equal(fresh.result, torch.full((2,), 5.0))
            torch.testing.assert_close(
                torch.compile(lambda y: y + len(seen), backend="eager")(torch.ones(1)), torch.ones(1) + len(seen)
            )
        stepper.into()
    assert len(seen) > 8
    torch.testing.assert_close(stepper.result, broken(torch.ones(3)))
    torch._dynamo.reset()


def test_the_session_itself_is_usable_while_its_call_waits():
    stepper = tracer.step(plain, torch.ones(3))
    session = stepper.session
    stepper.until(target="mul")
    torch.testing.assert_close(session.run(broken, torch.ones(3)), broken(torch.ones(3)))
    assert "session busy" in {e.why for e in session.events if kind_of(e) == "FrameSkipped"}
    assert session.explain() and session.graphs == session.graphs
    stepper.run()
    torch.testing.assert_close(stepper.result, plain(torch.ones(3)))
    assert [e.outcome for e in session.events if kind_of(e) == "CallFinished"] == ["returned"]
    torch.testing.assert_close(session.run(broken, torch.ones(3)), broken(torch.ones(3)))


def test_two_sessions_wait_at_once():
    steppers = [tracer.step(fn, *make()) for fn, make in (SAMPLES["broken"], SAMPLES["branches"], SAMPLES["saved"])]
    waiting = list(steppers)
    while waiting:
        for stepper in list(waiting):
            if stepper.into() is None:
                waiting.remove(stepper)
    for stepper, name in zip(steppers, ("broken", "branches", "saved"), strict=True):
        fn, make = SAMPLES[name]
        torch.testing.assert_close(stepper.result, fn(*make()))
    assert tracer.compat.evalframe.current_region() == -1


def test_random_numbers_are_the_programs_own():
    def program(x):
        return x + torch.rand(3)

    torch.manual_seed(1)
    expected = program(torch.ones(3)), torch.rand(1)
    torch.manual_seed(1)
    stepper = tracer.step(program, torch.ones(3))
    while stepper.into():
        pass
    torch.testing.assert_close((stepper.result, torch.rand(1)), expected, rtol=0, atol=0)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_stops_the_call_at_its_next_event():
    """Ctrl-C while a command waits for the worker: the command raises, the call waits at its next event and goes on."""

    def slow(x):
        for _ in range(400):
            x = x + 1
        return x

    stepper = tracer.step(slow, torch.ones(2))
    stepper.breakpoint("NodeCreated", condition=lambda e: time.sleep(0.005))
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        stepper.run()
    timer.join()
    assert not stepper.done
    stepper.clear()
    assert stepper.into() is not None
    while stepper.line() and len(stepper.session.events) < 500:
        pass
    stepper.run()
    torch.testing.assert_close(stepper.result, torch.full((2,), 401.0))


@pytest.mark.parametrize("command", ["run", "into", "decision", "until"])
def test_a_command_to_a_call_that_is_on_its_way_goes_on_from_where_that_ends(command):
    """A cell that is stepped is shown at once, and the next cell may ask before its call has reached its first stop."""
    held = threading.Event()
    session = tracer.Session("step")
    late = Stepper(session, lambda: (held.wait(10), session.run(plain, torch.ones(3)))[1], wait=False)
    seen = []
    for stepper in (late, tracer.step(plain, torch.ones(3))):
        if command == "run":
            stepper.breakpoint("NodeCreated", target="*mul")
        timer = threading.Timer(0.3, held.set)
        timer.start()
        event = getattr(stepper, command)(*(["NodeCreated"] if command == "until" else []))
        seen.append((kind_of(event), event.seq))
        stepper.clear()
        assert stepper.run() is None
        torch.testing.assert_close(stepper.result, plain(torch.ones(3)))
    assert seen[0] == seen[1]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_at_the_prompt_changes_nothing():
    stepper = tracer.step(plain, torch.ones(3))
    stepper.until(target="mul")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stepper.run() is None
    torch.testing.assert_close(stepper.result, plain(torch.ones(3)))


def test_the_program_may_be_interrupted_like_any():
    def program(x):
        y = x + 1
        torch._dynamo.graph_break()
        raise KeyboardInterrupt

    stepper = tracer.step(program, torch.ones(2))
    stepper.run()
    with pytest.raises(KeyboardInterrupt):
        _ = stepper.result
    assert [e.outcome for e in stepper.session.events if kind_of(e) == "CallFinished"] == ["aborted"]


def test_commands_belong_to_the_controller():
    box = []

    def program(x):
        y = x + 1
        torch._dynamo.graph_break()
        box[0].into()
        return y

    stepper = tracer.step(program, torch.ones(2))
    box.append(stepper)
    stepper.run()
    with pytest.raises(TracerError, match="from inside of itself"):
        _ = stepper.result


def test_stepping_costs_nothing_where_nobody_steps():
    session = tracer.Session("step")
    session.step(plain, torch.ones(3)).run()
    assert session.recorder._append == session.recorder.events.append
