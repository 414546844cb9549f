"""Calls that didn't return, each told as what it was.

In: records. Out: sections. Whose error ended a call was decided when it ended (`tracer.refusals.ended`); here it gets words.
"""

from __future__ import annotations

from tracer.explain.blocks import Para, Section
from tracer.explain.words import clean, count
from tracer.records import Call, Records

__all__ = ["ENDINGS", "calls_that_ended"]

#: By whose error it was: (what is said behind "1 call", what follows from it or what to do). In the order in which they are told.
ENDINGS: dict[str, tuple[str, str]] = {
    "tracer": ("refused: an error of our own", ""),
    "torch": ("ended by a fault of torch.compile", "This is neither the program's nor ours: torch.compile failed on it."),
    "fullgraph": ("refused: with fullgraph=True what isn't one graph is an error", ""),
    "operator": (
        "refused: what an operator is given wasn't captured whole",
        "torch.compile ends no graph there, it raises. In a plain `if` or loop in its place the graph ends, and the program runs.",
    ),
    "limit": (
        "refused: with fullgraph=True the recompile limit is an error",
        "Recompiles, below, says what changes from call to call. Mark it as dynamic, or raise recompile_limit.",
    ),
    "mark": (
        "refused: a size isn't what mark_dynamic says of it",
        "Where a line fixed the size, change that line; where it lies outside the range that was given, call it with one inside. Or leave out "
        "mark_dynamic: maybe_mark_dynamic asks for it, and no more.",
    ),
    "backend": (
        "refused: the backend failed",
        "The graph was captured. backend='eager' runs it as it is; backend='aot_eager' tells autograd's faults from the backend's.",
    ),
    "stance": (
        "refused: torch.compiler.set_stance('fail_on_recompile') makes a compile an error",
        "Call it once without that stance, with inputs like these; what changes from call to call can be marked as dynamic.",
    ),
    "session": ("refused", ""),
    "memory": ("ran out of memory", ""),
    "program": ("of the program raised an exception", ""),
    "interrupt": ("interrupted", ""),
    "exit": ("left with SystemExit", ""),
    "step": ("given up while it was stepped", ""),
}


def calls_that_ended(records: Records) -> list[Section]:
    """A section for each way in which calls ended without returning."""
    sections = []
    for by, (words, then) in ENDINGS.items():
        calls = [call for call in records.calls if call.by == by]
        if calls:
            section = Section(f"{count(len(calls), 'call')} {words}", tone="" if by == "exit" else "loud")
            section.blocks += [Para(_line(call)) for call in calls[:5]]
            if len(calls) > 5:
                section.blocks.append(Para(f"and {count(len(calls) - 5, 'more call')}: session.records.calls has all of them", "muted"))
            if then:
                section.blocks.append(Para(then, "muted"))
            sections.append(section)
    return sections


def _line(call: Call) -> str:
    said = f": {clean(call.said)}" if call.said else ""
    return f"{clean(call.function)}, call {call.number}: {clean(call.text)}{said}"
