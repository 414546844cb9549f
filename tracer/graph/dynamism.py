"""Which sizes and numbers of a frame's inputs are symbolic: asked for, marked by the user, or seen to change between compiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat import dims_marked

if TYPE_CHECKING:
    from ..config import TraceConfig
    from ..sources import Source

__all__ = ["Dynamism", "FrameDynamism"]


class Dynamism:
    """A session's memory: for each (code, source) the sizes or the number seen at the last compile, and what moved."""

    def __init__(self, config: TraceConfig):
        self.config = config
        self.sizes: dict[tuple[int, str], tuple[int, ...]] = {}
        self.moved: dict[tuple[int, str], set[int]] = {}
        self.numbers: dict[tuple[int, str], Any] = {}
        self.changing: set[tuple[int, str]] = set()
        self._kept: list[Any] = []

    def of(self, code: Any, known: bool) -> FrameDynamism:
        self._kept.append(code)
        return FrameDynamism(self, id(code), known)


class FrameDynamism:
    """The view of one compile. `known`: the code has entries already, so a difference is a change, not a first sight."""

    def __init__(self, memory: Dynamism, code: int, known: bool):
        self.memory, self.code, self.known = memory, code, known
        self.used: dict[str, str] = {}

    @property
    def possible(self) -> bool:
        """Whether anything of this compile may be symbolic, so that it needs a shape environment."""
        config = self.memory.config
        if config.capture_scalar_outputs or config.capture_dynamic_output_shape_ops or config.fullgraph:
            return True
        return config.dynamic is True or (self.known and config.dynamic is None and config.automatic_dynamic_shapes)

    def dims(self, source: Source, value: Any) -> dict[int, str]:
        """Dimensions of a tensor that are symbolic, and how."""
        config, key = self.memory.config, (self.code, source.text)
        marks = dims_marked(value)
        chosen: dict[int, str] = {}
        sizes = tuple(value.shape)
        last = self.memory.sizes.get(key)
        moved = self.memory.moved.setdefault(key, set())
        if self.known and last is not None and len(last) == len(sizes):
            moved.update(i for i, (a, b) in enumerate(zip(last, sizes, strict=True)) if a != b)
        self.memory.sizes[key] = sizes
        static = _is_static(source, value)
        for dim, size in enumerate(sizes):
            if dim in marks.static or static and dim not in marks.dynamic:
                continue
            if dim in marks.unbacked:
                chosen[dim] = "unbacked"
            elif dim in marks.dynamic:
                chosen[dim] = "dynamic"
            elif size > 1 and (config.dynamic is True or dim in moved and config.dynamic is None and config.automatic_dynamic_shapes):
                chosen[dim] = "duck"
            elif dim in marks.maybe_dynamic and size > 1 and config.dynamic is not False:
                chosen[dim] = "duck"
        if chosen:
            self.used[source.text] = ", ".join(f"{d}: {how}" for d, how in chosen.items())
        return chosen

    def wants(self, source: Source, value: int) -> bool:
        """Whether a Python integer among the inputs is symbolic."""
        config, key = self.memory.config, (self.code, source.text)
        last = self.memory.numbers.get(key)
        if self.known and last is not None and last != value:
            self.memory.changing.add(key)
        self.memory.numbers[key] = value
        if config.specialize_int or config.dynamic is False or value in (0, 1) or not _is_argument(source, config):
            return False
        wanted = config.dynamic is True or key in self.memory.changing and config.automatic_dynamic_shapes
        if wanted and self.possible:
            self.used[source.text] = "symbolic"
        return wanted and self.possible


def _is_static(source: Source, value: Any) -> bool:
    """Parameters and buffers keep their sizes."""
    import torch

    if isinstance(value, torch.nn.Parameter):
        return True
    base = source.base
    return base is not None and base.kind == "item" and base.key in ("_parameters", "_buffers")


def _is_argument(source: Source, config: TraceConfig) -> bool:
    """Arguments and what is in containers among them; numbers on modules only where the configuration says so."""
    node: Source | None = source
    while node is not None:
        if node.kind in ("dict", "attr", "namespace", "pinned", "type"):
            return bool(config.allow_unspec_int_on_nn_module) and node.kind == "dict"
        node = node.base
    return True
