"""Dataclasses and enums of every kind."""

import dataclasses
import enum
import typing

from torch import randn

from tests.programs import program


@dataclasses.dataclass
class Settings:
    rate: float
    names: list = dataclasses.field(default_factory=list)
    scale: int = 2

    def __post_init__(self):
        self.total = self.rate * self.scale


@dataclasses.dataclass(frozen=True, order=True)
class Frozen:
    a: int
    b: typing.Any = None


@dataclasses.dataclass(slots=True)
class Slotted:
    a: int
    b: object = None


@program(lambda: (Settings(0.5, ["n"]), randn(3)))
def dataclasses_plain(s, x):
    made = Settings(2.0)
    made.names.append(x * s.total)
    s.names += ["m"]
    changed = dataclasses.replace(s, scale=3)
    return made, changed.total, s == changed, dataclasses.is_dataclass(s), [f.name for f in dataclasses.fields(s)]


@program(lambda: (Frozen(1), randn(3)))
def dataclasses_frozen(f, x):
    made = Frozen(2, x + 1)
    try:
        made.a = 3
    except dataclasses.FrozenInstanceError as error:
        message = str(error)
    return made, message, f < Frozen(3), hash(f) == hash(Frozen(1)), {f: 1}[Frozen(1)]


@program(lambda: (Slotted(1), randn(3)))
def dataclasses_with_slots(s, x):
    s.b = x * s.a
    return s, Slotted(2, s.b), dataclasses.asdict(Settings(1.0, [1]))


class Color(enum.Enum):
    RED = 1
    BLUE = "b"

    @property
    def loud(self):
        return self.name + "!"


class Flags(enum.IntFlag):
    A = 1
    B = 2


@program(lambda: (Color.RED, randn(3)))
def enums(color, x):
    scale = 2 if color is Color.RED else 3
    return x * scale, color.value, color.loud, Color("b"), Color["RED"] == color, [c.name for c in Color], {color: 1}


@program(lambda: (Flags.A, randn(3)))
def integer_flags(flags, x):
    return x * int(Flags.B), flags, Flags.A in flags, Flags.B in flags, isinstance(flags, int)
