"""A small vision transformer of timm, with its mixup, loss, optimizer and moving average."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3, adaptive_clip_grad

PACKAGES = ("timm",)
TITLE = "timm: ViT"


def network() -> Any:
    return timm.create_model("test_vit", pretrained=False, num_classes=5, img_size=32, drop_path_rate=0.1)


def train(net: Any, mix: Any, loss_of: Any, optimizer: Any, average: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x, y = mix(x, y)
    loss = loss_of(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    adaptive_clip_grad(net.parameters())
    optimizer.step()
    average.update(net)
    return loss.detach()


def loop(net: Any, called: Any, run: Any) -> Any:
    optimizer, average = create_optimizer_v2(net, opt="lion", lr=1e-3, weight_decay=0.1), ModelEmaV3(net, decay=0.9)
    mix = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, num_classes=5)
    losses = []
    for _ in range(3):
        x, y = torch.randn(2, 3, 32, 32), torch.randint(0, 5, (2,))
        losses.append(run(called, mix, SoftTargetCrossEntropy(), optimizer, average, x, y))
    return losses, net.state_dict(), average.module.state_dict()


def model(compiled: Any) -> Any:
    net = network()
    return loop(net, compiled(net), train)


def step(compiled: Any) -> Any:
    net = network()
    return loop(net, net, compiled(train))
