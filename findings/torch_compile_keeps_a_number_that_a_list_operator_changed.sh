#!/usr/bin/env bash
# torch 2.13.0, Python 3.11: torch.compile reads an old number from a tensor that an operator over a list of tensors has changed.
#
# A fake tensor made of a number knows the number. An operator that writes to it directly makes torch compute the new number, or forget the old one. An
# operator that writes to it as one of a list, beside a tensor of which no number is known, does neither: `item()` gives the old number, and with
# `capture_scalar_outputs` that becomes a constant of the graph. Neither an error nor a graph break tells.
#
# The program below adds 1 to a tensor that holds 1, in three ways, and multiplies by what `item()` says. One would expect 2 for each. Seen: 2 where the
# tensor is alone in the list, 2 for `add_`, and 1 where an argument of the function stands beside it in the list. Fails once the third is 2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "numpy==2.3.5"
cat > "$folder/program.py" <<'PROGRAM'
import torch

torch._dynamo.config.capture_scalar_outputs = True


def alone(x):
    number = torch.tensor(1.0)
    torch._foreach_add_([number], 1.0)
    return number.item() * torch.ones_like(x)


def directly(x):
    number = torch.tensor(1.0)
    number.add_(1.0)
    return number.item() * torch.ones_like(x)


def beside_an_argument(x):
    number = torch.tensor(1.0)
    torch._foreach_add_([number, x], 1.0)
    return number.item() * torch.ones_like(x)


print(torch.__version__)
seen = []
for function in (alone, directly, beside_an_argument):
    compiled = torch.compile(function, backend="eager", fullgraph=True)
    eager, traced = function(torch.zeros(())).item(), compiled(torch.zeros(())).item()
    print(function.__name__, "eager", eager, "torch.compile", traced)
    assert eager == 2.0
    seen.append(traced)
assert seen == [2.0, 2.0, 1.0], "no longer so"
PROGRAM
"$folder/venv/bin/python" "$folder/program.py"
