"""Calls that torch tells a class or a mode of instead of making them (`__torch_function__`): the override runs as the Python that it is.

What is told, of which classes, in which order, torch says itself, of stand-ins (`compat/overriding.py`). `ctx.overriding` holds the modes that
the program has entered and whether it has switched overriding off. Nothing that should have been told gets into a graph: a node that is
drawn while a mode is on, and an argument of a class that overrides, end the graph (`check_told`).
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from ...compat import overriding as told_by_torch
from ...compat.overriding import ALL_OFF, ENABLED, SUBCLASSES_OFF, Told
from ...protocol.instances import native_base
from ...protocol.lookup import MISSING
from ...protocol.operators import BINARY, COMPARE, INPLACE, UNARY
from ...signals import Break, Declined
from ...variables import (
    NONE,
    ConstantVariable,
    DictVariable,
    FunctionVariable,
    ListVariable,
    ObjectVariable,
    PinnedVariable,
    SliceVariable,
    SubclassVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    literal,
)
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

__all__ = ["Overriding", "answered", "by_class", "check_plain", "check_told", "overrides", "own_classes", "told", "told_field", "told_of_python"]


class Overriding:
    """What the program has made of overriding by now. `modes`: those that it entered, the innermost last; `switches`: the managers that switch
    overriding off, each with the state of before; `entered`: all of both, in order. The compiled code enters for real what is left at its end."""

    __slots__ = ("entered", "entry", "modes", "state", "switches")

    def __init__(self) -> None:
        self.modes: list[Variable] = []
        self.switches: list[tuple[Variable, Any]] = []
        self.entered: list[Variable] = []
        self.state = self.entry = told_by_torch.current()

    @property
    def by_modes(self) -> bool:
        """Whether a mode is told of what is called."""
        return bool(self.modes) and self.state != ALL_OFF


def overrides(ctx: Context, variable: Variable) -> bool:
    """Whether calls with this argument are told to its class."""
    if ctx.overriding.state != ENABLED or not isinstance(variable, SubclassVariable | ObjectVariable):
        return False
    found = ctx.protocol.find(ctx, variable.python_type(), "__torch_function__")[1]
    return found is not MISSING and found is not told_by_torch.DISABLED


#: What no class of the program's is told of: arguments of nearly every call.
_SILENT = frozenset({TensorVariable, ConstantVariable, SymVariable})


def _any_overrides(ctx: Context, args: list[Variable], depth: int = 2) -> bool:
    for variable in args:
        if isinstance(variable, ListVariable | TupleVariable):
            if depth and _any_overrides(ctx, variable.settled(ctx), depth - 1):
                return True
        elif type(variable) not in _SILENT and overrides(ctx, variable):
            return True
    return False


def _concerned(ctx: Context, args: list[Variable], kwargs: dict[str, Variable]) -> bool:
    """Whether anybody might have to be told of a call with these arguments."""
    overriding = ctx.overriding
    if overriding.modes and overriding.by_modes:
        return True
    if _SILENT.issuperset(map(type, args)) and (not kwargs or _SILENT.issuperset(map(type, kwargs.values()))):
        return False
    return overriding.state == ENABLED and _any_overrides(ctx, [*args, *kwargs.values()])


# ---- stand-ins
class _StandIns:
    """Objects that stand for variables while torch is asked, and the way back."""

    def __init__(self, ctx: Context):
        self.ctx = ctx
        self._variables: dict[int, Variable] = {}
        self._made: dict[Any, Any] = {}
        self._held: list[Any] = []

    def of(self, variable: Variable) -> Any:
        made = self._made.get(variable, MISSING)
        if made is MISSING:
            made = self._made[variable] = self._make(variable)
            self._held.append(made)
            self._variables.setdefault(id(made), variable)
        return made

    def _make(self, variable: Variable) -> Any:
        if isinstance(variable, TensorVariable):
            return told_by_torch.stand_in_tensor(variable.fake, variable.cls if type(variable) is SubclassVariable else torch.Tensor)
        if isinstance(variable, ConstantVariable | PinnedVariable):
            return variable.value
        if isinstance(variable, SymVariable):
            return variable.sym
        if isinstance(variable, FunctionVariable) and variable.function is not None:
            return variable.function
        if isinstance(variable, TupleVariable) and variable.cls is torch.Size:
            return torch.Size([self.of(item) for item in variable.settled(self.ctx)])
        if isinstance(variable, ListVariable | TupleVariable):
            items = [self.of(item) for item in variable.settled(self.ctx)]
            return items if isinstance(variable, ListVariable) else tuple(items)
        if isinstance(variable, SliceVariable):
            return slice(*[self.of(part) for part in variable.parts])
        if isinstance(variable, ObjectVariable) and overrides(self.ctx, variable):
            if native_base(variable.cls) is not object:
                raise Break("tensor-subclass-unsupported", type=variable.cls.__name__, why="it is no tensor, and made by a class of C's")
            return object.__new__(variable.cls)
        return types.SimpleNamespace()

    def back(self, value: Any) -> Variable:
        known = self._variables.get(id(value))
        if known is not None:
            return known
        if type(value) is tuple:
            return TupleVariable([self.back(each) for each in value], tuple)
        if type(value) is list:
            return ListVariable([self.back(each) for each in value])
        if type(value) is dict:
            return DictVariable({name: self.back(each) for name, each in value.items()})
        if isinstance(value, torch.Tensor):
            raise Break("unsupported-type", type="Tensor", why="torch made it before it told of the call")
        return self.ctx.wrap(value)


# ---- telling
_MRO = torch.Tensor.__mro__
_OPERATORS = frozenset({
    *(name for names in BINARY.values() for name in names[:2]), *(name for _, name in INPLACE.values()), *(names[0] for names in COMPARE.values()),
    *(names[0] for names in UNARY.values()), "__getitem__", "__setitem__", "__len__", "__bool__", "__iter__", "__contains__",
})  # fmt: skip


def told(ctx: Context, function: Any, args: list[Variable], kwargs: dict[str, Variable]) -> Variable | None:
    """What an override makes of a call of C's `function`, of which one may be told; None where nobody is."""
    if not _concerned(ctx, args, kwargs):
        return None
    stand_ins = _StandIns(ctx)
    heard = told_by_torch.listen(function, [stand_ins.of(each) for each in args], {name: stand_ins.of(each) for name, each in kwargs.items()})
    if heard is None:
        return None
    subjects = _subjects(ctx, heard.types, [*args, *kwargs.values()])
    if not subjects and not ctx.overriding.by_modes:
        return None
    given = {name: stand_ins.back(each) for name, each in heard.kwargs.items()} if heard.kwargs is not None else None
    return _tell(ctx, heard, subjects, stand_ins.back(heard.args), None if given is None else DictVariable(given))


def told_field(ctx: Context, variable: Variable, name: str, value: list[Variable]) -> Variable | None:
    """What an override makes of reading a field of C's, or with a `value` of writing it; None where nobody is told."""
    raw = ctx.protocol.find(ctx, variable.python_type(), name)[1]
    if not isinstance(raw, types.GetSetDescriptorType):
        return None
    return told(ctx, told_by_torch.FIELDS[bool(value)], [ctx.wrap(raw), variable, *value], {})


def _field_of(descriptor: Variable, subject: Variable) -> str | None:
    """The name of a tensor's field that C reads or writes."""
    raw = descriptor.value if isinstance(descriptor, PinnedVariable) else None
    known = isinstance(subject, TensorVariable) and isinstance(raw, types.GetSetDescriptorType) and issubclass(torch.Tensor, raw.__objclass__)
    return raw.__name__ if known else None


@calls.exact(told_by_torch.FIELDS[0])
def read_field(ctx: Context, descriptor: Variable, subject: Variable, *owner: Variable) -> Any:
    """`torch.Tensor.shape.__get__(x)`: what an override is told of `x.shape`."""
    name = _field_of(descriptor, subject)
    return Declined("not a field of a tensor") if name is None else ctx.tensors.plain_attribute(ctx, subject, name)


@calls.exact(told_by_torch.FIELDS[1])
def write_field(ctx: Context, descriptor: Variable, subject: Variable, value: Variable) -> Any:
    """`torch.Tensor.grad.__set__(x, value)`."""
    name = _field_of(descriptor, subject)
    if name is None:
        return Declined("not a field of a tensor")
    ctx.tensors.set_plain_attribute(ctx, subject, name, value)
    return NONE


def answered(ctx: Context, *operands: Variable) -> bool:
    """Whether an operator with these operands is answered by the methods of their classes, which tell of it."""
    if not ctx.overriding.modes and _SILENT.issuperset(map(type, operands)):
        return False
    return ctx.overriding.by_modes or any(type(each) is SubclassVariable and (overrides(ctx, each) or _has_methods(ctx, each)) for each in operands)


def _has_methods(ctx: Context, variable: SubclassVariable) -> bool:
    """Whether its class has operators of its own."""
    return any(name.startswith("__") and name in _OPERATORS for base in own_classes(variable.cls) for name in vars(base))


def by_class(ctx: Context, variable: Variable, name: str, *args: Variable) -> Variable:
    """What the class's own method gives."""
    return ctx.settle(ctx.protocol.special(ctx, variable, name, list(args), ""))


def own_classes(cls: type) -> list[type]:
    """The program's classes on the MRO of a tensor's."""
    return [base for base in type.__dict__["__mro__"].__get__(cls) if base not in _MRO]


def check_plain(ctx: Context, variable: Variable, what: str) -> None:
    """What is done to it now, its class should have been told of, if it overrides."""
    if overrides(ctx, variable):
        raise Break("tensor-subclass-unsupported", type=variable.python_type().__name__, expr=what, why="how its class is told of it isn't known")


def told_of_python(ctx: Context, function: types.FunctionType, args: list[Variable], kwargs: dict[str, Variable]) -> bool:
    """Whether a call of torch's Python function is to be followed, so that it tells itself of what it calls, or of itself."""
    module = function.__module__
    return isinstance(module, str) and module.partition(".")[0] == "torch" and _concerned(ctx, args, kwargs)


def _subjects(ctx: Context, classes: tuple[type, ...], args: list[Variable]) -> list[Variable]:
    """For each class that is told, the first argument of that class, if it overrides."""
    found: list[Variable] = []
    every = list(_flat(ctx, args))
    for cls in classes:
        subject = next((each for each in every if each.python_type() is cls), None)
        if subject is not None and overrides(ctx, subject):
            found.append(subject)
    return found


def _flat(ctx: Context, args: list[Variable]) -> Any:
    for variable in args:
        if isinstance(variable, ListVariable | TupleVariable):
            yield from _flat(ctx, variable.settled(ctx))
        else:
            yield variable


def _tell(ctx: Context, heard: Told, subjects: list[Variable], args: Variable, kwargs: Variable | None) -> Variable:
    """Ask the innermost mode, then the classes, until one of them answers."""
    if ctx.graph is not ctx.root_graph:
        _refuse(ctx, heard, subjects, "is called in the body of an operator, which may run at another time")
    given = [ctx.wrap(heard.function), TupleVariable([ctx.class_variable(cls) for cls in heard.types], tuple), args, *([] if kwargs is None else [kwargs])]
    overriding = ctx.overriding
    if overriding.by_modes:
        entered = overriding.modes.pop()
        try:
            answer = _ask(ctx, entered, given)
        finally:
            overriding.modes.append(entered)
        if not ctx.protocol.is_not_implemented(answer):
            return answer
        if subjects:
            _refuse(ctx, heard, subjects, "is left by the mode to the classes of its arguments")
    for subject in subjects:
        answer = _ask(ctx, subject, given)
        if not ctx.protocol.is_not_implemented(answer):
            return answer
    _refuse(ctx, heard, subjects, "is answered by nobody, of which torch raises a TypeError")


def _ask(ctx: Context, subject: Variable, given: list[Variable]) -> Variable:
    return ctx.call_now(ctx.protocol.getattr_now(ctx, subject, "__torch_function__"), given)


def _refuse(ctx: Context, heard: Told, subjects: list[Variable], why: str) -> NoReturn:
    name = ctx.tensors.target_name(heard.function)
    if subjects:
        raise Break("tensor-subclass-unsupported", type=subjects[0].python_type().__name__, expr=name, why=why)
    raise _unknown(ctx, f"{name} {why}")


def _unknown(ctx: Context, why: str) -> Break:
    name = ctx.overriding.modes[-1].python_type().__name__
    return Break("context-unsupported", expr=name, name=name, type="torch-function mode", why=why)


def check_told(ctx: Context, target: Any) -> None:
    """Before an operation enters a graph: nobody should have been told of it."""
    if ctx.overriding.by_modes:
        raise _unknown(ctx, f"how it is told of {ctx.tensors.target_name(target)} isn't known")


# ---- modes
@calls.exact(torch._C._push_on_torch_function_stack)
def push_mode(ctx: Context, mode: Variable) -> Any:
    """A torch-function mode is entered: from here on it is told of calls."""
    if ctx.indexing or not isinstance(mode, ObjectVariable) or ctx.graph is not ctx.root_graph or ctx.levels:
        return Declined("what it does to every call of torch isn't followed here")
    ctx.overriding.modes.append(mode)
    ctx.overriding.entered.append(mode)
    return NONE


@calls.exact(torch._C._pop_torch_function_stack)
def pop_mode(ctx: Context) -> Any:
    """The mode that was entered last is left."""
    if not ctx.overriding.modes or ctx.overriding.entered[-1] is not ctx.overriding.modes[-1]:
        return Declined("it was entered elsewhere")
    ctx.overriding.entered.pop()
    return ctx.overriding.modes.pop()


@calls.exact(torch._C._len_torch_function_stack)
def mode_count(ctx: Context) -> Any:
    """How many modes are on: those of before, which the guards hold, and the program's."""
    return literal(torch._C._len_torch_function_stack() + len(ctx.overriding.modes))


@calls.exact(torch._C._get_function_stack_at)
def mode_at(ctx: Context, index: Variable) -> Any:
    """One of them, the outermost first."""
    at = ctx.protocol.index(ctx, index) - torch._C._len_torch_function_stack()
    if not 0 <= at < len(ctx.overriding.modes):
        return Declined("it was entered elsewhere")
    return ctx.overriding.modes[at]


# ---- is it on?
@calls.exact(torch._C._is_torch_function_enabled)
def is_enabled(ctx: Context) -> Any:
    """Whether classes of arguments are told, at this point of the trace; guarded as it was at entry."""
    return literal(ctx.overriding.state == ENABLED)


@calls.exact(torch._C._is_torch_function_all_disabled)
def is_all_disabled(ctx: Context) -> Any:
    """Whether modes aren't told either."""
    return literal(ctx.overriding.state == ALL_OFF)


@calls.exact(torch._C._is_torch_function_mode_enabled)
def is_mode_enabled(ctx: Context) -> Any:
    """Whether a mode is told of what is called."""
    return literal(ctx.overriding.state != ALL_OFF and torch._C._len_torch_function_stack() + len(ctx.overriding.modes) > 0)


_SWITCHES = {torch._C.DisableTorchFunctionSubclass: SUBCLASSES_OFF, torch._C.DisableTorchFunction: ALL_OFF}
_ENTERS = [cls.__enter__ for cls in _SWITCHES]
_EXITS = [cls.__exit__ for cls in _SWITCHES]


def _register(cls: type) -> None:
    def switch(ctx: Context) -> Any:
        """A manager that switches overriding off for its block."""
        return ObjectVariable(None, cls, None)

    calls.exact(cls)(switch)


for _cls in _SWITCHES:
    _register(_cls)


@calls.exact(*_ENTERS)
def enter_switch(ctx: Context, manager: Variable) -> Any:
    """`with torch._C.DisableTorchFunctionSubclass():` classes, or classes and modes, aren't told from here on."""
    wanted = _SWITCHES.get(manager.python_type())
    if wanted is None or wanted == ALL_OFF and torch._C._len_torch_function_stack():
        return Declined("the default device is a mode, which it switches off too")
    if ctx.graph is not ctx.root_graph:
        return Declined("the body of an operator may run at another time")
    overriding = ctx.overriding
    overriding.switches.append((manager, overriding.state))
    overriding.entered.append(manager)
    overriding.state = wanted
    return NONE


@calls.exact(*_EXITS)
def leave_switch(ctx: Context, manager: Variable, *error: Variable) -> Any:
    """What was there before is there again."""
    overriding = ctx.overriding
    if not overriding.entered or overriding.entered[-1] is not manager:
        return Declined("it was entered elsewhere")
    overriding.entered.pop()
    overriding.state = overriding.switches.pop()[1]
    return NONE


# ---- queries, and what Python functions of torch call
@calls.exact(torch.overrides.has_torch_function_unary, torch.overrides.has_torch_function_variadic)
def has_torch_function(ctx: Context, *values: Variable) -> Any:
    """Whether a mode, or the class of one of the arguments, is to be told."""
    return literal(ctx.overriding.by_modes or any(overrides(ctx, value) for value in values))


@calls.exact(torch.overrides.has_torch_function)
def has_torch_function_of(ctx: Context, values: Variable) -> Any:
    """The same of the items of a sequence."""
    return has_torch_function(ctx, *ctx.protocol.unpack(ctx, values))


@calls.exact(torch.overrides.is_tensor_like)
def is_tensor_like(ctx: Context, value: Variable) -> Any:
    """Tensors and what overrides torch functions."""
    return literal(isinstance(value, TensorVariable) or hasattr(value.python_type(), "__torch_function__"))


@calls.exact(torch.overrides.handle_torch_function)
def handle_torch_function(ctx: Context, function: Variable, relevant: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """A Python function of torch tells of its own call."""
    target = function.function if isinstance(function, FunctionVariable) else function.value if isinstance(function, PinnedVariable) else None
    if target is None:
        return Declined("which function it is isn't known")
    values = ctx.protocol.unpack(ctx, relevant)
    stand_ins = _StandIns(ctx)
    subjects = [stand_ins.back(each) for each in told_by_torch.overloaded([stand_ins.of(each) for each in values])]
    heard = Told(target, tuple(each.python_type() for each in subjects), (), {})
    return _tell(ctx, heard, [each for each in subjects if overrides(ctx, each)], TupleVariable(list(args), tuple), DictVariable(dict(kwargs)))
