"""Torch's modes and contexts, random numbers, and what the call leaves of them."""

import contextlib
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import randn

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


def leaf(*shape):
    return randn(*shape, requires_grad=True)


@program(lambda: leaf(3), **UNKNOWN)
def device_block(w):
    with torch.device("cpu"):
        y = w * 2 + torch.ones(3)
    return y, torch.overrides.has_torch_function((w,))


@program(lambda: leaf(3))
def no_grad_block(w):
    a = w * 2
    with torch.no_grad():
        b = w * 3
        inside = torch.is_grad_enabled()
    return a, b, inside, torch.is_grad_enabled(), a.requires_grad, b.requires_grad


@program(lambda: leaf(3))
def nested_grad_modes(w):
    with torch.no_grad():
        with torch.enable_grad():
            a = w * 2
        with torch.set_grad_enabled(False):
            b = w * 2
        c = w + 1
    return a, b, c


@torch.no_grad()
def quiet(w):
    return w * 5


@program(lambda: leaf(3))
def no_grad_decorated_helper(w):
    return quiet(w), w * 2, torch.enable_grad()(lambda t: t + 1)(w)


@program(lambda: leaf(3), **UNKNOWN)
def grad_mode_left_changed(w):
    a = w * 2
    torch.set_grad_enabled(False)
    return a, w * 3


@program(lambda: leaf(3), **UNKNOWN)
def grad_mode_left_by_exception(w):
    with torch.no_grad():
        y = w + 1
        raise ValueError(str(y.requires_grad))


@scenario(recompiles=1)
def grad_mode_of_the_caller_changes(run):
    f = run(lambda w: w * 2)
    f(leaf(3))
    with torch.no_grad():
        f(leaf(3))
    f(leaf(3))


@program(lambda: randn(3), **UNKNOWN)
def inference_mode_block(x):
    with torch.inference_mode():
        y = x * 2
        inside = torch.is_inference_mode_enabled()
    return y, inside


@scenario(**UNKNOWN)
def called_under_inference_mode(run):
    f = run(lambda x: (x * 2, torch.is_inference_mode_enabled()))
    f(randn(3))
    with torch.inference_mode():
        f(randn(3))
    f(randn(3))


@scenario(recompiles=None, graphs=None)
def tensors_of_inference_mode_outside_it_and_the_reverse(run):
    f = run(lambda x: (x.is_inference(), (x + 1).is_inference(), torch.zeros(2).is_inference(), x.view(-1).is_inference(), torch.is_inference_mode_enabled()))
    with torch.inference_mode():
        made = randn(2)
    for context in (torch.inference_mode, torch.no_grad, torch.enable_grad):
        for x in (made, randn(2), leaf(2), made):
            with context():
                f(x)


@program(lambda: (randn(4, 4), randn(4, 4)))
def autocast_block(x, y):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        a = x @ y
        with torch.autocast("cpu", enabled=False):
            b = x @ y
        inside = torch.is_autocast_enabled("cpu")
    return a, b, x @ y, inside, torch.is_autocast_enabled("cpu")


@scenario(**UNKNOWN)
def called_under_autocast(run):
    f = run(lambda x: x @ x)
    for enabled in (False, True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            f(randn(4, 4))


@program(lambda: randn(3))
def context_chosen_by_value(x):
    context = torch.no_grad() if x.dim() == 1 else contextlib.nullcontext()
    with context, torch.set_grad_enabled(True):
        return x * 2


@program(lambda: leaf(3))
def grad_mode_class_objects(w):
    mode = torch.no_grad()
    mode.__enter__()
    a = w * 2
    mode.__exit__(None, None, None)
    return a, w * 2


@contextlib.contextmanager
def frozen():
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        yield before
    finally:
        torch.set_grad_enabled(before)


@program(lambda: leaf(3))
def grad_mode_inside_a_contextlib_manager(w):
    with frozen() as before:
        a = w * 2
    return a, w * 3, before


@program(lambda: randn(3))
def profiler_and_annotations(x):
    with torch.profiler.record_function("part"):
        y = x * 2
    return y


@program(lambda: (randn(1, 1, 4, 8),))
def sdpa_kernel_choice(q):
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, q, q)


@program(lambda: leaf(3))
def saved_tensor_hooks_disabled(w):
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        return w * 2


@scenario(**UNKNOWN)
def default_dtype_changes(run):
    f = run(lambda x: (torch.zeros(2), x + 1, torch.get_default_dtype(), torch.tensor(1.5)))
    f(randn(3))
    torch.set_default_dtype(torch.float64)
    f(randn(3))


@program(lambda: randn(3), **UNKNOWN)
def default_dtype_set_inside(x):
    torch.set_default_dtype(torch.float64)
    return torch.zeros(2), x


@scenario(**UNKNOWN)
def deterministic_flag_changes(run):
    f = run(lambda x: (x + 1, torch.are_deterministic_algorithms_enabled()))
    f(randn(3))
    torch.use_deterministic_algorithms(True)
    f(randn(3))


@scenario(**UNKNOWN)
def device_context(run):
    f = run(lambda x: (torch.zeros(2), x + 1))
    with torch.device("cpu"):
        f(randn(3))
    f(randn(3))


class Doubling(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        return out * 2 if func is torch.add else out


@scenario(**UNKNOWN)
def torch_function_mode_of_the_caller(run):
    f = run(lambda x: torch.add(x, 1))
    f(randn(3))
    with Doubling():
        f(randn(3))
    f(randn(3))


@program(lambda: randn(3))
def torch_function_mode_entered_inside(x):
    with Doubling():
        y = torch.add(x, 1)
    return y, torch.add(x, 1)


@program(lambda: randn(3))
def random_operators(x):
    return (
        x + torch.rand(3),
        torch.randn_like(x),
        torch.randint(0, 9, (3,)),
        torch.randperm(4),
        torch.bernoulli(x.sigmoid()),
    )


@program(lambda: randn(4, 4))
def dropout_seeded_outside(x):
    return (
        F.dropout(x, 0.5, training=True) + F.dropout(x, 0.5, training=False),
        x.new_empty(3).uniform_(),
        x.sigmoid().bernoulli(),  # of probabilities: anything else raises
    )


@program(lambda: randn(3), **UNKNOWN)
def seed_set_inside(x):
    torch.manual_seed(7)
    return x + torch.rand(3)


@program(lambda: randn(3), **UNKNOWN)
def generator_object(x):
    g = torch.Generator().manual_seed(3)
    return x + torch.rand(3, generator=g)


@program(lambda: (randn(3), torch.Generator().manual_seed(5)), **UNKNOWN)
def generator_argument(x, g):
    return x + torch.rand(3, generator=g)


@program(lambda: randn(3), **UNKNOWN)
def python_random_numbers(x):
    scale = random.random()
    pick = random.choice([1, 2, 3])
    return x * scale, pick, random.randint(0, 9), random.uniform(0, 1)


@program(lambda: (randn(3), random.Random(4)))
def random_object_argument(x, r):
    return x * r.random(), r


@program(lambda: randn(3), **UNKNOWN)
def numpy_random_numbers(x):
    return x + float(np.random.rand()), np.random.randint(5)


@program(lambda: randn(3), **UNKNOWN)
def rng_state_saved_and_restored(x):
    state = torch.get_rng_state()
    a = torch.rand(3)
    torch.set_rng_state(state)
    return x + a, torch.rand(3)


@program(lambda: randn(3))
def tracing_state_queries(x):
    scripting = torch.jit.is_scripting() or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export()
    return x + 1, scripting, torch._C._get_tracing_state() is None, torch.is_tensor(x)


@program(lambda: leaf(3))
def grad_mode_queries_and_detach(w):
    if torch.is_grad_enabled() and w.requires_grad:
        return (w * 2).detach(), w.detach().requires_grad, w * 1
    return w


@program(lambda: randn(3), **UNKNOWN)
def warnings_caught_inside(x):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.warn("hidden")
        y = x + 1
    return y


@program(lambda: randn(3))
def torch_checks(x):
    torch._check(x.shape[0] == 3, lambda: "three wanted")
    torch._assert(x.dim() == 1, "one dimension")
    return x + 1


@program(lambda: (randn(3), randn(3)))
def functional_helpers_of_torch(x, y):
    from torch.nn.modules.utils import _ntuple, _pair

    return (
        x + _pair(2)[1],
        _ntuple(3)(1),
        torch.overrides.has_torch_function((x, y)),
        torch.broadcast_shapes((3, 1), (4,)),
    )


@scenario(**UNKNOWN)
def graph_that_raises_leaves_modes_alone(run):
    def f(table, i):
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            return F.embedding(i, table @ table)

    g = run(f)
    g(randn(4, 4), torch.tensor([1]))
    try:
        g(randn(4, 4), torch.tensor([9]))
    except IndexError:
        run.watch([torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")])
    g(randn(4, 4), torch.tensor([2]))


@program(lambda: (randn(4, 4),), **UNKNOWN)
def break_inside_autocast(x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        a = x @ x
        print("break")
        b = x @ x
    return a, b, x @ x, torch.is_autocast_enabled("cpu")


@program(lambda: leaf(3), **UNKNOWN)
def break_inside_no_grad(w):
    with torch.no_grad():
        a = w * 2
        print(a.requires_grad)
        b = w * 3
    return a, b, w * 4


@program(lambda: randn(3), **UNKNOWN)
def break_inside_a_profiler_label(x):
    with torch.profiler.record_function("part"):
        y = x + 1
        print("break")
        y = y * 2
    return y


@program(lambda: randn(3), **UNKNOWN)
def native_error_inside_a_profiler_label(x):
    try:
        with torch.profiler.record_function("part"):
            y = x + 1
            print("break")
            int("no number")
    except ValueError as error:
        return y, str(error)


@scenario(**UNKNOWN)
def in_place_under_inference_mode(run):
    def f(x):
        y = x * 2
        y.add_(1)
        x.mul_(3)
        return y, x, y.requires_grad, torch.is_inference_mode_enabled()

    g = run(f)
    g(randn(3))
    with torch.inference_mode():
        g(randn(3))
        g(randn(3))


@program(lambda: randn(3), **UNKNOWN)
def deterministic_flag_set_inside(x):
    torch.use_deterministic_algorithms(True)
    y = x + 1
    torch.use_deterministic_algorithms(False)
    return y, torch.are_deterministic_algorithms_enabled()
