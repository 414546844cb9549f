"""Keys known by identity that are looked up, found or not, in tables from outside that change between calls."""

import collections

import torch
import torch.nn as nn

from tests.programs import program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class Key:
    pass


def absent_then_there(run, fn, make):
    """One table, looked into with the same key: it holds another key, then (as long) this one, then both, then none."""
    wanted, other = make(), make()
    table = {other: 1}
    f, x = run(lambda x, table, key: fn(x, table, key)), torch.ones(2)
    for keys in ([other], [wanted], [other, wanted], [], [other]):
        table.clear()
        table.update(dict.fromkeys(keys, 1))
        f(x, table, wanted)


@scenario(**UNKNOWN)
def absent_object_becomes_a_key(run):
    absent_then_there(run, lambda x, table, key: x + 1 if key in table else x - 1, Key)


@scenario(**UNKNOWN)
def absent_module_becomes_a_key(run):
    absent_then_there(run, lambda x, table, key: x + table.get(key, 5), lambda: nn.Linear(1, 1))


@scenario(**UNKNOWN)
def absent_function_becomes_a_key(run):
    def make():
        def h():
            pass

        return h

    absent_then_there(run, lambda x, table, key: x + table.get(key, 5), make)


@scenario(**UNKNOWN)
def absent_tensor_becomes_a_key(run):
    absent_then_there(run, lambda x, table, key: x + table.get(key, 5), lambda: torch.zeros(1))


@scenario(**UNKNOWN)
def absent_object_is_stored(run):
    def fn(x, table, key):
        table[key] = 7
        return x + len(table), table.setdefault(key, 3), table.pop(key)

    absent_then_there(run, fn, Key)


@scenario(**UNKNOWN)
def absent_object_in_a_tuple_becomes_a_key(run):
    wanted, other = Key(), Key()
    table = {(other, 1): 1}
    f, x = run(lambda x: x + 1 if (wanted, 1) in table else x - 1), torch.ones(2)
    f(x)
    table.clear()
    table[wanted, 1] = 1
    f(x)


@scenario(**UNKNOWN)
def another_object_is_looked_up(run):
    held = Key()
    table = {held: 1}
    members = {held}
    f, x = run(lambda x, key: (x + 1 if key in table else x - 1, key in members)), torch.ones(2)
    for key in (Key(), held, Key(), held):
        f(x, key)


@scenario(**UNKNOWN)
def absent_object_becomes_a_member(run):
    wanted, other = Key(), Key()
    members = {other}
    f, x = run(lambda x: x + 1 if wanted in members else x - 1), torch.ones(2)
    f(x)
    members.clear()
    members.add(wanted)
    f(x)


@program(lambda: (torch.ones(1), {0, 8}), **UNKNOWN)
def set_from_outside_changes_member_by_member(x, members):
    members.add(16)
    members.discard(0)
    members.add(0)
    return x + 1, list(members)


@scenario(**UNKNOWN)
def sources_are_read_without_missing(run):
    """What fills a defaultdict is its reader in the program, no guard."""
    table = collections.defaultdict(lambda: torch.zeros(1), a=torch.ones(1))
    f = run(lambda x: x + table["a"] if "a" in table else x)
    f(torch.ones(1))
    del table["a"]
    f(torch.ones(1))
    assert not table


@scenario(**UNKNOWN)
def items_of_a_dict_subclass_are_read_past_its_methods(run):
    log = []

    class Noted(dict):
        def __getitem__(self, key):
            log.append(key)
            return dict.__getitem__(self, key)

        def __iter__(self):
            log.append("iter")
            return iter([])

    table = run.watch(Noted(a=torch.ones(1)))
    f = run(lambda x: x + table["a"])
    f(torch.ones(1))
    f(torch.ones(1))
    run.watch(log)


@scenario(**UNKNOWN)
def ordered_dict_has_moved_its_keys(run):
    table = collections.OrderedDict(a=1, b=2)
    f = run(lambda x: (x + 1, list(table), list(table.items())))
    for key in ("a", "b", "b"):
        f(torch.ones(1))
        table.move_to_end(key)
    f(torch.ones(1))
