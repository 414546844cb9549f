"""However a call ends, it is told as what it was: in the records, in `explain()`, in the widget's header, in a saved recording."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.compiler import set_stance

import tracer
import tracer.session
from tracer.explain import html
from tracer.explain.endings import ENDINGS
from tracer.recording import load
from widgets.models.book import Book
from widgets.models.head import head


def whole(x):
    return x * 2


def branching(x):
    if x.sum() > 0:
        return x + 1
    return x - 1


def raising(x):
    raise ValueError("the program's words")


def raising_ours(x):
    raise tracer.TracerError("the program's words")


def exhausted(x):
    raise torch.OutOfMemoryError("CUDA out of memory.")


def too_large(x):
    return torch.empty(1 << 60)


def leaving(x):
    raise SystemExit(3)


def by_text(x, text):
    return x + len(text)


def yielding(x):
    yield x


def fixed(x):
    return x + torch.ones(8)


def branching_on_half(x):
    return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x + x.sum().item(), (x,))


def forbidding(x):
    set_stance("default")
    return x + 1


def backend_failing(gm, examples):
    raise RuntimeError("the backend's words")


def backend_exhausted(gm, examples):
    raise torch.OutOfMemoryError("CUDA out of memory.")


def backend_interrupted(gm, examples):
    raise KeyboardInterrupt


def dynamic(size):
    x = torch.ones(size)
    torch._dynamo.mark_dynamic(x, 0)
    return x


def once(fn, *args, **settings):
    session = tracer.Session(**settings)
    try:
        session.run(fn, *args)
    except BaseException as error:
        return session, error
    return session, None


def again_and_again(**settings):
    session = tracer.Session(recompile_limit=2, **settings)
    try:
        for text in ("a", "bb", "ccc", "dddd"):
            session.run(by_text, torch.ones(2), text)
    except Exception as error:
        return session, error
    return session, None


def given_up():
    stepper = tracer.step(whole, torch.ones(2))
    stepper.into()
    stepper.abort()
    return stepper.session, None


def refused_in_a_block():
    session = tracer.Session()
    try:
        with session.tracing():
            tracer.Session(nonsense=1)
    except tracer.TracerError as error:
        return session, error
    return session, None


def failing_ours(**settings):
    """With a fault of the compiler itself."""

    def broken(*_):
        raise KeyError("ours")

    kept, tracer.session.translate = tracer.session.translate, broken
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return once(whole, torch.ones(2), **{"strict": False, **settings})
    finally:
        tracer.session.translate = kept


#: What happens → whose error it is, how the call ended, what of it is said.
ENDS = {
    "fullgraph": (lambda: once(branching, torch.ones(2), fullgraph=True), "fullgraph", "refused", "Python `if` on a tensor's value"),
    "fullgraph, watched": (lambda: once(branching, torch.ones(2), fullgraph=True, engine="dynamo"), "fullgraph", "refused", "Data-dependent branching"),
    "fullgraph, a generator": (lambda: once(yielding, torch.ones(2), fullgraph=True), "fullgraph", "refused", "generator and coroutine frames"),
    "limit with fullgraph": (lambda: again_and_again(fullgraph=True), "limit", "refused", "was compiled 2 times"),
    "limit with fullgraph, watched": (lambda: again_and_again(fullgraph=True, engine="dynamo"), "limit", "refused", "fullgraph=True"),
    "marked size": (lambda: once(fixed, dynamic(8)), "mark", "refused", "Constraints violated"),
    "marked size, watched": (lambda: once(fixed, dynamic(8), engine="dynamo"), "mark", "refused", "Constraints violated"),
    "backend": (lambda: once(whole, torch.ones(2), backend=backend_failing), "backend", "refused", "the backend's words"),
    "backend, watched": (lambda: once(whole, torch.ones(2), backend=backend_failing, engine="dynamo"), "backend", "refused", "the backend's words"),
    "memory of a backend": (lambda: once(whole, torch.ones(2), backend=backend_exhausted), "memory", "refused", "CUDA out of memory"),
    "memory of a backend, watched": (
        lambda: once(whole, torch.ones(2), backend=backend_exhausted, engine="dynamo"), "memory", "refused", "CUDA out of memory",
    ),
    "operator, watched": (lambda: once(branching_on_half, torch.ones(2), engine="dynamo"), "operator", "refused", "unless it is captured completely"),
    "torch": (lambda: once(forbidding, torch.ones(2), engine="dynamo"), "torch", "refused", "forbidden callable"),
    "session": (refused_in_a_block, "session", "refused", "there is no setting 'nonsense'"),
    "memory": (lambda: once(exhausted, torch.ones(2)), "memory", "raised", "OutOfMemoryError"),
    "memory of the CPU": (lambda: once(too_large, torch.ones(2)), "memory", "raised", "RuntimeError"),
    "program": (lambda: once(raising, torch.ones(2)), "program", "raised", "ValueError"),
    "program, with a class of ours": (lambda: once(raising_ours, torch.ones(2)), "program", "raised", "TracerError"),
    "program, with a class of ours, fullgraph": (lambda: once(raising_ours, torch.ones(2), fullgraph=True), "program", "raised", "TracerError"),
    "program, with a class of ours, watched": (lambda: once(raising_ours, torch.ones(2), engine="dynamo"), "program", "raised", "TracerError"),
    "program, watched": (lambda: once(raising, torch.ones(2), engine="dynamo"), "program", "raised", "ValueError"),
    "interrupt": (lambda: once(whole, torch.ones(2), backend=backend_interrupted), "interrupt", "aborted", "KeyboardInterrupt"),
    "interrupt, watched": (lambda: once(whole, torch.ones(2), backend=backend_interrupted, engine="dynamo"), "interrupt", "aborted", "KeyboardInterrupt"),
    "exit": (lambda: once(leaving, torch.ones(2)), "exit", "aborted", "SystemExit"),
    "given up": (given_up, "step", "aborted", "Aborted"),
    "our fault with fullgraph": (lambda: failing_ours(fullgraph=True), "tracer", "refused", "a fault of ours"),
    "our fault, strict": (lambda: failing_ours(strict=True), "tracer", "refused", "KeyError"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_a_call_ends_as_what_it_was(name, tmp_path) -> None:
    make, by, outcome, said = ENDS[name]
    session, error = make()
    call = session.records.calls[-1]
    assert (call.by, call.outcome) == (by, outcome), (call, error)
    session.save(tmp_path / "call.jsonl")
    saved = load(tmp_path / "call.jsonl")
    assert saved.records.calls == session.records.calls
    for records in (session.records, saved.records):
        page = html(records)
        text = " ".join(saved.explain().split())
        assert f"1 call {ENDINGS[by][0]}" in text and said in text
        assert ENDINGS[by][0].replace("'", "&#x27;") in page
        assert ("our own error, not the program's" in text) == (by == "tracer")
        assert "its results are right" not in text
        if outcome == "refused":
            assert "it runs as ordinary Python" not in text and "run as ordinary Python" not in text
    assert not [graph for graph in session.graphs if graph.frame in {f.id for f in session.frames if f.id and f.outcome != "compiled"}]
    for subject in (session, saved):
        sign = head(Book(subject))["sign"]
        if by == "exit":
            assert sign == "empty"
        else:
            assert sign == ("fault" if by == "tracer" else "error")


def test_what_fullgraph_refuses_is_told_with_all_that_the_explanation_says() -> None:
    session, error = once(branching, torch.ones(2), fullgraph=True)
    (found,) = session.graph_breaks
    assert session.stats["faults"] == 0 and found.location.line == branching.__code__.co_firstlineno + 1
    assert found.title in str(error) and found.explanation in str(error) and all(hint in str(error) for hint in found.hints)
    text = " ".join(session.explain().split())
    assert found.title in text and "What to do" in text and "refused in frame 0/0" in text and "splits" not in text


def test_what_torch_compile_refuses_an_operator_for_is_told_as_a_break_at_its_line() -> None:
    session, error = once(branching_on_half, torch.ones(2), engine="dynamo")
    (found,) = session.graph_breaks
    assert found.reason == "tensor-to-python-number" and found.location.line == branching_on_half.__code__.co_firstlineno + 1
    text = " ".join(session.explain().split())
    assert "fullgraph" not in text and "refused in frame 0/0" in text and session.records.effects == []
    kept, given_up = session.records.speculations
    assert kept.undone == () and dict(given_up.undone)["nodes"] >= 1 and "1 graph break" in text


def test_a_fault_of_ours_that_python_stood_in_for_is_no_end_of_a_call() -> None:
    session, error = failing_ours()
    (call,) = session.records.calls
    assert error is None and (call.outcome, call.by) == ("returned", "")
    assert "its results are right" in session.explain() and head(Book(session))["sign"] == "fault"


def test_what_was_compiled_too_often_has_its_own_words() -> None:
    session, error = again_and_again()
    assert error is None and len(session.records.limits) == 1
    text = " ".join(session.explain().split())
    assert "Compiled too often, now left uncompiled · by_text" in text and "What to do" in text and "1 function NOT COMPILED" in text
    assert head(Book(session))["sign"] == "broken"
    other, _ = again_and_again(engine="dynamo")
    assert len(other.recompiles) == len(session.recompiles) == 1 and len(other.records.limits) == 1 and "1 function NOT COMPILED" in other.explain()
    (watched,) = other.graph_breaks
    assert watched.reason == "recompile-limit" and watched.location.line == by_text.__code__.co_firstlineno


def test_a_recording_that_does_not_say_whose_error_it_was() -> None:
    from tracer.records.types import Call

    assert [Call(1, "f", outcome=outcome).by for outcome in ("returned", "raised", "refused", "aborted")] == ["", "program", "session", "interrupt"]


# ---- nothing was captured
def nothing(x):
    return None


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: once(nothing, torch.ones(2)), "1 function was traced, and none of its operations is one on tensors."),
        (lambda: once(yielding, torch.ones(2)), "yielding runs as ordinary Python: generator and coroutine frames run as they are"),
        (lambda: once(raising, torch.ones(2)), "The call ended before a graph was finished"),
        (lambda: once(len, [1]), "No function was called that can become a graph"),
        (lambda: once(len, [1], engine="dynamo"), "torch.compile"),
    ],
)
def test_nothing_captured_is_never_green_and_says_why(make, why) -> None:
    session, _ = make()
    assert why in session.why_nothing
    assert "NOTHING WAS COMPILED" in session.explain() and "Nothing was captured" in session.explain() and "Nothing was captured" in session._repr_html_()
    shown = head(Book(session))
    assert shown["sign"] in ("empty", "error") and f"Nothing was captured. {session.why_nothing}" in shown["note"]


def test_what_was_captured_says_nothing_of_it() -> None:
    session, _ = once(whole, torch.ones(2))
    assert session.why_nothing == "" and "Nothing was captured" not in session.explain()
    assert head(Book(session))["sign"] == "fine" and head(Book(session))["note"] == ""
