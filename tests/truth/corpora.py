"""The programs whose breaks are looked at: the tests' own, the catalogue's, small models, torch's operators."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

import tests.programs as registered
from tests.breaks.harness import CONFIG, WITH_PROGRAM
from tests.breaks.harness import run as run_entry
from tests.differential import Traced, Untraced, execute, plain

__all__ = ["CORPORA", "Ran", "Sample"]


@dataclass
class Ran:
    """What one traced run left: the breaks, what is said at the top, and the graphs that the backend was given."""

    breaks: list[Any] = field(default_factory=list)
    records: Any = None
    graphs: int = 0
    text: str = ""


@dataclass(frozen=True)
class Sample:
    """One program. `traced(settings)` runs it traced; `plain(watch)` runs it untraced, after `watch` rewrote its source."""

    corpus: str
    name: str
    traced: Callable[[dict[str, Any]], list[Ran]]
    plain: Callable[[Any], None]


class Kept(Traced):
    """Keeps what each session knew before it is closed, and counts what the backend was given."""

    def __init__(self, **config: Any):
        self.given: list[Any] = []
        self.ran: list[Ran] = []
        self.asked = config.get("backend", "eager")
        super().__init__(**config)

    def compile(self, fn: Any, **config: Any) -> Any:
        ran = Ran()
        backend = {**self.config, **config}.pop("backend", "eager")

        def counting(gm: torch.fx.GraphModule, _inputs: Any) -> Any:
            ran.graphs += 1
            return gm.forward

        given = {} if backend != "eager" or self.config.get("engine") == "dynamo" else {"backend": counting}
        compiled = super().compile(fn, **{**config, **given})
        ran.records = compiled.session if given else None
        self.ran.append(ran)
        return compiled

    def close(self) -> None:
        for ran, session in zip(self.ran, self.sessions, strict=True):
            ran.breaks, ran.text = list(session.graph_breaks), session.explain()
            ran.records = session.records if ran.records is not None else None
        super().close()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


# ---- the tests' programs
def programs() -> Iterator[Sample]:
    """Those that break, by what they expect of themselves."""
    for one in registered.all_programs():
        if one.expect.breaks not in (0, []):
            yield Sample("programs", one.name, lambda more, one=one: _traced(one, more), lambda watch, one=one: _plain(one, watch))


def _scenario(one: Any) -> Any:
    return one.fn if one.make_args is None else plain(one.fn, one.make_args, one.calls)


def _traced(one: Any, more: dict[str, Any]) -> list[Ran]:
    full = {"fullgraph": True} if one.expect.fullgraph else {}
    kept = Kept(**{"backend": "eager", **full, **one.config, **more})
    with quiet():
        try:
            execute(_scenario(one), kept, getattr(one.fn, "__globals__", None))
        finally:
            kept.close()
    return kept.ran


def _plain(one: Any, watch: Any) -> None:
    module = one.fn.__module__
    again = watch.registry(one.fn.__code__.co_filename, module)
    if one.name in again:
        with quiet():
            execute(_scenario(again[one.name]), Untraced(), again[one.name].fn.__globals__)


# ---- the catalogue's
def catalogue() -> Iterator[Sample]:
    for entry in WITH_PROGRAM:
        yield Sample("catalogue", entry.id, lambda more, entry=entry: _entry(entry, more), lambda watch, entry=entry: watch.source(entry))


def _entry(entry: Any, more: dict[str, Any]) -> list[Ran]:
    kept = Kept(**{"backend": "eager", **CONFIG.get(entry.id, {}), **more})
    with quiet():
        try:
            run_entry(entry, None, kept.compile)
        finally:
            kept.close()
    return kept.ran


# ---- models, operators
def models() -> Iterator[Sample]:
    from tests.models.zoo import MODELS, build

    for name in sorted(MODELS):
        yield Sample("models", name, lambda more, name=name: _model(build(name), more), lambda watch: None)


def _model(model: Any, more: dict[str, Any]) -> list[Ran]:
    kept = Kept(**{"backend": "eager", **more})
    with quiet(), torch.no_grad():
        try:
            kept.compile(model.module)(**model.inputs(model.sizes[0]))
        finally:
            kept.close()
    return kept.ran


def operators() -> Iterator[Sample]:
    from tests.databases.cases import cases

    for database in ("op_db", "hop_db", "autograd_function_db"):
        for case in cases(database, 1):
            yield Sample(database, case.name, lambda more, case=case: _case(case, more), lambda watch, case=case: _case_plain(case, watch))


def _case(case: Any, more: dict[str, Any]) -> list[Ran]:
    kept = Kept(**{"backend": "eager", **more})
    with quiet():
        try:
            call = kept.compile(case.fn)
            with contextlib.suppress(Exception):
                call(*case.make_args())
        finally:
            kept.close()
    return kept.ran


def _case_plain(case: Any, watch: Any) -> None:
    names = watch.module(case.fn.__code__.co_filename)
    with quiet(), contextlib.suppress(Exception):
        names[case.fn.__name__](*case.make_args())


CORPORA: dict[str, Callable[[], Iterator[Sample]]] = {"catalogue": catalogue, "programs": programs, "models": models, "operators": operators}

