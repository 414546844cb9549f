"""Calls that cannot be followed: compiled code, operators without a description, calls that ask for a break."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="opaque-call",
        stands="call",
        title="Call into code the tracer cannot see",
        explanation="""{here} calls [[`{expr}`, which is compiled code|compiled code]] (C, C++, Rust or
            Cython)[[ from `{module}`]]. There is no Python inside it to follow, and no description of the tensor it
            would give back. So the graph ends, the real call is made, and a new graph starts with its result.""",
        why_it_matters="""[[{graphs} graphs, ]]a wait, and inputs on an accelerator are copied to the host at
            every call.""",
        fixes=(
            Fix(
                name="custom-op",
                do="Wrap it in `torch.library.custom_op` and describe the output",
                when="tensors go in and tensors come out",
                trades="""the body stays a black box (no fusion), training also needs `register_autograd`, and
                    it may not return or secretly modify an input""",
                source="""
                    @torch.library.custom_op("demo::crc", mutates_args=())
                    def crc(x: torch.Tensor) -> torch.Tensor:
                        return torch.tensor(zlib.crc32(x.numpy()))
                    @crc.register_fake
                    def _(x):
                        return torch.empty((), dtype=torch.int64)
                    def f(x):
                        return x + crc(x) % 7
                """,
            ),
            Fix(
                name="outside",
                do="Move the call outside the function",
                when="it depends only on inputs",
                trades="one more argument, passed as a tensor so that its value stays out of the graph",
                source="""
                    def f(x, sum):
                        return x + sum
                    def call(x):
                        return f(x, torch.tensor(zlib.crc32(x.numpy()) % 7))
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        also=(
            "Put `torch.compiler.disable` on a wrapper to make the break deliberate. Trades: it does not remove it.",
        ),
        reproducer="""
            import zlib
            def f(x):
                return x + zlib.crc32(x.numpy()) % 7
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 3),
    ),
    Entry(
        id="numpy-unsupported",
        title="NumPy runs outside the graph",
        explanation="""{here} uses NumPy[[ in `{expr}`]][[ (`{name}`)| (a value of type {type})]][[: {why}]]. The tracer captures what torch's own
            layer for NumPy computes as NumPy does, and this isn't part of it. So the graph ends, NumPy runs on the host, and a new graph starts
            with what it returned.""",
        why_it_matters="[[{graphs} graphs, ]]a host round trip, no gradient through this step.",
        fixes=(
            Fix(
                name="torch",
                do="Call the torch function that does the same, with its own argument conventions",
                when="there is one",
                trades="rounding may differ in the last digit",
                source="""
                    def f(x):
                        return torch.bucketize(x * 2, torch.tensor([0., 1., 2.]), right=True) + 1
                """,
            ),
        ),
        also=(
            "Make an array from outside a tensor once, outside the function. Trades: memory for both, unless they share it.",
            "Wrap it in `torch.library.custom_op` and describe the output. Trades: no fusion.",
        ),
        reproducer="""
            import numpy as np
            def f(x):
                return torch.from_numpy(np.digitize(x.numpy() * 2, [0., 1., 2.])) + 1
            f(torch.ones(4)), f(torch.arange(4.) - 1)
        """,
        measured=(1, 2),
    ),
    Entry(
        id="disabled-function",
        stands="call",
        title="Call of a function marked as uncompiled",
        explanation="""{here} calls [[`{expr}`, which|a function that]] carries `torch.compiler.disable` or
            `tracer.disable`[[: {why}]]. The mark asks for plain Python, so it is not looked into. The graph ends
            before the call and a new one starts after it.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]a break that is meant, at every call of the function.",
        fixes=(
            Fix(
                name="remove-mark",
                do="Remove the mark",
                when="what it was put there for is captured by now",
                trades="the function is compiled with the rest, and breaks inside it show",
                source="""
                    def helper(x):
                        return x + 1
                    def f(x):
                        return helper(x * 2) * 3
                """,
            ),
            Fix(
                name="call-outside",
                do="Call it before or after the compiled function",
                when="it does not stand in the middle",
                trades="the function is split by hand",
                source="""
                    def f(y):
                        return y * 3
                    def call(x):
                        return f(helper(x * 2))
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            @torch.compiler.disable
            def helper(x):
                return x + 1
            def f(x):
                return helper(x * 2) * 3
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="stance-change",
        stands=None,
        of_line=True,
        title="Stance of the compiler set mid-function",
        explanation="""{here} sets the stance of torch's compiler with `torch.compiler.set_stance`: what may be compiled, and what compiled code may run,
            from there on. That is decided between graphs, not in one. So the graph ends, Python makes the call, and what follows goes by it.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]torch.compile doesn't allow it inside a compiled function at all.",
        also=("Set the stance in the caller, around the compiled call. Trades: nothing; it is the only place that torch.compile allows.",),
    ),
    Entry(
        id="user-requested-break",
        stands="call",
        title="Break asked for in the code",
        explanation="""{here} calls `graph_break()`. It asks for the graph to end here and does nothing else. A
            new graph starts after it.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]nothing fuses across the line.",
        fixes=(
            Fix(
                name="remove",
                do="Delete the line",
                when="the reason for it is gone",
                trades="what it kept apart is compiled together",
                source="""
                    def f(x):
                        return (x * 2) + 1
                """,
            ),
        ),
        reproducer="""
            from torch import _dynamo
            def f(x):
                y = x * 2
                _dynamo.graph_break()
                return y + 1
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="override-asked-for-break",
        title="Break asked for by an override",
        explanation="""An override ends the graph[[ {what}]][[ (`{why}`)]]. Nothing in the program needs it. A new graph starts
            after it.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]nothing fuses across the line.",
        also=("Leave the override out. Trades: nothing.",),
    ),
    Entry(
        id="unsupported-builtin",
        title="Library call without a tracing rule",
        explanation="""{here} [[calls `{called}`|comes to a call of `{name}`|comes to a call of `{func}`|comes to a built-in or library function]][[,
            on a value of type {type}]]. It is compiled or deliberately not followed, and the tracer has no rule that says what it
            returns[[: {why}]]. So the graph ends, Python makes the call, and a new graph starts with the result.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the call runs as ordinary Python each time.",
        fixes=(
            Fix(
                name="precompute",
                do="Make the call once, outside, and use the result",
                when="it depends on settings and not on tensors",
                trades="changes of the setting go unnoticed",
                source="""
                    width = shutil.get_terminal_size((80, 24)).columns
                    def f(x):
                        return (x * 2) + 0 * width
                """,
            ),
        ),
        also=(
            "Write the few lines that are needed in plain Python. Trades: a second implementation to look after.",
            "Pass the result as an argument when it changes from call to call. Trades: one more argument.",
        ),
        reproducer="""
            import shutil
            def f(x):
                y = x * 2
                return y + 0 * shutil.get_terminal_size((80, 24)).columns
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="backend-limit",
        title="Operator that the backend can't take",
        explanation="""{subject} could be part of the graph, but the backend[[ {backend}]] traces the graph once more, and there it can't
            have [[it|`{func}` there]][[: {why}]]. So the graph ends, the operator runs as ordinary Python, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the operator itself runs as without compiling.",
        also=(
            "Move the operator to the start or the end of the function. Trades: the function is rearranged by hand.",
            'Use `backend="eager"`, which runs the graph as it was captured, with this operator in it. Trades: nothing is compiled.',
        ),
    ),
    Entry(
        id="fake-op-failed",
        title="Operator does not say what it returns",
        explanation="""{subject} calls the operator [[`{name}`|`{func}`|of an extension]]. To put it into a
            graph, the shape and dtype of its result have to be known without running it, and no such description is
            registered or it failed[[: {why}]]. So the graph ends, the operator runs for real, and a new graph
            starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the operator cannot be part of any graph, nor of an export.",
        fixes=(
            Fix(
                name="register-fake",
                do="Register the description with `register_fake`",
                when="the shape of the result follows from the shapes of the inputs",
                trades="a shape rule that has to agree with the real one",
                source="""
                    @torch.library.custom_op("demo::twice_described", mutates_args=())
                    def twice(x: torch.Tensor) -> torch.Tensor:
                        return x * 2
                    @twice.register_fake
                    def _(x):
                        return torch.empty_like(x)
                    def f(x):
                        return twice(x + 1) - 1
                """,
            ),
        ),
        reproducer="""
            @torch.library.custom_op("demo::twice", mutates_args=())
            def twice(x: torch.Tensor) -> torch.Tensor:
                return x * 2
            def f(x):
                return twice(x + 1) - 1
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
    Entry(
        id="script-function",
        stands="call",
        title="Call of a TorchScript function",
        explanation="""{subject} calls code that `torch.jit` compiled before. Its Python is gone, so it cannot
            be followed line by line. The graph ends, the compiled code runs, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]two compilers share the work, and neither sees all of it.",
        fixes=(
            Fix(
                name="plain-function",
                do="Call the Python function that was scripted",
                when="you have it",
                trades="nothing, TorchScript gives no more speed here",
                source="""
                    def scale(x: torch.Tensor) -> torch.Tensor:
                        return x * 2
                    def f(x):
                        return scale(x) + 1
                """,
            ),
        ),
        reproducer="""
            scale = torch.jit.trace(lambda x: x * 2, torch.ones(4))
            def f(x):
                return scale(x) + 1
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
    Entry(
        id="context-unsupported",
        title="Mode of torch without a tracing rule",
        explanation="""{here} asks for or changes how torch runs what follows[[, with `{expr}`]][[ ({type})]]. The tracer has no rule for
            what that means for a graph[[: {why}]]. So the graph ends, Python does it, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]what stands inside is traced apart from the rest.",
        fixes=(
            Fix(
                name="enter-outside",
                do="Enter it in the caller, around the compiled call",
                when="it may cover the whole function",
                trades="it also covers the rest of the function, and the first compile",
                source="""
                    def f(x):
                        return (x * 2) + 1
                    def call(x):
                        with torch.autograd.set_detect_anomaly(True):
                            return f(x)
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            def f(x):
                with torch.autograd.set_detect_anomaly(True):
                    y = x * 2
                return y + 1
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="distributed-unsupported",
        title="Communication between processes mid-function",
        explanation="""{subject} sends or receives tensors[[: {why}]]. Its handle or its order with other
            processes is not part of a graph; only the functional collectives are. So the graph ends, Python
            communicates, and a new graph starts.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]communication cannot overlap with what stands before
            and after.""",
        also=(
            "Call the collective without `async_op=True`. Trades: overlapping is left to the backend.",
            (
                "Use `torch.distributed._functional_collectives`. Trades: results are new tensors instead of written "
                "in place."
            ),
        ),
    ),
    Entry(
        id="triton-unsupported",
        title="Triton kernel launched in a special way",
        explanation="""{subject} launches a Triton kernel[[: {why}]]. Plain launches `kernel[grid](...)` become
            part of a graph; this form has arguments or a grid that cannot be written down there. So the graph ends,
            the kernel is launched, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the kernel is launched from Python on every call.",
        also=(
            (
                "Launch it as `kernel[grid](...)` with a tuple or a function of the meta-parameters. Trades: fewer "
                "options."
            ),
            "Wrap the launch in `torch.library.triton_op`. Trades: a description of the result to keep true.",
        ),
    ),
)
