"""Objects of classes that are made in C: what such an object holds, and how it leaves the traced function."""

from __future__ import annotations

import array
import functools
import re
import struct

import torch
from torch.distributed.tensor.placement_types import Replicate, Shard

from tests.programs import program

PARTIAL, PATTERN, STRUCT, KINDS = functools.partial(torch.add, 1), re.compile("a+"), struct.Struct("i"), array.array("i", [1, 2])


class Partial(functools.partial):
    pass


@program(lambda: torch.ones(2))
def attributes_that_c_holds(x):
    return PARTIAL(x), x + STRUCT.size, x * KINDS.itemsize, PARTIAL.args, PATTERN.pattern, str(PATTERN)


@program(lambda: torch.ones(2))
def an_attribute_that_a_class_made_in_c_has_not(x):
    try:
        return PARTIAL.missing
    except AttributeError as error:
        return x + 1, str(error)


@program(lambda: torch.ones(2), breaks="some")
def a_subclass_of_a_class_made_in_c_made_inside(x):
    return Partial(torch.add, 2)(x)


@program(lambda: torch.ones(2), breaks="some", graphs=None)
def objects_of_pybind_classes_made_inside(x):
    return x + 1, Replicate(), Shard(0)
