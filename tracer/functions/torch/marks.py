"""What users marked functions with: disabled, one node of the graph, a requested break."""

from __future__ import annotations

from typing import Any

from ...compat import is_allowed_in_graph, is_disabled, is_graph_break

__all__ = ["ALLOWED", "of"]

ALLOWED = "_tracer_allow_in_graph"


def of(function: Any) -> str | None:
    """The plan that a mark asks for: "whole", the id of a break, or None."""
    if is_graph_break(function) or getattr(function, "_tracer_graph_break", False):
        return "user-requested-break"
    if function.__dict__.get("_tracer_disable") or is_disabled(function):
        return "disabled-function"
    if function.__dict__.get(ALLOWED) or is_allowed_in_graph(function):  # which nonstrict_trace enters too
        return "whole"
    return None
