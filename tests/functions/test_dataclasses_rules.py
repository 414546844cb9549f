"""dataclasses: made, compared, copied, converted; frozen ones, slots, factories."""

import dataclasses
from dataclasses import dataclass, field

from torch import randn

from tests.functions.test_lists import errors, trace


@dataclass
class Config:
    n: int
    names: list = field(default_factory=list)
    scale: float = 2.0

    def __post_init__(self):
        self.doubled = self.n * 2


@dataclass(frozen=True, order=True)
class Key:
    a: int
    b: str = "b"


@dataclass(slots=True)
class Slotted:
    x: object
    inner: Key = Key(1)


def test_made_and_changed():
    def program(x, config):
        made = Config(3)
        made.names.append("n")
        config.names.append(x)
        config.scale = 4.0
        other = dataclasses.replace(config, n=7)
        return x * config.n, made, config, other, Config(1) == Config(1), repr(Key(1)), made.doubled

    trace(program, lambda: (randn(3), Config(5)))


def test_frozen_and_ordered():
    def program(x, key):
        def write():
            key.a = 3

        return x + key.a, Key(1) < Key(2), Key(1) == Key(1), {Key(1): "v"}[Key(1)], hash(Key(1)) == hash(Key(1)), errors(write)[0][1], Key(9)

    trace(program, lambda: (randn(3), Key(4)))


def test_converted():
    def program(x, config):
        s = Slotted(x + 1)
        return (
            dataclasses.asdict(config), dataclasses.astuple(config), [f.name for f in dataclasses.fields(config)], dataclasses.is_dataclass(s), s,
            dataclasses.is_dataclass(3), dataclasses.asdict(Slotted([Key(2)])), errors(lambda: dataclasses.asdict(3), lambda: dataclasses.fields(3)),
        )  # fmt: skip

    trace(program, lambda: (randn(3), Config(5, ["a"])))


def test_asdict_and_astuple_make_what_dataclasses_makes_of_subclasses():
    class Names(list):
        pass

    class Table(dict):
        pass

    def program(x, held):
        return x + 1, dataclasses.asdict(held), dataclasses.astuple(held), errors(lambda: dataclasses.asdict(3))

    @dataclasses.dataclass
    class Part:
        a: object

    trace(program, lambda: (randn(3), Part(Names([Part(1), Table(k=Part([2]))]))))
