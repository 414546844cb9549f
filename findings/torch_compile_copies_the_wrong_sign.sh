#!/usr/bin/env bash
# torch 2.13.0, Python 3.11: a compiled function gives math.copysign(1.0, -0.0) as 1.0.
#
# Called with a second value, a float argument becomes symbolic, and math.copysign of it is computed by comparing it with zero. A zero with a minus
# compares like one without, so that the sign is lost; Python's gives -1.0, which is what people call it for (signed zeros, branch cuts, angles). The
# same number keeps its sign where the graph computes with it (1 / -0.0 is -inf), and where it is a constant. Nothing warns.
#
# The program below calls one compiled function with five numbers. One would expect the untraced results each time. Seen: 1.0, -1.0, 1.0 for 1.5, -2.5
# and 0.0, as untraced; 1.0 for -0.0, where it is -1.0 untraced. Fails once the last is -1.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "numpy==2.3.5"
cat > "$folder/program.py" <<'PROGRAM'
import math

import torch

print(torch.__version__)


def signed(x, number):
    return x + math.copysign(1.0, number)


compiled, zero, seen = torch.compile(signed, backend="eager"), torch.zeros(1), []
for number in (1.5, -2.5, 3.5, 0.0, -0.0):
    plain, traced = signed(zero, number).item(), compiled(zero, number).item()
    print("copysign(1.0,", number, ") untraced", plain, "torch.compile", traced)
    assert plain == math.copysign(1.0, number)
    seen.append(traced)
assert seen[:4] == [1.0, -1.0, 1.0, 1.0]
assert seen[4] == 1.0, "no longer so"
PROGRAM
"$folder/venv/bin/python" "$folder/program.py"
