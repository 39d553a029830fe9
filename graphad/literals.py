"""Attributes of ops as plain data: what the text form and saved files may hold, and how an op is made from it."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import ParseError
from graphad.op import OPS, Op
from graphad.types import TensorType, dtype_spelling

_hints: dict[type[Op], dict[str, Any]] = {}


class OpaqueAttributeError(ValueError):
    """An attribute is a Python object that text and files cannot carry."""


def plain(value: Any) -> Any:
    """An attribute with NumPy's scalars as Python's. Raises `OpaqueAttributeError` for what is not plain data."""
    if isinstance(value, (bool, int, float, complex, str, TensorType, np.dtype)) or value is None:
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return value.item()
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    raise OpaqueAttributeError(describe(value))


def describe(value: Any) -> str:
    """A short name for a Python object, such as `function relu`."""
    name = getattr(value, "__name__", "")
    return f"{type(value).__name__} {name}".strip().translate({ord("<"): "", ord(">"): "", ord("\n"): " "})


def spell(value: Any) -> str:
    """An attribute as text: a Python literal, with dtypes and types in their short spelling.

    A Python object that is not plain data is spelled `<kind name>`, which cannot be read back.
    """
    if isinstance(value, np.dtype):
        return dtype_spelling(value)
    if isinstance(value, tuple):
        inside = ", ".join(map(spell, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    try:
        value = plain(value)
    except OpaqueAttributeError as error:
        return f"<{error}>"
    return spell_complex(value) if isinstance(value, complex) else repr(value)


def spell_complex(value: complex) -> str:
    """A complex number with each part spelled as a float, so that signs of zero survive: `(1.0-0.0j)`."""
    imaginary = repr(value.imag)
    return f"({value.real!r}{'' if imaginary[0] == '-' else '+'}{imaginary}j)"


def make_op(name: str, attributes: Mapping[str, Any]) -> Op:
    """The op of a name with these attributes. Raises `ParseError` if there is none, or for a wrong attribute."""
    found = OPS.get(name)
    if found is None:
        raise ParseError(f"no op is named {name!r}")
    if isinstance(found, Op):
        if attributes:
            raise ParseError(f"{name} has no attribute {next(iter(attributes))}; it has none")
        return found
    fields = found._fields
    hints = _attribute_types(found)
    for key, value in attributes.items():
        if key not in fields:
            raise ParseError(f"{name} has no attribute {key}; it has {', '.join(fields) or 'none'}")
        if not conforms(value, hints.get(key, Any)):
            raise ParseError(f"{name}: attribute {key} must be {_hint_name(hints[key])}, not {spell(value)}")
    try:
        op: Op = found(**attributes)
        hash(op)
    except Exception as error:
        raise ParseError(f"{name}: {error}") from None
    return op


def infer(op: Op, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
    """The result types that an op gives for operand types read from outside. Raises `ParseError`.

    Attributes from outside can break a type rule in any way, so every exception of the rule is a refusal.
    """
    try:
        found = op.infer(*operands)
    except Exception as error:
        text = str(error)
        raise ParseError(text if text.startswith(op.name) else f"{op.name}: {text or type(error).__name__}") from None
    result = found if isinstance(found, tuple) else (found,)
    if any(n < 0 and not (t.dynamic and i == 0) for t in result for i, n in enumerate(t.shape)):
        raise ParseError(f"{op.name}: a negative extent in {list(result)}")
    return result


def conforms(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; True for annotations that cannot be checked."""
    if hint is Any or isinstance(hint, (str, typing.TypeVar)):
        return True
    if hint is None or hint is type(None):
        return value is None
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(conforms(value, h) for h in inside)
    if origin is typing.Literal:
        return value in inside
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(inside) == 2 and inside[1] is Ellipsis:
            return all(conforms(v, inside[0]) for v in value)
        return len(value) == len(inside) and all(map(conforms, value, inside))
    target = origin or hint
    if target in (int, float, complex):
        allowed: tuple[type, ...] = {int: (int,), float: (int, float), complex: (int, float, complex)}[target]
        return isinstance(value, allowed) and not isinstance(value, bool)
    return isinstance(value, target) if isinstance(target, type) else True


def _attribute_types(cls: type[Op]) -> dict[str, Any]:
    if cls not in _hints:
        from graphad.graph import Graph

        try:
            _hints[cls] = typing.get_type_hints(cls, localns={"Graph": Graph})
        except Exception:
            # An annotation of a third party's op that cannot be resolved is one that cannot be checked.
            _hints[cls] = {}
    return _hints[cls]


def _hint_name(hint: Any) -> str:
    return str(getattr(hint, "__name__", hint) if typing.get_origin(hint) is None else hint)
