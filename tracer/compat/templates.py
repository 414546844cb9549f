"""The classes of template strings (since 3.14); before, classes that nothing is an instance of."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["HAS_TEMPLATES", "Interpolation", "Template", "TemplateIterator"]

Template: Any
Interpolation: Any
TemplateIterator: Any

try:
    _library: Any = importlib.import_module("string.templatelib")
except ImportError:
    HAS_TEMPLATES = False
    Template, Interpolation, TemplateIterator = (type(name, (), {}) for name in ("Template", "Interpolation", "TemplateIter"))
else:
    HAS_TEMPLATES = True
    Template, Interpolation = _library.Template, _library.Interpolation
    TemplateIterator = type(iter(Template()))
