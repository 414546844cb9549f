"""Fake tensors: torch's modes and shape environments, and a cheap way to make fakes of ordinary tensors.

`fake_of` makes a fake that shows the same attributes as `FakeTensorMode.from_tensor` would, for a tenth of its cost
where the tensor is an ordinary one: strided, no view, no subclass but Parameter, a leaf, storage no larger than itself.
Everything else goes through `from_tensor`. Two tensors that share storage get fakes that do.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch._guards import Source as TorchSource
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode
from torch._subclasses.functional_tensor import FunctionalTensor
from torch.multiprocessing.reductions import StorageWeakRef

from ..errors import TracerError

__all__ = [
    "DataDependentOutputException",
    "FakeTensor",
    "FakeTensorMode",
    "ShapeEnv",  # noqa: F822 — loaded when used
    "add_shapes",
    "context_of",
    "expect",
    "fake_mode_of_backends",
    "fake_of",
    "fake_symbolic",
    "forget_stale",
    "is_constraint_violation",
    "item_of",
    "is_fake",
    "has_symbols",
    "is_symbolic",
    "is_traced",
    "is_unbacked",
    "mark_violated",
    "new_fake_mode",
    "python_dispatcher",
    "remake",
    "size_hint",
    "symbol_of",
    "symbol_sources",
    "symbolic_number",
    "unbacked_bindings",
    "with_real_tensors",
]

_thread = torch._subclasses.fake_tensor.fake_tensor_tls
_no_dispatch = torch._C._DisableTorchDispatch
_keys = torch._C._dispatch_keys
_unset_mode, _FAKE = torch._C._unset_dispatch_mode, torch._C._TorchDispatchModeKey.FAKE


def __getattr__(name: str) -> Any:
    if name == "ShapeEnv":  # sympy takes a third of a second to load
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        globals()[name] = ShapeEnv
        return ShapeEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if hasattr(torch._subclasses.fake_tensor, "is_fake_tensor"):  # 2.14: fakes may live in C++
    is_fake = torch._subclasses.fake_tensor.is_fake_tensor
else:

    def is_fake(value: Any) -> bool:
        """Whether `value` is a fake tensor."""
        return isinstance(value, FakeTensor)


def is_traced(value: Any) -> bool:
    """Whether a backend that traces a graph anew runs it on `value`."""
    return isinstance(value, torch.Tensor) and (is_fake(value) or isinstance(value, FunctionalTensor))


class WatchedFakeMode(FakeTensorMode):
    """A fake mode that tells `watch` of every overload before it runs, with its arguments; of those that run inside another
    one as well, `watch.depth` deep."""

    watch: Any = None

    def dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            watch = self.watch
            if watch is None:
                return super().dispatch(func, types, args, kwargs)
            watch.saw(func, args, kwargs or {})
            watch.depth += 1
            try:
                return super().dispatch(func, types, args, kwargs)
            finally:
                watch.depth -= 1
        except BaseException:
            # C++ took the mode off for this call and puts it back behind it: where it finds one, which an interrupted `__exit__` left, the
            # process ends.
            _unset_mode(_FAKE)
            raise


def new_fake_mode(shape_env: Any = None, **options: Any) -> FakeTensorMode:
    """A fake mode to trace in, over `shape_env`; None means that all sizes are static."""
    return WatchedFakeMode(shape_env=shape_env, **options)


def fake_mode_of_backends(shape_env: Any = None, like: FakeTensorMode | None = None) -> FakeTensorMode:
    """A fake mode for a backend, of torch's own class: by that torch finds the rules of higher-order operators. `like`: the mode that the
    graph was made in."""
    mode = FakeTensorMode(shape_env=shape_env)
    if like is not None:
        mode.allow_scalar_outputs = like.allow_scalar_outputs
    return mode


# --- lean fakes -------------------------------------------------------------------------------------------------------


def _ordinary_keys() -> frozenset[Any]:
    """Dispatch keys that only ordinary CPU tensors and parameters have: no conjugate or negative bit, no Python
    subclass, nothing sparse, quantized, nested, named, wrapped by functorch, made in inference mode."""
    return frozenset({_keys(torch.empty(0)).raw_repr()})


def _lean_keys(device: torch.device) -> frozenset[Any]:
    found = _KEYS.get(device.type)
    if found is None:
        try:
            with torch.inference_mode(False), torch._C._DisableTorchDispatch():
                found = frozenset({_keys(torch.empty(0, device=device)).raw_repr()})
        except Exception:  # a device that can't make an empty tensor: from_tensor knows better
            found = frozenset()
        _KEYS[device.type] = found
    return found


#: What an ordinary tensor of a device looks like. Filled once per kind of device: a fact about torch, not state.
_KEYS: dict[str, frozenset[Any]] = {"cpu": _ordinary_keys(), "meta": frozenset()}
_PLAIN = (torch.Tensor, torch.nn.Parameter)


class _Lean:
    """What is known of a storage that a lean fake stands for: nothing here keeps a tensor alive, real or fake."""

    __slots__ = ("fake", "is_base", "real", "reference", "storage")

    def __init__(self, reference: StorageWeakRef, real: torch.Tensor, storage: Any):
        self.reference, self.storage = reference, storage
        self.real: Callable[[], torch.Tensor | None] = weakref.ref(real)
        self.fake: Callable[[], FakeTensor | None] = lambda: None
        self.is_base = False

    def fake_for(self, tensor: torch.Tensor) -> FakeTensor | None:
        return self.fake() if self.real() is tensor else None

    def stands_for_base(self, real: torch.Tensor, fake: FakeTensor) -> None:
        """Views refer to this fake of `real`, so there must be no other."""
        self.real, self.fake, self.is_base = weakref.ref(real), weakref.ref(fake), True


class _Storages:
    """Which storages a mode has fakes of. Weak references pin the addresses: a number never means two storages."""

    __slots__ = ("lean", "slow")

    def __init__(self) -> None:
        self.lean: dict[int, _Lean] = {}
        self.slow: dict[int, StorageWeakRef] = {}


def _is_lean(tensor: torch.Tensor) -> bool:
    return (
        type(tensor) in _PLAIN
        and _keys(tensor).raw_repr() in _lean_keys(tensor.device)
        and tensor.layout is torch.strided
        and not tensor._is_view()
        and (tensor.is_leaf or not tensor.requires_grad)
    )


def _extent(tensor: torch.Tensor) -> int:
    """Bytes that a new tensor of these sizes and strides would own."""
    extent = 1
    for size, stride in zip(tensor.shape, tensor.stride()):
        if size == 0:
            return 0
        extent += (size - 1) * stride
    return extent * tensor.element_size()


def fake_of(mode: FakeTensorMode, tensor: torch.Tensor) -> FakeTensor:
    """A fake of `tensor`, with static sizes.

    Kept: sizes, strides, offset, dtype, device, requires_grad, leafness, whether it is a Parameter, grad, and which
    tensors share storage. The mode must be new for each attempt; fakes of earlier attempts know other storages.
    """
    known = _storages(mode)
    if not _is_lean(tensor):
        return _slow(mode, tensor, known)
    real = tensor.untyped_storage()
    reference = StorageWeakRef(real)
    shared = known.lean.get(reference.cdata)
    if shared is not None:
        fake = shared.fake_for(tensor) if shared.is_base else None  # a view's fake refers to it
        if fake is None:
            fake = _over(mode, tensor, shared.storage)
    elif reference.cdata in known.slow or tensor.storage_offset() or real.nbytes() != _extent(tensor):
        return _slow(mode, tensor, known)
    else:
        fake = _alone(mode, tensor)
        shared = known.lean[reference.cdata] = _Lean(reference, tensor, fake.untyped_storage())
        shared.fake = weakref.ref(fake)
    if type(tensor) is torch.nn.Parameter:
        fake._is_param = True
    if tensor.grad is not None and fake.grad is None:
        fake.grad = fake_of(mode, tensor.grad)
    return fake


def _storages(mode: FakeTensorMode) -> _Storages:
    known = mode.__dict__.get("_tracer_storages")
    if known is None:
        known = mode.__dict__["_tracer_storages"] = _Storages()
    return known


def _alone(mode: FakeTensorMode, tensor: torch.Tensor) -> FakeTensor:
    with _no_dispatch():
        meta = torch.empty_strided(
            tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta", requires_grad=tensor.requires_grad
        )
        return FakeTensor(mode, meta, tensor.device)


def _over(mode: FakeTensorMode, tensor: torch.Tensor, storage: Any) -> FakeTensor:
    with _no_dispatch():
        meta = torch.empty(0, dtype=tensor.dtype, device="meta")
        meta.set_(storage, tensor.storage_offset(), tensor.shape, tensor.stride())
        return FakeTensor(mode, meta.requires_grad_() if tensor.requires_grad else meta, tensor.device)


def _slow(mode: FakeTensorMode, tensor: torch.Tensor, known: _Storages, **how: Any) -> FakeTensor:
    base = tensor._base if type(tensor) in _PLAIN else None
    fake_base = None  # holds it: the converter's memo doesn't
    if base is not None and not how:
        fake_base = _base_fake(mode, base, known)
        mode.fake_tensor_converter.set_tensor_memo(base, fake_base)
    else:
        _remember(mode, known, tensor)
    fake = mode.from_tensor(tensor, **(how or {"static_shapes": True}))
    del fake_base
    return fake


def _base_fake(mode: FakeTensorMode, base: torch.Tensor, known: _Storages) -> FakeTensor:
    """The fake that stands for the base of a view: one object, whoever comes first."""
    key = StorageWeakRef(base.untyped_storage()).cdata if _is_lean(base) else None
    fake = known.lean[key].fake_for(base) if key in known.lean else None
    if fake is None:
        fake = fake_of(mode, base)
    if key in known.lean:
        known.lean[key].stands_for_base(base, fake)
    return fake


def _remember(mode: FakeTensorMode, known: _Storages, tensor: torch.Tensor) -> None:
    """Tell each of the two ways to make fakes which storages the other one has."""
    try:
        storage = tensor.untyped_storage()
        reference = StorageWeakRef(storage)
    except (NotImplementedError, RuntimeError):  # sparse, nested, wrappers: no storage to share
        return
    lean = known.lean.get(reference.cdata)
    if lean is None:
        known.slow[reference.cdata] = reference
    else:
        converter = mode.fake_tensor_converter.meta_converter
        converter.set_storage_memo(converter.describer.describe_storage(storage), lean.storage)


# --- symbolic sizes ---------------------------------------------------------------------------------------------------


def add_shapes(mode: FakeTensorMode, **settings: Any) -> None:
    """Give a mode that has none a ShapeEnv, in the middle of a trace: fakes made until now have static sizes."""
    if mode.shape_env is None:
        mode.shape_env = __getattr__("ShapeEnv")(**settings)
        mode.static_shapes = False


def symbolic_number(mode: FakeTensorMode, value: int, source: TorchSource) -> Any:
    """A SymInt with a symbol of its own for an integer among the inputs: of any sign, 0 and 1 are not special."""
    from torch.fx.experimental.symbolic_shapes import DimDynamic

    return mode.shape_env.create_unspecified_symint_and_symbol(value, source, DimDynamic.DYNAMIC)


def item_of(mode: FakeTensorMode, value: FakeTensor) -> Any:
    """The symbol of the number in a fake tensor. From then on the mode takes such numbers: a backend that traces the graph again meets it."""
    mode.allow_scalar_outputs = True
    return value.item()


def forget_stale(mode: FakeTensorMode, written: Any, arguments: Any) -> None:
    """After an operator that wrote: of a tensor in a list the value isn't known any more. (torch looks after those that are arguments
    themselves: it writes to the value that is known as well, or forgets it.)"""
    direct = {id(value) for value in arguments}
    for fake in written:
        constant = getattr(fake, "constant", None)  # a tensor of a transform wraps a fake
        if constant is not None and id(fake) not in direct:
            mode.fake_tensor_converter.invalidate_constant_aliases(constant)


def unbacked_bindings(mode: FakeTensorMode, value: Any) -> Any:
    """The symbols that an operator's result made up, with where in it they are found: what later passes read from
    `node.meta["unbacked_bindings"]`. None where there are none. Call it once for each operator that was run."""
    shape_env = mode.shape_env
    if shape_env is None or not shape_env.pending_fresh_unbacked_symbols:
        return None
    from torch.fx.experimental.symbolic_shapes import compute_unbacked_bindings

    return compute_unbacked_bindings(shape_env, value)


def is_unbacked(value: Any) -> bool:
    """Whether a symbolic value depends on what only data decides."""
    from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

    return bool(free_unbacked_symbols(value))


def unbacked_integer(mode: FakeTensorMode, least: int | None = None, most: int | None = None, *, bound: bool = True) -> Any:
    """A SymInt of which nothing is known but, maybe, a range. `bound`: an operator's result tells it when the graph runs; otherwise it
    stands for an input of a graph inside the graph."""
    env = mode.shape_env
    if bound:
        number = env.create_unbacked_symint()
    else:
        with env.ignore_fresh_unbacked_symbols():
            number = env.create_unbacked_symint()
    if least is not None and most is not None:
        env.constrain_symbol_range(number.node.expr, least, most)
    return number


def unbacked_float(mode: FakeTensorMode) -> Any:
    """A SymFloat of which nothing is known: the result of arithmetic that only the run of the graph makes."""
    env = mode.shape_env
    with env.ignore_fresh_unbacked_symbols():
        return env.create_unbacked_symfloat()


def expect(condition: Any) -> None:
    """Assume a symbolic truth that only data decides; `graphs.insert_asserts` adds the check."""
    from torch.fx.experimental.symbolic_shapes import expect_true

    expect_true(condition)


def python_dispatcher() -> Any:
    """A context in which operators without a kernel for symbolic sizes are decomposed in Python."""
    return torch._C._EnablePythonDispatcher()  # C++'s own: no interrupt comes between its being entered and left


def symbol_sources(mode: FakeTensorMode, value: Any) -> str:
    """Where the symbols of an expression are read, for a person: `x.shape[0], n`."""
    sources = getattr(mode.shape_env, "var_to_sources", None) or getattr(mode.shape_env, "var_to_source", {})
    found = [sources[symbol][0] for symbol in sorted(value.node.expr.free_symbols, key=str) if sources.get(symbol)]
    return ", ".join(_spelled(source) for source in found)


def _spelled(source: Any) -> str:
    prop = getattr(source, "prop", None)
    if prop is None:
        return str(source.name)
    return f"{source.base.name}.shape[{source.idx}]" if prop.name == "SIZE" else str(source.name)


def context_of(fake: Any) -> Any:
    """What a symbolic fake was made with: ShapeEnv checks the marks in it at the end."""
    return fake.__dict__.get("_tracer_context")


def fake_symbolic(
    mode: FakeTensorMode,
    tensor: torch.Tensor,
    dynamic_dims: Iterable[int] | Mapping[int, str],
    source: Any,
    *,
    ranges: Mapping[int, tuple[int | None, int | None]] | None = None,
) -> FakeTensor:
    """A fake of `tensor` whose `dynamic_dims` are symbols of the mode's ShapeEnv; the other sizes are static.

    dynamic_dims: dimensions, or dimension → "duck" (equal sizes share a symbol; the default), "dynamic" (a symbol of
                  its own, which must stay one), "own" (one that may still be specialised), "unbacked" (no hint: a branch on it can't be decided).
    source:       a torch Source, or what prints as the expression that reads the tensor, as guards should spell it.
    ranges:       dimension → (least, most), None where open; refusing other values is then the guards' duty.
    """
    from torch._dynamo.source import ConstantSource
    from torch.fx.experimental.symbolic_shapes import DimDynamic, StatelessSymbolicContext

    kinds = dict(dynamic_dims) if isinstance(dynamic_dims, Mapping) else dict.fromkeys(dynamic_dims, "duck")
    policy = {"duck": DimDynamic.DUCK, "dynamic": DimDynamic.DYNAMIC, "own": DimDynamic.DYNAMIC, "unbacked": DimDynamic.UNBACKED}
    sizes = [policy[kinds[dim]] if dim in kinds else DimDynamic.STATIC for dim in range(tensor.dim())]
    context = StatelessSymbolicContext(dynamic_sizes=sizes, constraint_sizes=_constraints(kinds, tensor.dim(), ranges))
    where = source if isinstance(source, TorchSource) else ConstantSource(source_name=str(source))
    fake = _slow(mode, _bare(tensor), _storages(mode), source=where, symbolic_context=context)
    fake.__dict__["_tracer_context"] = context
    return fake


def _bare(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without what would get symbols of its own: its gradient, the base that it is a view of. Storage, sizes,
    strides, offset and leafness are the same."""
    if not tensor.is_leaf or not tensor._is_view() and tensor.grad is None:
        return tensor
    with _no_dispatch():
        return tensor.detach().requires_grad_(tensor.requires_grad)


def _constraints(kinds: Mapping[int, str], dims: int, ranges: Mapping[int, tuple[int | None, int | None]] | None) -> list[Any]:
    """What ShapeEnv checks at the end: a dimension with a range keeps to it, one marked dynamic isn't fixed."""
    marked = [dim for dim, kind in kinds.items() if kind == "dynamic"]
    if not ranges and not marked:
        return [None] * dims
    from torch.fx.experimental.symbolic_shapes import RelaxedUnspecConstraint, StrictMinMaxConstraint
    from torch.utils._sympy.numbers import int_oo
    from torch.utils._sympy.value_ranges import ValueRanges

    found: list[Any] = [None] * dims
    for dim in marked:
        found[dim] = RelaxedUnspecConstraint(warn_only=False)
    for dim, (least, most) in (ranges or {}).items():
        if least is not None or most is not None:
            bounds = ValueRanges(lower=2 if least is None else least, upper=int_oo if most is None else most)
            found[dim] = StrictMinMaxConstraint(vr=bounds, warn_only=False)
    return found


def is_constraint_violation(error: BaseException) -> bool:
    """Whether torch refuses a size because of what `mark_dynamic` said of it."""
    return type(error).__name__ == "ConstraintViolationError"


def mark_violated(words: str, next: str) -> TracerError:
    """What the program gets where it breaks its own mark: an error of ours, and the one that torch.compile raises."""
    from torch.fx.experimental.symbolic_shapes import ConstraintViolationError

    class MarkViolated(TracerError, ConstraintViolationError):
        """A size isn't what mark_dynamic said."""

    return MarkViolated(words, next=next)


def symbol_of(size: Any) -> Any:
    """The symbol that a size is, as it was made; None where it is a number or an expression."""
    expression = getattr(size.node, "_expr", None) if isinstance(size, torch.SymInt) else None
    return expression if getattr(expression, "is_Symbol", False) else None


def is_symbolic(value: Any) -> bool:
    """Whether `value` is a SymInt, SymFloat or SymBool."""
    return isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool))


def has_symbols(tensor: torch.Tensor) -> bool:
    """Whether a size, a stride or the offset of the tensor is symbolic."""
    return bool(tensor._has_symbolic_sizes_strides)  # type: ignore[attr-defined]


def size_hint(value: Any) -> int | float | bool | None:
    """The number that a symbolic value had in this call, without a guard; None where it had none (unbacked)."""
    if not is_symbolic(value):
        return value
    node = value.node
    has_hint = getattr(node, "has_hint", None)
    if has_hint is not None and has_hint():
        return node.hint
    return getattr(node, "hint", None)


def remake(mode: FakeTensorMode, value: Any) -> Any:
    """`value` in another fake mode on the same ShapeEnv: fakes with the same symbols, anything else as it is."""
    if isinstance(value, torch.Tensor):
        return mode.from_tensor(value) if is_fake(value) else fake_of(mode, value)
    return value


@contextlib.contextmanager
def with_real_tensors() -> Iterator[None]:
    """Real tensors may meet fakes in this thread: they count as constants."""
    before = _thread.allow_non_fake_inputs_override
    _thread.allow_non_fake_inputs_override = True
    try:
        yield
    finally:
        _thread.allow_non_fake_inputs_override = before
