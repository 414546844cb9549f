"""Sizes and numbers: those that data decides, those that change, those that have to stay symbols."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="data-dependent-shape",
        title="Result size depends on the data",
        explanation="""{subject} gives a result whose size depends on the values[[ in `{var}`]][[ ({shape})]], not on
            the shape. The graph plans sizes before it sees values, so it stops here, lets Python run this, and restarts.
            All that keeps only some elements is of that kind: a mask as an index, `nonzero`, `unique`, `masked_select` and one-argument `where`.""",
        why_it_matters="""[[{graphs} graphs, ]]a wait to learn the count, and a recompile when the count
            changes[[ from {value}]].""",
        fixes=(
            Fix(
                name="mask",
                do="Keep the full size and neutralise the rest with `torch.where(keep, x, 0)`",
                when="a reduction or elementwise step follows",
                trades="work on dropped elements, and the neutral value has to fit (0 for sum, -inf for max)",
                source="""
                    def f(x):
                        return torch.where(x > 0, x, 0).sum()
                """,
            ),
            Fix(
                name="padded",
                do="Ask for a fixed number of positions with `torch.nonzero_static`",
                when="you need positions and know an upper bound",
                trades="padding to handle downstream",
                source="""
                    def f(x):
                        idx = torch.nonzero_static(x > 0, size=x.numel(), fill_value=x.numel())
                        return torch.nn.functional.pad(x, (0, 1))[idx].sum()
                """,
            ),
        ),
        config="""`capture_dynamic_output_shape_ops=True` (or `fullgraph=True`) keeps the graph whole here; later code sees
            an unknown size.""",
        reproducer="""
            def f(x):
                return x[x > 0].sum()
            f(torch.ones(4)), f(torch.arange(4.) - 1)
        """,
        measured=(1, 3),
    ),
    Entry(
        id="changing-python-number",
        title="Recompiling for every new Python number",
        explanation="""[[`{expr}` is a Python {type} that was {old_value} when this was compiled and is {value}
            now|A Python number[[, `{expr}`,]] changed since this was compiled]]. Its value was written into the
            graph as a constant (numbers stored on a module always are, in our own engine all floats, under
            torch.compile those that pass through `math`), so each new value needs a new graph. After [[{limit} of them|a few of them]] the function is left
            uncompiled.""",
        why_it_matters="""not a break: [[{recompiles} compiles in {calls} calls|one compile for each value]],
            then no speed-up at all.""",
        fixes=(
            Fix(
                name="buffer",
                do="Make it a buffer",
                when="it is a counter or schedule on a module",
                trades="it is saved in `state_dict` (pass `persistent=False` if not), and float32 rounding",
                source="""
                    class Decay(torch.nn.Module):
                        def __init__(self):
                            super().__init__()
                            self.register_buffer("step", torch.zeros(()))
                        def forward(self, x):
                            self.step += 1
                            return x * 0.9 ** self.step
                    f = Decay()
                """,
            ),
            Fix(
                name="tensor-arg",
                do="Compute the number in the caller and pass a 0-d tensor",
                when="the caller knows it",
                trades="the signature changes",
                source="""
                    def f(x, factor):
                        return x * factor
                    [f(torch.ones(4), torch.tensor(0.9 ** n)) for n in range(1, 13)]
                """,
            ),
        ),
        config="`allow_unspec_int_on_nn_module=True` gives 3 graphs (ints on modules only).",
        reproducer="""
            class Decay(torch.nn.Module):
                step = 0
                def forward(self, x):
                    self.step += 1
                    return x * 0.9 ** self.step
            f = Decay()
            [f(torch.ones(4)) for _ in range(12)]
        """,
        kind="recompile",
        measured=(0, 8),
    ),
    Entry(
        id="dynamic-shape-unsupported",
        title="Operation cannot take a symbolic size",
        explanation="""{subject} needs a size as a plain number, and the size[[ ({value})]] is a symbol here
            because it changed between calls. [[{why}. ]]Python can run the line with the real number of each call,
            so the graph ends before it.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the line runs as ordinary Python for every size.",
        also=(
            (
                "Mark the size with `torch._check` or compare it with a bound, so that the symbol is narrow enough. "
                "Trades: sizes outside the bound raise."
            ),
            "Pad inputs to a few fixed sizes in the caller. Trades: work on padding, one graph for each size.",
        ),
        config="`dynamic=False` compiles once for each size instead. Trades: recompiles, up to `recompile_limit`.",
    ),
    Entry(
        id="symbolic-number-escape",
        title="Symbolic number leaves for plain Python",
        explanation="""{here} hands [[`{expr}`|a number]] to code that needs a real Python number, and this one comes
            out of a tensor: it is known when the graph has run, and stands for many values before. So the graph ends,
            and Python continues with the real number.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the number is waited for.",
        also=(
            "Compute the number in the caller and pass the result. Trades: one more argument.",
            "Keep it in tensor arithmetic (`torch.full`, `torch.arange`). Trades: a tensor instead of a number.",
        ),
    ),
    Entry(
        id="recompile-limit",
        title="Compiled too often, now left uncompiled",
        explanation="""[[`{func}`|This function]] has been compiled [[{limit} times|as often as the limit
            allows]], and this call fits none of the results[[: {why}]]. Compiling again for each call would cost
            more than it gains. So from here on, calls that fit none of them run as ordinary Python.""",
        why_it_matters="""[[{recompiles} compiles in {calls} calls, then ]]no speed-up at all for new calls;
            every call still checks all the compiled results first.""",
        fixes=(
            Fix(
                name="tensor-arg",
                do="Pass what changes as a tensor",
                when="the changing value is a number used in arithmetic",
                trades="the signature changes, and float32 rounding",
                source="""
                    def f(x, name):
                        return x * name
                    [f(torch.ones(4), torch.tensor(float(n))) for n in range(1, 13)]
                """,
            ),
            Fix(
                name="outside",
                do="Resolve the changing value in the caller, and compile what is the same for all of them",
                when="the value only selects something",
                trades="a second function",
                source="""
                    def f(x, size):
                        return x * size
                    def call(x, name):
                        return f(x, torch.tensor(float(len(name))))
                    [call(torch.ones(4), "a" * n) for n in range(1, 13)]
                """,
            ),
        ),
        config="a larger `recompile_limit`. Trades: more compiling, and more checks on each call.",
        reproducer="""
            def f(x, name):
                return x * len(name)
            [f(torch.ones(4), "a" * n) for n in range(1, 13)]
        """,
        kind="recompile",
        measured=(0, 8),
    ),
)
