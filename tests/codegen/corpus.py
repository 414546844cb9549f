"""Small functions that between them use every way CPython lays out frames; each with inputs, made anew for every run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LOG: list[Any] = []
SETTING = 10


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Callable[..., Any]]
    inputs: tuple[Callable[[], tuple[Any, ...]], ...]


CASES: list[Case] = []


def case(*inputs: Callable[[], tuple[Any, ...]]) -> Callable[[Any], Any]:
    """The decorated function is a program under test."""

    def register(function: Any) -> Any:
        CASES.append(Case(function.__name__, lambda: function, inputs))
        return function

    return register


def made(*inputs: Callable[[], tuple[Any, ...]]) -> Callable[[Any], Any]:
    """The decorated function makes a fresh program under test: one with cells, or a method."""

    def register(maker: Any) -> Any:
        CASES.append(Case(maker.__name__, maker, inputs))
        return maker

    return register


def say(*values: Any) -> Any:
    LOG.append(values)
    return values[-1] if values else None


def fail(kind: type[BaseException] = ValueError, *args: Any) -> Any:
    raise kind(*args)


class Manager:
    def __init__(self, name: str, swallow: bool = False):
        self.name, self.swallow = name, swallow

    def __enter__(self) -> str:
        say("enter", self.name)
        return self.name

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
        say("exit", self.name, kind, str(value))
        return self.swallow


class Odd:
    """Attributes of every kind, some of which raise."""

    plain = 3

    def method(self, *args: Any, **kwargs: Any) -> Any:
        return say("method", args, tuple(kwargs.items()))

    @property
    def bad(self) -> Any:
        raise AttributeError("bad")

    @staticmethod
    def static(x: Any) -> Any:
        return x + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)

    def __hash__(self) -> int:
        return 1


# ---- expressions and calls


@case(lambda: (1, 2), lambda: (1, "x"))
def arithmetic(a, b):
    c = a + b * 2 - -a
    c <<= 1
    return (c, ~c, a // 1, b % 2, [a, *[b, c]], {"a": a, **{"b": b}}, {a, b}, (a, *[b]))


@case(lambda: (Odd(), 1), lambda: (3, 1))
def methods(o, x):
    y = o.method(x, o.static(x), key=o.plain, other=say("inner", x))
    o.more = say(y)
    del o.more
    return o.more if hasattr(o, "more") else (y, getattr(o, "plain"))


@case(lambda: ([1, 2], {"k": 3}), lambda: ((), {}), lambda: (5, {}))
def star_calls(args, kwargs):
    def inner(*a, **k):
        return say("inner", a, tuple(k.items()))

    first = inner(0, *args, **kwargs)
    second = inner(say(1), inner(*args), *args, x=inner(2), **kwargs)
    return first, second, inner(**kwargs), inner(*args, *args)


@case(lambda: (1, 2))
def keyword_calls(a, b):
    def inner(x, y=0, *, z=1, **rest):
        return x, y, z, sorted(rest.items())

    return inner(a, z=say("z", b)), inner(y=a, x=inner(b, z=inner(x=1)), w=3), dict(a=1, b=say(2))


@case(lambda: (1, 2), lambda: (0, 5), lambda: (3, None))
def conditions(a, b):
    c = a and say("and", b) or say("or", a)
    d = a if a > 1 else (b if b else None)
    e = not a
    f = a is None or b is not None
    if a < c < 10 if c else False:
        say("less")
    elif b is None:
        say("none")
    return c, d, e, f, 0 < a <= 3 < 5, a in (1, 2), a not in {1}


@case(lambda: (1,), lambda: (-1,), lambda: (None,))
def asserting(a):
    assert a is not None, say("is none")
    assert a > 0
    return a


@case(lambda: ("w", 3.14159), lambda: ([1], 5))
def formatting(a, b):
    width = 10
    return f"{a!r:>{width}} {b:.2f} {say(a)} {a!s}{{}}" + "%s" % (b,)


@case(lambda: ([1, 2, 3, 4],), lambda: ((1,),), lambda: (7,))
def unpacking(x):
    a, *b, c = x
    (d, e), f = [a, b], c
    first, *_ = "abc"
    g = h = a
    return a, b, c, d, e, f, first, g, h


@case(lambda: ([3, 1, 2],), lambda: ([],))
def subscripts(x):
    x[0] = say(x[-1])
    x[1:2] = [say("s"), *x[:1]]
    del x[0]
    y = {0: x}
    y[0][0] += 5
    return x, y, x[::2], x[1:]


@case(lambda: ([1, 2, 3],), lambda: (None,))
def walrus(x):
    if (n := len(x)) > 2 and (m := say(n)):
        return n, m, [last := v for v in x], last
    return n


@case(lambda: (4,))
def lambdas(x):
    double = lambda y, z=x: y * 2 + z
    return double(x), (lambda *a: a)(1, double(2)), sorted([3, 1, 2], key=lambda v: -v)


@case(lambda: (1,))
def globals_and_builtins(x):
    global SETTING
    before = SETTING
    SETTING = before + x
    after = SETTING
    SETTING = before
    return after, len([x]), say(max(x, 2)), abs(min(-1, x))


@case(lambda: (1,))
def missing_global(x):
    say(x)
    return x + not_defined_anywhere  # noqa: F821


@case(lambda: ("x",))
def importing(name):
    import os.path as path
    import sys
    from collections import OrderedDict, deque

    try:
        from os import nothing_like_this  # noqa: F401
    except ImportError as error:
        say("no", type(error).__name__)
    return path.join("a", name), OrderedDict(a=1), deque([1]), sys.maxsize > 0


@case(lambda: (1, 2, 3, 4), lambda: (1, 2))
def parameters(a, /, b, *rest, key=5, **others):
    local = say("local", a, b)
    rest = rest + (local,)
    return a, b, rest, key, sorted(others)


@case(lambda: (list(range(5)),))
def many_names(x):
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = b8 = say(1)
    b9 = a0 + b8
    c0, c1 = x[0], x[1]
    c2 = c0, b9
    return c0, c1, c2, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7


# ---- loops


@case(lambda: ([1, 2, 3],), lambda: ([],), lambda: (4,))
def for_loop(x):
    total = 0
    for i, v in enumerate(x):
        if v == 2:
            continue
        if say(v) == 9:
            break
        total += i * v
    else:
        say("else")
    return total


@case(lambda: (3,), lambda: (0,))
def while_loop(n):
    seen = []
    while n:
        n -= 1
        if n == 1:
            continue
        seen.append(say(n))
        if len(seen) > 5:
            break
    else:
        seen.append("done")
    return seen


@case(lambda: ([[1, 2], [3]],))
def nested_loops(rows):
    out = []
    for row in rows:
        for v in row:
            if v == 2:
                break
            for w in (say(v), 10):
                out.append((w, f"{v}{w}"))
        else:
            out.append("whole")
            continue
        out.append("broken")
    return out


@case(lambda: (3,))
def generators_consumed(n):
    def count(k):
        for i in range(k):
            yield say(i)

    total = 0
    for v in count(n):
        total += v
    for v in (w * 2 for w in range(n)):
        total += v
    return total, sum(v for v in count(2)), list(count(1))


@case(lambda: (3,))
def loop_return(n):
    for i in range(n):
        for j in range(n):
            if i + j == 3:
                return say(i), j
    return None


@case(lambda: (2,))
def long_jumps(n):
    out = []
    while n > 0:
        n -= 1
        if n == 0:
            out.append([n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n])
            out.append([n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, n + 11, n + 12, n + 13])
            out.append([n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, n + 11, n + 12, n + 13])
            out.append([n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, n + 11, n + 12, n + 13])
            out.append([n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, n + 11, n + 12, n + 13])
            out.append([n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, n + 11, n + 12, n + 13])
        else:
            out.append(say(n))
    return out


# ---- comprehensions


@case(lambda: ([1, 2, 3],), lambda: (5,))
def comprehensions(x):
    y = 10
    a = [v + y for v in x if say(v) != 2]
    b = {v: w for v in a for w in x}
    c = {v % 2 for v in x}
    return a, b, c, [[v * w for v in x] for w in a]


@case(lambda: ([1, 2],))
def comprehension_shadows(v):
    w = "outer"
    a = [say(v) for v in v]
    b = [w for w in v]
    return a, b, v, w


@case(lambda: ([1, 2],))
def comprehension_unbound(x):
    a = [say(y) for y in x]
    try:
        return y
    except NameError:
        y = "bound"
    return a, y, [y for y in x], y


@case(lambda: ([1, 2],))
def comprehension_cells(x):
    z = 5
    fs = [lambda: (y, z) for y in x]
    gs = [lambda k=say(k): (k, x) for k in x]
    return [f() for f in fs], [g() for g in gs]


@case(lambda: ([1, 0],))
def comprehension_raises(x):
    v = "kept"
    try:
        a = [1 // v for v in x]
    except ZeroDivisionError:
        a = say("caught")
    return a, v


# ---- exceptions


@case(lambda: (1,), lambda: (0,), lambda: ("x",))
def try_except(x):
    try:
        y = 1 // x
    except ZeroDivisionError as error:
        y = say("zero", str(error))
    except TypeError:
        y = say("type")
    else:
        y += 1
    return y


@case(lambda: (KeyError,), lambda: (ValueError,), lambda: (None,))
def try_bare(kind):
    try:
        try:
            if kind:
                fail(kind, 1)
        except (KeyError, IndexError):
            say("inner")
            raise
    except:  # noqa: E722
        import sys

        say("outer", sys.exc_info()[0].__name__)
        return sys.exc_info()[1].args
    return "fine"


@case(lambda: (0,), lambda: (1,), lambda: (2,), lambda: (3,))
def try_finally(x):
    try:
        if x == 0:
            return say("return")
        if x == 1:
            fail()
        say("body", x)
    finally:
        say("finally")
        if x == 3:
            return "instead"
    return say("after")


@case(lambda: (False,), lambda: (True,))
def finally_in_loop(raises):
    out = []
    for i in range(3):
        try:
            if i == 1:
                continue
            if i == 2:
                break
            if raises:
                fail(KeyError, i)
        finally:
            out.append(say("f", i))
    return out


@case(lambda: (True,), lambda: (False,))
def return_in_finally(x):
    try:
        fail(KeyError) if x else say("ok")
    finally:
        return say("swallowed")


@case(lambda: (0,), lambda: (1,), lambda: (2,))
def nested_handlers(x):
    try:
        fail(ValueError, "first")
    except ValueError as outer:
        try:
            if x == 1:
                fail(KeyError, "second")
            if x == 2:
                raise
        except KeyError as inner:
            say(str(inner), str(inner.__context__), str(outer))
            try:
                fail(IndexError, "third")
            except IndexError as third:
                say(str(third), type(third.__context__).__name__)
        finally:
            say("finally", str(outer))
        return x, str(outer)


@case(lambda: (0,), lambda: (1,), lambda: (2,))
def chained(x):
    try:
        try:
            fail(ValueError, x)
        except ValueError as error:
            if x == 0:
                raise KeyError("from") from error
            if x == 1:
                raise KeyError("none") from None
            raise KeyError
    finally:
        say("end")


@case(lambda: (3,))
def except_in_loop(n):
    out = []
    for i in range(n):
        try:
            try:
                fail((KeyError, ValueError, TypeError)[i], i)
            except KeyError:
                continue
            except ValueError as e:
                out.append(say(str(e)))
                break
        finally:
            out.append("f")
    return out


@case(lambda: (1,))
def exception_name_deleted(x):
    error = "before"
    try:
        fail(ValueError, x)
    except ValueError as error:
        say(error.args)
    try:
        return error
    except UnboundLocalError:
        return "gone"


@case(lambda: (0,), lambda: (1,))
def handler_calls_exc_info(x):
    import sys

    def current():
        return type(sys.exc_info()[1]).__name__

    seen = [current()]
    try:
        fail(ValueError)
    except ValueError:
        seen.append(current())
        try:
            fail(KeyError)
        except KeyError:
            seen.append((current(), say(current())))
        seen.append(current())
        if x:
            return seen, current()
    seen.append(current())
    return seen


@case(lambda: (ExceptionGroup("g", [ValueError(1), KeyError(2)]),), lambda: (ExceptionGroup("g", [OSError(1)]),))
def exception_groups(group):
    out = []
    try:
        raise group
    except* ValueError as some:
        out.append(("v", len(some.exceptions)))
    except* KeyError:
        out.append(say("k"))
    return out


# ---- with


@case(lambda: (False, False), lambda: (True, False), lambda: (True, True))
def with_block(raises, swallow):
    with Manager("m", swallow) as name:
        say("body", name)
        if raises:
            fail(KeyError, name)
    return say("after")


@case(lambda: (0,), lambda: (1,), lambda: (2,))
def with_many(x):
    with Manager("a") as a, Manager("b", x == 1) as b:
        if x:
            fail(ValueError, a + b)
        say(a, b)
    for i in range(3):
        with Manager(str(i)):
            if i == 1:
                continue
            if i == 2:
                break
            say("loop", i)
    return say("end")


@case(lambda: (0,), lambda: (1,))
def with_return(x):
    with Manager("r"):
        try:
            if x:
                fail(KeyError)
            return say("value")
        except KeyError:
            return say("caught")
        finally:
            say("finally")


@case(lambda: (1,))
def with_library(x):
    with contextlib.suppress(ZeroDivisionError), contextlib.ExitStack() as stack:
        stack.callback(say, "callback")
        x // 0
    with contextlib.nullcontext([x]) as [y]:
        pass
    return y


@case(lambda: (1,))
def with_not_a_manager(x):
    with x as y:
        return y


# ---- match


@case(lambda: (1,), lambda: ([1, 2, 3],), lambda: ({"k": 1, "r": 2},), lambda: ("abc",), lambda: (Odd(),), lambda: (None,))
def matching(x):
    match x:
        case 1 | 2:
            return say("number")
        case [a, *rest] if say(a):
            return a, rest
        case {"k": value, **others}:
            return value, others
        case Odd(plain=p):
            return p
        case str() as s:
            return s
        case None:
            return "none"
    return "other"


# ---- deleting and unbound locals


@case(lambda: (True,), lambda: (False,))
def deleting(x):
    y = [1]
    z = y
    if x:
        del y
    try:
        return y, z
    except UnboundLocalError as error:
        say(str(error))
    del z
    y = 2
    return y, sorted(k for k in locals())


@case(lambda: (1,))
def deleted_argument(x):
    y = x
    del x
    say(y)
    try:
        x
    except NameError:
        x = say("again")
    return x, y


@case(lambda: (1, 2))
def sees_locals(a, b):
    c = a + b
    say(sorted(locals()))
    del a
    d = [v for v in (1, 2)]
    return sorted(locals().items(), key=str)


# ---- cells


@made(lambda: (2,))
def closure_reads():
    base = 10

    def program(x):
        y = base + x
        return say(y), [base + v for v in range(x)]

    return program


@made(lambda: (2,))
def closure_writes():
    count = 0

    def program(x):
        nonlocal count
        for i in range(x):
            count += say(i)
        before = count
        count = 5
        return before, count

    return program


@case(lambda: (1, 2))
def own_cells(a, b):
    total = a

    def add(v):
        nonlocal total
        total += v
        return total, a

    first = add(b)
    a = say("rebound")
    second = add(total)
    return first, second, total, a, (lambda: b)()


@case(lambda: (1, 2, 3))
def argument_cells(a, *rest, key=4):
    def inner():
        return a, rest, key

    before = inner()
    a, rest = say("a"), say("rest")
    return before, inner()


@case(lambda: (1,))
def deleted_cell(x):
    y = x

    def inner():
        return y

    first = say(inner())
    del y
    try:
        inner()
    except NameError:
        say("unbound")
    y = 3
    return first, inner()


@case(lambda: (3,))
def recursive_inner(n):
    def factorial(k):
        return k * factorial(k - 1) if k else 1

    return say(factorial(n)), factorial(n + 1)


@case(lambda: (3,))
def makes_functions(n):
    def inner(a: int, b: str = "b", *, c: float = 1.0) -> None:
        """Documented."""
        return a, b, c, n

    class Local:
        size = n

        def get(self):
            return self.size + n

    return inner(1), inner.__doc__, inner.__kwdefaults__, Local().get()


@made(lambda: (1,))
def method_super():
    class Base:
        def program(self, x):
            return say("base", x)

    class Child(Base):
        tag = "child"

        def program(self, x):
            first = super().program(x)
            second = super(Child, self).program(x + 1)
            parent = super()
            name = __class__.__name__
            return first, second, parent.program(2), self.tag, name, super().__init__()

    child = Child()
    return lambda x: Child.program(child, x), Child.program, child


@made(lambda: (1,))
def method_super_cell():
    class Base:
        def program(self, x):
            return say("base", x)

    class Child(Base):
        def program(self, x):
            later = lambda: self
            first = super().program(say(x))
            return first, super().program(x + 1), later() is self

    child = Child()
    return lambda x: Child.program(child, x), Child.program, child


@made(lambda: (1,))
def method_super_deleted():
    class Base:
        def program(self, x):
            return x

    class Child(Base):
        def program(self, x):
            say(x)
            del self
            y = say(x)
            try:
                return super().program(y)
            except (RuntimeError, UnboundLocalError):
                return "no self"

    child = Child()
    return lambda x: Child.program(child, x), Child.program, child


@made(lambda: (2,))
def shadowed_free_variable():
    v = "free"

    def program(x):
        a = [v for v in range(x)]
        b = [(lambda: w)() for w in range(x)]
        return a, b, say(x)

    def other():
        return v

    return program


@made(lambda: (2,))
def free_and_comprehension():
    k = "free"

    def program(x):
        a = [k for k in range(x)]
        f = lambda: k
        return a, say(f()), [(lambda: k)() for k in range(x)], f()

    return program
