"""Which sizes and numbers of a frame's inputs are symbolic: asked for, marked by the user, or seen to change between compiles."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import get_ident
from typing import TYPE_CHECKING, Any

from ..codegen.resume import original_of
from ..compat import dims_marked, shape_specs
from ..compat.shape_specs import Bounds

if TYPE_CHECKING:
    from ..compat.marks import DimMarks
    from ..config import TraceConfig
    from ..context import Context
    from ..overrides import Override
    from ..sources import Source
    from ..whatif import Pins

__all__ = ["Dynamism", "FrameDynamism"]


class Dynamism:
    """A session's memory: for each (code, source) the sizes or the number seen at the last compile, and what moved."""

    def __init__(self, config: TraceConfig, pins: Pins | None = None):
        self.config, self.pins = config, pins
        self.sizes: dict[tuple[int, str], tuple[int, ...]] = {}
        self.moved: dict[tuple[int, str], set[int]] = {}
        self.numbers: dict[tuple[int, str], Any] = {}
        self.changing: set[tuple[int, str]] = set()
        self.known: set[int] = set()  # code that another session had compiled, of whose call this is a re-run
        self.codes: dict[int, Any] = {}  # what the ids stand for, so that they stay theirs
        self.given: dict[int, bool] = {}  # by thread: `dynamic` of the torch.compile whose function runs there

    @contextlib.contextmanager
    def told(self, dynamic: bool) -> Iterator[None]:
        """What this thread compiles meanwhile goes by `dynamic`, unless the session has a setting of its own."""
        ident = get_ident()
        before = self.given.get(ident)
        self.given[ident] = dynamic
        try:
            yield
        finally:
            if before is None:
                del self.given[ident]
            else:
                self.given[ident] = before

    def of(self, code: Any, known: bool) -> FrameDynamism:
        self.codes[id(code)] = code
        return FrameDynamism(self, id(code), known or id(code) in self.known)

    def remembered(self, code: Any) -> tuple[tuple[str, str], ...]:
        """What earlier compiles of this code saw change, as (source or source[dimension], "automatic"); these are symbolic now,
        unless the configuration or a mark says otherwise. What is seen to change first in this compile isn't among them."""
        if not self.moved and not self.changing:
            return ()
        sizes = [(f"{source}[{dim}]", "automatic") for (of, source), dims in self.moved.items() if of == id(code) for dim in sorted(dims)]
        return (*sizes, *((source, "automatic") for of, source in sorted(self.changing) if of == id(code)))


class FrameDynamism:
    """The view of one compile. `known`: the code has entries already, so a difference is a change, not a first sight.
    `reasons`: (source, dimension or None for a number) → why it is symbolic."""

    def __init__(self, memory: Dynamism, code: int, known: bool):
        self.memory, self.code, self.known = memory, code, known
        self.reasons: dict[tuple[str, int | None], str] = {}
        self.bounds: dict[str, dict[int, tuple[int | None, int | None]]] = {}  # of dimensions that an override bounds
        self.declared: dict[str, dict[int, Bounds]] = {}  # of dimensions that `dynamic_shapes` names
        self.dynamic = memory.config.dynamic
        if self.dynamic is None and memory.given and memory.config.dynamic_shapes is None:
            self.dynamic = memory.given.get(get_ident())

    @property
    def from_data(self) -> bool:
        """Whether operators may give numbers and sizes that data decides, so that a shape environment is there from the start."""
        config = self.memory.config
        return config.capture_scalar_outputs or config.capture_dynamic_output_shape_ops or config.fullgraph

    @property
    def _everything(self) -> bool:
        config = self.memory.config
        return self.dynamic is True or self.dynamic is None and not config.assume_static_by_default

    @property
    def _automatic(self) -> bool:
        return self.dynamic is not False and self.memory.config.automatic_dynamic_shapes

    def dims(self, source: Source, value: Any, static: bool = False) -> dict[int, str]:
        """Dimensions of a tensor that are symbolic, and how. `static`: none is, whatever was said or seen."""
        key = (self.code, source.text)
        marks = dims_marked(value)
        sizes = tuple(value.shape)
        last = self.memory.sizes.get(key)
        moved = self.memory.moved.setdefault(key, set())
        if self.known and last is not None and len(last) == len(sizes):
            moved.update(i for i, (a, b) in enumerate(zip(last, sizes, strict=True)) if a != b)
        self.memory.sizes[key] = sizes
        if static:
            return {}
        fixed = _is_static(source, value)
        pins = self.memory.pins
        pinned = pins.dims_of(source.text, sizes, getattr(value, "names", ())) if pins is not None and pins.dims else {}
        declared = self._declared(source, sizes) if self.memory.config.dynamic_shapes is not None else None
        chosen: dict[int, str] = {}
        for dim, size in enumerate(sizes):
            if dim in pinned:
                how, why = self._pinned(source, dim, pinned[dim])
            elif declared is not None:
                how, why = ("unbacked", "dynamic_shapes") if dim in declared else ("", "")
            else:
                how, why = self._dim(dim, size, marks, fixed, dim in moved)
            if how:
                chosen[dim] = how
                self.reasons[source.text, dim] = f"symbolic: {why}"
        return chosen

    def _dim(self, dim: int, size: int, marks: DimMarks, static: bool, moved: bool) -> tuple[str, str]:
        if dim in marks.unbacked:
            return "unbacked", "mark_unbacked"
        if dim in marks.dynamic:
            return "dynamic", "mark_dynamic"
        if dim in marks.static or static or size < 2:
            return "", ""
        if self._everything:
            return "duck", "dynamic=True" if self.dynamic else "assume_static_by_default=False"
        if moved and self._automatic:
            return "duck", "it changed between calls"
        if dim in marks.maybe_dynamic and self.dynamic is not False:
            return "duck", "maybe_mark_dynamic"
        return "", ""

    def _declared(self, source: Source, sizes: tuple[int, ...]) -> dict[int, Bounds]:
        """Dimensions that `dynamic_shapes` names. A size that it doesn't allow is an error of the caller's."""
        said = shape_specs.sizes(self.memory.config.dynamic_shapes, self._origin(), source)
        if said is None:
            return {}
        if len(said) != len(sizes):
            raise shape_specs.SpecViolated(
                f"dynamic_shapes says that {source.text} has {len(said)} dimensions, and it has {len(sizes)}", next="give it a TensorSpec of that length"
            )
        for dim, (size, wanted) in enumerate(zip(sizes, said, strict=True)):
            _allowed(f"{source.text}.shape[{dim}]", size, wanted)
        found = self.declared[source.text] = {dim: wanted for dim, wanted in enumerate(said) if isinstance(wanted, Bounds)}
        return found

    def _origin(self) -> Any:
        return original_of(self.memory.codes[self.code])[0]

    def _pinned(self, source: Source, dim: int, override: Override) -> tuple[str, str]:
        if override.action == "static":
            return "", ""
        if override.bounds != (None, None):
            self.bounds.setdefault(source.text, {})[dim] = override.bounds
        return "own", f"override {override.text}"

    def within(self, source: Source) -> tuple[tuple[int, int | None, int | None], ...]:
        """(dimension, least, most) of what `dynamic_shapes` bounds; a size is never negative."""
        declared = self.declared.get(source.text)
        if not declared:
            return ()
        return tuple((dim, least, most) for dim, (least, most) in declared.items() if least or most is not None)

    def ranges(self, value: Any) -> dict[int, tuple[int | None, int | None]]:
        """Bounds given to mark_dynamic."""
        return dims_marked(value).ranges

    def wants(self, ctx: Context, source: Source, value: int) -> bool:
        """Whether a Python integer among the inputs is symbolic."""
        config, key = self.memory.config, (self.code, source.text)
        last = self.memory.numbers.get(key)
        if self.known and last is not None and last != value:
            self.memory.changing.add(key)
        self.memory.numbers[key] = value
        if config.dynamic_shapes is not None:
            return self._declared_number(ctx, source, value)
        pins = self.memory.pins
        pinned = pins.number(source.text, value) if pins is not None and pins.numbers else None
        if pinned is not None:
            self.reasons[source.text, None] = f"symbolic: override {pinned.text}"
            if pinned.action == "constant" or not -_LARGEST <= value < _LARGEST:
                del self.reasons[source.text, None]
            return (source.text, None) in self.reasons
        if config.specialize_int or self.dynamic is False or value in (0, 1) or not -_LARGEST <= value < _LARGEST:
            return False
        if key in self.memory.changing and self._automatic and _may_change(ctx, source, config):
            self.reasons[source.text, None] = "symbolic: it changed between calls"
            return True
        if self._everything and _is_argument(source):
            self.reasons[source.text, None] = "symbolic: dynamic=True"
            return True
        return False

    def _declared_number(self, ctx: Context, source: Source, value: int) -> bool:
        wanted = shape_specs.leaf(self.memory.config.dynamic_shapes, self._origin(), source)
        _allowed(source.text, value, wanted)
        if not isinstance(wanted, Bounds) or not -_LARGEST <= value < _LARGEST:
            return False
        if wanted != (None, None):
            ctx.guard(source, "WITHIN", ((None, *wanted),))
        self.reasons[source.text, None] = "symbolic: dynamic_shapes"
        return True


def _allowed(text: str, number: int, wanted: Any) -> None:
    if isinstance(wanted, Bounds):
        least, most = wanted
        if (least is None or number >= least) and (most is None or number <= most):
            return
        said = f"from {least} to {most}" if None not in wanted else f"at least {least}" if most is None else f"at most {most}"
    elif type(wanted) is int and wanted != number:
        said = str(wanted)
    else:
        return
    raise shape_specs.SpecViolated(f"dynamic_shapes says that {text} is {said}, and it is {number}", next="call it with what was said, or say otherwise")


#: Symbolic integers are 64 bits wide.
_LARGEST = 1 << 63


def _is_static(source: Source, value: Any) -> bool:
    """Parameters and buffers keep their sizes."""
    import torch

    if isinstance(value, torch.nn.Parameter):
        return True
    base = source.base
    return base is not None and base.kind == "item" and base.key in ("_parameters", "_buffers")


def _is_argument(source: Source) -> bool:
    """Arguments and what is in containers among them."""
    node: Source | None = source
    while node is not None:
        if node.kind in ("dict", "attr", "namespace", "pinned", "type"):
            return False
        node = node.base
    return True


def _may_change(ctx: Context, source: Source, config: TraceConfig) -> bool:
    """Numbers on modules, and on what modules hold, stay constants unless the configuration says otherwise; so do those of
    functions and classes."""
    import torch

    from ..variables import ObjectVariable

    node: Source | None = source
    while node is not None:
        if node.kind in ("type", "pinned"):
            return False
        if node.kind in ("dict", "attr") and node.base is not None:
            owner = ctx.by_source.get(node.base)
            if not isinstance(owner, ObjectVariable):
                return False
            if issubclass(owner.python_type(), torch.nn.Module) and not config.allow_unspec_int_on_nn_module:
                return False
        node = node.base
    return True
