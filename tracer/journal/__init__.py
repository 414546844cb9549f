"""The recording: writing events, finding one's way in them, keeping them in a file."""

from tracer.journal.recorder import LEVELS, Recorder, Summarised

__all__ = ["LEVELS", "Recorder", "Summarised"]
