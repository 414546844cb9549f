"""An exported page in the system's Chromium: two runs compared, 800 pixels, keyboard alone, names for a screen reader, both
themes, and a program whose every string is markup. No kernel, no server."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
from torch import nn

import tracer
from tests.browser.lab import BROWSER, chromium
from tests.browser.pages import Page
from tests.browser.recompiled import session_of
from widgets.document import document
from widgets.runs import Runs
from widgets.summary import page as summary_page

pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium")]

EVIL = """"><img src=x onerror="parent.hacked=1;alert(1)"><svg onload=alert(2)></script><script>window.hacked=1;alert(3)</script>{{7*7}}`${alert(4)}`"""
NAMES = itertools.count()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(4, 8), nn.Linear(8, 4)

    def forward(self, x):
        return x + self.down(self.up(x).relu())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(3))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        if x.sum() > 1000:
            x = x / 2
        return torch.cond(x.sum() > 0, lambda: x + 1, lambda: x - 1)


@pytest.fixture(scope="module")
def text():
    torch.manual_seed(0)
    session = tracer.Session("trace")
    net = Net().eval()
    with torch.no_grad():
        session.run(net, torch.ones(2, 4))
        runs = Runs(session)
        runs.recompile({"dynamic": True})
        runs.recompile({"backend": "aot_eager"})
    return document(session, runs=runs)


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


# --- two runs ---------------------------------------------------------------------------------------------------------


def test_two_runs_lie_on_one_layout(opened):
    page = opened()
    page.locator(".acts button", has_text="Compare").click()
    page.locator(".runs-h select").nth(1).select_option("1")
    page.wait_for_selector(".cmpv .d-chg")
    assert page.locator(".cmpv .gv .lane").count() == 2 and page.locator(".cmpv .nd.same").count() > 0
    groups = page.locator(".rl .sec").all_inner_texts()
    assert any(group.startswith("Graph changes") for group in groups)
    assert any(group.startswith("Symbolic sizes") for group in groups)
    assert "not compared" in page.locator(".rs").inner_text() or "equal" in page.locator(".rs").inner_text()
    page.locator(".rl .ci", has_text="linear").first.click()
    assert page.locator(".cmpv .nd.sel.d-chg").count() == 1
    assert "What changed" in page.locator(".insp").inner_text() and "→" in page.locator(".insp").inner_text()
    page.locator(".cmpv .nd.same").first.click()
    assert "the same in both runs" in page.locator(".insp").inner_text()


def test_two_runs_that_captured_the_same_say_so(opened):
    page = opened()
    page.locator(".acts button", has_text="Compare").click()
    page.locator(".runs-h select").nth(1).select_option("2")
    page.wait_for_selector(".cmpv .nd")
    assert page.locator(".cmpv .d-chg, .cmpv .d-add, .cmpv .d-del").count() == 0
    assert "backend" in page.locator(".rl").inner_text() and "'eager' → 'aot_eager'" in page.locator(".rl").inner_text()
    page.locator("button[aria-label='Swap the runs']").click()
    assert "needs a kernel" in page.locator(".cmpv").inner_text()


def test_every_mark_of_a_break_leads_to_its_explanation(opened):
    page = opened()
    for where in (".tl .dia", ".nd.brkc", ".src .ln.brk"):
        page.locator(".gv").focus()
        page.keyboard.press("ArrowDown")
        marks = page.locator(where)
        assert marks.count() >= 1
        for at in range(marks.count()):
            marks.nth(at).dispatch_event("click")
            assert "torch.where" in page.locator(".insp").inner_text(), where


# --- bodies of operators ----------------------------------------------------------------------------------------------

GONE = """id => !document.querySelector('.tracer-widget').shadowRoot.querySelector(`[data-id="${id}"]`)"""


def test_a_box_closes_and_opens_without_a_kernel(opened):
    page = opened()
    node, box = page.locator("[data-id='graph_1:cond_true/add']"), page.locator("[data-box='graph_1:cond_true']")
    node.click()
    assert "cond_true of cond" in page.locator(".insp").inner_text()
    assert "Close cond_true, a body of cond" in box.locator("title").text_content()
    box.click()
    assert node.count() == 0 and page.locator("[data-id='graph_1:cond_false/sub']").count() == 1
    for _ in range(3):
        page.locator("button[aria-label='Zoom in']").click()
    assert page.locator(".nd.mod.body").count() == 1 and "1 op" in page.locator(".nd.mod.body").text_content()
    box.dispatch_event("click")
    assert node.count() == 1 and page.locator(".nd.mod.body").count() == 0


def test_a_body_appears_with_its_first_node(opened):
    page = opened()
    node, box = page.locator("[data-id='graph_1:cond_false/sub']"), page.locator("[data-box='graph_1:cond_false']")
    before = page.locator("[data-id='graph_1:cond_true/add']")
    node.click()
    page.locator(".insp .sub button", has_text="event").click()
    page.wait_for_function(GONE, arg="graph_1:cond")
    assert (node.count(), box.count(), before.count()) == (1, 1, 1), "the operator's node comes after its bodies"
    page.locator(".scrub").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(GONE, arg="graph_1:cond_false/sub")
    assert (node.count(), box.count(), before.count()) == (0, 0, 1)


# --- widths, keyboard, names, themes ----------------------------------------------------------------------------------


def inside(page):
    """Things that stick out of the widget to the right, or lie on each other in the headline."""
    return page.root(
        """const box = root.host.getBoundingClientRect(), out = [];
        for (const one of root.querySelectorAll('button, h2, .tab, .in')) {
            const b = one.getBoundingClientRect();
            if (b.width && b.right > box.right + 1 && !one.closest('.sc, .tabs, .rl, svg, .df-b')) out.push(one.outerHTML.slice(0, 80));
        }
        const acts = root.querySelector('.acts').getBoundingClientRect(), title = root.querySelector('h2').getBoundingClientRect();
        const stats = root.querySelector('.stats').getBoundingClientRect();
        if (title.right > acts.left + 1 || (stats.width && stats.right > acts.left + 1)) out.push('headline');
        return out;"""
    )


def test_what_guards_cost_is_said(opened):
    page = opened()
    page.tab("guards")
    assert "one check of each frame takes" in page.locator(".flt").inner_text()
    page.locator("select[aria-label=Frame]").select_option(index=1)
    assert page.locator(".flt").inner_text().count("one check takes") == 1
    page.locator("[role=treeitem]").first.click()
    if page.locator(".insp dt", has_text="cost").count() == 0:  # a group: the first guard in it
        page.locator("[role=treeitem]").nth(1).click()
    assert " others in " in page.locator(".insp .kv").inner_text()


def test_bodies_of_operators_are_boxes_whose_nodes_are_nodes(opened):
    page = opened()
    page.tab("graph")
    assert page.locator(".gv .cl.spec").count() == 2
    add = page.locator('.nd[data-id="graph_1:cond_true/add"]')
    add.click()
    place = Net.forward.__code__.co_firstlineno + 5
    assert page.locator(".insp h4").inner_text() == "add" and f"test_page.py:{place}" in page.locator(".insp .sub").inner_text()
    assert "cond_true/add" in page.locator(".insp").inner_text()
    assert page.root("return [...root.querySelectorAll('.src .ln.sel .n')].map(one => one.textContent)") == [str(place)]
    page.locator(".insp .chip", has_text="cond").click()  # read by the operator
    assert page.locator(".insp h4").inner_text() == "cond"
    page.locator(".gv").focus()
    page.keyboard.press("/")
    page.keyboard.type("cond_false/")
    assert page.locator(".find [role=status]").inner_text() == "1 found"
    page.keyboard.press("Escape")
    page.locator(".scrub").focus()
    page.keyboard.press("Home")
    page.locator(".gv .cl.spec").first.wait_for(state="detached")  # nothing was tried yet at the first event


@torch.compiler.nested_compile_region
def scaled(x, by):
    return x * by


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


@pytest.fixture(scope="module")
def speculated():
    """Bodies of every fate: committed, taken again, in another body, of a function's two methods, taken back."""
    log = []

    def leaks(v):
        log.append(1)
        return v

    def program(x):
        x, y = scaled(x, 2) + scaled(x, 2) + scaled(x, 3), x * 3
        x = torch.utils.checkpoint.checkpoint(lambda v: torch.cond(v.sum() > 0, lambda u: u.sin() + y, lambda u: u.cos() * y, (v,)), x, use_reentrant=False)
        return torch.cond(x.sum() > 0, leaks, lambda v: v + 1, (Doubled.apply(x),))

    session = tracer.Session("trace")
    with pytest.raises(Exception, match="side effect"):
        session.run(program, torch.ones(2, 4, requires_grad=True))
    return document(session)


def test_bodies_of_one_operator_stand_side_by_side(opened, speculated):
    page = opened(content=speculated)
    page.tab("speculations")
    cond = page.locator(".mid .sp-g", has_text="cond").filter(has_text="cos(").last
    true, false = cond.locator(".it").nth(0), cond.locator(".it").nth(1)
    one, other = true.bounding_box(), false.bounding_box()
    assert one["y"] == other["y"] and one["x"] + one["width"] < other["x"]
    assert "sin(" in true.inner_text() and "cos(" in false.inner_text() and "gives add" in true.inner_text()
    assert cond.locator(".sp-in .sh").count() == 4  # what both use, told in both
    true.click()
    said = page.locator(".insp").inner_text()
    assert "used in the body" in said and "shared with another body" in said and "Tensor.sin is TensorBase.sin" in said
    page.locator(".insp .kv button", has_text="checkpoint_body").click()  # in which it was met
    assert page.locator(".insp h4").inner_text() == "checkpoint: checkpoint_body"


def test_every_fate_of_a_body_is_told(opened, speculated):
    page = opened(content=speculated)
    page.tab("speculations")
    tags = page.root("return [...root.querySelectorAll('.sp-b .tag')].map(one => one.textContent)")
    assert {"committed", "taken again", "rolled back"} <= set(tags)
    back = page.locator(".sp-b .it", has_text="rolled back").first
    assert "changes leaks" in back.inner_text() and "taken back:" in back.inner_text()
    page.locator(".sp-b .it", has_text="taken again").last.click()
    page.locator(".insp .kv button", has_text="region").click()
    assert "The body was recorded on its own" in page.locator(".insp").inner_text()
    function = page.locator(".sp-g", has_text="autograd.Function").last
    if function.locator("[aria-expanded=false]").count():
        function.locator("[aria-expanded=false]").click()
    assert [function.locator(".it b").nth(0).inner_text(), "gradient_0" in function.locator(".it").nth(1).inner_text()] == ["fwd_body", True]


def test_the_moment_goes_into_a_body_and_over_it(opened, speculated):
    page = opened(content=speculated)
    page.tab("speculations")
    page.locator(".sp-b .it", has_text="rolled back").first.click()
    page.locator(".insp .btns button", has_text="Into").click()
    page.wait_for_function("() => [...document.querySelector('.tracer-widget').shadowRoot.querySelectorAll('.sp-b .it.sel .tag')].some(one => one.textContent === 'open')")
    page.locator(".insp .btns button", has_text="Over").click()
    page.wait_for_function("() => [...document.querySelector('.tracer-widget').shadowRoot.querySelectorAll('.sp-b .it.sel .tag')].some(one => one.textContent === 'rolled back')")


@pytest.mark.parametrize("width", [1600, 600])
def test_bodies_have_their_place_at_every_width(opened, speculated, width):
    page = opened(width=width, content=speculated)
    page.tab("speculations")
    assert inside(page) == []
    out = page.root("""const box = root.querySelector('.spx').getBoundingClientRect();
        return [...root.querySelectorAll('.spx .it, .spx .sp-in > div')].filter(one => one.getBoundingClientRect().right > box.right + 1).length;""")
    assert out == 0


def test_stages_stand_beside_the_graph_and_share_its_lines(opened):
    session = tracer.Session("trace", backend="aot_eager")
    net = Net()
    session.run(net, torch.ones(2, 4))
    page = opened(content=document(session))
    page.tab("stages")
    pressed = ".mid .seg [aria-pressed=true]"
    assert page.locator(pressed).inner_text() == "AOT forward"
    assert page.locator(".mid .seg button").all_inner_texts() == ["AOT forward", "AOT backward"]
    fx, stage = page.locator("[role=listbox][aria-label='FX graph']"), page.locator("[role=listbox][aria-label=Stage]")
    assert "torch.nn.functional.linear" in fx.inner_text() and "torch.ops.aten.addmm" in stage.inner_text()
    place = f"{__file__}:{Net.forward.__code__.co_firstlineno + 2}"  # x = block(x): the line whose calls made the nodes
    fx.locator("div", has_text="linear_1:").click()
    assert page.locator(".insp h4").inner_text().startswith("linear")
    chosen = page.root("return [...root.querySelectorAll('[aria-label=Stage] .rel')].map(one => one.dataset.line)")
    assert len(chosen) > 3 and len(set(chosen)) == 1 and chosen[0].split(":")[0] == place.split(":")[0]
    page.locator(".mid .seg button", has_text="backward").click()
    assert "tangents_1" in stage.inner_text() and page.locator("[aria-label=Stage] .rel").count() > 3
    page.locator("select[aria-label=Graph]").select_option("1")
    assert page.locator(pressed).inner_text() == "AOT forward" and "addmm" not in stage.inner_text()
    page.locator(".scrub").focus()
    page.keyboard.press("Home")
    page.locator("[aria-label=Stage] .nothing").wait_for()
    assert page.locator("[aria-label=Stage] .nothing").count() == 1, "nothing was compiled yet at the first event"
    for width in (800, 1400):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(100)
        assert inside(page) == []


@pytest.fixture(scope="module")
def recompiled():
    return document(session_of())


@pytest.mark.parametrize(("width", "theme"), [(1600, "light"), (600, "dark")])
def test_recompiles_have_a_home(opened, recompiled, width, theme):
    page = opened(width=width, content=recompiled, color_scheme=theme)
    page.locator(".stats .alarm", has_text="5 recompiles").click()
    assert page.locator(".tab[aria-selected=true]").inner_text().startswith("Recompiles")
    cards = page.locator(".lst .it")
    told = [one.split("\n")[0] for one in cards.all_inner_texts()]
    assert told[:5] == ["x.shape[0]: 2 → 3", "scale: 1.0 → 0.5", "self.steps: 0 → 1", "hooks of self.inner: 0 → 1", "grad mode: on → off"]
    assert told[5].startswith("scale: 0.5 → 0.25") and "limit reached: runs as Python" in cards.nth(5).inner_text()
    cards.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert cards.nth(2).get_attribute("aria-selected") == "true" and "recompiled.py:26" in cards.nth(2).inner_text()
    assert inside(page) == [] and page.root(NAMELESS) == [] and page.root(CONTRAST) == []
    if width < 900:
        page.locator(".sb button", has_text="Explain and fix").click()
    inspector = page.locator(".insp")
    assert "Make it a buffer" in inspector.inner_text() and "register_buffer" in inspector.inner_text()
    assert "came closest" in inspector.inner_text() and "self.steps: 0 → 1" in inspector.inner_text()
    inspector.locator("summary", has_text="2 other entries").click()
    assert "x.shape[0]: 2 → 3" in inspector.locator("details").inner_text()
    assert inside(page) == [] and page.root(CONTRAST) == []
    page.locator(".tlb .dia").nth(3).click()
    assert "hooks of self.inner: 0 → 1" in inspector.inner_text() and page.locator(".tlb .dia.sel").count() == 1
    page.locator(".scrub").focus()
    page.keyboard.press("Home")
    if width >= 900:
        page.wait_for_function("() => document.querySelector('.tracer-widget').shadowRoot.querySelectorAll('.lst .it').length === 0")


@pytest.mark.parametrize("width", [800, 1000, 1400])
def test_everything_has_its_place_at_every_width(opened, width):
    page = opened(width)
    names = page.root("return [...root.querySelectorAll('.tab')].map(tab => tab.dataset.key)")
    assert ("source" in names) == (width < 1180) and ("inspector" in names) == (width < 900)
    for name in names:
        page.tab(name)
        assert inside(page) == [], name
        panel = page.locator(".mid [role=tabpanel]")
        assert panel.count() == 1 and panel.bounding_box()["height"] > 200
    if width < 900:
        page.tab("graph")
        page.locator(".nd").first.click()
        page.locator(".sb button").click()
        assert page.locator(".tab[data-key=inspector]").get_attribute("aria-selected") == "true"
        assert page.locator(".insp h4").inner_text()


FOCUS = "const one = root.activeElement; return one && (one.getAttribute('aria-label') || one.title || one.textContent).trim().slice(0, 40)"


def test_the_keyboard_reaches_everything(opened):
    page = opened()
    page.locator("h2").click()
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.root(FOCUS)
        if name is None:
            break
        seen.append(name)
    assert len(seen) < 60, seen  # few stops: arrows move within lists, bars and trees
    for name in ("Compare", "First event", "Moment", "Lines", "Graph", "Depth", "events"):
        assert any(one.startswith(name) for one in seen), (name, seen)


def test_focus_can_be_seen(opened):
    page = opened()
    page.locator("h2").click()
    for _ in range(12):
        page.keyboard.press("Tab")
        style = page.root(
            "const s = getComputedStyle(root.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth), s.boxShadow]"
        )
        assert (style[0] != "none" and style[1] >= 1) or style[2] != "none", page.root(FOCUS)


def test_arrows_move_in_tabs_lists_trees_the_graph_and_the_slider(opened):
    page = opened()
    page.locator(".tab[data-key=graph]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator(".tab[aria-selected=true]").get_attribute("data-key") == "breaks"
    page.keyboard.press("3")
    assert page.locator(".tab[aria-selected=true]").get_attribute("data-key") == "guards"
    rows = page.locator("[role=treeitem]")
    rows.first.focus()
    before = rows.count()
    page.keyboard.press("ArrowRight")
    assert rows.count() > before and page.locator("[role=treeitem]").first.get_attribute("aria-expanded") == "true"
    assert page.locator("[role=treeitem][aria-level='2']").count() > 0
    page.keyboard.press("ArrowDown")
    assert page.root("return [...root.querySelectorAll('[role=treeitem]')].indexOf(root.activeElement)") == 1
    page.keyboard.press("Enter")
    assert page.locator(".insp h4").inner_text() == "Guard"
    page.keyboard.press("1")
    page.locator(".gv").focus()
    page.keyboard.press("ArrowDown")
    first = page.locator(".nd.sel").get_attribute("data-id")
    page.keyboard.press("ArrowDown")
    assert page.locator(".nd.sel").get_attribute("data-id") != first
    slider = page.locator("[role=slider]")
    slider.focus()
    slides = "const at = Number(root.querySelector('[role=slider]').getAttribute('aria-valuenow')); return at"
    now = page.root(slides)
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(100)
    assert 0 < page.root(slides) < now
    page.keyboard.press("Home")
    page.wait_for_timeout(100)
    assert page.root(slides) == 0
    page.locator(".src").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".src [aria-selected=true]").count() >= 1


def test_slash_finds_and_escape_ends_it(opened):
    page = opened()
    page.locator(".gv").focus()
    page.keyboard.press("/")
    page.keyboard.type("linear")
    assert page.locator(".nd.rel").count() > 0
    page.keyboard.press("Enter")
    assert page.locator(".nd.sel").count() == 1
    page.keyboard.press("Escape")
    assert not page.locator("input[aria-label='Find a node']").is_visible()
    assert page.root("return root.activeElement.className") == "gv"


NAMELESS = """
const out = [];
const named = one => one.getAttribute('aria-label') || one.getAttribute('aria-labelledby') || one.title || one.textContent.trim() || (one.id && root.querySelector(`label[for="${one.id}"]`));
for (const one of root.querySelectorAll('button, input, select, [role=slider], [role=tree], [role=listbox], [role=tablist], [role=toolbar], [role=tabpanel], section, [tabindex="0"]'))
    if (!named(one)) out.push(one.outerHTML.slice(0, 100));
for (const [inner, outer] of [['tab', 'tablist'], ['treeitem', 'tree'], ['option', 'listbox'], ['radio', 'radiogroup']])
    for (const one of root.querySelectorAll(`[role=${inner}]`)) if (!one.closest(`[role=${outer}]`)) out.push(inner + ' outside of a ' + outer);
for (const list of root.querySelectorAll('[role=tablist]')) if (list.querySelectorAll('[aria-selected=true]').length !== 1) out.push('tabs');
return out;
"""


def test_everything_has_a_name_and_a_role(opened):
    page = opened()
    for name in page.root("return [...root.querySelectorAll('.tab')].map(tab => tab.dataset.key)"):
        page.tab(name)
        assert page.root(NAMELESS) == [], name
    assert page.locator("h2[aria-live=polite]").count() == 1


CONTRAST = """
const number = text => text.match(/[\\d.]+/g).map(Number);
const paint = color => { const c = document.createElement('canvas').getContext('2d'); c.fillStyle = color; c.fillRect(0, 0, 1, 1); return c.getImageData(0, 0, 1, 1).data; };
const light = ([r, g, b]) => { const f = [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
const out = [];
for (const one of root.querySelectorAll('h2, h3, button:not(:disabled), code, p, dt, dd, td, th, small, .mut, .n, .x')) {
    if (!one.getClientRects().length || !one.textContent.trim() || one.closest(':disabled')) continue;
    let behind = one, back = null;
    while (behind && !back) { const c = getComputedStyle(behind).backgroundColor; if (paint(c)[3] === 255 && c !== 'rgba(0, 0, 0, 0)') back = paint(c); behind = behind.parentElement; }
    if (!back) continue;
    const [a, b] = [light(paint(getComputedStyle(one).color)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) out.push([one.className, one.textContent.trim().slice(0, 30), Math.round(ratio * 100) / 100]);
}
return out;
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(opened, theme):
    page = opened(color_scheme=theme)
    dark = page.root("return getComputedStyle(root.querySelector('.tw')).backgroundColor")
    assert (sum(json.loads(f"[{dark[4:-1]}]")) < 300) == (theme == "dark")
    for name in page.root("return [...root.querySelectorAll('.tab')].map(tab => tab.dataset.key)"):
        page.tab(name)
        assert page.root(CONTRAST) == [], name


# --- hostile strings --------------------------------------------------------------------------------------------------


def hostile(folder):
    """A recording in which the file, the function, a variable, a module, a value and the reasons are all markup."""
    evil = EVIL.replace("/", "∕")  # a file name holds no slash
    path = folder / f"{evil[:80]}.py"
    source = f"""
import torch
class Evil(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.add_module(name, torch.nn.Linear(2, 2))
        self.name = name
    def forward(self, x, table):
        y = getattr(self, self.name)(x)  # {EVIL}
        z = table[{EVIL!r}] + y
        if z.sum() > 1000:  # {EVIL}
            z = z / 2
        print({EVIL!r})
        return {{{EVIL!r}: z}}
"""
    path.write_text(source)
    held: dict = {}
    exec(compile(source, str(path), "exec"), held)
    Evil = type(EVIL, (held["Evil"],), {})
    model = Evil(EVIL.replace(".", "·")).eval()
    session = tracer.Session("trace", backend="aot_eager")
    for size in (1, 2):
        session.run(model, torch.ones(size, 2), {EVIL: torch.ones(size, 2)})
    return session


def test_strings_of_a_program_are_text_in_every_view(opened, tmp_path):
    session = hostile(tmp_path)
    runs = Runs(session)
    runs.recompile({"dynamic": True})
    page = opened(content=document(session, title=EVIL, runs=runs))
    page.wait_for_selector(".nd")
    counted = 0
    for name in page.root("return [...root.querySelectorAll('.tab')].map(tab => tab.dataset.key)"):
        page.tab(name)
        counted += "onerror=" in page.root("return root.querySelector('.mid').textContent")
        for choice in page.locator(".mid .it, .mid tr.r, .mid [role=treeitem], .mid .nd, .mid .ci").all()[:12]:
            choice.dispatch_event("click")
            page.wait_for_timeout(5)
    for line in page.locator(".src .ln:not(.fold)").all()[:20]:
        line.dispatch_event("click")
    assert counted >= 2 and "onerror=" in page.root("return root.querySelector('.src').textContent")
    assert page.evaluate("window.hacked === undefined")
    assert page.root("return root.querySelectorAll('img, script, iframe, object, svg[onload], [onerror]').length") == 0
    assert page.evaluate("document.querySelectorAll('img, script').length") == 2  # the data and the bundle


def test_strings_of_a_program_are_text_in_the_static_summary(browser, tmp_path):
    path = tmp_path / "summary.html"
    path.write_text(summary_page(hostile(tmp_path), title=EVIL, note=EVIL))
    page = Page(browser, path)
    page.wait_for_timeout(100)
    assert page.problems == [] and page.evaluate("window.hacked === undefined")
    assert page.evaluate("document.querySelectorAll('img, script, iframe').length") == 0
    assert "onerror=" in page.inner_text("body")
    page.close()
