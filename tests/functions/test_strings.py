"""Methods of strings, formatting, and what folds."""

import collections
import json
import re

from torch import randn

from tests.functions.test_lists import errors, trace

Point = collections.namedtuple("Point", "x y")


class Money:
    def __init__(self, amount):
        self.amount = amount

    def __format__(self, spec):
        return f"<{self.amount}:{spec}>"

    def __str__(self):
        return f"${self.amount}"

    def __repr__(self):
        return f"Money({self.amount})"


def test_folding():
    def program(x, s, words):
        return (
            x + 1, s.upper(), s.split(","), s.replace("a", "b"), s.startswith(("a", "z")), s.find("b"), s.zfill(9), s.encode(), s.partition(","),
            ", ".join(words), "-".join(str(i) for i in range(3)), s.center(20, "*"), s.translate({97: "A"}), "b" in s, s[::-1], s * 2, sorted(s), len(s),
            b"ab".hex(), bytes([1, 2]), b"a" + b"b", (3).bit_length(), (2.5).is_integer(), (255).to_bytes(2, "big"), "a\nb".splitlines(), s.count("a"),
            "%s" % s, ord("a"), chr(98), int("12"), float("1.5"), str(1.5), repr(s), s.isdigit(), "abc".maketrans("a", "b"), int.from_bytes(b"a", "big"),
        )  # fmt: skip

    trace(program, lambda: (randn(3), "a,b,ca", ["x", "y"]))


def test_format():
    def program(x, money, d):
        return (
            x + 1, "{} {!r} {:>5}".format(money, money, 3), "{0}{0}{name}".format(1, name=2), "{d[a]} {p.x}".format(d=d, p=Point(1, 2)),
            "{:{w}}".format("a", w=4), "{{}}".format(), "{a}".format_map(d), f"{money} {money!r} {money:spec} {3:>{4}} {1.5:.2f}", format(3, "b"),
            "{}".format([1, "a", money]), "{:.1f}".format(2.25), "{}".format(None), format(money, "q"),
        )  # fmt: skip

    trace(program, lambda: (randn(3), Money(5), {"a": 1}))


def test_percent():
    def program(x, money, d):
        return x + 1, "%s %r %d" % (money, money, 3), "%(a)s" % d, "%s" % money, "%5.2f%%" % 1.5, "%s" % [1, 2], "%s" % (("a", 1),), "%x" % 255

    trace(program, lambda: (randn(3), Money(5), {"a": 1, "unused": object()}))


def test_errors():
    def program(x):
        return x + 1, errors(
            lambda: "".join([1]), lambda: "".join(3), lambda: "%s %s" % (1,), lambda: "%d" % "a", lambda: "%s" % (1, 2), lambda: "{}".format(),
            lambda: "{a}".format(), lambda: "{".format(), lambda: "{} {1}".format(1, 2), lambda: "a" + 1, lambda: 1 in "a", lambda: "abc".index("z"),
            lambda: "{:d}".format("a"), lambda: int("x"), lambda: "a".split(3), lambda: chr(-1),
        )  # fmt: skip

    trace(program)


class Name(str):
    def shout(self):
        return self.upper() + "!"


def test_subclass():
    def program(x, name):
        return x + 1, name.shout(), name + "b", f"{name}", name == "a", {name: 1}["a"], "-".join([name, name]), type(name.upper())

    trace(program, lambda: (randn(3), Name("a")))


def test_patterns():
    def program(x, pattern):
        seen = []

        def grow(match):
            seen.append(match.start())
            return f"<{match.group(1)}>"

        return (
            x + 1, pattern.sub(grow, "a1b22"), pattern.sub("#", "a1"), re.sub(r"(\w)", grow, "xy", count=1), pattern.subn(grow, "7"), seen,
            pattern.match("12").group(), [m.span() for m in pattern.finditer("1 2")], pattern.findall("1 23"), re.split(",", "a,b"), re.match("z", "a"),
        )  # fmt: skip

    trace(program, lambda: (randn(3), re.compile(r"(\d+)")))


def test_json():
    def program(x, data):
        made = json.loads('[1, {"a": null}]')
        made.append(2)
        return x + 1, json.dumps(data, sort_keys=True), made, errors(lambda: json.loads("["))

    trace(program, lambda: (randn(3), {"b": [1, 2], "a": None}))
