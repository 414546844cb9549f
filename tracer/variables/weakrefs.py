"""Weak references made while tracing, and what is known of the end of the objects that they refer to.

A `Life` belongs to one object that weak references were made to. It holds the variable weakly, as the program's references
hold the object, and hears of its end by that (see `interpreter/lifetimes.py`).
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ..signals import Break, Raised
from .base import Variable
from .constants import NONE
from .keys import IdentityKey
from .objects import ObjectVariable
from .tensors import TensorVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..interpreter.lifetimes import Lifetimes

__all__ = ["Life", "WeakReferenceVariable", "plain_reference"]


class Life:
    """`references`: the weak references to the object, the oldest first, each held weakly as the interpreter does."""

    __slots__ = ("_alive", "_held", "_lifetimes", "_node", "outside", "references")

    def __init__(self, lifetimes: Lifetimes, target: Variable):
        self._lifetimes = lifetimes
        #: One that existed before: as far as the trace can tell it goes on. Its variable is never dropped.
        self.outside = target.source is not None or getattr(target, "value", None) is not None
        self._held = weakref.ref(target, self._gone)
        self._node = target.node if isinstance(target, TensorVariable) else None
        self.references: list[weakref.ref[Variable]] = []
        self._alive: list[Variable] = []

    @property
    def target(self) -> Variable | None:
        return self._held()

    def _gone(self, _: Any) -> None:
        """At this very moment: references that go with what held the object, but after it, have their callbacks run."""
        self._alive = [reference for held in reversed(self.references) if (reference := held()) is not None]
        self.references.clear()
        self._lifetimes.end(self)

    def end(self, ctx: Context) -> None:
        """Nothing holds the object any more. All references die, then the callbacks run, the newest first."""
        if self._node is not None and self._node.users:
            stop = Break("lifetime-unknown", type="tensor", why="what was computed from it may hold it")
            stop.stays = True
            raise stop
        calls = [(reference, plain_reference(reference).dies()) for reference in self._alive]
        self._alive.clear()
        for reference, callback in calls:
            if callback is None:
                continue
            try:
                ctx.call_now(callback, [reference])
            except Raised as error:
                cls = error.variable.python_type()
                raise Break("ignored-error", func=callback.describe(), type=cls.__name__) from None


def plain_reference(variable: Variable) -> WeakReferenceVariable:
    """The builtin part of a weak reference, which may be an instance of a subclass."""
    part = variable.data if isinstance(variable, ObjectVariable) else variable
    assert isinstance(part, WeakReferenceVariable)
    return part


class WeakReferenceVariable(Variable):
    """A weak reference to the object of `life`. `hashed`: whether its hash was asked for while that lived."""

    __slots__ = ("__weakref__", "callback", "hashed", "life")

    def __init__(self, life: Life, callback: Variable | None):
        super().__init__(None)
        self.life, self.callback, self.hashed = life, callback, False

    def python_type(self) -> type:
        return weakref.ReferenceType

    def truth(self, ctx: Context) -> bool:
        return True

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        if args or kwargs:
            ctx.raise_(TypeError, f"expected 0 arguments, got {len(args)}")
        return self.ask(ctx)

    def ask(self, ctx: Context) -> Variable:
        """The object, or None once it is gone."""
        target = self.life.target
        if target is not None and target.source is not None:
            ctx.lifetimes.check_held(ctx, target.source)
        if target is not None and target.source is None and id(target) in ctx.instance_dicts:
            ctx.break_("lifetime-unknown", expr="a weak reference", type=target.python_type().__name__, why="its `__dict__` is held apart from it")
        return NONE if target is None else target

    def dies(self) -> Variable | None:
        """Its object is gone: the callback, which runs this once."""
        callback, self.callback = self.callback, None
        return callback

    def native_attribute(self, ctx: Context, name: str) -> Any:
        if name == "__callback__":
            return NONE if self.callback is None else self.callback
        return None

    def dict_key(self, ctx: Context) -> Any:
        """It hashes and compares like its object while that lives, and keeps the hash."""
        target = self.life.target
        if target is not None:
            key = target.dict_key(ctx)
            if type(key) is not IdentityKey:
                ctx.break_("lifetime-unknown", type=target.python_type().__name__, why="its weak reference is a key, and hashes as it does")
        elif not self.hashed:
            ctx.raise_(TypeError, "weak object has gone away")
        self.hashed = True
        made = IdentityKey(self)
        made.handle = ("reference", id(self.life))
        return made

    def rebuild(self, body: Body) -> str:
        return self.rebuild_as(body, weakref.ReferenceType)

    def rebuild_as(self, body: Body, cls: type) -> str:
        name = body.fresh("reference")
        maker = f"{body.pin(weakref.ref, 'ref')}.__new__({body.pin(cls, cls.__name__)}, "
        target = self.life.target
        if target is None:
            body.line(f"{name} = {maker}{body.pin(_Gone, 'gone')}())")
            return name
        held = body.value(target)  # the older ones come first, for callbacks run the newest first
        for older in self.life.references:
            reference = older()
            if reference is None or plain_reference(reference) is self:
                break
            body.value(reference)
        callback = f", {body.value(self.callback)}" if self.callback is not None else ""
        body.line(f"{name} = {maker}{held}{callback})")
        return name


class _Gone:
    """An object that dies where it is made, to have a weak reference that is dead."""
