"""Graphs of real size in an exported page: what is seen first, levels and boxes without a kernel, finding in closed boxes."""

from __future__ import annotations

import itertools
import sys

import pytest
import torch

import tracer
from tests.browser.drawn import DRAWN
from tests.browser.lab import BROWSER, chromium
from tests.browser.laid import OVERLAPS
from tests.browser.large import LAYERS, Attention, session_of
from tests.browser.pages import Page
from tests.models.zoo import build
from widgets.document import document

pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium")]

NAMES = itertools.count()
PROJECTIONS = Attention.forward.__code__.co_firstlineno + 1  # q, k, v


@pytest.fixture(scope="module")
def text():
    return document(session_of())


@pytest.fixture(scope="module")
def browser():
    with chromium() as made:
        yield made


@pytest.fixture
def opened(browser, text, tmp_path):
    pages = []

    def make(width=1400, height=900, content=text, **options):
        path = tmp_path / f"page{next(NAMES)}.html"
        path.write_text(content)
        page = Page(browser, path, viewport={"width": width, "height": height}, **options)
        page.wait_for_selector(".tracer-widget h2")
        pages.append(page)
        return page

    yield make
    for page in pages:
        assert page.problems == []
        page.close()


SEEN = """const pane = root.querySelector('.gv').getBoundingClientRect();
    return [...root.querySelectorAll('.gv .lane, .gv .nd')].every(one => { const b = one.getBoundingClientRect(); return b.left >= pane.left - 1 && b.right <= pane.right + 1 && b.top >= pane.top - 1 && b.bottom <= pane.bottom + 1; });"""
BOXES = "return [...root.querySelectorAll('.gv .clh')].map(one => one.dataset.box.replace('graph_0:', ''))"


def box(page, name):
    return page.locator(f"[data-box='graph_0:{name}']")


def zoom(page):
    return int(page.locator(".zoomed").inner_text().rstrip("%"))


@pytest.mark.parametrize("width", [1400, 700])
def test_the_first_view_fits_the_pane_with_the_model_in_its_middle(opened, width):
    page = opened(width)
    assert page.root(SEEN) and zoom(page) >= 50
    lane, pane = page.locator(".gv .lane").bounding_box(), page.locator(".gv").bounding_box()
    assert abs(lane["x"] + lane["width"] / 2 - pane["x"] - pane["width"] / 2) < 2
    assert set(page.root(BOXES)) == {"body", f"body.layers ×{LAYERS}"}
    assert f"layers ×{LAYERS}" in box(page, f"body.layers ×{LAYERS}").text_content()


def test_every_level_can_be_chosen_without_a_kernel_and_fit_fits(opened):
    page = opened()
    depth = page.locator("select[aria-label=Depth]")
    assert depth.locator("option").all_inner_texts() == ["Depth: auto", "Depth 1", "Depth 2", "Depth 3", "Depth 4", "Depth: all"]
    heights = []
    for name in ("Depth 1", "Depth 2", "Depth 3", "Depth 4", "Depth: all"):
        depth.select_option(label=name)
        page.locator("button", has_text="Fit").click()
        assert page.root(SEEN), name
        heights.append(page.root("return Number(root.querySelector('.gv .lane').getAttribute('height'))"))
    assert heights == sorted(set(heights)), "each level shows more than the one before"


def test_repeated_modules_open_one_by_one_and_as_one(opened):
    page = opened()
    layers = f"body.layers ×{LAYERS}"
    box(page, layers).click()
    for number in (0, 1):
        assert box(page, f"{layers}.layers.{number}").count() == 1
    first = box(page, f"{layers}.layers.0")
    before = first.bounding_box()
    first.click()
    attention = box(page, f"{layers}.layers.0.attn")
    assert attention.count() == 1 and abs(first.bounding_box()["y"] - before["y"]) < 2, "what was clicked stays where it is"
    attention.click(modifiers=["Shift"])
    assert page.locator("[data-id='graph_0:matmul']").count() == 1
    box(page, f"{layers}.layers.1").dispatch_event("click")
    assert page.locator("[data-id='graph_0:matmul_2']").count() == 1, "its attention was opened as the other's"
    box(page, f"{layers}.layers.0").dispatch_event("click", {"shiftKey": True})
    assert box(page, f"{layers}.layers.1.attn").count() == 0, "all are closed"
    page.locator(".gv").focus()
    page.keyboard.press("f")
    page.locator("select[aria-label=Depth]").select_option(label="Depth: auto")
    assert set(page.root(BOXES)) == {"body", layers}


def found(page):
    return page.locator(".find [role=status]").inner_text()


def search(page, words):
    page.locator(".gv").focus()
    page.keyboard.press("/")
    page.keyboard.insert_text(words)


def test_finding_looks_into_closed_boxes_and_opens_what_holds_the_hit(opened):
    page = opened()
    search(page, "softmax")
    assert found(page) == f"{LAYERS} found" and page.locator(".nd.mod.rel").count() == 1, "the closed box is marked"
    for place in (1, 2, 3):
        page.keyboard.press("Enter")
        assert found(page) == f"{place} of {LAYERS}"
    assert page.locator(".nd.sel").get_attribute("data-id") == "graph_0:softmax_2"
    assert box(page, f"body.layers ×{LAYERS}.layers.2.attn").count() == 1, "what holds it is open"
    page.keyboard.press("Shift+Enter")
    assert found(page) == f"2 of {LAYERS}" and page.locator(".nd.sel").get_attribute("data-id") == "graph_0:softmax_1"
    assert page.root("const b = root.querySelector('.nd.sel').getBoundingClientRect(), p = root.querySelector('.gv').getBoundingClientRect(); return b.top >= p.top && b.bottom <= p.bottom && b.left >= p.left && b.right <= p.right")
    page.keyboard.press("Escape")
    assert page.locator(".find").is_hidden() and page.root("return root.activeElement.className") == "gv"


#: Words → how many nodes they find.
WORDS = {
    "layers.17.mlp": 3, "body.layers.3.attn.q_proj.weight": 1, "self.body.layers[3].attn.q_proj": 1, f"large.py:{PROJECTIONS}": 3 * LAYERS,
    "1x4x16": 2 * LAYERS, "1×4×16 relu": LAYERS, "float32 masked": 1, "int64": 1, "nothing like it": 0,
}  # fmt: skip


def test_finding_knows_operator_module_parameter_line_shape_and_dtype(opened):
    page = opened()
    search(page, "")
    field = page.locator(".find input")
    for words, count in WORDS.items():
        field.fill(words)
        assert found(page) == (f"{count} found" if count else "nothing found"), words


def test_finding_goes_to_what_comes_later_than_the_moment(opened):
    page = opened()
    page.locator(".scrub").focus()
    page.keyboard.press("Home")
    search(page, "layers.40.attn softmax")
    page.keyboard.press("Enter")
    assert found(page) == "1 of 1" and page.locator(".nd.sel").get_attribute("data-id") == "graph_0:softmax_40"


# --- source -----------------------------------------------------------------------------------------------------------

KIT = """
import functools
def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        found = function(*args, **kwargs)
        return found
    return wrapper
def scaled(x, by):
    y = x * by
    return y + 1
"""
MODEL = """
import torch
from kit import scaled, timed
class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    def forward(self, x):
        return self.down(self.up(x).relu())
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(Layer() for _ in range(3))
    @timed
    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return scaled(x, 2)
"""


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory):
    """A model whose forward a package's decorator wraps, and which calls a function of that package."""
    folder = tmp_path_factory.mktemp("wrapped")
    places = {"kit": folder / "site-packages" / "kit.py", "wrapped_net": folder / "wrapped_net.py"}
    places["kit"].parent.mkdir()
    for name, text in (("kit", KIT), ("wrapped_net", MODEL)):
        places[name].write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        for path in places.values():
            patch.syspath_prepend(str(path.parent))
        import wrapped_net

        session = tracer.trace(wrapped_net.Net().eval(), torch.ones(2, 4))
        yield document(session)
        for name in places:
            sys.modules.pop(name, None)


FILE = "return root.querySelector('select[aria-label=File]').selectedOptions[0].textContent"
CHOSEN = "return [...root.querySelectorAll('.src .ln.sel')].map(one => [one.querySelector('.n').textContent, one.querySelector('code').textContent.trim()])"


def test_the_file_shown_first_is_the_models(opened, wrapped):
    page = opened(content=wrapped)
    assert page.root(FILE).endswith("wrapped_net.py")
    page.locator(".scrub").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('.tracer-widget').shadowRoot.querySelector('select[aria-label=File]').selectedOptions[0].textContent.endsWith('kit.py')")
    assert page.locator(".src .ln.now").count() == 1, "who moves the moment sees where it is"


def test_a_selected_node_shows_its_line_whatever_is_followed(opened, wrapped):
    page = opened(content=wrapped)
    page.locator("select[aria-label=Depth]").select_option(label="Depth: all")
    follow = page.locator("button[aria-label='Follow the moment']")
    for pressed in ("true", "false"):
        assert follow.get_attribute("aria-pressed") == pressed
        for node, file, line in (("mul", "kit.py", ["10", "y = x * by"]), ("linear_3", "wrapped_net.py", ["9", "return self.down(self.up(x).relu())"])):
            page.locator(f"[data-id='graph_0:{node}']").dispatch_event("click")
            page.wait_for_timeout(60)
            assert page.root(FILE).endswith(file) and page.root(CHOSEN) == [line], (node, pressed)
            assert page.root("const b = root.querySelector('.src .ln.sel').getBoundingClientRect(), p = root.querySelector('.sc').getBoundingClientRect(); return b.top >= p.top && b.bottom <= p.bottom")
        follow.click()


def test_a_line_leads_to_its_nodes_layer_by_layer(opened, wrapped):
    page = opened(content=wrapped)
    page.locator(".src .ln", has_text="self.down(self.up(x).relu())").dispatch_event("click")
    rows = page.locator(".insp .by")
    assert rows.all_inner_texts() == [f"layers.{n}\nup linear\nrelu\ndown linear" for n in range(3)]
    page.locator("select[aria-label=Depth]").select_option(label="Depth 1")
    rows.nth(1).locator("button", has_text="down linear").click()
    assert page.locator(".nd.sel").get_attribute("data-id") == "graph_0:linear_3", "what held it was opened"
    assert page.locator(".insp h4").inner_text() == "linear down"


# --- redrawing --------------------------------------------------------------------------------------------------------

THEME = "dark => { document.body.dataset.jpThemeLight = String(!dark); }"
SHOWN = "shown => { document.querySelector('.tracer-widget').style.display = shown ? '' : 'none'; }"


def drawn(page):
    """Waits until all is drawn as wide as it is; what still isn't."""
    for _ in range(60):
        if not (wrong := page.root(DRAWN)):
            break
        page.wait_for_timeout(50)
    return wrong


def test_everything_is_drawn_again_when_it_is_seen_again(opened):
    page = opened()
    background = "return getComputedStyle(root.querySelector('.tw')).backgroundColor"
    light = page.root(background)
    for width in (1400, 600, 1000):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(THEME, True)
        assert drawn(page) == [] and page.root(background) != light, width
        page.evaluate(SHOWN, False)
        page.evaluate(THEME, False)
        page.set_viewport_size({"width": width - 50, "height": 900})
        page.evaluate(SHOWN, True)
        assert drawn(page) == [] and page.root(background) == light, width
        page.tab("guards")
        page.tab("graph")
        assert drawn(page) == [], width


# --- what lies on what ------------------------------------------------------------------------------------------------


def nothing_overlaps(page, levels):
    """At these levels, in three sizes: what is read, small, and from afar."""
    depth, seen = page.locator("select[aria-label=Depth]"), []
    for level in levels:
        depth.select_option(label=level)
        for shrink in (0, 4, 4):
            for _ in range(shrink):
                page.locator("button[aria-label='Zoom out']").click()
            page.wait_for_timeout(60)
            measured = page.root(OVERLAPS)
            assert measured["out"] == [], (level, zoom(page))
            seen.append((measured["labels"], measured["edges"], measured["names"]))
    return seen


def test_labels_boxes_and_edges_lie_beside_each_other_at_any_size(opened):
    seen = nothing_overlaps(opened(), ["Depth 2", "Depth 4", "Depth: all"])
    assert all(labels for labels, _, _ in seen) and seen[0][1] > 5 and seen[1][2] > 1 and seen[-1][2] > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "t5", "resnet", "whisper", "gpt2_12"])
def test_the_same_of_real_models(opened, name):
    model = build(name)
    session = tracer.Session("trace")
    session.run(model.module, **model.inputs(model.sizes[0]))
    page = opened(content=document(session))
    levels = page.locator("select[aria-label=Depth] option").all_inner_texts()[1:]
    nothing_overlaps(page, levels)
