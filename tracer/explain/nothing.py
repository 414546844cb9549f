"""Why a session captured nothing: one sentence, in the order in which a person would look for it.

In: records without a graph. Out: words; "" where there is a graph.
"""

from __future__ import annotations

from tracer.explain.words import clean, count, ops_by_now
from tracer.records import Records

__all__ = ["earlier_hits", "why_nothing"]

#: What is hit where torch doesn't say what.
UNNAMED = "compiled code"


def earlier_hits(records: Records) -> dict[str, int]:
    """How often code ran that was compiled before the session, by name: it was compiled nowhere in here."""
    if records.engine != "dynamo" or records.fresh:  # what such a session runs it has compiled
        return {}
    compiled = {name for frame in records.frames if frame.id for name in (frame.name, _module_of(frame.name))}
    return {name: times for name, times in records.hits.items() if name not in (compiled | {UNNAMED} if compiled else compiled)}


def _module_of(name: str) -> str:
    """What a module is called whose `forward` was compiled under this name."""
    owner, _, method = name.rpartition(".")
    return owner.rpartition(".")[2] if method == "forward" else name


def why_nothing(records: Records) -> str:
    """Why there is no graph."""
    if records.graphs:
        return ""
    if not records.calls and not records.frames:
        return "Nothing was run yet."
    earlier = earlier_hits(records)
    if earlier:
        names = ", ".join(map(clean, earlier))
        return f"{names} ran from torch.compile's cache: it was compiled before this session, where nobody watched. fresh=True compiles it anew."
    traced = [frame for frame in records.frames if frame.id]
    empty = [frame for frame in traced if frame.outcome == "compiled"]
    if traced and len(empty) == len(traced):
        one = len(empty) == 1
        beside = "beside what breaks, below, " if records.graph_breaks else ""
        were, their = ("was", "its") if one else ("were", "their")
        return f"{count(len(empty), 'function')} {were} traced, and {beside}none of {their} operations is one on tensors."
    if any(call.outcome not in ("returned", "open") for call in records.calls):
        by_then = f" {count(ops_by_now(records), 'operation')} had been recorded by then." if records.unfinished else ""
        return f"The call ended before a graph was finished: see below.{by_then}"
    if records.unfinished:
        return f"The call is still being traced: {count(ops_by_now(records), 'operation')} by now."
    left = [frame for frame in records.frames if frame.outcome in ("skipped", "failed")]
    if left:
        rest = f" (and {count(len(left) - 1, 'other function')})" if len(left) > 1 else ""
        return f"{clean(left[0].name)}{rest} runs as ordinary Python: {clean(left[0].reason) or 'no reason was recorded'}."
    if records.faults:
        return "Our own error came before the first graph: see below."
    if records.engine == "dynamo":
        return "torch.compile was asked about no function of the program."
    return "No function was called that can become a graph: one that has a tensor or a module among its arguments, or refers to torch, and is no generator."
