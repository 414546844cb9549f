"""Things to call: Python functions, bound methods, builtins, partials, cells; and things known by identity."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

from ..compat.builtins import PLACEHOLDER
from ..compat.python_classes import entries_of_partial
from ..signals import Break, NotConstant
from .base import EPOCH, Variable
from .constants import literal
from .keys import ValueKey
from .mappings import DictVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = [
    "UNSET",
    "BoundVariable",
    "CellVariable",
    "FunctionVariable",
    "NamespaceVariable",
    "PartialVariable",
    "PinnedVariable",
    "SuperVariable",
    "filled",
    "is_placeholder",
]


class _Unset:
    """An empty cell, a deleted attribute, a name that a namespace doesn't hold."""

    def __repr__(self) -> str:
        return "<unset>"


UNSET: Any = _Unset()


class FunctionVariable(Variable):
    """A Python function: one that exists (`function`), or one that the trace made (`code`, `closure` of cells, …)."""

    __slots__ = ("__weakref__", "annotated", "attributes", "born", "closure", "code", "defaults", "function", "globals", "kwdefaults", "name", "qualname")
    mutable = True

    def __init__(
        self,
        function: types.FunctionType | None,
        code: types.CodeType,
        namespace: dict[str, Any],
        source: Source | None = None,
    ):
        self.function, self.code, self.globals, self.source, self.vid = function, code, namespace, source, 0
        self.born = EPOCH.now
        self.attributes: dict[str, Any] | None = None
        self.annotated: dict[Any, Any] | None = None  #: what `__annotate__` has answered
        if function is not None:
            self.name, self.qualname = function.__name__, function.__qualname__
        else:
            self.name, self.qualname = code.co_name, code.co_qualname
        #: For made functions: list of variables / dict / list of CellVariable. For existing ones they are read when needed.
        self.defaults: list[Variable] | None = None
        self.kwdefaults: dict[str, Variable] | None = None
        self.closure: list[CellVariable] | None = None

    def python_type(self) -> type:
        return types.FunctionType

    def real(self) -> Any:
        if self.function is None:
            raise NotConstant(self)
        return self.function

    constant = real

    def identity(self) -> Any:
        return ("object", id(self.function)) if self.function is not None else self

    def describe(self) -> str:
        return f"function {self.qualname}"

    def truth(self, ctx: Context) -> bool:
        return True

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.functions.function_attribute(ctx, self, name)

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        if name.startswith("__") and name not in (
            "__name__",
            "__qualname__",
            "__doc__",
            "__module__",
            "__wrapped__",
            "__signature__",
        ):
            raise Break("outside-state-write", expr=f"{self.name}.{name}", type="function")
        if self.source is not None and self.function is not None:
            raise Break("outside-state-write", expr=f"{self.name}.{name}", type="function")
        ctx.mutate(self)
        if self.attributes is None:
            self.attributes = {}
        self.attributes[name] = value
        return None

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        return ctx.functions.call_function(ctx, self, args, kwargs)

    def snapshot(self) -> Any:
        return dict(self.attributes) if self.attributes is not None else None

    def restore(self, state: Any) -> None:
        self.attributes = state

    def rebuild(self, body: Body) -> str:
        if self.function is not None:
            return body.pin(self.function, self.name)
        name = body.fresh("function")
        body.declare(self, name)
        closure = "None"
        if self.closure:
            cells = [body.cell(c) for c in self.closure]
            closure = f"({', '.join(cells)},)"
        defaults = "None" if not self.defaults else f"({', '.join(body.value(v) for v in self.defaults)},)"
        make = body.pin(types.FunctionType, "FunctionType")
        body.line(
            f"{name} = {make}({body.pin(self.code, 'code_' + self.name)}, {body.namespace(self.globals)}, {self.name!r}, {defaults}, {closure})"
        )
        body.line(f"{name}.__qualname__ = {self.qualname!r}")
        later = {"__kwdefaults__": DictVariable(dict(self.kwdefaults))} if self.kwdefaults else {}
        if later or self.attributes:
            body.later(lambda: self._assign(body, name, {**later, **self._kept()}), self)
        return name

    def _kept(self) -> dict[str, Any]:
        """Its attributes, of which CPython keeps either `__annotate__` or annotations that somebody has set."""
        found = dict(self.attributes or {})
        if "__annotate__" in found and "__annotations__" in found:
            del found["__annotate__" if found["__annotations__"].items != self.annotated else "__annotations__"]
        return found

    def _assign(self, body: Body, name: str, attributes: dict[str, Variable]) -> str:
        return "; ".join(f"setattr({name}, {key!r}, {body.value(value)})" for key, value in attributes.items())

    def replay(self, body: Body, name: str) -> None:
        raise Break("outside-state-write", expr=self.name, type="function")


class CellVariable(Variable):
    """A closure cell; `value` is UNSET while it is empty."""

    __slots__ = ("born", "name", "real_cell", "value")
    mutable = True

    def __init__(
        self, value: Any, source: Source | None = None, real_cell: types.CellType | None = None, name: str = ""
    ):
        self.value, self.source, self.vid, self.real_cell, self.name = value, source, 0, real_cell, name
        self.born = EPOCH.now

    def python_type(self) -> type:
        return types.CellType

    def load(self, ctx: Context) -> Any:
        """The contents, or UNSET."""
        value = self.value
        if type(value) is not _Unset and not isinstance(value, Variable):
            return ctx.build(value.value, value.source)
        return value

    def native_attribute(self, ctx: Context, name: str) -> Any:
        if name != "cell_contents":
            return None
        value = self.load(ctx)
        if value is UNSET:
            ctx.raise_(ValueError, "Cell is empty")
        return value

    def snapshot(self) -> Any:
        return self.value

    def restore(self, state: Any) -> None:
        self.value = state

    def rebuild(self, body: Body) -> str:
        name = body.fresh("cell")
        body.declare(self, name)
        body.line(f"{name} = {body.pin(types.CellType, 'CellType')}()")
        if self.value is not UNSET:
            body.later(lambda: f"{name}.cell_contents = {body.value(self.load(body.ctx))}", self)
        return name

    def replay(self, body: Body, name: str) -> None:
        if self.value is UNSET:
            body.effect(f"del {name}.cell_contents")
        else:
            body.effect(f"{name}.cell_contents = {body.value(self.load(body.ctx))}")


class BoundVariable(Variable):
    """A callable with its first argument: a bound method (`function` a FunctionVariable) or a builtin one (a descriptor)."""

    __slots__ = ("__weakref__", "function", "owner")

    def __init__(self, function: Variable, owner: Variable, source: Source | None = None):
        self.function, self.owner, self.source, self.vid = function, owner, source, 0

    def python_type(self) -> type:
        if isinstance(self.function, PinnedVariable):
            value = self.function.value
            return (
                types.MethodWrapperType if isinstance(value, types.WrapperDescriptorType) else types.BuiltinMethodType
            )
        return types.MethodType

    def real(self) -> Any:
        owner = self.owner.real()
        function = self.function.real()
        return function.__get__(*((None, owner) if isinstance(function, types.ClassMethodDescriptorType) else (owner, type(owner))))

    def constant(self) -> Any:
        return self.real()

    def describe(self) -> str:
        return f"{self.function.describe()} of {self.owner.describe()}"

    def truth(self, ctx: Context) -> bool:
        return True

    def attribute(self, ctx: Context, name: str) -> Any:
        if name == "__func__":
            return self.function
        if name == "__self__":
            return self.owner
        if name in ("__class__", "__get__", "__call__", "__eq__", "__hash__", "__ne__"):
            return super().attribute(ctx, name)
        return self.function.attribute(ctx, name)

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        return self.function.call(ctx, [self.owner, *args], kwargs)

    def dict_key(self, ctx: Context) -> Any:
        return ValueKey(("bound", self.function.dict_key(ctx), ctx.protocol.identity_key(self.owner)), self)

    def rebuild(self, body: Body) -> str:
        name = body.fresh("method")
        if isinstance(self.function, PinnedVariable):
            nothing = "None, " if isinstance(self.function.value, types.ClassMethodDescriptorType) else ""
            body.line(f"{name} = {body.value(self.function)}.__get__({nothing}{body.value(self.owner)})")
        else:
            body.line(
                f"{name} = {body.pin(types.MethodType, 'MethodType')}({body.value(self.function)}, {body.value(self.owner)})"
            )
        return name


class PinnedVariable(Variable):
    """An object that the trace knows by identity: a class, a builtin, a module, an operator, an enum member."""

    __slots__ = ("value",)

    def __init__(self, value: Any, source: Source | None = None):
        self.value, self.source, self.vid = value, source, 0

    def python_type(self) -> type:
        return type(self.value)

    def real(self) -> Any:
        return self.value

    constant = real

    def identity(self) -> Any:
        return ("object", id(self.value))

    def describe(self) -> str:
        value = self.value
        name = None
        if isinstance(value, type):
            name = type.__dict__["__name__"].__get__(value)
        elif isinstance(
            value,
            types.FunctionType
            | types.BuiltinFunctionType
            | types.ModuleType
            | types.MethodDescriptorType
            | types.WrapperDescriptorType,
        ):
            name = value.__name__
        return name if isinstance(name, str) else type(value).__name__

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.functions.pinned_attribute(ctx, self, name)

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        return ctx.functions.set_pinned_attribute(ctx, self, name, value)

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        return ctx.functions.call_pinned(ctx, self, args, kwargs)

    def truth(self, ctx: Context) -> bool:
        return ctx.functions.pinned_truth(ctx, self)

    def getitem(self, ctx: Context, key: Variable) -> Any:
        return ctx.functions.pinned_getitem(ctx, self, key)

    def iterator(self, ctx: Context) -> Variable:
        return ctx.functions.pinned_iterator(ctx, self)

    def length(self, ctx: Context) -> Variable:
        return ctx.functions.pinned_length(ctx, self)

    def contains(self, ctx: Context, item: Variable) -> bool:
        return ctx.functions.pinned_contains(ctx, self, item)

    def argument(self, ctx: Context) -> tuple[Any, Any]:
        return ctx.functions.pinned_argument(ctx, self)

    def rebuild(self, body: Body) -> str:
        return body.pin(self.value, self.describe())


def is_placeholder(value: Variable) -> bool:
    """Whether it is `functools.Placeholder` (since 3.14)."""
    return PLACEHOLDER is not None and isinstance(value, PinnedVariable) and value.value is PLACEHOLDER


def filled(held: list[Variable], given: list[Variable]) -> list[Variable]:
    """Arguments that a partial holds, with given ones in the place of its placeholders as far as they go, the rest behind them."""
    rest = iter(given)
    return [*(next(rest, value) if is_placeholder(value) else value for value in held), *rest]


class PartialVariable(Variable):
    """`functools.partial`."""

    __slots__ = ("__weakref__", "_named", "args", "attributes", "born", "function", "parts", "value")

    def __init__(
        self,
        function: Variable,
        args: list[Variable],
        kwargs: dict[str, Variable],
        source: Source | None = None,
        value: Any = None,
    ):
        self.function, self.args, self._named, self.source, self.vid, self.value = (
            function,
            args,
            kwargs,
            source,
            0,
            value,
        )
        self.attributes: dict[str, Variable] | None = None  # of one that was made inside
        self.parts: dict[str, Variable] = {}  # `args` and `keywords`, of one that was made inside once they were asked for
        self.born = EPOCH.now

    def python_type(self) -> type:
        return functools.partial

    def real(self) -> Any:
        if self.value is None:
            raise NotConstant(self)
        return self.value

    def constant(self) -> Any:
        if self.value is not None:
            return self.value
        if self.attributes:
            raise NotConstant(self)
        return functools.partial(
            self.function.constant(),
            *[a.constant() for a in self.args],
            **{k: v.constant() for k, v in self._keywords.items()},
        )

    def truth(self, ctx: Context) -> bool:
        return True

    def native_attribute(self, ctx: Context, name: str) -> Any:
        from .sequences import TupleVariable

        if name == "func":
            return self.function
        if name == "__dict__":  # it may be made by asking, which `partial` of a partial sees
            raise Break("unsupported-attribute", expr=f".{name}", type="partial", name=name)
        if name in ("args", "keywords") and name not in self.parts:
            self.parts[name] = TupleVariable(list(self.args), tuple) if name == "args" else DictVariable(dict(self._named))
        return self.parts.get(name)

    def named(self, ctx: Context) -> dict[str, Variable]:
        """The keywords of a call, as they are now."""
        return {name: ctx.settle(value) for name, value in self._keywords.items()}

    @property
    def _keywords(self) -> dict[str, Variable]:
        """Whoever has `keywords` may have changed them."""
        held: Any = self.parts.get("keywords")
        return self._named if held is None else held.items

    def own_attribute(self, ctx: Context, name: str) -> Any:
        if self.source is None:
            return (self.attributes or {}).get(name)
        held = entries_of_partial(self.value) or {}
        if name in held:
            return ctx.build(held[name], self.source.attr(name))
        ctx.guard(self.source, "PARTIAL_ABSENT", name, name)
        return None

    def has_dict(self, ctx: Context) -> bool:
        """Whether it had attributes, ever: a partial of it shows it."""
        if self.source is None:
            return self.attributes is not None
        found = entries_of_partial(self.value) is not None
        ctx.guard(self.source, "PARTIAL_DICT", found)
        return found

    def set_attribute(self, ctx: Context, name: str, value: Variable) -> Any:
        if self.source is not None or hasattr(functools.partial, name) and name != "__doc__":
            return super().set_attribute(ctx, name, value)
        ctx.mutate(self)
        self.attributes = {**(self.attributes or {}), name: value}
        return None

    def snapshot(self) -> Any:
        return self.attributes

    def restore(self, state: Any) -> None:
        self.attributes = state

    def given(self, ctx: Context, args: list[Variable]) -> list[Variable]:
        """The arguments of a call with `args`: the first of them stand where placeholders were left."""
        left = sum(map(is_placeholder, self.args))
        if left > len(args):
            ctx.raise_(TypeError, f"missing positional arguments in 'partial' call; expected at least {left}, got {len(args)}")
        return filled(self.args, args)

    def call(self, ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
        return self.function.call(ctx, self.given(ctx, args), {**self.named(ctx), **kwargs})

    def rebuild(self, body: Body) -> str:
        name, partial = body.fresh("partial"), body.pin(functools.partial, "partial")
        if self.parts or isinstance(self.function, PartialVariable):  # its very tuple and dict; and a partial of a partial stays that
            body.line(f"{name} = {partial}({partial})")
            body.later(lambda: f"{name}.__setstate__({self._state(body)})", self)
        else:
            named = [f"**{self._spelled(body, 'keywords')}"] if self._named else []
            body.line(f"{name} = {partial}({', '.join([body.value(v) for v in (self.function, *self.args)] + named)})")
        if self.attributes is not None:
            held = self.attributes
            body.later(lambda: "; ".join(f"setattr({name}, {key!r}, {body.value(value)})" for key, value in held.items()), self)
        return name

    def _state(self, body: Body) -> str:
        return f"({body.value(self.function)}, {self._spelled(body, 'args')}, {self._spelled(body, 'keywords')}, None)"

    def _spelled(self, body: Body, part: str) -> str:
        known = self.parts.get(part)
        if known is not None:
            return body.value(known)
        if part == "args":
            return f"({''.join(f'{body.value(a)}, ' for a in self.args)})"
        return f"{{{', '.join(f'{k!r}: {body.value(v)}' for k, v in self._named.items())}}}"


class SuperVariable(Variable):
    """`super(cls, owner)`: attributes found after `cls` in the MRO of the owner's type (or of the owner, a class)."""

    __slots__ = ("cls", "owner")

    def __init__(self, cls: type, owner: Variable):
        self.cls, self.owner, self.source, self.vid = cls, owner, None, 0

    def python_type(self) -> type:
        return super

    def attribute(self, ctx: Context, name: str) -> Any:
        return ctx.protocol.super_attribute(ctx, self, name)

    def rebuild(self, body: Body) -> str:
        name = body.fresh("super")
        body.line(
            f"{name} = {body.pin(super, 'super')}({body.pin(self.cls, self.cls.__name__)}, {body.value(self.owner)})"
        )
        return name


class NamespaceVariable(Variable):
    """A module's globals as far as the trace wrote to them: `stored` maps names to variables, or UNSET for deleted ones."""

    __slots__ = ("namespace", "stored")
    mutable = True

    def __init__(self, namespace: dict[str, Any], source: Source):
        self.namespace, self.source, self.vid = namespace, source, 0
        self.stored: dict[str, Any] = {}

    def python_type(self) -> type:
        return dict

    def snapshot(self) -> Any:
        return dict(self.stored)

    def restore(self, state: Any) -> None:
        self.stored = state

    def rebuild(self, body: Body) -> str:
        return body.namespace(self.namespace)

    def replay(self, body: Body, name: str) -> None:
        for key, value in self.stored.items():
            body.effect(f"{name}.pop({key!r}, None)" if value is UNSET else f"{name}[{key!r}] = {body.value(value)}")


def text_of(value: str) -> Variable:
    return literal(value)
