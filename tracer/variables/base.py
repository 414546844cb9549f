"""What is known of one Python object while a frame is traced.

Invariants: one object of the program ↔ one variable; a variable's state changes only after `ctx.mutate(variable)`;
looking at a variable (its type, its summary) installs no guard, using its value does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..signals import UNNAMED, Break, NotConstant, NotHeld

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = ["EPOCH", "NULL", "Lazy", "NullVariable", "Variable", "mention", "native_manager", "shared"]


class _Epoch:
    """`now` grows with each body of a higher-order operator that is begun. Mutable variables keep when they were born: a body may change what is no
    older than itself."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 1


EPOCH = _Epoch()


class Variable:
    """Base of all families. `source` says where the object was found (None: made while tracing)."""

    __slots__ = ("source", "vid")
    #: Whether the program can change the object in a way that must be replayed after the graph.
    mutable: ClassVar[bool] = False

    def __init__(self, source: Source | None = None):
        self.source, self.vid = source, 0

    # ---- looking (no guard, no effect)
    def python_type(self) -> type:
        """The class of the object as `type(x)` would give it."""
        raise NotImplementedError(type(self).__name__)

    def real(self) -> Any:
        """The very object of the program, where it existed before the trace; raises NotConstant."""
        raise NotConstant(self)

    def constant(self) -> Any:
        """A Python value equal to the object, known while tracing; raises NotConstant."""
        raise NotConstant(self)

    def summary(self) -> tuple[str, str, str, tuple[Any, ...], str, str]:
        """(kind, text, python type, shape, dtype, source) for the recording; our own words, never the program's repr."""
        kind = type(self).__name__.removesuffix("Variable")
        source = self.source
        return kind, self.describe(), self.python_type().__name__, (), "", source.text if source is not None else ""

    def describe(self) -> str:
        return self.python_type().__name__

    # ---- the object protocol, as far as a family knows it natively
    def attribute(self, ctx: Context, name: str) -> Any:
        """`getattr(self, name)`: a variable, or a frame to run first. Default: CPython's generic algorithm."""
        return ctx.protocol.generic_attribute(ctx, self, name)

    def native_attribute(self, ctx: Context, name: str) -> Any:
        """Value of a getset or member descriptor of the builtin type, or None where the family has none."""
        return None

    def own_attribute(self, ctx: Context, name: str) -> Any:
        """An entry of the object's own `__dict__`, for families that have no state for it, or None."""
        return None

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        return ctx.protocol.generic_set_attribute(ctx, self, name, value)

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        return ctx.protocol.call_through_type(ctx, self, args, kwargs)

    def truth(self, ctx: Context) -> bool:
        return ctx.protocol.truth_through_type(ctx, self)

    def length(self, ctx: Context) -> Variable:
        return ctx.protocol.length_through_type(ctx, self)

    def getitem(self, ctx: Context, key: Variable) -> Any:
        return ctx.protocol.special(ctx, self, "__getitem__", [key], "is not subscriptable")

    def setitem(self, ctx: Context, key: Variable, value: Variable) -> Any:
        return ctx.protocol.special(ctx, self, "__setitem__", [key, value], "does not support item assignment")

    def delitem(self, ctx: Context, key: Variable) -> Any:
        return ctx.protocol.special(ctx, self, "__delitem__", [key], "doesn't support item deletion")

    def contains(self, ctx: Context, item: Variable) -> bool:
        return ctx.protocol.contains_through_type(ctx, self, item)

    def iterator(self, ctx: Context) -> Variable:
        """`iter(self)`."""
        return ctx.protocol.iterator_through_type(ctx, self)

    def unpack(self, ctx: Context) -> list[Variable]:
        """All items, for `*x`, unpacking and natively modelled consumers."""
        return ctx.protocol.drain(ctx, self.iterator(ctx))

    # ---- identity
    def identity(self) -> Any:
        """Something that is equal for two variables exactly when they are the same object."""
        return self

    def dict_key(self, ctx: Context) -> Any:
        """The key under which a dict or set models this object."""
        return ctx.protocol.object_key(ctx, self)

    # ---- state, for the undo log and for replay
    def snapshot(self) -> Any:
        raise NotImplementedError(type(self).__name__)

    def saved(self) -> tuple[Any, Any]:
        """An entry of the undo log: (whose `restore` takes it back, what that is given)."""
        return self, self.snapshot()

    def restore(self, state: Any) -> None:
        raise NotImplementedError(type(self).__name__)

    # ---- leaving the trace
    def argument(self, ctx: Context) -> tuple[Any, Any]:
        """(fx argument, fake value) for a graph node; raises Break where a graph can't hold it."""
        raise NotHeld(self.python_type().__name__)

    def rebuild(self, body: Body) -> str:
        """Emit what makes a new object of this kind; answer the name that holds it. Sourced objects are loaded instead."""
        raise Break("unsupported-type", type=self.python_type().__name__, why="it can't be rebuilt outside the graph")

    def is_changed(self, ctx: Context) -> bool:
        """Whether the changes leave the existing object otherwise than it was; True where that isn't known."""
        return True

    def replay(self, body: Body, name: str) -> None:
        """Emit the changes that the trace made to the existing object `name`."""
        raise NotImplementedError(type(self).__name__)


class Lazy:
    """A slot of a container that nobody has read yet: no guard, no variable."""

    __slots__ = ("source", "value")

    def __init__(self, value: Any, source: Source):
        self.value, self.source = value, source


class NullVariable(Variable):
    """The NULL that CPython's stack holds under a callable."""

    __slots__ = ()

    def python_type(self) -> type:
        return type(None)

    def describe(self) -> str:
        return "NULL"


def shared(variable: Any) -> Any:
    """A variable that every trace uses: it has no number of its own, each recording keeps one for it."""
    variable.vid = None
    return variable


NULL: NullVariable = shared(NullVariable())


def mention(variable: Variable) -> str:
    """How an explanation names the object: by its source; a text with `UNNAMED` in it is left out."""
    source = variable.source
    return source.text if source is not None and "__stack_" not in source.text else UNNAMED


def native_manager(variable: Variable) -> Break:
    """Why the graph ends where the program enters or leaves what C code enters: a device or stream of torch's, a lock, a generator."""
    cls = variable.python_type()
    reason = "context-unsupported" if cls.__module__.partition(".")[0] == "torch" else "opaque-context"
    return Break(reason, expr=mention(variable), type=cls.__name__, name=cls.__name__)
