"""What CPython refuses, and in which words: wrong counts, wrong types that methods return, changes while something is gone through."""

import collections
import functools
import math
import operator
import time
import typing
from collections import OrderedDict, deque

from torch import randn

from tests.programs import program

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


def attempts(*calls):
    out = []
    for call in calls:
        try:
            out.append(repr(call())[:40])
        except Exception as e:
            out.append(f"{type(e).__name__}: {e}")
    return out


@program(lambda: randn(3), **UNKNOWN)
def changes_while_keys_are_gone_through(x):
    def grow(d):
        for k in d:
            d[k + "c"] = 1

    def swap(d):
        for k in d:
            del d[k]
            d[k + "c"] = 1

    def back(d):
        for k in reversed(d):
            d[k + "c"] = 1

    return x + 1, [attempts(lambda: c(make(a=1, b=2))) for c in (grow, swap, back) for make in (dict, OrderedDict)]


class Clearing:
    def __init__(self, d):
        self.d = d

    def __hash__(self):
        return 0

    def __eq__(self, o):
        self.d.clear()
        return False


@program(lambda: randn(3))
def an_update_whose_source_is_changed_by_equality(x):
    other = {}
    other.update({Clearing(other): 0, 1: 1})
    return x + 1, attempts(lambda: {0: 1}.update(other))


@program(lambda: randn(3))
def a_list_that_its_own_sort_key_sees(x):
    seen, items = [], [3, 1, 2]

    def key(n):
        seen.append(len(items))
        return n

    items.sort(key=key)
    other = [3, 1]

    def growing(n):
        other.append(7)
        return n

    return x + 1, items, seen, attempts(lambda: other.sort(key=growing)), other


class Changing:
    """Equality changes the container that it stands in."""

    __hash__ = None

    def __init__(self, container, how):
        self.container, self.how = container, how

    def __eq__(self, o):
        self.how(self.container)
        return False


@program(lambda: randn(3))
def comparisons_that_change_what_they_go_over(x):
    out = []
    for make in (list, deque):
        for how in (lambda c: c.clear(), lambda c: len(c) < 9 and c.append(5), lambda c: c and c.pop()):
            for op in (
                lambda c: 5 in c, lambda c: c.index(5), lambda c: c.count(5), lambda c: c.remove(5), lambda c: c.index(5, 0, 2), lambda c: 77 in c,
                lambda c: c == make([3, 5, 5, 5]), lambda c: c != c.copy(),
            ):  # fmt: skip
                c = make()
                c.extend([Changing(c, how), 4, Changing(c, how), 5])
                try:
                    out.append((op(c), len(c)))
                except (ValueError, RuntimeError, IndexError) as e:
                    out.append((type(e).__name__, "mutated" in str(e), len(c)))
    return x + 1, out


@program(lambda: randn(3), **UNKNOWN)
def deques_made_wrongly(x):
    return x + 1, attempts(
        lambda: deque([], 1, 2), lambda: deque("ab", "x"), lambda: deque(1), lambda: deque([1], maxlen=-1), lambda: deque(iterable=[1], maxlen=3, z=1),
        lambda: deque(iterable=[1], maxlen=3), lambda: setattr(deque([1], maxlen=2), "maxlen", 3),
    )  # fmt: skip


class Wrong:
    def __index__(self):
        return "a"

    def __hash__(self):
        return "a"

    def __bool__(self):
        return 3

    def __iter__(self):
        return 3

    def __format__(self, spec):
        return 3

    def __repr__(self):
        return 3

    def __length_hint__(self):
        return "a"

    __float__ = __complex__ = __len__ = __bytes__ = __index__


class True_:
    def __index__(self):
        return True

    def __float__(self):
        return True

    def __hash__(self):
        return True


class Huge:
    def __hash__(self):
        return 2**64


@program(lambda: randn(3), **UNKNOWN)
def methods_that_return_another_type(x):
    w, t = Wrong(), True_()
    return x + 1, attempts(
        lambda: [1, 2][w], lambda: operator.index(w), lambda: range(w), lambda: float(w), lambda: hash(w), lambda: {w: 1}, lambda: complex(w), lambda: bool(w),
        lambda: len(w), lambda: bytes(w), lambda: format(w), lambda: f"{w}", lambda: repr(w), lambda: f"{w!r}", lambda: iter(w), lambda: math.sqrt(w),
        lambda: "%d" % w, lambda: chr(w), lambda: [1] * w, lambda: hex(w), lambda: int(w), lambda: operator.index(t), lambda: [1, 2][t], lambda: float(t),
        lambda: 3 in w, lambda: hash(t), lambda: hash(Huge()), lambda: len({Huge(): 1}), lambda: not w,
    )  # fmt: skip


class Named(tuple):
    def __new__(cls, *a, x=1):
        return super().__new__(cls, a)


class Initialised(tuple):
    def __init__(self, *a, **k):
        self.k = k


class Subtuple(tuple):
    pass


@program(lambda: randn(3), **UNKNOWN)
def keywords_that_classes_refuse(x):
    return x + 1, Named(1, 2, x=3), attempts(
        lambda: Subtuple(x=1), lambda: Subtuple([1], x=1), lambda: Initialised([1], x=1).k, lambda: tuple(x=1), lambda: list(x=1), lambda: frozenset(x=1),
        lambda: set(x=1), lambda: float(x=1), lambda: int(x=1), lambda: bool(x=1), lambda: range(x=1), lambda: slice(x=1), lambda: enumerate(x=1),
        lambda: zip(x=1), lambda: reversed(x=1), lambda: map(x=1), lambda: object(x=1), lambda: str(x=1),
    )  # fmt: skip


class Both:
    def __new__(cls, *a):
        return object.__new__(cls, *a)

    def __init__(self, *a):
        object.__init__(self, *a)


class OnlyInit:
    def __init__(self, *a):
        object.__init__(self, *a)


class OnlyNew:
    def __new__(cls, *a):
        return object.__new__(cls, *a)


class Neither:
    pass


@program(lambda: randn(3), **UNKNOWN)
def arguments_for_object_itself(x):
    found = attempts(
        lambda: Both(1), lambda: OnlyInit(1), lambda: OnlyNew(1), lambda: Neither(1), lambda: object.__new__(Neither, 1), lambda: object.__init__(Neither(), 1),
        lambda: object.__init__(OnlyNew(), 1), lambda: object(1), lambda: object.__new__(), lambda: object.__new__(1), lambda: object.__new__(int),
    )  # fmt: skip
    return x + 1, found, type(Both()).__name__, type(object.__new__(OnlyInit, 1)).__name__


class Base:
    def go(self):
        return 1


class Deleted(Base):
    def go(self):
        del self
        return super().go()


class Replaced(Base):
    def go(self):
        self = 3
        return super().go()


class Starred(Base):
    def go(*args):
        return super().go()


@program(lambda: randn(3))
def super_without_what_it_needs(x):
    def free():
        super()

    def one(a):
        super()

    return x + 1, attempts(lambda: Deleted().go(), lambda: Replaced().go(), lambda: Starred().go(), free, lambda: one(1))


@program(lambda: randn(3))
def attributes_that_an_exception_refuses(x):
    e = ValueError(1)
    found = attempts(
        lambda: setattr(e, "__traceback__", 5), lambda: setattr(e, "__cause__", 5), lambda: setattr(e, "__context__", 5),
        lambda: setattr(e, "__suppress_context__", 5), lambda: setattr(e, "args", 5), lambda: e.with_traceback(5), lambda: delattr(e, "__traceback__"),
        lambda: delattr(e, "__cause__"), lambda: delattr(e, "args"),
    )  # fmt: skip
    return x + 1, found


class Keys:
    a = b = "x"


@program(lambda: randn(3))
def a_mapping_pattern_with_one_key_twice(x):
    def go(value):
        match value:
            case {Keys.a: 1, Keys.b: 1}:
                return 1
            case _:
                return 2

    return x + 1, attempts(lambda: go({"x": 1}), lambda: go({}))


class Asked(type):
    def __instancecheck__(cls, o):
        raise ValueError("no")

    def __subclasscheck__(cls, o):
        raise ValueError("not below")


class Asking(metaclass=Asked):
    pass


@program(lambda: randn(3))
def unions_whose_members_refuse_to_answer(x):
    return x + 1, attempts(
        lambda: isinstance(1, str | Asking), lambda: isinstance("", str | Asking), lambda: isinstance(1, (str, Asking)), lambda: issubclass(int, str | Asking),
        lambda: isinstance(1, list[int] | str), lambda: isinstance(1, typing.Union[int, str]), lambda: isinstance(1, typing.Optional[Asking]),
    )  # fmt: skip


def positional(a, /, b=1, *, c=2):
    return a


@program(lambda: randn(3), **UNKNOWN)
def arguments_that_do_not_fit(x):
    return x + 1, attempts(
        lambda: positional(a=1), lambda: positional(1, 2, 3), lambda: positional(), lambda: positional(1, d=1), lambda: positional(*3),
        lambda: positional(**3), lambda: positional(**{1: 2}), lambda: [1] * "x", lambda: "x" * 1.5, lambda: 1 + "a", lambda: -"a", lambda: [] < 1,
        lambda: operator.call(None), lambda: operator.getitem(None, 0), lambda: {}[[]], lambda: [].foo, lambda: setattr([], "a", 1), lambda: next(1), lambda: list(zip([1], [1, 2], strict=True)),
        lambda: dict([(1, 2, 3)]), lambda: pow(2, -1, 4), lambda: range(1, 2, 0), lambda: "{}".format(), lambda: "%s %s" % (1,), lambda: "a".join([1]),
    )  # fmt: skip


class Partly:
    def go(self, a, b=0):
        return a, b

    pm = functools.partialmethod(go, 1)
    cm = functools.partialmethod(classmethod(lambda c, a: (c.__name__, a)), 2)
    sm = functools.partialmethod(staticmethod(lambda a, b: (a, b)), 3)


@program(lambda: randn(3), **UNKNOWN)
def partial_methods(x):
    a = Partly()
    return x + 1, a.pm.__self__ is a, Partly.pm(a), a.pm(), a.pm(b=3), a.cm(), Partly.cm(), a.sm(4), type(a.pm).__name__, type(Partly.pm).__name__


def collected(*a, **k):
    return a, k


@program(lambda: randn(3), **UNKNOWN)
def attributes_of_partial_objects(x):
    p = functools.partial(collected, 1, b=2)
    p.note = "n"
    p.keywords["c"] = 3
    q = functools.partial(p, 5)
    found = p.note, dict(p.__dict__), p(), p.keywords, p.args, q(), q.func is collected, q.__dict__, p.args is p.args
    refused = attempts(lambda: setattr(p, "func", 3), lambda: p.nope, lambda: delattr(p, "note"), lambda: p.note)
    print(end="")
    return x + 1, found, refused, p.keywords, p()


class Above:
    x: int = 1


@program(lambda: randn(3), **UNKNOWN)
def annotations_of_classes_made_inside(x):
    class Under(Above):
        pass

    class Own(Above):
        y: str = "a"

    first = Under.__annotations__, Own.__annotations__, "__annotations__" in Own.__dict__
    Under.__annotations__["q"] = 3
    return x + 1, first, Under.__annotations__, Above.__annotations__


@program(lambda: randn(3), **UNKNOWN)
def types_of_iterators(x):
    made = (
        reversed(deque()), reversed([]), reversed({}), reversed({}.items()), reversed(range(3)), reversed(OrderedDict()), reversed("abc"), iter(deque()),
        iter({}.values()), iter(range(2**70)), iter("abc"), iter("\u1234"), iter(b"ab"), iter(frozenset()), iter(int, 1), iter(collections.Counter()),
    )  # fmt: skip
    return x + 1, [type(i).__name__ for i in made]


@program(lambda: randn(3), **UNKNOWN)
def struct_sequences_made_wrongly(x):
    made = time.struct_time
    found = attempts(
        lambda: made("123"), lambda: made(), lambda: made(1), lambda: made("1234567890"), lambda: made(sequence=range(9)), lambda: made(range(9), 3),
        lambda: made(range(9), {"tm_zone": "x"}).tm_zone, lambda: made(range(12)),
    )  # fmt: skip
    return x + 1, found, made(range(9))
