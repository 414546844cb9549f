"""nn.Module: containers, hooks, buffers, shared parameters, modes, state kept in forward, what changes between calls."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import randn

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


def calls(run, module, *inputs, times=2):
    f = run(module)
    for _ in range(times):
        f(*(i() for i in inputs))
    return f


def batch():
    return randn(2, 4)


def small():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))


@scenario()
def sequential(run):
    calls(run, small(), batch)


@scenario()
def module_called_inside_a_function(run):
    net = small()
    calls(run, lambda x: net(x) + net[0](x).sum(), batch)


class Tree(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.named = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Tanh()})
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(4)) for _ in range(2)])
        self.extra = nn.ParameterDict({"bias": nn.Parameter(torch.zeros(4))})

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x) * self.scales[i % len(self.scales)]
        for name, layer in self.named.items():
            x = layer(x) + len(name)
        return x + self.extra["bias"], len(self.layers), "a" in self.named, list(self.named.keys()), self.layers[-1](x)


@scenario()
def module_containers(run):
    calls(run, Tree(), batch)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embed.weight
        self.again = self.head

    def forward(self, ids):
        return self.head(self.embed(ids)), self.again is self.head, self.head.weight is self.embed.weight


@scenario()
def shared_parameters(run):
    calls(run, Shared(), lambda: torch.randint(0, 10, (2, 3)))


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("none", None)
        self.calls = 0

    def forward(self, x):
        self.seen += 1
        self.mean = self.mean * 0.9 + x.mean(0) * 0.1
        return x - self.mean, self.none is None


@scenario()
def buffers_updated_in_forward(run):
    module = Counting()
    calls(run, module, batch)
    run.watch(module)


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.count = 0
        self.history = []
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        self.count += 1
        self.last = self.linear(x)
        self.history.append(self.count)
        return self.last


@scenario(**UNKNOWN)
def python_state_in_forward(run):
    calls(run, Stateful(), batch, times=3)


@scenario()
def batch_norm_in_training(run):
    calls(run, nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True)), lambda: randn(2, 2, 5, 5))


@scenario(recompiles=1)
def train_and_eval(run):
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    f = calls(run, module, batch)
    module.eval()
    f(batch())
    module.train()
    f(batch())


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, *args, scale=1.0, **kwargs):
        return x + self.inner(x, *args, **kwargs) * scale


@scenario()
def nested_modules_with_kwargs(run):
    f = run(Residual(Residual(nn.Linear(4, 4))))
    f(batch(), scale=0.5)
    f(batch(), scale=0.5)


@scenario()
def forward_hooks(run):
    module, log = small(), []
    module[0].register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    module[2].register_forward_hook(lambda m, args, out: out + 1)
    module.register_forward_hook(lambda m, args, kwargs, out: log.append(len(args)), with_kwargs=True)
    calls(run, module, batch)
    run.watch(log)


@scenario(recompiles=1)
def hook_added_later(run):
    module = small()
    f = run(lambda x: module(x))
    f(batch())
    module[0].register_forward_hook(lambda m, args, out: out * 3)
    f(batch())


@scenario(**UNKNOWN)
def hook_removed_later(run):
    module = small()
    handle = module[0].register_forward_hook(lambda m, args, out: out * 3)
    f = run(lambda x: module(x))
    f(batch())
    handle.remove()
    f(batch())


@scenario(**UNKNOWN)
def backward_hooks(run):
    module = small()
    module[0].register_full_backward_hook(lambda m, gi, go: tuple(g * 2 if g is not None else g for g in gi))
    calls(run, module, lambda: randn(2, 4, requires_grad=True))


@scenario(recompiles=1)
def forward_patched_on_the_instance(run):
    module = nn.Linear(4, 4)
    f = run(lambda x: module(x))
    f(batch())
    module.forward = lambda x: x * 2
    f(batch())


@scenario(recompiles=1)
def method_patched_on_the_class(run):
    class Local(nn.Module):
        def forward(self, x):
            return self.helper(x)

        def helper(self, x):
            return x + 1

    module = Local()
    f = run(module)
    f(batch())
    Local.helper = lambda self, x: x - 1
    f(batch())


@scenario(recompiles=None, graphs=None)
def parameter_replaced_between_calls(run):
    module = nn.Linear(4, 4)
    f = run(module)
    f(batch())
    module.weight = nn.Parameter(torch.ones(4, 4))
    f(batch())
    module.weight.data = torch.zeros(4, 4)
    f(batch())


@scenario(recompiles=1)
def parameter_frozen_between_calls(run):
    module = nn.Linear(4, 4)
    f = run(lambda x: module(x))
    f(batch())
    module.weight.requires_grad_(False)
    f(batch())


@scenario(recompiles=1)
def plain_attribute_changed(run):
    class Scaled(nn.Module):
        scale = 2

        def forward(self, x):
            return x * self.scale

    module = Scaled()
    f = run(module)
    f(batch())
    module.scale = 3
    f(batch())


@scenario(recompiles=None, graphs=None)
def submodule_replaced_between_calls(run):
    module = small()
    f = run(lambda x: module(x))
    f(batch())
    module[1] = nn.Tanh()
    f(batch())


@scenario(recompiles=None, graphs=None, breaks=0)
def two_modules_of_one_class(run):
    one, two = nn.Linear(4, 4), nn.Linear(4, 4)
    f, g = run(one), run(two)
    f(batch()), g(batch()), f(batch())
    h = run(lambda m, x: m(x))
    h(one, batch()), h(two, batch()), h(one, batch())


class Calls(nn.Module):
    def __call__(self, x):
        return super().__call__(x) * 10

    def forward(self, x):
        return x + 1


@scenario()
def call_overridden(run):
    inner = Calls()
    calls(run, lambda x: inner(x), batch)


class Fallback(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inner, name)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias), hasattr(self, "nothing")


@scenario()
def getattr_that_delegates(run):
    calls(run, Fallback(), batch)


class Walks(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = small()
        self.register_buffer("b", torch.ones(1))

    def forward(self, x):
        total = sum(p.sum() for p in self.parameters())
        names = [n for n, _ in self.named_parameters()], [n for n, _ in self.named_buffers()]
        kinds = [type(m).__name__ for m in self.modules()], [n for n, _ in self.net.named_children()]
        return x * total + self.b, names, kinds, self.training, len(list(self.children()))


@scenario()
def walks_over_parameters_and_modules(run):
    calls(run, Walks(), batch)


class Builds(nn.Module):
    def forward(self, x):
        made = nn.ReLU()
        return made(x), nn.Softmax(dim=-1)(x)


@scenario()
def modules_made_inside(run):
    calls(run, Builds(), batch)


class Changing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4)])
        self.cache = {}

    def forward(self, x):
        self.cache["last"] = x.detach()
        if len(self.layers) < 2:
            self.layers.append(self.layers[0])
        return self.layers[-1](x)


@scenario(**UNKNOWN)
def containers_changed_in_forward(run):
    calls(run, Changing(), batch, times=3)


class Cached(nn.Module):
    """Keeps keys as a decoder does."""

    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)
        self.keys = None

    def forward(self, x):
        new = self.proj(x)
        self.keys = new if self.keys is None else torch.cat([self.keys, new], dim=0)
        return self.keys.sum(0)


@scenario(**UNKNOWN)
def growing_cache(run):
    calls(run, Cached(), batch, times=4)


@scenario()
def recurrent_layers(run):
    calls(run, nn.GRUCell(4, 4), batch, batch)


@scenario(**UNKNOWN)
def lstm_module(run):
    calls(run, nn.LSTM(4, 3, batch_first=True), lambda: randn(2, 5, 4))


@scenario()
def transformer_layer(run):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    calls(run, layer, lambda: randn(2, 3, 8))


@scenario()
def bound_method_compiled(run):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(4))

        def encode(self, x):
            return x * self.w

    model = Model()
    calls(run, model.encode, batch)


@scenario(**UNKNOWN)
def lazy_module_is_initialised(run):
    calls(run, nn.LazyLinear(3), batch)


@scenario()
def module_with_property_and_static_method(run):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 4)

        @property
        def width(self):
            return self.inner.out_features

        @staticmethod
        def double(x):
            return x * 2

        def forward(self, x):
            return self.double(self.inner(x)) + self.width, repr(type(self.inner).__name__), self.inner.in_features

    calls(run, Model(), batch)


@scenario(recompiles=1)
def dtype_of_the_module_changes(run):
    module = nn.Linear(4, 4)
    f = run(lambda x: module(x))
    f(batch())
    module.to(torch.float64)
    f(batch().double())


@program(lambda: (nn.Linear(4, 4), randn(2, 4)))
def module_as_an_argument(layer, x):
    layer.weight.grad = None
    return layer(x), layer.training
