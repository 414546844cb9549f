"""What is copied of instances of builtins' subclasses is what they hold, whatever their own iteration says."""

import collections

import pytest

from tracer.rerun.copies import Copier


def lying(base):
    class Lying(base):
        def __iter__(self):
            return iter([99])

        def items(self):
            return [("wrong", 99)]

    return Lying


@pytest.mark.parametrize("base", [set, frozenset, list, collections.deque], ids=lambda b: b.__name__)
def test_members(base):
    value = lying(base)([1, 2, 3])
    made = Copier()._copy(value)
    assert type(made) is type(value) and made is not value
    assert list(base.__iter__(made)) == [1, 2, 3]


@pytest.mark.parametrize("base", [dict, collections.OrderedDict], ids=lambda b: b.__name__)
def test_entries(base):
    value = lying(base)(a=[1], b=2)
    made = Copier()._copy(value)
    assert type(made) is type(value) and dict(base.items(made)) == {"a": [1], "b": 2}
    assert base.__getitem__(made, "a") is not base.__getitem__(value, "a")


def test_entries_with_a_default():
    value = lying(collections.defaultdict)(int, a=1)
    made = Copier()._copy(value)
    assert made.default_factory is int and dict(dict.items(made)) == {"a": 1}
