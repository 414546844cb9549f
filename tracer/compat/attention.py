"""What torch says of the results of its attention over functions, which it has no rule for under a fake mode that isn't its own."""

from __future__ import annotations

import sys
from typing import Any

import torch

__all__ = ["attention_results", "picks_by_tensors"]


def picks_by_tensors(mode: type) -> bool:
    """Whether this is the torch-function mode under which `x[i]` picks by a tensor with one number, where a mask is made of a function."""
    home = sys.modules.get("torch._dynamo._trace_wrapped_higher_order_op")
    return home is not None and mode is getattr(home, "TransformGetItemToIndex", None)


def attention_results(query: Any, value: Any) -> list[Any]:
    """Fakes of what `flex_attention` gives for these: the result, laid out as `query` is, and two statistics of each row."""
    from torch._higher_order_ops.flex_attention import _permute_strides

    batch, heads, length, _ = query.shape
    with torch.no_grad():
        result = _permute_strides(query.new_empty((batch, heads, length, value.shape[-1])), query.stride())
        return [result, *(query.new_empty((batch, heads, length), dtype=torch.float32) for _ in range(2))]
