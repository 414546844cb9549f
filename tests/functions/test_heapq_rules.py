"""heapq and bisect: the same results, the same lists."""

import bisect
import heapq

from torch import randn

from tests.functions.test_lists import errors, trace


def test_heaps():
    def program(x, values):
        heapq.heapify(values)
        seen = [list(values)]
        heapq.heappush(values, 2)
        seen.append(list(values))
        popped = heapq.heappop(values), heapq.heapreplace(values, 9), heapq.heappushpop(values, 0), heapq.heappushpop(values, 7)
        return x + 1, values, seen, popped, heapq.nlargest(2, values), heapq.nsmallest(3, values, key=lambda v: -v), errors(lambda: heapq.heappop([]))

    trace(program, lambda: (randn(3), [5, 3, 8, 1, 9, 2, 7, 1]))


def test_a_queue_of_pairs():
    def program(x, work):
        queue = []
        for cost, name in work:
            heapq.heappush(queue, (cost, name, len(queue)))
        return x + 1, [heapq.heappop(queue)[1] for _ in range(len(queue))], list(heapq.merge([1, 4], [2, 3]))

    trace(program, lambda: (randn(3), [(3, "c"), (1, "a"), (2, "b"), (1, "z")]))


def test_bisect():
    def program(x, values):
        where = bisect.bisect(values, 3), bisect.bisect_left(values, 3), bisect.bisect_right(values, 3, 1, 2), bisect.bisect_left(values, -2, key=lambda v: -v)
        bisect.insort(values, 4)
        bisect.insort_left(values, 3)
        return x + 1, where, values, errors(lambda: bisect.bisect([1], 1, -1), lambda: bisect.bisect([1], "a"))

    trace(program, lambda: (randn(3), [1, 3, 3, 5]))
