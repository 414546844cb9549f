"""Where a traced run and plain Python part: the first operator that gives something else, with its line.

In: a session, and its calls up to the one that differs. Out: (place, node, graph, what it means), or None. Both runs are made once more, operator by
operator: of the graphs the nodes, of plain Python every function of torch that it calls, each with the program's line and a print of what it gave.
The two lists are aligned by line and name.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import fx
from torch.overrides import TorchFunctionMode

from ..compat.copies import plain_dispatch
from ..compat.execution import is_wrapped
from ..config import FIELDS
from ..diff.align import align
from ..records import Place
from ..rerun.running import run_again
from .passes import tensors_in
from .program import Program, Step, Watch

if TYPE_CHECKING:
    from ..rerun.kept import KeptCall
    from ..session import Session

__all__ = ["part"]


class _Ran(NamedTuple):
    """One operator: its line, what it is called, prints of the tensors that it gave, the node and graph."""

    line: tuple[str, int]
    name: str
    prints: tuple[str, ...]
    node: str = ""
    graph: str = ""


def part(session: Session, calls: Sequence[KeptCall]) -> tuple[Place | None, str, str, str] | None:
    """See the module."""
    traced, plain = _Noting(), _Listening(session)
    settings = {name: getattr(session.config, name) for name in FIELDS} | {"mode": None, "options": None, "record": "nothing", "keep_inputs": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_again(session, calls, overrides=session.overrides, settings={**settings, "backend": traced}, given=traced.begins).close()
        settings |= {"backend": "eager", "engine": "tracer", "fullgraph": False}
        run_again(session, calls, overrides=[], settings=settings, given=plain.begins, plainly=plain).close()
    pairs = align(plain.ran, traced.ran, lambda one: (one.line, one.name), lambda one: one.line)
    for left, right in pairs:
        if left is not None and right is not None and set(left.prints).isdisjoint(right.prints) and left.prints and right.prints:
            return Place(*left.line), right.node, right.graph, f"{right.name} gives something else than {left.name} in plain Python"
        if left is None and right is not None and right.prints and right.line[0]:
            return Place(*right.line), right.node, right.graph, f"the graph has {right.name} here, which plain Python doesn't run"
    if session.config.backend != "eager":
        return None, "", "", f"node by node the graphs give what plain Python gives: the difference is made by the backend {session.backend_label}"
    return None


def _print(tensor: torch.Tensor) -> str:
    """The same for the same bits."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized or is_wrapped(tensor):
        return f"{tensor.dtype} {tuple(tensor.shape)}"
    with torch.no_grad(), plain_dispatch():
        flat = tensor.detach().resolve_conj().resolve_neg().contiguous().cpu().reshape(-1)
        data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.blake2b(data, digest_size=8).hexdigest()}"


class _Noting(Watch):
    """The backend: graphs node by node, each noted."""

    def __init__(self) -> None:
        self.ran: list[_Ran] = []
        self._count = 0

    def begins(self, *_: Any) -> None:
        self.ran = []  # of the last call

    def __call__(self, gm: fx.GraphModule, _: list[Any]) -> Any:
        program, self._count = Program(gm), self._count + 1
        name = f"graph_{self._count - 1}"

        def run(*inputs: Any) -> Any:
            self._name = name
            return program.run(self, inputs)

        return run

    def call(self, step: Step, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        result = step.function(*args, **kwargs)
        given = tensors_in(result)
        if given and not step.nested:
            at = step.location
            line = (at.file, at.line) if at is not None else ("", 0)
            self.ran.append(_Ran(line, _short(step.node.target), tuple(map(_print, given)), step.name, self._name))
        return result


class _Listening(TorchFunctionMode):
    """What plain Python calls of torch."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.ran: list[_Ran] = []
        self._library = session.is_library

    def begins(self, *_: Any) -> None:
        self.ran = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = tensors_in(result)
        if given:
            frame: Any = sys._getframe(1)
            while frame is not None and (self._library(frame.f_code) or frame.f_code.co_filename == __file__):
                frame = frame.f_back
            line = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)
            self.ran.append(_Ran(line, _short(func), tuple(map(_print, given))))
        return result


def _short(target: Any) -> str:
    """`aten.add.Tensor`, `operator.add`, `Tensor.__add__` and "add" are one."""
    name = target if isinstance(target, str) else getattr(target, "__name__", "") or str(target)
    name = name.split(".")[0].strip("_")
    return name[1:] if name.startswith(("radd", "rmul", "rsub", "rtruediv")) else name
