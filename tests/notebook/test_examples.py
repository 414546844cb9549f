"""The example notebooks: well-formed, each runs from top to bottom in a kernel of its own, and what nbconvert makes of it is a
page worth reading: pictures and breaks are there, and to be seen."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from tests.browser.lab import BROWSER, chromium

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))

#: What each notebook must tell: headlines of summaries, and what its cells print.
TOLD = {
    "quickstart": ["1 graph · 0 graph breaks", "Data-dependent branching", "'tracer'  →  'dynamo'", "2 graphs captured the same in both runs"],
    "why_does_my_model_break": [
        "3 graphs · 2 graph breaks", "2 graphs · 1 graph break", "1 graph · 0 graph breaks", "3 graphs → 2 · −1 break",
        "Tensor turned into a Python number", "same results, and the log still works",
    ],
    "recompiles_and_dynamic_shapes": [
        "2 graphs · 0 graph breaks", "1 recompile", "wanted  ids is a Tensor", "3 graphs · 0 graph breaks", "self.calls == 0", "1 graph for 4 calls",
    ],
    "step_through_a_cond": [
        "cond is about to try cond_true", "cond_false is accepted; lifted: flatten, l_self_easy_weight_, l_self_easy_bias_",
        "(True, torch.Size([2, 10]))", "RolledBack: the body changes self outside itself", "one graph, the same scores",
    ],
    "compare_backends": ["backend      graphs", "inductor_code", "void  kernel", "computed on", "In [3] → In ["],
}  # fmt: skip
#: How many traced cells leave a summary.
SUMMARIES = {
    "quickstart": 4,
    "why_does_my_model_break": 3,
    "recompiles_and_dynamic_shapes": 6,
    "step_through_a_cond": 3,
    "compare_backends": 2,
}

SLOW = {"compare_backends": pytest.mark.slow}  # a C++ compiler runs


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_notebook_names_its_kernel_and_is_stored_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"  # without it JupyterLab asks, and blocks the page
    for cell in notebook["cells"]:
        assert cell["cell_type"] != "code" or (cell["outputs"] == [] and cell["execution_count"] is None)
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    assert f"]({path.name})" in readme


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem, marks=SLOW.get(path.stem, ())) for path in EXAMPLES])
def test_a_notebook_runs_and_converts_to_a_useful_page(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("tracer.session", exc_type=ImportError)
    from nbconvert import HTMLExporter

    from examples.run_quickstart import main

    assert main(["--notebook", str(path), "--report", str(tmp_path / "report")]) == 0
    notebook = nbformat.read(tmp_path / "report" / path.name, as_version=4)
    told = "\n".join(_texts(notebook))
    for words in TOLD[path.stem]:
        assert words in told
    report = (tmp_path / "report" / f"{path.stem}.html").read_text(encoding="utf-8")
    assert report.count('class="tracer-summary"') == SUMMARIES[path.stem] and "<script" not in report
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count('class="tracer-summary"') == SUMMARIES[path.stem]
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    if BROWSER is not None:
        _is_seen(tmp_path / "page.html", SUMMARIES[path.stem], breaks="Graph break" in told)


def _texts(notebook) -> list[str]:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]


def _is_seen(file: Path, summaries: int, *, breaks: bool) -> None:
    """In a browser that has no network: headlines, pictures and the words of breaks are visible."""
    with chromium() as browser:
        page = browser.new_page()
        page.route("http*://**", lambda route: route.abort())
        page.goto(file.as_uri(), wait_until="domcontentloaded")
        for number in range(summaries):
            one = page.locator(".tracer-summary").nth(number)
            assert one.locator(".headline").is_visible()
            assert one.locator(".graphs svg").first.is_visible() or one.locator("details:not([open]) svg").count()
        assert page.locator(".tracer-summary .graphs svg >> visible=true").count()
        assert not breaks or page.locator(".tracer-summary .break >> text=What to do").first.is_visible()
        left = page.locator(".tracer-explain td").first.evaluate("cell => getComputedStyle(cell).textAlign")
        assert left == "left"  # a notebook's own style would have it at the right
