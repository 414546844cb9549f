"""Lists and deques from outside that a program appends to: their length matters only where it is read."""

from collections import deque

import torch
from torch import nn, randn

from tests.programs import program, scenario


def thrice(run, function, *watched):
    f = run(function)
    for _ in range(3):
        f(randn(3))
    for thing in watched:
        run.watch(thing)


@scenario()
def only_appended_to(run):
    log = [1]

    def f(x):
        log.append(x.shape)
        log.append(x * 2)
        return x + 1

    thrice(run, f, log)


@scenario()
def extended_in_every_way(run):
    log = []

    def f(x):
        nonlocal log
        log += [x, 1]
        log.extend((x + 1, 2))
        log.extend(i for i in range(2))
        return x * 3

    thrice(run, f, log)


@scenario()
def deques_appended_to(run):
    log, last = deque(), deque([0], maxlen=1)

    def f(x):
        log.append(len(x))
        log.extend([x])
        last.append(x)
        return x + 1

    thrice(run, f, log, last)


@scenario(recompiles=2)
def appended_then_measured(run):
    log = []

    def f(x):
        log.append(x)
        return x + len(log)

    thrice(run, f, log)


@scenario(recompiles=2)
def measured_then_appended(run):
    log = []

    def f(x):
        if not log:
            x = x * 5
        log.append(1)
        return x + 1, list(log)

    thrice(run, f, log)


@scenario(recompiles=2)
def appended_and_the_last_read(run):
    log = [1]

    def f(x):
        log.append(x.sum())
        return x + log[-1]

    thrice(run, f, log)


@scenario(recompiles=2)
def appended_and_then_changed(run):
    log = [3, 4]

    def f(x):
        log.append(5)
        log.append(x)
        log[0] = 1
        return x + 1

    thrice(run, f, log)


@scenario()
def returned_after_an_append(run):
    log = []

    def f(x):
        log.append(x + 1)
        return log, x

    thrice(run, f, log)


@scenario()
def appended_to_itself(run):
    log = []

    def f(x):
        log.append(log)
        return x * 2

    f = run(f)
    f(randn(3))
    f(randn(3))
    assert log[0] is log and log[1] is log


@scenario(recompiles=2)
def extended_by_itself(run):
    log = [1]

    def f(x):
        log.extend(log)
        return x * 2

    thrice(run, f, log)


@scenario(graphs=2, breaks=1)
def appended_across_a_break(run):
    log = []

    def f(x):
        log.append(x + 1)
        torch._dynamo.graph_break()
        log.append(x + 2)
        return x * 2

    thrice(run, f, log)


@scenario()
def one_list_under_two_names(run):
    log = []
    holder = {"log": log}

    def f(x):
        log.append(1)
        holder["log"].append(x + 1)
        return x * 2

    thrice(run, f, log)


@scenario(recompiles=0)
def lists_of_a_module(run):
    class Recorder(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen, self.layer = [], nn.Linear(3, 3)

        def forward(self, x):
            out = self.layer(x)
            self.seen.append(out.detach())
            return out

    module = Recorder()
    thrice(run, module, module.seen)


@scenario()
def undone_by_an_exception(run):
    log = []

    def f(x):
        try:
            log.append(1)
            raise ValueError
        except ValueError:
            log.append(2)
        return x * 2

    thrice(run, f, log)


@program(lambda: ([], randn(3)))
def appended_in_an_inlined_call(log, x):
    def note(value):
        log.append(value)
        return value

    return note(x * 2) + note(x + 1)
