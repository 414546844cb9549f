"""The table of call rules: what a call of a known callable means.

Lookup order: the callable itself, then predicates by priority. A rule is a small function `(ctx, *args, **kwargs)` over
variables; its own signature is the signature that it understands, and a call that doesn't bind to it is declined.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

from ..signals import Declined

__all__ = ["CallTable", "Rule", "calls"]


class Rule:
    """A call rule with the arity that it accepts; one that stands for `target` takes no more than that does."""

    __slots__ = ("function", "keywords", "least", "most", "name", "open_keywords", "target")

    def __init__(self, function: Callable[..., Any], target: Any = None):
        self.function, self.name, self.target = function, function.__name__, target
        parameters = list(inspect.signature(function).parameters.values())[1:]
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.least = sum(p.default is p.empty for p in positional)
        self.most = None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional)
        self.keywords = frozenset(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
        self.open_keywords = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def fit(self) -> None:
        """What the target itself refuses (by its signature, where it has one) is no call of the rule: the rule's own names for its
        parameters are no keywords of the target, and a rule of `*args` takes only as many as the target takes."""
        target, self.target = self.target, None
        if target is None or isinstance(target, types.FunctionType):
            return
        try:
            parameters = list(inspect.signature(target).parameters.values())
        except (TypeError, ValueError):
            return
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.least = max(self.least, sum(p.default is p.empty for p in positional))
        if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            self.most = len(positional) if self.most is None else min(self.most, len(positional))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            names = frozenset(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
            self.keywords = names if self.open_keywords else self.keywords & names
            self.open_keywords = False

    def __call__(self, ctx: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        count = len(args)
        if self.most is not None and count > self.most:
            return Declined(f"{count} positional arguments")
        if kwargs:
            if not self.open_keywords:
                for name in kwargs:
                    if name not in self.keywords:
                        return Declined(f"keyword {name}")
            try:
                return self.function(ctx, *args, **kwargs)
            except TypeError as error:
                if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                    return Declined(str(error))
                raise
        if count < self.least:
            return Declined(f"{count} positional arguments")
        return self.function(ctx, *args)


class CallTable:
    """Rules by callable (identity) and by predicate; `rows` lists them for the generated docs."""

    def __init__(self) -> None:
        self._exact: dict[int, tuple[Any, list[Rule]]] = {}
        self._predicates: list[tuple[int, Callable[[Any], bool], Rule]] = []
        self.rows: list[tuple[str, str, Callable[..., Any]]] = []

    def exact(self, *callables: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """For calls of exactly these objects (a method descriptor such as `list.append` counts for its receivers)."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            for target in callables:
                self._exact.setdefault(id(target), (target, []))[1].append(Rule(function, target))
                self.rows.append(("exact", getattr(target, "__qualname__", None) or type(target).__name__, function))
            return function

        return register

    def when(
        self, predicate: Callable[[Any], bool], priority: int
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """For callables for which `predicate` holds; the rule gets the callable as its first positional-only argument."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            if any(p == priority for p, _, _ in self._predicates):
                raise AssertionError(f"two call predicates of priority {priority}")
            self._predicates.append((priority, predicate, Rule(function)))
            self._predicates.sort(key=lambda row: -row[0])
            self.rows.append(("predicate", predicate.__name__, function))
            return function

        return register

    def of(self, target: Any) -> list[Rule]:
        """The rules for exactly this object."""
        found = self._exact.get(id(target))
        if found is None:
            return []
        for rule in found[1]:
            if rule.target is not None:
                rule.fit()
        return found[1]

    def matching(self, target: Any) -> list[Callable[..., Any]]:
        """The rules of predicates that hold for `target`, which they get as their first argument."""
        return [functools.partial(_with_target, rule, target) for _, predicate, rule in self._predicates if predicate(target)]


def _with_target(rule: Rule, target: Any, ctx: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return rule(ctx, [target, *args], kwargs)


calls = CallTable()
