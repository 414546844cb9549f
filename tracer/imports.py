"""Our own modules, loaded so that what this Python or torch lacks is said in one sentence, whichever of them is imported first.

In: the folder of the package. Under a pair that Tracer is made for an error stays what it is.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import machinery
from types import ModuleType
from typing import Any

from .errors import CompatError, TracerError

__all__ = ["install", "telling"]

#: Whether the meaning of an error is being asked for: what is loaded for that asks no more.
_asking = False


@contextmanager
def telling() -> Iterator[None]:
    """What leaves is a `CompatError` where this Python or torch is to blame."""
    try:
        yield
    except TracerError:
        raise
    except Exception as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning(error: Exception) -> CompatError | None:
    global _asking
    if _asking:
        return None
    _asking = True
    try:
        versions = importlib.import_module("tracer.compat.versions")
    except CompatError as refusal:
        return refusal
    except Exception:  # no torch, or no package that we need: the error says so itself
        return None
    finally:
        _asking = False
    torch: Any = sys.modules["torch"]
    return versions.lacking(torch.__version__, error)  # type: ignore[no-any-return]


class _Loader(machinery.SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with telling():
            super().exec_module(module)


def install(folder: str) -> None:
    """From now on, for what is found below `folder`; nobody else's imports are asked."""

    def finder(path: str) -> machinery.FileFinder:
        if path != folder and not path.startswith(folder + os.sep):
            raise ImportError(path)
        return machinery.FileFinder(
            path, (_Loader, machinery.SOURCE_SUFFIXES), (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES)
        )

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.pop(folder, None)
