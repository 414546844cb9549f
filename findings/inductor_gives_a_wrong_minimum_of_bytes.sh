#!/usr/bin/env bash
# torch 2.13.0, Python 3.11, a CPU with AVX2 and a C++ compiler: inductor gives a wrong minimum of a whole tensor of bytes.
#
# The minimum over all elements of a uint8 or int8 tensor is reduced by inductor in vectors of 256 bits and then across the lanes of one. The result
# is 1 although every element is larger; the maximum is right, and so are wider integers, a minimum along one dimension, and code without vectors
# (`simdlen = 1`). Vectors of 256 bits are what inductor takes by itself where the CPU has AVX2 and not AVX-512. Nothing warns.
#
# The program below asks for the minimum of 16 numbers from 5 to 11. One would expect 5 each time. Seen: eager 5; torch.compile 1 for uint8 and for
# int8, 5 for int32, 5 for uint8 without vectors. Fails once the first two are 5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "numpy==2.3.5"
cat > "$folder/program.py" <<'PROGRAM'
import torch
import torch._inductor.config as inductor

print(torch.__version__, torch.backends.cpu.get_cpu_capability())
values = torch.arange(16) % 7 + 5
seen = []
for dtype, simdlen in ((torch.uint8, 256), (torch.int8, 256), (torch.int32, 256), (torch.uint8, 1)):
    torch._dynamo.reset()
    inductor.cpp.simdlen = simdlen
    tensor = values.to(dtype)
    eager, compiled = tensor.amin().item(), torch.compile(lambda t: t.amin())(tensor).item()
    print(dtype, "simdlen", simdlen, "eager", eager, "torch.compile", compiled)
    assert eager == 5
    seen.append(compiled)
assert seen == [1, 1, 5, 5], "no longer so"
PROGRAM
"$folder/venv/bin/python" "$folder/program.py"
