"""Autograd and optimisers: what writes gradients and parameters that live outside the graph."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="backward-inside",
        stands="call",
        of_line=True,
        title="Training step inside the compiled function",
        explanation="""{here} runs [[`{expr}`|a backward pass]] inside the compiled function. What a backward pass runs was recorded by
            autograd, not by the tracer, and it writes into `.grad` fields of tensors that live outside the graph. So it is left to plain Python,
            and the function is cut there.""",
        why_it_matters="""[[{breaks} breaks in one step; ]]the pieces left over are often too small to be worth
            compiling.""",
        fixes=(
            Fix(
                name="compile-the-loss",
                do="Compile the forward and loss, and keep the step outside",
                when="the function is a training step (the backward is still compiled, it comes with the forward)",
                trades="nothing, except one more function",
                source="""
                    def f(x):
                        return (w * x).sum()
                    def call(x):
                        opt.zero_grad()
                        f(x).backward()
                        opt.step()
                        return w.detach().clone()
                    call(torch.ones(3)), call(-2 * torch.ones(3))
                """,
            ),
        ),
        reproducer="""
            w = torch.ones(3, requires_grad=True)
            opt = torch.optim.SGD([w], lr=0.1)
            def f(x):
                opt.zero_grad()
                (w * x).sum().backward()
                opt.step()
                return w.detach().clone()
            f(torch.ones(3)), f(-2 * torch.ones(3))
        """,
        measured=(3, 2),
    ),
    Entry(
        id="optimizer-step-inside",
        of_line=True,
        title="Optimiser used inside the compiled function",
        explanation="""{here} uses an optimiser[[ ({type})]][[: `{expr}`]]. What it computes depends on a number of its own state, or of a
            gradient, which is known only when the graph runs[[: {number}]]. So the graph ends, Python makes the call, and a new graph starts
            after it.""",
        why_it_matters="[[{breaks} breaks in one step; ]]the forward is cut off from what follows.",
        fixes=(
            Fix(
                name="step-outside",
                do="Call `step()` and `zero_grad()` in the caller",
                when="nothing after them in the function needs what they change",
                trades="one more line in the caller",
                source="""
                    def f(x):
                        return (w * x).sum()
                    def call(x):
                        w.grad = x.clone()
                        opt.step()
                        return f(x)
                    call(torch.ones(3)), call(-2 * torch.ones(3))
                """,
            ),
            Fix(
                name="optimizer-without-numbers",
                do="Take an optimiser that decides nothing by its state: SGD, Adam, AdamW, NAdam, Adamax, Adagrad, Adadelta, RMSprop, Rprop",
                when="the choice of the optimiser is open",
                trades="another optimiser trains otherwise",
                own_result=True,
                source="""
                    opt = torch.optim.SGD([w], lr=0.1)
                    def f(x):
                        opt.step()
                        return (w * x).sum()
                    def call(x):
                        w.grad = x.clone()
                        return f(x)
                    call(torch.ones(3)), call(-2 * torch.ones(3))
                """,
            ),
        ),
        reproducer="""
            w = torch.ones(3, requires_grad=True)
            opt = torch.optim.RAdam([w], lr=0.1)
            def f(x):
                opt.step()
                return (w * x).sum()
            def call(x):
                w.grad = x.clone()
                return f(x)
            call(torch.ones(3)), call(-2 * torch.ones(3))
        """,
    ),
    Entry(
        id="grad-write",
        title="Gradient state of a tensor is changed",
        explanation="""{subject} changes what autograd knows of a tensor (`requires_grad_()`, or a `.grad` or
            `.data` unlike the one before)[[: {why}]]. A graph is recorded under one answer to "does this need a gradient", and later code
            of the function depends on it. So the graph ends, Python makes the change, and a new graph starts.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]gradients stop at the boundary unless they are asked
            for on both sides.""",
        fixes=(
            Fix(
                name="autograd-grad-outside",
                do="Set it in the caller and take the gradient there",
                when="the function is the differentiated part",
                trades="the function is split by hand",
                source="""
                    def f(x):
                        return (x ** 2).sum()
                    def call(x):
                        x = x.detach().requires_grad_()
                        f(x).backward()
                        return x.grad
                    call(torch.ones(3)), call(torch.arange(3.))
                """,
            ),
        ),
        reproducer="""
            def f(x):
                x.requires_grad_()
                return (x ** 2).sum()
            def call(x):
                f(x).backward()
                return x.grad
            call(torch.ones(3)), call(torch.arange(3.))
        """,
    ),
    Entry(
        id="autograd-function-unsupported",
        title="Custom autograd function outside the rules",
        explanation="""[[{met?}{subject} is part of `{name}`, a custom autograd function|{here} applies [[`{expr}`|`{name}`|a custom autograd
            function]]]]. A graph has to hold its `forward` and its `backward` as a pair, each a graph of its own, and they were not recorded as one[[:
            {why}[[: {met}]]]]. So the graph ends[[{met?} where it is applied]], Python applies it with its own backward, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]its backward is not compiled.",
        fixes=(
            Fix(
                name="effect-outside",
                do="Do what the effect is for in the caller",
                when="backward changes something outside itself, and it doesn't matter when",
                trades="the effect comes with the call, whether a backward follows or not",
                source="""
                    class Double(torch.autograd.Function):
                        @staticmethod
                        def forward(ctx, x):
                            return x * 2
                        @staticmethod
                        def backward(ctx, grad):
                            return grad * 2
                    def call(x):
                        seen.append(1)
                        return f(x)
                    call(torch.ones(4, requires_grad=True)), call(torch.zeros(4, requires_grad=True))
                """,
            ),
        ),
        reproducer="""
            seen = []
            class Double(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x):
                    return x * 2
                @staticmethod
                def backward(ctx, grad):
                    seen.append(1)
                    return grad * 2
            def f(x):
                return Double.apply(x) + 1
            f(torch.ones(4, requires_grad=True)), f(torch.zeros(4, requires_grad=True))
        """,
    ),
    Entry(
        id="known-when-run",
        title="Asked before the body runs",
        explanation="""{subject} asks for what is decided each time that the body which it is part of runs: whether gradients are recorded, who needs
            one, or how a tensor lies in memory. The body is recorded once, before that, and would be right for one answer only. So it isn't recorded,
            and Python runs it.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the function that the body belongs to is not compiled.",
        also=(
            "Decide in the caller, and pass the answer as an argument of the function. Trades: it is the answer of the call, not of the backward pass.",
        ),
    ),
    Entry(
        id="tensor-hook",
        title="Hook on a tensor made inside",
        explanation="""{subject} registers a function that autograd calls later, during the backward pass[[:
            {why}]]. The tensor that it belongs to is made inside the graph and does not exist while the function is
            recorded. So the graph ends, and Python registers the hook on the real tensor.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the backward pass is cut at the hook as well.",
        also=(
            (
                "Register the hook on an input or parameter, outside the function. Trades: it sees the gradient at "
                "that point."
            ),
            "Write the change of the gradient as a `torch.autograd.Function`. Trades: a class with two methods.",
        ),
    ),
)
