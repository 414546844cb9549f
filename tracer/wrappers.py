"""What `tracer.compile` gives for a function and for an nn.Module: the same object to everybody but those who call it.

A `CompiledFunction` answers for its function. A `CompiledModule` is a module of a subclass of the original's class and has
the original's own `__dict__`: parameters, hooks, training mode and whatever else is set on either is set on both, names of
parameters are the original's, and methods that return the module return the compiled one. Only calling it differs.
"""

from __future__ import annotations

import abc
import copy
import functools
import types
import weakref
from builtins import (  # a program may replace them while it runs
    delattr,
    getattr,
    hasattr,
    isinstance,
    list,
    map,
    setattr,
    str,
    type,
    zip,
)
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .callers import name_of
from .config import FIELDS, TraceConfig
from .functions.table import calls
from .overrides import Override
from .session import Session
from .variables import SuperVariable, Variable

if TYPE_CHECKING:
    from .context import Context

__all__ = ["CompiledFunction", "CompiledModule", "compiled"]


def compiled(original: Callable[..., Any], session: Session) -> Any:
    """The wrapper whose calls run through `session`."""
    if isinstance(original, CompiledModule):
        original = original._orig_mod
    elif type(original) is CompiledFunction:
        original = original.original
    if isinstance(original, nn.Module) and not isinstance(original, torch.jit.ScriptModule):
        return _compiled_module(original, session)
    return CompiledFunction(original, session)


def _call(session: Session, original: Any, target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if session.recorder.on or session.stepped_by or session.pins.all:
        with session._call(name_of(original), (original, target, args, kwargs)):
            return session.call(original, target, args, kwargs)
    session.count_call()
    return session.hook.run(target, *args, **kwargs)


def _restore(original: Callable[..., Any], settings: dict[str, Any]) -> Any:
    known = TraceConfig.from_plain(settings)
    overrides = map(Override.from_plain, settings.get("overrides", ()))
    return compiled(original, Session("compile", overrides=overrides, **{name: getattr(known, name) for name in FIELDS}))


class _OfOriginal(str):
    """An attribute that every class has as text: the class gets the text, an instance its original's attribute."""

    name: str

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return str(self) if instance is None else getattr(instance.original, self.name)


class CompiledFunction:
    __doc__ = _OfOriginal("Calls run through its own session. Attributes are the function's, read and written.")
    __module__ = _OfOriginal(__name__)
    __slots__ = ("__dict__", "__weakref__", "_target", "original", "session")

    def __init__(self, original: Callable[..., Any], session: Session):
        if isinstance(original, types.FunctionType):
            object.__setattr__(self, "__dict__", original.__dict__)
        for name, value in (("original", original), ("session", session), ("_target", session.prepare(original))):
            object.__setattr__(self, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _call(self.session, self.original, self._target, args, kwargs)

    @property
    def __wrapped__(self) -> Any:
        return self.original

    def __getattr__(self, name: str) -> Any:
        if name in CompiledFunction.__slots__:  # while it is being made
            raise AttributeError(name)
        return getattr(self.original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.original, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.original, name)

    def __copy__(self) -> Any:
        return _restore(copy.copy(self.original), self.session.plain_config())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the original with a session of its own: compiled entries belong to one session."""
        return _restore(copy.deepcopy(self.original, memo), self.session.plain_config())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restore, (self.original, self.session.plain_config())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<tracer.compile of {name_of(self.original)}>"


# ---- modules
class _SessionOf:
    """`compiled.session`, unless the module has something of that name itself."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance._tracer_session


_STATE = ("_orig_mod", "_tracer_session", "_tracer_target")


class CompiledModule(nn.Module):
    """What all compiled modules are, beside being of their original's class."""

    __slots__ = ()
    session = _SessionOf()
    _orig_mod: nn.Module
    _tracer_session: Session
    _tracer_target: Callable[..., Any]

    def __init_subclass__(cls, **named: Any) -> None:
        """The class is ours, not one that the program derives: its hooks for that don't run."""

    def __call__(self, *args, **kwargs):  # type: ignore[no-untyped-def]  # `inspect.signature` of a module shows this
        return _call(self._tracer_session, self._orig_mod, self._tracer_target, args, kwargs)

    def __copy__(self) -> Any:
        return _restore(copy.copy(self._orig_mod), self._tracer_session.plain_config())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _restore(copy.deepcopy(self._orig_mod, memo), self._tracer_session.plain_config())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restore, (self._orig_mod, self._tracer_session.plain_config())


def _compiled_module(original: nn.Module, session: Session) -> CompiledModule:
    cls = _compiled_class(type(original))
    made: CompiledModule = object.__new__(cls)
    object.__setattr__(made, "__dict__", object.__getattribute__(original, "__dict__"))
    for name, value in zip(_STATE, (original, session, session.prepare(original)), strict=True):
        object.__setattr__(made, name, value)
    return made


_CLASSES: weakref.WeakKeyDictionary[type, weakref.ref[type]] = weakref.WeakKeyDictionary()


def _compiled_class(cls: type) -> type:
    """The subclass whose instances are compiled modules of `cls`: one for each."""
    known = _CLASSES.get(cls)
    made = known() if known is not None else None
    if made is None:
        namespace: dict[str, Any] = {"__slots__": _STATE, "__module__": cls.__module__, "__doc__": cls.__doc__}
        namespace["__qualname__"] = f"Compiled{cls.__qualname__}"
        if hasattr(cls, "__del__"):
            namespace["__del__"] = lambda self: None  # what ends with the original ends when the original does
        metaclass: Any = type(cls)
        create = metaclass if metaclass in (type, abc.ABCMeta) else functools.partial(type.__new__, metaclass)
        made = create(f"Compiled{cls.__name__}", (CompiledModule, cls), namespace)
        _CLASSES[cls] = weakref.ref(made)
    return made


# ---- met in a frame that is traced
@calls.exact(CompiledFunction.__call__)
def follow_function(ctx: Context, wrapper: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """A compiled function that a traced frame calls is followed as its original: one session captures both."""
    return ctx.settle(wrapper.attribute(ctx, "original")).call(ctx, list(args), kwargs)


@calls.exact(CompiledModule.__call__)
def follow_module(ctx: Context, module: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """A compiled module that a traced frame calls is called as its own class would."""
    call = ctx.protocol.super_attribute(ctx, SuperVariable(CompiledModule, module), "__call__")
    return ctx.settle(call).call(ctx, list(args), kwargs)
