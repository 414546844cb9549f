"""What calls mean: Python functions, builtins, classes, torch operators, modules; rules in one table (`table.calls`)."""

from . import numpy, python, stdlib, torch  # noqa: F401  (they fill the table)
