"""Tensor methods, indexing, creation, results of many kinds, queries; any function of torch as a node."""

import torch
import torch.nn.functional as F
from torch import randn

from tests.programs import Args, program

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


@program(lambda: (randn(3, 4), randn(4, 2)))
def arithmetic_and_matmul(x, w):
    return x @ w, -x, abs(x), x**2, 2**x, 1 - x, 1 / x, x // 2, x % 2, x > 0, ~(x > 0), (x > 0) & (x < 1), x == x


@program(lambda: (randn(4, 5),))
def indexing(x):
    i = torch.tensor([0, 2])
    mask = torch.tensor([True, False, True, False])
    return x[1], x[-1, 2:], x[i], x[i, i], x[..., None], x[:, [1, 3]], torch.where(mask[:, None], x, 0), x[1:3][0]


@program(lambda: (randn(4, 5),))
def index_assignment(x):
    y = x.clone()
    y[0] = 1
    y[:, 1] = y[:, 2]
    y[y < 0] = 0
    y[torch.tensor([1, 2])] += 1
    y[..., -1] *= 2
    return y


@program(lambda: randn(2, 3))
def creation(x):
    return (
        torch.zeros(2, 3) + x,
        torch.ones_like(x),
        torch.arange(3, dtype=torch.float32) + x,
        torch.full((2,), 7),
        torch.eye(2),
        x.new_zeros(2),
        torch.tensor([1, 2]),
        torch.tensor(3.5),
        torch.linspace(0, 1, 3),
        torch.empty(0),
        torch.scalar_tensor(2),
        torch.as_tensor([1.0]),
    )


@program(lambda: randn(2, 3, 4))
def shape_methods(x):
    return (
        x.view(6, 4),
        x.reshape(2, -1),
        x.permute(2, 0, 1),
        x.transpose(0, 1).contiguous(),
        x.flatten(1),
        x.squeeze(),
        x.expand(2, 2, 3, 4),
        x.repeat(1, 2, 1),
        x.split(2, dim=2),
        x.chunk(2),
        torch.stack([x, x], -1),
        torch.cat([x, x], 1),
        x.mT,
        x.narrow(2, 1, 2),
    )


@program(lambda: (randn(3, 4),))
def reductions_and_structs(x):
    values, where = x.min(0)
    out = x.sort(descending=True)
    return (
        x.sum(),
        x.mean(1, keepdim=True),
        x.std(),
        x.max(),
        values,
        where,
        out,
        out.indices,
        x.topk(2).values,
        x.argmax(),
    )


@program(lambda: (randn(3, 3),))
def linalg_and_multi_output(x):
    q, r = torch.linalg.qr(x)
    parts = torch.linalg.svd(x, full_matrices=False)
    return q @ r, parts.S, torch.linalg.norm(x), torch.fft.fft(x).real, torch.special.expit(x), torch.unbind(x, 0)


@program(lambda: randn(2, 3))
def functional(x):
    w = torch.ones(4, 3)
    y = F.linear(x, w)
    return (
        F.relu(y),
        F.softmax(y, dim=-1),
        F.layer_norm(y, (4,)),
        F.gelu(y),
        F.pad(y, (1, 1)),
        F.one_hot(torch.arange(3), 4),
    )


@program(lambda: (randn(2, 2, 4, 8), randn(2, 2, 4, 8), randn(2, 2, 4, 8)))
def attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v, is_causal=True)


@program(lambda: randn(2, 3))
def metadata_queries(x):
    return (
        x + 1,
        x.dtype,
        x.device,
        x.shape,
        x.ndim,
        x.dim(),
        x.size(0),
        x.size(),
        x.stride(),
        x.numel(),
        x.element_size(),
        x.is_contiguous(),
        x.requires_grad,
        x.is_leaf,
        x.layout,
        x.itemsize,
        x.is_cuda,
        x.storage_offset(),
        x.get_device(),
        len(x),
        x.is_floating_point(),
        x.is_complex(),
        x.nbytes,
        x.grad,
        x.grad_fn is None,
        x.names if False else None,
    )


@program(lambda: randn(2, 3))
def dtype_and_device_queries(x):
    info = torch.finfo(x.dtype)
    return (
        x.to(torch.promote_types(torch.int32, torch.float16)),
        x.type(torch.float64),
        x.half().float(),
        x.to("cpu"),
        x.to(x.device, torch.int64),
        info.max,
        info.eps,
        torch.iinfo(torch.int8).min,
        torch.get_default_dtype(),
        x.dtype is torch.float32,
        torch.result_type(x, 1),
        torch.can_cast(torch.float32, torch.int32),
        x.dtype.is_floating_point,
        str(x.device),
        x.device.type,
        torch.device("cpu") == x.device,
        torch.is_tensor(x),
        torch.is_floating_point(x),
        torch.numel(x),
        x.dtype in (torch.float32, torch.bfloat16),
        torch.cuda.is_available(),
    )


@program(lambda: Args(randn(3), dtype=torch.float64, shape=torch.Size([1, 3]), fmt=torch.contiguous_format))
def torch_values_as_arguments(x, dtype, shape, fmt):
    return x.to(dtype).view(shape).contiguous(memory_format=fmt), shape.numel(), shape + (1,), dtype, shape[0]


@program(
    lambda: (randn(3), torch.randint(0, 5, (3,)), torch.tensor([True, False, True]), randn(3, dtype=torch.complex64))
)
def many_dtypes(x, i, b, c):
    return x + i, i // 2, b | (i > 2), c.abs(), torch.view_as_real(c), i.float().mean(), b.sum(), x.bfloat16(), i << 1


@program(lambda: (randn(()), torch.tensor(3)))
def zero_dimensional_tensors(x, n):
    return x + 1, n * 2, x * torch.ones(3), n.shape, x.reshape(1)


@program(lambda: (torch.empty(0, 3), randn(1, 3)))
def empty_and_size_one(e, x):
    return e + 1, torch.cat([e, x]), e.sum(), x.squeeze(0), e.shape[0] == 0, x.expand(3, 3)


@program(lambda: (randn(2, 3, 4, 4),))
def memory_formats(x):
    y = x.to(memory_format=torch.channels_last)
    return y, y.is_contiguous(memory_format=torch.channels_last), y + 1, y.stride(), x.mean((2, 3))


@program(lambda: (randn(4, 4).t()[::2],))
def strided_input(x):
    return x + 1, x.contiguous(), x.stride(), x.is_contiguous(), x.flatten()


@program(lambda: (randn(3),))
def tensor_truth_of_python_values(x):
    return (x + 1) if x.dim() == 1 and x.size(0) > 2 and not x.is_cuda else x


@program(lambda: ([randn(2), randn(3)], {"w": randn(2)}))
def foreach_and_pytrees(xs, named):
    from torch.utils._pytree import tree_flatten, tree_map

    flat, spec = tree_flatten({"a": xs, **named})
    return torch._foreach_add(xs, 1), tree_map(lambda t: t * 2, named), len(flat)


@program(lambda: (randn(3), randn(3)))
def torch_ops_namespace(x, y):
    return torch.ops.aten.add.Tensor(x, y, alpha=2), torch.ops.aten.relu(x), torch.Tensor.mul(x, y)


@torch.library.custom_op("tracer_tests::scaled", mutates_args=())
def scaled(x: torch.Tensor, by: float) -> torch.Tensor:
    return x * by


@scaled.register_fake
def _(x, by):
    return torch.empty_like(x)


@program(lambda: (randn(3),))
def custom_operator(x):
    return scaled(x, 2.0) + torch.ops.tracer_tests.scaled(x, 3.0)


@program(lambda: (randn(4),))
def data_dependent_masks_without_branches(x):
    return torch.where(x > 0, x, -x), x.clamp(min=0), x.masked_fill(x < 0, 0.0), torch.nonzero_static(x > 0, size=2)


@program(lambda: (randn(3),))
def tensor_methods_by_name(x):
    for name in ("relu", "sigmoid", "neg"):
        x = getattr(x, name)()
    return x, hasattr(x, "nothing"), torch.relu is F.relu, x.add.__name__


@program(lambda: (randn(2, 3),))
def einsum_and_broadcasting(x):
    return torch.einsum("ij,kj->ik", x, x), torch.broadcast_tensors(x, x[:1]), torch.outer(x[0], x[1]), x.T @ x


@program(lambda: (torch.nn.Parameter(randn(3)), randn(3)))
def parameter_argument(w, x):
    return w * x, isinstance(w, torch.nn.Parameter), w.requires_grad, w.is_leaf


@program(lambda: (randn(3).to_sparse(), randn(3)), **UNKNOWN)
def sparse_argument(s, x):
    return s.to_dense() + x


class Tagged(torch.Tensor):
    """A subclass that keeps its type and counts what runs on it."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        out = super().__torch_function__(func, types, args, kwargs or {})
        return out


@program(lambda: (randn(3).as_subclass(Tagged), randn(3)))
def torch_function_subclass(t, x):
    return t + x, t.relu(), x * t, type(t + 1) is Tagged


@program(lambda: randn(3), **UNKNOWN)
def tensor_to_list_and_numpy(x):
    return x.tolist(), x.numpy().shape, x + 1


@program(lambda: (torch.arange(4),), **UNKNOWN)
def tensors_as_python_numbers(i):
    return range(5)[i[1]], [10, 20, 30][i[2]], int(i[3]), float(i[1]), bool(i[0]), i + 1


@program(lambda: (randn(3), randn(3)))
def tensor_comparison_functions(x, y):
    return torch.equal if False else x.eq(y), torch.isclose(x, y), torch.maximum(x, y), x.isnan(), torch.sign(x)


@program(lambda: (randn(2, 3),))
def repeated_subexpressions_are_separate_objects(x):
    a = x + 1
    b = x + 1
    return a, b, a is b, x.view(6), x.view(6)
