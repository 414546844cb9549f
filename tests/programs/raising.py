"""An operator that raises when the compiled code runs: handlers and `with` blocks run, what was done before it stands, what comes
after it isn't done."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import randn, tensor

from tests.programs import program, scenario

ANY: dict[str, Any] = {"graphs": None, "breaks": None, "recompiles": None}
LOG: list[Any] = []


def outcomes(compiled: Any, *calls: Any) -> list[Any]:
    """What each call returns or raises, and the modes after it."""
    found = []
    for args in calls:
        try:
            found.append(compiled(*args))
        except (IndexError, AssertionError, ZeroDivisionError) as error:
            found.append((type(error), str(error), type(error.__context__)))
        found.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")))
    return found


def good() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(3.0, requires_grad=True), tensor([1])


def bad() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(3.0, requires_grad=True), tensor([9])


@scenario(**ANY)
def no_grad_entered_before_a_break(run):
    def pick(x, i):
        with torch.no_grad():
            print("picking")
            return x.index_select(0, i) * 2

    return outcomes(run(pick), bad(), good(), bad())


@scenario(**ANY)
def autocast_entered_before_a_break(run):
    def pick(x, i):
        with torch.autocast("cpu"), torch.set_grad_enabled(False):
            print(end="")
            return x.index_select(0, i) * 2

    return outcomes(run(pick), bad(), good(), bad())


@scenario(**ANY)
def inference_mode_around_an_error(run):
    def pick(x, i):
        with torch.inference_mode():
            return x.index_select(0, i) * 2

    return outcomes(run(pick), bad(), bad())


@scenario(**ANY)
def effects_before_and_behind(run):
    def pick(x, i):
        LOG.append("start")
        y = x.index_select(0, i)
        LOG.append("end")
        return y

    LOG.clear()
    run.watch(LOG)
    return outcomes(run(pick), bad(), good(), bad()), list(LOG)


@scenario(**ANY)
def caught_where_it_is_raised(run):
    def pick(x, i):
        doubled = x * 2
        LOG.append(doubled)
        try:
            return doubled.index_select(0, i)
        except IndexError as error:
            LOG.append(str(error))
            return doubled + 1
        finally:
            LOG.append("out")

    LOG.clear()
    run.watch(LOG)
    return outcomes(run(pick), good(), bad(), good(), bad()), list(LOG)


class Swallows:
    def __enter__(self):
        LOG.append("in")
        return self

    def __exit__(self, kind, *_):
        LOG.append(kind)
        return True


def swallowing(x, i):
    with Swallows():
        x.detach().add_(1)
        y = x.index_select(0, i)
        x.detach().add_(100)
        return y
    return x * 3


@scenario(**ANY)
def swallowed_by_a_manager_of_an_inlined_call(run):
    def pick(x, i):
        y = swallowing(x, i)
        print(end="")
        return y - 1

    LOG.clear()
    run.watch(LOG)
    return outcomes(run(pick), good(), bad(), good(), bad()), list(LOG)


@scenario(**ANY)
def random_numbers_and_writes_are_not_done_again(run):
    def pick(x, i, *rest, scale=1, **more):
        with torch.no_grad():
            LOG.append((len(rest), sorted(more)))
            noise = torch.rand(2)
            x.mul_(scale)
            y = x.index_select(0, i)
        return y, noise

    LOG.clear()
    run.watch(LOG)
    compiled = run(pick)
    found = []
    for args in (good(), bad(), bad()):
        try:
            found.append(compiled(*args, 1, 2, scale=3, more=4))
        except IndexError as error:
            found.append((str(error), args[0]))
        found.append(torch.rand(1))
    return found, list(LOG), torch.is_grad_enabled()


@scenario(**ANY)
def a_handler_that_breaks(run):
    def pick(x, i):
        with torch.no_grad():
            print(end="")
            try:
                y = x.index_select(0, i)
            except IndexError:
                print("caught")
                y = x * 5
            assert (y >= 0).all(), "negative"
        return y + 1

    return outcomes(run(pick), good(), bad(), (-torch.ones(3), tensor([0])))


@scenario(**ANY)
def another_error_out_of_a_handler(run):
    def pick(x, i):
        try:
            return x.index_select(0, i)
        except IndexError:
            return x / (1 // len(LOG))

    LOG.clear()
    run.watch(LOG)
    return outcomes(run(pick), good(), bad())


@contextlib.contextmanager
def noted(name):
    LOG.append(("enter", name))
    try:
        yield
    finally:
        LOG.append(("leave", name))


@scenario(**ANY)
def managers_made_of_generators(run):
    def pick(x, i):
        with noted("outer"), noted("inner"):
            y = x.index_select(0, i)
            LOG.append("behind")
        return y

    LOG.clear()
    run.watch(LOG)
    return outcomes(run(pick), bad(), good()), list(LOG)


class Counted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls, self.done = 0, 0
        self.table = torch.nn.Embedding(4, 2)

    def forward(self, i):
        self.calls += 1
        y = self.table(i)
        self.done += 1
        return y


@scenario(**ANY)
def attributes_of_a_module(run):
    torch.manual_seed(0)
    module = Counted()
    run.watch(module)
    compiled = run(module)
    found = outcomes(compiled, (tensor([1]),), (tensor([9]),), (tensor([2]),), (tensor([7]),))
    return found, module.calls, module.done


@scenario(**ANY)
def sizes_that_change(run):
    def pick(x, i):
        LOG.append(x.shape[0])
        with torch.no_grad():
            y = x[: x.shape[0] - 1].index_select(0, i)
        LOG.append("behind")
        return y * x.shape[0]

    LOG.clear()
    run.watch(LOG)
    return outcomes(run(pick), *[(randn(n), tensor([k])) for n in (3, 4, 5, 6) for k in (1, 9)])[1::2], list(LOG)


@torch.library.custom_op("tests_raising::positive", mutates_args=())
def positive(x: torch.Tensor) -> torch.Tensor:
    if x.min() < 0:
        raise IndexError("it is negative")
    return x.clone()


@positive.register_fake
def _(x):
    return torch.empty_like(x)


@scenario(graphs=1)
def an_operator_of_a_library_under_finally(run):
    """What cleans up, cleans up also where the operator raises; the graph is whole for all that."""
    counts = []

    def guarded(x):
        try:
            return positive(x) * 2
        finally:
            counts.append("left")

    def outer(x):
        return guarded(x + 1) - 1

    compiled = run(outer)
    return outcomes(compiled, (torch.ones(2),)), counts


@scenario(**ANY)
def an_operator_of_a_library_that_raises_under_finally(run):
    LOG.clear()

    def guarded(x, say):
        LOG.append(x.shape[0])
        try:
            return positive(x) * 2
        finally:
            LOG.append("left")
            if say:
                print("left")

    def outer(x, say):
        try:
            return guarded(x + 1, say) - 1
        finally:
            LOG.append("outer")

    compiled = run(outer)
    return outcomes(compiled, *((x, say) for say in (False, True) for x in (torch.ones(2), torch.full((3,), -4.0)))), list(LOG)


@program(lambda: torch.arange(6.0))
def a_histogram_between_two_numbers_in_a_try(x):
    """Whatever the data is, it can be counted."""
    try:
        return torch.histc(x, bins=3, min=0, max=5), torch.histc(x, 2, -1.0, 9) * 2
    except RuntimeError:
        return x


@program(lambda: torch.tensor([1.0, float("nan")]), breaks=None, graphs=None)
def a_histogram_that_looks_for_its_bounds_in_a_try(x):
    try:
        return torch.histc(x, bins=3)
    except RuntimeError:
        return x


@program(lambda: torch.arange(4), breaks=None, graphs=None)
def a_histogram_of_integers_in_a_try(x):
    try:
        return torch.histc(x, bins=3, min=0, max=5)
    except RuntimeError:
        return x
