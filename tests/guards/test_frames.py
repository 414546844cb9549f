"""Under torch's eval frame: locals, arguments that are cells, free variables, unbound names."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import torch

from tests.guards.support import local
from tracer.compat import evalframe
from tracer.guards import Guard, lower, shape_guard
from tracer.sources import Roots


class Hook:
    """Compiles `code` into itself once per miss, guarded by what `make` says of the frame's locals; counts the misses."""

    def __init__(self, code: types.CodeType, make: Callable[[dict[str, Any]], Any]):
        self.code, self.make, self.misses, self.errors = code, make, 0, []  # type: ignore[var-annotated]

    def __call__(self, frame: Any, cache: Any, state: Any) -> Any:
        if frame.f_code is not self.code:
            return evalframe.run_untraced("not the frame under test")
        self.misses += 1
        try:
            found = dict(frame.f_locals)
            entry = self.make(found)
            assert entry.check(found), entry.failures(Roots(found))
            manager = evalframe.GuardManagerAdapter(entry.root, entry, self)
            guarded = evalframe.GuardedCode(self.code, manager, 0, "test")
            return evalframe.compiled(guarded, False)
        except Exception as error:
            self.errors.append(error)
            return evalframe.run_untraced("failed")


def under(hook: Hook, *calls: Callable[[], Any]) -> list[int]:
    """How many misses each call took."""
    prior = evalframe.set_eval_frame(hook)
    counts = []
    try:
        for call in calls:
            before = hook.misses
            call()
            counts.append(hook.misses - before)
    finally:
        evalframe.set_eval_frame(prior)
        evalframe.reset_code(hook.code)
    assert not hook.errors, hook.errors
    return counts


def guard_all(code: types.CodeType) -> Callable[[dict[str, Any]], Any]:
    def make(found: dict[str, Any]) -> Any:
        guards = [Guard(local(name), "EQUALS_MATCH", value) for name, value in found.items()]
        return lower(guards, code=code, roots=Roots(found))

    return make


def test_arguments_of_every_kind() -> None:
    def f(a, b=2, *args, c=3, **kwargs):
        return a

    def make(found: dict[str, Any]) -> Any:
        guards = [
            Guard(local("a"), "EQUALS_MATCH", found["a"]), Guard(local("b"), "EQUALS_MATCH", found["b"]), Guard(local("c"), "EQUALS_MATCH", found["c"]),
            Guard(local("args"), "LENGTH", len(found["args"])), Guard(local("kwargs"), "DICT_KEYS", tuple(found["kwargs"])),
        ]  # fmt: skip
        return lower(guards, code=f.__code__, roots=Roots(found))

    counts = under(
        Hook(f.__code__, make),
        lambda: f(1), lambda: f(1), lambda: f(2), lambda: f(1, 2), lambda: f(1, 2, 3), lambda: f(1, c=4), lambda: f(1, k=5), lambda: f(1, k=6),
    )  # fmt: skip
    assert counts == [1, 0, 1, 0, 1, 1, 1, 0]


def closing(free: Any) -> Any:
    def f(plain, cell):
        def inner():
            return cell, free

        own = cell  # a local that isn't bound at entry
        return inner, own

    return f


def test_cells_are_read_through() -> None:
    f, g = closing(1), closing(2)
    hook = Hook(f.__code__, guard_all(f.__code__))
    counts = under(
        hook,
        lambda: f(1, 2), lambda: f(1, 2), lambda: f(1, 3), lambda: f(2, 2), lambda: g(1, 2), lambda: g(1, 2), lambda: f(1, 2),
    )  # fmt: skip
    assert counts == [1, 0, 1, 1, 1, 0, 0]


def test_shapes_and_user_conditions_see_the_frame() -> None:
    def f(x, n):
        def inner():
            return n

        return inner

    def make(found: dict[str, Any]) -> Any:
        from tests.guards.test_shapes import Tracing

        tracing = Tracing()
        fake, number = tracing.tensor(local("x"), found["x"]), tracing.number(local("n"), found["n"])
        assert number > fake.shape[0]
        return tracing_lower(tracing, f.__code__, found)

    one, other = torch.ones(3, 3), torch.ones(5, 3)
    counts = under(Hook(f.__code__, make), lambda: f(one, 4), lambda: f(one, 9), lambda: f(other, 9), lambda: f(other, 6))
    assert counts == [1, 0, 0, 0]


def tracing_lower(tracing: Any, code: types.CodeType, found: dict[str, Any]) -> Any:
    shapes = shape_guard(tracing.env, tracing.inputs)
    free = [Guard(local("x"), "TENSOR_MATCH", (found["x"], [None, None], [None, 1])), Guard(local("n"), "TYPE_MATCH", int)]
    return lower(free, code=code, roots=Roots(found), shape_guard=shapes)
