"""A fixed part of torch's databases gives the same traced and untraced; overloads do what they declare, and nothing is left out
because nobody uses its result. `make databases` runs them all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch

from tests.databases import calls
from tests.databases.cases import DATABASES, Case, cases, copied
from tests.databases.compare import EQUAL, captured_by_torch_compile, verdict
from tests.databases.declarations import Watched, run_samples
from tracer.compat.operators import declared

#: Of each database, every how manyth entry `make test` runs.
PART = {"op_db": 45, "foreach_db": 12, "custom_op_db": 4, "hop_db": 6, "autograd_function_db": 14, "module_db": 20, "optim_db": 5}
PART |= dict.fromkeys(("op_db, vmap", "op_db, grad", "op_db, jvp"), 60)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("database", DATABASES)
def test_part_of_a_database_is_equal(database: str) -> None:
    found = [verdict(case) for case in cases(database, 1, PART[database])]
    assert found
    assert not [(v.case.label, v.text) for v in found if not v.right and not v.explained]
    assert not [v.case.label for v in found if v.broken and not v.why_broken and captured_by_torch_compile(v.case)]


#: Of torch's custom autograd functions, those that end the graph, by how their names begin. torch.compile 2.13 has one graph of one entry of the
#: database only, NumpyCubeNotComposable: it translates NumPy, and ends the graph at functions with a `jvp`.
NOT_ONE_GRAPH = {
    "Numpy": "forward computes with NumPy",
    "MulGenVmap": "backward applies the function again",
    "SortGenVmap": "the backward of a function that backward applies applies that again",
}


def test_custom_autograd_functions_are_one_graph_each() -> None:
    found = [verdict(case) for case in cases("autograd_function_db", 1)]
    assert len(found) >= 14 and all(v.right for v in found)
    broken = [name for v in found if v.kind != EQUAL for name in [v.case.name]]
    assert all(any(name.startswith(start) for start in NOT_ONE_GRAPH) for name in broken), broken
    assert all(any(name.startswith(start) for name in broken) for start in NOT_ONE_GRAPH)


def unused(watched: Watched, skip: int = 1) -> Iterator[Case]:
    """Each overload that was run, with its result unused: all that do more than give it, every `skip`th of the others."""
    for number, (op, (args, kwargs)) in enumerate(watched.first.items()):
        if not declared(op).pure or number % skip == 0:
            yield Case("overloads", str(op), calls.call_unused, lambda op=op, a=args, k=kwargs: (op, copied(a), copied(k)))


def wrong(watched: Watched, skip: int = 1) -> list[tuple[str, str]]:
    found = [verdict(case) for case in unused(watched, skip)]
    return [(v.case.label, v.text) for v in found if not v.right and not v.explained]


def test_overloads_do_what_they_declare_used_or_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watched = run_samples(("op_db", "foreach_db"), 1, every=16)
    assert len(watched.first) > 50 and not watched.faults
    assert not wrong(watched, skip=8)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_overload_does_what_it_declares_used_or_not() -> None:
    watched = run_samples(("op_db", "foreach_db", "custom_op_db"), 3)
    assert not watched.faults
    assert not wrong(watched)
