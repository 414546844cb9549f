"""Functions as values: closures, defaults, decorators, partials, recursion, globals, nonlocals."""

import functools
import operator

import torch
from torch import randn

from tests.programs import program, scenario

COUNTER = 0
HISTORY = []
SCALE = 2


def helper(x, n=2, *, k=1):
    return x * n + k


@program(lambda: randn(3))
def inlined_helpers(x):
    return helper(helper(x), 3, k=4)


@program(lambda: randn(3), recompiles=None, graphs=None)
def global_counter(x):
    global COUNTER
    COUNTER += 1
    return x * COUNTER


@program(lambda: randn(3))
def global_written_not_read(x):
    global LAST
    LAST = x + 1
    return x * 2


@program(lambda: randn(3), recompiles=None, graphs=None)
def global_list_appended(x):
    HISTORY.append(x.sum())
    return x + SCALE


@program(lambda: randn(3))
def closure_cells(x):
    total = 0

    def add(n):
        nonlocal total
        total += n
        return total

    add(2)
    return x * add(3), total, add


@scenario(recompiles=None, graphs=None)
def closure_state_of_the_caller(run):
    calls = 0
    seen = []

    def count(x):
        nonlocal calls
        calls += 1
        seen.append(calls)
        return x + 1

    f = run(count)
    f(randn(3))
    f(randn(3))
    run.watch(seen)


@program(lambda: randn(3))
def closures_in_a_loop(x):
    late = [lambda t: t + i for i in range(3)]
    early = [lambda t, i=i: t + i for i in range(3)]
    return [f(x) for f in late], [f(x) for f in early]


@program(lambda: randn(3))
def shared_cell_of_two_closures(x):
    state = [0]
    value = 1

    def get():
        return value

    def put(v):
        nonlocal value
        value = v
        state[0] += 1

    put(5)
    return x * get(), get, put, state


@program(lambda: randn(3))
def returned_closure_holds_tensor(x):
    y = x + 1

    def later(z):
        return y * z

    return later, later(x)


@program(lambda: randn(3))
def mutable_default(x):
    def remember(v, seen=[]):
        seen.append(v)
        return len(seen)

    return x * remember(1) * remember(2), remember.__defaults__


@scenario(recompiles=1)
def default_changed_between_calls(run):
    def scaled(x, n=2):
        return x * n

    f = run(lambda x: scaled(x))
    f(randn(3))
    scaled.__defaults__ = (3,)
    f(randn(3))


@program(lambda: randn(3))
def tensor_default(x):
    def shift(t, by=x * 2):
        return t + by

    return shift(x), shift(x, by=1)


@program(lambda: (randn(3), 6))
def recursion(x, n):
    def fact(k):
        return 1 if k < 2 else k * fact(k - 1)

    def nest(t, depth):
        return t if depth == 0 else nest(t + depth, depth - 1)

    return nest(x, n), fact(n)


@program(lambda: randn(3))
def mutual_recursion_and_depth(x):
    def even(t, n):
        return t if n == 0 else odd(t, n - 1)

    def odd(t, n):
        return even(t + 1, n - 1)

    return even(x, 40)


@program(lambda: randn(3))
def lambdas_and_higher_order_functions(x):
    compose = lambda f, g: lambda t: f(g(t))
    return compose(torch.relu, lambda t: t - 1)(x), list(map(lambda t: t * 2, [x, 1])), (lambda *a, **k: (a, k))(1, b=2)


def doubled(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        """The wrapper."""
        return fn(*args, **kwargs) * 2

    return wrapper


def times(n):
    return lambda fn: lambda *a: fn(*a) * n


@doubled
@times(3)
def decorated_helper(x):
    return x + 1


@program(lambda: randn(3))
def decorators(x):
    @doubled
    def local(t):
        return t - 1

    return decorated_helper(x), local(x), local.__name__, local.__wrapped__(x)


@program(lambda: randn(3))
@doubled
def program_itself_decorated(x):
    return x + 1


@program(lambda: (functools.partial(helper, n=5), randn(3)))
def partials(p, x):
    q = functools.partial(helper, x, k=2)
    return p(x), q(), q(n=9), functools.partial(p, k=3)(x), p.keywords, q.func is helper


@functools.lru_cache(maxsize=None)
def table(n):
    return [i * i for i in range(n)]


@program(lambda: randn(3))
def lru_cache_wrapper(x):
    return x * table(4)[3], len(table(2))


@program(lambda: randn(3))
def functools_reduce_and_operators(x):
    total = functools.reduce(operator.add, [x, x * 2, 3])
    return (
        total,
        operator.itemgetter(1, 0)([5, 6]),
        operator.attrgetter("ndim")(x),
        operator.mul(x, 2),
        operator.index(4),
    )


@functools.singledispatch
def kind_of(value):
    return "other"


@kind_of.register
def _(value: int):
    return "int"


@program(lambda: randn(3), breaks=None, graphs=None)
def single_dispatch(x):
    return x + 1, kind_of(3), kind_of("s")


@program(lambda: randn(3))
def function_attributes(x):
    def f(t: torch.Tensor, n: int = 3) -> torch.Tensor:
        "Doc."
        return t * n

    f.note = "n"
    return f(x), f.__name__, f.__doc__, f.note, f.__defaults__, f.__code__.co_argcount, callable(f), f.__kwdefaults__


@program(lambda: randn(3))
def bound_methods_as_values(x):
    methods = [x.add, x.mul, torch.Tensor.sub]
    append = (out := []).append
    append(methods[0](1))
    append(methods[2](x, 2))
    return out, methods[1](3), "ab".upper(), str.lower("AB"), [].__len__()


@scenario(recompiles=1)
def global_rebound(run):
    global SCALE
    f = run(lambda x: x * SCALE)
    f(randn(3))
    SCALE = 3
    f(randn(3))


@scenario(recompiles=1)
def helper_function_replaced(run):
    global helper
    kept = helper
    f = run(lambda x: helper(x))
    f(randn(3))
    helper = lambda x: x - 1
    f(randn(3))
    helper = kept


@scenario(recompiles=1)
def code_of_a_helper_replaced(run):
    def inner(x):
        return x + 1

    f = run(lambda x: inner(x))
    f(randn(3))
    inner.__code__ = (lambda x: x * 5).__code__
    f(randn(3))


@scenario(recompiles=None, graphs=2, breaks=0)
def one_code_object_two_closures(run):
    def make(n):
        def f(x):
            return x * n

        return f

    one, two = run(make(2)), run(make(3))
    one(randn(3)), two(randn(3))
    one(randn(3)), two(randn(3))


@scenario(breaks=None, graphs=None)
def locals_and_globals_builtins(run):
    def look(x):
        y = x + 1
        return sorted(locals()), y, "SCALE" in globals()

    f = run(look)
    f(randn(3))
    f(randn(3))


@program(lambda: randn(3))
def keyword_only_and_positional_forwarding(x):
    def inner(a, /, b, *, c=3, **rest):
        return a * b + c, rest

    def outer(*args, **kwargs):
        kwargs.setdefault("c", 4)
        return inner(*args, **kwargs)

    return outer(x, 2), outer(x, b=3, c=1, d=5)


@program(lambda: randn(3), graphs=None, breaks=None)
def wrong_arguments_raise_type_error(x):
    def inner(a, b):
        return a + b

    seen = []
    for call in (lambda: inner(1), lambda: inner(1, 2, 3), lambda: inner(1, c=2), lambda: inner(1, a=2)):
        try:
            call()
        except TypeError as error:
            seen.append(str(error))
    return x + 1, seen


@program(lambda: randn(3))
def star_expressions(x):
    args, kwargs = (1, 2), {"k": 3}
    return helper(x, *[4], **kwargs), [*args, *range(2)], {**kwargs, "z": 1}, (*args, x), max(*args), {*args}
