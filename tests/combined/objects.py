"""Pieces of programs, of objects and tensors: own classes, containers, copies, weak references, writes in place, views. Rows as in `flow`."""

from __future__ import annotations

from tests.combined.flow import Piece

__all__ = ["CLASSES", "CONTAINERS", "TENSORS"]

CLASSES: dict[str, Piece] = {
    "arithmetic of its own": ("""
class Num§:
    def __init__(self, v): self.v = v
    def __add__(self, o): return Num§(self.v + getattr(o, 'v', o))
    def __radd__(self, o): return Num§(o + self.v) if not isinstance(o, str) else NotImplemented
    def __mul__(self, o): return NotImplemented
    def __iadd__(self, o):
        self.v = self.v + o
        return self
    def __neg__(self): return Num§(-self.v)
    def __bool__(self):
        log.append('asked')
        return True
    def __index__(self): return 2
""", """
a§ = Num§(x)
b§ = 1 + a§ + Num§(n)
b§ += n
HOLE
if b§ and not -a§ is None:
    x = b§.v
try:
    a§ * 2
except TypeError as error:
    log.append(str(error))
log.append(xs[a§] if len(xs) > 2 else 'short')
""", ""),
    "compared and hashed": ("""
@functools.total_ordering
class Key§:
    def __init__(self, k): self.k = k
    def __eq__(self, o):
        if not isinstance(o, Key§): return NotImplemented
        log.append(('eq', self.k, o.k))
        return self.k % 5 == o.k % 5
    def __hash__(self): return hash(self.k % 5)
    def __lt__(self, o): return self.k < o.k
""", """
a§ = {Key§(n): 'first', Key§(7): 'seven'}
HOLE
a§[Key§(n + 5)] = 'same'
log.append(([k.k for k in a§], list(a§.values()), Key§(2) in a§, Key§(1) == 1, max(a§).k, sorted(a§)[0] >= Key§(n)))
x = x * len(a§)
""", ""),
    "absent attributes": ("""
class Open§:
    level = 1
    def __getattr__(self, name):
        if name.startswith('no'): raise AttributeError(name)
        log.append(name)
        return len(name)
    def __setattr__(self, name, value):
        log.append(('set', name))
        object.__setattr__(self, name, value)
    def __delattr__(self, name):
        log.append(('del', name))
        object.__delattr__(self, name)
open§ = Open§()
""", """
open§.n = n
HOLE
x = x * open§.abc + open§.n + open§.level
log.append((hasattr(open§, 'nothing'), getattr(open§, 'no', 'default'), 'n' in vars(open§)))
del open§.n
""", "Open§.level = 4"),
    "container of its own": ("""
class Table§:
    def __init__(self): self.items = {}
    def __getitem__(self, k):
        if isinstance(k, slice): return (k.start, k.stop, k.step)
        return self.items[k]
    def __setitem__(self, k, v): self.items[k] = v
    def __delitem__(self, k): del self.items[k]
    def __contains__(self, k): return k in self.items
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(list(self.items))
    def __missing__(self, k): return 0
table§ = Table§()
""", """
table§[n] = x
table§['k'] = n
HOLE
log.append((len(table§), list(table§), n in table§, table§[1:n], bool(table§), [*table§]))
x = table§[n] + table§['k']
del table§['k']
del table§[n]
""", "table§['old'] = 1"),
    "callable": ("class Call§:\n    factor = 2\n    def __init__(self): self.seen = []\n    def __call__(self, x, *a, k=1):\n        self.seen.append(k)\n        return x * self.factor + k\ncall§ = Call§()\n",
                 "x = call§(x, k=n)\nHOLE\nx = call§(x) * len(call§.seen)\n", "call§.factor = 3"),
    "property": ("""
class Box§:
    def __init__(self): self._v = 1
    @property
    def v(self):
        log.append('get')
        return self._v
    @v.setter
    def v(self, value):
        log.append(('set', value))
        if value > 6: raise ValueError(value)
        self._v = value
    @v.deleter
    def v(self): self._v = 0
    @functools.cached_property
    def once(self):
        log.append('once')
        return self._v + 1
box§ = Box§()
""", """
box§.v += n
HOLE
x = x * box§.v + box§.once + box§.once
if n > 2: del box§.v
""", "box§._v = 2"),
    "descriptor": ("""
class Field§:
    def __set_name__(self, owner, name): self.name = name
    def __get__(self, obj, kind):
        if obj is None: return self
        log.append(('get', self.name))
        return obj.__dict__.get(self.name, 1)
    def __set__(self, obj, value): obj.__dict__[self.name] = value * 2
class Has§:
    a = Field§()
    b = Field§()
has§ = Has§()
""", """
has§.a = n
HOLE
x = x * has§.a + has§.b
log.append((Has§.a.name, vars(has§)))
""", "has§.b = 4"),
    "inheritance": ("""
class Base§:
    def __init__(self, n): self.n = n
    def step(self, x): return x + self.n
    @classmethod
    def make(cls, n): return cls(n * cls.scale)
    @staticmethod
    def shift(x): return x - 1
    scale = 1
class Left§(Base§):
    scale = 2
    def step(self, x): return super().step(x) * 2
class Right§(Base§):
    def step(self, x):
        log.append(type(self).__name__)
        return super().step(x) - 3
class Both§(Left§, Right§):
    def __init_subclass__(cls, **k): log.append(k)
""", """
o§ = Both§.make(n)
HOLE
x = o§.shift(o§.step(x))
log.append((isinstance(o§, Right§), [c.__name__ for c in type(o§).__mro__], o§.__dict__))
""", "Base§.scale = 5; Right§.step = lambda self, x: x * 7"),
    "slots": ("class Slots§:\n    __slots__ = ('a', 'b')\n    def __init__(self, a): self.a = a\nslots§ = Slots§(1)\n", """
slots§.a += n
try:
    HOLE
    slots§.c = 1
except AttributeError as error:
    log.append(str(error))
x = x * slots§.a
slots§.b = x.detach()
log.append(hasattr(slots§, 'b'))
del slots§.b
""", "slots§.a = 3"),
    "dataclass": ("""
@dataclasses.dataclass(order=True)
class Data§:
    a: int
    t: list = dataclasses.field(default_factory=list, compare=False)
    k: int = 3
    def __post_init__(self):
        self.t.append(self.a)
        self.sum = self.a + self.k
""", """
o§ = Data§(n)
p§ = dataclasses.replace(o§, k=n)
HOLE
o§.t.append(4)
log.append((o§ == p§, o§ < p§, repr(p§), dataclasses.asdict(o§), [f.name for f in dataclasses.fields(Data§)]))
x = x * o§.sum + p§.sum
""", "Data§.__post_init__ = lambda self: setattr(self, 'sum', 50)"),
    "frozen dataclass": ("@dataclasses.dataclass(frozen=True, slots=True)\nclass Frozen§:\n    a: int\n    b: object = None\n", """
o§ = Frozen§(n, (n, 'b'))
try:
    HOLE
    o§.a = 3
except dataclasses.FrozenInstanceError as error:
    log.append(str(error))
log.append((hash(o§) == hash(Frozen§(n, (n, 'b'))), {o§: 1}.get(Frozen§(n, (n, 'b')))))
x = x + o§.a
""", ""),
    "dataclass with a tensor": ("@dataclasses.dataclass\nclass State§:\n    t: torch.Tensor\n    step: int = 0\n    hist: list = dataclasses.field(default_factory=list)\nstate§ = State§(torch.zeros(3))\n", """
state§.step += 1
state§.t = state§.t * 0.5 + x.detach().mean(0)
HOLE
state§.hist.append(n)
x = x + state§.t * state§.step
""", "state§.t = torch.ones(3); state§.hist = []"),
    "named tuple": ("Pair§ = collections.namedtuple('Pair§', 'a b', defaults=[4])\n", """
p§ = Pair§(x)
q§ = p§._replace(b=n)
a§, b§ = q§
HOLE
log.append((q§.b, q§[1], len(p§), Pair§._fields, p§.b, isinstance(q§, tuple)))
x = a§ * b§
""", ""),
    "enum": ("class Color§(enum.IntFlag):\n    RED = 1\n    BLUE = 2\n    GREEN = 4\n", """
c§ = Color§(n) | Color§.BLUE
HOLE
log.append((Color§.RED in c§, c§.name, c§.value, list(Color§), Color§['RED'] is Color§.RED))
x = x * c§
""", ""),
    "list of its own": ("class Seen§(list):\n    def append(self, v):\n        log.append(('append', v))\n        super().append(v)\n    def __len__(self): return 42\nseen§ = Seen§([1])\n", """
seen§.append(n)
HOLE
seen§.extend([n, 2])
log.append((len(seen§), list(seen§), bool(seen§), seen§[-1], seen§ == [1, n]))
x = x + sum(seen§)
""", "del seen§[1:]"),
    "dict of its own": ("class Default§(dict):\n    def __missing__(self, k):\n        log.append(('missing', k))\n        self[k] = len(self)\n        return self[k]\nmap§ = Default§(a=1)\n", """
x = x * map§['a'] + map§[n]
HOLE
log.append((map§.get('q'), sorted(map§, key=str), 'a' in map§))
""", "map§.clear()"),
    "number of its own": ("class Meters§(float):\n    def __add__(self, o): return Meters§(float(self) + o + 100)\n    def __repr__(self): return f'{float(self)} m'\n", """
m§ = Meters§(n) + 1
HOLE
log.append((repr(m§), m§ * 2, type(m§ * 2).__name__, m§ == n + 101))
x = x * float(m§)
""", ""),
    "metaclass": ("""
class Meta§(type):
    def __call__(cls, *a):
        log.append(('made', cls.__name__))
        return super().__call__(*a)
    def __getitem__(cls, k): return k + 1
    def __instancecheck__(cls, o): return o == 1 or type.__instancecheck__(cls, o)
class Made§(metaclass=Meta§):
    def __init__(self, n): self.n = n
""", """
o§ = Made§(n)
HOLE
log.append((Made§[n], isinstance(o§, Made§), isinstance(n, Made§), type(Made§).__name__))
x = x + o§.n
""", ""),
    "class made inside": ("", """
class Local§:
    total = n
    pieces = [k for k in xs]
    def __init__(self, x): self.x = x
    def get(self): return self.x * self.total + n
HOLE
x = Local§(x).get()
log.append((Local§.__name__, Local§.pieces))
""", ""),
    "weak reference": ("class Held§: pass\nkept§ = [Held§()]\nref§ = weakref.ref(kept§[0])\n", """
o§ = Held§()
r§ = weakref.ref(o§, lambda _: log.append('gone'))
HOLE
log.append((r§() is o§, ref§() is None))
del o§
log.append(r§() is None)
x = x + 1 if ref§() is not None else x - 1
""", "kept§.clear()"),
    "weak values": ("class Held§:\n    def __init__(self, n): self.n = n\nw§ = weakref.WeakValueDictionary()\n", """
o§ = Held§(n)
w§['a'] = o§
HOLE
log.append((len(w§), w§['a'].n, 'b' in w§))
x = x * w§['a'].n
del o§
log.append('a' in w§)
""", ""),
    "copied": ("import copy\nclass Copied§:\n    def __init__(self, n): self.n, self.l = n, [n]\n    def __deepcopy__(self, memo):\n        log.append('deep')\n        return Copied§(self.n + 1)\n", """
o§ = Copied§(n)
c§, e§ = copy.copy(o§), copy.deepcopy({'a': [o§, xs]})
HOLE
c§.l.append(9)
e§['a'][1].append(8)
log.append((o§.l, c§.l is o§.l, e§['a'][0].n, xs, e§['a'][1]))
x = x * e§['a'][0].n
""", ""),
    "deleted at its end": ("class Loud§:\n    def __init__(self, k): self.k = k\n    def __del__(self): log.append(('del', self.k))\n", """
a§ = Loud§(n)
b§ = [Loud§(7)]
HOLE
a§ = None
log.append('between')
b§.clear()
x = x * 2
""", ""),
}  # fmt: skip

CONTAINERS: dict[str, Piece] = {
    "list changed": ("", """
xs.insert(0, n)
xs[1:2] = [7, 8]
HOLE
xs.extend(k for k in range(2))
xs.remove(8)
del xs[-1]
xs *= 2
log.append((xs.pop(), xs.index(n), xs.count(7), xs[::-1]))
x = x + len(xs)
""", ""),
    "dict changed": ("", """
d['new'] = n
log.append((d.pop('k'), d.setdefault('s', []), d.get('z')))
d['s'].append(n)
HOLE
d |= {'k': n + 1}
d.update(u=1, **{'v': 2})
log.append(list(d))
del d['u']
x = x * d['k']
""", ""),
    "dict changed while read": ("", """
try:
    for k§ in d:
        HOLE
        if n > 1: d[k§ + 'x'] = 1
        x = x + 1
except RuntimeError as error:
    log.append(str(error))
    for k§ in [k for k in d if k.endswith('x')]: del d[k§]
""", ""),
    "set changed": ("kept§ = {1, 2}\n", """
kept§.add(n)
s§ = kept§ & set(xs) | {n}
HOLE
s§ ^= {1, 9}
log.append((sorted(s§), sorted(kept§ - {n}), s§ <= kept§, s§.isdisjoint({9}), frozenset(s§) == s§))
kept§.discard(n + 1)
x = x * len(kept§)
""", "kept§.clear()"),
    "deque": ("q§ = collections.deque([1, 2], maxlen=3)\n", """
q§.append(n)
q§.appendleft(5)
HOLE
q§.rotate(1)
log.append((list(q§), q§[0], q§.maxlen))
x = x + q§.popleft()
""", "q§.extend([9, 9])"),
    "collections": ("", """
c§ = collections.Counter(xs)
c§.update([n, n])
g§ = collections.defaultdict(list)
HOLE
for k in xs: g§[k % 2].append(k)
o§ = collections.OrderedDict(a=1, b=2)
o§.move_to_end('a', last=n > 1)
log.append((c§.most_common(2), dict(g§), list(o§), o§.popitem()))
x = x * c§[n]
""", ""),
    "state of the module": ("STATE§ = {'steps': 0, 'hist': []}\n", """
STATE§['steps'] += 1
STATE§['hist'].append(n)
HOLE
x = x + STATE§['steps'] * len(STATE§['hist'])
""", "STATE§['hist'] = [0]"),
    "two names": ("a§ = [1]\nb§ = a§\n", """
a§.append(n)
HOLE
x = x + len(b§)
log.append((a§ is b§, a§ == b§))
""", "b§ = [1, 2]"),
    "tensors in containers": ("", """
l§ = [x, x * 2]
l§[0] = l§[1] + l§[0]
t§ = {'a': l§[0], 'b': tuple(l§)}
HOLE
x = t§['a'] - t§['b'][1]
d['last'] = t§
""", ""),
    "slices and ranges": ("", "r§ = range(n, 20, 3)\nlog.append((list(r§)[:3], r§[1], len(r§), 7 in r§, slice(1, n).indices(5), xs[-2:], 'text'[n:]))\nx = x[:, ::1] * r§[0]\n", ""),
    "bytes and text": ("", "b§ = bytearray(b'abc')\nb§[0] = 65 + n\nHOLE\nlog.append((bytes(b§), b§.hex(), 'a-b'.partition('-'), 'abc'.encode()[1], f'{n}'.zfill(3), ord('a') + n))\nx = x + b§[0]\n", ""),
}  # fmt: skip

TENSORS: dict[str, Piece] = {
    "written in place": ("", "x = x * 1\nx.add_(n)\nHOLE\nx.mul_(2).clamp_(min=-9)\n", ""),
    "written by index": ("", "x = x.clone()\nx[0] = n\nHOLE\nx[:, 1] += 2\nx[x > 2] = 0\n", ""),
    "argument written": ("", "z.add_(1)\nHOLE\nz[0, 0] = n\nx = x + z\n", ""),
    "view written": ("", "v§ = x.clone()\nw§ = v§.view(-1)\nw§[0] = n\nHOLE\nw§[1:].mul_(2)\nx = v§\n", ""),
    "view of an argument written": ("", "v§ = z[0]\nHOLE\nv§.mul_(2)\nz.t()[1].add_(n)\nx = x + z\nlog.append(v§._base is z)\n", ""),
    "views kept": ("", "d['view'] = z[1:]\nd['whole'] = z\nHOLE\nz.add_(n)\n", ""),
    "buffer of the module": ("BUFFER§ = torch.zeros(3)\n", "BUFFER§.add_(x.detach().sum(0))\nHOLE\nx = x + BUFFER§\n", "BUFFER§ = torch.ones(3)"),
    "tensor of the module rebound": ("MEAN§ = torch.zeros(3)\n", "global MEAN§\nMEAN§ = MEAN§ * 0.9 + x.detach().mean(0) * 0.1\nx = x - MEAN§\n", "MEAN§ = torch.ones(3, dtype=torch.float64)"),
    "without gradients": ("", "with torch.no_grad():\n    HOLE\n    k§ = x.sum() * n\nx = x + k§\nlog.append(k§.requires_grad)\n", ""),
    "detached": ("", "k§ = x.detach()\nHOLE\nx = x * k§ + k§.mean()\n", ""),
    "attribute of a tensor": ("", "k§ = x * 2\nk§.tag = n\nHOLE\nx = k§ + k§.tag\nx.note = 'kept'\n", ""),
    "number of a tensor": ("", "k§ = int(x.detach().abs().sum().item()) % 5\nHOLE\nx = x + k§\n", ""),
    "branch on a tensor": ("", "if x.sum() > n:\n    HOLE\n    x = x - 1\nelse:\n    x = x + 1\n", ""),
    "loop over a tensor": ("", "x = torch.stack([row * k for k, row in enumerate(x, n)])\nlog.append(len(x))\n", ""),
    "split and joined": ("", "a§, b§ = x[:, :1], x[:, 1:]\nHOLE\nx = torch.cat([a§ * 2, b§ + n], dim=1)\n", ""),
    "out": ("", "o§ = torch.empty_like(y)\ntorch.add(y.detach(), n, out=o§)\nHOLE\nx = x + o§.sum()\n", ""),
    "module": ("net§ = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU())\ntorch.nn.init.constant_(net§[0].weight, 0.5)\ntorch.nn.init.zeros_(net§[0].bias)\n", "x = net§(x)\n", "net§[0].weight.data.mul_(2); net§.append(torch.nn.Tanh())"),
    "module of its own": ("""
class Net§(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer('count', torch.zeros(()))
        self.p = torch.nn.Parameter(torch.ones(3))
        self.calls, self.scale = 0, 2
    def forward(self, x):
        self.calls += 1
        self.count += 1
        self.last = x.detach()
        return x * self.p * self.scale + self.count
net§ = Net§()
""", "x = net§(x)\nHOLE\nx = net§(x) + net§.calls\n", "net§.scale = 3; net§.eval()"),
    "hook": ("hooked§ = torch.nn.Linear(3, 3)\ntorch.nn.init.ones_(hooked§.weight)\ntorch.nn.init.zeros_(hooked§.bias)\nhooked§.register_forward_hook(lambda m, i, o: (log.append('hook'), o * 2)[1])\n", "x = hooked§(x)\n", "hooked§._forward_hooks.clear()"),
    "batch norm": ("norm§ = torch.nn.BatchNorm1d(3)\n", "x = norm§(x)\nlog.append(norm§.training)\n", "norm§.eval()"),
    "own autograd function": ("""
class Double§(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.save_for_backward(x)
        ctx.k = k
        return x * k
    @staticmethod
    def backward(ctx, g):
        return g * ctx.k + ctx.saved_tensors[0].sum(), None
""", "x = Double§.apply(x, n)\n", ""),
    "gradient inside": ("", "k§ = x.detach().requires_grad_()\nwith torch.enable_grad():\n    g§, = torch.autograd.grad((k§ * k§ * n).sum(), k§)\nHOLE\nx = x + g§\n", ""),
    "transform": ("", "x = x + torch.func.grad(lambda v: (v * v * n).sum())(x.detach())\nHOLE\nx = torch.vmap(lambda row: row * n)(x)\n", ""),
    "cond": ("", "x = torch.cond(x.sum() > n, lambda v: v * 2, lambda v: v - 1, (x,))\n", ""),
    "checkpoint": ("", "x = torch.utils.checkpoint.checkpoint(lambda v, n=n: torch.sin(v * n) * 2, x, use_reentrant=False)\nHOLE\n", ""),
    "sizes": ("", "k§ = x.shape[0] * x.size(1) + x.numel()\nHOLE\nlog.append((k§, x.shape, x.dim(), tuple(x.stride()), x.shape[0] > 2, isinstance(k§, int)))\nx = x * k§ + torch.arange(x.shape[0]).unsqueeze(1)\n", ""),
    "dtypes": ("", "k§ = x.double()\nHOLE\nlog.append((k§.dtype, x.is_floating_point(), torch.result_type(x, 1), x.device.type))\nx = k§.to(x.dtype) * n\n", ""),
    "autocast": ("", "with torch.autocast('cpu', dtype=torch.bfloat16, enabled=n != 1):\n    HOLE\n    k§ = x @ x.t()\nlog.append(k§.dtype)\nx = x + k§.float().mean()\n", ""),
    "random of torch": ("", "torch.manual_seed(n)\nx = torch.nn.functional.dropout(x, 0.5)\nHOLE\nx = x + torch.randn(3)\n", ""),
    "numpy": ("", "import numpy as np\nk§ = np.arange(3) + n\nHOLE\nx = x + torch.from_numpy(k§)\nlog.append(k§.tolist())\n", ""),
    "gradient written": ("", "if y.grad is not None: y.grad.mul_(2)\nHOLE\nlog.append(y.grad is None)\n", ""),
    "hook on a tensor": ("", "k§ = x * 2\nif k§.requires_grad: k§.register_hook(lambda g: g * 3)\nHOLE\nx = k§ + 1\n", ""),
}  # fmt: skip
