"""User classes: attributes, descriptors, inheritance, operators, slots, metaclasses."""

import abc
import functools
import typing

import torch
from torch import randn

from tests.programs import program, scenario


class Scale:
    """State in attributes, a class attribute beneath, a method that changes both."""

    factor = 2

    def __init__(self, shift=0):
        self.shift = shift
        self.seen = 0

    def __call__(self, x):
        self.seen += 1
        return x * self.factor + self.shift

    def reset(self):
        self.__dict__.clear()
        return self


@program(lambda: (Scale(3), randn(3)))
def object_argument_mutated(s, x):
    y = s(x) + s(x)
    s.last = y
    s.factor = 5
    return s(y), s


@program(lambda: (Scale(1), randn(3)))
def attribute_added_and_deleted(s, x):
    s.fresh = x + 1
    del s.shift
    try:
        s.shift
    except AttributeError as error:
        return s.fresh * 2, hasattr(s, "shift"), hasattr(s, "seen"), getattr(s, "nope", 7), type(error)


@program(lambda: randn(3))
def object_made_and_returned(x):
    s = Scale(4)
    s.name = "made"
    return s(x), s


@program(lambda: randn(3))
def object_made_and_dropped(x):
    return Scale(4)(x) + Scale()(x)


@program(lambda: (Scale(), "factor", randn(3)), breaks=None, graphs=None)
def attributes_by_name(s, name, x):
    setattr(s, name + "_copy", getattr(s, name))
    delattr(s, "seen")
    return x * s.factor_copy, sorted(vars(s)), s.__dict__, s.__class__.__name__, isinstance(s, Scale), name in dir(s)


class Base:
    def __init__(self, n):
        self.n = n

    def forward(self, x):
        return x * self.n

    @classmethod
    def make(cls, n):
        return cls(n)

    @staticmethod
    def helper(x):
        return x + 1

    @property
    def double(self):
        return self.n * 2

    @double.setter
    def double(self, value):
        self.n = value // 2


class Left(Base):
    def forward(self, x):
        return super().forward(x) + 1


class Right(Base):
    def forward(self, x):
        return super().forward(x) * 10


class Diamond(Left, Right):
    def forward(self, x):
        return super(Diamond, self).forward(x) - 1


@program(lambda: (Diamond(3), randn(3)))
def super_in_a_diamond(d, x):
    return d.forward(x), [c.__name__ for c in type(d).__mro__]


@program(lambda: (Left(3), randn(3)), breaks=None, graphs=None)
def properties_and_setters(b, x):
    b.double = 10
    return x * b.double, b.n, Base.double.fget(b)


@program(lambda: randn(3))
def class_and_static_methods(x):
    made = Left.make(4)
    return made.helper(made.forward(x)), Base.helper(x), type(made) is Left, made


class Celsius:
    """A data descriptor that keeps its value in the instance dict under another name."""

    def __set_name__(self, owner, name):
        self.slot = "_" + name

    def __get__(self, instance, owner=None):
        return self if instance is None else instance.__dict__.get(self.slot, 0) + 273

    def __set__(self, instance, value):
        instance.__dict__[self.slot] = value


class NonData:
    def __get__(self, instance, owner):
        return "from the descriptor"


class Thermometer:
    kelvin = Celsius()
    plain = NonData()


@program(lambda: (Thermometer(), randn(3)))
def descriptors(t, x):
    t.kelvin = 27
    before = t.plain
    t.plain = "from the instance"
    return x * t.kelvin, before, t.plain, t.__dict__, isinstance(Thermometer.kelvin, Celsius)


class Lazy:
    def __init__(self):
        self.real = 5

    def __getattr__(self, name):
        if name.startswith("lazy_"):
            return len(name)
        raise AttributeError(f"no {name}")


@program(lambda: (Lazy(), randn(3)))
def getattr_fallback(lazy, x):
    return x * lazy.lazy_value, lazy.real, hasattr(lazy, "other"), getattr(lazy, "other", 1)


class Watched:
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        object.__setattr__(self, "log", [*getattr(self, "log", []), name])

    def __getattribute__(self, name):
        if name == "magic":
            return 42
        return super().__getattribute__(name)


@program(lambda: randn(3), breaks=None, graphs=None)
def setattr_and_getattribute(x):
    w = Watched()
    w.a = x + 1
    w.b = 2
    return w.a * w.magic, w.log


class Vector:
    """Operators that return new objects, reflected ones, comparisons, hashing."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y) if isinstance(other, Vector) else NotImplemented

    def __rmul__(self, k):
        return Vector(k * self.x, k * self.y)

    def __iadd__(self, other):
        self.x += other.x
        return self

    def __eq__(self, other):
        return isinstance(other, Vector) and self.x is other.x

    def __hash__(self):
        return 7

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return (self.x, self.y)[i]

    def __contains__(self, item):
        return item == "x"

    def __bool__(self):
        return False

    def __neg__(self):
        return Vector(-self.x, -self.y)

    def __matmul__(self, other):
        return self.x @ other.x

    def __lt__(self, other):
        return self.y < other.y

    def __format__(self, spec):
        return f"V[{spec}]{self.y}"


@program(lambda: (Vector(randn(3), 1), Vector(randn(3), 2)))
def operators(a, b):
    c = a + b
    c += a
    d = 3 * c
    return d, (-c).y, a @ b, a == b, a != b, a == a, len(a), a[1], "x" in a, not a, a < b, sorted([b, a])[0] is a, [*a]


@program(lambda: (Vector(randn(3), 1), Vector(randn(3), 2)), breaks=None, graphs=None)
def user_hash_and_eq_in_dicts(a, b):
    same = Vector(a.x, 5)
    d = {a: "a", b: "b"}
    return a.x + 1, d[same], len({a, b, same}), [a, b].index(b), same in [b, a], f"{a:>3}"


class Missing:
    def __add__(self, other):
        return NotImplemented


@program(lambda: (Missing(), randn(3)))
def operator_not_implemented(m, x):
    try:
        return m + 3
    except TypeError as error:
        return x + 1, str(error)


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


@program(lambda: (Slots(2), randn(3)))
def slots(s, x):
    s.b = x * s.a
    missing = Slots(3)
    return s, hasattr(missing, "b"), missing


class Shape(abc.ABC):
    registry: typing.ClassVar[list] = []

    @abc.abstractmethod
    def area(self): ...

    def describe(self):
        return type(self).__name__, self.area()


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side * self.side


@program(lambda: randn(3))
def abstract_base_class(x):
    return x + Square(3).area(), Square(2).describe(), issubclass(Square, Shape), isinstance(Square(1), Shape)


class Meta(type):
    def __call__(cls, *args):
        made = super().__call__(*args)
        made.tag = cls.__name__.lower()
        return made

    def __getitem__(cls, n):
        return cls(n)


class Tagged(metaclass=Meta):
    def __init__(self, n):
        self.n = n


@program(lambda: randn(3), breaks=None, graphs=None)
def metaclass_call(x):
    t = Tagged(3)
    return x * t.n, t.tag, Tagged[4].n


class Singleton:
    _only = None

    def __new__(cls, *args):
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only


@scenario(graphs=None, breaks=None, recompiles=None)
def new_returns_shared_instance(run):
    Singleton._only = None

    def make(x):
        return x + 1, Singleton(), Singleton() is Singleton()

    f = run(make)
    f(randn(3))
    f(randn(3))


class Immutable(tuple):
    def __new__(cls, a, b):
        return super().__new__(cls, (a, b))

    @property
    def total(self):
        return self[0] + self[1]


@program(lambda: (Immutable(1, 2), randn(3)))
def tuple_subclass_with_new(t, x):
    return Immutable(x, x + 1).total * t.total, t


class Money(int):
    def __new__(cls, value, currency):
        made = super().__new__(cls, value)
        made.currency = currency
        return made


@program(lambda: (Money(5, "eur"), randn(3)))
def int_subclass(m, x):
    return x * int(m), m + 1, m.currency, type(m + 1)


class Cached:
    def __init__(self):
        self.computed = 0

    @functools.cached_property
    def value(self):
        self.computed += 1
        return 21


@program(lambda: (Cached(), randn(3)))
def cached_property(c, x):
    return x * c.value + c.value, c.computed, c.__dict__


@program(lambda: randn(3), breaks=None, graphs=None, recompiles=None)
def class_made_inside(x):
    class Local:
        scale = 3

        def go(self, t):
            return t * self.scale

    return Local().go(x)


@scenario(recompiles=1)
def class_attribute_changed(run):
    class Holder:
        scale = 2

    holder = Holder()
    f = run(lambda x: x * holder.scale)
    f(randn(3))
    Holder.scale = 3
    f(randn(3))


@scenario(recompiles=1)
def instance_shadows_class_attribute(run):
    class Holder:
        scale = 2

    holder = Holder()
    f = run(lambda x: x * holder.scale)
    f(randn(3))
    holder.scale = 5
    f(randn(3))


@scenario(recompiles=1)
def absent_attribute_appears(run):
    class Holder:
        pass

    holder = Holder()
    f = run(lambda x: x * getattr(holder, "scale", 1))
    f(randn(3))
    holder.scale = 5
    f(randn(3))


@program(lambda: (torch.nn.Linear(3, 3), randn(2, 3)))
def generic_alias_and_typing(layer, x):
    pair: tuple[int, int] = (1, 2)
    return (
        layer(typing.cast(torch.Tensor, x)),
        pair,
        typing.get_origin(list[int]) is list,
        isinstance(x, torch.Tensor | int),
    )


@scenario(recompiles=1)
def getattribute_appears_between_calls(run):
    class Holder:
        def __init__(self):
            self.value = 2

    holder = Holder()
    g = run(lambda x: x * holder.value)
    g(randn(3))
    Holder.__getattribute__ = lambda self, name: 5
    g(randn(3))
    del Holder.__getattribute__
    g(randn(3))


class Under(torch.nn.Module):
    def forward(self, x):
        return x + 1


class CapturesItself(Under):
    """`self` is a cell, for the comprehension, and the first parameter, for the bare `super()`."""

    scale = 2.0

    def forward(self, x):
        x = super().forward(x)
        for _ in range(4):
            torch._dynamo.graph_break()
        return [super(CapturesItself, self).forward(x) * self.scale for _ in range(2)]

    def late(self, x):
        torch._dynamo.graph_break()
        torch._dynamo.graph_break()
        return super().forward(x), [self.scale for _ in range(2)]


@program(lambda: (CapturesItself(), randn(3)), breaks=None, graphs=None, recompiles=None)
def super_and_a_captured_self_behind_breaks(net, x):
    return net(x), net.late(x)
