"""The user's classes that conversion has met: what in their use runs code of the user's without a call that one sees.

Properties, operators and other special methods are called by Python itself. Functions that may use them are rewritten
so that converted code is called (`dunders`); all others stay as they are, and pay nothing.
"""

from __future__ import annotations

import dis
import sys
from collections import defaultdict
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakSet

from graphad.api.conversion.scope import nested_codes
from graphad.codes import OfCode
from graphad.location import LIKE_USERS, is_user_class, is_user_file

OPERATORS: dict[str, tuple[str, str]] = {
    "Add": ("__add__", "__radd__"), "Sub": ("__sub__", "__rsub__"), "Mult": ("__mul__", "__rmul__"),
    "Div": ("__truediv__", "__rtruediv__"), "FloorDiv": ("__floordiv__", "__rfloordiv__"),
    "Mod": ("__mod__", "__rmod__"), "Pow": ("__pow__", "__rpow__"), "MatMult": ("__matmul__", "__rmatmul__"),
    "LShift": ("__lshift__", "__rlshift__"), "RShift": ("__rshift__", "__rrshift__"),
    "BitAnd": ("__and__", "__rand__"), "BitOr": ("__or__", "__ror__"), "BitXor": ("__xor__", "__rxor__"),
    "Eq": ("__eq__", "__eq__"), "NotEq": ("__ne__", "__ne__"), "Lt": ("__lt__", "__gt__"), "LtE": ("__le__", "__ge__"),
    "Gt": ("__gt__", "__lt__"), "GtE": ("__ge__", "__le__"),
}  # fmt: skip
"""Operators by the names of their syntax: the method of the left operand, and that of the right one."""
UNARY = {"USub": "__neg__", "UAdd": "__pos__", "Invert": "__invert__"}

ANY = "*"
OPERATION, ITEM, BLOCK, ITERATION = "+", "[]", "with", "for"
_KINDS = {
    **{name: OPERATION for pair in OPERATORS.values() for name in pair}, **dict.fromkeys(UNARY.values(), OPERATION),
    "__getitem__": ITEM, "__missing__": ITEM, "__enter__": BLOCK, "__exit__": BLOCK, "__iter__": ITERATION,
    "__next__": ITERATION, "__getattr__": ANY,
}  # fmt: skip
KNOWN: set[str] = set()
"""What classes that were met give a meaning of their own: attributes by name (after `=` where it is set), `ANY` for all
attributes, and the kinds of other uses."""

MISSING: Any = object()


def defined(cls: type, name: str) -> Any:
    """What a class and its bases have under a name, as it stands there."""
    for c in cls.__mro__:
        if name in c.__dict__:
            return c.__dict__[name]
    return MISSING


_met: WeakSet[type] = WeakSet()
_spaces: dict[int, int] = {}


def meet(cls: type) -> None:
    """Take up a class, if it is the user's."""
    if cls in _met:
        return
    _met.add(cls)
    for c in cls.__mro__:
        if is_user_class(c):
            for name, value in vars(c).items():
                _take(name, value)


def _take(name: str, value: Any) -> None:
    if isinstance(value, property):
        KNOWN.update({name, f"={name}"} if value.fset is not None else {name})
    elif isinstance(value, cached_property):
        KNOWN.add(name)
    elif type(value) is FunctionType:
        if name in _KINDS and _own(value):
            KNOWN.add(_KINDS[name])
    elif is_user_class(type(value)) and not isinstance(value, type):
        for method, known in (("__get__", name), ("__set__", f"={name}")):
            if type(defined(type(value), method)) is FunctionType:
                KNOWN.add(known)


def _own(f: FunctionType) -> bool:
    """Whether a function was written by the user, not generated, as those of dataclasses are."""
    return is_user_file(f.__code__.co_filename) and f.__code__.co_filename != "<string>"


def meet_all(f: FunctionType) -> None:
    """Take up the classes, and those of the objects, that a function can see: in its module, the user's modules that
    stand there, and its closure."""
    space = f.__globals__
    _meet_space(space)
    for cell in f.__closure__ or ():
        try:
            _meet_value(cell.cell_contents)
        except ValueError:  # it has no value yet
            continue


def _meet_space(space: dict[str, Any]) -> None:
    if _spaces.get(id(space)) == len(space):
        return
    _spaces[id(space)] = len(space)
    for value in list(space.values()):
        if type(value) is ModuleType:
            if is_user_file(getattr(value, "__file__", None) or "<frozen>") and value.__name__ not in LIKE_USERS:
                _meet_space(vars(value))
        else:
            _meet_value(value)


def _meet_value(value: Any) -> None:
    cls = value if isinstance(value, type) else type(value)
    if cls.__module__ in LIKE_USERS and cls is value:
        return  # what a module imports need not be used
    if is_user_class(cls):
        meet(cls)
    elif cls is defaultdict:
        KNOWN.add(ITEM)


_uses: OfCode[tuple[frozenset[str], bool]] = OfCode()
_BY_OPCODE = {
    "BINARY_OP": OPERATION, "COMPARE_OP": OPERATION, "UNARY_NEGATIVE": OPERATION, "UNARY_INVERT": OPERATION,
    "UNARY_POSITIVE": OPERATION, "CALL_INTRINSIC_1": OPERATION, "BINARY_SUBSCR": ITEM, "BINARY_SLICE": ITEM,
    "BEFORE_WITH": BLOCK, "GET_ITER": ITERATION,
}  # fmt: skip

_BRINGS = frozenset(dis.opmap[n] for n in ("LOAD_BUILD_CLASS", "IMPORT_NAME"))
"""How code makes classes known that it did not see before."""


def uses(code: CodeType) -> frozenset[str]:
    """Of what is known of classes, all that a function's code uses. A function that defines or imports classes itself
    may use anything."""
    named = {name for c in nested_codes(code) for name in c.co_names}
    if defaultdict.__name__ in named:
        KNOWN.add(ITEM)
    if "NormalDist" in named and "statistics" in sys.modules:
        meet(sys.modules["statistics"].NormalDist)
    found = _uses.get(id(code))
    if found is None:
        if not KNOWN and not any([_BRINGS.intersection(c.co_code[::2]) for c in nested_codes(code)]):
            return frozenset()
        every: set[str] = set()
        brings = False
        for c in nested_codes(code):
            for i in dis.get_instructions(c):
                name = i.opname
                if name in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"):
                    every |= {i.argval, ANY}
                elif name == "STORE_ATTR":
                    every.add(f"={i.argval}")
                elif name in _BY_OPCODE:
                    every.add(_BY_OPCODE[name])
                brings = brings or i.opcode in _BRINGS
        found = _uses.learn(code, (frozenset(every), brings))
    return found[0] if found[1] else found[0] & KNOWN
