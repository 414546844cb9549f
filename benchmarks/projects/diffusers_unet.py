"""A small UNet of diffusers: training steps with its noise scheduler, then a sampled image."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import nn

PACKAGES = ("diffusers",)
TITLE = "diffusers: UNet and DDPM"


def network() -> Any:
    return UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 16), norm_num_groups=4,
        attention_head_dim=4, down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def train(net: Any, optimizer: Any, scheduler: Any, clean: torch.Tensor) -> torch.Tensor:
    noise = torch.randn_like(clean)
    times = torch.randint(0, scheduler.config.num_train_timesteps, (clean.shape[0],))
    loss = nn.functional.mse_loss(net(scheduler.add_noise(clean, noise, times), times).sample, noise)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def sample(net: Any, scheduler: Any) -> torch.Tensor:
    scheduler.set_timesteps(3)
    image = torch.randn(1, 3, 8, 8)
    for t in scheduler.timesteps:
        with torch.no_grad():
            image = scheduler.step(net(image, t).sample, t, image).prev_sample
    return image


def loop(net: Any, called: Any, run: Any, draw: Any) -> Any:
    scheduler, optimizer = DDPMScheduler(num_train_timesteps=20), torch.optim.AdamW(net.parameters(), lr=1e-3)
    losses = [run(called, optimizer, scheduler, torch.rand(2, 3, 8, 8)) for _ in range(3)]
    return losses, net.state_dict(), draw(called, scheduler)


def model(compiled: Any) -> Any:
    net = network()
    return loop(net, compiled(net), train, sample)


def step(compiled: Any) -> Any:
    net = network()
    return loop(net, net, compiled(train), compiled(sample))
