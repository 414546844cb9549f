"""A call as a torch.export program: `torch.export.load(path).module()` takes the call's arguments and gives its result.

Possible where the call was one graph and nothing beside it (see `tracer.export.calls`) and torch.export takes the graph. Sizes that
were symbolic in the trace are dynamic in the program. What was written is loaded again and held against the recorded result.
"""

from __future__ import annotations

import contextlib
import inspect
import io
from pathlib import Path
from typing import Any

import torch

from tracer.compat.exported import require
from tracer.compat.trees import leaves, leaves_with_path, mapped
from tracer.errors import TracerError
from tracer.export.capture import capture
from tracer.export.python import Module, load
from tracer.graph.transaction import standing

__all__ = ["saved", "write"]

PYTHON = "export to .py, which has a class for each graph, or change what is in the way"


def write(session: Any, path: Path) -> None:
    """TracerError names what prevents it: a break, a Python side effect, an operator or a value that can't be serialised."""
    path.write_bytes(saved(Module(capture(session), path.stem)).getvalue())


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
    program.check = lambda *_: None  # what it asks of fake tensors says nothing: the conditions go into the program by themselves
    try:
        with torch.set_grad_enabled(found.graphs[0].grad):
            exported = standing(torch.export.export)(program, args, kwargs, dynamic_shapes=_dynamic(module), strict=False)
        require(exported, conditions)
        buffer = io.BytesIO()
        torch.export.save(exported, buffer)
    except Exception as error:
        raise TracerError(f"torch.export refuses the graph: {_first(error)}", next=PYTHON) from error
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # fx prints the traceback of a module that it made
            _compare(buffer, module)
    except TracerError:
        raise
    except Exception as error:
        raise TracerError(f"the torch.export program can't be read and run: {_first(error)}", next=PYTHON) from error
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


def _passed(found: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the recorded call, as they were before it, as `Program.forward` takes them."""
    before = {
        id(original): one.value
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
    """For each argument, in its own structure, the dimensions that were symbolic."""
    chosen: dict[tuple[Any, ...] | None, Any] = {}
    for one in module.classes[0].inputs:
        chosen[one.path] = {index: torch.export.Dim.AUTO for index, size in enumerate(one.shape) if size is None} or None
    paths = iter([path for path, _ in leaves_with_path(module.captured.arguments.given)])
    return mapped(lambda _: chosen.get(next(paths)), module.captured.arguments.given)


def _compare(buffer: io.BytesIO, module: Module) -> None:
    """What was saved, loaded and run on the recorded arguments."""
    found = module.captured
    args, kwargs = _passed(found)
    buffer.seek(0)
    graph = found.graphs[0]
    with torch.random.fork_rng(), torch.set_grad_enabled(graph.grad):
        torch.set_rng_state(graph.rng)
        result = torch.export.load(buffer).module()(*args, **kwargs)
    expected = {id(original): copy for original, copy in zip(graph.originals[1], graph.outputs, strict=True)}
    for actual, wanted in zip(leaves(result), leaves(found.result), strict=True):
        if isinstance(wanted, torch.Tensor) and not torch.allclose(
            actual, expected.get(id(wanted), wanted), equal_nan=True
        ):
            raise TracerError("the torch.export program gives another result than the call did.", next=PYTHON)
