"""Instances of builtins' subclasses that a program gave methods of its own: where CPython or torch asks these, they are asked, and nothing else is."""

import pytest
from torch import randn

from tests.differential import Expect
from tests.functions.test_lists import errors, trace

ANY = Expect()


class Halved(list):
    def __len__(self):
        return list.__len__(self) // 2

    def __getitem__(self, i):
        return list.__getitem__(self, i) * 10

    def __iter__(self):
        return iter([7])


class Answering(dict):
    def __getitem__(self, key):
        return dict.__getitem__(self, key) + 5

    def __iter__(self):
        return iter(["b"])

    def keys(self):
        return ["a"]

    def get(self, key, default=None):
        return default if key == "b" else 7


def test_a_sequence_among_the_arguments_of_an_operator():
    trace(lambda x, s: (x + 1, x.new_tensor(s), errors(lambda: x[s])), lambda: (randn(3), Halved([1, 2, 3, 4])), ANY)


def test_a_template_and_a_mapping():
    trace(lambda x, d: (x + 1, "%(a)s" % d, "{a}".format_map(d)), lambda: (randn(3), Answering(a=1, b=2)), ANY)


def test_a_mapping_that_is_matched_is_asked_by_get():
    def program(x, d):
        match d:
            case {"b": _}:
                return x, "b"
            case {"a": value}:
                return x + 1, value

    trace(program, lambda: (randn(3), Answering(a=1, b=2)))


@pytest.mark.parametrize("way", [lambda d: d | {"c": 3}, lambda d: {"c": 3} | d, lambda d: d.copy(), dict])
def test_a_copy_of_a_mapping(way):
    trace(lambda x, d: (x + 1, way(d)), lambda: (randn(3), Answering(a=1, b=2)), ANY)


def test_a_method_of_another_class_and_an_operator_that_nobody_has():
    def program(x, d):
        return x + 1, errors(lambda: list.__len__({1: 2}), lambda: list.append((), 1), lambda: str.upper(b"a"), lambda: d * x, lambda: {1} * x, lambda: {} * x)

    trace(program, lambda: (randn(3), Answering(a=1)))
