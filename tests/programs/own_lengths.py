"""Code of the program that C asks beside the obvious: lengths where a list is made, subscripts of classes, what metaclasses say of classes."""

import collections
import enum
import functools
import itertools

from torch import ones, randn

from tests.programs import program, scenario

LOG = []


class Counted:
    def __init__(self):
        self.n = 0

    def __iter__(self):
        LOG.append("iter")
        return self

    def __next__(self):
        self.n += 1
        if self.n > 2:
            raise StopIteration
        return str(self.n)

    def __len__(self):
        LOG.append("len")
        return 2


class Hinted:
    def __init__(self, hint):
        self.hint = hint

    def __iter__(self):
        return iter("ab")

    def __length_hint__(self):
        LOG.append("hint")
        if isinstance(self.hint, Exception):
            raise self.hint
        return self.hint


class Indexed:
    def __len__(self):
        LOG.append("len")
        return 3

    def __getitem__(self, index):
        LOG.append(index)
        if index > 2:
            raise IndexError
        return index * 2


class Longer(list):
    def __len__(self):
        LOG.append("longer")
        return 1


class Irreversible(Indexed):
    __reversed__ = None


class Measured(type):
    def __len__(cls):
        LOG.append("class len")
        return 0

    def __iter__(cls):
        return iter("ab")


class Class(metaclass=Measured):
    pass


class Refusing(type):
    def __bool__(cls):
        LOG.append("bool")
        return False

    def __subclasscheck__(cls, other):
        raise TypeError("no")

    __instancecheck__ = __subclasscheck__


class Refused(metaclass=Refusing):
    def __eq__(self, other):
        LOG.append("eq")
        return NotImplemented

    def __add__(self, other):
        return NotImplemented


class Below(Refused):
    def __eq__(self, other):
        LOG.append("below")
        return 3

    def __radd__(self, other):
        return 5


class Subscripted:
    def __class_getitem__(cls, key):
        LOG.append(key)
        return cls, key


class Told(enum.EnumMeta):
    def __getitem__(cls, name):
        LOG.append(name)
        return super().__getitem__(name)

    def __iter__(cls):
        LOG.append("members")
        return super().__iter__()

    def __len__(cls):
        LOG.append("count")
        return super().__len__()

    def __contains__(cls, member):
        LOG.append("in")
        return super().__contains__(member)


class Colour(enum.Enum, metaclass=Told):
    red = 1
    blue = 2


class Falsy(enum.Enum):
    one = 1

    def __bool__(self):
        LOG.append("member bool")
        return False


def logged():
    """What was logged, once: it is empty again, as the next call finds it."""
    taken = list(LOG)
    LOG.clear()
    return taken


def all_of(*asked):
    answers = []
    for ask in asked:
        try:
            answers.append(ask())
        except (TypeError, ValueError) as error:
            answers.append(repr(error))
    return answers, logged()


def added(into, items):
    into += items
    return into


def extended(into, items):
    into.extend(items)
    return into


@program(lambda: (randn(2),))
def lengths_are_asked_where_a_list_is_made(x):
    lists = all_of(lambda: list(Counted()), lambda: tuple(Counted()), lambda: [*Counted()], lambda: sorted(Counted()), lambda: extended([], Counted()))
    more = all_of(lambda: added([], Counted()), lambda: (lambda *items: items)(*Counted()), lambda: "-".join(Counted()), lambda: list(itertools.product(Counted())))
    none = all_of(lambda: set(Counted()), lambda: dict.fromkeys(Counted()), lambda: [c for c in Counted()], lambda: list(map(str, Counted())))
    deques = all_of(lambda: list(collections.deque(Counted())), lambda: list(extended(collections.deque(), Counted())))
    return x + 1, lists, more, none, deques, all_of(lambda: list(Longer([1, 2])), lambda: tuple(Longer([1])), lambda: list(Class), lambda: [*Class])


@program(lambda: (randn(2),))
def hints_that_are_no_lengths(x):
    hints = (3, NotImplemented, "a", -1, TypeError("type"), ValueError("value"), True)
    return x + 1, [all_of(lambda: list(Hinted(hint)), lambda: (*Hinted(hint),)) for hint in hints]


@program(lambda: (randn(2),))
def what_is_reversed_by_index_is_read_when_it_is_asked(x):
    backwards = reversed(Indexed())
    y = x + 1
    LOG.append("made")
    first, second = next(backwards), next(backwards)
    rest = list(backwards), next(backwards, None)
    return y, first, second, rest, logged(), all_of(lambda: list(reversed(Indexed())), lambda: list(iter(Indexed())), lambda: reversed(Irreversible()))


@program(lambda: (randn(2),))
def classes_are_compared_as_c_does(x):
    asked = all_of(lambda: Refused() == Below(), lambda: Refused() + Below(), lambda: super(Refused, Below()).__ne__(1), lambda: bool(Refused), lambda: not Class)
    return x + 1, asked


@program(lambda: (randn(2),))
def a_class_is_subscripted_by_its_own_code(x):
    given = Subscripted["a"], Subscripted[1, 2]
    return x + 1, given, logged()


@program(lambda: (randn(2),))
def a_metaclass_of_an_enum_has_its_say(x):
    members = all_of(lambda: Colour["red"], lambda: list(Colour), lambda: len(Colour), lambda: Colour.red in Colour, lambda: bool(Colour), lambda: bool(Falsy.one))
    return x + 1, members


@program(lambda: (randn(2),), breaks=["class-definition-inside"], recompiles=None)
def an_enum_that_is_made_by_a_call_is_a_new_one(x):
    made, again = map(lambda _: enum.Enum("Made", "a b"), range(2))
    return x + 1, made is again, [member.name for member in made], made.a == again.a


class Pair(enum.Enum):
    first = (1, 2)
    second = (3,)


class Equal:
    __hash__ = None

    def __eq__(self, other):
        LOG.append("equal")
        return other == (3,)

    def __repr__(self):  # where enum compares hashable values by hash alone, it stands in the error
        return "an equal"


@program(lambda: (randn(2), [(1, 2)], {"key": (3,)}))
def a_member_is_found_by_a_value_from_outside(x, values, table):
    return x + 1, all_of(lambda: Pair(values[0]), lambda: Pair(table["key"]), lambda: Pair(values))


@program(lambda: (randn(2),), breaks=["unsupported-builtin"])
def a_member_that_the_value_finds_itself(x):
    found = Pair(Equal())
    return x + 1, found, logged()


def base(x, y=2):
    "doc"
    return x + y


TAGGED = functools.partial(base, 1)
TAGGED.tag = 3


@program(lambda: (randn(2),), breaks=["unsupported-attribute"])
def attributes_of_a_partial_from_outside(x):
    whole = functools.partial(TAGGED, 4)
    told = TAGGED.tag, hasattr(TAGGED, "tag"), hasattr(TAGGED, "nothing"), whole.func is TAGGED, whole.args, whole()
    return x + 1, told, dict(TAGGED.__dict__)


@program(lambda: (randn(2),))
def attributes_of_a_partial_that_is_made_inside(x):
    made = functools.partial(base, 1)
    y = x + 1
    made.tag = 3
    made.me = made
    return y, made, made.tag, functools.partial(made, 2).func is made, made.me is made


@scenario(breaks=None, recompiles=1)
def an_attribute_of_a_partial_comes_between_calls(run):
    held = functools.partial(base, 1)

    def f(x):
        return x + getattr(held, "tag", 0)

    compiled = run(f)
    compiled(ones(2))
    held.tag = 5
    compiled(ones(2))
