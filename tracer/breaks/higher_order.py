"""Bodies of higher-order operators: what may not stand in a branch, a loop body or a checkpointed region."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="cond-branch-rejected",
        title="torch.cond branch touches the outside",
        explanation="""The branch [[`{func}` ]]given to [[`{name}`|`torch.cond`]] [[{does}[[: {met}]]|reaches
            outside: it changes [[`{var}`|something]] outside itself, modifies its input, or returns an input (or a
            view of one) as is]] ({at}). Both branches are recorded but only one runs, so an outside change has no single
            right answer. This is an error, not a break, and happens without compiling too.""",
        why_it_matters="the program stops; there is no slower fallback.",
        fixes=(
            Fix(
                name="effect-outside",
                do="Return what the effect needs and do it after the call",
                when="a branch writes to a list, an attribute or a global",
                trades="an extra output, and a wait if Python branches on it",
                source="""
                    def f(x):
                        up = x.sum() > 0
                        return torch.cond(up, lambda x: x + 1, lambda x: x - 1, (x,)), up
                    def call(x):
                        out, up = f(x)
                        if up: seen.append(1)
                        return out
                    call(torch.ones(4)), call(-torch.ones(4))
                """,
            ),
            Fix(
                name="clone",
                do="Return `x.clone()`",
                when="the branch is `lambda x: x` or returns a view such as `x[:n]`",
                trades="one copy",
                own_result=True,
                source="""
                    def f(x):
                        return torch.cond(x.sum() > 0, lambda x: x.clone(), lambda x: x - 1, (x,))
                """,
            ),
        ),
        also=(
            "Use the out-of-place operation when a branch writes into its input. Trades: memory for one more tensor.",
        ),
        reproducer="""
            seen = []
            def bump(x):
                seen.append(1)
                return x + 1
            def f(x):
                return torch.cond(x.sum() > 0, bump, lambda x: x - 1, (x,))
            f(torch.ones(4)), f(-torch.ones(4))
        """,
        kind="error",
        measured=(0, 0),
    ),
    Entry(
        id="cond-branches-differ",
        title="Branches return results that do not match",
        explanation="""The branches of [[`{func}`|`torch.cond`]] {at} return different things[[:
            {why}]]. Only one of them runs, and what follows is recorded once, for both. So they have to agree in
            structure, shape, dtype and device. This is an error, not a break, and happens without compiling too.""",
        why_it_matters="the program stops; there is no slower fallback.",
        fixes=(
            Fix(
                name="same-result",
                do="Give both results one dtype and shape (`.to(dtype)`, `expand`, `torch.zeros_like`)",
                when="they only differ in form",
                trades="one conversion in one of the branches",
                own_result=True,
                source="""
                    def f(x):
                        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: (x > 0).to(x.dtype), (x,))
                """,
            ),
            Fix(
                name="python-if",
                do="Use a plain `if`",
                when="the results differ in kind",
                trades="a graph break and a wait, the compiled parts stay",
                own_result=True,
                source="""
                    def f(x):
                        if x.sum() > 0:
                            return x + 1
                        return x > 0
                """,
            ),
        ),
        reproducer="""
            def f(x):
                return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x > 0, (x,))
            f(torch.ones(4)), f(-torch.ones(4))
        """,
        kind="error",
    ),
    Entry(
        id="loop-body-rejected",
        title="Loop body does more than compute",
        explanation="""[[`{func}`|The function]] given to [[`{name}`|`while_loop`, `scan` or `map`]] [[{does}[[: {met}]]|reaches outside: it changes
            something outside itself, modifies its input, or returns an input (or a view of one) as is, or its result has another
            form than what it is given]] ({at}). It is recorded once and runs once for each turn, so what it does beside
            computing its result would be done once instead. This is an error, not a break, and happens without
            compiling too.""",
        why_it_matters="the program stops; there is no slower fallback.",
        fixes=(
            Fix(
                name="carry",
                do="Carry a tensor, and read it after the call",
                when="a turn counts or collects something in a list, an attribute or a global",
                trades="one more tensor that is carried",
                own_result=True,
                source="""
                    def turn(i, x):
                        return i + 1, x * 2
                    def f(x):
                        return while_loop(lambda i, x: i < 3, turn, (torch.tensor(0), x))
                """,
            ),
            Fix(
                name="clone",
                do="Return `x.clone()`",
                when="a turn returns what it was given, or a view of it",
                trades="one copy in each turn",
                own_result=True,
                source="""
                    def f(x):
                        return while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x.clone()), (torch.tensor(0), x))
                """,
            ),
            Fix(
                name="python-loop",
                do="Use a plain `for`",
                when="the number of turns is known",
                trades="a graph that holds every turn",
                own_result=True,
                source="""
                    def f(x):
                        for i in range(3):
                            x = x * 2
                        return x
                """,
            ),
        ),
        also=(
            "Use the out-of-place operation when a turn writes into what it is given. Trades: memory for one more tensor.",
            "Convert what is carried back (`.to(dtype)`, `.reshape`, `.contiguous()`) when a turn changes its form. Trades: one conversion a turn.",
        ),
        reproducer="""
            from torch._higher_order_ops.while_loop import while_loop
            turns = []
            def turn(i, x):
                turns.append(1)
                return i + 1, x * 2
            def f(x):
                return while_loop(lambda i, x: i < 3, turn, (torch.tensor(0), x))
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        kind="error",
        measured=(0, 0),
    ),
    Entry(
        id="higher-order-unsupported",
        of_line=True,
        title="Operator over a function that isn't captured",
        explanation="""[[`{expr}`|`{name}`|An operator]] {at} works on a function[[: {why}[[: {met}]]]]. The tracer has rules for control flow
            (`torch.cond`, `while_loop`, `scan`, …), checkpoints and nested regions, and follows `vmap`, `grad`, `jvp` and what is built of
            them; it has no rule for this operator. So the graph ends before it, and Python runs it.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the operator and its function run as ordinary Python.",
        fixes=(
            Fix(
                name="jvp",
                do="Call `torch.func.jvp` with each tangent",
                when="the operator is `linearize`, and there are few tangents",
                trades="the function itself runs once for each",
                source="""
                    def f(x):
                        return torch.func.jvp(torch.sin, (x,), (x,))[1]
                """,
            ),
        ),
        config="`engine='dynamo'` has torch.compile capture the function, where it has a rule for the operator.",
        reproducer="""
            def f(x):
                return torch.func.linearize(torch.sin, x)[1](x)
            f(torch.ones(2, 3)), f(torch.arange(1., 7.).view(2, 3))
        """,
    ),
    Entry(
        id="checkpoint-body-rejected",
        title="Checkpointed function does more than compute",
        explanation="""[[`{func}`|A function]] is checkpointed, and [[{does}|changes something outside itself]] ({at}). The body of a checkpoint runs
            once more during the backward pass, so it is recorded as one piece, which may only compute. So the graph ends before it, and
            Python runs the checkpoint.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]the region with the largest saving in memory is not
            compiled.""",
        fixes=(
            Fix(
                name="effect-outside",
                do="Return what the effect needs and do it after the checkpoint",
                when="the effect is bookkeeping",
                trades="one more output",
                source="""
                    def block(x):
                        return x.sin()
                    def f(x):
                        y = checkpoint(block, x, use_reentrant=False)
                        return y * 2
                    def call(x):
                        stats.calls = stats.calls + 1
                        return f(x)
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            from torch.utils.checkpoint import checkpoint
            def stats(): ...
            stats.calls = 0
            def block(x):
                stats.calls = stats.calls + 1
                return x.sin()
            def f(x):
                y = checkpoint(block, x, use_reentrant=False)
                return y * 2
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
    Entry(
        id="checkpoint-unsupported",
        of_line=True,
        title="Checkpoint that only Python can make",
        explanation="""{here} checkpoints a function in a way that a graph doesn't have[[: {why}]]. In a graph a checkpoint is the variant that isn't
            reentrant, around a body that only computes. So the graph ends before it, and Python runs the checkpoint.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]the region with the largest saving in memory is not
            compiled.""",
        fixes=(
            Fix(
                name="not-reentrant",
                do="Pass `use_reentrant=False`",
                when="the checkpoint is reentrant",
                trades="what it is given and uses gets its gradients as without a checkpoint",
                own_result=True,
                source="""
                    def f(x):
                        return checkpoint(scaled, x, use_reentrant=False)
                """,
            ),
        ),
        also=(
            "Make the contexts by `create_selective_checkpoint_contexts(policy)`, with a policy that is a function of its own or a list of operators. "
            "Trades: nothing else can happen around the function.",
        ),
        reproducer="""
            from torch.utils.checkpoint import checkpoint
            weight = torch.ones(4, requires_grad=True)
            def scaled(x):
                return x * weight
            def f(x):
                return checkpoint(scaled, x, use_reentrant=True)
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
)
