"""Higher-order operators: which callables are speculated, what must agree, which node they become. One module per operator."""

from . import (  # noqa: F401  (they fill the table of call rules)
    attention,
    autograd_function,
    checkpoint,
    cond,
    levels,
    loops,
    over_operators,
    region,
    scans,
    switch,
    wraps,
)  # fmt: skip
