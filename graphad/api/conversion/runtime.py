"""The functions that converted code calls, under the names by which it knows them."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from graphad.api.conversion import errstate, iterables, mathematics  # noqa: F401  (they fill the table of calls)
from graphad.api.conversion.branches import choose, if_
from graphad.api.conversion.callbacks import calling_back
from graphad.api.conversion.checks import checked, exception, handler
from graphad.api.conversion.constructors import constructor
from graphad.api.conversion.dispatch import assign, attribute, iterated, managed, operate
from graphad.api.conversion.draws import drawing, sampling
from graphad.api.conversion.functions import call
from graphad.api.conversion.guarded import guarded, unbound
from graphad.api.conversion.handlers import attempt, carried, carry, carrying, caught, passing, taken, trying
from graphad.api.conversion.items import inplace, setitem, update
from graphad.api.conversion.kinds import dispatched, matching, member
from graphad.api.conversion.ledger import assigning, changing, rebinding, settle
from graphad.api.conversion.loops import for_, while_
from graphad.api.conversion.parts import describe, truth
from graphad.api.conversion.peers import identical
from graphad.api.conversion.sequences import getitem
from graphad.api.conversion.sinks import poured
from graphad.api.conversion.stores import set_part, storing
from graphad.api.conversion.texts import formatting, percent, text
from graphad.api.conversion.truths import and_, compare, contains, is_, none_of, not_, or_
from graphad.api.conversion.untraced import asking, either, untraced
from graphad.errors import ControlFlowError
from graphad.location import place
from graphad.numpy.adopted import made
from graphad.numpy.arguments import known
from graphad.trace import Tracer

slice = builtins.slice


def vanishes(x: Any) -> Any:
    """Whether a number is 0, as far as that is known; of what is not known it is taken that it is not."""
    return False if isinstance(x, Tracer) and known(x) is None else x == 0


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
        f"without one{place()}; return a value of the same type in both"
    )


__all__ = [
    "and_", "asking", "assign", "assigning", "attempt", "attribute", "call", "calling_back", "carried",
    "carry", "carrying", "caught", "changing", "checked", "choose", "compare", "constructor", "contains",
    "dispatched", "drawing", "either", "exception", "for_", "formatting", "getitem", "guarded", "handler",
    "identical", "if_", "inplace", "is_", "iterated", "made", "managed", "matching", "member", "none_of",
    "not_", "operate", "or_", "passing", "percent", "poured", "rebinding", "returned", "sampling", "set_part",
    "setitem", "settle", "slice", "storing", "taken", "text", "trying", "unbound", "untraced", "update",
    "vanishes", "while_",
]  # fmt: skip
