"""Pairs of modules that differ in one observable thing, given to one nested region: they must not be taken for equal.

`python -m tests.higher_order.pairs 500` draws so many: a body that reads some of what a module has, one copy that is equal and one that differs in
something that the body reads. What comes of each is compared with plain Python, also at a second call, between which the difference moves to another module.
"""

from __future__ import annotations

import copy
import enum
import random
import sys
import types
import weakref

import torch

import tracer
from tracer.events import Reused


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Part:
    kind = 3.0

    def __init__(self):
        self.width, self.none = 4.0, None


class Other(Part):
    kind = 5.0


class Slotted:
    __slots__ = ("depth", "maybe")

    def __init__(self):
        self.depth = 2.0


def scaled(value, by=2.0, *, more=1.0):
    return value * by + more


def scaled_otherwise(value, by=2.0, *, more=1.0):
    return value * by - more


def by_three():
    made = types.FunctionType(scaled.__code__, scaled.__globals__, "scaled", (3.0,))
    made.__kwdefaults__ = {"more": 1.0}
    return made


def closing(over):
    def inner(value):
        return value + over

    return inner


class Thing(torch.nn.Module):
    """Something of everything that a body may read."""

    klass = 2.0

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)
        self.parts = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.ReLU()])
        self.named = torch.nn.ModuleDict({"a": torch.nn.Identity(), "b": torch.nn.Tanh()})
        self.register_buffer("shift", torch.arange(4.0))
        self.whole, self.real, self.text, self.flag, self.nothing, self.zero, self.one = 3, 1.5, "ab", True, None, 0.0, 1
        self.items, self.pair, self.table = [1.0, 2.0], (3.0, 4.0), {"k": 1.0, "l": 2.0}
        self.members, self.colour, self.part, self.slotted = {1, 2}, Colour.RED, Part(), Slotted()
        self.function, self.closed, self.kind, self.nested = scaled, closing(1.0), torch.float32, {"deep": [{"er": 1.0}]}
        self.tensors = [torch.ones(4), torch.ones(4) * 2]
        self.tensors_alike = [self.tensors[0], self.tensors[0]]
        self.range, self.slice, self.complex, self.bytes = range(3), slice(1, 3), 1 + 2j, b"ab"
        self.method = types.MethodType(scaled_by_real, self)
        self.weak = weakref.ref(self.part)

    @property
    def doubled(self):
        return self.real * 2

    def described(self):
        return 1.0


def scaled_by_real(self, value):
    return value * self.real


def instead(self=None):
    return 7.0


SPECIAL: list[Thing] = []
NUMBERED: dict[Thing, float] = {}

#: name → (what a body reads of a module: a number or a tensor, what changes that and nothing else).
READS = {
    "parameter": (lambda m, x: m.linear(x).sum(), lambda m: m.linear.weight.data.mul_(2)),
    "parameter frozen": (lambda m, x: float(m.linear.weight.requires_grad), lambda m: m.linear.weight.requires_grad_(False)),
    "parameter missing": (lambda m, x: float(m.linear.bias is None), lambda m: setattr(m.linear, "bias", None)),
    "dtype": (lambda m, x: float(m.shift.dtype is torch.float32), lambda m: setattr(m, "shift", m.shift.double())),
    "shape": (lambda m, x: float(m.shift.shape[0]), lambda m: setattr(m, "shift", torch.arange(5.0))),
    "stride": (lambda m, x: float(m.shift.stride(0)), lambda m: setattr(m, "shift", torch.arange(8.0)[::2])),
    "offset": (lambda m, x: float(m.shift.storage_offset()), lambda m: setattr(m, "shift", torch.arange(6.0)[2:])),
    "view": (lambda m, x: float(m.shift._is_view()), lambda m: setattr(m, "shift", torch.arange(4.0).view(4))),
    "leaf": (lambda m, x: float(m.tensors[1].is_leaf), lambda m: m.tensors.__setitem__(1, (torch.ones(4) * 2).requires_grad_() * 1)),
    "class of a tensor": (lambda m, x: float(type(m.tensors[1]) is torch.nn.Parameter), lambda m: m.tensors.__setitem__(1, torch.nn.Parameter(torch.ones(4), False))),
    "attribute of a tensor": (lambda m, x: getattr(m.tensors[1], "mark", 0.0), lambda m: setattr(m.tensors[1], "mark", 3.0)),
    "one tensor twice": (lambda m, x: float(m.tensors_alike[0] is m.tensors_alike[1]), lambda m: m.tensors_alike.__setitem__(1, torch.ones(4))),
    "tensor of another": (lambda m, x: float(m.tensors[0] is m.tensors_alike[0]), lambda m: m.tensors.__setitem__(0, torch.ones(4))),
    "memory shared": (lambda m, x: m.tensors[0] + m.tensors[1], lambda m: m.tensors.__setitem__(1, m.tensors[0][:])),
    "training": (lambda m, x: float(m.training), lambda m: setattr(m, "training", False)),
    "training of a part": (lambda m, x: torch.nn.functional.dropout(x, 1.0, m.linear.training).sum(), lambda m: m.linear.eval()),
    "hook": (lambda m, x: m.linear(x).sum(), lambda m: m.linear.register_forward_hook(lambda mod, args, out: out * 3)),
    "hook before": (lambda m, x: m.linear(x).sum(), lambda m: m.linear.register_forward_pre_hook(lambda mod, args: (args[0] * 3,))),
    "length of a list of modules": (lambda m, x: float(len(m.parts)), lambda m: m.parts.append(torch.nn.Identity())),
    "module replaced": (lambda m, x: m.parts[0](x).sum(), lambda m: m.parts.__setitem__(0, torch.nn.Sigmoid())),
    "names of modules": (lambda m, x: float("c" in m.named), lambda m: m.named.update({"c": torch.nn.Identity()})),
    "order of modules": (lambda m, x: float(next(iter(m.named)) == "a"), lambda m: (setattr(m, "named", torch.nn.ModuleDict({"b": torch.nn.Tanh(), "a": torch.nn.Identity()})))),
    "integer": (lambda m, x: x * m.whole, lambda m: setattr(m, "whole", 4)),
    "integer in range": (lambda m, x: sum(range(m.whole)), lambda m: setattr(m, "whole", 5)),
    "float": (lambda m, x: x * m.real, lambda m: setattr(m, "real", 2.5)),
    "property": (lambda m, x: m.doubled, lambda m: setattr(m, "real", 3.5)),
    "text": (lambda m, x: float(len(m.text)), lambda m: setattr(m, "text", "abc")),
    "flag": (lambda m, x: 1.0 if m.flag else 2.0, lambda m: setattr(m, "flag", False)),
    "true or one": (lambda m, x: float(m.one is True), lambda m: setattr(m, "one", True)),
    "integer or float": (lambda m, x: float(isinstance(m.one, int)), lambda m: setattr(m, "one", 1.0)),
    "none": (lambda m, x: float(m.nothing is None), lambda m: setattr(m, "nothing", 0)),
    "sign of zero": (lambda m, x: torch.copysign(x, torch.full((), 1.0) * m.zero).sum(), lambda m: setattr(m, "zero", -0.0)),
    "item": (lambda m, x: m.items[1], lambda m: m.items.__setitem__(1, 9.0)),
    "length": (lambda m, x: float(len(m.items)), lambda m: m.items.append(3.0)),
    "sum of items": (lambda m, x: sum(m.items), lambda m: m.items.append(3.0)),
    "tuple": (lambda m, x: m.pair[0], lambda m: setattr(m, "pair", (5.0, 4.0))),
    "value under a key": (lambda m, x: m.table["k"], lambda m: m.table.update(k=6.0)),
    "key": (lambda m, x: m.table.get("n", 0.0), lambda m: m.table.update(n=6.0)),
    "order of keys": (lambda m, x: list(m.table.values())[0], lambda m: setattr(m, "table", {"l": 2.0, "k": 1.0})),
    "member": (lambda m, x: float(3 in m.members), lambda m: m.members.add(3)),
    "enumeration": (lambda m, x: float(m.colour.value), lambda m: setattr(m, "colour", Colour.BLUE)),
    "attribute of a part": (lambda m, x: m.part.width, lambda m: setattr(m.part, "width", 8.0)),
    "class of a part": (lambda m, x: m.part.kind, lambda m: setattr(m.part, "__class__", Other)),
    "entry before the class's": (lambda m, x: m.part.kind, lambda m: setattr(m.part, "kind", 6.0)),
    "attribute that isn't there": (lambda m, x: float(hasattr(m.part, "extra")), lambda m: setattr(m.part, "extra", 1)),
    "default of getattr": (lambda m, x: getattr(m.part, "extra", 2.0), lambda m: setattr(m.part, "extra", 1.0)),
    "slot": (lambda m, x: m.slotted.depth, lambda m: setattr(m.slotted, "depth", 3.0)),
    "function": (lambda m, x: m.function(1.0), lambda m: setattr(m, "function", scaled_otherwise)),
    "default of a function": (lambda m, x: m.function(1.0), lambda m: setattr(m, "function", by_three())),
    "closure": (lambda m, x: m.closed(1.0), lambda m: setattr(m, "closed", closing(4.0))),
    "method on the instance": (lambda m, x: m.described(), lambda m: setattr(m, "described", instead)),
    "object of a method": (lambda m, x: m.method(2.0), lambda m: setattr(m, "method", types.MethodType(scaled_by_real, Slow()))),
    "attribute of the class": (lambda m, x: m.klass, lambda m: setattr(m, "klass", 3.0)),
    "class": (lambda m, x: float(type(m) is Thing), lambda m: setattr(m, "__class__", Heir)),
    "dtype as a value": (lambda m, x: x.to(m.kind).sum(), lambda m: setattr(m, "kind", torch.float64)),
    "deep": (lambda m, x: m.nested["deep"][0]["er"], lambda m: m.nested["deep"][0].update(er=5.0)),
    "range": (lambda m, x: float(sum(m.range)), lambda m: setattr(m, "range", range(4))),
    "slice": (lambda m, x: x[m.slice].sum(), lambda m: setattr(m, "slice", slice(0, 3))),
    "complex": (lambda m, x: m.complex.imag, lambda m: setattr(m, "complex", 1 + 3j)),
    "bytes": (lambda m, x: float(len(m.bytes)), lambda m: setattr(m, "bytes", b"abc")),
    "identity": (lambda m, x: float(m is SPECIAL[0]) if SPECIAL else 0.0, lambda m: SPECIAL.append(m)),
    "membership": (lambda m, x: float(m in SPECIAL), lambda m: SPECIAL.append(m)),
    "under the module as a key": (lambda m, x: NUMBERED.get(m, 0.0), lambda m: NUMBERED.update({m: 4.0})),
    "object shared": (lambda m, x: float(m.part is m.nested.get("part")), lambda m: m.nested.update(part=m.part)),
    "object behind a weak reference": (lambda m, x: float(m.weak() is m.part), lambda m: setattr(m, "part", Part())),
}  # fmt: skip


class Slow:
    real = 11.0


class Heir(Thing):
    pass


def cleared() -> None:
    SPECIAL.clear()
    NUMBERED.clear()


def fresh(template: Thing) -> Thing:
    """An equal module, in which everything is an object of its own."""
    made = copy.deepcopy(template)
    made.weak = weakref.ref(made.part)
    return made


def body_of(names):
    reads = tuple(READS[name][0] for name in names)

    @torch.compiler.nested_compile_region
    def body(module, x):
        total = x * 2
        for read in reads:
            total = total + read(module, x)
        return total

    return body


def pair(names, changed, where, session=None):
    """(results traced, results plain, how often a body was taken again) of two calls over three equal modules, of which `where` differs in `changed` at
    the first call, and the one behind it as well at the second."""
    cleared()
    torch.manual_seed(0)
    template = Thing()
    modules = [fresh(template) for _ in range(3)]
    body = body_of(names)

    def program(modules, x):
        y = x + 1
        return [body(module, y) for module in modules]

    session = session or tracer.Session("trace")
    x, found, wanted = torch.linspace(-1, 1, 4), [], []
    for i in range(2):
        if changed is not None:
            READS[changed][1](modules[(where + i) % 3])
        found.append(session.run(program, modules, x))
        wanted.append(program(modules, x))
    cleared()
    return found, wanted, sum(isinstance(event, Reused) for event in session.events)


def drawn(seed):
    draw = random.Random(seed)
    names = draw.sample(sorted(READS), draw.randint(1, 6))
    return names, draw.choice(names), draw.randrange(3)


def check(names, changed, where):
    found, wanted, again = pair(names, changed, where)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    return again


if __name__ == "__main__":
    count, again, wrong = int(sys.argv[1]), 0, 0
    for seed in range(count):
        names, changed, where = drawn(seed)
        try:
            again += check(names, changed, where)
        except AssertionError as error:
            wrong += 1
            print(seed, names, changed, where, str(error).splitlines()[0], flush=True)
    print(f"{count} pairs, {again} bodies taken again, {wrong} wrong")
