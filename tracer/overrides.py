"""Overrides: decisions that a person takes in the compiler's place, as data.

    Override("graph_node", at=Where(line=12, file="model.py"))        # the calls of that line become one node each
    Override("dynamic", at=Where("x"), value=0)                       # the first dimension of x is symbolic
    Override.parse("dynamic x.shape[0] = 2..64")                      # the same with bounds, as a command line has it

What comes in: who asks what, where. What goes out: frozen, hashable records whose every field is valid, or one TracerError
that says what is possible. `ACTIONS` is the table of all actions; nothing here knows how they are carried out.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tracer.errors import TracerError

__all__ = ["ACTIONS", "Action", "Override", "Step", "Where", "read"]


class Action(NamedTuple):
    """One row of the table. `about`: call, line, dim, number or guard: what its place names."""

    name: str
    about: str
    meaning: str
    example: str


#: Every action by name.
ACTIONS: dict[str, Action] = {
    row.name: row
    for row in (
        Action("graph_node", "call", "The call becomes one node of the graph, if its result is all that it does.", "graph_node scale at model.py:12"),
        Action("eager", "call", "The call runs as plain Python, between two graphs; what it calls isn't traced either.", "eager at model.py:12"),
        Action("inline", "call", "The call is followed, whatever marks it or the policy for its module say.", "inline helper"),
        Action("break_here", "line", "The graph ends before the line.", "break_here at model.py:12"),
        Action("dynamic", "dim", "The dimension is symbolic; with bounds, from the least to the most.", "dynamic x.shape[0] = 2..64"),
        Action("static", "dim", "The dimension is a constant of the graph.", "static x.shape[1]"),
        Action("symbolic", "number", "The integer is an input of the graph.", "symbolic n"),
        Action("constant", "number", "The number is a constant of the graph.", "constant n"),
        Action("skip_guard", "guard", "The guard is left out. Unsafe: outputs are compared with a plain run.", "skip_guard x = TENSOR_MATCH"),
    )
}


class Step(NamedTuple):
    """One frame of a decision's path: the user's function, the offset in its code, and which time (0: each).

    Behind the last step frames count how often the operation ran; in the others, how many frames it entered.
    """

    file: str
    function: str
    first_line: int
    offset: int
    occurrence: int = 0


@dataclass(frozen=True)
class Where:
    """Where an override applies: by `source`, by `line` of `file`, or at a `decision`.

    source:     of a value (`x`, `self.scale`, `xs[0]`, as guards spell it), or the name of what is called (`helper`,
                `Block.forward`, `package.module.helper`, `self.block`). Together with a line, both must fit.
    line, file: a line counts from 1; `file` is a path or the end of one (`model.py`).
    occurrence: which time the line's operation runs in one run of its function, from 1; 0: each time.
    decision:   a path of Steps from the root frame. A function that is a root itself fits the rest of a path.
    """

    source: str = ""
    line: int = 0
    file: str = ""
    occurrence: int = 0
    decision: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("source", str), ("line", int), ("file", str), ("occurrence", int)):
            value = getattr(self, name)
            if type(value) is not kind:
                raise _refuse(f"Where({name}=…) is a {type(value).__name__}", f"give a {kind.__name__}")
        object.__setattr__(self, "decision", tuple(_step(step) for step in self.decision))
        if self.decision and (self.source or self.line or self.file):
            raise _refuse("a place is a decision, or a source and a line, not both", "leave one of them out")
        if bool(self.line) != bool(self.file) or self.line < 0 or self.occurrence < 0:
            raise _refuse(f"line {self.line} of file {self.file!r} is no place", "give both: Where(line=12, file='model.py')")
        if self.occurrence and not self.line:
            raise _refuse("an occurrence counts the runs of a line", "give line and file too")

    @property
    def text(self) -> str:
        """As `Override.parse` reads it: `x`, `at model.py:12 #2`, `scale at model.py:12`."""
        if self.decision:
            return "at " + json.dumps([list(step) for step in self.decision])
        line = f"at {self.file}:{self.line}" + (f" #{self.occurrence}" if self.occurrence else "") if self.line else ""
        return " ".join(filter(None, (self.source, line)))

    def is_line(self, file: str, line: int | None) -> bool:
        """Whether a location is on the line; True for places that name none."""
        return not self.line or line == self.line and (file == self.file or file.endswith(_tail(self.file)))

    def on_path(self, path: tuple[Step, ...]) -> bool:
        """Whether a path from the current root is the decision, or its end (a call that a break made a root)."""
        wanted = self.decision[-len(path) :]
        return len(wanted) == len(path) and all(
            w[:4] == p[:4] and (w.occurrence == p.occurrence or not w.occurrence or not p.occurrence) for w, p in zip(wanted, path, strict=True)
        )


def _tail(file: str) -> str:
    return os.sep + file.removeprefix("." + os.sep)


def _step(step: Any) -> Step:
    if isinstance(step, (tuple, list)) and len(step) in (4, 5) and [type(part) for part in step] == [str, str, int, int, int][: len(step)]:
        return Step(*step)
    raise _refuse(f"{step!r} is no step of a decision", "a step is (file, function, first line, offset, occurrence)")


@dataclass(frozen=True)
class Override:
    """One pinned decision: `action` at `at`. `tracer.overrides.ACTIONS` lists the actions.

    value, by action: dynamic: a dimension (its index or name), or (dimension, least, most) with None for an open end;
    static: a dimension; without one, all of them. skip_guard: the kind of guard; without it, all kinds.
    """

    action: str
    at: Where
    value: Any = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            near = difflib.get_close_matches(str(self.action), ACTIONS, 1)
            raise _refuse(f"there is no override {self.action!r}", f"did you mean {near[0]!r}?" if near else f"known: {', '.join(ACTIONS)}")
        if not isinstance(self.at, Where):
            raise _refuse(f"at is a {type(self.at).__name__}", "give a Where: Where('x'), Where(line=12, file='model.py')")
        _CHECKS[ACTIONS[self.action].about](self)

    @property
    def dim(self) -> int | str | None:
        """The dimension that dynamic and static are about: index or name; None for all."""
        return self.value[0] if isinstance(self.value, tuple) else self.value

    @property
    def bounds(self) -> tuple[int | None, int | None]:
        """(least, most) of a dynamic dimension, None where open."""
        return self.value[1:] if isinstance(self.value, tuple) else (None, None)

    @property
    def text(self) -> str:
        """One line that `Override.parse` reads back."""
        source, tail = self.at.text, ""
        if ACTIONS[self.action].about == "dim":
            source += f".shape[{self.dim}]" if self.dim is not None else ""
            least, most = ("" if bound is None else bound for bound in self.bounds)
            tail = f"{least}..{most}" if (least, most) != ("", "") else ""
        elif self.value is not None:
            tail = self.value
        return " ".join(filter(None, (self.action, source))) + (f" = {tail}" if tail else "")

    @classmethod
    def parse(cls, text: str) -> Override:
        """`ACTION [SOURCE] [at FILE:LINE [#TIME]] [= VALUE]`: `eager scale at model.py:12`, `dynamic x.shape[0] = 2..64`.

        A decision's path follows `at` as JSON. TracerError for a text that is none.
        """
        found = _LINE.fullmatch(text.strip())
        if found is None:
            raise _refuse(f"{text!r} is no override", "write ACTION [SOURCE] [at FILE:LINE [#TIME]] [= VALUE], such as 'eager scale at model.py:12'")
        action, source, path, file, line, time, value = found.groups()
        if path is not None:
            try:
                decision = tuple(_step(step) for step in json.loads(path))
            except ValueError:
                raise _refuse(f"{path!r} is no path", "a path is a JSON list of [file, function, first line, offset, occurrence]") from None
            return cls(action, Where(decision=decision), _value(value))
        at = Where(source.strip() if source else "", int(line or 0), file or "", int(time or 0))
        return cls(action, at, _value(value))

    def plain(self) -> dict[str, Any]:
        """Plain values only, for a recording."""
        at: dict[str, Any] = {name: getattr(self.at, name) for name in ("source", "line", "file", "occurrence") if getattr(self.at, name)}
        if self.at.decision:
            at["decision"] = [list(step) for step in self.at.decision]
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"action": self.action, "at": at, **({} if value is None else {"value": value})}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Override:
        """What `plain` gave; TracerError where it is something else."""
        try:
            at = dict(plain["at"])
            at["decision"] = tuple(tuple(step) for step in at.get("decision", ()))
            value = plain.get("value")
            return cls(plain["action"], Where(**at), tuple(value) if isinstance(value, list) else value)
        except (KeyError, TypeError, ValueError) as error:
            raise _refuse("the recording's override can't be read", f"write it again ({type(error).__name__}: {error})") from None

    def __str__(self) -> str:
        return self.text


_LINE = re.compile(
    r"(\w+)(?:\s+(?!at(?:\s|$))([^=\s][^=\s]*?))??(?:\s+at\s+(?:(\[.*\])|(\S.*?):(\d+)(?:\s*#(\d+))?))?(?:\s*=\s*(\S+))?"
)
_DIM = re.compile(r"(.+)\.shape\[(\w+)\]")


def _value(text: str | None) -> Any:
    if text is None:
        return None
    bounds = re.fullmatch(r"(\d*)\.\.(\d*)", text)
    if bounds:
        return (None, *(int(bound) if bound else None for bound in bounds.groups()))
    return int(text) if text.isdigit() else text


def _refuse(what: str, next: str) -> TracerError:
    return TracerError(f"{what}.", asked_by="an override", next=next)


# --- what each action needs: a check puts the record into its one form --------------------------------------------------


def _call(override: Override) -> None:
    if not (override.at.source or override.at.line or override.at.decision):
        raise _refuse(f"{override.action} needs to know which call", "name the function, its line, or a decision")
    _no_value(override)


def _line(override: Override) -> None:
    if not (override.at.line or override.at.decision) or override.at.source:
        raise _refuse("break_here needs a line", "give Where(line=12, file='model.py')")
    _no_value(override)


def _number(override: Override) -> None:
    _only_source(override, "number")
    _no_value(override)


def _dim(override: Override) -> None:
    """`x.shape[0]` is the dimension 0 of `x`."""
    _only_source(override, "tensor")
    value = tuple(override.value) if isinstance(override.value, (tuple, list)) else override.value
    spelled = _DIM.fullmatch(override.at.source)
    if spelled:
        dim: Any = int(spelled[2]) if spelled[2].isdigit() else spelled[2]
        if isinstance(value, tuple):
            value = (dim if value[0] is None else value[0], *value[1:])
        object.__setattr__(override, "at", Where(spelled[1]))
        value = dim if value is None else value
    object.__setattr__(override, "value", value)
    dim, bounds = override.dim, override.bounds
    if type(dim) not in (int, str, type(None)) or dim is not None and type(dim) is int and dim < 0:
        raise _refuse(f"{dim!r} is no dimension", "give its index, from 0, or its name")
    if isinstance(value, tuple):
        if override.action == "static" or len(value) != 3 or dim is None:
            raise _refuse(f"{override.action} can't take {value!r}", "give a dimension; bounds are (dimension, least, most), for dynamic only")
        if any(bound is not None and (type(bound) is not int or bound < 2) for bound in bounds):
            raise _refuse(f"{bounds!r} are no bounds", "sizes 0 and 1 are always constants: bounds are numbers from 2, or None")
        if None not in bounds and bounds[0] > bounds[1]:  # type: ignore[operator]
            raise _refuse(f"nothing is from {bounds[0]} to {bounds[1]}", "give the least first")


def _guard(override: Override) -> None:
    if override.at.line or override.at.decision:
        raise _refuse("a guard has no line", "name its source, its kind, or both: skip_guard x = TENSOR_MATCH")
    if not (override.at.source or override.value):
        raise _refuse("skip_guard needs to know which guard", "name its source, its kind, or both: skip_guard x = TENSOR_MATCH")
    if type(override.value) not in (str, type(None)):
        raise _refuse(f"{override.value!r} is no kind of guard", "kinds are named as in session.guards[i].kind")


def _only_source(override: Override, what: str) -> None:
    if not override.at.source or override.at.line or override.at.decision:
        raise _refuse(f"{override.action} needs the source of a {what}", f"spell it as guards do: Where('x') ({ACTIONS[override.action].example!r})")


def _no_value(override: Override) -> None:
    if override.value is not None:
        raise _refuse(f"{override.action} takes no value", "leave it out")


_CHECKS = {"call": _call, "line": _line, "number": _number, "dim": _dim, "guard": _guard}


def read(overrides: Any) -> tuple[Override, ...]:
    """A list of overrides or of their texts; TracerError for anything else."""
    if isinstance(overrides, (str, Override)):
        overrides = (overrides,)
    found = []
    for each in overrides:
        if not isinstance(each, (str, Override)):
            raise _refuse(f"an override is a {type(each).__name__}", "give Override(…), or its text")
        found.append(Override.parse(each) if isinstance(each, str) else each)
    return tuple(dict.fromkeys(found))
