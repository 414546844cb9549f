"""The ways to read state that torch offers; rows as in `states`."""

from __future__ import annotations

from tests.second_inputs.states import State

__all__ = ["TORCH"]

MODULE = (
    "class M(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.p = torch.nn.Parameter(torch.ones(2))\n"
    "        self.register_buffer('b', torch.ones(2))\n        self.l = torch.nn.Linear(2, 2)\n        self.a = 1\n"
    "    def forward(self, y): return y * self.p + self.b\n"
    "m = M()\ny = torch.ones(2)\n"
)

TENSORS: dict[str, State] = {
    "shape": ("t = torch.ones(2)", "t.shape[0]", "t = torch.ones(5)", "t = torch.ones(2)"),
    "rank": ("t = torch.ones(2)", "t.dim()", "t = torch.ones(2, 1)", "t = torch.ones(2)"),
    "dtype": ("t = torch.ones(2)", "t.dtype", "t = torch.ones(2).double()", "t = torch.ones(2)"),
    "device": ("t = torch.ones(2)", "t.device.type", "t = torch.ones(2, device='meta')", "t = torch.ones(2)"),
    "stride": ("t = torch.ones(2, 3)", "t.stride()", "t = torch.ones(3, 2).t()", "t = torch.ones(2, 3)"),
    "contiguity": ("t = torch.ones(2, 3)", "t.is_contiguous()", "t = torch.ones(3, 2).t()", "t = torch.ones(2, 3)"),
    "requires_grad": ("t = torch.ones(2)", "t.requires_grad", "t.requires_grad_(True)", "t.requires_grad_(False)"),
    "leaf": ("a = torch.ones(2, requires_grad=True); t = a", "t.is_leaf", "t = a * 1", "t = a"),
    "grad_fn": ("a = torch.ones(2, requires_grad=True); t = a", "t.grad_fn is None", "t = a * 1", "t = a"),
    "gradient": ("t = torch.ones(2, requires_grad=True)", "t.grad is None", "t.grad = torch.ones(2)", "t.grad = None"),
    "view": ("t = torch.ones(2)", "t._is_view()", "t = torch.ones(4)[:2]", "t = torch.ones(2)"),
    "base": ("t = torch.ones(2)", "t._base is None", "t = torch.ones(4)[:2]", "t = torch.ones(2)"),
    "offset": ("t = torch.ones(2)", "t.storage_offset()", "t = torch.ones(7)[5:]", "t = torch.ones(2)"),
    "offset of a view": ("t = torch.ones(2)", "t[1:].storage_offset()", "t = torch.ones(7)[5:]", "t = torch.ones(2)"),
    "output number": ("a, b = torch.ones(2, requires_grad=True).unbind(); t = a", "t.output_nr", "t = b", "t = a"),
    "version": ("t = torch.ones(2)", "t._version", "t.add_(0)", "t = torch.ones(2)"),
    "shared memory": ("t = torch.ones(2)", "t.is_shared()", "t = torch.ones(2).share_memory_()", "t = torch.ones(2)"),
    "attribute of a tensor": ("t = torch.ones(2)", "getattr(t, 'a', 3)", "t.a = 5", "del t.a"),
    "attribute of a tensor that stays": ("t = torch.ones(2); t.a = 1", "t.a", "t.a = 5", "t.a = 1"),
    "attribute of a parameter": ("t = torch.nn.Parameter(torch.ones(2))", "hasattr(t, 'a')", "t.a = 5", "del t.a"),
    "attribute of all tensors": ("t = torch.ones(2)", "getattr(t, 'second', 3)", "torch.Tensor.second = 5", "del torch.Tensor.second"),
    "tensor or parameter": ("t = torch.ones(2)", "isinstance(t, torch.nn.Parameter)", "t = torch.nn.Parameter(torch.ones(2))", "t = torch.ones(2)"),
    "one tensor or two": ("a, b = torch.ones(2), torch.ones(2)", "a is b", "b = a", "b = torch.ones(2)"),
    "conjugate": ("t = torch.ones(2, dtype=torch.cfloat)", "t.is_conj()", "t = t.conj()", "t = t.conj()"),
    "inference": ("t = torch.ones(2)", "t.is_inference()", "with torch.inference_mode(): t = torch.ones(2)", "t = torch.ones(2)"),
    "hooks on a tensor": (
        "t = torch.ones(2, requires_grad=True)", "bool(t._backward_hooks)", "h = t.register_hook(lambda g: g)", "h.remove()",
    ),
    "type text": ("t = torch.ones(2)", "t.type()", "t = torch.ones(2).double()", "t = torch.ones(2)"),
    "tensor in a dict": ("t = {'a': torch.ones(2)}", "t['a'].shape[0]", "t['a'] = torch.ones(5)", "t['a'] = torch.ones(2)"),
    "sum of a tensor": ("t = torch.ones(2)", "t.sum()", "t.mul_(5)", "t.div_(5)"),
}  # fmt: skip

MODULES: dict[str, State] = {
    "training": (MODULE, "m.training", "m.eval()", "m.train()"),
    "training of a child": (MODULE, "m.l.training", "m.l.eval()", "m.l.train()"),
    "attribute of a module": (MODULE, "m.a", "m.a = 5", "m.a = 1"),
    "attribute a module lacks": (MODULE, "getattr(m, 'z', 3)", "m.z = 5", "del m.z"),
    "parameter": (MODULE + "p, q = m.p, torch.nn.Parameter(torch.ones(2) * 5)\n", "m(y).sum()", "m.p = q", "m.p = p"),
    "parameter that goes": (MODULE, "m.l.bias is None", "kept = m.l.bias; m.l.bias = None", "m.l.bias = kept"),
    "parameter's shape": (MODULE, "m.p.shape[0]", "m.p = torch.nn.Parameter(torch.ones(5))", "m.p = torch.nn.Parameter(torch.ones(2))"),
    "parameter's requires_grad": (MODULE, "m.p.requires_grad", "m.p.requires_grad_(False)", "m.p.requires_grad_(True)"),
    "buffer": (MODULE, "m(y).sum()", "m.b = torch.ones(2) * 5", "m.b = torch.ones(2)"),
    "buffer that comes": (MODULE, "hasattr(m, 'c')", "m.register_buffer('c', torch.ones(2))", "del m.c"),
    "child": (MODULE + "k = m.l\n", "m.l.out_features", "m.l = torch.nn.Linear(2, 5)", "m.l = k"),
    "number of children": (MODULE, "len(list(m.children()))", "m.z = torch.nn.Linear(1, 1)", "del m.z"),
    "names of parameters": (MODULE, "[n for n, _ in m.named_parameters()]", "m.z = torch.nn.Linear(1, 1)", "del m.z"),
    "hook": (MODULE, "m(y).sum()", "h = m.register_forward_hook(lambda m, i, o: o * 5)", "h.remove()"),
    "hook before": (MODULE, "m(y).sum()", "h = m.register_forward_pre_hook(lambda m, i: (i[0] * 5,))", "h.remove()"),
    "hook on all modules": (MODULE, "m(y).sum()", "h = torch.nn.modules.module.register_module_forward_hook(lambda m, i, o: o * 5)", "h.remove()"),
    "forward": (MODULE, "m(y).sum()", "m.forward = lambda y: y * 5", "del m.forward"),
    "forward of the class": (MODULE + "old = M.forward\n", "m(y).sum()", "M.forward = lambda self, y: y * 5", "M.forward = old"),
    "list of modules": (MODULE + "L = torch.nn.ModuleList([m])\n", "len(L)", "L.append(m)", "del L[1]"),
    "sequence of modules": (
        MODULE + "s = torch.nn.Sequential(torch.nn.ReLU())\n", "len(s)", "s.append(torch.nn.ReLU())", "del s[1]",
    ),
    "mode of dropout": ("d = torch.nn.Dropout(1.0).eval()\ny = torch.ones(2)", "d(y).sum()", "d.train()", "d.eval()"),
    "eps of a norm": ("n = torch.nn.LayerNorm(2, eps=1.0)\ny = torch.arange(2.0)", "n(y)[1]", "n.eps = 5.0", "n.eps = 1.0"),
}  # fmt: skip


def _flag(read: str, write: str, first: str, then: str) -> State:
    return f"{write.format(first)}", read, write.format(then), write.format(first)


SWITCHES: dict[str, State] = {
    "grad mode": _flag("torch.is_grad_enabled()", "torch.set_grad_enabled({})", "True", "False"),
    "grad of a result": ("t = torch.ones(2, requires_grad=True)", "(t * 2).requires_grad", "torch.set_grad_enabled(False)", "torch.set_grad_enabled(True)"),
    "default dtype": _flag("torch.get_default_dtype()", "torch.set_default_dtype({})", "torch.float32", "torch.float64"),
    "dtype of a new tensor": _flag("torch.ones(1).dtype", "torch.set_default_dtype({})", "torch.float32", "torch.float64"),
    "default device": _flag("torch.get_default_device().type", "torch.set_default_device({})", "None", "'meta'"),
    "device of a new tensor": _flag("torch.ones(1).device.type", "torch.set_default_device({})", "None", "'meta'"),
    "deterministic": _flag("torch.are_deterministic_algorithms_enabled()", "torch.use_deterministic_algorithms({})", "False", "True"),
    "deterministic, warn only": (
        "", "torch.is_deterministic_algorithms_warn_only_enabled()",
        "torch.use_deterministic_algorithms(True, warn_only=True)", "torch.use_deterministic_algorithms(False)",
    ),
    "autocast": ("", "torch.is_autocast_enabled('cpu')", "torch.set_autocast_enabled('cpu', True)", "torch.set_autocast_enabled('cpu', False)"),
    "dtype of autocast": _flag("torch.get_autocast_dtype('cpu')", "torch.set_autocast_dtype('cpu', {})", "torch.bfloat16", "torch.float16"),
    "dtype of autocast elsewhere": _flag("torch.get_autocast_dtype('cuda')", "torch.set_autocast_dtype('cuda', {})", "torch.float16", "torch.bfloat16"),
    "cache of autocast": _flag("torch.is_autocast_cache_enabled()", "torch.set_autocast_cache_enabled({})", "True", "False"),
    "threads": ("n = torch.get_num_threads()", "torch.get_num_threads() - n", "torch.set_num_threads(n + 1)", "torch.set_num_threads(n)"),
    "matmul precision": _flag("torch.get_float32_matmul_precision()", "torch.set_float32_matmul_precision({})", "'highest'", "'high'"),
    "TF32": _flag("torch.backends.cuda.matmul.allow_tf32", "torch.backends.cuda.matmul.allow_tf32 = {}", "False", "True"),
    # by set_flags: attributes of these may be refused, where something imported torch's own test utilities
    "mkldnn": _flag("torch.backends.mkldnn.enabled", "torch.backends.mkldnn.set_flags(_enabled={})", "True", "False"),
    "mkldnn, deterministic": _flag("torch.backends.mkldnn.deterministic", "torch.backends.mkldnn.set_flags(_deterministic={})", "False", "True"),
    "cudnn": _flag("torch.backends.cudnn.enabled", "torch.backends.cudnn.set_flags(_enabled={})", "True", "False"),
    "cudnn, benchmark": _flag("torch.backends.cudnn.benchmark", "torch.backends.cudnn.set_flags(_benchmark={})", "False", "True"),
    "cudnn, deterministic": _flag("torch.backends.cudnn.deterministic", "torch.backends.cudnn.set_flags(_deterministic={})", "False", "True"),
    "fill memory": _flag(
        "torch.utils.deterministic.fill_uninitialized_memory", "torch.utils.deterministic.fill_uninitialized_memory = {}", "True", "False",
    ),
    "kernels of attention": _flag("torch.backends.cuda.flash_sdp_enabled()", "torch.backends.cuda.enable_flash_sdp({})", "True", "False"),
    "warn always": _flag("torch.is_warn_always_enabled()", "torch.set_warn_always({})", "False", "True"),
    "anomaly mode": _flag("torch.is_anomaly_enabled()", "torch.autograd.set_detect_anomaly({})", "False", "True"),
    "quantised engine": (
        "e = torch.backends.quantized.engine\nE = [v for v in torch.backends.quantized.supported_engines if v != e][0]",
        "torch.backends.quantized.engine == e", "torch.backends.quantized.engine = E", "torch.backends.quantized.engine = e",
    ),
}  # fmt: skip

TORCH: dict[str, dict[str, State]] = {"tensors": TENSORS, "modules": MODULES, "switches of torch": SWITCHES}
