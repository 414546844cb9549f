"""Tensor values that Python wants to have now, and values that no rule can model."""

from __future__ import annotations

from .model import Entry, Fix

ENTRIES = (
    Entry(
        id="tensor-to-python-number",
        title="Tensor turned into a Python number",
        explanation="""{subject} asks a tensor for a plain Python number, as `.item()`, `int()` and a tensor that is given for a size do. That
            number is not known until everything before it has run, so the graph stops to fetch it. The rest of the
            function then continues in a second graph that takes [[`{var}`|the number]] as an input.""",
        why_it_matters="""a device-to-host wait on every call[[, {graphs} graphs]], and possibly a recompile
            when [[`{var}`|the number]] changes[[ from {value}]].""",
        fixes=(
            Fix(
                name="tensor",
                do="Leave it a 0-d tensor",
                when="it is only used in tensor arithmetic",
                trades="nothing at run time, but Python-only uses (`range`, f-strings) have to move out",
                source="""
                    def f(x):
                        return x / x.abs().max()
                """,
            ),
        ),
        config="""`capture_scalar_outputs=True` keeps the graph whole here, for a number that really is a size or slice bound
            (`fullgraph=True` turns it on). Trades: sizes become symbolic and may need `torch._check(n <= limit)`;
            the wait stays.""",
        setting_if="setting",
        reproducer="""
            def f(x):
                return x / x.abs().max().item()
            f(torch.ones(4)), f(3 * torch.ones(4))
        """,
        measured=(1, 3),
    ),
    Entry(
        id="tensor-to-text",
        title="Tensor formatted as text",
        explanation="""{here} turns [[`{expr}`|a tensor]][[ ({shape})]] into text, with its numbers in it. While
            the function is recorded the tensor has a shape but no numbers. So the graph ends, the numbers are
            fetched, and Python writes the text.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]a device-to-host wait for a text that is often thrown away.",
        fixes=(
            Fix(
                name="format-outside",
                do="Return the tensor and format it in the caller",
                when="the text leaves the function",
                trades="one more output",
                source="""
                    def f(x):
                        return x * 2, x.mean()
                    def call(x):
                        y, mean = f(x)
                        return y, f"mean {mean}"
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        also=("Put the shape into the text instead of the values. Trades: no numbers.",),
        reproducer="""
            def f(x):
                return x * 2, f"mean {x.mean()}"
            f(torch.ones(4)), f(torch.zeros(4))
        """,
    ),
    Entry(
        id="unsupported-attribute",
        title="Tensor attribute that needs real memory",
        explanation="""{subject} reads [[`{name}` of a {type}|something that a graph does not know]]. The answer
            belongs to memory, storage or an object that exists only once the graph has run. So the graph ends, and
            Python reads it from the real object.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the value read may also differ from call to call.",
        fixes=(
            Fix(
                name="ask-outside",
                do="Ask for it in the caller, where the tensor is real",
                when="the answer is about an input or a result",
                trades="the check runs outside the compiled code",
                source="""
                    def f(x):
                        return x + 1
                    def call(x):
                        return f(x) if x.data_ptr() % 8 == 0 else x + 1
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
            Fix(
                name="metadata",
                do="Use shape, stride, dtype, device or `is`",
                when="the address stands for layout or identity",
                trades="alignment itself cannot be asked",
                source="""
                    def f(x):
                        return x + 1 if x.is_contiguous() else x.contiguous() + 1
                """,
            ),
        ),
        reproducer="""
            def f(x):
                return x + 1 if x.data_ptr() % 8 == 0 else x.clone() + 1
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="tensor-hash",
        title="Tensor used as a dictionary key",
        explanation="""{here} puts [[`{expr}`|a tensor]] where Python needs a hash: a key, a set member,
            `hash()`, `id()`. A tensor's hash is its address, and a tensor made in the graph has none yet. So the
            graph ends, and Python uses the real tensor.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]a key made from an address is new on each call.",
        fixes=(
            Fix(
                name="name-as-key",
                do="Use a name or an index as the key",
                when="the tensor itself need not be found again by identity",
                trades="the caller has to know the name",
                source="""
                    def f(x):
                        y = x * 2
                        weights = {"y": 3.0}
                        return y * weights["y"]
                """,
            ),
        ),
        reproducer="""
            def f(x):
                y = x * 2
                weights = {y: 3.0}
                return y * weights[y] + 0 * (hash(y) % 2)
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(1, 0),
    ),
    Entry(
        id="set-of-tensors",
        title="Set that holds tensors",
        explanation="""{here} uses a set of tensors[[, `{expr}`]]. Sets order their members by hash, a tensor's
            hash is its address, and addresses change with every call. So the graph ends, and Python works on the
            real set.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]the order of the members, and with it the graph,
            could change by chance.""",
        fixes=(
            Fix(
                name="dict-of-names",
                do="Keep the tensors in a list or in a dict by name",
                when="membership is not asked for by identity",
                trades="duplicates are not removed",
                source="""
                    def f(x, parts):
                        return x + sum(part.sum() for part in parts)
                    def call(x):
                        return f(x, [x, x * 2])
                    call(torch.ones(4)), call(torch.zeros(4))
                """,
            ),
        ),
        reproducer="""
            def f(x, parts):
                return x + sum(part.sum() for part in parts)
            def call(x):
                return f(x, {x, x * 2})
            call(torch.ones(4)), call(torch.zeros(4))
        """,
    ),
    Entry(
        id="user-hash-or-eq",
        title="Key with a `__hash__` of its own",
        explanation="""{here} has to do with keys whose `__hash__` or `__eq__`[[ (of {type})]] [[can't be asked here:
            {why}|compute with tensors: which entry is found depends on numbers that are not known yet]]. So the graph
            ends, and Python works on the real table.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]every look-up in the table is Python's, on every call.",
        also=('Key by a name or another plain value instead. Trades: the name has to be unique.',),
    ),
    Entry(
        id="self-referential-container",
        title="Container that contains itself",
        explanation="""[[`{expr}`[[ {at}]]|A value {at}]] is a
            [[{type}|container]] that holds itself. It can be used, but guards and generated code are trees, and
            this one has no leaves to start from. So the graph ends, and Python works on the real object.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]the code around the container runs as ordinary Python.",
        also=("Keep the reference back in a weakref or under a name in a table. Trades: one more look-up.",),
    ),
    Entry(
        id="unsupported-type",
        title="Value of a type without a rule",
        explanation="""{here} uses a value[[ of type {type}]][[, `{expr}`,|, `{source}`,]] that the tracer has
            no rule for[[: {why}]]. What it would do to the graph or to the outside world is therefore not known. So
            the graph ends, Python uses the real object, and a new graph starts behind.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]each use of the object is a break of its own[[
            ({breaks} here)]].""",
        also=(
            (
                "Read what you need from the object in the caller and pass plain values or tensors. Trades: more "
                "arguments."
            ),
            (
                "Wrap what the object does in a function under `torch.compiler.disable`. Trades: the break stays, but "
                "is deliberate."
            ),
        ),
    ),
    Entry(
        id="descriptor-unsupported",
        title="Attribute computed by compiled code",
        explanation="""{here} reads [[`{name}`|an attribute]] [[of a {type} ]]through a descriptor whose code is
            not Python. There is nothing inside to follow, and its answer may change between two reads. So the graph
            ends, Python reads the attribute, and a new graph starts behind.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]one break for each read.",
        also=(
            "Read the attribute in the caller and pass its value. Trades: one more argument.",
            (
                "Write the descriptor as a `property` or a class with a Python `__get__`. Trades: a slower read "
                "outside the graph."
            ),
        ),
    ),
    Entry(
        id="weakref-call",
        title="Weak reference asked for its object",
        explanation="""{subject} asks a weak reference whether its object is still alive. The answer changes
            when the object dies, at a moment that no guard sees. So the graph ends, and Python asks the real
            reference.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]one break for each look at the reference.",
        also=("Resolve the reference in the caller and pass the object. Trades: one more argument.",),
    ),
    Entry(
        id="lifetime-unknown",
        title="Object that may or may not live on",
        explanation="""{here} depends on when [[`{expr}`|an object]][[ of type {type}]] ends, which the program sees by a weak reference or by
            `__del__`[[: {why}]]. Only Python's own count of references tells. So the graph ends, and the rest of the function runs as Python.""",
        why_it_matters="[[{graphs} graphs instead of 1; ]]what comes behind in the same function isn't captured.",
        fixes=(
            Fix(
                name="return-object",
                do="Return the object, so that the caller holds it",
                when="it may live longer than the call",
                trades="one more output, and its memory",
                own_result=True,
                source="""
                    import weakref
                    def f(x):
                        y = x * 2
                        seen = weakref.ref(y)
                        z = y.sin()
                        return z, seen() is y, y
                """,
            ),
        ),
        reproducer="""
            import weakref
            def f(x):
                y = x * 2
                seen = weakref.ref(y)
                z = y.sin()
                del y
                return z, seen() is None
            f(torch.ones(4)), f(torch.zeros(4))
        """,
        measured=(0, 1),
    ),
    Entry(
        id="cannot-rebuild",
        title="Object cannot be made again after the graph",
        explanation="""{here} leaves [[`{expr}`|an object]][[ of type {type}]] behind that was made while the
            function was recorded[[: {why}]]. The caller has to get a real one, and there is no way known to make it
            from parts. So the graph ends earlier, and Python makes the object itself.""",
        why_it_matters="""[[{graphs} graphs instead of 1; ]]the code from there on runs in a graph of its own,
            or not at all.""",
        also=(
            "Return the parts and make the object in the caller. Trades: one more line in the caller.",
            (
                "Use a dataclass, namedtuple, dict or list for it when the type is your own. Trades: no state outside "
                "Python."
            ),
        ),
    ),
)
