"""Calls of functions that don't fit raise CPython's own words: random signatures, called in random ways, traced and untraced."""

import random

import pytest
import torch

import tracer

NAMES = "abcd"


def signature(draw: random.Random) -> str:
    """Parameters of every kind, some with defaults."""
    names = list(NAMES[: draw.randrange(5)])
    cuts = sorted(draw.randrange(len(names) + 1) for _ in range(2))
    only, either, named = names[: cuts[0]], names[cuts[0] : cuts[1]], names[cuts[1] :]
    first_default = draw.randrange(cuts[1] + 1) if draw.random() < 0.5 else cuts[1]
    positional = [name + ("=0" if i >= first_default else "") for i, name in enumerate(only + either)]
    parts = positional[: len(only)] + (["/"] if only else []) + positional[len(only) :]
    rest = draw.random() < 0.3
    parts += ["*rest"] if rest else ["*"] if named else []
    parts += [name + draw.choice(("", "=0")) for name in named]
    return ", ".join(parts + (["**more"] if draw.random() < 0.3 else []))


def call(draw: random.Random) -> str:
    """Arguments by position, by name, starred and double-starred, among them what can't be starred."""
    parts = [str(i) for i in range(draw.randrange(5))]
    if draw.random() < 0.3:
        parts.append(draw.choice(("*(7, 8)", "*[]", "*3", "*None", "*{'k': 1}", "*'xy'")))
    parts += [f"{name}=1" for name in draw.sample(NAMES + "z", draw.randrange(4))]
    if draw.random() < 0.3:
        parts.append(draw.choice(("**{'a': 1}", "**{'z': 1, 'b': 2}", "**{}", "**3", "**[1]", "**{1: 2}", "**None")))
    return ", ".join(parts)


PROGRAM = """
class Holder:
    def method({self_signature}): return 1

def called({signature}): return 1

def f(t):
    holder, found = Holder(), []
    def made({signature}): return 1
    def attempt(run):
        try:
            found.append(run())
        except TypeError as error:
            found.append(str(error))
    {attempts}
    return t + 1, found
"""


def program(draw: random.Random) -> str:
    parameters = signature(draw)
    attempts = [f"attempt(lambda: {draw.choice(('called', 'made', 'holder.method', 'Holder.method'))}({call(draw)}))" for _ in range(12)]
    with_self = parameters.replace(", /", ", /", 1)
    return PROGRAM.format(signature=parameters, self_signature="self, " + with_self if with_self else "self", attempts="\n    ".join(attempts))


def differences(seeds: range) -> list[tuple[str, str, str]]:
    found = []
    for seed in seeds:
        source, namespace = program(random.Random(seed)), {"__name__": "bound"}
        exec(source, namespace)
        f = namespace["f"]
        compiled = tracer.compile(f, backend="eager", fullgraph=True)
        expected, got = f(torch.ones(1))[1], compiled(torch.ones(1))[1]
        compiled.session.close()
        found += [(source, a, b) for a, b in zip(expected, got, strict=True) if a != b]
    return found


def test_words_of_calls_that_do_not_fit():
    assert differences(range(25)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_words_of_many_calls_that_do_not_fit():
    assert differences(range(25, 2000)) == []
