"""Suspended frames: generators, coroutines, iterators of unknown kinds."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="unsupported-generator",
        title="Generator leaves the function half-consumed",
        explanation="""A generator[[, `{running}`,]] is under way {at}[[: {why}]]. A started generator is a paused frame,
            and a graph can neither hold it nor rebuild it at the same position. So the graph ends, and Python runs
            the generator for real.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]what the generator computes is not part of the graph.",
        fixes=(
            Fix(
                name="list",
                do="Turn it into a list inside the function",
                when="all of its values are needed anyway",
                trades="all values are computed at once, and the loop is unrolled",
                source="""
                    def f(x):
                        it = rows(x)
                        first = next(it)
                        return first, list(it)
                """,
            ),
            Fix(
                name="start-outside",
                do="Make the generator in the caller and compile what it yields",
                when="its values are used one at a time",
                trades="one compiled call for each value",
                source="""
                    def f(row):
                        return row * 2
                    def call(x):
                        it = (f(row) for row in x)
                        return next(it), list(it)
                    call(torch.ones(3, 2)), call(torch.zeros(3, 2))
                """,
            ),
        ),
        reproducer="""
            def rows(x):
                for row in x:
                    yield row * 2
            def f(x):
                it = rows(x)
                first = next(it)
                return first, it
            def call(x):
                first, rest = f(x)
                return first, list(rest)
            call(torch.ones(3, 2)), call(torch.zeros(3, 2))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="generator-from-outside",
        title="Generator that was started elsewhere",
        explanation="""{here} takes a value from a generator[[, `{expr}`,|, `{func}`,]] that was made outside
            the function. It is a paused frame with a position of its own, and that state cannot be copied into the
            graph. So the graph ends, Python takes the value, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]one break for each `next()`.",
        fixes=(
            Fix(
                name="pass-values",
                do="Take the value in the caller and pass it",
                when="the function needs a known number of values",
                trades="the signature changes",
                source="""
                    def f(row):
                        return row + 1
                    def call(x):
                        it = rows(x)
                        return f(next(it)), f(next(it))
                    call(torch.ones(3, 2)), call(torch.zeros(3, 2))
                """,
            ),
            Fix(
                name="create-inside",
                do="Create the generator inside the function",
                when="nobody else reads from it",
                trades="it starts again on each call",
                source="""
                    def f(x):
                        it = rows(x)
                        return next(it) + 1, next(it) + 1
                    def call(x):
                        return f(x)
                    call(torch.ones(3, 2)), call(torch.zeros(3, 2))
                """,
            ),
        ),
        reproducer="""
            def rows(x):
                for row in x:
                    yield row * 2
            def f(x, it):
                return next(it) + 1
            def call(x):
                it = rows(x)
                return f(x, it), f(x, it)
            call(torch.ones(3, 2)), call(torch.zeros(3, 2))
        """,
        measured=(1, 1),
    ),
    Entry(
        id="unknown-iterator",
        stands="loop",
        title="Iterator of a kind without a rule",
        explanation="""{here} loops over [[`{expr}`, ]]an iterator[[ of type {type}]] that is written in
            compiled code. How many values come, and what a step changes elsewhere, cannot be seen from outside. So
            the graph ends, and Python runs the loop.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]the loop runs as ordinary Python, and its body is
            traced apart.""",
        fixes=(
            Fix(
                name="list",
                do="Pass a list: `list(iterator)` in the caller",
                when="the values fit into memory",
                trades="all values are read first, and the loop is unrolled",
                source="""
                    def f(x, factors):
                        for factor in factors:
                            x = x * factor
                        return x
                    def call(x):
                        return f(x, [field[0] for field in struct.iter_unpack("b", b"abc")])
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            import struct
            def f(x, factors):
                for factor in factors:
                    x = x * factor[0]
                return x
            def call(x):
                return f(x, struct.iter_unpack("b", b"abc"))
            call(torch.ones(4)), call(torch.zeros(4))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="async-construct",
        title="await or async inside the function",
        explanation="""{here} uses [[`{name}`|`await` or `async`]]. It may hand control to an event loop, which
            decides when and whether the function goes on, and a graph runs from start to end. So the graph ends
            before it, and Python awaits.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]a coroutine's own frame runs as ordinary Python.",
        fixes=(
            Fix(
                name="plain-function",
                do="Compile a plain function and await around it",
                when="the tensor work itself does not wait for anything",
                trades="the loop is blocked while the graph runs",
                source="""
                    def f(x):
                        return x * 2 + 1
                    async def add(x):
                        return f(x)
                    def call(x):
                        return asyncio.run(add(x))
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            import asyncio
            async def double(x):
                return x * 2
            async def add(x):
                return await double(x) + 1
            def f(x):
                try:
                    add(x).send(None)
                except StopIteration as done:
                    return done.value
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
)
