"""Guards on one value: its identity, type, constant value, length, keys, attributes, iterator position.

Importing this module fills `KINDS` with them; see `kind` for what a row means. What each expects is said at its row.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections import OrderedDict, deque
from operator import is_
from typing import Any

from ..compat.python_classes import entries_of_partial
from ..iterated import position
from .accessors import MUTABLE, Missing, proxied, read_dict
from .constants import NotConstant, canon, is_scalar, is_singleton, same
from .held import Keeper, Ref, identity, name_of
from .kind import Place, define
from .summary import constant_text, ids_of, summarise
from .whole import whole

__all__ = ["add_constant", "hold_constant", "same_constant"]

_MRO = type.__dict__["__mro__"]
_DICT = type.__dict__["__dict__"]
_DATA = ids_of(types.GetSetDescriptorType, types.MemberDescriptorType)

# --- identity and type ------------------------------------------------------------------------------------------------


def _is(value: Any, expected: Any) -> bool:
    return expected.matches(value) if type(expected) is Ref else value is expected


def _hold(expected: Any, keeper: Keeper) -> Ref:
    return keeper.ref(expected)


define(  # expected: the class
    "TYPE_MATCH",
    lambda value, expected: _is(type(value), expected),
    lambda source, expected: f"type({source}) is {name_of(expected)}",
    lambda at, expected, parts: at.manager.add_type_match_guard(expected.id, parts, None),
    hold=_hold,
    rank=0,
)
define(  # expected: the object
    "ID_MATCH",
    _is,
    lambda source, expected: f"{source} is {name_of(expected)}",
    lambda at, expected, parts: at.manager.add_id_match_guard(expected.id, parts, None),
    hold=_hold,
    rank=1,
    identity=True,
)
define(  # expected: None
    "NONE_MATCH",
    lambda value, _: value is None,
    lambda source, _: f"{source} is None",
    lambda at, _, parts: at.manager.add_none_match_guard(parts, None),
    rank=1,
    identity=True,
)
define(  # expected: anything
    "NOT_NONE_MATCH",
    lambda value, _: value is not None,
    lambda source, _: f"{source} is not None",
    lambda at, _, parts: at.manager.add_not_none_guard(parts, None),
    rank=1,
    identity=True,
)


def _is_code(value: Any, expected: Any) -> bool:
    code, namespace, function = expected if type(expected) is tuple else _of_function(expected)
    if type(value) is not types.FunctionType or not _is(value.__code__, code):
        return False
    return (namespace is None or _is(value.__globals__, namespace)) and (function is None or _is(value, function))


def _of_function(expected: Any) -> tuple[Any, Any, Any]:
    """(its code, its globals where the code names any, itself). A function whose `def` stands in no other function is made anew only with new
    code, when its module runs again: itself says as much as its globals, and costs C++ nothing."""
    if type(expected) is not types.FunctionType:
        return expected, None, None
    code = expected.__code__
    if "<locals>" not in code.co_qualname:
        return code, None, expected
    inner = any(type(part) is types.CodeType for part in code.co_consts)
    return code, expected.__globals__ if code.co_names or inner else None, None


def _hold_code(expected: Any, keeper: Keeper) -> tuple[Ref | None, ...]:
    return tuple(None if part is None else keeper.ref(part) for part in _of_function(expected))


def _lower_code(at: Place, expected: tuple[Ref, Ref | None, Ref | None], parts: list[Any]) -> None:
    enum, (code, namespace, function) = at.lowering.enum, expected
    if function is not None:
        at.manager.add_id_match_guard(function.id, parts, None)
    at.manager.code_manager("", MUTABLE, enum).add_id_match_guard(code.id, parts, None)
    if namespace is not None:
        assert at.source is not None
        at.lowering.require(at.source)
        at.manager.generic_getattr_manager("__globals__", "", None, enum).add_id_match_guard(namespace.id, parts, None)


define(  # expected: the code object of the function; or the function, where its globals must be the same, too
    "CODE_MATCH",
    _is_code,
    lambda source, expected: f"{source}.__code__ is the {name_of(expected[0] if type(expected) is tuple else _of_function(expected)[0])}",
    _lower_code,
    hold=_hold_code,
    rank=3,
)


def _lower_weakref(at: Place, _expected: Any, parts: list[Any]) -> None:
    at.manager.weakref_call_manager("", MUTABLE, at.lowering.enum).add_not_none_guard(parts, None)


define(  # expected: anything
    "WEAKREF_ALIVE",
    lambda value, _: issubclass(type(value), weakref.ref) and weakref.ref.__call__(value) is not None,
    lambda source, _: f"{source}() is not None",
    _lower_weakref,
    rank=3,
    live=True,
)


def _is_empty(value: Any, _expected: Any) -> bool:
    if type(value) is not types.CellType:
        return False
    try:
        value.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


define(  # source: a closure cell; expected: anything
    "EMPTY_CELL",
    _is_empty,
    lambda source, _: f"{source} is empty",
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda value: _is_empty(value, expected)), parts, None),
    rank=3,
    live=True,
)

# --- constants --------------------------------------------------------------------------------------------------------


def hold_constant(expected: Any, keeper: Keeper) -> Any:
    """Constants stay; what isn't one is compared by identity."""
    if is_scalar(expected):
        return expected
    try:
        canon(expected)
    except (NotConstant, RecursionError):
        return keeper.ref(expected)
    return expected


def same_constant(value: Any, expected: Any) -> bool:
    if type(expected) is Ref:
        return expected.matches(value)
    return same(value, expected)


def add_constant(manager: Any, expected: Any, parts: list[Any]) -> None:
    """The cheapest leaf that answers as `same_constant`; `expected` is held."""
    if is_scalar(expected) and type(expected) is not bool:
        manager.add_equals_match_guard(expected, parts, None)
    elif is_singleton(expected) or type(expected) is Ref:
        manager.add_id_match_guard(identity(expected), parts, None)
    else:
        manager.add_lambda_guard(whole(lambda value: value is expected or same(value, expected)), parts, None)


def _constant_text(source: str, expected: Any) -> str:
    if expected is None or expected is ... or type(expected) is bool or type(expected) is Ref:
        return f"{source} is {name_of(expected)}"
    return f"{source} == {constant_text(expected)}"


for _name in ("EQUALS_MATCH", "CONSTANT_MATCH"):  # expected: the constant; anything else is matched by identity
    define(
        _name,
        same_constant,
        _constant_text,
        lambda at, expected, parts: add_constant(at.manager, expected, parts),
        hold=hold_constant,
        rank=2,
    )


def _mark(part: Any) -> Any:
    """Equal for equal constants, and for one and the same object otherwise."""
    if type(part) is Ref:
        return part.id
    try:
        return canon(part)
    except (NotConstant, RecursionError):
        return id(part)


def _check_set(value: Any, expected: Any) -> bool:
    kind = type(value)
    for base in (set, frozenset):
        if issubclass(kind, base) and base.__len__(value) == len(expected):
            return {_mark(part) for part in base.__iter__(value)} == {_mark(part) for part in expected}
    return False


def _set_text(source: str, expected: Any) -> str:
    parts = ", ".join(sorted(name_of(part) if type(part) is Ref else constant_text(part) for part in expected))
    return f"{source} == " + (f"{{{parts}}}" if parts else "set()")


define(  # expected: a set or tuple of the members; those that aren't constants go by identity
    "SET_MATCH",
    _check_set,
    _set_text,
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda v: _check_set(v, expected)), parts, None),
    hold=lambda expected, keeper: tuple(hold_constant(part, keeper) for part in expected),
    rank=6,
)


def _check_order(value: Any, expected: Any) -> bool:
    members, size, copied = expected
    if not issubclass(type(value), set | frozenset):
        return False
    base: Any = set if issubclass(type(value), set) else frozenset
    found = tuple(base.__iter__(value))
    if base.__sizeof__(value) != size or len(found) != len(members) or not all(map(same_constant, found, members)):
        return False
    return all(map(same_constant, set(value), copied))  # where members were removed, a copy is laid out anew


def _order_text(source: str, expected: Any) -> str:
    return f"{source} is iterated as {', '.join(name_of(part) if type(part) is Ref else constant_text(part) for part in expected[0])}"


define(  # expected: the members as they are iterated, the size of the table in bytes, the members of a copy: on these the order of
    # sets that are made from it depends
    "SET_ORDER",
    _check_order,
    _order_text,
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda v: _check_order(v, expected)), parts, None),
    hold=lambda expected, keeper: tuple(tuple(hold_constant(p, keeper) for p in part) if type(part) is tuple else part for part in expected),
    rank=7,
)

# --- lengths and keys -------------------------------------------------------------------------------------------------

_SIZED = (list, tuple, dict, set, frozenset, deque, str, bytes, range)
_SEQUENCES = ids_of(list, tuple, set, frozenset, deque, str, bytes, range)


def _length(value: Any) -> int | None:
    kind = type(value)
    for base in _SIZED:
        if issubclass(kind, base):
            return base.__len__(value)
    return proxied(value).__len__() if kind is types.MappingProxyType else None


def _lower_length(at: Place, expected: int, parts: list[Any]) -> None:
    """C++ asks the type's own `__len__`, which a subclass may have replaced."""
    kind = type(at.value)
    if id(kind) in _SEQUENCES:
        at.manager.add_length_check_guard(expected, parts, None)
    elif issubclass(kind, dict):
        at.manager.add_dict_length_check_guard(expected, parts, None)
    else:
        at.manager.add_lambda_guard(whole(lambda value: _length(value) == expected), parts, None)


define(  # expected: the number of items of a builtin container or of a subclass of one
    "LENGTH",
    lambda value, expected: _length(value) == expected,
    lambda source, expected: f"len({source}) == {expected}",
    _lower_length,
    rank=2,
    exact=True,
)


def _as_dict(value: Any) -> dict[Any, Any] | None:
    kind = type(value)
    if issubclass(kind, dict):
        return value
    if kind is types.MappingProxyType:
        value = proxied(value)
        return value if issubclass(type(value), dict) else None
    return None


def _dict_length(value: Any, expected: int) -> bool:
    held = _as_dict(value)
    return held is not None and dict.__len__(held) == expected


def _contains(value: Any, key: Any) -> bool:
    held = _as_dict(value)
    return held is not None and dict.__contains__(held, key)


def _absent(value: Any, key: Any) -> bool:
    held = _as_dict(value)
    return held is not None and not dict.__contains__(held, key)


define(  # expected: the number of keys
    "DICT_LENGTH",
    _dict_length,
    lambda source, expected: f"len({source}) == {expected}",
    lambda at, expected, parts: at.manager.add_dict_length_check_guard(expected, parts, None),
    rank=2,
)
define(  # expected: anything
    "EMPTY_DICT",
    lambda value, _: _dict_length(value, 0),
    lambda source, _: f"len({source}) == 0",
    lambda at, _, parts: at.manager.add_dict_length_check_guard(0, parts, None),
    rank=2,
)
def _see_there(value: Any, key: Any) -> str:
    """What is under a key that wasn't there."""
    held = _as_dict(value)
    return summarise(value) if held is None else f"there, with {summarise(dict.__getitem__(held, key))}"


define(  # expected: the key
    "DICT_CONTAINS",
    _contains,
    lambda source, key: f"{constant_text(key)} in {source}",
    lambda at, key, parts: at.manager.add_dict_contains_guard(True, key, parts, None),
    rank=3,
)
define(  # expected: the key
    "DICT_ABSENT",
    _absent,
    lambda source, key: f"{constant_text(key)} not in {source}",
    lambda at, key, parts: at.manager.add_dict_contains_guard(False, key, parts, None),
    see=_see_there,
    rank=3,
    exact=True,
)


def _keys(held: dict[Any, Any]) -> Any:
    return OrderedDict.__iter__(held) if issubclass(type(held), OrderedDict) else dict.__iter__(held)


def _check_keys(value: Any, expected: tuple[Any, ...]) -> bool:
    held = _as_dict(value)
    if held is None or dict.__len__(held) != len(expected):
        return False
    return all(key is wanted or same_constant(key, wanted) for key, wanted in zip(_keys(held), expected, strict=True))


def _lower_keys(at: Place, expected: tuple[Any, ...], parts: list[Any]) -> None:
    """Few keys are walked by C++. Many of a plain dict are most often the very objects, so identity is tried first."""
    assert at.source is not None
    if not expected:
        at.manager.add_dict_length_check_guard(0, parts, None)
    elif at.source in at.lowering.positions:
        for position, key in enumerate(expected):
            at.manager.get_key_manager(position, "", key, at.lowering.enum).add_equals_match_guard(key, parts, None)
    elif type(at.value) is dict and not any(type(key) is Ref for key in expected):
        at.manager.add_dict_length_check_guard(len(expected), parts, None)
        at.manager.add_lambda_guard(whole(lambda v: all(map(is_, v, expected)) or _check_keys(v, expected)), parts, None)
    else:
        at.manager.add_lambda_guard(whole(lambda v: _check_keys(v, expected)), parts, None)


def _see_keys(value: Any, _expected: Any) -> str:
    held = _as_dict(value)
    return summarise(value) if held is None else constant_text(tuple(_keys(held)))


def _keys_text(source: str, expected: tuple[Any, ...]) -> str:
    keys = ", ".join(name_of(key) if type(key) is Ref else constant_text(key) for key in expected)
    one = "," if len(expected) == 1 else ""
    return f"tuple({source}) == ({keys if len(keys) < 200 else keys[:199] + '…'}{one})"


define(  # expected: a tuple of keys in the order of iteration; those that aren't constants go by identity
    "DICT_KEYS",
    _check_keys,
    _keys_text,
    _lower_keys,
    hold=lambda expected, keeper: tuple(hold_constant(key, keeper) for key in expected),
    see=_see_keys,
    rank=4,
    exact=True,
)


def _check_builtins(value: Any, expected: dict[str, Any]) -> bool:
    return all(name in value and _is(value[name], found) for name, found in expected.items())


def _lower_builtins(at: Place, expected: dict[str, Ref], parts: list[Any]) -> None:
    assert at.source is not None
    for name, ref in expected.items():
        at.lowering.manager(at.source.item(name), identity=True).add_id_match_guard(ref.id, parts, None)


define(  # source: the namespace; expected: name → the function or class that it gave. One guard, skipped while the dict is unchanged
    "BUILTINS",
    _check_builtins,
    lambda _source, expected: f"{', '.join(expected)} {'is' if len(expected) == 1 else 'are'} as in builtins",
    _lower_builtins,
    hold=lambda expected, keeper: {name: keeper.ref(value) for name, value in expected.items()},
    see=lambda value, expected: "changed: " + ", ".join(name for name in expected if not _check_builtins(value, {name: expected[name]})),
    rank=4,
)

# --- attributes -------------------------------------------------------------------------------------------------------


def _in_classes(cls: type, name: str) -> Any:
    for base in _MRO.__get__(cls):
        entries = _DICT.__get__(base)
        if name in entries:
            return entries[name]
    raise Missing


def has_attribute(value: Any, name: str) -> bool:
    """Whether a lookup without `__getattr__` finds `name`. C-level slots are asked; a property counts as found."""
    kind = type(value)
    try:
        raw = _in_classes(kind, name)
        if id(type(raw)) not in _DATA:
            return True
        raw.__get__(value)
        return True
    except Missing:
        pass
    except Exception:
        return False
    try:
        if issubclass(kind, type):
            _in_classes(value, name)
            return True
        return name in read_dict(value)
    except Missing:
        return False


define(  # expected: the name
    "HASATTR",
    has_attribute,
    lambda source, name: f"hasattr({source}, {name!r})",
    lambda at, name, parts: at.manager.add_lambda_guard(whole(lambda v: has_attribute(v, name)), parts, None),
    rank=6,
)
define(  # expected: the name
    "NOHASATTR",
    lambda value, name: not has_attribute(value, name),
    lambda source, name: f"not hasattr({source}, {name!r})",
    lambda at, name, parts: at.manager.add_lambda_guard(whole(lambda v: not has_attribute(v, name)), parts, None),
    rank=6,
)


def _has_dict(value: Any, expected: bool) -> bool:
    return type(value) is functools.partial and (entries_of_partial(value) is not None) is expected


def _not_in_partial(value: Any, name: str) -> bool:
    return type(value) is functools.partial and name not in read_dict(value)


define(  # of a functools.partial, whose `__dict__` isn't read, since that would make it. expected: whether it has one
    "PARTIAL_DICT",
    _has_dict,
    lambda source, expected: f"{source} has {'a' if expected else 'no'} __dict__",
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda v: _has_dict(v, expected)), parts, None),
    rank=6,
)
define(  # expected: the name, which the class may have
    "PARTIAL_ABSENT",
    _not_in_partial,
    lambda source, name: f"{name!r} not in the attributes of {source} itself",
    lambda at, name, parts: at.manager.add_lambda_guard(whole(lambda v: _not_in_partial(v, name)), parts, None),
    rank=6,
)

# --- iterators --------------------------------------------------------------------------------------------------------

_TUPLE_ITERATOR: Any = type(iter(()))
_LIST_ITERATOR: Any = type(iter([]))
_RANGE_ITERATOR: Any = type(iter(range(0)))


def _left(value: Any) -> int:
    return _TUPLE_ITERATOR.__length_hint__(value)


def _list_position(value: Any) -> int:
    """The index of the next item; -1 once the iterator has ended."""
    state = _LIST_ITERATOR.__reduce__(value)
    return state[2] if len(state) > 2 else -1


def _range_left(value: Any) -> tuple[int, int, int]:
    state = _RANGE_ITERATOR.__reduce__(value)
    whole = state[1][0]
    start = whole.start + (state[2] or 0) * whole.step if len(state) > 2 else whole.start
    return start, whole.stop, whole.step


define(  # expected: the number of items left
    "TUPLE_ITERATOR_LENGTH",
    lambda value, expected: type(value) is _TUPLE_ITERATOR and _left(value) == expected,
    lambda source, expected: f"{source} is a tuple's iterator with {expected} left",
    lambda at, n, parts: at.manager.add_tuple_iterator_length_guard(n, id(_TUPLE_ITERATOR), parts, None),
    see=lambda value, _: f"{_left(value)} left" if type(value) is _TUPLE_ITERATOR else summarise(value),
)
define(  # expected: the index of the next item, -1 after the last
    "LIST_ITERATOR",
    lambda value, expected: type(value) is _LIST_ITERATOR and _list_position(value) == expected,
    lambda source, expected: f"{source} is a list's iterator at {expected}",
    lambda at, index, parts: at.manager.add_lambda_guard(
        whole(lambda v: type(v) is _LIST_ITERATOR and _list_position(v) == index), parts, None
    ),
    see=lambda value, _: f"at {_list_position(value)}" if type(value) is _LIST_ITERATOR else summarise(value),
    live=True,
)


def range_state(value: Any) -> tuple[int, int, int]:
    """What RANGE_ITERATOR expects of a range's iterator: (next, stop, step)."""
    return _range_left(value)


define(  # expected: range_state(iterator)
    "RANGE_ITERATOR",
    lambda value, expected: type(value) is _RANGE_ITERATOR and _range_left(value) == tuple(expected),
    lambda source, expected: f"{source} is a range's iterator with range{tuple(expected)} left",
    lambda at, expected, parts: at.manager.add_lambda_guard(
        whole(lambda v: type(v) is _RANGE_ITERATOR and _range_left(v) == expected), parts, None
    ),
    hold=lambda expected, _: tuple(expected),
    see=lambda value, _: f"range{_range_left(value)} left" if type(value) is _RANGE_ITERATOR else summarise(value),
    live=True,
)


def _at(value: Any, expected: tuple[type, Any]) -> bool:
    return type(value) is expected[0] and position(value) == expected[1]


define(  # expected: (type of a builtin iterator, `tracer.iterated.position` of it)
    "ITERATOR",
    _at,
    lambda source, expected: f"{source} is a {expected[0].__name__} at {expected[1]}",
    lambda at, expected, parts: at.manager.add_lambda_guard(whole(lambda v: _at(v, expected)), parts, None),
    see=lambda value, expected: f"at {position(value)}" if type(value) is expected[0] else summarise(value),
    live=True,
)

# --- anything ---------------------------------------------------------------------------------------------------------


def _lower_user(at: Place, function: Any, parts: list[Any]) -> None:
    at.manager.add_lambda_guard(whole(function), parts, None)


define(  # expected: a callable that is given the value, answers in truth values and keeps nothing of the program alive
    "USER",
    lambda value, function: bool(function(value)),
    lambda source, function: f"{getattr(function, '__qualname__', 'condition')}({source})",
    _lower_user,
    rank=8,
    live=True,
)
