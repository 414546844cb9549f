"""A few programs that together meet every kind of event that can be met while a call runs."""

from __future__ import annotations

import torch
from torch.utils.checkpoint import checkpoint


def double(x):
    y = x * 2
    return y


def plain(x):
    y = double(x)
    z = y + 1
    return z


def broken(x):
    y = double(x)
    for i in range(2):
        print("between")
        y = y + i
    return y.sum()


def branches(x):
    y = x * 2
    return torch.cond(x.sum() > 0, lambda: y + 1, lambda: y - 1)


def refused(x):
    def noisy(t):
        print("no body may print")
        return t.sin() + 1

    return checkpoint(noisy, x * 2, use_reentrant=False)


def saved(x):
    return checkpoint(lambda t: t.sin() * 2, x, use_reentrant=False).cos()


def several(xs):
    def gather():
        for x in xs:
            yield x * 2

    try:
        total = sum(gather())
        raise KeyError("left")
    except KeyError:
        xs.append(total)
    return total


def resized(x):
    out = []
    for n in (2, 3, 4):
        torch._dynamo.graph_break()
        out.append(helper(x[:n]))
        out.append(helper(x[:n]))
    return out


def native(x):
    out = []
    exec(
        "for n in (5, 3, 3): out.append(helper(x[:n]))", {"out": out, "helper": helper, "x": x}
    )  # module code: what it calls is traced on its own
    return out


def helper(x):
    return x.relu() + (3 if x.shape[0] == 3 else x.shape[0])


def doomed(x):
    y = x + 1
    raise ValueError(f"no {y.dim()}")


def overridden(x):
    return helper(x) * 2


wrapped = torch.compile(helper, backend="eager")


def given(x):
    """What torch.compile returned is called, in a frame that is traced and behind a break."""
    y = wrapped(x)
    print(end="")
    return wrapped(y)


#: What a sample's session is told besides its name.
def staged(x):
    return (x * 2).sum()


#: The backend where it is not eager.
BACKENDS = {"staged": "aot_eager"}
OVERRIDES = {"overridden": ("graph_node helper", "eager nobody", "skip_guard x")}

#: name → (function, arguments made afresh)
@torch.compiler.nested_compile_region
def region(x):
    return x.sin() * 2


def regions(x):
    return region(x + 1) * region(x + 2)


SAMPLES = {
    "plain": (plain, lambda: (torch.ones(3),)),
    "broken": (broken, lambda: (torch.ones(3),)),
    "regions": (regions, lambda: (torch.ones(3),)),
    "branches": (branches, lambda: (torch.ones(3),)),
    "refused": (refused, lambda: (torch.ones(3, requires_grad=True),)),
    "saved": (saved, lambda: (torch.ones(3, requires_grad=True),)),
    "several": (several, lambda: ([torch.ones(2), torch.ones(2)],)),
    "resized": (resized, lambda: (torch.ones(5),)),
    "native": (native, lambda: (torch.ones(5),)),
    "overridden": (overridden, lambda: (torch.ones(3),)),
    "doomed": (doomed, lambda: (torch.ones(3),)),
    "staged": (staged, lambda: (torch.ones(3, requires_grad=True),)),
    "given": (given, lambda: (torch.ones(3),)),
    "wrapped": (wrapped, lambda: (torch.ones(3),)),
}
