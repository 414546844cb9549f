"""The training step that most projects have: loss, backward, clipping, optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def train_step(net: Any, optimizer: Any, loss: Callable[..., torch.Tensor], batch: tuple[Any, ...]) -> torch.Tensor:
    optimizer.zero_grad()
    out = loss(net, *batch)
    out.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    return out.detach()


def steps(net: Any, called: Any, loss: Callable[..., torch.Tensor], batches: list[Any], run: Callable[..., Any]) -> Any:
    """The losses of one step a batch, and what the model holds afterwards."""
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    losses = [run(called, optimizer, loss, batch) for batch in batches]
    return losses, net.state_dict()
