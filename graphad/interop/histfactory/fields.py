"""A JSON value together with the path that leads to it, so that every check can name the key that failed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphad.errors import GraphadError

__all__ = ["Field", "WorkspaceError"]

JSON_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}


class WorkspaceError(GraphadError, ValueError):
    """A workspace that cannot be read: ``path`` is the key (or file) at fault, ``problem`` what is wrong."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class Field:
    """A value of a JSON document at `path`; its methods raise WorkspaceError on the wrong type."""

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def __getitem__(self, key: str | int) -> Field:
        if isinstance(key, int):
            return Field(self.value[key], f"{self.path}[{key}]")
        return Field(self.value[key], f"{self.path}.{key}" if self.path else key)

    def error(self, problem: str) -> WorkspaceError:
        """The error that says `problem` about this value."""
        return WorkspaceError(self.path or "the document", problem)

    def _expect(self, wanted: str, good: bool) -> None:
        if not good:
            value = self.value
            got = JSON_NAMES.get(type(value)) or repr(value)
            raise self.error(f"must be {wanted}, not {got if len(got) < 40 else got[:30] + '...'}")

    def object(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        """Check that this is an object with all `required` keys and no others than `optional` ones."""
        self._expect("an object", isinstance(self.value, dict))
        for key in required:
            if key not in self.value:
                raise WorkspaceError(f"{self.path}.{key}" if self.path else key, "missing")
        for key in self.value:
            if key not in required and key not in optional:
                known = ", ".join((*required, *optional))
                raise WorkspaceError(f"{self.path}.{key}" if self.path else str(key), f"unknown key; known are {known}")

    def items(self, at_least: int = 0) -> list[Field]:
        """The fields of this array."""
        self._expect("an array", isinstance(self.value, list | tuple))
        if len(self.value) < at_least:
            raise self.error(f"needs at least {at_least} entry")
        return [self[position] for position in range(len(self.value))]

    def text(self) -> str:
        """This string."""
        self._expect("a string", isinstance(self.value, str))
        return str(self.value)

    def boolean(self) -> bool:
        """This truth value."""
        self._expect("true or false", isinstance(self.value, bool))
        return bool(self.value)

    def null(self) -> None:
        """Check that this is null."""
        self._expect("null", self.value is None)

    def number(self) -> float:
        """This finite number."""
        good = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        self._expect("a number", good)
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        self._expect("a finite number", math.isfinite(number))
        return number

    def numbers(self, length: int | None = None, owner: str = "") -> NDArray[np.float64]:
        """This array of finite numbers, at least one; exactly `length` of them, which `owner` asks for."""
        values = [item.number() for item in self.items(at_least=1)]
        if length is not None and len(values) != length:
            raise self.error(f"has {len(values)} numbers; {owner} has {length}")
        return np.array(values, dtype=np.float64)
