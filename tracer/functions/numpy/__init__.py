"""NumPy in the program: arrays are tensors of the graph, and torch's own layer for NumPy says what is computed. Reached as `ctx.arrays`."""

from . import rules  # noqa: F401  (it fills the table)
from .arrays import array_attribute, array_binary, array_iterator, array_length, array_number, array_truth

__all__ = ["array_attribute", "array_binary", "array_iterator", "array_length", "array_number", "array_truth"]
