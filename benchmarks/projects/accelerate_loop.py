"""A training loop with accelerate: gradient accumulation, a scheduler, clipping."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

PACKAGES = ("accelerate",)
TITLE = "accelerate"


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 1))


def batch_step(accelerator: Any, net: Any, optimizer: Any, scheduler: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    with accelerator.accumulate(net):
        loss = nn.functional.mse_loss(net(x), y)
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            accelerator.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    return loss.detach()


def loop(net: Any, called: Any, run: Any) -> Any:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    optimizer = torch.optim.AdamW(called.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=4)
    loader = DataLoader(TensorDataset(torch.randn(16, 8), torch.randn(16, 1)), batch_size=4, shuffle=True)
    called, optimizer, scheduler, loader = accelerator.prepare(called, optimizer, scheduler, loader)
    losses = [run(accelerator, called, optimizer, scheduler, x, y) for x, y in loader]
    return losses, net.state_dict(), scheduler.get_last_lr()


def model(compiled: Any) -> Any:
    net = network()
    return loop(net, compiled(net), batch_step)


def step(compiled: Any) -> Any:
    net = network()
    return loop(net, net, compiled(batch_step))
