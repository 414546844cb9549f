"""A model as deep as real ones, of few lines: what pages of large graphs are tried with."""

from __future__ import annotations

import torch
from torch import nn

import tracer

__all__ = ["LAYERS", "Attention", "Stack", "session_of"]

LAYERS = 48


class Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, mask):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        scores = q @ k.transpose(-1, -2) + mask
        return self.o_proj(scores.softmax(-1) @ v)


class Mlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))


class Layer(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm, self.attn, self.mlp = nn.LayerNorm(width), Attention(width), Mlp(width)

    def forward(self, x, mask):
        x = x + self.attn(self.norm(x), mask)
        return x + self.mlp(x)


class Body(nn.Module):
    def __init__(self, layers: int, width: int):
        super().__init__()
        self.embed = nn.Embedding(16, width)
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))

    def forward(self, ids):
        x = self.embed(ids)
        mask = torch.zeros(ids.shape[-1], ids.shape[-1]).masked_fill(torch.ones(ids.shape[-1], ids.shape[-1]).tril() == 0, -1e9)
        for layer in self.layers:
            x = layer(x, mask)
        return x


class Stack(nn.Module):
    """Embedding, layers, head."""

    def __init__(self, layers: int = LAYERS, width: int = 8):
        super().__init__()
        self.body = Body(layers, width)
        self.head = nn.Linear(width, 16, bias=False)

    def forward(self, ids):
        return self.head(self.body(ids)[:, -1:])


def session_of(layers: int = LAYERS) -> tracer.Session:
    session = tracer.Session("trace")
    with torch.no_grad():
        session.run(Stack(layers).eval(), torch.arange(4)[None])
    return session
