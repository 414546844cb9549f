"""A recorded session written by hand: a frame that restarts, breaks at an `if`, goes on, recompiles once."""

from tracer import events as ev
from tracer.journal import Recorder

SOURCE = """\
import torch


def forward(self, x):
    h = self.attn(x)
    if h.max() > 3:
        h = h / 2
    return self.mlp(h)


def step(model, x):
    return model(x).sum()
"""


def session(file="model.py"):
    """The recorder after two calls of `step`."""
    rec = Recorder()
    started = rec.begin(ev.SessionStarted, 0, 1, {"torch": "2.13.0"}, {"backend": "eager", "dynamic": None})
    rec.call = 1
    call = rec.begin(ev.CallStarted, "step", ("Model", "Tensor[4, 3]"))
    _first_frame(rec, file)
    _resumed_frame(rec, file)
    rec.frame, rec.where = "", tuple
    rec.point(ev.FrameSkipped, "helper", "util.py", 3, "it is a generator")
    rec.end(ev.CallFinished, call, "returned")
    rec.call = 2
    call = rec.begin(ev.CallStarted, "step", ("Model", "Tensor[5, 3]"))
    rec.point(ev.CacheHit, "resumed")
    _recompiled_frame(rec, file)
    rec.frame, rec.where = "", tuple
    rec.end(ev.CallFinished, call, "returned")
    rec.end(ev.SessionFinished, started)
    return rec


def node(rec, graph, name, target="torch.relu", op="call_function", **more):
    rec.point(ev.NodeCreated, graph, name, op, target, "(%x)", (4, 3), "float32", "cpu", "attn", ("x",), **more)


def guard(rec, source, kind="TENSOR_MATCH", text="float32 [4, 3] on cpu"):
    build = rec.begin(ev.BuildStarted, source, "Tensor")
    rec.point(ev.GuardInstalled, source, kind, text)
    rec.end(ev.VariableBuilt, build, "tensor", (("constant", "not a constant"),), 1)


def the_break(rec, file):
    rec.point(
        ev.GraphBreak,
        "data-dependent-branch",
        "Python `if` on a tensor's value",
        "Line 6 chooses a path with `if h.max() > 3`, and `h.max() > 3` is a tensor ([], bool). Its value exists only once "
        "the graph has run, but Python needs True or False now.",
        ("`torch.where(h.max() > 3, h / 2, h)`: both paths are cheap and pure. Both always run.", "torch.cond:\n    return torch.cond(…)"),
        (("expr", "h.max() > 3"), ("line", "6")),
        ((file, 12, 11, 12, 19, "step"), (file, 6, 7, 6, 18, "forward")),
    )  # fmt: skip


def compiled(rec, graph, artifacts=True):
    opens = rec.begin(ev.GraphCompileStarted, graph, "eager")
    rec.end(ev.GraphCompiled, opens, graph, "eager", 0.125)
    if artifacts:
        rec.point(ev.ArtifactProduced, graph, "aot_forward", "forward", "def forward(x): ...")


def _first_frame(rec, file):
    rec.frame, rec.attempt = "0/0", 0
    frame = rec.begin(ev.FrameStarted, "step", file, 11)
    attempt = rec.begin(ev.AttemptStarted)
    rec.where = lambda: (file, 6, 7, 6, 18)
    rec.instruction("Call", "1", 2, (1, 2), rec.where())
    guard(rec, "gone")
    node(rec, "graph_0", "gone")
    body = rec.begin(ev.SpeculationStarted, "cond", "true_fn")
    node(rec, "graph_0.true", "inner")
    rec.end(ev.RolledBack, body, "it writes to outside state")
    the_break(rec, file)
    rec.end(ev.AttemptEnded, attempt, "restarted", "break at line 12")
    rec.attempt = 1
    attempt = rec.begin(ev.AttemptStarted, "break at line 12")
    guard(rec, "x")
    guard(rec, "self.attn.weight")
    rec.point(ev.GuardInstalled, "x", "TYPE_MATCH", "type(x) is Tensor")
    rec.point(ev.InputLifted, "graph_0", "x", "x", (4, 3), "float32", "cpu")
    node(rec, "graph_0", "x", "x", "placeholder")
    node(rec, "graph_0", "relu")
    node(rec, "graph_0", "unused")
    body = rec.begin(ev.SpeculationStarted, "map", "body")
    rec.end(ev.Committed, body, "graph_0.body", ("w",))
    rec.point(ev.NodeRemoved, "graph_0", "unused")
    the_break(rec, file)
    compiled(rec, "graph_0")
    rec.end(ev.AttemptEnded, attempt, "kept")
    rec.end(ev.FrameFinished, frame, "compiled", "graph_0")


def _resumed_frame(rec, file):
    rec.frame, rec.attempt, rec.where = "1/0", 0, tuple
    frame = rec.begin(ev.FrameStarted, "forward", file, 4, "", "0/0")
    attempt = rec.begin(ev.AttemptStarted)
    guard(rec, "h")
    node(rec, "graph_1", "div", "operator.truediv")
    the_break(rec, file)
    compiled(rec, "graph_1", artifacts=False)
    rec.end(ev.AttemptEnded, attempt, "kept")
    rec.end(ev.FrameFinished, frame, "compiled", "graph_1")


def _recompiled_frame(rec, file):
    rec.frame, rec.attempt, rec.where = "0/1", 0, lambda: (file, 11, 0, 11, 3)
    frame = rec.begin(ev.FrameStarted, "step", file, 11)
    rec.point(ev.GuardFailed, "0/0", "x", "x.shape[0] == 4", "5")
    rec.point(ev.GuardFailed, "0/0", "self.training", "self.training is True", "False")
    rec.point(ev.Recompiled, "step", 1)
    attempt = rec.begin(ev.AttemptStarted)
    rec.point(ev.GuardInstalled, "y", "TYPE_MATCH", "lost with its frame")
    rec.end(ev.AttemptEnded, attempt, "failed")
    rec.end(ev.FrameFinished, frame, "failed", "", "an internal fault (see below)")
    rec.point(ev.InternalFault, "KeyError", "'dim'", "Traceback …")
