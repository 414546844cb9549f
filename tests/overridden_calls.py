"""Programs drawn at random: classes and modes that override torch's functions, operators, and what the overrides do with them.

    python -m tests.overridden_calls 300 [first seed]

Each is run untraced and traced, twice, and compared as every program is (`tests/differential.py`).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from tests.differential import check

__all__ = ["drawn"]

_BODIES = (
    "return super().__torch_function__(func, types, args, kwargs)",
    "out = super().__torch_function__(func, types, args, kwargs)\n        return out * 2 if func in (torch.add, torch.Tensor.mul, torch.sum) else out",
    "with torch._C.DisableTorchFunctionSubclass():\n            return func(*args, **(kwargs or {}))",
    "if func is torch.Tensor.add or func is F.relu: return NotImplemented\n        return super().__torch_function__(func, types, args, kwargs)",
    "plain = [a.as_subclass(torch.Tensor) if isinstance(a, cls) else a for a in args]\n        return func(*plain, **(kwargs or {}))",
    "out = super().__torch_function__(func, types, args, kwargs)\n        if isinstance(out, cls): out.trail = [*getattr(args[0], 'trail', []), func.__name__]\n"
    "        return out",
    "if func.__name__ in TABLE: return TABLE[func.__name__](*args)\n        return super().__torch_function__(func, types, args, kwargs)",
)
_MODES = (
    "return func(*args, **(kwargs or {}))",
    "self.told.append(func.__name__)\n        return func(*args, **(kwargs or {}))",
    "out = func(*args, **(kwargs or {}))\n        return torch.neg(out) if isinstance(out, torch.Tensor) and out.is_floating_point() else out",
    "if func is torch.cat: raise ValueError('no cat')\n        return func(*args, **(kwargs or {}))",
    "return torch.sub(*args) if func is torch.Tensor.add else func(*args, **(kwargs or {}))",
)
_CALLS = (
    "{a} + {b}", "{b} + {a}", "1 - {a}", "{a} * 2", "torch.add({a}, {b})", "torch.cat([{a}, {b}])[:4]", "F.relu({a})", "F.softmax({a}, 0)", "-{a}", "{a}[0] + {b}",
    "{a}.view(2, 2).T.reshape(4)", "{a}.sum()", "torch.where({a} > 0, {a}, {b})", "torch.stack([{a}, {b}]).mean(0)", "{a}.clone().add_(1)", "{a}.as_subclass(A)",
    "{a}.as_subclass(torch.Tensor)", "torch.max({a}.reshape(2, -1), 0).values.repeat(2)", "{a} @ {b}", "{a}.exp().log1p()", "torch.einsum('i,i->i', {a}, {b})",
    "torch.zeros(4) + {a}", "abs({a})", "{a}.to(torch.float64).float()", "F.layer_norm({a}, (4,))", "{a}.split(2)[1].repeat(2)", "torch.ones_like({a})", "sum([{a}, {b}])",
    "{a} ** 2", "2 / ({a} + 3)", "{a}.detach()", "torch.clamp({a}, min=0)", "torch.tensor([1., 2., 3., 4.]).mul({a})",
)  # fmt: skip
_EFFECTS = (
    "{a}.add_(1)", "{a}[0] = 2", "{a} *= 2", "noted.append(tuple({a}.shape))", "noted.append(type({a}).__name__)", "noted.append({a}.dtype)",
    "noted.append(isinstance({a}, A))", "noted.append(torch.overrides.has_torch_function(({a},)))", "{a}.mark = len(noted)", "noted.append(getattr({a}, 'mark', None))",
    "noted.append({a}.requires_grad)", "noted.append(len({a}) if {a}.dim() else 0)", "print('here')",
)  # fmt: skip


def source(rng: random.Random) -> str:
    """The text of a program: two classes, a mode, and a function of two tensors."""
    lines = ["TABLE = {'mul': lambda x, y: x - y, 'relu': lambda x, *_: x.abs(), 'sum': lambda x: x.mean()}"]
    for name, base in (("A", "torch.Tensor"), ("B", rng.choice(("A", "torch.Tensor")))):
        lines += [f"class {name}({base}):", "    @classmethod", "    def __torch_function__(cls, func, types, args=(), kwargs=None):", f"        {rng.choice(_BODIES)}"]
    lines += [
        "class M(TorchFunctionMode):", "    def __init__(self, told):", "        super().__init__()", "        self.told = told",
        "    def __torch_function__(self, func, types, args=(), kwargs=None):", f"        {rng.choice(_MODES)}",
        "def f(x, y):", "    noted, v = [], [x, y]", "    try:",
    ]  # fmt: skip
    indent = "        "
    for _ in range(rng.randint(3, 9)):
        names = {"a": f"v[{rng.choice((0, 1, -1))}]", "b": f"v[{rng.choice((0, 1, -1))}]"}
        what = rng.random()
        if what < 0.1 and len(indent) < 16:
            lines.append(f"{indent}with {rng.choice(('M(noted)', 'M(noted)', 'torch._C.DisableTorchFunctionSubclass()', 'torch._C.DisableTorchFunction()', 'torch.no_grad()'))}:")
            indent += "    "
        elif what < 0.35:
            lines.append(indent + rng.choice(_EFFECTS).format(**names))
            if len(indent) > 8 and rng.random() < 0.5:
                indent = indent[4:]
        else:
            lines.append(f"{indent}v.append({rng.choice(_CALLS).format(**names)})")
    lines += [f"{indent}v.append({_CALLS[0].format(a='v[0]', b='v[-1]')})", "    except (TypeError, ValueError, RuntimeError) as error:"]
    lines += ["        noted.append(type(error).__name__)", "    return v[2:], noted, [getattr(t, 'trail', None) for t in v], torch._C._len_torch_function_stack()"]
    return "\n".join(lines) + "\n"


def drawn(seed: int) -> tuple[str, Callable[..., Any], Callable[[], Any]]:
    """(its text, the function, what makes its arguments)."""
    rng = random.Random(seed)
    text = source(rng)
    kinds = rng.choice(("A", "B", "torch.Tensor")), rng.choice(("A", "B", "torch.Tensor"))
    grad = rng.random() < 0.3
    scope: dict[str, Any] = {"torch": torch, "F": F, "TorchFunctionMode": TorchFunctionMode, "__name__": "drawn"}
    exec(compile(text, f"<drawn {seed}>", "exec"), scope)

    def make() -> tuple[Any, ...]:
        with torch._C.DisableTorchFunctionSubclass():
            return tuple(torch.randn(4).as_subclass(eval(kind, scope)).requires_grad_(grad) for kind in kinds)

    return text, scope["f"], make


def main(count: int, first: int) -> int:
    """Runs that many; prints those that differ."""
    failed, graphs, broken = 0, 0, 0
    for seed in range(first, first + count):
        text, function, make = drawn(seed)
        try:
            _, counts = check(function, make)
            graphs, broken = graphs + counts.graphs, broken + bool(counts.breaks)
        except Exception as error:
            failed += 1
            print(f"--- seed {seed}\n{text}\n{type(error).__name__}: {error}"[:3000])
    print(f"{count} programs: {failed} differ; {graphs} graphs, {broken} programs break")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
