"""What a person is shown where a call waits: symbolic values, nodes and guards, each printed as one short line."""

from __future__ import annotations

from typing import NamedTuple

from ..events import GuardInstalled, GuardRelaxed, GuardSettled, NodeCreated, Shape, Summary

__all__ = ["GuardShown", "NodeShown", "Value"]


class Value(NamedTuple):
    """A symbolic value, as known at the event that is looked at. `shape` is None where it is no tensor; `number` is that
    of the variable in the recording, 0 for one that was not read yet."""

    number: int
    text: str
    python_type: str = ""
    shape: Shape = None
    dtype: str = ""
    source: str = ""

    @classmethod
    def of(cls, number: int | None, summary: Summary | None) -> Value:
        if summary is None:
            return cls(number or 0, "NULL" if number is None else "not read yet")
        return cls(summary.variable, summary.text, summary.python_type, summary.shape, summary.dtype, summary.source)

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        kind = f"{self.dtype}[{', '.join(map(str, self.shape))}]" if self.dtype and self.shape is not None else self.python_type
        return " ".join(filter(None, (self.text, kind, f"from {self.source}" if self.source else "")))


class NodeShown(NamedTuple):
    """A node of the graph that is being captured. Inputs that it reads are named `%name`."""

    name: str
    op: str
    target: str
    args: str
    shape: Shape
    dtype: str

    @classmethod
    def of(cls, event: NodeCreated) -> NodeShown:
        return cls(event.name, event.op, event.target, event.args, event.shape, event.dtype)

    def __repr__(self) -> str:
        kind = f" : {self.dtype}[{', '.join(map(str, self.shape))}]" if self.shape is not None else ""
        return f"%{self.name} = {self.target}({self.args}){kind}"


class GuardShown(NamedTuple):
    """A guard that was installed so far."""

    source: str
    kind: str
    expression: str

    @classmethod
    def of(cls, event: GuardInstalled | GuardRelaxed | GuardSettled) -> GuardShown:
        return cls(event.source, event.kind, event.expression)

    def __repr__(self) -> str:
        return f"{self.kind} {self.expression}"
