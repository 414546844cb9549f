"""Instances of classes: the class is guarded, attributes are read lazily."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import torch

from ..compat import is_eager
from ..compat.python_classes import reads_like_object
from ..signals import Break, Declined
from ..variables import ConstantVariable, ExceptionVariable, Lazy, ModuleVariable, ObjectVariable, TupleVariable
from .containers import refuse_hidden
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source


@rules.base(torch.nn.Module)
def module(ctx: Context, value: Any, source: Source) -> Any:
    """An nn.Module: its class is guarded; parameters, buffers and submodules when they are read."""
    if isinstance(value, torch.nn.modules.lazy.LazyModuleMixin) and value.has_uninitialized_params():
        raise Break("module-uninitialised", expr=source.text, type=type(value).__name__)
    if isinstance(value, torch.nn.RNNBase) and not ctx.config.allow_rnn:
        retraced = isinstance(value, torch.nn.LSTM) and torch.is_grad_enabled() and not is_eager(ctx.session.backend)  # see functions/torch/retraced.py
        raise Break("rnn-module", type=type(value).__name__, expr=source.text, setting=None if retraced else "allow_rnn")
    ctx.guard(source, "TYPE_MATCH", type(value))
    return _with_dict(ctx, ModuleVariable(value, type(value), source))


@rules.base(torch.jit.ScriptFunction, torch.jit.ScriptModule)
def script(ctx: Context, value: Any, source: Source) -> Any:
    """Compiled TorchScript has no Python inside."""
    raise Break("script-function", expr=source.text, type=type(value).__name__, name=source.text)


_OF_ERRORS = ("args", "__cause__", "__context__", "__traceback__", "__suppress_context__")


@rules.base(BaseException)
def exception(ctx: Context, value: BaseException, source: Source) -> Any:
    """An exception object from outside (an `except` clause before a break, an argument)."""
    ctx.guard(source, "TYPE_MATCH", type(value))
    for name in _OF_ERRORS:
        refuse_hidden(value, name, BaseException, source)
    read = BaseException.__getattribute__  # a class's own way to look attributes up is the program's
    args = ctx.build(read(value, "args"), source.attr("args"))
    made = ExceptionVariable(type(value), args.unpack(ctx), value, source)
    made.told = args if type(args) is TupleVariable else None
    made.cause = Lazy(read(value, "__cause__"), source.attr("__cause__"))
    made.context = Lazy(read(value, "__context__"), source.attr("__context__"))
    made.trace = Lazy(read(value, "__traceback__"), source.attr("__traceback__"))
    made.suppress = Lazy(read(value, "__suppress_context__"), source.attr("__suppress_context__"))
    return made


@rules.base(types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
def generator(ctx: Context, value: Any, source: Source) -> Any:
    """A generator that was started elsewhere holds state that can't be copied."""
    raise Break("generator-from-outside", expr=source.text, type=type(value).__name__, func=value.__qualname__)


@rules.exact(types.SimpleNamespace)
def simple_namespace(ctx: Context, value: Any, source: Source) -> Any:
    """A SimpleNamespace: its attributes are read lazily."""
    ctx.guard(source, "TYPE_MATCH", types.SimpleNamespace)
    return _with_dict(ctx, ObjectVariable(value, types.SimpleNamespace, source))


@rules.base(object)
def user_object(ctx: Context, value: Any, source: Source) -> Any:
    """Any other instance: its class is guarded, attributes are read lazily as CPython would."""
    cls = type(value)
    native = ctx.objects.native_base(cls)
    if not reads_like_object(native):
        return Declined(f"an instance of {native.__name__}, which reads attributes its own way")
    ctx.guard(source, "TYPE_MATCH", cls)
    if native in (int, float, str, bytes, complex):
        held = _plain(native, value)
        if held == held:
            ctx.guard(source, "USER", _Equals(native, held))
        else:
            ctx.guard(source, "ID_MATCH", value)
        return ObjectVariable(value, cls, source, ConstantVariable(held))
    return _with_dict(ctx, ObjectVariable(value, cls, source))


def _with_dict(ctx: Context, made: ObjectVariable) -> ObjectVariable:
    """Where the instance's `__dict__` was met before: as another instance's, both are followed as one; as a dict that nobody
    knew to be an instance's, it doesn't follow the attributes."""
    held, source = ctx.objects.instance_dict(made.value), made.source
    if held is None or source is None:
        return made
    owner = ctx.by_source.get(ctx.owners.get(id(held), source))
    if isinstance(owner, ObjectVariable) and owner.source is not None:
        ctx.guard(source.dict(), "SAME_OBJECT", owner.source.dict(), owner.source.dict())
        made.share(owner)
        return made
    ctx.owners[id(held)] = source
    known = ctx.by_id.get(id(held))
    if known is not None and known.source is not None and known.source is not source.dict() and not ctx.objects.is_namespace(known):
        raise Break(
            "unsupported-type",
            type=made.cls.__name__,
            expr=source.text,
            why=f"its __dict__ is {known.source.text} too, met before it",
        )
    return made


class _Equals:
    """A condition of a guard: the builtin part of an instance of `native`'s subclass has this value."""

    def __init__(self, native: type, value: Any):
        self.native, self.value, self.__qualname__ = native, value, f"{native.__name__}.__eq__({value!r})"

    def __call__(self, value: Any) -> bool:
        return self.native.__eq__(value, self.value) is True  # type: ignore[call-arg]

    def python(self, text: str) -> str:
        """The same as an expression, for files that check it themselves."""
        name = self.native.__name__
        held = repr(self.value) if self.native in (str, bytes) else f"{name}({str(self.value)!r})"
        return f"{name}.__eq__({text}, {held})"


def _plain(native: type, value: Any) -> Any:
    if native is str:
        return str.__str__(value)
    if native is bytes:
        return bytes.__getitem__(value, slice(None))  # others may ask for its `__buffer__`
    return native.__add__(value, native(0))  # type: ignore[attr-defined]
