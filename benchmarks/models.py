"""How long a model takes to trace, to check and to call, side by side with torch.compile, in one run.

Every number is a median over some rounds in which the engines take turns, so that a slow minute of the machine
falls on all of them. What each column means is written under the table.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch._dynamo
from torch import fx
from torch._C._dynamo import eval_frame
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.models.zoo import MODELS, Model, build

__all__ = ["measure", "table"]

STEADY_CALLS = 20
COLUMNS = {
    "trace": ("trace ms", "first call minus a steady call, nothing recorded: capture, guards and code generation"),
    "floor": ("floor ms", "the captured graph run once under FakeTensorMode, making its inputs fake included"),
    "of_floor": ("trace/floor", "aim: at most 2.5"),
    "reference": ("torch.compile ms", "the same first call through torch.compile(backend='eager', dynamic=False)"),
    "faster": ("faster ×", "torch.compile over ours; aim: at least 5"),
    "recording": ("recording ×", "first call with every event recorded, over nothing recorded; aim: at most 1.25"),
    "guards": ("guards µs", "one check of all guards of the compiled entries"),
    "reference_guards": ("torch.compile guards µs", "the same there; aim: ours no slower"),
    "eager": ("eager ms", "an untraced call"),
    "steady": ("call ms", "a call that hits the cache, backend='eager'"),
    "reference_steady": ("torch.compile call ms", "the same there"),
    "nodes": ("nodes", "operations in the captured graph"),
    "graphs": ("graphs", "ours / torch.compile's"),
}


class Capture:
    """A backend that runs the graph as it is and keeps it, with the inputs of its first run."""

    def __init__(self) -> None:
        self.graphs: list[tuple[fx.GraphModule, list[Any]]] = []

    def __call__(self, gm: fx.GraphModule, _example_inputs: list[Any]) -> Callable[..., Any]:
        kept: list[Any] = []
        self.graphs.append((gm, kept))

        def run(*args: Any) -> Any:
            if not kept:
                kept.extend(args)
            return gm.forward(*args)

        return run


def clean() -> None:
    """What one measurement may not find from the one before."""
    torch._dynamo.reset()
    FakeTensorMode.cache_clear()
    gc.collect()


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def first_and_steady(call: Callable[[], Any]) -> tuple[float, float]:
    """The first call without what a steady call costs anyway, and the steady call."""
    gc.disable()
    try:
        first = seconds(call)
        steady = statistics.median(seconds(call) for _ in range(STEADY_CALLS))
    finally:
        gc.enable()
    return first - steady, steady


def floor_seconds(capture: Capture) -> float:
    """Every captured graph once under a fresh FakeTensorMode."""

    def run() -> None:
        for gm, inputs in capture.graphs:
            mode = FakeTensorMode()
            fakes = [mode.from_tensor(v, static_shapes=True) if isinstance(v, torch.Tensor) else v for v in inputs]
            with mode:
                fx.Interpreter(gm).run(*fakes)

    FakeTensorMode.cache_clear()
    gc.collect()
    gc.disable()
    try:
        return seconds(run)
    finally:
        gc.enable()


def guard_microseconds(untraced: Callable[[], Any]) -> float | None:
    """All guards of every compiled entry that a call meets, checked against the locals that it meets them with."""
    frames: dict[Any, dict[str, Any]] = {}

    def notice(frame: Any, event: str, _arg: Any) -> None:
        if event == "call" and frame.f_code not in frames and eval_frame._debug_get_cache_entry_list(frame.f_code):
            frames[frame.f_code] = dict(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(notice)
    try:
        untraced()
    finally:
        sys.setprofile(before)
    total = 0.0
    for code, f_locals in frames.items():
        for entry in eval_frame._debug_get_cache_entry_list(code):
            check = entry.guard_manager.root.check
            if not check(f_locals):  # a failed check ends early and would flatter
                return None
            total += min(seconds(lambda check=check, kept=f_locals: [check(kept) for _ in range(50)]) for _ in range(5))
    return total / 50 * 1e6 if frames else None


class Tracer:
    """Our compiler, one fresh session for each measurement."""

    def __init__(self, model: Model, record: str):
        import tracer

        self.capture = Capture()
        self.traced = tracer.compile(model.module, backend=self.capture, dynamic=False, record=record)

    def call(self, inputs: dict[str, Any]) -> Any:
        return self.traced(**inputs)

    def untraced(self, inputs: dict[str, Any]) -> Any:
        return self.traced._tracer_target(**inputs)  # the frame that is compiled, run as plain Python

    def close(self) -> None:
        self.traced.session.close()


class Reference:
    """torch.compile, reset before each measurement."""

    def __init__(self, model: Model, _record: str = ""):
        self.capture = Capture()
        self.traced = torch.compile(model.module, backend=self.capture, dynamic=False)

    def call(self, inputs: dict[str, Any]) -> Any:
        return self.traced(**inputs)

    def untraced(self, inputs: dict[str, Any]) -> Any:
        with torch.compiler.set_stance("force_eager"):
            return self.traced(**inputs)

    def close(self) -> None:
        torch._dynamo.reset()


def one_round(model: Model, inputs: dict[str, Any], samples: dict[str, list[float]], failed: dict[str, str]) -> None:
    """Each engine once, in turn. An engine that fails is named in `failed` and left out from then on."""
    samples["eager"].append(statistics.median(seconds(lambda: model.module(**inputs)) for _ in range(STEADY_CALLS)))
    engines = {"tracer": (Tracer, "nothing"), "recorded": (Tracer, "all"), "reference": (Reference, "")}
    for name, (engine, record) in engines.items():
        if name in failed:
            continue
        clean()
        try:
            made = engine(model, record)
            first, steady = first_and_steady(lambda made=made: made.call(inputs))
            samples[f"{name} first"].append(first)
            samples[f"{name} steady"].append(steady)
            checked = guard_microseconds(lambda made=made: made.untraced(inputs))
            if checked is not None:
                samples[f"{name} guards"].append(checked)
            samples[f"{name} graphs"].append(len(made.capture.graphs))
            samples[f"{name} nodes"].append(sum(len(gm.graph.nodes) for gm, _ in made.capture.graphs))
            samples[f"{name} floor"].append(floor_seconds(made.capture))
            made.close()
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]


def measure(name: str, repeat: int) -> tuple[dict[str, str], dict[str, str]]:
    """One row of the table (column → text), and what failed (engine → why)."""
    model = build(name)
    inputs = model.inputs(model.sizes[0])
    samples: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, str] = {}
    with torch.set_grad_enabled(name.endswith("_train")):
        one_round(model, inputs, defaultdict(list), failed)  # caches of the interpreter, of imports, of torch
        for _ in range(repeat):
            one_round(model, inputs, samples, failed)
    return row(samples), failed


def row(samples: dict[str, list[float]]) -> dict[str, str]:
    medians = {key: statistics.median(values) for key, values in samples.items() if values}

    def ms(key: str) -> str:
        return f"{medians[key] * 1e3:.2f}" if key in medians else "–"

    def ratio(over: str, under: str) -> str:
        return f"{medians[over] / medians[under]:.2f}" if over in medians and under in medians else "–"

    def plain(key: str, digits: int = 0) -> str:
        return f"{medians[key]:.{digits}f}" if key in medians else "–"

    own_floor = "tracer floor" if "tracer floor" in medians else "reference floor"
    return {
        "trace": ms("tracer first"),
        "floor": ms(own_floor),
        "of_floor": ratio("tracer first", own_floor),
        "reference": ms("reference first"),
        "faster": ratio("reference first", "tracer first"),
        "recording": ratio("recorded first", "tracer first"),
        "guards": plain("tracer guards", 1),
        "reference_guards": plain("reference guards", 1),
        "eager": ms("eager"),
        "steady": ms("tracer steady"),
        "reference_steady": ms("reference steady"),
        "nodes": plain("tracer nodes" if "tracer nodes" in medians else "reference nodes"),
        "graphs": f"{plain('tracer graphs')} / {plain('reference graphs')}",
    }


def page(rows: dict[str, dict[str, str]], failures: dict[str, dict[str, str]], repeat: int) -> str:
    """The table and what its columns mean."""
    titles = ["model", *(title for title, _ in COLUMNS.values())]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, cells in rows.items():
        lines.append("| " + " | ".join([name, *(cells[key] for key in COLUMNS)]) + " |")
    lines += ["", *(f"- **{title}**: {meaning}" for title, meaning in COLUMNS.values()), ""]
    for name, failed in failures.items():
        lines += [f"- {name}, {engine}: failed with {why}" for engine, why in failed.items()]
    return "\n".join([*lines, f"Medians of {repeat} rounds."])


def table(names: Iterable[str], repeat: int) -> str:
    """Every model's row, as Markdown. Unknown names: ValueError that lists the known ones."""
    names = list(names) or list(MODELS)
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        raise ValueError(f"no model {', '.join(unknown)}; there are: {', '.join(MODELS)}")
    os.environ.setdefault("TRACER_STRICT", "1")  # a fault of ours must show as one, not as a fast untraced call
    warnings.filterwarnings("ignore")
    rows: dict[str, dict[str, str]] = {}
    failures: dict[str, dict[str, str]] = {}
    for name in names:
        rows[name], failures[name] = measure(name, repeat)
        shown = {title: rows[name][key] for key, (title, _) in COLUMNS.items()}
        print(name, *(f"{title} {text}" for title, text in shown.items()), sep="  ", flush=True)
    return page(rows, failures, repeat)
