"""Classes, modules and objects that are made, or not finished, while the function runs."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="class-definition-inside",
        title="Class or module made inside the function",
        explanation="""{here} makes a new class or module[[, `{type}`,]] while the function runs[[: {why}]]. It
            is a new object with a new identity on every call, and a graph cannot make one. So the graph ends,
            Python makes it, and a new graph starts.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]a new class on each call also means that nothing
            compiled for the old one fits.""",
        fixes=(
            Fix(
                name="define-outside",
                do="Define it outside the function",
                when="it does not depend on the call",
                trades="what it took from the function's variables becomes an argument",
                source="""
                    class Scale:
                        def __init__(self, factor):
                            self.factor = factor
                    def f(x):
                        return x * Scale(2).factor
                """,
            ),
        ),
        also=("Use a dict, tuple or `types.SimpleNamespace` when it only groups values. Trades: no methods.",),
        reproducer="""
            def f(x):
                class Scale:
                    def __init__(self, factor):
                        self.factor = factor
                return x * Scale(2).factor
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="metaclass-or-custom-new",
        title="Object made by a special constructor",
        explanation="""{here} makes [[a {type}|an object]] whose class decides by itself how objects are made (a
            metaclass with its own `__call__`, or `__new__` in compiled code). What comes out may be cached, shared
            or of another type. So the graph ends, and Python makes the object.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]one break for each object made.",
        fixes=(
            Fix(
                name="make-outside",
                do="Make the object in the caller and pass it",
                when="it does not depend on tensors made here",
                trades="one more argument",
                source="""
                    def f(x, factor):
                        return x * factor
                    def call(x):
                        return f(x, int(decimal.Decimal("2")))
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            import decimal
            def f(x):
                return x * int(decimal.Decimal("2"))
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
    Entry(
        id="module-uninitialised",
        of_line=True,
        title="Module whose parameters have no shape yet",
        explanation="""{subject} calls [[{type}|a lazy module]], whose parameters get their shapes from the
            first input. That first call changes the module's class, parameters and hooks, which a graph cannot do.
            So it runs as ordinary Python, and compiling begins once the shapes are there.""",
        why_it_matters="""[[{graphs} graphs; ]]the first call is not compiled, and code around the module is
            traced again later.""",
        fixes=(
            Fix(
                name="first-call-outside",
                do="Run one call before compiling",
                when="an example input is at hand",
                trades="one extra call at start-up",
                source="""
                    layer(torch.ones(2, 4))
                    def f(x):
                        return layer(x) * 2
                    f(torch.ones(2, 4)), f(torch.zeros(2, 4))
                """,
            ),
        ),
        also=("Give the sizes and use the plain module (`Linear` for `LazyLinear`). Trades: sizes written by hand.",),
        reproducer="""
            torch.manual_seed(0)
            layer = torch.nn.LazyLinear(3)
            def f(x):
                return layer(x) * 2
            f(torch.ones(2, 4)), f(torch.zeros(2, 4))
        """,
    ),
    Entry(
        id="rnn-module",
        of_line=True,
        title="Recurrent module left to its own kernel",
        explanation="""{subject} calls [[{type}|an RNN, GRU or LSTM]]. Its fused kernel is faster than the steps
            that tracing would unroll, and its weights lie in one flat buffer that graphs do not keep. So the graph
            ends, the module runs as it is, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the recurrent part is as fast as without compiling.",
        fixes=(
            Fix(
                name="cell-loop",
                do="Write the steps with the cell (`GRUCell`, `LSTMCell`)",
                when="sequences are short or the step is custom",
                trades="the loop is unrolled: one copy of the step for each position",
                source="""
                    cell = torch.nn.GRUCell(3, 3)
                    with torch.no_grad():
                        for name, value in cell.named_parameters():
                            value.copy_(getattr(layer, name + "_l0"))
                    def f(x):
                        state, out = torch.zeros(3), []
                        for row in x * 2:
                            state = cell(row, state)
                            out.append(state)
                        return torch.stack(out)
                """,
            ),
        ),
        config="`allow_rnn=True` captures the module step by step. Trades: large graphs, one for each sequence length.",
        setting_if="setting",
        reproducer="""
            torch.manual_seed(0)
            layer = torch.nn.GRU(3, 3)
            def f(x):
                return layer(x * 2)[0]
            f(torch.ones(2, 3)), f(torch.zeros(2, 3))
        """,
        measured=(1, 0),
    ),
)
