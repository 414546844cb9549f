"""What the databases hold, as cases: a function to compile, and what makes its arguments anew, the same each time.

Small samples on the CPU, in one dtype: float32 where an operator takes it, else the first of `DTYPES` that it takes.
"""

from __future__ import annotations

import copy
import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from tests.databases import calls

__all__ = ["DATABASES", "Case", "cases", "operators"]

DTYPES = (torch.float32, torch.float64, torch.complex64, torch.int64, torch.bool)
#: Their results are memory that nobody wrote to.
UNWRITTEN = ("empty", "resize_", "new_empty")


def import_quietly() -> None:
    """What all databases import forbids to set flags of torch's backends, in the whole process: that is taken back."""
    allowed = torch.backends.__allow_nonbracketed_mutation_flag
    importlib.import_module("torch.testing._internal.common_utils")
    torch.backends.__allow_nonbracketed_mutation_flag = allowed


@dataclass(frozen=True)
class Case:
    database: str
    name: str
    fn: Callable[..., Any]
    make_args: Callable[[], Any]
    values: bool = True  # whether the values of the result mean anything

    @property
    def label(self) -> str:
        return f"{self.database} {self.name}"


def cases(database: str, samples: int, every: int = 1) -> Iterator[Case]:
    """The cases of every `every`th entry of a database, at most `samples` of one entry."""
    return DATABASES[database](samples, every)


def seeded(make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        torch.manual_seed(7)
        return make()

    return made


# ---- operators
def operators(database: str) -> list[Any]:
    """The OpInfos of a database of operators."""
    import_quietly()
    if database == "custom_op_db":
        from torch.testing._internal.custom_op_db import custom_op_db

        return list(custom_op_db)
    if database == "hop_db":
        from torch.testing._internal.hop_db import hop_db

        return list(hop_db)
    if database == "autograd_function_db":
        from torch.testing._internal.autograd_function_db import autograd_function_db

        return list(autograd_function_db)
    from torch.testing._internal import common_methods_invocations as held

    held.wrapper_set_seed = drawn_from_the_state  # what random operators are called by: theirs seeds and puts back the state itself
    if database == "foreach_db":
        names = ("unary", "binary", "pointwise", "reduce", "other")
        return [op for name in names for op in getattr(held, f"foreach_{name}_op_db")]
    return list(held.op_db)


def drawn_from_the_state(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return op(*args, **kwargs)


def samples_of(op: Any, count: int) -> tuple[torch.dtype, list[Any]]:
    """(dtype, up to `count` samples) of an OpInfo, spread over those that it has."""
    taken = op.supported_dtypes("cpu")
    dtype = next((d for d in DTYPES if d in taken), None)
    if dtype is None:
        return torch.float32, []
    grad = op.supports_autograd and (dtype.is_floating_point or dtype.is_complex)
    torch.manual_seed(7)
    found = list(itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=grad), 40))
    return dtype, found[:: max(1, len(found) // count)][:count]


def title(op: Any) -> str:
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def arguments(sample: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Copies: a call may write to them. Leaves stay leaves."""
    return copied((sample.input, *sample.args)), copied(sample.kwargs)


def copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad) if type(value) is torch.Tensor else copy.deepcopy(value)
    if type(value) in (list, tuple):
        return type(value)(copied(v) for v in value)
    if type(value) is dict:
        return {k: copied(v) for k, v in value.items()}
    return value


def of_operators(database: str) -> Callable[[int, int], Iterator[Case]]:
    def found(count: int, every: int) -> Iterator[Case]:
        for op in operators(database)[::every]:
            values = not op.name.startswith(UNWRITTEN)
            for number, sample in enumerate(samples_of(op, count)[1]):
                target = getattr(op, "inplace_variant", None) if database == "foreach_db" and number % 2 else op.op
                if target is None:
                    target = op.op
                make = seeded(lambda target=target, sample=sample: (target, *arguments(sample)))
                yield Case(database, f"{title(op)} {number}", calls.call, make, values)

    return found


# ---- operators under transforms of torch.func
def under(transform: str) -> Callable[[int, int], Iterator[Case]]:
    """The samples of `op_db`, batched under `vmap`, or differentiated by `grad` or `jvp` where they can be, in all arguments that are tensors."""

    def found(count: int, every: int) -> Iterator[Case]:
        for op in operators("op_db")[::every]:
            if transform != "vmap" and not (op.supports_autograd if transform == "grad" else op.supports_forward_ad):
                continue
            for number, sample in enumerate(samples_of(op, count)[1]):
                given = (sample.input, *sample.args)
                if transform == "vmap":
                    which: Any = tuple(0 if isinstance(value, torch.Tensor) else None for value in given)
                    usable = any(dim == 0 for dim in which)
                else:
                    which = tuple(place for place, value in enumerate(given) if isinstance(value, torch.Tensor) and value.requires_grad)
                    usable = bool(which)
                if usable:
                    fn, values = getattr(calls, f"under_{transform}"), not op.name.startswith(UNWRITTEN)
                    make = seeded(lambda op=op, which=which, sample=sample: transformed(transform, op.op, which, sample))
                    yield Case(f"op_db, {transform}", f"{title(op)} {number}", fn, make, values)

    return found


def transformed(transform: str, target: Any, which: Any, sample: Any) -> tuple[Any, ...]:
    """Arguments of a function of `calls`. A batch is the argument and the argument again, turned round."""
    args, kwargs = arguments(sample)
    args = tuple(value.detach() if isinstance(value, torch.Tensor) else value for value in args)
    if transform == "vmap":
        args = tuple(torch.stack([value, value.flip(tuple(range(value.dim())))]) if dim == 0 else value for value, dim in zip(args, which, strict=True))
    return target, which, args, kwargs


# ---- modules and optimizers
def of_modules(count: int, every: int) -> Iterator[Case]:
    import_quietly()
    from torch.testing._internal.common_modules import module_db

    for info in module_db[::every]:
        for training in (True, False):
            inputs = seeded(lambda info=info, training=training: list(info.module_inputs_func(info, "cpu", torch.float32, True, training)))
            for number in range(min(count, len(inputs()))):

                def make(info=info, training=training, number=number, inputs=inputs) -> Any:
                    one = inputs()[number]
                    module = info.module_cls(*one.constructor_input.args, **one.constructor_input.kwargs).train(training)
                    if one.forward_input is None:
                        return calls_nothing, (), {}
                    return module, one.forward_input.args, one.forward_input.kwargs

                yield Case("module_db", f"{info.name} {'train' if training else 'eval'} {number}", calls.call, seeded(make))


def calls_nothing() -> None:
    return None


def of_optimizers(count: int, every: int) -> Iterator[Case]:
    import_quietly()
    from torch.testing._internal.common_optimizers import optim_db

    for info in optim_db[::every]:
        for number, one in enumerate(info.optim_inputs_func(device="cpu")[:count]):

            def make(info=info, one=one) -> Any:
                weights = [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(4, 3))]
                for weight in weights:
                    weight.grad = torch.randn_like(weight)
                optimizer = info.optim_cls(weights, **copy.deepcopy(one.kwargs))
                if not info.step_requires_closure:
                    return (optimizer,)
                return optimizer, lambda: sum((w * w.grad).sum() for w in weights)

            fn = calls.step_with_closure if info.step_requires_closure else calls.step
            yield Case("optim_db", f"{info.optim_cls.__name__} {number} {one.desc}", fn, seeded(make))


DATABASES: dict[str, Callable[[int, int], Iterator[Case]]] = {
    **{name: of_operators(name) for name in ("op_db", "foreach_db", "custom_op_db", "hop_db", "autograd_function_db")},
    "module_db": of_modules,
    "optim_db": of_optimizers,
    **{f"op_db, {name}": under(name) for name in ("vmap", "grad", "jvp")},
}
