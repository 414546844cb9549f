"""A session's graphs as figures: lanes in the order they run, with the break between one graph and the next."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.explain.words import count, file_name, where
from tracer.export.figure import Figure, figure
from tracer.export.svg import Gutter
from tracer.records import Frame, Graph, GraphBreak, Place, Records

__all__ = ["gutter_after", "lanes", "subtitle"]


def lanes(records: Records, *, limit: int | None = 400, most: int | None = None) -> list[tuple[Figure, Gutter]]:
    """One figure for each of the first `most` graphs, each with the gutter at its right; `limit` is for each."""
    frames = {frame.id: frame for frame in records.frames if frame.id}
    found = []
    for number, graph in enumerate(records.graphs[:most]):
        gutter = gutter_after(graph, frames, records.graph_breaks)
        drawn = figure(
            graph.nodes,
            inputs=graph.inputs,
            bodies=graph.bodies,
            title=graph.name or f"graph {number}",
            subtitle=subtitle(graph, frames.get(graph.frame)),
            limit=limit,
            cause=gutter.place,
        )
        found.append((drawn, gutter))
    return found


def gutter_after(graph: Graph, frames: dict[str, Frame], breaks: Sequence[GraphBreak]) -> Gutter:
    """What stands between this graph and the next: the break that ended it, or nothing."""
    return _gutter(_break_after(graph, frames, breaks))


def subtitle(graph: Graph, frame: Frame | None) -> str:
    """`44 ops · lines 39–42`, or `6 ops · resumes at line 43` behind a break."""
    text = count(graph.op_count, "op")
    lines = _lines(graph, frame)
    if frame is not None and frame.resumes:
        return f"{text} · goes on from frame {frame.resumes}"
    return f"{text} · {lines}" if lines else text


def _lines(graph: Graph, frame: Frame | None) -> str:
    """The lines of the frame's own file that made the nodes."""
    places = [node.location for node in graph.nodes if node.location is not None and node.location.line > 0]
    if frame is not None:
        places = [place for place in places if place.file == frame.file] or places
    if not places:
        return ""
    first, last = min(place.line for place in places), max(place.line for place in places)
    if len({place.file for place in places}) > 1:
        return f"{len({place.file for place in places})} files"
    return f"line {first}" if first == last else f"lines {first}–{last}"


def _break_after(graph: Graph, frames: dict[str, Frame], breaks: Sequence[GraphBreak]) -> GraphBreak | None:
    """The break at which this graph's frame ends: one that splits the frame, and that no frame before it ended at."""
    frame = frames.get(graph.frame)
    mine = [one for one in breaks if graph.frame and graph.frame in one.frames]
    if frame is not None and frame.resumes:
        behind = [one for one in mine if frame.resumes not in one.frames or one.frames.index(graph.frame) == 0]
        return behind[0] if behind else None
    return mine[0] if mine else None


def _gutter(broken: GraphBreak | None) -> Gutter:
    if broken is None:
        return Gutter()
    place: Place | None = broken.location
    at = f"line {place.line}" if place is not None and place.line > 0 else ""
    tip = "\n".join(filter(None, (broken.title or broken.reason, where(place), broken.explanation)))
    return Gutter(broken.title or broken.reason, at or (file_name(place.file) if place is not None else ""), tip, place)
