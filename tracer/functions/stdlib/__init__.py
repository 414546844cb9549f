"""What calls of the standard library mean, where it is written in C or reaches out of the program. What is Python is inlined."""

from . import (  # noqa: F401  (they fill the table)
    collections_rules,
    context_rules,
    copy_rules,
    dataclasses_rules,
    functools_rules,
    heapq_rules,
    inspect_rules,
    itertools_rules,
    math_rules,
    operator_rules,
    outside_rules,
    re_rules,
    types_rules,
    weakref_rules,
)
