"""Pictures of every view for docs/widget.md, light and dark: a page with a recorded GPT-2, opened in the system's Chromium.

    python -m docs.pictures [VIEW…] [--to docs/images]

A picture has at most 255 colours and is kept below `LARGEST` bytes.
"""

from __future__ import annotations

import argparse
import base64
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tracer
from docs.sampler import Sampler
from tests.browser.lab import Lab, chromium, server
from widgets.document import document
from widgets.runs import Runs

TO = Path(__file__).parent / "images"
SIZE = (1280, 800)
LARGEST = 60_000


def _tab(name: str, then: str = "") -> Callable[[Any], None]:
    def act(page: Any) -> None:
        page.locator(f".tab[data-key={name}]").click()
        if then:
            page.locator(then).first.click()

    return act


def _graph(page: Any) -> None:
    page.locator(".tab[data-key=graph]").click()
    page.locator(".gv").focus()
    for key in ("f", "ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)


def _bodies(page: Any) -> None:
    page.locator(".tab[data-key=speculations]").click()
    page.locator(".mid .it").nth(1).click()
    page.locator(".tab[data-key=graph]").click()


def _guards(page: Any) -> None:
    page.locator(".tab[data-key=guards]").click()
    page.locator("[role=treeitem]").nth(4).click()


def _state(page: Any) -> None:
    page.locator(".tab[data-key=state]").click()
    page.locator(".scrub").focus()
    page.keyboard.press("PageUp")


def _stages(page: Any) -> None:
    page.locator(".tab[data-key=stages]").click()
    page.locator(".mid .seg button", has_text="AOT backward").click()
    page.locator(".cd.fx div[data-line]", has_text="layer_norm:").dispatch_event("click")


def _runs(page: Any) -> None:
    page.locator(".acts button", has_text="Compare").click()
    page.wait_for_selector(".cmpv .nd")
    page.locator(".rl .ci").nth(1).click()


#: Name of the picture → how a person gets there from the page as it opens. `(width, height)` where it is not `SIZE`.
VIEWS: dict[str, tuple[Callable[[Any], None], tuple[int, int]]] = {
    "source": (_tab("graph"), SIZE),
    "graph": (_graph, SIZE),
    "breaks": (_tab("breaks", ".mid .it"), SIZE),
    "recompiles": (_tab("recompiles", ".mid .it"), SIZE),
    "guards": (_guards, SIZE),
    "builder": (_tab("builder", "tr.r:nth-child(6)"), SIZE),
    "state": (_state, SIZE),
    "speculations": (_tab("speculations", ".mid .it"), SIZE),
    "bodies": (_bodies, SIZE),
    "stages": (_stages, (1280, 640)),
    "timeline": (_tab("graph", ".tl .seg button:nth-child(2)"), SIZE),
    "runs": (_runs, SIZE),
    "narrow": (_tab("graph"), (800, 800)),
}
THEMES = ("light", "dark")


def recorded() -> tuple[tracer.Session, Runs]:
    """Two calls of the model, the second of another length; and a run of both with symbolic sizes from the start."""
    torch.manual_seed(0)
    session = tracer.Session("trace")
    model = Sampler().eval()
    with torch.no_grad():
        for length in (8, 12):
            session.run(model, torch.randint(0, 128, (2, length)))
        runs = Runs(session)
        runs.recompile({"dynamic": True})
    return session, runs


def staged() -> tuple[tracer.Session, None]:
    """A call with gradients, by a backend that shows what it makes of the graphs."""
    torch.manual_seed(0)
    session = tracer.Session("trace", backend="aot_eager")
    session.run(Sampler().eval(), torch.randint(0, 128, (2, 8)))
    return session, None


def pictures(names: list[str], to: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        paths = {}
        for make in {staged if name == "stages" else recorded for name in names}:
            session, runs = make()
            paths[make] = Path(folder) / f"{make.__name__}.html"
            paths[make].write_text(document(session, runs=runs), encoding="utf-8")
        for theme in THEMES:
            for name in names:
                act, (width, height) = VIEWS[name]
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
                page.goto(f"file://{paths[staged if name == 'stages' else recorded]}")
                page.wait_for_selector(".nd")
                act(page)
                page.mouse.move(2, 2)
                page.wait_for_timeout(300)
                keep(page, page.screenshot(), to / f"{name}-{theme}.png")
                page.close()


CELLS = [
    "%load_ext tracer\nimport sys, torch; sys.path.insert(0, '.')\nfrom sampler import Sampler\nmodel = Sampler().eval()",
    "%%trace\nmodel(torch.randint(0, 128, (2, 8))).shape",
]


def live(to: Path) -> None:
    """The Export menu asks the kernel, so that it is photographed in JupyterLab."""
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        folder = Path(temporary) / "notebooks"
        folder.mkdir()
        (folder / "sampler.py").write_text((Path(__file__).parent / "sampler.py").read_text())
        with server(folder) as address:
            for theme in THEMES:
                lab = Lab(browser, address, folder, CELLS, width=SIZE[0] + 260, height=SIZE[1] + 100, theme=theme)
                lab.run(0)
                lab.run(1)
                widget = lab.widget(1)
                widget.locator(".nd").first.wait_for()
                widget.locator(".acts button", has_text="Export").click()
                widget.locator(".mn [role=menuitem]").first.wait_for()
                lab.page.wait_for_timeout(300)
                keep(lab.page, widget.screenshot(), to / f"export-{theme}.png")
                lab.page.close()


# --- small files ------------------------------------------------------------------------------------------------------

PIXELS = """async data => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + data;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height), drawn = canvas.getContext('2d');
    drawn.drawImage(image, 0, 0);
    const { data: bytes } = drawn.getImageData(0, 0, image.width, image.height);
    let text = '';
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return [image.width, image.height, btoa(text)];
}"""


def keep(page: Any, png: bytes, path: Path) -> None:
    """Write a picture with few colours. RuntimeError where it is larger than `LARGEST` even so."""
    blank = page.context.browser.new_page()
    width, height, text = blank.evaluate(PIXELS, base64.b64encode(png).decode())
    blank.close()
    pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[:, :, :3]
    for colours in (255, 128, 64, 32, 16):
        made = palette_png(pixels, colours)
        if len(made) <= LARGEST:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made)
            print(f"{path.name}: {len(made):,} bytes, {colours} colours")
            return
    raise RuntimeError(f"{path.name} has {len(made):,} bytes; it may have {LARGEST:,}")


def palette_png(pixels: np.ndarray, colours: int) -> bytes:
    """A PNG of the most frequent colours; every other one becomes the nearest of these."""
    flat = pixels.reshape(-1, 3).astype(np.int32)
    packed = flat[:, 0] << 16 | flat[:, 1] << 8 | flat[:, 2]
    values, back, counts = np.unique(packed, return_inverse=True, return_counts=True)
    rgb = np.stack([values >> 16, values >> 8 & 255, values & 255], 1)
    chosen = _spread(rgb, counts, colours)
    nearest = np.array([np.abs(chosen - one).sum(1).argmin() for one in rgb], np.uint8)
    rows = nearest[back].reshape(pixels.shape[:2])
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 3, 0, 0, 0)
    table = chosen.astype(np.uint8).tobytes()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"PLTE", table) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")  # fmt: skip


def _spread(rgb: np.ndarray, counts: np.ndarray, colours: int) -> np.ndarray:
    """The most frequent colours, none of them close to a more frequent one."""
    chosen: list[np.ndarray] = []
    for apart in (24, 12, 6, 0):
        chosen = []
        for at in np.argsort(-counts):
            if not chosen or np.abs(np.array(chosen) - rgb[at]).sum(1).min() > apart:
                chosen.append(rgb[at])
            if len(chosen) == colours:
                break
        if len(chosen) == colours:
            break
    return np.array(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.pictures", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("views", nargs="*", choices=[[], *VIEWS, "export"], metavar="VIEW", help="default: all")
    parser.add_argument("--to", type=Path, default=TO)
    options = parser.parse_args()
    names = options.views or [*VIEWS, "export"]
    pictures([name for name in names if name in VIEWS], options.to)
    if "export" in names:
        live(options.to)


if __name__ == "__main__":
    main()
