"""Determinants, whose derivatives hold for singular matrices too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import TypeMismatchError
from graphad.op import Op, Sample, Types
from graphad.ops.arithmetic import add, divide, equal, subtract
from graphad.ops.complex import absolute, real
from graphad.ops.elementwise import cast
from graphad.ops.linalg import Inv
from graphad.ops.machinery import multiply
from graphad.ops.matrices import Failing, MatrixOp, check_square, matrix_transposed, samples_of
from graphad.ops.reduce import Max, Sum
from graphad.ops.select import select
from graphad.ops.shape import batch_all, broadcast_to, reshape
from graphad.ops.stop_gradient import stop_gradient
from graphad.types import Array, TensorType, complex_dtype, real_dtype


def _pairing(x: Array, y: Array) -> Array:
    """`sum(x * y)` over the last two axes."""
    product = multiply(x, y)
    return Sum((product.ndim - 2, product.ndim - 1))(product)


def _scalar(x: Array) -> Array:
    """One number for each matrix, made to broadcast against matrices."""
    return reshape(x, (*x.shape, 1, 1))


class Det(MatrixOp):
    """NumPy's `linalg.det`. The derivative is Jacobi's formula with cofactors, `sum(cofactor(a) * da)`, which needs
    no inverse and so holds for singular matrices.
    """

    def infer(self, *xs: TensorType) -> TensorType:
        check_square(self, xs[0])
        return xs[0].with_shape(xs[0].shape[:-2])

    def eval(self, xp: Any, *xs: Any) -> Array:
        return xp.linalg.det(xs[0])

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        return _pairing(Cofactor()(primals[0]), tangents[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield from _singular_samples(cls())


class Cofactor(Failing, MatrixOp):
    """The matrix of cofactors, `det(a) inv(a).T` where `a` is invertible, computed from the singular values.

    With `a = U S V^H` it is `det(U V^H) conj(U) G V^T`, `G` holding the products of all singular values but one
    (Stewart, "On the adjugate matrix", 1998).
    """

    def infer(self, *xs: TensorType) -> TensorType:
        check_square(self, xs[0])
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Array:
        u, s, vh = xp.linalg.svd(xs[0])
        phase = _phase(xp, u, vh)
        return phase * ((xp.conj(u) * _all_but_one(xp, s)[..., None, :]) @ xp.conj(vh)).astype(xs[0].dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        return CofactorDerivative()(primals[0], tangents[0])

    def flops(self, *xs: TensorType) -> int:
        return 20 * xs[0].size * xs[0].shape[-1]


class CofactorDerivative(Failing):
    """The change of `cofactor(a)` along `da`; operands are `a, da`, linear in `da`, and right for a singular `a`.

    In the basis of the singular vectors the cofactors are polynomials in the singular values. As the second
    derivative of the determinant it is symmetric, so that it is its own transpose. Its own derivative in `a` comes
    from its values at other matrices, so that derivatives of every order hold for a singular `a`.
    """

    def infer(self, *xs: TensorType) -> TensorType:
        check_square(self, xs[0])
        if xs[0] is not xs[1]:
            raise TypeMismatchError(f"{self.name}: {xs[0]} and {xs[1]} must be of one type")
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Array:
        a, da = xs
        u, s, vh = xp.linalg.svd(a)
        v = xp.conj(xp.swapaxes(vh, -1, -2))
        inside = xp.conj(xp.swapaxes(u, -1, -2)) @ da @ v
        pairs = _all_but_two(xp, s)
        diagonal = xp.einsum("...ij,...jj->...i", pairs, inside)
        eye = xp.eye(s.shape[-1], dtype=s.dtype)
        change = eye * diagonal[..., None, :] - pairs * xp.swapaxes(inside, -1, -2)
        return (_phase(xp, u, vh) * (xp.conj(u) @ change @ xp.conj(vh))).astype(a.dtype)

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (a, e), (da, de) = primals, tangents
        terms = [] if de is None else [self(a, de)]
        if da is not None and a.shape[-1] > 2:
            terms.append(_second_derivative(a, e, da))
        return add(*terms) if len(terms) == 2 else terms[0] if terms else None

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return None, self(xs[0], ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self(*batch_all(batched, size, xs))

    def flops(self, *xs: TensorType) -> int:
        return 30 * xs[0].size * xs[0].shape[-1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a in samples_of():
            yield Sample(cls(), (a, a[..., ::-1, :] + 1))
        of_rank_one = np.outer([1.0, 2.0, 0.0, -1.0], [0.5, 1.0, 1.0, 2.0])
        yield Sample(cls(), (of_rank_one, np.cos(np.arange(16.0)).reshape(4, 4)))


def _second_derivative(a: Array, e: Array, da: Array) -> Array:
    """How `CofactorDerivative(a, e)` changes along `da`, linear in `da`.

    It is the coefficient of `t` in `CofactorDerivative(a + t e, da)`, a polynomial in `t` of degree `n - 2`, which the
    values at `n - 1` roots of unity, scaled, give exactly. Of conjugate pairs one is enough where all else is real.
    """
    count = a.shape[-1] - 1
    holomorphic = a.dtype.kind == "c"
    steps = np.arange(count if holomorphic else count // 2 + 1)
    nodes = np.exp(2j * np.pi * steps / count)
    weights = np.conj(nodes) / count * (1 if holomorphic else np.where(2 * steps % count == 0, 1, 2))
    dtype = complex_dtype(a.dtype)
    nodes, weights = (x.astype(dtype).reshape(-1, *[1] * a.ndim) for x in (nodes, weights))
    scale = stop_gradient(divide(_size(a), _size(e)))
    moved = add(cast(a, dtype), multiply(cast(multiply(e, cast(scale, e.dtype)), dtype), nodes))
    changes = CofactorDerivative()(moved, broadcast_to(cast(da, dtype), moved.shape))
    total = Sum((0,))(multiply(changes, weights))
    return divide(total if holomorphic else real(total), cast(scale, a.dtype))


def _size(x: Array) -> Array:
    """The largest modulus of each matrix, 1 for a zero matrix."""
    largest = _scalar(Max((x.ndim - 2, x.ndim - 1))(absolute(x)))
    return select(equal(largest, 0), largest.dtype.type(1), largest)


class Slogdet(MatrixOp):
    """NumPy's `linalg.slogdet`: the determinant's sign (its phase if complex), and the logarithm of its modulus.

    The derivative of the logarithm is the real part of `trace(inv(a) da)`, and the phase turns by the imaginary part
    (Giles, 2008, section 2.2.4). Where a pivot is 0 and the logarithm is `-inf`, no derivative exists; it is taken as
    0, between the slopes of both signs that it has on either side.
    """

    def infer(self, *xs: TensorType) -> Types:
        (a,) = xs
        check_square(self, a)
        shape = a.shape[:-2]
        return TensorType(a.dtype, shape), TensorType(real_dtype(a.dtype), shape)

    def eval(self, xp: Any, *xs: Any) -> Any:
        return tuple(xp.linalg.slogdet(xs[0]))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        sign, logdet = out
        singular, zero = equal(sign, 0), sign.dtype.type(0)
        regular = select(_scalar(singular), np.eye(primals[0].shape[-1], dtype=sign.dtype), primals[0])
        rate = select(singular, zero, _pairing(matrix_transposed(Inv()(regular)), tangents[0]))
        if sign.dtype.kind != "c":
            return None, rate
        growth = cast(real(rate), logdet.dtype)
        turn = multiply(sign, subtract(rate, cast(growth, sign.dtype)))
        return turn, growth


def _phase(xp: Any, u: Array, vh: Array) -> Array:
    return (xp.linalg.det(u) * xp.linalg.det(vh))[..., None, None]


def _all_but_one(xp: Any, s: Array) -> Array:
    """Products of all entries of the last axis but each one."""
    ones = xp.ones_like(s[..., :1])
    below = xp.cumprod(xp.concatenate([ones, s[..., :-1]], axis=-1), axis=-1)
    above = xp.flip(xp.cumprod(xp.flip(xp.concatenate([s[..., 1:], ones], axis=-1), axis=-1), axis=-1), axis=-1)
    n = s.shape[-1]
    return below[..., :n] * above[..., :n]


def _all_but_two(xp: Any, s: Array) -> Array:
    """Products of all entries of the last axis but the pairs `i != j`; zeros where `i == j`."""
    n = s.shape[-1]
    if n == 0:
        return xp.zeros((*s.shape, 0), dtype=s.dtype)
    place = xp.arange(n)
    # Between i and j > i: running products of each row of s that begins after i.
    later = place[None, :] > place[:, None]
    row = xp.where(later, s[..., None, :], xp.ones_like(s[..., None, :]))
    ones = xp.ones_like(row[..., :1])
    between = xp.concatenate([ones, xp.cumprod(row, axis=-1)[..., :-1]], axis=-1)
    one = xp.ones_like(s[..., :1])
    below = xp.cumprod(xp.concatenate([one, s[..., :-1]], axis=-1), axis=-1)
    above = xp.flip(xp.cumprod(xp.flip(xp.concatenate([s[..., 1:], one], axis=-1), axis=-1), axis=-1), axis=-1)
    upper = xp.where(later, below[..., :, None] * between * above[..., None, :], xp.zeros_like(between))
    return upper + xp.swapaxes(upper, -1, -2)


def _singular_samples(op: Op) -> Iterable[Sample]:
    yield Sample(op, (np.array([[1.0, 2.0], [2.0, 4.0]]),))
    yield Sample(op, (np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.5, -1.0, 1.0]]),))


__all__ = ["Cofactor", "CofactorDerivative", "Det", "Slogdet"]
