"""Effects that have to happen now: text, outside state, random state."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="ignored-error",
        title="Error that Python writes down and forgets",
        explanation="""{here} drops the last reference to an object whose end raises [[{type}|an error]][[ in `{func}`]]. Nobody can
            catch such an error: Python writes "Exception ignored in …" with the stack and goes on. So the graph ends, Python drops
            the object itself, and a new graph starts behind.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]one break for each such object.",
        fixes=(
            Fix(
                name="close-it",
                do="Close the object and catch the error",
                when="the error is expected",
                trades="two more lines",
                source="""
                    class Connection:
                        def close(self):
                            raise ValueError("already closed")
                    def f(x):
                        connection = Connection()
                        y = x * 2
                        try:
                            connection.close()
                        except ValueError:
                            pass
                        return y + 1
                """,
            ),
        ),
        reproducer="""
            class Connection:
                def close(self):
                    raise ValueError("already closed")
                def __del__(self):
                    self.close()
            def f(x):
                connection = Connection()
                y = x * 2
                del connection
                return y + 1
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(0, 1),
    ),
    Entry(
        id="print-tensor",
        stands="call",
        title="Printing or logging a tensor mid-function",
        explanation="""{subject} shows a tensor while the function is still being recorded; at that moment
            [[`{var}`|it]] has a shape[[, {shape},]] but no numbers yet. To print real numbers in the right order,
            everything before it has to run first. So the graph ends at the print and a new one starts after it.""",
        why_it_matters="""[[{graphs} graphs, ]]one wait per print per call, and no fusion of the code before
            with the code after.""",
        fixes=(
            Fix(
                name="return-it",
                do="Return the number and print it in the caller",
                when="you want the number",
                trades="one more output",
                source="""
                    def f(x):
                        y = x.relu()
                        return y * 2, y.mean()
                    def call(x):
                        out, mean = f(x)
                        print("mean", mean)
                        return out
                    call(torch.ones(4)), call(-torch.ones(4))
                """,
            ),
            Fix(
                name="only-uncompiled",
                do="Guard it with `if not torch.compiler.is_compiling():`",
                when="it is a debug print",
                trades="silent once compiled",
                silent=True,
                source="""
                    def f(x):
                        y = x.relu()
                        if not torch.compiler.is_compiling():
                            print("mean", y.mean())
                        return y * 2
                """,
            ),
        ),
        config="""`reorderable_logging_functions` with `print` in it keeps the graph whole here; prints move to the end of
            it. Loggers: `ignore_logging_functions` with `log.info` in it drops the line.""",
        reproducer="""
            def f(x):
                y = x.relu()
                print("mean", y.mean())
                return y * 2
            f(torch.ones(4)), f(-torch.ones(4))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="print-call",
        stands="call",
        title="Printing, logging or warning mid-function",
        explanation="""{subject} writes text[[ with `{func}`]] while the function is still being recorded. The
            text has to come out at its place among everything else that the program writes, on each call. So the
            graph ends at the line, Python writes it, and a new graph starts after it.""",
        why_it_matters="[[{graphs} graphs, ]]one break per line of text per call, and no fusion across it.",
        fixes=(
            Fix(
                name="outside",
                do="Write the text in the caller",
                when="it does not depend on the middle of the function",
                trades="it comes before or after the whole function",
                source="""
                    def f(x):
                        return x.relu() * 2
                    def call(x):
                        print("half way")
                        return f(x)
                    call(torch.ones(4)), call(-torch.ones(4))
                """,
            ),
            Fix(
                name="only-uncompiled",
                do="Guard it with `if not torch.compiler.is_compiling():`",
                when="it is there for debugging",
                trades="silent once compiled",
                silent=True,
                source="""
                    def f(x):
                        y = x.relu()
                        if not torch.compiler.is_compiling():
                            print("half way")
                        return y * 2
                """,
            ),
        ),
        config="""`reorderable_logging_functions` with `print` or `warnings.warn` in it keeps the graph whole here; the text
            moves to the end of it. `ignore_logging_functions` with `log.info` in it drops the line.""",
        reproducer="""
            def f(x):
                y = x.relu()
                print("half way")
                return y * 2
            f(torch.ones(4)), f(-torch.ones(4))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="outside-state-write",
        title="Writing to outside state mid-function",
        explanation="""{here} changes what lives outside the function[[: `{expr}`]][[ (of type
            {type})]]. Changes to modules, lists, dicts, classes and plain globals are replayed after the graph;
            changes to [[a {type}|this kind of object]] (function attribute, `os.environ`, C array) cannot be. So
            the function is cut for the write to happen now.""",
        why_it_matters="""[[{breaks} breaks. ]]If the value is also read, even a replayable write costs a
            recompile for each new value (see `changing-python-number`).""",
        fixes=(
            Fix(
                name="caller",
                do="Do it in the plain function around the compiled one",
                when="it is bookkeeping",
                trades="an extra wrapper",
                source="""
                    def f(x):
                        return x * 2
                    def call(x):
                        tally.calls = tally.calls + 1
                        return f(x)
                    call(torch.ones(4)), call(torch.zeros(4)), int(tally.calls)
                """,
            ),
            Fix(
                name="tensor-state",
                do="Keep the value in a tensor or buffer, updated in place",
                when="it feeds the computation or has to be counted per layer",
                trades="reading it as a number is a wait",
                source="""
                    def f(x):
                        tally.calls.add_(1)
                        return x * 2
                """,
            ),
        ),
        reproducer="""
            def tally(): ...
            tally.calls = torch.zeros(())
            def f(x):
                tally.calls = tally.calls + 1
                return x * 2
            f(torch.ones(4)), f(torch.zeros(4)), int(tally.calls)
        """,
        measured=(1, 2),
    ),
    Entry(
        id="opaque-context",
        stands="with",
        title="Lock or running generator inside the function",
        explanation="""{here} enters [[`{expr}`, a {type}|`{expr}`|a {type}|a context manager]]. Holding it is
            an effect on the outside world that has to happen for real at this moment, and it cannot be put in a
            graph. So Python enters and leaves it, and the function is cut at both. A generator that was started
            elsewhere is the same kind of object: it holds state that cannot be copied into the graph.""",
        why_it_matters="""[[{graphs} graphs; ]]a break on entering and another on leaving, and a break per
            `next()` for a generator. Under torch.compile all of the function runs uncompiled.""",
        fixes=(
            Fix(
                name="hold-outside",
                do="Take the lock, file or timer around the compiled call",
                when="holding it a little longer does no harm",
                trades="it is also held during the first compile",
                source="""
                    def f(x):
                        return (x + 1) * 2
                    def call(x):
                        with lock: return f(x)
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        also=("Create a generator inside the function, or pass a list. Trades: the list is unrolled.",),
        reproducer="""
            lock = __import__("threading").Lock()
            def f(x):
                with lock: y = x + 1
                return y * 2
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="seed-inside",
        stands="call",
        title="Seeding random numbers inside the function",
        explanation="""{subject} resets the random state of the whole process. A graph can draw random numbers
            but not rewind the generator, so it ends here, the seed is set in Python, and a new graph starts.
            `generator.manual_seed()` and `torch.set_rng_state()` do the same.""",
        why_it_matters="""[[{graphs} graphs on each call; ]]reseeding inside a step also makes every step draw
            the same numbers.""",
        fixes=(
            Fix(
                name="seed-outside",
                do="Seed in the caller",
                when="the seed does not depend on the function",
                trades="""nothing with the eager backend; with inductor the drawn numbers differ from uncompiled
                    ones unless its `fallback_random` option is on""",
                source="""
                    def f(x):
                        return x + torch.rand(4)
                    def call(x):
                        torch.manual_seed(0)
                        return f(x)
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
            Fix(
                name="pass-the-noise",
                do="Draw in the caller and pass the noise in",
                when="exact numbers matter",
                trades="memory traffic for the noise",
                source="""
                    def f(x, noise):
                        return x + noise
                    def call(x):
                        torch.manual_seed(0)
                        return f(x, torch.rand(4))
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            def f(x):
                torch.manual_seed(0)
                return x + torch.rand(4)
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 1),
    ),
)
