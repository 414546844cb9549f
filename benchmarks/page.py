"""The page of a graph of 10,000 nodes, in the system's Chromium: how fast it opens, pans, and answers clicks."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import tracer
from tests.browser.lab import BROWSER, chromium
from widgets.document import document

__all__ = ["table"]

NODES = 10_000
#: What is clicked: (its name in the table, where it is).
CLICKS = (
    ("a node", ".nd"),
    ("a line", ".src .ln:not(.fold)"),
    ("a span of the timeline", ".spn"),
    ("the guards", ".tab[data-key=guards]"),
    ("the builder", ".tab[data-key=builder]"),
    ("the state", ".tab[data-key=state]"),
    ("the graph", ".tab[data-key=graph]"),
)
#: Milliseconds from an event until what it changed has been drawn.
CLICK = """async where => {
    const target = document.querySelector('.tracer-widget').shadowRoot.querySelector(where);
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const began = performance.now();
    target.dispatchEvent(new MouseEvent('click', {bubbles: true, composed: true}));
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    return performance.now() - began;
}"""
#: Milliseconds between the frames of 120 turns of the wheel, in order of length.
WHEEL = """async ([by, zoom]) => {
    const view = document.querySelector('.tracer-widget').shadowRoot.querySelector('.gv'), box = view.getBoundingClientRect(), times = [];
    view.focus();
    for (let turn = 0, last = performance.now(); turn < 120; turn++) {
        view.dispatchEvent(new WheelEvent('wheel', {deltaY: by, ctrlKey: zoom, clientX: box.x + 300, clientY: box.y + 20, bubbles: true, cancelable: true}));
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - last);
        last = now;
    }
    return times.sort((a, b) => a - b);
}"""


class Chain(nn.Module):
    """Layers of five operations each."""

    def __init__(self, nodes: int):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.LayerNorm(4), nn.Tanh()) for _ in range(nodes // 5)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


def table() -> str:
    """Markdown. Says so where there is no browser."""
    if BROWSER is None:
        return "Not measured: there is no Chromium."
    session = tracer.trace(Chain(NODES).eval(), torch.ones(2, 4))
    began = time.perf_counter()
    text = document(session)
    made = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = Path(folder) / "page.html"
        path.write_text(text, encoding="utf-8")
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"file://{path}")
        page.wait_for_selector(".nd")
        rows: list[tuple[str, Any]] = [
            ("events", f"{len(session.events):,}"),
            ("nodes", f"{sum(len(graph.nodes) for graph in session.graphs):,}"),
            ("page MB", f"{len(text) / 1e6:.1f}"),
            ("making the page s", f"{made:.2f}"),
            ("opening it: until the graph is drawn s", f"{page.evaluate('performance.now()') / 1000:.2f}"),
        ]
        page.evaluate(CLICK, ".tab[data-key=graph]")
        for name, where in CLICKS:
            rows.append((f"click on {name} ms", f"{page.evaluate(CLICK, where):.0f}"))
        for name, by, zoom in (("panning", 60, False), ("zooming out", 20, True), ("panning, all in sight", 60, False)):
            times = page.evaluate(WHEEL, [by, zoom])
            rows.append((f"{name}: a frame ms, median / slowest", f"{times[60]:.0f} / {times[-1]:.0f}"))
    body = "\n".join(f"| {name} | {value} |" for name, value in rows)
    aims = "Aims: a graph of 10,000 nodes opens within 1 s and pans smoothly (17 ms a frame is 60 a second); a click is answered within 100 ms."
    return f"{aims} An exported page, opened from a file, driven headless.\n\n| | |\n|---|--:|\n{body}"
