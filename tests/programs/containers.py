"""Lists, tuples, dicts, sets, deques and their subclasses: made while tracing, read, changed, returned."""

import collections
from collections import OrderedDict, defaultdict, deque, namedtuple

import torch
from torch import randn

from tests.programs import program, scenario

Point = namedtuple("Point", "x y", defaults=[1])


@program(lambda: randn(3))
def list_building(x):
    out = []
    for i in range(3):
        out.append(x * i)
    out.extend([x, 1])
    out.insert(0, "first")
    out += ["last"]
    last = out.pop()
    return out, last, out.index("first"), len(out)


@program(lambda: ([randn(3), randn(3)], 2))
def list_argument_mutated(xs, n):
    xs.append(xs[0] + xs[1])
    xs[0] = n
    xs.reverse()
    return xs


@program(lambda: ([3, 1, 2], randn(3)))
def list_sorted_in_place(values, x):
    values.sort(reverse=True)
    return x * values[0], sorted(values, key=lambda v: -v)


@program(lambda: ([1, 2, 3, 4, 5], randn(3)))
def list_slice_assignment(values, x):
    values[1:3] = [x, x + 1, x + 2]
    values[::3] = ["a", "b"]
    del values[-1]
    alias = values
    alias[:] = [alias]
    return values, x * 2


@program(lambda: ({"a": randn(3), "b": randn(3)},))
def dict_argument_mutated(d):
    d["c"] = d["a"] + d.pop("b")
    d.setdefault("e", 5)
    d.update(f=6, a=1)
    return d, list(d), list(d.items())[0]


@program(lambda: (dict(a=1, b=2, c=3), randn(3)))
def dict_order(d, x):
    value = d.pop("a")
    d["a"] = value
    d["b"] = x * 2
    d |= {"z": 0}
    return list(d), [*reversed(d)], d.popitem(), next(iter(d))


@program(lambda: (randn(3),))
def dict_methods(x):
    d = dict.fromkeys("abc", 0)
    d.update([("a", x + 1)])
    copy = d.copy()
    copy.clear()
    return d, copy, d.get("z"), d.get("z", 4), "a" in d, d.keys() & {"a", "q"}, d | {"n": 1}, len(d), list(d.values())


@program(lambda: ({1: "int", "1": "str", (1, 2): "tuple", None: "none", 2.5: "float"}, randn(3)))
def dict_keys_of_many_kinds(d, x):
    return x * len(d), d[1], d["1"], d[(1, 2)], d[None], d[2.5], d[True]


@program(lambda: (randn(3), randn(3)))
def tensors_as_dict_keys(x, y):
    d = {x: 1, y: 2}
    return d[x], d[y], x + y, x in d, len(d)


@program(lambda: ({"w": randn(3), "b": randn(3)}, randn(3)))
def dict_views(d, x):
    for key, value in d.items():
        x = x + value * len(key)
    keys = d.keys()
    d["new"] = 1
    return x, list(keys), [v for v in d.values()], ("b", d["b"]) in list(d.items())[:1]


@program(lambda: (randn(3),))
def ordered_and_default_dicts(x):
    o = OrderedDict(a=1, b=2)
    o.move_to_end("a")
    groups = defaultdict(list)
    groups["x"].append(x + 1)
    groups["y"]
    return o, groups, o == OrderedDict(b=2, a=1), groups["z"]


@program(lambda: (deque([1, 2, 3], maxlen=3), randn(3)), breaks=None, graphs=None)
def deque_argument(d, x):
    d.append(x * 2)
    d.appendleft(0)
    d.rotate(1)
    return d, d[0], d.maxlen, len(d), d.pop()


@program(lambda: (randn(3),))
def deque_made(x):
    d = deque(maxlen=2)
    for i in range(4):
        d.append(x + i)
    return d, list(d)


@program(lambda: (Point(randn(3), 2), randn(3)))
def named_tuples(p, x):
    q = Point(x + p.x)
    return q, p._replace(y=x), p == p, q.y, p._fields, [*p], p._asdict(), isinstance(q, tuple), Point._make([1, 2])


@program(lambda: (randn(3, 4),))
def struct_sequences(x):
    top = torch.topk(x, 2)
    values, indices = x.max(dim=1)
    return top, top.values + 1, top[1], values, indices, type(top).__name__


@program(lambda: ({1, 2, 3}, randn(3)))
def sets(s, x):
    s.add(4)
    s.discard(1)
    return s, s | {9}, s & {2}, s - {2}, s ^ {2, 7}, 3 in s, x * len(s), frozenset(s), {1}.issubset(s), set("aab")


@program(lambda: (randn(3), randn(3)))
def set_of_tensors(x, y):
    s = {x, y, x}
    return len(s), x in s, x + y


@program(lambda: (randn(3), (1, (2, [3, {"k": 4}]))))
def deep_nesting(x, tree):
    return x * tree[1][1][1]["k"], [[[(x,)]]], {"a": {"b": [tree]}}


@program(lambda: ((randn(3), randn(3)), [randn(3)]))
def nested_containers_of_tensors(pair, single):
    return {"sum": pair[0] + pair[1] + single[0], "same": pair, "list": single, "both": (pair, pair, single)}


@program(lambda: (randn(3),))
def shared_new_list(x):
    inner = [x + 1]
    outer = [inner, inner, {"inner": inner}]
    inner.append(outer[0][0])
    return outer, inner


@program(lambda: (randn(3),))
def cyclic_new_list(x):
    a = [x + 1]
    b = {"a": a}
    a.append(b)
    return a


@program(lambda: ([1], randn(3)))
def existing_list_reaches_new_cycle(values, x):
    node = {"list": values, "x": x * 2}
    node["self"] = node
    values.append(node)
    return x + 1


@program(lambda: ([randn(2), randn(2)], [randn(2)]))
def list_arithmetic(a, b):
    return (a + b)[2] * 2, b * 2, a == a, [1, 2] + [3], (1,) * 3, a[0] + 1


class Stack(list):
    """A list with a method and an attribute."""

    top_name = "top"

    def push(self, value):
        self.append(value)
        return self

    def __getitem__(self, i):
        return super().__getitem__(-1) if i == self.top_name else super().__getitem__(i)


@program(lambda: (Stack([1, 2]), randn(3)))
def list_subclass(stack, x):
    stack.push(x * 2).push(3)
    stack.note = "changed"
    made = Stack()
    made.push(x + 1)
    return stack["top"], stack[0], made, len(stack)


class Config(dict):
    """A dict whose keys are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError as missing:
            raise AttributeError(name) from missing

    def __missing__(self, key):
        return f"no {key}"


@program(lambda: (Config(scale=3), randn(3)))
def dict_subclass(config, x):
    config["seen"] = True
    made = Config(a=x + 1)
    return x * config.scale, config["nothing"], hasattr(config, "other"), made, made.a


@program(lambda: (randn(3),), breaks=None, graphs=None)
def counter_and_chainmap(x):
    count = collections.Counter("abca")
    count["d"] += 2
    x = x * count["a"]
    return x, count, count.most_common(1), dict(collections.ChainMap({"a": 1}, {"a": 2, "b": 3}))


@program(lambda: ([1, 2, 3], randn(3)))
def mutation_while_iterating(values, x):
    for v in values:
        if len(values) < 6:
            values.append(v * 2)
        x = x + v
    return x, values


@program(lambda: ({"a": 1, "b": 2}, randn(3)))
def dict_changed_while_iterating(d, x):
    try:
        for key in d:
            d[key + "x"] = x + 1
    except RuntimeError as error:
        return str(error), d, x * 2


@program(lambda: ([], {}, set(), (), randn(3)))
def empty_containers(a, b, c, d, x):
    return x + len(a) + len(b) + len(c) + len(d), not a, [], {}, set(), (), frozenset()


@program(lambda: (randn(3),), breaks=None, graphs=None)
def errors_of_containers_caught(x):
    seen = []
    for attempt in (
        lambda: [][0],
        lambda: {}["k"],
        lambda: ().index(1),
        lambda: [].pop(),
        lambda: {1}.remove(2),
        lambda: [1].remove(2),
    ):
        try:
            attempt()
        except (IndexError, KeyError, ValueError) as error:
            seen.append((type(error), str(error)))
    return x + len(seen), seen


@scenario()
def dict_entry_added_later_is_not_seen(run):
    d = {"used": 2, "other": 1}
    f = run(lambda x: x * d["used"])
    f(randn(3))
    d["unrelated"] = 5
    f(randn(3))


@scenario(recompiles=1)
def list_grows_between_calls(run):
    values = [1.0, 2.0]

    def total(x):
        for v in values:
            x = x + v
        return x

    f = run(total)
    f(randn(3))
    values.append(3.0)
    f(randn(3))


@program(lambda: ([[1, 2], [3]], randn(3)), breaks=None, graphs=None, recompiles=None)
def copies(nested, x):
    import copy

    shallow, deep = copy.copy(nested), copy.deepcopy(nested)
    shallow[0].append(x + 1)
    return nested, shallow, deep, shallow[0] is nested[0], deep[1] is nested[1]


class Ordered(collections.OrderedDict):
    pass


@scenario(breaks="some", recompiles=2)
def ordered_dict_subclass_is_reordered_between_calls(run):
    table = Ordered(a=2, b=3)

    def f(x):
        for value in table.values():
            x = x * value + 1
        return x

    g = run(f)
    g(randn(3))
    table.move_to_end("a")
    g(randn(3))
    table.move_to_end("a", last=False)
    g(randn(3))
