"""What calls mean: Python functions, builtins, classes, torch operators, modules; rules in one table (`table.calls`)."""

from . import (  # noqa: F401  (they fill the table)
    builtins_rules,
    collections_rules,
    copy_rules,
    dataclasses_rules,
    dicts,
    functools_rules,
    generators_rules,
    itertools_rules,
    lists,
    math_rules,
    modules,
    numbers_,
    operator_rules,
    outside_rules,
    sets,
    strings,
    torch_checks,
    torch_state,
    tuples,
    types_rules,
)
