"""The recorder: one list, positions copied, spans that survive exceptions, threads that don't disturb each other."""

import threading
import timeit

import pytest

from tracer import events as ev
from tracer.journal import Journal, Recorder


class Variable:
    """Stands for a traced variable."""

    def __init__(self, text="3"):
        self.vid, self.text = 0, text

    def summary(self):
        return "constant", self.text, "int", None, "", "x"


def span(recorder, body=lambda: None):
    opens = recorder.begin(ev.BuildStarted, "x", "int")
    body()
    return recorder.end(ev.VariableBuilt, opens, "number", (), 1)


@pytest.mark.parametrize(
    ("level", "on", "every"), [("all", True, True), ("decisions", True, False), ("nothing", False, False)]
)
def test_levels(level, on, every):
    recorder = Recorder(level)
    assert (recorder.on, recorder.every) == (on, every)


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="all, decisions, nothing"):
        Recorder("most")


def test_numbers_count_and_the_position_is_copied():
    recorder = Recorder()
    recorder.call, recorder.frame, recorder.attempt, recorder.depth = 2, "1/0", 3, 4
    recorder.where = lambda: ("a.py", 7, 0, 7, 3)
    assert recorder.point(ev.Output, "stdout", "hello") == 0
    assert recorder.point(ev.Output, "stdout", "again") == 1
    first, second = recorder.events
    assert (first.call, first.frame, first.attempt, first.depth, first.parent) == (2, "1/0", 3, 4, -1)
    assert first.location == ("a.py", 7, 0, 7, 3) and first.text == "hello"
    assert 0 <= first.t <= second.t and (first.seq, second.seq) == (0, 1)


def test_spans_nest():
    recorder = Recorder()
    outer = recorder.begin(ev.AttemptStarted)
    span(recorder, lambda: recorder.point(ev.Output, "stdout", "in"))
    recorder.end(ev.AttemptEnded, outer, "kept")
    assert [(type(e).__name__, e.parent) for e in recorder.events] == [
        ("AttemptStarted", -1), ("BuildStarted", 0), ("Output", 1), ("VariableBuilt", 0), ("AttemptEnded", -1),
    ]  # fmt: skip
    assert recorder.parent == -1 and recorder.events[-1].opens == outer


def test_an_outcome_has_the_position_of_its_begin_and_skipped_ends_do_no_harm():
    recorder = Recorder()
    recorder.frame = "0/0"
    outer = recorder.begin(ev.AttemptStarted)
    recorder.begin(ev.InlineStarted, "f", "a.py", 1)
    recorder.depth = 1
    recorder.begin(ev.BuildStarted, "x", "int")  # an exception leaves both open
    recorder.end(ev.AttemptEnded, outer, "aborted")
    assert (recorder.events[-1].depth, recorder.events[-1].parent, recorder.parent) == (0, -1, -1)


def test_instructions_stand_beside_each_other_and_enclose_what_they_cause():
    recorder = Recorder()
    frame = recorder.begin(ev.AttemptStarted)
    at = ("a.py", 1, 0, 1, 5)
    recorder.instruction("LoadFast", "x", 0, (), at)  # 1
    span(recorder)  # 2 3
    recorder.instruction("Call", "1", 2, (1, 2), at)  # 4
    inline = recorder.begin(ev.InlineStarted, "f", "a.py", 9)  # 5
    recorder.instruction("LoadConst", "None", 0, (), at)  # 6
    recorder.instruction("Return", "", 1, (3,), at)  # 7
    recorder.end(ev.InlineFinished, inline, "returned")  # 8
    recorder.instruction("Return", "", 1, (3,), at)  # 9
    recorder.end(ev.AttemptEnded, frame, "kept")  # 10
    assert [e.parent for e in recorder.events] == [-1, 0, 1, 1, 0, 4, 5, 5, 4, 0, -1]
    journal = Journal(recorder.events)
    assert journal.span(1) == (1, 3) and journal.span(4) == (4, 8) and journal.span(9) == (9, 9)
    assert journal.span(0) == (0, 10) and journal.span(7) == (7, 7)
    assert [e.seq for e in journal.children(0)] == [1, 4, 9]


def test_a_build_that_an_exception_left_open_does_not_swallow_what_follows():
    recorder = Recorder()
    recorder.begin(ev.AttemptStarted)
    recorder.instruction("LoadFast", "x", 0, (), ())
    recorder.begin(ev.BuildStarted, "x", "int")
    recorder.begin(ev.BuildStarted, "x.y", "int")
    recorder.instruction("PopTop", "", 0, (), ())
    assert recorder.events[-1].parent == 0
    recorder.point(ev.Output, "stdout", "x")
    assert recorder.events[-1].parent == 4


def test_a_first_instruction_without_any_span():
    recorder = Recorder()
    recorder.instruction("Nop", "", 0, (), ())
    recorder.instruction("Nop", "", 0, (), ())
    assert [e.parent for e in recorder.events] == [-1, -1]


def test_variables_are_numbered_once_and_summarised_again_when_they_change():
    recorder = Recorder()
    first, second = Variable("3"), Variable("4")
    assert [recorder.variable(v) for v in (first, second, first)] == [1, 2, 1]
    recorder.changed(Variable())
    first.text = "5"
    recorder.changed(first)
    assert [(e.variable, e.text) for e in recorder.events] == [(1, "3"), (2, "4"), (1, "5")]


def test_mark_and_restore():
    recorder = Recorder()
    recorder.call, recorder.frame = 1, "0/0"
    mark = recorder.mark()
    recorder.begin(ev.FrameStarted, "f", "a.py", 1)
    recorder.call, recorder.frame, recorder.attempt, recorder.depth = 2, "3/1", 1, 5
    recorder.restore(mark)
    assert recorder.mark() == mark == (1, "0/0", 0, 0, -1)


def test_an_interceptor_sees_each_event_after_it_was_recorded_and_may_raise():
    recorder, seen = Recorder(), []

    def stop(event):
        assert recorder.events[-1] is event
        seen.append(event.seq)
        if len(seen) == 2:
            raise KeyboardInterrupt

    recorder.intercept(stop)
    outer = recorder.begin(ev.AttemptStarted)
    with pytest.raises(KeyboardInterrupt):
        recorder.instruction("Nop", "", 0, (), ())
    recorder.intercept(None)
    recorder.end(ev.AttemptEnded, outer, "aborted")
    assert seen == [0, 1] and [e.seq for e in recorder.events] == [0, 1, 2] and recorder.parent == -1


def test_another_thread_takes_over_and_asides_join_later():
    recorder = Recorder()
    recorder.begin(ev.SessionStarted, 0, 1, {}, {})
    elsewhere = threading.Thread(target=lambda: [recorder.aside(ev.CacheHit, "f", frame="2/0") for _ in range(3)])
    elsewhere.start()
    elsewhere.join()
    recorder.aside(ev.CacheHit, "mine")
    assert len(recorder.events) == 2 and recorder.events[1].thread == 0
    worker = threading.Thread(target=lambda: recorder.begin(ev.CallStarted, "f"))
    worker.start()
    worker.join()
    assert [type(e).__name__ for e in recorder.events[2:]] == ["CacheHit"] * 3 + ["CallStarted"]
    late = recorder.events[2]
    assert (late.frame, late.parent, late.thread) == ("2/0", 0, 1 if worker.ident == elsewhere.ident else late.thread)
    assert recorder.events[-1].thread != 0 and recorder.events[-1].parent == 0
    assert [e.seq for e in recorder.events] == list(range(6))


def test_asides_from_many_threads_keep_the_numbers_right():
    recorder = Recorder()

    def hits():
        for _ in range(200):
            recorder.aside(ev.CacheHit, "f")

    threads = [threading.Thread(target=hits) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        span(recorder)
    for thread in threads:
        thread.join()
    recorder.flush()
    assert [e.seq for e in recorder.events] == list(range(1200))


def test_what_an_event_costs(record_property):
    """Measured for the report, not asserted: the machine is shared. The budget is one microsecond."""
    recorder = Recorder()
    recorder.where = lambda at=("a.py", 1, 0, 1, 5): at
    recorder.begin(ev.AttemptStarted)
    at = recorder.where()
    costs = {
        "instruction": timeit.repeat(
            lambda: recorder.instruction("LoadFast", "x", 1, (1, 2), at), number=2000, repeat=5
        ),
        "point": timeit.repeat(lambda: recorder.point(ev.GuardInstalled, "x", "TYPE", "t"), number=2000, repeat=5),
    }
    for name, seconds in costs.items():
        record_property(f"ns per {name}", round(min(seconds) / 2000 * 1e9))


def test_a_span_that_is_cut_off_before_it_opens_leaves_nothing_open():
    """As by an interrupt: what follows would be inside a span that is itself."""
    recorder = Recorder("all")
    outer = recorder.begin(ev.CallStarted, "outer")

    def cut():
        raise KeyboardInterrupt

    recorder.where = cut
    with pytest.raises(KeyboardInterrupt):
        recorder.begin(ev.CallStarted, "cut")
    recorder.where = tuple
    recorder.point(ev.Output, "stdout", "text")
    assert [event.parent for event in recorder.events] == [-1, outer]
