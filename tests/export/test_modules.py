"""Exported modules and torch.export programs: they run without us and give what the call gave."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

import tracer
from tests.models.zoo import build
from tracer.export.capture import capture
from tracer.export.python import Module, load

OUTSIDE = torch.ones(3)
LINEAR = nn.Linear(4, 4)


def loaded(session: tracer.Session, path: Path) -> ModuleType:
    """The file, imported in this process by its path."""
    session.export(path, check=False)
    return imported(path)


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def equal(a: Any, b: Any) -> bool:
    left, right = pytree.tree_leaves(a), pytree.tree_leaves(b)
    return len(left) == len(right) and all(
        torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in zip(left, right, strict=True)
    )


class Everything(nn.Module):
    """Parameters in a list, a buffer, an ordinary attribute, a global, an argument in a dict, a plain one, a size in the result."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3)])
        self.register_buffer("scale", torch.ones(3) * 2)
        self.shift = torch.ones(3)

    def forward(self, x: torch.Tensor, d: dict[str, torch.Tensor], *, k: int = 2) -> dict[str, Any]:
        return {"out": [self.layers[0](x) + self.scale * d["q"] * k + self.shift + OUTSIDE], "n": (x.shape[0], None)}


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x)).relu()


def bodies(x: torch.Tensor) -> torch.Tensor:
    y = torch.cond(x.sum() > 0, lambda a: LINEAR(a), lambda a: a.cos(), (x,))
    return checkpoint(lambda z: LINEAR(z).relu(), y, use_reentrant=False)


def writes_and_draws(x: torch.Tensor, n: int) -> tuple[torch.Tensor, float]:
    x.add_(1)
    with torch.no_grad():
        y = x * n
    return nn.functional.dropout(y), float("inf")


def overlapping(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    a.add_(1)
    return a[:4] + b.sum()


def tied() -> tuple[nn.Module, torch.Tensor]:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    return nn.Sequential(first, second), torch.randn(2, 3)


def reshaped(x: torch.Tensor) -> torch.Tensor:
    x.unsqueeze_(0)
    return x + 1


class Clash(nn.Module):
    """Its weights lie where the body of a branch would."""

    def __init__(self) -> None:
        super().__init__()
        self.cond_true = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cond(
            x.sum() > 0, lambda: self.cond_true(x), lambda: torch.cond(x.sum() > 1, lambda: x.sin(), lambda: x.cos())
        )


def halves() -> tuple[torch.Tensor, torch.Tensor]:
    base = torch.arange(6.0)
    return base[:4], base[2:]


def open_ended(x: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
    return x * named["k"] + rest[0] + named["bias"]


CASES: dict[str, Callable[[], tuple[Any, tuple[Any, ...], dict[str, Any]]]] = {
    "everything": lambda: (Everything().eval(), (torch.randn(2, 3), {"q": torch.ones(3)}), {"k": 3}),
    "bodies": lambda: (bodies, (torch.randn(2, 4),), {}),
    "writes_and_draws": lambda: (writes_and_draws, (torch.ones(2, 4), 3), {}),
    "overlapping": lambda: (overlapping, halves(), {}),
    "batch_norm": lambda: (Convolution().train(), (torch.randn(2, 3, 8, 8),), {}),
    "clash": lambda: (Clash(), (torch.randn(2, 3),), {}),
    "reshaped": lambda: (reshaped, (torch.ones(2, 3),), {}),
    "tied": lambda: (tied()[0], (torch.randn(2, 3),), {}),
    "transposed": lambda: (lambda x: x @ x.t(), (torch.randn(3, 4).t(),), {}),
    "complex": lambda: (lambda x: x.abs(), (torch.randn(3, dtype=torch.complex128),), {}),
    "open_ended": lambda: (open_ended, (torch.ones(2), 3), {"k": 3, "bias": torch.ones(2)}),
    "under_autocast": lambda: (nn.Linear(3, 3), (torch.randn(2, 3),), {}),
}


def test_modules_run_on_their_own(tmp_path):
    """In one process that has torch and nothing of ours: a start of both takes seconds."""
    for name, case in CASES.items():
        fn, args, kwargs = case()
        with torch.autocast("cpu", torch.bfloat16, enabled=name == "under_autocast"):
            session = tracer.trace(fn, *args, **kwargs)
        session.export(tmp_path / f"{name}.py", check=False)
        assert "tracer" not in (tmp_path / f"{name}.py").read_text().replace("Tracer", "")
    lines = ["import runpy, sys", *[f"print({name!r}, flush=True); runpy.run_path('{name}.py', run_name='__main__')" for name in CASES]]
    lines.append("assert 'tracer' not in sys.modules")
    (tmp_path / "all.py").write_text("\n".join(lines))
    done = subprocess.run([sys.executable, "-I", "all.py"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout == "".join(f"{name}\nrun 1 of 1 agrees (Graph0)\n1 recorded run(s) agree\n" for name in CASES) and not done.returncode, done.stderr


def test_a_changed_weight_is_noticed(tmp_path):
    from safetensors.torch import load_file, save_file

    tracer.trace(LINEAR, torch.randn(2, 4)).export(tmp_path / "captured.py", check=False)
    held = load_file(tmp_path / "captured.safetensors")
    save_file(
        {name: value + 1 if name.endswith("bias") else value for name, value in held.items()},
        tmp_path / "captured.safetensors",
    )
    with pytest.raises(AssertionError, match="Graph0, output 0"):
        imported(tmp_path / "captured.py").check()


def test_the_program_takes_the_calls_own_arguments(tmp_path):
    model, x, d = Everything().eval(), torch.randn(2, 3), {"q": torch.ones(3)}
    session = tracer.trace(model, x, d, k=3)
    module = loaded(session, tmp_path / "captured.py")
    program = module.Program()
    assert equal(program(x, d, k=3), session.result)
    other = {"q": torch.randn(3)}
    assert equal(program(x * 2, other, k=3), model(x * 2, other, k=3))
    assert set(model.state_dict()) <= set(program.captured.state_dict())
    with pytest.raises(ValueError, match="k was 3"):
        program(x, d, k=4)
    with pytest.raises(ValueError, match=r"x was of shape \(2, 3\) .*, not \(5, 3\)"):
        program(torch.ones(5, 3), d, k=3)


def test_sizes_that_were_symbolic_may_differ(tmp_path):
    session = tracer.Session("trace", dynamic=True)
    session.run(lambda x: x.reshape(-1, x.shape[0] // 2) * x.shape[1], torch.ones(4, 6))
    module = loaded(session, tmp_path / "captured.py")
    assert module.check() == 1
    y = torch.randn(8, 5)
    assert torch.equal(module.Program()(y), y.reshape(-1, 4) * 5)
    session.export(tmp_path / "captured.pt2", check=False)
    assert torch.equal(torch.export.load(tmp_path / "captured.pt2").module()(y), y.reshape(-1, 4) * 5)


def test_graphs_round_a_break_are_classes_each(tmp_path, capsys):
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        print("between")
        return LINEAR(y) * y

    session = tracer.trace(program, torch.ones(2, 4))
    module = loaded(session, tmp_path / "captured.py")
    assert module.check() == 2 and not hasattr(module, "Program")
    assert "the graph breaks at line" in (tmp_path / "captured.py").read_text()
    with pytest.raises(tracer.TracerError, match="the graph breaks at line"):
        session.export(tmp_path / "captured.pt2", check=False)
    assert not (tmp_path / "captured.pt2").exists()


@pytest.mark.parametrize("name", ["everything", "bodies", "overlapping", "batch_norm", "tied", "open_ended"])
def test_a_torch_export_program(name, tmp_path):
    fn, args, kwargs = CASES[name]()
    held = pytree.tree_map(lambda v: v.clone() if isinstance(v, torch.Tensor) else v, (args, kwargs))
    before = {k: v.clone() for k, v in fn.state_dict().items()} if isinstance(fn, nn.Module) else {}
    if name == "overlapping":
        held = (halves(), {})
    session = tracer.trace(fn, *args, **kwargs)
    session.export(tmp_path / "captured.pt2", check=False)
    program = torch.export.load(tmp_path / "captured.pt2").module()
    assert all(
        torch.allclose(a, b) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(
            pytree.tree_leaves(program(*held[0], **held[1])), pytree.tree_leaves(session.result), strict=True
        )
    )
    assert name != "batch_norm" or not all(torch.equal(before[k], v) for k, v in fn.state_dict().items())


@pytest.mark.parametrize(
    "name", ["gpt2", pytest.param("t5", marks=pytest.mark.slow), pytest.param("whisper", marks=pytest.mark.slow)]
)
def test_real_models(name, tmp_path):
    model = build(name)
    inputs = model.inputs(model.sizes[0])
    session = tracer.trace(model.module, **inputs)
    module = loaded(session, tmp_path / "captured.py")
    assert module.check() == 1 and equal(module.Program()(**inputs), session.result)
    session.export(tmp_path / "captured.pt2", check=False)
    assert equal(torch.export.load(tmp_path / "captured.pt2").module()(**inputs), session.result)


# ---- refusals
def test_what_only_the_program_has_is_refused(tmp_path):
    class Holder:
        def __init__(self) -> None:
            self.tensor = torch.ones(2)

    def program(x: torch.Tensor, holder: Holder, seen: list[int]) -> torch.Tensor:
        seen.append(1)
        return x + holder.tensor

    session = tracer.trace(program, torch.ones(2), Holder(), [])
    module = loaded(session, tmp_path / "captured.py")
    assert module.check() == 1 and not hasattr(module, "Program")
    with pytest.raises(tracer.TracerError, match=r"changes Python objects \(seen\)"):
        session.export(tmp_path / "captured.pt2", check=False)
    session = tracer.trace(lambda x, holder: x + holder.tensor, torch.ones(2), Holder())
    with pytest.raises(tracer.TracerError, match=r"reads holder\.tensor"):
        session.export(tmp_path / "captured.pt2", check=False)


def test_sessions_without_inputs_say_so(tmp_path):
    for settings, why in (({"keep_inputs": False}, "keeps no inputs"), ({"keep_inputs": "metadata"}, "descriptions")):
        session = tracer.Session("trace", **settings)
        session.run(LINEAR, torch.ones(2, 4))
        with pytest.raises(tracer.TracerError, match=why):
            session.export(tmp_path / "captured.py")
    session = tracer.trace(lambda x: x, torch.ones(2))
    with pytest.raises(tracer.TracerError, match="no graph"):
        session.export(tmp_path / "captured.py")


def test_names_of_the_program_are_text_only(tmp_path):
    def program(x: torch.Tensor, d: dict[str, torch.Tensor]) -> torch.Tensor:
        return x + d['"""\nraise SystemExit(3)\n"""']

    program.__qualname__ = '"""; raise SystemExit(3)'
    session = tracer.trace(program, torch.ones(2), {'"""\nraise SystemExit(3)\n"""': torch.ones(2)})
    assert loaded(session, tmp_path / "captured.py").check() == 1


def test_the_text_without_files():
    session = tracer.trace(LINEAR, torch.ones(2, 4))
    made = load(Module(capture(session), "name"))
    assert torch.equal(made.Program()(torch.ones(2, 4)), session.result)
