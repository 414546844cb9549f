"""What an explanation says of a line is what stands there: read from the source, and from the operation that was met."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import time
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import tracer
from tests.breaks import elsewhere

X = torch.arange(3.0) + 1
TABLE = np.ones(3, dtype=np.float32)
LINEAR = torch.nn.Linear(3, 3)
OPTIMIZER = torch.optim.RAdam(LINEAR.parameters(), lr=0.1)


def breaks_of(function: Any, *args: Any, **config: Any) -> list[Any]:
    with contextlib.redirect_stdout(io.StringIO()):
        return traced(function, *args, **config).graph_breaks


def traced(function: Any, *args: Any, **config: Any) -> Any:
    session = tracer.Session(**config)
    session.run(function, *(args or (X,)))
    return session


def only(function: Any, *args: Any, **config: Any) -> Any:
    (found,) = breaks_of(function, *args, **config)
    return found


def test_writing_the_environment_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def put(x: Any) -> Any:
        os.environ["TRACER_TEST_WRITTEN"] = "1"
        return x + len(os.environ["TRACER_TEST_WRITTEN"])

    def take(x: Any) -> Any:
        del os.environ["TRACER_TEST_WRITTEN"]
        return x + 2

    def refused(x: Any) -> Any:
        try:
            os.environ["TRACER_TEST_WRITTEN"] = 3  # type: ignore[assignment]
        except TypeError as error:
            return x + len(str(error))
        return x

    monkeypatch.setenv("TRACER_TEST_WRITTEN", "")
    for function in (put, refused, take):
        session = tracer.Session()
        found = session.run(function, X)
        written = os.environ.get("TRACER_TEST_WRITTEN")
        os.environ["TRACER_TEST_WRITTEN"] = "1"
        assert torch.equal(found, function(X)) and written == os.environ.get("TRACER_TEST_WRITTEN")
        (cut,) = session.graph_breaks
        assert cut.reason == "outside-state-write" and "TRACER_TEST_WRITTEN" in cut.explanation and cut.location.line > function.__code__.co_firstlineno


def test_the_first_call_of_a_lazy_module_is_one_break() -> None:
    lazy = torch.nn.LazyLinear(2)
    session = tracer.Session()

    def f(x: Any) -> Any:
        return lazy(x) + 1

    first = session.run(f, X)
    assert [cut.reason for cut in session.graph_breaks] == ["module-uninitialised"] and type(lazy) is torch.nn.Linear
    again = session.run(f, X)
    assert torch.equal(first, again) and torch.equal(again, f(X)) and len(session.graph_breaks) == 1


def test_torch_unique_keeps_some_elements() -> None:
    def f(x: Any) -> Any:
        return torch.unique(x)

    found = only(f)
    assert found.reason == "data-dependent-shape" and "`torch.unique(x)` at line" in found.explanation


def test_a_manager_of_torch_is_told_of_as_what_the_line_enters() -> None:
    def counted(x: Any) -> Any:
        with FlopCounterMode(display=False) as mode:
            y = x @ x
        return y, mode.get_total_flops()

    def inferring(x: Any) -> Any:
        with torch.inference_mode():
            return x * 2

    for function, name, shown in ((counted, "FlopCounterMode", "FlopCounterMode.__enter__"), (inferring, "inference_mode", "inference_mode.__enter__")):
        found = breaks_of(function)
        line = function.__code__.co_firstlineno + 1
        assert {(one.reason, one.location.line) for one in found} == {("context-unsupported", line)} and len(found) <= 2
        told = " ".join(one.explanation for one in found)
        assert f"({name})" in told and f"by way of `{shown}`" in told and "weak" not in told and "hash" not in told


def test_the_condition_is_named_wherever_a_truth_is_asked() -> None:
    def chosen(x: Any) -> Any:
        return x if x.any() else -x

    def kept(x: Any) -> Any:
        return [one for one in x if one.any()]

    def stated(x: Any) -> Any:
        if x.any():
            x = x + 1
        return x

    def repeated(x: Any) -> Any:
        while x.any():
            x = x * 0
        return x

    def denied(x: Any) -> Any:
        return 1 if not x.any() else 2

    for function, word, test in (
        (chosen, "if", "x.any()"), (kept, "if", "one.any()"), (stated, "if", "x.any()"), (repeated, "while", "x.any()"), (denied, "not", "x.any()"),
    ):  # fmt: skip
        found = only(function)
        assert found.title == f"Python `{word}` on a tensor's value" and f"with `{test}`, and `{test}` is a tensor" in found.explanation, function
        assert any("torch.where" in hint for hint in found.hints) == (function in (chosen, stated))


def test_a_list_of_values_is_no_loop_where_there_is_none() -> None:
    def listed(x: Any) -> Any:
        return x.tolist()

    def looped(x: Any) -> Any:
        return sum(value * 2 for value in x.tolist())

    found = only(listed)
    assert "loop" not in found.title + found.explanation + "".join(found.hints)
    found = only(looped)
    assert "loop over" in found.title and "loops over them" in found.explanation


def test_what_is_printed_is_the_tensor() -> None:
    def f(x: Any) -> Any:
        print("kept", x)
        return x

    found = only(f)
    assert "`x` has a shape, [3]," in found.explanation and "'kept'" not in found.context.values()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("return x if x.sum() > 0 else -x", "if"),
        ("while x.sum() < 9:\n        x = x * 2\n    return x", "while"),
        ("return x.sum() > 9 and x", "and"),
        ("return x.sum() > 0 or x", "or"),
        ("return not x.sum()", "not"),
    ],
)
def test_a_branch_is_named_by_its_word(text: str, word: str, tmp_path: Any) -> None:
    path = tmp_path / "program.py"
    path.write_text(f"def f(x):\n    {text}\n")
    names: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    found = breaks_of(names["f"])[0]
    assert found.title == f"Python `{word}` on a tensor's value"
    assert any("torch.where" in hint for hint in found.hints) == (word == "if")


def test_a_truth_that_nothing_on_the_line_tests_is_told_so() -> None:
    def f(x: Any) -> Any:
        return any([x.sum() > 0])

    found = only(f)
    assert found.title == "Python branch on a tensor's value"
    assert "by whether a tensor is true" in found.explanation


def test_a_number_from_data_is_no_tensor() -> None:
    def f(x: Any, y: Any) -> Any:
        n = x.item()
        return y * n if n > 3 else y + n

    found = only(f, torch.tensor(8), X, capture_scalar_outputs=True)
    assert "`n > 3`" in found.explanation and "is a tensor" not in found.explanation
    assert any("torch._check" in hint for hint in found.hints)


def test_an_error_that_is_seen_coming_is_told_as_that_and_one_of_the_data_is_not() -> None:
    def guarded(x, wrong):
        try:
            return x.reshape(3) if wrong else torch.histc(x, bins=2)
        except RuntimeError as error:
            return x + len(str(error))

    for wrong, words in ((True, "For what it is given here it raises RuntimeError."), (False, "An error is known in full only when the operation runs")):
        session = tracer.Session()
        assert torch.equal(session.run(guarded, torch.ones(2), wrong), guarded(torch.ones(2), wrong))
        text = " ".join(session.graph_breaks[0].explanation.split())
        assert words in text and ("For what it is given" in text) is wrong and "only the data" not in text


def test_the_try_is_named_with_its_file() -> None:
    def f(x: Any) -> Any:
        try:
            return elsewhere.factor(x)
        except RuntimeError:
            return x

    found = only(f, torch.eye(2))
    line = f.__code__.co_firstlineno + 1
    assert f"inside the `try` that opens at line {line} of test_lines.py" in found.explanation


def test_the_block_that_catches_is_named_for_what_it_is() -> None:
    def f(x: Any) -> Any:
        y = x + 1
        with contextlib.suppress(RuntimeError):
            y = torch.linalg.cholesky(x)
        return y

    found = breaks_of(f, torch.eye(2))[0]
    assert f"inside the `with` that opens at line {f.__code__.co_firstlineno + 2}" in found.explanation


def test_an_optimizer_is_told_as_one() -> None:
    def f(x: Any) -> Any:
        OPTIMIZER.step()
        return LINEAR(x)

    LINEAR(torch.ones(2, LINEAR.in_features)).sum().backward()
    OPTIMIZER.step()  # the first step makes the numbers, and knows them
    found = breaks_of(f, torch.ones(2, LINEAR.in_features))
    assert "RAdam" in found[0].explanation
    assert {one.reason for one in found} == {"optimizer-step-inside"}
    assert not any("compile(opt.step)" in hint for one in found for hint in one.hints)


def test_waiting_gives_no_answer() -> None:
    def f(x: Any) -> Any:
        time.sleep(0)
        return x

    found = only(f)
    assert "waits" in found.explanation and "answer" not in found.explanation


def test_numpy_is_said_to_be_translated_where_it_is() -> None:
    def f(x: Any) -> Any:
        return x + torch.from_numpy(np.sign(TABLE))

    found = only(f)
    assert "`np.sign(TABLE)` (`numpy.sign`): torch's layer gives other values than NumPy for some" in found.explanation


def test_the_old_constructor_makes_no_subclass() -> None:
    def f(x: Any) -> Any:
        return torch.Tensor(x) * x

    assert "subclass" not in only(f).explanation


def test_an_operator_that_is_not_captured_is_named_as_it_is_called() -> None:
    def f(x: Any) -> Any:
        return torch.func.linearize(torch.sin, x)[0]

    session = traced(f)
    assert [one.context["expr"] for one in session.graph_breaks] == ["torch.func.linearize(torch.sin, x)"]
    assert not any("torch.func" in frame.reason for frame in session.frames)


def test_an_operation_in_a_library_is_told_of_where_it_is() -> None:
    def f(x: Any) -> Any:
        with torch.inference_mode():
            y = x * 2
        return y

    found = breaks_of(f)[0]
    line = f.__code__.co_firstlineno + 1
    assert found.explanation.startswith(f"Line {line}, by way of `inference_mode.__enter__`, asks for or changes")


def test_of_a_condition_the_part_that_is_asked_is_named_and_marked() -> None:
    def both(x: Any, y: Any) -> Any:
        if y is not None and (x > 0).any():
            return x + 1
        return x

    def neither(x: Any, y: Any) -> Any:
        if y is None or not (torch.is_complex(x) or (x < 0).any()):
            return x + 1
        return x

    def turns(x: Any, y: Any) -> Any:
        while not (x.sum() > 50 or y.sum() > 100):
            x = x * 2
        return x

    def chosen(x: Any, y: Any) -> Any:
        if x.mean() > 3 if y is x else y.any():
            return x + 1
        return x

    def value(x: Any, y: Any) -> Any:
        return y.numel() and x.sum() and 3

    def last(x: Any, y: Any) -> Any:
        return [n for n in (1, 2) if n and x.sum() > n], x + 1

    def cleaned(x: Any, y: Any) -> Any:
        try:
            z = x * 2
        finally:
            if y is not None and x.any():
                z = x
        return z

    expected = {
        both: ["(x > 0).any()"], neither: ["(x < 0).any()"], turns: ["x.sum() > 50", "y.sum() > 100"], chosen: ["y.any()"], value: ["x.sum()"],
        last: ["x.sum() > n"], cleaned: ["x.any()"],
    }  # fmt: skip
    for function, parts in expected.items():
        found = breaks_of(function, X, X * 2)
        assert [one.context["test"] for one in found] == parts, function.__name__
        for one in found:
            assert f"`{one.context['test']}` is a tensor" in one.explanation
            text = linecache.getline(one.location.file, one.location.line)
            if function is not value:  # CPython asks there at the place of the whole
                assert text[one.location.column : one.location.end_column] == one.context["test"], function.__name__


def test_a_part_that_cannot_be_told_is_not_named() -> None:
    def f(x: Any, y: Any) -> Any:
        if 0 < x.sum() < 5 and y.any():
            return x
        return y

    for found in breaks_of(f, X, X):
        assert "test" not in found.context or found.context["test"] == "y.any()"


def test_a_function_of_a_library_that_has_no_name_is_told_by_its_line() -> None:
    file, text = os.path.join(os.path.dirname(torch.__file__), "nowhere.py"), "made = lambda x: x.sum().item()\n"
    linecache.cache[file] = len(text), None, [text], file
    names: dict[str, Any] = {}
    exec(compile(text, file, "exec"), names)

    def f(x: Any) -> Any:
        return x * names["made"](x)

    found = only(f)
    line = f.__code__.co_firstlineno + 1
    assert found.location.line == line
    assert f"`x.sum().item()` in `nowhere.py:1`, which line {line} comes to, asks" in found.explanation


def test_a_module_that_is_called_itself_is_told_at_the_line_that_calls_it():
    net = torch.nn.LSTM(3, 4)
    session, x = tracer.Session(), torch.ones(5, 2, 3)
    session.run(net, x)
    (found,) = session.graph_breaks
    here = test_a_module_that_is_called_itself_is_told_at_the_line_that_calls_it
    assert (found.location.file, found.location.line) == (__file__, here.__code__.co_firstlineno + 3)
    assert found.user_stack[-1].function == here.__name__ and "`session.run(net, x)` at line" in found.explanation
    again = session.recompile()
    assert again.graph_breaks[0].location == found.location and "break" not in str(session.diff(again)).lower().replace("graph breaks: none", "")
