"""Texts of traced values, by f-strings, `%`, `format` and `str`: at once where values are known, else at run time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from string import Formatter
from typing import Any

import numpy as np

from graphad.api.call import is_weak, plain
from graphad.api.conversion.parts import unknown
from graphad.build import current_builder
from graphad.errors import TracerError
from graphad.location import place
from graphad.trace import Tracer

Field = tuple[Any, int, Any]
"""A value, its conversion (`ord` of `s`, `r` or `a`; -1 for none), and its format specification; with `ord` of `%` that
is one of the operator `%`."""
_PERCENT = re.compile(r"%(?:\((?P<key>[^)]*)\))?[#0\- +]*(?:\*|\d+)?(?:\.(?:\*|\d*))?[hlL]?[diouxXeEfFgGcrsa%]")

_CONVERSIONS: dict[int, Callable[[Any], Any]] = {-1: lambda x: x, ord("s"): str, ord("r"): repr, ord("a"): ascii}


class Text:
    """A text with values that are known at run time only: `parts` are strings and fields.

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

    def at(self, values: Sequence[Any]) -> Any:
        """The text with other values in the fields, Python's numbers for those that stand for such."""
        if any([isinstance(x, Tracer) for x in values]):
            given = iter(values)
            return Text([p if isinstance(p, str) else (next(given), *p[1:]) for p in self.parts])
        known = [np.asarray(x)[()] for x in values]
        return self.filled([x.item() if is_weak(v) else x for x, v in zip(known, self.values, strict=True)])

    def refuse(self, *args: Any, **kwargs: Any) -> Any:
        types = ", ".join(str(x.type) for x in self.values if isinstance(x, Tracer))
        raise TracerError(
            f"a text with the value of a traced {types} is not known inside jit, trace or vmap{place()}; print or log "
            "it, which is then done at run time, use graphad.debug.callback, or return the value"
        )

    def __repr__(self) -> str:
        return "".join([p if isinstance(p, str) else f"{{{p[0]!r}}}" for p in self.parts])

    def __str__(self) -> str:
        # What left its trace in an exception is only looked at.
        return self.refuse() if current_builder() is not None else repr(self)  # type: ignore[no-any-return]

    def __add__(self, other: Any) -> Any:
        return Text((*self.parts, *_parts(other))) if isinstance(other, (str, Text)) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return Text((other, *self.parts)) if isinstance(other, str) else NotImplemented

    __format__ = __len__ = __iter__ = __getitem__ = __mod__ = refuse
    __eq__ = __hash__ = __contains__ = __bool__ = __lt__ = __mul__ = __getattr__ = refuse  # type: ignore[assignment]


class Shown(str):
    """A text that shows a value whose derivative is asked for."""

    __slots__ = ()


def no_number(x: Any, use: str) -> None:
    """Raise `TracerError` where a text that shows a traced value is read as a number."""
    if isinstance(x, Text):
        x.refuse()
    if isinstance(x, Shown):
        raise TracerError(
            f"{use} of a text that shows a traced value{place()} would lose its derivative; compute with the value "
            "itself, or show graphad.stop_gradient(x) where it shall count as a constant"
        )


def text(*parts: str | Field) -> Any:
    """The value of an f-string."""
    values = [p[0] for p in parts if type(p) is tuple]
    if any([unknown(x) or isinstance(x, Text) for x in values]):
        return Text([q for p in parts for q in _flat(p)])
    found = "".join([p if isinstance(p, str) else _formatted(*p) for p in parts])
    active = any([type(x) is Shown or (isinstance(x, Tracer) and x.builder.active(x.value)) for x in values])
    return Shown(found) if active else found


def string(*args: Any) -> Any:
    """`str` as converted code calls it."""
    return text((args[0], ord("s"), "")) if len(args) == 1 and isinstance(args[0], (Tracer, Text)) else str(*args)


def representation(x: Any) -> Any:
    """`repr` as converted code calls it."""
    return text((x, ord("r"), "")) if isinstance(x, (Tracer, Text)) else repr(x)


def formatting(x: Any) -> Any:
    """The attribute `format` of a value."""
    return partial(_format, x) if type(x) is str else x.format


def _format(pattern: str, *args: Any, **kwargs: Any) -> Any:
    """`str.format`."""
    if not any([isinstance(x, (Tracer, Text)) for x in (*args, *kwargs.values())]):
        return pattern.format(*args, **kwargs)
    parts: list[str | Field] = []
    numbered = 0
    for literal, name, spec, conversion in Formatter().parse(pattern):
        parts.append(literal)
        if name is None:
            continue
        if not name or name[0] in ".[":
            name, numbered = f"{numbered}{name}", numbered + 1
        value = Formatter().get_field(name, args, kwargs)[0]
        parts.append((value, ord(conversion) if conversion else -1, (spec or "").format(*args, **kwargs)))
    return text(*parts)


def percent(pattern: Any, given: Any) -> Any:
    """`pattern % given` of a text that stands in the code."""
    named = isinstance(given, Mapping)
    values = list(given.values()) if named else list(given) if isinstance(given, tuple) else [given]
    fields = list(_PERCENT.finditer(pattern)) if isinstance(pattern, str) else []
    wanted = [m for m in fields if not m.group().endswith("%")]
    if not any([isinstance(x, (Tracer, Text)) for x in values]) or (not named and len(wanted) != len(values)):
        return pattern % given
    if any(["*" in m.group() for m in wanted]):
        raise TracerError(f"{pattern!r} of traced values{place()}: widths by * are not known; write the number itself")
    parts: list[str | Field] = []
    end, left = 0, iter(values)
    for m in fields:
        parts.append(pattern[end : m.start()])
        end = m.end()
        if m.group().endswith("%"):
            parts.append("%")
            continue
        value = given[m["key"]] if named and m["key"] is not None else next(left)
        parts.append((value, ord("%"), re.sub(r"\([^)]*\)", "", m.group(), count=1)))
    return text(*parts, pattern[end:])


def _parts(x: str | Text) -> Sequence[str | Field]:
    return (x,) if isinstance(x, str) else x.parts


def _flat(part: str | Field) -> Sequence[str | Field]:
    if isinstance(part, tuple) and isinstance(part[0], Text):
        return part[0].parts
    if isinstance(part, tuple) and part[1] == ord("r") and isinstance(part[0], Tracer) and part[0].weak:
        return [(part[0], ord("s"), part[2])]  # it stands for a number of Python, whose two texts are one
    return [part]


def _formatted(value: Any, conversion: int, spec: Any) -> str:
    value = plain(value)
    return str(spec % (value,)) if conversion == ord("%") else format(_CONVERSIONS[conversion](value), spec)
