"""Whole functions that are given up: too large, too deep, refused by the backend, or our own fault."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="too-deep",
        title="Calls are nested too deeply",
        explanation="""[[`{func}`|A call here]] is more than [[{limit} calls|the limit]] deep inside the
            compiled function, usually by recursion. Every level becomes part of the same graph, and the tracer
            stops before it runs out of room. So the function runs as ordinary Python.""",
        why_it_matters="0 graphs: the time for tracing is spent, and this function gets no speed-up.",
        also=(
            (
                "Write the recursion as a loop when it only counts or walks along a list. Trades: a variable for what "
                "the levels kept."
            ),
            "Compile a function that is called deeper down. Trades: more and smaller graphs.",
        ),
        kind="whole-frame",
    ),
    Entry(
        id="too-long",
        title="Function takes too long to trace",
        explanation="""Tracing [[`{func}`|this function]] took more than [[{limit}[[ {what}]]|the limit]]
            without coming to its end[[; line {line} was reached]]. Loops over Python values are unrolled, so a long
            loop makes a long graph. So all of [[`{func}`|it]] runs as ordinary Python.""",
        why_it_matters="0 graphs: the time for tracing is spent, and this function gets no speed-up.",
        fixes=(
            Fix(
                name="compile-the-body",
                do="Compile the loop's body and keep the loop in the caller",
                when="one step is worth compiling",
                trades="one compiled call for each step",
                source="""
                    def f(x, step):
                        return x + step
                    def call(x, steps):
                        for step in range(steps):
                            x = f(x, torch.tensor(float(step)))
                        return x
                    call(torch.ones(4), 50), call(torch.zeros(4), 50)
                """,
            ),
            Fix(
                name="vectorise",
                do="Replace the loop by one tensor operation",
                when="the steps do not depend on each other",
                trades="memory for all steps at once",
                source="""
                    def f(x, steps):
                        return x + torch.arange(float(steps)).sum()
                    def call(x, steps):
                        return f(x, steps)
                    call(torch.ones(4), 50), call(torch.zeros(4), 50)
                """,
            ),
        ),
        config="a larger `max_trace_seconds` or `max_instructions`. Trades: a longer first call and a larger graph.",
        reproducer="""
            def f(x, steps):
                for step in range(steps):
                    x = x + step
                return x
            def call(x, steps):
                return f(x, steps)
            call(torch.ones(4), 50), call(torch.zeros(4), 50)
        """,
        kind="whole-frame",
    ),
    Entry(
        id="backend-failed",
        title="Backend refused the captured graph",
        explanation="""The graph of [[`{func}`|this function]] was captured, and the backend [[{backend} ]]raised
            while it compiled it[[: {value}]]. The capture itself is fine. So there is nothing compiled to run, and
            the error is passed on.""",
        why_it_matters='the program stops here; with `backend="eager"` the same graph runs as it was captured.',
        also=(
            (
                'Try `session.recompile(backend="eager")` to see whether the capture gives the right result. Trades: '
                'no speed-up.'
            ),
            "Export the graph with `session.export(path)` and report it to the backend's authors. Trades: nothing.",
        ),
        kind="error",
    ),
    Entry(
        id="internal-fault",
        title="The tracer itself failed",
        explanation="""Tracing [[`{func}`|this function]] failed[[ at line {line}]] because of a fault in
            Tracer, not in your code[[: {type}: {value}]]. What was recorded of it is thrown away. So all of
            [[`{func}`|it]] runs as ordinary Python, and its results are unaffected.""",
        why_it_matters="0 graphs: this function gets no speed-up until the fault is fixed.",
        also=(
            (
                "Put `tracer.disable` on the function to stop the attempt at every call. Trades: it stays uncompiled "
                "when the fault is fixed."
            ),
            (
                "Save the run with `session.save(path)` and open an issue with that file. Trades: it holds names and "
                "source lines."
            ),
        ),
        config="`strict=True` raises the fault with its traceback instead of running the function uncompiled.",
        kind="error",
    ),
)
