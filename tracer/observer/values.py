"""What torch.compile's trackers stand for, in words: read from their fields only.

A lazy tracker looks at its value, and installs guards, as soon as one of its methods is called; so no method is.
"""

from __future__ import annotations

import re
import types
from typing import Any

import torch

from ..events import Shape
from ..export.nodes import module_of
from ..journal import Recorder

__all__ = ["Numbers", "dtype_of", "first_line", "module_path", "plain_text", "readable", "resolved", "shape_of", "source_in", "source_text"]

_ROOT = re.compile(r"[LG]\['([A-Za-z_]\w*)'\]")
_HELD = re.compile(r"\._(?:modules|parameters|buffers)\['([^']+)'\]")
_ENTRY = re.compile(r"\.(\d+)(?!\w)")

_BUILTIN = re.compile(r"__builtins_dict___\d+\['(\w+)'\]")
_IMPORTED = re.compile(r"__import_(\w+)")


def readable(name: str, called: str = "") -> str:
    """`L['self']._modules['0']._parameters['weight']` → `self[0].weight`, `L['x'].size()[0]` → `x.shape[0]`; builtins and modules by their
    own names. `called`: the local that is the module which torch.compile was given, `self` to whoever reads."""
    own = name.replace(f"L['{called}']", "self") if called else name
    held = _HELD.sub(lambda found: f"[{found[1]}]" if found[1].isdigit() else f".{found[1]}", own)
    text = _BUILTIN.sub(r"\1", _ROOT.sub(r"\1", held)).replace(".size()[", ".shape[")
    return _IMPORTED.sub(lambda found: found[1].replace("_dot_", "."), text)


def module_path(node: Any, called: str) -> str:
    """The innermost module around a node, as our own engine spells it: `L['self'].layers.0` → `layers[0]`."""
    path = readable(module_of(node), called)
    return _ENTRY.sub(r"[\1]", path).removeprefix("self.")


def source_text(source: Any, called: str = "") -> str:
    """Where a value is found, as the program would say; "" for none."""
    if source is None:
        return ""
    try:
        name = getattr(source, "name", "")
        return readable(str(name() if callable(name) else name), called)
    except NotImplementedError:  # a place that only the generated code has
        return type(source).__name__


def shape_of(value: Any) -> Shape:
    if not isinstance(value, torch.Tensor):
        return None
    return tuple(size if type(size) is int else str(size) for size in value.shape)


def dtype_of(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.") if isinstance(value, torch.Tensor) else ""


def device_of(value: Any) -> str:
    return str(value.device) if isinstance(value, torch.Tensor) else ""


def plain_text(value: Any, most: int = 60) -> str:
    """A constant as written; of anything else its type. No `repr` of the program's is called."""
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        text = repr(value)
        return text if len(text) <= most else f"{text[: most - 1]}…"
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return value.__name__
    if type(value) is tuple and len(value) < 8:
        return f"({', '.join(plain_text(one, 20) for one in value)})"
    return type(value).__name__


def fields(tracker: Any) -> dict[str, Any]:
    try:
        held = object.__getattribute__(tracker, "__dict__")
    except AttributeError:
        return {}
    return held if isinstance(held, dict) else {}


def _lazy(tracker: Any) -> Any:
    """What a lazy tracker holds, None for one that isn't lazy."""
    if not any(base.__name__ == "LazyVariableTracker" for base in type(tracker).__mro__):
        return None
    return fields(tracker).get("_cache")


def resolved(tracker: Any) -> Any:
    """The tracker behind a lazy one that has been looked at; otherwise itself."""
    for _ in range(8):
        cache = _lazy(tracker)
        behind = getattr(cache, "vt", None)
        if behind is None:
            return tracker
        tracker = behind
    return tracker


def looked_at(tracker: Any) -> bool:
    """Whether there is a tracker, and it is no lazy one that nobody has looked at yet."""
    return tracker is not None and _lazy(resolved(tracker)) is None


def summary(tracker: Any, called: str = "") -> tuple[str, str, str, Shape, str, str]:
    """(kind, text, python type, shape, dtype, source), of a tracker that `resolved` gave."""
    cache = _lazy(tracker)
    if cache is not None:
        value = getattr(cache, "value", None)
        kind = type(value).__name__
        return "Lazy", f"{kind}, not looked at", kind, None, "", source_text(getattr(cache, "source", None), called)
    held = fields(tracker)
    kind = type(tracker).__name__.removesuffix("Variable")
    source = source_text(held.get("source"), called)
    node = getattr(held.get("proxy"), "node", None)
    if node is not None:
        value = node.meta.get("example_value")
        python_type = "Tensor" if isinstance(value, torch.Tensor) else type(value).__name__
        return kind, f"%{node.name}", python_type, shape_of(value), dtype_of(value), source
    text, python_type = _words(kind, held)
    return kind, text, python_type, None, "", source


def _words(kind: str, held: dict[str, Any]) -> tuple[str, str]:
    if kind == "Constant":
        return plain_text(held.get("value")), type(held.get("value")).__name__
    if kind in ("Null", "Unknown"):
        return kind.upper(), ""
    items = held.get("items")
    if isinstance(items, list | dict | tuple):
        return f"{kind} of {len(items)}", kind.lower()
    for name in ("fn", "value"):
        if name in held:
            value = held[name]
            return plain_text(value), type(value).__name__
    named = held.get("name")
    return (f"{kind} {named}" if isinstance(named, str) else kind), ""


#: What a kind of guard checks, in words. The value itself is torch.compile's, and is lowered with the others at the end.
_CHECKED = {
    "TENSOR_MATCH": "{}: dtype, device, sizes, strides and requires_grad as seen",
    "TENSOR_SUBCLASS_METADATA_MATCH": "{}: the subclass says the same of itself",
    "TYPE_MATCH": "type({}) as seen",
    "CLASS_MATCH": "{} is the same class",
    "ID_MATCH": "{} is the same object",
    "FUNCTION_MATCH": "{} is the same function",
    "CLOSURE_MATCH": "{} has the same code",
    "BUILTIN_MATCH": "{} is the same builtin",
    "MODULE_MATCH": "{} is the same module",
    "NN_MODULE": "{} is the same module",
    "CONSTANT_MATCH": "{} == the value seen",
    "EQUALS_MATCH": "{} == the value seen",
    "BOOL_MATCH": "{} is the bool seen",
    "NONE_MATCH": "{} is None",
    "SEQUENCE_LENGTH": "len({}) as seen",
    "DICT_KEYS_MATCH": "the keys of {} as seen",
    "DICT_CONTAINS": "{}: the key is there, or missing, as seen",
    "DICT_NOT_CONTAINS": "{}: the key isn't there",
    "SET_CONTAINS": "{}: the member is there",
    "SET_NOT_CONTAINS": "{}: the member isn't there",
    "MAPPING_KEYS_CHECK": "the keys of {} as seen",
    "DICT_VERSION": "{} is unchanged",
    "NOT_NONE_MATCH": "{} is not None",
    "WEAKREF_ALIVE": "what {} refers to is alive",
    "TUPLE_ITERATOR_LEN": "what {} has left to give has the length seen",
    "RANGE_ITERATOR_MATCH": "{} goes over the numbers seen",
    "COUNT_ITERATOR_MATCH": "{} goes on counting from the number seen",
    "DISPATCH_KEY_SET_MATCH": "{}: the dispatch keys are those seen",
    "HASATTR": "{}: the attribute is there, or missing, as seen",
    "NOT_PRESENT_IN_GENERIC_DICT": "{}: the attribute is its class's, not its own",
    "EMPTY_NN_MODULE_HOOKS_DICT": "{} has no hooks",
    "COW_TENSOR_MATCH": "{} is, or isn't, a copy to be made when it is written to, as seen",
    "CURRENT_STREAM_MATCH": "{} is, or isn't, the current stream of its device, as seen",
    "LIST_REVERSEITERATOR_LEN": "what {} has left to give has the length seen",
    "DUPLICATE_INPUT": "{} and the other input are one object",
}


def guard_text(kind: str, source: str) -> str:
    """`type(x) as seen`; the kind itself where there are no words for it."""
    return _CHECKED.get(kind, f"{kind}({{}})").format(source) if source else kind


def first_line(error: BaseException) -> str:
    """What an error says, in one line; its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


_SOURCE = re.compile(r"(?:[LG]\['\w+'\]|tensor '[^']+')[\w.\[\]']*")


def source_in(expression: str, called: str = "") -> str:
    """What an expression of torch's guards asks about: `L['x'].size()[0] == 3` → `x`."""
    found = _SOURCE.search(expression)
    if found is None:
        return ""
    if found[0].startswith("tensor"):
        return readable(found[0].removeprefix("tensor '").rstrip("'"), called)
    asks = expression[found.end() :].startswith("(")  # a method of it: `L['x'].size()[0]`
    return readable(found[0].rpartition(".")[0] if asks else found[0], called)


class _Seen:
    """A tracker with the number that it has in the recording."""

    __slots__ = ("called", "tracker", "vid")

    def __init__(self, tracker: Any, called: str):
        self.tracker, self.called = tracker, called
        self.vid: int | None = 0

    def summary(self) -> tuple[str, str, str, Shape, str, str]:
        return summary(self.tracker, self.called)


class Numbers:
    """The trackers of one attempt and their numbers. It holds them, so that none is taken for another; ends with the attempt."""

    def __init__(self, recorder: Recorder, called: str):
        self._recorder, self._called = recorder, called
        self._seen: dict[int, _Seen] = {}

    def of(self, tracker: Any) -> int:
        tracker = resolved(tracker)
        seen = self._seen.get(id(tracker))
        if seen is None:
            seen = self._seen[id(tracker)] = _Seen(tracker, self._called)
        return seen.vid or self._recorder.variable(seen)

    def changed(self, tracker: Any) -> None:
        """A tracker that may have a number was mutated."""
        seen = self._seen.get(id(resolved(tracker)))
        if seen is not None:
            self._recorder.changed(seen)
