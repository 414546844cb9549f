"""The body of compiled code: Python source that loads inputs, calls the graph, rebuilds objects, replays effects, returns.

Sections run in this order, and each line belongs to one: loads (everything that existed before, read before anything
changes), the graph, views (of its results), builds (new objects), later (filling objects that refer to each other), effects, ends, the result. Objects
reached twice are built once; an object of the program is loaded, never rebuilt.
"""

from __future__ import annotations

import builtins
import keyword
import linecache
import math
import re
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compat import is_eager
from ..compat.arrays import tensor_of
from ..compat.evalframe import sheltered
from ..compat.identity import is_unique
from ..compat.overriding import as_class, as_class_of_graph, made_of
from ..compat.python_classes import is_python_class
from ..graph.retained import view_again
from ..iterated import parts
from ..signals import Break
from ..sources import STEPS
from ..variables import (
    CellVariable,
    DictVariable,
    Lazy,
    SequenceVariable,
    SubclassVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
)
from ..variables.base import mention
from .verify import faults, undefined

if TYPE_CHECKING:
    from ..context import Context
    from ..sources import Source

__all__ = ["Body"]

#: What names of builtins mean in a body, whatever a program makes of them later.
_BUILTINS = dict(vars(builtins))
#: What can't stand in a name.
_NOT_IN_NAMES = re.compile(r"\W")
_SIMPLE = (int, bool, str, bytes, type(None), type(Ellipsis))


class Body:
    """Collects the lines of one body function; `finish` compiles it. `outputs` are the graph's results, in order."""

    def __init__(self, ctx: Context, args: tuple[str, ...], cells: tuple[str, ...]):
        self.ctx = ctx
        self.names: dict[str, Any] = {}
        self.loads: list[str] = []
        self.views: list[str] = []
        self.builds: list[str] = []
        self.effects: list[str] = []
        self.changed: list[str] = []  # existing objects that are not as they were afterwards, as a person would write them
        self.outputs: list[Any] = []
        self.goes_on: Any = None  # the frame that Python runs on with behind a break
        self._queue: list[Callable[[], str]] = []
        self.advanced: dict[Variable, int] = {}
        self._ends: list[Callable[[], str]] = []
        self.ends: list[str] = []
        self._taken: set[str] = set(dir(builtins))  # the text uses some of them
        self._counts: dict[str, int] = {}  # the last number that a base was given
        self._known: dict[Variable, str] = {}
        self._sources: dict[Source, str] = {}
        self._pins: dict[int, str] = {}
        self._outputs: dict[Any, str] = {}
        self._objects: dict[tuple[type, str], Any] = {}  # the program's own numbers and texts that the text writes down
        self._came: dict[str, str] = {}  # what the graph gives instead
        self._open: set[Variable] = set()
        self.parameters = [self._name("arg", name) for name in args] + [self._name("cell", name) for name in cells]
        self._args = dict(zip(args, self.parameters, strict=False))
        self._cells = dict(zip(cells, self.parameters[len(args) :], strict=True))

    # ---- names
    def fresh(self, prefix: str) -> str:
        return self._name(prefix, "")

    def _name(self, prefix: str, hint: str) -> str:
        safe = _NOT_IN_NAMES.sub("_", hint)
        base = f"{prefix}_{safe}" if safe else prefix
        n = self._counts.get(base, 0)
        name = f"{base}_{n}" if n else base
        while name in self._taken or keyword.iskeyword(name):
            n += 1
            name = f"{base}_{n}"
        self._taken.add(name)
        self._counts[base] = n
        return name

    def pin(self, value: Any, hint: str) -> str:
        """The name of an object that the compiled code holds on to."""
        known = self._pins.get(id(value))
        if known is None:
            known = self._pins[id(value)] = self._name("k", hint)
            self.names[known] = value
        return known

    def constant(self, value: Any) -> str:
        kind = type(value)
        if kind in _SIMPLE or kind is float and math.isfinite(value):
            text = repr(value)
            if is_unique(value) or self._objects.setdefault((kind, text), value) is value:
                return text
        return self.pin(value, kind.__name__)

    # ---- lines
    def line(self, text: str) -> None:
        self.builds.append(text)

    def effect(self, text: str) -> None:
        self.effects.append(text)

    def later(self, text: str | Callable[[], str], owner: Variable) -> None:
        """Fill `owner` after everything was built; the text may need more builds itself."""
        self._queue.append(text if callable(text) else lambda: text)

    def at_end(self, text: Callable[[], str]) -> None:
        """A line for when everything is as the program left it: what looks at other objects' state (tables of keys whose
        class defines `__hash__`, positions of iterators). The text may need more builds itself."""
        self._ends.append(text)

    def declare(self, variable: Variable, name: str) -> None:
        """`name` will hold `variable`: references from inside it find it."""
        self._known[variable] = name

    # ---- values
    def value(self, variable: Variable) -> str:
        """The name (or literal) that holds the variable's object."""
        known = self._known.get(variable)
        if known is not None:
            if variable in self._open:
                raise Break("self-referential-container", type=variable.python_type().__name__, expr=mention(variable))
            return known
        if variable.source is not None:
            name = self.load(variable.source)
        else:
            self._open.add(variable)
            name = variable.rebuild(self)
            self._open.discard(variable)
        self._known[variable] = name
        return name

    def items(self, sequence: SequenceVariable) -> list[str]:
        return [self.value(self.ctx.settle(item)) for item in list(sequence.items)]

    def tuple_of(self, sequence: TupleVariable) -> str:
        items = self.items(sequence)
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"

    def cyclic(self, variable: Variable) -> bool:
        """Whether a new container is reachable from itself through containers."""
        return _reaches(variable, variable, set())

    def tensor(self, variable: TensorVariable) -> str:
        return self._output(variable.node, "tensor")

    def subclass(self, variable: SubclassVariable) -> str:
        """The graph's result as one of its class."""
        name, cls = self.fresh("tensor"), self.pin(variable.cls, variable.cls.__name__)
        plain, apart = self.tensor(variable), variable.apart and not variable.fake.requires_grad
        again = as_class if is_eager(self.ctx.session.backend) else as_class_of_graph
        made = f"{self.pin(made_of, 'made_of')}({cls}, {plain})" if apart else f"{self.pin(again, 'as_class')}({plain}, {cls})"
        self.line(f"{name} = {made}")
        return name

    def result(self, node: Any) -> None:
        """The graph gives the value of this node, whoever uses it."""
        self._output(node, "unused")

    def view(self, node: Any, base: Any) -> None:
        """The value of this node is a view of the other one's, whatever the graph makes of it."""
        name, base_name = self._output(node, "tensor"), self._output(base, "unused")
        came = self._came[name] = self.fresh("view")
        self.views.append(f"{name} = {self.pin(view_again, 'view_again')}({came}, {base_name})")

    def symbol(self, variable: SymVariable) -> str:
        return self._output(variable.node(self.ctx), "number")

    def _output(self, node: Any, prefix: str) -> str:
        if node.op == "placeholder":  # what came in is there already
            return self.load(next(entry.source for entry in self.ctx.inputs if entry.node is node))
        known = self._outputs.get(node)
        if known is None:
            known = self._outputs[node] = self.fresh(prefix)
            self.outputs.append(node)
        return known

    def cell(self, variable: CellVariable) -> str:
        return self.value(variable)

    def namespace(self, namespace: dict[str, Any]) -> str:
        return self.pin(namespace, "globals")

    # ---- loading what existed before
    def load(self, source: Source) -> str:
        known = self._sources.get(source)
        if known is None:
            known = self._sources[source] = self._load(source)
        return known

    def _load(self, source: Source) -> str:
        kind, key = source.kind, source.key
        if source.base is None:
            if kind == "local":
                if key in self._args:
                    return self._args[key]
                name = self._name("local", key)
                self.loads.append(f"{name} = {self._cells[key]}.cell_contents")
                return name
            if kind == "cell":
                return self._cells[key]
            return self.namespace(key) if kind == "namespace" else self.pin(key, source.label)
        base = self.load(source.base)
        name = self._name("v", str(key) if isinstance(key, str) else "")
        self.loads.append(f"{name} = {self.step(base, kind, key, self.ctx.by_source.get(source.base))}")
        return name

    def step(self, base: str, kind: str, key: Any, owner: Variable | None = None) -> str:
        """How one step is read from `base`, which holds `owner`: as C reads it, without methods of the program's classes."""
        if kind in _ASKS and owner is not None and _overrides(owner, *_ASKS[kind]):
            return f"{self.pin(STEPS[kind].read, kind)}({base}, {self.constant(key)})"
        if kind == "attr":
            return f"{base}.{key}"
        if kind == "item":
            return f"{base}[{self.constant(key)}]"
        if kind == "dict":
            return f"{base}.__dict__"
        if kind == "key":
            return f"list({base})[{key}]"
        if kind == "type":
            return f"type({base})"
        if kind == "closure":
            return f"{base}.__closure__[{key}]"
        if kind == "iterated":
            return f"{self.pin(parts, 'iterated')}({base})[{key}]"
        if kind == "context":
            return f"{base}.get()"
        if kind == "array":
            return f"{self.pin(tensor_of, 'tensor_of')}({base})"
        return f"{base}.cell_contents" if kind == "contents" else f"{base}()"

    def attribute(self, owner: Variable, name: str, key: str, value: str) -> str:
        """The line that sets an attribute of a new object, without the class's own `__setattr__`."""
        if _overrides(owner, "__setattr__"):
            return f"{self.pin(object.__setattr__, 'setattr')}({name}, {key!r}, {value})"
        return f"{name}.{key} = {value}"

    # ---- the whole
    def settle_later(self) -> None:
        """Emit what was queued; filling may build more, which may queue more."""
        while self._queue:
            self.builds.append(self._queue.pop(0)())

    def replay_effects(self, ending: tuple[str, ...] = ()) -> None:
        """Changes to objects that existed before, in the order of their first change. Cells named in `ending` are the
        frame's own and die with it: they are filled only where something that leaves holds them."""
        waiting: list[Variable] = []
        for variable in self.ctx.effects:
            source = variable.source
            if source is None:
                continue
            if source.kind == "cell" and source.key in ending:
                waiting.append(variable)
                continue
            if variable.is_changed(self.ctx):
                self.changed.append(source.text)
            variable.replay(self, self.value(variable))
            self.settle_later()
        self._finish_ends()
        while held := [v for v in waiting if v in self._known]:
            for variable in held:
                waiting.remove(variable)
                variable.replay(self, self.value(variable))
                self.settle_later()
            self._finish_ends()

    def _finish_ends(self) -> None:
        while self._ends:
            self.ends.append(self._ends.pop(0)())
            self.settle_later()

    def _checked(self, run: list[str]) -> list[str]:
        """Run the graph; a check of the graph that stands for an `assert` fails as the `assert` would."""
        self.names["asserted"] = self.ctx.asserted
        return [
            "failed = None",
            "try:",
            *(f"    {line}" for line in run),
            "except RuntimeError as error:",
            "    failed = asserted.get(str(error))",
            "    if failed is None: raise",
            "if failed is not None: raise AssertionError(*failed)",
        ]

    def _unwinding(self, run: list[str], failed: Callable[..., Any], inputs: list[str]) -> list[str]:
        """Run the graph; where it raises, or an interrupt comes before, `failed` goes on as the program does from the operator that raised."""
        self.names["failed"] = failed
        return self._caught(run, "failed", [f"({''.join(f'{name}, ' for name in inputs)})", *self.parameters])

    def _all_or_none(self, rest: list[str], put_back: Callable[[BaseException], Any]) -> list[str]:
        """Do the rest, which leaves switches of torch; where an interrupt comes between, they are put back."""
        self.names["put_back"] = put_back
        return self._caught(rest, "put_back", [])

    def _caught(self, lines: list[str], handler: str, given: list[str]) -> list[str]:
        """These lines; what they raise is given to `handler`, outside of the `except`, whose answer is returned."""
        raised, caught = self.fresh("raised"), self.fresh("caught")
        return [
            f"{raised} = []",
            "try:",
            *(f"    {line}" for line in lines),
            f"except BaseException as {caught}:",
            f"    {raised}.append({caught})",
            f"if {raised}: return {handler}({', '.join([f'{raised}.pop()', *given])})",
        ]

    def _own(self, constant: Any) -> Any:
        """The program's own object where the text writes it down: it may have been asked which one it is, or be asked later."""
        if type(constant) is tuple:
            return tuple(map(self._own, constant))
        return self._objects.get((type(constant), repr(constant)), constant)

    def finish(
        self, name: str, graph: Callable[..., Any] | None, inputs: list[str], ending: str, modes: list[str], hit: Any, failed: Callable[..., Any] | None,
        put_back: Callable[[], Callable[[BaseException], Any]],
    ) -> tuple[types.FunctionType, str]:
        """(the compiled function, its source). `graph` takes `inputs` and returns the tuple of outputs. `failed`: what is called with the
        error, the inputs and the parameters where the graph raises; None where nothing but the error itself comes of that. `put_back`: makes
        what is called with the error that is raised behind it, where `modes` are lines that leave torch's switches otherwise."""
        lines, run = list(self.loads), []
        if hit is not None:
            self.names["cache_hit"] = hit
            run.append("cache_hit()")
        if graph is not None:
            self.names["graph"] = graph
            call = f"graph({', '.join(inputs)})"
            outs = [self._came.get(name, name) for name in self._outputs.values()]
            run.append(f"{', '.join(outs)}, = {call}" if outs else call)
        if graph is not None and failed is not None:
            run = self._unwinding(run, failed, inputs)
        elif graph is not None and self.ctx.asserted:
            run = self._checked(run)
        rest = self.views + self.builds + self.effects + self.ends + modes
        lines += [*run, *(self._all_or_none(rest, put_back()) if modes else rest), ending]
        text = f"def body({', '.join(self.parameters)}):\n" + "".join(f"    {line}\n" for line in lines)
        filename = f"<tracer {name}>"
        namespace: dict[str, Any] = self.names
        namespace["__name__"], namespace["__builtins__"] = "tracer.generated", _BUILTINS
        exec(compile(text, filename, "exec"), namespace)
        function = namespace.pop("body")
        function.__code__ = function.__code__.replace(co_consts=tuple(map(self._own, function.__code__.co_consts)))
        sheltered(function)
        wrong = faults(text, namespace) if self.ctx.session.config.strict else undefined(function.__code__, namespace)
        if wrong:
            raise AssertionError(f"the code made for {name} can't run: {'; '.join(wrong)}\n{text}")
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        return function, text


#: Methods of a class that Python asks where a step is written as Python; its own would answer for the object.
_ASKS = {
    "item": ("__getitem__", "__missing__"), "key": ("__iter__", "__len__"), "attr": ("__getattribute__",), "dict": ("__getattribute__", "__dict__"),
}  # fmt: skip


def _overrides(owner: Variable, *names: str) -> bool:
    """Whether a class statement on the MRO of the object's class defines one of `names` (a slot for `__dict__` is no override)."""
    return any(
        name in entries and not isinstance(entries[name], types.GetSetDescriptorType)
        for base in type.__dict__["__mro__"].__get__(owner.python_type()) if is_python_class(base)
        for entries in (type.__dict__["__dict__"].__get__(base),)
        for name in names
    )  # fmt: skip


def _reaches(variable: Any, goal: Variable, seen: set[int]) -> bool:
    parts: list[Any] = []
    if isinstance(variable, SequenceVariable):
        parts = variable.items
    elif isinstance(variable, DictVariable):
        parts = list(variable.items.values())
    for part in parts:
        if part is goal:
            return True
        if type(part) is not Lazy and id(part) not in seen and part.source is None:
            seen.add(id(part))
            if _reaches(part, goal, seen):
                return True
    return False
