"""Programs drawn at random that write to instances in every way: each behaves traced as untraced, with what its class runs.

    python -m tests.programs.test_attributes_drawn 0 2000     # more of them
"""

from __future__ import annotations

import copy
import functools
import random
import re
import sys
from collections.abc import Callable
from typing import Any

import torch

import tracer

COUNT = 60
CLASSES = '''
class Special(property): pass
class Data:
    def __get__(self, o, c=None): return o.__dict__.get('n', 0) if o is not None else self
    def __set__(self, o, v): LOG.append(('data', v))
    def __delete__(self, o): LOG.append('data del')
class OnlySet:
    def __set__(self, o, v): LOG.append(('only', v)); o.__dict__['n'] = v
class OnlyDelete:
    def __delete__(self, o): LOG.append('only del')
class NonData:
    def __get__(self, o, c=None): return 6
'''
#: What the class has under the name that is written, or how it takes writes.
PLACES = {
    "nothing": "pass",
    "value": "n = 7",
    "property": "n = property(lambda s: s.__dict__.get('n', -1), lambda s, v: (LOG.append(v), s.__dict__.update(n=v))[0], lambda s: LOG.append('del'))",
    "readonly": "n = property(lambda s: 5)",
    "subclass of property": "n = Special(lambda s: s.__dict__.get('m', -1), lambda s, v: s.__dict__.__setitem__('m', v))",
    "data": "n = Data()",
    "only set": "n = OnlySet()",
    "only delete": "n = OnlyDelete()",
    "no data": "n = NonData()",
    "slot": "__slots__ = ('n', '__dict__')",
    "cached": "n = functools.cached_property(lambda s: LOG.append('computed') or 3)",
    "method": "def n(self): return 4",
    "classmethod": "n = classmethod(lambda c: 4)",
    "setattr": "def __setattr__(s, k, v): LOG.append((k, v)); object.__setattr__(s, k, v)",
    "delattr": "def __delattr__(s, k): LOG.append(k); object.__delattr__(s, k)",
    "getattr": "def __getattr__(s, k): LOG.append('get ' + k); return 9",
}
STEPS = (
    "o.n = {v}", "del o.n", "o.__dict__['n'] = {v}", "o.__dict__.pop('n', None)", "vars(o).update(n={v}, q={v})", "o.__dict__.setdefault('n', {v})",
    "object.__setattr__(o, 'n', {v})", "object.__delattr__(o, 'n')", "setattr(o, 'n', {v})", "delattr(o, 'n')", "o.q = {v}", "del o.q",
    "seen.append(getattr(o, 'n', None) if not callable(getattr(o, 'n', None)) else 'callable')", "seen.append(hasattr(o, 'n'))", "seen.append('n' in vars(o))",
    "seen.append([k for k in o.__dict__ if k[0] != '_'])", "seen.append(o.__dict__.get('n', 'none'))", "seen.append((vars(copy.copy(o)), LOG[:]))",
    "torch._dynamo.graph_break()",
)  # fmt: skip
CLEAR = "o.__dict__.clear()"  # a module doesn't live without its own entries


def drawn(seed: int) -> tuple[str, str]:
    """(the program, names of entries that its object has at first)"""
    draw = random.Random(seed)
    place, kind = draw.choice(list(PLACES)), draw.choice(["given", "made", "module", "two with one dict"])
    module = kind == "module" and place != "slot"
    lines = [f"class C{'(torch.nn.Module)' if module else ''}:", f"    {PLACES[place]}", "def f(x, o, p):", "    seen = []"]
    if kind == "made":
        lines += ["    o = C()", "    o.__dict__.update(q=1)"]
    for _ in range(draw.randint(1, 5)):
        step = draw.choice(STEPS if module else (*STEPS, CLEAR)).format(v=draw.randint(1, 9))
        if kind == "two with one dict" and draw.random() < 0.5:
            step = re.sub(r"\bo\b", "p", step)
        lines += [f"    try: {step}", "    except (AttributeError, TypeError, KeyError) as e: seen.append(str(e))"]
    lines += ["    return x + 1, seen, o"]
    if kind == "two with one dict" and place != "setattr":
        lines += ["SHARED = True"]
    return CLASSES + "\n".join(lines), draw.choice(["", "n", "q", "nq"])


def behaviour(seed: int, compiled: Callable[[Any], Any]) -> str:
    text, names = drawn(seed)
    space: dict[str, Any] = {"LOG": [], "torch": torch, "functools": functools, "copy": copy}
    exec(compile(text, f"<drawn {seed}>", "exec"), space)
    f, out = compiled(space["f"]), []
    for call in range(2):
        o, p = space["C"](), space["C"]()
        if "SHARED" in space:
            p.__dict__ = o.__dict__
        for name in names:
            o.__dict__[name] = call + 20
        try:
            y, seen, left = f(torch.ones(1), o, p)
            state = [[(k, v) for k, v in vars(each).items() if k[0] != "_"] for each in (left, p)]
            slot = getattr(left, "n", None) if "__slots__" in vars(space["C"]) else None
            out.append((y.item(), seen, state, slot))
        except Exception as error:
            out.append((type(error).__name__, str(error)))
        out.append(list(space["LOG"]))
    return re.sub(r" at 0x[0-9a-f]+", "", repr(out))


def traced(f: Any) -> Any:
    return tracer.compile(f, backend="eager", dynamic=False)


def differing(seeds: range) -> list[int]:
    return [seed for seed in seeds if behaviour(seed, traced) != behaviour(seed, lambda f: f)]


def test_drawn_writes_behave_as_untraced() -> None:
    assert differing(range(COUNT)) == []


if __name__ == "__main__":
    for seed in differing(range(*map(int, sys.argv[1:3]))):
        print(seed, drawn(seed), behaviour(seed, lambda f: f), behaviour(seed, traced), sep="\n")
