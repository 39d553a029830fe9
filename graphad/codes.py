"""What is known of code objects, for as long as they live."""

from __future__ import annotations

from types import CodeType
from typing import TypeVar
from weakref import ref

_T = TypeVar("_T")


class OfCode(dict[int, _T]):
    """A table over code objects, by identity: hashing one takes time in proportion to its constants and names.

    An entry goes with its code object, as long as it does not refer to that. Look up with `get(id(code))`.
    """

    def __init__(self) -> None:
        self._alive: dict[int, ref[CodeType]] = {}

    def learn(self, code: CodeType, value: _T) -> _T:
        """Keep what is known of a code object; answers it."""
        key = id(code)
        if key not in self._alive:
            self._alive[key] = ref(code, lambda _: self._forget(key))
        self[key] = value
        return value

    def _forget(self, key: int) -> None:
        self.pop(key, None)
        self._alive.pop(key, None)


__all__ = ["OfCode"]
