#!/usr/bin/env bash
# torch 2.13.0, Python 3.11: under AOTAutograd a view of what a torch.autograd.Function returned loses that function's backward, without a word.
#
# AOTAutograd makes results again that are views of a graph's inputs, from these inputs, by the views alone. Where the first of the views is a custom
# function's (its forward returns its input, or a view of it) and another one follows, the function's backward is no part of what is made again.
# The gradient is then another one than without the compiler, and with backend="eager".
#
# Expected: 3.0 in each line. Seen: untraced 3.0, eager 3.0, aot_eager 1.0. Fails once aot_eager gives 3.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "numpy==2.3.5"
cat > "$folder/program.py" <<'PROGRAM'
import torch


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 3


def turned(x):
    return Scaled.apply(x).t()


def gradient(function):
    x = torch.ones(2, 3, requires_grad=True)
    function(x).sum().backward()
    return x.grad.unique().item()


print(torch.__version__)
seen = {"untraced": gradient(turned)}
for backend in ("eager", "aot_eager"):
    torch._dynamo.reset()
    seen[backend] = gradient(torch.compile(turned, backend=backend))
for name, value in seen.items():
    print(name, value)
assert seen == {"untraced": 3.0, "eager": 3.0, "aot_eager": 1.0}, "no longer so"
PROGRAM
"$folder/venv/bin/python" "$folder/program.py"
