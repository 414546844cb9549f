"""Lightning's Trainer over a small classifier with BatchNorm."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

PACKAGES = ("lightning",)
TITLE = "lightning: Trainer.fit"


class Classifier(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
        self.seen: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.log("loss", loss)
        self.seen.append(loss.item())
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=1e-2)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


def fitted(net: Any, called: Any, run: Any) -> Any:
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    loader = DataLoader(TensorDataset(torch.randn(12, 8), torch.randint(0, 3, (12,))), batch_size=4, shuffle=True)
    run(trainer, called, loader)
    return net.seen, net.state_dict()


def model(compiled: Any) -> Any:
    net = Classifier()
    return fitted(net, compiled(net), lambda trainer, called, loader: trainer.fit(called, loader))


def step(compiled: Any) -> Any:
    net = Classifier()
    return fitted(net, net, lambda trainer, called, loader: compiled(trainer.fit)(called, loader))
