"""Where real models end a graph: ours beside torch.compile's, each with its line. Models are tiny, with random weights; nothing is downloaded."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from torch import nn

import tracer
from tests.models.zoo import tokens, transformers

__all__ = ["CASES", "table"]

Call = Callable[[], Any]


def _generates(model: str, config: str, **settings: Any) -> Callable[[], Call]:
    def make() -> Call:
        t = transformers()
        net = getattr(t, model)(getattr(t, config)(vocab_size=100, **settings)).eval()
        prompt = tokens(8)
        return lambda: net.generate(prompt, max_new_tokens=3, do_sample=False)

    return make


def _runs(model: str, config: str, size: int = 16, **settings: Any) -> Callable[[], Call]:
    def make() -> Call:
        t = transformers()
        net = getattr(t, model)(getattr(t, config)(vocab_size=100, **settings)).eval()
        given = tokens(size, 1)
        return lambda: net(given)[0]

    return make


def _of_torch(make: Callable[[], nn.Module], *sizes: int) -> Callable[[], Call]:
    def made() -> Call:
        net, given = make().eval(), torch.ones(sizes)
        return lambda: net(given)

    return made


_REFORMER = dict(
    attn_layers=["local", "lsh"], hidden_size=16, attention_head_size=8, num_attention_heads=2, feed_forward_size=16, axial_pos_shape=[4, 4],
    axial_pos_embds_dim=[8, 8], num_buckets=4, lsh_attn_chunk_length=4, local_attn_chunk_length=4, max_position_embeddings=16, is_decoder=False,
)  # fmt: skip
_SMALL = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
CASES: dict[str, Callable[[], Call]] = {
    "GPT-2, generate": _generates("GPT2LMHeadModel", "GPT2Config", n_layer=1, n_head=2, n_embd=16, n_positions=32),
    "T5, generate": _generates(
        "T5ForConditionalGeneration", "T5Config", d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    ),
    "Reformer": _runs("ReformerModel", "ReformerConfig", **_REFORMER),
    "Mixtral": _runs("MixtralForCausalLM", "MixtralConfig", num_key_value_heads=2, num_local_experts=2, max_position_embeddings=32, **_SMALL),
    "Mamba": _runs("MambaForCausalLM", "MambaConfig", hidden_size=16, num_hidden_layers=1, state_size=4),
    "Longformer": _runs("LongformerModel", "LongformerConfig", attention_window=[4], max_position_embeddings=40, **_SMALL),
    "nn.TransformerEncoder": _of_torch(lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1), 2, 5, 8),
    "nn.LSTM": _of_torch(lambda: nn.LSTM(8, 4), 5, 2, 8),
}


def _measured(make: Callable[[], Call], engine: str) -> tuple[int, list[str]]:
    """How many graphs the first call gave, and its breaks, each as the line and what is said of it."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    call = make()
    session = tracer.Session(engine=engine)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.run(call)
    told = Counter((f"{_file(found.location)}", found.title) for found in session.graph_breaks)
    graphs = len(session.records.graphs)
    session.close()
    return graphs, [f"`{at}`: {title}{f' ({times} times)' if times > 1 else ''}" for (at, title), times in told.items()]


def _file(place: Any) -> str:
    return f"{Path(place.file).name}:{place.line}" if place is not None else "?"


def table(names: Iterable[str] = ()) -> str:
    """The counts of every model, and under them each break."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    lines = ["| model | graphs | torch.compile's | breaks | torch.compile's |", "|---|--:|--:|--:|--:|"]
    listed = []
    for name in list(names) or list(CASES):
        graphs, breaks = _measured(CASES[name], "tracer")
        their_graphs, their_breaks = _measured(CASES[name], "dynamo")
        lines.append(f"| {name} | {graphs} | {their_graphs} | {len(breaks)} | {len(their_breaks)} |")
        for whose, found in (("ours", breaks), ("torch.compile's", their_breaks)):
            listed += [f"- {name}, {whose}: {'; '.join(found)}"] if found else []
    words = "First calls, under no_grad. Places are lines of the libraries'. More graphs needn't be more breaks: T5's twelfth holds the operators before the "
    words += "break in `_get_logits_processor`, a function that torch.compile leaves to Python as a whole."
    return "\n".join([*lines, "", words, "", *listed])
