"""A decoder of x-transformers with several of its switches on."""

from __future__ import annotations

from typing import Any

import torch
from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

from .training import steps, train_step

PACKAGES = ("x-transformers",)
TITLE = "x-transformers"


def network() -> Any:
    layers = Decoder(dim=32, depth=2, heads=2, rotary_pos_emb=True, ff_glu=True, use_rmsnorm=True, attn_dropout=0.1)
    return AutoregressiveWrapper(TransformerWrapper(num_tokens=64, max_seq_len=16, attn_layers=layers))


def loss(net: Any, ids: torch.Tensor) -> torch.Tensor:
    return net(ids)


def batches() -> list[Any]:
    return [(torch.randint(0, 64, (2, 13)),) for _ in range(3)]


def model(compiled: Any) -> Any:
    net = network()
    return steps(net, compiled(net), loss, batches(), train_step)


def step(compiled: Any) -> Any:
    net = network()
    return steps(net, net, loss, batches(), compiled(train_step))
