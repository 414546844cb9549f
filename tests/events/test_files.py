"""Recordings as files: the same after loading, small, and honest about what is wrong with them."""

import gzip
import json

import pytest

from tracer import events as ev
from tracer.errors import TracerError
from tracer.journal import Journal, Recorder, Writer, load
from tracer.journal.files import save


def program(instructions=50, path="/home/user/some/project/model.py"):
    """A recording of the usual mixture."""
    recorder = Recorder()
    recorder.begin(ev.SessionStarted, 0, 1, {"python": "3.11.7", "torch": "2.13.0"}, {"backend": "eager"})
    call = recorder.begin(ev.CallStarted, "forward", ("Tensor[4, 3]",))
    recorder.frame = "0/0"
    frame = recorder.begin(ev.FrameStarted, "forward", path, 40)
    attempt = recorder.begin(ev.AttemptStarted, "", (("x", 1),))
    for n in range(instructions):
        at = (path, 41 + n // 4, 8 + n % 4, 41 + n // 4, 20)
        recorder.where = lambda at=at: at
        recorder.instruction("LoadFast", "hidden_states", 3, (n, n + 1), at)
        if n % 5 == 0:
            build = recorder.begin(ev.BuildStarted, f"self.layers[{n}].weight", "torch.nn.parameter.Parameter")
            recorder.point(
                ev.GuardInstalled, f"self.layers[{n}].weight", "TENSOR_MATCH", "float32 [64, 64] on cpu, requires grad"
            )
            recorder.end(ev.VariableBuilt, build, "parameter", (("constant", "not a constant"),), n + 1)
            recorder.point(
                ev.Summary,
                n + 1,
                "tensor",
                f"weight_{n}",
                "Parameter",
                (64, "s0"),
                "float32",
                f"self.layers[{n}].weight",
            )
        if n % 7 == 0:
            recorder.point(ev.NodeCreated, "graph_0", f"linear_{n}", "call_function", "torch.nn.functional.linear", f"(%x, %weight_{n})", (4, 64), "float32", "cpu", f"layers.{n}.attn", ("x",))  # fmt: skip
    recorder.end(ev.AttemptEnded, attempt, "kept")
    recorder.end(ev.FrameFinished, frame, "compiled", "graph_0")
    recorder.end(ev.CallFinished, call, "returned")
    return recorder.events


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
def test_round_trip(tmp_path, name):
    events = program()
    Journal(events).save(tmp_path / name)
    journal = load(tmp_path / name)
    assert list(journal.events) == list(events) and not journal.truncated
    assert journal.header["config"] == {"backend": "eager"} and journal.header["versions"]["torch"] == "2.13.0"
    again = tmp_path / f"again-{name}"
    journal.save(again)
    assert load(again).events == journal.events
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, again.name])


def test_compression_is_told_by_content(tmp_path):
    Journal(program()).save(tmp_path / "run.gz")
    (tmp_path / "run.gz").rename(tmp_path / "run.json")
    assert (tmp_path / "run.json").read_bytes()[:2] == b"\x1f\x8b" and len(load(tmp_path / "run.json")) > 0


def test_an_event_takes_no_more_than_250_bytes(tmp_path):
    events = program(5000)
    Journal(events).save(tmp_path / "run.jsonl")
    size = (tmp_path / "run.jsonl").stat().st_size
    assert size / len(events) < 150
    Journal(events).save(tmp_path / "run.gz")
    assert (tmp_path / "run.gz").stat().st_size < size / 4


def test_source_lines_come_along(tmp_path):
    model = tmp_path / "model.py"
    model.write_text("".join(f"line {n}\n" for n in range(1, 101)))
    Journal(program(8, str(model))).save(tmp_path / "run.jsonl")
    model.unlink()
    lines = load(tmp_path / "run.jsonl").sources[str(model)]
    assert lines[41] == "line 41" and min(lines) == 38 and max(lines) == 45


def test_a_file_cut_at_any_byte_loads_up_to_its_last_whole_line(tmp_path):
    events = program()
    path = tmp_path / "run.jsonl"
    Journal(events).save(path)
    data = path.read_bytes()
    for size in range(len(data) - 1024, len(data) + 1):
        path.write_bytes(data[:size])
        journal = load(path)
        assert list(journal.events) == list(events[: len(journal)])
        assert journal.truncated == (size < len(data) - 1)  # without the very last newline it is whole
        whole = data[:size].count(b"\n[") - data[:size].count(b'\n["@') - data[:size].count(b'\n["#')
        assert len(journal) >= whole - 1


def test_a_compressed_file_cut_short_loads_what_is_there(tmp_path):
    events = program(500)
    path = tmp_path / "run.gz"
    Journal(events).save(path)
    data = path.read_bytes()
    for size in range(len(data) - 1024, len(data), 16):
        path.write_bytes(data[:size])
        journal = load(path)
        assert (
            journal.truncated
            and 0 < len(journal) <= len(events)
            and list(journal.events) == list(events[: len(journal)])
        )


def test_a_crash_while_writing_loses_nothing_that_was_flushed(tmp_path):
    events = program()
    writer = Writer(tmp_path / "run.jsonl", {"versions": {}, "config": {}})
    writer.write(events[:30])
    writer.flush()
    journal = load(tmp_path / "run.jsonl")
    assert journal.truncated and list(journal.events) == list(events[:30])
    with pytest.raises(RuntimeError), writer:
        raise RuntimeError
    assert load(tmp_path / "run.jsonl").truncated
    (tmp_path / "run.jsonl").write_bytes((tmp_path / "run.jsonl").read_bytes() + bytes(100))
    assert load(tmp_path / "run.jsonl").truncated


HEADER = b'{"tracer":"recording","schema":1}\n'
EVENT = b'["Output",0,0,0,0,"",0,0,-1,[],"stdout","x"]\n'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b'{"tracer":"rec', "cut short within its first line"),
        (b"hello\n", "something else"),
        (b"PK\x03\x04\x00\x00", "something else"),
        (b"[1,2]\n", "something else"),
        (b'{"cells":[]}\n', "something else"),
        (b"[" * 100_000, "something else"),
        (b'{"tracer":"recording","schema":"x"}\n', "names no schema"),
        (b'{"tracer":"recording","schema":99}\n', "newer Tracer (schema 99; this one reads up to"),
        (b'{"tracer":"recording","schema":1,"config":3}\n', "config can't be read"),
        (HEADER + EVENT + b"nonsense\n" + EVENT, "line 3 can't be read"),
        (HEADER + EVENT + EVENT, "out of order"),
        (HEADER + b'["Instruction",0,0,0,0,"",0,0,-1,[],"LoadConst","1",' + b"9" * 40 + b",[]]\n", "line 2 can't be read"),
        (HEADER + EVENT.replace(b"-1", b"0"), "out of order"),
        (HEADER + EVENT.replace(b"[]", b"[0]"), "line 2"),
        (HEADER + EVENT.replace(b"[]", b'["a",1]'), "line 2"),
        (HEADER + EVENT.replace(b"Output", b"Outputs"), "line 2"),
        (HEADER + b'["CallFinished",0,0,0,0,"",0,0,-1,[],0,"returned"]\n', "closes nothing"),
        (HEADER + EVENT + b'["CallFinished",1,0,0,0,"",0,0,-1,[],0,"returned"]\n', "closes nothing"),
        (HEADER + b'["@",0,1,1,1,1]\n', "line 2"),
        (HEADER + b'["#",3]\n', "line 2"),
        (HEADER + b'["#","a"]\n["@",0,"x"]\n', "line 3"),
        (HEADER + b'["#","a"]\n["=",0,"x",[]]\n', "line 3"),
        (HEADER + b'["=",-1,1,[]]\n', "line 2"),
        (HEADER + b'["Output",' + b"[" * 100_000 + b"\n", "line 2"),
        (HEADER + b'{"end":5}\n', "events are missing"),
        (HEADER + b'{"end":0}\n' + EVENT, "behind the end"),
        (HEADER + b"\xff\xfe\n", "line 2"),
        (gzip.compress(HEADER + EVENT, mtime=0)[:20] + b"\0" * 30, "compressed data is broken"),
    ],
)  # fmt: skip
def test_foreign_newer_and_damaged_files_get_one_clear_error(tmp_path, data, message):
    path = tmp_path / "run.jsonl"
    path.write_bytes(data)
    with pytest.raises(TracerError) as caught:
        load(path)
    assert message in str(caught.value) and str(path) in str(caught.value) and "\n  next: " in str(caught.value)


def test_missing_and_unwritable_paths(tmp_path):
    with pytest.raises(TracerError, match="No such file"):
        load(tmp_path / "none.jsonl")
    with pytest.raises(TracerError, match="can't read"):
        load(tmp_path)
    with pytest.raises(TracerError, match="can't write"):
        save(Journal(program()), tmp_path / "none" / "run.jsonl")


def test_half_a_surrogate_pair_is_written_as_an_escape(tmp_path):
    recorder = Recorder()
    recorder.where = lambda: ("odd\udc80.py", 1, 0, 1, 1)
    recorder.point(ev.Output, "stdout", "a\ud800b\u2028")
    Journal(recorder.events).save(tmp_path / "run.jsonl")
    journal = load(tmp_path / "run.jsonl")
    assert journal.events[0].text == "a\\ud800b\u2028" and journal.events[0].location[0] == "odd\\udc80.py"


def test_every_line_is_json(tmp_path):
    Journal(program()).save(tmp_path / "run.jsonl")
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[0]["tracer"] == "recording" and rows[0]["schema"] == ev.SCHEMA and rows[-1] == {"end": len(program())}
