"""What the classes of an exported file call, as text: torch is all that it needs.

Nothing of it may be hidden by a parameter of the program: `NAMES` are reserved where classes are written.
"""

from __future__ import annotations

import re

__all__ = ["HELPERS", "NAMES"]

HELPERS = '''
def view(memory, dtype, shape, stride, offset):
    """A tensor in memory that others may share."""
    return torch.empty(0, dtype=dtype).set_(memory.untyped_storage(), offset, shape, stride)


def put(module, path, value, persistent=True):
    """Register a weight at a path, as in the module that it comes from."""
    *holders, name = path.split(".")
    for holder in holders:
        if not hasattr(module, holder):
            module.add_module(holder, torch.nn.Module())
        module = getattr(module, holder)
    if isinstance(value, torch.nn.Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value, persistent=persistent)


def ignore(module, unused):
    """Let `load_state_dict` take what the model has and the graph doesn't use."""

    def drop(_module, held, prefix, *_):
        for name in unused:
            held.pop(prefix + name, None)

    module.register_load_state_dict_pre_hook(drop)


def sized(name, value, dtype, shape):
    """ValueError unless a tensor is of the kind that was captured; None stands for any size."""
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"{name} was a tensor when this was captured, not {told(value)}")
    same = len(value.shape) == len(shape) and all(a is None or a == b for a, b in zip(shape, value.shape))
    if value.dtype != dtype or not same:
        raise ValueError(f"{name} was {dtype} {shape} when this was captured, not {value.dtype} {tuple(value.shape)}")


def told(value):
    """What an error calls a value."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of {value.dtype} {tuple(value.shape)}"
    if callable(value) and hasattr(value, "__name__"):
        return value.__name__
    try:
        text = repr(value)
    except Exception:  # a number of more digits than Python writes; an object's own way
        text = f"a {kind(value)}"
    return text if len(text) < 200 else text[:199] + "…"


def read(what, get):
    """ValueError where the arguments don't have it."""
    try:
        return get()
    except Exception as error:
        raise ValueError(f"{what} can't be read from these arguments as when this was captured ({type(error).__name__}: {error})") from None


def fits(what, get, expected):
    """ValueError unless what is read from the arguments is what it was."""
    value = read(what, get)
    if not alike(value, expected):
        raise ValueError(f"{what} was {told(expected)} when this was captured, not {told(value)}")


def holds(what, get):
    """ValueError unless a condition on sizes is true, as it was."""
    if not read(what, get):
        raise ValueError(f"{what} held when this was captured, and doesn't with these arguments")


def alike(value, expected):
    """Whether two plain values are the same: in their types, at every depth, in the sign of zero; nan is like nan."""
    if type(value) is not type(expected):
        return False
    if isinstance(expected, (float, complex)):
        return repr(value) == repr(expected)
    if isinstance(expected, (slice, range)):
        return all(alike(getattr(value, part), getattr(expected, part)) for part in ("start", "stop", "step"))
    if isinstance(expected, (tuple, list)):
        return len(value) == len(expected) and all(map(alike, value, expected))
    if isinstance(expected, frozenset):
        return len(value) == len(expected) and all(any(alike(one, other) for other in expected) for one in value)
    return value is expected or bool(value == expected)


def tensor(what, get, cls, dtype, shape, stride, device, requires_grad):
    """ValueError unless a tensor is as it was; None stands for any size or stride."""
    value = read(what, get)
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"{what} was a tensor when this was captured, not {told(value)}")
    found = {"class": type(value), "dtype": value.dtype, "layout": value.layout, "device": str(value.device)}
    found |= {"shape": tuple(value.shape), "requires_grad": value.requires_grad, "is_conj()": value.is_conj(), "is_neg()": value.is_neg()}
    wanted = {"class": cls, "dtype": dtype, "layout": torch.strided, "device": device}
    wanted |= {"shape": shape, "requires_grad": requires_grad, "is_conj()": False, "is_neg()": False}
    if value.layout is torch.strided:
        found["stride"], wanted["stride"] = value.stride(), stride
    for name, expected in wanted.items():
        actual = found[name]
        same = actual == expected
        if name in ("shape", "stride"):
            same = len(actual) == len(expected) and all(b is None or a == b for a, b in zip(actual, expected))
        if not same:
            raise ValueError(f"{what} was of {name} {expected} when this was captured, not {actual}")


def kind(value):
    """The class of a value by its name."""
    return class_name(type(value))


def class_name(cls):
    """`list`, `collections.OrderedDict`."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")


def different(*values):
    """Whether no object is there twice."""
    return len({id(value) for value in values}) == len(values)


def memory(*tensors):
    """Where tensors lie that share their memory: the first of them in it, and the offset; None for one that has its own."""
    held = [value.untyped_storage()._cdata for value in tensors]
    return tuple((held.index(one), value.storage_offset()) if held.count(one) > 1 else None for one, value in zip(held, tensors))
'''

NAMES = frozenset(re.findall(r"^def (\w+)", HELPERS, re.MULTILINE))
