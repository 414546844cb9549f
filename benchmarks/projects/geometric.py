"""Graph networks of torch_geometric on a random graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.nn import GATConv, GCNConv, global_mean_pool

from .training import steps, train_step

PACKAGES = ("torch_geometric",)
TITLE = "torch_geometric: GCN and GAT"


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = GCNConv(8, 16), GATConv(16, 8, heads=2, dropout=0.1), nn.Linear(16, 3)

    def forward(self, data: Data) -> torch.Tensor:
        x = self.first(data.x, data.edge_index).relu()
        x = self.second(x, data.edge_index)
        return self.head(global_mean_pool(x, data.batch, 2))


def loss(net: Any, data: Data) -> torch.Tensor:
    return nn.functional.cross_entropy(net(data), data.y)


def batches() -> list[Any]:
    made = []
    for nodes, edges in ((10, 30), (10, 30), (12, 40)):
        data = Data(x=torch.randn(nodes, 8), edge_index=torch.randint(0, nodes, (2, edges)), y=torch.randint(0, 3, (2,)))
        data.batch = (torch.arange(nodes) >= nodes // 2).long()
        made.append((data,))
    return made


def model(compiled: Any) -> Any:
    net = Network()
    return steps(net, compiled(net), loss, batches(), train_step)


def step(compiled: Any) -> Any:
    net = Network()
    return steps(net, net, loss, batches(), compiled(train_step))
