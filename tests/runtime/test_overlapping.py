"""Threads that compile at once, sessions that are closed meanwhile, blocks of tasks that overlap without nesting."""

from __future__ import annotations

import asyncio
import threading

import torch

import tracer
from tracer.compat import evalframe as ef


def in_threads(works):
    """Run each in a thread of its own, all at once; what they raised."""
    raised, ready = [], threading.Barrier(len(works))

    def started(work):
        try:
            ready.wait()
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=started, args=(work,)) for work in works]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return raised


def test_eight_threads_compile_one_function_at_once():
    def f(x, n):
        with torch.no_grad():
            y = x * n
        print(end="")
        return y + x.sin()

    c = tracer.compile(f, backend="eager", recompile_limit=100)
    results = {}

    def work(i):
        x = torch.full((2 + i % 3,), float(i), requires_grad=i % 2 == 0)
        results[i] = [(c(x, k), f(x, k)) for k in range(4)]
        assert torch.is_grad_enabled() and ef.set_eval_frame(None) is None

    assert in_threads([lambda i=i: work(i) for i in range(8)]) == []
    for pairs in results.values():
        assert all(torch.equal(a, b) and a.requires_grad == b.requires_grad for a, b in pairs)
    assert len(results) == 8 and not c.session.hook._runs and not c.session.hook._lock._is_owned()


def test_a_session_is_closed_while_another_thread_compiles():
    compiling, closed = threading.Event(), threading.Event()

    def backend(gm, inputs):
        compiling.set()
        closed.wait(30)
        return gm.forward

    def f(x):
        y = x * 2
        print(end="")
        return y + 1

    c, results = tracer.compile(f, backend=backend), []
    thread = threading.Thread(target=lambda: results.append(c(torch.ones(2))))
    thread.start()
    assert compiling.wait(30)
    c.session.close()
    closed.set()
    thread.join()
    assert results[0].tolist() == [3.0, 3.0]
    assert not c.session.hook._runs and not c.session.hook._lock._is_owned() and not c.session.compiled[1:]


def test_blocks_of_tasks_that_overlap_without_nesting_trace_and_leave_no_hook_on():
    sessions = [tracer.Session(backend="eager") for _ in range(4)]

    def work(x, n):
        return (x * n).sin()

    async def task(session, number, waits):
        for _ in range(waits):
            await asyncio.sleep(0)
        with session.tracing():
            first = work(torch.ones(2), number)
            for _ in range(4 - waits):  # the others enter and leave theirs
                await asyncio.sleep(0)
            second = work(torch.ones(3), number)
        return first, second

    async def main():
        return await asyncio.gather(*(task(session, k, k) for k, session in enumerate(sessions)))

    for number, (first, second) in enumerate(asyncio.run(main())):
        assert torch.equal(first, work(torch.ones(2), number)) and torch.equal(second, work(torch.ones(3), number))
    assert ef.set_eval_frame(None) is None and all(not session.hook._runs for session in sessions)
    before = [len(session.compiled) for session in sessions]
    assert sum(before) > 0
    work(torch.ones(5), 7)
    assert [len(session.compiled) for session in sessions] == before


def test_a_task_that_is_cancelled_inside_its_block_leaves_no_hook_on():
    session = tracer.Session(backend="eager")

    async def task():
        with session.tracing():
            await asyncio.sleep(30)

    async def main():
        one, other = asyncio.create_task(task()), asyncio.create_task(task())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        assert ef.set_eval_frame(session.hook) is session.hook
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)

    asyncio.run(main())
    assert ef.set_eval_frame(None) is None and not session.hook._runs
