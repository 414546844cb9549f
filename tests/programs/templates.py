"""Template strings and type parameters: syntax that older Pythons don't read, so the programs are texts; as untraced where they can be run."""

import collections.abc  # noqa: F401  (the texts name it)
import itertools
import linecache
import operator
import sys
import textwrap
from typing import Callable, Generic, List, TypeVar, Union  # noqa: F401  (so)

import torch
from torch import randn

from tests.programs import program

EITHER = {"breaks": None, "graphs": None, "recompiles": None}


def written(text, since=(3, 14), **expect):
    """The function of the text, as a program; nothing where this Python can't read or run it."""
    if sys.version_info < since:
        return
    text = textwrap.dedent(text).lstrip()
    name = text.split("(")[0].removeprefix("def ").strip()
    file = f"<{__name__}.{name}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    exec(compile(text, file, "exec"), globals())
    program(lambda: randn(3), **expect)(globals()[name])


def attempt(call):
    try:
        return call()
    except (TypeError, ValueError, AttributeError, StopIteration) as error:
        return type(error).__name__, str(error)


# ---- template strings, since 3.14
if sys.version_info >= (3, 14):
    from string.templatelib import Interpolation, Template, convert  # noqa: F401  (the texts name them)

    def shown(template):
        """What a template holds, without itself."""
        return template.strings, template.values, [(type(p).__name__, p if isinstance(p, str) else (p.value, p.expression, p.conversion, p.format_spec)) for p in template]

    OUTSIDE = eval('t"kept {3!r:>4} and {randn}"')

    def left(made, strings, rest):
        """What has left the graph."""
        torch._dynamo.graph_break()
        return shown(made), made.strings is strings, [p if isinstance(p, str) else p.value for p in rest], made.values[0] is made.interpolations[0].value

    class Joins:
        def __radd__(self, other):
            return "joined", other.strings


written("""
    def parts_of_a_template(x):
        y, width = x * 2, 7
        made = t"{y} and {width!r:>{width}}{x.sum():.2f} ends"
        values = [part.value for part in made.interpolations]
        return values[0] + values[2], made.strings, made.values[1], [p.expression for p in made.interpolations], [p.conversion for p in made.interpolations]
""")

written("""
    def a_template_is_walked(x):
        rest = iter(t"{1}a{x}{2}")
        first = next(rest)
        kinds = [part if isinstance(part, str) else part.expression for part in rest]
        return x + first.value, kinds, list(rest), list(t""), list(t"only"), type(first) is Interpolation
""")

written("""
    def templates_are_joined(x):
        one, two = t"a{x}b", t"c{2}"
        both = one + two
        rest = attempt(lambda: one + "b"), attempt(lambda: "b" + one), attempt(lambda: one + Joins()), attempt(lambda: one * 2)
        return both.values[0] * both.values[1], both.strings, both.interpolations[0] is one.interpolations[0], rest
""")

written("""
    def a_template_is_matched(x):
        found = []
        for part in t"{x!s:>3}{4}":
            match part:
                case Interpolation(value, "x", conversion, spec):
                    found.append((value * 2, conversion, spec))
                case Interpolation(value=int(value)):
                    found.append(value)
        return found
""")

written("""
    def templates_made_by_their_classes(x):
        made = Template("a", "b", Interpolation(x, "x"), Interpolation(2, conversion="r"), "c")
        wrong = attempt(lambda: Template(1)), attempt(lambda: Template(a=1)), attempt(lambda: Interpolation(1, 2)), attempt(lambda: Interpolation(1, "e", "q"))
        return made.values[0] + 1, made.strings, made.interpolations[1].conversion, wrong, made == made, made == Template(), bool(Template())
""")

written("""
    def a_template_leaves(x):
        held = [x + 1]
        made = t"{held}{held[0]!a}"
        rest = iter(t"a{x}b{held}")
        next(rest)
        held.append(made.strings)
        return left(made, made.strings, rest)
""", **EITHER)  # fmt: skip

written("""
    def a_template_of_before(x):
        return x + OUTSIDE.values[0], OUTSIDE.strings, OUTSIDE.interpolations[0].conversion, convert(OUTSIDE.values[0], "r"), OUTSIDE.interpolations is OUTSIDE.interpolations
""")

written("""
    def a_template_behind_a_break(x):
        made = t"{x}: {1}"
        if x.sum() > 100:
            x = x + 1
        return made.values[0] * made.values[1], shown(made)[0]
""", breaks=["data-dependent-branch"])  # fmt: skip


# ---- type parameters, since 3.12
written("""
    def a_generic_function(x):
        def twice[T](y: T, by: int = 2) -> T:
            return y * by
        return twice(x), twice.__type_params__[0].__name__, len(twice.__type_params__), twice(3)
""", since=(3, 12))  # fmt: skip

written("""
    def parameters_of_all_kinds(x):
        def many[T, *Ts, **P](y: T) -> T:
            def inner[U](z: U) -> T:
                return z + y
            return inner(y), [p.__name__ for p in inner.__type_params__]
        first, second, third = many.__type_params__
        return many(x), first.__name__, second.__name__, third.__name__, first is many.__type_params__[0], first is second, type(third).__name__
""", since=(3, 12))  # fmt: skip

written("""
    def parameters_with_bounds(x):
        def bounded[T: (int, str), U: torch.Tensor](y: U) -> U:
            return y + 1
        return bounded(x), [p.__name__ for p in bounded.__type_params__]
""", since=(3, 12))  # fmt: skip

written("""
    def parameters_with_defaults(x):
        def usual[T = int](y: T) -> T:
            return y + 1
        return usual(x), usual.__type_params__[0].__name__
""", since=(3, 13))  # fmt: skip

written("""
    def a_default_leaves(x):
        def usual[T = int](y: T) -> T:
            return y + 1
        return x + 1, defaults(usual)
""", since=(3, 13), **EITHER)  # fmt: skip

written("""
    def a_generic_function_leaves(x):
        scale = 3
        def scaled[T: int, U](y: T) -> U:
            return y * scale
        return generic(scaled, x)
""", since=(3, 12), **EITHER)  # fmt: skip

written("""
    def type_aliases(x):
        type Plain = int
        type Pairs[T] = tuple[T, T]
        return aliased(x + 1, Plain, Pairs, Pairs.__name__)
""", since=(3, 12), **EITHER)  # fmt: skip

written("""
    def an_alias_that_stays(x):
        type Whole[T] = list[T]
        return x + 1, Whole.__name__, Whole is Whole
""", since=(3, 12))  # fmt: skip

written("""
    def a_generic_class(x):
        class Box[T]:
            def __init__(self, held: T):
                self.held = held
        return Box(x + 1).held, Box.__type_params__[0].__name__, Box[int].__args__
""", since=(3, 12), **EITHER | {"breaks": ["class-definition-inside"]})  # fmt: skip

written("""
    def annotations_over_parameters(x):
        def made[T, *Ts, **P](
            a: list[T], b: T | None, c: Callable[[T, int], T], d: tuple[int, *Ts], e: Held[T], f: None | T, g: Callable[P, list[T]], h: List[T],
            i: collections.abc.Callable[[T], T], *args: *Ts, **kwargs: P.kwargs
        ) -> Union[T, T]:
            return a * 2
        said, first = made.__annotations__, made.__type_params__[0]
        return made(x, *[0] * 8), len(said), said["return"] is first, said["a"].__args__[0] is first, said["a"].__origin__ is list
""", since=(3, 12))  # fmt: skip

written("""
    def expressions_compared(x):
        def made[T](a: list[T], b: list[T], c: List[T], d: List[T], e: int | T):
            return a + 1
        said = made.__annotations__
        return (
            made(x, 0, 0, 0, 0), said["a"] is said["b"], said["c"] is said["d"], said["a"] == said["b"], said["a"] != said["e"], bool(said["a"]),
            len({said["a"]: 1, said["b"]: 2, said["e"]: 3}), attempt(lambda: isinstance(x, said["a"])), attempt(lambda: list[made.__type_params__][1:]),
        )
""", since=(3, 12))  # fmt: skip

written("""
    def expressions_leave(x):
        type Pairs[A] = tuple[A, A]
        def made[T, *Ts](y: Pairs[T], *rest: *Ts) -> dict[str, tuple[T, *Ts]]:
            return y + 1
        return annotated(made, x)
""", since=(3, 12), **EITHER)  # fmt: skip


written("""
    def attributes_of_expressions(x):
        def made[T](a: list[T], b: List[T], c: Held[T]):
            return a + 1
        a, b, c = [made.__annotations__[name] for name in "abc"]
        return made(x, 0, 0), a.append is list.append, b.append is list.append, type(a).__name__, c().mark, attempt(lambda: a.nothing)
""", since=(3, 12), **EITHER)  # fmt: skip


class Held(Generic[TypeVar("Kept")]):
    mark = 5


def annotated(made, x):
    """What annotations say, asked from outside of the graph."""
    torch._dynamo.graph_break()
    said, (first, several) = made.__annotations__, made.__type_params__
    return made(x), str(said), said["y"].__args__[0] is first, said["return"].__args__[1].__args__[0] is first, several.__name__


def defaults(made):
    """What a function's parameters are by default, asked from outside of the graph."""
    torch._dynamo.graph_break()
    return [parameter.__default__ for parameter in made.__type_params__]


def generic(made, x):
    """What a function says of its parameters, asked from outside of the graph."""
    torch._dynamo.graph_break()
    first, second = made.__type_params__
    return made(x), first.__bound__, second.__bound__, made.__annotations__["return"] is second, made.__annotations__["y"] is first


def aliased(x, plain, pairs, name):
    """What aliases say, asked from outside of the graph."""
    torch._dynamo.graph_break()
    return x, plain.__value__, pairs.__type_params__[0].__name__, pairs[int].__args__, str(pairs.__value__), name


# ---- batches that are strict, since 3.13
if sys.version_info >= (3, 12):

    def batched_by(*args, **kwargs):
        return attempt(lambda: list(itertools.batched(*args, **kwargs)))

    @program(lambda: randn(3))
    def batches_that_are_strict(x):
        parts = [x, x + 1, x + 2]
        if sys.version_info < (3, 13):
            return parts, batched_by(parts, 2)
        rest = itertools.batched(iter([1, 2, 3]), 2, strict=True)
        ends = next(rest), attempt(lambda: next(rest)), attempt(lambda: next(rest))
        wrong = attempt(lambda: itertools.batched([1], 0, strict=True)), attempt(lambda: itertools.batched([1], True, strict=[]))
        return batched_by(parts, 3, strict=True), batched_by(parts, 2, strict=False), batched_by(range(5), 2, strict=True), ends, type(wrong[0]), type(wrong[1])


# ---- questions for None by name, since 3.14
if hasattr(operator, "is_none"):

    @program(lambda: randn(3))
    def asked_for_none(x):
        return x + operator.is_none(None), operator.is_none(x), operator.is_not_none(x), list(map(operator.is_none, [0, None, x]))
