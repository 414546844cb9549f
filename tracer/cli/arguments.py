"""The parser of the command line."""

from __future__ import annotations

import argparse
import ast
from typing import Any

__all__ = ["DYNAMIC", "parser", "setting"]

DYNAMIC = {"auto": None, "yes": True, "no": False}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="tracer", description="Trace PyTorch programs: which graphs are captured, where they break, and why."
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run", help="run a script with everything that it calls traced, then explain", description=_RUN
    )
    _program(run)
    run.add_argument("--max-breaks", type=int, metavar="N", help="exit with status 1 if there are more graph breaks")
    run.add_argument("--max-recompiles", type=int, metavar="N", help="exit with status 1 if there are more recompiles")
    run.add_argument("--quiet", action="store_true", help="don't print the explanation")
    run.add_argument(
        "--compare-breaks", action="store_true", help="say of each break whether the other compiler breaks there too: runs the calls again"
    )
    run.add_argument("--profile", action="store_true", help="print what the graphs' operators take, by module and line: runs the calls again")
    run.add_argument(
        "--check", action="store_true", help="compare with plain Python: runs the calls again, twice; exit status 1 if anything differs"
    )
    step = commands.add_parser("step", help="run a script under a pdb-like prompt", description=_STEP)
    _program(step)
    step.add_argument(
        "-c",
        dest="commands",
        action="append",
        default=[],
        metavar="COMMAND",
        help="give these commands to the prompt instead of reading them",
    )
    show = commands.add_parser(
        "show",
        help="print what a recording tells",
        description="Print the explanation of a recording, or one part of it.",
    )
    show.add_argument("recording", help="a file that --save or session.save wrote")
    part = show.add_mutually_exclusive_group()
    part.add_argument("--events", nargs="*", metavar="KIND", help="one line for each event, or for each of these kinds")
    part.add_argument("--graph", metavar="NAME", help="the nodes of one graph (graph_0, or 0)")
    part.add_argument("--guards", action="store_true", help="one line for each guard")
    part.add_argument("--profile", action="store_true", help="what the graphs' operators took, where they were run: by module and by line")
    part.add_argument("--json", action="store_true", help="all records as JSON")
    diff = commands.add_parser(
        "diff", help="compare two recordings", description="Exit status: 0 captured the same, 1 different, 2 trouble."
    )
    diff.add_argument("left", help="the recording before")
    diff.add_argument("right", help="the recording now")
    diff.add_argument("--json", action="store_true", help="the differences as JSON")
    export = commands.add_parser(
        "export",
        help="write a recording in another format",
        description="Write a page, a picture, a time line, … of a recording (docs/export.md). Prints the paths that were written.",
    )
    export.add_argument("recording", help="a file that --save or session.save wrote")
    export.add_argument("path", help="the file to write; its suffix names the format")
    export.add_argument("--format", metavar="NAME", help="the format, where the suffix doesn't name it")
    commands.add_parser(
        "doctor",
        help="what is installed, and what is missing",
        description="Versions, seams of the installed torch, devices and tools, and what each missing one costs. Exit status 2 where nothing can be traced.",
    )
    return made


_RUN = "Run a script as `python SCRIPT` would. Its own lines run as Python, what it calls is traced; the explanation follows on stdout."
_STEP = "Run a script and stop before the first traced instruction. `help` lists the commands; pdb's short names work."


def _program(command: argparse.ArgumentParser) -> None:
    command.add_argument("script", help="a Python file, or with -m a module")
    command.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="the script's own arguments, behind --")
    command.add_argument("-m", dest="module", action="store_true", help="SCRIPT is a module's name")
    command.add_argument(
        "--engine", choices=["tracer", "dynamo"], help="who captures the graphs: our compiler, or torch.compile"
    )
    command.add_argument("--backend", help="what turns a graph into a callable: eager, inductor, …")
    command.add_argument("--dynamic", choices=list(DYNAMIC), help="symbolic sizes: when they vary, always, never")
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting of TraceConfig"
    )
    command.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="TEXT",
        help="a decision to pin, such as 'eager scale at model.py:12'",
    )
    command.add_argument("--save", metavar="PATH", help="write the recording there; gzip where it ends in .gz")


def setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE; the value as Python writes it, or else as text."""
    name, equals, value = text.partition("=")
    if not equals:
        from tracer.errors import TracerError

        raise TracerError(f"--set {text!r} is no setting.", next="write NAME=VALUE, such as --set recompile_limit=4")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value
