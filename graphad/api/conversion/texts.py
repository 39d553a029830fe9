"""f-strings of traced values: a text at once where the values are known, else one that is made at run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphad.api.call import plain
from graphad.api.conversion.parts import shown, unknown
from graphad.build import current_builder
from graphad.errors import TracerError
from graphad.trace import Tracer

Field = tuple[Any, int, Any]
"""A value, its conversion (`ord` of `s`, `r` or `a`; -1 for none), and its format specification."""

_CONVERSIONS: dict[int, Callable[[Any], Any]] = {-1: lambda x: x, ord("s"): str, ord("r"): repr, ord("a"): ascii}


class Text:
    """An f-string with values that are known at run time only: `parts` are strings and fields.

    What takes texts for their own sake (`print`, logging, the message of an assert) writes it at run time; any other
    use raises `TracerError`.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[str | Field]) -> None:
        self.parts = tuple(parts)

    @property
    def values(self) -> list[Any]:
        """The values of the fields, traced or not."""
        return [p[0] for p in self.parts if not isinstance(p, str)]

    def filled(self, values: Sequence[Any]) -> str:
        """The text with these values in the fields."""
        given = iter(values)
        return "".join([p if isinstance(p, str) else _formatted(next(given), *p[1:]) for p in self.parts])

    def refuse(self, *args: Any, **kwargs: Any) -> Any:
        types = ", ".join(str(x.type) for x in self.values if isinstance(x, Tracer))
        raise TracerError(
            f"a text with the value of a traced {types} is not known inside jit, trace or vmap{shown()}; print or log "
            "it, which is then done at run time, use graphad.debug.callback, or return the value"
        )

    def __repr__(self) -> str:
        return "".join([p if isinstance(p, str) else f"{{{p[0]!r}}}" for p in self.parts])

    def __str__(self) -> str:
        # What left its trace in an exception is only looked at.
        return self.refuse() if current_builder() is not None else repr(self)  # type: ignore[no-any-return]

    __format__ = __len__ = __iter__ = __getitem__ = __add__ = __radd__ = __mod__ = refuse
    __eq__ = __hash__ = __contains__ = __bool__ = __lt__ = __mul__ = __getattr__ = refuse  # type: ignore[assignment]


def text(*parts: str | Field) -> Any:
    """The value of an f-string."""
    if any([type(p) is tuple and (unknown(p[0]) or isinstance(p[0], Text)) for p in parts]):
        return Text([q for p in parts for q in _flat(p)])
    return "".join([p if isinstance(p, str) else _formatted(*p) for p in parts])


def _flat(part: str | Field) -> Sequence[str | Field]:
    return part[0].parts if isinstance(part, tuple) and isinstance(part[0], Text) else [part]


def _formatted(value: Any, conversion: int, spec: Any) -> str:
    return format(_CONVERSIONS[conversion](plain(value)), spec)
