"""Imports that a notebook's stop button can't cut off in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from tracer.loading import uninterrupted


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_waits_for_the_end_of_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("whole")
    assert done == ["whole"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("interruptible")
def test_an_error_in_the_block_is_what_is_raised():
    with pytest.raises(ImportError), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        raise ImportError("broken")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_other_threads_it_is_nothing():
    done = []

    def work():
        with uninterrupted():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGINT)]


LOAD = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
from IPython.testing.globalipapp import start_ipython
shell = start_ipython()
threading.Timer(0.6, os.kill, [os.getpid(), signal.SIGINT]).start()
try:
    shell.run_line_magic("load_ext", "tracer")
    interrupted = False
except KeyboardInterrupt:
    interrupted = True
assert interrupted, "torch takes longer to import than that"
shell.run_line_magic("load_ext", "tracer")
import torch, tracer
before = set(sys.modules)
assert tracer.trace(lambda x: x + 1, torch.ones(2)).result.tolist() == [2.0, 2.0]
leaf = "torch._subclasses.schema_check_mode"  # imports nothing new and registers nothing: it can be imported again
later = {name for name in set(sys.modules) - before if name.startswith("torch")} - {leaf}
assert not later, sorted(later)
"""


def test_a_kernel_that_was_interrupted_while_loading_works_and_has_imported_all():
    made = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr[-3000:]
