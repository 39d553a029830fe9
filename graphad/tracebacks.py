"""Tracebacks of the user's own frames: graphad's are left out where an error leaves a public function.

`GRAPHAD_TRACEBACK=full` in the environment keeps them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from opcode import opmap
from types import TracebackType
from typing import ParamSpec, TypeVar

from graphad.build import current_builder
from graphad.errors import GraphadError
from graphad.location import is_internal, is_own

P = ParamSpec("P")
R = TypeVar("R")


def boundary(function: Callable[P, R]) -> Callable[P, R]:
    """The public function; errors that leave it outside of any trace show the user's frames only."""

    @wraps(function)
    def entered(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            shorten(error)
            # A bare `raise` adds no entry for this frame.
            raise

    return entered


def shorten(error: BaseException) -> None:
    """Leave graphad's frames out of the traceback of an error, and of those that it came from.

    An error of graphad's own ends in the user's line: what NumPy or Python's library did there is left out too.
    """
    if current_builder() is not None or os.environ.get("GRAPHAD_TRACEBACK") == "full":
        return
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if not is_accident(one):
            one.__traceback__ = _users(_entries(one.__traceback__), isinstance(one, GraphadError))
        cause = one.__cause__
        if isinstance(cause, GraphadError) and _users(_entries(cause.__traceback__), True) is None:
            one.__cause__ = None  # it comes from no other line of the user's, and the error itself says more
        pending += [one.__cause__, one.__context__]


def _entries(tb: TracebackType | None) -> list[TracebackType]:
    found = []
    while tb is not None:
        found.append(tb)
        tb = tb.tb_next
    return found


_RAISE = opmap["RAISE_VARARGS"]
_ON_BEHALF = tuple(
    f"graphad.api.conversion.{name}"
    for name in (
        "constructors", "dispatch", "dunders", "functions", "guarded", "items", "iterables", "kinds", "library",
        "mathematics", "numbers", "ordering", "sequences", "series", "texts",
    )
)  # fmt: skip
"""Modules that do what the user's code does: its operators, calls of functions and assignments."""
_ACCIDENTS = (TypeError, ValueError, AttributeError, LookupError, AssertionError, NameError, ZeroDivisionError)


def is_accident(error: BaseException) -> bool:
    """Whether code of graphad failed that raised nothing on purpose: a fault, which is reported with all frames."""
    if isinstance(error, GraphadError) or not isinstance(error, _ACCIDENTS):
        return False
    entries = _entries(error.__traceback__)
    if not entries or entries[-1].tb_frame.f_globals.get("__name__") in _ON_BEHALF:
        return False
    code = entries[-1].tb_frame.f_code
    return is_own(code) and code.co_code[entries[-1].tb_lasti] != _RAISE


def _users(entries: list[TracebackType], to_the_users_line: bool) -> TracebackType | None:
    """The traceback without graphad's frames. Callers above the boundary are added when the error reaches them."""
    kept = [e for e in entries if not is_own(e.tb_frame.f_code)]
    while to_the_users_line and kept and is_internal(kept[-1].tb_frame.f_code):
        kept.pop()
    found: TracebackType | None = None
    for e in reversed(kept):
        found = TracebackType(found, e.tb_frame, e.tb_lasti, e.tb_lineno)
    return found
