"""Which things of two lists are the same ones: by a key and its n-th appearance, in an order that both lists share."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

__all__ = ["align"]

T = TypeVar("T")

#: So often a stretch between two pairs is searched again by the same key: n-th appearances count anew there.
AGAIN = 8

#: Lengths of the stretches that are looked for first: what repeats one by one rarely repeats with what follows.
WIDTHS = (16, 4, 1)


def align(left: Sequence[T], right: Sequence[T], *keys: Callable[[T], Hashable]) -> list[tuple[T | None, T | None]]:
    """Both lists as one list of pairs in order; None where a thing stands in one of them only.

    Things are paired by the first key, those left between two pairs by the next one. n log n for each key, so graphs of
    ten thousand nodes are aligned in well under a second.
    """
    return _aligned(list(left), list(right), keys, AGAIN)


def _aligned(
    left: list[Any], right: list[Any], keys: Sequence[Callable[[Any], Hashable]], again: int
) -> list[tuple[T | None, T | None]]:
    result: list[tuple[T | None, T | None]] = []
    if not left or not right or not keys:
        result += [(one, None) for one in left]
        result += [(None, one) for one in right]
        return result
    anchors = _ends_and_anchors(left, right, keys[0])
    rest, again = (keys, again - 1) if anchors and again else (keys[1:], AGAIN)
    i = j = 0
    for a, b in [*anchors, (len(left), len(right))]:
        result += _aligned(left[i:a], right[j:b], rest, again)
        if a < len(left) and b < len(right):
            result.append((left[a], right[b]))
        i, j = a + 1, b + 1
    return result


def _ends_and_anchors(left: list[T], right: list[T], key: Callable[[T], Hashable]) -> list[tuple[int, int]]:
    """Positions of equal keys: what both lists begin and end with, and the anchors between."""
    a, b = [key(item) for item in left], [key(item) for item in right]
    shorter = min(len(a), len(b))
    head = next((n for n in range(shorter) if a[n] != b[n]), shorter)
    tail = next((n for n in range(shorter - head) if a[-1 - n] != b[-1 - n]), shorter - head)
    middle = _anchors(a[head : len(a) - tail], b[head : len(b) - tail])
    return [
        *((n, n) for n in range(head)),
        *((i + head, j + head) for i, j in middle),
        *((len(a) - n, len(b) - n) for n in range(tail, 0, -1)),
    ]


def _anchors(left: list[Hashable], right: list[Hashable]) -> list[tuple[int, int]]:
    """Positions of equal keys: those whose surroundings stand once in each list, or else n-th appearances."""
    for width in WIDTHS:
        found = _uncrossed(_alone(left, width), _alone(right, width))
        if found:
            return found
    return _uncrossed(_numbered(left), _numbered(right))


def _alone(keys: list[Hashable], width: int) -> dict[Hashable, int]:
    """Stretches of `width` keys that stand once only, with their positions."""
    stretches = [tuple(keys[n : n + width]) for n in range(len(keys) - width + 1)]
    times = Counter(stretches)
    return {stretch: at for at, stretch in enumerate(stretches) if times[stretch] == 1}


def _uncrossed(left: dict[Hashable, int], right: dict[Hashable, int]) -> list[tuple[int, int]]:
    """Positions of what is in both: the longest run of pairs that cross no other."""
    pairs = [(index, right[name]) for name, index in left.items() if name in right]
    ends: list[int] = []  # by length of a run: the smallest right position that one of that length ends at
    holders: list[int] = []
    before: list[int] = []
    for number, (_, at) in enumerate(pairs):
        length = bisect_left(ends, at)
        before.append(holders[length - 1] if length else -1)
        if length == len(ends):
            ends.append(at)
            holders.append(number)
        else:
            ends[length], holders[length] = at, number
    run: list[tuple[int, int]] = []
    number = holders[-1] if holders else -1
    while number >= 0:
        run.append(pairs[number])
        number = before[number]
    return run[::-1]


def _numbered(keys: list[Hashable]) -> dict[Hashable, int]:
    seen: dict[Hashable, int] = defaultdict(int)
    found: dict[Hashable, int] = {}
    for at, name in enumerate(keys):
        found[name, seen[name]] = at
        seen[name] += 1
    return found
