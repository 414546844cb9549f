"""The example notebooks: well-formed, and each runs from top to bottom in a kernel of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_notebook_names_its_kernel_and_is_stored_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"  # without it JupyterLab asks, and blocks the page
    for cell in notebook["cells"]:
        assert cell["cell_type"] != "code" or (cell["outputs"] == [] and cell["execution_count"] is None)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("tracer.session", exc_type=ImportError)
    from examples.run_quickstart import main

    assert main(["--notebook", str(path), "--report", str(tmp_path / "report")]) == 0
    told = capsys.readouterr().out
    assert "1 graph · 0 graph breaks" in told and "Graph break" in told
    page = (tmp_path / "report" / f"{path.stem}.html").read_text(encoding="utf-8")
    assert page.count("tracer-summary") >= 3 and "<script" not in page
