"""Pieces of programs, of the language's flow: generators, blocks, exceptions, closures, calls, patterns. A row: name → (what the module defines,
what stands in the function, what changes before the third call).

The function has `x` (a tensor of three columns that the piece may rebind, of the same shape), `y` (a leaf), `n` (a small int), `xs` (a list of ints), `d` (a
dict) and the module's list `log`. Names with a `§` are the piece's own. `HOLE` stands where another piece may be; it may raise, and knows these names.
"""

from __future__ import annotations

__all__ = ["CALLS", "ERRORS", "GENERATORS", "PATTERNS", "Piece"]

Piece = tuple[str, str, str]

GENERATORS: dict[str, Piece] = {
    "generator": ("", """
def g§(x, n):
    try:
        got = yield x * n
        log.append(('got', got))
        HOLE
        yield x + got
    finally:
        log.append('closed')
i§ = g§(x, n)
x = next(i§)
x = i§.send(n)
if n > 1:
    i§.close()
""", ""),
    "generator that is thrown into": ("", """
def g§(x):
    while True:
        try:
            x = yield x
        except ValueError as error:
            log.append(str(error))
            HOLE
            x = x - 1
i§ = g§(x)
next(i§)
x = i§.send(x * 2)
x = i§.throw(ValueError(f'thrown {n}'))
""", ""),
    "yield from": ("", """
def inner§(x, n):
    HOLE
    for k in range(n % 3):
        yield x + k
    return n * 10
def outer§(x, n):
    got = yield from inner§(x, n)
    log.append(got)
    yield x * got
x = sum(outer§(x, n), x)
""", ""),
    "generator left by any": ("", """
def g§(x):
    with torch.no_grad():
        log.append(torch.is_grad_enabled())
        yield n > 5
        HOLE
        yield n <= 5
        log.append('never')
log.append(any(g§(x)))
log.append(torch.is_grad_enabled())
""", ""),
    "generator expression": ("K§ = [1, 2, 3]\n", "x = sum(x * v for v in K§ if v != n)\n", "K§.append(4)"),
    "generator that is an argument": ("def total§(values, start):\n    for v in values:\n        start = start + v\n    return start\n", """
x = total§((x * k for k in xs if k % 2), x)
""", ""),
    "own iterator": ("""
class Count§:
    step = 1
    def __init__(self, n): self.n = n
    def __iter__(self): return self
    def __next__(self):
        if self.n <= 0: raise StopIteration
        self.n -= self.step
        return self.n
""", """
for k§ in Count§(n):
    if k§ == 3: continue
    HOLE
    x = x + k§
else:
    log.append('ended')
""", "Count§.step = 2"),
    "iterator with an end": ("", """
i§ = iter(xs)
for k§ in iter(lambda: next(i§, None), None):
    if k§ > n: break
    x = x + k§
else:
    HOLE
log.append(list(i§))
""", ""),
    "while with walrus": ("", """
k§ = 0
while (k§ := k§ + 1) < n:
    if k§ == 2:
        HOLE
        continue
    x = x * k§
else:
    log.append(('else', k§))
""", ""),
    "itertools": ("", """
import itertools
log.append([(k, list(g)) for k, g in itertools.groupby(sorted(xs), key=lambda v: v % 2)])
x = x + sum(itertools.accumulate(itertools.chain(xs, (n,)), initial=1))
log.append(list(itertools.zip_longest(xs, 'ab', fillvalue=n)))
""", ""),
}  # fmt: skip

ERRORS: dict[str, Piece] = {
    "context manager": ("""
class Manager§:
    swallow = True
    def __enter__(self):
        log.append('enter')
        return self
    def __exit__(self, kind, error, trace):
        log.append(('exit', kind and kind.__name__, str(error)))
        return self.swallow and kind is KeyError
""", """
with Manager§() as m§:
    x = x * 2
    HOLE
    if n > 2: raise KeyError(n)
    x = x + 1
""", "Manager§.swallow = False"),
    "contextlib's manager": ("""
@contextlib.contextmanager
def managed§(k):
    log.append(('begin', k))
    try:
        yield k + 1
    except ValueError as error:
        log.append(repr(error))
    finally:
        log.append('end')
""", """
with managed§(n) as k§, torch.set_grad_enabled(n != 2):
    HOLE
    x = x * k§
    if k§ > 4: raise ValueError(k§)
    x = x + 1
""", ""),
    "exit stack": ("", """
with contextlib.ExitStack() as stack§:
    stack§.callback(log.append, ('called back', n))
    stack§.enter_context(contextlib.suppress(KeyError))
    HOLE
    x = x + d['absent' if n > 2 else 'k']
""", ""),
    "finally": ("", """
def h§(x, n):
    for k in range(3):
        try:
            if k == n: return x, 'early'
            if k == n - 1: continue
            HOLE
            x = x + k
        finally:
            log.append(k)
            x = x * 2
    return x, 'late'
x, w§ = h§(x, n)
log.append(w§)
""", ""),
    "finally that returns": ("", """
def h§(x, n):
    try:
        HOLE
        return 1 // (n - 2)
    except ZeroDivisionError:
        raise KeyError('lost')
    finally:
        if n < 4: return n
        log.append('kept')
x = x * h§(x, n)
""", ""),
    "cause": ("class Failed§(Exception):\n    def __init__(self, n, *, k=0):\n        super().__init__(n)\n        self.k = k\n", """
try:
    try:
        HOLE
        d['absent']
    except KeyError as error:
        raise Failed§(n, k=len(xs)) from error
except Failed§ as error:
    log.append((error.args, error.k, type(error.__cause__).__name__, error.__suppress_context__))
    x = x + error.k
""", ""),
    "context": ("", """
try:
    try:
        xs[99]
    except IndexError:
        HOLE
        int('nothing')
    finally:
        log.append(sys.exc_info()[0] is not None)
except ValueError as error:
    log.append((str(error), type(error.__context__).__name__))
    x = x - 1
log.append(sys.exc_info()[0])
""", ""),
    "error that leaves": ("LIMIT§ = 9\n", """
if n > LIMIT§:
    HOLE
    raise ValueError(f'{n} is above {LIMIT§}', x)
""", "LIMIT§ = 1"),
    "error that leaves with a note": ("", """
try:
    HOLE
    assert n < 3, ('n is', n)
except AssertionError as error:
    error.add_note(f'for {n}')
    d['failed'] = True
    raise
""", ""),
    "error group": ("", """
try:
    HOLE
    raise ExceptionGroup('both', [ValueError(n), KeyError('k')]) if n > 1 else ValueError(n)
except* ValueError as group:
    log.append(len(group.exceptions))
except* KeyError as group:
    log.append(repr(group.exceptions))
""", ""),
    "unbound local": ("", """
def h§(n):
    if n > 1: k = n
    HOLE
    return k
try:
    x = x + h§(n)
except UnboundLocalError as error:
    log.append(str(error))
""", ""),
    "deleted name": ("", """
k§ = x
del k§
try:
    HOLE
    k§.sum()
except NameError as error:
    log.append(type(error).__name__)
    k§ = 3
x = x * k§
""", ""),
    "retries": ("class Flaky§:\n    def __init__(self): self.left = 2\n    def __call__(self, x):\n        self.left -= 1\n        if self.left > 0: raise RuntimeError(self.left)\n        return x + 1\nflaky§ = Flaky§()\n", """
for k§ in range(4):
    try:
        x = flaky§(x)
    except RuntimeError as error:
        log.append(error.args)
        HOLE
    else:
        break
""", "flaky§.left = 3"),
    "operator that fails": ("", """
try:
    HOLE
    x = x @ x.new_ones(n, 3)
except RuntimeError as error:
    log.append('refused')
    x = x * 3
else:
    x = x[:, :3]
""", ""),
}  # fmt: skip

CALLS: dict[str, Piece] = {
    "cell": ("", """
total§ = 0
def add§(k):
    nonlocal total§, x
    total§ += k
    HOLE
    x = x + total§
    return total§
for v§ in xs:
    add§(v§)
log.append(total§)
""", ""),
    "late binding": ("", """
fs§ = [lambda x, k=k: x * k + j§ for k in range(3)]
j§ = n
for g§ in fs§:
    x = g§(x)
    j§ += 1
""", ""),
    "function that keeps state": ("""
def counter§(start):
    count = start
    def step(by=1):
        nonlocal count
        count += by
        return count
    return step
step§ = counter§(0)
""", "x = x * step§() + step§(by=n)\n", "step§(3)"),
    "mutable default": ("def keep§(v, seen=[]):\n    seen.append(v)\n    return len(seen)\n", "x = x + keep§(n)\n", "keep§.__defaults__[0].clear()"),
    "changed default": ("def h§(x, k=2, *, j=3):\n    return x * k - j\n", "x = h§(x)\n", "h§.__defaults__ = (5,); h§.__kwdefaults__ = {'j': 7}"),
    "nested default": ("", """
def h§(x, k=n, *rest, j=len(xs), **more):
    HOLE
    log.append((rest, sorted(more)))
    return x * k + j
x = h§(x)
x = h§(x, 2, *xs, j=1, **{'p': 1, 'q': n})
""", ""),
    "wrong arguments": ("def h§(a, /, b, *, c): return a + b + c\n", """
try:
    HOLE
    x = h§(x, **({'b': n, 'c': 1} if n > 1 else {'b': n}))
except TypeError as error:
    log.append(str(error))
""", ""),
    "star arguments": ("def h§(*args, **kwargs): return sum(args) * len(kwargs)\n", """
x = h§(x, *xs, *(k for k in range(n)), **d, extra=1)
""", ""),
    "partial": ("def h§(k, x, *, j): return x * k + j\npart§ = functools.partial(h§, 2, j=3)\n", """
x = part§(x)
x = functools.partial(part§, j=n)(x)
log.append((part§.args, part§.keywords))
""", "part§ = functools.partial(h§, 5, j=1)"),
    "decorator": ("""
def logged§(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        log.append(f.__name__)
        return f(*args, **kwargs)
    return wrapper
@logged§
def h§(x, n): return x * n
""", "x = h§(x, n)\nlog.append(h§.__wrapped__ is not h§)\n", "h§ = h§.__wrapped__; h§.__wrapped__ = None"),
    "cached function": ("@functools.lru_cache(maxsize=4)\ndef h§(k):\n    log.append(('computed', k))\n    return k * 2\n", "x = x + h§(n) + h§(len(xs))\n", "h§.cache_clear()"),
    "single dispatch": ("""
@functools.singledispatch
def h§(v): return 1
@h§.register
def _(v: int): return v + 10
@h§.register(list)
def _(v): return len(v)
""", "x = x + h§(n) * h§(xs) + h§('text')\n", "h§.register(str, lambda v: 100)"),
    "reduce": ("", "x = functools.reduce(lambda a, k: a * 2 + k, xs, x)\n", ""),
    "recursion": ("def h§(x, k):\n    if k <= 0: return x\n    log.append(k)\n    return h§(x + k, k - 2) * 2\n", "x = h§(x, n)\n", ""),
    "global written": ("TOTAL§ = 0\ndef more§(k):\n    global TOTAL§\n    TOTAL§ += k\n    return TOTAL§\n", "x = x + more§(n)\n", "TOTAL§ = 100"),
    "attribute of a function": ("def h§(x):\n    h§.calls += 1\n    return x * h§.calls\nh§.calls = 0\n", "x = h§(h§(x))\n", "h§.calls = 5"),
    "module written": ("import textwrap as state§\nstate§.level = 1\n", """
state§.level += n
state§.last = x.detach()
HOLE
x = x * state§.level
""", "state§.level = 10"),
    "sorted with key": ("", """
seen§ = []
def key§(v):
    seen§.append(v)
    return -v % (n + 1), v
xs.sort(key=key§)
log.append((xs[:], seen§, sorted(d, reverse=True), max(xs, key=lambda v: v % 3, default=0)))
x = x * xs[0] + xs[-1]
""", ""),
    "compared by function": ("", "log.append(sorted(xs, key=functools.cmp_to_key(lambda a, b: (b - a) * (1 if n > 2 else -1))))\n", ""),
    "context variable": ("var§ = contextvars.ContextVar('var', default=1)\n", """
token§ = var§.set(var§.get() + n)
try:
    HOLE
    x = x * var§.get()
finally:
    var§.reset(token§)
log.append(var§.get())
""", "var§.set(7)"),
    "random": ("", "random.seed(n)\nk§ = random.randint(0, 9)\nHOLE\nx = x + k§ + torch.rand(3)\n", ""),
}  # fmt: skip

PATTERNS: dict[str, Piece] = {
    "match a sequence": ("", """
match xs:
    case []: x = x + 1
    case [first§]: x = x * first§
    case [first§, *rest§, last§] if last§ > first§:
        HOLE
        x = x * last§ + sum(rest§)
    case _: log.append('other')
""", ""),
    "match a mapping": ("", """
match d:
    case {'absent': v§}: x = x * v§
    case {'k': int(v§), **rest§}:
        log.append((v§, sorted(rest§)))
        HOLE
        x = x + v§
    case _: log.append('none')
""", ""),
    "match a class": ("""
class Point§:
    __match_args__ = ('a', 'b')
    def __init__(self, a, b): self.a, self.b = a, b
""", """
match Point§(n, x):
    case Point§(1 | 2 as k§, t§): x = t§ * k§
    case Point§(a=3): log.append('three')
    case Point§(k§, b=torch.Tensor() as t§):
        HOLE
        x = t§ + k§
""", "Point§.__match_args__ = ('b', 'a')"),
    "match a value": ("class Kind§(enum.Enum):\n    ONE = 1\n    TWO = 2\n    OTHER = 3\n    @classmethod\n    def _missing_(cls, value): return cls.OTHER\n", """
match Kind§(n):
    case Kind§.ONE: x = x + 1
    case Kind§.TWO: x = x * 2
    case kind§:
        log.append((kind§.name, str(kind§)))
        HOLE
""", ""),
    "comprehension": ("", """
log.append([(a, b) for a in xs if a > 1 for b in range(n) if a != b])
log.append({k: [j for j in range(k)] for k in xs})
x = torch.stack([x * k for k in (1, n)]).sum(0)
""", ""),
    "walrus in a comprehension": ("", """
log.append([last§ := k for k in xs if (double§ := k * 2) > 2])
x = x + last§ + double§ if len(xs) > 1 else x
""", ""),
    "comprehension over a cell": ("", "def h§(x):\n    return [x * k for k in xs if k < n + 5]\nHOLE\nx = sum(h§(x))\nlog.append([(lambda: k)() for k in xs])\n", ""),
    "unpacking": ("", """
(a§, *b§), c§ = (n, *xs, 7), {**d, 'q': n}
b§[0], a§ = a§, b§[-1]
log.append((a§, b§, list(c§.items())))
x = x * a§
""", ""),
    "formatted": ("", """
HOLE
log.append(f'{n:>5}|{n!r:^7}|{n / 3:.2f}|{xs!s}|{d.get("k"):+d}|{tuple(x.shape)}')
log.append('%s %05d %-6s| {0!r:>8} {k[0]}'.format(n, k=xs) % ('a', n, n))
log.append(', '.join(str(k) for k in xs).replace('1', 'one').title().split(', '))
""", ""),
    "own format": ("class Text§:\n    width = 4\n    def __format__(self, spec): return f'<{spec or self.width}>'\n    def __str__(self): return 'str'\n    def __repr__(self): return 'repr'\ntext§ = Text§()\n", """
log.append(f'{text§} {text§!s:>5} {text§!r} {text§:{n}}' + format(text§, 'x') + '%s %r' % (text§, text§))
""", "Text§.width = 9"),
    "printed": ("", "print('n is', n, sep=': ', end='!')\nHOLE\nprint(xs, file=sys.stderr)\nx = x + 1\n", ""),
    "warned": ("", "import warnings\nwarnings.warn(f'with {n}')\nHOLE\nx = x * 2\n", ""),
    "chained comparison": ("def asked§(k):\n    log.append(k)\n    return k\n", "x = x + 1 if 0 < asked§(n) < asked§(3) < asked§(len(xs) + 3) else x - 1\n", ""),
    "augmented": ("def at§(k):\n    log.append(k)\n    return k\n", "xs[at§(0)] += at§(n)\nd['k'] -= xs[0]\nx = x * xs[0]\n", ""),
    "conditions": ("", "k§ = n and xs or d\nlog.append((k§ is xs, not n, n is None, n in xs, 'k' not in d, (n or 4) if n > 2 else None))\nHOLE\nx = x * len(k§)\n", ""),
}  # fmt: skip
