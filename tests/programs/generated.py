"""Random small programs as Python source, built so that hypothesis shrinks them to what matters.

A program works on a fixed set of names that are all bound at entry (tensors `x y t u` of one shape, ints `n a b`, a list
`xs`, a dict `d`, a pair `p`), so any statement may be dropped without unbinding another. Loops are bounded, integers
are kept small, and every path ends: whatever hypothesis draws is a program that terminates.
"""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from hypothesis import strategies as st

__all__ = ["build", "inputs", "programs"]

TENSORS, INTS = ("x", "y", "t", "u"), ("n", "a", "b")
NUMBER = count()

PRELUDE = """
import torch

def scale(v, k, *rest, shift=1):
    return v * k + shift + len(rest)

def push(values, item, into=None):
    values.append(item)
    if into is not None:
        into["pushed"] = len(values)
    return values[0]

def clip(k, low=-3, high=9):
    if k < low:
        raise ValueError(f"{k} is below {low}")
    return min(k, high)

"""

names = st.sampled_from(INTS)
tensors = st.sampled_from(TENSORS)
small = st.integers(-3, 5).map(str)


def fill(template: str, **parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.fixed_dictionaries(parts).map(lambda drawn: template.format(**drawn))


def ints(depth: int = 2) -> st.SearchStrategy[str]:
    leaves = st.one_of(
        small, names, st.sampled_from(["len(xs)", "x.shape[0]", "x.size(1)", "len(d)", "p[0]", "d['k']"])
    )
    if depth == 0:
        return leaves
    inner = ints(depth - 1)
    binary = fill("({l} {o} {r})", l=inner, o=st.sampled_from("+-"), r=inner)
    return st.one_of(
        leaves,
        binary,
        fill("({l} * {r} % 11)", l=inner, r=inner),
        fill("({c} and {l} or {r})", c=inner, l=inner, r=inner),
        fill("({l} if {c} else {r})", l=inner, c=conditions(depth - 1), r=inner),
        st.sampled_from(["sum(v for v in xs if v > 0)", "max(xs, default=0)", "xs[-1]", "d.get('z', 4)", "clip(a)"]),
    )


def conditions(depth: int = 1) -> st.SearchStrategy[str]:
    compare = fill("{l} {o} {r}", l=ints(0), o=st.sampled_from(["<", "<=", "==", "!=", ">"]), r=ints(0))
    simple = st.one_of(
        compare, st.sampled_from(["xs", "n in xs", "'k' in d", "p is d.get('p')", "x.dim() == 2", "t is x"])
    )
    if depth == 0:
        return simple
    return st.one_of(simple, fill("not ({c})", c=simple), fill("{c} and {e} or {c}", c=simple, e=simple))


def values(depth: int = 2) -> st.SearchStrategy[str]:
    if depth == 0:
        return tensors
    inner = values(depth - 1)
    return st.one_of(
        tensors,
        fill("({l} {o} {r})", l=inner, o=st.sampled_from("+-*"), r=inner),
        fill("({l} * {r})", l=inner, r=ints(1)),
        fill("{v}.{m}()", v=inner, m=st.sampled_from(["relu", "neg", "tanh", "clone", "abs", "detach"])),
        fill("torch.where({l} > {r}, {l}, {r})", l=inner, r=inner),
        fill("scale({v}, {k}, shift={s})", v=inner, k=ints(0), s=ints(0)),
        fill("({v} - {v}.mean(1, keepdim=True))", v=inner),
        fill("({l} if {c} else {r})", l=inner, c=conditions(0), r=inner),
    )


def simple_statements() -> st.SearchStrategy[str]:
    return st.one_of(
        fill("{t} = {v}", t=tensors, v=values()),
        fill("{n} = {i}", n=names, i=ints()),
        fill("{t} {o}= {v}", t=tensors, o=st.sampled_from("+*"), v=values(1)),
        fill("{t}.{m}_({i})", t=tensors, m=st.sampled_from(["add", "mul"]), i=ints(0)),
        fill("{t}[{i}] = {j}", t=tensors, i=st.sampled_from(["0", "1", ":, 2", "..., -1"]), j=ints(0)),
        fill("xs.append({i})", i=ints(1)),
        fill("xs[{i}] = {j}", i=st.sampled_from(["0", "-1", ":1"]), j=fill("[{i}]", i=ints(0))).map(one_item),
        fill("d[{k}] = {i}", k=st.sampled_from(["'k'", "'z'", "n", "(a, 1)"]), i=ints(1)),
        fill("d['t'] = {v}", v=values(1)),
        fill("a, b = {l}, {r}", l=ints(0), r=ints(0)),
        fill("p = ({l}, {v})", l=ints(0), v=tensors),
        fill("push(xs, {i}, into=d)", i=ints(0)),
        st.sampled_from(
            [
                "xs = [v + 1 for v in xs]",
                "a += d.pop('z', 0)",
                "d['p'] = p",
                "xs.reverse()",
                "t, u = u, t",
                "del xs[1:2]",
            ]
        ),
    )


def one_item(statement: str) -> str:
    """`xs[0] = [3]` means the item; only a slice takes the list."""
    return statement if ":1" in statement else statement.replace("= [", "= (")[:-1] + ")"


def indented(lines: list[str]) -> str:
    return textwrap.indent("\n".join(lines), "    ")


def compound(depth: int, looping: bool) -> st.SearchStrategy[str]:
    body = blocks(depth - 1, looping).map(indented)
    loop = blocks(depth - 1, True).map(indented)
    headers = st.one_of(
        fill("for b in range({k})", k=st.sampled_from(["2", "3", "x.shape[0]", "len(xs) % 4"])),
        st.sampled_from(["for i, a in enumerate(xs[:3])", "for b, k in zip([1, 2, 3], list(d))", "for row in x[:2]"]),
    )
    choices = [
        fill("if {c}:\n{b}", c=conditions(), b=body),
        fill("if {c}:\n{b}\nelse:\n{e}", c=conditions(), b=body, e=body),
        fill("{h}:\n{b}", h=headers, b=loop),
        fill("{h}:\n{b}\nelse:\n{e}", h=headers, b=loop, e=body),
        fill("try:\n{b}\n    a = {l} // {r}\nexcept ZeroDivisionError as error:\n    d['e'] = str(error)\n{e}",
             b=body, l=ints(0), r=ints(1), e=body),
        fill("try:\n    {n} = xs[{i}] + d[{k}]\n{b}\nexcept (IndexError, KeyError):\n{e}\nfinally:\n    n += 1",
             n=names, i=ints(0), k=st.sampled_from(["'k'", "'q'", "a"]), b=body, e=body),
        fill("try:\n    a = clip({i})\nexcept ValueError:\n{b}\nelse:\n    b = a", i=ints(1), b=body),
        fill("with torch.no_grad():\n{b}", b=body),
        fill("if {c}:\n    return {v}, n", c=conditions(), v=values(1)),
        st.sampled_from(["print(n, a)", "if t.sum() > 0:\n    t = t - 1", "torch._dynamo.graph_break()"]),
    ]  # fmt: skip
    if looping:
        choices += [fill("if {c}:\n    {w}", c=conditions(), w=st.sampled_from(["break", "continue"]))]
    return st.one_of(choices)


def blocks(depth: int, looping: bool = False) -> st.SearchStrategy[list[str]]:
    one = (
        simple_statements()
        if depth == 0
        else st.one_of(simple_statements(), simple_statements(), compound(depth, looping))
    )
    return st.lists(one, min_size=1, max_size=5 if depth else 2)


def programs(depth: int = 2) -> st.SearchStrategy[str]:
    """Source of a module with one function `f(x, y, n, xs, d)`."""
    opening = "t, u, a, b, p = x + 1, y * 2, 2, 0, (n, y)"
    ending = "return x, t, u, n, a, b, xs, d, p"
    return blocks(depth).map(lambda body: f"{PRELUDE}def f(x, y, n, xs, d):\n{indented([opening, *body, ending])}\n")


def build(source: str) -> Callable:
    """The program's `f`, with its source where tracebacks and inspect find it."""
    name = f"<generated {next(NUMBER)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    namespace: dict[str, Any] = {"__name__": "__generated__"}
    exec(compile(source, name, "exec"), namespace)
    return namespace["f"]


def inputs(number: int, n: int, grad: bool) -> tuple[Any, ...]:
    """Arguments of one call; the same number gives the same arguments."""
    generator = torch.Generator().manual_seed(number)
    x, y = (torch.randn(3, 4, generator=generator) for _ in range(2))
    leaf = y.clone().requires_grad_(grad)
    return x, leaf * 1, n, [1, 2, n], {"k": 2, "w": leaf}
