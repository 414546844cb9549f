"""Instances of builtin classes' subclasses: what C reads of them, what operators make of them, and how they leave."""

import collections
import enum
import types

from torch import ones, randn

from tests.programs import program


class Odd(set):
    def __iter__(self):
        return iter([99])

    def __len__(self):
        return 17


class Ordered(collections.OrderedDict):
    pass


class Deque(collections.deque):
    pass


class Default(collections.defaultdict):
    pass


class Frozen(frozenset):
    pass


class List(list):
    pass


class Tuple(tuple):
    pass


class Counting(Deque):
    made = []

    def __init__(self, *args):
        super().__init__(*args)
        Counting.made.append(len(self))


def names(*values):
    return [type(v).__name__ for v in values]


@program(lambda: (ones(2), Odd({1, 2, 3})))
def c_reads_a_set_past_its_overridden_methods(x, s):
    return x + 1, len(s), 99 in s, 3 in s, {1, 2} <= s, {1, 2} & s == {1, 2}, set.__len__(s)


@program(lambda: ones(2))
def operators_that_call_the_class(x):
    ordered, default, deque = Ordered(a=1), Default(int, a=1), Deque([1], 3)
    return x + 1, names(ordered | {"b": 2}, {"b": 2} | ordered, default | {"b": 2}, deque + deque, deque * 2, 2 * deque), default | {"b": 2}, deque + deque


@program(lambda: ones(2))
def operators_that_give_the_base(x):
    return x + 1, names(List([1]) + [2], List([1]) * 2, List([1])[:], Frozen([1]) | {2}, Frozen([1]).copy(), Tuple([1]) * 1, Tuple([1])[:], Tuple([1]) + ())


@program(lambda: ones(2))
def the_class_is_called_for_the_result(x):
    Counting.made.clear()
    made = Counting([1]) + Counting([2])
    return x + 1, list(Counting.made), list(made)


@program(lambda: ones(2), breaks=["print-call"])
def instances_live_across_a_break(x):
    frozen, default, ordered, deque = Frozen({1, 2}), Default(int, {1: 2}), Ordered(a=2), Deque([1], 3)
    table = {frozen: 1}
    print(end="")
    return x + 1, len(frozen), table[Frozen({1, 2})], default[5], default, ordered, deque.maxlen, frozen | {3}


class Level(enum.Enum):
    LOW = 1
    HIGH = 2

    @classmethod
    def _missing_(cls, value):
        if value == "worst":
            raise KeyError("k")
        return cls.HIGH if value == "top" else (3 if value == "odd" else None)


@program(lambda: ones(2))
def an_enum_asks_its_missing_method(x):
    seen = [Level("top"), Level(1)]
    for value in ("worst", "odd", "none", []):
        try:
            Level(value)
        except Exception as error:
            seen.append((type(error).__name__, str(error)))
    return x + 1, seen


class Falsy(ValueError):
    def __bool__(self):
        return False


@program(lambda: ones(2))
def an_exception_with_a_truth_of_its_own(x):
    return x + 1, bool(Falsy()), bool(ValueError()), 1 if Falsy() else 2


class Both(collections.UserDict, collections.abc.Sequence):
    pass


class Mapped(collections.UserList, collections.abc.Mapping):
    pass


class Registered:
    def __len__(self):
        return 0


collections.abc.Sequence.register(Registered)


@program(lambda: (ones(2), [Both(), Mapped(), Registered(), [], "", {}, collections.deque(), range(2), types.MappingProxyType({})]), recompiles=None)
def match_asks_the_mark_of_the_class(x, subjects):
    seen = []
    for subject in subjects:
        match subject:
            case [*_]:
                seen.append("sequence")
            case {}:
                seen.append("mapping")
            case _:
                seen.append("neither")
    return x + len(seen), seen


@program(lambda: randn(2))
def results_that_are_the_operand(x):
    pair = (1, 2)
    return x + 1, pair * 1 is pair, pair + () is pair, pair[:] is pair, tuple(pair) is pair, [pair] * 1 is pair, type(range(True, 3).start)


@program(lambda: randn(2))
def set_operators_of_dict_views(x):
    table, odd = {"a": 1, "b": 2}, {"a": [], "b": 2}
    return (
        x + 1, table.keys() & ["a"], table.keys() | iter(["c"]), table.keys() - ("a",), table.items() ^ [("a", 1)], table.keys() & (k for k in "bc"),
        odd.items() & {("b", 2)}, ("b", 2) in odd.items(), ("b",) in odd.items(), ["b", 2] in odd.items(), {"a": 3}.items() & table.keys(),
    )  # fmt: skip


@program(lambda: randn(2), breaks=None, graphs=None)
def a_dict_changes_its_keys_under_an_iterator(x):
    seen = []

    def run(table, step):
        try:
            step(table)
        except RuntimeError as error:
            seen.append(str(error))
        seen.append(list(table))

    def move(table):
        for key in table:
            del table[key]
            table[key + 10] = 1

    def grow(table):
        for key in reversed(table):
            table[key + 10] = 1

    def keep(table):
        for key in table:
            table[key] = 2

    run({0: 1, 1: 1}, move)
    run({0: 1, 1: 1}, grow)
    run({0: 1, 1: 1}, keep)
    return x + 1, seen, list(reversed({1: 2, 3: 4}.items()))


class Slotless:
    pass


HELD, GROUP = Slotless(), ExceptionGroup("a", [ValueError(1)])


@program(lambda: randn(2), breaks="some", graphs=None)
def fields_that_c_does_not_let_be_written(x):
    seen = []
    for target, name, value in (
        (slice(1), "start", 2), (range(3), "stop", 1), (GROUP, "message", "b"), (HELD, "__weakref__", 1), (HELD, "__dict__", 3),
        (StopIteration(1), "value", 7), (OSError(1, "a"), "errno", 7), (UnicodeEncodeError("baz", "xxxxx", 1, 5, "foo"), "end", "2"),
    ):  # fmt: skip
        try:
            setattr(target, name, value)
            seen.append((name, getattr(target, name)))
        except Exception as error:
            seen.append((type(error).__name__, str(error)))
    return x + len(seen), seen


@program(lambda: randn(2), breaks="some", graphs=None)
def fields_of_builtin_exceptions_live_across_a_break(x):
    text, missing, syntax, no_module = UnicodeEncodeError("baz", "xxxxx", 1, 5, "foo"), OSError(2, "no", "f"), SyntaxError("m", ("f", 1, 2, "t")), ImportError("x", name="n")
    print(end="")
    before = str(text), str(missing), missing.filename, missing.errno, str(syntax), syntax.lineno, no_module.name
    text.end = 2
    no_module.__init__()
    return x + 1, before, str(text), text.end, no_module.name, no_module.args


@program(lambda: randn(2))
def names_of_a_function_are_not_in_its_dict(x):
    def inner():
        pass

    inner.__doc__, inner.__name__, inner.note = "d", "n", 3
    return x + 1, inner.__dict__, inner.__doc__, inner.__name__
