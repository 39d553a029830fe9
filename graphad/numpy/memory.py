"""What is asked of an array's memory: what shares it, and how it lies there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.errors import TracerError
from graphad.location import place
from graphad.numpy.dispatch import implements
from graphad.numpy.layouts import UNKNOWN, outline_of, unclear
from graphad.numpy.views import View, may_be_others, origin_of, read_only
from graphad.trace import Tracer


def _seen(x: Any, whole: Any) -> Any:
    """The part of the outline of what a view is a view of in the end that the view sees."""
    return x.forth(_seen(x.origin, whole)) if isinstance(x, View) else whole


def _asked(ask: Callable[..., bool]) -> Callable[..., bool]:
    def answer(a: Any, b: Any, max_work: Any = None) -> bool:
        roots = [origin_of(a), origin_of(b)]
        if not isinstance(a, Tracer) or not isinstance(b, Tracer):
            return False  # what is traced has no memory that an array of NumPy's could share
        if any([may_be_others(x) for x in roots]):
            raise _unknown(ask.__name__)
        if roots[0] is not roots[1]:
            return False
        whole = outline_of(roots[0])
        if roots[0].layout is UNKNOWN and ask is np.may_share_memory:
            raise unclear(roots[0], ask.__name__)
        parts = [_seen(x, whole) for x in (a, b)]
        if any([isinstance(x, Tracer) for x in parts]):
            raise _unknown(ask.__name__)
        return bool(ask(*parts))

    answer.__name__ = answer.__qualname__ = ask.__name__
    return answer


def _unknown(what: str) -> TracerError:
    return TracerError(
        f"{what}: which elements these arrays have is known at run time only{place()}; make "
        "a copy of one of them (x.copy()), which shares nothing"
    )


for _function in (np.shares_memory, np.may_share_memory):
    implements(_function)(_asked(_function))


class TracerFlags:
    """What `x.flags` tells of a traced array, as far as it is known."""

    def __init__(self, x: Tracer) -> None:
        self._x = x

    def _outline(self) -> Any:
        if self._x.layout is UNKNOWN:
            raise unclear(self._x, "flags")
        return outline_of(self._x).flags

    c_contiguous = property(lambda self: self._outline().c_contiguous)
    f_contiguous = property(lambda self: self._outline().f_contiguous)
    contiguous = c_contiguous
    fnc = property(lambda self: self._outline().fnc)
    forc = property(lambda self: self._outline().forc)
    aligned = True
    writeable = property(lambda self: getattr(self._x, "back", None) is not read_only)

    @property
    def owndata(self) -> bool:
        if isinstance(self._x, View):
            return False
        raise _unowned("flags.owndata")

    def __getitem__(self, name: str) -> Any:
        short = {"C": "c_contiguous", "F": "f_contiguous", "W": "writeable", "A": "aligned", "O": "owndata"}
        return getattr(self, short.get(name, name.lower()))


def _unowned(what: str) -> TracerError:
    return TracerError(
        f"{what}: whether NumPy's array would have memory of its own is not known{place()}; "
        "ask numpy.shares_memory(a, b)"
    )


def _base(x: Tracer) -> Any:
    if not isinstance(x, View):
        raise _unowned("base")
    return origin_of(x)


def _strides(x: Tracer) -> tuple[int, ...]:
    if x.layout is UNKNOWN:
        raise unclear(x, "strides")
    outline = outline_of(x)
    return tuple([n * x.itemsize // outline.itemsize for n in outline.strides])


for _name, _told in (("flags", TracerFlags), ("base", _base), ("strides", _strides)):
    setattr(Tracer, _name, property(_told))
