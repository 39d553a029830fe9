"""Sources that travel with functions which cloudpickle packs by their code: there is no file that has them."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

from graphad.api.conversion.scope import nested_codes
from graphad.location import is_user_file

Source = tuple[tuple[str, int, bytes], str]
"""What tells a code object from others, and the lines that it was made from."""

_sources: dict[tuple[str, int, bytes], str] = {}


def _key(code: CodeType) -> tuple[str, int, bytes]:
    return code.co_name, code.co_firstlineno, code.co_code


def pack(function: FunctionType) -> tuple[Source, ...]:
    """The sources of a function and of those of the user's that its variables hold."""
    found: dict[FunctionType, Source] = {}
    pending: list[Any] = [function]
    while pending:
        f = pending.pop()
        if type(f) is not FunctionType or f in found or not is_user_file(f.__code__.co_filename):
            continue
        text = _lines(f.__code__, f.__globals__)
        if text:
            found[f] = _key(f.__code__), text
        names = {name for code in nested_codes(f.__code__) for name in code.co_names}
        pending += [f.__globals__[name] for name in names if name in f.__globals__]
        for cell in f.__closure__ or ():
            try:
                pending.append(cell.cell_contents)
            except ValueError:  # it has no value yet
                continue
    return tuple(found.values())


def _lines(code: CodeType, space: dict[str, Any]) -> str:
    first = code.co_firstlineno
    last = max([end for c in nested_codes(code) for _, end, _, _ in c.co_positions() if end is not None], default=first)
    lines = linecache.getlines(code.co_filename, space)
    return "".join(lines[first - 1 : last]) if lines else _sources.get(_key(code), "")


def unpack(sources: Iterable[Source], make: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """What `make` gives of `args`, with the sources of what they hold."""
    _sources.update(sources)
    return make(*args)


def packed_lines(code: CodeType) -> list[str]:
    """The lines of a file that would have a function's source where it was; none if it did not travel."""
    text = _sources.get(_key(code))
    return [] if text is None else ["\n"] * (code.co_firstlineno - 1) + text.splitlines(True)
