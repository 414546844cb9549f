"""Programs made of one way to read state (`states`), one use of what was read and one place where it is read: drawn by number.

In: a number. Out: `Program`, source text of a module that defines `f`, `change` and `back`. Each is executed twice in namespaces of its
own, plain and traced: f is called, then after the change, then after the change back; what a person can see must be equal.
"""

from __future__ import annotations

import builtins
import gc
import linecache
import os
import random
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

import tracer
from tests.second_inputs.states import PYTHON, State
from tests.second_inputs.torch_states import TORCH

__all__ = ["GROUPS", "Program", "differing", "program", "steps"]

GROUPS: dict[str, dict[str, State]] = {**PYTHON, **TORCH}
_STATES = [name for rows in GROUPS.values() for name in rows]
assert len(set(_STATES)) == len(_STATES)

_HEAD = """\
import abc, array, builtins, collections, contextvars, dataclasses, datetime, enum, fractions, functools, heapq, inspect, logging, math
import os, pathlib, re, sys, tempfile, textwrap, threading, types, weakref
import torch
"""

#: What is done with what was read: expressions over `READ`, and `FIRST`, what it was at first.
USES = {
    "returned": "x * 2, READ",
    "branch on equality": "x + 1 if READ == FIRST else x - 1",
    "branch on truth": "x + 1 if READ else x - 1",
    "its type": "x * 2, type(READ).__name__",
    "in a tuple": "x * 2, (READ, [READ])",
    "asked twice": "x * 2, READ, x + 1, READ",
    "as text": "x * 2, str(READ)",
    "in a comparison of tuples": "x + 1 if (READ, 0) == (FIRST, 0) else x - 1",
    "a factor": "x * (READ if type(READ) in (int, float) else 3)",
}

#: Where it is read: templates over USE, an expression of `x`.
PLACES = {
    "directly": "def f(x): return USE",
    "helper": "def helper(x): return USE\ndef f(x): return helper(x)",
    "method": "class Caller:\n    def call(self, x): return USE\ncaller = Caller()\ndef f(x): return caller.call(x)",
    "lambda": "def f(x): return (lambda x: USE)(x)",
    "comprehension": "def f(x): return [(USE) for _ in range(1)]",
    "generator": "def f(x): return tuple((USE) for _ in range(2))",
    "try": "def f(x):\n    try:\n        return USE\n    except (AttributeError, KeyError, TypeError) as error:\n        return x, type(error).__name__",
    "closure": "def outer():\n    def inner(x): return USE\n    return inner\nf = outer()",
    "keyword": "def helper(*, x): return USE\ndef f(x): return helper(**{'x': x})",
    "property": "class Caller:\n    @property\n    def call(self): return (lambda x: USE)\ncaller = Caller()\ndef f(x): return caller.call(x)",
    "behind a break": "def f(x):\n    y = x + 1\n    torch._dynamo.graph_break()\n    return y, USE",
    "in no_grad": "def f(x):\n    with torch.no_grad():\n        y = x * 2\n    return y, USE",
    "loop": "def f(x):\n    found = []\n    for _ in range(2):\n        found.append(USE)\n    return found",
    "module": "class Net(torch.nn.Module):\n    def forward(self, x): return USE\nnet = Net()\ndef f(x): return net(x)",
    "partial": "def helper(k, x): return USE\npart = functools.partial(helper, 1)\ndef f(x): return part(x)",
    "decorated": "def deco(g):\n    @functools.wraps(g)\n    def w(*a): return g(*a)\n    return w\n@deco\ndef helper(x): return USE\ndef f(x): return helper(x)",
    "sorted key": "def key(n, x): return USE, n\ndef f(x): return [key(n, x) for n in sorted([2, 1], key=lambda n: n)]",
    "with": "class Manager:\n    def __enter__(self): return 1\n    def __exit__(self, *e): return False\ndef f(x):\n    with Manager():\n        return USE",
}


class Program:
    """One of each row; `source` is the module's text."""

    def __init__(self, state: str, use: str, place: str, number: int = -1):
        self.number, self.state, self.use, self.place = number, state, use, place
        self.group = next(group for group, rows in GROUPS.items() if state in rows)
        setup, self.read, self.change, self.back = GROUPS[self.group][state]
        text = PLACES[place].replace("USE", USES[use].replace("READ", f"({self.read})"))
        self.source = f"{_HEAD}{setup}\nFIRST = {self.read}\n{text}\n"

    def __repr__(self) -> str:
        return f"{self.number}: {self.state} / {self.use} / {self.place}"


def program(number: int) -> Program:
    """The program of that number: each state as often as the others, use and place drawn."""
    draw = random.Random(number)
    return Program(_STATES[number % len(_STATES)], draw.choice(list(USES)), draw.choice(list(PLACES)), number)


def _executed(made: Program, label: str) -> dict[str, Any]:
    name = f"<second input {made.number} {label}>"
    linecache.cache[name] = (len(made.source), None, made.source.splitlines(True), name)
    module = sys.modules["second"] = types.ModuleType("second")
    exec(compile(made.source, name, "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


_ADDRESS = re.compile(r" at 0x[0-9a-f]+|<second input \d+ \w+>")


def _seen(value: Any) -> Any:
    """What a person can see of a result: values of tensors, kinds and values of everything else."""
    if isinstance(value, torch.Tensor):
        values = "" if value.device.type == "meta" else str(value.detach().tolist())
        return type(value).__name__, str(value.dtype), str(value.device), tuple(value.shape), value.requires_grad, values
    if type(value) in (list, tuple):
        return type(value).__name__, [_seen(v) for v in value]
    return type(value).__name__, _ADDRESS.sub("", repr(value))


def steps(made: Program, label: str, compiled: Callable[[Any], Any]) -> Iterator[Any]:
    """What the three calls show."""
    namespace = _executed(made, label)
    call = compiled(namespace["f"])
    for action in ("", made.change, made.back):
        exec(action, namespace)
        try:
            yield _seen(call(torch.ones(2, device="cpu")))
        except Exception as error:
            yield type(error).__name__, _ADDRESS.sub("", str(error))


class _Kept:
    """Switches of the process that a failing program may leave changed."""

    def __init__(self) -> None:
        self.builtins, self.directory, self.threads = dict(vars(builtins)), os.getcwd(), torch.get_num_threads()

    def restore(self) -> None:
        vars(builtins).update(self.builtins)
        os.chdir(self.directory)
        torch.set_num_threads(self.threads)
        torch.set_grad_enabled(True)


def differing(made: Program) -> tuple[list[Any], list[Any]] | None:
    """(plain, traced) where the calls differ; None where they are equal."""
    kept = _Kept()
    sessions = []

    def traced(f: Any) -> Any:
        made_for = tracer.compile(f, backend="eager")
        sessions.append(made_for.session)
        return made_for

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = list(steps(made, "plain", lambda f: f))
            gc.collect(0)
            found = list(steps(made, "traced", traced))
    finally:
        for session in sessions:
            session.close()
        kept.restore()
    return None if plain == found else (plain, found)
