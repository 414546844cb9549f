"""A dict whose keys are classes, a registry: what a program asked of it is guarded, and no more."""

import torch

import tracer

REGISTRY: dict[type, int] = {}


def lookup(x):
    return x * REGISTRY.get(int, 7) + (1 if list in REGISTRY else 0)


def everything(x):
    return x + sum(REGISTRY.values()) + len(REGISTRY)


def run(changes, fn):
    """Traced and untraced results of a call after each change, and how many entries there are in the end."""
    REGISTRY.clear()
    REGISTRY.update({int: 2, str: 3})
    compiled = tracer.compile(fn, backend="eager")
    x = torch.ones(2)
    results = [(compiled(x), fn(x))]
    for change in changes:
        change()
        results.append((compiled(x), fn(x)))
    assert all(torch.equal(a, b) for a, b in results)
    return len(compiled.session.graphs)


def test_what_was_not_asked_may_change():
    assert run([lambda: REGISTRY.update({float: 5}), lambda: REGISTRY.pop(str), lambda: REGISTRY.update({str: 9})], lookup) == 1


def test_a_class_that_comes_or_goes_or_has_another_value_is_seen():
    assert run([lambda: REGISTRY.update({list: 1}), lambda: REGISTRY.pop(list), lambda: REGISTRY.update({int: 5}), lambda: REGISTRY.pop(int)], lookup) == 4


def test_who_goes_over_all_keys_sees_all_changes():
    assert run([lambda: REGISTRY.update({float: 5}), lambda: REGISTRY.pop(str), lambda: REGISTRY.update({int: 4})], everything) == 4


def test_what_the_trace_adds_is_there():
    def add(x):
        REGISTRY[bytes] = 4
        return x + REGISTRY[bytes] + (bytes in REGISTRY) + (bytearray in REGISTRY) + len(REGISTRY)

    assert run([lambda: REGISTRY.pop(bytes)], add) >= 1


def test_a_frozen_key_order_is_kept():
    def first(x):
        return x, list(REGISTRY)

    REGISTRY.clear()
    REGISTRY.update({int: 2, str: 3})
    compiled = tracer.compile(first, backend="eager")
    assert compiled(torch.ones(1))[1] == [int, str]
    REGISTRY[int] = REGISTRY.pop(int)
    assert compiled(torch.ones(1))[1] == [str, int]
