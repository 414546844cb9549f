"""denoising-diffusion-pytorch with the moving average of ema-pytorch."""

from __future__ import annotations

from typing import Any

import torch
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from ema_pytorch import EMA

PACKAGES = ("denoising-diffusion-pytorch", "ema-pytorch")
TITLE = "denoising-diffusion-pytorch, ema-pytorch"


def network() -> Any:
    return GaussianDiffusion(Unet(dim=8, dim_mults=(1, 2), flash_attn=False), image_size=8, timesteps=10)


def train(diffusion: Any, optimizer: Any, average: Any, images: torch.Tensor) -> torch.Tensor:
    loss = diffusion(images)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    average.update()
    return loss.detach()


def loop(net: Any, called: Any, run: Any) -> Any:
    optimizer, average = torch.optim.Adam(net.parameters(), lr=1e-3), EMA(net, beta=0.9, update_every=1, update_after_step=0)
    losses = [run(called, optimizer, average, torch.rand(2, 3, 8, 8)) for _ in range(3)]
    return losses, net.state_dict(), average.ema_model.state_dict()


def model(compiled: Any) -> Any:
    net = network()
    return loop(net, compiled(net), train)


def step(compiled: Any) -> Any:
    net = network()
    return loop(net, net, compiled(train))
