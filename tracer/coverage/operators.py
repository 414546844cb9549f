"""Section 6: higher-order operators, and what is done for each of them."""

from __future__ import annotations

from .probe import Callable, Part, Program, Search

__all__ = ["HIGHER_ORDER"]

_HOP = "torch.ops.higher_order"
_LOOP = "while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y + 1), (torch.zeros((), dtype=torch.int64), x))"

HIGHER_ORDER = [
    ("Operators", "cond", Program("torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,))")),
    ("Operators", "while_loop", Program(f"from torch._higher_order_ops import while_loop\nreturn {_LOOP}")),
    ("Operators", "while_loop_stack_output", Callable(f"{_HOP}.while_loop_stack_output")),
    ("Operators", "map", Program("from torch._higher_order_ops.map import map as map_\nreturn map_(lambda y: y + 1, x)")),
    ("Operators", "scan", Program("from torch._higher_order_ops import scan\nreturn scan(lambda c, y: (c + y, c * y), x[0], x)")),
    ("Operators", "associative_scan", Program("torch.ops.higher_order.associative_scan(lambda a, b: a + b, [x], ())")),
    ("Operators", "checkpoint (wrap/tag)", Program("torch.utils.checkpoint.checkpoint(plain, x, use_reentrant=False)")),
    ("Operators", "autograd.Function apply", Program("Double.apply(x)")),
    ("Operators", "autograd.Function custom_function_call", Program("torch.func.grad(lambda y: Apart.apply(y).sum())(x)")),
    ("Operators", "vmap", Program("torch.func.vmap(lambda y: y + 1)(x)")),
    ("Operators", "grad", Program("torch.func.grad(lambda y: y.sum())(x)")),
    ("Operators", "vjp", Program("torch.func.vjp(lambda y: y.sum(), x)[0]")),
    ("Operators", "jvp", Program("torch.func.jvp(lambda y: y * 2, (x,), (x,))")),
    ("Operators", "jacrev", Program("torch.func.jacrev(lambda y: y * 2)(x)")),
    ("Operators", "jacfwd", Program("torch.func.jacfwd(lambda y: y * 2)(x)")),
    ("Operators", "hessian", Program("torch.func.hessian(lambda y: (y * y).sum())(x)")),
    ("Operators", "functional_call", Program("torch.func.functional_call(v, {}, (x,))", "Net()")),
    ("Operators", "reparametrised module calls", Program("torch.func.functional_call(v, {'scale': x[0]}, (x,))", "Net()")),
    ("Operators", "invoke_subgraph (nested_compile_region)", Program("region(x)")),
    ("Operators", "wrap", Callable(f"{_HOP}.wrap")),
    ("Operators", "wrap_with_set_grad_enabled", Callable(f"{_HOP}.wrap_with_set_grad_enabled")),
    ("Operators", "wrap_with_autocast", Callable(f"{_HOP}.wrap_with_autocast")),
    ("Operators", "hints_wrapper", Callable("torch._higher_order_ops.hints_wrap.hints_wrapper")),
    ("Operators", "strict_mode", Callable(f"{_HOP}.strict_mode")),
    ("Operators", "flex_attention", Program("torch.nn.attention.flex_attention.flex_attention(v, v, v)", "torch.ones(1, 1, 16, 16)")),
    ("Operators", "flex_attention backward", Callable(f"{_HOP}.flex_attention_backward")),
    ("Operators", "out_dtype", Callable("torch._higher_order_ops.out_dtype")),
    ("Operators", "run_with_rng_state", Callable("torch._prims.rng_prims.run_with_rng_state")),
    ("Operators", "call_torchbind", Callable("torch._higher_order_ops.torchbind.call_torchbind")),
    ("Operators", "print", Callable(f"{_HOP}.print")),
    ("Operators", "export tracepoint", Callable("torch._export.wrappers._export_tracepoint")),
    ("Operators", "trace_wrapped", Callable("torch._dynamo._trace_wrapped_higher_order_op._trace_wrapped_op")),
    ("Operators", "executorch delegate", Callable("torch._higher_order_ops.executorch_call_delegate")),
    ("Operators", "auto_functionalized (v1)", Callable("torch._higher_order_ops.auto_functionalize.auto_functionalized")),
    ("Operators", "auto_functionalized (v2)", Callable("torch._higher_order_ops.auto_functionalize.auto_functionalized_v2")),
    ("Operators", "bypassing wrapper", Callable("torch._higher_order_ops.wrap.dynamo_bypassing_wrapper")),
    ("Operators", "inline_asm_elementwise", Callable(f"{_HOP}.inline_asm_elementwise")),
    ("Operators", "local_map", Callable("torch.distributed.tensor.experimental.local_map")),
    ("Operators", "any `BaseHOP`", Search("BaseHOP|base_hop")),
    ("Operators", "user Triton kernels", Callable("torch._higher_order_ops.triton_kernel_wrap.triton_kernel_wrapper_mutation")),
    ("For each", "automatic / flattened / manual subgraph inputs as the operator needs", Part("tracer.higher_order.speculate:speculate")),
    ("For each", "outputs flattened with constants masked", Part("tracer.higher_order.results:flatten")),
    ("For each", "branches merged (lifted free variables shared, unique left, unique right)", Part("tracer.higher_order.nodes:shared_inputs")),
    ("For each", "pytree specs compared", Part("tracer.higher_order.results:same_structure")),
    ("For each", "meta consistency checked", Part("tracer.higher_order.results:differs")),
    ("For each", "aliasing and input mutation checked", Part("tracer.higher_order.speculate:_check_memory")),
    ("For each", "grad mode and checkpoint flags honoured", Part("tracer.higher_order.checkpoint:checkpoint")),
    ("For each", "roll back whole on failure", Part("tracer.higher_order.marks:Mark.roll_back")),
]  # fmt: skip
