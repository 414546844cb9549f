"""What ends a recompile: for each kind of thing that changes from call to call, why it costs a compile and the ways out.

`CAUSES` is the table. Every reproducer recompiles for its own cause, and no fix does: `tests/breaks/test_recompiling.py` runs all of them.
A kind without a row has no advice: nothing is advised that wasn't seen to work.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from .model import Change, Fix

__all__ = ["CAUSES", "Cause", "cause_of", "fixes_for", "settings_for"]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One kind of change. `why`: a sentence, true of every recompile of this kind. `reproducer`: as an entry's of the catalogue. `settings`:
    each with what it does, behind its name: with it the reproducer recompiles less often."""

    id: str
    why: str
    reproducer: str = ""
    fixes: tuple[Fix, ...] = ()
    settings: tuple[tuple[Change, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "why", " ".join(self.why.split()))
        object.__setattr__(self, "reproducer", inspect.cleandoc(self.reproducer) + "\n" if self.reproducer else "")


#: How the way out of a size that changes is spelled in its example.
_EXAMPLE = "mark_dynamic(x, 0)"

_TENSOR = Fix(
    name="tensor",
    do="Pass it as a 0-d tensor",
    when="it is used in arithmetic and the caller knows it",
    trades="the caller makes a tensor, and float32 rounding",
    source="""
        def f(x, scale):
            return x * scale
        [f(torch.ones(4), torch.tensor(scale)) for scale in (0.5, 0.25, 0.125)]
    """,
)

_TABLE = (
    Cause(
        id="size",
        why="The size was taken as a constant of the graph.",
        reproducer="""
            def f(x):
                return x * 2
            [f(x) for x in (torch.ones(3, 2), torch.ones(4, 2), torch.ones(5, 2))]
        """,
        fixes=(
            Fix(
                name="mark_dynamic",
                do=f"Mark the dimension before the first call: `torch._dynamo.{_EXAMPLE}`",
                when="it is known that this size varies",
                trades="a line that needs the size as a plain number is an error then",
                source="""
                    def f(x):
                        return x * 2
                    def varied(rows):
                        x = torch.ones(rows, 2)
                        torch._dynamo.mark_dynamic(x, 0)
                        return x
                    [f(x) for x in (varied(3), varied(4), varied(5))]
                """,
            ),
        ),
        settings=((Change("dynamic", True), "makes sizes symbolic from the first call on. Trades: slower kernels where a size never changes"),),
    ),
    Cause(
        id="bound",
        why="A line decided by the size, so the graph is for sizes on one side of that decision.",
        reproducer="""
            def f(x):
                if x.shape[0] > 4:
                    return x * 2
                return x + 1
            [f(torch.ones(rows)) for rows in (3, 5, 4, 6)]
        """,
        fixes=(
            Fix(
                name="outside",
                do="Decide in the caller, and compile what is done in each case",
                when="the cases are few",
                trades="a function for each case",
                source="""
                    def f(x):
                        return x * 2
                    def call(rows):
                        x = torch.ones(rows)
                        return f(x) if rows > 4 else x + 1
                    [call(rows) for rows in (3, 5, 4, 6)]
                """,
            ),
        ),
    ),
    Cause(
        id="fixed-size",
        why="A line uses the size as a plain number, so the graph is for this size alone, however the dimension is marked.",
        reproducer="""
            def f(x):
                return x * 2, f"{x.shape[0]:d} rows"
            [f(torch.ones(rows, 2)) for rows in (3, 4, 5, 6)]
        """,
        fixes=(
            Fix(
                name="outside",
                do="Move what needs the plain number into the caller",
                when="the rest of the function can do without it",
                trades="the function gives less, and the size is made symbolic at the second one that is met",
                source="""
                    def f(x):
                        return x * 2
                    def call(rows):
                        x = torch.ones(rows, 2)
                        return f(x), f"{x.shape[0]:d} rows"
                    [call(rows) for rows in (3, 4, 5, 6)]
                """,
            ),
        ),
    ),
    Cause(
        id="number",
        why="The graph was made for this value.",
        reproducer="""
            def f(x, scale):
                return x * scale
            [f(torch.ones(4), scale) for scale in (0.5, 0.25, 0.125)]
        """,
        fixes=(_TENSOR,),
    ),
    Cause(
        id="global-number",
        why="The graph was made for this value.",
        reproducer="""
            scale = 0.5
            def f(x):
                return x * scale
            def call(value):
                global scale
                scale = value
                return f(torch.ones(4))
            [call(value) for value in (0.5, 0.25, 0.125)]
        """,
        fixes=(
            Fix(
                name="argument",
                do="Make it an argument that is a 0-d tensor",
                when="it is used in arithmetic",
                trades="one more argument, and float32 rounding",
                source="""
                    def f(x, scale):
                        return x * scale
                    def call(value):
                        return f(torch.ones(4), torch.tensor(value))
                    [call(value) for value in (0.5, 0.25, 0.125)]
                """,
            ),
        ),
    ),
    Cause(
        id="attribute-number",
        why="The graph was made for this value.",
        reproducer="""
            class Net(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.steps = 0
                def forward(self, x):
                    self.steps += 1
                    return x * self.steps
            f = Net()
            [f(torch.ones(4)) for _ in range(4)]
        """,
        fixes=(
            Fix(
                name="buffer",
                do="Make it a buffer",
                when="it is a counter or a schedule of a module",
                trades="it is saved in `state_dict` (pass `persistent=False` if not), and float32 rounding",
                source="""
                    class Net(torch.nn.Module):
                        def __init__(self):
                            super().__init__()
                            self.register_buffer("steps", torch.zeros(()))
                        def forward(self, x):
                            self.steps += 1
                            return x * self.steps
                    f = Net()
                """,
            ),
        ),
        settings=((Change("allow_unspec_int_on_nn_module", True), "lets ints of modules become symbolic. Trades: floats stay as they are"),),
    ),
    Cause(
        id="constant",
        why="The graph was made for this value, and each other value gets a graph of its own.",
        reproducer="""
            def f(x, name):
                return x * len(name)
            [f(torch.ones(4), name) for name in ("a", "bb", "ccc")]
        """,
        fixes=(
            Fix(
                name="outside",
                do="Resolve it in the caller, and compile what is the same for all values",
                when="the value only selects something",
                trades="a second function",
                source="""
                    def f(x, size):
                        return x * size
                    def call(x, name):
                        return f(x, torch.tensor(len(name)))
                    [call(torch.ones(4), name) for name in ("a", "bb", "ccc")]
                """,
            ),
        ),
    ),
    Cause(
        id="length",
        why="The graph was made for so many items.",
        reproducer="""
            def f(x, items):
                for item in items:
                    x = x + item
                return x
            [f(torch.ones(4), [torch.ones(4)] * count) for count in (1, 2, 3)]
        """,
        fixes=(
            Fix(
                name="step",
                do="Keep the loop in the caller, and compile what one turn does",
                when="a turn does enough work for a call of its own",
                trades="one call for each item, and nothing is fused across turns",
                source="""
                    def f(x, item):
                        return x + item
                    def call(x, items):
                        for item in items:
                            x = f(x, item)
                        return x
                    [call(torch.ones(4), [torch.ones(4)] * count) for count in (1, 2, 3)]
                """,
            ),
        ),
    ),
    Cause(
        id="hooks",
        why="The graph was made with the hooks that the module had.",
        reproducer="""
            f = torch.nn.Linear(2, 2)
            def call(hooked):
                if hooked:
                    f.register_forward_hook(lambda module, given, out: out + 1)
                return f(torch.ones(2))
            [call(hooked) for hooked in (False, True)]
        """,
        fixes=(
            Fix(
                name="before",
                do="Register hooks before the first call",
                when="they stay",
                trades="the calls before ran without them",
                source="""
                    f = torch.nn.Linear(2, 2)
                    f.register_forward_hook(lambda module, given, out: out + 1)
                    def call():
                        return f(torch.ones(2))
                    [call() for _ in range(2)]
                """,
                own_result=True,
            ),
        ),
    ),
    Cause(
        id="mode",
        why="The graph was made for the state that torch's switch had. Both graphs stay, so going back to that state compiles nothing anew.",
        reproducer="""
            def f(x):
                return x * 2
            def call(grad):
                with torch.set_grad_enabled(grad):
                    return f(torch.ones(4))
            [call(grad) for grad in (True, False, True, False)]
        """,
        fixes=(
            Fix(
                name="same",
                do="Make all calls in the same mode",
                when="the results are the same to you in either",
                trades="under no_grad nothing can be differentiated",
                source="""
                    def f(x):
                        return x * 2
                    def call():
                        with torch.no_grad():
                            return f(torch.ones(4))
                    [call() for _ in range(4)]
                """,
            ),
        ),
    ),
    Cause(
        id="dtype",
        why="The graph was made for this dtype.",
        reproducer="""
            def f(x):
                return x * 2
            [f(torch.ones(4, dtype=dtype)) for dtype in (torch.float32, torch.float64)]
        """,
        fixes=(
            Fix(
                name="convert",
                do="Convert in the caller: `f(x.to(torch.float32))`",
                when="one dtype is enough",
                trades="a copy for each call of another dtype, and its rounding",
                source="""
                    def f(x):
                        return x * 2
                    [f(torch.ones(4, dtype=dtype).to(torch.float32)) for dtype in (torch.float32, torch.float64)]
                """,
                own_result=True,
            ),
        ),
    ),
    Cause(
        id="rank",
        why="The graph was made for this number of dimensions.",
        reproducer="""
            def f(x):
                return x * 2
            [f(x) for x in (torch.ones(1, 4), torch.ones(4))]
        """,
        fixes=(
            Fix(
                name="unsqueeze",
                do="Give it the same number of dimensions in the caller: `f(x.unsqueeze(0))`",
                when="the missing dimension is one of size 1",
                trades="the result has the dimension too",
                source="""
                    def f(x):
                        return x * 2
                    [f(x) for x in (torch.ones(1, 4), torch.ones(4).unsqueeze(0))]
                """,
                own_result=True,
            ),
        ),
    ),
    Cause(
        id="gradients",
        why="The graph was made for a tensor that requires a gradient, or for one that doesn't.",
        reproducer="""
            def f(x):
                return x * 2
            [f(torch.ones(4, requires_grad=grad)).sum() for grad in (False, True)]
        """,
        fixes=(
            Fix(
                name="detach",
                do="Detach it in the caller: `f(x.detach())`",
                when="nobody needs its gradient",
                trades="no gradient flows through the call",
                source="""
                    def f(x):
                        return x * 2
                    [f(torch.ones(4, requires_grad=grad).detach()).sum() for grad in (False, True)]
                """,
            ),
        ),
    ),
    Cause(
        id="strides",
        why="The graph was made for the layout that the tensor had in memory.",
        reproducer="""
            def f(x):
                return x * 2
            [f(x) for x in (torch.ones(3, 3), torch.ones(3, 3).t())]
        """,
        fixes=(
            Fix(
                name="contiguous",
                do="Lay it out the same way in the caller: `f(x.contiguous())`",
                when="a copy costs less than a second graph",
                trades="a copy for each call with another layout",
                source="""
                    def f(x):
                        return x * 2
                    [f(x.contiguous()) for x in (torch.ones(3, 3), torch.ones(3, 3).t())]
                """,
            ),
        ),
    ),
    Cause(
        id="there",
        why="The graph was made for an object that had no such entry of its own.",
        reproducer="""
            class Net(torch.nn.Module):
                scale = 2
                def forward(self, x):
                    return x * self.scale
            f = Net()
            def call(set_it):
                if set_it:
                    f.scale = 2
                return f(torch.ones(4))
            [call(set_it) for set_it in (False, True)]
        """,
        fixes=(
            Fix(
                name="before",
                do="Set it before the first call, in `__init__`",
                when="its first value is known then",
                trades="nothing but the line",
                source="""
                    class Net(torch.nn.Module):
                        def __init__(self):
                            super().__init__()
                            self.scale = 2
                        def forward(self, x):
                            return x * self.scale
                    f = Net()
                """,
            ),
        ),
    ),
    Cause(
        id="iterator",
        why="The graph break is inside a loop: what is behind it is compiled again for each turn, since the loop's iterator is one step further.",
        reproducer="""
            def f(x):
                for _ in range(4):
                    x = x + 1
                    print(end="")
                return x
            f(torch.ones(4))
        """,
        fixes=(
            Fix(
                name="mend",
                do="Mend the graph break: with none inside, the whole loop is one graph",
                when="Breaks shows a way out",
                trades="what that way out trades",
                source="""
                    def f(x):
                        for _ in range(4):
                            x = x + 1
                        return x
                """,
            ),
        ),
    ),
)

CAUSES: Mapping[str, Cause] = MappingProxyType({cause.id: cause for cause in _TABLE})


def cause_of(found: Any) -> Cause | None:
    """The row for one of `session.recompiles`: what its first change is about; None where nothing is known."""
    if not found.changes:
        return None
    change = found.changes[0]
    about = change.about
    if about in ("int", "float"):
        about = "attribute-number" if "." in change.what else "global-number" if change.what.startswith("global ") else "number"
    elif about == "size" and found.fixed:
        about = "fixed-size"
    return CAUSES.get(about)


_SIZE = re.compile(r"(?P<tensor>.+)\.shape\[(?P<dim>\d+)\]")


def fixes_for(found: Any) -> tuple[Fix, ...]:
    """The ways out of one of `session.recompiles`. A dimension that is to be marked is the one that changed."""
    cause = cause_of(found)
    if cause is None:
        return ()
    size = _SIZE.fullmatch(found.changes[0].what)
    if size is None or not size["tensor"].replace(".", "").isidentifier():
        return cause.fixes
    return tuple(replace(fix, do=fix.do.replace(_EXAMPLE, f"mark_dynamic({size['tensor']}, {size['dim']})")) for fix in cause.fixes)


def settings_for(found: Any) -> tuple[tuple[Change, str], ...]:
    """The settings against one of `session.recompiles`, each with what it does; of numbers only ints may become symbolic."""
    cause = cause_of(found)
    return () if cause is None or found.changes[0].about == "float" else cause.settings
