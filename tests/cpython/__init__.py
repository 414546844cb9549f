"""CPython's own tests under the compiler: `python -m tests.cpython` (see `__main__.py`)."""
