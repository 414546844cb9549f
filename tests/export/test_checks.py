"""What a written module asks of its arguments: all that the trace relied on and a file can see, with an error that names the argument."""

from __future__ import annotations

import collections
import copy
import enum
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import tracer
from tests.export import generated
from tracer.export.capture import capture
from tracer.export.python import Module, load

ONE, TWO = torch.ones(2), torch.full((2,), 10.0)
Pair = collections.namedtuple("Pair", "left right")
Color = enum.Enum("Color", "RED BLUE")


class Scale(int):
    """A number of the program's own."""


@dataclass
class Box:
    """An object of the program."""

    size: int


def traced(fn: Callable[..., Any], *args: Any, dynamic: bool | None = None, **kwargs: Any) -> tracer.Session:
    session = tracer.Session("trace", strict=True, **({} if dynamic is None else {"dynamic": dynamic}))
    session.run(fn, *args, **kwargs)
    return session


def program(session: tracer.Session) -> Any:
    module = Module(capture(session), "captured")
    assert not module.program.why
    return load(module).Program()


def cloned(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Programs may write to theirs; what is one tensor stays one."""
    return copy.deepcopy(args)


def moved() -> Any:
    made = collections.OrderedDict(b=TWO, a=ONE)
    made.move_to_end("b")
    return made


def twice(a, b):
    return a * 2 + b


def sums(xs, d):
    return sum(xs) + (d["a"] if "a" in d else 0)


def branches(test: Callable[[Any], bool]) -> Callable[[Any], Any]:
    return lambda x: x + 1 if test(x) else x - 1


#: name → (function, arguments it is traced with, whether sizes are symbolic, others that it refuses: (arguments, words))
REFUSED: dict[str, tuple[Callable[..., Any], tuple[Any, ...], bool | None, list[tuple[tuple[Any, ...], str]]]] = {
    "one tensor given twice": (twice, (ONE, ONE), None, [((ONE, TWO), "b is a held")]),
    "two tensors": (twice, (ONE, TWO), None, [((ONE, ONE), "a, b are different objects")]),
    "a smallest size": (branches(lambda x: x.shape[0] > 10), (torch.ones(16),), True, [((torch.ones(4),), r"11 <= x\.shape\[0\] held")]),
    "a divisor of a size": (branches(lambda x: x.shape[0] % 8 == 0), (torch.ones(16),), True, [((torch.ones(3),), r"x\.shape\[0\] % 8")]),
    "a number that stands for any": (lambda x, n: x * n if n > 3 else x, (ONE, 5), True, [((ONE, 2), "n held")]),
    "a length": (sums, ([ONE, TWO], {"b": ONE}), None, [(([ONE] * 3, {"b": ONE}), r"len\(xs\) was 2 .*, not 3"), (([ONE], {"b": ONE}), r"len\(xs\)")]),
    "keys": (sums, ([ONE, TWO], {"b": ONE}), None, [(([ONE, TWO], {"a": ONE, "b": ONE}), r"d\) was \('b',\)|not in d held")]),
    "a tuple's length": (lambda t: sum(t), ((ONE, ONE),), None, [(((ONE, ONE, ONE),), r"len\(t\)")]),
    "nothing": (lambda x, y: x + 1 if y is None else x + y, (ONE, None), None, [((ONE, TWO), "y was None")]),
    "strides": (branches(lambda x: x.is_contiguous()), (torch.ones(2, 2),), None, [((torch.ones(2, 4)[:, ::2],), "x was of stride")]),
    "gradients": (branches(lambda x: x.requires_grad), (ONE,), None, [((torch.ones(2, requires_grad=True),), "x was of requires_grad False")]),
    "a parameter": (branches(lambda x: isinstance(x, nn.Parameter)), (ONE,), None, [((nn.Parameter(ONE, requires_grad=False),), "x was of class")]),
    "a dtype": (lambda x, d: x.to(d), (ONE, torch.float64), None, [((ONE, torch.float32), r"d was torch\.float64 .*, not torch\.float32")]),
    "a slice": (lambda x, s: x[s], (torch.ones(4), slice(0, 2)), None, [((torch.ones(4), slice(0, 3)), r"s\.stop was 2")]),
    "a function": (lambda x, g: g(x), (ONE, torch.sin), None, [((ONE, torch.cos), "g was sin .*, not cos")]),
    "an attribute": (lambda x, o: x * o.a, (ONE, SimpleNamespace(a=2)), None, [((ONE, SimpleNamespace(a=3)), r"o\.a was 2"), ((ONE, SimpleNamespace()), r"o\.a can't be read")]),
    "an object of the program": (lambda x, o: x * o.size, (ONE, Box(2)), None, [((ONE, Box(3)), r"o\.size was 2"), ((ONE, SimpleNamespace(size=2)), r"type\(o\)")]),
    "a member of an enumeration": (lambda x, c: x + 1 if c is Color.RED else x, (ONE, Color.RED), None, [((ONE, Color.BLUE), "c was .*RED")]),
    "no tensor": (lambda x: x + 1, (ONE,), None, [(([1, 2],), r"x was a tensor .*, not \[1, 2\]"), ((1,), "x was a tensor"), ((None,), "x was a tensor")]),
    "no named tuple": (lambda n: n.left + n.right, (Pair(ONE, TWO),), None, [(((ONE, TWO),), r"type\(n\) was")]),
    "a number of another type": (lambda x, n: x * n, (ONE, 1), None, [((ONE, True), "n was 1"), ((ONE, 1.0), "n was 1")]),
    "the sign of zero": (lambda x, n: x / n, (ONE, -0.0), None, [((ONE, 0.0), r"n was -0\.0")]),
    "a number of the program's own": (lambda x, n: x * n, (ONE, Scale(3)), None, [((ONE, Scale(4)), "int.__eq__"), ((ONE, 3), r"type\(n\)")]),
    "an order that was changed": (lambda d: d["a"] * d["b"], (collections.OrderedDict(a=ONE, b=TWO),), None, [((moved(),), r"list\(d\) == .* held")]),
    "memory that is shared": (lambda a, b: a.add_(1) + b, (ONE.clone(), TWO), None, [((lambda m: (m[:2], m[1:3]))(torch.ones(3)), "a, b lie in memory")]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_other_arguments_are_refused_by_name(name):
    fn, args, dynamic, others = REFUSED[name]
    made = program(traced(fn, *cloned(args), dynamic=dynamic))
    assert torch.equal(made(*cloned(args)), fn(*cloned(args))), "its own are taken"
    for given, words in others:
        with pytest.raises(ValueError, match=words):
            made(*given)


def test_what_the_call_gives_back_is_what_it_is_given():
    """Of what is only passed on, the type is checked and nothing else."""
    fn = lambda x, tag, l, d, t: (x + 1, tag, l, {"k": d, "t": t}, [tag, l])
    made = program(traced(fn, ONE, "a", [1, 2], {"q": 1}, (1, "z")))
    for args in ((TWO, "a", [1, 2], {"q": 1}, (1, "z")), (TWO, "b", [5], {"q": 2}, (2, "y"))):
        assert repr(made(*args)) == repr(fn(*args))
    with pytest.raises(ValueError, match=r"type\(tag\) was"):
        made(ONE, 1, [1, 2], {"q": 1}, (1, "z"))


def test_the_checks_know_equal_from_same():
    fn = lambda x, k, s, t: x[s] * k + t[1]
    made = program(traced(fn, torch.ones(4), float("nan"), slice(0, 2), (1, complex(2, -0.0))))
    assert made(torch.ones(4), -float("nan"), slice(0, 2), (1, complex(2, -0.0))).isnan().all()
    with pytest.raises(ValueError, match=r"t\[1\] was"):
        made(torch.ones(4), float("nan"), slice(0, 2), (1, complex(2, 0.0)))


@pytest.mark.parametrize("engine", ["tracer", "dynamo"])
def test_self_attention_stays_self_attention(engine):
    torch.manual_seed(0)
    attention, q, k = nn.MultiheadAttention(4, 2), torch.randn(3, 1, 4), torch.randn(3, 1, 4)
    session = tracer.Session("trace", engine=engine)
    session.run(attention, q, q, q)
    made = program(session)
    assert torch.allclose(made(q, q, q)[0], attention(q, q, q)[0])
    with pytest.raises(ValueError, match="held when this was captured"):
        made(q, k, k)


@pytest.mark.parametrize("dynamic", [True, None])
def test_a_graph_of_torch_compile_is_as_general_as_it_is(dynamic):
    def fn(x, y, n, z):
        return x.sum() * y.shape[0] + n * (2 if x.shape[0] > 2 else 3) + z

    session = tracer.Session("trace", engine="dynamo", **({} if dynamic is None else {"dynamic": dynamic}))
    args = (torch.ones(4, 2), torch.ones(5), 3, torch.ones(1))
    session.run(fn, *args)
    made = program(session)
    assert torch.equal(made(*args), fn(*args))
    taken = 0
    for other in ((torch.ones(6, 2), *args[1:]), (torch.ones(2, 2), *args[1:]), (args[0], torch.ones(7), *args[2:]), (*args[:2], 4, args[3]), (*args[:2], 3.0, args[3])):
        try:
            assert torch.equal(made(*other), fn(*other))
            taken += 1
        except ValueError:
            pass
    assert bool(taken) is bool(dynamic)


# ---- names
@pytest.mark.parametrize("names", ["self", "same torch len", "fits tensor holds", "math out held load", "sized view put read told kind memory", "module self input type"])
def test_no_name_hides_what_the_file_uses(names):
    *tensors, flag = f"{names} last".split()
    scope: dict[str, Any] = {}
    exec(f"def f({', '.join(tensors)}, *, {flag}): return {' + '.join(f'{n} * 2' for n in tensors)} if {flag} else 0", scope)
    args = [torch.full((2,), float(n)) for n in range(len(tensors))]
    made = program(traced(scope["f"], *args, last=True))
    assert torch.equal(made(*args, last=True), scope["f"](*args, last=True))
    with pytest.raises(ValueError, match="last was True"):
        made(*args, last=False)


def test_any_key_of_keywords_is_read():
    def fn(x, *rest, **named):
        return x + rest[0] + named["class"] + named["torch"]

    made = program(traced(fn, ONE, TWO, **{"class": ONE * 2, "torch": 3}))
    assert torch.equal(made(ONE, TWO, **{"class": ONE * 2, "torch": 3}), fn(ONE, TWO, **{"class": ONE * 2, "torch": 3}))
    assert torch.equal(made(ONE, TWO, more=1, **{"class": ONE * 2, "torch": 3}), made(ONE, TWO, **{"class": ONE * 2, "torch": 3}))
    for given in ({"class": ONE * 2, "torch": 4}, {"class": ONE * 2}):
        with pytest.raises(ValueError, match=r"named|torch"):
            made(ONE, TWO, **given)


def test_keywords_of_a_module_are_those_that_it_had():
    class Net(nn.Module):
        def forward(self, x, *rest, **named):
            return x * len(rest) + len(named)

    made = program(traced(Net(), ONE, TWO, more=1))
    assert torch.equal(made(ONE, TWO, more=1), ONE + 1)
    for args, named in (((ONE, TWO, TWO), {"more": 1}), ((ONE,), {"more": 1}), ((ONE, TWO), {}), ((ONE, TWO), {"more": 1, "most": 2})):
        with pytest.raises(ValueError, match=r"rest|named"):
            made(*args, **named)


# ---- what a file can't check
def test_what_only_the_program_has_is_no_program():
    held = nn.Parameter(ONE)
    inner = SimpleNamespace(net=nn.Linear(2, 2))
    for fn, args, words in (
        (lambda x, g: g(x), (ONE, lambda x: x + 1), "can't check what the trace relied on: g.__code__ is|only the program has it"),
        (lambda x, w: x + 1 if w is held else x, (ONE, held), "held is w"),
        (lambda x, o: o.net(x), (ONE, inner), r"reads o\.net\.weight"),
        (lambda x, nets: nets[0](x), (ONE, [nn.Linear(2, 2)]), r"nets\[0\] is a module"),
    ):
        made = Module(capture(traced(fn, *args)), "captured")
        assert made.program.why and "class Program(" not in made.text
        assert re.search(words, made.program.why), made.program.why
        load(made).check()


# ---- torch.export
def exported(session: tracer.Session, tmp_path: Any) -> Any:
    session.export(tmp_path / "captured.pt2", check=False)
    return torch.export.load(io.BytesIO((tmp_path / "captured.pt2").read_bytes())).module()


@pytest.mark.parametrize(
    "name",
    ["one tensor given twice", "two tensors", "a smallest size", "a divisor of a size", "a length", "keys", "a tuple's length", "nothing", "strides", "gradients", "a parameter", "a number of another type", "memory that is shared"],
)  # fmt: skip
def test_a_torch_export_program_refuses_them_too(name, tmp_path):
    fn, args, dynamic, others = REFUSED[name]
    made = exported(traced(fn, *cloned(args), dynamic=dynamic), tmp_path)
    assert torch.equal(made(*cloned(args)), fn(*cloned(args)))
    for given, _ in others:
        with pytest.raises((AssertionError, ValueError)):
            made(*given)


def test_torch_export_takes_keys_in_any_order(tmp_path):
    made = exported(traced(lambda d: d["a"] * d["b"], {"a": ONE, "b": TWO}), tmp_path)
    assert torch.equal(made({"b": TWO, "a": ONE}), TWO)
    with pytest.raises(tracer.TracerError, match="the order of the keys of d"):
        exported(traced(lambda d: next(iter(d.values())) * 2, {"a": ONE, "b": TWO}), tmp_path)


@pytest.mark.parametrize("value", [-0.0, float("nan"), float("-inf"), 2.5, True, 3, "a text", "it's"])
def test_plain_values_of_a_torch_export_program(value, tmp_path):
    session = traced(lambda x, v: x + 1 if v == 2.5 else x - 1, ONE, value)
    if value == "it's":
        with pytest.raises(tracer.TracerError, match=r"can't check|refuses"):
            exported(session, tmp_path)
        return
    made = exported(session, tmp_path)
    assert torch.equal(made(ONE, value), program(session)(ONE, value))
    for other in (0.0, 1.5, 4, False, "another", None, 1.0):
        with pytest.raises((AssertionError, ValueError, RuntimeError, TypeError)):
            made(ONE, other)


@pytest.mark.parametrize("name", ["a dtype", "a function", "a member of an enumeration", "an object of the program"])
def test_what_torch_export_cannot_check_is_refused(name, tmp_path):
    fn, args, dynamic, _ = REFUSED[name]
    with pytest.raises(tracer.TracerError, match="export"):
        traced(fn, *args, dynamic=dynamic).export(tmp_path / "captured.pt2", check=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (lambda x: (x + 1, "a"), (ONE,)),  # written, and not to be read again
        pytest.param(lambda d: d["t", 1] + 1, ({("t", 1): ONE},), marks=pytest.mark.slow),
        (lambda self, y: self * y, (ONE, TWO)),
        (lambda torch, y: torch * y, (ONE, TWO)),
    ],
)
def test_what_torch_export_cannot_hold_is_refused(fn, args, tmp_path, capfd):
    with pytest.raises(tracer.TracerError, match=r"next: .*export to \.py"):
        traced(fn, *args).export(tmp_path / "captured.pt2")
    assert not list(tmp_path.iterdir()) and "Traceback" not in capfd.readouterr().err


# ---- drawn programs
@pytest.mark.parametrize("first", [0, 12, 24])
def test_drawn_programs_are_right_or_refuse(first):
    found = [generated.run(seed) for seed in range(first, first + 12)]
    assert not [line for one in found for line in one.wrong]
    assert sum(one.agreed for one in found) > 12 and sum(one.refused for one in found) > 60


def test_without_the_checks_drawn_programs_are_wrong(monkeypatch):
    """What is compared can fail."""
    monkeypatch.setattr("tracer.export.capture.checks", lambda *_: [])
    assert any(generated.run(seed).wrong for seed in range(4))
