"""A file that was written, run by a Python of its own before it is called written.

In: the files, in a folder beside their target. Out: nothing, where that Python finds what was recorded; else TracerError with what it found.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tracer.errors import TracerError

__all__ = ["Tell", "aside", "run", "silent"]

#: Hears what an export is about to do, a line each.
Tell = Callable[[str], object]


def silent(_words: str) -> None:
    """For who doesn't listen."""


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A folder beside `path`, for what isn't right yet: what is there already stays until all is."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".tracer-") as folder:
        yield Path(folder)


def run(name: str, arguments: list[str], folder: Path, tell: Tell, next: str) -> None:
    """`python ARGUMENTS` in `folder`, without anything of ours; its lines are told as they come. `name`: what is tried; `next`: what may be
    done where it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACER_")}
    environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if os.path.isabs(part))  # where torch comes from here
    tell(f"checking {name} in a Python of its own, which has to start and load it")
    command = [sys.executable, "-u", "-P", *arguments]
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, errors="replace", cwd=folder, env=environment) as process:
            try:
                for line in process.stdout or ():
                    tell(f"{name}: {line.rstrip()}")
            except BaseException:  # an interrupt, mostly
                process.kill()
                raise
        said.seek(0)
        if process.returncode:
            why = _why(process.returncode, said.read())
            words = "doesn't give again what was recorded" if why.startswith("AssertionError") else "can't be loaded and run"
            raise TracerError(
                f"what was written for {name} {words}, so it was removed: {why}",
                next=f"pass check=False to have it written nevertheless, or {next}",
            )


def _why(code: int, said: str) -> str:
    """The last error of a process, which may have more than one line."""
    if code < 0:
        return f"its process was ended by signal {-code}"
    lines = said.rstrip().split("\n")
    last = max((number for number, line in enumerate(lines) if re.match(r"\w[\w.]*(Error|Exception|Interrupt|Exit)\b", line)), default=len(lines) - 1)
    return " ".join(" ".join(lines[last:]).split())[:500]
