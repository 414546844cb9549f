"""From what a trace produced to code that runs: bodies as Python source, adapters and resume functions as code."""

from __future__ import annotations

from .adapter import Instead, broken, entry_names, finished
from .resume import group_start, is_resume, needed, original_of, raising, resume_code
from .stack import Point, Slot

__all__ = ["Instead", "Point", "Slot", "broken", "entry_names", "finished", "group_start", "is_resume", "needed", "original_of", "raising", "resume_code"]
