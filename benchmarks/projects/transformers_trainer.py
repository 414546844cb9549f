"""Hugging Face's Trainer over a GPT-2 of two layers."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

PACKAGES = ("transformers", "accelerate")
TITLE = "transformers: Trainer"


def network() -> Any:
    return GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=64, n_positions=16, bos_token_id=0, eos_token_id=0))


def rows() -> list[dict[str, torch.Tensor]]:
    ids = torch.randint(0, 64, (8, 12))
    return [{"input_ids": row, "labels": row} for row in ids]


def trained(net: Any, called: Any, run: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=3, per_device_train_batch_size=2, logging_steps=1, report_to=[], use_cpu=True, save_strategy="no",
            disable_tqdm=True, lr_scheduler_type="cosine", warmup_steps=1,
        )  # fmt: skip
        trainer = Trainer(called, arguments, train_dataset=rows())
        run(trainer)
        losses = [{k: v for k, v in row.items() if k in ("loss", "grad_norm", "learning_rate")} for row in trainer.state.log_history]
    return losses, net.state_dict()


def model(compiled: Any) -> Any:
    net = network()
    return trained(net, compiled(net), lambda trainer: trainer.train())


def step(compiled: Any) -> Any:
    net = network()
    return trained(net, net, lambda trainer: compiled(trainer.train)())
