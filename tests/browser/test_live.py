"""A person in JupyterLab: traces a cell, reads why it broke, steps, scrubs, recompiles, exports; checked on Python's side too."""

from __future__ import annotations

import re
import time

import pytest

from tests.browser.lab import BROWSER, Lab, chromium, server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium"),
]

MODEL = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.layers = nn.Linear(8, 8), nn.ModuleList([nn.Linear(8, 8) for _ in range(2)])

    def forward(self, x):
        h = self.first(x)
        for layer in self.layers:
            h = layer(h).relu()
        if h.max() > 3:
            h = h / 2
        return torch.cond(h.sum() > 0, lambda: h * 2, lambda: h.tanh())

class Printing(Model):
    def forward(self, x):
        h = self.first(x)
        torch._dynamo.graph_break()
        return h.relu()
"""
BLOCKS = """
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        h = self.linear(x)
        if h.sum() > 0:
            h = h.relu()
        return h
"""
CELLS = [
    "%load_ext tracer\nimport torch\nfrom model import Model, Printing\nfrom blocks import Block\ntorch.manual_seed(0)\n"
    "m, p, blocks = Model().eval(), Printing().eval(), torch.nn.Sequential(Block(8), Block(8))",
    "%%trace\nout = m(torch.ones(2, 8))\nprint('said')\nout.shape",
    "%%trace --step\nstepped = blocks(torch.ones(3, 8))\nprint('after')",
    "1",
    "%%trace\n'<script>document.title = \"hacked\"</script>'\np(torch.ones(3, 8))\np(torch.ones(2, 8)).shape",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """One notebook for a worker's tests, its first two cells run. No test leans on another: xdist splits them."""
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    (folder / "blocks.py").write_text(BLOCKS)
    with server(folder) as address, chromium() as browser:
        opened = Lab(browser, address, folder, CELLS, width=1800)
        opened.run(0)
        opened.run(1)
        yield opened
        assert opened.problems == []


def until(condition, seconds=20.0, what="it"):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen")
        time.sleep(0.05)
    return found


def tab(widget, name):
    widget.locator(".tab", has_text=name).click()


def position(widget) -> int:
    return int(re.sub(r"\D", "", widget.locator(".pos b").inner_text()))


def test_a_traced_cell_shows_its_output_and_the_widget(lab):
    widget = lab.widget(1)
    until(lambda: "1 graph break" in widget.locator("h2").inner_text(), what="the headline")
    assert "said" in lab.output(1) and "torch.Size([2, 8])" in lab.output(1)
    assert widget.locator(".gv .lane").count() == 2 and widget.locator("[data-id='graph_0:relu']").count() == 1
    until(lambda: not lab.cell(1).locator(".tracer-summary").is_visible(), what="hiding the static summary")
    assert "torch.Size" in lab.evaluate(3, "out.shape")


def test_a_break_is_explained_by_a_click(lab):
    widget = lab.widget(1)
    widget.locator(".src .ln.brk").first.click()
    inspector = widget.locator(".insp")
    until(lambda: "chooses a path with" in inspector.inner_text(), what="the explanation")
    assert "torch.where" in inspector.inner_text() and "model.py:14" in inspector.inner_text()
    widget.locator(".insp .btns button", has_text="Copy to new cell").click()
    until(lambda: "torch.where" in lab.cell(2).inner_text(), what="the new cell")
    lab.cell(2).locator(".cm-content").click()
    lab.page.keyboard.press("Escape")
    lab.page.keyboard.press("d")
    lab.page.keyboard.press("d")
    until(lambda: "%%trace --step" in lab.cell(2).inner_text(), what="taking the cell away again")


def test_nodes_lines_guards_and_values_are_linked(lab):
    widget = lab.widget(1)
    tab(widget, "Graph")
    widget.locator("[data-id='graph_0:relu'] text.t").click()
    until(lambda: "relu" in widget.locator(".insp h4").inner_text(), what="the node's panel")
    assert widget.locator(".src .ln.sel").inner_text().startswith("13")
    tab(widget, "Guards")
    widget.locator(".flt .in").first.fill("TENSOR x")
    row = widget.locator("[role=treeitem]", has_text="Tensor of").first
    row.click()
    until(lambda: widget.locator(".insp h4").inner_text() == "Guard", what="the guard's panel")
    tab(widget, "Builder")
    widget.locator("tr.r").first.click()
    assert "rule" in widget.locator(".insp").inner_text()
    tab(widget, "Speculations")
    assert widget.locator(".it", has_text="cond").count() == 2


def test_scrubbing_moves_every_view(lab):
    widget = lab.widget(1)
    tab(widget, "Graph")
    everything = widget.locator(".nd").count()
    widget.locator(".scrub").focus()
    box = widget.locator(".scrub").bounding_box()
    lab.page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    until(lambda: widget.locator(".nd").count() < everything, what="fewer nodes")
    before = position(widget)
    lab.page.keyboard.press("ArrowLeft")
    until(lambda: position(widget) < before, what="one event back")
    lab.page.keyboard.press("End")
    until(lambda: widget.locator(".nd").count() == everything, what="all nodes again")


def test_stepping_by_clicks_and_keys(lab):
    lab.run(2)
    widget = lab.widget(2)
    until(lambda: widget.locator(".tr button[aria-label=Abort]").count(), what="the paused widget")
    start, explained = position(widget), lambda: widget.locator(".insp").inner_text()
    widget.locator(".tr button[aria-label=Event]").click()
    until(lambda: position(widget) > start, what="a step")
    widget.locator(".src .ln:not(.fold)").first.click()  # of torch's own file, where the call begins; the break is in another one
    lab.page.keyboard.press("b")
    until(lambda: "What to do" in explained() or "Fix" in explained(), what="the break")
    assert "chooses a path with" in explained() and "blocks.py:11" in explained()
    assert "GraphBreak" in lab.evaluate(3, "_tracer_stepper.at")
    title, note = widget.locator("h2"), widget.locator(".note").first
    until(lambda: "where the graph ends" in title.inner_text(), what="the headline of a pause")
    assert title.inner_text() == "Paused at line 11 of blocks.py, where the graph ends"
    assert "traced from its beginning again (attempt 2)" in note.inner_text() and "line 11" in note.inner_text()
    waits, run = position(widget), widget.locator(".tr button[aria-label=Run]")
    widget.locator(".tr button[aria-label='One event back']").click()
    until(lambda: position(widget) < waits, what="the past")
    until(lambda: run.get_attribute("title").startswith("Back to now, then"), what="a button that says so")
    assert f"the call waits at {waits:,}" in widget.locator(".pos").inner_text().replace(" ", " ")
    widget.locator(".tr button[aria-label=Now]").click()
    until(lambda: position(widget) == waits and not run.get_attribute("title").startswith("Back"), what="now")
    widget.locator(".tr button[aria-label='First event']").click()
    until(lambda: position(widget) == 0, what="the beginning")
    widget.locator(".insp").click()
    lab.page.keyboard.press("F11")
    until(lambda: "GraphBreak" not in lab.evaluate(3, "_tracer_stepper.at"), what="a step by a key")
    until(lambda: position(widget) > waits, what="the moment at which it waits now")
    tab(widget, "State")
    until(lambda: "Block.forward" in widget.locator(".stt").inner_text(), what="the state")
    lab.evaluate(3, "_tracer_stepper.until(kind='NodeCreated')")
    tab(widget, "Graph")
    until(lambda: widget.locator(".gv .lane").count() == 1 and widget.locator(".nd").count(), what="the graph as far as it is")
    assert "not finished yet" in widget.locator(".gv").inner_text()
    ahead = widget.locator(".src .ln", has_text="return h").locator(".n")  # what is still ahead is shown too
    ahead.click()
    until(lambda: ahead.get_attribute("class") == "n can bp", what="a breakpoint")
    widget.locator(".pts summary").click()
    until(lambda: widget.locator(".pt").inner_text().startswith("blocks.py:13"), what="its row")
    widget.locator(".pts input[aria-label='Stop at']").fill("kind=Nothing")
    widget.locator(".pts form button").click()
    until(lambda: "no kind of event 'Nothing'" in widget.locator(".pts .ann").inner_text(), what="what is wrong with it")
    run.click()
    until(lambda: title.inner_text() == "Paused at line 13 of blocks.py", what="the stop")
    assert "1 ×" in widget.locator(".pt").inner_text()
    lab.page.screenshot(path="/tmp/me_live2.png")
    ahead.click()
    until(lambda: widget.locator(".pt").count() == 0, what="no breakpoint")
    widget.locator(".tr button[aria-label=Run]").click()
    until(lambda: "after" in lab.output(2), what="the end of the cell")
    until(lambda: widget.locator(".gv .lane").count() > 1 and "not finished" not in widget.locator(".gv").inner_text(), what="all graphs")
    assert "torch.Size([3, 8])" in lab.evaluate(3, "stepped.shape")
    assert "returned" in lab.evaluate(3, "_tracer_session.records.calls[0].outcome")


def test_recompiling_shows_the_difference(lab):
    widget = lab.widget(1)
    tab(widget, "Runs")
    widget.locator("#run-dynamic").select_option("yes")
    widget.locator(".runs button[type=submit]").click()
    until(lambda: widget.locator(".rl .ci").count() > 3, 60, "the difference")
    assert "Symbolic sizes" in widget.locator(".rl").inner_text() and widget.locator(".cmpv .d-chg").count() > 2
    assert "dynamic=True" in widget.locator(".runs-h select").nth(1).inner_text()
    widget.locator(".rl .ci", has_text="linear").first.click()
    until(lambda: "What changed" in widget.locator(".insp").inner_text(), what="what changed of a node")
    assert "2×8" in widget.locator(".insp").inner_text()


def test_trying_what_removes_a_break_and_what_ends_a_recompile(lab):
    lab.run(4)
    widget = lab.widget(4)
    until(lambda: "graph break" in widget.locator("h2").inner_text(), what="the headline")
    widget.locator(".src .ln.brk").first.click()
    widget.locator(".insp button", has_text="Try it").first.click()
    until(lambda: "→" in widget.locator(".insp .res").inner_text(), 60, "the result of the trial")
    assert "The break is gone" in widget.locator(".insp .res").inner_text()
    assert lab.page.title() != "hacked"
    widget.locator(".stats .alarm", has_text="2 recompiles").click()
    card = widget.locator(".lst .it", has_text="x.shape[0]: 3 → 2").first
    assert re.search(r"called at cell \[\d+\], line 3", card.inner_text())
    card.click()
    widget.locator(".insp .btns", has_text="dynamic=True").locator("button").click()
    until(lambda: "recompiles 2 → 0" in widget.locator(".insp .res").inner_text(), 60, "the result of the trial")
    widget.locator(".insp .btns button", has_text="Copy to new cell").click()
    until(lambda: "mark_dynamic" in lab.cell(5).inner_text(), what="the new cell")


def test_the_other_compiler_is_asked_about_a_break(lab):
    lab.run(4)
    widget = lab.widget(4)
    widget.locator(".src .ln.brk").first.click()
    widget.locator(".insp button", has_text="Does torch.compile break here?").click()
    until(lambda: "torch.compile breaks here too" in widget.locator(".insp").inner_text(), 60, "what torch.compile does")
    widget.locator(".src .ln.brk").first.click()
    assert widget.locator(".insp button", has_text="Does torch.compile").count() == 0


def test_every_format_is_exported(lab, tmp_path):
    widget = lab.widget(1)
    for suffix in ("html", "jsonl", "json", "svg", "dot", "txt", "perfetto"):
        widget.locator(".acts button", has_text="Export").click()
        with lab.page.expect_download() as download:
            widget.locator(f".mn [role=menuitem][data-key='{suffix}']").click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        text = path.read_text()
        assert path.suffix == f".{suffix}" and ("relu" in text or "graph break" in text)
    widget.locator(".acts button", has_text="Export").click()
    with lab.page.expect_download() as download:
        widget.locator(".mn [role=menuitem][data-key='py']").click()
    assert download.value.suggested_filename.partition(".")[2] in ("py", "safetensors")
    assert "<svg" in (tmp_path / "trace.svg").read_text()
    opened = lab.page.context.browser.new_page()
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    opened.goto(f"file://{tmp_path / 'trace.html'}")
    until(lambda: opened.locator(".nd").count() > 5, what="the exported page")
    assert not problems
    opened.close()
    import tracer

    assert tracer.load(tmp_path / "trace.jsonl").graphs
