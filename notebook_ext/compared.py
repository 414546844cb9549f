"""Names for the runs of a notebook, and two of them compared.

A run is a traced cell ("In [3]", or just 3), one that was made under a cell's widget ("In [3] dynamic=True", as its Runs view
says), or a session or recording that a name of the notebook holds.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from html import escape
from typing import Any

from tracer.errors import TracerError

__all__ = ["compared", "runs_of"]


def runs_of(sessions: list[tuple[str, Any]], widgets: list[Any]) -> dict[str, Any]:
    """Name → session, in the order in which they were made: `sessions` are cells, what was made under a widget follows its cell."""
    found = {}
    for label, session in sessions:
        found[label] = session
        for widget in widgets:
            if widget.session is session:
                titles = [run["title"] for run in widget.runs.plain()["runs"]]
                for title, made in zip(titles[1:], widget.runs.sessions[1:], strict=True):
                    found[_free(f"{label} {title}", found)] = made
    return found


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} #{number}"
    return free


def compared(line: str, runs: dict[str, Any], namespace: Mapping[str, Any]) -> dict[str, str]:
    """The differences of the two runs that the line names (default: the last two), as data of a display. TracerError where one
    is not there."""
    wanted = _names(line)
    if not wanted:
        if len(runs) < 2:
            raise TracerError(
                f"there {'is one run' if runs else 'are no runs'} to compare, two are needed.",
                next="trace another cell with %%trace",
            )
        (a, left), (b, right) = list(runs.items())[-2:]
    elif len(wanted) == 2:
        (a, left), (b, right) = (_find(name, runs, namespace) for name in wanted)
    else:
        raise TracerError(f"two runs are compared, not {len(wanted)}.", next=_known(runs))
    from tracer.diff import diff as compare

    diff = compare(left, right)
    title = f"{a} → {b}"
    shown = f'<p style="margin:.3em 0;font:600 13px var(--jp-ui-font-family,system-ui)">{escape(title)}</p>'
    return {
        "text/html": f'<div class="tracer-diff">{shown}{diff._repr_html_()}</div>',
        "text/plain": f"{title}\n{diff}",
    }


def _names(line: str) -> list[str]:
    """The words of the line; "In [3]" is one of them."""
    try:
        return shlex.split(line.replace("In [", "In["))
    except ValueError as error:
        raise TracerError(f"can't read {line!r}: {error}.") from None


def _find(name: str, runs: dict[str, Any], namespace: Mapping[str, Any]) -> tuple[str, Any]:
    wanted = f"In [{name}]" if name.isdigit() else name.replace("In[", "In [")
    if wanted in runs:
        return wanted, runs[wanted]
    held = namespace.get(name)
    if hasattr(held, "records") and hasattr(held, "journal"):
        return name, held
    raise TracerError(f"there is no run {name!r} in this notebook.", next=_known(runs))


def _known(runs: dict[str, Any]) -> str:
    names = ", ".join(repr(name) if " " in name.replace("In [", "") else name for name in runs)
    return f"these are kept: {names or 'none'}; %trace_config keep=N says how many"
