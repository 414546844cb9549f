"""CPython bytecode as one canonical instruction set.

What comes in: a code object of the running CPython (3.11 to 3.14, and 3.15 for reading only). What goes out: a `Decoded`: operations from
the table `OPS`, the exception handler of each, and what follows from them (which locals are live, how high the stack
is). Nothing that uses this package asks for the version of CPython, and nothing here imports torch.
"""

from __future__ import annotations

from tracer.isa.canonical import OPS, Kind, Op, effect, names_local, target_of
from tracer.isa.decode import READ, SUPPORTED, decode
from tracer.isa.decoded import Decoded
from tracer.isa.exceptions import Handler

__all__ = ["OPS", "READ", "SUPPORTED", "Decoded", "Handler", "Kind", "Op", "decode", "effect", "names_local", "target_of"]
