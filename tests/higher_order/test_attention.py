"""`flex_attention`: scores and masks by functions, as two bodies of one node."""

from __future__ import annotations

import functools

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import tracer

BIAS = torch.linspace(-1, 1, 2 * 16 * 16).view(2, 16, 16)
DOCUMENTS = torch.tensor([0] * 5 + [1] * 11)


def causal(batch, head, query, key):
    return query >= key


def of_one_document(batch, head, query, key):
    return (DOCUMENTS[query] == DOCUMENTS[key]) & (query >= key)


CAUSAL = create_block_mask(causal, None, None, 16, 16, device="cpu")
BY_DOCUMENT = create_block_mask(of_one_document, None, None, 16, 16, device="cpu")


def operands(heads=2):
    return tuple(torch.linspace(-1, 1, n * 16 * 8).view(1, n, 16, 8).sin() + k for k, n in enumerate((heads, 2, 2)))


def masked(q, k, v):
    return flex_attention(q, k, v, block_mask=CAUSAL) * 2


def biased(q, k, v):
    return flex_attention(q, k, v, score_mod=lambda score, b, h, i, j: score + BIAS[h, i, j].relu() * 0.5, block_mask=CAUSAL)


def by_document(q, k, v):
    weights = BIAS[0] + 1

    def distance(score, b, h, i, j):
        return score + (i - j) * 0.1 + weights[i, 3]

    return flex_attention(q, k, v, score_mod=distance, block_mask=BY_DOCUMENT, scale=0.3)


def with_statistics(q, k, v):
    return flex_attention(q, k, v, block_mask=CAUSAL, return_lse=True)


def without_a_mask(q, k, v):
    return flex_attention(q, k, v, score_mod=lambda score, b, h, i, j: score + (i - j) * 0.1)


def grouped(q, k, v):
    return flex_attention(q, k, v, block_mask=CAUSAL, enable_gqa=True)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("program", [masked, biased, by_document, with_statistics, without_a_mask, grouped], ids=lambda program: program.__name__)
def test_as_untraced_in_one_graph(program, backend):
    session = tracer.Session("trace", backend=backend)
    given = operands(4 if program is grouped else 2)
    program(*given)  # torch warns once, and remembers it in a set that the frame reads
    for _ in range(2):
        torch.testing.assert_close(session.run(program, *given), program(*given))
        given = tuple(each + 1 for each in given)
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles
    bodies = [node.target for node in session.graphs[0].nodes if node.op == "get_attr"]
    assert bodies == ["score_mod", "mask_mod"]


def prints(q, k, v):
    def score_mod(score, b, h, i, j):
        print("a score")
        return score * 2

    return flex_attention(q, k, v, score_mod=score_mod, block_mask=CAUSAL)


def gives_two(q, k, v):
    return flex_attention(q, k, v, score_mod=lambda score, b, h, i, j: (score, score), block_mask=CAUSAL)


def raised(function, *args):
    with pytest.raises(Exception) as found:
        function(*args)
    return found.type


@pytest.mark.parametrize("program", [prints, gives_two], ids=lambda program: program.__name__)
def test_a_function_that_is_refused_raises_what_it_raises_untraced(program):
    session = tracer.Session("trace")
    assert raised(functools.partial(session.run, program), *operands()) is raised(program, *operands())
    assert session.graph_breaks[0].reason == "loop-body-rejected" and "flex_attention" in session.graph_breaks[0].explanation


def test_what_a_function_closes_over_is_guarded():
    session = tracer.Session("trace")
    for factor in (1.0, 2.0, 2.0, torch.tensor(3.0)):

        def program(q, k, v, factor=factor):
            return flex_attention(q, k, v, score_mod=lambda score, *_: score * factor, block_mask=CAUSAL)

        torch.testing.assert_close(session.run(program, *operands()), program(*operands()))
