"""The part of a session that runs recorded calls again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from ..overrides import Override
    from ..records import GraphBreak
    from ..session import Session
    from .kept import Keeper
    from .replay import Replay
    from .scope import Scope

__all__ = ["Reruns"]


class Reruns:
    """What sessions have for re-running.

    rerun_of:       the session whose calls this one ran again, else None.
    scope:          which calls of it these are (`tracer.rerun.scope.Scope`), else None.
    not_comparable: why outputs can't be held against those of `rerun_of`, one sentence; "" when they can.
    rerun_notes:    what could not be copied or put back as it was.
    error:          what the program raised when the call ran again, else None.
    raised:         the type of what the last call raised, else None.
    """

    keeper: Keeper
    rerun_of: Session | None = None
    scope: Scope | None = None
    not_comparable = ""
    rerun_notes: tuple[str, ...] = ()
    error: BaseException | None = None
    raised: type[BaseException] | None = None
    result_of = 0  #: the number of the call whose result is kept
    traces_only = False

    def recompile(
        self,
        *,
        overrides: Iterable[Override | str] | None = None,
        device: torch.device | str | None = None,
        execute: bool = True,
        call: int | None = None,
        dtype: torch.dtype | str | None = None,
        autocast: torch.dtype | str | None = None,
        **config_changes: Any,
    ) -> Session:
        """Run the recorded calls again under changed settings, in a new session that is returned: all that are kept, in order.

        config_changes: any settings (`backend="inductor"`, `dynamic=True`, …); the others stay. Another backend drops the old
                        one's `mode` and `options`.
        overrides:      decisions to take instead; None keeps those of this session, `[]` none.
        device:         copies of the module, of inputs, and of tensors among globals and in closures move there. A device that
                        the program itself names is left alone.
        dtype:          floating tensors among those copies are converted to it.
        autocast:       the call runs under `torch.autocast` of this dtype, on the device of its first tensor.
        execute:        False traces and compiles the first frame of one call, the last that compiled something, and stops before
                        it runs, so that nothing of the program happens. What lies behind a graph break or in functions called
                        there needs its values, so it is not reached; `result` stays None.
        call:           the number of a kept call, which runs alone; None: all of them.

        Kept are the newest `keep_calls` calls that compiled something, and what only ran from the cache while there was room; in a block
        of code each traced function that the block's own code called is a call. `session.diff(new)` compares like with like: where not all
        calls ran again, with those of this session that did (`scope` says which, and so does the comparison's headline).

        Each runs on copies of the arguments as they were when it began, of the module with the parameters that are in their places
        today, of globals, closed-over values, attributes of functions, classes, modules and enum members, thread-locals, context variables
        and the environment as they were, with the random states and modes of then; afterwards all of these are as before. What it prints
        becomes Output events. What it does to files and to other objects outside can't be undone.

        An exception of the program becomes `error` of the new session (with a warning, unless the recorded call raised one of
        that type). Errors of ours (FullGraphError, a failing backend) are raised and have the new session as `session`. TracerError
        also where the session is closed, kept no inputs or not this call's, where the call reaches something that it would use up (a
        generator), or where the machine has no such device.
        """
        from .running import recompile

        return recompile(
            self,  # type: ignore[arg-type]
            overrides=overrides,
            device=device,
            execute=execute,
            call=call,
            dtype=dtype,
            autocast=autocast,
            changes=config_changes,
        )

    def compare_breaks(self, found: GraphBreak | Iterable[GraphBreak] | None = None) -> list[GraphBreak]:
        """Ask the other compiler (torch.compile; with `engine="dynamo"` Tracer's own) whether it breaks there as well.

        found: one break of this session, or several; None: all. Returned with `elsewhere` filled: one sentence, which `explain()`, the
               widget and recordings show from then on.

        Each call that broke runs once more, as `recompile(engine=…)` does: on copies, but what it does outside happens again. Nothing is
        asked twice.
        """
        from .elsewhere import compare_breaks

        return compare_breaks(self, found)  # type: ignore[arg-type]

    def replay(self, *, call: int | None = None) -> Replay:
        """Run a recorded call again with the same settings from the recorded state and an empty cache, and compare what the
        compiler decided, step by step. `call`: as for `recompile`. TracerError as there, and where nothing was recorded."""
        from .replay import replay_session

        return replay_session(self, call)  # type: ignore[arg-type]
