"""Private torch names live here (and in observer/hooks.py) only: probes, never guesses.

Importing this package imports torch; what needs more (`torch._dynamo`, sympy through ShapeEnv) is loaded when its name
is first used. One module per seam:

- `versions`: which Python and torch will do; asked first
- `evalframe`: the frame hook and the compiled entries on code objects
- `fakes`: FakeTensorMode, lean and symbolic fakes, ShapeEnv
- `graphs`: graph modules whose code is generated late, tracing contexts
- `guards`: the C++ guard managers and what they are made from
- `backends`: names of backends, and the wrappers that torch.compile puts around them
- `stages`: the texts of AOTAutograd and inductor, out of the structured trace
- `marks`: what `mark_dynamic`, `disable`, `allow_in_graph`, … leave behind
"""

from __future__ import annotations

import importlib
from typing import Any

from . import versions

versions.check_python()

import torch  # noqa: E402  no torch is asked for where Python is refused

__all__ = ["TORCH_VERSION", "evalframe"]

versions.check_torch(torch.__version__)
#: (major, minor) of the installed torch.
TORCH_VERSION: tuple[int, ...] = versions.parsed(torch.__version__)

_MODULES = ("evalframe", "fakes", "graphs", "guards", "backends", "marks")
_HOME = {
    "fakes": """FakeTensor FakeTensorMode ShapeEnv add_shapes context_of fake_mode_of_backends fake_of fake_symbolic has_symbols is_fake
        is_symbolic new_fake_mode remake size_hint symbol_sources symbolic_number unbacked_bindings""",
    "graphs": """compile_context current_fake_mode force_code get_data insert_asserts make_graph_module plain_forward promise
        set_data tracing_context""",
    "backends": "backend_name is_eager list_backends lookup_backend wrap_backend",
    "marks": """dims_marked disable disable_message disables_callees is_allowed_in_graph is_compiled_wrapper
        is_compiling_query is_disabled is_disallowed_in_graph is_forbidden is_graph_break is_nested_region
        is_nonstrict_traceable original_callable""",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE, *_MODULES})
