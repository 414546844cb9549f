"""A script of its own for what differs: torch alone, tensors beside it in safetensors; it exits with 1 while it differs, with 0 once it doesn't.

In: a part of a graph and its inputs, and how it is run twice: in two dtypes or devices, or eager and by a backend. Out: the paths of both files.
TracerError where the script can't name what has to be called.
"""

from __future__ import annotations

import math
import types
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import fx

from ..errors import TracerError
from .program import Step

__all__ = ["node_script", "piece_script"]


def piece_script(path: Any, gm: fx.GraphModule, inputs: list[Any], backend: Any, share: float) -> list[Path]:
    """`share`: how far results may be apart, of the largest magnitude."""
    named = repr(backend) if isinstance(backend, str) else None
    imports = []
    if named is None:
        module, name = getattr(backend, "__module__", ""), getattr(backend, "__qualname__", "")
        if not module or module == "__main__" or not name.isidentifier():
            raise TracerError("the backend is a callable that no script can import.", next="give it a module of its own, or register it under a name")
        imports, named = [f"from {module} import {name} as backend"], "backend"
    body = _BACKEND.format(backend=named, share=share)
    return _write(path, gm, inputs, imports, body)


def node_script(path: Any, step: Step, given: Any, left: Any, right: Any) -> list[Path]:
    """One operator in two settings, on the inputs of the first."""
    gm, inputs = _alone(step, given)
    floats = [one.dtype for one in inputs if isinstance(one, torch.Tensor) and one.is_floating_point()]
    settings = [(str(setting.device or setting.where), str(setting.dtype or (floats[0] if floats else torch.float32))) for setting in (left, right)]
    body = _SETTINGS.format(first=settings[0], second=settings[1])
    return _write(path, gm, inputs, [], body)


def _alone(step: Step, given: Any) -> tuple[fx.GraphModule, list[Any]]:
    """The operator as a graph: each tensor that it reads is an input."""
    graph, inputs = fx.Graph(), []

    def lift(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            inputs.append(value)
            return graph.placeholder(f"input_{len(inputs)}")
        return value

    args, kwargs = torch.utils._pytree.tree_map(lift, given)
    graph.output((graph.create_node(step.node.op, step.node.target, tuple(args), kwargs),))
    return fx.GraphModule(torch.nn.Module(), graph), inputs


def _write(path: Any, gm: fx.GraphModule, inputs: list[Any], imports: list[str], body: str) -> list[Path]:
    script = Path(path)
    beside = script.with_suffix(".safetensors")
    held: dict[str, torch.Tensor] = {}
    given = [_spelled(value, f"input_{number}", held) for number, value in enumerate(inputs, 1)]
    classes, more = _class(gm, "Piece", held)
    text = _HEAD.format(imports="\n".join(sorted({*imports, *more})), classes=classes, inputs=",\n        ".join(given), beside=beside.name)
    script.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in held.items()}, beside)
    script.write_text(text + body, encoding="utf-8")
    return [script, beside]


def _spelled(value: Any, name: str, held: dict[str, torch.Tensor]) -> str:
    if isinstance(value, torch.Tensor):
        held[name] = value
        contiguous = value.is_contiguous()
        return f"held[{name!r}]" if contiguous else f"laid_out(held[{name!r}], {tuple(value.stride())})"
    if value is None or isinstance(value, bool | int | str) or isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, float):
        return f"float({str(value)!r})"
    raise TracerError(f"the part takes a {type(value).__name__}, which a script can't hold.", next="choose another part of the graph")


def _class(gm: fx.GraphModule, name: str, held: dict[str, torch.Tensor]) -> tuple[str, set[str]]:
    """A class with the graph as its `forward`, its bodies before it, and the imports that it needs."""
    code = gm.graph.python_code("self")
    imports: set[str] = set()
    for word, value in code.globals.items():
        imports.add(_import(word, value))
    before, lines = "", []
    for target in dict.fromkeys(str(node.target) for node in gm.graph.nodes if node.op in ("get_attr", "call_module")):
        value = gm
        for part in target.split("."):
            value = getattr(value, part)
        if isinstance(value, fx.GraphModule):
            inner = f"{name}_{target.replace('.', '_')}"
            text, more = _class(value, inner, held)
            before, imports = f"{before}{text}\n\n", imports | more
            lines.append(f"self.{target} = {inner}(held)")
        elif isinstance(value, torch.Tensor) and "." not in target:
            held[f"{name}.{target}"] = value
            lines.append(f"self.{target} = held[{name + '.' + target!r}]")
        else:
            raise TracerError(f"the part calls {target}, a {type(value).__name__}, which a script can't hold.", next="choose another part of the graph")
    body = "\n".join(f"        {line}" for line in lines)
    forward = "\n".join(f"    {line}" if line.strip() else "" for line in code.src.strip().splitlines())
    return f"{before}class {name}(torch.nn.Module):\n    def __init__(self, held):\n        super().__init__()\n{body}\n\n{forward}\n", imports - {""}


def _import(word: str, value: Any) -> str:
    """The line that makes a name of the graph's code known."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" if word == value.__name__.partition(".")[0] or word == value.__name__ else f"import {value.__name__} as {word}"
    if isinstance(value, float):
        return f"{word} = float({str(value)!r})"
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    if value is type(None):
        return f"{word} = type(None)"
    if module == "builtins":
        return ""
    if not module or "." in name or module == "__main__" or module.startswith("tracer"):
        raise TracerError(f"the part calls {name or word}, which a script with torch alone can't name.", next="choose another part of the graph")
    return f"from {module} import {name} as {word}"


_HEAD = '''"""A part of a captured graph that gives something else where it should give the same. Exits with 1 while it does, with 0 once it doesn't.

Needs torch and safetensors; its inputs lie beside it in {beside}.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

{imports}


{classes}

def laid_out(tensor, stride):
    return torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor)


def made():
    held = load_file(Path(__file__).with_suffix(".safetensors"))
    return Piece(held), [
        {inputs}
    ]


def distance(wanted, got):
    """The largest error, and the largest magnitude; infinite where one is finite and the other isn't."""
    wanted, got = wanted.detach().cpu().double(), got.detach().cpu().double()
    if wanted.shape != got.shape or not torch.equal(wanted.isfinite(), got.isfinite()):
        return float("inf"), 0.0
    finite = wanted.isfinite()
    if not finite.any():
        return 0.0, 0.0
    return float((wanted - got)[finite].abs().max()), float(wanted[finite].abs().max())


def tensors(value):
    return [one for one in torch.utils._pytree.tree_leaves(value) if isinstance(one, torch.Tensor)]

'''

_BACKEND = '''
def main():
    with torch.no_grad():
        piece, inputs = made()
        wanted = tensors((piece(*inputs), inputs))
        piece, inputs = made()
        got = tensors((torch.compile(piece, backend={backend})(*inputs), inputs))
    differs = len(wanted) != len(got)
    for number, (one, other) in enumerate(zip(wanted, got)):
        error, scale = distance(one, other)
        print(f"tensor {{number}}: off by {{error:.6g}}, largest {{scale:.6g}}")
        differs |= error > {share!r} * scale
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
'''

_SETTINGS = '''
FIRST, SECOND = {first!r}, {second!r}


def as_in(setting, inputs):
    device, dtype = setting
    dtype = getattr(torch, dtype.removeprefix("torch."))
    return [one.to(device, dtype if one.is_floating_point() else one.dtype) if isinstance(one, torch.Tensor) else one for one in inputs]


def main():
    with torch.no_grad():
        piece, inputs = made()
        wanted = tensors(piece(*as_in(FIRST, inputs)))
        rounded = tensors(piece(*as_in(FIRST, as_in(SECOND, inputs))))
        got = tensors(piece(*as_in(SECOND, inputs)))
    differs = len(wanted) != len(got)
    eps = max(torch.finfo(getattr(torch, dtype.removeprefix("torch."))).eps for _, dtype in (FIRST, SECOND))
    for number, (one, near, other) in enumerate(zip(wanted, rounded, got)):
        lost = bool((one.isfinite().cpu() & ~other.isfinite().cpu()).any())
        error, scale = distance(near, other)
        print(f"tensor {{number}}: adds {{error:.6g}}, largest {{scale:.6g}}{{', not finite any more' if lost else ''}}")
        largest = [float(one.abs().max()) for one in inputs if isinstance(one, torch.Tensor) and one.is_floating_point() and one.numel()]
        differs |= lost or error > 64 * eps * max(scale, *largest, 0.0)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
'''
