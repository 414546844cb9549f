"""Random programs in which it can be seen when objects end: nests of generators, `with`, `try`, weak references, weak containers,
`__del__` and `del`, over a handful of names that are always bound. A number gives a program, the same on every machine.

Everything that happens is written to a log. Programs end: loops go over generators that yield a bounded number of items.
"""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["source"]

PRELUDE = '''
import contextlib, sys, weakref
import torch

class Plain:
    def __init__(self, n, log):
        self.n = n

class Loud:
    def __init__(self, n, log):
        self.n, self.log = n, log
    def __del__(self):
        self.log.append(("del", self.n))

class Manager:
    def __init__(self, n, log):
        self.n, self.log = n, log
    def __enter__(self):
        self.log.append(("enter", self.n))
        return self
    def __exit__(self, kind, error, trace):
        self.log.append(("exit", self.n, kind and kind.__name__, handled()))

def handled():
    found, error = [], sys.exc_info()[1]
    while error is not None and len(found) < 6:
        found.append((type(error).__name__, error.args and str(error.args[0])))
        error = error.__context__
    return tuple(found)

@contextlib.contextmanager
def managed(n, log):
    log.append(("enter", n))
    try:
        yield n
    except KeyError:
        log.append(("caught", n, handled()))
        raise
    finally:
        log.append(("exit", n, handled()))

def three(n, log):
    yield n
    yield n + 1
    yield n + 2

'''
SEEN = "(Plain, Loud, Manager)"
STATE = ("refs = []", "values = weakref.WeakValueDictionary()", "members = weakref.WeakSet()", "keys = weakref.WeakKeyDictionary()")
Lines = list[str]


def source(number: int) -> str:
    """A module with a function `f(x, log)`."""
    return _Writer(number).module()


class _Writer:
    def __init__(self, number: int):
        self.random, self.number, self.generators, self.out = random.Random(number), 0, ["three"], [PRELUDE]
        self.known: set[str] = set()

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def any_of(self, *makers: Callable[[int], Lines]) -> Lines:
        self.number += 1
        return self.random.choice(makers)(self.number)

    def module(self) -> str:
        for index in range(self.random.randint(1, 3)):
            self._function(f"g{index}", "n, log", [*self.generator(1), "yield n"])
            self.generators.append(f"g{index}")
        begin = ["a = b = c = None", *STATE]
        self._function("helper", "a, log", ["b = c = None", "x = 1", *STATE, *self.statements(0), "return len(refs)"])
        self._function("f", "x, log", ["x = x + 1", *begin, *self.statements(2), "log.append('end')", "return x, log"])
        return "\n".join(self.out)

    def _function(self, name: str, parameters: str, body: Lines) -> None:
        self.out += [f"def {name}({parameters}):", *_indented(body), ""]
        self.known.add(name)

    # ---- generators
    def generator(self, depth: int) -> Lines:
        lines: Lines = []
        for _ in range(self.random.randint(1, 3)):
            lines += self.any_of(
                lambda k: [f"yield {k}"],
                lambda k: [f"sent = yield {k}", f"log.append(('sent', {k}, sent))"],
                lambda k: ["try:", f"    yield {k}", "finally:", f"    log.append(('finally', {k}, handled()))"],
                lambda k: ["try:", f"    yield {k}", "except ValueError:", f"    log.append(('caught', {k}, handled()))", f"    yield -{k}"],
                lambda k: ["try:", f"    raise KeyError({k})", "except KeyError:", f"    yield {k}", f"    log.append(('still', {k}, handled()))",
                           f"    {self.one('raise', 'pass', f'raise ValueError({k})')}"],
                lambda k: [f"with Manager({k}, log):", *_indented(self.nested(depth, k))],
                lambda k: [f"with managed({k}, log):", f"    yield {k}"],
                lambda k: ["with torch.no_grad():", f"    yield {k}"],
                lambda k: [f"held = Loud({k}, log)", f"yield {k}"],
                lambda k: [f"log.append(('result', (yield from {self.one(*self.generators)}({k}, log))))"],
                lambda k: [f"for item in {self.one(*self.generators)}({k}, log):", "    yield item", f"    {self.one('break', 'pass', 'continue')}"],
                lambda k: ["try:", *_indented(self.nested(depth, k)), f"except {self.one('GeneratorExit', 'ValueError', 'KeyError')}:",
                           f"    log.append(('left', {k}, handled()))", f"    {self.one('raise', f'return {k}')}"],
                lambda k: [f"return {k}" if self.random.random() < 0.3 else "yield torch.is_grad_enabled()"],
            )  # fmt: skip
        return lines

    def nested(self, depth: int, k: int) -> Lines:
        return self.generator(depth - 1) if depth > 0 else [f"yield {k}"]

    # ---- statements
    def statements(self, depth: int) -> Lines:
        lines: Lines = []
        for _ in range(self.random.randint(1, 4)):
            lines += self.any_of(*self.compound(depth)) if depth > 0 and self.random.random() < 0.35 else self.any_of(*self.simple(depth))
        if self.random.random() < 0.1 and depth < 2:
            lines.append(self.one("return x, log", "print(end='')"))
        return lines

    def block(self, depth: int) -> Lines:
        return _indented(self.statements(depth - 1))

    def compound(self, depth: int) -> tuple[Callable[[int], Lines], ...]:
        caught = self.one("ValueError", "KeyError", "(ValueError, KeyError, RuntimeError)")
        return (
            lambda k: [f"for item in {self.one(*self.generators)}({k}, log):", "    log.append(item)", *self.block(depth),
                       f"    {self.one('break', 'pass', 'continue')}"],
            lambda k: ["try:", *self.block(depth), f"except {caught}{self.one('', ' as error')}:", "    log.append(handled())", *self.block(depth)],
            lambda k: ["try:", *self.block(depth), "finally:", f"    log.append(('finally', {k}, handled()))"],
            lambda k: [f"with {self.one('Manager', 'managed')}({k}, log):", *self.block(depth)],
        )  # fmt: skip

    def simple(self, depth: int) -> tuple[Callable[[int], Lines], ...]:
        a, b, g = self.one("a", "b", "c"), self.one("a", "b", "c"), self.one(*self.generators)
        seen, waits = f"if isinstance({a}, {SEEN}):", f"if hasattr({a}, 'send'):"
        attempt = ("    except (StopIteration, KeyError, ValueError, RuntimeError) as error:", "        log.append((type(error).__name__, handled()))")
        return (
            lambda k: [f"{a} = {g}({k}, log)"],
            lambda k: [f"{a} = None"],
            lambda k: [f"{a} = {b}"],
            lambda k: [f"del {a}", f"log.append({k})", f"{a} = {k}"],
            lambda k: [f"{a} = {g}({k}, log)", f"log.append(next({a}, 'end'))"],
            lambda k: [f"log.append(next({g}({k}, log)))", f"log.append(('after', {k}))"],
            lambda k: [f"log.append((any(v == {k} for v in {g}({k}, log)), torch.is_grad_enabled()))"],
            lambda k: [f"log.append({k} in {g}({k}, log))"],
            lambda k: [f"log.append([pair for pair in zip({g}({k}, log), range(1))])"],
            lambda k: [waits, "    try:", f"        log.append(next({a}))", *attempt],
            lambda k: [waits, "    try:", f"        log.append({a}.throw(ValueError({k})))", *attempt],
            lambda k: [waits, "    try:", f"        {a}.close()", *attempt],
            lambda k: [f"{a} = Plain({k}, log)"],
            lambda k: [f"{a} = Loud({k}, log)"],
            lambda k: [f"Loud({k}, log)", f"log.append({k})"],
            lambda k: [f"{a} = [Loud({k}, log), {b}, Plain({k}, log)]"],
            lambda k: [f"{a} = ({b}, {a})"],
            lambda k: [f"{a} = {{'b': {b}, 'plain': Plain({k}, log)}}"],
            lambda k: [seen, f"    refs.append(weakref.ref({a}, lambda _: log.append(('gone', {k}))))"],
            lambda k: [seen, f"    refs.append(weakref.ref({a}))"],
            lambda k: [seen, f"    values[{k}] = {a}"],
            lambda k: [seen, f"    members.add({a})", "log.append(len(members))"],
            lambda k: [seen, f"    keys[{a}] = {b}", "log.append(len(keys))"],
            lambda k: ["log.append([r() is None for r in refs] + sorted(values.keys()) + [len(members)])"],
            lambda k: [f"log.append([r() is {a} for r in refs])"],
            lambda k: [f"if isinstance({a}, list) and {a}:", f"    {a}.pop()"],
            lambda k: [f"if isinstance({a}, dict):", f"    {a}.clear()"],
            lambda k: [f"if isinstance({a}, Plain):", f"    {a}.child = {b}"],
            lambda k: [f"log.append((helper({a}, log), {k}))" if "helper" in self.known else f"log.append({k})"],
            lambda k: ["log.append(handled())"],
            lambda k: [f"x = x + {k}"],
            lambda k: [f"raise {self.one('ValueError', 'KeyError')}({k})" if self.random.random() < 0.3 and depth < 2 else f"log.append({k})"],
        )


def _indented(lines: Lines) -> Lines:
    return ["    " + line for line in lines]
