"""The names that probes may use: small classes, functions and objects of every kind that a row speaks of."""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import dataclasses
import enum
import functools
import itertools
import logging
import math
import operator
import random
import re
import sys
import time
import traceback
import types
import typing
import warnings
import weakref
from typing import Any

import numpy as np
import torch
import torch._export.wrappers
import torch.distributed
import torch.nn.functional as F
import torch.utils._pytree as pytree
import torch.utils.checkpoint
from torch import nn
from torch.fx.experimental import symbolic_shapes
from torch.testing._internal.two_tensor import TwoTensor

from ..api import graph_break
from ..compat.marks import nonstrict_trace

__all__ = ["namespace"]


def plain(x, y=1, *, z=2):
    return x + y + z


def make_closure(n):
    def inner(x):
        return x + n

    return inner


@functools.wraps(plain)
def wrapped(*args, **kwargs):
    return plain(*args, **kwargs)


@functools.lru_cache
def cached(n):
    return n + 1


def gen(x):
    yield x
    yield x + 1


async def coroutine(x):
    return x + 1


@torch.compiler.disable
def disabled(x):
    return x + 1


class Pair(typing.NamedTuple):
    a: Any
    b: Any


Named = collections.namedtuple("Named", "a b")


@dataclasses.dataclass
class Data:
    a: Any = 1
    b: Any = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any = 1


class Color(enum.Enum):
    RED = 1


class Meta(type):
    def __call__(cls, *args, **kwargs):
        return super().__call__(*args, **kwargs)


class WithMeta(metaclass=Meta):
    n = 1


class Slots:
    __slots__ = ("a",)

    def __init__(self, a=1):
        self.a = a


class User:
    n = 3

    def __init__(self, a=1):
        self.a = a

    def method(self, x):
        return x + self.a

    @classmethod
    def klass(cls, x):
        return x + cls.n

    @staticmethod
    def static(x):
        return x + 1

    @property
    def double(self):
        return self.a * 2


class MyList(list):
    pass


class MyTuple(tuple):
    pass


class MyDict(dict):
    pass


class MySet(set):
    pass


class Mapping(collections.abc.MutableMapping):
    def __init__(self, **items):
        self.items_ = dict(items)

    def __getitem__(self, key):
        return self.items_[key]

    def __setitem__(self, key, value):
        self.items_[key] = value

    def __delitem__(self, key):
        del self.items_[key]

    def __iter__(self):
        return iter(self.items_)

    def __len__(self):
        return len(self.items_)


class Boom(Exception):
    pass


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


@contextlib.contextmanager
def managed():
    yield 1


class TorchFunctionTensor(torch.Tensor):
    pass


class Mode(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


aliased_apply = Double.apply


class Apart(torch.autograd.Function):
    """With a `setup_context`, as torch.func wants it: under a transform, torch calls it as `custom_function_call`."""

    @staticmethod
    def forward(x):
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("scale", torch.ones(2))

    def forward(self, x):
        return self.linear(x) * self.scale


@torch.compiler.nested_compile_region
def region(x):
    return x + 1


@torch.compiler.allow_in_graph
def allowed(x):
    return x + 1


@nonstrict_trace
def opaque(x):
    return x + 1


@torch.library.custom_op("tracer_coverage::double", mutates_args=())
def custom_double(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@custom_double.register_fake
def _(x):
    return torch.empty_like(x)


def self_referential():
    made: list[Any] = []
    made.append(made)
    return made


def strided_nested():
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


def jagged_nested():
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)


def with_wrong_grad():
    made = torch.ones(2, requires_grad=True)
    made.grad = torch.ones(2)
    return made


def optimizer():
    return torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1)


def fake():
    with torch._subclasses.FakeTensorMode():
        return torch.ones(2)


def iterator_moved(it):
    next(it)
    return it


def sdpa_params():
    q = torch.ones(1, 1, 2, 2)
    return torch.backends.cuda.SDPAParams(q, q, q, None, 0.0, False, False)


def graph_module():
    return torch.fx.symbolic_trace(lambda x: x + 1)


def script_function():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(scriptable)


def scriptable(x):
    return x + 1


def hook_handle():
    return nn.Linear(2, 2).register_forward_hook(lambda *a: None)


def symbols():
    return symbolic_shapes.ShapeEnv().create_unbacked_symint()


_LIBRARIES = (
    F, collections, contextlib, dataclasses, functools, itertools, logging, math, nn, np, operator, pytree, random, re,
    sys, symbolic_shapes, time, torch, traceback, types, typing, warnings, weakref, TwoTensor, graph_break,
)  # fmt: skip


def namespace() -> dict[str, Any]:
    """The globals of a probe: a fresh dictionary, so that a probe that assigns to a global leaves no trace."""
    return {name: value for name, value in globals().items() if name not in ("namespace", "_LIBRARIES", "annotations")}
