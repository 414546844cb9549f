"""Every operation of every program of the corpus can be the one that breaks, on every CPython that is here."""

from __future__ import annotations

import functools
import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

import bytecode
import pytest

from tests.codegen import checking, corpus

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = {case.name: case for case in corpus.CASES}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_break_changes_nothing(name: str) -> None:
    assert checking.check(BY_NAME[name], every=6) > 0


@pytest.mark.parametrize("name", BY_NAME)
def test_a_second_break_changes_nothing(name: str) -> None:
    checking.check_twice(BY_NAME[name], tries=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_NAME)
def test_a_break_at_every_step_changes_nothing(name: str) -> None:
    checking.check(BY_NAME[name])
    checking.check_twice(BY_NAME[name], tries=60)


@functools.cache
def interpreter(version: str) -> str | None:
    """Another CPython on this machine: on the path, or one of pyenv's."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found = [shutil.which(f"python{version}"), *sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python"))]
    for path in filter(None, found):
        command = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(command, capture_output=True, text=True).stdout.strip() == version:
            return path
    return None


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_other_versions(version: str, tmp_path: Path) -> None:
    """The same checks, thinned out, where only `bytecode` (pure Python) is lent from this environment."""
    if version == "%d.%d" % sys.version_info[:2]:
        pytest.skip("this is the one that runs")
    path = interpreter(version)
    if path is None:
        pytest.skip(f"no CPython {version} here")
    (tmp_path / "bytecode").symlink_to(Path(bytecode.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [path, "-m", "tests.codegen.checking", "16"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if "FAILED" in line) + done.stderr
