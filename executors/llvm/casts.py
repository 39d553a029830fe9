"""LLVM instructions for conversions between dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.executors.llvm.text import vector
from graphad.types import INT64, DType

if TYPE_CHECKING:
    from graphad.executors.llvm.text import Code


class Casts:
    """Emission of conversions, the part of `Scalars` that changes dtypes."""

    code: Code
    lanes: int

    if TYPE_CHECKING:
        # Of `Scalars`.
        def kind(self, dtype: DType) -> str: ...
        def filled(self, dtype: DType, value: Any) -> str: ...
        def select(self, condition: str, x: str, y: str, dtype: DType) -> str: ...
        def compare(self, name: str, x: str, y: str, dtype: DType) -> str: ...
        def arithmetic(self, name: str, x: str, y: str, dtype: DType) -> str: ...
        def real(self, name: str, args: Any, dtype: DType) -> str: ...

    def cast(self, x: Any, source: DType, target: DType) -> Any:
        """A register as another dtype."""
        if source == target:
            return x
        if source.kind == "c":
            if target.kind == "c":
                return tuple(self._resize(part, source, target) for part in x)
            if target.kind == "b":
                return self.code(
                    f"or {vector('i1', self.lanes)} {self.cast(x[0], part_of(source), target)}, "
                    f"{self.cast(x[1], part_of(source), target)}"
                )
            return self.cast(x[0], part_of(source), target)
        if target.kind == "c":
            return self.cast(x, source, part_of(target)), self.filled(target, 0.0)
        code, old, new = self.code, self.kind(source), self.kind(target)
        if target.kind == "b":
            return self.compare("not_equal", x, self.filled(source, 0), source)
        if source.kind == "f":
            if target.kind == "f":
                return self._resize(x, source, target)
            return self.whole(x, source, target)
        if target.kind == "f":
            return code(f"{'sitofp' if source.kind == 'i' else 'uitofp'} {old} {x} to {new}")
        return self._resize(x, source, target)

    def whole(self, x: str, source: DType, target: DType) -> str:
        """A real number as an integer, as NumPy casts on x86.

        The processor converts to 32 or 64 bits, of which a smaller integer has the low ones; NaN and what does not fit
        become the smallest number.
        """
        if target == np.uint64:
            # Numbers from 2**63 on are moved down by as much, and back by the highest bit.
            top = self.filled(source, 2.0**63)
            upper = self.compare("greater_equal", x, top, source)
            moved = self.select(upper, self.arithmetic("subtract", x, top, source), x, source)
            low = self.whole(moved, source, INT64)
            high = self.arithmetic("bitwise_xor", low, self.filled(INT64, -(2**63)), INT64)
            return self.select(upper, high, low, INT64)
        wide = INT64 if target.itemsize == 8 or target == np.uint32 else np.dtype(np.int32)
        bits = 8 * wide.itemsize
        fits = self.compare("less", self.real("abs", [x], source), self.filled(source, 2.0 ** (bits - 1)), source)
        inside = self.select(fits, x, self.filled(source, 0.0), source)
        found = self.code(f"fptosi {self.kind(source)} {inside} to {self.kind(wide)}")
        found = self.select(fits, found, self.filled(wide, -(2 ** (bits - 1))), wide)
        return found if target.itemsize == wide.itemsize else self._resize(found, wide, target)

    def _resize(self, x: str, source: DType, target: DType) -> str:
        old, new = self.kind(source), self.kind(target)
        if old == new:
            return x
        bits = 1 if source.kind == "b" else source.itemsize
        wider = target.itemsize > bits or source.kind == "b"
        if source.kind in "fc":
            return self.code(f"{'fpext' if wider else 'fptrunc'} {old} {x} to {new}")
        return self.code(f"{('sext' if source.kind == 'i' else 'zext') if wider else 'trunc'} {old} {x} to {new}")


def part_of(dtype: DType) -> DType:
    """The dtype of the parts of a complex one."""
    return np.dtype("f4" if dtype.char == "F" else "f8")
