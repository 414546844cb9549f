"""What users marked functions with: disabled, allowed as one node, a requested break."""

from __future__ import annotations

from typing import Any

from ..compat import is_disabled, is_graph_break

__all__ = ["ALLOWED", "of"]

ALLOWED = "_tracer_allow_in_graph"


def of(function: Any) -> str | None:
    """The plan that a mark asks for: "node", the id of a break, or None."""
    if is_graph_break(function) or getattr(function, "_tracer_graph_break", False):
        return "user-requested-break"
    if function.__dict__.get("_tracer_disable") or is_disabled(function):
        return "disabled-function"
    if function.__dict__.get(ALLOWED):
        return "node"
    return None
