"""Template strings that exist (since 3.14): their texts, and what stands between them, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat.templates import HAS_TEMPLATES, Interpolation, Template
from ..variables.templates import FIELDS, InterpolationVariable, TemplateVariable
from .sourceless import sourceless, wrap
from .table import rules

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source


if HAS_TEMPLATES:

    @rules.exact(Template)
    def template(ctx: Context, value: Any, source: Source) -> Any:
        """A template string is its two tuples."""
        ctx.guard(source, "TYPE_MATCH", Template)
        strings, between = (ctx.build(getattr(value, part), source.attr(part)) for part in ("strings", "interpolations"))
        return TemplateVariable(strings, between, source)  # type: ignore[arg-type]

    @rules.exact(Interpolation)
    def interpolation(ctx: Context, value: Any, source: Source) -> Any:
        """An interpolation is its value and three texts."""
        ctx.guard(source, "TYPE_MATCH", Interpolation)
        return InterpolationVariable([ctx.build(getattr(value, part), source.attr(part)) for part in FIELDS], source)

    @sourceless.exact(Interpolation)
    def made_interpolation(ctx: Context, value: Any, source: None) -> Any:
        """An interpolation."""
        return InterpolationVariable([wrap(ctx, getattr(value, part)) for part in FIELDS])

    @sourceless.exact(Template)
    def made_template(ctx: Context, value: Any, source: None) -> Any:
        """A template string."""
        return TemplateVariable(wrap(ctx, value.strings), wrap(ctx, value.interpolations))  # type: ignore[arg-type]
