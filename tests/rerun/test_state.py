"""State that lies outside of the arguments: a re-run begins with what was there and leaves behind what is there, or it says what it can't."""

from __future__ import annotations

import contextvars
import enum
import os
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

import tracer
from tracer.errors import TracerError

NUMBERS: list[int] = []
TABLE: dict[str, int] = {}
SETTINGS = types.ModuleType("settings")
LOCAL = threading.local()
CONTEXT: contextvars.ContextVar[int] = contextvars.ContextVar("CONTEXT")
LISTED: contextvars.ContextVar[list[int]] = contextvars.ContextVar("LISTED")


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Key:
    number = 0


class Slotted:
    __slots__ = ("number",)


KEY, SLOTTED = Key(), Slotted()
WEAK_KEYS: weakref.WeakKeyDictionary[Key, int] = weakref.WeakKeyDictionary()
WEAK_VALUES: weakref.WeakValueDictionary[str, Key] = weakref.WeakValueDictionary()
WEAK_SET: weakref.WeakSet[Key] = weakref.WeakSet()
REFERENCE = weakref.ref(KEY)


class State(NamedTuple):
    """`bump` changes it and says the new number, `look` says the number."""

    bump: Callable[[], int]
    look: Callable[[], int]
    clear: Callable[[], Any]


def attribute(owner: Any, name: str = "count") -> State:
    def bump() -> int:
        setattr(owner, name, getattr(owner, name, 0) + 1)
        return getattr(owner, name)

    return State(bump, lambda: getattr(owner, name, 0), lambda: hasattr(owner, name) and delattr(owner, name))


def function_attribute() -> State:
    def bump() -> int:
        bump.count = getattr(bump, "count", 0) + 1
        return bump.count

    return State(bump, lambda: getattr(bump, "count", 0), lambda: bump.__dict__.clear())


def bump_settings() -> int:
    SETTINGS.count = getattr(SETTINGS, "count", 0) + 1
    return SETTINGS.count


def bump_sys() -> int:
    sys.count = getattr(sys, "count", 0) + 1
    return sys.count


def bump_enum() -> int:
    Colour.RED.count = getattr(Colour.RED, "count", 0) + 1
    return Colour.RED.count


def bump_class() -> int:
    Key.number += 1
    return Key.number


def bump_environment() -> int:
    os.environ["TRACER_COUNT"] = str(int(os.environ.get("TRACER_COUNT", "0")) + 1)
    return int(os.environ["TRACER_COUNT"])


def bump_context() -> int:
    CONTEXT.set(CONTEXT.get(0) + 1)
    return CONTEXT.get()


def bump_list_in_context() -> int:
    LISTED.get().append(1)
    return len(LISTED.get())


def bump_local() -> int:
    LOCAL.count = getattr(LOCAL, "count", 0) + 1
    return LOCAL.count


def bump_list() -> int:
    NUMBERS.append(1)
    return len(NUMBERS)


def bump_dict() -> int:
    TABLE["n"] = TABLE.get("n", 0) + 1
    return TABLE["n"]


def bump_weak_keys() -> int:
    WEAK_KEYS[KEY] = WEAK_KEYS.get(KEY, 0) + 1
    return WEAK_KEYS[KEY]


def bump_weak_values() -> int:
    WEAK_VALUES["key"].held = getattr(WEAK_VALUES["key"], "held", 0) + 1
    return WEAK_VALUES["key"].held


def bump_weak_set() -> int:
    for key in WEAK_SET:
        key.member = getattr(key, "member", 0) + 1
        return key.member
    return 0


def bump_referred() -> int:
    key: Any = REFERENCE()
    key.referred = getattr(key, "referred", 0) + 1
    return key.referred


def bump_slot() -> int:
    SLOTTED.number = getattr(SLOTTED, "number", 0) + 1
    return SLOTTED.number


def clear_context() -> None:
    CONTEXT.set(0)


STATES: dict[str, State] = {
    "function": function_attribute(),
    "module of the program": State(bump_settings, *attribute(SETTINGS)[1:]),
    "sys": State(bump_sys, *attribute(sys)[1:]),
    "enum member": State(bump_enum, *attribute(Colour.RED)[1:]),
    "class": State(bump_class, lambda: Key.number, lambda: setattr(Key, "number", 0)),
    "environment": State(bump_environment, lambda: int(os.environ.get("TRACER_COUNT", "0")), lambda: os.environ.pop("TRACER_COUNT", None)),
    "context variable": State(bump_context, lambda: CONTEXT.get(0), clear_context),
    "list in a context variable": State(bump_list_in_context, lambda: len(LISTED.get([])), lambda: LISTED.set([])),
    "thread-local": State(bump_local, *attribute(LOCAL)[1:]),
    "list": State(bump_list, lambda: len(NUMBERS), NUMBERS.clear),
    "dict": State(bump_dict, lambda: TABLE.get("n", 0), TABLE.clear),
    "weak keys": State(bump_weak_keys, lambda: WEAK_KEYS.get(KEY, 0), WEAK_KEYS.clear),
    "weak values": State(bump_weak_values, lambda: getattr(KEY, "held", 0), lambda: (WEAK_VALUES.update(key=KEY), attribute(KEY, "held").clear())),
    "weak set": State(bump_weak_set, lambda: getattr(KEY, "member", 0), lambda: (WEAK_SET.add(KEY), attribute(KEY, "member").clear())),
    "weak reference": State(bump_referred, *attribute(KEY, "referred")[1:]),
    "slot": State(bump_slot, *attribute(SLOTTED, "number")[1:]),
}


@pytest.fixture(autouse=True)
def cleared() -> Iterator[None]:
    def clear() -> None:
        for state in STATES.values():
            state.clear()

    clear()
    yield
    clear()


def program_of(state: State) -> Callable[[torch.Tensor], torch.Tensor]:
    bump = state.bump

    def program(x: torch.Tensor) -> torch.Tensor:
        y = x + bump()
        tracer.graph_break()
        return y * bump()

    return program


@pytest.mark.parametrize("kind", STATES)
def test_what_was_there_is_there_again_and_what_is_there_stays(kind: str) -> None:
    state = STATES[kind]
    with tracer.Session() as session:
        program = program_of(state)
        for _ in range(2):
            session.run(program, torch.zeros(1))
        state.bump()  # the program goes on
        for _ in range(2):
            again = session.recompile()
            assert again.error is None and again.rerun_notes == () and again.not_comparable == ""
            assert again.result.tolist() == session.result.tolist() == [12.0]  # 3 · 4
            assert session.recompile(call=1).result.tolist() == [2.0]  # 1 · 2
            replayed = session.replay()
            assert replayed.ok, str(replayed)
            assert state.look() == 5
        assert session.diff(again).same


def test_a_plain_run_beside_an_unsafe_one_leaves_no_state_behind() -> None:
    for kind, state in STATES.items():
        bump = state.bump

        def program(x: torch.Tensor, n: int, bump: Any = bump) -> torch.Tensor:
            return x + n * bump()

        with tracer.Session(overrides=["skip_guard n = EQUALS_MATCH"]) as session:
            assert [session.run(program, torch.zeros(1), 2).item() for _ in range(2)] == [2.0, 4.0], kind
            assert [what for _, what, _ in session.unsafe_runs] == ["", ""], kind
            assert state.look() == 2, kind


# ---- what is refused, or named and left alone
class OwnWay(threading.local):
    def __init__(self) -> None:
        self.count = 0


OWN_WAY = OwnWay()


def test_a_thread_local_that_makes_itself_is_named() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return x + OWN_WAY.count

    again = tracer.trace(program, torch.ones(1)).recompile()
    assert "a OwnWay, which makes itself for each thread, is as it is now" in again.rerun_notes
    assert again.not_comparable == "Not all was as recorded: a OwnWay, which makes itself for each thread, is as it is now."


@pytest.mark.parametrize("where", ["argument", "closure", "attribute"])
def test_a_generator_is_refused_and_not_used_up(where: str) -> None:
    numbers: Iterator[int] = (n for n in range(9))
    key = Key()
    key.numbers = numbers
    closed = numbers if where == "closure" else iter([0, 1, 2])

    def program(x: torch.Tensor, given: Any) -> torch.Tensor:
        return x + next(given.numbers if where == "attribute" else given if where == "argument" else closed)

    session = tracer.trace(program, torch.zeros(1), {"argument": numbers, "closure": None, "attribute": key}[where])
    for again in (session.recompile, session.replay, lambda: session.export("never.py")):
        with pytest.raises(TracerError, match="can't be run again: it reaches a generator, which would be used up"):
            again()
    assert next(numbers) == 1


# ---- parameters and code
def test_parameters_are_those_in_their_places_today() -> None:
    model = torch.nn.Linear(2, 2, bias=False)
    session = tracer.trace(model, torch.ones(2))
    assert session.recompile().not_comparable == ""
    model.weight = torch.nn.Parameter(torch.full((2, 2), 7.0))
    again = session.recompile()
    assert again.result.tolist() == [14.0, 14.0]
    assert again.not_comparable == "1 parameter was exchanged for another since call 1 began."
    assert session.recompile(dtype="float64").result.dtype == torch.float64 and model.weight.dtype == torch.float32


@pytest.mark.parametrize(
    "write",
    [
        lambda weight: weight.data.fill_(5),
        lambda weight: weight.data.mul_(-1),
        lambda weight: weight.data.copy_(weight.data.flip(0)),
        lambda weight: weight.detach().numpy().fill(2),
    ],
    ids=["fill", "sign", "order", "numpy"],
)
def test_a_write_that_no_version_counts_is_seen(write: Callable[[Any], Any]) -> None:
    model = torch.nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    session = tracer.trace(model, torch.ones(2))
    version = model.weight._version
    write(model.weight)
    assert model.weight._version == version
    again = session.recompile()
    assert again.not_comparable == "1 parameter was written to since call 1 began."
    assert "outputs differ" not in str(session.diff(again))
    assert again.not_comparable in session.replay().notes


def test_parameters_of_every_dtype_have_a_print() -> None:
    from tracer.rerun.parameters import Parameters

    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.int8, torch.bool, torch.int64):
        for shape in ((), (0,), (3, 5), (400, 401)):
            parameter = torch.nn.Parameter(torch.ones(shape).to(dtype), requires_grad=False)
            held = Parameters()
            held.note(parameter)
            assert held.written() == 0
            parameter.data.fill_(0)
            assert held.written() == (1 if parameter.numel() else 0), (dtype, shape)


def test_another_code_object_is_named() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return helper(x)

    def helper(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    session = tracer.trace(program, torch.ones(1))
    helper.__code__ = (lambda x: x + 2).__code__
    again = session.recompile()
    assert again.result.tolist() == [3.0] and "helper was given another __code__, which is what ran" in again.rerun_notes[0]
    assert again.not_comparable.startswith("Not all was as recorded: ")


def called(x: torch.Tensor) -> torch.Tensor:
    return x + 1


class Body:
    def method(self, x: torch.Tensor) -> torch.Tensor:
        return x * 3


def test_functions_and_methods_that_were_replaced_are_those_of_then(monkeypatch: pytest.MonkeyPatch) -> None:
    def program(x: torch.Tensor, body: Body) -> torch.Tensor:
        return body.method(called(x))

    session = tracer.trace(program, torch.ones(1), Body())
    monkeypatch.setitem(globals(), "called", lambda x: x + 10)
    monkeypatch.setattr(Body, "method", lambda self, x: x)
    assert session.recompile().result.tolist() == session.result.tolist() == [6.0]
    assert program(torch.ones(1), Body()).tolist() == [11.0]


def test_classes_that_are_not_python_s_are_left_alone() -> None:
    from torch.profiler import ProfilerActivity

    def program(x: torch.Tensor) -> torch.Tensor:
        return x + 1 if ProfilerActivity.CPU.name == "CPU" else x

    again = tracer.trace(program, torch.ones(1)).recompile(dynamic=True)
    assert again.error is None and again.result.tolist() == [2.0]


SPACE = types.SimpleNamespace(hist=[], inner=types.SimpleNamespace(count=0))
SPACE.own = vars(SPACE)


def test_a_namespace_is_state_and_so_is_its_dict() -> None:
    def step(x: torch.Tensor) -> torch.Tensor:
        SPACE.hist.append(1)
        SPACE.inner.count += 1
        SPACE.own["extra"] = len(SPACE.hist)
        return x + SPACE.inner.count + SPACE.extra

    session = tracer.Session()
    for _ in range(2):
        session.run(step, torch.ones(2))
    before = (len(SPACE.hist), SPACE.inner.count, SPACE.extra)
    for again in (session.recompile(dynamic=True), session.recompile(engine="dynamo")):
        assert torch.equal(again.result, session.result) and not again.rerun_notes and not again.not_comparable
        assert (len(SPACE.hist), SPACE.inner.count, SPACE.extra) == before == (2, 2, 2)


@pytest.mark.parametrize("then", [False, True], ids=["added since", "taken away since"])
def test_hooks_on_all_modules_and_optimizers_are_those_of_then(then: bool) -> None:
    model, seen = torch.nn.Linear(2, 2), []
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer = torch.optim.SGD([weight], lr=0.0)

    def step(x: torch.Tensor) -> torch.Tensor:
        optimizer.step()
        return model(x) + len(seen)

    def add() -> list[Any]:
        return [
            torch.nn.modules.module.register_module_forward_hook(lambda _m, _i, out: out * 100),
            register_optimizer_step_post_hook(lambda *_: seen.append(1)),
        ]

    handles = add() if then else []
    try:
        session = tracer.trace(step, torch.ones(1, 2))
        if then:
            [handle.remove() for handle in handles]
        else:
            handles = add()
        again = session.recompile(dynamic=True)
        assert torch.equal(again.result, session.result) and len(seen) == then
        assert session.replay().ok
        assert not torch.equal(model(torch.ones(1, 2)), session.result)  # what is there now stays
    finally:
        [handle.remove() for handle in handles]


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


DISABLED: Any = torch._disable_dynamo(_doubled)


def test_what_torch_writes_at_a_first_call_is_state_as_well() -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    function: Any = _doubled

    def step(x: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        model(DISABLED(x)).sum().backward()
        optimizer.step()
        return x

    tracer.trace(step, torch.ones(1, 2)).recompile()  # what else torch remembers of a first time
    function.__dict__.pop("__dynamo_disable")
    session = tracer.trace(step, torch.ones(1, 2))
    assert "__dynamo_disable" in function.__dict__
    replayed = session.replay()
    assert replayed.ok, str(replayed)
    assert "__dynamo_disable" in function.__dict__ and "written to" in replayed.notes[0]


class Counted(int):
    met: list[int] = []


class Step(enum.IntEnum):
    ONE = 1


class Told(torch.Tensor):
    names: list[str] = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.names.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


ONE: Any = Step.ONE


def counts(x: torch.Tensor, number: Any) -> Any:
    number.met.append(1)
    return x * len(number.met)


def marks(x: torch.Tensor, step: Any) -> Any:
    step.met.append(2)
    return x * len(step.met)


def is_told(x: torch.Tensor, other: Any) -> Any:
    return (other + 1).sum() * len(other.names)


@pytest.mark.parametrize(
    ("program", "argument", "held"),
    [(counts, Counted(3), Counted.met), (marks, ONE, ONE.__dict__.setdefault("met", [])), (is_told, torch.ones(2).as_subclass(Told), Told.names)],
    ids=["class of an int", "member that is an int", "class of a tensor"],
)
def test_what_classes_of_plain_values_hold_is_state(program: Any, argument: Any, held: list[Any]) -> None:
    """And to copy what a call was given tells its class nothing."""
    held.clear()
    with tracer.Session("trace") as session:
        first = session.run(program, torch.ones(1), argument)
        left = list(held)
        again = session.recompile()
        assert again.error is None and again.not_comparable == "" and again.rerun_notes == ()
        assert torch.equal(again.result.as_subclass(torch.Tensor), first.as_subclass(torch.Tensor))
        assert session.replay().ok and held == left
