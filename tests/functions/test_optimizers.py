"""Optimizers of torch inside compiled functions: parameters and state bit for bit what eager makes of them, and one graph for a step."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

import tracer

#: name → options that it takes beside a learning rate.
WHOLE = {
    "SGD": [{}, {"momentum": 0.9, "nesterov": True}, {"weight_decay": 0.1, "maximize": True}, {"foreach": True, "momentum": 0.9}, {"fused": True, "momentum": 0.9}],
    "Adam": [{}, {"amsgrad": True, "weight_decay": 0.1}, {"maximize": True}, {"foreach": True}, {"foreach": True, "amsgrad": True}, {"fused": True}],
    "AdamW": [{}, {"amsgrad": True}, {"foreach": True}, {"fused": True}],
    "NAdam": [{}, {"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "Adamax": [{}, {"weight_decay": 0.1}, {"foreach": True}],
    "Adagrad": [{}, {"lr_decay": 0.1, "weight_decay": 0.1}, {"foreach": True}, {"fused": True}],
    "Adadelta": [{}, {"weight_decay": 0.1}, {"foreach": True}],
    "RMSprop": [{}, {"centered": True, "momentum": 0.5}, {"foreach": True, "momentum": 0.5}],
    "Rprop": [{}, {"maximize": True}, {"foreach": True}],
}  # fmt: skip
CASES = [pytest.param(name, options, id=f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items()) or 'plain'}") for name, several in WHOLE.items() for options in several]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return self.second(self.first(x).tanh())


def made(name, options, groups=False):
    torch.manual_seed(0)
    net = Net()
    parameters = [{"params": net.first.parameters(), "lr": 0.05}, {"params": [*net.second.parameters(), net.unused]}] if groups else net.parameters()
    return net, getattr(torch.optim, name)(parameters, **{"lr": 0.01, **options})


def gradients(net, number):
    for i, parameter in enumerate(net.parameters()):
        if parameter is not net.unused:
            parameter.grad = torch.linspace(-1, 1, parameter.numel()).view_as(parameter).add(0.1 * number + i).sin()


def same(one, other):
    """Parameters and state, bit for bit."""
    (net, optimizer), (expected_net, expected) = one, other
    for a, b in zip(net.parameters(), expected_net.parameters(), strict=True):
        assert torch.equal(a, b)
    mine, theirs = (pytree.tree_leaves(o.state_dict()) for o in (optimizer, expected))
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_step_is_one_graph_and_the_same_bits(name, options):
    traced, untraced = made(name, options), made(name, options)
    session = tracer.Session()
    for number in range(4):
        for net, optimizer in (traced, untraced):
            gradients(net, number)
        session.run(lambda optimizer: optimizer.step(), traced[1])
        untraced[1].step()
        same(traced, untraced)
    assert not session.graph_breaks and not session.records.faults
    at_once = name == "Adagrad" and "fused" not in options or name == "SGD" and "momentum" not in options
    assert len(session.graphs) == (1 if at_once else 2)  # the first step makes the state


@pytest.mark.parametrize(("name", "options"), [("RAdam", {}), ("ASGD", {}), ("Adafactor", {}), ("NAdam", {"foreach": True})], ids=lambda v: str(v))
def test_what_decides_by_its_own_state_is_called_by_python(name, options):
    def step(optimizer, x):
        optimizer.step()
        return x + 1

    traced, untraced = made(name, options), made(name, options)
    session = tracer.Session()
    for number in range(8):
        for net, _ in (traced, untraced):
            gradients(net, number)
        session.run(step, traced[1], torch.ones(2))
        untraced[1].step()
        same(traced, untraced)
    assert {one.reason for one in session.graph_breaks} == {"optimizer-step-inside"} and not session.records.faults


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Adagrad"])
def test_a_whole_training_step(name):
    def train(net, optimizer, scheduler, x):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
        return loss.detach(), norm, scheduler.get_last_lr()

    options = {"momentum": 0.9} if name == "SGD" else {}
    runs = []
    for how in ("plain", "traced"):
        net, optimizer = made(name, options, groups=True)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        step = train if how == "plain" else tracer.compile(train, backend="eager")
        torch.manual_seed(1)
        runs.append(((net, optimizer), [step(net, optimizer, scheduler, torch.randn(5, 3)) for _ in range(5)]))
    same(runs[1][0], runs[0][0])
    for mine, theirs in zip(runs[1][1], runs[0][1], strict=True):
        assert torch.equal(mine[0], theirs[0]) and torch.equal(mine[1], theirs[1]) and mine[2] == theirs[2]


@pytest.mark.parametrize("options", [{}, {"foreach": True}], ids=str)
def test_a_step_in_a_closure_breaks_at_backward_alone(options):
    def closed(to_none):
        net, optimizer = made("AdamW", options)
        scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=3)

        def step(x):
            loss = net(x).square().mean()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad(set_to_none=to_none)
            return loss.detach()

        return (net, optimizer), step

    for to_none in (True, False):
        (one, untraced), (other, step) = closed(to_none), closed(to_none)
        compiled = tracer.compile(step, backend="eager")
        for number in range(4):
            assert torch.equal(untraced(torch.full((2, 3), number + 1.0)), compiled(torch.full((2, 3), number + 1.0)))
            for a, b in zip(one[0].parameters(), other[0].parameters(), strict=True):
                assert (a.grad is None) == (b.grad is None) and (a.grad is None or torch.equal(a.grad, b.grad))
        same(other, one)
        assert {found.reason for found in compiled.session.graph_breaks} == {"backward-inside"}


def test_a_scheduler_that_reads_a_loss_is_none():
    def step(scheduler, loss):
        scheduler.step(loss)
        return loss + 1

    optimizers = [made("SGD", {})[1] for _ in range(2)]
    schedulers = [torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0) for optimizer in optimizers]
    session = tracer.Session()
    for value in (3.0, 2.0, 2.5, 2.6):
        session.run(step, schedulers[0], torch.tensor(value))
        step(schedulers[1], torch.tensor(value))
        assert optimizers[0].param_groups[0]["lr"] == optimizers[1].param_groups[0]["lr"]
    assert "optimizer-step-inside" not in {one.reason for one in session.graph_breaks} and not session.records.faults


def test_the_bound_step_is_compiled():
    traced, untraced = made("AdamW", {}), made("AdamW", {})
    step = tracer.compile(traced[1].step, backend="eager")
    for number in range(3):
        for net, _ in (traced, untraced):
            gradients(net, number)
        step()
        untraced[1].step()
        same(traced, untraced)
    assert len(step.session.graphs) == 2 and not step.session.graph_breaks


def test_hooks_and_a_closure():
    def step(net, optimizer, x, seen):
        def closure():
            seen.append(len(seen))
            return net(x).sum()

        return optimizer.step(closure)

    runs = []
    for how in ("plain", "traced"):
        net, optimizer = made("Adam", {})
        seen: list = []
        optimizer.register_step_pre_hook(lambda o, args, kwargs, seen=seen: seen.append("before"))
        optimizer.register_step_post_hook(lambda o, args, kwargs, seen=seen: seen.append("after"))
        run = step if how == "plain" else tracer.compile(step, backend="eager")
        results = []
        for number in range(3):
            gradients(net, number)
            results.append(run(net, optimizer, torch.ones(2, 3), seen).detach())
        runs.append(((net, optimizer), seen, results))
    same(runs[1][0], runs[0][0])
    assert runs[0][1] == runs[1][1] and all(torch.equal(a, b) for a, b in zip(runs[0][2], runs[1][2], strict=True))


def test_other_rates_groups_and_parameters_without_gradients():
    traced, untraced = made("Adam", {}, groups=True), made("Adam", {}, groups=True)
    step = tracer.compile(lambda optimizer: optimizer.step(), backend="eager")
    for number in range(6):
        for net, optimizer in (traced, untraced):
            gradients(net, number)
            if number == 2:
                net.first.weight.grad = None
            if number == 3:
                net.unused.grad = torch.ones(2)
            if number == 4:
                optimizer.param_groups[0]["lr"] = 0.5
        step(traced[1])
        untraced[1].step()
        same(traced, untraced)
    saved = copy.deepcopy(untraced[1].state_dict())
    for net, optimizer in (traced, untraced):
        optimizer.load_state_dict(copy.deepcopy(saved))
        gradients(net, 9)
    step(traced[1])
    untraced[1].step()
    same(traced, untraced)


@pytest.mark.parametrize("lr", [torch.tensor(0.01), torch.tensor(0.01, dtype=torch.float64)], ids=["float32", "float64"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
def test_a_rate_that_is_a_tensor(name, lr):
    traced, untraced = made(name, {"lr": lr.clone()}), made(name, {"lr": lr.clone()})
    step = tracer.compile(lambda optimizer: optimizer.step(), backend="eager")
    for number in range(3):
        for net, optimizer in (traced, untraced):
            gradients(net, number)
            optimizer.param_groups[0]["lr"].mul_(0.5)
        step(traced[1])
        untraced[1].step()
        same(traced, untraced)
    assert not step.session.graph_breaks and not step.session.records.faults


def test_a_numbers_power_that_is_complex_and_a_division_by_zero_are_pythons():
    def root(x):
        y = x + 1
        return y, x.item() ** 0.5

    def quotient(x):
        y = x + 1
        return y, 1.0 / x.item()

    for function in (root, quotient):
        compiled = tracer.compile(function, backend="eager", capture_scalar_outputs=True)
        for value in (4.0, -4.0, 0.0, 2.0):
            x, outcomes = torch.tensor(value), []
            for run in (function, compiled):
                try:
                    y, number = run(x)
                    outcomes.append((y.item(), number))
                except ZeroDivisionError as error:
                    outcomes.append(str(error))
            assert outcomes[0] == outcomes[1] and type(outcomes[0][1]) is type(outcomes[1][1])


def test_a_number_that_a_list_of_tensors_is_written_to_with_is_not_the_one_before():
    def function(x):
        t = torch.tensor(1.0)
        torch._foreach_add_([t, x], 1.0)
        t += 1
        return x * t.item(), t

    compiled = tracer.compile(function, backend="eager", capture_scalar_outputs=True)
    for value in (1.0, 3.0):
        torch.testing.assert_close(compiled(torch.tensor(value)), function(torch.tensor(value)), rtol=0, atol=0)
    assert len(compiled.session.graphs) == 1
