"""Recordings as files: JSON Lines, compressed by suffix. Reading never runs anything and never trusts what it reads.

    {"tracer":"recording","schema":1,"versions":{…},"config":{…},"created":"…"}
    ["#","/home/me/model.py"]              the next entry of the file table
    ["@",0,41,8,41,20]                     the next entry of the location table: file, line, column, end line, column
    ["GuardInstalled",7,…,[0],…]           an event; its location is an index into that table
    ["=",0,38,["def f(x):",…]]             source lines: file, number of the first, their texts
    {"end":3910}                           how many events; missing where the file was cut short

A crash leaves a file that loads up to its last whole line. A damaged line elsewhere is an error, not a guess.
"""

from __future__ import annotations

import contextlib
import gzip
import linecache
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import IO, Any, Union

import msgspec

from tracer.errors import TracerError
from tracer.events import CLOSES, HEADER, KINDS, SCHEMA, Event, Instruction, Location, Outcome, SessionStarted
from tracer.journal.index import Journal

__all__ = ["Writer", "load", "save"]

_encode = msgspec.json.Encoder().encode
_plain: Callable[[bytes], Any] = msgspec.json.Decoder(Any).decode
_event = msgspec.json.Decoder(Union[tuple(kind.type for kind in KINDS.values())]).decode  # type: ignore[arg-type] # noqa: UP007
_LOCATION = HEADER.index("location") + 1  # behind the tag
_HIGHEST = 1 << 20  # more values than lie on any frame's stack
_AROUND = 3  # source lines kept around each line that an event names


# --- writing ----------------------------------------------------------------------------------------------------------


class Writer:
    """A recording being written: `write(events)` as often as wanted, then `close()`. Also a context manager."""

    def __init__(self, path: str | os.PathLike[str], header: Mapping[str, Any]):
        self.path = os.fspath(path)
        self._file: IO[bytes] = _open_for_writing(self.path)
        self._files: dict[str, int] = {}
        self._locations: dict[Location, int] = {}
        self._count = 0
        created = datetime.now(UTC).isoformat(timespec="seconds")
        self._put({"tracer": "recording", "schema": SCHEMA, "created": created, **header})

    def write(self, events: Iterable[Event]) -> None:
        """Appends events; they must go on where the last ones ended."""
        replace = msgspec.structs.replace
        for event in events:
            if event.location:
                event = replace(event, location=(self._located(event.location),))
            self._put(event)
            self._count += 1

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Adds the source lines that the events name, and the end mark."""
        if self._file.closed:
            return
        with self._file:
            for name, lines in _named_lines(self._locations).items():
                for first, texts in _runs(name, lines):
                    self._put(["=", self._files[name], first, texts])
            self._put({"end": self._count})

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def _located(self, location: Location) -> int:
        index = self._locations.get(location)
        if index is None:
            name = str(location[0])
            if name not in self._files:
                self._files[name] = len(self._files)
                self._put(["#", name])
            self._put(["@", self._files[name], *location[1:]])
            index = self._locations[location] = len(self._locations)
        return index

    def _put(self, row: Any) -> None:
        try:
            line = _encode(row)
        except UnicodeEncodeError:  # half a surrogate pair in a user's string
            line = _encode(_without_surrogates(msgspec.to_builtins(row)))
        self._file.write(line + b"\n")


def save(journal: Journal, path: str | os.PathLike[str]) -> None:
    """Writes all events of a journal. The file appears under its name only once it is whole."""
    path = os.fspath(path)
    partial = f"{path}.part.gz" if path.endswith(".gz") else f"{path}.part"
    try:
        with Writer(partial, journal.header or _header_of(journal.events)) as writer:
            writer.write(list(journal.events))
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        if not isinstance(error, OSError):
            raise
        raise TracerError(
            f"can't write the recording {path}: {error.strerror or error}.\n  next: save it somewhere else"
        ) from error


def _header_of(events: Iterable[Event]) -> dict[str, Any]:
    first = next(iter(events), None)
    if isinstance(first, SessionStarted):
        return {"versions": first.versions, "config": first.config}
    return {"versions": {}, "config": {}}


def _open_for_writing(path: str) -> IO[bytes]:
    return gzip.open(path, "wb", compresslevel=6) if path.endswith(".gz") else open(path, "wb")  # type: ignore[return-value]


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(member) for member in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(member) for key, member in value.items()}
    return value


def _named_lines(locations: Iterable[Location]) -> dict[str, set[int]]:
    named: dict[str, set[int]] = {}
    for location in locations:
        first = location[1] if len(location) > 1 else None
        last = location[3] if len(location) > 3 else None
        if isinstance(first, int) and first > 0:
            last = last if isinstance(last, int) and first <= last < first + 100 else first
            named.setdefault(str(location[0]), set()).update(range(max(1, first - _AROUND), last + _AROUND + 1))
    return named


def _runs(name: str, wanted: set[int]) -> list[tuple[int, list[str]]]:
    """The wanted lines that exist, as runs: (number of the first, texts)."""
    lines = linecache.getlines(name)
    runs: list[tuple[int, list[str]]] = []
    for number in sorted(wanted):
        if number > len(lines):
            break
        text = lines[number - 1].rstrip("\n")
        if runs and runs[-1][0] + len(runs[-1][1]) == number:
            runs[-1][1].append(text)
        else:
            runs.append((number, [text]))
    return runs


# --- reading ----------------------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> Journal:
    """Reads a recording. TracerError where it is none, is damaged, or is newer than this version."""
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise TracerError(
            f"can't read the recording {path}: {error.strerror or error}.\n  next: check the path"
        ) from error
    data, cut = _decompressed(path, data)
    return _Reader(path, data, cut).journal()


def _decompressed(path: str, data: bytes) -> tuple[bytes, bool]:
    """The text of a file, and whether its compressed form stops early. Compression is told by content, not by name."""
    if data[:2] != b"\x1f\x8b":
        return data, False
    parts = []
    while data:
        stream = zlib.decompressobj(wbits=31)
        try:
            parts.append(stream.decompress(data))
        except zlib.error as error:
            raise _damaged(path, "its compressed data is broken") from error
        if not stream.eof:
            return b"".join(parts), True
        data = stream.unused_data.lstrip(b"\0")
    return b"".join(parts), False


class _Reader:
    """One pass over the lines of a recording."""

    def __init__(self, path: str, data: bytes, cut: bool):
        self.path, self.cut, self.ended = path, cut, False
        data = data.rstrip(b"\0")  # a crash can leave a tail of zeros
        lines = data.split(b"\n")
        self.rest = lines.pop()  # what stands behind the last whole line
        self.lines = lines
        self.events: list[Event] = []
        self.files: list[str] = []
        self.locations: list[Location] = []
        self.sources: dict[str, dict[int, str]] = {}

    def journal(self) -> Journal:
        header = self._header()
        number = 1
        try:
            for line in self.lines[1:]:
                number += 1
                if self.ended:
                    raise ValueError("text behind the end mark")
                self._line(line)
            if not self.ended and self.rest[:1] == b"{":
                self._finish_cut_at_newline()
        except (
            msgspec.DecodeError,
            UnicodeDecodeError,
            ValueError,
            TypeError,
            IndexError,
            KeyError,
            RecursionError,
        ) as error:
            raise _damaged(self.path, f"line {number} can't be read ({error})") from error
        truncated = self.cut or not self.ended
        return Journal(self.events, header=header, truncated=truncated, sources=self.sources)

    def _header(self) -> dict[str, Any]:
        first = self.lines[0] if self.lines else self.rest
        try:
            header = _plain(first)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            header = None
        if not isinstance(header, dict) or header.get("tracer") != "recording":
            why = (
                "it is empty"
                if not first
                else "it is cut short within its first line"
                if first.startswith(b'{"tracer":"rec')
                else "it holds something else"
            )
            raise TracerError(
                f"{self.path} is not a recording of Tracer: {why}.\n  next: pass a file written by session.save(…)"
            )
        schema = header.get("schema")
        if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
            raise _damaged(self.path, "its header names no schema")
        if schema > SCHEMA:
            raise TracerError(
                f"{self.path} was written by a newer Tracer (schema {schema}; this one reads up to {SCHEMA}).\n"
                "  next: open it with that version, or update this one"
            )
        for part in ("versions", "config"):
            if not isinstance(header.setdefault(part, {}), dict):
                raise _damaged(self.path, f"its header's {part} can't be read")
        return header

    def _line(self, line: bytes) -> None:
        mark = line[:4]
        if mark == b'["@"':
            _, file, *rest = _plain(line)
            if len(rest) > 4 or not all(part is None or type(part) is int for part in rest):
                raise ValueError("not a location")
            self.locations.append((self.files[_index(file)], *rest))
        elif mark == b'["#"':
            _, name = _plain(line)
            self.files.append(_text(name))
        elif mark == b'["="':
            _, file, first, texts = _plain(line)
            known = self.sources.setdefault(self.files[_index(file)], {})
            known.update((number, _text(text)) for number, text in enumerate(texts, _index(first)))
        elif line[:1] == b"{":
            self._end(_plain(line))
        else:
            self._event(_event(line))

    def _event(self, event: Event) -> None:
        seq = len(self.events)
        if event.seq != seq or not -1 <= event.parent < seq:
            raise ValueError("events out of order")
        if isinstance(event, Outcome) and not (
            0 <= event.opens < seq and isinstance(self.events[event.opens], CLOSES[type(event)])
        ):
            raise ValueError(f"{type(event).__name__} closes nothing")
        if type(event) is Instruction and not 0 <= event.height < _HIGHEST:
            raise ValueError(f"a stack of {event.height} values")
        if event.location:
            (index,) = event.location
            msgspec.structs.force_setattr(event, "location", self.locations[_index(index)])
        self.events.append(event)

    def _end(self, mark: dict[str, Any]) -> None:
        if mark.get("end") != len(self.events):
            raise ValueError("events are missing")
        self.ended = True

    def _finish_cut_at_newline(self) -> None:
        """Only the very last line end is missing: the recording is whole."""
        try:
            self._end(_plain(self.rest))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return


def _index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not an index")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _damaged(path: str, what: str) -> TracerError:
    advice = "use another copy, or record again (a file that is only cut short does load)"
    return TracerError(f"{path} is damaged: {what}.\n  next: {advice}")
