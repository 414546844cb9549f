"""What is allowed to differ, and what may have breaks where torch.compile has one graph: how a case's label begins → why."""

KNOWN: dict[str, str] = {}

MORE_BREAKS: dict[str, str] = {
    "hop_db invoke_quant": "its options are an object, which a graph can't hold as one of its arguments",
    "hop_db flex_attention_backward": "autograd calls it; programs have no reason to",
    "hop_db inline_asm_elementwise": "it needs CUDA: untried",
    "autograd_function_db Numpy": "its forward computes with NumPy, which isn't translated",
    "module_db nn.Lazy": "the first call makes its parameters, after its class and its hooks; the second call is one graph",
}
