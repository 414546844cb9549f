"""Every setting of a session: one validated, immutable object and the table that describes it.

What comes in: keyword arguments of the public functions. What goes out: a `TraceConfig` whose every field is valid, or
one `TracerError` that names the setting, what was given and what is possible. The table (`FIELDS`) is the only
description: docs/config.md and the widget's form are made from it. Names that `torch._dynamo.config` has are spelled
as there.
"""
# ruff: noqa: RUF009 — the defaults are rows of the table; the calls build them once, from immutable values

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tracer.errors import TracerError

__all__ = ["FIELDS", "PRESETS", "Field", "TraceConfig", "markdown"]


class Field(NamedTuple):
    """One row of the table."""

    name: str
    type: str
    default: Any
    choices: tuple[Any, ...]  # () where the choices can't be listed
    meaning: str
    check: Callable[[str, Any], Any]  # (name, value) → the value to keep, or TracerError
    group: str


# --- checks: each returns the value to keep ---------------------------------------------------------------------------


def _refuse(name: str, value: Any, wanted: str, hint: str = "") -> TracerError:
    shown = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"
    return TracerError(f"can't set {name} to {shown}.\n  wanted: {wanted}" + (f"\n  next: {hint}" if hint else ""))


def _choice(*choices: Any) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        for choice in choices:
            if value is choice or (type(value) is type(choice) and value == choice):
                return choice
        near = (
            difflib.get_close_matches(value, [c for c in choices if isinstance(c, str)], 1)
            if isinstance(value, str)
            else []
        )
        raise _refuse(name, value, ", ".join(map(repr, choices)), f"did you mean {near[0]!r}?" if near else "")

    return check


def _number(kind: type[int | float], least: float, *, optional: bool) -> Callable[[str, Any], Any]:
    accepted = int if kind is int else (int, float)
    wanted = f"{'a whole number' if kind is int else 'a number'} from {least:g}" + (
        ", or None for no limit" if optional else ""
    )

    def check(name: str, value: Any) -> Any:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, accepted) or not value >= least:
            raise _refuse(name, value, wanted)
        return kind(value)

    return check


def _backend(name: str, value: Any) -> Any:
    if callable(value) or (isinstance(value, str) and value):
        return value
    raise _refuse(
        name,
        value,
        "a backend's name, or a callable (graph module, example inputs) → callable",
        "torch.compiler.list_backends() lists the names",
    )


def _options(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    raise _refuse(name, value, "None, or a dict from option name to value")


def _spec(name: str, value: Any) -> Any:
    if value is None:
        return None
    from .compat.shape_specs import coerced

    try:
        return coerced(value)
    except NotImplementedError as error:
        raise _refuse(name, value, f"None: {error}", "mark dimensions with mark_dynamic, or set dynamic=True") from None
    except (TypeError, ValueError) as error:
        raise _refuse(name, value, f"a ShapesSpec, a ParamsSpec or a dict of torch.fx.experimental.dynamic_spec: {error}") from None


def _callables(name: str, value: Any) -> frozenset[Callable[..., Any]]:
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        members = tuple(value)
        if all(callable(member) for member in members):
            return frozenset(members)
    raise _refuse(name, value, "a set of callables, such as {print}")


# --- the table --------------------------------------------------------------------------------------------------------


def _option(
    group: str, type: str, default: Any, check: Callable[[str, Any], Any], meaning: str, choices: tuple[Any, ...] = ()
) -> Any:
    return dataclasses.field(metadata={"row": (type, default, choices, meaning, check, group)})


def _switch(group: str, default: bool, meaning: str) -> Any:
    return _option(group, "bool", default, _choice(True, False), meaning, (True, False))


def _one_of(group: str, type: str, choices: tuple[Any, ...], default: Any, meaning: str) -> Any:
    return _option(group, type, default, _choice(*choices), meaning, choices)


@dataclasses.dataclass(frozen=True, init=False, eq=True)
class TraceConfig:
    """The settings of one session. `TraceConfig(backend="eager")`; `config.with_changes(dynamic=True)`."""

    # Frozen dataclasses hash their fields; options may be a dict, so configurations compare but don't hash.
    __hash__ = None  # type: ignore[assignment]

    engine: str = _one_of(
        "Compiling", "str", ("tracer", "dynamo"), "tracer", "Who captures the graphs: our compiler, or the installed torch.compile, which is watched."
    )
    backend: str | Callable[..., Any] = _option(
        "Compiling",
        "str | callable",
        "eager",
        _backend,
        "What turns a graph into a callable. tracer.compile uses 'inductor' unless told otherwise.",
    )
    mode: str | None = _one_of(
        "Compiling",
        "str | None",
        (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
        None,
        "The inductor backend's trade between compile time and speed. Not together with options.",
    )
    options: dict[str, Any] | None = _option(
        "Compiling",
        "dict | None",
        None,
        _options,
        "Options handed to the backend as they are. Not together with mode.",
    )
    dynamic: bool | None = _one_of(
        "Shapes",
        "bool | None",
        (None, True, False),
        None,
        "True: sizes are symbolic from the start. False: never. None: a size that changed becomes symbolic.",
    )
    dynamic_shapes: Any = _option(
        "Shapes",
        "spec | None",
        None,
        _spec,
        "Which sizes and ints are symbolic, as torch.compile's dynamic_shapes (torch 2.14 on); others are static. Not together with dynamic.",
    )
    fresh: bool = _switch(
        "Compiling",
        True,
        "engine='dynamo': what torch.compile had compiled before isn't used, so that its compiling is seen. Others keep it.",
    )
    fullgraph: bool = _switch("Compiling", False, "A graph break is an error that says what to change.")

    assume_static_by_default: bool = _switch(
        "Shapes", True, "With dynamic=None sizes are constants until one changes or is marked dynamic."
    )
    automatic_dynamic_shapes: bool = _switch(
        "Shapes", True, "A size that changed between calls becomes symbolic at the recompile."
    )
    specialize_int: bool = _switch("Shapes", False, "Python ints among the inputs are always constants of the graph.")
    specialize_float: bool = _switch(
        "Shapes", False, "Python floats among the inputs are always constants of torch.compile's graphs. Of ours they are in any case."
    )
    allow_unspec_int_on_nn_module: bool = _switch(
        "Shapes", False, "Ints stored on modules may become symbolic instead of a constant for each value."
    )
    capture_scalar_outputs: bool = _switch(
        "Capture",
        False,
        "x.item(), int(x) and the like become symbols of the graph instead of breaking it. fullgraph=True turns it on.",
    )
    capture_dynamic_output_shape_ops: bool = _switch(
        "Capture",
        False,
        "Operators whose result size depends on data (nonzero, unique, x[mask]) are captured. "
        "fullgraph=True turns it on.",
    )
    trace_numpy: bool = _switch(
        "Capture", True, "NumPy calls are captured as operators of torch where torch's own layer for NumPy computes what NumPy does; False runs them as Python."
    )
    allow_rnn: bool = _switch("Capture", False, "torch.nn.RNN, GRU and LSTM are captured, step by step.")
    reorderable_logging_functions: frozenset[Callable[..., Any]] = _option(
        "Capture",
        "set of callables",
        frozenset(),
        _callables,
        "Calls of these (print, say) don't break the graph: they happen at its end, in order.",
    )
    ignore_logging_functions: frozenset[Callable[..., Any]] = _option(
        "Capture", "set of callables", frozenset(), _callables, "Calls of these are left out of compiled code."
    )
    skip_nnmodule_hook_guards: bool = _switch(
        "Guards",
        False,
        "Relies on module hooks not being added or removed after compiling. Cheaper checks; changed hooks go "
        "unnoticed.",
    )

    recompile_limit: int = _option(
        "Limits",
        "int",
        8,
        _number(int, 1, optional=False),
        "How often one function is compiled; past it, it runs as ordinary Python.",
    )
    max_trace_seconds: float | None = _option(
        "Limits",
        "float | None",
        300.0,
        _number(float, 0, optional=True),
        "A frame that takes longer to trace runs as ordinary Python.",
    )
    max_instructions: int | None = _option(
        "Limits",
        "int | None",
        5_000_000,
        _number(int, 1, optional=True),
        "A frame that takes more instructions to trace runs as ordinary Python.",
    )

    record: str = _one_of(
        "Recording",
        "str",
        ("all", "decisions", "nothing"),
        "all",
        "Which events are kept: all, all but single instructions, none.",
    )
    keep_inputs: bool | str = _one_of(
        "Recording",
        "bool | str",
        (True, "metadata", False),
        True,
        "What is kept of a call's arguments for re-running it: copies (but parameters, functions and classes themselves), shapes and dtypes only, nothing.",
    )
    keep_calls: int = _option(
        "Recording",
        "int",
        8,
        _number(int, 1, optional=False),
        "Of how many calls inputs are kept; the oldest go first.",
    )
    strict: bool = _switch(
        "Recording",
        False,
        "A fault of the compiler itself is raised instead of running the frame as Python. "
        "The variable TRACER_STRICT=1 turns it on.",
    )

    def __init__(self, **settings: Any):
        unknown = [name for name in settings if name not in FIELDS]
        if unknown:
            raise _unknown(unknown[0])
        for name, row in FIELDS.items():
            value = settings[name] if name in settings else _default(row)
            object.__setattr__(self, name, row.check(name, value))
        if self.mode is not None and self.options is not None:
            raise TracerError("mode and options can't both be set.\n  next: leave one of them out")
        if self.dynamic is not None and self.dynamic_shapes is not None:
            raise TracerError("dynamic and dynamic_shapes can't both be set.\n  next: leave dynamic out")

    def with_changes(self, **changes: Any) -> TraceConfig:
        """A new configuration that differs in `changes` only; self when nothing is given."""
        return TraceConfig(**{**{name: getattr(self, name) for name in FIELDS}, **changes}) if changes else self

    @classmethod
    def preset(cls, use: str, **changes: Any) -> TraceConfig:
        """The defaults of one entry point (see PRESETS), with changes."""
        return cls(**{**PRESETS[use], **changes})

    def plain(self) -> dict[str, Any]:
        """Plain values only, for a recording's header and for the widget; callables by name."""
        return {name: _plain(getattr(self, name)) for name in FIELDS}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TraceConfig:
        """As good as a recording allows: settings of other versions, and callables, keep their defaults."""
        config = cls()
        for name, value in plain.items():
            try:
                config = config.with_changes(**{name: value})
            except TracerError:
                continue
        return config

    def __repr__(self) -> str:
        changed = (
            f"{n}={_plain(getattr(self, n))!r}" for n, row in FIELDS.items() if getattr(self, n) != _default(row)
        )
        return f"TraceConfig({', '.join(changed)})"


def _default(row: Field) -> Any:
    if row.name == "strict":
        return os.environ.get("TRACER_STRICT", "") not in ("", "0")
    return row.default


def _unknown(name: str) -> TracerError:
    near = difflib.get_close_matches(name, FIELDS, 3, 0.5)
    known = ", ".join(sorted(FIELDS))
    guess = f"\n  did you mean: {' or '.join(near)}?" if near else ""
    return TracerError(f"there is no setting {name!r}.{guess}\n  known: {known}")


def _name_of(value: Callable[..., Any]) -> str:
    names = (getattr(value, "__module__", None), getattr(value, "__qualname__", None))
    return ".".join(n for n in names if isinstance(n, str)) or type(value).__qualname__


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (frozenset, set)):
        return sorted(_plain(member) for member in value)
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return _name_of(value) if callable(value) else type(value).__qualname__


#: Every setting by name, in the order of the class.
FIELDS: dict[str, Field] = {f.name: Field(f.name, *f.metadata["row"]) for f in dataclasses.fields(TraceConfig)}

#: What each public entry point changes in the defaults.
PRESETS: dict[str, dict[str, Any]] = {
    "session": {},
    "trace": {},
    "step": {},
    "compile": {"backend": "inductor", "record": "decisions", "keep_inputs": "metadata"},
}


def _shown(value: Any) -> str:
    return "{}" if isinstance(value, frozenset) and not value else repr(value)


def markdown() -> str:
    """docs/config.md, as text."""
    lines = ["# Settings", "", "Generated from `tracer/config.py`: `python -m tracer.config > docs/config.md`.", ""]
    for group in dict.fromkeys(row.group for row in FIELDS.values()):
        lines += [f"## {group}", "", "| Setting | Type | Default | Choices | Meaning |", "|---|---|---|---|---|"]
        for row in FIELDS.values():
            if row.group == group:
                choices = ", ".join(f"`{_shown(choice)}`" for choice in row.choices)
                kind = row.type.replace("|", "\\|")
                lines.append(f"| `{row.name}` | {kind} | `{_shown(row.default)}` | {choices} | {row.meaning} |")
        lines.append("")
    changed = (
        f"`tracer.{use}` ({', '.join(f'`{k}={v!r}`' for k, v in preset.items())})"
        for use, preset in PRESETS.items()
        if preset
    )
    return "\n".join([*lines, f"Other defaults: {'; '.join(changed)}.", ""])


if __name__ == "__main__":
    print(markdown(), end="")
