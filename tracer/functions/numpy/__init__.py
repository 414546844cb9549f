"""NumPy in the program: arrays are tensors of the graph, and torch's own layer for NumPy says what is computed. Reached as `ctx.arrays`."""

from .arrays import array_attribute, array_binary, array_iterator, array_length, array_number, array_truth
from .rules import from_tensor

__all__ = ["array_attribute", "array_binary", "array_iterator", "array_length", "array_number", "array_truth", "from_tensor"]
