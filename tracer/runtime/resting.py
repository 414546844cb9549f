"""What answers for a thread's frames while torch's stance lets nothing compiled run: it stands where the session's hook stood.

Invariant: it has no entries of the hook's, so C++ finds none. What is stood in for all the same (`STOOD_IN`) goes on being so: whoever sets
another stance must be noticed.
"""

from __future__ import annotations

import types
import weakref
from typing import TYPE_CHECKING, Any

from ..compat import evalframe as ef

if TYPE_CHECKING:
    from .hook import FrameHook

__all__ = ["NEVER", "PLAIN", "RUN", "STOOD_IN", "Resting"]

RUN = ef.run_untraced("tracer: runs as it is")
PLAIN = ef.run_plainly("tracer: runs as it is, with what it calls")
NEVER = ef.never("tracer: never a root")
#: Rules of `runtime.policy` for frames of torch's in whose place something of ours runs, with nothing to check.
STOOD_IN = frozenset({"torch.compile", "stance"})


class Resting:
    """Never give this class a `__getattr__`: the interpreter crashes."""

    def __init__(self, hook: FrameHook):
        self.hook, self.region = weakref.ref(hook), ef.new_region()
        self._guards: dict[types.CodeType, ef.GuardManagerAdapter] = {}

    @ef.unasked
    def __call__(self, frame: Any, cache_entry: Any, frame_state: dict[Any, Any]) -> ef.FrameResult:
        hook, alone, code = self.hook(), ef.ISOLATED and ef.current_region() == self.region, frame.f_code
        if hook is None:
            return RUN
        try:
            entry = hook.rest(frame)
            if entry is None:
                return NEVER if alone else RUN
            if code in self._guards:
                ef.invalidate(self._guards[code])
            guards = self._guards[code] = ef.GuardManagerAdapter(entry.guards, entry, self)
            ef.note_code(entry.code)
            return ef.compiled(ef.GuardedCode(entry.code, guards, 0, entry.name), pin=alone)
        except BaseException as error:
            return hook.stop(code, error)

    def free(self) -> None:
        while self._guards:
            ef.invalidate(self._guards.popitem()[1])
