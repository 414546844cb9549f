"""Where torch's C++ takes no exception: what is put there gives what torch's own function gives, and looks for no signals."""

from __future__ import annotations

import dis
from types import SimpleNamespace

import pytest
import torch
from torch._library import simple_registry

from tracer.compat import quiet
from tracer.compat.fakes import new_fake_mode

find = simple_registry.find_torch_dispatch_rule


def test_the_installed_torch_keeps_rules_and_devices_where_they_are_read():
    assert quiet.QUIET and quiet.QUIET_DEVICE


def test_rules_are_found():
    class Ours(torch.Tensor):
        pass

    op = torch.ops.aten.sin.default
    assert find(op, Ours) is None
    handle = simple_registry.singleton.find(op.__qualname__).torch_dispatch_rules.register(Ours, len)
    try:
        assert find(op, Ours) is len
        assert find(op, torch.Tensor) is None
    finally:
        handle.destroy()
    assert find(op, Ours) is None


def test_an_operator_that_nobody_knows_has_no_rules():
    op = SimpleNamespace(__qualname__="tracer::unheard_of")
    assert find(op, torch.Tensor) is None


def test_a_fake_tells_its_device_and_meta_inside_a_kernel():
    mode = new_fake_mode()
    fake = mode.from_tensor(torch.ones(2))
    ask = torch.ops.prim.device.default
    assert type(fake).__torch_dispatch__(ask, (), (fake,)) == fake.device == torch.device("cpu")
    mode.in_kernel_invocation = True
    assert type(fake).__torch_dispatch__(ask, (), (fake,)) == fake.device == torch.device("meta")


def test_a_device_is_told_before_anything_looks_for_signals():
    steps = list(dis.get_instructions(torch._subclasses.FakeTensor.__torch_dispatch__))
    assert [step.arg for step in steps if step.opname == "RESUME"] == [2]
    calls = [place for place, step in enumerate(steps) if step.opname.startswith(("CALL", "JUMP_BACKWARD"))]
    assert calls and "RETURN_VALUE" in [step.opname for step in steps[: calls[0]]]


def test_no_instruction_looks_for_signals():
    steps = list(dis.get_instructions(find))
    assert [step.arg for step in steps if step.opname == "RESUME"] == [2]
    assert not [step.opname for step in steps if step.opname.startswith(("CALL", "JUMP_BACKWARD"))]


def test_an_interrupted_operator_leaves_no_fake_mode_on_the_stack():
    mode = new_fake_mode()

    class Watch:
        def saw(self, *_: object) -> None:
            torch._C._set_dispatch_mode(mode)  # as an `__exit__` that is interrupted before it does anything
            raise KeyboardInterrupt

    mode.watch = Watch()
    with pytest.raises(KeyboardInterrupt):
        mode.dispatch(torch.ops.aten.sin.default, (), (torch.ones(2),))
    assert torch._C._len_torch_dispatch_stack() == 0
