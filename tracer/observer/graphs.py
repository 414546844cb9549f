"""The hooks that tell of graphs: operations and inputs, bodies of operators, sizes, where a graph ends, what the backend gets."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from .. import events as ev
from ..compat import dynamo
from ..compat.functorch import active
from ..runtime import stages
from ..translate import Compiled
from . import breaks
from .switch import Hook, current
from .table import hook, wrapping
from .values import first_line, source_in
from .watch import Watch

__all__: list[str] = []


# ---- graphs
@hook("node")
def node(watch: Watch, tracer: Any, *args: Any, **kwargs: Any) -> Any:
    """An operation, told as soon as its value is known."""
    made, error = yield
    attempt = watch.attempt
    if error is None and attempt is not None and made.op not in ("placeholder", "output"):
        attempt.pending[made] = watch.graph_of(tracer)
        attempt.places[made] = watch.where()
        attempt.levels[made] = active()


@hook("node_value")
def node_value(watch: Watch, node: Any, example_value: Any) -> Any:
    """What an operation gives."""
    yield
    attempt = watch.attempt
    if attempt is not None and node in attempt.pending:
        watch.announce(node, attempt.pending[node])


@hook("node_removed")
def node_removed(watch: Watch, tracer: Any, node: Any) -> Any:
    """An operation was of no use."""
    name = node.name
    _, error = yield
    attempt = watch.attempt
    if error is None and attempt is not None:
        attempt.pending.pop(node, None)
        watch.removed(name, watch.graph_of(tracer))


@hook("input")
def input_(
    watch: Watch, tracer: Any, name: str, type_expr: Any, example_value: Any, before: bool = False, source: Any = None
) -> Any:
    """A value from outside, as an input of a graph."""
    proxy, error = yield
    if error is None and watch.attempt is not None:
        watch.lifted(proxy.node.name, watch.graph_of(tracer), watch.source_text(source) or name, example_value)


@wrapping("body")
def body(row: Hook, function: Any) -> Any:
    """The body of an operator is tried in a graph of its own."""

    @contextlib.contextmanager
    def subtracer(output: Any, source_target: Any, *args: Any, **kwargs: Any) -> Any:
        watch = current()
        steps = (
            watch.before(_tried, (source_target,), {}) if watch is not None and "decisions" in watch.levels else None
        )
        try:
            with function(output, source_target, *args, **kwargs) as tracer:
                if watch is not None and watch.attempt is not None and steps is not None:
                    watch.attempt.graphs.setdefault(
                        id(tracer), (tracer, f"{_operator(source_target)}_{watch.attempt.bodies}")
                    )
                yield tracer
        except BaseException as error:
            if watch is not None:
                watch.after(steps, None, error)
            raise
        if watch is not None:
            watch.after(steps, tracer, None)

    return subtracer


def _operator(target: Any) -> str:
    name = getattr(target, "__name__", None) or getattr(target, "name", None)
    name = name() if callable(name) else name
    return str(name or target or "body")


def _tried(watch: Watch, target: Any) -> Any:
    attempt, rec = watch.attempt, watch.rec
    if attempt is None:
        return
    attempt.bodies += 1
    name = f"{_operator(target)}_{attempt.bodies}"
    opens = rec.begin(ev.SpeculationStarted, _operator(target), name)
    depth = rec.depth
    tracer, error = yield
    rec.depth = depth
    watch.settle()
    if error is None:
        watch.agree(tracer.graph, name)
        returned = [one for node in tracer.graph.find_nodes(op="output") for one in node.all_input_nodes]
        results = tuple(one.name for one in returned if one.op != "placeholder")
        lifted = tuple(proxy.node.name for proxy in tracer.lifted_freevars)
        gives = ", ".join(str(node.args[0]) for node in tracer.graph.find_nodes(op="output"))  # nodes by name
        rec.end(ev.Committed, opens, name, lifted, results, tuple(_inputs_of(tracer)), gives)
    else:
        told = [made.kind for (graph, _), made in attempt.made.items() if graph == name]
        counts = (("nodes", told.count(ev.NodeCreated)), ("inputs", told.count(ev.InputLifted)))
        rec.end(ev.RolledBack, opens, first_line(error)[:200], tuple((what, many) for what, many in counts if many))


def _inputs_of(tracer: Any) -> Iterator[tuple[str, str, str]]:
    """(name, the node outside that it stands for, why it is one), of each input of a body."""
    outside = {inner.node: outer.node.name for outer, inner in tracer.lifted_freevars.items()}
    for node in tracer.graph.find_nodes(op="placeholder"):
        yield node.name, outside.get(node, ""), "used in the body" if node in outside else "made for the body"


# ---- shapes
@hook("automatic")
def automatic(watch: Watch, translator: Any, name: str, entry: Any, *args: Any, **kwargs: Any) -> Any:
    """A size differs from the one that was seen before, so it becomes a symbol."""
    merged, error = yield
    if error is None and merged is not None and watch.attempt is not None:
        before, now = str(entry.render()), str(merged.render())
        if before != now:
            watch.rec.point(
                ev.ShapeDecision, "", watch.readable(name), f"automatic dynamic: {before} here, {now} from now on"
            )


@hook("symbol")
def symbol(watch: Watch, env: Any, val: Any, source: Any, *args: Any, **kwargs: Any) -> Any:
    """A size became a symbol."""
    made, error = yield
    if error is None and watch.attempt is not None and getattr(made, "free_symbols", None):
        watch.rec.point(ev.ShapeDecision, str(made), watch.source_text(source), f"symbolic, {val} in this call")


#: What torch logs of a size and what that comes to. Where guards are suppressed nothing does.
_RELIED_ON = {"eval": "relied on", "runtime_assert": "checked when the graph runs"}


@hook("shape_guard")
def shape_guard(watch: Watch, env: Any, prefix: Any, g: Any, forcing_spec: Any = False) -> Any:
    """Something was relied on about sizes; `shape_checks` tells what is checked for it."""
    if watch.attempt is not None and prefix in _RELIED_ON:
        watch.rec.point(ev.ShapeDecision, "", "", f"{_RELIED_ON[prefix]}: {g}")
    yield


@hook("shape_checks")
def shape_checks(watch: Watch, env: Any, *args: Any, **kwargs: Any) -> Any:
    """What is checked of sizes before each call, made when the frame has been read. Backends ask for it too, while it is read."""
    made, error = yield
    if error is None and len(watch.attempts) < len(watch.compiling):
        for expression in dynamo.shape_checks(made):
            watch.rec.point(ev.GuardInstalled, source_in(expression, watch.called), "SHAPE_ENV", watch.readable(expression))


@hook("specialised")
def specialised(watch: Watch, env: Any, a: Any, *args: Any, **kwargs: Any) -> Any:
    """A symbol turned out to be one number, or another symbol."""
    before = env.replacements.get(a)
    yield
    now = env.replacements.get(a)
    if watch.attempt is not None and now is not None and now != before:
        what = "specialised to" if not now.free_symbols else "the same as"
        watch.rec.point(ev.ShapeDecision, str(a), "", f"{what} {now}")


# ---- breaks
@hook("break_text")
def break_text(watch: Watch, gb_type: Any, context: Any, explanation: Any, hints: Any) -> Any:
    """The text of what may become a break."""
    message, error = yield
    if error is None:
        watch.told.note(message, gb_type, context, explanation, hints, watch.where())


@hook("cut")
def cut(watch: Watch, output: Any, tx: Any, reason: Any, *args: Any, **kwargs: Any) -> Any:
    """The graph ends: at the frame's end, or before what breaks it."""
    if watch.attempt is not None:
        watch.settle()
        if reason.graph_break:
            breaks.event_of(watch, str(reason.reason), list(reason.user_stack))
    yield


@hook("backend", level="nothing")
def backend(watch: Watch, output: Any, gm: Any, *args: Any, **kwargs: Any) -> Any:
    """A finished graph goes to the backend."""
    session, rec, attempt = watch.session, watch.rec, watch.attempt
    if attempt is None:
        return
    given = _Given(watch, attempt.graph, session.backend_label)
    shown = stages.stages_of(rec, attempt.graph)
    with dynamo.handing_over(output, given), stages.listen(shown):
        _, error = yield
    stages.tell_stages(rec, attempt.graph, shown)
    if given.gm is None:
        return
    if rec.on:
        text = "" if error is None else f"{type(error).__name__}: {first_line(error)}"
        rec.end(ev.GraphCompiled, given.opens, attempt.graph, given.label, time.perf_counter() - given.began, text)
    if error is None:
        session.keep_graph(Compiled(rec.frame, attempt.graph, given.gm, given.examples, ""))


class _Given:
    """Called with the graph that the backend gets: torch may still have changed it, or made another, since its compile began."""

    def __init__(self, watch: Watch, graph: str, label: str):
        self.watch, self.graph, self.label = watch, graph, label
        self.gm: Any = None
        self.opens, self.began = -1, time.perf_counter()
        self.examples: list[Any] = []

    def __call__(self, gm: Any) -> None:
        self.watch.after(self.watch.before(self._take, (gm,), {}), None, None)

    def _take(self, watch: Watch, gm: Any) -> Any:
        self.gm = gm
        self.examples = [one.meta.get("example_value") for one in gm.graph.nodes if one.op == "placeholder"]
        if watch.rec.on:
            watch.agree(gm.graph, self.graph)
            self.opens = watch.rec.begin(ev.GraphCompileStarted, self.graph, self.label)
        self.began = time.perf_counter()
        yield
