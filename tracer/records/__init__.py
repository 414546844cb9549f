"""What a session found out, as typed records: frames, graphs, breaks, guards, speculations, recompiles.

Two makers, one form: a session appends records as it traces; `from_events` makes equal ones from a recording. Nothing
here imports torch or calls a `repr` that it doesn't know.
"""

from tracer.records.reader import from_events
from tracer.records.types import (
    Artifact,
    Body,
    Call,
    Effect,
    Fault,
    Followed,
    Frame,
    Graph,
    GraphBreak,
    GraphInput,
    Guard,
    Node,
    OverrideUse,
    Place,
    Recompile,
    Records,
    Speculation,
    UnsafeRun,
    UserFrame,
    place,
    user_frame,
)

__all__ = [
    "Artifact",
    "Body",
    "Call",
    "Effect",
    "Fault",
    "Followed",
    "Frame",
    "Graph",
    "GraphBreak",
    "GraphInput",
    "Guard",
    "Node",
    "OverrideUse",
    "Place",
    "Recompile",
    "Records",
    "Speculation",
    "UnsafeRun",
    "UserFrame",
    "from_events",
    "place",
    "user_frame",
]
