"""The command line: `python -m tracer run | step | show | diff | export | doctor`.

- `arguments`: the parser; `scripts`: running a program as Python would; `progress`: a line on stderr while that takes long
- `profile`: what operators take, as tables
- `prompt`: the pdb-like prompt of `step`; `doctor`: what is installed
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from tracer.cli.arguments import parser
from tracer.errors import TracerError

__all__ = ["main"]

#: Exit statuses of our own: a limit was passed or two recordings differ; something went wrong before that could be said.
DIFFERENT, TROUBLE = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. SystemExit as argparse raises it for bad arguments and for --help."""
    given = list(sys.argv[1:] if argv is None else argv)
    own = given.index("--") if "--" in given else len(given)  # wherever options stand, what is behind it is the script's
    options = parser().parse_args(given[:own])
    if given[own + 1 :]:
        if not hasattr(options, "arguments"):
            parser().error(f"{options.command} takes nothing behind --")
        options.arguments += given[own + 1 :]
    try:
        return int(COMMANDS[options.command](options))
    except TracerError as error:
        print(f"tracer: {error}", file=sys.stderr)
        return TROUBLE
    except BrokenPipeError:  # `… | head`: what Python flushes at its end must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return TROUBLE


def _say(text: Any) -> None:
    """Print; what stdout's encoding can't hold is escaped rather than an error."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(str(text).encode(encoding, "backslashreplace").decode(encoding))


def _settings(options: Any) -> dict[str, Any]:
    from tracer.cli.arguments import DYNAMIC, setting

    settings = dict(setting(text) for text in options.set)
    if options.engine:
        settings["engine"] = options.engine
    if options.backend:
        settings["backend"] = options.backend
    if options.dynamic:
        settings["dynamic"] = DYNAMIC[options.dynamic]
    return settings


def _session(preset: str, options: Any) -> Any:
    from tracer import Session

    return Session(preset, overrides=tuple(options.override), **_settings(options))


def run(options: Any) -> int:
    """Trace every call that a program reaches, then say what happened."""
    from tracer.cli.profile import profiled, tables
    from tracer.cli.progress import progress
    from tracer.cli.scripts import Program

    program = Program(options.script, options.arguments, module=options.module)
    session = _session("trace", options)
    with progress(session):
        status = program.run(session.tracing)
    if options.compare_breaks:
        session.compare_breaks()
    runs = profiled(session) if options.profile else []
    if options.save:
        session.save(options.save)
    if not options.quiet:
        sys.stdout.flush()
        _say(session.explain())
    if runs:
        _say(tables(runs))
    return status or max(_checked(session) if options.check else 0, _over_limits(session, options))


def _checked(session: Any) -> int:
    if session.why_nothing:
        print(f"tracer: nothing was captured, so there is nothing to check. {session.why_nothing}", file=sys.stderr)
        return DIFFERENT
    found = session.check()
    _say(found)
    return 0 if found.ok else DIFFERENT


def _over_limits(session: Any, options: Any) -> int:
    found = 0
    asked = options.max_breaks is not None or options.max_recompiles is not None
    if asked and (why := session.why_nothing):
        print(f"tracer: nothing was captured, which passes no limit. {why}", file=sys.stderr)
        found = DIFFERENT
    for name, most, have in (
        ("graph breaks", options.max_breaks, len(session.graph_breaks)),
        ("recompiles", options.max_recompiles, len(session.recompiles)),
    ):
        if most is not None and have > most:
            print(f"tracer: {have} {name}, {most} allowed", file=sys.stderr)
            found = DIFFERENT
    return found


def step(options: Any) -> int:
    """The same under a prompt that stops the program wherever one wants."""
    from tracer.cli.prompt import Prompt
    from tracer.cli.scripts import Program
    from tracer.control import Stepper

    program = Program(options.script, options.arguments, module=options.module)
    session = _session("step", options)
    status: list[int] = []
    stepper = Stepper(session, lambda: status.append(program.run(session.tracing)))
    prompt = Prompt(stepper, session)
    for line in options.commands:
        if prompt.onecmd(line):
            break
    else:
        prompt.cmdloop()
    if options.save:
        session.save(options.save)
    return status[0] if status else 0


def show(options: Any) -> int:
    """What a recording tells, without its program."""
    from tracer.events import kind_of
    from tracer.recording import load

    recording = load(options.recording)
    if options.json:
        from tracer.export.data import plain

        print(json.dumps(plain(recording), indent=1))
    elif options.events is not None:
        wanted = _kinds(options.events)
        for event in recording.events:
            if not wanted or kind_of(event) in wanted:
                _say(_line(event))
    elif options.graph:
        _say(_graph(recording, options.graph))
    elif options.profile:
        from tracer.cli.profile import tables

        _say(tables(recording.runs))
    elif options.guards:
        for guard in recording.guards:
            _say(f"{guard.frame:8} {guard.kind:20} {guard.expression}")
    else:
        _say(recording.explain())
    return 0


def diff(options: Any) -> int:
    """What changed from one recording to another: 0 where they captured the same, 1 where not."""
    from tracer.recording import load

    left, right = load(options.left), load(options.right)
    for recording in (left, right):
        if recording.truncated:
            print(f"tracer: {recording.path} is cut short: only what it holds is compared", file=sys.stderr)
    found = left.diff(right)
    if options.json:
        print(json.dumps(found.plain(), indent=1, default=str))
    else:
        _say(found)
    return 0 if found.same else DIFFERENT


def _kinds(names: Sequence[str]) -> set[str]:
    from tracer.control.stops import Terms

    return set(Terms(names).kind or ()) if names else set()


def _line(event: Any) -> str:
    """One event as one line: number, kind, place, and what it says."""
    from tracer.events import HEADER, kind_of
    from tracer.explain import clean

    place = f"{event.location[0]}:{event.location[1]}" if event.location else ""
    fields = event.__struct_fields__[len(HEADER) :]
    said = " ".join(f"{name}={getattr(event, name)!r}" for name in fields if getattr(event, name) not in ("", (), None))
    return clean(
        " ".join(filter(None, (f"{event.seq:7}", "  " * event.depth + kind_of(event), place, said))).replace(
            "\n", "\\n"
        )
    )


def _graph(recording: Any, name: str) -> str:
    from tracer.export.figure import shape_text

    graph = next((one for one in recording.graphs if one.name == name or one.name == f"graph_{name}"), None)
    if graph is None:
        known = ", ".join(one.name for one in recording.graphs) or "none"
        raise TracerError(f"there is no graph {name!r} in {recording.path}.", next=f"known: {known}")
    lines = [f"{graph.name} · {graph.op_count} ops · frame {graph.frame}"]
    for node in graph.nodes:
        kind = " ".join(filter(None, (node.dtype, shape_text(node.shape))))
        place = f"   # {node.location}" if node.location else ""
        lines.append(f"  %{node.name} = {node.target}({node.args})" + (f" : {kind}" if kind else "") + place)
    return "\n".join(lines)


def export(options: Any) -> int:
    """A recording in another format."""
    from tracer.recording import load

    for path in load(options.recording).export(options.path, options.format):
        print(path)
    return 0


def doctor(options: Any) -> int:
    """What is installed here, and what each thing that is missing costs."""
    from tracer.cli.doctor import examine

    status = 0
    for row in examine():
        _say(f"{row.what:24} {row.found}")
        if row.lost:
            _say(f"{'':24}   {'cannot work' if row.fatal else 'costs'}: {row.lost}")
        status = TROUBLE if row.fatal else status
    return status


COMMANDS = {"run": run, "step": step, "show": show, "diff": diff, "export": export, "doctor": doctor}
