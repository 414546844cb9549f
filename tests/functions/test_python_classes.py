"""Which classes are made by a class statement, asked of every class that is loaded and of some that became heap types in one version."""

from __future__ import annotations

import array
import asyncio
import collections
import decimal
import enum
import functools
import io
import itertools
import operator
import queue
import re
import struct
import sys
import threading
import types
import weakref

import pytest
import torch

from tracer.compat.python_classes import is_python_class, reads_like_object


class Plain:
    pass


class Partial(functools.partial):
    pass


class Slotted:
    __slots__ = ("a",)


MADE_IN_C = [
    object, type, int, list, dict, types.SimpleNamespace, collections.deque, collections.defaultdict, collections.OrderedDict, functools.partial,
    functools._lru_cache_wrapper, operator.itemgetter, operator.attrgetter, operator.methodcaller, array.array, re.Pattern, re.Match, struct.Struct,
    queue.SimpleQueue, type(threading.Lock()), threading.RLock().__class__, itertools.count, itertools.chain, io.BytesIO, asyncio.Future, decimal.Decimal,
]  # fmt: skip
MADE_IN_PYTHON = [
    Plain, Partial, Slotted, enum.Enum, collections.UserDict, collections.namedtuple("Point", "x y"), torch.nn.Linear, torch.nn.Parameter, torch.Tensor,
    types.new_class("New"), type("Typed", (dict,), {}),
]  # fmt: skip


@pytest.mark.parametrize("cls", MADE_IN_C, ids=lambda c: c.__qualname__)
def test_a_class_made_in_c(cls):
    assert not is_python_class(cls)


@pytest.mark.parametrize("cls", MADE_IN_PYTHON, ids=lambda c: c.__qualname__)
def test_a_class_made_by_a_class_statement(cls):
    assert is_python_class(cls)


def test_every_class_whose_body_has_functions_is_of_python():
    classes, met = [object], set()
    while classes:
        for cls in type.__subclasses__(classes.pop()):
            if cls not in met:
                met.add(cls)
                classes.append(cls)
    met = {c for c in met if (getattr(sys.modules.get(c.__module__), "__file__", None) or "").endswith(".py")}
    with_bodies = [c for c in met if any(isinstance(v, types.FunctionType) and v.__qualname__ == f"{c.__qualname__}.{k}" for k, v in vars(c).items())]
    assert len(with_bodies) > 1000
    assert [c for c in with_bodies if not is_python_class(c)] == []


def test_attributes_that_a_class_made_in_c_finds_its_own_way():
    assert all(reads_like_object(c) for c in (object, array.array, functools.partial, struct.Struct, re.Pattern))
    assert not any(reads_like_object(c) for c in (threading.local, type, super, types.ModuleType, weakref.ProxyType))
