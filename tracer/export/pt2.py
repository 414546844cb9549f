"""A call as a torch.export program: `torch.export.load(path).module()` takes the call's arguments and gives its result.

Possible where the call was one graph and nothing beside it (see `tracer.export.calls`) and torch.export takes the graph. Sizes that
were symbolic in the trace are dynamic in the program. What was written is loaded and held against the recorded result by a Python of its own.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tracer.compat.exported import require
from tracer.compat.trees import leaves_with_path, mapped
from tracer.errors import TracerError
from tracer.export.capture import capture
from tracer.export.python import Module, load
from tracer.export.trying import Tell, aside, run, silent
from tracer.graph.transaction import standing

__all__ = ["saved", "write"]

PYTHON = "export to .py, which has a class for each graph, or change what is in the way"



def flat(value: object) -> list[object]:
    """Everything in the containers that a result is made of."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in flat(part)]
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, list | tuple) else [value]


#: What that Python runs: `-c CHECK PROGRAM RECORDED`.
CHECK = '''
import sys

import torch

FLAT
held = torch.load(sys.argv[2], weights_only=False)
with torch.set_grad_enabled(held["grad"]):
    args, kwargs = held["passed"]
    torch.set_rng_state(held["rng"])
    found = flat(torch.export.load(sys.argv[1]).module()(*args, **kwargs))
if len(found) != len(held["result"]):
    raise AssertionError(f"it gives {len(found)} values, not {len(held['result'])}")
for number, (actual, expected) in enumerate(zip(found, held["result"])):
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(actual, expected, equal_nan=True, msg=lambda text: f"result {number}: {text}")
    elif repr(actual) != repr(expected):
        raise AssertionError(f"result {number} is {actual!r}, not {expected!r}")
print("its result agrees")
'''.replace("FLAT", inspect.getsource(flat))


def write(session: Any, path: Path, *, check: bool = True, tell: Tell = silent) -> None:
    """TracerError names what prevents it: a break, a Python side effect, an operator or a value that can't be serialised; or what a Python of
    its own found that loaded and ran the file (`check`)."""
    tell("running the call once more, on copies")
    module = Module(capture(session), path.stem)
    tell(f"torch.export makes {path.name}")
    with aside(path) as folder:
        tried, recorded = folder / path.name, folder / "recorded.pt"
        tried.write_bytes(saved(module).getvalue())
        if check:
            torch.save(_recorded(module), recorded)
            run(path.name, ["-c", CHECK, tried.name, recorded.name], folder, tell, PYTHON)
        tried.replace(path)


def saved(module: Module) -> io.BytesIO:
    """The contents of the file."""
    found = module.captured
    if module.program.why:
        raise TracerError(f"this call can't be one torch.export program: {module.program.why}.", next=PYTHON)
    if found.graphs[0].autocast is not None:
        raise TracerError("this call ran under autocast, which a torch.export program doesn't keep.", next=PYTHON)
    if "self" in found.arguments.given:
        raise TracerError("an argument is called self, which torch.export takes for the module's own.", next=PYTHON)
    conditions = _conditions(module)
    args, kwargs = _passed(found)
    program = load(module).Program().train(False)
    varying = _dynamic(module)
    program.check = lambda *_: None  # what it asks of fake tensors says nothing: the conditions go into the program by themselves
    try:
        with torch.set_grad_enabled(found.graphs[0].grad):
            exported = standing(torch.export.export)(program, args, kwargs, dynamic_shapes=varying, strict=False)
        require(exported, conditions)
        buffer = io.BytesIO()
        torch.export.save(exported, buffer)
    except Exception as error:
        named = [name for name, kind in found.arguments.kinds.items() if kind is inspect.Parameter.VAR_KEYWORD]
        beside = f" (it can't have sizes that vary beside **{named[0]})" if named and varying is not None else ""
        raise TracerError(f"torch.export refuses the graph{beside}: {_first(error)}", next=PYTHON) from error
    buffer.seek(0)
    return buffer


def _conditions(module: Module) -> list[str]:
    """What the program checks beside the structure of its arguments and their sizes, which torch.export looks after."""
    found = []
    for check in module.program.checks:
        if check.exported is None:
            raise TracerError(f"a torch.export program can't check what this call relied on: {check.what}", next=PYTHON)
        found += [check.exported] if check.exported else []
    return found


def _first(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:300]}" if text else type(error).__name__


def _passed(found: Any, made: Callable[[torch.Tensor], Any] = torch.clone) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the recorded call, as they were before it, as `Program.forward` takes them. `made`: of one that is no leaf."""
    before = {
        id(original): made(one.value) if isinstance(one.value, torch.Tensor) and one.value.requires_grad and not one.leaf else one.value
        for graph in found.graphs
        for one, original in zip(graph.inputs, graph.originals[0], strict=True)
    }
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for name, value in found.arguments.given.items():
        given = mapped(lambda leaf: before.get(id(leaf), leaf), value)
        kind = found.arguments.kinds[name]
        if kind is inspect.Parameter.VAR_POSITIONAL:
            args.extend(given)
        elif kind is inspect.Parameter.VAR_KEYWORD:
            kwargs.update(given)
        elif kind is inspect.Parameter.KEYWORD_ONLY or name in found.arguments.keywords:
            kwargs[name] = given
        else:
            args.append(given)
    return tuple(args), kwargs


def _dynamic(module: Module) -> Any:
    """For each argument, in its own structure, the dimensions that were symbolic; None where none was (torch.export compares a structure
    wrongly where there are `**kwargs`)."""
    chosen: dict[tuple[Any, ...] | None, Any] = {}
    for one in module.classes[0].inputs:
        chosen[one.path] = {index: torch.export.Dim.AUTO for index, size in enumerate(one.shape) if size is None} or None
    if not any(chosen.values()):
        return None
    paths = iter([path for path, _ in leaves_with_path(module.captured.arguments.given)])
    return mapped(lambda _: chosen.get(next(paths)), module.captured.arguments.given)


class _Made:
    """A tensor that is no leaf, on its way into a file: there it is made again."""

    def __init__(self, value: torch.Tensor):
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        return torch.Tensor.clone, (self.value,)


def _recorded(module: Module) -> dict[str, Any]:
    """What the call was given and gave."""
    found = module.captured
    graph = found.graphs[0]
    outputs = {id(original): copy for original, copy in zip(graph.originals[1], graph.outputs, strict=True)}
    result = [outputs.get(id(leaf), leaf) for leaf in flat(found.result)]
    return {"passed": _passed(found, _Made), "rng": graph.rng, "grad": graph.grad, "result": result}
