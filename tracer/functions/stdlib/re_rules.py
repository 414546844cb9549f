"""Call rules of compiled patterns that call the program's functions. The other methods of `re` fold over known texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...signals import Declined
from ...variables import PinnedVariable, SequenceIteratorVariable, TupleVariable, Variable, literal
from ..known import known, plain
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


def _replaced(ctx: Context, pattern: Variable, repl: Variable, string: Variable, count: Variable | None) -> Any:
    """(text, number of replacements) where `repl` is called for each match, or a reason to decline."""
    if not isinstance(pattern, PinnedVariable) or isinstance(known_text(ctx, repl), str):
        return Declined("the replacement is a text")
    text = known_text(ctx, string)
    if text is None:
        return Declined("a text that isn't known")
    limit = 0 if count is None else ctx.protocol.index(ctx, count)
    parts: list[str] = []
    end = done = 0
    for match in pattern.value.finditer(text):
        if limit and done >= limit:
            break
        answer = known_text(ctx, ctx.call_now(repl, [ctx.wrap(match)]))
        if answer is None:
            return Declined("the replacement isn't known")
        parts += [text[end : match.start()], answer]
        end = match.end()
        done += 1
    return "".join([*parts, text[end:]]), done


def known_text(ctx: Context, variable: Variable) -> str | None:
    """The text that a variable is, or None."""
    value = plain(variable)
    return known(ctx, value) if value.python_type() is str else None


@calls.exact(re.Pattern.sub)
def sub(ctx: Context, pattern: Variable, repl: Variable, string: Variable, count: Variable | None = None) -> Any:
    """`pattern.sub(f, text)`: `f` is traced for each match."""
    answer = _replaced(ctx, pattern, repl, string, count)
    return answer if isinstance(answer, Declined) else literal(answer[0])


@calls.exact(re.Pattern.subn)
def subn(ctx: Context, pattern: Variable, repl: Variable, string: Variable, count: Variable | None = None) -> Any:
    """`pattern.subn(f, text)`."""
    answer = _replaced(ctx, pattern, repl, string, count)
    return answer if isinstance(answer, Declined) else TupleVariable([literal(answer[0]), literal(answer[1])], tuple)


@calls.exact(re.Pattern.finditer)
def finditer(ctx: Context, pattern: Variable, string: Variable) -> Any:
    """`pattern.finditer(text)`: the matches are known at once, nobody can tell."""
    text = known_text(ctx, string)
    if not isinstance(pattern, PinnedVariable) or text is None:
        return Declined("a text that isn't known")
    return SequenceIteratorVariable([ctx.wrap(m) for m in pattern.value.finditer(text)], type(re.finditer("", "")))


@calls.exact(re.finditer)
def finditer_of(ctx: Context, pattern: Variable, string: Variable, flags: Variable | None = None) -> Any:
    """`re.finditer(pattern, text)`."""
    compiled = ctx.call_now(ctx.wrap(re.compile), [pattern] if flags is None else [pattern, flags])
    return finditer(ctx, compiled, string)
