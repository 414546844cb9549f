"""Higher-order operators: which callables are speculated, what must agree, which node they become. One module per operator."""

from . import attention, autograd_function, checkpoint, cond, loops, region, scans, switch  # noqa: F401  (they fill the table of call rules)
