"""What changed between two calls, as the program's user would say it: read from a guard that failed and from what was seen instead.

In: the texts of one failed guard, of either engine; recordings hold nothing else. Out: `Changed`s: `x.shape[0]`, `3`, `4`. What none of the
forms below fits is told as it stands: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["ON_STACK", "Changed", "changes", "named"]


class Changed(NamedTuple):
    """`what` was `old` when the entry was compiled and is `new` now. `about` groups changes that end in one way: size, rank, dtype, device,
    gradients, strides, int, float, constant, length, hooks, mode, iterator, object, type, keys, there, bound, other. Where `what` is "", `old` is
    what had to hold."""

    what: str
    old: str
    new: str
    about: str

    @property
    def text(self) -> str:
        """`x.shape[0]: 3 → 4`; for what has no name, what had to hold and what was seen."""
        if self.what:
            return f"{self.what}: {self.old} → {self.new}"
        return f"{self.old}: now {self.new}" if self.new else f"{self.old}: not any more"


#: How guards name what a graph break left on Python's stack: torch.compile's, and ours.
ON_STACK = re.compile(r"L\['___stack\d+'\]|_{2,3}stack_?\d+")


def changes(expression: str, seen: str) -> tuple[Changed, ...]:
    """What one failed guard tells; a guard on a tensor may tell several things. Never empty."""
    for form, read in _FORMS:
        if (found := form.fullmatch(expression)) and (told := read(found, seen)):
            return told
    return (Changed("", expression, seen, "other"),)


def named(change: Changed, names: Mapping[str, str]) -> Changed:
    """With what the program calls values: `names` from how a guard spells them. A name counts only where a word of it begins and ends. What
    goes over a loop has no name there."""
    if change.about == "iterator" and ON_STACK.fullmatch(change.what):
        return change._replace(what="the loop's iterator")
    field = "what" if change.what else "old"
    text: str = getattr(change, field)
    for spelt, name in names.items():
        before, *rest = re.split(rf"(?<![\w.\]]){re.escape(spelt)}(?![\w])", text)
        text = name.join([before, *rest])
    return change._replace(**{field: text})


# ---- tensors

_SEEN = re.compile(r"([\w.]+) of ([\w.]+), size \[([^]]*)\](?:, stride \[([^]]*)\])?(?:, on ([\w:]+))?(?:, requires_grad=(\w+))?(, other dispatch keys)?")


def _tensor(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    what, cls, dtype, sizes, strides, device, grad = found.groups()
    now = _SEEN.fullmatch(seen)
    if now is None:
        return (Changed(what, f"a {cls}", _there(seen), "type"),)
    told = [Changed(f"type({what})", cls, now[1], "type")] if cls != now[1] else []
    told += [Changed(f"{what}.dtype", dtype, now[2], "dtype")] if dtype != now[2] else []
    told += _sizes(what, sizes, now[3])
    told += [Changed(f"{what}.device", device, now[5], "device")] if now[5] and device != now[5] else []
    told += [Changed(f"{what}.requires_grad", grad, now[6], "gradients")] if now[6] and grad != now[6] else []
    if not told and now[4]:
        told.append(Changed(f"{what}.stride()", f"({strides})", f"({now[4]})", "strides"))
    return tuple(told) or (Changed("", found[0], seen, "other"),)


def _sizes(what: str, old: str, new: str) -> list[Changed]:
    before, now = (text.split(", ") if text else [] for text in (old, new))
    if len(before) != len(now):
        return [Changed(f"{what}.dim()", str(len(before)), str(len(now)), "rank")]
    return [Changed(f"{what}.shape[{dim}]", a, b, "size") for dim, (a, b) in enumerate(zip(before, now)) if a != b and a.isdigit()]


# ---- everything else

_INT, _FLOAT = re.compile(r"-?\d+"), re.compile(r"-?(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|inf|nan)")
_HOOKS = re.compile(r"(.+?)\.?_(?:\w+_)?hooks")


def _there(seen: str) -> str:
    return "not there" if seen == "missing" else seen


def _about(old: str, new: str) -> str:
    for form, about in ((_INT, "int"), (_FLOAT, "float")):
        if form.fullmatch(old) and form.fullmatch(new):
            return about
    return "constant"


def _constant(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    what, old = found.groups()
    if not seen:
        return ()
    if (size := re.fullmatch(rf"{re.escape(what)} = (-?[\d.]+)", seen)) is not None:  # sizes are told with their names
        seen = size[1]
    about = "size" if re.search(r"\.shape\[\d+\]$", what) and seen.isdigit() else _about(old, seen)
    return (Changed(what, old, _there(seen), about),)


def _length(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    what, old = found.groups()
    count = re.fullmatch(r"(?:\S+ of )?(\d+)", seen)
    if count is None:
        return (Changed(what, f"{old} items", _there(seen), "type"),) if seen else ()
    hooks = _HOOKS.fullmatch(what)
    return (Changed(f"hooks of {hooks[1]}" if hooks else f"len({what})", old, count[1], "hooks" if hooks else "length"),)


def _switch(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    told = []
    for switch in seen.removeprefix("changed: ").split(", "):
        name, _, states = switch.partition(" ")
        old, arrow, new = states.partition(" → ")
        told.append(Changed(name.replace("_", " "), *((old, new) if arrow else ("as it was", "changed")), "mode"))
    return tuple(told) if seen.startswith("changed: ") and seen != "changed: " else ()


def _asked(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    """A switch of torch that is asked for by a function."""
    return (Changed(found[1], found[2], seen, "mode"),) if seen else ()


def _absent(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    key, owner = found[1], found[2]
    new = seen.removeprefix("there, with ")
    if new == seen:
        return ()
    what = f"{owner.removesuffix('.__dict__')}.{key[1:-1]}" if owner.endswith(".__dict__") and key[1:-1].isidentifier() else f"{key} in {owner}"
    return (Changed(what, "not there", new, "there"),)


def _iterator(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    return (Changed(found[1], found[2], seen.removesuffix(" left"), "iterator"),) if seen else ()


def _typed(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    return (Changed(found[1], f"a {found[2]}", _there(seen), "type"),) if seen else ()


def _keys(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    """Keys of a dict. Long ones are cut, wherever that is."""
    old, new = ("none" if text == "()" else text if "…" not in text and len(text) < _LONGEST else "other keys" for text in (found[2], seen))
    return (Changed(f"keys of {found[1]}", old, new, "keys"),) if seen else ()


_LONGEST = 60


def _object(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    what, old = found.groups()
    if not seen or old.startswith(("the ", "not ")) or " is " in old:
        return ()
    plain = old in ("None", "True", "False")
    same = old == seen  # another object of that description
    return (Changed(what, old, f"another {seen}" if same else _there(seen), "constant" if plain else "object"),)


def _mismatch(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    """As torch words a tensor's check."""
    what, fact, dim, old = found.groups()
    if fact == "requires_grad":  # it is one of two, and torch says what was expected
        was = old.removeprefix("requires_grad=") == "1"
        return (Changed(f"{what}.requires_grad", str(was), str(not was), "gradients"),)
    name, about = {"size": (f"shape[{dim}]", "size"), "stride": (f"stride({dim})", "strides"), "dtype": ("dtype", "dtype"), "rank": ("dim()", "rank")}[fact]
    return (Changed(f"{what}.{name}", old, seen, about),) if seen else ()


def _bound(found: re.Match[str], seen: str) -> tuple[Changed, ...]:
    return (Changed("", found[0], seen, "bound"),) if re.match(r".+ = -?[\d.]+", seen) else ()


#: Forms of guards, those first that say most; a form that can't tell leaves the guard to those below.
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], tuple[Changed, ...]]], ...] = (
    (re.compile(r"(.+) is a ([\w.]+) of ([\w.]+), size \[([^]]*)\], stride \[([^]]*)\], on ([\w:]+), requires_grad=(\w+)"), _tensor),
    (re.compile(r"tensor '(.+?)' (size|stride|rank|dtype|requires_grad) mismatch(?: at index (\d+))?\. expected (.+)"), _mismatch),
    (re.compile(r"(torch's global state) is unchanged"), _switch),
    (re.compile(r"(torch\.[\w.]+\(\)) is (.+)"), _asked),
    (re.compile(r"len\((.+)\) == (\d+)"), _length),
    (re.compile(r"tuple\((.+)\) == (\(.*\))"), _keys),
    (re.compile(r"type\((.+)\) is (.+)"), _typed),
    (re.compile(r"('.*?'|\S+) not in (.+)"), _absent),
    (re.compile(r"(.+) is a (?:tuple|list|range)'s iterator (?:with |at )(.+?)(?: left)?"), _iterator),
    (re.compile(r"([^=<>]+?) == (-?[\d.]+(?:e[+-]?\d+)?|-?inf|nan|'.*'|\".*\"|\(.*\)|True|False)"), _constant),
    (re.compile(r"(.+?) is (.+)"), _object),
    (re.compile(r".*(?:==|<=?|>=?|!=).*"), _bound),
)
