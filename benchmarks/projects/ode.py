"""A neural ODE of torchdiffeq: adaptive steps, gradients by the adjoint method."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchdiffeq import odeint, odeint_adjoint

from .training import steps, train_step

PACKAGES = ("torchdiffeq",)
TITLE = "torchdiffeq"


class Field(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.net(y**3) * torch.cos(t)


def loss(net: Any, start: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    times = torch.linspace(0.0, 1.0, 3)
    adaptive = odeint_adjoint(net, start, times, rtol=1e-3, atol=1e-4, method="dopri5", adjoint_params=tuple(net.parameters()))
    fixed = odeint(net, start, times, method="rk4")
    return (adaptive[-1] - goal).pow(2).mean() + (fixed[-1] - goal).pow(2).mean()


def batches() -> list[Any]:
    return [(torch.randn(3, 2), torch.randn(3, 2)) for _ in range(2)]


def model(compiled: Any) -> Any:
    net = Field()
    return steps(net, compiled(net), loss, batches(), train_step)


def step(compiled: Any) -> Any:
    net = Field()
    return steps(net, net, loss, batches(), compiled(train_step))
