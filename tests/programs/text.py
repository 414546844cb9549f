"""Strings, formatting, regular expressions, and standard library calls on plain values."""

import collections.abc
import copy
import functools
import inspect
import json
import logging
import os
import re
import warnings

import numpy as np
import torch
from torch import randn

from tests.programs import program

WORD = re.compile(r"(\w+)-(\d+)")


@program(lambda: (randn(3), "name", 3))
def formatting(x, name, n):
    text = f"{name!r:>8}|{n:03d}|{n / 7:.3f}|{name}{n}|{n=}"
    return (
        x + len(text),
        text,
        "%s-%d" % (name, n),
        "{0}{k}".format(n, k=name),
        format(n, "x"),
        str(n) + "!",
        repr(name),
    )


@program(lambda: (randn(3, 4),))
def shapes_in_strings(x):
    return x + 1, f"{x.shape[0]}x{x.shape[1]}", str(tuple(x.shape)), f"{x.dtype} {x.device}", f"{x.ndim:>3}"


@program(lambda: (randn(3), "a,b;c"))
def string_methods(x, text):
    return (
        x + 1,
        text.split(","),
        text.replace(";", ","),
        "-".join(["a", "b"]),
        text.startswith("a"),
        text.partition(";"),
        " s ".strip(),
        "abc".find("c"),
        text.upper().title().center(9, "*"),
        "x" * 3,
        "b" in text,
        text[1:-1],
        sorted(text),
        "a".isalpha(),
        "{:.2f}".format(1.234),
        "é".encode("utf8"),
        [c for c in "ab"],
        ord("a"),
        chr(98),
    )


@program(lambda: (randn(3), "size-12"))
def regular_expressions(x, text):
    found = WORD.match(text)
    return x * int(found.group(2)), found.groups(), re.sub(r"\d", "#", text), bool(re.search("zz", text))


@program(lambda: (randn(3), {"b": [1, 2], "a": None}), breaks=None, graphs=None)
def json_text(x, data):
    return x + 1, json.dumps(data, sort_keys=True), json.loads("[1, 2.5]")


@program(lambda: randn(3))
def environment_variables(x):
    scale = int(os.environ.get("TRACER_TEST_NO_SUCH_VARIABLE", "3"))
    return x * scale, "TRACER_TEST_NO_SUCH_VARIABLE" in os.environ, os.path.join("a", "b")


@program(lambda: randn(3), breaks=None, graphs=None)
def inspect_and_signature(x):
    def inner(a, b=2, *c, **d):
        return a

    return inner(x) + 1, list(inspect.signature(inner).parameters), inspect.isfunction(inner)


@program(lambda: (randn(3), [1, 2], {"a": 1}))
def isinstance_checks(x, values, mapping):
    return (
        x + 1,
        isinstance(values, (list, tuple)),
        isinstance(mapping, collections.abc.Mapping),
        isinstance(values, collections.abc.Sequence),
        isinstance(x, torch.Tensor),
        isinstance(x, (int, torch.nn.Parameter)),
        issubclass(bool, int),
        callable(len),
        type(x) is torch.Tensor,
        type(values) == list,  # noqa: E721
        isinstance(3, int | str),
    )


@program(lambda: randn(3), breaks=None, graphs=None)
def warnings_are_shown_once_each(x):
    warnings.warn("look out")
    y = x + 1
    warnings.warn("again", RuntimeWarning, stacklevel=2)
    return y


@program(lambda: randn(3), breaks=None, graphs=None)
def logging_calls(x):
    log = logging.getLogger("tests.quiet")
    log.debug("not shown %s", 1)
    log.warning("shown %d", 2)
    return x + 1


@program(lambda: randn(3), breaks=None, graphs=None)
def output_order_is_kept(x):
    print("one")
    warnings.warn("two")
    print("three", 3, sep="-", end="!\n")
    return x + 1


@program(lambda: (randn(3), [randn(2)]), breaks=None, graphs=None)
def copy_of_containers(x, values):
    made = copy.copy(values)
    made.append(x + 1)
    return made, values, copy.copy({"a": x}), list(values), values[:], dict(a=1).copy()


@program(lambda: randn(4))
def numpy_functions(x):
    array = x.numpy()
    return torch.from_numpy(np.clip(array, -1, 1) * 2), float(np.pi), np.float32(3).item()


@program(lambda: (randn(3), np.float64(2.5), np.int64(3)))
def numpy_scalars(x, f, i):
    return x * float(f) + int(i), f + 1, i * 2


@program(lambda: (np.arange(6.0).reshape(2, 3), randn(3)))
def numpy_arguments(a, x):
    return a.sum(axis=0) + 1, torch.as_tensor(a).sum() + x, a.shape, a.dtype == np.float64


@program(lambda: randn(3), breaks=None, graphs=None)
def total_ordering_and_cmp_to_key(x):
    return x + 1, sorted([3, 1, 2], key=functools.cmp_to_key(lambda a, b: b - a))


@program(lambda: (randn(3), 3))
def eval_free_reflection(x, n):
    kinds = {int: "int", float: "float", torch.Tensor: "tensor"}
    return x * n, kinds[type(n)], kinds.get(type(x)), type(n).__name__, n.__class__, hasattr(x, "shape")


@program(lambda: randn(3))
def hash_and_identity(x):
    a, b = [1], [1]
    return x + 1, a is b, a == b, hash("a") == hash("a"), hash((1, 2)) == hash((1, 2)), x is x, None is None
