"""What can't do is refused in a sentence, and what is installed is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tracer
from tracer.cli import main
from tracer.compat import evalframe, versions
from tracer.errors import CompatError


@pytest.mark.parametrize(
    "asked, said",
    [
        (("CPython", (3, 10), False), "this is CPython 3.10."),
        (("CPython", (3, 99), False), "this is CPython 3.99."),
        (("PyPy", (3, 11), False), "this is PyPy 3.11."),
        (("CPython", (3, 13), True), "free-threaded build (CPython 3.13t)."),
        (("CPython", (3, 13), False), ""),
    ],
)
def test_a_python_is_refused_by_what_it_is(asked, said):
    refusal = versions.python_refusal(*asked)
    assert refusal.endswith(said) and bool(refusal) == bool(said)


def test_this_one_is_taken():
    versions.check_python()
    versions.check_torch(torch.__version__)


def test_an_old_torch_is_refused():
    with pytest.raises(CompatError, match=r"needs torch 2\.11 or newer, and 2\.10\.1\+cpu is installed.*\n.*pip install"):
        versions.check_torch("2.10.1+cpu")


def test_what_a_newer_torch_lacks_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setitem(tracer._WHERE, "lost", "config")
    with pytest.raises(AttributeError):
        tracer.lost
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    with pytest.raises(CompatError, match=r"torch 2\.99\.0 is newer than what Tracer was made for, and lacks .*'lost'"):
        tracer.lost


LACKING = """
import torch, torch._subclasses.fake_tensor
torch.__version__ = "2.99.0"
del torch._subclasses.fake_tensor.FakeTensorMode
for name in "tracer.api", "tracer.session", "tracer.whatif.pins", "tracer.compat.fakes":
    try:
        __import__(name)
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_it_is_said_whichever_module_is_imported():
    said = subprocess.run([sys.executable, "-c", LACKING], cwd=Path(tracer.__file__).parents[1], capture_output=True, text=True, check=True).stdout
    lines = said.splitlines()
    assert len(lines) == 2 * 4, said
    for first, rest in zip(lines[::2], lines[1::2], strict=True):
        assert first.startswith("CompatError torch 2.99.0 is newer than what Tracer was made for, and lacks something that it needs: ")
        assert "FakeTensorMode" in first and rest.split(":")[0] == "  next"


def test_the_doctor_tells_what_is_here(capsys):
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    for line in ("frame hook               works", "guard managers           works", "all of Tracer            works", "hooks in torch.compile   25 of 25"):
        assert line in told
    assert torch.__version__ in told and "cpu" in told


def test_the_doctor_says_what_a_missing_thing_costs(capsys, monkeypatch):
    monkeypatch.setattr(evalframe, "ISOLATED", False)
    monkeypatch.setenv("PATH", "")
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out.splitlines()
    for what in ("regions", "dot"):
        at = next(i for i, line in enumerate(told) if line.startswith(what))
        assert told[at].split()[1] in ("missing", "not") and told[at + 1].split()[0] == "costs:"


def test_without_a_seam_that_all_needs_the_doctor_says_so(capsys, monkeypatch):
    def gone():
        raise CompatError("it runs frames otherwise")

    monkeypatch.setattr(evalframe, "self_test", gone)
    assert main(["doctor"]) == 2
    told = capsys.readouterr().out.splitlines()
    assert told[-2].startswith("frame hook") and "it runs frames otherwise" in told[-2]
    assert told[-1].split(": ") == [told[-1].split(": ")[0], "nothing can be traced"] and "cannot work" in told[-1]
