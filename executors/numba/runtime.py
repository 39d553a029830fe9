"""What printed programs call: typed views, accumulation, division as NumPy's, SciPy's functions and BLAS by address."""

from __future__ import annotations

import ctypes
import math
import operator
from functools import cache, reduce
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import extending as _extending
from numba import types as _types
from numba.core import cgutils as _cgutils
from numba.core.datamodel.models import PointerModel
from numba.extending import intrinsic

from graphad.errors import MissingRuleError
from graphad.executors.loops.routines import address as routine_address
from graphad.executors.loops.specials import address as special_address
from graphad.executors.loops.specials import symbol

# Numba's helpers carry no annotations.
cgutils: Any = _cgutils
extending: Any = _extending
types: Any = _types


class Elements(types.CPointer):  # type: ignore[misc]
    """Memory as elements of a dtype: an address without a length, so that an access compiles to a load or a store."""


def _load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return context.unpack_value(builder, signature.return_type, builder.gep(args[0], [args[1]], inbounds=True))


def _store(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    context.pack_value(builder, signature.args[2], args[2], builder.gep(args[0], [args[1]], inbounds=True))
    return context.get_dummy_value()


extending.register_model(Elements)(PointerModel)
extending.lower_builtin(operator.getitem, Elements, types.Integer)(_load)
extending.lower_builtin(operator.setitem, Elements, types.Integer, types.Any)(_store)


@intrinsic
def flat(context: Any, array: Any, dtype: Any) -> Any:
    """The memory of an array as elements of `dtype`."""
    result = Elements(dtype.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.bitcast(source.data, context.get_value_type(result))

    return result(array, dtype), codegen


@intrinsic
def memory(context: Any, address: Any, dtype: Any) -> Any:
    """The memory from an address on as elements of `dtype`."""
    result = Elements(dtype.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(result))

    return result(types.int64, dtype), codegen


@intrinsic
def address(context: Any, elements: Any, index: Any) -> Any:
    """The address of an element."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(builder.gep(args[0], [args[1]]), ir.IntType(64))

    return types.int64(elements, types.int64), codegen


@intrinsic
def shaped(context: Any, array: Any, sizes: Any) -> Any:
    """Whether an array has a shape."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(signature.args[0])(context, builder, args[0])
        equal = [
            builder.icmp_signed("==", builder.extract_value(source.shape, i), builder.extract_value(args[1], i))
            for i in range(array.ndim)
        ]
        return reduce(builder.and_, equal)

    return types.boolean(array, types.UniTuple(types.int64, array.ndim)), codegen


_libc = ctypes.CDLL(None)
reallocate = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(("realloc", _libc))
"""`realloc` of the C library, of addresses and sizes as integers."""
free = ctypes.CFUNCTYPE(None, ctypes.c_int64)(("free", _libc))
"""`free` of the C library."""


def _reassociating(instruction: str) -> Any:
    # Only the accumulator's own operation may be reordered, so that sums run on all lanes of vector registers and
    # everything else rounds as written.
    def function(context: Any, total: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args, flags=("reassoc",))

        return total(total, total), codegen

    return intrinsic(function)


def _llvm(name: str, arity: int) -> Any:
    # Numba's own versions of these are slow to compile, or mix up the precisions.
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = args[0].type
        suffix = "f32" if isinstance(kind, ir.FloatType) else "f64"
        declared = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind] * arity), f"llvm.{name}.{suffix}"
        )
        return builder.call(declared, args)

    def unary(context: Any, x: Any) -> Any:
        return x(x), codegen

    def binary(context: Any, x: Any, y: Any) -> Any:
        return x(x, x), codegen

    return intrinsic(unary if arity == 1 else binary)


plus = _reassociating("fadd")
times = _reassociating("fmul")
maximum = _llvm("maximum", 2)
minimum = _llvm("minimum", 2)
fmax = _llvm("maxnum", 2)
fmin = _llvm("minnum", 2)
floor, ceil, trunc, rint, exp2, log2 = (_llvm(n, 1) for n in ("floor", "ceil", "trunc", "rint", "exp2", "log2"))


@numba.njit(error_model="numpy")
def added(total, lost, x):  # type: ignore[no-untyped-def]
    """The sum of a total and a number, and what the roundings of all such sums have lost together."""
    result = total + x
    of_x = result - total
    return result, lost + ((total - (result - of_x)) + (x - of_x))


@numba.njit(error_model="numpy")
def corrected(total, lost):  # type: ignore[no-untyped-def]
    """A total with what its roundings have lost, which is no number where the total is infinite."""
    return total + lost if abs(lost) < math.inf else total


@numba.njit(error_model="numpy")
def sign(x):  # type: ignore[no-untyped-def]
    """NumPy's sign of a number, that of both zeros being 0."""
    return x if x != x else type(x)((x > 0) - (x < 0))


@numba.njit(error_model="numpy")
def float_mod(x, y):  # type: ignore[no-untyped-def]
    """NumPy's remainder: it has the sign of `y`."""
    r = np.fmod(x, y)
    if y == 0 or r != r:
        return r
    if r == 0:
        return math.copysign(r, y)
    return r + y if (y < 0) != (r < 0) else r


@numba.njit(error_model="numpy")
def complex_divide(x, y):  # type: ignore[no-untyped-def]
    """NumPy's quotient of complex numbers, which exists by 0 too (Smith, Algorithm 116, 1962)."""
    a, b, c, d = x.real, x.imag, y.real, y.imag
    if c == 0 and d == 0:
        return complex(a / abs(c), b / abs(d))
    if abs(c) >= abs(d):
        ratio = d / c
        scale = 1 / (c + d * ratio)
        return complex((a + b * ratio) * scale, (b - a * ratio) * scale)
    ratio = c / d
    scale = 1 / (d + c * ratio)
    return complex((a * ratio + b) * scale, (b * ratio - a) * scale)


@numba.njit
def whole32(x):  # type: ignore[no-untyped-def]
    """A real number as a 32-bit integer, as x86 converts it: the smallest one for NaN and what does not fit."""
    return np.int32(x) if abs(x) < 2.0**31 else np.int32(-(2**31))


@numba.njit
def whole64(x):  # type: ignore[no-untyped-def]
    """A real number as a 64-bit integer, as x86 converts it: the smallest one for NaN and what does not fit."""
    return np.int64(x) if abs(x) < 2.0**63 else np.int64(-(2**63))


@numba.njit
def unsigned64(x):  # type: ignore[no-untyped-def]
    """A real number as an unsigned 64-bit integer, as NumPy converts it on x86."""
    return np.uint64(whole64(x - 2.0**63)) ^ np.uint64(2**63) if x >= 2.0**63 else np.uint64(whole64(x))


@numba.njit(error_model="numpy")
def float_floordiv(x, y):  # type: ignore[no-untyped-def]
    """NumPy's floor division: the quotient that goes with its remainder."""
    if y == 0:
        return x / y
    r = np.fmod(x, y)
    q = (x - r) / y
    if r != 0 and (y < 0) != (r < 0):
        q -= 1
    if q == 0:
        return math.copysign(q, x / y)
    f = np.floor(q)
    return f + 1 if q - f > 0.5 else f


@numba.njit(error_model="numpy")
def int_floordiv(x, y):  # type: ignore[no-untyped-def]
    """NumPy's integer floor division: zero for a zero divisor, wrapping for the one overflow."""
    if y == 0:
        return x - x
    if y + 1 == 0 and y < 0:
        return -x
    return x // y


@numba.njit(error_model="numpy")
def int_mod(x, y):  # type: ignore[no-untyped-def]
    """NumPy's integer remainder, with the sign of `y`; zero for a zero divisor."""
    if y == 0 or (y + 1 == 0 and y < 0):
        return x - x
    return x % y


@numba.njit(error_model="numpy")
def int_fmod(x, y):  # type: ignore[no-untyped-def]
    """C's integer remainder, with the sign of `x`; zero for a zero divisor."""
    if y == 0 or (y + 1 == 0 and y < 0):
        return x - x
    r = x % y
    return r - y if r != 0 and (x < 0) != (y < 0) else r


@cache
def special(name: str, arity: int) -> Any:
    """The double precision function `name` of `scipy.special`, as a compiled function of doubles.

    Raises `MissingRuleError` where SciPy exports none.
    """
    found = symbol(name, arity)
    if found is None:
        raise MissingRuleError(f"scipy.special.cython_special has no function {name} of {arity} doubles")
    exported, skip = found
    pointer = special_address(exported)
    kind = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * arity, *[ctypes.c_int] * skip)
    names = ", ".join(f"x{i}" for i in range(arity))
    namespace: dict[str, Any] = {"function": kind(pointer)}
    exec(f"def special({names}):\n    return function({names}{', 0' if skip else ''})", namespace)
    return numba.njit(namespace["special"])


@cache
def library_call(routine: str, count: int) -> Any:
    """A routine of BLAS or LAPACK with so many arguments, each of which is an address."""
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * count)(routine_address(routine))


__all__ = [
    "added", "address", "ceil", "complex_divide", "corrected", "exp2", "flat", "float_floordiv", "float_mod", "floor",
    "fmax", "fmin", "int_floordiv", "int_fmod", "int_mod", "log2", "maximum", "memory", "minimum", "plus",
    "reallocate", "rint", "shaped", "sign", "times", "trunc", "unsigned64", "whole32", "whole64",
]  # fmt: skip
