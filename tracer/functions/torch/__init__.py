"""What calls of torch mean: operators, methods and attributes of tensors, modules, switches, what users mark functions with."""

from . import (  # noqa: F401  (they fill the table)
    asked,
    checks,
    hooks,
    made,
    modules,
    optimizers,
    parameters,
    profiling,
    retraced,
    state,
    switches,
    trees,
)
