"""What the page shows, as plain data: one function for each view, from a book to what `js/views/<name>.js` draws.

In: a `Book`: the journal of a session or recording, its records and source lines. Out: dicts, lists, text and numbers
only. Everything that happened at some moment carries the number of its event (`seq`), so that the page can show any
moment by leaving out what came later. Nothing here draws, and nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from widgets.models.book import Book
from widgets.models.breaks import breaks
from widgets.models.builder import builder
from widgets.models.events import events
from widgets.models.graph import graph
from widgets.models.guards import guards
from widgets.models.head import head
from widgets.models.recompiles import recompiles
from widgets.models.source import source
from widgets.models.speculations import speculations
from widgets.models.stages import stages
from widgets.models.state import state
from widgets.models.timeline import timeline

__all__ = ["VIEWS", "Book", "views"]

#: View name → what makes its data.
VIEWS: dict[str, Callable[[Book], Any]] = {
    "head": head,
    "source": source,
    "graph": graph,
    "breaks": breaks,
    "recompiles": recompiles,
    "timeline": timeline,
    "events": events,
    "guards": guards,
    "builder": builder,
    "speculations": speculations,
    "state": state,
    "stages": stages,
}


def views(book: Book) -> dict[str, Any]:
    """The data of every view, by name."""
    return {name: make(book) for name, make in VIEWS.items()}
