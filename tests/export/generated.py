"""Programs that read their arguments in drawn ways, traced and exported; the written module called with other arguments.

    python -m tests.export.generated --count 2000 --seed 1 [--format pt2] [--engine dynamo]

Plain Python is right: the module gives the same value, or refuses with a ValueError. It never gives another value, nor an error that plain
Python hasn't. A `.pt2` refuses in torch's own ways.
"""

from __future__ import annotations

import argparse
import collections
import copy
import enum
import linecache
import math
import random
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils import _pytree as pytree

import tracer
from tracer.export import pt2
from tracer.export.capture import capture
from tracer.export.python import Module, load

Pair = collections.namedtuple("Pair", "left right")
Color = enum.Enum("Color", "RED BLUE")


@dataclass
class Box:
    """An object of the program."""

    size: Any
    name: str = "box"


class Scale(int):
    """A number of the program's own."""


def square() -> torch.Tensor:
    return torch.arange(4.0).reshape(2, 2) + 1


def like(*shape: int, **kinds: Any) -> torch.Tensor:
    return torch.ones(*shape, **kinds)


class Kind(NamedTuple):
    """A kind of argument: how one is made, what a caller may pass in its place, how programs read it (`{a}`)."""

    make: Callable[[], Any]
    others: tuple[Callable[[], Any], ...]
    reads: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "tensor": Kind(
        square,
        (
            lambda: square() * 3, lambda: square().t(), lambda: like(2, 4)[:, ::2], lambda: like(3, 2), lambda: like(1, 2), lambda: like(2),
            lambda: square().double(), lambda: square().long(), lambda: square().requires_grad_(), lambda: nn.Parameter(square()),
            lambda: torch.ones(5)[1:].reshape(2, 2), lambda: [1, 2], lambda: 1, lambda: None, lambda: square().to_sparse(), lambda: nn.Parameter(square(), requires_grad=False),
            lambda: like(2, 2, dtype=torch.complex64).conj(), lambda: square().requires_grad_() * 2, lambda: like(4, 2),
        ),
        (
            "{a}.sum()", "{a}.sum() * {a}.shape[0]", "(1 if {a}.is_contiguous() else 2)", "(1 if {a}.requires_grad else 2)", "(1 if isinstance({a}, nn.Parameter) else 2)",
            "(1 if {a}.dtype is torch.float32 else 2)", "{a}.stride(0)", "{a}.storage_offset()", "(1 if {a}.is_leaf else 2)", "{a}.dim()", "(1 if {a}.shape[0] > 2 else 2)",
            "(1 if {a}.shape[0] % 2 == 0 else 2)", "(1 if {a}.numel() == {a}.shape[0] ** 2 else 2)", "len({a})", "(1 if {a} is None else 2)", "(3 if {a}.device.type == 'cpu' else 4)",
            "{a}.mul(2).sum()", "(1 if {a}.is_floating_point() else 2)", "{a}[0].sum()", "(1 if {a}.is_conj() else 2)", "(2 if {a}._is_view() else 3)",
        ),
    ),
    "number": Kind(
        lambda: 3,
        (lambda: 4, lambda: True, lambda: 3.0, lambda: -3, lambda: "3", lambda: None, lambda: 10**40, lambda: Scale(3), square),
        ("{a}", "{a} + 1", "(1 if {a} > 2 else 2)", "(1 if type({a}) is int else 2)", "(1 if {a} == 3 else 2)", "{a} % 2"),
    ),
    "float": Kind(
        lambda: -0.0,
        (lambda: 0.0, lambda: float("nan"), lambda: float("inf"), lambda: 2.5, lambda: 0, lambda: -0j),
        ("{a}", "math.copysign(1, {a})", "(1 if {a} == 0 else 2)", "(1 if math.isnan({a}) else 2)"),
    ),
    "odd float": Kind(
        lambda: float("nan"),
        (lambda: 0.0, lambda: float("inf"), lambda: -math.inf, lambda: 1e308 * 10),
        ("(1 if math.isnan({a}) else 2)", "(1 if {a} > 1 else 2)", "(1 if {a} == {a} else 2)"),
    ),
    "complex": Kind(lambda: complex(1, -0.0), (lambda: 1 + 0j, lambda: 1.0, lambda: complex("nan")), ("{a}.real", "math.copysign(1, {a}.imag)")),
    "text": Kind(
        lambda: "it's \"q\"\n{x}",
        (lambda: "other", lambda: "", lambda: b"it", lambda: None, lambda: 1),
        ("len({a})", "(1 if {a} == 'other' else 2)", "(1 if {a} else 2)"),
    ),
    "nothing": Kind(lambda: None, (square, lambda: 0, lambda: False, lambda: ()), ("(1 if {a} is None else 2)", "(1 if {a} is None else {a})")),
    "flag": Kind(lambda: True, (lambda: False, lambda: 1, lambda: None), ("(1 if {a} else 2)", "(1 if {a} is True else 2)")),
    "dtype": Kind(lambda: torch.float64, (lambda: torch.float32, lambda: torch.int64, lambda: None), ("torch.ones(2).to({a}).sum()", "(1 if {a} == torch.float64 else 2)")),
    "slice": Kind(
        lambda: slice(0, 2),
        (lambda: slice(0, 3), lambda: slice(None), lambda: slice(0, 2, 2), lambda: 1, lambda: None),
        ("x.reshape(-1)[{a}].sum()", "({a}.stop or 7)"),
    ),
    "tuple": Kind(
        lambda: (1, 2.5, square()),
        (lambda: (1, 2.5), lambda: (1, 2.5, square(), 4), lambda: (2, 2.5, square()), lambda: [1, 2.5, square()], lambda: (1, 2.5, 3), lambda: None, lambda: Pair(1, 2.5)),
        ("{a}[0]", "len({a})", "sum(v if isinstance(v, (int, float)) else v.sum() for v in {a})", "{a}[-1].sum()", "(1 if {a} else 2)"),
    ),
    "list": Kind(
        lambda: [square(), square() * 2],
        (lambda: [square()], lambda: [square()] * 2, lambda: [square(), square(), square()], lambda: (square(), square()), lambda: [], lambda: [1, 2], lambda: None, lambda: [square(), square().double()]),
        ("len({a})", "sum(v.sum() for v in {a})", "{a}[0].sum()", "(1 if {a}[0] is {a}[1] else 2)", "{a}[-1].sum()"),
    ),
    "dict": Kind(
        lambda: {"b": square(), "a": 2},
        (
            lambda: {"a": 2, "b": square()}, lambda: {"b": square(), "a": 3}, lambda: {"b": square()}, lambda: {"b": square(), "a": 2, "c": 1}, dict,
            lambda: collections.OrderedDict(b=square(), a=2), lambda: None, lambda: {"b": square().double(), "a": 2}, lambda: collections.defaultdict(int, b=square(), a=2),
        ),
        ("{a}['b'].sum()", "{a}['a']", "len({a})", "(1 if 'c' in {a} else 2)", "{a}.get('c', 5)", "(1 if list({a})[0] == 'b' else 2)", "sum(v if isinstance(v, int) else v.sum() for v in {a}.values())"),
    ),
    "named tuple": Kind(
        lambda: Pair(square(), 2),
        (lambda: Pair(square(), 3), lambda: (square(), 2), lambda: Pair(square().double(), 2), lambda: None),
        ("{a}.left.sum()", "{a}.right", "{a}[1]", "(1 if hasattr({a}, 'left') else 2)"),
    ),
    "namespace": Kind(
        lambda: types.SimpleNamespace(size=2, t=1),
        (lambda: types.SimpleNamespace(size=3, t=1), lambda: types.SimpleNamespace(t=1), lambda: Box(2), lambda: types.SimpleNamespace(size=2, t=1, z=3), lambda: None),
        ("{a}.size", "(1 if hasattr({a}, 'z') else 2)", "getattr({a}, 'z', 5)"),
    ),
    "object": Kind(
        lambda: Box(2),
        (lambda: Box(3), lambda: Box(2, "other"), lambda: Box(2.0), lambda: types.SimpleNamespace(size=2, name="box"), lambda: None, lambda: Box([1])),
        ("{a}.size", "(1 if {a}.name == 'box' else 2)", "(1 if isinstance({a}, Box) else 2)"),
    ),
    "function": Kind(lambda: torch.sin, (lambda: torch.cos, lambda: torch.abs, lambda: len, lambda: None, lambda: nn.functional.relu), ("{a}(x).sum()", "(1 if {a} is torch.sin else 2)")),
    "enumeration": Kind(lambda: Color.RED, (lambda: Color.BLUE, lambda: None, lambda: 1), ("(1 if {a} is Color.RED else 2)", "{a}.value", "len({a}.name)")),
    "class": Kind(lambda: Box, (lambda: Pair, lambda: int, lambda: None), ("(1 if {a} is Box else 2)", "len({a}.__name__)")),
    "set": Kind(lambda: {1, 2}, (lambda: {1}, lambda: {1, 2, 3}, lambda: frozenset({1, 2}), lambda: {1, True, 2.0}), ("len({a})", "(1 if 3 in {a} else 2)")),
    "nested": Kind(
        lambda: {"k": [square(), {"deep": (1, square())}]},
        (lambda: {"k": [square(), {"deep": (2, square())}]}, lambda: {"k": [square(), {"deep": (1,)}]}, lambda: {"k": [square()]}, lambda: {"k": [square(), {}]}, lambda: {"k": None}),
        ("{a}['k'][0].sum()", "{a}['k'][1]['deep'][0]", "{a}['k'][1]['deep'][1].sum()", "len({a}['k'])"),
    ),
}  # fmt: skip
BETWEEN = ("(1 if {a} is {b} else 2)", "(1 if {a}.shape == {b}.shape else 2)", "({a} + {b}).sum()", "(1 if {a}.data_ptr() == {b}.data_ptr() else 2)")
#: What is returned beside a result that was computed: an argument as it was given.
GIVEN_BACK = ("(y, {a})", "[{a}, y]", "{{'y': y, 'p': ({a}, 1)}}", "(y, [{a}, {a}])")
NAMES = ("a", "b", "self", "torch", "len", "fits", "tensor", "math", "out", "input", "match", "load", "sized", "held", "module")


class Drawn:
    """One program with the arguments it is traced with."""

    def __init__(self, seed: int):
        self.draw = random.Random(seed)
        self.dynamic = self.draw.random() < 0.3
        count = self.draw.randint(1, 3)
        self.names = self.draw.sample(NAMES, count) if self.draw.random() < 0.3 else list("abc"[:count])
        self.kinds = [self.draw.choice(list(KINDS)) for _ in range(count)]
        reads = [self._read(name, kind) for name, kind in zip(self.names, self.kinds, strict=True) for _ in range(self.draw.randint(1, 2))]
        pairs = [name for name, kind in zip(self.names, self.kinds, strict=True) if kind == "tensor"]
        if len(pairs) > 1:
            reads.append(self.draw.choice(BETWEEN).format(a=f"_{pairs[0]}", b=f"_{pairs[1]}"))
        if pairs and self.draw.random() < 0.2:
            reads.append(f"_{pairs[0]}.add_(1).sum()")
        header = ", ".join(["x", *self.names])
        lines = [f"def program({header}):", *[f"    _{name} = {name}" for name in self.names], "    return run(x, " + ", ".join(f"_{n}" for n in self.names) + ")"]
        inner = ["", f"def run(x, {', '.join(f'_{n}' for n in self.names)}):", "    y = x.cos() * 2", *[f"    y = y + {read}" for read in reads], f"    return {self._result()}"]
        self.text = "\n".join([*lines, *inner]) + "\n"
        self.scope = {"torch": torch, "nn": nn, "math": math, "Box": Box, "Color": Color}
        file = f"<drawn {seed}>"
        linecache.cache[file] = (len(self.text), None, self.text.splitlines(True), file)
        exec(compile(self.text, file, "exec"), self.scope)
        self.program = self.scope["program"]

    def _result(self) -> str:
        return self.draw.choice(GIVEN_BACK).format(a=f"_{self.draw.choice(self.names)}") if self.draw.random() < 0.3 else "y"

    def _read(self, name: str, kind: str) -> str:
        return self.draw.choice(KINDS[kind].reads).format(a=f"_{name}")

    def arguments(self) -> list[Any]:
        return [square() * 0.5, *[KINDS[kind].make() for kind in self.kinds]]

    def traced(self) -> list[Any]:
        """What it is traced with; now and then one tensor twice."""
        given = self.arguments()
        tensors = [index for index, kind in enumerate(self.kinds, 1) if kind == "tensor"]
        if len(tensors) > 1 and self.draw.random() < 0.3:
            given[tensors[1]] = given[tensors[0]]
        return given

    def calls(self) -> list[list[Any]]:
        """Other arguments: one is another each time; tensors that are one, that share memory."""
        made = [self.arguments(), [like(2, 2).requires_grad_(), *self.arguments()[1:]], [like(3, 3), *self.arguments()[1:]]]
        for index, kind in enumerate(self.kinds, 1):
            for other in KINDS[kind].others:
                given = self.arguments()
                given[index] = other()
                made.append(given)
        tensors = [0, *[index for index, kind in enumerate(self.kinds, 1) if kind == "tensor"]]
        for one in tensors:
            for other in tensors:
                if one < other:
                    same, view = self.arguments(), self.arguments()
                    same[one] = same[other]
                    view[one] = view[other].view(2, 2)
                    made += [same, view]
        return made


class Outcome(NamedTuple):
    """What became of one program: calls that agreed, that were refused, `wrong`: a line for each that was neither."""

    agreed: int
    refused: int
    wrong: tuple[str, ...]
    why: str


def run(seed: int, suffix: str = "py", engine: str = "tracer") -> Outcome:
    """Trace, write, call; a `.pt2` by torch.export's own way."""
    drawn = Drawn(seed)
    session = tracer.Session("trace", strict=True, engine=engine, **({"dynamic": True} if drawn.dynamic else {}))
    try:
        session.run(drawn.program, *drawn.traced())
        if session.graph_breaks:
            return Outcome(0, 0, (), "the graph breaks")
        module = Module(capture(session), "drawn")
    except tracer.TracerError as error:
        return Outcome(0, 0, (), str(error))
    except Exception as error:  # the program's own
        return Outcome(0, 0, (), f"raised {type(error).__name__}")
    finally:
        session.close()
    if module.program.why:
        return Outcome(0, 0, (), module.program.why)
    try:
        made = load(module).Program() if suffix == "py" else torch.export.load(pt2.saved(module)).module()
    except tracer.TracerError as error:
        return Outcome(0, 0, (), str(error))
    agreed = refused = 0
    wrong = []
    for given in drawn.calls():
        verdict = _compare(drawn, made, given, ValueError if suffix == "py" else Exception)
        agreed, refused = agreed + (verdict == "agrees"), refused + (verdict == "refuses")
        if verdict not in ("agrees", "refuses"):
            wrong.append(f"seed {seed}, {given!r:.200}: {verdict}\n{drawn.text}")
    if not agreed:
        wrong.append(f"seed {seed} takes no arguments, not even such as it was traced with\n{drawn.text}")
    return Outcome(agreed, refused, tuple(wrong), "")


def _compare(drawn: Drawn, made: Any, given: list[Any], refusal: type[Exception]) -> str:
    wanted = _outcome(drawn.program, _copied(given))
    found = _outcome(made, _copied(given))
    if isinstance(found, refusal) or isinstance(found, Exception) and type(found) is type(wanted):
        return "refuses"
    if isinstance(found, BaseException):
        return f"{type(found).__name__}: {found}"
    if isinstance(wanted, BaseException):
        return f"{found} where plain Python raises {type(wanted).__name__}"
    return "agrees" if _same(found, wanted) else f"{found}, not {wanted}"


def _same(found: Any, wanted: Any) -> bool:
    if type(found) is not type(wanted):
        return False
    if isinstance(wanted, torch.Tensor):
        return found.dtype == wanted.dtype and found.shape == wanted.shape and torch.allclose(found.to_dense(), wanted.to_dense(), equal_nan=True)
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(map(_same, found.values(), wanted.values()))
    if isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return repr(found) == repr(wanted)


def _copied(given: list[Any]) -> list[Any]:
    """Copies that share what the originals share; a tensor that autograd made can't be copied, so it stays."""
    memo: dict[int, Any] = {}
    for leaf in pytree.tree_leaves(given):
        if isinstance(leaf, torch.Tensor) and not leaf.is_leaf:
            memo[id(leaf)] = leaf
    return copy.deepcopy(given, memo)


def _outcome(function: Callable[..., Any], given: list[Any]) -> Any:
    try:
        return function(*given)
    except Exception as error:
        return error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=["py", "pt2"], default="py")
    parser.add_argument("--engine", choices=["tracer", "dynamo"], default="tracer")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    wrong = agreed = refused = 0
    why: collections.Counter[str] = collections.Counter()
    for seed in range(options.seed, options.seed + options.count):
        outcome = run(seed, options.format, options.engine)
        agreed, refused = agreed + outcome.agreed, refused + outcome.refused
        why[outcome.why[:110]] += 1
        for line in outcome.wrong:
            wrong += 1
            print(line)
    print(f"{options.count} programs: {agreed} calls agree, {refused} are refused, {wrong} are wrong")
    for text, count in why.most_common(15):
        print(f"{count:6} {text or 'exported'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
