"""Real packages, from the registry, with tiny random models: what they compute compiled is what they compute as plain Python.

`make projects` installs them beside ours, runs each project in a process of its own, and writes `docs/projects.md`. A project
is a module with `PACKAGES` (what is installed; the first names it) and two functions that take `compiled` and return what is
compared, to the bit: `model` compiles the model alone, `step` whole training steps.
"""
