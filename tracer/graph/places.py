"""Where the nodes of a graph come from, as torch's own tools read it: `node.meta["stack_trace"]`.

AOTAutograd and inductor pass it on to what they make of a node, so that their graphs and errors name the user's lines.
"""

from __future__ import annotations

import linecache

from torch import fx

__all__ = ["note_places"]


def note_places(gm: fx.GraphModule) -> None:
    """Writes down the user's line of each node, in the graph and in the bodies of its operators."""
    for part in gm.modules():
        if not isinstance(part, fx.GraphModule):
            continue
        for node in part.graph.nodes:
            place = node.meta.get("location")
            if place:
                file, line = place[0], place[1]
                node.meta["stack_trace"] = f'File "{file}", line {line}, in {node.meta["function"]}\n    {linecache.getline(file, line).strip()}\n'
