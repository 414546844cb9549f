"""What becomes of a widget: its cell runs again, its kernel restarts or is gone, its notebook is closed, saved, not trusted."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.browser.lab import BROWSER, Lab, chromium, server
from tests.browser.test_live import MODEL, tab, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium"),
]

START = "%load_ext tracer\nimport threading, torch\nfrom model import Model\nm = Model().eval()"
STEP = "%%trace --step\nout = m(torch.ones(2, 8))"
TRACE = "%%trace\nout = m(torch.ones(2, 8))\nout.shape"
NAMES = itertools.count()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A server and a browser for a worker's tests; each test has a notebook and a kernel of its own."""
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    with server(folder) as address, chromium() as browser:
        yield browser, address, folder


@pytest.fixture
def lab(place):
    opened = []

    def make(*cells, name=""):
        opened.append(Lab(*place, list(cells), width=1600, name=name or f"notebook{next(NAMES)}.ipynb"))
        return opened[-1]

    yield make
    for one in opened:
        one.page.close()
    if opened:
        opened[0].end_kernels()


def paused(widget):
    return until(lambda: widget.locator(".tr button[aria-label=Abort]:not(:disabled)").count(), 60, "the paused widget")


def waiting(lab):
    """A notebook in which a stepped call waits."""
    opened = lab(START, STEP, "1")
    opened.run(0)
    opened.run(1)
    paused(opened.widget(1))
    return opened


def saved(lab):
    """A notebook with a traced call, on disk, its kernel gone."""
    opened = lab(START, TRACE)
    opened.run(0)
    opened.run(1)
    until(lambda: opened.widget(1).locator(".nd").count() > 3, what="the graph")
    opened.page.wait_for_timeout(1500)  # what is saved follows what is shown
    opened.save()
    opened.end_kernels()
    return opened


def test_running_a_waiting_cell_again_gives_the_first_call_up(lab):
    opened = waiting(lab)
    opened.evaluate(2, "first = _tracer_stepper")
    opened.run(1)
    paused(opened.widget(1))
    assert "True" in opened.evaluate(2, "first.done and first is not _tracer_stepper and not _tracer_stepper.done")
    opened.widget(1).locator(".tr button[aria-label=Run]").click()
    until(lambda: not opened.widget(1).locator(".tr button[aria-label=Abort]").count(), what="the end")
    assert "torch.Size([2, 8])" in opened.evaluate(2, "out.shape")


def test_a_kernel_can_be_restarted_while_a_call_waits(lab):
    opened = waiting(lab)
    opened.command("kernelmenu:restart")
    opened.page.locator(".jp-Dialog button.jp-mod-warn, .jp-Dialog button.jp-mod-accept").last.click()
    until(
        lambda: not opened.widget(1).locator(".tr button[aria-label=Run]:not(:disabled)").count(),
        60,
        "disabled buttons",
    )
    assert opened.widget(1).locator(".nd, .nothing, .lane").count()  # what it showed stays
    until(lambda: opened.widget(1).locator("h2").inner_text() == "The kernel is gone", what="the headline")
    assert "ended with it" in opened.widget(1).locator(".note").first.inner_text()
    opened.run(0)
    opened.run(1)
    paused(opened.widget(1))
    opened.widget(1).locator(".tr button[aria-label=Abort]").click()
    assert "True" in opened.evaluate(2, "_tracer_stepper.session is not None")


def test_a_notebook_closed_while_a_call_waits_goes_on_when_opened_again(lab):
    opened = waiting(lab)
    opened.save()
    opened.open()
    paused(opened.widget(1))
    opened.widget(1).locator(".tr button[aria-label=Run]").click()
    assert until(lambda: "torch.Size" in opened.evaluate(2, "out.shape"), what="the end")


def test_a_saved_notebook_shows_the_last_view_without_a_kernel(lab):
    opened = saved(lab)
    opened.open()
    widget = opened.widget(1)
    until(lambda: widget.locator(".nd").count() > 3, 30, "the last view")
    assert "1 graph break" in widget.locator("h2").inner_text()
    until(
        lambda: widget.locator(".acts button[disabled]", has_text="Export").count(),
        what="saying that it needs a kernel",
    )
    tab(widget, "Breaks")
    widget.locator(".it").first.click()
    until(lambda: "torch.where" in widget.locator(".insp").inner_text(), what="the explanation, from what was saved")


def test_an_untrusted_notebook_shows_the_static_summary(lab, place):
    opened = saved(lab)
    content = json.loads(opened.path.read_text())
    content["metadata"].pop("widgets", None)
    content["cells"][0]["source"] = "# by someone else"
    (place[2] / "foreign.ipynb").write_text(json.dumps(content))
    foreign = lab(name="foreign.ipynb")
    until(lambda: "graph break" in foreign.output(1), 30, "the summary")
    assert "Python" in foreign.output(1) and foreign.cell(1).locator("svg").count() >= 1
