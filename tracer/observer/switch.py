"""Wrappers around torch.compile's functions: in place while some session's call runs, and only for the threads that run one.

Each hook is a generator: what it does before the function, `result, error = yield`, what it does after. The wrapper runs it and
never lets an error of its own into the compile; only `BaseException`s pass, such as the end of a call that was given up.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from ..compat import dynamo
from ..compat.wrappers import called_by_wrapper
from ..errors import TracerError

if TYPE_CHECKING:
    from .watch import Watch

__all__ = ["Body", "Hook", "missing", "observing", "paused"]

#: A hook's body: called with the watch and the function's arguments.
Body = Callable[..., Generator[None, tuple[Any, BaseException | None], None]]


class Hook:
    """A row of the table. `level`: "every" where it only serves instructions, "nothing" where even silent sessions need it.
    `make`: a wrapper of its own for functions that the common one doesn't fit."""

    def __init__(self, point: str, body: Body | None = None, *, level: str = "decisions", make: Any = None):
        self.point, self.body, self.level, self.make = point, body, level, make


class _Here(threading.local):
    watch: Watch | None = None


class _Process:
    """What is in place in this process: one set of wrappers, however many sessions run."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.wrapped: dynamo.Wrapped | None = None
        self.users = 0
        self.paused: dict[int, str] = {}  # threads that wait inside a compile


_here = _Here()
_process = _Process()


def current() -> Watch | None:
    """The watch of this thread's call, unless one of its hooks is at work."""
    watch = _here.watch
    return None if watch is None or watch.busy else watch


def missing() -> list[tuple[str, str, str]]:
    """(point, what is lost, why) for each hook point that the installed torch doesn't have."""
    return [(found.point.name, found.point.gives, found.why) for found in dynamo.probe() if found.why]


@contextlib.contextmanager
def observing(watch: Watch) -> Iterator[None]:
    """This thread's compiles are told to `watch`."""
    with _process.lock:
        _process.users += 1
        if _process.wrapped is None:
            _process.wrapped = _install()
    before, _here.watch = _here.watch, watch
    try:
        yield
    finally:
        _here.watch = before
        with _process.lock:
            _process.users -= 1
            if not _process.users and _process.wrapped is not None:
                _process.wrapped.remove()
                _process.wrapped = None


def _install() -> dynamo.Wrapped:
    from .hooks import HOOKS

    wrapped = dynamo.Wrapped()
    try:
        for found in dynamo.probe():
            if not found.why:
                hook = HOOKS[found.point.name]
                wrapped.install(found, (hook.make or _wrapper)(hook, found.function))
        dynamo.asking_lock(wrapped, _ask)
        dynamo.tell_of_hits(wrapped, _looked_up)
        dynamo.keep_apart(wrapped, _region, _mark)
    except BaseException:
        wrapped.remove()
        raise
    return wrapped


def _wrapper(hook: Hook, function: Any) -> Any:
    body, level, missing = hook.body, hook.level, hook.point
    assert body is not None

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        watch = current()
        if watch is None or level not in watch.levels or missing in watch.off:
            return function(*args, **kwargs)
        steps = watch.before(body, args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            watch.after(steps, None, error)
            raise
        watch.after(steps, result, None)
        return result

    return wrapper


def _looked_up(hit: bool) -> None:
    """Compiled entries of a function were checked; one that holds is run."""
    watch = _here.watch
    if hit and watch is not None and not watch.busy:
        watch.hit(called_by_wrapper(3))


def _region(region: int) -> int:
    watch = _here.watch
    return region if watch is None else watch.region(region)


def _mark(backend: Any) -> Any:
    watch = _here.watch
    return backend if watch is None else watch.mark(backend)


# --- pausing --------------------------------------------------------------------------------------------------------------


def _ask() -> None:
    """Raised in a thread that would wait for a compile which waits for a person."""
    ident = threading.get_ident()
    for thread, what in list(_process.paused.items()):
        if thread != ident:
            raise TracerError(
                f"torch.compile can't compile anything now: a stepped call waits inside its compile of {what}, and it compiles one frame at a time.",
                next="let the stepped call go on (run()) or give it up (abort()); what is compiled already can be called meanwhile",
            )


@contextlib.contextmanager
def paused(what: str) -> Iterator[None]:
    """This thread waits inside a compile."""
    ident = threading.get_ident()
    _process.paused[ident] = what
    try:
        yield
    finally:
        _process.paused.pop(ident, None)
