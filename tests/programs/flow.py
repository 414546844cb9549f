"""Many small constructs in one function each: cells, recursion, class statements, with, exceptions, match."""

import dataclasses
import enum
import typing

import torch
from torch import randn

from tests.programs import program

ANY = dict(breaks=None, graphs=None, recompiles=None)
GRAPH_BREAK = "user-requested-break"


# --- closures, cells
@program(lambda: randn(3), breaks=[GRAPH_BREAK] * 2, graphs=None)
def closures(x):
    n = 1
    acc = []

    def inc(k=2):
        nonlocal n
        n += k
        acc.append(n)
        return lambda: n

    f = inc()
    torch._dynamo.graph_break()
    g = inc(5)
    torch._dynamo.graph_break()

    def deleter():
        nonlocal n
        del n

    r = (f(), g(), acc)
    deleter()
    try:
        f()
    except NameError as e:
        r += (str(e),)
    n = 9
    return x * f(), r, inc


@program(lambda: randn(3), breaks=[GRAPH_BREAK], graphs=None)
def del_locals(x):
    a = 1
    b = [x]
    c = {1: 2}
    del b[0], c[1], a
    try:
        a  # noqa: F821
    except UnboundLocalError as e:
        m = str(e)
    torch._dynamo.graph_break()
    try:
        a  # noqa: F821
    except UnboundLocalError as e:
        m2 = str(e)
    a = 3
    return x + a, m, m2, b, c, sorted(locals())


@program(lambda: randn(3))
def recursion(x):
    def fact(n):
        return 1 if n < 2 else n * fact(n - 1)

    def even(n):
        return True if n == 0 else odd(n - 1)

    def odd(n):
        return False if n == 0 else even(n - 1)

    def deep(n):
        return x if n == 0 else deep(n - 1) + 1

    return x * fact(5), even(10), deep(50)


@program(lambda: randn(3), graphs=0)
def infinite_recursion(x):
    def f(n):
        return f(n + 1)

    try:
        f(0)
    except RecursionError as e:
        return x + 1, type(e)


@program(lambda: randn(3), **ANY)
def class_inside(x):
    class A:
        y = 3

        def __init__(s):
            s.z = x

        def go(s):
            return s.z * s.y

        class B:
            w = 2

    class C(A):
        def go(s):
            return super().go() + 1

    return C().go(), A.B.w, isinstance(C(), A)


@program(lambda: randn(3))
def walrus_etc(x):
    if (n := len([1, 2])) > 1:
        y = x * n
    a, *b = [1, 2, 3]
    (c, (d, *e)), f = ((1, (2, 3, 4)), 5)
    (*g,) = range(3)
    h = {**{"a": 1}, "b": 2}
    i = [*b, *e]
    assert n == 2, "no"
    s = f"{a!r:>5}{b!s}{n=}"
    j = a if b else c
    k = not a or b and c
    l = [q for q in range(5) if q % 2 for r in range(q)]
    m = {q: r for q, r in zip("ab", (1, 2))}
    o = {q for q in "aab"}
    p = lambda *a, k=1, **kw: (a, k, kw)
    for q in []:
        pass
    else:
        t = "else"
    while n:
        n -= 1
        if n == 0:
            break
    else:
        t = "never"
    a += 1
    b += [9]
    h["a"] -= 1
    x = x + a
    return (
        y,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        s,
        j,
        k,
        l,
        m,
        sorted(o),
        p(1, 2, z=3),
        t,
        x,
        0 < a < 5 != 6,
        a in b is not None,
    )


@dataclasses.dataclass(order=True)
class DC:
    a: int
    b: list = dataclasses.field(default_factory=list)
    c: typing.ClassVar = 5
    d: dataclasses.InitVar = None

    def __post_init__(s, d):
        s.e = d


@program(lambda: randn(3), graphs=0)
def dataclass_things(x):
    d = DC(1, d=3)
    e = dataclasses.replace(d, a=2, d=4)
    d.b.append(x)
    return (
        d,
        e,
        d == DC(1),
        DC(1) < DC(2),
        repr(DC(1)),
        dataclasses.asdict(DC(1, [2])),
        d.e,
        [f.name for f in dataclasses.fields(d)],
    )


class E(enum.Enum):
    A = 1
    B = 2

    def nxt(s):
        return E.B if s is E.A else E.A

    @property
    def dbl(s):
        return s.value * 2

    @classmethod
    def first(c):
        return c.A


class Fl(enum.IntFlag):
    X = 1
    Y = 2


@program(lambda: (E.A, randn(3)))
def enums(e, x):
    return (
        x * e.value,
        e.nxt(),
        e.dbl,
        E.first(),
        E(2),
        E["A"],
        list(E),
        e is E.A,
        e == E.A,
        {E.A: 1}[e],
        Fl.X | Fl.Y,
        (Fl.X | 2) == 3,
        Fl.Y in (Fl.X | Fl.Y),
        e.name,
        str(e),
        repr(e),
        f"{e}",
        len(E),
        E.A in E,
        isinstance(e, E),
        hash(e) == hash(E.A),
    )


class Ctx:
    def __init__(s, l, sup=False):
        s.l = l
        s.sup = sup

    def __enter__(s):
        s.l.append("in")
        return s.l

    def __exit__(s, t, v, tb):
        s.l.append(("out", t and t.__name__, str(v) if v else None))
        return s.sup


@program(lambda: (randn(3), []))
def with_things(x, l):
    with Ctx(l) as a, Ctx(l, True):
        raise ValueError("v")
    for i in range(3):
        with Ctx(l):
            if i == 1:
                continue
            if i == 2:
                break

    def f():
        with Ctx(l):
            return 5

    try:
        with Ctx(l):
            1 / 0
    except ZeroDivisionError as e:
        l.append(str(e))
    finally:
        l.append("fin")
    return x + f(), l


@program(lambda: randn(3))
def exceptions_all(x):
    out = []

    def f(n):
        try:
            if n == 0:
                raise KeyError("k")
            if n == 1:
                return "ret"
            if n == 2:
                raise ValueError from TypeError("cause")
            if n == 3:
                raise Exception("a", 2)
            if n == 4:
                [][1]
            if n == 5:
                None.foo
            if n == 6:
                undefined_name
            if n == 7:
                int("z")
            if n == 8:
                {}.x
            if n == 9:
                assert 0, "ass"
            if n == 10:
                x.nope
            if n == 11:
                raise StopIteration(4)
            if n == 12:
                a, b = 1, 2
                a, b = [1]
            if n == 13:
                raise OSError(2, "no", "f")
            if n == 14:
                "a" + 1
        except (KeyError, IndexError) as e:
            out.append((type(e).__name__, e.args))
            raise RuntimeError("wrapped") from e
        except ValueError as e:
            out.append((repr(e), e.__cause__ and e.__cause__.args))
        except NameError as e:
            out.append((str(e), e.name))
        except AttributeError as e:
            out.append((str(e), e.name))
        except OSError as e:
            out.append((e.errno, e.strerror, e.filename, str(e)))
        except Exception as e:
            out.append((type(e).__name__, str(e), e.args))
        else:
            out.append("else")
        finally:
            out.append("f%d" % n)

    for n in range(15):
        try:
            out.append(f(n))
        except RuntimeError as e:
            out.append((str(e), type(e.__cause__).__name__, type(e.__context__).__name__, e.__suppress_context__))
    return x + 1, out


class MyE(Exception):
    def __init__(s, a, *, code=0):
        super().__init__(a)
        s.code = code

    def __str__(s):
        return f"MyE<{s.code}>"


@program(lambda: randn(3))
def user_exceptions(x):
    try:
        raise MyE("a", code=3)
    except MyE as e:
        a = (str(e), e.code, e.args, repr(e))
        b = e
    try:
        try:
            raise MyE(1)
        finally:
            raise MyE(2, code=2)
    except MyE as e:
        c = (e.code, e.__context__.args)
    try:
        raise MyE("n").with_traceback(None)
    except MyE as e:
        e.add_note("note")
        d = e.__notes__
    return x + 1, a, b, c, d


@program(lambda: randn(3), **ANY)
def exc_star(x):
    try:
        raise ExceptionGroup("g", [ValueError(1), TypeError(2)])
    except* ValueError as e:
        a = e.exceptions
    except* TypeError as e:
        b = e.exceptions
    return x + 1, a, b


@program(lambda: randn(3))
def match_all(x):
    out = []
    for v in (1, "s", [1, 2], (1, 2, 3), {"k": 1, "r": 2}, None, True, 2.5, {"k": [1, {"z": x}]}, b"b", [], {}):
        match v:
            case True:
                out.append("true")
            case 1 | 2:
                out.append("one")
            case str(s) if s:
                out.append(s)
            case [a, b]:
                out.append(("two", a, b))
            case (a, *r):
                out.append((a, r))
            case {"k": [1, {"z": t}]}:
                out.append(t + 1)
            case {"k": k, **r}:
                out.append((k, r))
            case None:
                out.append("none")
            case float() as f:
                out.append(f)
            case bytes():
                out.append("b")
            case []:
                out.append("empty")
            case dict():
                out.append("d")
    return out
