"""LoRA adapters of peft on a tiny GPT-2."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from .training import steps, train_step

PACKAGES = ("peft", "transformers")
TITLE = "peft: LoRA"


def network() -> Any:
    config = GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=64, n_positions=16, bos_token_id=0, eos_token_id=0)
    return get_peft_model(GPT2LMHeadModel(config), LoraConfig(r=4, target_modules=["c_attn"], lora_dropout=0.1, fan_in_fan_out=True))


def loss(net: Any, ids: torch.Tensor) -> torch.Tensor:
    return net(input_ids=ids, labels=ids).loss


def batches() -> list[Any]:
    return [(torch.randint(0, 64, (2, 12)),) for _ in range(3)]


def model(compiled: Any) -> Any:
    net = network()
    return steps(net, compiled(net), loss, batches(), train_step)


def step(compiled: Any) -> Any:
    net = network()
    return steps(net, net, loss, batches(), compiled(train_step))
