"""The recording: writing events, finding one's way in them, keeping them in a file."""

from tracer.journal.files import Writer, load, save
from tracer.journal.index import Journal
from tracer.journal.recorder import LEVELS, Recorder, Summarised
from tracer.journal.state import Difference, FrameState, State

__all__ = ["LEVELS", "Difference", "FrameState", "Journal", "Recorder", "State", "Summarised", "Writer", "load", "save"]
