"""Template strings (since 3.14): a template is its texts and what stands between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compat.single import instruction
from ..compat.templates import Interpolation, Template, TemplateIterator
from .base import Variable
from .lazy_iterators import LazyIteratorVariable
from .sequences import TupleVariable

if TYPE_CHECKING:
    from ..codegen.body import Body
    from ..context import Context
    from ..sources import Source

__all__ = ["FIELDS", "InterpolationVariable", "TemplateIteratorVariable", "TemplateVariable", "template"]

#: What an interpolation holds, in the order of its constructor.
FIELDS = ("value", "expression", "conversion", "format_spec")


class InterpolationVariable(Variable):
    """`parts`: its value and the three texts."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Variable], source: Source | None = None):
        super().__init__(source)
        self.parts = parts

    def python_type(self) -> type:
        return Interpolation

    def native_attribute(self, ctx: Context, name: str) -> Any:
        return self.parts[FIELDS.index(name)] if name in FIELDS else None

    def rebuild(self, body: Body) -> str:
        name = body.fresh("interpolation")
        body.line(f"{name} = {body.pin(Interpolation, 'Interpolation')}({', '.join(body.value(part) for part in self.parts)})")
        return name


class TemplateVariable(Variable):
    """`strings`, one more than there are `interpolations`: the very tuples that the program reads of it."""

    __slots__ = ("interpolations", "strings")

    def __init__(self, strings: TupleVariable, interpolations: TupleVariable, source: Source | None = None):
        super().__init__(source)
        self.strings, self.interpolations = strings, interpolations

    def python_type(self) -> type:
        return Template

    def native_attribute(self, ctx: Context, name: str) -> Any:
        if name == "values":
            return TupleVariable([part.parts[0] for part in self.held(ctx)], tuple)
        return {"strings": self.strings, "interpolations": self.interpolations}.get(name)

    def held(self, ctx: Context) -> list[InterpolationVariable]:
        return self.interpolations.settled(ctx)  # type: ignore[return-value]

    def parts(self, ctx: Context) -> list[Variable]:
        """Its texts that aren't empty and what stands between them, in order."""
        strings, held = self.strings.settled(ctx), self.held(ctx)
        between = [[*([text] if text.constant() else []), part] for text, part in zip(strings, held, strict=False)]
        return [*(one for pair in between for one in pair), *([strings[-1]] if strings[-1].constant() else [])]

    def iterator(self, ctx: Context) -> Variable:
        return TemplateIteratorVariable(self.parts(ctx))

    def rebuild(self, body: Body) -> str:
        name = body.fresh("template")
        make = body.pin(instruction("BUILD_TEMPLATE", 2), "build_template")
        body.line(f"{name} = {make}({body.value(self.strings)}, {body.value(self.interpolations)})")
        return name


class TemplateIteratorVariable(LazyIteratorVariable):
    """`state` = (what is still to come,)."""

    __slots__ = ()

    def __init__(self, parts: list[Variable]):
        super().__init__(TemplateIterator, parts)

    def advance(self, ctx: Context) -> Variable | None:
        (parts,) = self.state
        if not parts:
            return None
        self.state = (parts[1:],)
        return parts[0]

    def rebuild(self, body: Body) -> str:
        name = body.fresh("iterator")
        parts = ", ".join(body.value(part) for part in self.state[0])
        body.line(f"{name} = {body.pin(iter, 'iter')}({body.pin(Template, 'Template')}({parts}))")
        return name


def template(ctx: Context, parts: list[Variable]) -> TemplateVariable:
    """Of texts and interpolations in any order: neighbouring texts are one, and one stands on either side of each interpolation."""
    texts, between = [""], []
    for part in parts:
        if isinstance(part, InterpolationVariable):
            between.append(part)
            texts.append("")
        else:
            texts[-1] += part.constant()
    return TemplateVariable(TupleVariable([ctx.literal(text) for text in texts], tuple), TupleVariable(list(between), tuple))
