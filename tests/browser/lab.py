"""A real JupyterLab in the system's Chromium: a server on a free port, a page, and what a person does in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["BROWSER", "Lab", "chromium", "server"]

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

#: JupyterLab's settings: no news; cells out of sight stay in the page, so that the n-th cell is the n-th.
QUIET: dict[str, dict[str, Any]] = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
#: Another extension's: widgets are saved with the notebook, which is off by default.
SAVING = ("@jupyter-widgets/jupyterlab-manager", "plugin", {"saveState": True})

#: The system's Chromium, or None.
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser with a fresh profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(folder: Path, *, seconds: float = 60) -> Iterator[str]:
    """`jupyter lab` over `folder`; its address. Settings and workspaces lie in a folder beside it.

    Kernels are spoken to by sockets in files: a kernel's ports are chosen before it binds them, and one that another
    process took meanwhile ends the kernel, which is started again, behind a dialog. Such a file's name has to be short."""
    port, home = free_port(), folder.parent / "jupyter-home"
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "IPYTHONDIR": "ipython",
    }
    settings = {
        **os.environ, **{name: str(home / part) for name, part in places.items()},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH", "")))),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True", "--KernelManager.transport=ipc",
    ]  # fmt: skip
    home.mkdir(exist_ok=True)
    for name, values in QUIET.items():
        place = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(values))
    place = home / "settings" / SAVING[0] / f"{SAVING[1]}.jupyterlab-settings"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(SAVING[2]))
    with open(home / "server.log", "w") as log, tempfile.TemporaryDirectory(
        prefix="lab", ignore_cleanup_errors=True
    ) as runtime:
        process = subprocess.Popen(command, env={**settings, "JUPYTER_RUNTIME_DIR": runtime}, stdout=log, stderr=subprocess.STDOUT)
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + seconds
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{address}/api/status", timeout=2).read()
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("JupyterLab did not start:\n" + (home / "server.log").read_text()[-4000:])
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def notebook(path: Path, cells: list[str]) -> None:
    """A notebook with these code cells. Without a kernelspec JupyterLab would ask for one in a dialog."""
    code = [
        {"cell_type": "code", "id": f"cell{n}", "metadata": {}, "execution_count": None, "outputs": [], "source": text}
        for n, text in enumerate(cells)
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": code, "metadata": spec, "nbformat": 4, "nbformat_minor": 5}))


class Lab:
    """One notebook, open in a page."""

    def __init__(
        self,
        browser: Any,
        address: str,
        folder: Path,
        cells: list[str],
        *,
        width: int = 1500,
        height: int = 1000,
        theme: str = "light",
        name: str = "notebook.ipynb",
    ):
        self.path, self.address = folder / name, address
        if cells:
            notebook(self.path, cells)
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        self.open()
        if theme == "dark":
            self.command("apputils:change-theme", theme="JupyterLab Dark")
            self.page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")

    def open(self) -> None:
        """Open the notebook, or open it again as it lies on the disk; wait for its kernel."""
        self.page.goto(f"{self.address}/lab/tree/{self.path.name}?reset")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)

    def save(self) -> None:
        """Save, and wait until the file holds what the page shows."""
        before = self.path.read_bytes()
        self.command("docmanager:save")
        deadline = time.monotonic() + 20
        while self.path.read_bytes() == before:
            if time.monotonic() > deadline:
                raise TimeoutError("the notebook was not saved")
            time.sleep(0.05)
        time.sleep(0.3)

    def end_kernels(self) -> None:
        """Shut every kernel of the server down."""
        for session in json.loads(urllib.request.urlopen(f"{self.address}/api/sessions").read()):
            urllib.request.urlopen(
                urllib.request.Request(f"{self.address}/api/sessions/{session['id']}", method="DELETE")
            ).read()

    def command(self, name: str, **terms: Any) -> None:
        """One of JupyterLab's own commands, without waiting for its end: some ask in a dialog first."""
        self.page.evaluate("([name, terms]) => void window.jupyterapp.commands.execute(name, terms)", [name, terms])

    def run(self, number: int, *, wait: bool = True, seconds: float = 90) -> None:
        """Run one cell, as with Ctrl+Enter, and wait until it has run. A kernel that is still connecting forgets what it was
        asked: then the cell is asked again."""
        cell = self.cell(number)
        before = self.prompt(number)
        deadline, asked = time.monotonic() + seconds, 0.0
        while time.monotonic() < deadline:
            now = self.prompt(number)
            if now != before and now.isdigit():
                return
            if now != "*" and time.monotonic() > asked + 3:
                if (dialog := self.page.locator(".jp-Dialog")).count():
                    if "Select Kernel" in dialog.first.inner_text():  # it hadn't started one in time: the one that it proposes
                        dialog.first.locator("button.jp-mod-accept").click()
                        asked = time.monotonic()
                        continue
                    raise RuntimeError(f"JupyterLab asks: {dialog.first.inner_text()}")
                cell.locator(".cm-content").click()
                self.page.keyboard.press("Control+Enter")
                asked = time.monotonic()
                if not wait:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"cell {number} is still running: [{self.prompt(number)}]")

    def prompt(self, number: int) -> str:
        """What stands in the brackets: a number, * while the cell runs, nothing before."""
        return str(self.cell(number).locator(".jp-InputPrompt").inner_text()).strip("[]: \n")

    def cell(self, number: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number: int) -> str:
        return str(self.cell(number).locator(".jp-Cell-outputArea").inner_text())

    def widget(self, number: int) -> Any:
        """The widget under a cell. Playwright looks into its shadow root by itself."""
        return self.cell(number).locator(".tracer-widget")

    def evaluate(self, number: int, expression: str) -> str:
        """Type an expression into a cell and run it; what it shows."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(expression)
        self.run(number)
        return self.output(number)
