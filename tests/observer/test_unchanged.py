"""torch.compile decides the same whether or not it is watched: by its own books, for small programs and for real models."""

from __future__ import annotations

import pytest

import tracer
from tests.models.zoo import MODELS, build
from tests.observer.facts import called, facts
from tests.programs import all_programs

FAST = """breaks.print_in_the_middle breaks.branch_on_data_both_ways recompiles.dtype_changes higher_order.cond_with_operands
    functions.closure_state_of_the_caller modules.nested_modules_with_kwargs shapes.becomes_dynamic_after_a_change""".split()
MORE = """breaks.item_in_an_expression breaks.explicit_graph_break breaks.disabled_function containers.dict_argument_mutated
    control.match_statement effects.in_place_on_views_of_input exceptions.try_except_else_finally exceptions.raised_to_the_caller
    iteration.generator_send_and_return_value recompiles.constant_argument_changes recompiles.optional_argument_appears
    higher_order.cond_captures_from_two_levels_up higher_order.cond_bodies_are_modules autograd.training_step
    contexts.autocast_block shapes.size_in_control_flow text.formatting values.conversions""".split()
PROGRAMS = {program.name: program for program in all_programs()}


def held(run) -> None:
    """The same books off and on, and something was seen. The first run imports and caches things: it isn't counted."""
    facts(run)
    off = facts(run)
    session = tracer.Session(engine="dynamo", strict=True)
    with session.hook.active_for_call():
        on = facts(run)
    assert on == off
    assert off["guards"]
    assert len(session.graphs) == len(off["graphs"])


def program(name: str) -> None:
    found = PROGRAMS[name]
    held(found.fn if found.make_args is None else called(found.fn, found.make_args, found.calls))


@pytest.mark.parametrize("name", FAST)
def test_small_programs(name: str) -> None:
    program(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_more_programs(name: str) -> None:
    program(name)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["gpt2", "bert", "t5", "vit", "llama"])
def test_models(name: str) -> None:
    assert name in MODELS
    model = build(name)

    def run(compile):
        compiled = compile(model.module)
        return [compiled(**model.inputs(size)) for size in model.sizes[:2]]

    held(run)
