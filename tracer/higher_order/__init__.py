"""Higher-order operators: which callables are speculated, what must agree, which node they become. One module per operator."""

from . import (  # they fill the table of call rules
    (,  # noqa: F401
    attention,  # noqa: F401
    autograd_function,  # noqa: F401
    checkpoint,  # noqa: F401
    cond,  # noqa: F401
    levels,  # noqa: F401
    loops,  # noqa: F401
    over_operators,  # noqa: F401
    region,  # noqa: F401
    scans,  # noqa: F401
    switch,  # noqa: F401
    wraps,  # noqa: F401
)
