"""Drawn programs that hand values on in every way that Python has, and then read some of them, or none.

    python -m tests.guards.passed_on --count 2000 --seed 1

Plain Python is right, call by call, with values that are equal, differ, or are of other types.
"""

from __future__ import annotations

import argparse
import collections
import copy
import functools
import itertools
import linecache
import operator
import random
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch

import tracer

VALUES = (
    0, 1, 2, -1, True, False, 1.0, 0.0, -0.0, 2.5, "a", "b", "", None, (1, 2), (1, 3), float("nan"), 10**30, b"x", torch.float32, torch.float64, torch.device("cpu"),
)  # fmt: skip
ON = (
    "{t} = {s}", "{t} = [{s}]; {t} = {t}[0]", "{t} = ({s}, 1)[0]", "{t} = {{'k': {s}}}['k']", "{t} = same({s})", "{t} = same(v={s})", "{t} = star(*[{s}])",
    "{t} = named(**{{'v': {s}}})", "o.a = {s}; {t} = o.a", "{t} = (lambda: {s})()", "{t} = (lambda v={s}: v)()", "{t} = functools.partial(same, {s})()",
    "{t} = next(yielded({s}))", "{t} = copy.copy({s})", "{t} = copy.deepcopy({s})", "HELD.v = {s}; {t} = HELD.v", "{t} = [w for w in [{s}]][0]",
    "{t} = {s} if x.shape[0] == 2 else None", "{t} = max([{s}], key=lambda _: 0)", "{t} = getattr(o, 'zz', {s})", "{t} = Record({s}).v", "{t} = {{0: {s}}}.get(0)",
    "{t} = same({s}) or {s}", "{t} = list(map(same, [{s}]))[0]", "{t} = list(zip([{s}], [1]))[0][0]", "{t}, _ = {s}, 1", "{t} = caught({s})", "{t} = closed_over({s})",
    "torch._dynamo.graph_break(); {t} = {s}", "{t} = sorted([({s},)], key=len)[0][0]", "{t} = next(itertools.chain([{s}]))", "{t} = type({s})",
    "{t} = operator.itemgetter(0)([{s}])", "{t} = Slotted({s}).v", "{t} = Pair({s}, 1).left",
)  # fmt: skip
READS = (
    "y = y + (1 if {s} else 2)", "y = y + (1 if {s} == 1 else 2)", "y = y + (1 if {s} is None else 2)", "y = y + len(str({s}))", "z.append(f'{{{s}}}')",
    "y = y + (3 if isinstance({s}, (int, str)) else 4)", "y = y + (1 if {s} in (1, 'a') else 0)", "z.append({s})", "z.append(({s}, y))", "o.out = {s}",
    "z.append({s} is True)", "z.append(type({s}) is float)", "d[{s}] = 1", "z.append({s} != {s})", "z.append([{s}] == [1])",
)  # fmt: skip


@dataclass
class Record:
    v: Any


class Slotted:
    __slots__ = ("v",)

    def __init__(self, v):
        self.v = v


Pair = collections.namedtuple("Pair", "left right")


def same(v):
    return v


def star(*args):
    return args[0]


def named(**kwargs):
    return kwargs["v"]


def yielded(v):
    yield v


def closed_over(v):
    def inner():
        return v

    return inner()


def caught(v):
    try:
        raise ValueError(v)
    except ValueError as error:
        return error.args[0]


SCOPE = {
    one.__name__: one for one in (torch, copy, functools, itertools, operator, same, star, named, yielded, closed_over, caught, Record, Slotted, Pair)
}  # fmt: skip


def text(draw: random.Random) -> str:
    lines, names = ["def program(x, p, q, o):", "    y, z, d = x + 1, [], {}"], ["p", "q"]
    for index in range(draw.randint(2, 6)):
        lines.append("    " + draw.choice(ON).format(t=f"t{index}", s=draw.choice(names)))
        names.append(f"t{index}")
    lines += ["    " + draw.choice(READS).format(s=draw.choice(names)) for _ in range(draw.randint(0, 3))]
    given = [draw.choice(names) for _ in range(3)]
    return "\n".join([*lines, f"    return y, z, {given[0]}, [{given[1]}, {{'r': {given[2]}}}], list(d)"]) + "\n"


def run(seed: int, count: int = 5) -> str:
    """What differs in a few calls of one program, "" where nothing does."""
    draw = random.Random(seed)
    source, held, file = text(draw), SimpleNamespace(v=None), f"<passed on {seed}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    scope = {**SCOPE, "HELD": held}
    exec(compile(source, file, "exec"), scope)
    program = scope["program"]
    session = tracer.Session("trace", backend="eager", strict=True, record=draw.choice(["nothing", "decisions", "all"]))
    pool = [draw.choice(VALUES) for _ in range(4)]
    for number in range(count):
        p, q = draw.choice(pool), draw.choice(pool)
        seen = []
        for call in (program, functools.partial(session.run, program)):
            given, held.v = SimpleNamespace(a=5), None
            try:
                outcome: Any = shown(call(torch.ones(2), p, q, given))
            except Exception as error:
                outcome = type(error).__name__, str(error)
            seen.append((outcome, shown(vars(given)), shown(held.v)))
        if seen[0] != seen[1]:
            return f"seed {seed}, call {number} with {p!r}, {q!r}: {seen[1]}, not {seen[0]}\n{source}"
    session.close()
    return ""


def shown(value: Any) -> Any:
    """A value with the types of all that is in it."""
    if isinstance(value, torch.Tensor):
        return "Tensor", value.tolist()
    if isinstance(value, list | tuple):
        return type(value).__name__, [shown(part) for part in value]
    if isinstance(value, dict):
        return [(shown(key), shown(part)) for key, part in value.items()]
    return type(value).__name__, repr(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = [found for seed in range(options.seed, options.seed + options.count) if (found := run(seed))]
    print("\n".join([*wrong, f"{options.count} programs, {len(wrong)} of them wrong"]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
