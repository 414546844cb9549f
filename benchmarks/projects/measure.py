"""One project in this process: plain, by us, by torch.compile; one line of JSON for each, as it comes.

    python -m benchmarks.projects.measure timm_vit              # model and step, three compilers each
    python -m benchmarks.projects.measure timm_vit ours step    # one of them
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import logging
import random
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

#: Operators of torchvision's compiled part that its Python asks for on import; that part needs the torch that it was built with.
_VISION = ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


class Plain:
    name = "plain"
    graphs = breaks = faults = 0

    def compiled(self, fn: Any) -> Any:
        return fn


class Ours(Plain):
    name = "tracer"

    def __init__(self) -> None:
        self.sessions: list[Any] = []

    def compiled(self, fn: Any) -> Any:
        import tracer

        made = tracer.compile(fn, backend="eager")
        self.sessions.append(made.session)
        return made

    @property
    def graphs(self) -> int:
        return sum(session.stats["graphs"] for session in self.sessions)

    @property
    def breaks(self) -> int:
        return sum(len(session.graph_breaks) for session in self.sessions)

    @property
    def faults(self) -> int:
        return sum(session.stats["faults"] for session in self.sessions)

    @property
    def reasons(self) -> list[str]:
        return sorted({found.reason for session in self.sessions for found in session.graph_breaks})

    @property
    def told(self) -> list[str]:
        """What the internal faults said."""
        return sorted({f"{fault.python_type}: {fault.text}"[:300] for session in self.sessions for fault in session.faults})


class Theirs(Plain):
    name = "torch.compile"

    def __init__(self) -> None:
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        self.graphs = 0

    def compiled(self, fn: Any) -> Any:
        def backend(gm: Any, _inputs: Any) -> Any:
            self.graphs += 1
            return gm.forward

        return torch.compile(fn, backend=backend)

    @property
    def breaks(self) -> int:
        return sum(torch._dynamo.utils.counters["graph_break"].values())


def leaves(value: Any) -> list[str]:
    """What is compared, in order: tensors by their bytes, numbers by their own text."""
    if isinstance(value, torch.Tensor):
        held = value.detach().cpu().contiguous()
        text = hashlib.sha1(held.reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()[:12] if held.numel() else ""
        return [f"{held.dtype} {tuple(held.shape)} {text}"]
    if isinstance(value, dict):
        return [leaf for key in value for leaf in (str(key), *leaves(value[key]))]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [repr(value)]


def random_state() -> str:
    held = (torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state()), repr(random.getstate()))
    return hashlib.sha1(repr(held).encode()).hexdigest()[:12]


def run(part: Callable[..., Any], compiler: Plain) -> dict[str, Any]:
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    began = time.perf_counter()
    found: dict[str, Any] = {"compiler": compiler.name, "part": part.__name__, "error": ""}
    try:
        values = part(compiler.compiled)
        found |= {"values": [*leaves(values), random_state()]}
    except Exception as error:
        found |= {"values": [], "error": f"{type(error).__name__}: {error}"[:400], "trace": traceback.format_exc()[-3000:]}
    found |= {"graphs": compiler.graphs, "breaks": compiler.breaks, "faults": compiler.faults, "seconds": time.perf_counter() - began}
    return found | {"reasons": getattr(compiler, "reasons", []), "told": getattr(compiler, "told", [])}


def declare_vision() -> Any:
    """Lets torchvision be imported beside a torch of another build: timm and others use its Python only."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        for library in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(library)
    except OSError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _VISION:
            library.define(schema)
        return library  # what it declares is there for as long as it is
    return None


def main(name: str, only: list[str]) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    vision = declare_vision()
    project = importlib.import_module(f"benchmarks.projects.{name}")
    for part in (project.model, project.step):
        for compiler in (Plain, Ours, Theirs):
            if {*only} <= {compiler.__name__.lower(), part.__name__}:
                print("RESULT " + json.dumps(run(part, compiler())), flush=True)
    del vision


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
