"""Whose code a file holds, and what follows from it: where breaks are told to be, which code is stepped over."""

import contextlib
import os
import sysconfig

import pytest
import torch

import tracer
from tracer.events import GraphBreak
from tracer.libraries import CALL, INSTALLED, OURS, PROGRAM, PYTHON, TORCH, in_package, is_library, whose

STDLIB = sysconfig.get_path("stdlib")
#: Where pip puts packages of a Python without an environment around it: below the standard library.
BESIDE = os.path.join(STDLIB, "site-packages", "models", "block.py")


@pytest.mark.parametrize("file, expected", [
    (torch.nn.Linear.forward.__code__.co_filename, TORCH),
    (tracer.__file__, OURS),
    ("<tracer f 0/0>", OURS),
    (contextlib.__file__, PYTHON),
    ("<frozen importlib._bootstrap>", PYTHON),
    (BESIDE, INSTALLED),
    (__file__, PROGRAM),
    ("train.py", PROGRAM),
    ("<string>", PROGRAM),
    # of other machines
    ("/opt/conda/lib/python3.12/contextlib.py", PYTHON),
    ("/opt/conda/lib/python3.12/site-packages/torch/nn/modules/linear.py", TORCH),
    ("/usr/lib/python3/dist-packages/torch/nn/modules/linear.py", TORCH),
    ("/opt/conda/lib/python3.12/site-packages/torchvision/models/resnet.py", INSTALLED),
    ("/usr/lib/python3/dist-packages/numpy/linalg/linalg.py", INSTALLED),
    (r"C:\env\Lib\site-packages\torch\nn\modules\linear.py", TORCH),
    # what folders of a project are called says nothing
    ("/home/me/torch/train.py", PROGRAM),
    ("/home/me/tracer/train.py", PROGRAM),
])  # fmt: skip
def test_a_file_is_told_by_where_it_lies(file, expected):
    assert whose(file) == expected
    assert is_library(file) == (expected in (TORCH, OURS, PYTHON))


def test_what_stands_for_a_call_of_the_programs_is_nothing_to_read():
    assert whose(f"{CALL}Linear>") == PROGRAM
    assert is_library(f"{CALL}Linear>")


def test_a_file_of_a_package_is_named_from_the_package_on():
    assert in_package("/opt/conda/lib/python3.12/site-packages/transformers/models/gpt2.py") == "transformers/models/gpt2.py"
    assert in_package("/home/me/model.py") is None


def _from_file(name: str, text: str):
    namespace = {"torch": torch}
    exec(compile(text, name, "exec"), namespace)
    return namespace


@pytest.mark.parametrize("file", [BESIDE, "/home/me/torch/model.py"], ids=["a package below the standard library", "a project called torch"])
def test_a_break_is_told_where_it_stands(file):
    block = _from_file(file, "def block(x):\n    y = x + 1\n    print('here')\n    return y * 2\n")["block"]

    def program(x):
        return block(x) + 1

    compiled = tracer.compile(program, backend="eager")
    assert compiled(torch.ones(2)).tolist() == [5.0, 5.0]
    found = compiled.session.journal.of(GraphBreak)
    compiled.session.close()
    assert {event.user_stack[-1][:2] for event in found} == {(file, 3)}
