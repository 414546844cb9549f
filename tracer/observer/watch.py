"""What one session knows of the compile that it watches, and how that becomes events: position, frames, graphs, numbers.

The hooks say what happened; here it gets its place: which frame and attempt, which graph, which line.
"""

from __future__ import annotations

import traceback
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import events as ev
from ..callers import name_of
from ..compat import dynamo
from ..compat import evalframe as ef
from ..compat.wrappers import calls_only
from ..functions.torch.tensors import args_text, target_name
from ..runtime.answers import Skip
from ..runtime.codes import Told
from .breaks import Texts
from .switch import Body
from .values import Numbers, device_of, dtype_of, module_path, readable, shape_of, source_text

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Attempt", "Watch"]

_LEVELS = {
    "all": frozenset({"every", "decisions", "nothing"}),
    "decisions": frozenset({"decisions", "nothing"}),
    "nothing": frozenset({"nothing"}),
}


class Mark:
    """Stands for a backend where compiled code is looked up by it."""

    def __init__(self, backend: Any, region: int):
        self.backend, self.region = backend, region

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.backend(*args, **kwargs)


class Made(NamedTuple):
    """A node or an input as it was told."""

    kind: type[ev.Event]
    location: ev.Location
    payload: tuple[Any, ...]


class Attempt:
    """One reading of a frame. `stacks`: of each translator, the numbers that its last instruction was recorded with."""

    def __init__(self, watch: Watch, code: types.CodeType):
        self.code = code
        self.graph = watch.session.next_graph_name()
        self.numbers = Numbers(watch.rec, watch.called)
        self.stacks: dict[int, tuple[Any, list[int]]] = {}
        self.graphs: dict[int, tuple[Any, str]] = {}  # tracers of subgraphs
        self.pending: dict[Any, str] = {}  # nodes whose value isn't known yet, with their graph
        self.made: dict[tuple[str, str], Made] = {}  # (graph, name) → what was recorded
        self.places: dict[Any, ev.Location] = {}  # of nodes, as they were made
        self.levels: dict[Any, tuple[str, ...]] = {}  # of torch.func, around the same
        self.translators: list[Any] = []
        self.bodies = 0


class Watch:
    """A session's eyes. `busy`: one of its hooks is at work; `faults`: what went wrong in them during this call."""

    def __init__(self, session: Session):
        self.session, self.rec = session, session.recorder
        self.levels = _LEVELS[session.config.record]
        self.busy = False
        self.blocks = 0  # `with session.tracing()` that are open
        self.off: set[str] = set()
        self.faults: list[Exception] = []
        self.told = Texts()
        self.attempts: list[Attempt] = []
        self.compiling: list[str] = []  # names of the frames being compiled, outermost first
        self.called = ""  # of the frame being compiled: the local that is the module which torch.compile was given
        self.frames: dict[str, str] = {}  # compile id → frame
        self.names: dict[int, tuple[types.CodeType, str, str]] = {}  # resume code → (code, name, frame it goes on from)
        self.codes: dict[int, types.CodeType] = {}
        self.because = ""
        self.recompiling: tuple[str, int, tuple[Any, ...], tuple[tuple[str, str], ...]] | None = None  # what no entry fits, and how many there are
        self.regions: dict[int, int] = {}  # of wrappers → that of theirs in this session
        self.marks: dict[int, Mark] = {}  # by backend
        self.skips = Told()  # why functions of a block were left to Python

    # ---- hooks
    def before(self, body: Body, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The first half of a hook; what `after` needs, None where there is no second half."""
        self.busy = True
        try:
            steps = body(self, *args, **kwargs)
            next(steps)
            return steps
        except StopIteration:
            return None
        except Exception as fault:
            self.fault(fault)
            return None
        finally:
            self.busy = False

    def after(self, steps: Any, result: Any, error: BaseException | None) -> None:
        """The second half."""
        if steps is None:
            return
        self.busy = True
        try:
            steps.send((result, error))
        except StopIteration:
            pass
        except Exception as fault:
            self.fault(fault)
        finally:
            self.busy = False

    def fault(self, fault: Exception) -> None:
        """A hook failed: recorded, and raised or warned about when the call has ended."""
        self.faults.append(fault)
        if self.rec.on:
            text = "".join(traceback.format_exception(fault))
            self.rec.point(ev.InternalFault, type(fault).__name__, str(fault), text)

    # ---- where
    @property
    def attempt(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def translator(self) -> Any:
        """The innermost translator."""
        attempt = self.attempt
        return (
            attempt.translators[-1]
            if attempt is not None and attempt.translators
            else dynamo.translator_now()
            if attempt is not None
            else None
        )

    def where(self) -> ev.Location:
        """The instruction that is being followed."""
        translator = self.translator
        if translator is None:
            attempt = self.attempt
            return (
                (attempt.code.co_filename, attempt.code.co_firstlineno, None, attempt.code.co_firstlineno, None)
                if attempt is not None
                else ()
            )
        return location(translator, getattr(translator, "current_instruction", None))

    # ---- frames
    def name_of(self, code: types.CodeType, cells: Any = ()) -> tuple[str, str]:
        """(name, the frame that it goes on from): resume functions go by the function that they are a part of, functions of torch's own
        that only call what torch.compile was given go by that."""
        known = self.names.get(id(code))
        if known is not None:
            return known[1], known[2]
        found = calls_only(code, cells)
        return code.co_qualname if found is None else name_of(found[1]), ""

    def readable(self, name: str) -> str:
        return readable(name, self.called)

    def source_text(self, source: Any) -> str:
        return source_text(source, self.called)

    def note_resumes(self, code: types.CodeType, namespace: dict[str, Any], name: str, frame: str) -> None:
        """The generated code of a frame calls the functions that go on behind its break by their global names."""
        for called in code.co_names:
            if called.startswith("__resume_at"):
                resume = getattr(namespace.get(called), "__code__", None)
                if resume is not None:
                    self.names[id(resume)] = (resume, name, frame)

    # ---- graphs
    def graph_of(self, tracer: Any) -> str:
        """The name of a (sub)graph: the frame's own, or the body that is tried."""
        attempt = self.attempt
        assert attempt is not None
        known = attempt.graphs.get(id(tracer))
        return known[1] if known is not None else attempt.graph

    def announce(self, node: Any, graph: str) -> None:
        """One node, with what is known of its value. It stays where it was made, under whatever name it ends."""
        attempt = self.attempt
        assert attempt is not None
        attempt.pending.pop(node, None)
        if (graph, node.name) in attempt.made:
            return
        value = node.meta.get("example_value")
        words = (
            target_name(node.target),
            args_text(node),
            shape_of(value),
            dtype_of(value),
            device_of(value),
            module_path(node, self.called),
        )
        place = attempt.places.setdefault(node, self.where())
        levels = tuple(("", name) for name in attempt.levels.get(node, ()))
        self.tell(
            Made(
                ev.NodeCreated,
                place,
                (graph, node.name, node.op, *words, tuple(one.name for one in node.all_input_nodes), levels),
            )
        )

    def lifted(self, name: str, graph: str, source: str, value: Any) -> None:
        attempt = self.attempt
        if attempt is not None and (graph, name) not in attempt.made:
            self.tell(
                Made(
                    ev.InputLifted,
                    self.where(),
                    (graph, name, source, shape_of(value), dtype_of(value), device_of(value)),
                )
            )

    def tell(self, made: Made) -> None:
        attempt, rec = self.attempt, self.rec
        assert attempt is not None
        attempt.made[made.payload[:2]] = made
        with rec.located(made.location):
            rec.point(made.kind, *made.payload)

    def removed(self, name: str, graph: str) -> None:
        attempt = self.attempt
        if attempt is not None and attempt.made.pop((graph, name), None) is not None:
            self.rec.point(ev.NodeRemoved, graph, name)

    def settle(self) -> None:
        """Nodes that never got a value are told now."""
        attempt = self.attempt
        if attempt is not None and attempt.pending:
            for node, graph in list(attempt.pending.items()):
                self.announce(node, graph)

    def agree(self, finished: Any, graph: str) -> None:
        """The recorded nodes become those of the finished graph (the fx.Graph of a body, or of all): some were renamed, unused ones
        are gone, checks were added. What follows the first difference is told again, in the order of the graph."""
        attempt = self.attempt
        assert attempt is not None
        self.settle()
        final = [node for node in finished.nodes if node.op != "output"]
        for inputs in (True, False):
            wanted = [node for node in final if (node.op == "placeholder") is inputs]
            told = [
                made
                for made in attempt.made.values()
                if made.payload[0] == graph and (made.kind is ev.InputLifted) is inputs
            ]
            same = next(
                (n for n, (node, made) in enumerate(zip(wanted, told)) if node.name != made.payload[1]),
                min(len(wanted), len(told)),
            )
            known = {made.payload[1]: made for made in told[same:]}
            for name in known:
                self.removed(name, graph)
            for node in wanted[same:]:
                if node.name in known:
                    self.tell(known[node.name])
                elif inputs:
                    self.lifted(node.name, graph, "", node.meta.get("example_value"))
                else:
                    self.announce(node, graph)

    def tell_recompile(self, *, limit: bool) -> None:
        """What no entry fitted is compiled again, or, where it wasn't read, isn't any more."""
        waiting, self.recompiling = self.recompiling, None
        if waiting is not None:
            name, entries, caller, names = waiting
            self.rec.point(ev.Recompiled, name, entries, limit, caller, names)

    def left_alone(self, code: types.CodeType, skip: Skip) -> None:
        """A function of a block runs as Python, by our own rules."""
        if self.skips.is_new(code, skip.reason):
            self.session.skipped(code, skip)

    def hit(self, function: Any) -> None:
        """A compiled entry runs. Torch doesn't say which; `function` is what a wrapper calls, None where other code does."""
        if self.rec.on and not self.compiling:
            self.rec.aside(ev.CacheHit, "compiled code" if function is None else name_of(function))

    def region(self, region: int) -> int:
        """Where a wrapper's compiled code is looked for and kept: in a block that begins fresh, apart from everybody else's."""
        if not self.blocks or not self.session.config.fresh or region >= ef.FIRST_REGION:
            return region
        return self.regions.setdefault(region, ef.new_region())

    def mark(self, backend: Any) -> Any:
        """What this session's compiled code is found by, in place of the backend."""
        if not self.session.config.fresh or isinstance(backend, Mark):
            return backend
        known = self.marks.get(id(backend))
        if known is None:
            known = self.marks[id(backend)] = Mark(backend, self.session.hook.region)
        return known

    def forget(self) -> None:
        """What was compiled isn't found any more."""
        self.regions.clear()
        self.marks.clear()

    # ---- the end of a call
    def ended(self) -> None:
        """Nothing of a call that was given up is left."""
        self.attempts.clear()
        self.compiling.clear()
        self.because = ""
        self.recompiling = None
        self.told.clear()


def location(translator: Any, instruction: Any) -> ev.Location:
    """The place of an instruction; its line only, where it has no columns."""
    file = translator.f_code.co_filename
    positions = getattr(instruction, "positions", None)
    if positions is not None and positions.lineno:
        return file, positions.lineno, positions.col_offset, positions.end_lineno, positions.end_col_offset
    line = translator.lineno
    line = line if type(line) is int and line > 0 else translator.f_code.co_firstlineno
    return file, line, None, line, None
