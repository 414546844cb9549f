"""In JupyterLab: what a widget has drawn is there after another theme, a tab in front of it, a closed output, in a new view and in a narrow window."""

from __future__ import annotations

import pytest

from tests.browser.drawn import DRAWN
from tests.browser.lab import BROWSER, Lab, chromium, server
from tests.browser.test_live import MODEL, until

pytestmark = [
    pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium"),
]  # fmt: skip

CELLS = ["%load_ext tracer\nimport torch\nfrom model import Model\nm = Model().eval()", "%%trace\nout = m(torch.ones(2, 8))"]
WRONG = f"() => [...document.querySelectorAll('.tracer-widget')].map(host => {{ const root = host.shadowRoot; {DRAWN} }})"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    with server(folder) as address, chromium() as browser:
        opened = Lab(browser, address, folder, CELLS, width=1500)
        opened.run(0)
        opened.run(1)
        until(lambda: "1 graph break" in opened.widget(1).locator("h2").inner_text(), what="the headline")
        yield opened
        assert opened.problems == []


def wrong(lab, widgets=1):
    """What isn't drawn as it should be, once everything has had time to be."""
    lab.page.wait_for_timeout(1500)
    found = lab.page.evaluate(WRONG)
    assert len(found) == widgets
    return [one for each in found for one in each]


def test_it_is_drawn_anew_wherever_it_is_seen_again(lab):
    assert wrong(lab) == []
    for theme in ("JupyterLab Dark", "JupyterLab Light", "JupyterLab Dark High Contrast"):
        lab.command("apputils:change-theme", theme=theme)
        assert wrong(lab) == [], theme
    lab.command("notebook:hide-cell-outputs")
    lab.page.wait_for_timeout(400)
    lab.command("notebook:show-cell-outputs")
    assert wrong(lab) == [], "a closed output"
    lab.command("launcher:create")
    lab.page.locator(".jp-LauncherCard").first.wait_for()
    lab.command("apputils:change-theme", theme="JupyterLab Light")
    lab.page.wait_for_timeout(800)
    lab.page.locator(".lm-TabBar-tab", has_text="notebook.ipynb").first.click()
    assert wrong(lab) == [], "a tab in front of it, and another theme meanwhile"
    lab.cell(1).locator(".jp-Cell-outputArea").click(button="right", position={"x": 20, "y": 20})
    lab.page.locator(".lm-Menu-item", has_text="Create New View for Cell Output").click()
    assert wrong(lab, 2) == [], "a new view"
    lab.command("application:toggle-left-area")
    lab.page.set_viewport_size({"width": 600, "height": 900})
    assert wrong(lab, 2) == [], "a narrow window"
    lab.page.set_viewport_size({"width": 1500, "height": 900})
    assert wrong(lab, 2) == [], "a wide one again"
