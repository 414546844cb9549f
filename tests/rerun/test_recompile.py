"""A recorded call run again: on copies, as it was, with nothing of the program changed."""

from __future__ import annotations

import gc
import random
import weakref
from typing import Any

import pytest
import torch
from torch import nn

import tracer
from tracer.events import Output

COUNT = 0
LOG: list[int] = []
WEIGHT = torch.ones(3)


@pytest.fixture(autouse=True)
def fresh() -> None:
    global COUNT, WEIGHT
    COUNT, WEIGHT = 0, torch.ones(3)
    LOG.clear()


def outputs(session: tracer.Session) -> str:
    return "".join(event.text for event in session.events if isinstance(event, Output))


def same(a: tracer.Session, b: tracer.Session) -> bool:
    assert b.not_comparable == ""
    return torch.equal(a.result, b.result)


# ---- settings
@pytest.mark.parametrize(
    "changes", [{"backend": "aot_eager"}, {"dynamic": True}, {"specialize_int": True}, {"record": "decisions"}]
)
def test_settings_change_and_results_stay(changes: dict[str, Any]) -> None:
    def program(x: torch.Tensor, n: int) -> torch.Tensor:
        return (x * n).relu().sum(0)

    session = tracer.trace(program, torch.randn(4, 3), 3)
    again = session.recompile(**changes)
    assert same(session, again) and again.rerun_of is session
    for name, value in changes.items():
        assert getattr(again.config, name) == value
    assert again.config.keep_calls == session.config.keep_calls


def test_dynamic_gives_symbols() -> None:
    again = tracer.trace(lambda x: x * 2, torch.randn(4, 3)).recompile(dynamic=True)
    assert any(type(event).__name__ == "ShapeDecision" for event in again.events)


def test_another_backend_drops_the_mode_of_the_first() -> None:
    with tracer.Session(backend="inductor", mode="reduce-overhead", keep_inputs=True) as session:
        changed = tracer.rerun.running._settings(session.config, {"backend": "eager"})
    assert changed["mode"] is None and changed["backend"] == "eager"


def test_fullgraph_is_refused_with_the_session_at_hand() -> None:
    def breaks(x: torch.Tensor) -> torch.Tensor:
        tracer.graph_break()
        return x + 1

    session = tracer.trace(breaks, torch.ones(2))
    with pytest.raises(tracer.TracerError, match="graph_break") as caught:
        session.recompile(fullgraph=True)
    assert caught.value.session.rerun_of is session
    assert caught.value.session.events


def test_dtype_and_autocast() -> None:
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    session = tracer.trace(model, x)
    assert session.recompile(dtype="bfloat16").result.dtype == torch.bfloat16
    cast = session.recompile(autocast=torch.bfloat16)
    assert cast.result.dtype == torch.bfloat16
    assert torch.allclose(cast.result.float(), session.result, atol=0.1)
    assert model.weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def test_overrides_stay_unless_others_are_given() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        return y * 2

    line = program.__code__.co_firstlineno + 2
    session = tracer.trace(program, torch.ones(2))
    again = session.recompile(overrides=[tracer.Override("break_here", tracer.Where(line=line, file=__file__))])
    assert len(again.graph_breaks) == 1 and same(session, again)
    assert again.recompile().overrides == again.overrides
    assert again.recompile(overrides=[]).graph_breaks == []


# ---- isolation
def test_globals_cells_defaults_and_output_are_as_before() -> None:
    def make() -> Any:
        n, seen = 0, []

        def program(x: torch.Tensor, acc: list[int] = []) -> torch.Tensor:
            global COUNT, MADE
            nonlocal n
            COUNT, n, MADE = COUNT + 1, n + 1, x
            LOG.append(n)
            acc.append(n)
            seen.append(x)
            WEIGHT.add_(1)
            print("called", COUNT)
            x.add_(1)
            return x * WEIGHT + random.random() + len(acc)

        return program, lambda: n, seen

    program, n, seen = make()
    x = torch.zeros(3)
    session = tracer.trace(program, x)
    state = random.getstate()
    again = session.recompile()
    assert same(session, again)
    assert (COUNT, LOG, n(), program.__defaults__, len(seen)) == (1, [1], 1, ([1],), 1)
    assert seen[0] is x and torch.equal(x, torch.ones(3)) and torch.equal(WEIGHT, torch.full((3,), 2.0))
    assert random.getstate() == state and globals()["MADE"] is x
    assert outputs(again) == "called 1\n"
    del globals()["MADE"]
    session.recompile()
    assert "MADE" not in globals()


def test_printing_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        print("one\ntwo", end="")
        return x

    session = tracer.trace(program, torch.ones(1))
    capsys.readouterr()
    again = session.recompile()
    assert capsys.readouterr().out == ""
    assert [e.text for e in again.events if isinstance(e, Output)] == ["one\n", "two"]


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.calls = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return nn.functional.dropout(self.norm(self.conv(x)).relu(), 0.5)


def test_buffers_counters_and_dropout() -> None:
    model, x = Conv(), torch.randn(2, 3, 8, 8)
    session = tracer.trace(model, x)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    for _ in range(2):
        assert same(session, session.recompile(backend="aot_eager"))
    assert model.calls == 1 and torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_training_step_leaves_the_model_and_says_that_it_moved() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)

    def step(x: torch.Tensor) -> torch.Tensor:
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    session = tracer.trace(step, torch.randn(5, 3))
    before = [p.detach().clone() for p in model.parameters()]
    again = session.recompile()
    assert "4 parameters were written to" in again.not_comparable
    assert again.error is None and again.result.item() != session.result.item()
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())
    assert [int(state["step"]) for state in optimizer.state.values()] == [1] * 4


def test_gradients_of_then() -> None:
    model, x = nn.Linear(2, 1), torch.ones(1, 2)

    def accumulate(x: torch.Tensor) -> torch.Tensor:
        model(x).sum().backward()
        return model.weight.grad.clone()

    accumulate(x)
    session = tracer.trace(accumulate, x)
    assert torch.equal(session.result, torch.full((1, 2), 2.0))
    assert torch.equal(session.recompile().result, session.result)
    assert torch.equal(model.weight.grad, session.result)


# ---- arguments
def test_views_share_memory_and_one_object_stays_one() -> None:
    def program(x: torch.Tensor, view: torch.Tensor, again: torch.Tensor) -> Any:
        x.add_(1)
        return view.sum(), x is again

    x = torch.zeros(4)
    session = tracer.trace(program, x, x[1:], x)
    again = session.recompile()
    assert session.result == again.result == (torch.tensor(3.0), True)


def test_what_requires_grad() -> None:
    def program(leaf: torch.Tensor, made: torch.Tensor) -> Any:
        made.mul_(2)
        out = (leaf * made).sum()
        out.backward()
        return leaf.grad.clone(), leaf.is_leaf, made.is_leaf

    leaf = torch.ones(2, requires_grad=True)
    session = tracer.trace(program, leaf, torch.ones(2, requires_grad=True) * 3)
    again = session.recompile()
    assert torch.equal(again.result[0], session.result[0]) and again.result[1:] == (True, False)
    assert torch.equal(leaf.grad, session.result[0])


def test_inference_mode_grad_mode_and_default_dtype() -> None:
    def program(x: torch.Tensor) -> Any:
        return torch.is_inference_mode_enabled(), torch.is_grad_enabled(), torch.zeros(1).dtype

    with torch.inference_mode():
        inference = tracer.trace(program, torch.ones(1))
    with torch.no_grad():
        silent = tracer.trace(program, torch.ones(1))
    torch.set_default_dtype(torch.float64)
    try:
        double = tracer.trace(program, torch.ones(1))
    finally:
        torch.set_default_dtype(torch.float32)
    for session in (inference, silent, double):
        assert session.recompile().result == session.result
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32


def test_containers_and_objects_that_hold_themselves() -> None:
    class Box:
        def __init__(self) -> None:
            self.items, self.me = [torch.ones(2)], self

    def program(box: Box, table: dict[str, Any]) -> Any:
        box.items.append(table["x"])
        return box.me is box, sum(box.items)

    box = Box()
    session = tracer.trace(program, box, {"x": box.items[0]})
    again = session.recompile()
    assert len(box.items) == 2 and again.result[0] and torch.equal(again.result[1], torch.full((2,), 2.0))
    assert again.rerun_notes == () and again.not_comparable == ""


def test_methods_and_the_state_they_have() -> None:
    class Counter:
        total = 0

        def __init__(self) -> None:
            self.n = 0

        def add(self, x: torch.Tensor) -> torch.Tensor:
            self.n += 1
            Counter.total += 1
            return x + self.n + Counter.total

    counter = Counter()
    session = tracer.trace(counter.add, torch.zeros(1))
    assert torch.equal(session.recompile().result, torch.full((1,), 2.0))
    assert (counter.n, Counter.total) == (1, 1)


# ---- errors and ends
def test_what_the_program_raises() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("no")

    with tracer.Session() as session:
        with pytest.raises(ValueError):
            session.run(program, torch.ones(1))
        again = session.recompile()  # as recorded: no warning
        assert isinstance(again.error, ValueError) and "ValueError" in again.not_comparable


def test_an_unexpected_exception_is_warned_about() -> None:
    path = {"there": True}

    def program(x: torch.Tensor, get: Any) -> torch.Tensor:
        if not get():
            raise KeyError("gone")
        return x

    def get() -> bool:
        return outside[0]

    outside = _Uncopied([True])
    session = tracer.trace(program, torch.ones(1), get)
    outside[0] = path.pop("there") is None
    with pytest.warns(RuntimeWarning, match="KeyError when it ran again"):
        again = session.recompile()
    assert isinstance(again.error, KeyError)


class _Uncopied(list):  # type: ignore[type-arg]
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("no")


def test_errors_name_what_there_is() -> None:
    session = tracer.trace(lambda x: x + 1, torch.ones(1))
    for settings, says in [
        ({"device": "cuda:77"}, "can't run on 'cuda:77': this machine has cpu"),
        ({"device": "nowhere"}, "this machine has cpu"),
        ({"call": 4}, "these are: 1"),
        ({"dtype": torch.int8}, "a floating dtype"),
        ({"bakend": "eager"}, "did you mean: backend"),
        ({"backend": 3}, "can't set backend to 3"),
    ]:
        with pytest.raises(tracer.TracerError, match=says):
            session.recompile(**settings)
    session.close()
    with pytest.raises(tracer.TracerError, match="is closed"):
        session.recompile()
    with pytest.raises(tracer.TracerError, match="is closed"):
        session.replay()
    with tracer.Session(keep_inputs=False) as without:
        without.run(lambda x: x + 1, torch.ones(1))
        with pytest.raises(tracer.TracerError, match="keeps no inputs"):
            without.recompile()
    with tracer.Session() as empty, pytest.raises(tracer.TracerError, match="no call of this session compiled"):
        empty.recompile()
    with tracer.Session() as block:
        with block.tracing():
            torch_user(torch.ones(1))
        with pytest.raises(tracer.TracerError, match="block of code can't be replayed"):
            block.replay()


def test_the_first_frame_of_a_block_runs_again():
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(3, 3)

        def forward(self, x, *more, k=2, **rest):
            h = self.inner(x) * k
            torch._dynamo.graph_break()
            return h.relu() + len(more) + rest["z"]

    model = Scaled()
    with tracer.Session() as session:
        with session.tracing():
            out = model(torch.ones(2, 3), 5, k=3, z=1)
        again = session.recompile(dynamic=True)
        assert torch.equal(again.result, out) and len(again.graphs) == len(session.graphs)
        assert not session.diff(again).same  # sizes are symbolic


def torch_user(x: torch.Tensor) -> torch.Tensor:
    return x + torch.ones(1)


def test_execute_false_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        LOG.append(1)
        x.add_(1)
        print("ran")
        return x * 2

    session = tracer.trace(program, torch.ones(2))
    runs: list[int] = []

    def backend(gm: Any, inputs: Any) -> Any:
        def call(*args: Any) -> Any:
            runs.append(1)
            return gm(*args)

        return call

    again = session.recompile(execute=False, backend=backend)
    assert len(again.graphs) == 1 and len(again.graph_breaks) == 1 and not runs and again.result is None
    assert outputs(again) == "" and LOG == [1] and "not run" in again.not_comparable
    model = tracer.trace(Conv(), torch.randn(1, 3, 8, 8)).recompile(execute=False)
    assert model.graphs[0].op_count > 2 and model.result is None


# ---- keeping
def program(x: torch.Tensor) -> torch.Tensor:
    return x * 2 + 1


def test_the_newest_calls_that_compile_are_kept_and_others_while_there_is_room() -> None:
    with tracer.Session(dynamic=False, keep_calls=3) as session:
        for _ in range(2):
            session.run(program, torch.ones(2))
        assert [(call.number, call.order) for call in session.keeper.calls] == [(1, 0), (2, None)]
        for size in (3, 4, 5):
            for _ in range(3):
                session.run(program, torch.ones(size))
        assert [(call.number, call.order) for call in session.keeper.calls] == [(3, 1), (6, 2), (9, 3)]
        assert session.recompile(call=6).result.shape == (4,)
        assert session.recompile().result.shape == (5,)
        assert "result is not that of call 9" in session.recompile().not_comparable  # call 11 is the last
        with pytest.raises(tracer.TracerError, match="these are: 3, 6, 9"):
            session.recompile(call=1)


def test_hits_beyond_the_room_copy_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with tracer.Session(keep_calls=2) as session:
        for _ in range(2):
            session.run(program, torch.ones(3))

        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise AssertionError("a cache hit copied something")

        monkeypatch.setattr("tracer.rerun.kept.Copier.copy", refuse)
        monkeypatch.setattr("tracer.rerun.kept.RandomState", refuse)
        monkeypatch.setattr("tracer.rerun.kept.Memory", refuse)
        for _ in range(3):
            session.run(program, torch.ones(3))
        assert session.keeper.copies == 2 and not session.keeper.begun and not session.keeper.listening


def test_large_tensors_of_hits_are_copied_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracer.rerun.kept.HITS", 1000)
    with tracer.Session() as session:
        for _ in range(6):
            session.run(program, torch.ones(200))
        assert [call.number for call in session.keeper.calls] == [1, 2, 3] and session.keeper.missed


def test_closing_frees_what_was_kept() -> None:
    class Holder:
        pass

    holder, x = Holder(), torch.ones(3)
    session = tracer.Session()
    session.run(lambda h, x: x + 1, holder, x)
    (kept,) = session.keeper.calls
    refs = [weakref.ref(each) for each in (kept, kept.args[0], kept.args[1], holder, x)]
    del kept, holder, x
    gc.collect()
    assert refs[0]() is not None and refs[2]() is not None and refs[4]() is None
    session.close()
    gc.collect()
    assert [ref() for ref in refs] == [None] * 5


def test_metadata_keeps_no_data() -> None:
    compiled = tracer.compile(lambda x, i, table: x[1:] + table[i], backend="eager")
    x, i, table = torch.zeros(4), torch.tensor([1, 0, 1]), torch.ones(2, dtype=torch.float64)
    compiled(x, i, table)
    ref = weakref.ref(x)
    state = torch.get_rng_state()
    again = compiled.session.recompile()
    assert again.error is None and again.result.shape == (3,) and again.result.dtype == torch.float64
    assert "random tensors stood in" in again.not_comparable and torch.equal(torch.get_rng_state(), state)
    del x
    gc.collect()
    assert ref() is None


def test_metadata_keeps_aliasing_and_marks() -> None:
    def aliased(x: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
        return x.add_(1)[1:] - view

    x = torch.zeros(5)
    with tracer.Session(keep_inputs="metadata") as session:
        session.run(aliased, x, x[1:])
        assert torch.equal(session.recompile().result, torch.zeros(4))
        torch._dynamo.mark_dynamic(x, 0)
        session.run(program, x)
        again = session.recompile()
    assert any(type(event).__name__ == "ShapeDecision" for event in again.events)


def test_a_call_that_had_run_in_part_says_so() -> None:
    def parts(x: torch.Tensor, flag: list[int]) -> torch.Tensor:
        y = x.add_(1)
        tracer.graph_break()
        return y * flag[0]

    with tracer.Session(keep_calls=1) as session:
        session.run(parts, torch.zeros(2), [1])
        session.run(parts, torch.zeros(2), [2])
        assert session.keeper.copies == 2
        again = session.recompile()
        assert "Part of call 2 had run" in again.not_comparable
        assert session.replay().ok


def test_gpt2() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=100, n_positions=32)
    model = transformers.GPT2LMHeadModel(config).train()
    session = tracer.trace(lambda ids: model(ids, labels=ids).loss, torch.randint(0, 100, (2, 16)))
    again = session.recompile(backend="aot_eager")
    assert torch.allclose(session.result, again.result) and again.not_comparable == ""
    replayed = session.replay()
    assert replayed.ok, str(replayed)
    assert replayed.compared > 1000


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_on_a_gpu(backend: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    model, scale = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), torch.full((1,), 2.0)

    def program(x: torch.Tensor) -> torch.Tensor:
        return model(x).mean((2, 3)) * scale

    session = tracer.trace(program, torch.randn(2, 3, 8, 8))
    before = model[1].running_mean.clone()
    again = session.recompile(device="cuda", backend=backend)
    assert again.result.device.type == "cuda" and again.not_comparable == ""
    assert torch.allclose(again.result.cpu(), session.result, rtol=1e-3, atol=1e-3)
    assert (
        scale.device.type == "cpu"
        and model[0].weight.device.type == "cpu"
        and torch.equal(model[1].running_mean, before)
    )
    assert session.recompile(device="cuda", backend=backend, autocast="bfloat16").error is None


def test_keeping_leaves_no_trace_on_classes() -> None:
    class Slotted:
        __slots__ = ("a", "b")

    one = Slotted()
    one.a = torch.ones(1)
    before = set(Slotted.__dict__)
    session = tracer.trace(lambda x, o: x + o.a, torch.ones(1), one)
    assert set(Slotted.__dict__) == before
    assert same(session, session.recompile()) and session.keeper.calls[0].args[1] is not one
