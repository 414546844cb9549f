"""`make demo`: runs the quickstart in a kernel without a browser, prints what it explains, and keeps a report.

    python -m examples.run_quickstart [--report FOLDER] [--notebook PATH]

The report: the summary of every traced cell as one HTML page, the notebook with its outputs, and what it wrote itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>:root{{color-scheme:light dark;font-family:system-ui,sans-serif}}
body{{margin:2em auto;max-width:90em;padding:0 1em}}pre{{overflow-x:auto}}</style></head><body>{body}</body></html>
"""


def execute(path: Path, folder: Path) -> Any:
    """The notebook with its outputs; the kernel is this interpreter's and works in `folder`."""
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    root = str(HERE.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place).execute()
    return notebook


def outputs(cell: Any) -> list[tuple[str, str]]:
    """What a code cell showed: (kind, text), where a summary has both its text and its HTML."""
    found = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if output.output_type == "stream":
            found.append(("text", output.text))
        if "text/plain" in data:
            found.append(("text", data["text/plain"]))
        if "tracer-summary" in data.get("text/html", ""):
            found.append(("html", data["text/html"]))
    return found


def shortened(text: str, most: int = 60) -> str:
    """The first lines: guards come last, and there are hundreds."""
    lines = text.splitlines()
    rest = [f"  … {len(lines) - most} more lines: see the report"] if len(lines) > most else []
    return "\n".join(lines[:most] + rest)


def report(notebook: Any, title: str) -> str:
    """One page: the cells and, below each, its summary. The summaries are escaped already, the sources are not."""
    parts = [f"<h1>{escape(title)}</h1>"]
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        pages = [text for kind, text in outputs(cell) if kind == "html"]
        if pages:
            parts += [f"<pre>{escape(cell.source)}</pre>", *pages]
    return PAGE.format(title=escape(title), body="".join(parts))


def main(arguments: list[str]) -> int:
    """0 where every cell ran."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, default=Path("report"))
    parser.add_argument("--notebook", type=Path, default=HERE / "quickstart.ipynb")
    options = parser.parse_args(arguments)
    folder = options.report.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        notebook = execute(options.notebook, folder.parent)
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("%%trace"):
            print("─" * 100, cell.source, "", sep="\n")
            print(shortened("\n".join(text for kind, text in outputs(cell) if kind == "text")))
    name = options.notebook.stem
    nbformat.write(notebook, folder / f"{name}.ipynb")
    (folder / f"{name}.html").write_text(report(notebook, name), encoding="utf-8")
    print("─" * 100, f"Report: {options.report / name}.html", sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
