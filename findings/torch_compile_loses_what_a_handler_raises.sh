#!/usr/bin/env bash
# torch 2.13.0, Python 3.11: torch.compile loses what a signal handler raises while it puts Python's random state back.
#
# Behind each question about a frame, torch's C++ calls `random.setstate`, Python code in which handlers run as anywhere else. What one raises there
# (KeyboardInterrupt, a timeout of the program's own) isn't passed on: C++ goes on with the exception set. Some later call of C then fails with
# "SystemError: ... returned a result with an exception set", or the exception is dropped and the call returns as if nothing had come.
#
# The program below makes a handler's exception come at the first instruction of one such call after the other, and prints what the call of the
# compiled function did. One would expect "Timeout" on each line. Seen: returned, returned, returned, SystemError, returned, Timeout, returned, and four
# times SystemError. Fails once either of the two is no longer among them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "numpy==2.3.5"
cat > "$folder/program.py" <<'PROGRAM'
import random
import sys

import torch


class Timeout(Exception):
    pass


def told(number):
    names = {}
    exec("def h(x): return len(str(x))\ndef f(x):\n print(end='')\n return h(x)\n", names)
    calls = 0

    def at_a_call(frame, event, argument):
        nonlocal calls
        if frame.f_code is random.Random.setstate.__code__:
            calls += 1
            if calls == number:
                raise Timeout

    torch._dynamo.reset()
    compiled = torch.compile(names["f"], backend="eager")
    sys.settrace(at_a_call)
    try:
        compiled(torch.ones(2))
    except BaseException as error:
        return type(error).__name__
    finally:
        sys.settrace(None)
    return "returned" if calls >= number else "no such call"


print(torch.__version__)
seen = [told(number) for number in range(1, 12)]
print(*seen, sep="\n")
assert "SystemError" in seen and "returned" in seen, "no longer so"
PROGRAM
"$folder/venv/bin/python" "$folder/program.py"
