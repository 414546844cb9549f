"""What a backend showed of its stages, as events of the graph's recording."""

from __future__ import annotations

from tracer.compat.stages import Stage, Stages, listen
from tracer.events import ArtifactProduced
from tracer.journal import Recorder

__all__ = ["Stages", "listen", "stages_of", "tell_stages"]


def stages_of(rec: Recorder, graph: str) -> Stages | None:
    """For one compilation: its stages wait to be told, so that nobody pauses or raises inside the backend; the backward's
    code, which inductor makes when the backward first runs, joins the recording by itself. None where nothing is recorded."""
    if not rec.on:
        return None
    frame = rec.frame

    def late(stage: Stage) -> None:
        rec.later(ArtifactProduced, graph, *stage, frame=frame)

    return Stages(late)


def tell_stages(rec: Recorder, graph: str, stages: Stages | None) -> None:
    """The stages of a compilation that has ended, well or not."""
    for stage in stages.found if stages is not None else ():
        rec.point(ArtifactProduced, graph, *stage)
