"""The object protocol: CPython's slot algorithms over variables, in one place. Reached as `ctx.protocol`."""

from .hints import listed, listed_for_reading, taken, tupled
from .iteration import (
    IndexIterator,
    callable_name,
    called_name,
    drain,
    iterates_natively,
    iterator,
    iterator_through_type,
    mapping_items,
    match_class,
    next_item,
    send,
    unpack,
    unpack_exactly,
)
from .lookup import (
    MISSING,
    bind,
    class_entry,
    delete_attribute,
    find,
    find_behind,
    generic_attribute,
    generic_set_attribute,
    getattr_now,
    guard_bases,
    has,
    is_data_descriptor,
    is_subclass,
    is_subtype,
    missing_attribute,
    overrides,
    shown_type,
    super_attribute,
)
from .operators import (
    binary,
    binary_now,
    call_through_type,
    compare,
    contains_through_type,
    fold,
    identity_key,
    index,
    is_not_implemented,
    is_same,
    length,
    length_through_type,
    object_key,
    operators_native,
    same,
    same_or_equal,
    special,
    special_answer,
    special_method,
    truth,
    truth_through_type,
    unary,
)
from .slots import stand_in, wrap_native
from .text import convert_text, format, join_text, native_text, repr_text, str_text

__all__ = [
    "MISSING", "IndexIterator", "bind", "binary", "binary_now", "call_through_type", "callable_name", "called_name", "class_entry", "compare",
    "contains_through_type", "convert_text", "delete_attribute", "drain", "find", "find_behind", "fold", "format", "generic_attribute",
    "generic_set_attribute", "getattr_now", "has", "identity_key", "index", "iterates_natively", "iterator", "iterator_through_type", "join_text",
    "length", "length_through_type", "mapping_items", "match_class", "missing_attribute", "native_text", "next_item", "object_key",
    "operators_native", "is_data_descriptor", "is_not_implemented", "is_same", "is_subclass", "is_subtype", "overrides", "repr_text", "shown_type",
    "same", "same_or_equal", "guard_bases", "listed", "listed_for_reading", "send", "special", "special_answer", "special_method", "stand_in",
    "str_text", "super_attribute", "taken", "tupled", "truth", "truth_through_type", "unary", "unpack", "unpack_exactly", "wrap_native",
]  # fmt: skip
