"""Raising, catching, chaining, finally; errors that reach the caller; errors that operators raise."""

import contextlib
import sys
import traceback

import torch
from torch import randn

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class Special(ValueError):
    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


@program(lambda: (randn(3), 3))
def raised_and_caught(x, n):
    try:
        if n > 2:
            raise Special("too big", code=n)
    except ValueError as error:
        x = x * error.code
        text = str(error), error.args
    return x, text


@program(lambda: (randn(3),))
def try_except_else_finally(x):
    log = []
    try:
        log.append("try")
        y = x + 1
    except ValueError:
        log.append("except")
    else:
        log.append("else")
    finally:
        log.append("finally")
    return y, log


@program(lambda: (randn(3),))
def finally_runs_on_return_and_break(x):
    log = []

    def inner():
        for i in range(3):
            try:
                if i == 1:
                    return x * i
            finally:
                log.append(i)

    def overrides():
        for i in range(3):
            try:
                1 / 0
            except ZeroDivisionError:
                continue
            finally:
                log.append(("f", i))
        return "end"

    return inner(), overrides(), log


@program(lambda: (randn(3),))
def exception_through_inlined_calls(x):
    def deep(n):
        if n == 0:
            raise KeyError("bottom")
        return deep(n - 1)

    try:
        deep(4)
    except KeyError as error:
        return x + 1, error.args[0], repr(error)


@program(lambda: (randn(3),))
def chained_exceptions(x):
    try:
        try:
            {}["k"]
        except KeyError as error:
            raise ValueError("from it") from error
    except ValueError as error:
        cause = error.__cause__
    try:
        try:
            raise KeyError("first")
        except KeyError:
            raise TypeError("second")
    except TypeError as error:
        context = error.__context__
    try:
        raise ValueError("quiet") from None
    except ValueError as error:
        quiet = error.__suppress_context__
    return x + 1, type(cause), type(context), quiet


@program(lambda: (randn(3),))
def reraise_and_nested_handlers(x):
    log = []
    try:
        try:
            raise ValueError("inner")
        except TypeError:
            log.append("wrong")
        except (KeyError, ValueError):
            log.append("right")
            raise
    except Exception as error:
        log.append(str(error))
    return x * len(log), log


@program(lambda: (randn(3),))
def exception_state_is_visible(x):
    try:
        raise ValueError("v")
    except ValueError:
        inside = sys.exc_info()[0]
    return x + 1, inside, sys.exc_info()[0]


@program(lambda: (randn(3),))
def traceback_is_read(x):
    try:
        raise ValueError("v")
    except ValueError as error:
        names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return x + 1, names


@program(lambda: (randn(3), -1), **UNKNOWN)
def raised_to_the_caller(x, n):
    y = x + 1
    if n < 0:
        raise Special(f"n is {n}", code=n)
    return y


@program(lambda: (randn(3), [1]), **UNKNOWN)
def effects_before_an_escaping_exception(x, values):
    values.append(x + 1)
    x.add_(1)
    print("before")
    raise Special("after effects")


@program(lambda: (randn(3),), **UNKNOWN)
def escaping_with_cause_and_context(x):
    try:
        x.sum()
        {}["k"]
    except KeyError as error:
        raise Special("wrapped") from error


@program(lambda: (randn(3),), **UNKNOWN)
def escaping_from_nested_helper(x):
    def check(t):
        if t.shape[0] != 4:
            raise AssertionError("want 4", t.shape)
        return t

    return check(x + 1)


@program(lambda: (randn(3), randn(4)), **UNKNOWN)
def shape_error_caught(x, y):
    try:
        return x + y
    except RuntimeError as error:
        return x * 2, str(error)


@program(lambda: (randn(3), randn(4)), **UNKNOWN)
def shape_error_to_the_caller(x, y):
    return torch.cat([x, x]) @ y


@program(lambda: (randn(3), randn(3)), **UNKNOWN)
def dtype_error_caught(x, y):
    try:
        x.long().add_(y)
    except RuntimeError as error:
        return x + 1, str(error)


@program(lambda: (randn(3), torch.tensor([7])), **UNKNOWN)
def data_dependent_index_error_caught(x, i):
    try:
        return torch.index_select(x, 0, i)
    except (IndexError, RuntimeError) as error:
        return x + 1, type(error)


@program(lambda: (torch.zeros(2, 2),), **UNKNOWN)
def singular_matrix_caught(x):
    try:
        return torch.linalg.inv(x)
    except RuntimeError as error:
        return x + 1, type(error)


@program(lambda: (torch.zeros(2, 2),))
def singular_matrix_to_the_caller(x):
    y = x + 0
    return torch.linalg.inv(y) * 2


@program(lambda: (randn(3),))
def python_errors_caught(x):
    seen, values = [], [5]
    for bad in (
        lambda: 1 / 0,
        lambda: int("x"),
        lambda: None + 1,
        lambda: x.nothing,
        lambda: [][3],
        lambda: values[0](),
    ):
        try:
            bad()
        except Exception as error:
            seen.append(type(error).__name__)
    return x + 1, seen


@program(lambda: (randn(3),), **UNKNOWN)
def exception_groups(x):
    log = []
    try:
        raise ExceptionGroup("both", [ValueError("a"), KeyError("b")])
    except* ValueError as group:
        log.append(("v", len(group.exceptions)))
    except* KeyError as group:
        log.append(("k", len(group.exceptions)))
    return x + 1, log


@program(lambda: (randn(3),))
def exception_object_returned(x):
    try:
        raise Special("kept", code=5)
    except Special as error:
        kept = error
    return x + kept.code, kept


@program(lambda: (randn(3),), **UNKNOWN)
def exception_made_not_raised(x):
    error = Special("made", code=2)
    error.note = x + 1
    return x * error.code, error, isinstance(error, Exception), error.args


@program(lambda: (randn(3),))
def handler_name_is_deleted(x):
    error = "before"
    try:
        raise ValueError
    except ValueError as error:
        pass
    try:
        error
    except NameError:
        return x + 1


@program(lambda: (randn(3),), **UNKNOWN)
def name_error(x):
    try:
        return not_defined_anywhere
    except NameError as error:
        return x + 1, str(error)


@program(lambda: (randn(3),))
def stop_iteration_by_hand(x):
    it = iter([1, 2])
    total = 0
    while True:
        try:
            total += next(it)
        except StopIteration:
            break
    return x * total, next(it, "default")


@program(lambda: (randn(3), {"a": 1}))
def dictionary_lookup_with_fallback(x, d):
    def get(key):
        try:
            return d[key]
        except KeyError:
            return -1

    return x * get("a") + get("b")


@program(lambda: (randn(3),), **UNKNOWN)
def system_exit_to_the_caller(x):
    x = x + 1
    raise SystemExit(3)


@program(lambda: (randn(3),))
def exception_with_tensor_argument(x):
    try:
        raise ValueError(x + 1, "and text")
    except ValueError as error:
        return error.args[0] * 2


def looked_up(x, i):
    return x[i] * 2


@program(lambda: (randn(3), torch.tensor([7])), **UNKNOWN)
def data_dependent_error_in_a_helper_caught_outside(x, i):
    y = x + 1
    try:
        z = looked_up(y, i)
    except IndexError as error:
        z = y * len(str(error))
    else:
        z = z + 1
    return z


@program(lambda: (randn(3), torch.tensor([7])), **UNKNOWN)
def data_dependent_error_suppressed(x, i):
    y = x
    with contextlib.suppress(IndexError, RuntimeError):
        y = x.gather(0, i)
    return y + 1


class Swallows:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.log.append((kind.__name__ if kind else None, trace is not None))
        return True


@program(lambda: (torch.zeros(2, 2), []), **UNKNOWN)
def operator_error_swallowed_by_a_manager(x, log):
    with Swallows(log):
        log.append("before")
        torch.linalg.cholesky(x)
        log.append("not reached")
    return x + 1


@program(lambda: (randn(3), []), **UNKNOWN)
def python_error_swallowed_by_a_manager(x, log):
    with Swallows(log):
        y = x * 2
        raise ValueError("no")
    return y + 1


@contextlib.contextmanager
def falls_back(log):
    try:
        yield
    except (RuntimeError, IndexError):
        log.append("fell back")


@program(lambda: (torch.tensor([4, 6]), torch.tensor([2, 0]), []), **UNKNOWN)
def integer_division_by_zero_caught_by_a_generator(x, y, log):
    z = x
    with falls_back(log):
        z = x // y
    return z + 1


@program(lambda: (randn(3), torch.tensor([7]), []), **UNKNOWN)
def operator_error_passes_a_finally(x, i, log):
    def inner():
        try:
            return torch.multinomial(-x.abs(), 1)
        finally:
            log.append("cleaned")

    try:
        return inner()
    except RuntimeError:
        return x * 2


@program(lambda: (randn(3), torch.tensor([1])))
def lookup_under_no_grad_stays_in_the_graph(x, i):
    with torch.no_grad():
        return x[i] + x.gather(0, i)


@program(lambda: (torch.zeros(3, requires_grad=True),), **UNKNOWN)
def in_place_on_a_view_of_a_leaf_raises(w):
    view = w[:2]
    try:
        view.add_(1)
    except RuntimeError as error:
        return w + 1, str(error)


@program(lambda: (ValueError("outside"), randn(3)))
def exception_from_outside_is_chained(error, x):
    try:
        try:
            raise KeyError("k")
        except KeyError:
            raise error
    except ValueError as caught:
        seen = caught.__cause__, caught.__suppress_context__, caught is error
    error.args = (1, "two")
    return x + 1, seen, error.__context__, error.args, error


def caught_in_turn(error, x):
    try:
        try:
            raise error
        except ValueError as first:
            raise TypeError("second") from first
    except TypeError as second:
        try:
            raise error
        except ValueError:
            return x + 1, second.__context__, second.__cause__ is error


def chain_of(error, x):
    return x + 1, error.__context__, error.__cause__, error.__suppress_context__


@scenario(graphs=None)
def chain_of_an_exception_from_outside(run):
    error = ValueError("outside")
    run(caught_in_turn)(error, randn(3))
    run(chain_of)(error, randn(3))
    error.__cause__ = KeyError("another")
    run(chain_of)(error, randn(3))
