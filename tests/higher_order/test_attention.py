"""`flex_attention`: scores and masks by functions, as two bodies of one node."""

from __future__ import annotations

import functools

import pytest
import torch
from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
from torch.nn.attention.flex_attention import and_masks, create_block_mask, create_mask, flex_attention, or_masks

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
    assert session.graph_breaks[0].reason == "attention-function-rejected" and "flex_attention" in session.graph_breaks[0].explanation


def test_what_a_function_closes_over_is_guarded():
    def over(factor):
        return lambda q, k, v: flex_attention(q, k, v, score_mod=lambda score, *_: score * factor, block_mask=CAUSAL)

    factors, wanted = (1.0, 2.0, 2.0, torch.tensor(3.0)), []
    for factor in factors:
        torch.compiler.reset()  # untraced it compiles itself, and since torch 2.15 raises where the number is another one than before
        wanted.append(over(factor)(*operands()))
    session = tracer.Session("trace")
    for factor, expected in zip(factors, wanted, strict=True):
        torch.testing.assert_close(session.run(over(factor), *operands()), expected)


# ---- masks that are made in the frame
def plainly(mask):
    return mask.to_dense(), mask.kv_num_blocks, mask.kv_indices, mask.full_kv_num_blocks


def causal_inside(q, k, v):
    return flex_attention(q, k, v, block_mask=create_block_mask(causal, None, None, q.shape[-2], k.shape[-2], "cpu", BLOCK_SIZE=4))


def window_inside(q, k, v, reach=3):
    def near(b, h, i, j):
        return (i - j).abs() <= reach

    mask = create_block_mask(and_masks(causal, near), 1, 1, 16, 16, device="cpu", BLOCK_SIZE=(4, 8))
    return flex_attention(q, k, v, block_mask=mask), plainly(mask)


def documents_inside(q, k, v):
    documents = torch.bucketize(torch.arange(16), torch.tensor([3, 9]))

    def one_document(b, h, i, j):
        return (documents[i] == documents[j]) & (i >= j)

    mask = create_block_mask(or_masks(one_document, lambda b, h, i, j: j == 0), None, None, 16, 16, device="cpu", BLOCK_SIZE=4)
    return flex_attention(q, k, v, block_mask=mask, enable_gqa=True), plainly(mask)


def each_head_its_own(q, k, v):
    reach = torch.tensor([2, 5])

    def near(b, h, i, j):
        return (i - j < reach[h]) & (BIAS[h, i, j] < 2) & (BIAS[0, i, 3] < 9)

    mask = create_block_mask(near, 1, 2, 16, 16, device="cpu", BLOCK_SIZE=4)
    return flex_attention(q, k, v, block_mask=mask), plainly(mask)


def a_mask_of_scores(q, k, v):
    def score_mod(score, b, h, i, j):
        return torch.where(DOCUMENTS[i] == DOCUMENTS[j], score + BIAS[0, i, j], -float("inf"))

    return create_mask(score_mod, 1, 2, 16, 16, device="cpu"), DOCUMENTS[0], q[0, 0, 1]


INSIDE = [causal_inside, window_inside, documents_inside, each_head_its_own, a_mask_of_scores]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("program", INSIDE, ids=lambda program: program.__name__)
def test_a_mask_that_is_made_in_the_frame(program, backend):
    session = tracer.Session("trace", backend=backend)
    given = operands(4 if program is documents_inside else 2)
    program(*given)
    for _ in range(2):
        torch.testing.assert_close(session.run(program, *given), program(*given))
        given = tuple(each + 1 for each in given)
    assert len(session.graphs) == 1 and not session.graph_breaks and not session.recompiles


def test_what_a_mask_closes_over_is_guarded():
    session = tracer.Session("trace")
    for documents in (DOCUMENTS, DOCUMENTS.flip(0), torch.arange(16) // 2):
        for reach in (3, 3, 7):

            def program(q, k, v, documents=documents, reach=reach):
                def seen(b, h, i, j):
                    return (documents[i] == documents[j]) & (i - j < reach)

                return flex_attention(q, k, v, block_mask=create_block_mask(seen, None, None, 16, 16, "cpu", BLOCK_SIZE=4))

            torch.testing.assert_close(session.run(program, *operands()), program(*operands()))
    assert not session.graph_breaks


def of_any_length(q, k, v):
    return flex_attention(q, k, v, block_mask=create_block_mask(causal, None, None, q.shape[-2], k.shape[-2], "cpu", BLOCK_SIZE=4))


def test_masks_of_any_length():
    session = tracer.Session("trace", dynamic=True)
    for length in (16, 24, 12):
        given = tuple(torch.linspace(-1, 1, 2 * length * 8).view(1, 2, length, 8).sin() + k for k in range(3))
        torch.testing.assert_close(session.run(of_any_length, *given), of_any_length(*given))


def prints_while_it_masks(q, k, v):
    def seen(b, h, i, j):
        print("a mask")
        return i >= j

    x = q * 2
    return x + create_mask(seen, None, None, 16, 16, "cpu")[..., :8]


def test_a_break_in_a_mask_ends_the_graph_before_its_mode(capsys):
    session = tracer.Session("trace")
    for _ in range(2):
        wanted = prints_while_it_masks(*operands())
        text = capsys.readouterr().out
        torch.testing.assert_close(session.run(prints_while_it_masks, *operands()), wanted)
        assert capsys.readouterr().out == text
    assert [found.reason for found in session.graph_breaks] == ["print-call"]


def picks(x):
    with TransformGetItemToIndex():
        first = x[torch.tensor(1)], x[0], x[[0, 2]], x[1:], x[..., 0], x[None]
    return *first, x[0]


def breaks_under_the_mode(x):
    y = x * 2
    with TransformGetItemToIndex():
        z = y[torch.tensor(1)]
        print("under the mode")
        return z, y[torch.tensor(2)]


def leaves_it_on(x):
    def branch(x):
        TransformGetItemToIndex().__enter__()
        return x * 2

    y = x + 1
    try:
        return torch.ops.higher_order.wrap(branch, y)
    finally:
        if torch._C._len_torch_function_stack():
            torch._C._pop_torch_function_stack()


@pytest.mark.parametrize(
    ("program", "reasons"), [(picks, []), (breaks_under_the_mode, ["context-unsupported"]), (leaves_it_on, ["higher-order-unsupported"])]
)
def test_the_mode_by_itself(program, reasons, capsys):
    session = tracer.Session("trace")
    for factor in (1, 2):
        x = torch.arange(12.0).view(3, 4) * factor
        wanted, text = program(x), capsys.readouterr().out
        found = session.run(program, x)
        torch.testing.assert_close(found, wanted)
        assert capsys.readouterr().out == text
    assert [found.reason for found in session.graph_breaks][-1:] == reasons and not torch._C._len_torch_function_stack()
