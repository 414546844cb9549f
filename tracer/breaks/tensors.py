"""Tensors of special layouts and classes, and operations on a tensor's memory."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="sparse-tensor",
        title="Sparse tensor in the function",
        explanation="""{here} uses a sparse tensor[[, `{expr}`]][[ ({shape}, {dtype})]]. How many elements it
            stores, and where, is data, and graphs and their guards describe tensors by shape and stride. So the
            graph ends, and operations on it run as ordinary Python.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]no operation on the sparse tensor is compiled.",
        fixes=(
            Fix(
                name="multiply-outside",
                do="Do the sparse operation in the caller and pass its dense result",
                when="the rest of the function is dense",
                trades="one more argument",
                source="""
                    def f(y):
                        return y.relu() + 1
                    def call(x):
                        return f(sparse @ x)
                    call(torch.ones(3, 2)), call(-torch.ones(3, 2))
                """,
            ),
            Fix(
                name="dense",
                do="Make it dense once, with `to_dense()`",
                when="it fits into memory",
                trades="memory and work for the zeros",
                source="""
                    dense = sparse.to_dense()
                    def f(x, a):
                        return (a @ x).relu() + 1
                    def call(x):
                        return f(x, dense)
                    call(torch.ones(3, 2)), call(-torch.ones(3, 2))
                """,
            ),
        ),
        reproducer="""
            sparse = torch.eye(3).to_sparse()
            def f(x, a):
                return (a @ x).relu() + 1
            def call(x):
                return f(x, sparse)
            call(torch.ones(3, 2)), call(-torch.ones(3, 2))
        """,
    ),
    Entry(
        id="nested-tensor-strided",
        title="Nested tensor of the strided layout",
        explanation="""{here} uses a nested tensor with the strided layout[[, `{expr}`]]. Its rows have sizes of
            their own that no shape expression covers; only the jagged layout has a shape that a graph can hold. So
            the graph ends, and Python works on the nested tensor.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]no operation on the nested tensor is compiled.",
        fixes=(
            Fix(
                name="padded",
                do="Pad the rows and mask",
                when="lengths are similar",
                trades="work on padding",
                source="""
                    def f(x):
                        return (x * 2).sum(1)
                    def call(a, b):
                        return f(torch.nn.utils.rnn.pad_sequence([a, b], batch_first=True))
                    call(torch.ones(2), torch.ones(3)), call(torch.zeros(2), torch.ones(3))
                """,
            ),
        ),
        also=("Build it with `layout=torch.jagged`. Trades: one ragged dimension, and fewer operators.",),
        reproducer="""
            def f(x):
                return (x * 2).to_padded_tensor(0.).sum(1)
            def call(a, b):
                return f(torch.nested.nested_tensor([a, b]))
            call(torch.ones(2), torch.ones(3)), call(torch.zeros(2), torch.ones(3))
        """,
    ),
    Entry(
        id="tensor-subclass-unsupported",
        title="Class of tensors that a graph can't hold",
        explanation="""{here} uses a class of tensors[[, {type}]], which does more than override torch's functions
            (`__torch_function__`), or does so in a way that isn't followed[[: {why}]]. A graph could only
            treat it as an ordinary tensor, and lose what makes it special. So the graph ends, and Python uses the
            real object.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]every operation on such a tensor is a break of its own.",
        fixes=(
            Fix(
                name="unwrap",
                do="Pass the plain tensor that it holds, and wrap the result in the caller",
                when="the function only needs the numbers",
                trades="operations inside are not seen by the subclass",
                source="""
                    def f(x):
                        return x * 2
                    def call(x):
                        return make(f(make(x).plain)).plain
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        also=(
            "Override torch's functions instead of its operators: `__torch_function__` in place of `__torch_dispatch__`. "
            "Trades: what torch's own code calls inside is not seen.",
        ),
        reproducer="""
            class Logged(torch.Tensor):
                @classmethod
                def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
                    plain = [a.plain if isinstance(a, Logged) else a for a in args]
                    return make(func(*plain, **(kwargs or {})))
                def __repr__(self):
                    return "Logged(...)"
            def make(plain):
                out = torch.Tensor._make_wrapper_subclass(Logged, plain.shape, dtype=plain.dtype)
                out.plain = plain
                return out
            def f(x):
                return x * 2
            def call(x):
                return f(make(x)).plain
            call(torch.ones(4)), call(torch.zeros(4))
        """,
    ),
    Entry(
        id="legacy-tensor-constructor",
        stands="call",
        title="Tensor made by the old constructor",
        explanation="""{here} makes a tensor with the class itself[[: `{expr}`]]. Of sizes and of known numbers that is recorded; here it is
            given something else, such as a tensor, whose memory the new one may share or whose values it needs. So the graph ends, Python
            makes the tensor, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]one break for each tensor made.",
        fixes=(
            Fix(
                name="torch-tensor",
                do="Use the tensor itself, `detach()` for one without its history, `torch.stack(values)` for several",
                when="what it is given are tensors",
                trades="the dtype is the tensors' own, not the default one",
                source="""
                    def f(x):
                        return x.detach() * x
                """,
            ),
        ),
        reproducer="""
            def f(x):
                return torch.Tensor(x) * x
            f(torch.ones(2)), f(torch.zeros(2))
        """,
    ),
    Entry(
        id="inplace-on-input-view",
        title="In-place change seen through another view",
        explanation="""{subject} writes into memory that another argument or an outside tensor[[ (`{var}`)]]
            also shows. Whether, and where, they overlap is a fact of this call, not of the code. A graph that
            assumes one answer would be silently different under the other, so the graph ends here.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the write happens as ordinary Python.",
        also=("Pass one of them and derive the view inside. Trades: the signature changes.",),
    ),
    Entry(
        id="storage-changed",
        title="Tensor's memory is replaced or resized",
        explanation="""{subject} gives a tensor other memory or another size in place (`resize_`, `set_`,
            `swap_tensors`). A graph plans the memory of every tensor once, before it runs. So the graph ends,
            Python changes the tensor, and a new graph starts.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]all code that holds the tensor sees another shape
            afterwards.""",
        fixes=(
            Fix(
                name="new-tensor",
                do="Make a new tensor of the wanted size",
                when="no other name has to see the new size",
                trades="one allocation",
                source="""
                    def f(x):
                        y = torch.empty(2, 4)
                        return y.fill_(1.0) + x
                """,
            ),
        ),
        reproducer="""
            def f(x):
                y = torch.empty(0)
                y.set_(torch.empty(8).untyped_storage(), 0, (2, 4))
                return y.fill_(1.0) + x
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 2),
    ),
    Entry(
        id="out-argument",
        title="Result written into a given tensor",
        explanation="""{subject} writes its result into the tensor given as `out=`[[: {why}]]. That tensor would
            be resized, moved or laid out anew, and a graph keeps the memory of its inputs as it is. So the graph
            ends, Python makes the call, and a new graph starts.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the call runs as ordinary Python.",
        fixes=(
            Fix(
                name="result",
                do="Use the result instead of `out=`",
                when="the other tensor was only there to save memory",
                trades="nothing in a graph, the backend plans memory itself",
                source="""
                    def f(x):
                        return torch.add(x, 1) * 2
                """,
            ),
            Fix(
                name="right-size",
                do="Give it the size of the result beforehand",
                when="others hold the tensor",
                trades="the size is computed in two places",
                source="""
                    def f(x):
                        out = torch.empty(4)
                        torch.add(x, 1, out=out)
                        return out * 2
                """,
            ),
        ),
        reproducer="""
            def f(x):
                out = torch.empty(0)
                torch.add(x, 1, out=out)
                return out * 2
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 2),
    ),
)
