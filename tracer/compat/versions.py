"""Which Python and which torch this is, and whether Tracer can work with them: asked before anything of ours touches either.

In: nothing. Out: sentences. `OLDEST` to `NEWEST` are the versions of torch that are let in; docs/versions.md says how much of the suite was
run with each, `PROVEN` is the one that all of it was: the seams try themselves under the others. One newer than `NEWEST`
is tried: what it lacks is found by name, or on a throwaway object, and said in one sentence.
"""

from __future__ import annotations

import platform
import sys
import sysconfig

from ..errors import CompatError
from ..isa import SUPPORTED

__all__ = ["NEWEST", "OLDEST", "PROVEN", "TORCHES", "check_python", "check_torch", "lacking", "python_refusal", "pythons"]

OLDEST, PROVEN, NEWEST = (2, 11), (2, 13), (2, 15)
#: As pip writes it.
TORCHES = f"torch>={OLDEST[0]}.{OLDEST[1]},<{NEWEST[0]}.{NEWEST[1] + 1}"


def pythons() -> str:
    """Versions of CPython whose bytecode is known, in words."""
    *others, last = (f"{major}.{minor}" for major, minor in sorted(SUPPORTED))
    return f"{', '.join(others)} and {last}"


def python_refusal(implementation: str, version: tuple[int, int], free_threaded: bool) -> str:
    """Why Tracer can't work under such a Python; "" where it can."""
    name = f"{implementation} {version[0]}.{version[1]}"
    if implementation != "CPython":
        return f"Tracer reads the bytecode of CPython, and this is {name}."
    if version not in SUPPORTED:
        return f"Tracer reads the bytecode of CPython {pythons()}, and this is {name}."
    if free_threaded:
        return f"Tracer needs CPython's global lock, and this is a free-threaded build ({name}t)."
    return ""


def check_python() -> None:
    """Raises CompatError under a Python that can't do."""
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    refusal = python_refusal(platform.python_implementation(), sys.version_info[:2], free_threaded)
    if refusal:
        raise CompatError(refusal, next=f"run it under CPython {pythons()}, not a free-threaded build, with {TORCHES}")


def check_torch(version: str) -> None:
    """Raises CompatError for a torch that is too old."""
    if parsed(version) < OLDEST:
        raise CompatError(
            f"Tracer needs torch {OLDEST[0]}.{OLDEST[1]} or newer, and {version} is installed.", next=f"pip install '{TORCHES}'"
        )


def parsed(version: str) -> tuple[int, ...]:
    """(major, minor)."""
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2])


def lacking(version: str, error: Exception) -> CompatError | None:
    """What to raise for an error out of our own imports, where the installed torch is newer than any that Tracer was made for: what it
    lacks. None where it is a known one, and the error is a fault."""
    if parsed(version) <= NEWEST:
        return None
    return CompatError(
        f"torch {version} is newer than what Tracer was made for, and lacks something that it needs: {error}.",
        next=f"pip install '{TORCHES}'; `python -m tracer doctor` says what else is missing",
    )
