"""What classes may redefine: subclasses of numbers, strings and tuples, descriptors, metaclasses, operators, attribute hooks."""

import functools
import operator

import torch
from torch import randn

from tests.programs import program

ANY = dict(breaks=None, graphs=None, recompiles=None)
GRAPH_BREAK = "user-requested-break"


# --- numbers and their subclasses
class F(float):
    def __add__(s, o):
        return F(float(s) + float(o) * 2)

    __radd__ = __add__

    def half(s):
        return s / 2


class St(str):
    def shout(s):
        return s.upper() + "!"

    def __eq__(s, o):
        return str.__eq__(s.lower(), str(o).lower())

    __hash__ = str.__hash__


class T(tuple):
    def __new__(c, *a):
        return super().__new__(c, a)

    def __add__(s, o):
        return T(*tuple.__add__(s, o))


class Odd(int):
    def __repr__(s):
        return f"Odd({int(s)})"

    def __mul__(s, o):
        return Odd(int(s) * int(o) + 1)


@program(lambda: randn(3))
def number_subclasses(x):
    a = F(1.5)
    b = a + 2
    c = 3 + a
    i = Odd(3) * 2
    j = 2 * Odd(3)
    return (
        x * float(b) + int(i),
        b,
        c,
        type(b) is F,
        i,
        j,
        type(j),
        repr(i),
        a.half(),
        f"{i}",
        f"{i:04d}",
        Odd(5) // 2,
        -Odd(3),
        abs(Odd(-3)),
        Odd(3) < 4,
        Odd(3) == 3,
        hash(Odd(3)) == hash(3),
        {Odd(3): 1}[3],
        [10, 20, 30, 40][Odd(2)],
        range(Odd(3)),
        x[Odd(1)],
        int.__add__(Odd(1), 2),
    )


@program(lambda: randn(3))
def str_subclass(x):
    s = St("abc")
    return (
        x + len(s),
        s.shout(),
        s == "ABC",
        s + "d",
        type(s + "d"),
        s[1],
        "b" in s,
        s.upper(),
        f"{s}!",
        {s: 1}[St("ABC")] if hash(St("abc")) == hash(St("ABC")) else None,
        s.split("b"),
        s * 2,
    )


@program(lambda: randn(3), graphs=0)
def tuple_subclass(x):
    t = T(1, x)
    u = t + (3,)
    return (
        u,
        type(u),
        t[0],
        len(u),
        [*t],
        t == (1, x) if False else 0,
        isinstance(t, tuple),
        t[:1],
        hash(T(1, 2)) == hash((1, 2)),
    )


@program(lambda: (F(2.5), St("hey"), T(1, 2), Odd(4), randn(3)))
def subclass_arguments(f, s, t, i, x):
    return x * f, s.shout(), t[1] * x, x + i, f + 1, i * 2, t + (1,)


# --- descriptors
class Typed:
    def __init__(s, kind):
        s.kind = kind

    def __set_name__(s, o, n):
        s.name = n

    def __get__(s, i, o=None):
        if i is None:
            return s
        return i.__dict__.get("_" + s.name)

    def __set__(s, i, v):
        if not isinstance(v, s.kind):
            raise TypeError(f"{s.name} wants {s.kind.__name__}")
        i.__dict__["_" + s.name] = v

    def __delete__(s, i):
        del i.__dict__["_" + s.name]


class D:
    n = Typed(int)
    t = Typed(torch.Tensor)

    def __init__(s, n):
        s.n = n

    @property
    def p(s):
        return s._p

    @p.setter
    def p(s, v):
        s._p = v * 2

    @p.deleter
    def p(s):
        s._p = None

    @functools.cached_property
    def c(s):
        s.n += 1
        return s.n * 10

    @functools.partialmethod
    def _pm(s):
        pass

    def scaled(s, x, k):
        return x * k * s.n

    doubled = functools.partialmethod(scaled, k=2)

    @functools.singledispatchmethod
    def kind(s, a):
        return "other"

    @kind.register
    def _(s, a: int):
        return "int"


#: Python 3.13 keeps every instance in it for ever: the runs would see each other's.
vars(D)["kind"]._method_cache = None


@program(lambda: randn(3))
def descriptors_all(x):
    d = D(3)
    d.t = x
    d.p = 4
    a = d.p
    del d.p
    try:
        d.n = "s"
    except TypeError as e:
        m = str(e)
    c = d.c + d.c
    del d.t
    try:
        D(1).q
    except AttributeError as e:
        q = str(e)
    return x * d.n, a, d.p, m, c, d.__dict__, d.t, q, D.n is D.__dict__["n"]


@program(lambda: randn(3))
def partial_methods(x):
    d = D(2)
    return d.doubled(x), d.kind(1), d.kind("s")


class RO:
    @property
    def v(s):
        return 1

    __slots__ = ("a",)


@program(lambda: randn(3))
def read_only(x):
    r = RO()
    out = []
    for f in (
        lambda: setattr(r, "v", 2),
        lambda: delattr(r, "v"),
        lambda: setattr(r, "zz", 1),
        lambda: r.a,
        lambda: delattr(r, "a"),
        lambda: r.nope,
        lambda: delattr(r, "nope"),
    ):
        try:
            f()
        except AttributeError as e:
            out.append(str(e))
    return x + 1, out


# --- metaclasses, class creation hooks
class Reg(type):
    made = []

    def __new__(m, n, b, ns, **k):
        c = super().__new__(m, n, b, ns)
        c.k = k
        return c

    def __init__(c, n, b, ns, **k):
        super().__init__(n, b, ns)

    def __iter__(c):
        return iter([1, 2])

    def __len__(c):
        return 7

    def __contains__(c, i):
        return i == 3

    def __add__(c, o):
        return c.__name__ + str(o)

    def __call__(c, *a, **k):
        o = super().__call__(*a, **k)
        o.tag = "t"
        return o

    @property
    def mp(c):
        return c.__name__ * 2

    def meth(c):
        return c.k

    def __instancecheck__(c, o):
        return getattr(o, "fake", False) or type.__instancecheck__(c, o)


class R(metaclass=Reg, opt=1):
    subs = []

    def __init_subclass__(c, **k):
        R.subs.append(c.__name__)

    def __class_getitem__(c, i):
        return (c.__name__, i)


class R2(R):
    pass


class Fake:
    fake = True


@program(lambda: randn(3))
def metaclass_protocol(x):
    r = R2()
    return (
        x + len(R),
        list(R),
        3 in R,
        R + 1,
        r.tag,
        R.mp,
        R.meth(),
        R2.k,
        isinstance(Fake(), R),
        isinstance(r, R),
        R[3],
        R.subs,
        bool(R),
        hasattr(r, "mp"),
    )


# --- operators
class V:
    def __init__(s, v):
        s.v = v

    def __add__(s, o):
        return V(s.v + o.v) if isinstance(o, V) else NotImplemented

    def __sub__(s, o):
        return NotImplemented

    def __rsub__(s, o):
        return ("rsub", o)

    def __rmul__(s, o):
        return ("rmul", o)

    def __imul__(s, o):
        s.v = s.v * o
        return s

    def __lt__(s, o):
        return s.v < o.v

    def __eq__(s, o):
        return NotImplemented

    def __hash__(s):
        return 1

    def __getitem__(s, k):
        return k

    def __call__(s, *a, **k):
        return a, k

    def __index__(s):
        return 2

    def __float__(s):
        return 2.5

    def __bool__(s):
        return False

    def __round__(s, n=None):
        return ("round", n)

    def __divmod__(s, o):
        return ("dm", o)

    def __rpow__(s, o):
        return ("rpow", o)

    def __concat__(s):
        pass

    def __radd__(s, o):
        return ("radd", o)

    def __iter__(s):
        yield 1
        yield 2

    def __reversed__(s):
        return "rev"

    def __contains__(s, i):
        return i

    def __invert__(s):
        return "inv"

    def __enter__(s):
        return s

    def __exit__(s, *a):
        return True

    def __matmul__(s, o):
        return "mm"

    def __and__(s, o):
        return "and"

    def __ror__(s, o):
        return "ror"

    def __trunc__(s):
        return 9

    def __length_hint__(s):
        return 2


class W(V):
    def __radd__(s, o):
        return "W.radd"

    def __gt__(s, o):
        return "W.gt"


@program(lambda: randn(3))
def operators_all(x):
    a = V(x)
    a *= 3
    out = [
        a - 1 if False else 0,
        5 - a,
        5 * a,
        a + V(x),
        V(1) + W(2),
        V(1) < W(3),
        V(1) == V(1),
        V(1) != V(1),
        a[1:2, ...],
        a(1, k=2),
        [0, 1, 2][a],
        float(a),
        not a,
        round(a),
        round(a, 2),
        divmod(a, 3),
        2**a,
        "s" + a,
        [1] + a,
        (1,) + a,
        [*a],
        reversed(a),
        5 in a,
        ~a,
        a @ 1,
        a & 1,
        1 | a,
        range(V(1))[0],
        [1, 2, 3][:a],
        int(a),
    ]
    with a:
        raise ValueError
    try:
        a - a
    except TypeError as e:
        out.append(str(e))
    try:
        a // 1
    except TypeError as e:
        out.append(str(e))
    try:
        V(1) > V(2)
    except TypeError as e:
        out.append(str(e))
    try:
        V(1) >= V(2)
    except TypeError as e:
        out.append(str(e))
    return out


# --- attribute hooks
class GA:
    def __getattribute__(s, n):
        if n.startswith("x_"):
            return n
        return object.__getattribute__(s, n)

    def __getattr__(s, n):
        if n == "boom":
            raise KeyError(n)
        if n.startswith("_"):
            raise AttributeError(n)
        return s.__dict__.setdefault(n, len(n))

    def __setattr__(s, n, v):
        super().__setattr__(n, (v,))

    def __delattr__(s, n):
        s.__dict__["deleted"] = n
        super().__delattr__(n)

    def __dir__(s):
        return ["z", "a"]


@program(lambda: (GA(), randn(3)))
def attribute_hooks(g, x):
    g.v = x
    a = g.v[0] + 1
    del g.v
    try:
        g.boom
    except KeyError as e:
        k = e.args
    return a, g.x_1, g.long_name, getattr(g, "_no", 5), k, g.__dict__, vars(g), hasattr(g, "q"), hasattr(g, "_q")


@program(lambda: randn(3))
def attribute_hooks_new(x):
    g = GA()
    g.v = x
    return g.v[0] + 1, g.nm, g.__dict__, sorted(dir(g)) if False else 0


# ---- sequences of C have no number slots
class Factor:
    def __mul__(self, other):
        return "mul", type(other).__name__

    def __rmul__(self, other):
        return "rmul", type(other).__name__

    def __radd__(self, other):
        return "radd", type(other).__name__


class Declines:
    def __rmul__(self, other):
        return NotImplemented


class Twice:
    def __index__(self):
        return 2


class OwnProduct(list):
    def __mul__(self, other):
        return "own", type(other).__name__


class OwnBytes(bytes):
    pass


@program(lambda: (torch.ones(2),))
def sequences_times_anything(x):
    found = []
    makers = (
        lambda: [1], lambda: (2,), lambda: "s", lambda: b"z", Factor, Declines, Twice, lambda: OwnProduct([1]), lambda: 1.5, lambda: {1: 2},
    )  # fmt: skip
    for left in makers:
        for right in makers:
            for operation in (operator.mul, operator.imul, operator.iadd):
                try:
                    found.append(operation(left(), right()))
                except TypeError as error:
                    found.append(str(error))
    return x + 1, [one for one in found if type(one) in (str, tuple, list)]


@program(lambda: (torch.ones(2),))
def parts_of_texts_of_own_classes(x):
    text, raw = St("ab"), OwnBytes(b"cd")
    return x + 1, [one for one in text], list(raw), list(enumerate(text)), next("ab".__iter__()), type(iter(raw)).__name__, max(text), "".join(text), {*text}
