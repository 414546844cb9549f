"""A graph as lines of text, one for each operation, under the user's lines that made them; and its backend's stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tracer.events import Event
from tracer.explain import source_of
from tracer.journal.places import makers, user_place
from tracer.records import Graph, Node

__all__ = ["STAGES", "Line", "listing", "stages", "title_of"]

#: Stage → how it is called.
STAGES = {"aot_forward": "AOT forward", "aot_backward": "AOT backward", "inductor_code": "Inductor code"}


_NONE = "The backend, {}, showed no stages. aot_eager shows AOTAutograd's graphs, inductor its code too, while events are recorded."


class Line(NamedTuple):
    """One line. `node`: the operation or input on it, "" on a comment, and `seq`, the event that made it; `place`: the user's line it
    belongs to."""

    text: str
    node: str = ""
    seq: int = 0
    place: tuple[str, int] | None = None


def listing(
    graph: Graph, events: Sequence[Event], made: Mapping[tuple[str, str], int], source: Callable[[str, int], str | None]
) -> list[Line]:
    """The graph as it was captured. `made`: (graph, node) → event; `source(file, line)` gives a line of the program, for the comments."""
    inputs = [Line(f"    {one.name}: {_kind(one)},  # {one.source}", one.name, made.get((graph.name, one.name), 0)) for one in graph.inputs]
    lines = [Line(f"def {graph.name}("), *inputs, Line("):")]
    last: tuple[str, int] | None = None
    for node in graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        seq = made.get((graph.name, node.name), 0)
        place = user_place(events, events[seq]) if seq else None
        if place is not None and place != last:
            code = (source(*place) or "").strip()
            lines.append(Line(f"    # {Path(place[0]).name}:{place[1]}  {code}".rstrip(), "", 0, place))
            last = place
        kind = _kind(node)
        lines.append(Line(f"    {node.name}{': ' + kind if kind else ''} = {_call(node)}", node.name, seq, place))
    return lines


def _kind(one: Any) -> str:
    """`"float32[4, 8]"`; "" where it is no tensor."""
    return "" if one.shape is None else f'"{one.dtype}[{", ".join(map(str, one.shape))}]"'


def _call(node: Node) -> str:
    if node.op == "get_attr":
        return f"self.{node.target}"
    if node.op == "call_method":
        subject, _, rest = node.args.partition(", ")
        return f"{subject}.{node.target}({rest})"
    return f"{node.target}({node.args})"


def title_of(stage: str, name: str) -> str:
    """How a stage is called on a page: `AOT forward`, `Inductor code (backward)`."""
    words = STAGES.get(stage, stage)
    return f"{words} ({name})" if name and not words.endswith(name) else words


def stages(session: Any, path: Path) -> None:
    """Each graph as captured, and what its backend made of it: the exporter of .stages.txt."""
    parts, journal, source = [], session.journal, source_of(session.records)
    made = makers(journal)
    for graph in session.records.graphs:
        text = "\n".join(line.text for line in listing(graph, journal.events, made, source))
        parts.append((f"{graph.name}: FX graph", text if graph.artifacts else f"{text}\n\n# {_NONE.format(graph.backend)}"))
        parts += [(f"{graph.name}: {title_of(one.stage, one.name)}", one.text) for one in graph.artifacts]
    rule = "#" + "-" * 99
    path.write_text("".join(f"{rule}\n# {title}\n{rule}\n{text.rstrip()}\n\n" for title, text in parts), encoding="utf-8")
