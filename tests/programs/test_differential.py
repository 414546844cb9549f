"""The differential check finds what it is for: each wrong compiler below is caught, with the difference named."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.differential import Args, Counts, Expect, Untraced, check

STATE = {"n": 0}
COUNT = 0


class Wrong(Untraced):
    """Runs the function and then does something that the untraced call would not have done."""

    def __init__(self, wrong: Callable[[Callable], Callable]):
        self.wrong = wrong

    def compile(self, fn: Any, **config: Any) -> Any:
        return self.wrong(fn)


def after(effect: Callable[..., Any]) -> Callable[[Callable], Callable]:
    """A compiler whose functions return `effect(result, *args)`."""
    return lambda fn: lambda *args: effect(fn(*args), *args)


def program(x, values, box):
    values.append(x)
    return x + 1, values, [x, x], 3, {"a": 1, "b": 2}, (x + 0.0) * box["scale"]


def arguments() -> Any:
    return Args(torch.randn(3), [], {"scale": torch.ones(3, requires_grad=True)})


def changed(out: tuple, at: int, value: Any) -> tuple:
    return (*out[:at], value, *out[at + 1 :])


CASES = {
    "another value": (lambda out, *_: changed(out, 0, out[0] + 1e-7), r"\[0\].data"),
    "another dtype": (lambda out, *_: changed(out, 0, out[0].double()), r"\[0\].dtype"),
    "other strides": (lambda out, *_: changed(out, 0, out[0].repeat_interleave(2)[::2]), r"\[0\].stride"),
    "bool for int": (lambda out, *_: changed(out, 3, True), "type"),
    "a copy of an argument": (lambda out, *_: changed(out, 1, list(out[1])), r"\[1\]"),
    "two copies of one tensor": (lambda out, *_: changed(out, 2, [out[2][0], out[2][1].clone()]), r"\[2\]"),
    "order of keys": (lambda out, *_: changed(out, 4, {"b": 2, "a": 1}), "order of parts"),
    "a detached result": (lambda out, *_: changed(out, 5, out[5].detach()), "requires_grad"),
    "an argument changed": (lambda out, x, values, box: (box.update(more=1), out)[1], r"\['args'\]"),
    "an input changed in place": (lambda out, x, *_: (x.data.zero_(), out)[1], "data"),
    "text written": (lambda out, *_: (print("extra"), out)[1], "text written"),
    "a random number drawn": (lambda out, *_: (torch.rand(1), out)[1], "torch RNG"),
    "a mode left on": (lambda out, *_: (torch.set_grad_enabled(False), out)[1], "grad enabled"),
    "a global of the program": (lambda out, *_: (STATE.update(n=STATE["n"] + 1), out)[1], "STATE"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_compiler_is_caught(name: str) -> None:
    effect, named = CASES[name]

    def reads_state(x, values, box):
        return program(x, values, box) if STATE is not None else None

    with pytest.raises(AssertionError, match=named):
        check(reads_state, arguments, compiler=Wrong(after(effect)))
    torch.set_grad_enabled(True)
    STATE["n"] = 0


def test_the_same_program_passes() -> None:
    check(program, arguments, calls=3, compiler=Untraced())


def raises(x):
    try:
        {}["k"]
    except KeyError as error:
        raise ValueError("no") from error


@pytest.mark.parametrize(
    "other",
    [lambda x: x, lambda x: (_ for _ in ()).throw(ValueError("yes")), lambda x: {}["k"], lambda x: int("no")],
    ids=["nothing", "message", "type", "cause"],
)
def test_another_exception_is_caught(other: Callable) -> None:
    with pytest.raises(AssertionError):
        check(raises, lambda: torch.ones(2), compiler=Wrong(lambda fn: other))


def test_lost_gradients_are_caught() -> None:
    def scenario(run: Any) -> None:
        w = run.watch(torch.ones(3, requires_grad=True))
        run(lambda x: (w * x).sum())(torch.ones(3))

    def loses(fn: Callable) -> Callable:
        return lambda x: fn(x).detach().requires_grad_()

    with pytest.raises(AssertionError, match=r"requires_grad|grad_fn|is_leaf"):
        check(scenario, compiler=Wrong(loses))


def test_globals_are_put_back_between_runs() -> None:
    def counts(x):
        global COUNT
        COUNT += 1
        return x * COUNT

    check(counts, lambda: torch.ones(2), compiler=Untraced())
    assert COUNT == 0


@pytest.mark.parametrize(
    ("expect", "counts", "problem"),
    [
        (Expect(graphs=1), Counts(graphs=2), "graphs: expected 1, got 2"),
        (Expect(breaks=0), Counts(breaks=["b"]), "breaks: expected 0"),
        (Expect(breaks="some"), Counts(), "breaks: expected some"),
        (Expect(breaks=["a", "b"]), Counts(breaks=["b"]), "breaks"),
        (Expect(recompiles=0), Counts(graphs=2, after_first=1), "later calls compiled again"),
    ],
)
def test_expectations(expect: Expect, counts: Counts, problem: str) -> None:
    assert any(problem in text for text in expect.problems(counts))


def test_expectations_that_hold() -> None:
    assert not Expect(1, ["a", "b"], 0).problems(Counts(graphs=1, breaks=["b", "a"], after_first=1))
