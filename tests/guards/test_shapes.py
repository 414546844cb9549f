"""What ShapeEnv assumed of symbolic sizes, as one guard."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch._dynamo.source
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.overrides import TorchFunctionMode

from tests.guards.support import frame, local, pinned, seen, verdict
from tracer.guards import Guard, GuardError, Lowered, lower, shape_guard, torch_source
from tracer.sources import Roots, Source

x, y, z = local("x"), local("y"), local("z")


class Tracing:
    """Fakes of tensors with every dimension symbolic, and of ints, in one ShapeEnv."""

    def __init__(self) -> None:
        self.env = ShapeEnv()
        self.mode = FakeTensorMode(shape_env=self.env, allow_non_fake_inputs=True)
        self.inputs: list[tuple[Source, Any]] = []

    def tensor(self, source: Source, value: torch.Tensor) -> Any:
        context = StatelessSymbolicContext(dynamic_sizes=[DimDynamic.DYNAMIC] * value.dim())
        fake = self.mode.from_tensor(value, source=torch_source(source), symbolic_context=context)
        self.inputs.append((source, fake))
        return fake

    def number(self, source: Source, value: int) -> Any:
        made = torch_source(source)
        symbol = self.env.create_unspecified_symbol(value, made, DimDynamic.DYNAMIC)
        found = self.env.create_symintnode(symbol, hint=value, source=made)
        self.inputs.append((source, found))
        return found

    def lowered(self, *guards: Guard, **locals: Any) -> Lowered:
        shapes = shape_guard(self.env, self.inputs)
        return lower(guards, code=frame.__code__, roots=Roots(locals), shape_guard=shapes)


def test_sizes_that_were_added_must_be_equal() -> None:
    t, a, b = Tracing(), torch.ones(3, 4), torch.ones(3, 4)
    t.tensor(x, a) + t.tensor(y, b)
    entry = t.lowered(x=a, y=b)
    assert verdict(entry, x=a, y=b) and verdict(entry, x=torch.ones(7, 9), y=torch.ones(7, 9))
    assert not verdict(entry, x=torch.ones(7, 9), y=torch.ones(7, 8))
    assert not verdict(entry, x=torch.ones(1, 9), y=torch.ones(1, 9))  # 0 and 1 are special
    assert not verdict(entry, x=torch.ones(3, 4).t(), y=b)
    assert not verdict(entry, x=a) and not verdict(entry, x=a, y=[b])


def test_each_failing_expression_is_named_with_its_numbers() -> None:
    t, a, b = Tracing(), torch.ones(3, 4), torch.ones(4, 5)
    t.tensor(x, a) @ t.tensor(y, b)
    entry = t.lowered(x=a, y=b)
    assert verdict(entry, x=torch.ones(6, 7), y=torch.ones(7, 8))
    found = seen(entry, x=torch.ones(6, 7), y=torch.ones(9, 1))
    assert any("y.shape[0] == x.shape[1] <- y.shape[0] = 9, x.shape[1] = 7" in text for text in found), found
    assert any(text.endswith("y.shape[1] = 1") for text in found), found
    found = seen(entry, x=torch.ones(6, 7), y=None)
    assert found and all("missing" in text for text in found)
    whole = entry.guards[-1].expression
    assert "x.shape[0]" in whole and " and " in whole


def test_control_flow_on_sizes_and_numbers() -> None:
    t, a = Tracing(), torch.ones(6, 2)
    fake, n = t.tensor(x, a), t.number(y, 12)
    assert fake.shape[0] % 3 == 0 and n > fake.shape[0] and n // 4 == 3
    entry = t.lowered(Guard(y, "TYPE_MATCH", int), x=a, y=12)
    assert verdict(entry, x=a, y=13) and verdict(entry, x=torch.ones(9, 2), y=14)
    assert not verdict(entry, x=torch.ones(7, 2), y=12) and not verdict(entry, x=a, y=16) and not verdict(entry, x=a, y=6)
    assert not verdict(entry, x=a, y=12.0) and not verdict(entry, x=a, y=True) and not verdict(entry, x=a, y=None)


def test_a_size_that_was_made_a_constant() -> None:
    t, a = Tracing(), torch.ones(6, 2)
    fake = t.tensor(x, a)
    assert int(fake.shape[0]) == 6
    entry = t.lowered(Guard(x, "TENSOR_MATCH", (a, [None, None], [None, 1])), x=a)
    shapes = shape_guard(t.env, t.inputs)
    assert verdict(entry, x=a) and verdict(entry, x=torch.ones(6, 5))
    assert shapes is not None and "x.shape[0]" not in shapes.expression  # a static size is for TENSOR_MATCH


def test_nothing_assumed_is_no_guard() -> None:
    assert shape_guard(ShapeEnv(), []) is None
    assert shape_guard(ShapeEnv(), [(x, torch.ones(2))]) is None


def test_a_static_number_is_compared() -> None:
    shapes = shape_guard(ShapeEnv(), [(y, 5)])
    assert shapes is not None and shapes.expression == "y == 5"


def test_sources_below_objects_and_pinned_roots() -> None:
    class Holder:
        pass

    holder, module = Holder(), torch.nn.Linear(3, 3)
    holder.__dict__["deep"] = [torch.ones(3, 4)]
    deep = pinned(holder).dict().item("deep").item(0)
    weight = x.dict().item("_parameters").item("weight")
    t = Tracing()
    t.tensor(weight, module.weight) @ t.tensor(deep, holder.deep[0])  # type: ignore[attr-defined]
    entry = t.lowered(x=module)
    assert verdict(entry, x=module) and verdict(entry, x=torch.nn.Linear(3, 3))
    assert not verdict(entry, x=torch.nn.Linear(5, 3)) and not verdict(entry, x=3)
    holder.deep[0] = torch.ones(5, 4)  # type: ignore[attr-defined]
    assert not verdict(entry, x=module)


def test_no_torch_function_is_called_for_sizes() -> None:
    called = []

    class Loud(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(func)
            return func(*args, **(kwargs or {}))

    t, a = Tracing(), torch.ones(3, 4)
    t.tensor(x, a) + t.tensor(y, a)
    entry = t.lowered(x=a, y=a)
    with Loud():
        assert verdict(entry, x=a, y=a)
    assert not called


@pytest.mark.parametrize("make", [torch._dynamo.source.LocalSource, lambda name: torch_source(local(name))])
def test_a_symbol_that_no_input_gives_is_refused(make: Any) -> None:
    t, a = Tracing(), torch.ones(3, 4)
    foreign = make("elsewhere")
    symbol = t.env.create_unspecified_symbol(9, foreign, DimDynamic.DYNAMIC)
    number = t.env.create_symintnode(symbol, hint=9, source=foreign)
    assert number > t.tensor(x, a).shape[0]
    with pytest.raises(GuardError, match="pass every input"):
        shape_guard(t.env, t.inputs)
