"""What calls mean: Python functions, builtins, classes, torch operators, modules; rules in one table (`table.calls`)."""

from . import builtins_rules, modules, torch_state  # noqa: F401  (they fill the table)
