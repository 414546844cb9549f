"""Tensors in a safetensors file: memory that is shared is written once, the rest is offsets and strides.

In: tensors by name. Out: what goes into the file, and for each name the Python expression that makes the tensor from the file's
contents `held` (with the function `view` of the exported module). A tensor that has its memory for itself keeps its name there.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from tracer.errors import TracerError

__all__ = ["Layout"]

#: What safetensors has names for; others are written as bytes.
NAMED = frozenset(
    {torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8}
    | {torch.uint8, torch.bool}
)


class Layout:
    """`tensors`: for `safetensors.torch.save_file`. `texts`: name → expression. TracerError names a tensor that has no plain
    memory (sparse, quantized, of a subclass, on the meta device)."""

    def __init__(self, named: Mapping[str, torch.Tensor]):
        self.tensors: dict[str, torch.Tensor] = {}
        self.texts: dict[str, str] = {}
        shared: dict[tuple[str, int], list[str]] = {}
        for name, tensor in named.items():
            self._refuse(name, tensor)
            pointer = tensor.untyped_storage().data_ptr()
            shared.setdefault((str(tensor.device), pointer) if pointer else (name, 0), []).append(name)
        for number, names in enumerate(shared.values()):
            group = {name: named[name].detach() for name in names}
            if len(names) == 1 and group[names[0]].is_contiguous() and group[names[0]].dtype in NAMED:
                self._alone(names[0], group[names[0]])
            else:
                self._together(f"memory.{number}", group)

    def _refuse(self, name: str, tensor: torch.Tensor) -> None:
        kind = ""
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            kind = f"a {type(tensor).__name__}"
        elif tensor.layout is not torch.strided or tensor.is_quantized:
            kind = f"a {tensor.layout} tensor" if not tensor.is_quantized else "a quantized tensor"
        elif tensor.device.type == "meta" or tensor.is_conj() or tensor.is_neg():
            kind = "on the meta device" if tensor.device.type == "meta" else "a lazily conjugated or negated tensor"
        if kind:
            raise TracerError(
                f"{name} can't be saved: it is {kind}.", next="make a plain copy of it, or export to .html"
            )

    def _alone(self, name: str, tensor: torch.Tensor) -> None:
        self.tensors[name] = tensor.cpu().clone()
        self.texts[name] = f"held[{name!r}]{_moved(tensor)}"

    def _together(self, key: str, group: dict[str, torch.Tensor]) -> None:
        """The part of one storage that these tensors touch, in elements where all have one type, else in bytes."""
        spans = {name: _span(tensor) for name, tensor in group.items()}
        begin, end = min(first for first, _ in spans.values()), max(last for _, last in spans.values())
        first = next(iter(group.values()))
        kinds = {tensor.dtype for tensor in group.values()}
        kind = first.dtype if len(kinds) == 1 and first.dtype in NAMED else torch.uint8
        largest = max(tensor.element_size() for tensor in group.values())
        begin -= begin % largest
        raw = torch.empty(0, dtype=torch.uint8, device=first.device)
        raw.set_(first.untyped_storage(), begin, (max(end - begin, 0),), (1,))  # type: ignore[call-overload]
        self.tensors[key] = raw.cpu().clone().view(kind)
        for name, tensor in group.items():
            offset = tensor.storage_offset() - begin // tensor.element_size()
            shape, stride = tuple(tensor.shape), tuple(tensor.stride())
            self.texts[name] = f"view(held[{key!r}], {tensor.dtype}, {shape}, {stride}, {offset}){_moved(tensor)}"


def _moved(tensor: torch.Tensor) -> str:
    return "" if tensor.device.type == "cpu" else f".to({str(tensor.device)!r})"


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """The bytes of its storage that a tensor lies in."""
    size, begin = tensor.element_size(), tensor.storage_offset()
    if not tensor.numel():
        return begin * size, begin * size
    reach = sum((length - 1) * step for length, step in zip(tensor.shape, tensor.stride(), strict=True))
    return begin * size, (begin + reach + 1) * size
