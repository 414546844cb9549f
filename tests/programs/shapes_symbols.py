"""Symbolic sizes met by Python and by torch: every program sees several sizes, and most compile twice and no more."""

import math

import torch
import torch.nn.functional as F
from torch import randn

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}
SIZES = (5, 7, 9, 12)


def sized(fn, make=lambda n: (randn(n, 4),), sizes=SIZES, **expect):
    """A scenario that calls `fn` at each size: one recompile, after which the size is a symbol."""
    wanted = {"recompiles": 1, "graphs": 2, **expect}

    def run_sizes(run):
        f = run(fn)
        for n in sizes:
            f(*make(n))

    run_sizes.__name__ = run_sizes.__qualname__ = fn.__name__
    run_sizes.__module__ = fn.__module__
    scenario(**wanted)(run_sizes)
    return fn


@sized
def arithmetic_stays_symbolic(x):
    n = x.shape[0]
    a = (n + 1, n - 1, 2 * n, n // 2, n % 3, -n, n**2, abs(-n), +n, n / 4, 1 - n, 20 // n, 7 % n, divmod(n, 4), pow(n, 2))
    return x * n + a[3], a


@sized
def floats_of_sizes(x):
    n = x.shape[0]
    return x / math.sqrt(n), float(n) + 0.1 + 0.2, n * 0.5, int(n / 2), n**-0.5, 1.0 / n, 0.5 < n


@sized
def rounding_of_sizes(x):
    n = x.shape[0]
    half = n / 2
    return x[: int(half)], math.floor(half), math.ceil(half), math.trunc(half), round(n), math.ceil(n / 3)


@sized
def extremes_of_sizes(x):
    n, m = x.shape
    return min(n, 100), max(n, 3), max(n, m, 2), min([n, 64]), max(n - 4, 0), sum(x.shape), x[: min(n, 3)]


@sized
def size_objects(x):
    s = x.shape
    return (
        x.view(s), x.new_zeros(s[:1]), s.numel(), s[-1:], s[::-1], s + (2,), (2,) + s, s * 2, list(s), tuple(s), len(s), type(s + (1,)),
        x.expand((3,) + s).sum(0), torch.Size([s[0], 2]), [*s, 1], x.reshape(s[0] * s[1]),
    )  # fmt: skip


@sized
def unpacked_and_compared(x):
    b, d = x.shape
    same = x.shape == (b, d), x.shape != torch.Size([b, d + 1]), x.shape == x.clone().shape, b == b, b is None, b != d + 100
    return x.view(b * d), same


@sized
def slices_with_symbols(x):
    n = x.shape[0]
    return x[1:], x[:-1], x[-3:], x[: n // 2], x[n // 2 :], x[::2], x[n - 1], x[-2], x[1 : n - 1, :2], x[: n - 4, None]


@sized
def creation_with_symbols(x):
    n = x.shape[0]
    return (
        torch.arange(n), torch.ones(n, n).tril(), torch.full((n,), n), torch.zeros((n, 2 * n)), torch.eye(n),
        torch.empty(n, 3).shape, x.new_full((n,), 1.5), torch.arange(n, 0, -1), torch.arange(n, dtype=torch.float32) / n, torch.ones(x.size(0)),
        torch.ones_like(x), torch.tensor(n), torch.tensor([n, 1]),
    )  # fmt: skip


@sized
def views_with_symbols(x):
    n = x.shape[0]
    return (
        x.view(-1), x.view(n, 2, 2), x.reshape(-1, 2), x.unsqueeze(1).expand(n, 3, 4), x.repeat(2, 1), x.t().contiguous().view(4 * n), x.flatten(),
        x.unflatten(1, (2, 2)), x.split([n - 2, 2]), x.chunk(2), x.narrow(0, 1, n - 2), x.permute(1, 0), torch.cat([x, x]), torch.stack([x, x]),
        F.pad(x, (0, 0, 0, n)), x.roll(n // 2, 0), x.as_strided((n, 2), (4, 1)),
    )  # fmt: skip


@sized
def reductions_and_products(x):
    n = x.shape[0]
    return x.sum(0) / n, x.mean(), x @ x.t(), x.softmax(0), F.layer_norm(x, x.shape[1:]), x.var(0), x.cumsum(0), x.sort(0)[0], x.topk(2, dim=0)[1], x.max(0)


@sized
def attention_with_symbols(x):
    n = x.shape[0]
    q = x.view(1, n, 2, 2).transpose(1, 2)
    mask = torch.ones(n, n, dtype=torch.bool).tril()
    return F.scaled_dot_product_attention(q, q, q, attn_mask=mask).transpose(1, 2).reshape(1, n, 4)


@sized
def in_containers_and_back(x):
    table = {"n": x.shape[0], "shape": x.shape}
    pairs = [(i, s) for i, s in enumerate(x.shape)]
    first, *rest = x.shape
    table["n"] += 1
    return x[: table["n"] - 2], table, pairs, rest, dict(zip("ab", x.shape)), [s * 2 for s in x.shape]


@sized
def through_calls_and_closures(x):
    def outer(n, scale=2):
        def inner(k):
            return n * k + scale

        return inner

    return x * outer(x.shape[0])(3), (lambda *a, **k: a[0] + k["b"])(x.shape[0], b=x.shape[1])


@sized
def branches_that_agree(x):
    n = x.shape[0]
    if n > 3 and n < 100 and n != 50 and not n == 1000:
        x = x + 1
    while n > 100:
        n -= 1
    return x if n else -x


@sized
def asserts_that_hold(x):
    n, m = x.shape
    assert n > m, f"need more than {m}"
    torch._check(n > 2)
    torch._check(n < 1000, lambda: f"too many: {n}")
    return x[:m]


@sized
def conditional_expressions(x):
    n = x.shape[0]
    return x * (2 if n > 4 else 3), (n > 4) and n, n or 1, (n > 4) == True, bool(n), not n, (n > 4) & (n < 100)  # noqa: E712


@sized
def symbols_in_a_loop(x):
    total = 0
    for i in range(4):
        total = total + x.shape[0] * i
    out = [x[: x.shape[0] - i] for i in range(3)]
    return total, out


@sized
def padded_to_a_multiple(x):
    n = x.shape[0]
    up = (n + 7) // 8 * 8
    return F.pad(x, (0, 0, 0, up - n)), -(-n // 8)


@sized
def metadata_of_results(x):
    y = torch.cat([x, x[1:]])
    return y, y.shape, y.size(0), y.numel(), y.stride(), y.t().stride(), y.nelement(), len(y), y.dim(), y[:, 0].storage_offset(), y.is_contiguous(), y.nbytes


@sized
def inplace_with_symbols(x):
    y = torch.zeros(x.shape[0] + 1, 4)
    y[: x.shape[0]] = x
    y[x.shape[0]] = 1
    y[-1] += x.shape[0]
    x.mul_(x.shape[0])
    return y


def two(n):
    return randn(n, 4), randn(n + 1, 4)


@lambda fn: sized(fn, two)
def two_symbols(x, y):
    return x.shape[0] + y.shape[0], torch.cat([x, y]), x.shape[0] < y.shape[0], x @ y.t(), max(x.shape[0], y.shape[0]) > 2


@lambda fn: sized(fn, lambda n: (randn(n, 3), randn(n, 3)))
def duck_shaped(x, y):
    return x + y, x.shape == y.shape, x.shape[0] * y.shape[0]


@lambda fn: sized(fn, lambda n: (randn(2, n, 3, requires_grad=True),))
def with_gradients(x):
    return (x * x.shape[1]).sum(1), x.view(-1, 3).mean(0), x.transpose(0, 1).reshape(x.shape[1], 6)


@lambda fn: sized(fn, lambda n: (randn(20, 4)[:n], randn(4, n).t()))
def views_as_inputs(x, y):
    return x + y, x.stride(), y.is_contiguous(), x.shape


@lambda fn: sized(fn, lambda n: ([randn(n), {"a": randn(n, 2)}],))
def inside_arguments(p):
    return p[0].unsqueeze(1) + p[1]["a"], p[0].shape[0]


@lambda fn: sized(fn, lambda n: (randn(3), n, {"k": n + 1}))
def integers_of_arguments(x, n, d):
    return x * n, n + 1, n // 2, torch.ones(n).sum(), d["k"] - n, [n] * 2, x.expand(n, 3), -n % 4, n == d["k"], n**2


@lambda fn: sized(fn, lambda n: (randn(3), n), sizes=(-5, 3, 8, -4, 100))
def integers_of_either_sign(x, n):
    return x + n, abs(n), n // 3, n % 3, n * n, -n


@scenario(**UNKNOWN)
def sign_decides(run):
    f = run(lambda x, n: (x[n:], x * n if n > 0 else x - n))
    for n in (2, 3, -1, -2, 0, 1, 4):
        f(randn(6), n)


@scenario(**UNKNOWN)
def unsupported_on_symbols(run):
    f = run(lambda x: (x.shape[0] & 3, x.shape[0] | 1, x.shape[0] ^ 5, ~x.shape[0], x.shape[0] << 2, x.shape[0] >> 1, 2 ** x.shape[0], hash(x.shape[0])))
    for n in (4, 5, 6):
        f(randn(n))


@scenario(**UNKNOWN)
def methods_of_integers(run):
    f = run(lambda x: (x.shape[0].bit_length(), x.shape[0].real, isinstance(x.shape[0], int), type(x.shape[0]), x.shape[0].__add__(2), x.shape[0].__class__))
    for n in (4, 5, 9):
        f(randn(n))


@scenario(**UNKNOWN)
def text_and_keys(run):
    def f(x):
        n = x.shape[0]
        return x + 1, f"{n:>4}|{n!r}|{n}", str(n), "%d" % n, {n: "n"}, n in (5, 7), n in {5: 1}, repr(x.shape), f"{x.shape}", "a" * n, {n, 4}

    g = run(f)
    for n in (5, 7, 9):
        g(randn(n))


@scenario(**UNKNOWN)
def lists_by_symbols(run):
    def f(x):
        n = x.shape[0]
        a = [0] * n
        b = n * [1]
        return x, a, b, list(range(n)), a[n - 1], [10, 20, 30, 40, 50, 60, 70, 80, 90][n - 1], "abcdefghij"[n], (1, 2, 3)[: n - 4], len(range(n))

    g = run(f)
    for n in (5, 7, 9):
        g(randn(n))


@scenario(**UNKNOWN)
def range_with_symbols(run):
    def f(x):
        n = x.shape[0]
        total = x
        for i in range(0, n, 2):
            total = total + i
        return total, n in range(10), range(n)[1], [*range(n - 2, n)], sum(range(n))

    g = run(f)
    for n in (5, 7, 9):
        g(randn(n))


@scenario(**UNKNOWN)
def zero_size_divides(run):
    def f(x, n):
        try:
            return x / (x.shape[0] // n), 5 % n, 1 / n
        except ZeroDivisionError as error:
            return str(error)

    g = run(f)
    for n in (2, 3, 4, 0, 5):
        g(randn(8), n)


@scenario(**UNKNOWN)
def failing_check(run):
    def f(x):
        torch._check(x.shape[0] < 8, lambda: f"size {x.shape[0]}")
        return x * 2

    g = run(f)
    for n in (3, 5, 6, 9, 7):
        try:
            g(randn(n))
        except RuntimeError:
            pass


@scenario(**UNKNOWN)
def shape_errors_of_operators(run):
    def f(x, y):
        try:
            return x + y
        except RuntimeError as error:
            return str(error)[:60]

    g = run(f)
    for n, m in ((3, 3), (4, 4), (5, 5), (5, 6), (6, 5)):
        g(randn(n), randn(m))


@scenario(**UNKNOWN)
def transposed_between_calls(run):
    f = run(lambda x: (x.contiguous() + 0, x.stride(), x.reshape(-1), x.is_contiguous()))
    for n in (5, 7, 9):
        f(randn(n, 4))
    f(randn(4, 9).t())
    f(randn(9, 8)[:, ::2])
    f(randn(4, 6).t())
    f(randn(5, 12)[:, :4])


@scenario(**UNKNOWN)
def aliases_among_dynamic_inputs(run):
    def f(x, y):
        x.add_(1)
        return x * 2, y + 1

    g = run(f)
    for n in (5, 7, 9):
        g(randn(n), randn(n))
    both = randn(6)
    g(both, both)
    g(both[:3], both[3:])
    g(both[:4], both[2:])


@scenario(**UNKNOWN)
def grads_of_dynamic_leaves(run):
    f = run(lambda x: (x * x.shape[0]).sum())
    for n in (5, 7, 9):
        x = randn(n, requires_grad=True)
        f(x).backward()
        run.watch(x)
        f(x)


@scenario(recompiles=2, breaks=["user-requested-break"] * 2)
def breaks_with_symbols(run):
    def f(x):
        n = x.shape[0]
        y = x * n
        k = n + 1
        torch._dynamo.graph_break()
        return y + k, n, x[: k - 2]

    g = run(f)
    for n in (5, 7, 9, 11):
        g(randn(n))


@scenario(**UNKNOWN)
def symbols_in_bodies(run):
    def f(x):
        n = x.shape[0]
        half = n // 2
        return torch.cond(x.sum() > 0, lambda x: x[:half] * n, lambda x: x[:half] - n, (x,))

    g = run(f)
    for n in (6, 8, 10, 12):
        g(randn(n))


@scenario(**UNKNOWN)
def symbols_in_checkpoints(run):
    from torch.utils.checkpoint import checkpoint

    def f(x):
        n = x.shape[0]
        return checkpoint(lambda x: (x * n).sin() + x.shape[0], x, use_reentrant=False)

    g = run(f)
    for n in (6, 8, 10, 12):
        g(randn(n, requires_grad=True))


@scenario(recompiles=0, graphs=1, config={"dynamic": True})
def dynamic_everything(run):
    f = run(lambda x, n, y: (x[:n] * y.shape[0], n + x.shape[0], y.view(-1, n)))
    for n in (3, 4, 5):
        f(randn(8 + n, 2), n, randn(6 * n))


@scenario(recompiles=2, graphs=3, config={"specialize_int": True})
def integers_that_stay_constants(run):
    f = run(lambda x, n: x * n)
    for n in (3, 4, 5):
        f(randn(3), n)


@scenario(recompiles=2, graphs=3, config={"automatic_dynamic_shapes": False})
def nothing_is_dynamic_by_itself(run):
    f = run(lambda x: x * 2)
    for n in (3, 4, 5):
        f(randn(n))


@scenario(recompiles=0, graphs=1, config={"assume_static_by_default": False})
def dynamic_by_default(run):
    f = run(lambda x: x * x.shape[0])
    for n in (3, 4, 5):
        f(randn(n))


@scenario(recompiles=0, graphs=1)
def maybe_marked(run):
    f = run(lambda x: x.sum(0) * x.shape[0])
    for n in (5, 7, 9):
        x = randn(n, 2)
        torch._dynamo.maybe_mark_dynamic(x, 0)
        f(x)


@scenario(recompiles=2, graphs=3)
def maybe_marked_and_fixed(run):
    f = run(lambda x: x * [0, 1, 2, 3, 4, 5, 6, 7, 8, 9][x.shape[0]])
    for n in (5, 7, 9):
        x = randn(n)
        torch._dynamo.maybe_mark_dynamic(x, 0)
        f(x)


@scenario(recompiles=1, graphs=2)
def objects_that_count(run):
    class Schedule:
        def __init__(self):
            self.step = 1

    schedule = Schedule()

    def f(x):
        schedule.step += 1
        return x * schedule.step

    g = run(f)
    for _ in range(6):
        g(torch.ones(3))
    run.watch(schedule)


@scenario(recompiles=1, graphs=2)
def nonlocal_counter(run):
    count = 2

    def f(x):
        nonlocal count
        count += 1
        return x * count

    g = run(f)
    for _ in range(6):
        g(torch.ones(3))


CAPTURED = {"capture_scalar_outputs": True, "capture_dynamic_output_shape_ops": True}


@program(lambda: (randn(6), torch.tensor(2)), config=CAPTURED)
def item_as_a_size(x, n):
    k = n.item()
    torch._check(k >= 0)
    torch._check(k <= 6)
    return torch.zeros(k).sum() + x.sum(), k + 1


@program(lambda: (randn(6), torch.tensor(3)), config=CAPTURED)
def item_in_arithmetic(x, n):
    return x * n.item() + int(n) - float(x[0]), n.item() * 2


@program(lambda: randn(6), config=CAPTURED)
def nonzero_captured(x):
    found = torch.nonzero(x > 0)
    return found.sum(), found.float() * 2


@program(lambda: randn(6), config=CAPTURED)
def masks_captured(x):
    kept = x[x > 0]
    return kept.sum(), kept * 2, torch.masked_select(x, x < 0)


@program(lambda: (randn(6), torch.tensor(2)), config=CAPTURED, **UNKNOWN)
def branch_on_an_item(x, n):
    k = n.item()
    if k > 1:
        return x + k
    return x - 1


@scenario(config=CAPTURED, **UNKNOWN)
def failing_runtime_assert(run):
    def f(x, n):
        k = n.item()
        torch._check(k < 4)
        torch._check(k >= 0)
        return x.sum() + torch.ones(k).sum()

    g = run(f)
    for n in (2, 3, 1):
        g(randn(3), torch.tensor(n))


@scenario(config=CAPTURED, **UNKNOWN)
def items_and_symbols(run):
    def f(x, n):
        k = n.item()
        torch._check(k >= 0)
        torch._check(k < x.shape[0])
        return x.narrow(0, 0, k).sum() + x.shape[0]

    g = run(f)
    for n in (4, 6, 8):
        g(randn(n), torch.tensor(n // 2))


@scenario(**UNKNOWN)
def inputs_change_their_own_shape(run):
    """The second size is symbolic; the guards on it are of the shape that the argument came with."""

    def reshaped(how, *args):
        def f(x):
            getattr(x, how)(*args)
            return x + x.shape[0]

        g = run(f)
        for rows in (3, 5, 7):
            g(randn(rows, 4))

    reshaped("unsqueeze_", 0)
    reshaped("squeeze_", 0)
    reshaped("t_")
    reshaped("transpose_", 0, 1)
    reshaped("as_strided_", (2, 2), (2, 1))
