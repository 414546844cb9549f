"""When objects that the trace made come to their end: generators are closed, `__del__` runs, weak references die.

One object of the program is one variable, and variables are held by what holds the object: slots of frames, containers,
attributes, cells, the frames of a traceback. So the interpreter's own reference counts are those of the program: the moment
at which a variable is dropped is the moment at which CPython would drop the object. A variable whose end matters tells it here
(`end`), and the loop, before it goes on, does what CPython does then (`settle`), oldest first, contents after their owner.

Invariant that everything else keeps: nothing outside the program's own state holds a variable without a source beyond the
operation that runs. What must know one longer holds it weakly. A cycle of objects is a cycle of variables: as in
CPython it isn't freed at once, and where the collector frees one, the frame is left to Python. Programs without such objects pay one test for each operation.
"""

from __future__ import annotations

import gc
import weakref
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

from .. import handlers
from ..compat.finalisers import has_finaliser
from ..signals import Break, Untraceable
from ..variables import CellVariable, PinnedVariable
from ..variables.weakrefs import Life

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source
    from ..variables import GeneratorVariable, ObjectVariable, Variable
    from .frame import Frame

__all__ = ["WEAKLY", "Lifetimes"]

#: Modules whose own code refers weakly to the objects of the program.
WEAKLY = frozenset({"weakref", "_weakrefset"})

#: What a function refers weakly by.
_MAKERS = frozenset({id(weakref), *(id(getattr(weakref, name)) for name in weakref.__all__)})


class Lifetimes:
    """Of one attempt. `ended`: objects that nothing refers to any more, and that were not laid to rest yet; among them, where a signal came, its bell."""

    __slots__ = ("_collecting", "_finalisers", "_lives", "_over", "_suspended", "_thread", "ended", "matter")

    def __init__(self) -> None:
        self.ended: list[Any] = []
        self.matter = False  # whether there was an object whose end can be seen
        self._lives: dict[int, Life] = {}
        self._finalisers: weakref.WeakSet[ObjectVariable] = weakref.WeakSet()
        self._suspended: weakref.WeakSet[GeneratorVariable] = weakref.WeakSet()
        self._thread = get_ident()
        self._over = self._collecting = False

    def open(self) -> None:
        if handlers.is_main_thread():
            handlers.bells.append(self.ended)
        gc.callbacks.append(self._collector)

    def close(self) -> None:
        """The attempt is over: what it made and nobody took is forgotten, not ended."""
        self._over = True
        self.ended.clear()
        self._lives.clear()
        handlers.bells[:] = [bell for bell in handlers.bells if bell is not self.ended]
        if self._collector in gc.callbacks:
            gc.callbacks.remove(self._collector)

    def is_here(self) -> bool:
        """Whether its attempt is this thread's."""
        return self._thread == get_ident()

    def _collector(self, phase: str, info: dict[str, int]) -> None:
        if get_ident() == self._thread:
            self._collecting = phase == "start"

    def end(self, mortal: Any) -> None:
        """Nothing refers to `mortal` any more. It has an `end(ctx)`."""
        if not self._over:
            self.ended.append(_Collected() if self._collecting or get_ident() != self._thread else mortal)

    def watch(self, ctx: Context, target: Variable) -> Life:
        """The life of an object that a weak reference is made to."""
        life = self._lives.get(id(target))
        if life is None or life.target is not target:
            life = self._lives[id(target)] = Life(self, target)
            if ctx.speculating and not life.outside:
                raise Break("lifetime-unknown", type=target.python_type().__name__, why="it is made inside a higher-order operator")
            self.matter = True
        return life

    def born(self, ctx: Context, made: ObjectVariable) -> ObjectVariable:
        """A new object, whose class may have `__del__`."""
        if has_finaliser(made.cls):
            ctx.protocol.find(ctx, made.cls, "__del__")
            if ctx.speculating:
                raise Break("lifetime-unknown", type=made.cls.__name__, why="it has `__del__` and is made inside a higher-order operator")
            self.matter, made.lifetimes = True, self
            self._finalisers.add(made)
        return made

    def began(self, generator: GeneratorVariable) -> None:
        """A generator that runs for the first time: from now on something happens in it when it ends."""
        self.matter = True
        self._suspended.add(generator)

    def pending(self) -> bool:
        """Whether objects live whose end the program will see."""
        lives = any(life.target is not None and not life.outside for life in self._lives.values())
        return lives or len(self._finalisers) > 0 or any(generator.is_left_by_a_handler() for generator in self._suspended)

    def keep(self, frame: Frame) -> bool:
        """Whether the rest of a frame that breaks must run in it, since another one would hold what this one holds: objects live whose end will be
        seen, the operation that breaks may make one (it calls a class with `__del__`), or the function names what makes weak references."""
        names, held = frame.globals, frame.stack
        return (
            self.pending()
            or any(type(v) is PinnedVariable and issubclass(type(v.value), type) and has_finaliser(v.value) for v in held)
            or any(name == "weakref" or id(names.get(name)) in _MAKERS for name in frame.program.code.co_names)
        )

    def check_held(self, ctx: Context, source: Source) -> None:
        """A weak reference is asked for an object that existed before. Whether that lives on is known unless the trace changed where it was found."""
        step: Source | None = source
        while step is not None:
            if step.base is None and step.kind == "local":
                self._check_local(ctx, step)
            holder = ctx.by_source.get(step.base) if step.base is not None else None
            if holder is not None and holder in ctx.effects:
                self._lost(source)
            step = step.base

    def _check_local(self, ctx: Context, source: Source) -> None:
        root = ctx.root_frame
        assert root is not None
        held = root.locals[root.program.names.index(source.key)]
        if isinstance(held, CellVariable):
            held = held.value
        if held is None or getattr(held, "source", None) is not source:
            self._lost(source)

    def _lost(self, source: Source) -> NoReturn:
        stop = Break("lifetime-unknown", expr=source.text, why="the function let go of it, and nothing tells whether anybody else holds it")
        stop.stays = True
        raise stop

    def settle(self, ctx: Context) -> None:
        """Do what happens when objects end, after the operation that dropped them. What it breaks the graph for is that operation."""
        frame = ctx.frame
        pc = frame.pc if frame is not None else 0
        if frame is not None and frame is ctx.root_frame:
            frame.pc = frame.last + 1
        self._settle(ctx)
        if frame is not None:
            frame.pc = pc

    def _settle(self, ctx: Context) -> None:
        batch = []
        while self.ended:  # emptied one by one: a signal may add to it at any time
            batch.append(self.ended.pop())
        while batch:
            batch.pop().end(ctx)
            if self.ended:
                self._settle(ctx)


class _Collected:
    """The collector found an object in a cycle. It comes when it wants: only Python itself can tell when."""

    def end(self, ctx: Context) -> None:
        raise Untraceable("lifetime-unknown", why="it is part of a cycle, which the garbage collector frees when it likes")
