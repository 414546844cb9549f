"""What `%trace_config` keeps for the later cells of a notebook: settings of sessions, and two of the notebook's own.

In: `name=value` texts as a person types them. Out: validated settings, or one TracerError that says what is possible; then
nothing has changed. The rows are those of `TraceConfig`, so a setting that is new there is known here.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tracer.config import FIELDS, Field, TraceConfig
from tracer.errors import TracerError
from tracer.explain import page, text_of
from tracer.explain.blocks import Section, Table

__all__ = ["KEEP", "ROWS", "Settings", "described"]

#: So many sessions of a notebook stay open unless `keep` says otherwise.
KEEP = 5
#: How a person may write what has no name of its own in Python.
WORDS = {"yes": True, "true": True, "no": False, "false": False, "none": None, "auto": None}


def _keep(name: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise TracerError(f"can't set {name} to {value!r}.\n  wanted: a whole number from 1")
    return value


def _device(name: str, value: Any) -> str | None:
    if value is None:
        return None
    from tracer.rerun.running import device_here

    return str(device_here(value, asked_by=f"%trace_config {name}={value}"))


#: The notebook's own settings, described as those of a session are.
OWN = {
    "keep": Field(
        "keep",
        "int",
        KEEP,
        (),
        "So many sessions stay open; older ones are closed, their recordings stay.",
        _keep,
        "Notebook",
    ),
    "device": Field(
        "device",
        "str | None",
        None,
        (),
        "Cells run with their modules and tensors copied there (`--device`).",
        _device,
        "Notebook",
    ),
}
#: Every setting by name.
ROWS: Mapping[str, Field] = {**FIELDS, **OWN}

_PAIR = re.compile(r"(\w+)\s*=(?!=)")


class Settings:
    """The defaults of one notebook's `%%trace` cells."""

    def __init__(self) -> None:
        self.chosen: dict[str, Any] = {}  # name → value, of what differs from the defaults by a person's wish

    @property
    def keep(self) -> int:
        return int(self.chosen.get("keep", KEEP))

    @property
    def device(self) -> str | None:
        found: str | None = self.chosen.get("device")
        return found

    def of_session(self, **of_the_cell: Any) -> dict[str, Any]:
        """The settings of one cell's session: what the cell says wins. Another backend doesn't take over `mode` and `options`."""
        chosen = {name: value for name, value in self.chosen.items() if name not in OWN}
        if "backend" in of_the_cell:
            chosen.pop("mode", None)
            chosen.pop("options", None)
        return {**chosen, **of_the_cell}

    def change(self, line: str, names: Mapping[str, Any]) -> None:
        """Take over `name=value …`; `names` are what values may refer to. TracerError where one is unknown or refused."""
        fresh = dict(self.chosen)
        for name, text in _pairs(line):
            row = ROWS.get(name)
            if row is None:
                raise _unknown(name)
            fresh[name] = row.check(name, _value(row, text, names))
        config = TraceConfig(**{name: value for name, value in fresh.items() if name not in OWN})
        if {"backend", "mode", "options"} & fresh.keys():
            from tracer.runtime import backends

            backends.resolve(config.backend, mode=config.mode, options=config.options, dynamic=config.dynamic)
        self.chosen = fresh

    def reset(self) -> None:
        self.chosen.clear()

    # ---- showing
    def text(self, names: tuple[str, ...] = ()) -> str:
        return text_of(self._headline(), self._sections(names))

    def html(self, names: tuple[str, ...] = ()) -> str:
        return page(self._headline(), self._sections(names))

    def _headline(self) -> str:
        changed = ", ".join(f"{name}={_shown(value)}" for name, value in self.chosen.items())
        return f"Settings of later %%trace cells: {changed or 'the defaults'}"

    def _sections(self, names: tuple[str, ...]) -> list[Section]:
        rows = [ROWS[name] for name in names] if names else list(ROWS.values())
        groups = dict.fromkeys(row.group for row in rows)
        return [
            Section(group, [Table(tuple(self._row(row) for row in rows if row.group == group))]) for group in groups
        ]

    def _row(self, row: Field) -> tuple[str, ...]:
        value = self.chosen.get(row.name, row.default)
        return "*" if row.name in self.chosen else "", row.name, _shown(value), _possible(row), row.meaning


def described(line: str) -> tuple[str, ...]:
    """The names in a line that asks to see some settings. TracerError for one that isn't there."""
    names = tuple(line.split())
    for name in names:
        if name not in ROWS:
            raise _unknown(name)
    return names


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """`a=1 b={"c": 2}` as (name, text of the value). A value goes on up to the next `name=` that stands outside of brackets."""
    found = [match for match in _PAIR.finditer(line) if _outside(line[: match.start()])]
    if not found or line[: found[0].start()].strip():
        raise TracerError(
            f"can't read {line!r}.", next="%trace_config name=value …, %trace_config name to see one, or reset"
        )
    ends = [match.start() for match in found[1:]] + [len(line)]
    for match, end in zip(found, ends, strict=True):
        yield match[1], line[match.end() : end].strip().rstrip(",")


def _outside(before: str) -> bool:
    quoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", before)
    return not set("'\"") & set(quoted) and all(quoted.count(a) == quoted.count(b) for a, b in ("()", "[]", "{}"))


def _value(row: Field, text: str, names: Mapping[str, Any]) -> Any:
    """What a person means by a text: yes, no, auto, none; a literal; for callables an expression; else the text itself."""
    word = text.lower()
    if word in WORDS and ("bool" in row.type if WORDS[word] is not None else "None" in row.type):
        return WORDS[word]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    if "callable" not in row.type or row.name == "backend" and _is_backend(text):
        return text
    try:
        return eval(text, dict(names))
    except Exception as error:
        if row.name == "backend":
            return text
        raise TracerError(f"can't set {row.name} to {text}: {type(error).__name__}: {error}") from None


def _is_backend(text: str) -> bool:
    import torch

    return text in torch.compiler.list_backends(None)  # type: ignore[arg-type]


def _possible(row: Field) -> str:
    """What may be chosen, as a person writes it."""
    if row.name == "dynamic":
        return "auto, yes, no"
    return ", ".join(map(_shown, row.choices)) if row.choices else row.type


def _shown(value: Any) -> str:
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(getattr(one, "__qualname__", repr(one)) for one in value)) + "}"
    return value if isinstance(value, str) else getattr(value, "__qualname__", None) or repr(value)


def _unknown(name: str) -> TracerError:
    near = difflib.get_close_matches(name, ROWS, 3, 0.5)
    guess = f"\n  did you mean: {' or '.join(near)}?" if near else ""
    return TracerError(f"there is no setting {name!r}.{guess}\n  known: {', '.join(sorted(ROWS))}")
