"""Deep copies of what a call was given: aliasing kept, the originals untouched, each choice about tensors in one place.

In: any Python values. Out: copies in which views share storage as before, one object met twice stays one object, and what
can't be copied is the original, listed in `notes`; in `used_up` where using the original would use it up. Functions, classes and
Python modules are never copied, nor what is put right in its place (see `tracer.rerun.places`).

Several copiers in turn may fill one object again, so that what is copied once for each call stays one object (see `Same`).
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import copy
import copyreg
import enum
import functools
import io
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import torch

from ..compat.copies import plain_dispatch, set_bits
from ..compat.overriding import is_followed, is_plain, made_of, unseen
from ..compat.python_classes import can_be_given, is_python_class
from ..compat.wrappers import are_settings, is_optimized, note_identity, over, wrapper_of
from ..protocol.instances import instance_dict

__all__ = ["Copier", "Names", "Same"]

_ATOMIC = (
    type(None), bool, int, float, complex, str, bytes, type, type(...), type(NotImplemented), slice, range, object,
    types.BuiltinFunctionType, types.CodeType, types.ModuleType, types.MethodWrapperType, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, property, torch.dtype, torch.device,
    torch.Size, torch.layout, torch.memory_format, contextvars.ContextVar, contextvars.Token,
)  # fmt: skip
_IMMUTABLE = frozenset(_ATOMIC)


#: What holds its values for a thread or a process, or by which a program knows it: the values are put right in it.
_IN_PLACE = (threading.local, enum.Enum)


def is_member(value: Any) -> bool:
    """Whether `value` is one of the constants of its class, as those of enumerations made in C++ are (torch's `SDPBackend`): a copy is another one."""
    members = None if can_be_given(type(value)) else getattr(type(value), "__members__", None)
    return type(members) is dict and any(member is value for member in members.values())


class Names:
    """A name for each object that can be referred to weakly; nothing is kept alive for it."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._next = 0

    def of(self, value: Any) -> int | None:
        """The name of `value`, the same each time; None where it can have none."""
        known = self._known.get(id(value))
        if known is not None and known[0]() is value:
            return known[1]
        try:
            reference = weakref.ref(value)
        except TypeError:
            return None
        self._next += 1
        self._known[id(value)] = reference, self._next
        return self._next


class Same:
    """Objects that stand for the same one in several copies, by name. `named`: what an object that is copied is a copy of."""

    def __init__(self) -> None:
        self.named: Callable[[Any], int | None] = lambda value: None
        self.made: dict[int, Any] = {}


class Copier:
    """One deep copy, perhaps of many values: what they share is shared by the copies.

    device, dtype: what tensors are moved and (floating ones) converted to; None: as they are.
    parameter:     given an `nn.Parameter`, says what stands for it; None: a copy.
    module:        hears of each module that is its attributes, before it is copied.
    names:         names the originals; `originals` says afterwards which copy is of which.
    same:          objects that were made for earlier copies and are filled again here.
    """

    def __init__(
        self,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameter: Callable[[torch.nn.Parameter], Any] | None = None,
        module: Callable[[torch.nn.Module], None] | None = None,
        names: Names | None = None,
        same: Same | None = None,
    ):
        self.device, self.dtype, self.parameter, self.module = device, dtype, parameter, module
        self._names, self._same = names, same
        self.originals: dict[int, tuple[Any, int]] = {}  # id of a copy → it, and the name of its original
        self.notes: list[str] = []
        self.used_up: list[str] = []
        self.alive: list[Any] = []  # copies that are referred to weakly only
        self.tensors = self.bytes = 0  # copies that were made
        self._memo: dict[int, Any] = {}
        self._held: list[Any] = []  # originals, so that their ids stay theirs
        self._storages: dict[Any, torch.UntypedStorage] = {}

    def copy(self, value: Any) -> Any:
        """The copy of `value`; the same one each time."""
        with plain_dispatch(), torch.no_grad():
            return self._copy(value)

    @property
    def objects(self) -> int:
        """How many were met."""
        return len(self._memo)

    def known(self, value: Any) -> Any:
        """What stands for `value` already; `value` itself where nothing does."""
        return self._memo.get(id(value), value)

    def stand_in(self, value: Any, other: Any) -> None:
        """From now on `other` is the copy of `value`."""
        self._memo[id(value)] = other
        self._held.append(value)

    def has_storage(self, tensor: torch.Tensor) -> bool:
        """Whether the storage of `tensor` was copied, for whatever tensor."""
        return tensor.layout is torch.strided and (tensor.untyped_storage()._cdata, None) in self._storages

    def _copy(self, value: Any) -> Any:
        kind = type(value)
        if kind in _IMMUTABLE:
            return value
        found = self._memo.get(id(value), self)
        if found is not self:
            return found
        self._held.append(value)
        rule = _RULES.get(kind)
        if rule is not None:
            return rule(self, value)
        if isinstance(value, type) or isinstance(value, _IN_PLACE) or is_member(value):  # a class of a metaclass
            return value
        if isinstance(value, torch.Tensor):
            return self._keep(value, self._tensor(value))
        return self._object(value)

    def _keep(self, value: Any, made: Any) -> Any:
        self._memo[id(value)] = made
        return made

    # ---- containers
    def _list(self, value: Any) -> Any:
        made = self._keep(value, type(value)())
        made.extend(self._copy(member) for member in value)
        return made

    def _deque(self, value: Any) -> Any:
        made = self._keep(value, collections.deque(maxlen=value.maxlen))
        made.extend(self._copy(member) for member in value)
        return made

    def _dict(self, value: dict[Any, Any]) -> Any:
        made = self._keep(value, {})
        for key, member in value.items():
            made[self._copy(key)] = self._copy(member)
        return made

    def _ordered(self, value: Any) -> Any:
        if value.__dict__:
            return self._object(value)
        made = self._keep(value, collections.OrderedDict())
        for key, member in value.items():
            made[self._copy(key)] = self._copy(member)
        return made

    def _set(self, value: Any) -> Any:
        return self._keep(value, type(value)([self._copy(member) for member in value]))

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        members = [self._copy(member) for member in value]
        found = self._memo.get(id(value), self)  # it may hold a list that holds it
        if found is not self:
            return found
        same = all(new is old for new, old in zip(members, value, strict=True))
        return self._keep(value, value if same else tuple(members))

    def _subclass_of_tuple(self, value: tuple[Any, ...]) -> Any:
        """Without its `__new__`, which may take other arguments than its members."""
        members = [self._copy(member) for member in value]
        made = self._keep(value, tuple.__new__(type(value), members))
        if hasattr(value, "__dict__"):
            made.__dict__.update({name: self._copy(member) for name, member in value.__dict__.items()})
        return made

    def _function(self, value: types.FunctionType) -> Any:
        """Functions aren't copied, but for what torch.compile made of a method: it holds the object."""
        wrapper = wrapper_of(value)
        if wrapper is None:
            return value
        fn = self._copy(wrapper.fn)
        return self._keep(value, value if fn is wrapper.fn else over(value, fn))

    def _method(self, value: types.MethodType) -> Any:
        return self._keep(value, types.MethodType(value.__func__, self._copy(value.__self__)))

    def _partial(self, value: Any) -> Any:
        made = functools.partial(
            self._copy(value.func),
            *[self._copy(a) for a in value.args],
            **{k: self._copy(v) for k, v in value.keywords.items()},
        )
        self._keep(value, made)
        if own := instance_dict(value):  # what the program set, which it may hold as well
            made.__dict__ = self._copy(own)
        return made

    # ---- weak references
    def _reference(self, value: weakref.ref[Any]) -> Any:
        target = value()
        copied = self._copy(target)
        if copied is target:
            return self._keep(value, value)
        self.alive.append(copied)
        return self._keep(value, weakref.ref(copied, value.__callback__))

    def _weak_keys(self, value: Any) -> Any:
        made = self._keep(value, type(value)())
        for key, member in list(value.items()):
            copied = self._copy(key)
            self.alive.append(copied)
            made[copied] = self._copy(member)
        return made

    def _weak_values(self, value: Any) -> Any:
        made = self._keep(value, type(value)())
        for key, member in list(value.items()):
            copied = self._copy(member)
            self.alive.append(copied)
            made[self._copy(key)] = copied
        return made

    def _weak_set(self, value: Any) -> Any:
        made = self._keep(value, type(value)())
        for member in list(value):
            copied = self._copy(member)
            self.alive.append(copied)
            made.add(copied)
        return made

    # ---- one object in several copies
    def _named(self, value: Any, make: Callable[[], Any]) -> Any:
        """What stands for `value`, not filled yet: made now, or for an earlier copy and emptied."""
        if self._names is not None and (name := self._names.of(value)) is not None:
            made = make()
            self.originals[id(made)] = made, name
        elif self._same is not None and (name := self._same.named(value)) is not None:
            found = self._same.made.get(name)
            made = found if type(found) is type(value) and _emptied(found) else make()
            self._same.made[name] = made
        else:
            made = make()
        return self._keep(value, made)

    # ---- anything else
    def _object(self, value: Any) -> Any:
        """By `__deepcopy__`, else by what pickling takes apart; a fault of either leaves the original in place."""
        known, held = len(self._memo), len(self._held)
        try:
            if hasattr(type(value), "__deepcopy__"):
                return self._keep(value, type(value).__deepcopy__(value, self._memo))
            if isinstance(value, tuple) and is_python_class(type(value)) and not hasattr(value, "n_sequence_fields"):
                return self._subclass_of_tuple(value)
            if isinstance(value, torch.nn.Module) and (_is_its_attributes(type(value)) or is_optimized(type(value))):
                return self._module(value)
            if are_settings(value):
                return self._keep(value, value)
            return self._rebuild(value)
        except Exception as error:
            while len(self._memo) > known:  # the newest go first
                self._memo.popitem()
            del self._held[held:]
            self._held.append(value)
            if not isinstance(value, _STATELESS):
                if _is_used_up(value):
                    self.used_up.append(f"a {type(value).__qualname__}")
                self.notes.append(
                    f"a {type(value).__qualname__} can't be copied ({type(error).__name__}): the original is used"
                )
            return self._keep(value, value)

    def _module(self, value: torch.nn.Module) -> Any:
        """A module that is its attributes, as nearly all are."""
        if self.module is not None:
            self.module(value)
        made = self._named(value, lambda: object.__new__(type(value)))
        members = object.__getattribute__(made, "__dict__")
        for name, member in object.__getattribute__(value, "__dict__").items():
            members[name] = self._copy(member)
        note_identity(made)
        return made

    def _rebuild(self, value: Any) -> Any:
        parts = _taken_apart(value)
        if isinstance(parts, str):
            return self._keep(value, value)
        function, arguments, state, members, items = (*parts, None, None, None)[:5]
        copied = [self._copy(argument) for argument in arguments]
        if function is copyreg.__newobj__ and len(arguments) == 1:  # type: ignore[attr-defined]
            made = self._named(value, lambda: function(*copied))
        else:
            made = self._keep(value, function(*copied))
        if type(made) is not type(value):
            self.notes.append(f"a {type(value).__qualname__} is copied as a {type(made).__qualname__}")
        if state is not None:
            own = instance_dict(value)
            is_own = own is not None and (state[0] if isinstance(state, tuple) and len(state) == 2 else state) is own
            if is_own and not _takes_a_dict(type(made)):
                self._fill(made, own)
                return made
            state = self._copy(state)
            if hasattr(made, "__setstate__"):
                made.__setstate__(state)
            else:
                plain, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
                if is_own:  # which the program may hold as well
                    object.__setattr__(made, "__dict__", plain)
                elif plain:
                    made.__dict__.update(plain)
                for name, member in (slots or {}).items():
                    setattr(made, name, member)
        for member in members or ():
            made.append(self._copy(member))
        for key, member in items or ():
            made[self._copy(key)] = self._copy(member)
        return made

    def _fill(self, made: Any, own: Any) -> None:
        """The dict of an instance into that of its copy, which can't be exchanged; so it stands for the original's wherever that is held."""
        members: Any = instance_dict(made)
        if id(own) in self._memo:
            self.notes.append(f"what holds the `__dict__` of a {type(made).__qualname__} holds another one in the copy")
        else:
            self._keep(own, members)
            self._held.append(own)
        members.update({self._copy(name): self._copy(member) for name, member in own.items()})

    # ---- tensors
    def _tensor(self, tensor: torch.Tensor) -> Any:
        if isinstance(tensor, torch.nn.Parameter) and self.parameter is not None:
            return self.parameter(tensor)
        return self.copied(tensor)

    def copied(self, tensor: torch.Tensor) -> Any:
        """A copy of the tensor, also where something else stands for it."""
        self.tensors += 1
        with unseen():
            return self._copied(tensor)

    def _copied(self, tensor: torch.Tensor) -> Any:
        cls = type(tensor)
        known = is_plain(cls) or is_followed(tensor) and all(getattr(cls, name) is getattr(torch.Tensor, name) for name in _COPYING)
        if not known or tensor.layout is not torch.strided or tensor.is_quantized:
            return self._unusual(tensor)
        with torch.inference_mode(tensor.is_inference()):
            made = self._data(tensor)
            if not is_plain(cls):
                made = made_of(cls, made)
            elif isinstance(tensor, torch.nn.Parameter):
                made = torch.nn.Parameter(made, tensor.requires_grad)
            elif cls is not torch.Tensor:
                made = torch.nn.Buffer(made, persistent=getattr(tensor, "persistent", True))
        if tensor.requires_grad and not tensor.is_leaf:
            with torch.enable_grad():
                made = _NonLeaf.apply(torch.empty(0, requires_grad=True), [made])
        elif tensor.requires_grad:
            made.requires_grad_()
        self._memo[id(tensor)] = made
        if tensor.is_leaf and tensor.grad is not None:
            made.grad = self._copy(tensor.grad)
        if tensor._backward_hooks:
            self.notes.append("hooks of a tensor are not copied")
        for name, member in tensor.__dict__.items():  # mark_dynamic's marks among them
            made.__dict__[name] = self._copy(member)
        return made

    def _data(self, tensor: torch.Tensor) -> torch.Tensor:
        """Data alone: the same offset and strides over a copy of the storage."""
        dtype = self.dtype if self.dtype is not None and tensor.dtype.is_floating_point else tensor.dtype
        storage = self._storage(tensor, dtype)
        made = torch.empty(0, dtype=dtype, device=storage.device)
        made.set_(storage, tensor.storage_offset(), tensor.size(), tensor.stride())
        set_bits(made, tensor)
        return made

    def _storage(self, tensor: torch.Tensor, dtype: torch.dtype) -> torch.UntypedStorage:
        storage = tensor.untyped_storage()
        key = (storage._cdata, dtype if dtype is not tensor.dtype else None)
        found = self._storages.get(key)
        if found is None:
            self._held.append(storage)
            self.bytes += storage.nbytes()
            device = self.device if self.device is not None else storage.device
            itemsize = tensor.dtype.itemsize if dtype is not tensor.dtype else 1
            whole = torch.empty(0, dtype=tensor.dtype if itemsize > 1 else torch.uint8, device=storage.device)
            whole.set_(storage, 0, (storage.nbytes() // itemsize,), (1,))
            found = self._storages[key] = whole.to(
                device=device, dtype=dtype if itemsize > 1 else torch.uint8, copy=True
            ).untyped_storage()
        return found

    def _unusual(self, tensor: torch.Tensor) -> Any:
        """Sparse and quantized tensors, subclasses: torch's own copy, moved and converted as a whole."""
        try:
            made = copy.deepcopy(tensor, self._memo)
            if self.device is not None or self.dtype is not None and made.is_floating_point():
                made = made.to(device=self.device, dtype=self.dtype if made.is_floating_point() else None)
            return made
        except Exception as error:
            self.notes.append(
                f"a {type(tensor).__qualname__} can't be copied ({type(error).__name__}): the original is used"
            )
            return tensor


def _is_its_attributes(cls: type) -> bool:
    """Whether nothing of the class says how it is pickled, and there are no slots."""
    return all(getattr(cls, name) is getattr(torch.nn.Module, name) for name in _PICKLING) and not any(
        "__slots__" in c.__dict__ for c in cls.__mro__
    )


#: How a class of tensors says what a copy of one is.
_COPYING = ("__deepcopy__", "__new__", "__reduce_ex__")
_PICKLING = ("__new__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")


def _as_held(value: Any, parts: Any) -> Any:
    """`parts` with what an instance of a builtin's subclass holds, where a builtin's own method put there what the class's iteration says."""
    cls = type(value)
    if not isinstance(parts, tuple) or cls.__reduce_ex__ is not object.__reduce_ex__:
        return parts
    made = list(parts) + [None] * (5 - len(parts))
    members: Any
    for members in (set, frozenset):
        if issubclass(cls, members) and cls.__reduce__ is members.__reduce__:
            made[1] = ([*members.__iter__(value)],)
    for members in (list, collections.deque):
        if issubclass(cls, members) and cls.__reduce__ in (object.__reduce__, collections.deque.__reduce__) and made[3] is not None:
            made[3] = members.__iter__(value)
    for members in (collections.OrderedDict, dict):
        known = (object.__reduce__, members.__reduce__, collections.defaultdict.__reduce__)
        if issubclass(cls, members) and cls.__reduce__ in known and made[4] is not None:
            made[4] = members.items(value)
            break
    return tuple(made)


def _taken_apart(value: Any) -> Any:
    """As for pickling; the list of slots that pickling leaves on a class is taken away again, for the program to find none."""
    cls = type(value)
    copier = copyreg.dispatch_table.get(cls)
    if copier is not None:
        return copier(value)
    marked = "__slotnames__" in cls.__dict__
    try:
        return _as_held(value, value.__reduce_ex__(4))
    finally:
        if not marked and "__slotnames__" in cls.__dict__:
            type.__delattr__(cls, "__slotnames__")


class _NonLeaf(torch.autograd.Function):
    """A tensor that requires grad and has a history, of which nothing is known any more: gradients end here."""

    @staticmethod
    def forward(ctx: Any, anchor: torch.Tensor, holder: list[torch.Tensor]) -> torch.Tensor:
        return holder[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, None


def _takes_a_dict(cls: type) -> bool:
    """Whether the `__dict__` of an instance can be set; not so of a C class whose member it is, such as SimpleNamespace."""
    holder = next((base.__dict__["__dict__"] for base in cls.__mro__ if "__dict__" in base.__dict__), None)
    return not isinstance(holder, types.MemberDescriptorType)


def _emptied(made: Any) -> bool:
    """Takes away all that an instance holds; False where it can't be told what that is."""
    kind = type(made)
    members: Any
    for members in (list, dict, set, collections.deque):
        if issubclass(kind, members):
            members.clear(made)
    for cls in kind.__mro__:
        for slot in cls.__dict__.values() if is_python_class(cls) else ():
            if type(slot) is types.MemberDescriptorType:
                with contextlib.suppress(AttributeError):  # it is empty
                    slot.__delete__(made)
    members = getattr(made, "__dict__", {})
    if type(members) is not dict:
        return False
    members.clear()
    return True


def _is_used_up(value: Any) -> bool:
    """Whether running anything on it leaves less of it: iterators, coroutines."""
    kind = type(value)
    return not isinstance(value, io.IOBase) and any(hasattr(kind, name) for name in ("__next__", "__anext__", "send"))


_STATELESS = (type(threading.Lock()), type(threading.RLock()))

_RULES: dict[type, Callable[[Copier, Any], Any]] = {
    list: Copier._list,
    dict: Copier._dict,
    collections.OrderedDict: Copier._ordered,
    tuple: Copier._tuple,
    set: Copier._set,
    frozenset: Copier._set,
    collections.deque: Copier._deque,
    types.FunctionType: Copier._function,
    types.MethodType: Copier._method,
    functools.partial: Copier._partial,
    weakref.ref: Copier._reference,
    weakref.WeakKeyDictionary: Copier._weak_keys,
    weakref.WeakValueDictionary: Copier._weak_values,
    weakref.WeakSet: Copier._weak_set,
}
