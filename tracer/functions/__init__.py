"""What calls mean: Python functions, builtins, classes, torch operators, modules; rules in one table (`table.calls`)."""

from . import builtins_rules, dicts, lists, modules, sets, strings, torch_state, tuples  # noqa: F401  (they fill the table)
