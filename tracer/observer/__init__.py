"""What the installed torch.compile decides, as the same events: `tracer.Session(engine="dynamo")`.

In: torch._dynamo's own functions, wrapped at named points while a session's call runs (`tracer.compat.dynamo.POINTS`).
Out: events of `tracer.events` in the session's recorder. Nothing that torch.compile decides is changed: hooks read, they never
call methods of its trackers, and a fault of theirs is recorded and raised or warned about after the call.
"""

from .engine import DynamoEngine
from .switch import missing

__all__ = ["DynamoEngine", "missing"]
