"""Call rules of template strings and of what stands in them (since 3.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...compat.templates import HAS_TEMPLATES, Interpolation, Template
from ...compat.type_names import type_name
from ...variables import NONE, Variable, literal
from ...variables.templates import InterpolationVariable, TemplateVariable, template
from ..known import is_none, plain
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context

_NO_TEXT = literal("")

if HAS_TEMPLATES:

    @calls.exact(Template)
    def make_template(ctx: Context, *args: Variable, **kwargs: Variable) -> Any:
        """`Template(*parts)`: texts and interpolations."""
        if kwargs:
            ctx.raise_(TypeError, "Template.__new__ only accepts *args arguments")
        for part in args:
            cls = part.python_type()
            if cls is not Interpolation and not issubclass(cls, str):
                ctx.raise_(TypeError, f"Template.__new__ *args need to be of type 'str' or 'Interpolation', got {type_name(cls)}")
        return template(ctx, [plain(part) for part in args])

    @calls.exact(Interpolation)
    def make_interpolation(
        ctx: Context, value: Variable, expression: Variable = _NO_TEXT, conversion: Variable = NONE, format_spec: Variable = _NO_TEXT
    ) -> Any:
        """`Interpolation(value, expression, conversion, format_spec)`."""
        for name, text in (("expression", expression), ("format_spec", format_spec)):
            if not issubclass(text.python_type(), str):
                ctx.raise_(TypeError, f"Interpolation() argument {name!r} must be str, not {type_name(text.python_type())}")
        if not is_none(conversion):
            if not issubclass(conversion.python_type(), str):
                ctx.raise_(TypeError, f"Interpolation() argument 'conversion' must be str, not {type_name(conversion.python_type())}")
            if plain(conversion).constant() not in ("s", "r", "a"):
                ctx.raise_(ValueError, "Interpolation() argument 'conversion' must be one of 's', 'a' or 'r'")
        return InterpolationVariable([value, expression, conversion, format_spec])

    @calls.exact(Template.__add__)
    def add(ctx: Context, left: Variable, right: Variable) -> Any:
        """`t + t`: the last text of one and the first of the other become one."""
        if not isinstance(left, TemplateVariable) or not isinstance(right, TemplateVariable):
            name = type_name(right.python_type())
            ctx.raise_(TypeError, f'can only concatenate string.templatelib.Template (not "{name}") to string.templatelib.Template')
        return template(ctx, [*left.parts(ctx), *right.parts(ctx)])
