"""What tuples add to sequences. (`index` and `count` are in `lists`; the methods of named tuples are Python and inlined.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...signals import Declined
from ...variables import TupleVariable, Variable
from ..table import calls

if TYPE_CHECKING:
    from ...context import Context


@calls.exact(tuple.__getnewargs__)
def getnewargs(ctx: Context, target: Variable) -> Any:
    """`tuple.__getnewargs__`, which copying asks for."""
    if not isinstance(target, TupleVariable):
        return Declined("not a tuple")
    return TupleVariable([TupleVariable(target.settled(ctx), tuple)], tuple)
