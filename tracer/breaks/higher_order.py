"""Bodies of higher-order operators: what may not stand in a branch, a loop body or a checkpointed region."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="cond-branch-rejected",
        of_line=True,
        title="torch.cond branch that can't be captured",
        explanation="""The branch [[`{func}` ]]given to [[`{name}`|`torch.cond`]] [[{at} {does}[[, at {body_at}]]|{met?}ends the
            graph {at}[[: {met}]]|can't be captured]]. [[{effect?}Both branches are recorded but only one runs, so an outside
            change has no single right answer.|{write?}Both branches are recorded but only one runs, so what they are given and find
            must stay as it is.|{memory?}What a branch gives has to be memory of its own, which nothing else knows.|{raises?}Both branches are
            recorded but only one runs, and a graph has no exceptions.|{met?}A branch is captured whole or not at all.|{result?}A branch
            takes and gives tensors, which the graph hands on.]] Outside of a compile torch captures the branches as well, and raises an error
            where it can't.""",
        why_it_matters="the program stops where torch can't capture the branch either; there is no slower fallback.",
        fixes=(
            Fix(
                name="effect-outside",
                do="Return what the effect needs and do it after the call",
                when="a branch writes to a list, an attribute or a global",
                trades="an extra output, and a wait if Python branches on it",
                needs="effect",
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
                needs="memory",
                own_result=True,
                source="""
                    def f(x):
                        return torch.cond(x.sum() > 0, lambda x: x.clone(), lambda x: x - 1, (x,))
                """,
            ),
        ),
        also=(
            "[[{write?}Use the out-of-place operation when a branch writes into its input. Trades: memory for one more tensor.]]",
            "Use a plain `if` when one branch can't be captured. Trades: a graph break and a wait, the compiled parts stay.",
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
        of_line=True,
        title="Loop body that can't be captured",
        explanation="""[[`{func}`|The function]] given to [[`{name}`|`while_loop`, `scan` or `map`]] [[{at} {does}[[, at {body_at}]]|{met?}ends the
            graph {at}[[: {met}]]|can't be captured]]. [[{effect?}It is recorded once and runs many times, so what it does beside
            computing its result would be done once instead.|{write?}It is recorded once and runs many times, so what it is given and
            finds must stay as it is.|{memory?}What it gives has to be memory of its own, which nothing else knows.|{raises?}It is recorded
            once, and a graph has no exceptions.|{met?}It is captured whole or not at all.|{result?}What it gives is what the next
            turn, or the stacked result, is made of.]] Outside of a compile torch captures it as well, and raises an error where it can't.""",
        why_it_matters="the program stops where torch can't capture the function either; there is no slower fallback.",
        fixes=(
            Fix(
                name="carry",
                do="Carry a tensor, and read it after the call",
                when="a turn counts or collects something in a list, an attribute or a global",
                trades="one more tensor that is carried",
                needs="effect",
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
                needs="memory",
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
            "[[{write?}Use the out-of-place operation when a turn writes into what it is given. Trades: memory for one more tensor.]]",
            "[[{result?}Convert what is carried back (`.to(dtype)`, `.reshape`) when a turn changes its form. Trades: one conversion a turn.]]",
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
        id="attention-function-rejected",
        of_line=True,
        title="Function of flex_attention that can't be captured",
        explanation="""[[`{func}`|The function]] given to `flex_attention` [[{at} {does}[[, at {body_at}]]|{met?}ends the
            graph {at}[[: {met}]]|can't be captured]]. [[{effect?}It is recorded once and runs for each score, so what it does beside
            computing its result would be done once instead.|{write?}It is recorded once and runs for each score, so what it is given
            and finds must stay as it is.|{raises?}It is recorded once, and a graph has no exceptions.|{met?}It is captured whole or not
            at all.|{result?}It gives one scalar, a score or whether it counts.]] Outside of a compile torch captures it as well, and
            raises an error where it can't.""",
        why_it_matters="the program stops where torch can't capture the function either; there is no slower fallback.",
        fixes=(
            Fix(
                name="without-effect",
                do="Compute the score from the score, the indices and tensors",
                when="the function does something else beside",
                trades="what it did is done by the caller",
                silent=True,
                needs="effect",
                source="""
                    def bias(score, b, h, i, j):
                        return score + (i - j)
                    def call(x):
                        seen.append(1)
                        return f(x)
                    call(torch.ones(1, 1, 4, 4)), call(torch.zeros(1, 1, 4, 4))
                """,
            ),
        ),
        reproducer="""
            from torch.nn.attention.flex_attention import flex_attention
            seen = []
            def bias(score, b, h, i, j):
                seen.append(1)
                return score + (i - j)
            def f(x):
                return flex_attention(x, x, x, score_mod=bias)
            f(torch.ones(1, 1, 4, 4)), f(torch.zeros(1, 1, 4, 4))
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
            them[[{why?}, but none that holds for this call|; it has no rule for this operator]]. So the graph ends before it, and Python runs it.""",
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
        of_line=True,
        title="Checkpointed function that can't be captured",
        explanation="""[[`{func}`|A function]], [[checkpointed {at}, {does}[[, at {body_at}]]|{met?}which is checkpointed, ends the
            graph {at}[[: {met}]]|which is checkpointed, changes something outside itself]]. [[{effect?}A checkpointed function runs once
            more during the backward pass, and the change would happen twice.|{write?}A checkpointed function runs once more during the
            backward pass, and must find what it found.|{raises?}A graph has no exceptions.|{met?}A checkpointed function is captured whole
            or not at all.|{result?}The graph hands on tensors, and what can be made of them.]] So the graph ends before it, and Python runs
            the checkpoint.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]the region with the largest saving in memory is not
            compiled.""",
        fixes=(
            Fix(
                name="effect-outside",
                do="Return what the effect needs and do it after the checkpoint",
                when="the effect is bookkeeping",
                trades="one more output",
                needs="effect",
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
        also=(
            "[[{write?}Use the out-of-place operation when the function writes to what it is given. Trades: memory for one more tensor.]]",
            "[[{raises?}Check before the checkpoint is called when its arguments are enough for that. Trades: one more line in the caller.]]",
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
