"""Lean fakes show what torch's own fakes show."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F

import tracer
from tracer.compat import fakes
from tracer.compat.fakes import fake_of, fake_symbolic, is_fake, new_fake_mode, remake, size_hint


def leaf(**how):
    return torch.randn(3, 4, **how)


def with_grad():
    tensor = leaf(requires_grad=True)
    tensor.sum().backward()
    return tensor


def parameter_with_grad():
    parameter = torch.nn.Parameter(torch.randn(2, 2))
    parameter.sum().backward()
    return parameter


KINDS = {
    "plain": leaf,
    "scalar": lambda: torch.tensor(3),
    "empty": lambda: torch.empty(0, 3),
    "zero strides": lambda: torch.ones(3, 1).expand(3, 4).detach(),
    "transposed": lambda: torch.empty_strided((3, 4), (1, 3)),
    "channels last": lambda: torch.empty(2, 3, 4, 5, memory_format=torch.channels_last),
    "gaps": lambda: torch.empty_strided((2, 2), (4, 1)),
    "double": lambda: leaf(dtype=torch.float64),
    "bool": lambda: torch.ones(2, dtype=torch.bool),
    "complex": lambda: leaf(dtype=torch.complex64),
    "conjugate": lambda: leaf(dtype=torch.complex64).conj(),
    "negative bit": lambda: leaf(dtype=torch.complex64).conj().imag,
    "requires grad": lambda: leaf(requires_grad=True),
    "parameter": lambda: torch.nn.Parameter(leaf()),
    "frozen parameter": lambda: torch.nn.Parameter(leaf(), requires_grad=False),
    "buffer": lambda: torch.nn.Buffer(leaf()),
    "grad": with_grad,
    "parameter with grad": parameter_with_grad,
    "not a leaf": lambda: leaf(requires_grad=True) * 2,
    "view": lambda: leaf()[1:],
    "view of a parameter": lambda: torch.nn.Parameter(leaf())[1:],
    "detached slice": lambda: leaf()[1:].detach(),
    "larger storage": lambda: torch.empty(0).set_(torch.randn(20).untyped_storage(), 0, (3,), (1,)),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "sparse csr": lambda: torch.eye(3).to_sparse_csr(),
    "inference": lambda: torch.inference_mode()(leaf)(),
}


def shown(tensor):
    """What a program can ask of a tensor."""
    strided = tensor.layout is torch.strided
    return {
        "type": isinstance(tensor, torch.nn.Parameter),
        "shape": tuple(tensor.shape),
        "stride": tensor.stride() if strided else None,
        "offset": tensor.storage_offset() if strided else None,
        "bytes": tensor.untyped_storage().nbytes() if strided else None,
        "dtype": tensor.dtype,
        "device": tensor.device,
        "layout": tensor.layout,
        "requires_grad": tensor.requires_grad,
        "is_leaf": tensor.is_leaf,
        "has grad_fn": tensor.grad_fn is not None,
        "is_view": tensor._is_view(),
        "has base": tensor._base is not None,
        "conj": tensor.is_conj(),
        "neg": tensor.is_neg(),
        "grad": None if not tensor.is_leaf or tensor.grad is None else shown(tensor.grad),
        "contiguous": tensor.is_contiguous() if strided else None,
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_fake_shows_what_from_tensor_shows(kind):
    tensor = KINDS[kind]()
    ours, theirs = fake_of(new_fake_mode(), tensor), new_fake_mode().from_tensor(tensor, static_shapes=True)
    assert is_fake(ours) and shown(ours) == shown(theirs)


@pytest.mark.parametrize("kind", ["plain", "scalar", "transposed", "parameter", "requires grad", "parameter with grad"])
def test_ordinary_tensors_are_made_without_the_converter(kind, monkeypatch):
    mode = new_fake_mode()
    monkeypatch.setattr(type(mode), "from_tensor", None)
    assert is_fake(fake_of(mode, KINDS[kind]()))


def test_subclasses_go_to_torch():
    class Mine(torch.Tensor):
        pass

    tensor = torch.ones(2).as_subclass(Mine)
    mode = new_fake_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert type(fake_of(mode, tensor)) is type(new_fake_mode().from_tensor(tensor))


def storage(tensor):
    return tensor.untyped_storage()._cdata


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    "alias", [lambda t: t.detach(), lambda t: t.data, lambda t: t[1:], lambda t: t.t(), lambda t: t[1:].detach()]
)
def test_tensors_that_share_storage_get_fakes_that_do(alias, swap):
    tensor = torch.randn(4, 4)
    pair = [tensor, alias(tensor)]
    mode = new_fake_mode()
    first, second = (fake_of(mode, value) for value in (pair[::-1] if swap else pair))
    assert storage(first) == storage(second)
    assert storage(fake_of(mode, torch.randn(4, 4))) != storage(first)


@pytest.mark.parametrize("symbolic_first", [False, True])
def test_a_symbolic_fake_shares_storage_with_a_static_one(symbolic_first):
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    mode, tensor = new_fake_mode(ShapeEnv()), torch.randn(4, 4)
    steps = [lambda: fake_of(mode, tensor), lambda: fake_symbolic(mode, tensor.detach(), [0], "x")]
    first, second = (step() for step in (steps[::-1] if symbolic_first else steps))
    assert storage(first) == storage(second)


def test_a_view_before_its_base():
    tensor = torch.randn(4, 4)
    mode = new_fake_mode()
    view = fake_of(mode, tensor[1:])
    assert view._base is fake_of(mode, tensor)
    alias, view, base = fake_of(mode, tensor.detach()), fake_of(mode, tensor[2:]), fake_of(mode, tensor)
    assert view._base is base and base is not alias and storage(base) == storage(alias)


def test_a_view_knows_its_bases_fake():
    tensor = torch.randn(4, 4)
    mode = new_fake_mode()
    base, view = fake_of(mode, tensor), fake_of(mode, tensor[1:])
    assert view._base is base


def test_addresses_that_are_used_again_mean_nothing():
    mode, kept = new_fake_mode(), []
    for _ in range(50):
        kept.append(fake_of(mode, torch.randn(64)))
    assert len({storage(fake) for fake in kept}) == len(kept)


def test_nothing_real_is_kept():
    import gc
    import weakref

    mode, tensor = new_fake_mode(), torch.randn(3)
    fake = fake_of(mode, tensor)
    dead = weakref.ref(tensor)
    del tensor
    gc.collect()
    assert dead() is None and is_fake(fake)


def test_symbolic_sizes_and_their_hints():
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    mode = new_fake_mode(ShapeEnv())
    fake = fake_symbolic(mode, torch.randn(5, 3), [0], "L['x']", ranges={0: (2, 10)})
    rows, columns = fake.shape
    assert fakes.is_symbolic(rows) and columns == 3 and size_hint(rows) == 5 and size_hint(rows * 2) == 10
    assert size_hint(7) == 7
    (symbol,) = rows.node.expr.free_symbols
    assert mode.shape_env.var_to_range[symbol].upper == 10
    again = remake(new_fake_mode(mode.shape_env), fake)
    assert again.shape[0].node.expr == rows.node.expr


def test_equal_sizes_share_a_symbol_only_as_ducks():
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    mode = new_fake_mode(ShapeEnv())
    a, b = (fake_symbolic(mode, torch.randn(5, 3), {0: "duck"}, name) for name in "ab")
    c, d = (fake_symbolic(mode, torch.randn(5, 3), {0: "dynamic"}, name) for name in "cd")
    assert a.shape[0].node.expr == b.shape[0].node.expr
    assert c.shape[0].node.expr != d.shape[0].node.expr


def test_unbacked_sizes_have_no_hint():
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    mode = new_fake_mode(ShapeEnv())
    fake = fake_symbolic(mode, torch.randn(5, 3), {0: "unbacked"}, "x")
    assert size_hint(fake.shape[0]) is None


def test_an_interrupted_operator_leaves_no_fake_mode_on_the_stack():
    mode = new_fake_mode()

    class Watch:
        def saw(self, *_: object) -> None:
            torch._C._set_dispatch_mode(mode)  # as an `__exit__` that is interrupted before it does anything
            raise KeyboardInterrupt

    mode.watch = Watch()
    with pytest.raises(KeyboardInterrupt):
        mode.dispatch(torch.ops.aten.sin.default, (), (torch.ones(2),))
    assert torch._C._len_torch_dispatch_stack() == 0


@pytest.mark.parametrize("trained", [False, True])
def test_what_is_written_underneath_is_remembered_with_the_result(trained):
    def normalised(x, *stats):
        first = F.batch_norm(x, *stats[:2], training=True)
        return first + F.batch_norm(x, *stats[2:4], training=True) + F.batch_norm(x, *stats[:2], training=True), stats[0] * 1

    def given():
        return torch.arange(24.0).view(4, 6).requires_grad_(trained), *(torch.ones(6) * number for number in range(1, 5))

    session = tracer.Session("trace")
    args, wanted = given(), given()
    (got, read), (expected, read_) = session.run(normalised, *args), normalised(*wanted)
    torch.testing.assert_close((got, read, args[1:]), (expected, read_, wanted[1:]), rtol=0, atol=0)
    assert got.requires_grad is trained and len(session.graphs) == 1 and not session.graph_breaks
    assert session.fakes.hits >= 2, "two of the three"
    assert sum("batch_norm" in node.target for node in session.graphs[0].nodes) == 3
