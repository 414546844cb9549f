"""The symbolic interpreter: frames, loops, and one handler for each canonical operation."""

from . import building, calling, control, exceptions, names, operators  # noqa: F401  (they fill the table)
