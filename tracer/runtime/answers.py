"""What is said about a frame: it is a root, it is left alone, here is its compiled code."""

from __future__ import annotations

import types
from typing import Any

__all__ = ["Entry", "Root", "Skip"]


class Root:
    """The frame is traced; `rule` is the name of the rule that said so."""

    __slots__ = ("rule",)

    def __init__(self, rule: str):
        self.rule = rule

    def __repr__(self) -> str:
        return f"Root({self.rule!r})"


class Skip:
    """The frame runs as it is, this time. `lasting`: so will every frame of that code in this session, because the
    answer depends on the code alone. `callees`: what the frame calls runs as it is, too. A skip never reaches another session or torch.compile."""

    __slots__ = ("callees", "lasting", "reason", "rule")

    def __init__(self, reason: str, lasting: bool = False, rule: str = "", callees: bool = False):
        self.reason, self.lasting, self.rule, self.callees = reason, lasting, rule, callees

    def __repr__(self) -> str:
        return f"Skip({self.reason!r}{', lasting' * self.lasting})"


class Entry:
    """One compiled entry: `code` runs in place of the frame when `guards` (a RootGuardManager) pass. The first time it
    runs without asking them. `name` shows in profiles; `record` is whatever the session wants back with it."""

    __slots__ = ("code", "guards", "name", "record")

    def __init__(self, code: types.CodeType, guards: Any, name: str = "", record: Any = None):
        self.code, self.guards, self.name, self.record = code, guards, name or code.co_qualname, record

    def __repr__(self) -> str:
        return f"Entry({self.name})"
