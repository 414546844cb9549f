"""torch's pytrees: the same leaves, the same containers, the same errors, for every kind of node and whatever registers one later."""

from __future__ import annotations

import collections
import typing

import pytest
import torch
from torch import randn
from torch.utils import _pytree as pytree

import tracer
from tests.functions.test_lists import errors, trace


class Pair(typing.NamedTuple):
    left: object
    right: object


class Held:
    """A node of the program's own."""

    def __init__(self, *parts):
        self.parts = list(parts)

    def __eq__(self, other):
        return type(other) is Held and self.parts == other.parts

    __hash__ = None


class Later:
    """What is registered only once a function was compiled that met it as a leaf."""

    def __init__(self, part):
        self.part = part


@pytest.fixture(scope="module", autouse=True)
def registered():
    pytree.register_pytree_node(Held, lambda h: (list(h.parts), len(h.parts)), lambda parts, count: Held(*parts), serialized_type_name="tests.Held")
    yield
    pytree._deregister_pytree_node(Held)


def trees(x):
    return {
        "leaf": x, "number": 3, "nothing": None, "tuple": (x, (), [x * 2, None]), "list": [[], [1, "a", x]], "dict": {"b": x, 1: {"c": (x,)}, (0, 1): 2},
        "ordered": collections.OrderedDict(b=x, a=[1, x]), "default": collections.defaultdict(list, {"k": [x]}), "deque": collections.deque([x, (x, 1)], maxlen=5),
        "named": Pair(x, Pair([x], 2)), "own": [Held(x, (x, 1)), Held()], "size": x.shape, "maximum": torch.max(x, 0),
    }  # fmt: skip


KINDS = sorted(trees(torch.zeros(2)))


@pytest.mark.parametrize("kind", KINDS)
def test_taken_apart_and_made_again(kind):
    def program(x):
        tree = trees(x)[kind]
        leaves, spec = pytree.tree_flatten(tree)
        again = pytree.tree_unflatten([leaf + 1 if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves], spec)
        return leaves, again, pytree.tree_leaves(tree), pytree.tree_is_leaf(tree), spec.num_leaves, spec.num_nodes, kind == "named" or spec == pytree.tree_structure(again)  # (compares texts, that of a function has an address)

    trace(program, lambda: (randn(3),))


@pytest.mark.parametrize("kind", KINDS)
def test_mapped(kind):
    def program(x):
        seen = []

        def doubled(leaf, *others):
            seen.append(type(leaf).__name__)
            return leaf * 2 if isinstance(leaf, torch.Tensor) else (leaf, len(others))

        tree = trees(x)[kind]
        same = pytree.tree_map_(seen.append, tree) is tree
        return pytree.tree_map(doubled, tree), pytree.tree_map(doubled, tree, trees(x + 1)[kind]), seen, same, pytree.tree_map_only(torch.Tensor, torch.neg, tree)

    trace(program, lambda: (randn(3),))


def test_leaves_that_the_program_names():
    def program(x):
        tree = {"a": (x, [x, 1]), "b": [2]}

        def small(node):
            return isinstance(node, list) and len(node) == 1

        leaves, spec = pytree.tree_flatten(tree, is_leaf=small)
        kept = pytree.tree_map(lambda leaf: leaf, tree, is_leaf=small)
        return leaves, spec.num_leaves, kept["b"] is tree["b"], pytree.tree_leaves(tree, small), pytree.tree_is_leaf([1], small), pytree.tree_is_leaf([1, 2], small)

    trace(program, lambda: (randn(3),))


def test_what_does_not_fit_raises_as_torch_does():
    def program(x):
        spec = pytree.tree_structure((x, [1, 2]))
        told = errors(
            lambda: spec.unflatten([1, 2]), lambda: spec.unflatten(iter([1])), lambda: pytree.tree_map(lambda a, b: a, (x, [1]), (x, (1,))), lambda: pytree.tree_map(lambda a: a),
            lambda: pytree.tree_unflatten([1], 5), lambda: pytree.tree_map(lambda a, b: a, {"a": 1}, {"b": 1}), lambda: pytree.tree_map(1, [2]),
        )  # fmt: skip
        return x + 1, told, spec.unflatten(iter([1, 2, 3])), spec.unflatten((1, x, 3)), spec.unflatten({4: 1, 5: 2, 6: 3})

    trace(program, lambda: (randn(3),))


def test_a_spec_leaves_the_function_and_comes_back():
    @tracer.compile(backend="eager")
    def apart(x):
        return pytree.tree_flatten({"a": [x + 1, (x,)], "b": 2})

    @tracer.compile(backend="eager")
    def made(leaves, spec):
        return spec.unflatten(leaves), spec.child(0), spec.type, str(spec)

    x = randn(3)
    leaves, spec = apart(x)
    expected = pytree.tree_structure({"a": [x, (x,)], "b": 2})
    assert spec == expected and type(spec) is type(expected) and hash(spec) == hash(expected) and apart(x)[1] is not spec
    tree, child, cls, text = made(leaves, spec)
    torch.testing.assert_close(tree, {"a": [x + 1, (x,)], "b": 2})
    assert child == expected.child(0) and cls is dict and text == str(expected)
    assert made([1, 2, 3, 4, 5], pytree.tree_structure([0, (0, 0, 0), 0]))[0] == [1, (2, 3, 4), 5]


def test_a_class_that_is_registered_later_is_a_node_then():
    def program(x, held):
        return pytree.tree_map(lambda leaf: leaf * 2 if isinstance(leaf, torch.Tensor) else leaf, [x, held])

    compiled, x, held = tracer.compile(program, backend="eager"), randn(2), Later(torch.ones(2))
    assert compiled(x, held)[1] is held
    pytree.register_pytree_node(Later, lambda v: ([v.part], None), lambda parts, _: Later(*parts), serialized_type_name="tests.Later")
    try:
        found = compiled(x, held)[1]
        assert found is not held
        torch.testing.assert_close(found.part, torch.full((2,), 2.0))
    finally:
        pytree._deregister_pytree_node(Later)
    assert compiled(x, held)[1] is held
    assert len(compiled.session.records.graphs) == 2


def test_other_arguments_of_one_form():
    def program(tree):
        leaves, spec = pytree.tree_flatten(tree)
        return spec.unflatten([leaf + 1 for leaf in leaves]), len(leaves)

    compiled = tracer.compile(program, backend="eager")
    for tree in ({"a": randn(2), "b": (1, 2.0)}, {"b": randn(2), "a": (3, 4.0)}, {"b": (5, 6.0), "a": randn(2)}, [randn(2)], (), Pair(1, randn(1))):
        torch.testing.assert_close(compiled(tree), program(tree))
        assert list(compiled(tree)[0]) == list(program(tree)[0]) if isinstance(tree, dict) else True
