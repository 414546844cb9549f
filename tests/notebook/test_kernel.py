"""A real kernel, spoken to as a page does: whatever happens to a traced or paused cell, nothing hangs and nothing is left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).parents[2]
START = """
%load_ext tracer
import asyncio, threading, time, torch
import tracer.compat.threads as threads

def f(x):
    y = torch.relu(x) + 1
    return y.sum()

def forever(x):
    while True:
        f(x)

def left():
    "What may be left behind: threads of ours, torch's modes of this thread, whether calls here are traced."
    session, before = globals().get("_tracer_session"), 0
    before = len(session.events) if session else 0
    f(torch.ones(2, len(globals()) % 7 + 1, 3))
    traced = session is not None and len(session.events) != before
    names = sorted(t.name for t in threading.enumerate() if t.name.startswith("tracer"))
    return {"steps": names.count("tracer-step"), "widgets": names.count("tracer-widget"), "traced": traced, "modes": repr(threads.ThreadState.now())}

clean = left()
"""


class Reply(NamedTuple):
    """What a cell came to. `name`: of the error it ended with, or ""."""

    name: str
    text: str  # streams and results
    count: int


class Kernel:
    """A kernel of this interpreter, and its one client."""

    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import KernelManager

        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env={**os.environ, "PYTHONPATH": path, "IPYTHONDIR": str(folder)}, cwd=str(folder))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run(START)
        self.run(
            "%%trace --quiet\nf(torch.ones(2))"
        )  # an interrupt while torch imports its parts would leave them broken

    def ask(self, code: str, cell: str = "") -> str:
        """Send a cell; the id of the message."""
        message = self.client.session.msg(
            "execute_request", {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        )
        message["metadata"] = {"cellId": cell}
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def answer(self, asked: str, seconds: float = 60) -> Reply:
        """Wait for the end of a cell. AssertionError where it takes longer."""
        deadline, text = time.monotonic() + seconds, ""
        while True:
            assert time.monotonic() < deadline, f"the cell hangs; until now it said: {text}"
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Exception as error:
                if type(error).__name__ != "Empty":
                    raise
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            content = message["content"]
            if message["msg_type"] == "update_display_data":  # another cell's, that was told meanwhile
                continue
            text += content.get("text") or content.get("data", {}).get("text/plain", "") + "\n" * bool(
                content.get("data")
            )
            text += "\n".join(content.get("traceback", ()))
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                break
        while (reply := self.client.get_shell_msg(timeout=10))["parent_header"]["msg_id"] != asked:
            pass
        return Reply(reply["content"].get("ename", ""), text, reply["content"]["execution_count"])

    def interrupt(self, asked: str) -> None:
        """Interrupt a cell half a second after it has said "go"."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") == asked and "go" in message["content"].get("text", ""):
                break
        time.sleep(0.5)
        self.manager.interrupt_kernel()

    def run(self, code: str, cell: str = "") -> Reply:
        reply = self.answer(self.ask(code, cell))
        assert not reply.name, f"{reply.name}\n{reply.text}"
        return reply

    def evaluate(self, expression: str) -> Any:
        """The value of an expression that is a literal."""
        return eval(self.run(f"print(repr({expression}), end='')").text)

    def until(self, expression: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not self.evaluate(f"bool({expression})"):
            assert time.monotonic() < deadline, f"{expression} did not come true"
            time.sleep(0.1)

    def close(self) -> None:
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(shared: Kernel) -> Iterator[Kernel]:
    """A kernel without sessions; at the end it must be as it was."""
    shared.run("%reload_ext tracer")
    yield shared
    shared.run("%unload_ext tracer")
    shared.until("(now := left()) == clean")
    shared.run("%load_ext tracer")


@pytest.fixture
def own(tmp_path) -> Iterator[Kernel]:
    """A kernel that a test may end."""
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.close()


def test_a_traced_cell_is_named_as_its_prompt(kernel) -> None:
    reply = kernel.run("%%trace\nf(torch.ones(4))")
    assert "tensor(8.)" in reply.text and "1 graph · 0 graph breaks" in reply.text
    assert kernel.evaluate("[call.function for call in _tracer_session.records.calls]") == [f"In [{reply.count}]"]


def test_a_cell_that_awaits_is_traced_and_not_stepped(kernel) -> None:
    reply = kernel.run("%%trace --step\nawait asyncio.sleep(0)\nvalue = f(torch.ones(3))\nvalue")
    assert "can't be stepped" in reply.text and "tensor(6.)" in reply.text
    assert kernel.evaluate("len(_tracer_session.graphs)") == 1
    assert kernel.evaluate("left()['traced']") is False


def test_tasks_that_go_on_after_an_awaiting_cell_are_not_traced(kernel) -> None:
    cell = "async def later():\n    await asyncio.sleep(0.3)\n    return f(torch.ones(5, 5))\ntask = asyncio.ensure_future(later())\nawait asyncio.sleep(0)"
    kernel.run(f"%%trace --quiet\n{cell}")
    before = kernel.evaluate("len(_tracer_session.events)")
    assert "tensor(50.)" in kernel.run("await task").text
    assert kernel.evaluate("len(_tracer_session.events)") == before


def test_nested_magics_run_in_the_main_thread(kernel) -> None:
    reply = kernel.run(
        "%%trace --step\n%time value = f(torch.ones(3))\nhere = threading.current_thread() is threading.main_thread()"
    )
    assert "can't be stepped" in reply.text and kernel.evaluate("(here, value.item())") == (True, 6.0)
    assert kernel.evaluate("len(_tracer_session.graphs)") == 1


@pytest.mark.parametrize(
    "body", ["forever(torch.ones(3))", "while True:\n    f(torch.ones(len(_tracer_session.events) % 50 + 1))"]
)
def test_an_interrupt_ends_a_traced_cell(kernel, body) -> None:
    asked = kernel.ask(f"%%trace\nprint('go', flush=True)\n{body}")
    kernel.interrupt(asked)
    reply = kernel.answer(asked)
    assert (
        reply.name == "KeyboardInterrupt"
        and "tracer/interpreter/" not in reply.text
        and "tracer/translate.py" not in reply.text
    )
    assert kernel.evaluate("left()['traced']") is False
    assert "1 graph" in kernel.run("%%trace\nf(torch.ones(4))").text


def test_an_interrupt_of_a_command_leaves_the_call_to_be_given_up(kernel) -> None:
    kernel.run("%%trace --step\nwhile True:\n    f(torch.ones(len(_tracer_session.events) % 50 + 1))")
    asked = kernel.ask("print('go', flush=True)\n_tracer_stepper.run()")
    kernel.interrupt(asked)
    assert kernel.answer(asked).name == "KeyboardInterrupt"
    kernel.run("_tracer_stepper.abort()")
    assert kernel.evaluate("(_tracer_stepper.done, left()['steps'], left()['traced'])") == (True, 0, False)


def test_the_kernel_stays_usable_while_a_cell_waits_and_its_names_appear_at_the_end(kernel) -> None:
    kernel.run("%%trace --step\nwaited = f(torch.ones(4))")
    assert kernel.evaluate("('waited' in globals(), f(torch.ones(2)).item())") == (False, 4.0)
    kernel.run("%%trace\nother = f(torch.ones(3))")
    stepper = kernel.run("_tracer_stepper.run()")
    assert kernel.evaluate("(waited.item(), other.item())") == (8.0, 6.0), stepper.text


def test_a_cell_that_is_run_again_gives_up_the_call_that_waits(kernel) -> None:
    for _ in range(3):
        kernel.run("%%trace --step\nf(torch.ones(4))", cell="one")
    kernel.run("%%trace --step\nf(torch.ones(4))", cell="other")
    kernel.until("left()['steps'] == 2")
    kernel.run("_tracer_stepper.run()")
    assert kernel.evaluate("left()['steps']") == 1


def test_reset_while_a_cell_waits(own) -> None:
    own.run("%%trace --step\nvalue = f(torch.ones(4))", cell="one")
    own.run("%reset -f")
    own.run(START.replace("%load_ext", "%reload_ext"))
    own.until("left()['steps'] == 0")
    assert "1 graph" in own.run("%%trace\nf(torch.ones(4))").text


def test_older_sessions_are_closed_and_leave_no_threads(kernel) -> None:
    kernel.run("%trace_config keep=2\nmade = []")
    for number in range(5):
        kernel.run(f"%%trace{' --step' if number % 2 else ''}\nf(torch.ones(4))", cell=f"c{number}")
        kernel.run("made.append(_tracer_session)")
    assert kernel.evaluate("[one.closed for one in made]") == [True, True, True, False, False]
    kernel.until("left()['steps'] <= 1 and left()['widgets'] <= 2")
    assert kernel.evaluate("made[0].graphs[0].op_count") == 3  # what was recorded stays readable


@pytest.mark.parametrize("cell", ["%%trace --step\nf(torch.ones(4))", "%%trace\nf(torch.ones(4))"])
def test_a_kernel_ends_at_once_whatever_waits_in_it(own, cell) -> None:
    own.run(cell)
    began = time.monotonic()
    own.client.shutdown()
    while own.manager.is_alive():
        assert time.monotonic() < began + 10, "the kernel does not end"
        time.sleep(0.1)


def test_a_kernel_that_is_restarted_while_a_cell_waits_works(own) -> None:
    own.run("%%trace --step\nf(torch.ones(4))")
    own.manager.restart_kernel()
    own.client.wait_for_ready(timeout=60)
    own.run(START)
    assert "1 graph" in own.run("%%trace\nf(torch.ones(4))").text
