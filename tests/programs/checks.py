"""`torch._check` about numbers that only data decides: a check that was captured stays a check, whatever it tells the compiler."""

import torch

from tests.programs import scenario

CAPTURED = {"config": {"capture_scalar_outputs": True, "fullgraph": True}}


def numbers(run, f, *values):
    """One compiled function, called with tensors that hold each of these; what is raised is seen, and the next call goes on."""
    call = run(f)
    for value in values:
        try:
            call(torch.ones(6), torch.tensor(value))
        except (RuntimeError, ValueError, IndexError):
            pass


@scenario(**CAPTURED)
def a_check_that_fixes_the_number(run):
    def f(x, n):
        k = n.item()
        torch._check(k == 3)
        return x + k, k

    numbers(run, f, 3, 4, 3, -1)


@scenario(**CAPTURED)
def a_check_of_a_number_that_nothing_uses(run):
    def f(x, n):
        torch._check(n.item() >= 0)
        return x * 2

    numbers(run, f, 3, -2, 0)


@scenario(**CAPTURED)
def checks_say_the_words_of_the_program(run):
    def f(x, n):
        k = n.item()
        torch._check(k >= 0, lambda: "none below zero")
        torch._check(k <= 4, lambda: f"at most {x.shape[0] - 2}")
        return x[:k].sum()

    numbers(run, f, 3, 4, 5, -2, 0)


@scenario(**CAPTURED)
def checks_raise_what_they_are_for(run):
    def f(x, n):
        k = n.item()
        torch._check_value(k != 3, lambda: "not three")
        torch._check_index(k < 6)
        return x + k

    numbers(run, f, 2, 3, 7, 2)


@scenario(**CAPTURED)
def a_check_of_two_numbers(run):
    def f(x, n):
        k, j = n.item(), (n + 1).item()
        torch._check(k + j == 7)
        return x + j, k

    numbers(run, f, 3, 4, 3)


@scenario(**CAPTURED)
def a_check_of_a_float(run):
    def f(x, n):
        k = (n / 2).item()
        torch._check(k == 1.5)
        return x + k

    numbers(run, f, 3, 4, 3)


@scenario(**CAPTURED)
def a_check_under_a_handler(run):
    def f(x, n):
        seen = []
        try:
            k = n.item()
            seen.append(k)
            torch._check_value(k < 5, lambda: "five or more")
            y = x[:k] * 2
        except ValueError as error:
            y, seen = x - 1, [*seen, str(error)]
        return y, seen

    numbers(run, f, 3, 7, 2)


@scenario(breaks=["symbolic-number-escape"], config={"capture_scalar_outputs": True})
def words_that_need_the_number(run):
    def f(x, n):
        k = n.item()
        torch._check(k >= 0, lambda: f"got {k}")
        return x * 2

    numbers(run, f, 3, -2, 4)
