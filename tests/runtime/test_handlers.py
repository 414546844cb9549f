"""Signal handlers of the program while frames are traced: they run once, between two operations, and what they raise is the program's."""

from __future__ import annotations

import ctypes
import random
import signal
import sys
import threading

import pytest
import torch

import tracer
from tracer import ending, handlers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
NUMBER = signal.SIGUSR1
LOG: list[str] = []
TIMES = 1


@torch.library.custom_op("tests_handlers::signalled", mutates_args=())
def signalled(x: torch.Tensor) -> torch.Tensor:
    return x + 1


@signalled.register_fake
def _(x):  # C++ calls it, while a frame is traced
    for _ in range(TIMES):
        signal.raise_signal(NUMBER)
        LOG.append("raised")
    LOG.append("kernel")
    return torch.empty_like(x)


class Late(Exception):
    """A program's own timeout."""


def late(number, frame):
    LOG.append("handler")
    raise Late


def noted(number, frame):
    LOG.append("handler")


@pytest.fixture(autouse=True)
def with_handler():
    LOG.clear()
    before = signal.getsignal(NUMBER)
    yield lambda handler: signal.signal(NUMBER, handler)
    signal.signal(NUMBER, before)
    assert not handlers._own and not handlers._came and not handlers.bells



def test_a_handler_that_returns_runs_between_two_operations(with_handler):
    with_handler(noted)

    def f(x):
        return signalled(x) * 2

    session = tracer.Session(backend="eager")
    assert session.run(f, torch.ones(2)).tolist() == [4.0, 4.0]
    assert LOG == ["raised", "kernel", "handler"] and len(session.graphs) == 1 and not session._breaks
    assert signal.getsignal(NUMBER) is noted


def test_what_a_handler_raises_is_the_programs_own_also_where_it_is_an_exception(with_handler):
    with_handler(late)

    def f(x):
        return signalled(x) * 2

    session = tracer.Session(backend="eager", strict=True)
    with pytest.raises(Late):
        session.run(f, torch.ones(2))
    assert LOG == ["raised", "kernel", "handler"]
    assert signal.getsignal(NUMBER) is late and not session.hook._lock._is_owned()
    with_handler(noted)
    assert session.run(f, torch.ones(2)).tolist() == [4.0, 4.0]
    assert len(session.graphs) == 1


def test_a_second_signal_does_not_wait(with_handler, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "TIMES", 3)
    with_handler(noted)
    tracer.trace(lambda x: signalled(x), torch.ones(2))
    assert LOG == ["raised", "handler", "raised", "handler", "raised", "kernel", "handler"]


def test_what_comes_behind_the_last_operation_comes_behind_the_trace(with_handler):
    with_handler(noted)

    def listener(*_):
        signal.raise_signal(NUMBER)
        LOG.append("raised")

    handlers.hold()
    listener()
    assert LOG == ["raised"]
    handlers.let_go()
    assert LOG == ["raised", "handler"]


def test_a_handler_may_put_another_one_in_its_place(with_handler):
    def once(number, frame):
        LOG.append("once")
        signal.signal(NUMBER, noted)

    with_handler(once)
    tracer.trace(lambda x: signalled(signalled(x)[:1]), torch.ones(2))
    assert [said for said in LOG if said in ("once", "handler")] == ["once", "handler"]
    assert signal.getsignal(NUMBER) is noted


def test_signals_without_a_handler_of_python_are_left_alone(with_handler):
    with_handler(signal.SIG_IGN)
    tracer.trace(lambda x: signalled(x), torch.ones(2))
    assert LOG == ["raised", "kernel"] and signal.getsignal(NUMBER) is signal.SIG_IGN


def test_a_backend_compiles_with_the_programs_handlers(with_handler):
    with_handler(late)
    seen = []

    def backend(gm, inputs):
        seen.append(signal.getsignal(NUMBER))
        return gm.forward

    tracer.Session(backend=backend).run(lambda x: x + 1, torch.ones(2))
    assert seen == [late]


@pytest.mark.skipif(sys.platform != "linux" or sys.maxsize < 2**32, reason="the layout of another system's structure")
def test_the_systems_action_is_what_it_was(with_handler):
    """Its flags, which say whether system calls are started again, and a handler that a C library put under Python's."""
    with_handler(noted)
    signal.siginterrupt(NUMBER, False)
    read, one, other = ctypes.CDLL(None).sigaction, ctypes.create_string_buffer(1024), ctypes.create_string_buffer(1024)
    read(NUMBER, None, one)
    tracer.trace(lambda x: x + 1, torch.ones(2))
    read(NUMBER, None, other)
    handler, mask, flags = slice(0, 8), slice(8, 16), slice(136, 140)  # of glibc's; the rest of the mask is never written
    assert all(one.raw[part] == other.raw[part] for part in (handler, mask, flags)) and one.raw[flags] != bytes(4)


def test_in_other_threads_nothing_is_held(with_handler):
    with_handler(noted)
    seen = []

    def backend_free(x):
        return x + 1

    def work():
        assert handlers.hold() is False
        seen.append(signal.getsignal(NUMBER))
        assert tracer.trace(backend_free, torch.ones(2)).result.tolist() == [2.0, 2.0]

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [noted]


def test_whoever_compiles_alone_is_told_behind_it(with_handler):
    with_handler(late)
    hook = tracer.Session(backend="eager").hook

    def work():
        signal.raise_signal(NUMBER)
        LOG.append("raised")
        assert hook.alone(work) is None

    with pytest.raises(Late):
        hook.alone(work)
    assert LOG == ["raised", "handler"] and not hook._lock._is_owned()


def test_an_interrupt_before_a_graph_behind_a_break_leaves_the_blocks_that_are_open():
    def f(x):
        with torch.no_grad():
            y = x * 2
            print(end="")
            return y.sin()

    compiled = tracer.compile(f, backend="eager")
    interrupts = []

    def recorder(frame_id, name):
        def hit():
            if interrupts and frame_id == interrupts[0]:
                interrupts.clear()
                raise KeyboardInterrupt

        return hit

    compiled.session.hit_recorder = recorder
    x = torch.ones(3, requires_grad=True)
    compiled(x)
    interrupts.append("1/0")
    with pytest.raises(KeyboardInterrupt):
        compiled(x)
    assert torch.is_grad_enabled()
    assert torch.equal(compiled(x), f(x))
    assert not interrupts and len(compiled.session.graphs) == 2


@pytest.mark.parametrize("before", [False, True], ids=["inside", "before"])
def test_an_interrupt_behind_a_graph_that_leaves_blocks_open_leaves_the_switches_as_they_were(before, monkeypatch):
    """The frame breaks inside of the blocks: what leaves them runs only behind the break."""
    real, interrupts = ending.enter_autocast, []

    def enter(*settings):
        entered = None if before and interrupts else real(*settings)
        if interrupts:
            interrupts.clear()
            raise KeyboardInterrupt
        return entered

    def f(x):
        with torch.no_grad(), torch.autocast("cpu"):
            y = x @ x
            print(end="")
            return y * 2

    monkeypatch.setattr(ending, "enter_autocast", enter)
    compiled = tracer.compile(f, backend="eager")
    x = torch.ones(3, 3, requires_grad=True)
    compiled(x)
    interrupts.append(True)
    with pytest.raises(KeyboardInterrupt):
        compiled(x)
    assert torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    assert (x @ x).dtype is torch.float32, "nothing of autocast is left"
    assert torch.equal(compiled(x), f(x)) and not interrupts


@pytest.mark.parametrize("number", range(1, 8))
def test_what_is_raised_while_torch_puts_the_random_state_back_is_no_system_error(number):
    """Torch's C++ calls `random.setstate` behind each question to a hook, and goes on with the exception set: lost there, or raised by a later call of C."""
    names: dict = {}
    exec("def h(x): return len(str(x))\ndef f(x):\n print(end='')\n return h(x)", names)
    times: list[str] = []

    def stopped(frame, event, arg):
        if frame.f_code is random.Random.setstate.__code__:
            times.append(event)
            if len(times) == number:
                raise Late

    compiled = tracer.compile(names["f"], backend="eager")
    sys.settrace(stopped)
    try:
        result = compiled(torch.ones(2))
    except Late:
        result = None
    finally:
        sys.settrace(None)
    assert len(times) == number and result in (None, 16)
    assert compiled(torch.ones(2)) == 16


def test_a_system_error_of_the_programs_own_stays_one():
    def failing(x):
        raise SystemError("mine") from Late()

    with pytest.raises(SystemError, match="mine"):
        tracer.compile(failing, backend="eager")(torch.ones(2))


def test_signals_wait_while_a_graph_runs_whose_operators_torch_traces():
    """What they raise comes out behind it, and the program's handler is in its place again."""
    seen = []

    class Alarm(Exception):
        pass

    def handler(_number, _frame):
        seen.append("handler")
        raise Alarm

    def graph(x):
        signal.raise_signal(signal.SIGALRM)
        seen.append("graph")
        return x

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(Alarm):
            handlers.waiting(graph)(1)
        assert seen == ["graph", "handler"] and signal.getsignal(signal.SIGALRM) is handler
        assert handlers.hold() and handlers.let_go()
    finally:
        signal.signal(signal.SIGALRM, before)
