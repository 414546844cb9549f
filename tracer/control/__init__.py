"""Driving a traced call event by event: a worker thread that waits inside `emit`, and the controller that lets it go on.

- `stops`: when to stop: the commands' conditions, terms, breakpoints
- `typed`: both as a person types them
- `gate`: the rendezvous of the two threads
- `stepper`: what the person holds
"""

from .gate import Aborted
from .stepper import Stepper
from .stops import Breakpoint, Terms

__all__ = ["Aborted", "Breakpoint", "Stepper", "Terms"]
