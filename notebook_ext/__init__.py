"""The notebook side: magics and kernel glue. `%load_ext tracer` comes here through `tracer.load_ipython_extension`."""

from __future__ import annotations

from typing import Any

from tracer.loading import load_everything

__all__ = ["load", "unload"]


def load(ipython: Any) -> None:
    """Register the magics; loading again replaces them. What a first trace imports is imported now: a cell that is interrupted
    then is never cut off in the middle of an import."""
    load_everything()
    from notebook_ext.magics import TraceMagics, redirect_awaiting

    unload(ipython)
    ipython.register_magics(TraceMagics(ipython))
    ipython.input_transformer_manager.cleanup_transforms.insert(0, redirect_awaiting)


def unload(ipython: Any) -> None:
    """Take the magics away again and close their sessions."""
    from notebook_ext.magics import TraceMagics, redirect_awaiting

    magics = ipython.magics_manager.registry.pop(TraceMagics.__name__, None)
    if magics is not None:
        magics.close()
        for kind, names in magics.magics.items():
            for name in names:
                ipython.magics_manager.magics[kind].pop(name, None)
    transforms = ipython.input_transformer_manager.cleanup_transforms
    transforms[:] = [one for one in transforms if one is not redirect_awaiting]
