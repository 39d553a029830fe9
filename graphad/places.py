"""The user's places in programs, and whose lines may be shown."""

from __future__ import annotations

import os
from types import CodeType
from typing import Any

from graphad.codes import OfCode

SOURCES: set[str] = set()
"""The files whose lines are shown: those that this process traced from, and those that a caller named."""
ROLES = ("", "tangent", "cotangent")
"""What a node may be made for: the user's own computation, or a derivative of it."""


class Location:
    """The user's place in a program that a node comes from: file, line, function and assigned name.

    `role` tells what a pass made the node for: "" (the user's own computation), "tangent" or "cotangent".
    Built from a code object and an instruction offset, and resolved when first read, since most never are.
    """

    __slots__ = ("_code", "_fields", "_lasti", "role")

    def __init__(
        self,
        file: str = "",
        line: int = 0,
        function: str = "",
        target: str | None = None,
        role: str = "",
    ) -> None:
        self._fields: tuple[str, int, str, str | None] | None = (file, line, function, target)
        self._code: CodeType | None = None
        self._lasti = 0
        self.role = role

    @classmethod
    def of(cls, code: CodeType, lasti: int) -> Location:
        """The place of an instruction in a code object."""
        self = object.__new__(cls)
        self._fields, self._code, self._lasti, self.role = None, code, lasti, ""
        return self

    def with_role(self, role: str) -> Location:
        """The same place, in another role."""
        if role == self.role:
            return self
        other = object.__new__(Location)
        other._fields, other._code, other._lasti, other.role = self._fields, self._code, self._lasti, role
        return other

    def _resolve(self) -> tuple[str, int, str, str | None]:
        if self._fields is None:
            code = self._code
            assert code is not None
            places, at = _places(code), self._lasti
            # A frame that called a Python function stands at one of the cache entries after its call instruction.
            while at not in places and at > 0:
                at -= 2
            line, target = places.get(at, (0, None))
            self._fields = code.co_filename, line, code.co_name, target
        return self._fields

    def settle(self) -> None:
        """Let go of the program that this is a place in."""
        self._resolve()
        self._code = None

    def same_place(self, other: Location) -> bool:
        """Whether both stand for one instruction of one program."""
        if self._code is not None and other._code is not None:
            return self._code is other._code and self._lasti == other._lasti
        return self is other

    @property
    def file(self) -> str:
        """Full path of the source file."""
        return self._resolve()[0]

    @property
    def line(self) -> int:
        return self._resolve()[1]

    @property
    def function(self) -> str:
        return self._resolve()[2]

    @property
    def target(self) -> str | None:
        """The variable that the user assigned the result to, if the instruction's result went straight to one."""
        return self._resolve()[3]

    @property
    def text(self) -> str:
        """The source line itself, stripped; empty where the source cannot be read, and for a file that this process
        knows from others only, such as one that a loaded graph names."""
        if self._code is None and self.file not in SOURCES:
            return ""
        import linecache

        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        file, line = self._resolve()[:2]
        return f"{os.path.basename(file)}:{line}" if file else ""

    def __repr__(self) -> str:
        return f"Location({str(self)!r}{', ' + self.role if self.role else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Location, (*self._resolve(), self.role)


_PLACES: OfCode[dict[int, tuple[int, str | None]]] = OfCode()
_STORES = ("STORE_FAST", "STORE_NAME", "STORE_DEREF", "STORE_GLOBAL")


def _places(code: CodeType) -> dict[int, tuple[int, str | None]]:
    """Line and assigned name of each instruction, read once for each code object."""
    found = _PLACES.get(id(code))
    if found is None:
        import dis

        lines = {offset: n for start, end, n in code.co_lines() if n for offset in range(start, end, 2)}
        table: dict[int, tuple[int, str | None]] = {}
        before: list[int] = []
        place = None
        for instruction in dis.get_instructions(code):
            offset = instruction.offset
            if instruction.opname.startswith(_STORES):
                # What stands at the same place is one expression: what conversion does with a value comes after it.
                # From Python 3.13 on one instruction may store a name and read or store another.
                name = instruction.argval[0] if isinstance(instruction.argval, tuple) else instruction.argval
                table.update({at: (table[at][0], str(name)) for at in before})
            table[offset] = lines.get(offset, 0), None
            before = [*before, offset] if instruction.positions == place else [offset]
            place = instruction.positions
        found = _PLACES.learn(code, table)
    return found


__all__ = ["ROLES", "SOURCES", "Location"]
