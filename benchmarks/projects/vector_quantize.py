"""A small autoencoder with the codebooks of vector-quantize-pytorch: k-means start, moving averages, dead codes replaced."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from vector_quantize_pytorch import ResidualVQ, VectorQuantize

from .training import steps, train_step

PACKAGES = ("vector-quantize-pytorch",)
TITLE = "vector-quantize-pytorch"


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(8, 16), nn.Linear(16, 8)
        self.codes = VectorQuantize(dim=16, codebook_size=16, decay=0.8, kmeans_init=True, kmeans_iters=2, threshold_ema_dead_code=1)
        self.rest = ResidualVQ(dim=16, num_quantizers=2, codebook_size=8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, _, commit = self.codes(self.encode(x))
        second, _, commits = self.rest(first)
        return self.decode(second), commit.sum() + commits.sum()


def loss(net: Any, x: torch.Tensor) -> torch.Tensor:
    out, commit = net(x)
    return nn.functional.mse_loss(out, x) + commit


def batches() -> list[Any]:
    return [(torch.randn(2, 12, 8),) for _ in range(3)]


def model(compiled: Any) -> Any:
    net = Autoencoder()
    return steps(net, compiled(net), loss, batches(), train_step)


def step(compiled: Any) -> Any:
    net = Autoencoder()
    return steps(net, net, loss, batches(), compiled(train_step))
