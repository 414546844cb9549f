"""A compiled graph raises when it runs: what the program makes of that.

In: the error, and what the frame was entered with. Out: what the frame does from the operator that raised: the handlers and `with`
blocks that are open there run, in the frame and in calls inlined into it; effects made before that operator stand, later ones don't
happen. For that the frame is traced once more, up to the operator, where the program gets the error. Operators that have run are not
run again: their values are in the graph's own frame, which the traceback holds. That tells also which operator it was.

Where the graph is a backend's, nothing of that is known, and the error may have words of the backend's: the graph runs once more, node
by node (`nodewise.py`). Where that can't be, the error counts as raised by the first operator. Where the rest can't be traced, the
error leaves through the handlers that were open where the frame began (of a frame that goes on behind a break).
"""

from __future__ import annotations

import functools
import inspect
import types
import weakref
from typing import TYPE_CHECKING, Any

from . import codegen
from .compat import graphs, is_eager
from .compat.memo import without_transforms
from .compat.overriding import plainly, unseen
from .context import BreakHere, Context, GraphInput
from .ending import Ending, FrameInfo, enter, fake_mode_of
from .errors import TracerError
from .graph.finish import only_computes
from .graph.modes import inference
from .graph.transaction import undone
from .higher_order import levels
from .interpreter.loop import run
from .interpreter.paths import pin_break, place_of
from .journal import Recorder
from .nodewise import Nodewise
from .runtime.hook import without_hook
from .signals import Break, Decision, Raised, Restart, Untraceable

if TYPE_CHECKING:
    from .session import Session
    from .variables import Variable

__all__ = ["Failing", "Unwinding"]

_ATTEMPTS = 8


class _GivenUp(Exception):
    """What comes of the error can't be traced."""


class Failing:
    """The node that raised, what it raised, and what the nodes before it gave: None where that is not there any more."""

    def __init__(self, name: str, error: BaseException, ran: dict[str, Any]):
        self.name, self.error, self.ran = name, error, ran
        self.met = False
        self.at: tuple[int, int] | None = None  # the operation of the root frame that led to it, and which time
        self.before: list[str] = []

    def created(self, ctx: Context, node: Any) -> None:
        """A node was made: where it is the one that raised, the program gets the error in its place."""
        if self.met or node.name != self.name or node.graph is not ctx.root_graph.graph:
            return
        self.met = True
        root = ctx.root_frame
        assert root is not None
        self.at = place_of(root)
        ctx.root_graph.created.remove(node)
        node.graph.erase_node(node)
        self.before = [known.name for known in node.graph.nodes]
        ctx.throw(ctx.build(self.error, ctx.pinned(self.error)))  # type: ignore[arg-type]

    def substitute(self, ctx: Context, graph: Any) -> None:
        """Nodes that have run become inputs, or go. Switches of modes are set once more, so that the rest runs under them."""
        before, wrote = set(self.before), False
        for node in reversed(list(graph.nodes)):
            if node.op in ("placeholder", "output") or node.name not in before or node.meta.get("mode"):
                continue
            value = self.ran.get(node.name)
            if value is not None and node.users:
                fake = node.meta["example_value"]
                stand_in = ctx.root_graph.placeholder(f"ran_{node.name}", fake)
                ctx.inputs.append(GraphInput(stand_in, ctx.pinned(value), value, fake))
                node.replace_all_uses_with(stand_in)
            elif node.users and (wrote or not only_computes(node)):
                raise _GivenUp(f"{node.name} is needed, and can't be computed again")
            if node.name in self.ran:
                wrote = wrote or not only_computes(node)
            if not node.users:
                graph.erase_node(node)


class Unwinding:
    """What a body calls where its graph raises: (error, the graph's inputs, what the body was called with) → what the frame returns.
    Raises what leaves the frame; where the body would have said at which point the frame breaks, `codegen.Instead` carries the result.
    Made before the backend gets the graph."""

    def __init__(self, ctx: Context, info: FrameInfo, gm: Any, breaks: bool):
        self._session: Any = weakref.ref(ctx.session)
        self._decisions, self._dynamic, self._asserted = dict(ctx.decisions), ctx.dynamic, dict(ctx.asserted)
        self._code, self._globals, self._name, self._breaks = info.code, info.globals, info.name, breaks
        self._gm, self._matters = gm, ctx.unwinds()
        self._nodewise = Nodewise(ctx, gm) if not is_eager(ctx.session.backend) else None
        self._nodes = [(n.name, bool(n.meta.get("mode"))) for n in gm.graph.nodes if n.op not in ("placeholder", "output")]

    def __call__(self, error: BaseException, inputs: tuple[Any, ...], *entry: Any) -> Any:
        name, error, ran = self._place(error, inputs)
        if not self._matters:
            raise error
        if isinstance(error, RuntimeError) and (words := self._asserted.get(str(error))) is not None:
            trace, error = error.__traceback__, AssertionError(*words)
            error.__traceback__ = trace
        session = self._session()
        try:
            code, names = self._rest(session, name, error, ran, entry)
        except (_GivenUp, Break, Raised, Restart, Untraceable, TracerError):
            code, names = self._at_the_beginning(error), {}
        try:
            result = without_hook(functools.partial(self._call, code))(*entry)
        finally:
            names.clear()  # they hold the error, whose traceback holds them
            ran.clear()
            del error
        if self._breaks:
            raise codegen.Instead(result)
        return result

    # ---- the frame, entered again
    def _bound(self, entry: tuple[Any, ...]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """(the locals as the frame began, its free cells)."""
        args, cells = codegen.entry_names(self._code)
        bound = dict(zip(args, entry))
        held = entry[len(args) :]
        for name, cell in zip(cells, held, strict=True):
            try:
                bound[name] = cell.cell_contents
            except ValueError:  # empty
                continue
        return bound, held[len(self._code.co_cellvars) :]

    def _call(self, code: types.CodeType, *entry: Any) -> Any:
        bound, cells = self._bound(entry)
        function = types.FunctionType(code, self._globals, code.co_name, None, cells)
        names, count = code.co_varnames, code.co_argcount
        rest = count + code.co_kwonlyargcount
        positional = [bound[name] for name in names[:count]]
        if code.co_flags & inspect.CO_VARARGS:
            positional += bound[names[rest]]
        keywords = {name: bound[name] for name in names[count:rest]}
        if code.co_flags & inspect.CO_VARKEYWORDS:
            keywords.update(bound[names[rest + bool(code.co_flags & inspect.CO_VARARGS)]])
        return function(*positional, **keywords)

    def _at_the_beginning(self, error: BaseException) -> types.CodeType:
        if codegen.is_resume(self._code):
            return codegen.raising(self._code, error)
        raise error

    # ---- what comes of the error
    def _rest(
        self, session: Session | None, name: str, error: BaseException, ran: dict[str, Any], entry: tuple[Any, ...]
    ) -> tuple[types.CodeType, dict[str, Any]]:
        """Code that does the rest of the frame, and the names of its body."""
        if session is None or session.closed:
            raise _GivenUp("the session is over")
        if not name:
            raise _GivenUp("no operator raised")
        found = session.hook.alone(self._traced_again, session, name, error, ran, entry)
        if found is None:
            raise _GivenUp("the session compiles")
        return found  # type: ignore[no-any-return]

    def _traced_again(
        self, session: Session, name: str, error: BaseException, ran: dict[str, Any], entry: tuple[Any, ...]
    ) -> tuple[types.CodeType, dict[str, Any]]:
        decisions = dict(self._decisions)
        bound, cells = self._bound(entry)
        info = FrameInfo(self._code, bound, self._globals, cells)
        for _ in range(_ATTEMPTS):
            failing = Failing(name, error, ran)
            try:
                return undone(self._attempt, session, info, failing, decisions)
            except Restart as restart:
                if not failing.met or restart.decision.at == failing.at:
                    raise
                decisions[restart.decision.key] = restart.decision
        raise _GivenUp("too many attempts")

    def _place(self, error: BaseException, inputs: tuple[Any, ...]) -> tuple[str, BaseException, dict[str, Any]]:
        """(the node that raised, what it raised, the values of those before it). The graph's own frame has a local for each node that
        has run; a backend's has not. The name is empty where no node can have raised."""
        trace = error.__traceback__
        while trace is not None:
            if graphs.is_code_of(self._gm, trace.tb_frame.f_code):
                held = trace.tb_frame.f_locals
                ran: dict[str, Any] = {}
                for name, switches in self._nodes:
                    if name not in held and not switches:
                        return name, error, ran
                    ran[name] = held.get(name)
                return "", error, {}
            trace = trace.tb_next
        if self._nodewise is not None and isinstance(error, Exception) and (place := self._nodewise(inputs)) is not None:
            if place.name:
                return place
            error = place.error
        return next((name for name, switches in self._nodes if not switches), ""), error, {}

    def _attempt(
        self, session: Session, info: FrameInfo, failing: Failing, decisions: dict[tuple[Any, ...], Decision]
    ) -> tuple[types.CodeType, dict[str, Any]]:
        mode = fake_mode_of(session, self._dynamic)
        outer, where = session.traced, session.recorder.where
        ctx = Context(session, mode, decisions, self._dynamic)
        session.recorder.where = where
        ctx.rec, ctx.failing = Recorder("nothing"), failing
        ctx.lifetimes.open()
        try:
            with unseen(), inference(False), without_transforms() as ctx.transforms, graphs.tracing_context(mode), mode:
                root = enter(ctx, info)
                result: Variable | None = None
                stopped, ends = None, "return"
                try:
                    result = run(ctx, root)
                except BreakHere as here:
                    stopped, ctx.frame = here.decision, root
                except Break as stop:
                    raise pin_break(ctx, root, stop) from None
                except Raised as raised:
                    result, ends = raised.variable, "raise"
                if not failing.met:
                    raise _GivenUp("the operator isn't met again")
                if ctx.levels:
                    raise _GivenUp("a level of torch.func is on")
                ending = Ending(ctx, info, root, result, stopped)
                gm = ending.graph.gm
                function = without_hook(plainly(graphs.plain_forward(gm))) if gm is not None else None
                python, _ = ending.body.finish(
                    f"{self._name} unwinding", function, ending.inputs(), f"{ends} {ending.answer}", ending.modes(), None, None, ending.put_back
                )
                return ending.code(python), python.__globals__
        finally:
            session.traced = outer
            levels.leave(ctx, 0)
            ctx.lifetimes.close()
            ctx.release()
            for table in (ctx.inputs, ctx.kept, ctx.by_id, ctx.by_source):
                table.clear()  # what ran lives no longer than the error
            failing.ran = {}
