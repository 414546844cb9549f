"""The command line, mostly in this process: what is printed where, and the exit status."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time

import pytest

from tracer.cli import main
from tracer.cli.progress import progress

BROKEN = """
import sys
import torch

def f(x):
    y = x * 2
    print("between")
    return y + 1

print("args", sys.argv[1:], __name__)
for n in (3, 4):
    f(torch.ones(n))
"""
WHOLE = BROKEN.replace('    print("between")\n', "")


@pytest.fixture
def script(tmp_path):
    def make(text, name="script.py"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return make


def test_run_explains_what_a_script_does(script, capsys):
    assert main(["run", script(BROKEN), "--", "one", "--two"]) == 0
    out, err = capsys.readouterr()
    assert (
        out.startswith("args ['one', '--two'] __main__\nbetween\nbetween\n")
        and "Graph break" in out
        and "print-call" not in err
    )
    assert err == ""


def test_limits_are_exit_statuses(script, capsys):
    assert main(["run", script(BROKEN), "--quiet", "--max-breaks", "0"]) == 1
    out, err = capsys.readouterr()
    assert "graph breaks, 0 allowed" in err and "Graph break" not in out
    assert main(["run", script(WHOLE), "--quiet", "--max-breaks", "0"]) == 0
    assert main(["run", script(WHOLE), "--quiet", "--max-recompiles", "0"]) == 1
    assert main(["run", script(WHOLE), "--quiet", "--dynamic", "yes", "--max-recompiles", "0"]) == 0


def test_a_scripts_own_end(script, capsys):
    assert main(["run", script("import sys\nsys.exit(7)"), "--quiet"]) == 7
    assert main(["run", script("raise SystemExit('said')"), "--quiet"]) == 1
    assert main(["run", script("def f():\n    raise ValueError('mine')\nf()\n"), "--quiet"]) == 1
    err = capsys.readouterr().err
    assert "said" in err and "ValueError: mine" in err and "scripts.py" not in err and "session.py" not in err
    assert err.count("File ") == 2


def test_names_of_the_script_are_as_pythons(script, capsys, tmp_path):
    script("value = 41\n", "beside.py")
    assert (
        main(["run", script("import beside, __main__\nprint(beside.value, __main__.__file__ == __file__)"), "--quiet"])
        == 0
    )
    assert capsys.readouterr().out == "41 True\n"
    main_module, argv = sys.modules["__main__"], sys.argv
    main(["run", script("pass"), "--quiet"])
    assert sys.modules["__main__"] is main_module and sys.argv is argv


def test_a_script_has_only_the_future_that_it_asks_for(script, capsys):
    assert main(["run", script("def f(a: int): pass\nprint(f.__annotations__)"), "--quiet"]) == 0
    assert capsys.readouterr().out == "{'a': <class 'int'>}\n"


def test_modules(script, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    script("print('module', __name__, __spec__.name)", "runnable.py")
    assert main(["run", "-m", "runnable", "--quiet"]) == 0
    assert capsys.readouterr().out == "module __main__ runnable\n"
    assert main(["run", "-m", "no_such_module"]) == 2
    assert "no_such_module" in capsys.readouterr().err


def test_what_cannot_be_run(script, capsys, tmp_path):
    assert main(["run", str(tmp_path / "none.py")]) == 2
    assert main(["run", script("def f(:")]) == 2
    assert main(["run", script("pass"), "--backend", "nonsense"]) == 2
    assert main(["run", script("pass"), "--set", "recompile_limt=3"]) == 2
    assert main(["run", script("pass"), "--set", "recompile_limit"]) == 2
    assert main(["run", script("pass"), "--override", "egaer at x.py:1"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err and err.count("tracer: ") == 6 and "did you mean: recompile_limit" in err
    with pytest.raises(SystemExit) as caught:
        main(["run"])
    assert caught.value.code == 2


def test_show_and_diff(script, capsys, tmp_path):
    one, two = str(tmp_path / "one.jsonl.gz"), str(tmp_path / "two.jsonl")
    main(["run", script(BROKEN), "--quiet", "--save", one])
    main(["run", script(WHOLE), "--quiet", "--save", two])
    capsys.readouterr()
    assert main(["show", one]) == 0 and "Graph break" in capsys.readouterr().out
    assert main(["show", one, "--events", "GraphBreak", "NodeCreated"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines and all("GraphBreak" in line or "NodeCreated" in line for line in lines)
    assert main(["show", one, "--events"]) == 0 and "Instruction" in capsys.readouterr().out
    assert main(["show", one, "--graph", "0"]) == 0 and "%mul = mul(l_x_, 2) : float32 3" in capsys.readouterr().out
    assert main(["show", one, "--guards"]) == 0 and "TENSOR_MATCH" in capsys.readouterr().out
    assert (
        main(["show", one, "--json"]) == 0
        and json.loads(capsys.readouterr().out)["graph_breaks"][0]["reason"] == "print-call"
    )
    assert main(["show", one, "--graph", "9"]) == 2 and "known: graph_0" in capsys.readouterr().err
    assert main(["show", one, "--events", "Nonsense"]) == 2
    assert main(["diff", one, one]) == 0
    assert main(["diff", one, two]) == 1 and "Graph breaks" in capsys.readouterr().out
    assert main(["diff", one, two, "--json"]) == 1 and json.loads(capsys.readouterr().out)["breaks"]["lost"]
    assert main(["diff", one, str(tmp_path / "none")]) == 2


def test_damaged_recordings_are_one_clear_error(script, capsys, tmp_path):
    path = tmp_path / "run.jsonl"
    main(["run", script(WHOLE), "--quiet", "--save", str(path)])
    whole = path.read_bytes()
    for data in (
        b"",
        b"\x00\x01",
        b"{}\n",
        b'{"tracer":"recording","schema":99}\n',
        b"hello\n",
        *(whole[:-cut] for cut in range(2, 1024)),
    ):
        path.write_bytes(data)
        status = main(["show", str(path)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err + out
        assert (status == 2 and err.startswith("tracer: ")) or (status == 0 and "cut short" in out)
    path.write_bytes(whole[:-300])
    main(["diff", str(path), str(path)])
    assert f"{path} is cut short" in capsys.readouterr().err
    path.write_bytes(b"hello\n")
    (tmp_path / "good.jsonl").write_bytes(whole)
    for pair in ((path, tmp_path / "good.jsonl"), (tmp_path / "good.jsonl", path)):
        assert main(["diff", *map(str, pair)]) == 2
        out, err = capsys.readouterr()
        assert not out and err.startswith("tracer: ") and str(path) in err and "Traceback" not in err


def test_the_prompt(script, capsys):
    path = script(WHOLE)
    commands = ["where", "b NodeCreated", "c", "p y", "locals", "stack", "graph", "guards", "list", "back", "forward", "seek 3", "tbreak target=add", "b", "ignore 1 5",
                "condition 1 event.depth > 90", "c", "unt 8", "cl", "nonsense", "until nonsense", "c", "into", "explain", "q"]  # fmt: skip
    argv = ["step", path]
    for command in commands:
        argv += ["-c", command]
    assert main(argv) == 0
    out = capsys.readouterr().out
    for text in (
        "Instruction LoadFast x", "NodeCreated mul", "x = l_x_ float32[3] from x", "%mul = mul(l_x_, 2) : float32[3]", "TENSOR_MATCH", "->", "(breakpoint 1)",
        "<Breakpoint 2: target add, temporary, 0 hits>", "there is no command 'nonsense'", "'nonsense' is no term", "--the call has ended--", "the call has ended: q leaves",
        "args [] __main__",
    ):  # fmt: skip
        assert text in out, text
    assert "Traceback" not in out


CALLS = """
import torch

def scaled(x, n):
    y = x * n
    return y

def f(x):
    rows = x.shape[0]
    z = scaled(x, rows + 1)
    return z.relu()

f(torch.ones(3, 2))
"""


def test_the_prompt_goes_by_lines_and_through_frames(script, capsys):
    argv = ["step", script(CALLS)]
    for command in ("display rows", "n", "s", "p x.shape", "p x.dtype", "p n + 1", "u", "p rows", "p rows * 2", "w", "u", "d", "d", "n", "p y", "r", "undisplay rows", "q"):
        argv += ["-c", command]
    assert main(argv) == 0
    out = capsys.readouterr().out
    told = ["-> rows = x.shape[0]", "display rows: *** NameError", "-> z = scaled(x, rows + 1)", "display rows: 3", "-> y = x * n", "(3, 2)", "'float32'", "5", "f", "3", "6",
            "*** oldest frame", "*** newest frame", "-> return y"]  # fmt: skip
    at = 0
    for text in told:
        at = out.find(text, at)
        assert at >= 0, (text, out)
    assert "Traceback" not in out


def test_what_is_typed_wrongly_is_said_and_the_prompt_goes_on(script, capsys):
    argv = ["step", script(WHOLE)]
    for command in ("b NodeCreated", "condition 1 (", 'b "', "help n", "h", "seek x", "p 1 +", "p 6 * 7", "q"):
        argv += ["-c", command]
    assert main(argv) == 0
    out = capsys.readouterr().out
    for text in (
        "*** SyntaxError",
        "*** ValueError: No closing quotation",
        "n(ext), line: to the next line",
        "'x' is no number",
        "42",
    ):
        assert text in out, text


def test_what_stdout_cannot_hold_is_escaped(script, capsys, tmp_path, monkeypatch):
    path = str(tmp_path / "run.jsonl")
    main(["run", script(BROKEN), "--quiet", "--save", path])
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    assert main(["show", path]) == 0
    ascii_only.flush()
    assert b"Graph break" in ascii_only.buffer.getvalue() and b"\\xb7" in ascii_only.buffer.getvalue()


def test_a_closed_pipe_is_no_traceback(script, tmp_path):
    path = str(tmp_path / "run.jsonl")
    main(["run", script(BROKEN), "--quiet", "--save", path])
    done = subprocess.run(f"{sys.executable} -m tracer show {path} --events | true; exit ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash",
                          capture_output=True, text=True, timeout=100)  # fmt: skip
    assert done.stderr == "" and done.returncode in (0, 2)


def test_the_prompt_reads_stdin_and_gives_up_at_its_end(script):
    done = subprocess.run(
        [sys.executable, "-m", "tracer", "step", script(WHOLE)],
        input="s\n\nw\n",
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0 and done.stdout.count("(tracer) ") == 4 and "Traceback" not in done.stderr, done.stderr


def test_help_is_complete(capsys):
    for argv in (["--help"], ["run", "--help"], ["step", "--help"], ["show", "--help"], ["diff", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("--max-breaks", "--events", "Exit status", "pdb-like"))


def test_progress_is_for_long_traces_only():
    class Slow:
        recorder = type("R", (), {"events": []})

    out = io.StringIO()
    with progress(Slow, stream=out, quiet=5):
        pass
    assert out.getvalue() == ""
    with progress(Slow, stream=out, quiet=0.01):
        time.sleep(0.1)
    assert out.getvalue() == "tracer: 0 events\n"


def test_a_limit_is_not_passed_by_capturing_nothing(script, capsys):
    idle = script("import torch\ndef f(n):\n    return n + 1\nf(1)\n")
    assert main(["run", idle, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    for limit in ("--max-breaks", "--max-recompiles"):
        assert main(["run", idle, "--quiet", limit, "5"]) == 1
        out, err = capsys.readouterr()
        assert err.startswith("tracer: nothing was captured, which passes no limit. No function was called that can become a graph")


def test_fullgraph_is_told_as_the_programs_break(script, capsys):
    path = script("import torch\ndef f(x):\n    if x.sum() > 0:\n        x = x + 1\n    return x\nf(torch.ones(3))\n")
    assert main(["run", path, "--set", "fullgraph=True", "--max-breaks", "0"]) == 1
    out, err = capsys.readouterr()
    assert "1 graph break" in out and "What to do" in out and "internal fault" not in out and "1 call refused" in out
    assert "FullGraphError" in err and "What to do" in err


@pytest.mark.parametrize("order", ["SCRIPT --backend eager -- --own 3", "--backend eager SCRIPT -- --own 3", "SCRIPT -- --own 3"])
def test_a_scripts_own_arguments_stand_behind_two_dashes(order, tmp_path, capsys) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('given', sys.argv[1:])\n")
    assert main(["run", *(str(script) if part == "SCRIPT" else part for part in order.split())]) == 0
    assert "given ['--own', '3']" in capsys.readouterr().out


def test_two_dashes_where_nothing_is_taken_are_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--", "more"])
    assert "doctor takes nothing behind --" in capsys.readouterr().err
