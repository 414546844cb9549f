"""Whose code a file holds: torch's, ours, Python's own, that of what was installed, or the program's.

In: the name of a file as code objects and recordings have it. Out: one of five words. The folders are this process's own; a file of another
machine (a recording made there) is told by how installations are laid out: packages below `site-packages` or `dist-packages`, the
standard library in `lib/python3.N` beside them. What such a folder is called by itself says nothing: a project may be called torch.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sysconfig

__all__ = ["CALL", "INSTALLED", "LIBRARIES", "OURS", "PROGRAM", "PYTHON", "TORCH", "in_package", "is_library", "whose"]

TORCH, OURS, PYTHON, INSTALLED, PROGRAM = "torch", "tracer", "python", "installed", "program"
LIBRARIES = frozenset({TORCH, OURS, PYTHON})
#: How the file is named of a function that was generated to call a module: it stands for a call of the program's.
CALL = "<call of "
_PACKAGES = re.compile(r".*[/\\](?:site|dist)-packages[/\\]")
_STANDARD = re.compile(r".*[/\\]lib(?:64)?[/\\]python3\.\d+t?[/\\]")


def _folders(*paths: str | None) -> tuple[str, ...]:
    return tuple({os.path.join(os.path.abspath(path), "") for path in paths if path})


def _package(name: str) -> tuple[str, ...]:
    """Where a package is, without importing it."""
    spec = importlib.util.find_spec(name)
    return _folders(*(spec.submodule_search_locations or ())) if spec is not None else ()


_TORCH = _package("torch")
_OURS = _folders(os.path.dirname(__file__))
_SITE = _folders(*map(sysconfig.get_path, ("purelib", "platlib")))
_STDLIB = _folders(*map(sysconfig.get_path, ("stdlib", "platstdlib")))


@functools.lru_cache(maxsize=4096)
def whose(file: str) -> str:
    """TORCH, OURS (also what we generate), PYTHON (the standard library), INSTALLED (any other package of an environment) or PROGRAM."""
    if file.startswith("<"):
        return OURS if file.startswith("<tracer") else PYTHON if file.startswith("<frozen") else PROGRAM
    if file.startswith(_TORCH):
        return TORCH
    if file.startswith(_OURS):
        return OURS
    package = in_package(file)
    if package is not None:
        return TORCH if package.startswith(("torch/", "torch\\")) else INSTALLED
    if file.startswith(_SITE):
        return INSTALLED
    return PYTHON if file.startswith(_STDLIB) or _STANDARD.match(file) else PROGRAM


def is_library(file: str) -> bool:
    """Whether a file is torch's, the standard library's or generated: not what a person wrote or chose to read. Other packages are."""
    return whose(file) in LIBRARIES or file.startswith(CALL)


def in_package(file: str) -> str | None:
    """What is left of the name from the package on (`transformers/models/…`); None of a file that isn't below such a folder."""
    found = _PACKAGES.match(file)
    return file[found.end() :] if found is not None else None
