"""What a captured graph does: its operators run one by one on the recorded inputs, with time, memory, FLOPs and numbers of each.

- `model`: the records, without torch; `tables`: the same as text, CSV and counters of a time line
- `inputs`: graphs with the inputs of a recorded run; `program`: a graph made ready to run node by node; `passes`: what is looked at meanwhile
- `running`: `session.run_graph`; `gradients`: the graphs of its forward and backward; `nonfinite`: `session.first_nonfinite`, which gives what `finite` holds
- `comparing`: `run.compare`, which gives what `comparison` holds; `cuts` searches a backend's fault, `repro` writes what differs as a script
- `checking`: `session.check`, which gives what `verdict` holds; `seen` is what a program could see of values, `parting` where two runs part
"""
