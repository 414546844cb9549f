"""Families of variables: what is known of the program's objects while a frame is traced."""

from .arrays import ArrayVariable, LimitsVariable, NumberVariable
from .base import NULL, Lazy, NullVariable, Variable, mention, shared
from .constants import FALSE, LITERALS, NONE, PASSED, TRUE, ConstantVariable, literal
from .functions import (
    UNSET,
    BoundVariable,
    CellVariable,
    FunctionVariable,
    NamespaceVariable,
    PartialVariable,
    PinnedVariable,
    SuperVariable,
)
from .generators import GeneratorVariable
from .iterators import (
    CallIteratorVariable,
    CountVariable,
    DictIteratorVariable,
    EnumerateVariable,
    FilterVariable,
    IteratorVariable,
    MapVariable,
    RangeIteratorVariable,
    ReverseIteratorVariable,
    SequenceIteratorVariable,
    ZipVariable,
)
from .keys import IdentityKey, UserKey, ValueKey, key_variable
from .mappings import DictVariable, DictViewVariable, MappingProxyVariable
from .objects import ExceptionVariable, ModuleVariable, ObjectVariable
from .opaque import OpaqueVariable
from .sequences import (
    ListVariable,
    RangeVariable,
    SequenceVariable,
    SliceVariable,
    TupleVariable,
    is_named_tuple,
    is_structseq,
)
from .sets import SetVariable
from .tensors import HandleVariable, SubclassVariable, SymVariable, TensorVariable

__all__ = [
    "FALSE", "LITERALS", "NONE", "NULL", "PASSED", "TRUE", "UNSET", "ArrayVariable", "BoundVariable", "CallIteratorVariable", "CellVariable",
    "ConstantVariable", "CountVariable", "DictIteratorVariable", "DictVariable", "DictViewVariable", "EnumerateVariable", "ExceptionVariable",
    "FilterVariable", "FunctionVariable", "GeneratorVariable", "HandleVariable", "IdentityKey", "IteratorVariable", "Lazy", "LimitsVariable",
    "ListVariable",
    "MapVariable", "MappingProxyVariable", "ModuleVariable", "NamespaceVariable", "NullVariable", "NumberVariable",
    "ObjectVariable", "OpaqueVariable", "PartialVariable",
    "PinnedVariable", "RangeIteratorVariable", "RangeVariable", "ReverseIteratorVariable", "SequenceIteratorVariable", "SequenceVariable", "SetVariable",
    "SliceVariable", "SubclassVariable", "SuperVariable", "SymVariable",
    "TensorVariable", "TupleVariable", "UserKey", "ValueKey", "Variable", "ZipVariable", "is_named_tuple",
    "is_structseq", "key_variable", "literal", "mention", "shared",
]  # fmt: skip
