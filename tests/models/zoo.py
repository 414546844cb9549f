"""Tiny models with random weights: what the tests and the benchmarks compile. Nothing is downloaded.

`build(name)` gives the model and two functions: `inputs(size)` makes the keyword arguments of a call at one size (a
sequence length, or a batch for images), the same for the same size; `sizes` are three that may follow one another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["MODELS", "TRANSFORMERS", "Model", "build"]


@dataclass(frozen=True)
class Model:
    """One model in the state that it is tested in (eval mode, unless it is about training)."""

    name: str
    module: nn.Module
    inputs: Callable[[int], dict[str, Any]]
    sizes: tuple[int, int, int]


def transformers() -> Any:
    sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]  # image processors aren't needed here
    import transformers

    transformers.logging.set_verbosity_error()
    return transformers


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tokens(size: int, batch: int = 2) -> torch.Tensor:
    return torch.randint(2, 99, (batch, size), generator=seeded(size))


def with_ids(**fixed: Any) -> Callable[[int], dict[str, Any]]:
    return lambda size: {"input_ids": tokens(size), **fixed}


def gpt2(layers: int = 2) -> Model:
    t = transformers()
    config = t.GPT2Config(
        vocab_size=100, n_embd=32, n_layer=layers, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=1
    )
    return Model("gpt2", t.GPT2LMHeadModel(config), with_ids(use_cache=False), (16, 20, 24))


def gpt2_12() -> Model:
    """The same with twelve layers, where cost for each layer shows."""
    return gpt2(layers=12)


def bert() -> Model:
    t = transformers()
    config = t.BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip

    def inputs(size: int) -> dict[str, Any]:
        return {"input_ids": tokens(size), "attention_mask": torch.ones(2, size, dtype=torch.long)}

    return Model("bert", t.BertModel(config), inputs, (16, 20, 24))


def decoder_config(**more: Any) -> dict[str, Any]:
    return dict(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, num_key_value_heads=2, **more,
    )  # fmt: skip


def llama() -> Model:
    t = transformers()
    model = t.LlamaForCausalLM(t.LlamaConfig(**decoder_config()))
    return Model("llama", model, with_ids(use_cache=False), (16, 20, 24))


def mistral() -> Model:
    t = transformers()
    model = t.MistralForCausalLM(t.MistralConfig(**decoder_config(sliding_window=32)))
    return Model("mistral", model, with_ids(use_cache=False), (16, 20, 24))


def t5() -> Model:
    t = transformers()
    config = t.T5Config(vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)

    def inputs(size: int) -> dict[str, Any]:
        return {"input_ids": tokens(size), "decoder_input_ids": tokens(size), "use_cache": False}

    return Model("t5", t.T5Model(config), inputs, (16, 20, 24))


def bart() -> Model:
    """Copies its configuration in each call, through a class that looks attributes up by itself."""
    t = transformers()
    config = t.BartConfig(
        vocab_size=100, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
    )  # fmt: skip

    def inputs(size: int) -> dict[str, Any]:
        return {"input_ids": tokens(size), "decoder_input_ids": tokens(size), "use_cache": False}

    return Model("bart", t.BartModel(config), inputs, (16, 20, 24))


def mixtral() -> Model:
    """Experts: counts by `histc` and an operator of the library's own, under its `finally`."""
    t = transformers()
    model = t.MixtralForCausalLM(t.MixtralConfig(**decoder_config(num_local_experts=4, num_experts_per_tok=2)))
    return Model("mixtral", model, with_ids(use_cache=False), (16, 20, 24))


def vit() -> Model:
    t = transformers()
    config = t.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8
    )

    def inputs(size: int) -> dict[str, Any]:
        return {"pixel_values": torch.randn(size, 3, 32, 32, generator=seeded(size))}

    return Model("vit", t.ViTModel(config), inputs, (2, 3, 4))


def whisper() -> Model:
    t = transformers()
    config = t.WhisperConfig(
        vocab_size=100, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, num_mel_bins=16, max_source_positions=32,
        max_target_positions=32, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip

    def inputs(size: int) -> dict[str, Any]:
        features = torch.randn(2, 16, 64, generator=seeded(size))
        return {"input_features": features, "decoder_input_ids": tokens(size), "use_cache": False}

    return Model("whisper", t.WhisperModel(config), inputs, (8, 10, 12))


class Residual(nn.Module):
    """Two convolutions and what skips them."""

    def __init__(self, width: int, out: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.down = None
        if stride != 1 or width != out:
            self.down = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.down is None else self.down(x)
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """The shape of ResNet-18 at an eighth of its width."""

    def __init__(self, widths: tuple[int, ...] = (8, 16, 32, 64), classes: int = 10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, 2, 1)
        before = [8, *widths[:-1]]
        self.layers = nn.ModuleList(
            nn.Sequential(Residual(i, o, 1 if n == 0 else 2), Residual(o, o))
            for n, (i, o) in enumerate(zip(before, widths))
        )
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.stem(x))
        for layer in self.layers:
            x = layer(x)
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


def images(size: int) -> dict[str, Any]:
    return {"x": torch.randn(size, 3, 32, 32, generator=seeded(size))}


def resnet() -> Model:
    return Model("resnet", ResNet(), images, (2, 3, 4))


def resnet_train() -> Model:
    """In training mode: batch statistics, and running statistics that the call updates."""
    return Model("resnet_train", ResNet(widths=(8, 16)).train(), images, (2, 3, 4))


class Mlp(nn.Module):
    """A classifier with its loss, as a training step calls it."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.body = nn.Sequential(*[part for _ in range(3) for part in (nn.Linear(width, width), nn.ReLU())])
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(self.head(self.body(x)), labels)


def mlp_train() -> Model:
    def inputs(size: int) -> dict[str, Any]:
        generator = seeded(size)
        labels = torch.randint(0, 10, (size,), generator=generator)
        return {"x": torch.randn(size, 32, generator=generator), "labels": labels}

    return Model("mlp_train", Mlp().train(), inputs, (4, 6, 8))


TRANSFORMERS = {f.__name__: f for f in (gpt2, bert, llama, mistral, mixtral, bart, t5, vit, whisper)}
MODELS: dict[str, Callable[[], Model]] = {
    **TRANSFORMERS,
    **{f.__name__: f for f in (gpt2_12, resnet, resnet_train, mlp_train)},
}


def build(name: str) -> Model:
    """The model of that name, with the same weights every time; in eval mode unless its name ends in `_train`."""
    torch.manual_seed(0)
    model = MODELS[name]()
    if not name.endswith("_train"):
        model.module.eval()
    return model
