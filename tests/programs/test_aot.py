"""Every registered program gives the same values under a backend that traces the graph anew: a fixed sample here, all of them in the
slow run. What AOTAutograd itself does otherwise than eager is listed with its reason, and held against torch.compile."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch

from tests.differential import FUNCTIONALISED, Counts, Reference, Traced, compare_runs, execute, plain, run_program
from tests.parts import chosen
from tests.programs import Program, all_programs

compiler_missing = not (shutil.which("g++") or shutil.which("clang++"))

#: What differs from plain Python, and why that is AOTAutograd's: torch.compile(backend="aot_eager") differs in the same way.
OTHERWISE = {
    "modules.train_and_eval": "statistics are written back to buffers after the graph, which counts as a change of what backward needs",
    "autograd.training_step": "the tensor that was changed in place is named by another shape",
    "autograd.double_backward": "a graph compiled with its backward can't be differentiated twice",
    **{
        f"autograd_moments.{name}": "a graph compiled with its backward can't be differentiated twice"
        for name in (
            "backward_without_gradients_in_part", "modes_within_modes", "backward_by_transforms", "backward_that_is_decorated",
            "backward_that_depends_on_the_mode", "backward_that_leaves_the_mode_on", "backward_that_asks_whether_a_gradient_is_needed",
        )
    },
    **{
        f"autograd_moments.{name}": "a backward that is compiled can't be batched"
        for name in ("backward_of_several_gradients", "transforms_in_a_backward_of_several_gradients")
    },
    **{
        f"checkpoints.{name}": "a policy is asked while the graph is traced anew, not while it runs"
        for name in ("a_policy_of_the_program_is_asked_as_it_is_untraced", "another_policy", "selective_among_layers")
    },
    "checkpoints.random_numbers_again_or_not": "a graph that is compiled always draws the same numbers again",
    "checkpoints.hooks_that_are_on_outside": "hooks on saved tensors are given what a compiled backward keeps",
    "tensor_fields.grad_with_a_history": "a backward that is compiled gives no gradient a history",
    "operators.numbers_without_an_expression": "a NaN loses its sign in the code of a graph",
}
#: As above, and torch.compile differs in yet another way.
ALONE = {
    "checkpoints.hooks_on_saved_tensors": "hooks are given what a compiled backward keeps; torch.compile leaves a frame with such a `with` to Python",
    "effects.version_counter_read": "version counters count other writes; torch.compile reads them in the graph",
    "operators.comparison_of_a_size_by_keyword": "torch's description of dropout for symbolic sizes copies; torch.compile refuses the program",
    "raising.random_numbers_and_writes_are_not_done_again": "inputs are written to after the graph, so not at all where it raises",
}
#: Always run with aot_eager: what such a backend needs of us.
NEEDED = (
    "checks.", "raising.sizes_that_change", "operators.unused_", "operators.masked_", "operators.draws_", "operators.keywords_that_are_reserved_words",
    "operators.overload_that", "tensor_fields.data_", "leaves.become", "autograd.a_view_begins",
    "autograd.views_need", "operators.input_that_begins", "functions_in_levels.views_", "functions_of_libraries.tensors_stored",
)  # fmt: skip
#: Always among those that are run with inductor.
COMPILED = ("checks.checks_", "checks.a_check_under", "operators.unused_draws", "operators.masked_assignment", "operators.keywords_that_are_reserved_words")


def marked(one: Program, slow: bool) -> object:
    reason = OTHERWISE.get(one.name) or ALONE.get(one.name)
    marks = [pytest.mark.skip(reason=reason)] if reason else []
    return pytest.param(one, id=one.name, marks=[*marks, pytest.mark.slow] if slow else marks)


@pytest.mark.parametrize("one", [marked(p, not chosen(p.name, 20, NEEDED)) for p in all_programs()])
def test_aot_eager(one: Program) -> None:
    run_program(one, backend="aot_eager")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(compiler_missing, reason="no C++ compiler")
@pytest.mark.parametrize("one", [marked(p, True) for p in all_programs() if chosen(p.name, 20, COMPILED)])
def test_inductor(one: Program) -> None:
    with torch._inductor.config.patch(fallback_random=True):  # else it draws other numbers, as torch says
        run_program(one, backend="inductor")


class OtherCompiler(Reference):
    def compile(self, fn: Any, **config: Any) -> Any:
        return torch.compile(fn, backend="aot_eager", **config)

    def counts(self) -> Counts:
        return Counts()


def seen(one: Program, compiler: Any) -> Any:
    try:
        scenario = one.fn if one.make_args is None else plain(one.fn, one.make_args, one.calls)
        return execute(scenario, compiler, getattr(one.fn, "__globals__", None))[0]
    finally:
        compiler.close()


@pytest.mark.parametrize("one", [pytest.param(p, id=p.name) for p in all_programs() if p.name in OTHERWISE])
def test_what_differs_does_under_torch_compile(one: Program) -> None:
    theirs, ours = seen(one, OtherCompiler()), seen(one, Traced("aot_eager"))
    if theirs.ended and ours.ended:  # by the same error
        assert theirs.ended.splitlines()[-1] == ours.ended.splitlines()[-1]
        ours.ended = None
    assert not compare_runs(theirs, ours, 1e-4, one.ignore | FUNCTIONALISED)


def test_what_differs_are_programs() -> None:
    names = {p.name for p in all_programs()}
    assert {*OTHERWISE, *ALONE} <= names
