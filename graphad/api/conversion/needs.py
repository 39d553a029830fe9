"""Whether a function's code needs to be converted, by its instructions and by what its global names lead to."""

from __future__ import annotations

import dis
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

import numpy as np

from graphad.api.conversion.scope import nested_codes

Callees = tuple[tuple[tuple[str, ...], Any], ...]
"""Global names, or chains of attributes of one, and what they led to."""

_jumps = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_CALLS = frozenset(dis.opmap[n] for n in ("CALL", "CALL_KW", "CALL_FUNCTION_EX") if n in dis.opmap)
# What follows a tuple that is no argument: it is returned, is an index, or formats a string.
_TUPLE_ENDS = ("RETURN_VALUE", "BINARY_SUBSCR", "BINARY_OP", "STORE_FAST", "STORE_FAST_LOAD_FAST")
_SEEN = ("STORE_SUBSCR", "STORE_SLICE", "CONTAINS_OP", "IS_OP", "PUSH_EXC_INFO", "UNARY_NOT")
_OUTSIDE = ("STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL")
_VARIABLES = ("STORE_DEREF", "DELETE_DEREF")
_FORMATS = ("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC")
_ITEMS = ("BINARY_SUBSCR", "BINARY_SLICE")  # of an array from outside they may be traced
_NO_VARIABLE = ("LOAD_CONST", "LOAD_SMALL_INT", "BUILD_TUPLE", "BUILD_SLICE")
_EMPTY = CellType()
_GLOBAL = dis.opmap["LOAD_GLOBAL"]
_CHAIN = frozenset(dis.opmap[n] for n in ("LOAD_METHOD", "LOAD_ATTR") if n in dis.opmap)


def needs(f: FunctionType, foreign: Callable[[Any], bool]) -> Callees | None:
    """None for a function that has control flow or f-strings, assigns elements, attributes or variables from outside,
    calls what may need to be converted, gives lists to NumPy's functions, reads elements at variables, or elements of
    arrays from outside; else the callees that were found to be `foreign`, which is why it needs none."""
    callees: dict[tuple[str, ...], Any] = {}
    arrays = any([isinstance(x, np.ndarray) for x in _contents(f)])
    for code in nested_codes(f.__code__):
        if any([type(c) is tuple and "out" in c for c in code.co_consts]):
            return None  # what is written to may have to become a traced array first
        calls = others = 0
        lists, before, items = False, "", False
        # A callee is a global name, or what attributes of one lead to; NULL marks where a call begins.
        chain: tuple[str, ...] = ()
        found, called = None, False
        for instruction in dis.get_instructions(code):
            op, name = instruction.opcode, instruction.opname
            if op in _jumps or name in _SEEN or (name == "BINARY_OP" and "=" in instruction.argrepr):
                return None
            if name in _OUTSIDE or (name in _VARIABLES and instruction.argval in f.__code__.co_freevars):
                return None
            if name in _FORMATS or (name == "LOAD_ATTR" and instruction.argval in ("__class__", "r_", "c_")):
                return None
            if name in _ITEMS and before not in _NO_VARIABLE:
                return None  # of a list at an index that may be traced
            items = items or name in _ITEMS
            lists = lists or name == "BUILD_LIST" or (before == "BUILD_TUPLE" and name not in _TUPLE_ENDS)
            before = name
            if op in _CHAIN and found is not None:
                chain = (*chain, instruction.argval)
                found = getattr(found, instruction.argval, None)
                called = called or name == "LOAD_METHOD" or "NULL" in instruction.argrepr
                continue
            if name == "PUSH_NULL" and found is not None:
                called = True  # from Python 3.13 on it follows what is called
                continue
            arrays = arrays or isinstance(found, np.ndarray)
            if called and foreign(found):
                others += 1
                callees[chain] = found
            calls += op in _CALLS
            chain, found, called = (), None, False
            if op == _GLOBAL:
                chain = (instruction.argval,)
                found, called = _resolve(f, chain), "NULL" in instruction.argrepr
        if calls > others or (calls and lists) or (arrays and items):
            return None
    return tuple(callees.items())


def _contents(f: FunctionType) -> list[Any]:
    """What the variables of the functions around a function hold."""
    cells = [cell for cell in f.__closure__ or () if cell != _EMPTY]
    return [cell.cell_contents for cell in cells]


def unchanged(callees: Callees, f: FunctionType) -> bool:
    """Whether the names lead to the same objects for this function, as before."""
    return all([_resolve(f, chain) is found for chain, found in callees])


def _resolve(f: FunctionType, chain: tuple[str, ...]) -> Any:
    space = f.__globals__
    if chain[0] in space:
        found = space[chain[0]]
    else:
        builtins = space.get("__builtins__")
        names: Any = builtins if isinstance(builtins, dict) else getattr(builtins, "__dict__", {})
        found = names.get(chain[0])
    for name in chain[1:]:
        found = getattr(found, name, None)
    return found
