"""What-if: a session's overrides at work. `pins` knows which there are and what became of them, `calls` carries out those
about calls and lines, `compare` holds an unsafe run against a plain one. Dimensions and numbers are asked for by
`graph/dynamism.py`, guards by the context.
"""

from .compare import compared
from .pins import Pins, applied_earlier

__all__ = ["Pins", "applied_earlier", "compared"]
