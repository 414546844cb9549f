"""Constants of an enumeration in C++ are themselves in a re-run: a copy would be another one."""

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import tracer
from tracer.rerun.copies import is_member


def test_constants_of_an_enumeration_in_c_are_not_copied():
    assert is_member(SDPBackend.MATH) and not is_member(torch.Size([1])) and not is_member(3)

    def f(q, kernel):
        with sdpa_kernel(kernel):
            return F.scaled_dot_product_attention(q, q, q), kernel is SDPBackend.MATH

    session = tracer.Session(backend="eager")
    session.run(f, torch.ones(1, 2, 4, 8), SDPBackend.MATH)
    assert session.replay().ok and session.recompile().result[1] is True
