"""Tensors in the program: attributes, methods, operators. Reached as `ctx.tensors`; operators are recorded in `functions/torch/operators.py`."""

from __future__ import annotations

import operator
import re
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ...compat import get_data
from ...compat.fakes import item_of
from ...guards.torch_kinds import FACTS
from ...protocol.operators import BINARY, COMPARE, INPLACE
from ...signals import Break, Declined
from ...variables import (
    NONE,
    BoundVariable,
    ConstantVariable,
    DictVariable,
    ListVariable,
    ObjectVariable,
    PinnedVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
    is_named_tuple,
    is_structseq,
    literal,
    mention,
)
from ..table import calls
from . import facts, later
from .failing import check_failing
from .fields import set_field
from .indexing import picked
from .operators import PLAIN, is_leaf_input, record, target_name
from .optimizers import followed, undecided
from .overriding import answered, by_class, check_plain, told, told_field, told_of_python
from .retraced import check_masked_write, takes_sizes_of_data
from .subclasses import set_subclass_attribute, subclass_attribute

if TYPE_CHECKING:
    from ...context import Context
    from ...sources import Source

__all__ = [
    "answered", "args_text", "by_class", "call_tensor_method", "check_failing", "check_plain", "followed", "input_name", "is_leaf_input", "item",
    "plain_attribute", "record", "set_plain_attribute", "set_subclass_attribute", "set_tensor_attribute", "subclass_attribute", "target_name",
    "tensor_attribute", "tensor_binary", "tensor_getitem", "tensor_number", "tensor_setitem", "tensor_truth", "told", "told_of_python", "undecided",
    "wrap_result",
]  # fmt: skip


# ---- results
def wrap_result(ctx: Context, value: Any, node: Any) -> Variable:
    """wrap_fx_proxy: the variable of a node's result, with a `getitem` node for each part of a tuple."""
    if isinstance(value, torch.Tensor):
        cls = torch.nn.Parameter if isinstance(value, torch.nn.Parameter) else torch.Tensor
        return TensorVariable(node, value, None, cls)
    if type(value) in (tuple, list, torch.Size) or is_named_tuple(type(value)) or is_structseq(type(value)):
        items = []
        for i, part in enumerate(value):
            if part is None or type(part) in (int, float, bool, str):
                items.append(literal(part))
                continue
            items.append(wrap_result(ctx, part, ctx.create_node("call_function", operator.getitem, (node, i), {}, part)))
        return ListVariable(items) if type(value) is list else TupleVariable(items, type(value))
    if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
        return ctx.shapes.wrap(ctx, value, lambda _: node)
    if value is None or type(value) in PLAIN:
        return ctx.wrap(value)
    if type(value) is dict:
        return DictVariable({k: wrap_result(ctx, v, ctx.create_node("call_function", operator.getitem, (node, k), {}, v)) for k, v in value.items()})
    raise Break("unsupported-type", type=type(value).__name__, why="an operator returned it")


# ---- operators on tensors
_REVERSED_INPLACE = {fn: plain for fn, (plain, _) in INPLACE.items()}
_OPERAND = (TensorVariable, ConstantVariable, SymVariable)


def _plain_number(variable: Variable) -> Variable:
    """The number in an instance of a number's subclass: torch's operators take it for one."""
    held = variable.data if isinstance(variable, ObjectVariable) else None
    return held if type(held) is ConstantVariable and isinstance(held.value, int | float | complex) else variable


def _methods(fn: Callable[..., Any]) -> tuple[str, ...]:
    """The methods of the left operand that an operator asks for."""
    if fn in INPLACE:
        plain, method = INPLACE[fn]
        return method, BINARY[plain][0]
    return (COMPARE if fn in COMPARE else BINARY)[fn][:1]


def tensor_binary(ctx: Context, fn: Callable[..., Any], left: Variable, right: Variable) -> Any:
    """An operator with a tensor on a side; None where the other side's class decides (its own `__radd__`, …)."""
    if answered(ctx, left, right):
        return None
    if isinstance(left, TensorVariable):
        right = _plain_number(right)
    elif isinstance(left, ObjectVariable) and not ctx.protocol.overrides(ctx, left.cls, *_methods(fn)):
        left = _plain_number(left)
    if not (isinstance(left, _OPERAND) and isinstance(right, _OPERAND)):
        if fn in (operator.eq, operator.ne) and not isinstance(left, TensorVariable):
            return None
        if not (isinstance(left, TensorVariable) and isinstance(right, ListVariable | TupleVariable | PinnedVariable)):
            return None
    for side in (left, right):
        if type(side) is ConstantVariable and not isinstance(side.value, int | float | complex | bool):
            if fn in (operator.eq, operator.ne):
                return literal(fn is operator.ne)
            return None
    if not isinstance(left, TensorVariable):
        fn = _REVERSED_INPLACE.get(fn, fn)
    return ctx.node("call_function", fn, [left, right])


def tensor_truth(ctx: Context, variable: TensorVariable) -> bool:
    if ctx.tensors.known_number(ctx, variable) is not None:
        return bool(ctx.tensors.known_number(ctx, variable))
    fake = variable.fake
    if fake.numel() != 1:
        if fake.numel() == 0:
            ctx.raise_(RuntimeError, "Boolean value of Tensor with no values is ambiguous")
        ctx.raise_(RuntimeError, "Boolean value of Tensor with more than one value is ambiguous")
    named, dtype = mention(variable), str(fake.dtype).removeprefix("torch.")
    raise Break("data-dependent-branch", expr=named, var=named, shape=str(tuple(fake.shape)), dtype=dtype)


def known_number(ctx: Context, variable: TensorVariable) -> Any:
    """The value of a 0-d tensor made from a literal, if it is known; None otherwise."""
    return None


def tensor_getitem(ctx: Context, variable: TensorVariable, key: Variable) -> Any:
    if ctx.indexing and (found := picked(ctx, variable, key)) is not None:
        return found
    _check_index(ctx, variable, key)
    if type(key) is SymVariable and variable.fake.dim():  # plain indexing would ask for the number
        size = variable.fake.shape[0]
        if ctx.shapes.holds(ctx, key.sym < size) and ctx.shapes.holds(ctx, key.sym >= -size):
            return ctx.node("call_function", torch.select, [variable, literal(0), key])
        key = literal(key.specialise(ctx))  # the error names it
    return ctx.node("call_function", operator.getitem, [variable, key])


def _check_index(ctx: Context, variable: TensorVariable, key: Variable) -> None:
    """Boolean masks give a size that depends on data."""
    for part in key.items if isinstance(key, TupleVariable) else [key]:
        if isinstance(part, TensorVariable) and part.fake.dtype in (torch.bool, torch.uint8) and not takes_sizes_of_data(ctx):
            raise Break("data-dependent-shape", expr=f"{mention(variable)}[{mention(part)}]", var=mention(variable), shape=str(tuple(variable.fake.shape)))


def tensor_setitem(ctx: Context, variable: TensorVariable, key: Variable, value: Variable) -> None:
    check_masked_write(ctx, variable, key, value)
    ctx.node("call_function", operator.setitem, [variable, key, value])


# ---- attributes
def _layout(fake: Any, name: str) -> Any:
    return getattr(fake, name)


_QUERIES = frozenset({
    "dtype", "ndim", "layout", "is_sparse", "is_cuda", "is_cpu", "is_meta", "is_quantized", "is_mkldnn", "is_nested", "is_mps",
    "is_xpu", "is_xla", "is_mtia", "is_ipu", "is_maia", "is_vulkan", "is_sparse_csr", "itemsize",
})  # fmt: skip
_OF_AUTOGRAD = frozenset({"requires_grad", "is_leaf", "grad_fn", "grad"})
_VIEWS = frozenset({"T", "mT", "H", "mH", "real", "imag"})


def tensor_attribute(ctx: Context, variable: TensorVariable, name: str) -> Any:
    """`tensor.name`."""
    answer = told_field(ctx, variable, name, []) if ctx.overriding.modes else None
    return plain_attribute(ctx, variable, name) if answer is None else answer


def plain_attribute(ctx: Context, variable: TensorVariable, name: str) -> Any:
    """`tensor.name` that nobody is told of."""
    stored = variable.attrs
    if stored is not None and name in stored:
        return stored[name]
    if name == "shape":
        return ctx.shapes.shape(ctx, variable)
    if name == "device":
        return literal(torch.device(str(variable.fake.device)))  # a new object each time, as eager's
    if name in _QUERIES:
        return ctx.wrap(getattr(variable.fake, name))
    if ctx.later is not None and name in _OF_AUTOGRAD:
        later.ask_needs_gradient(ctx, variable, name)
    if name == "requires_grad":
        return literal(variable.fake.requires_grad)
    if name in _VIEWS:
        return ctx.node("call_function", getattr, [variable, literal(name)])
    if name == "data":
        return _data(ctx, variable)
    if name == "is_leaf":
        return literal(is_leaf(ctx, variable))
    if name == "output_nr" or name == "names" and name in FACTS:
        return facts.told(ctx, variable, name)
    if name == "grad":
        return _grad(ctx, variable)
    if name == "grad_fn":
        if not variable.fake.requires_grad or is_leaf(ctx, variable):
            return NONE
        raise Break("unsupported-attribute", expr=f"{mention(variable)}.grad_fn", name=name, type="Tensor")
    if name == "__class__":
        return ctx.type_of(variable)
    if name == "nbytes":
        return ctx.protocol.binary(ctx, operator.mul, ctx.tensors.call_tensor_method(ctx, "numel", [variable], {}), literal(variable.fake.itemsize))
    return _looked_up(ctx, variable, name)


def _data(ctx: Context, variable: TensorVariable) -> Variable:
    """`x.data`: shares storage as `x.detach()` does, but not the version counter."""
    node, fake = ctx.argument(variable)
    detached = fake.detach()
    return wrap_result(ctx, detached, ctx.create_node("call_function", get_data, (node,), {}, detached))


def is_leaf(ctx: Context, variable: TensorVariable) -> bool:
    if isinstance(variable.value, torch.Tensor) and variable.source is not None and variable.value.requires_grad:
        return bool(facts.hold(ctx, variable.source, variable.value, "is_leaf"))
    return not variable.fake.requires_grad or variable.cls is torch.nn.Parameter or any(variable.fake is leaf for leaf in ctx.leaves)


def _grad(ctx: Context, variable: TensorVariable) -> Variable:
    value = variable.value
    if variable.source is None:
        if is_leaf(ctx, variable):
            return NONE
        raise Break("unsupported-attribute", expr=f"{mention(variable)}.grad", name="grad", type="Tensor")
    return ctx.build(value.grad, variable.source.attr("grad"))


def _looked_up(ctx: Context, variable: TensorVariable, name: str) -> Any:
    """Methods and what subclasses or users put on the class or the instance."""
    owner, raw = ctx.protocol.find(ctx, variable.cls, name)
    value = variable.value
    if value is not None and name in getattr(value, "__dict__", ()):
        assert variable.source is not None
        return ctx.build(value.__dict__[name], variable.source.dict().item(name))
    if owner is None:
        if value is not None and variable.source is not None:
            ctx.guard(variable.source.dict(), "DICT_ABSENT", name, name)
        ctx.raise_missing(f"{variable.cls.__name__!r} object has no attribute {name!r}", name, variable)
    if isinstance(raw, types.MethodDescriptorType | types.WrapperDescriptorType):
        return BoundVariable(PinnedVariable(raw), variable)
    if isinstance(raw, types.FunctionType):
        return BoundVariable(ctx.protocol.class_entry(ctx, owner, name, raw), variable)
    if isinstance(raw, property | types.GetSetDescriptorType):
        raise Break("unsupported-attribute", expr=f"{mention(variable)}.{name}", name=name, type="Tensor")
    return ctx.protocol.bind(ctx, owner, name, raw, variable, ctx.type_of(variable))


def set_tensor_attribute(ctx: Context, variable: TensorVariable, name: str, value: Variable) -> Any:
    if ctx.overriding.modes and told_field(ctx, variable, name, [value]) is not None:
        return None
    return set_plain_attribute(ctx, variable, name, value)


def set_plain_attribute(ctx: Context, variable: TensorVariable, name: str, value: Variable) -> None:
    """`tensor.name = value` that nobody is told of."""
    if name in ("grad", "data", "requires_grad", "names", "real", "imag"):
        set_field(ctx, variable, name, value)
        return
    _, raw = ctx.protocol.find(ctx, variable.cls, name)
    if isinstance(raw, property | types.GetSetDescriptorType | types.MemberDescriptorType) or name.startswith("__"):
        raise Break("outside-state-write", expr=f"{mention(variable)}.{name}", type="Tensor")
    ctx.mutate(variable)
    variable.attrs = {**(variable.attrs or {}), name: value}


# ---- methods
def call_tensor_method(ctx: Context, name: str, args: list[Variable], kwargs: dict[str, Variable]) -> Any:
    """`tensor.name(...)` for a builtin method: a rule of the table, or a `call_method` node."""
    descriptor = getattr(torch.Tensor, name, None)
    why = ""
    for rule in calls.of(descriptor):
        answer = rule(ctx, args, kwargs)
        if type(answer) is not Declined:
            return answer
        why = answer.why
    del why
    if name in _SLOTS and not kwargs and len(args) == _SLOTS[name].__code__.co_argcount - 1:
        return _SLOTS[name](ctx, *args)
    if name.startswith("__") and name in _DUNDERS:
        if len(args) != 2 or kwargs:
            why = "it isn't given its one argument, which Python answers"
            ctx.break_("unsupported-builtin", func=f"Tensor.{name}", name=f"Tensor.{name}", expr=f"{name}()", why=why)
        result = tensor_binary(ctx, _DUNDERS[name], *(args if not name.startswith("__r") or name == "__rshift__" else args[::-1]))
        return ctx.wrap(NotImplemented) if result is None else result
    return ctx.node("call_method", name, args, kwargs)


def _truth(ctx: Context, variable: Any) -> Variable:
    return literal(tensor_truth(ctx, variable))


def _set_item(ctx: Context, variable: Any, key: Variable, value: Variable) -> Variable:
    tensor_setitem(ctx, variable, key, value)
    return NONE


def _number(cls: type) -> Callable[..., Any]:
    def number(ctx: Context, variable: Any) -> Any:
        return tensor_number(ctx, variable, cls)

    return number


#: Methods of C's that are more than an operation of the graph.
_SLOTS: dict[str, Any] = {
    "__bool__": _truth, "__getitem__": tensor_getitem, "__setitem__": _set_item, "__int__": _number(int), "__float__": _number(float),
}  # fmt: skip
_DUNDERS: dict[str, Any] = {}
for _n in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and", "or", "xor"):
    _f = getattr(operator, _n if _n not in ("and", "or") else _n + "_")
    _DUNDERS[f"__{_n}__"] = _f
    _DUNDERS[f"__r{_n}__"] = _f
    _DUNDERS[f"__i{_n}__"] = getattr(operator, "i" + _n)
for _n in ("eq", "ne", "lt", "le", "gt", "ge"):
    _DUNDERS[f"__{_n}__"] = getattr(operator, _n)
_DUNDERS["__rshift__"] = operator.rshift


# ---- names
_UNSAFE = re.compile(r"[^0-9a-zA-Z_]+")


def input_name(source: Source) -> str:
    """The name of a placeholder: derived from its source alone."""
    text = _UNSAFE.sub("_", source.text).strip("_")
    return f"l_{text}_" if text else "l_input_"


def args_text(node: Any) -> str:
    parts = [_short(a) for a in node.args] + [f"{k}={_short(v)}" for k, v in node.kwargs.items()]
    return ", ".join(parts)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def tensor_number(ctx: Context, variable: TensorVariable, cls: type | None) -> Any:
    """`x.item()`, `int(x)`, `float(x)`: a symbol of the graph where the configuration allows, else the graph ends."""
    if followed(ctx):
        return item(ctx, variable, cls)
    if not (ctx.config.capture_scalar_outputs or ctx.config.fullgraph) or ctx.fake_mode.shape_env is None:
        shape = str(tuple(variable.fake.shape))
        raise Break("tensor-to-python-number", expr=f"{mention(variable)}.item()", var=mention(variable), shape=shape, setting="capture_scalar_outputs")
    return item(ctx, variable, cls)


def item(ctx: Context, variable: TensorVariable, cls: type | None = None) -> Any:
    """The number in a tensor, as a symbol that the graph's run gives a value, whatever the configuration says of such numbers."""
    value = item_of(ctx.shapes.with_shapes(ctx), variable.fake)
    if type(value) in PLAIN:  # of a tensor that the graph makes of a number, and that nothing of unknown value changed
        return literal(value if cls is None else cls(value))
    node = ctx.create_node("call_method", "item", (ctx.graph.local(variable.node, variable.fake),), {}, value)
    number = ctx.shapes.wrap(ctx, value, lambda c: c.graph.local(node, value))
    return number if cls is None or number.python_type() is cls else ctx.shapes.convert(ctx, cls, number)
