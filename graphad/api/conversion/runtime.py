"""The functions that converted code calls, under the names by which it knows them."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from graphad.api.conversion.branches import and_, choose, compare, contains, if_, none_of, not_, or_
from graphad.api.conversion.functions import call
from graphad.api.conversion.items import getitem, inplace, put, put_outer, setitem
from graphad.api.conversion.loops import for_, while_
from graphad.api.conversion.parts import describe, shown, truth
from graphad.api.conversion.scalars import refuse_random
from graphad.errors import ControlFlowError
from graphad.trace import Tracer

slice = builtins.slice


def returned(flag: Any, value: Callable[[], Any]) -> Any:
    """What a function returns whose `return` statements stand in branches and loops."""
    flag = truth(flag, "a return")
    if not isinstance(flag, Tracer):
        return value() if flag else None
    result = value()
    if result is None:
        return None
    raise ControlFlowError(
        f"the result is {describe(result)} where a return statement is reached, and None where the function ends "
        f"without one{shown()}; return a value of the same type in both"
    )


def checked(test: Any) -> bool:
    """The test of an assert statement; one that is known at run time only passes."""
    test = truth(test, "the assert statement")
    return True if isinstance(test, Tracer) else bool(test)


__all__ = [
    "ControlFlowError", "and_", "call", "checked", "choose", "compare", "contains", "for_", "getitem", "if_", "inplace",
    "none_of", "not_", "or_", "put", "put_outer", "refuse_random", "returned", "setitem", "slice", "while_",
]  # fmt: skip
