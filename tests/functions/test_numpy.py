"""NumPy under the tracer: values, classes, dtypes, memory and errors as NumPy's; one graph where torch's layer for NumPy agrees with it."""

import math
import operator

import numpy as np
import pytest
import torch
from torch import randn

import tracer
from tests.differential import Expect, check
from tests.functions.test_lists import errors, trace


def arrays(*shapes, dtype=float):
    rng = np.random.default_rng(0)
    return tuple((rng.standard_normal(shape) * 4).round(1).astype(dtype) for shape in shapes)


def breaks(count=1):
    return Expect(breaks=count, recompiles=0)


def test_from_a_tensor_and_back():
    def program(x):
        a = np.clip(x.numpy(), 0, 1)
        b = np.asarray(x)
        b[0] = 3.0
        return torch.from_numpy(a) + x, torch.as_tensor(a * 2), torch.tensor(a), a, x.detach().numpy() + 1, torch.tensor(a, dtype=torch.int64)

    trace(program, lambda: randn(4))


def test_operators():
    def program(a, b, c):
        some = [op(a, b) for op in (operator.add, operator.sub, operator.mul, operator.truediv, operator.lt, operator.ge, operator.eq, operator.ne)]
        return some, a @ b.T, -a, abs(a), 2 - a, a**2, 3.0 * b, c & 3, c | 1, ~c, c << 1, a == 1, c % 3, c // 2, +c, a // 0.5

    trace(program, lambda: (*arrays((2, 3), (2, 3)), *arrays(4, dtype=int)))


def test_functions():
    def program(a, v):
        made = np.zeros((2, 3)), np.ones(2, dtype=np.float32), np.full(3, 2.5), np.arange(5), np.linspace(0, 1, 4), np.eye(2), np.array([[1, 2.5], [3, 4]])
        joined = np.concatenate([a, a]), np.stack((a, a), axis=1), np.vstack([a, a]), np.split(v, 2), np.tile(v, 2), np.repeat(v, 2)
        shaped = a.reshape(-1), a.T, np.transpose(a), a[None], np.expand_dims(a, 0), a.ravel(), np.squeeze(a[:1]), a.swapaxes(0, 1), np.moveaxis(a, 0, 1)
        reduced = a.sum(), a.mean(axis=0), np.max(a), a.min(1), np.std(a), a.var(ddof=1), np.prod(a), a.argmax(), np.any(a > 0), np.cumsum(v)
        whole = np.exp(v), np.sqrt(np.abs(v)), np.maximum(v, 0), np.where(v > 0, v, 0.0), np.round(v), np.floor(v), np.isnan(v), np.dot(v, v)
        log = np.linalg.slogdet(a[:, :2])
        return made, joined, shaped, reduced, whole, log, log.sign, np.linalg.norm(v), np.einsum("ij,kj->ik", a, a), np.sort(v), np.outer(v, v), np.meshgrid(v, v)

    check(program, lambda: arrays((2, 3), 4), expect=Expect(breaks=0, recompiles=0), tolerance=1e-9)


def test_classes_and_dtypes_of_results():
    def program(a):
        total, part = a.sum(), a[0, 1]
        return (
            type(total), type(part), isinstance(total, float), isinstance(a, np.ndarray), total.dtype, a.dtype == np.float64, a.astype("float32").dtype,
            np.sum(a > 0).dtype, a.shape, a.ndim, a.size, a.nbytes, a.itemsize, len(a), a.strides, a.dtype.name, a.dtype.kind, np.float32(total), (a > 0).all(),
            np.issubdtype(a.dtype, np.floating), (a.astype(np.int32) + np.int8(1)).dtype, np.result_type(a, np.int8), a.real, total + 1, total * a,
        )  # fmt: skip

    trace(program, lambda: arrays((2, 3)))


def test_numpys_own_precision():
    def program(image, n, b):
        return image / 255, image / 2.5, n / 2, n / image, np.sqrt(n), np.exp(image), np.mean(image), image * 2, image + n, b / 2, np.sin(b), n / n.max()

    trace(program, lambda: (np.arange(1, 7, dtype=np.uint8), np.arange(1, 7), np.arange(6) > 2))


def test_writing():
    def program(a, b, v):
        a += 1
        a[0] = 5
        a[:, 1] = b
        view = a[1:]
        view *= 2
        v[v > 100] = 0  # nothing is
        np.copyto(b, 7.0)
        a.sort()
        b.fill(2)
        copied = a.copy()
        copied[0, 0] = -1
        whole = a.astype(a.dtype)
        whole[0, 0] = -2
        flat = a.flatten()
        flat[0] = -3
        np.add(v, 1, out=v)
        return view, a, copied, flat, b

    trace(program, lambda: arrays((2, 3), 2, 4))


def test_memory_is_shared_as_numpy_shares_it():
    def program(x, a):
        n = x.numpy()
        n += 1
        t = torch.from_numpy(a)
        t.mul_(2)
        a[0] = 9
        return x * 2, t, n, a.reshape(3, 1), torch.from_numpy(n) is torch.from_numpy(n), np.asarray(a) is a

    trace(program, lambda: (randn(3), *arrays(3)))
    session = tracer.trace(program, randn(3), np.ones(3))
    result = session.result
    result[0][:] = 0
    assert np.shares_memory(result[1].numpy(), result[3]) and not np.shares_memory(result[0].numpy(), result[2])


def test_views_that_torch_cannot_have():
    def program(x, a):
        back = a[::-1]
        before = back.copy()
        a[0] = 7  # seen through the view
        flipped = np.flip(back)[1:]
        a += 1
        return torch.from_numpy(before) + x, back * 2, flipped, back, np.asarray(back) is back, back.sum(), torch.from_numpy(x.numpy()[::-1].copy())

    trace(program, lambda: (randn(3), *arrays(3)))
    a = np.ones(3)
    view = tracer.trace(program, randn(3), a).result[3]
    assert np.shares_memory(a, view)

    def written(a):
        back = a[::-1]
        back += np.arange(3)
        return back, torch.ones(2) + 1

    check(written, lambda: arrays(3), expect=breaks(None))


def test_loops_and_numbers():
    def program(a, x):
        best = 0.0
        for row in a:
            best = np.maximum(best, row.max())
        for value in a[0]:
            a[0, 2] = 1  # seen by the loop
            x = x + 1 if type(value) is np.float64 else x
        return best, [int(n) for n in range(np.int64(3))], x * np.float64(2), np.float32(3) * x, math.sqrt(np.float64(4)), np.sqrt(2.0), np.lcm(4, 6), np.pi

    trace(program, lambda: (*arrays((3, 3)), randn(2)))


def test_known_numbers():
    def program(x, f, n):
        facts = np.finfo(np.float32).eps, np.iinfo("int8").max, np.dtype("int16").itemsize, f.dtype, n.item(), float(f), int(n), f"{f:.2f}", str(n), bool(f)
        made = torch.tensor(f), torch.tensor(np.float64(0.5)), torch.full((2,), f), torch.zeros(n), x[n - 2]
        return facts, made, f + 1, n * 2, n / 2, f > n, divmod(n, 2), -f, hash(n) == hash(3), {n: 1}[3], [1, 2, 3, 4][n], x * f, x**n, np.prod((2, n))

    trace(program, lambda: (randn(4), np.float32(1.5), np.int64(3)))


def test_errors_are_numpys():
    def program(a):
        return a + 1, errors(
            lambda: a[7], lambda: a[0, 0, 0], lambda: len(a.sum()), lambda: bool(a), lambda: np.zeros(-1), lambda: a.nothing,
            lambda: np.float64("x"), lambda: iter(a.sum()), lambda: np.int64(1) << "a", lambda: a["x"],
        )  # fmt: skip

    trace(program, lambda: arrays((2, 2)))


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_backends_take_the_graphs(backend):
    def program(x, a):
        a += 1
        return np.tanh(x.numpy()) @ a, a.sum(axis=0)

    check(program, lambda: (randn(2, 2), np.ones((2, 2), np.float32)), expect=Expect(breaks=0, recompiles=0), backend=backend)


def test_other_arrays_at_the_second_call():
    def program(a, b):
        a[:2] += 1
        return (b * 2).sum(axis=0), a.dtype.name

    whole = np.arange(8.0)
    fixed = np.arange(4.0)
    fixed.flags.writeable = False
    others = [
        (np.ones(4), np.ones(4)), (np.ones(5), np.ones(3)), (np.ones(4, np.float32), np.ones(4)), (np.ones((4, 2)), np.ones((2, 2))), (whole[:4], whole[1:5]),
        (whole, whole), (whole[::2], whole[1::2]), (np.ones(4, int), fixed), (np.ones(4), np.ones(4)[::-1]), (np.ones(4), np.ones(4, ">f8")), ([1, 2, 3], whole),
        (fixed, np.ones(4)), (np.ones(4), np.ma.masked_array([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 0])), (torch.ones(4), np.ones(4)),
    ]  # fmt: skip
    for backend in ("eager", "aot_eager"):
        compiled = tracer.compile(program, backend=backend)
        for a, b in [others[0], *others, others[4], others[0]]:
            left, right = [_copied(a, b) for _ in range(2)]
            assert str(errors(lambda left=left: program(*left))) == str(errors(lambda right=right: compiled(*right)))
            assert str(left) == str(right)
        assert not compiled.session.faults


def _copied(a, b):
    """Copies that share memory as these do."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.shares_memory(a, b):
        base = np.arange(8.0)
        spans = [slice((each.__array_interface__["data"][0] - a.base.ctypes.data) // 8 if a.base is not None else 0, None) for each in (a, b)]
        return base[spans[0]][: len(a)], base[spans[1]][: len(b)]
    copies = [each.copy() if isinstance(each, np.ndarray) else each.clone() if isinstance(each, torch.Tensor) else list(each) for each in (a, b)]
    for each, made in zip((a, b), copies, strict=True):
        if isinstance(each, np.ndarray):
            made.flags.writeable = each.flags.writeable
    return copies


def test_numbers_of_another_kind_at_the_second_call():
    def program(x, n):
        return x * n, type(n)

    compiled = tracer.compile(program, backend="eager")
    for n in (np.float32(2), np.float64(2), 2.0, np.float32(2), np.int64(2), np.float32(-0.0), np.float32(0.0), np.True_):
        for left, right in zip(program(torch.ones(2), n), compiled(torch.ones(2), n), strict=True):
            assert str(left) == str(right)


# ---- what isn't captured runs as Python, with NumPy's results
def _random(x):
    np.random.seed(0)
    return x + 1, np.random.rand(2)


REFUSED = {
    "random numbers": (_random, 2), "no such function": (lambda x: x + np.digitize(1.5, np.array([1.0, 2.0])), 1),
    "an inverse": (lambda x: errors(lambda: np.linalg.inv(x.numpy().reshape(3, 1) * np.zeros(3))), None), "an order of ties": (lambda x: np.argsort(x.numpy()), 1), "values of data": (lambda x: x.numpy()[x.numpy() > 0], 1), "a tensor and an array": (lambda x: x + x.numpy(), 1),
    "division by zero": (lambda x: x.to(torch.int64).numpy() // np.array([0, 1, 2]), 1), "flags": (lambda x: x.numpy().flags.writeable, 2),
    "an object array": (lambda x: np.array([x, None], dtype=object)[1], None), "rounding before the point": (lambda x: np.round(x.to(torch.int64).numpy(), -1), 1),
    "a read-only view": (lambda x: errors(lambda: np.broadcast_to(x.numpy(), (2, 3)).__setitem__(0, 1)), None), "a callback": (lambda x: np.vectorize(int)(x.numpy()), None),
    "a tensor that needs a gradient": (lambda x: errors(lambda: x.requires_grad_().numpy()), None), "bfloat16": (lambda x: errors(lambda: x.bfloat16().numpy()), None),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused(name):
    program, count = REFUSED[name]
    session = check(program, lambda: randn(3), expect=Expect(breaks=count, recompiles=0) if count else None)
    del session


def test_the_reason_is_said():
    def program(x):
        return torch.from_numpy(np.sign(x.numpy()))

    session = tracer.trace(program, randn(3))
    said = session.graph_breaks[0].explanation
    assert "torch's layer gives other values than NumPy for some" in said and "`np.sign(x.numpy())`" in said


def test_what_does_more_than_compute_runs_at_each_call(tmp_path):
    def program(x, path):
        np.save(path, 3)
        return x + np.load(path).item(), np.seterr()

    compiled = tracer.compile(program, backend="eager")
    for number in range(3):
        assert compiled(torch.ones(2), tmp_path / f"{number}.npy")[0].tolist() == [4, 4] and (tmp_path / f"{number}.npy").exists()


def test_errors_of_arithmetic_are_raised_where_numpy_raises_them():
    def program(a):
        return a / 0

    compiled = tracer.compile(program, backend="eager")
    for how in ("ignore", "raise", "ignore", "raise"):
        with np.errstate(all=how):
            assert str(errors(lambda: compiled(np.ones(2)))) == str(errors(lambda: program(np.ones(2))))


def test_switched_off():
    check(lambda x: np.sqrt(x.numpy()) + 1, lambda: randn(3).abs(), expect=breaks(["numpy-unsupported"] * 3), trace_numpy=False)


def test_sizes_that_change():
    def program(a):
        return a.reshape(2, -1).sum(axis=0) + a.shape[0]

    compiled = tracer.compile(program, backend="eager", dynamic=True)
    for size in (4, 6, 8, 4):
        assert np.array_equal(compiled(np.arange(float(size))), program(np.arange(float(size))))


def test_run_again_compared_and_exported(tmp_path):
    def program(x, a):
        a += 1
        return np.tanh(x.numpy()) @ a, a.sum()

    session = tracer.trace(program, torch.ones(2, 2), np.ones((2, 2), np.float32))
    again = session.recompile(trace_numpy=False)
    outputs = {one.path: one for one in session.diff(again).outputs}
    assert set(outputs) == {"out[0]", "out[1]"} and all(one.compared and one.max_abs < 1e-6 for one in outputs.values())
    assert not session.graph_breaks and again.graph_breaks
    session.export(tmp_path / "program.py")
    assert "an array of NumPy's, and a file takes and gives tensors" in (tmp_path / "program.py").read_text()
    session.save(tmp_path / "program.jsonl")
    assert "torch.from_numpy(a)" in str(tracer.load(tmp_path / "program.jsonl").explain())
