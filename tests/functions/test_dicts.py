"""Methods of dicts and their views, OrderedDict, defaultdict, Counter, ChainMap, UserDict."""

import collections
from collections import Counter, OrderedDict, defaultdict

from torch import randn

from tests.functions.test_lists import errors, trace


def test_methods_of_an_argument():
    def program(x, d):
        d.update({"new": x + 1}, kw=2)
        d.update([("pair", 3), ["list", 4]])
        d.update(zip("xy", (5, 6)))
        popped = d.pop("a"), d.pop("none", 9), d.popitem()
        d.setdefault("b", 100)
        d.setdefault("c", x)
        d |= {"or": 1}
        d |= [("pairs", 2)]
        copied = d.copy()
        d["after"] = 1
        return popped, copied, d.get("zz"), d.get("b", 1), list(d), x * 2

    trace(program, lambda: (randn(3), {"a": 1, "b": 2}))


def test_errors():
    def program(x, d):
        def changed():
            for key in d:
                d[key + key] = 1

        return x + 1, d, errors(
            lambda: d["no"], lambda: d.pop("no"), lambda: {}.popitem(), lambda: d.update(3), lambda: d.update([3]), lambda: d.update([(1, 2, 3)]),
            lambda: {}.fromkeys(3), lambda: OrderedDict().popitem(), lambda: OrderedDict().move_to_end("k"), lambda: {[]: 1}, changed,
            lambda: dict([1]), lambda: {**3}, lambda: d.update([("first", 1), 3]),
        )  # fmt: skip

    trace(program, lambda: (randn(3), {"a": 1}))


def test_keys_keep_the_first_of_equals():
    def program(x):
        d = {1: "int"}
        d[True] = "bool"
        d[1.0] = "float"
        d.update({True: x})
        return d, list(map(type, d)), OrderedDict.fromkeys([1, True, 0, False]), dict.fromkeys("ab", x)

    trace(program)


def test_views():
    def program(x, d):
        keys, values, items = d.keys(), d.values(), d.items()
        d["c"] = x
        both = keys & {"a", "z"}, keys | {"q"}, keys - {"a"}, keys ^ {"a", "z"}
        return list(keys), len(values), ("a", 1) in items, "c" in keys, list(reversed(keys)), keys.isdisjoint(["z"]), both, list(items)[:1], keys == {"a", "b", "c"}

    trace(program, lambda: (randn(3), {"a": 1, "b": 2}))


def test_ordered():
    def program(x, o):
        o.move_to_end("a")
        o.move_to_end("c", last=False)
        first = o.popitem(last=False)
        o["d"] = x + 1
        return o, first, list(o.items())[0], o == OrderedDict(b=2), list(reversed(o)), o.copy(), o.pop("b")

    trace(program, lambda: (randn(3), OrderedDict(a=1, b=2, c=3)))


def test_defaults():
    def program(x, groups):
        groups["old"].append(x)
        groups["new"].append(1)
        groups.get("absent")
        count = defaultdict(int, a=1)
        count["b"] += 2
        made = defaultdict(lambda: x + 1)
        made["k"]
        copied = count.copy()
        count.default_factory = None
        return groups, count, made["k"], copied["z"], errors(lambda: count["none"]), "absent" in groups, count | {"q": 1}

    def make():
        groups = defaultdict(list)
        groups["old"] = [0]
        return randn(3), groups

    trace(program, make)


def test_counter_and_chain_map():
    def program(x, letters):
        count = Counter(letters)
        count.update("ab")
        count["z"] += 1
        count.subtract(["a"])
        total = count + Counter(a=5)
        chain = collections.ChainMap({"a": 1}, {"a": 2, "b": x})
        return x + count["a"], count, count.most_common(1), total, count["absent"], dict(chain), chain["a"], len(chain), count.total()

    trace(program, lambda: (randn(3), ["a", "b", "a"]))


def test_user_dict_and_list():
    def program(x, d):
        d["new"] = x
        made = collections.UserList([1])
        made.append(x)
        return d["a"], len(d), list(d), made.data, made[0], "new" in d

    trace(program, lambda: (randn(3), collections.UserDict(a=1)))


class Config(dict):
    def __missing__(self, key):
        return f"no {key}"

    def __setitem__(self, key, value):
        super().__setitem__(key.lower(), value)


def test_subclasses():
    def program(x, config):
        config["UPPER"] = x + 1
        config.update(Plain=1)
        made = Config(A=2)
        made.setdefault("B", 3)
        return config, config["nothing"], config.get("nothing"), made, type(made.copy()), made | {"c": 1}, list(config.items())[0]

    trace(program, lambda: (randn(3), Config(a=1)))


def test_fromkeys_of_a_subclass():
    def program(x):
        return x + 1, Config.fromkeys(["A", "b"], 3)

    trace(program)


def test_mapping_proxies():
    import types

    def program(x, d):
        proxy = types.MappingProxyType(d)
        d["b"] = x
        return proxy["a"], proxy.get("z", 4), list(proxy), len(proxy), "b" in proxy, list(proxy.items())[0], proxy.copy()

    trace(program, lambda: (randn(3), {"a": 1}))
