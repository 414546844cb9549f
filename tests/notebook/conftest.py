"""A real shell in this process, and a session that traces nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tracer.records import Call, Graph, Node, Records


class StubSession:
    """What the magics need of a session; remembers what was asked of it."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.records = Records()
        self.inside = False
        self.closed = False
        self.saved: list[str] = []

    @contextlib.contextmanager
    def tracing(self, name: str = "block") -> Iterator[StubSession]:
        self.inside = True
        self.records.calls.append(Call(1, name))
        self.records.graphs.append(Graph("graph_0", nodes=[Node("relu", "call_function", "torch.relu")]))
        try:
            yield self
        finally:
            self.inside = False

    def explain(self) -> str:
        return "1 graph"

    def save(self, path: str) -> None:
        self.saved.append(path)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def plain_shell(tmp_path, monkeypatch) -> Iterator[Any]:
    """An IPython shell without history, config or colours."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def shell(plain_shell) -> Iterator[Any]:
    """The shell with the extension loaded and sessions that trace nothing."""
    import notebook_ext

    notebook_ext.load(plain_shell)
    magics = plain_shell.magics_manager.registry["TraceMagics"]
    magics.make_session = StubSession
    yield plain_shell
    notebook_ext.unload(plain_shell)
