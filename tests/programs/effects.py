"""What a call leaves behind: changed inputs, aliases, identities, in-place operations on inputs and their views."""

import weakref

import torch
from torch import randn

from tests.programs import Args, program, scenario

UNKNOWN = {"breaks": None, "graphs": None, "recompiles": None}


class Box:
    def __init__(self, value=None):
        self.value = value


@program(lambda: randn(3))
def in_place_on_input(x):
    x.add_(1)
    x.mul_(2)
    return x


@program(lambda: randn(3))
def in_place_on_input_not_returned(x):
    y = x * 3
    x += y
    x[0] = 7


@program(lambda: (randn(4, 4),))
def in_place_on_views_of_input(x):
    row = x[0]
    row.zero_()
    x[:, 1].fill_(5)
    x.t()[2].add_(1)
    x[1:3, 2:] = 9
    return x.sum()


@program(lambda: (randn(4, 4),))
def returned_views_share_storage(x):
    return x, x[0], x.view(2, 8), x.t(), x.detach(), x.unsqueeze(0), x[1:].flatten()


@program(lambda: (randn(4),))
def views_of_intermediates(x):
    y = x * 2
    z = y.view(2, 2)
    z.add_(1)
    return y, z, y.view(2, 2)


@program(lambda: (randn(3), randn(3)))
def same_object_in_several_places(x, y):
    z = x + y
    return [z, z], (x, x), {"a": z, "b": x}, z


@scenario(recompiles=None, graphs=None)
def same_tensor_as_two_arguments(run):
    def f(x, y):
        x.add_(1)
        return x + y, y

    g = run(f)
    x = randn(3)
    g(x, x)
    g(randn(3), randn(3))
    g(x, x)


@scenario(recompiles=None, graphs=None)
def arguments_that_overlap_in_storage(run):
    def f(x, y):
        x.add_(1)
        return x * y

    g = run(f)
    base = randn(6)
    g(base[:4], base[2:])
    g(base[:4], randn(4))
    g(base[:4], base[:4])


@scenario(recompiles=None, graphs=None)
def tensor_by_argument_and_closure(run):
    held = randn(3)

    def f(x):
        x.mul_(2)
        return held + x

    g = run(f)
    g(randn(3))
    g(held)
    g(randn(3))


@program(lambda: (lambda shared: Args([shared], {"k": shared}, randn(3)))([1]))
def same_list_in_two_arguments(wrapped, mapping, x):
    wrapped[0].append(2)
    return x * len(mapping["k"]), mapping["k"] is wrapped[0]


@program(lambda: (Box(), Box(3), randn(3)))
def object_attributes_written(a, b, x):
    a.value = x + b.value
    b.value, b.other = a, [a, b]
    a.back = b
    return a.value * 2


@program(lambda: (Box([1]), randn(3)))
def nested_mutation_through_attributes(box, x):
    box.value.append(x + 1)
    box.value[0] += 5
    inner = Box(box.value)
    inner.value.insert(0, "new")
    box.extra = {"inner": inner}
    return x * 2


@program(lambda: (Box({"n": 0}), randn(3)), recompiles=None, graphs=None)
def counter_on_an_argument(box, x):
    box.value["n"] += 1
    return x * box.value["n"]


@program(lambda: ([randn(2)], [randn(2)]))
def list_of_tensors_changed_in_place(xs, ys):
    xs[0].add_(ys[0])
    ys[0] = xs[0] * 2
    xs, ys = ys, xs
    return xs


@program(lambda: ([1, 2], {"a": 1}, {3}, randn(3)), graphs=0)
def returned_arguments_stay_the_same_objects(values, mapping, members, x):
    values.append(1)
    return values, mapping, (members, values), x


@program(lambda: (randn(3),))
def tensor_attributes(x):
    y = x + 1
    y.tag = "made"
    x.seen = [y]
    return y, getattr(x, "missing", None)


@program(lambda: (randn(3), randn(3)))
def data_attribute_written(x, y):
    x.data = y * 2
    z = x.data + 1
    return z


@program(lambda: (randn(3),))
def data_attribute_in_place(x):
    x.data.add_(1)
    x.data[0] = 5
    return x * 2


@program(lambda: (randn(3), randn(2, 2)), **UNKNOWN)
def set_and_resize(x, y):
    x.set_(y.view(4))
    y.resize_(1, 2)
    return x + 1


@program(lambda: (torch.zeros(3, requires_grad=True), randn(3)))
def grad_field_set_and_read(w, x):
    w.grad = x * 2
    before = w.grad + 1
    w.grad = None
    return before, w.grad is None


@program(lambda: (torch.zeros(3, requires_grad=True),), **UNKNOWN)
def leaf_in_place_raises(w):
    try:
        w.add_(1)
    except RuntimeError as error:
        return w + 1, str(error)


@program(lambda: (randn(3),), **UNKNOWN)
def requires_grad_on_input(x):
    x.requires_grad_()
    return (x * 2).sum()


@program(lambda: (randn(3),), **UNKNOWN)
def hook_on_intermediate(x):
    x = x.clone().requires_grad_()
    y = x * 2
    y.register_hook(lambda g: g * 10)
    return y.sum()


@program(lambda: (randn(3, requires_grad=True),))
def hook_on_input_tensor(x):
    handle = x.register_hook(lambda g: g * 10)
    y = (x * 2).sum()
    return y, handle


@program(lambda: (randn(3),))
def version_counter_read(x):
    before = x._version
    x.add_(1)
    return x._version - before, x * 2


@program(lambda: (randn(3), randn(3)))
def out_variants(x, y):
    out = torch.empty(3)
    torch.add(x, y, out=out)
    torch.mul(x, y, out=y)
    return out


@program(lambda: (randn(2, 3),))
def in_place_shape_changes(x):
    y = x + 0
    y.t_()
    y.unsqueeze_(0)
    return y, y.shape


@program(lambda: (randn(3), weakref))
def weak_references(x, module):
    box = Box(5)
    ref = module.ref(box)
    return x * ref().value, ref() is box


@scenario()
def weak_reference_argument(run):
    box = Box(3)
    f = run(lambda x, ref: x * (ref().value if ref() is not None else 1))
    ref = weakref.ref(box)
    f(randn(3), ref)
    f(randn(3), ref)


@program(lambda: ([], randn(3)))
def effects_keep_their_order(log, x):
    log.append("a")
    y = x + 1
    log.append(y)
    log.pop(0)
    log += ["b", len(log)]
    log.sort(key=lambda v: isinstance(v, str))
    return y


@program(lambda: (Box(), [], randn(3)), **UNKNOWN)
def effects_pending_at_a_break(box, log, x):
    box.value = x + 1
    log.append(box)
    print("length", len(log))
    log.append("after")
    box.late = box.value * 2
    return log


@program(lambda: ({}, randn(3)))
def dict_argument_filled(cache, x):
    if "key" not in cache:
        cache["key"] = x.sum()
    cache["count"] = cache.get("count", 0) + 1
    return cache["key"] + 1


@scenario(recompiles=None, graphs=None)
def memo_dict_hit_on_the_second_call(run):
    cache = {}

    def f(x):
        if "key" not in cache:
            cache["key"] = x * 2
        return cache["key"] + 1

    g = run(f)
    for _ in range(3):
        g(torch.ones(3))
    run.watch(cache)


@program(lambda: (randn(3), Box(1)))
def deleted_attributes_and_items(x, box):
    box.temp = x + 1
    result = box.temp * 2
    del box.temp
    values = [1, 2, 3]
    del values[1]
    del values[0:1]
    mapping = {"a": 1, "b": 2}
    del mapping["a"]
    del box.value
    return result, values, mapping
