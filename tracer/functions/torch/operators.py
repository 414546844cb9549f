"""Recording an operator of torch: it runs on fakes, and becomes a node of the graph with all that it does.

What it does is seen while it runs (`graph/operators.py`). An operator that writes to an argument runs without grad on fakes,
since results from the session's memo are leaves, which autograd doesn't let it write to; the checks that autograd would
make, and whether the argument needs a gradient from then on, are made here, before it writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from ...compat.autograd_functions import is_differentiable
from ...compat.operators import number_keywords, writes_first
from ...graph.operators import Effect, WritesArgument, refuse_writing, storage_of
from ...graph.spelling import Held, spelled
from ...signals import Break, Raised
from ...variables import (
    ConstantVariable,
    ListVariable,
    SubclassVariable,
    SymVariable,
    TensorVariable,
    TupleVariable,
    Variable,
)
from . import facts as torch_facts
from . import failing
from .fields import check_replaced
from .optimizers import followed, undecided
from .parameters import new_leaf
from .retraced import check_begins, check_printed

if TYPE_CHECKING:
    from ...compat.operators import Declared
    from ...context import Context
    from ...graph.fakes import Outcome

__all__ = ["PLAIN", "is_leaf_input", "record", "target_name"]

#: Arguments that hold no others: most.
_SINGLE = frozenset({TensorVariable, ConstantVariable})
PLAIN = frozenset({bool, int, float, str, torch.Size, torch.dtype, torch.device, torch.layout})


def record(ctx: Context, op: str, target: Any, args: list[Variable], kwargs: dict[str, Variable], leaf: bool = False) -> Any:
    """Run `target` on fakes; a node and the variable of its result. What the operator raises, the program raises. `leaf`: a
    new leaf may be among the results."""
    if not leaf and "requires_grad" in kwargs and kwargs["requires_grad"].python_type() is bool and ctx.protocol.truth(ctx, kwargs["requires_grad"]):
        return new_leaf(ctx, op, target, args, kwargs)
    if kwargs and followed(ctx):
        kwargs = _with_numbers(ctx, target, kwargs)
    call = _Call(ctx, op, target, args, kwargs)
    may_fail = failing.check(ctx, target, call.fakes, call.named)
    outcome = call.run()
    check_printed(ctx, target, outcome)
    value = outcome.value
    stays = outcome.stays or bool(outcome.writes) or value is None
    if outcome.writes and torch.is_grad_enabled():
        ctx.written.update(map(storage_of, outcome.writes))
    same = call.argument_returned(value)
    if same is not None and not outcome.writes:
        if outcome.stays:
            call.node(value).meta["effect"] = Effect(again=outcome.again)
        return same
    if type(value) in PLAIN:
        if not stays:
            return ctx.wrap(value)
        raise Break("unsupported-type", type=type(value).__name__, why="an operator returned it that does more than its result shows")
    node = call.node(value)
    if stays or may_fail:
        node.meta["effect"] = Effect(outcome.writes, outcome.again)
    return same if same is not None else call.with_arguments(ctx.tensors.wrap_result(ctx, value, node))


def _with_numbers(ctx: Context, target: Any, kwargs: dict[str, Variable]) -> dict[str, Variable]:
    """Keywords of an optimizer's operator: C++ reads the number of a tensor that is given for one (a learning rate), which is a number of the graph."""
    wanted = number_keywords(getattr(torch.Tensor, target) if type(target) is str else target)
    return {name: ctx.tensors.item(ctx, v) if name in wanted and isinstance(v, TensorVariable) else v for name, v in kwargs.items()}


class _Call:
    """An operator with its arguments: as nodes of the graph, and as fakes to run it on."""

    def __init__(self, ctx: Context, op: str, target: Any, args: list[Variable], kwargs: dict[str, Variable]):
        self.ctx, self.op, self.target, self.args, self.kwargs = ctx, op, target, args, kwargs
        self.function = getattr(torch.Tensor, target) if op == "call_method" else target
        self._settle()

    def _settle(self) -> None:
        argument = self.ctx.argument
        found = [argument(variable) for variable in self.args]
        self.nodes, self.fakes, self.tensors = [node for node, _ in found], [fake for _, fake in found], []
        for variable, (_, fake) in zip(self.args, found, strict=True):
            if type(variable) is TensorVariable:
                self.tensors.append(fake)
            elif type(variable) is not ConstantVariable:
                _collect(fake, self.tensors)
        self.named_nodes: dict[str, Any] = {}
        self.named: dict[str, Any] = {}
        for name, variable in self.kwargs.items():
            self.named_nodes[name], self.named[name] = self.ctx.argument(variable)
            _collect(self.named[name], self.tensors)

    def node(self, value: Any) -> Any:
        op, target, nodes, named = spelled(self.op, self.target, self.nodes, self.named_nodes, self._hold)
        return self.ctx.create_node(op, target, tuple(nodes), named, value)

    def argument_returned(self, value: Any) -> Variable | None:
        """The argument that the call gives back itself: a tensor, one in a list, or a list that was written to."""
        is_tensor = isinstance(value, torch.Tensor)
        if not is_tensor and not isinstance(value, list | tuple):
            return None
        for variable, fake in zip((*self.args, *self.kwargs.values()), (*self.fakes, *self.named.values()), strict=True):
            if fake is value:
                return variable
            if is_tensor and type(variable) not in _SINGLE and isinstance(variable, ListVariable | TupleVariable):
                for item in variable.items:
                    if isinstance(item, TensorVariable) and item.fake is value:
                        return item
        return None

    def with_arguments(self, made: Variable) -> Variable:
        """`made`, with arguments of the program's classes in it as they are: what an operator gives back stays what it is."""
        if type(made) is TensorVariable:
            return made
        given = (*self.args, *(item for each in self.args if isinstance(each, ListVariable | TupleVariable) for item in each.items))
        known = {id(each.fake): each for each in given if type(each) is SubclassVariable}
        if known and isinstance(made, ListVariable | TupleVariable):
            made.items = [known.get(id(item.fake), item) if isinstance(item, TensorVariable) else item for item in made.items]
        return made

    def _hold(self, held: Held) -> Any:
        return self.ctx.create_node("call_function", held, (), {}, held.value)

    def run(self) -> Outcome:
        while True:
            try:
                given: list[Any] = []
                _collect(self.named.get("out"), given)
                sizes = [tuple(t.shape) for t in given]
                outcome = self._run()
                if any(tuple(t.shape) != size for t, size in zip(given, sizes, strict=True)):
                    raise Break("out-argument", expr=target_name(self.target), func=target_name(self.target))
                return outcome
            except (Break, Raised):
                raise
            except TypeError as error:
                if not self._fix_numbers():
                    raise_operator_error(self.ctx, self.target, error)
            except Exception as error:
                raise_operator_error(self.ctx, self.target, error)

    def _fix_numbers(self) -> bool:
        """Symbolic numbers of one kind become the numbers that they are, guarded: some operators take no others."""
        for kind in (bool, float, int):
            if any(type(v) is SymVariable and v.python_type() is kind for v in (*self.args, *self.kwargs.values())):
                self.args = [_fixed(self.ctx, v, kind) for v in self.args]
                self.kwargs = {name: _fixed(self.ctx, v, kind) for name, v in self.kwargs.items()}
                self._settle()
                return True
        return False

    # ---- on fakes
    def _run(self) -> Outcome:
        needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in self.tensors)
        known_writer = writes_first(self.function)
        if not needs_grad or self.ctx.levels:  # inside a level, the history of fakes is what is differentiated
            return self._on_fakes(self._before_writing, remember=not (known_writer or self.ctx.levels))
        if known_writer:
            return self._without_grad(None)
        try:
            return self._on_fakes(refuse_writing)
        except WritesArgument:
            return self._without_grad(None)
        except RuntimeError as error:
            if type(error) is not RuntimeError or not any(t.requires_grad and t.is_leaf for t in self.tensors):
                raise
            return self._without_grad(error)

    def _on_fakes(self, before: Callable[..., None], remember: bool = True) -> Outcome:
        ctx = self.ctx
        return ctx.fakes.run(ctx.fake_mode, ctx.modes_key, self.function, self.fakes, self.named, self.tensors, before, remember)

    def _without_grad(self, refused: RuntimeError | None) -> Outcome:
        """Where autograd refused to run it, it may be that it would write to a leaf that is one on fakes only."""
        ctx = self.ctx
        begins: list[Any] = []

        def before(facts: Declared, found: list[tuple[Any, int]]) -> None:
            subjects = [self.tensors[i] for _, i in found]
            if any(t.requires_grad and is_leaf_input(ctx, t) for t in subjects):
                self._under_handler("RuntimeError")
                if refused is not None:
                    raise refused
                ctx.raise_(RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation.")
            if refused is not None or any(t.requires_grad for t in subjects):
                self._under_handler()  # a view of a leaf, or of several outputs: autograd refuses those when the graph runs
            self._check_replaced(found)
            begins.extend(self._begin_to_need_grad(subjects))
            self._before_writing(facts, found)

        try:
            with torch.no_grad():
                outcome = self._on_fakes(before, remember=False)
        except (Break, Raised):
            raise
        except Exception as error:
            raise refused or error from None
        if refused is not None and not outcome.writes:
            raise refused
        for subject in begins:
            self.ctx.lasting += 1
            subject.requires_grad_(True)
            self.ctx.begun.update(storage_of(i.value) for i in self.ctx.inputs if i.fake is subject)
        value = outcome.value
        if isinstance(value, torch.Tensor) and not begins and not value.requires_grad and is_differentiable(value):
            value.requires_grad_(True)
        return outcome

    def _begin_to_need_grad(self, subjects: list[Any]) -> list[Any]:
        """Those which need no gradient yet and will, since what is written to them does."""
        begin = [t for t in subjects if not t.requires_grad and is_differentiable(t)]
        if begin and (len(subjects) > 1 or any(_shares_memory(self.ctx, t) for t in begin)):
            why = "other tensors share its memory, and need a gradient from then on too" if len(subjects) == 1 else "several tensors are written to at once"
            raise Break("grad-write", expr=target_name(self.target), why=why)
        if begin:
            check_begins(self.ctx, target_name(self.target), begin)
        return begin

    def _before_writing(self, facts: Declared, found: list[tuple[Any, int]]) -> None:
        if torch.is_grad_enabled():
            self._check_replaced(found)
        if facts.reshapes:
            self.ctx.lasting += 1
        if facts.reshapes and any(type(size) is not int for written, _ in found for size in written.shape):
            raise Break("storage-changed", expr=target_name(self.target))  # the guards on its sizes are of the size it came with

    def _check_replaced(self, found: list[tuple[Any, int]]) -> None:
        if self.ctx.replaced:
            for _, index in found:
                check_replaced(self.ctx, self.tensors[index])

    def _under_handler(self, error: str = "") -> None:
        strength, where = failing.handling(self.ctx)
        if strength == failing.CATCHES:
            failing.stop(self.ctx, self.target, where, error)


def _fixed(ctx: Context, variable: Variable, kind: type) -> Variable:
    if type(variable) is SymVariable and variable.python_type() is kind:
        return ctx.literal(variable.truth(ctx) if kind is bool else variable.specialise(ctx))
    return variable


def _collect(fake: Any, tensors: list[Any]) -> None:
    if isinstance(fake, torch.Tensor):
        tensors.append(fake)
    elif type(fake) in (list, tuple):
        for item in fake:
            _collect(item, tensors)
    elif type(fake) is dict:
        for item in fake.values():
            _collect(item, tensors)


def _shares_memory(ctx: Context, subject: Any) -> bool:
    """Whether another tensor of the trace lies in the same memory: a view, or what this is a view of."""
    memory = storage_of(subject)
    graph = ctx.graph
    while graph is not None:
        for node in graph.graph.nodes:
            value = node.meta.get("example_value")
            if value is not subject and memory is not None and storage_of(value) == memory:
                return True
        graph = graph.parent
    return False


def is_leaf_input(ctx: Context, fake: Any) -> bool:
    if any(fake is leaf for leaf in ctx.leaves):
        return True
    read = next((i for i in ctx.inputs if i.fake is fake), None)
    if read is None or not isinstance(read.value, torch.Tensor):
        return False
    if read.made:  # anew for each call, as it is here
        return bool(read.value.requires_grad)
    return read.value.requires_grad and bool(torch_facts.hold(ctx, read.source, read.value, "is_leaf"))


# ---- what it raises
#: What torch says where its own code meets a fake that it can't have: the program isn't told of it.
_OF_FAKES = ("convert all Tensors to FakeTensors first", "INTERNAL ASSERT FAILED")


def raise_operator_error(ctx: Context, target: Any, error: Exception) -> NoReturn:
    """A failing fake operator: data dependence breaks the graph, anything else is the program's own error."""
    name = type(error).__name__
    if name in ("DataDependentOutputException", "DynamicOutputShapeException"):
        shape = name == "DynamicOutputShapeException"
        raise Break("data-dependent-shape" if shape else "tensor-to-python-number", expr=target_name(target), func=target_name(target)) from None
    unsupported = name in ("UnsupportedOperatorException", "UnsupportedFakeTensorException")
    torchs_own = isinstance(error, AssertionError | RuntimeError) and any(words in str(error) for words in _OF_FAKES)
    if "no fake impl registered" in str(error) or unsupported or torchs_own or isinstance(error, NotImplementedError):
        raise Break("fake-op-failed", func=target_name(target), expr=target_name(target), why=str(error)[:200]) from None
    if name == "GuardOnDataDependentSymNode":
        raise undecided(ctx, "data-dependent-number", func=target_name(target)) from None
    if name in ("UserError", "Unsupported"):
        raise Break("fake-op-failed", func=target_name(target), expr=target_name(target), why=str(error)[:200]) from None
    strength, where = failing.handling(ctx)
    if strength == failing.CATCHES:
        failing.stop(ctx, target, where, name)  # the text of a fake operator's error may differ from the real one's
    ctx.raise_from_host(error)


def target_name(target: Any) -> str:
    if type(target) is str:
        return target
    name = getattr(target, "__name__", None)
    module = getattr(target, "__module__", None) or ""
    if not isinstance(name, str):
        return str(target)
    if module.startswith("_operator"):
        return name
    return f"{module.replace('torch._C._nn', 'torch.nn.functional')}.{name}" if module.startswith("torch") else name
