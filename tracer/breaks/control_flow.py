"""Python control flow that waits for values: branches, loops, assertions, handlers."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="data-dependent-branch",
        title="Python [[`{construct}`|branch]] on a tensor's value",
        explanation="""{here} chooses a path [[with `{test}`, and `{test}` is a tensor|by whether a tensor is true]][[
            ({shape}[[, {dtype}]])]]. Its value exists only once the graph has run, but Python needs True or False
            now. So the graph ends here, the value is computed, and each path taken gets a graph of its own.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]one device-to-host wait[[ at line {line}]] on every
            call; nothing fuses across the branch.""",
        fixes=(
            Fix(
                name="where",
                do="Replace the `if` by `torch.where(condition, a, b)`",
                when="both paths are cheap and pure",
                trades="both always run, and a NaN or inf in the unused path can still poison gradients",
                needs="is_if",
                source="""
                    def f(x):
                        y = x * 2
                        return torch.where(x.sum() > 0, y + 1, y - 1)
                """,
            ),
            Fix(
                name="cond",
                do="Hand both paths to `torch.cond`",
                when="a path is expensive",
                trades="""both paths must return the same shapes and dtypes, without side effects or returning
                    an input itself""",
                needs="is_if",
                source="""
                    def f(x):
                        return torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x * 2,))
                """,
            ),
        ),
        also=("Decide in the caller and pass the answer in. Trades: one compiled version for each answer.",),
        reproducer="""
            def f(x):
                y = x * 2
                if x.sum() > 0:
                    return y + 1
                return y - 1
            f(torch.ones(4)), f(-torch.ones(4))
        """,
        measured=(1, 3),
    ),
    Entry(
        id="data-dependent-number",
        title="Decision on a number from data",
        explanation="""{subject} depends on a number that only the data decides[[ ({number})]]: an item of a tensor, or a size that
            follows from values. The graph holds such a number as a symbol, and Python needs to know now. So the graph ends here, the number
            is fetched, and Python decides.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]one device-to-host wait on every call.",
        fixes=(
            Fix(
                name="check",
                do="Promise the answer with `torch._check(condition)` before the line",
                when="it is the same for all data",
                trades="data for which it doesn't hold raises",
                source="""
                    def f(x, y):
                        n = x.item()
                        torch._check(n > 3)
                        return y * n if n > 3 else y + n
                """,
            ),
            Fix(
                name="tensor",
                do="Leave the number a 0-d tensor and choose with `torch.where`",
                when="both results have one shape",
                trades="both are computed",
                source="""
                    def f(x, y):
                        return torch.where(x > 3, y * x, y + x)
                """,
            ),
        ),
        reproducer="""
            def f(x, y):
                n = x.item()
                return y * n if n > 3 else y + n
            f(torch.tensor(8), torch.ones(3)), f(torch.tensor(9), torch.ones(3))
        """,
    ),
    Entry(
        id="python-loop-over-values",
        title="Python [[{loop?}loop over|list of]] values in a tensor",
        explanation="""{here} turns [[`{var}`|a tensor]][[ ({shape})]] into Python values[[{loop?} and loops over them]]. They are data,
            so [[{loop?}the loop cannot be laid out ahead of time|what Python makes of them isn't known while the function is
            recorded]]. So the graph ends there, the values are fetched, and Python goes on with them.""",
        why_it_matters="""one wait for the list[[{loop?}, then loop bodies that specialise on lengths: new lengths can
            mean new compiles, and nothing fuses across rows|, and a recompile for each new value that the rest depends on]].""",
        fixes=(
            Fix(
                name="mask",
                do="Compute every row in full and mask",
                when="lengths are bounded by a known dimension",
                trades="work on padding, and NaN padding needs `torch.where` instead of `*`",
                needs="loop",
                source="""
                    def f(x, lengths):
                        keep = torch.arange(x.shape[1]) < lengths[:, None]
                        return (x * keep).sum(1)
                """,
            ),
        ),
        also=(
            """[[{loop?}Loop in the caller and compile the body when each row is heavy. Trades: one call per row.|Return the tensor, and
            make the list in the caller. Trades: nothing, where the list leaves the function.]]""",
        ),
        config="""`capture_scalar_outputs=True` (or `fullgraph=True`) keeps the graph whole[[{loop?}, unrolled to this many rows]].
            Trades: later code sees numbers that are not known yet.""",
        reproducer="""
            def f(x, lengths):
                return torch.stack([x[i, :n].sum() for i, n in enumerate(lengths.tolist())])
            f(torch.ones(2, 4), torch.tensor([1, 3])), f(torch.ones(2, 4), torch.tensor([2, 4]))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="assert-on-tensor",
        stands="assert",
        title="assert with a message built from data",
        explanation="""{here} asserts [[`{expr}`, a tensor|something about a tensor's values]]. With a fixed
            text this becomes a check inside the graph; here the message [[contains `{value_expr}`, which ]]needs
            real numbers. So Python decides pass or fail, and the graph ends to let it. `if not ok: raise` breaks
            for the same reason.""",
        why_it_matters="[[{graphs} graphs and ]]a wait on each call, for a check that almost always passes.",
        fixes=(
            Fix(
                name="fixed-text",
                do="Drop the value from the message",
                when="knowing that the check failed is enough",
                trades="a failure raises RuntimeError, not AssertionError, and does not show the value",
                source="""
                    def f(x):
                        assert (x > 0).all(), "x must be positive"
                        return x.log()
                """,
            ),
            Fix(
                name="assert-async",
                do="Use `torch._assert_async(condition, text)`",
                when="the check has to survive `python -O`",
                trades="on a GPU it fires late and leaves the process unusable, as the fixed text does",
                source="""
                    def f(x):
                        torch._assert_async((x > 0).all(), "x must be positive")
                        return x.log()
                """,
            ),
        ),
        also=(
            "Use `torch._check(ok.item())` to teach the compiler a bound. Trades: needs `capture_scalar_outputs=True`.",
        ),
        reproducer="""
            def f(x):
                assert (x > 0).all(), f"lowest is {x.min()}"
                return x.log()
            f(torch.ones(4)), f(3 * torch.ones(4))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="break-inside-try",
        title="try/except around code that breaks",
        explanation="""[[`{expr}` {at}|This operation]] sits inside [[the `{block}` that opens at line {try_line}[[
            of {try_file}]]|a `try`]]. [[For what it is given here it raises {error}. ]]An error is known
            in full only when the operation runs, and in a graph that is after this handler has been left. So it
            runs as ordinary Python, where the handler still works, and the graph ends before it.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]what stands inside the `try` gets little speed-up,
            and under torch.compile all of the function runs uncompiled. Worse once the break is gone there: an
            error raised by data while the graph runs is not caught by this `except`.""",
        fixes=(
            Fix(
                name="status-code",
                do="Call the variant that reports instead of raising (`cholesky_ex`, `inv_ex`, `solve_ex`) and select",
                when="the operation has one",
                trades="both outcomes are computed",
                source="""
                    def f(a):
                        low, bad = torch.linalg.cholesky_ex(a)
                        return torch.where(bad > 0, torch.eye(2), low / low.max())
                """,
            ),
            Fix(
                name="try-in-caller",
                do="Keep the `try` in the caller, around the compiled call",
                when="the operation has no such variant",
                trades="the failure is seen only after the whole graph, on a GPU possibly later",
                source="""
                    def f(a):
                        low = torch.linalg.cholesky(a)
                        return low / low.max()
                    def call(a):
                        try:
                            return f(a)
                        except RuntimeError:
                            return torch.eye(2)
                    call(torch.eye(2)), call(-torch.eye(2))
                """,
            ),
        ),
        also=(
            "Test the shape with `if` first when the handler is there for shape errors. Trades: the rule stands twice.",
        ),
        reproducer="""
            def f(a):
                try:
                    low = torch.linalg.cholesky(a)
                    return low / low.max().item()
                except RuntimeError:
                    return torch.eye(2)
            f(torch.eye(2)), f(-torch.eye(2))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="exception-group",
        title="except* splits a group of exceptions",
        explanation="""{here} comes to a group of exceptions[[: `{expr}`]]. Python splits the group by type
            and runs several handlers for one `raise`, and the tracer follows one handler at a time. So the graph
            ends there, and Python sorts the group out.""",
        why_it_matters="[[{graphs} graphs; ]]the `try` with its handlers runs as ordinary Python on every call.",
        fixes=(
            Fix(
                name="loop-over-errors",
                do="Collect the problems in a list and handle them in a loop",
                when="the group is made and split in the same function",
                trades="the group's traceback is gone",
                source="""
                    def f(x):
                        for error in (ValueError("low"), TypeError("kind")):
                            x = x + 1 if isinstance(error, ValueError) else x * 2
                        return x
                """,
            ),
        ),
        also=(
            (
                "Keep `except*` in the caller, around the compiled call. Trades: all of the function is left at the "
                "first group."
            ),
        ),
        reproducer="""
            def f(x):
                try:
                    raise ExceptionGroup("checks", [ValueError("low"), TypeError("kind")])
                except* ValueError:
                    x = x + 1
                except* TypeError:
                    x = x * 2
                return x
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="exception-escapes",
        title="The function raises on this call",
        explanation="""[[Line {line} raises `{type}`|This call raises an exception]][[: {value}]], and nothing
            in the function catches it. There is no result for a graph to compute. So the call runs as ordinary
            Python and raises there, with the traceback that you expect.""",
        why_it_matters="""nothing to gain: a call that raises is as fast as before, and other calls are compiled
            as usual.""",
        also=(
            "Nothing to change when the error is meant: calls that do not raise are still compiled.",
            "Check the input in the caller when many calls raise. Trades: the rule stands outside the function.",
        ),
        reproducer="""
            def f(x):
                if x.shape[0] > 3:
                    raise ValueError("too long")
                return x * 2
            def call(x):
                try:
                    return f(x)
                except ValueError as error:
                    return str(error)
            call(torch.ones(4)), call(torch.ones(2))
        """,
        kind="whole-frame",
    ),
    Entry(
        id="unsupported-opcode",
        title="Python construct without a tracing rule",
        explanation="""{here} uses a Python construct that the tracer knows and does not follow[[ (`{name}`)]].
            Its effect on names, stack or handlers cannot be written into a graph. So the graph ends before it,
            Python runs it, and a new graph starts behind.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the line runs as ordinary Python on every call.",
        also=(
            "Write the line with plain calls, assignments and loops. Trades: more lines.",
            "Move the line into the caller when it does not depend on tensors made here. Trades: one more argument.",
        ),
    ),
    Entry(
        id="loop-elsewhere",
        of_line=True,
        title="Loop that goes on behind its break",
        explanation="""{here} takes the next item of an iterator[[ (of type `{type}`)]] that was under way when the function went on behind a break.
            What was compiled there holds for one place in the iterator, and as many places are compiled as is worth it. So from
            here on Python takes the item, and a graph begins behind it.""",
        why_it_matters="""a break inside a loop splits every turn of it: one graph for what comes before the break, one for what comes
            after it, and a look at the guards for both.""",
        fixes=(
            Fix(
                name="without-break",
                do="Take away the break that is inside the loop",
                when="it has a way out of its own",
                trades="what that one says",
                source="""
                    def f(x):
                        for n, scale in enumerate([1., 2., 3., 4., 5., 6.]):
                            x = torch.where(x.sum() > n, x - 1, x * scale)
                        return x
                """,
            ),
            Fix(
                name="compile-the-turn",
                do="Compile what one turn does, as a function of its own, and loop in the caller",
                when="the break has to stay, and a turn is large",
                trades="one call for each turn",
                source="""
                    def f(x, scale):
                        return x - 1, x * scale
                    def call(x):
                        for n, scale in enumerate([1., 2., 3., 4., 5., 6.]):
                            less, more = f(x, torch.tensor(scale))
                            x = less if x.sum() > n else more
                        return x
                    call(torch.ones(4)), call(-torch.ones(4))
                """,
            ),
        ),
        reproducer="""
            def f(x):
                for n, scale in enumerate([1., 2., 3., 4., 5., 6.]):
                    if x.sum() > n:
                        x = x - 1
                    else:
                        x = x * scale
                return x
            f(torch.ones(4)), f(-torch.ones(4))
        """,
    ),
    Entry(
        id="mutated-while-iterating",
        title="Container changed under its iterator",
        explanation="""{here} is reached with [[a {type}|an iterator]] under way over a container that was changed after the iterator began.
            Python decides at each step what comes next, from the container as it is then, and no other iterator could be
            put where this one is. So it stays Python's own, and what changed the container runs as ordinary Python.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]what goes over the container runs as ordinary Python, step by step.",
        also=(
            "Loop over a copy: `for key in list(table)`. Trades: entries added in the loop are not visited.",
            (
                "Build a new container in the loop and assign it afterwards. Trades: nothing, but other names still "
                "hold the old one."
            ),
        ),
    ),
)
