"""Objects of the program whose classes define everything: what the program doesn't ask of them nobody asks, while it is traced or behind."""

import collections
import contextlib

import torch

import tracer

#: What a class may define, and would hear of.
NAMES = (
    "__getattribute__ __getattr__ __setattr__ __class__ __dict__ __len__ __length_hint__ __iter__ __next__ __getitem__ __contains__ __bool__ "
    "__eq__ __hash__ __repr__ __str__ __int__ __float__ __index__ __reduce__ __reduce_ex__ __copy__ __deepcopy__ __dir__ __sizeof__ "
    "__torch_function__ __missing__ __fspath__ __buffer__ __array__ keys items values get maxlen default_factory args"
).split()
MADE = [
    (object,), (list, [1, 2]), (dict, {"a": 1}), (tuple, (1, 2)), (int, 5), (float, 2.5), (complex, 1), (str, "ab"), (bytes, b"a"), (set, [1]),
    (frozenset, [1]), (collections.OrderedDict, {"a": 1}), (collections.deque, [1], 3), (collections.defaultdict, int), (ValueError, 1),
]  # fmt: skip


def talkative(base, heard):
    """A subclass of `base` that notes what it is asked."""

    def asked(name):
        def method(self, *args, **kwargs):
            heard.append((name, args))
            raise AssertionError(name)

        return method

    entries = {name: property(asked(name)) if name in ("__class__", "__dict__", "maxlen", "default_factory", "args") else asked(name) for name in NAMES}
    return type(f"Talkative{base.__name__}", (base,), entries)


class Holder:
    pass


def given(x, *rest, **named):
    return [named["o"], *rest]


def yielding(o):
    yield o


def program(x, things, table, holder):
    kept = []
    for thing in things:
        kept.append(thing)
        first, _ = (thing, 1)
        kept += given(x, thing, o=first)
        with contextlib.suppress(KeyError):
            kept.append(next(yielding(thing)))
            raise KeyError(thing)
        if thing is None or type(thing) is int:
            return x
    torch._dynamo.graph_break()
    table["q"] = thing
    holder.other = holder.thing
    things.append(holder.thing)
    return x + len(kept), kept, things[0] is thing, table


def test_nobody_asks():
    heard = []
    things = [talkative(base, heard)(*args) for base, *args in MADE]
    holder = Holder()
    holder.thing = things[0]
    compiled = tracer.compile(program, backend="eager")
    with compiled.session as session:
        for _ in range(2):
            result = compiled(torch.ones(2), list(things), {"k": things[1]}, holder)
            assert result[0].tolist() == [61.0] * 2 and not result[2]
            assert [id(part) for part in result[1]] == [id(thing) for thing in things for _ in range(4)]
        assert session.graphs and "InternalFault" not in {type(event).__name__ for event in session.events}
    assert heard == []
