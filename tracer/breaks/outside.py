"""The world outside: files, processes, clocks, imports, code made at run time."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="file-or-socket",
        title="File or network access mid-function",
        explanation="""{subject} reads or writes [[`{name}`|a file, socket or terminal]]. That has to happen for
            real, once per call and at this moment, and a graph holds only tensor operations. So the graph ends, the
            access is made, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the device waits while the host does input and output.",
        fixes=(
            Fix(
                name="outside",
                do="Read before the call and write after it",
                when="the middle of the function does not need it",
                trades="one more argument or output",
                source="""
                    def f(x):
                        return x * 2
                    def call(x):
                        os.stat(os.curdir)
                        with open(os.devnull, "w") as sink:
                            y = f(x)
                            sink.write("done")
                        return y
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        also=("Collect what is to be written in a list and write it in the caller. Trades: it is written later.",),
        reproducer="""
            import os
            def f(x):
                y = x * 2
                with open(os.devnull, "w") as sink:
                    sink.write("done")
                return y
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 1),
    ),
    Entry(
        id="thread-or-process",
        title="Starting or waiting for other threads",
        explanation="""{subject} starts, joins or talks to another thread or process. What the other side does,
            and when, is not part of this function's text. So the graph ends, Python does it for real, and a new
            graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]code in the other thread is not compiled with this function.",
        fixes=(
            Fix(
                name="sequential",
                do="Compute both parts one after the other",
                when="the thread only computes tensors",
                trades="nothing on most devices, one operator already uses all cores",
                source="""
                    def f(x):
                        return x * 2 + x.sum()
                """,
            ),
            Fix(
                name="thread-outside",
                do="Start the thread in the caller and pass in what it made",
                when="it does other work, such as loading",
                trades="one more argument",
                source="""
                    def f(x, total):
                        return x * 2 + total
                    def call(x):
                        results = []
                        worker = threading.Thread(target=lambda: results.append(x.sum()))
                        worker.start()
                        worker.join()
                        return f(x, results[0])
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            import threading
            def f(x):
                results = []
                worker = threading.Thread(target=lambda: results.append(x.sum()))
                worker.start()
                worker.join()
                return x * 2 + results[0]
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(3, 1),
    ),
    Entry(
        id="time-or-random",
        title="Clock or random value read in Python",
        explanation="""{subject} gives another answer on every call (a clock, Python's `random`, `os.urandom`, a
            counter of the system). Written into the graph it would be frozen at the first answer. So the graph
            ends, Python asks again on each call, and a new graph starts.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]if the number reaches a size or a branch, a
            recompile for each new value.""",
        fixes=(
            Fix(
                name="measure-outside",
                do="Read it in the caller",
                when="it measures or labels the call",
                trades="a time taken outside includes the checks before the graph",
                source="""
                    def f(x):
                        return x * 2
                    def call(x):
                        start = time.perf_counter()
                        y = f(x)
                        return y, time.perf_counter() - start >= 0
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        also=(
            "Draw with `torch.rand` instead of `random.random`. Trades: other numbers, from torch's generator.",
            "Pass the value as a 0-d tensor. Trades: one more argument.",
        ),
        reproducer="""
            import time
            def f(x):
                start = time.perf_counter()
                y = x * 2
                return y, time.perf_counter() - start >= 0
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(3, 2),
    ),
    Entry(
        id="waiting-inside",
        stands="call",
        title="Waiting in the middle of the function",
        explanation="""{subject} waits until time has passed. That is an effect on the world, for real and on each call, and a graph
            holds only tensor operations. So the graph ends, Python waits, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the device idles while the host waits.",
        fixes=(
            Fix(
                name="wait-outside",
                do="Wait in the caller, before or after the call",
                when="what comes before it in the function need not have happened",
                trades="it comes before or after the whole function",
                source="""
                    def f(x):
                        return x * 2 + 1
                    def call(x):
                        time.sleep(0.001)
                        return f(x)
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            import time
            def f(x):
                y = x * 2
                time.sleep(0.001)
                return y + 1
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
    Entry(
        id="import-inside",
        title="First import of a module mid-function",
        explanation="""{subject} imports [[`{name}`, which|a module that]] is not loaded yet. Loading runs the
            module's code, once, with any effect that it has. So the graph ends and Python imports it; later calls
            find it loaded.""",
        why_it_matters="[[{graphs} graphs on the first call; ]]the break stays in what was compiled then.",
        fixes=(
            Fix(
                name="import-on-top",
                do="Move the import to the top of the file",
                when="importing always is acceptable",
                trades="start-up time, and the module has to be installed",
                source="""
                    import this_is_loaded_late
                    def f(x):
                        return x * this_is_loaded_late.FACTOR
                """,
            ),
        ),
        reproducer="""
            import sys, types
            class Finder:
                def find_spec(self, name, path=None, target=None):
                    if name == "this_is_loaded_late":
                        return __import__("importlib.util").util.spec_from_loader(name, self)
                def create_module(self, spec):
                    return types.ModuleType(spec.name)
                def exec_module(self, module):
                    module.FACTOR = 2
            sys.modules.pop("this_is_loaded_late", None)
            if not any(type(finder).__name__ == "Finder" for finder in sys.meta_path):
                sys.meta_path.append(Finder())
            def f(x):
                import this_is_loaded_late
                return x * this_is_loaded_late.FACTOR
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
    Entry(
        id="star-import",
        stands="import",
        title="Star import while tracing",
        explanation="""{here} imports every name of [[`{name}`|a module]]. Which names appear is decided by the
            module when it runs, and each could replace a name that was looked at before. So Python runs the import,
            and a new graph starts behind.""",
        why_it_matters="all names looked up before the line have to be looked up again after it.",
        also=("Import the names that are used, one by one. Trades: a longer line.",),
    ),
    Entry(
        id="exec-or-eval",
        title="Code or frames inspected at run time",
        explanation="""{subject} makes code at run time or looks at running frames (`exec`, `eval`, `compile`,
            writes through `globals()`, `sys._getframe`, tracebacks)[[: {why}]]. A compiled function has no such
            frame to show, and new code can change any name. So the graph ends, and Python does it for real.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]names that such code may change are not known afterwards.",
        fixes=(
            Fix(
                name="make-once",
                do="Make the function once, outside, and call it",
                when="the text is known beforehand",
                trades="the text is fixed",
                source="""
                    formula = eval("lambda x: x * 2 + 1")
                    def f(x):
                        return formula(x)
                """,
            ),
            Fix(
                name="table",
                do="Choose from a dict of functions instead of evaluating text",
                when="the texts are few",
                trades="new formulas need a new entry",
                source="""
                    formulas = {"x * 2 + 1": lambda x: x * 2 + 1}
                    def f(x):
                        return formulas["x * 2 + 1"](x)
                """,
            ),
        ),
        reproducer="""
            def f(x):
                return eval("x * 2 + 1")
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="breakpoint-inside",
        title="Debugger call inside the function",
        explanation="""{subject} stops for a person at a debugger. At that moment the real tensors have to be
            there to look at. So the graph ends, the debugger opens, and a new graph starts when it closes.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the program waits on every call.",
        also=(
            "Delete the line once the question is answered. Trades: nothing.",
            "Use `tracer.step` to walk through the recording itself. Trades: shapes and graphs are shown, not numbers.",
        ),
    ),
)
