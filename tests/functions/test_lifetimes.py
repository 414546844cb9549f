"""When objects end: generators that are left, weak references, weak containers, `__del__`, as CPython counts references."""

import gc
import weakref

import pytest
import torch
from torch import ones, randn

import tracer
from tests.differential import Expect, check
from tests.functions.test_lists import trace

ANY = Expect()


class Plain:
    pass


class Loud:
    def __init__(self, name, log):
        self.name, self.log = name, log

    def __del__(self):
        self.log.append(self.name)


class Method:
    def go(self):
        return 1


def batches():
    with torch.no_grad():
        yield from range(3)


def items(log):
    try:
        yield 1
        yield 2
    finally:
        log.append("closed")


# ---- generators
def test_a_generator_that_any_leaves_gives_grad_mode_back():
    def program(x):
        found = any(i == 0 for i in batches())
        return x + 1, found, torch.is_grad_enabled()

    trace(program)


def test_a_generator_is_closed_when_nothing_refers_to_it():
    def program(x):
        log = []
        for _ in items(log):
            break
        log.append("after the loop")
        log.append(next(items(log)))
        log.append(2 in items(log))
        log.append([pair for pair in zip(items(log), range(1))])
        log.append(all(v > 5 for v in items(log)))
        first, *rest = items(log)
        generator = items(log)
        next(generator)
        held = [generator]
        del generator
        log.append("still held")
        held.clear()
        log.append("after the list")
        return x + 1, log

    trace(program)


def test_a_generator_is_closed_where_its_frame_is_left():
    def first(log):
        for item in items(log):
            return item

    def failing(log):
        for _ in items(log):
            raise ValueError

    def program(x):
        log = [first(None or [])]
        log.append(first(log))
        try:
            failing(log)
        except ValueError:
            log.append("caught")
        log.append("end")
        return x + 1, log

    trace(program)


def test_a_generator_that_the_rest_of_a_frame_never_names_is_closed_where_it_is_left():
    def program(x):
        log = []
        held = items(log)
        x = x + next(held)
        torch._dynamo.graph_break()
        log.append("left")
        return x + 1, log

    def caller(x):
        return program(x)[1]

    trace(caller, expect=ANY)
    trace(program, expect=ANY)


def test_what_a_breaking_call_makes_ends_where_it_is_dropped():
    class Broken(Loud):
        def __init__(self, name, log):
            torch._dynamo.graph_break()
            super().__init__(name, log)

    def program(x):
        log = []
        held = [Broken("first", log)]
        held.clear()
        log.append("cleared")
        second = Broken("second", log)
        second = None
        log.append(second)
        return x + 1, log

    trace(program, expect=ANY)


def test_what_a_frame_holds_that_handles_an_error_at_a_break():
    def program(x):
        log = []
        try:
            log[3]
        except IndexError:
            held, others = Loud("first", log), [Loud("second", log)]
            torch._dynamo.graph_break()
            held = None
            log.append(held)
            others.clear()
        return x + 1, log

    trace(program, expect=ANY)


def test_a_weak_reference_made_behind_a_break_to_what_was_made_before_it():
    def program(x):
        log = []
        held = Plain()
        print(end="")
        seen = weakref.ref(held, lambda _: log.append("gone"))
        log.append(seen() is held)
        del held
        log.append(seen() is None)
        return x + 1, log

    trace(program, expect=ANY)


def test_a_generator_inside_a_checkpoint_is_closed():
    def body(x):
        any(i == 0 for i in batches())
        return x * 2

    def program(x):
        return torch.utils.checkpoint.checkpoint(body, x, use_reentrant=False) + 1, torch.is_grad_enabled()

    trace(program, lambda: randn(3, requires_grad=True))


def test_close_and_throw_pass_through_yield_from():
    def inner(log):
        try:
            yield 1
            yield 2
        except ValueError:
            log.append("caught inside")
            yield 9
        finally:
            log.append("inner closed")

    def outer(log):
        try:
            yield from inner(log)
        finally:
            log.append("outer closed")

    class Receiver:
        def __init__(self, log):
            self.log = log

        def __iter__(self):
            return self

        def __next__(self):
            return 5

        def throw(self, error):
            self.log.append(type(error).__name__)
            raise StopIteration(7)

        def close(self):
            self.log.append("receiver closed")

    def delegating(log):
        log.append((yield from Receiver(log)))
        yield 8

    def program(x):
        log = []
        generator = outer(log)
        log.append(next(generator))
        log.append(generator.throw(ValueError("v")))
        generator.close()
        generator = delegating(log)
        log.append((next(generator), generator.throw(ValueError("v"))))
        generator = delegating(log)
        next(generator)
        generator.close()
        generator = outer(log)
        next(generator)
        del generator
        return x + 1, log

    trace(program)


def test_what_closing_raises_is_written_down_by_python(capsys):
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            raise ValueError("while closing") from None

    def program(x):
        next(stubborn())
        return x + 1

    ignored = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.unraisablehook", lambda what: ignored.append(str(what.exc_value)))
        compiled = tracer.compile(program, backend="eager")
        assert compiled(ones(2)).tolist() == [2.0, 2.0]
    assert ignored == ["while closing"]


def test_a_generator_keeps_the_exception_that_it_handles():
    import sys
    from contextlib import contextmanager

    @contextmanager
    def raising_again():
        try:
            raise KeyError("k")
        except KeyError:
            yield
            raise

    def handling():
        try:
            raise KeyError("k")
        except KeyError:
            try:
                yield sys.exc_info()[0]
            except ValueError as error:
                yield type(error.__context__)
        yield sys.exc_info()[0]

    def program(x):
        found = []
        try:
            with raising_again():
                pass
        except KeyError as error:
            found.append(str(error))
        generator = handling()
        found += [next(generator), generator.throw(ValueError("v")), sys.exc_info()[0], next(generator)]
        try:
            raise IndexError
        except IndexError:
            generator = handling()
            found += [next(generator), sys.exc_info()[0], next(generator), sys.exc_info()[0]]
        return x + 1, found

    trace(program)


# ---- weak references
def test_a_weak_reference_dies_with_its_object():
    def program(x):
        log = []
        o = Plain()
        first, second = weakref.ref(o, lambda r: log.append("first")), weakref.ref(o, lambda r: log.append(r() is None))
        plain = weakref.ref(o)
        log.append(plain() is o and plain is weakref.ref(o))
        del o
        log.append((first(), second(), plain()))
        return x + 1, log

    trace(program)


def test_a_weak_reference_to_a_tensor():
    def program(x):
        t = torch.tensor([1.0])
        r = weakref.ref(t)
        alive = r() is t
        del t
        return x + 1, alive, r() is None

    trace(program)


def test_whether_a_tensor_that_was_used_lives_on_is_asked_of_python():
    def program(x):
        t = x.exp()
        r = weakref.ref(t)
        y = t * 2
        del t
        return y, r() is None

    check(program, lambda: randn(3, requires_grad=True))
    check(program, lambda: randn(3))


def test_weak_containers():
    def program(x):
        values, keys, members = weakref.WeakValueDictionary(), weakref.WeakKeyDictionary(), weakref.WeakSet()
        a, b = Plain(), Plain()
        values["a"], keys[a], values["b"] = a, 1, b
        members.add(a)
        members.add(b)
        seen = [len(values), len(keys), len(members), a in members, keys[a], values["a"] is a, Plain() in members]
        del a
        seen += [len(values), len(keys), len(members), sorted(values)]
        b = None
        return x + 1, seen, len(values), list(members)

    trace(program)


def test_a_weak_reference_to_a_method():
    def program(x):
        o = Method()
        method, dead = weakref.WeakMethod(o.go), weakref.ref(o.go)
        answer = method()()
        del o
        return x + 1, answer, method() is None, dead() is None

    trace(program)


def test_weak_references_leave_the_function_as_they_are():
    log = []

    def program(x):
        kept, lost = Plain(), Plain()
        return x + 1, kept, weakref.ref(kept, log.append), weakref.ref(lost), weakref.WeakValueDictionary(a=kept)

    def facts(result):
        _, kept, alive, dead, values = result
        found = [alive() is kept, alive.__callback__ is not None, dead() is None, values["a"] is kept]
        del kept, result
        return found

    compiled = tracer.compile(program, backend="eager")
    with compiled.session:
        result = compiled(ones(2))
        assert facts(program(ones(2))) == facts(result) == [True] * 4
        log.clear()
        reference = result[2]
        del result
        assert log == [reference]


def test_a_frame_with_such_objects_stays_in_python_behind_a_break():
    def program(x):
        log = []
        o = Plain()
        r = weakref.ref(o, lambda _: log.append("gone"))
        held = Loud("held", log)
        print(end="")
        log.append(r() is o)
        del o
        log.append(r() is None)
        del held
        log.append("end")
        return x + 1, log

    check(program, lambda: randn(3), expect=Expect(breaks=["print-call"]))


def test_an_argument_that_the_function_lets_go_of():
    def program(x, box, r):
        alive = r() is box[0]
        box.clear()
        return x + 1, alive, r() is None

    def make():
        o = Plain()
        return randn(3), [o], weakref.ref(o)

    check(program, make, expect=ANY, keep_inputs=False)


# ---- __del__
def test_del_runs_when_the_last_reference_goes():
    def inner(log):
        a, b = Loud("local 1", log), Loud("local 2", log)
        return 3

    def program(x):
        log = []
        a = Loud(1, log)
        del a
        log.append("after del")
        Loud(2, log)
        log.append("after the temporary")
        b = Loud(3, log)
        b = Loud(4, log)
        log.append("after the assignment")
        inner(log)
        values = [Loud(5, log), Loud(6, log)]
        values.pop(0)
        log.append("after pop")
        values = {"k": Loud(7, log)}
        log.append("after the list")
        owner = Plain()
        owner.child = Loud(8, log)
        alias = owner
        del owner
        log.append("still an alias")
        del alias
        return x + 1, log

    trace(program)


def test_del_may_keep_its_object():
    kept = []

    class Phoenix:
        def __del__(self):
            kept.append(self)

    def program(x):
        kept.clear()
        o = Phoenix()
        r = weakref.ref(o)
        del o
        return x + 1, r() is kept[0], len(kept)

    trace(program)


def test_a_cycle_waits_for_the_collector():
    def program(x):
        log = []
        a = Loud(1, log)
        a.self = a
        r = weakref.ref(a)
        del a
        return x + 1, list(log), r() is None

    gc.disable()
    try:
        check(program, lambda: randn(3), expect=ANY)
    finally:
        gc.enable()
        gc.collect()


def test_objects_in_the_frames_of_a_traceback_live_as_long_as_it():
    def failing(log):
        held = Loud("held", log)
        raise ValueError

    def program(x):
        log = []
        try:
            failing(log)
        except ValueError as error:
            log.append("handled")
            kept = error
        log.append("behind the handler")
        kept = None
        log.append("end")
        return x + 1, log

    trace(program)
