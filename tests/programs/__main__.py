"""Runs the registered programs from the command line, each in a process of its own, so that a crash is one line too.

python -m tests.differential [--self | --reference] [-k PART] [--table] [--brief] [--here]
"""

from __future__ import annotations

import argparse
import os
import pickle
import signal
from typing import Any

from tests.differential import Counts, Reference, Untraced, run_program
from tests.programs import Program, all_programs

Report = tuple[str, list[str], tuple[int, int, int]]


def report(program: Program, mode: str) -> Report:
    """(verdict, what differs or is unexpected, (graphs, breaks, recompiles))"""
    compiler: Any = {"self": Untraced, "reference": Reference}.get(mode, lambda: None)()
    verdict, lines, counts = "same", [], Counts()
    try:
        _, counts = run_program(program, compiler)
    except Exception as error:
        verdict, lines = "DIFFERS", f"{type(error).__name__}: {error}".splitlines()
        counts = compiler.counts() if isinstance(compiler, Reference) else counts
    if isinstance(compiler, Reference):
        lines = [*program.expect.problems(counts), *lines]
    return verdict, lines, (counts.graphs, len(counts.breaks), counts.recompiles)


def in_a_fork(program: Program, mode: str) -> Report:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            with os.fdopen(write, "wb") as out:
                pickle.dump(report(program, mode), out)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as back:
        data = back.read()
    _, status = os.waitpid(child, 0)
    if not data:
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "without a word"
        return "CRASHED", [f"the process ended: {ended}"], (0, 0, 0)
    return pickle.loads(data)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__.splitlines()[0])
    parser.add_argument("--self", action="store_true", help="untraced twice: is each program deterministic?")
    parser.add_argument("--reference", action="store_true", help="against torch.compile(backend='eager')")
    parser.add_argument("--table", action="store_true", help="print every program, not only those that differ")
    parser.add_argument("--brief", action="store_true", help="at most three lines on each program")
    parser.add_argument("--here", action="store_true", help="all in this process, for a debugger")
    parser.add_argument("-k", default="", help="only programs whose name contains this")
    options = parser.parse_args()
    mode = "self" if options.self else "reference" if options.reference else "tracer"
    if mode == "tracer":
        import tracer

        tracer.compile
    failed = 0
    for program in all_programs():
        if options.k not in program.name:
            continue
        verdict, lines, took = (report if options.here else in_a_fork)(program, mode)
        failed += verdict != "same"
        if options.table or lines:
            print(f"{verdict:8}{program.name:55} graphs {took[0]} breaks {took[1]} recompiles {took[2]}")
            print("".join(f"    {line[:400]}\n" for line in lines[: 3 if options.brief else 40]), end="", flush=True)
    print(f"{failed} differ")
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
