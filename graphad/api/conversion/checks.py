"""`assert` and `raise` where what decides is known at run time only: checks of the graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.api.conversion.functions import call
from graphad.api.conversion.parts import describe, in_part, staged, truth
from graphad.api.conversion.texts import Text
from graphad.build import current_builder
from graphad.errors import ControlFlowError
from graphad.literals import OpaqueAttributeError, plain
from graphad.location import place
from graphad.ops.checks import Check, name_of
from graphad.refusals import handles, leads_to_handler, refuse_handled
from graphad.trace import Tracer, apply

_GIVEN = "graphad@"
"""The attribute of an exception that holds the arguments that it was made with."""


def checked(test: Callable[[], Any], message: Callable[[], Any] | None = None) -> bool:
    """The test of an assert statement. One that is known at run time only becomes a check, and passes."""
    builder = current_builder()
    if builder is not None and not builder.checks:
        return True
    held = truth(test(), "the assert statement")
    if not isinstance(held, Tracer):
        repeats = builder is not None and builder.repeats  # of a body that may never run
        if held or handles(AssertionError) or not (repeats or (message is not None and staged())):
            return bool(held)
        told: tuple[Any, ...] = () if message is None else (message(),)
        if not (repeats or isinstance(told[0], (Tracer, Text))):
            return False
        # What it says is known at run time only.
        record(np.array(False), AssertionError, told, {})
        return True
    if leads_to_handler((AssertionError,), held):
        return True
    refuse_handled(AssertionError, "is raised by an assert statement whose test is known at run time only")
    record(held, AssertionError, () if message is None else (message(),), {})
    return True


def exception(cls: Any) -> Callable[..., Any]:
    """What a raise statement calls in place of an exception's class. The exception remembers its arguments, and is made
    of them at run time: a class of the user's own is not asked to show traced values."""
    if not (isinstance(cls, type) and issubclass(cls, BaseException)):
        return call(cls)  # type: ignore[no-any-return]

    def make(*args: Any, **kwargs: Any) -> Any:
        if not staged() or (handles(cls) and not in_part()):
            return cls(*args, **kwargs)
        given = (*args, *kwargs.values())
        shows = any([isinstance(x, (Tracer, Text)) for x in given]) and "__init__" in _written(cls)
        made = cls.__new__(cls, *args, **kwargs) if shows else cls(*args, **kwargs)
        made.__dict__[_GIVEN] = args, kwargs
        return made

    return make


def _written(cls: type) -> set[str]:
    """The names that the classes written in Python define, of a class and its bases."""
    return {name for base in cls.__mro__ if "__module__" in vars(base) for name in vars(base)}


def handler(raised: Any, types: Callable[[], Sequence[Any]]) -> int:
    """Which of the handlers around a `raise` statement takes what it raises, where that becomes a branch of the graph;
    -1 where Python raises it, or no handler is known to take it."""
    kind = raised if isinstance(raised, type) else type(raised)
    if in_part():
        for i, taken in enumerate(types()):
            if issubclass(kind, taken):
                return i
    return -1


def fail(error: BaseException, how: str) -> None:
    """Record that an exception is raised here, in the running trace; `how` says so in messages."""
    refuse_handled(type(error), how)
    args, kwargs = error.__dict__.get(_GIVEN) or (_made_with(error), {})
    record(np.array(False), type(error), args, kwargs)


def _made_with(error: BaseException) -> Sequence[Any]:
    """The arguments that an exception is made with, as copies of it are: some keep other `args`."""
    found: Any = error.__reduce__()
    return found[1] if found[0] is type(error) else error.args  # type: ignore[no-any-return]


def must(held: Any, raised: Sequence[type[BaseException]], cls: type[BaseException], *args: Any) -> None:
    """Record a check of what Python checks by itself: `cls(*args)` is one of the exceptions `raised`."""
    if not leads_to_handler(raised, held):
        for kind in raised:
            refuse_handled(kind)
        record(held, cls, args, {})


def record(held: Any, cls: type[BaseException], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Record a check, which raises `cls(*args, **kwargs)` unless the predicate holds."""
    operands: list[Any] = []
    arguments = tuple([_argument(x, operands, cls) for x in (*args, *kwargs.values())])
    apply(Check(name_of(cls), arguments, tuple(kwargs)), [held, *operands])


def _place() -> str:
    """The user's line: that of the raise statement, where it is a piece's last step."""
    builder = current_builder()
    return place(builder.where if builder is not None else None)


def _argument(x: Any, operands: list[Any], cls: type) -> Any:
    """An argument of an exception as `Check` holds it; the traced values in it join the operands."""
    if isinstance(x, Text):
        return "".join([_literal(p) if isinstance(p, str) else _field(p, operands) for p in x.parts])
    if isinstance(x, str):
        return _literal(x)
    if isinstance(x, (Tracer, np.ndarray, np.generic)):
        operands.append(x)
        return ("number" if isinstance(x, Tracer) and x.weak else "value", len(operands) - 1)
    if type(x) is tuple:
        return ("tuple", *[_argument(part, operands, cls) for part in x])
    try:
        return plain(x)
    except OpaqueAttributeError:
        raise ControlFlowError(
            f"{cls.__name__} is raised with {describe(x)}{_place()} where a traced value decides; a compiled program "
            "can make it of texts, numbers and arrays: give a text, f\"...\""
        ) from None


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _field(field: tuple[Any, int, Any], operands: list[Any]) -> str:
    """A field of an f-string as one of `str.format`."""
    value, conversion, spec = field
    if not isinstance(value, (Tracer, np.ndarray, np.generic)):
        return _literal(Text([field]).filled([value]))
    if not isinstance(spec, str):
        raise ControlFlowError(f"the format of a message depends on a traced value{_place()}; write it out")
    if conversion == ord("%"):
        found = re.fullmatch(r"%(?:([sr])|([+0]?\d*(?:\.\d+)?[feEgG])|(d))", spec)
        if found is None or (found[3] and value.dtype.kind not in "iu"):
            raise ControlFlowError(f"{spec!r} in a message{_place()} is not written at run time; use an f-string")
        conversion, spec = (ord(found[1]), "") if found[1] else (-1, found[2] or "d")
    operands.append(value)
    kind = "" if conversion == -1 else f"!{chr(conversion)}"
    if kind == "!r" and isinstance(value, Tracer) and value.weak:
        kind = "!s"  # it stands for a number of Python, whose two texts are one
    return f"{{{len(operands) - 1}{kind}{':' + _literal(spec) if spec else ''}}}"


__all__ = ["checked", "exception", "fail", "handler", "must", "record"]
