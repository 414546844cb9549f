"""A program that is compiled again for several reasons, and reaches its limit: for the tests of the Recompiles tab."""

from __future__ import annotations

import torch
from torch import nn

import tracer


class Scheduled(nn.Module):
    def __init__(self):
        super().__init__()
        self.steps, self.inner = 0, nn.Linear(4, 4)

    def forward(self, x, scale):
        h = self.inner(x)
        return h * scale + self.steps


def session_of(**settings):
    """Calls with another size, a float that changes, an int of the module, a hook, without gradients; past a limit of six."""
    session, net = tracer.Session("trace", recompile_limit=6, **settings), Scheduled().eval()

    def call(rows, scale):
        return session.run(net, torch.ones(rows, 4), scale)

    call(2, 1.0)
    call(3, 1.0)
    call(3, 0.5)
    net.steps = 1
    call(3, 0.5)
    net.inner.register_forward_hook(lambda module, given, out: out + 1)
    call(4, 0.5)
    with torch.no_grad():
        call(4, 0.5)
    call(4, 0.25)
    call(4, 0.125)
    call(5, 0.5)
    return session
