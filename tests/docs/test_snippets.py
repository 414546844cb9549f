"""What README and the pages show as Python runs, in order, in a fresh kernel; what README says it prints is what it prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)

#: Pages written by hand, and what stands around their snippets. docs/breaks.md is generated from programs that have tests of their own.
PAGES = {
    "README.md": "",
    "docs/export.md": "import torch, tracer\nsession = tracer.trace(torch.nn.Linear(3, 3), torch.ones(2, 3))",
    "docs/observer.md": "import torch, tracer\nmodel, x = torch.nn.Linear(3, 3), torch.ones(2, 3)",
    "docs/overrides.md": """import torch
def helper(x): return x + 1
def scale(x): return x * 2
def model(x): return scale(helper(x))
x = torch.ones(4)""",
    "docs/running.md": """import torch, tracer
model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.GELU(), torch.nn.Linear(256, 8))
x = torch.randn(32, 64)""",
}


#: In a process of its own: nbclient closes the event loop of the one that it runs in.
_RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=250, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[1])
"""


def snippets(page: str) -> list[str]:
    return _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def test_every_page_with_snippets_is_listed() -> None:
    pages = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "breaks.md")]
    assert [page for page in pages if snippets(page)] == list(PAGES)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES)
def test_a_pages_snippets_run(page: str, tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in (PAGES[page], *snippets(page)) if source]
    path = tmp_path / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    done = subprocess.run([sys.executable, "-c", _RUN, path.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.outputs]
    said = "".join(output.get("text", "") for output in outputs if output.output_type == "stream" and output.name == "stderr")
    assert "Error" not in said and "Traceback" not in said, said


def test_readme_shows_what_is_printed(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = _BLOCK.search(text)
    assert first is not None
    shown = text[first.end() :].split("```\n")[1].strip("\n")
    script = tmp_path / "example.py"
    script.write_text(first[1])
    done = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=True, env=None)
    printed = done.stdout.partition("\nGuards · ")[0].strip("\n")
    assert _timeless(printed) == _timeless(shown)


def _timeless(text: str) -> str:
    return re.sub(r"\d+\.\d+ s\b", "… s", re.sub(r"\S*/(?=example\.py)", "", text))
