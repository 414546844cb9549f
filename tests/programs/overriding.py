"""Modes and classes that override torch's functions (`__torch_function__`): what they are told of, in which order, and what comes of it."""

import torch
import torch.nn.functional as F
from torch import randn
from torch.overrides import BaseTorchFunctionMode, TorchFunctionMode

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class Noting(TorchFunctionMode):
    """Notes what it is told of."""

    def __init__(self):
        super().__init__()
        self.told = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.told.append((func.__name__, [t.__name__ for t in types], len(args), sorted(kwargs or {})))
        return func(*args, **(kwargs or {}))


class Negating(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        return torch.neg(out) if isinstance(out, torch.Tensor) else out


class Tabled(TorchFunctionMode):
    table = {
        torch.add: lambda x, y, **k: torch.sub(x, y),
        torch.Tensor.mul: lambda x, y: x.div(y),
        torch.Tensor.shape.__get__: lambda x: (7,),
        F.relu: lambda x, inplace=False: x.abs(),
    }

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in self.table:
            return self.table[func](*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class Refusing(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.sin:
            raise ValueError("no sine")
        return func(*args, **(kwargs or {}))


# ---- modes
@program(lambda: randn(3))
def mode_is_told_of_every_kind_of_call(x):
    mode = Noting()
    with mode:
        y = (x + 1).relu() * x.shape[0]
        y[0] = 2
        y += 1
        first, *rest = y
        made = torch.zeros(3), torch.tensor([1.0, 2.0]), torch.device("cpu")
        signs = -x, 1 - x, 2**x, abs(x), x == y, x @ x
        asked = len(y), x.dtype, x.dim(), x.size(), x.requires_grad, y.is_contiguous()
        with torch.no_grad():
            z = torch.cat([x, y]).view(2, 3).T.sum(dim=0, keepdim=True)
    return y, first, rest, made, signs, asked, z, mode.told


@program(lambda: (randn(2, 3), torch.nn.Linear(3, 4), torch.nn.LayerNorm(4)))
def mode_is_told_of_python_functions(x, linear, norm):
    mode = Noting()
    with mode:
        y = F.gelu(norm(linear(x)))
        z = torch.einsum("ij,kj->ik", y, y), F.max_pool1d(y, 2), torch.norm(y), torch.meshgrid(x[0], x[1], indexing="ij"), y.split(2, 1)
        w = F.softmax(y, -1), F.dropout(y, 0.5, training=False), y.unflatten(1, (2, 2)), torch.max(y, 0)
    return y, z, w, mode.told


@program(lambda: randn(3))
def modes_in_modes(x):
    outer, inner = Noting(), Noting()
    with outer, Negating():
        with inner:
            y = x + 1
            with torch._C.DisableTorchFunction():
                z = x * 3
        w = torch.ones(3) + 1
    with BaseTorchFunctionMode():
        v = x.sin()
    return y, z, w, v, outer.told, inner.told, torch._C._len_torch_function_stack()


@program(lambda: randn(3))
def mode_with_a_table(x):
    with Tabled():
        return torch.add(x, 1), x * 2, x.shape, F.relu(x), x.sum()


@program(lambda: randn(3))
def mode_that_raises(x):
    try:
        with Refusing():
            y = torch.sin(x)
    except ValueError as error:
        y = str(error)
    return y, torch.sin(x), torch.overrides.has_torch_function((x,))


@program(lambda: randn(3))
def mode_entered_by_hand(x):
    mode = Noting()
    mode.__enter__()
    y = x + 1, torch.overrides._get_current_function_mode() is mode, torch.overrides.has_torch_function((x,))
    mode.__exit__(None, None, None)
    return y, x + 1, mode.told


@program(lambda: randn(3), **UNKNOWN)
def break_under_a_mode(x):
    mode = Noting()
    y = x * 2
    with mode:
        z = y + 1
        print("here")
        w = z + 1
    return w + 1, mode.told, torch._C._len_torch_function_stack()


@scenario(**UNKNOWN)
def raise_under_a_mode_leaves_none(run):
    def f(x):
        with Noting():
            return torch.sin(x).view(7)

    try:
        run(f)(randn(3))
    except RuntimeError:
        run.watch([torch._C._len_torch_function_stack()])


@scenario(**UNKNOWN)
def graph_that_raises_under_a_mode(run):
    def f(table, i):
        mode = Noting()
        try:
            with mode:
                y = F.embedding(i, table @ table)
        except IndexError:
            y = table + 1
        with Negating():
            z = table.sum(0)
            try:
                w = F.embedding(i, table) + 1
            except IndexError:
                print("caught")
                w = table * 2
        return y, z, w, torch._C._len_torch_function_stack(), mode.told

    g = run(f)
    for index in (1, 9, 2):
        g(randn(4, 4), torch.tensor([index]))
