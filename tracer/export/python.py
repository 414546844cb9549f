"""A captured call as a Python module that runs on its own: torch and safetensors are all it needs.

In: a session. Out: `NAME.py`, with a class for each graph, `Program` where the call was one graph and nothing beside it, and
`check()`; and `NAME.safetensors` with weights and the recorded inputs and outputs.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from tracer.errors import TracerError
from tracer.export.calls import Program, program
from tracer.export.capture import Captured, capture
from tracer.export.helpers import HELPERS
from tracer.export.modules import GraphClass
from tracer.export.tensors import Layout
from tracer.export.trying import Tell, aside, run, silent

__all__ = ["Module", "load", "write"]

HEAD = '''"""{title}

{graphs}, captured by Tracer with torch {torch}. What the graphs rely on is checked where it can be read from arguments; what
else the trace relied on (globals, modes, attributes of modules) is as it was then.

    python {file}      runs check(): every graph on its recorded inputs
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import load_file
{imports}
TENSORS = Path(__file__).with_suffix(".safetensors")


def load() -> dict[str, torch.Tensor]:
    """Weights, recorded inputs and outputs."""
    return load_file(TENSORS)

'''

CHECK = '''
def cases(held):
    """(class, inputs, outputs, {{input: its value afterwards}}, random state, gradients on, autocast dtype) of each recorded run."""
{cases}

def check(tell=lambda line: None):
    """Run every graph on its recorded inputs; AssertionError says what differs from what was recorded. `tell` hears of each that agrees."""
    for number in range({count}):
        graph, inputs, outputs, after, rng, grad, cast = next(islice(cases(load()), number, None))  # loaded anew: graphs may write to them
        kind = next((value.device.type for value in inputs if isinstance(value, torch.Tensor)), "cpu")
        with torch.random.fork_rng(), torch.set_grad_enabled(grad), torch.autocast(kind, cast, enabled=cast is not None):
            torch.set_rng_state(rng)
            found = graph()(*inputs)
        for index, (actual, expected) in enumerate(zip(found, outputs, strict=True)):
            torch.testing.assert_close(actual, expected, equal_nan=True, msg=lambda text: f"{{graph.__name__}}, output {{index}}: {{text}}")
        for index, expected in after.items():
            torch.testing.assert_close(inputs[index], expected, equal_nan=True, msg=lambda text: f"{{graph.__name__}}, input {{index}} afterwards: {{text}}")
        tell(f"run {{number + 1}} of {count} agrees ({{graph.__name__}})")
    return {count}


if __name__ == "__main__":
    print(f"{{check(print)}} recorded run(s) agree")
'''


class Module:
    """The text of a module and the tensors that belong beside it."""

    def __init__(self, found: Captured, stem: str):
        self.captured = found
        self.classes = [GraphClass(graph, f"Graph{number}", found.model) for number, graph in enumerate(found.graphs)]
        self.program: Program = program(found, self.classes)
        named: dict[str, Any] = {}
        for one in self.classes:
            named |= one.tensors
        named |= self.program.tensors
        self.layout = Layout(named)
        self.text = self._text(stem)

    def _text(self, stem: str) -> str:
        import torch

        imports = sorted({line for one in self.classes for line in one.imports})
        count = "One graph" if len(self.classes) == 1 else f"{len(self.classes)} graphs"
        head = HEAD.format(
            title=_words(f"{self.captured.name}, captured."), graphs=count, torch=torch.__version__, file=_words(f"{stem}.py"),
            imports="\n".join(imports) + "\n" if imports else "",
        )  # fmt: skip
        definitions = {label: text for one in self.classes for label, text in one.definitions.items()}
        parts = [head, HELPERS, *definitions.values(), *(one.text(self.layout) for one in self.classes), self.program.text(self.layout)]
        parts.append(CHECK.format(cases="".join(one.case(self.layout) for one in self.classes), count=len(self.classes)))
        return "\n".join(part.strip("\n") + "\n\n" for part in parts).rstrip() + "\n"


def _words(text: str) -> str:
    """Text of the program inside a docstring of ours."""
    return text.replace("\\", "/").replace('"""', "'''")


def write(session: Any, path: Path, *, check: bool = True, tell: Tell = silent) -> list[Path]:
    """`path` and the .safetensors beside it, which is there when they are read and run by a Python of their own (`check`). TracerError where
    there is nothing to run, what the graphs call or hold can't be written down, or that Python finds anything wrong."""
    tell("running the call once more, on copies")
    module = Module(capture(session), path.stem)
    beside = path.with_suffix(".safetensors")
    tell(f"writing {path.name} and {beside.name}")
    with aside(path) as folder:
        tried, held = folder / path.name, folder / beside.name
        save_file(module.layout.tensors, held)
        tried.write_text(module.text, encoding="utf-8")
        if check:
            run(path.name, [tried.name], folder, tell, "export to .html")
        held.replace(beside)
        tried.replace(path)
    return [path, beside]


def load(module: Module) -> types.ModuleType:
    """The module as an import would make it, with tensors from memory instead of the file."""
    made = types.ModuleType("tracer_export")
    made.__file__ = str(Path("tracer_export.py"))
    try:
        exec(compile(module.text, made.__file__, "exec"), vars(made))
    except SyntaxError as error:
        raise TracerError(
            f"the graph can't be written down as Python: {error}", next="please report it, with the graph's code"
        ) from error
    vars(made)["load"] = lambda: {name: tensor.clone() for name, tensor in module.layout.tensors.items()}
    return made
