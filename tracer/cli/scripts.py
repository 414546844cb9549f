"""Running a program as `python SCRIPT` and `python -m MODULE` do: as `__main__`, with its own arguments and search path."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tracer.errors import TracerError

__all__ = ["Program"]


class Program:
    """One script or module, read and compiled but not run yet. TracerError where it can't be found or read."""

    def __init__(self, script: str, arguments: Sequence[str] = (), *, module: bool = False):
        self.arguments = list(arguments)
        self.spec: importlib.machinery.ModuleSpec | None = None
        if module:
            self.path, self.code, self.first = self._module(script)
        else:
            self.path, self.code, self.first = script, self._script(script), os.path.dirname(os.path.abspath(script))

    def _script(self, path: str) -> types.CodeType:
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError as error:
            raise TracerError(
                f"can't read {path}: {error.strerror}.", next="give the path of a Python file, or -m MODULE"
            ) from None
        return self._compiled(source, path)

    def _module(self, name: str) -> tuple[str, types.CodeType, str]:
        here = os.getcwd()
        if here not in sys.path:
            sys.path.insert(0, here)
        try:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.submodule_search_locations is not None:
                spec = importlib.util.find_spec(f"{name}.__main__")
        except (ImportError, ValueError) as error:
            raise TracerError(
                f"can't find module {name}: {error}.", next="give the name of a module that Python can import"
            ) from None
        loader: Any = spec.loader if spec is not None else None
        if spec is None or loader is None or not hasattr(loader, "get_source") or spec.origin is None:
            raise TracerError(
                f"there is no module {name} that can be run.", next="give the name of a module with source"
            )
        self.spec = spec
        return spec.origin, self._compiled(loader.get_source(spec.name), spec.origin), here

    @staticmethod
    def _compiled(source: str | bytes, path: str) -> types.CodeType:
        try:
            return compile(source, path, "exec", dont_inherit=True)  # not our own `from __future__`
        except (SyntaxError, ValueError) as error:
            raise TracerError(f"{path} can't be compiled: {error}") from None

    def run(self, tracing: Callable[[str], Any]) -> int:
        """Run it inside `tracing(name)`; the exit status that Python would have. Errors are printed as Python prints them, from
        the program's own first line on."""
        with self._as_main() as namespace:
            try:
                with tracing(os.path.basename(self.path)):
                    exec(self.code, namespace)
            except SystemExit as stop:
                return _status(stop.code)
            except KeyboardInterrupt as error:
                self._print(error)
                return 130
            except Exception as error:
                self._print(error)
                return 1
        return 0

    @contextlib.contextmanager
    def _as_main(self) -> Iterator[dict[str, Any]]:
        main = types.ModuleType("__main__")
        package = self.spec.parent if self.spec else None
        main.__dict__.update(
            {"__file__": self.path, "__builtins__": __builtins__, "__spec__": self.spec, "__package__": package}
        )
        kept = sys.modules.get("__main__"), sys.argv, list(sys.path)
        sys.modules["__main__"], sys.argv = main, [self.path, *self.arguments]
        sys.path[:1] = [self.first]
        try:
            yield main.__dict__
        finally:
            if kept[0] is not None:
                sys.modules["__main__"] = kept[0]
            sys.argv, sys.path[:] = kept[1], kept[2]

    def _print(self, error: BaseException) -> None:
        start = error.__traceback__
        while start is not None and start.tb_frame.f_code is not self.code:
            start = start.tb_next
        traceback.print_exception(type(error), error, start or error.__traceback__)


def _status(code: Any) -> int:
    """As the interpreter makes a status from what `sys.exit` was given."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code
    print(code, file=sys.stderr)
    return 1
