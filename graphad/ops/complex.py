"""Magnitude and sign, and the parts of complex numbers.

Tangents of holomorphic functions are complex-linear; those of the functions here are linear over the reals only. A
transpose pairs without conjugation, `Re(ct * J(t)) == Re(J^T(ct) * t)`, so that the gradient of a real loss is
`df/dx - i df/dy`, as in JAX.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.op import OPS, Sample, is_linear, zeros_like
from graphad.ops.arithmetic import square
from graphad.ops.elementwise import Elementwise, Ufunc, cast, elementwise, scalar
from graphad.ops.select import select
from graphad.ops.shape import zeros
from graphad.ops.transcendental import arctan2, unit
from graphad.trace import Tracer
from graphad.types import DType


class _Conjugate(Ufunc, abstract=True):
    linear = True

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return self(tangents[0])

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return self(ct)

    transpose_masked = transpose


class _Absolute(Ufunc, abstract=True):
    """The derivative at 0 is 0, for complex numbers too."""

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (z,), (dz,) = primals, tangents
        if z.dtype.kind != "c":
            return super().jvp(out, primals, tangents)
        return real(conjugate(unit(z, cast(out, z.dtype))) * dz)

    def kinks(self, *xs: Any) -> Any:
        return xs[0] == 0

    def squared(self, out: Any, *xs: Any) -> Any:
        (z,) = xs
        return square(z) if z.dtype.kind != "c" else square(real(z)) + square(imag(z))


class _Sign(Ufunc, abstract=True):
    """`z / abs(z)` for a complex `z`, as NumPy 2 has it: its tangent turns, and is 0 at 0."""

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (z,), (dz,) = primals, tangents
        if z.dtype.kind != "c":
            return None
        radius = absolute(z)
        turn = imag(conjugate(out) * dz) / select(radius == 0, scalar(1, radius.dtype), radius)
        return out * (turn * 1j)

    def kinks(self, *xs: Any) -> Any:
        return xs[0] == 0


conjugate = elementwise(np.conjugate, code="conj({0})", base=_Conjugate)
absolute = elementwise(np.absolute, code="abs({0})", partials=[lambda out, x: sign(x)], base=_Absolute)
sign: Any = elementwise(np.sign, code="sign({0})", base=_Sign)


class _ComplexPart(Elementwise, abstract=True):
    """A real part of a complex operand."""

    linear = True

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        (dtype,) = dtypes
        return (dtype, np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return self(tangents[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        z = np.array([[1.5 - 2j, -2.0 + 0.5j, 0.5j], [3.0, 0.25 + 1j, -1.0 - 1j]])
        yield Sample(cls(), (z,))
        yield Sample(cls(), (z.astype("c8"),))
        yield Sample(cls(), (np.zeros((0, 3), "c16"),))


class Real(_ComplexPart):
    """The real part."""

    code = "real({0})"

    def eval(self, xp: Any, *xs: Any) -> Any:
        return xp.real(xs[0])

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return cast(ct, xs[0].dtype)


class Imag(_ComplexPart):
    """The imaginary part; zero of a real operand."""

    code = "imag({0})"

    def eval(self, xp: Any, *xs: Any) -> Any:
        return xp.imag(xs[0])

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return cast(ct, xs[0].dtype) * -1j if xs[0].dtype.kind == "c" else ct * 0


real_part = OPS["real"] = Real()
imag_part = OPS["imag"] = Imag()


class FromParts(Elementwise):
    """The complex number of two real parts. Unlike `x + 1j * y` it keeps infinities, NaN and signs of zeros where
    they are."""

    code = "complex({0}, {1})"

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        dtype = np.result_type(*dtypes, np.float32)
        return (dtype, dtype, np.result_type(dtype, np.complex64))

    def eval(self, xp: Any, *xs: Any) -> Any:
        x, y = xs
        out = xp.empty(np.broadcast_shapes(x.shape, y.shape), np.result_type(x.dtype, np.complex64))
        out.real, out.imag = x, y
        return out

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return self(*[zeros_like(x) if t is None else t for x, t in zip(primals, tangents, strict=True)])

    def transpose(self, ct: Any, *xs: Any) -> Any:
        parts = (real_part(ct), -imag_part(ct))
        return tuple([part if is_linear(x) else None for x, part in zip(xs, parts, strict=True)])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, y = np.array([[1.5, 0.25, -0.5]]), np.array([[-2.0], [0.75]])
        yield Sample(cls(), (x, y))
        yield Sample(cls(), (x.astype("f4"), y.astype("f4")))


_from_parts = OPS["from_parts"] = FromParts()


def from_parts(x: Any, y: Any) -> Any:
    """The complex number of two real parts, each cast as the other needs it."""
    dtype = _from_parts.result_dtypes(_dtype(x), _dtype(y))[0]
    return _from_parts(*[cast(part, dtype) if _dtype(part) != dtype else part for part in (x, y)])


def real(x: Any) -> Any:
    """`numpy.real`: the real part, or `x` itself where it is real."""
    return real_part(x) if _dtype(x).kind == "c" else x


def imag(x: Any) -> Any:
    """`numpy.imag`: the imaginary part, or zeros where `x` is real."""
    return imag_part(x) if _dtype(x).kind == "c" else zeros(np.shape(x), _dtype(x))


def angle(z: Any, deg: bool = False) -> Any:
    """`numpy.angle`: the argument of `z` in (-pi, pi], in degrees if `deg`; derivative 0 at 0."""
    if _dtype(z).kind == "c":
        x, y = real(z), imag(z)
    else:
        x, y = z, 0
    phase = arctan2(y, x)
    return phase * (180 / math.pi) if deg else phase


def _dtype(x: Any) -> DType:
    return x.dtype if isinstance(x, (Tracer, np.ndarray)) else np.asarray(x).dtype
