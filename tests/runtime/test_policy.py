"""Which frames are roots."""

from __future__ import annotations

import json
import os
import types

import pytest
import torch
from torch import nn

from tracer.runtime.answers import Root, Skip
from tracer.runtime.codes import CodeMap
from tracer.runtime.hook import FrameHook
from tracer.runtime.policy import RULES, Facts, Policy, has_hooks


class Watch:
    """Runs under the policy, traces nothing, and notes which frames were roots and which were skipped, by rule."""

    def __init__(self):
        self.policy = Policy(Facts())
        self.roots, self.skips = [], []
        self.hook = FrameHook(self.compile, decide=self.decide, strict=True)

    def decide(self, frame):
        answer = self.policy.decide(frame)
        (self.roots if isinstance(answer, Root) else self.skips).append((frame.f_code.co_name, answer.rule))
        return answer

    def compile(self, frame):
        return Skip("only watched")

    def run(self, function, *args, target=False):
        if target:
            self.policy.facts.targets[function.__code__] = True
        return self.hook.run(function, *args)

    def rule(self, name):
        return next((rule for frame, rule in self.roots + self.skips if frame == name), None)

    def is_root(self, name):
        return any(frame == name for frame, _ in self.roots)


@pytest.fixture
def watch():
    return Watch()


def program(text, name="main", **names):
    space = {"__name__": "program", **names}
    exec(compile(text, "<program>", "exec"), space)
    return space[name]


def test_a_tensor_or_module_argument_makes_a_root(watch):
    main = program("def main(x):\n    return x\n")
    x = torch.ones(1)
    for value, expected in (
        (x, True),
        ([1, (x,)], True),
        ({"a": x}, True),
        (nn.ReLU(), True),
        (1, False),
        ([1], False),
    ):
        seen = Watch()
        seen.run(main, value)
        assert seen.is_root("main") is expected, value


def test_arguments_may_arrive_in_any_way(watch):
    main = program("def main(a, *rest, k=None, **more):\n    return a\n")
    x = torch.ones(1)
    for args, keywords in (((x,), {}), ((1, x), {}), ((1,), {"k": x}), ((1,), {"other": x})):
        seen = Watch()
        seen.hook.run(main, *args, **keywords)
        assert seen.rule("main") == "tensor argument"


@pytest.mark.parametrize(
    "names, expected",
    [
        ({"torch": torch}, True),
        ({"torch": nn.functional}, True),
        ({"torch": torch.relu}, True),
        ({"torch": nn.Linear}, True),
        ({"torch": torch.float32}, True),
        ({"torch": torch.ones(1)}, True),
        ({"torch": json}, False),
        ({"other": torch}, False),
    ],
)
def test_naming_torch_makes_a_root(watch, names, expected):
    watch.run(program("def main():\n    return torch if 0 else 1\n", **names))
    assert watch.is_root("main") is expected


def test_the_function_given_to_run_is_a_root(watch):
    main = program("def main(x):\n    return x\n")
    watch.run(main, 1, target=True)
    assert watch.rule("main") == "run target"


def test_a_generator_given_to_run_is_not(watch):
    main = program("def main(x):\n    yield x\n")
    assert list(watch.run(main, torch.ones(1), target=True)) == [torch.ones(1)]
    assert watch.rule("main") == "generator"


def test_bodies_run_and_what_they_call_is_traced(watch):
    def body():
        exec(
            compile(
                "import torch\ndef f(x):\n    return x\nclass A:\n    y = f(torch.ones(1))\nz = f(torch.ones(1))\n",
                "<cell>",
                "exec",
            ),
            {"__name__": "cell"},
        )

    watch.run(body)
    assert watch.rule("<module>") == watch.rule("A") == "body"
    assert watch.rule("f") == "tensor argument"


def test_files_of_torch_stdlib_and_us_are_not_roots(watch):
    def main(x):
        json.dumps({"a": [1]})
        os.path.join("a", "b")
        torch.optim.lr_scheduler.LambdaLR
        nn.init.normal_(x)
        CodeMap().clear()
        return torch.nn.functional.softmax(x, dim=-1)

    watch.run(main, torch.ones(2))
    assert watch.rule("dumps") == "stdlib" and watch.rule("join") == "stdlib"
    assert watch.rule("softmax") == "torch" and watch.rule("normal_") == "torch"
    assert watch.rule("clear") == "tracer"
    assert [name for name, _ in watch.roots] == ["main"]


def test_never_roots_are_asked_about_once(watch):
    def main(x):
        for _ in range(5):
            torch.nn.functional.softmax(x, dim=-1)

    watch.run(main, torch.ones(2))
    assert [name for name, _ in watch.skips].count("softmax") == 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x):
        return self.linear(x)


def test_a_modules_forward_is_a_root_wherever_its_class_lives(watch):
    watch.run(Net(), torch.ones(1, 2))
    assert [entry for entry in watch.roots if entry[0] == "forward"] == [("forward", "module forward")] * 2
    assert watch.rule("_wrapped_call_impl") == "module dispatch"
    assert watch.rule("_call_impl") == "module call"


def test_a_module_with_hooks_is_a_root_at_its_call(watch):
    net = Net()
    net.register_forward_hook(lambda *_: None)
    assert has_hooks(net) and not has_hooks(net.linear)
    watch.run(net, torch.ones(1, 2))
    assert ("_call_impl", "module call with hooks") in watch.roots


def test_a_hook_added_later_is_noticed(watch):
    net = Net()
    watch.run(net, torch.ones(1, 2))
    handle = net.register_forward_pre_hook(lambda *_: None)
    watch.run(net, torch.ones(1, 2))
    assert watch.roots.count(("_call_impl", "module call with hooks")) == 1
    handle.remove()
    watch.run(net, torch.ones(1, 2))
    assert watch.roots.count(("_call_impl", "module call with hooks")) == 1


def test_a_forward_patched_on_the_instance_is_a_root(watch):
    net = Net()
    net.forward = types.MethodType(lambda self, x: x, net)
    watch.run(net, torch.ones(1, 2))
    assert watch.rule("<lambda>") == "module forward"


def test_constructors_of_modules_run(watch):
    watch.run(program("def main(x):\n    return Net()(x)\n", Net=Net), torch.ones(1, 2))
    assert watch.rule("__init__") == "constructor"


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_an_optimizers_step_is_a_root(watch, kind):
    net = Net()
    optimizer = kind(net.parameters(), lr=0.1)
    net(torch.ones(1, 2)).sum().backward()
    watch.run(optimizer.step)
    assert ("wrapper", "optimizer step") in watch.roots
    assert ("zero_grad", "optimizer step") not in watch.roots


def test_the_constructor_of_a_named_tuple_runs(watch):
    made = program("from typing import NamedTuple\nclass Pair(NamedTuple):\n    one: object\ndef main(x):\n    return Pair(x), repr(x)\n")
    watch.run(made, torch.ones(1))  # torch's printing makes one too
    assert ("<lambda>", "named tuple") in watch.skips and not watch.is_root("<lambda>")


def test_a_disabled_function_runs_with_all_that_it_calls(watch):
    inner = program("def inner(x):\n    return x\n", "inner")
    off = torch.compiler.disable(program("def off(x):\n    return inner(x)\n", "off", inner=inner))
    watch.run(program("def main(x):\n    return off(x)\n", off=off), torch.ones(1))
    assert [name for name, _ in watch.roots] == ["main"]


def test_a_function_disabled_alone_leaves_what_it_calls(watch):
    inner = program("def inner(x):\n    return x\n", "inner")
    off = torch.compiler.disable(program("def off(x):\n    return inner(x)\n", "off", inner=inner), recursive=False)
    watch.run(program("def main(x):\n    return off(x)\n", off=off), torch.ones(1))
    assert watch.rule("off") == "disabled"
    assert [name for name, _ in watch.roots] == ["main", "inner"]


def test_finalizers_and_comprehension_generators_are_not_roots(watch):
    text = "class A:\n    def __del__(self):\n        torch\ndef main(x):\n    A()\n    return sum(i for i in [x])\n"
    watch.run(program(text, torch=torch), torch.ones(1))
    assert watch.rule("__del__") == "finalizer" and watch.rule("<genexpr>") == "generator"


def test_no_code_of_the_program_runs_while_deciding(watch):
    class Loud:
        def __getattr__(self, name):
            raise AssertionError(name)

        __iter__ = __len__ = __eq__ = __getattr__
        __hash__ = None

        @property
        def __class__(self):
            raise AssertionError("asked for the class")

    class Items(list):
        def __iter__(self):
            raise AssertionError("iterated")

        def __getitem__(self, key):
            raise AssertionError("indexed")

    watch.run(program("def main(a, b):\n    return loud\n", loud=Loud()), Loud(), Items([torch.ones(1)]))
    assert watch.rule("main") == "tensor argument"


def test_every_rule_says_why():
    assert all(rule.name and rule.why for rule in RULES)
    with_code = [index for index, rule in enumerate(RULES) if rule.about_code]
    assert with_code == sorted(with_code)


def test_code_maps_tell_twins_apart_and_keep_nothing():
    twins = [compile("x + 1", "<a>", "eval") for _ in range(2)]
    seen = CodeMap()
    seen[twins[0]] = "first"
    assert twins[0] == twins[1] and twins[1] not in seen and seen.get(twins[0]) == "first"
    twins.clear()
    assert len(seen) == 0
