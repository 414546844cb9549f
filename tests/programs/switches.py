"""Switches of torch that a program flips for a part of its work: kernels of attention, saved-tensor hooks."""

import torch
import torch.nn.functional as F
from torch import randn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.programs import program, scenario


def query():
    return randn(1, 2, 4, 8, requires_grad=True)


def enabled():
    names = ("flash", "mem_efficient", "math", "cudnn", "overrideable")
    return [getattr(torch._C, f"_get_{name}_sdp_enabled")() for name in names]


@program(lambda: query())
def kernels_by_list(q):
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        inside = enabled()
        out = F.scaled_dot_product_attention(q, q, q)
    return out, inside, enabled()


@program(lambda: query())
def kernels_in_order(q):
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION], set_priority=True):
        inside = torch._C._get_sdp_priority_order()
        out = F.scaled_dot_product_attention(q, q, q)
    return out, inside, torch._C._get_sdp_priority_order()


@program(lambda: query())
def kernels_nested(q):
    with sdpa_kernel(SDPBackend.MATH):
        a = F.scaled_dot_product_attention(q, q, q)
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            b = F.scaled_dot_product_attention(q, q, q, is_causal=True)
        c = enabled()
    return a, b, c


@program(lambda: (query(), SDPBackend.MATH))
def kernel_as_an_argument(q, kernel):
    with sdpa_kernel(kernel):
        return F.scaled_dot_product_attention(q, q, q), kernel, kernel == SDPBackend.MATH


@scenario(recompiles=1)
def another_kernel_as_an_argument(run):
    def f(q, kernel):
        with sdpa_kernel(kernel):
            return F.scaled_dot_product_attention(q, q, q), enabled()

    f = run(f)
    f(query(), SDPBackend.MATH)
    f(query(), SDPBackend.FLASH_ATTENTION)


@scenario(recompiles=1)
def kernels_set_outside_change(run):
    def f(q):
        with sdpa_kernel(SDPBackend.MATH):
            out = F.scaled_dot_product_attention(q, q, q)
        return out, enabled()

    f = run(f)
    f(query())
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        f(query())
        assert not torch._C._get_math_sdp_enabled()
    f(query())
    assert torch._C._get_math_sdp_enabled()


@program(lambda: query())
def kernels_left_by_an_error(q):
    try:
        with sdpa_kernel(SDPBackend.MATH):
            q = q * 2
            raise ValueError("left")
    except ValueError:
        pass
    return q + 1, enabled()


@program(lambda: query(), breaks="some", graphs=None, recompiles=None)
def kernels_across_a_break(q):
    with sdpa_kernel(SDPBackend.MATH):
        out = F.scaled_dot_product_attention(q, q, q)
        torch._dynamo.graph_break()
        inside = enabled()
    return out * 2, inside, enabled()


@program(lambda: query())
def kernel_switched_off_for_good(q):
    torch.backends.cuda.enable_math_sdp(False)
    off = torch.backends.cuda.math_sdp_enabled()
    torch.backends.cuda.enable_math_sdp(True)
    return q * 2, off, torch.backends.cuda.math_sdp_enabled()


@scenario(recompiles=1)
def kernel_left_switched_off(run):
    def f(q):
        torch.backends.cuda.enable_math_sdp(False)
        return q * 2

    f = run(f)
    try:
        f(query())
        assert not torch._C._get_math_sdp_enabled()
        f(query())
    finally:
        torch.backends.cuda.enable_math_sdp(True)


@scenario(recompiles=None, graphs=None)
def graph_that_fails_restores_kernels(run):
    def f(x, i):
        with sdpa_kernel(SDPBackend.MATH):
            return x.index_select(0, i)

    f = run(f)
    f(randn(3), torch.tensor([1]))
    try:
        f(randn(3), torch.tensor([7]))
    except IndexError:
        assert torch._C._get_flash_sdp_enabled()


# ---- saved-tensor hooks
def message():
    return torch._C._autograd._saved_tensors_hooks_get_disabled_error_message()


@program(lambda: query())
def hooks_disabled_nested(w):
    with torch.autograd.graph.disable_saved_tensors_hooks("outer"):
        y = w.exp()
        with torch.autograd.graph.disable_saved_tensors_hooks("inner"):
            y = y.sin()
            inner = message()
        outer = message()
    return y, inner, outer, message()


@scenario(recompiles=1)
def hooks_disabled_outside(run):
    def f(w):
        with torch.autograd.graph.disable_saved_tensors_hooks("in the program"):
            y = w.exp()
        return y, message()

    f = run(f)
    f(query())
    with torch.autograd.graph.disable_saved_tensors_hooks("around it"):
        f(query())
        assert message() == "around it"
    assert message() is None


@scenario(breaks=None, recompiles=None, graphs=None)
def hooks_active_while_they_are_disabled(run):
    def f(w):
        try:
            with torch.autograd.graph.disable_saved_tensors_hooks("not now"):
                return w.exp()
        except RuntimeError as error:
            return w + 1, "not now" in str(error)

    f = run(f)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        f(query())
    f(query())
    assert message() is None


@program(lambda: query())
def hooks_disabled_and_an_error(w):
    try:
        with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
            w = w * 2
            raise KeyError("left")
    except KeyError:
        return w + 1, message()
