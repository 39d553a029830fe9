"""What arrays that may become traced ones tell of themselves: their elements one by one, and whose memory they have."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.trace import Tracer


class Flat:
    """`x.flat` of a buffer: its elements row by row, each as it is when it is read, traced or not."""

    def __init__(self, base: Any) -> None:
        self.base, self.index = base, 0

    def now(self) -> Any:
        """NumPy's iterator, or the view of a traced array's elements."""
        return self.base.flat if isinstance(self.base, Tracer) else np.ndarray.view(self.base, np.ndarray).flat

    def __len__(self) -> int:
        return int(self.base.size)

    def __iter__(self) -> Flat:
        return self

    def __next__(self) -> Any:
        if self.index >= self.base.size:
            raise StopIteration
        self.index += 1
        return self.base[np.unravel_index(self.index - 1, self.base.shape)] if self.base.shape else self.base[()]

    def __getitem__(self, index: Any) -> Any:
        return self.own(self.now()[index])

    @staticmethod
    def own(found: Any) -> Any:
        """A new array as one that converted code has made."""
        return found

    def __setitem__(self, index: Any, value: Any) -> None:
        self.now()[index] = value

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.now()[:], dtype)

    def copy(self) -> Any:
        return self.own(self.now()[:].copy())

    @property
    def coords(self) -> tuple[int, ...]:
        return tuple([int(i) for i in np.unravel_index(self.index, self.base.shape)])


for _name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    setattr(Flat, _name, lambda x, other, name=_name: getattr(x.now()[:], name)(other))


class BufferFlags:
    """`x.flags` of a buffer: NumPy's, but for whether an array has memory of its own."""

    def __init__(self, x: Any) -> None:
        object.__setattr__(self, "_own", x.base is None)
        object.__setattr__(self, "_flags", np.ndarray.flags.__get__(x))  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return self._own if name == "owndata" else getattr(self._flags, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._flags, name, value)

    def __getitem__(self, name: str) -> Any:
        return self._own if name in ("O", "OWNDATA") else self._flags[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._flags[name] = value
