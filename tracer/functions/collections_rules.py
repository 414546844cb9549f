"""What `collections` adds to lists and dicts: named tuples' fields, the factory of classes, attributes of deques and defaultdicts.

Counter, ChainMap, UserDict, UserList and the methods of named tuples are Python code, which is inlined.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from ..variables import Variable
from .table import calls

if TYPE_CHECKING:
    from ..context import Context


@calls.exact(collections.namedtuple)
def namedtuple(ctx: Context, typename: Variable, *args: Variable, **kwargs: Variable) -> Any:
    """`namedtuple(…)` makes a class, which has to exist before the graph."""
    ctx.break_("class-definition-inside", what="class", expr="namedtuple(…)", type=typename.describe())
