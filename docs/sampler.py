"""The program of the pictures: a GPT-2 whose logits are softened where they are large, with a choice that stays in the graph."""

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel


def sharpen(logits, heat):
    return logits / heat


def soften(logits, heat):
    return torch.tanh(logits) * heat


class Sampler(nn.Module):
    def __init__(self, layers=2):
        super().__init__()
        sizes = {"vocab_size": 128, "n_positions": 64, "n_embd": 64, "n_layer": layers, "n_head": 4}
        config = GPT2Config(**sizes, use_cache=False, bos_token_id=0, eos_token_id=0)
        self.model = GPT2LMHeadModel(config)
        self.register_buffer("heat", torch.tensor(0.7))

    def forward(self, tokens):
        logits = self.model(tokens).logits[:, -1]
        if logits.abs().max() > 3:
            logits = logits.clamp(-3, 3)
        logits = torch.cond(self.heat < 1, sharpen, soften, (logits, self.heat))
        return torch.softmax(logits, dim=-1)
