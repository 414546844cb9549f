"""Finds the interpreters whose bytecode the package reads, wherever this machine keeps them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.isa import READ

__all__ = ["ROOT", "VERSIONS", "interpreter", "run"]

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = [f"{major}.{minor}" for major, minor in READ]


def _candidates(version: str) -> Iterator[str]:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield sys.executable
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    yield from map(str, sorted(uv.glob(f"cpython-{version}.*/bin/python3"), reverse=True))


@functools.cache
def _find(version: str) -> str | None:
    for path in _candidates(version):
        asked = "import sys; print('%s-%d.%d' % (sys.implementation.name, *sys.version_info[:2]))"
        # A shim of pyenv is on the path for every version, and fails for those that aren't selected.
        answer = subprocess.run([path, "-c", asked], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == f"cpython-{version}":
            return path
    return None


def interpreter(version: str) -> str:
    """The path of a CPython of that version; skips the test if there is none."""
    found = _find(version)
    if found is None:
        pytest.skip(f"no CPython {version} here")
    return found


def run(version: str, module: str, *arguments: str, timeout: float = 60) -> str:
    """What a module of the checkout prints, run by the CPython of that version; fails the test if it fails."""
    command = [interpreter(version), "-m", module, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout
