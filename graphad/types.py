"""Types of values: a NumPy dtype and a shape, spelled `f64[3,4]`.

All extents are static but one: what a loop stacks whose trip count is known at run time only has a first extent of
`DYNAMIC`, spelled `f64[?,4]`. Such values go from one loop to another; no other op takes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike as ArrayLike
from numpy.typing import DTypeLike as DTypeLike

from graphad.arrays import array_of
from graphad.errors import ParseError, TypeMismatchError

Shape = tuple[int, ...]
DType = np.dtype[Any]
Array = np.ndarray[Any, DType]
"""An array, or a tracer that stands for one: to a type checker these are the same."""

_SPELLINGS: Final[dict[str, str]] = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "f16": "float16", "f32": "float32", "f64": "float64", "c64": "complex64", "c128": "complex128",
}  # fmt: skip
_FROM_SPELLING: Final[dict[str, DType]] = {short: np.dtype(name) for short, name in _SPELLINGS.items()}
_TO_SPELLING: Final[dict[DType, str]] = {dtype: short for short, dtype in _FROM_SPELLING.items()}
_PATTERN = re.compile(r"(\w+)\[((?:(?:\d+|\?)(?:,\d+)*)?)\]")

DYNAMIC: Final = -1
"""The extent of a first axis whose length is known at run time only."""

BOOL = _FROM_SPELLING["bool"]
INT64 = _FROM_SPELLING["i64"]
FLOAT64 = _FROM_SPELLING["f64"]
COMPLEX128 = _FROM_SPELLING["c128"]


def real_dtype(dtype: DType) -> DType:
    """The dtype of the real part."""
    return np.zeros((), dtype).real.dtype


def complex_dtype(dtype: DType) -> DType:
    """The complex dtype of the same precision."""
    return np.result_type(dtype, np.complex64)


class TensorType:
    """Dtype and shape of a value. Equal types are one object, so `is` compares them.

    `size` counts elements; of a dynamic type those of one entry. Raises `TypeMismatchError` for a dtype that graphad
    does not hold (object, string, datetime, long double).
    """

    __slots__ = ("dtype", "ndim", "shape", "size")
    dtype: DType
    shape: Shape
    ndim: int
    size: int

    def __new__(cls, dtype: Any, shape: Iterable[int] = ()) -> TensorType:
        try:
            return _INTERNED[dtype, shape]  # type: ignore[index]
        except (KeyError, TypeError):
            pass
        dtype = np.dtype(dtype).newbyteorder("=")
        try:
            shape = tuple([int(n) for n in shape])
        except (TypeError, ValueError):
            raise TypeMismatchError(f"{shape!r} is no shape; a shape is a tuple of integers") from None
        if dtype not in _TO_SPELLING:
            raise TypeMismatchError(
                f"dtype {dtype} is not supported: values are bool, integers, float16 to float64 and complex"
            )
        self = _INTERNED.get((dtype, shape))
        if self is None:
            self = object.__new__(cls)
            self.dtype, self.shape, self.ndim = dtype, shape, len(shape)
            self.size = 1
            for extent in shape[shape[:1] == (DYNAMIC,) :]:
                self.size *= extent
            self = _INTERNED.setdefault((dtype, shape), self)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return TensorType, (self.dtype, self.shape)

    def __repr__(self) -> str:
        extents = ["?" if n == DYNAMIC else str(n) for n in self.shape]
        return f"{_TO_SPELLING[self.dtype]}[{','.join(extents)}]"

    @property
    def dynamic(self) -> bool:
        """Whether the first extent is known at run time only."""
        return self.shape[:1] == (DYNAMIC,)

    @property
    def nbytes(self) -> int:
        """Bytes of one array of this type."""
        return self.size * self.dtype.itemsize

    @property
    def differentiable(self) -> bool:
        """Whether values of this type carry derivatives (real and complex floating point)."""
        return self.dtype.kind in "fc"

    def with_shape(self, shape: Iterable[int]) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def with_dtype(self, dtype: Any) -> TensorType:
        return TensorType(np.dtype(dtype), self.shape)


_INTERNED: dict[tuple[DType, Shape], TensorType] = {}


def type_of(array: Any) -> TensorType:
    """The `TensorType` of an array or of a Python or NumPy scalar. Raises `TypeMismatchError` for what is neither."""
    array = array_of(array)
    return TensorType(array.dtype, array.shape)


def parse_type(text: str) -> TensorType:
    """Read a type from its spelling: `parse_type("f64[3,4]")`. Raises `ParseError`."""
    match = _PATTERN.fullmatch(text)
    if match is None or match[1] not in _FROM_SPELLING:
        raise ParseError(f"{text!r} is not a type; types look like f64[3,4], i32[] or bool[2]")
    shape = tuple(DYNAMIC if n == "?" else int(n) for n in match[2].split(",") if n)
    return TensorType(_FROM_SPELLING[match[1]], shape)


def dtype_spelling(dtype: Any) -> str:
    """The short name of a dtype: `f64` for float64."""
    return _TO_SPELLING[np.dtype(dtype)]


def parse_dtype(text: str) -> DType:
    """The dtype of a short name: float64 for `f64`. Raises `ParseError`."""
    try:
        return _FROM_SPELLING[text]
    except KeyError:
        raise ParseError(f"{text!r} is not a dtype; dtypes are {', '.join(_FROM_SPELLING)}") from None
