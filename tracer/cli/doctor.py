"""What is installed here, and what each thing that is missing costs.

In: nothing. Out: rows (what, what was found, what is lost without it). Each is found out by asking it: versions by their packages, seams
of torch by the probes of `compat`, hooks by the observer's own, programs and devices by looking.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Row", "examine"]


class Row(NamedTuple):
    """`lost`: what one goes without, "" where nothing is. `fatal`: then Tracer can't work at all."""

    what: str
    found: str
    lost: str = ""
    fatal: bool = False


def examine() -> Iterator[Row]:
    """The rows in the order in which they matter; none behind a fatal one."""
    for part in (_versions, _seams, _hooks, _devices, _tools):
        for row in part():
            yield row
            if row.fatal:
                return


# ---- versions
_PACKAGES = {
    "bytecode": "", "msgspec": "", "sympy": "", "safetensors": "tensors of exported modules can't be written", "graphviz": "",
    "ipywidgets": "no widget in notebooks", "anywidget": "no widget in notebooks", "jupyterlab": "no `make lab`",
}  # fmt: skip


def _versions() -> Iterator[Row]:
    yield Row("tracer", _installed("tracer") or "from a checkout that isn't installed")
    from tracer.errors import CompatError

    try:
        importlib.import_module("tracer.compat")
    except (CompatError, ImportError) as error:
        yield Row("Python", platform.python_version(), str(error).partition("\n")[0], fatal=True)
        return
    yield Row("Python", f"{platform.python_version()} ({sys.executable})")
    from tracer.compat import TORCH_VERSION, versions

    newer = TORCH_VERSION > versions.NEWEST
    yield Row("torch", _torch().__version__, f"newer than what the suite is run with ({versions.TORCHES}): tried, not known" if newer else "")
    for name, lost in _PACKAGES.items():
        version = _installed(name)
        yield Row(name, version or "not installed", "" if version else lost or "needed for every trace", fatal=not version and not lost)


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _torch() -> Any:
    return importlib.import_module("torch")


# ---- seams
def _seam(what: str, probe: Callable[[], bool], lost: str, fatal: bool = False) -> Row:
    """`probe` says whether it is there; what it raises is what is wrong."""
    try:
        there, why = probe(), ""
    except Exception as error:
        there, why = False, f" ({str(error).partition(chr(10))[0]})"
    return Row(what, "works" if there else f"missing{why}", "" if there else lost, fatal and not there)


def _seams() -> Iterator[Row]:
    def evalframe() -> Any:
        return importlib.import_module("tracer.compat.evalframe")

    def guards() -> Any:
        return importlib.import_module("tracer.compat.guards")

    def everything() -> bool:
        importlib.import_module("tracer.loading").load_everything()
        return True

    yield _seam("frame hook", lambda: evalframe().self_test() is None, "nothing can be traced", fatal=True)
    yield _seam("guard managers", lambda: guards().self_test() is None, "nothing can be traced", fatal=True)
    yield _seam("all of Tracer", everything, "nothing can be traced", fatal=True)
    yield _seam("regions", lambda: evalframe().ISOLATED, "slower calls of functions that torch.compile compiles too: all entries are in one list")
    yield _seam("pinned entries", lambda: evalframe().pins(), "a call into torch before each call of a compiled function, to lift skips of torch.compile")
    yield _seam("versions of dicts", lambda: type(guards().DICT) is dict, "unchanged attributes are compared at each call: slower guards")
    yield _seam("identity of walked dicts", lambda: guards().DICT_MANAGER_TAKES_IDENTITY, "entries of classes are guarded one by one: slower guards")
    yield _seam("texts of backends", lambda: bool(importlib.import_module("tracer.compat.stages")), "no texts of AOTAutograd and inductor")


def _hooks() -> Iterator[Row]:
    """What `engine="dynamo"` listens to."""
    from tracer.compat.dynamo import POINTS
    from tracer.observer.switch import missing

    gone = missing()
    yield Row("hooks in torch.compile", f"{len(POINTS) - len(gone)} of {len(POINTS)}")
    for name, lost, why in gone:
        yield Row(f"hook {name}", why, f'engine="dynamo" doesn\'t tell: {lost}')


# ---- devices and tools
def _devices() -> Iterator[Row]:
    torch = _torch()
    yield Row("cpu", f"{torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield Row(f"cuda:{index}", torch.cuda.get_device_name(index))
    else:
        yield Row("cuda", "none", "programs on a GPU")
    for name in ("mps", "xpu"):
        module = getattr(torch, name, None)
        if module is not None and module.is_available():
            yield Row(name, "available")


def _tools() -> Iterator[Row]:
    dot = shutil.which("dot")
    yield Row("dot", dot or "not installed", "" if dot else "no export to .png; .svg needs no program")
    found = importlib.util.find_spec("widgets")
    static = Path(found.origin or "").parent / "static" if found is not None else None
    bundle = static is not None and (static / "widget.js").exists() and (static / "page.js").exists()
    lost = "" if bundle else "no widget in notebooks, no export to .html (python -m widgets.bundle builds it)"
    yield Row("widget's bundle", str(static) if bundle else "not built", lost)
