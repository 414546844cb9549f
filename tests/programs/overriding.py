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


# ---- classes of tensors
class Sub(torch.Tensor):
    pass


class Noted(torch.Tensor):
    told = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.told.append((func.__name__, [t.__name__ for t in types]))
        return super().__torch_function__(func, types, args, kwargs)


class Inner(Noted):
    pass


class Doubled(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        out = super().__torch_function__(func, types, args, kwargs)
        return out * 2 if func is torch.add else out


class Tagged(torch.Tensor):
    @staticmethod
    def __new__(cls, data, tag=None):
        return torch.Tensor._make_subclass(cls, data)

    def __init__(self, data, tag=None):
        self.tag = tag

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            out = out.as_subclass(cls)
            out.tag = [getattr(a, "tag", None) for a in args]
        return out

    @property
    def twice(self):
        return self + self

    def norm2(self):
        return (self * self).sum()


HANDLED = {
    torch.add: lambda x, y: torch.mul(x, y),
    torch.Tensor.shape.__get__: lambda x: "a shape",
    F.relu: lambda x, inplace=False: x.abs(),
}


class ByTable(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in HANDLED and all(issubclass(t, torch.Tensor) for t in types):
            return HANDLED[func](*args, **(kwargs or {}))
        return super().__torch_function__(func, types, args, kwargs)


class Operators(torch.Tensor):
    def __add__(self, other):
        return "own sum"

    def __getitem__(self, index):
        return "item", index

    def __len__(self):
        return 77


class Nobody(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


class Like:
    """No tensor, and told like one."""

    def __init__(self, value):
        self.value = value

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        args = [a.value if isinstance(a, Like) else a for a in args]
        out = func(*args, **(kwargs or {}))
        return Like(out) if isinstance(out, torch.Tensor) else out


def of(cls, *shape, grad=False):
    with torch._C.DisableTorchFunctionSubclass():
        return randn(*shape).as_subclass(cls).requires_grad_(grad)


@program(lambda: of(Sub, 2, 3))
def class_without_an_override(x):
    x.add_(1)
    x[0] = 5
    return x + 1, 1 - x, x.relu(), x.shape, x.T, torch.cat([x, x]), torch.max(x, 0), [*x], x.clone().mul_(3), F.softmax(x, 1), len(x), x.sum() > 0


def noted(*made):
    Noted.told.clear()
    return made


@program(lambda: noted(of(Noted, 2, 3)))
def class_is_told_of_every_kind_of_call(x):
    out = x + 1, 1 - x, F.relu(x), x[0], x.size(), len(x), -x, x @ x.T, x.sum(), torch.max(x, 0), list(x), x.requires_grad, x.view(3, 2).mean(0)
    return out, list(Noted.told)


@program(lambda: noted(of(Noted, 3), of(Inner, 3), randn(3)))
def several_classes_in_one_call(x, y, z):
    out = x + y, y + x, z + y, torch.cat([z, x, y]), torch.where(z > 0, x, y), z.mul(x)
    return out, list(Noted.told)


@program(lambda: (of(Doubled, 3, grad=True), randn(3).requires_grad_()))
def override_that_changes_results(x, y):
    return torch.add(x, y), torch.add(y, x), x + y, torch.add(y.as_subclass(Doubled), 1).as_subclass(torch.Tensor)


@program(lambda: randn(3))
def class_made_inside(x):
    made = Tagged(x, "t")
    out = made + 1
    return made, made.tag, out, out.tag, made.twice, made.norm2(), type(out) is Tagged, isinstance(out, torch.Tensor), torch.is_tensor(made)


@program(lambda: of(ByTable, 3))
def class_with_a_table(x):
    return torch.add(x, 2), x.shape, F.relu(x), x.sum()


@program(lambda: of(Operators, 3))
def class_with_operators(x):
    return x + 1, 1 + x, x[0], len(x), x * 2, x - torch.ones(3)


@program(lambda: (torch.nn.Parameter(of(Sub, 3)), randn(3)))
def parameter_of_a_class(w, x):
    return (w * x).sum()


@program(lambda: noted(of(Noted, 3)))
def classes_switched_off(x):
    with torch._C.DisableTorchFunctionSubclass():
        a = x + 1, torch.overrides.has_torch_function((x,))
    with torch._C.DisableTorchFunction():
        b = x + 1
    return a, b, torch.overrides.has_torch_function((x,)), x * 1


@program(lambda: (Like(randn(3)), randn(3)))
def no_tensor_but_told(o, x):
    made = Like(x)
    return torch.add(o, x).value, torch.mul(x, made).value, F.relu(o).value, torch.numel(made), torch.overrides.is_tensor_like(o)


@program(lambda: of(Noted, 3), **UNKNOWN)
def break_between_overrides(x):
    y = x + 1
    print("here")
    return y * 2 if y.sum() > 0 else y, y.shape


@program(lambda: of(Nobody, 3), **UNKNOWN)
def nobody_implements_it(x):
    try:
        return x + 1
    except TypeError as error:
        return str(error)


@scenario(graphs=4, recompiles=None)
def class_changes_between_calls(run):
    f = run(lambda x: torch.add(x, 1) + x.sum())
    for cls in (torch.Tensor, Sub, Doubled, ByTable, Sub):
        f(of(cls, 3))


@program(lambda: of(Sub, 3))
def operators_that_give_an_argument_back(x):
    y = torch.broadcast_tensors(x, x)
    return y[0] is x, type(y[1]) is Sub, y[0] + 1, x.contiguous(), x.expand(3), torch.atleast_1d(x, x)


@program(lambda: (of(Sub, 3, grad=True),), **UNKNOWN)
def hook_on_a_tensor_of_a_class(x):
    x.register_hook(lambda g: g * 2)
    x.grad = torch.ones(3)
    return (x * 3).sum(), x.grad


@program(lambda: of(Sub, 3, grad=True), **UNKNOWN)
def leaf_of_a_class_is_written_to(x):
    y = x * 2
    with torch.no_grad():
        print("here")
        x *= 2
    with torch._C.DisableTorchFunctionSubclass():
        x += y
    return y
