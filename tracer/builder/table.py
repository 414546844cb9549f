"""VariableBuilder's table: named rules from a value that exists to the variable that models it.

Order: exact type, then the MRO, then predicates by priority. A rule is a small function `(ctx, value, source)` that installs the
guards its answer relies on; it answers a variable or `Declined(why)`. `select` is the only place that chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..signals import Break, Declined

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source
    from ..variables import Variable

__all__ = ["Rule", "RuleTable", "rules"]

Rule = Callable[..., Any]


class RuleTable:
    """Rules by exact type, by base class and by predicate; `names` lists them for the generated docs."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._exact: dict[type, Rule] = {}
        self._bases: dict[type, Rule] = {}
        self._predicates: list[tuple[int, Callable[[Any], bool], Rule]] = []
        self.rows: list[tuple[str, str, Rule]] = []

    def exact(self, *types: type) -> Callable[[Rule], Rule]:
        """For values whose type is exactly one of `types`."""

        def register(rule: Rule) -> Rule:
            for cls in types:
                if cls in self._exact:
                    raise AssertionError(f"{self.title}: two exact rules for {cls}")
                self._exact[cls] = rule
                self.rows.append(("exact", cls.__name__, rule))
            return rule

        return register

    def base(self, *types: type) -> Callable[[Rule], Rule]:
        """For values of these classes and their subclasses; the nearest base of the MRO wins."""

        def register(rule: Rule) -> Rule:
            for cls in types:
                if cls in self._bases:
                    raise AssertionError(f"{self.title}: two base rules for {cls}")
                self._bases[cls] = rule
                self.rows.append(("base", cls.__name__, rule))
            return rule

        return register

    def when(self, predicate: Callable[[Any], bool], priority: int) -> Callable[[Rule], Rule]:
        """For values for which `predicate(value)` holds, highest priority first; equal priorities are an error."""

        def register(rule: Rule) -> Rule:
            if any(p == priority for p, _, _ in self._predicates):
                raise AssertionError(f"{self.title}: two predicates of priority {priority}")
            self._predicates.append((priority, predicate, rule))
            self._predicates.sort(key=lambda row: -row[0])
            self.rows.append(("predicate", predicate.__name__, rule))
            return rule

        return register

    def candidates(self, value: Any) -> list[Rule]:
        """Every rule that may take the value, best first."""
        cls = type(value)
        found: list[Rule] = []
        rule = self._exact.get(cls)
        if rule is not None:
            found.append(rule)
        mro = type.__dict__["__mro__"].__get__(cls)
        found += [self._bases[base] for base in mro[:-1] if base in self._bases]
        found += [rule for _, predicate, rule in self._predicates if predicate(value)]
        if object in self._bases:
            found.append(self._bases[object])
        return found

    def select(
        self, ctx: Context, value: Any, source: Source | None
    ) -> tuple[Variable, str, tuple[tuple[str, str], ...]]:
        """(variable, name of the rule, rules rejected and why). Raises Break where no rule takes the value."""
        rule = self._exact.get(type(value))
        if rule is not None:
            answer = rule(ctx, value, source)
            if type(answer) is not Declined:
                return answer, rule.__name__, ()
        rejected = []
        for rule in self.candidates(value):
            answer = rule(ctx, value, source)
            if type(answer) is not Declined:
                return answer, rule.__name__, tuple(rejected)
            rejected.append((rule.__name__, answer.why))
        raise Break(
            "unsupported-type",
            type=type(value).__name__,
            source=source.text if source is not None else "",
            rejected=rejected,
        )


#: VariableBuilder: values that have a source.
rules = RuleTable("VariableBuilder")
