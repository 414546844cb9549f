"""What calls of Python's own functions and types mean, and of the methods of those types."""

from . import (  # noqa: F401  (they fill the table)
    builtins_rules,
    class_rules,
    dicts,
    generators_rules,
    lists,
    numbers_,
    sets,
    strings,
    templates,
    text_rules,
    tuples,
)
