"""Backends by name, as torch.compile knows them. Loads `torch._dynamo` (nearly a second) when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ..errors import BackendError

__all__ = ["backend_name", "innermost_backend", "is_eager", "list_backends", "lookup_backend", "wrap_backend"]

Backend = Callable[..., Any]


def list_backends() -> list[str]:
    """The names that `lookup_backend` takes: the usual ones, and `eager` and `aot_eager`, which torch files under debugging.

    >>> "inductor" in list_backends()
    True
    """
    return sorted({*torch.compiler.list_backends(), "eager", "aot_eager"})


def lookup_backend(backend: str | Backend) -> Backend:
    """The callable behind a name; a callable is returned as it is. BackendError for a name that nobody registered."""
    if not isinstance(backend, str):
        return backend
    from torch._dynamo.backends.registry import lookup_backend as lookup
    from torch._dynamo.exc import InvalidBackend

    try:
        return lookup(backend)
    except InvalidBackend as unknown:
        raise BackendError(
            f"there is no backend {backend!r}.",
            backend=backend,
            next=f"pass a callable (graph module, example inputs) → callable, or one of {', '.join(list_backends())}.",
        ) from unknown


def is_eager(function: Backend) -> bool:
    """Whether `function` is torch's own `eager`: it looks at nothing, so it needs no fakes of its own."""
    return getattr(function, "__module__", "") == "torch._dynamo.backends.debugging" and function.__name__ == "eager"


def backend_name(backend: str | Backend) -> str:
    """How a backend is called in messages and records."""
    if isinstance(backend, str):
        return backend
    return getattr(backend, "compiler_name", None) or getattr(backend, "__name__", None) or type(backend).__name__


def innermost_backend(backend: Any) -> Any:
    """What a chain of torch.compile's wrappers of a backend ends in."""
    while (inner := getattr(backend, "_torchdynamo_orig_backend", None)) is not None:
        backend = inner
    return backend


def wrap_backend(
    backend: str | Backend,
    *,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
    dynamic: bool | None = None,
) -> Backend:
    """`backend` with a mode or options bound, as torch.compile binds them: inductor checks both against its config, any
    other backend gets them as keywords."""
    given = dict(options or {})
    if mode is not None and given:
        raise BackendError("a backend takes mode or options, not both.", next="put what the mode sets into options")
    wrapper = getattr(torch, "_TorchCompileInductorWrapper", None)
    if backend == "inductor" and wrapper is not None:
        try:
            return wrapper(mode or (None if given else "default"), given or None, dynamic)
        except RuntimeError as refused:
            raise BackendError(
                f"inductor refuses {'mode ' + repr(mode) if mode else 'options ' + repr(given)}: {refused}",
                backend="inductor",
                next="torch._inductor.list_mode_options() and torch._inductor.list_options() name what it takes",
            ) from refused
    function = lookup_backend(backend)
    keywords: dict[str, Any] = {}
    if mode and mode != "default":
        keywords["mode"] = mode
    if given:
        keywords["options"] = given
    if not keywords:
        return function

    def bound(gm: Any, example_inputs: Any) -> Any:
        return function(gm, example_inputs, **keywords)

    bound.compiler_name = backend_name(backend)  # type: ignore[attr-defined]
    return bound
