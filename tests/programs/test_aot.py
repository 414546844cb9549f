"""Every registered program gives the same values under a backend that traces the graph anew: a fixed sample here, all of them in the
slow run. What AOTAutograd itself does otherwise than eager, under torch.compile as well, is listed with its reason."""

from __future__ import annotations

import shutil
import zlib

import pytest

from tests.differential import run_program
from tests.programs import Program, all_programs

compiler_missing = not (shutil.which("g++") or shutil.which("clang++"))

#: What differs, and why that is AOTAutograd's: torch.compile(backend="aot_eager") does the same.
OTHERWISE = {
    "checks.checks_raise_what_they_are_for": "the operator that stays of a check in a graph traced anew raises RuntimeErrors only",
    "effects.version_counter_read": "version counters count other writes",
    "modules.train_and_eval": "statistics are written back to buffers after the graph, which counts as a change of what backward needs",
    "autograd.training_step": "the tensor that was changed in place is named by another shape",
    "autograd.double_backward": "a graph compiled with its backward can't be differentiated twice",
    "tensor_fields.grad_with_a_history": "a backward that is compiled gives no gradient a history",
}
#: Ours to mend; strict, so that what is mended is struck off.
WRONG = {
    "operators.keywords_that_are_reserved_words": "AOTAutograd's own graph spells the keyword `from` of an overload, which is no code",
    "operators.overload_that_is_called_by_a_reserved_word": "the same",
    "autograd.views_need_a_gradient_with_their_base": "a view of an input that begins to need a gradient comes back as made without gradients",
    "shapes_symbols.metadata_of_results": "nbytes of a result with symbolic sizes",
    "tensor_fields.data_shared_from_call_to_call": "an input gets other memory and is written to in the same graph",
}


def marked(one: Program, slow: bool) -> object:
    if one.name in OTHERWISE:
        marks = [pytest.mark.skip(reason=OTHERWISE[one.name])]
    else:
        marks = [pytest.mark.xfail(strict=True, reason=WRONG[one.name])] if one.name in WRONG else []
    return pytest.param(one, id=one.name, marks=[*marks, pytest.mark.slow] if slow else marks)


def sampled(one: Program, part: int) -> bool:
    """One of `part` programs, always the same ones, spread over all files."""
    return zlib.crc32(one.name.encode()) % part == 0


@pytest.mark.parametrize("one", [marked(p, not sampled(p, 10)) for p in all_programs()])
def test_aot_eager(one: Program) -> None:
    run_program(one, backend="aot_eager")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(compiler_missing, reason="no C++ compiler")
@pytest.mark.parametrize("one", [marked(p, True) for p in all_programs() if sampled(p, 32)])
def test_inductor(one: Program) -> None:
    run_program(one, backend="inductor")


def test_what_differs_are_programs() -> None:
    names = {p.name for p in all_programs()}
    assert set(OTHERWISE) <= names and set(WRONG) <= names
