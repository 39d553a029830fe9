"""Functions of square matrices, as SciPy computes them, and their Fréchet derivatives.

The derivative of every matrix function `f` at `a` along `e` is the upper right block of a larger matrix's function,

    f([[a, e], [0, a]]) = [[f(a), L(a, e)], [0, f(a)]]

(Mathias, "A chain rule for matrix functions and applications", 1996; Higham, "Functions of Matrices", 2008, theorem
3.6), which holds at equal eigenvalues too, and gives the derivative of the derivative when it is applied again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.namespaces import scipy_of
from graphad.op import Sample, Types
from graphad.ops.contraction import matmul
from graphad.ops.matrices import (
    Failing,
    MatrixOp,
    check_square,
    conjugate_transposed,
    matrix_transposed,
    or_identity,
    samples_of,
)
from graphad.ops.shape import batch_all, concatenate
from graphad.ops.slicing import Slice
from graphad.types import Array, TensorType

FUNCTIONS = ("expm", "sqrtm", "logm")
RAISED = (np.linalg.LinAlgError, ValueError)
"""What SciPy raises here: the second for what is not finite."""


class MatrixFunction(Failing, MatrixOp):
    """SciPy's `linalg.expm`, `sqrtm` or `logm`, by `function`, of stacks of square matrices.

    A real matrix gives a real result; `numpy.linalg.LinAlgError` is raised where its square root or logarithm is not.
    """

    raises = RAISED
    function: str

    @property
    def host_only(self) -> str:  # type: ignore[override]
        return _host_only(self.function)

    def infer(self, *xs: TensorType) -> Types:
        check_square(self, xs[0])
        if self.function not in FUNCTIONS:
            raise ShapeError(f"matrix_function: {self.function!r} is none of {', '.join(FUNCTIONS)}")
        return xs[0]

    def eval(self, xp: Any, *xs: Any) -> Array:
        if xp is not np:
            return scipy_of(xp, "linalg").expm(xs[0])
        return evaluate(self.function, np.asarray(xs[0]))

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        return Frechet(self.function)(primals[0], tangents[0])

    def flops(self, *xs: TensorType) -> int:
        return 30 * xs[0].size * xs[0].shape[-1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for function in FUNCTIONS:
            for a in samples_of():
                yield Sample(cls(function), (a / 2,))
        yield Sample(cls("expm"), (np.zeros((2, 2)),))


class Frechet(Failing):
    """The derivative of a `MatrixFunction` at the first operand along the second, in which it is linear.

    Its transpose is the derivative at the transposed matrix (Higham, "Functions of Matrices", 2008, section 3.2).
    """

    raises = RAISED
    function: str

    @property
    def host_only(self) -> str:  # type: ignore[override]
        return _host_only(self.function)

    def infer(self, *xs: TensorType) -> Types:
        a, e = xs
        check_square(self, a)
        if a != e:
            raise TypeMismatchError(f"frechet: the direction {e} is not of the matrix's type {a}")
        return a

    def eval(self, xp: Any, *xs: Any) -> Array:
        a, e = xs
        n = a.shape[-1]
        if xp is not np:
            return scipy_of(xp, "linalg").expm(xp.block([[a, e], [xp.zeros_like(a), a]]))[..., :n, n:]
        return evaluate(self.function, np.block([[a, e], [np.zeros_like(a), a]]))[..., :n, n:]

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        (a, e), (da, de) = primals, tangents
        along = None if de is None else self(a, de)
        if da is None:
            return along
        n, rank = a.shape[-1], a.ndim
        change = self(_blocks(a, e), _blocks(da))
        start, stop = [0] * rank, list(change.shape)
        stop[-2], start[-1] = n, n
        change = Slice(tuple(start), tuple(stop), (1,) * rank)(change)
        return change if along is None else along + change

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return None, self(matrix_transposed(xs[0]), ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Array:
        return self(*batch_all(batched, size, xs))

    def flops(self, *xs: TensorType) -> int:
        return 8 * 30 * xs[0].size * xs[0].shape[-1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for function in FUNCTIONS:
            for a in list(samples_of())[:4]:
                yield Sample(cls(function), (a / 2, np.cos(a)))


def _host_only(function: str) -> str:
    return "" if function == "expm" else "SciPy computes it, for NumPy's arrays"


def evaluate(function: str, a: Array) -> Array:
    """The function of each matrix of a stack, by SciPy in double precision."""
    import scipy.linalg

    out = np.empty_like(a)
    wide = a.astype(np.result_type(a.dtype, "f8"))
    if out.size == 0:
        return out
    for i in np.ndindex(a.shape[:-2]):
        found = getattr(scipy.linalg, function)(wide[i])
        if found.dtype.kind == "c" and out.dtype.kind != "c":
            if np.max(np.abs(found.imag)) > 1000 * np.finfo("f8").eps * np.max(np.abs(found)):
                raise np.linalg.LinAlgError(
                    f"{function}: a real matrix has a complex result; give it as a complex one, a.astype(complex)"
                )
            found = found.real
        out[i] = found
    return out


def _blocks(a: Array, e: Array | None = None) -> Array:
    """`[[a, e], [0, a]]`."""
    zero = np.zeros(a.shape, a.dtype)
    return concatenate([concatenate([a, zero if e is None else e], -1), concatenate([zero, a], -1)], -2)


class Sylvester(Failing):
    """SciPy's `linalg.solve_sylvester`: `x` with `a x + x b == q`, in stacks; linear in `q`.

    The derivative solves with the same matrices: `a dx + dx b = dq - da x - x db`. Raises `numpy.linalg.LinAlgError`
    where `a` and `-b` have an eigenvalue in common.
    """

    raises = RAISED

    def guarded(self, live: Any, *xs: Any) -> Any:
        a, b, q = xs
        return self(or_identity(live, a), or_identity(live, b), q)

    def infer(self, *xs: TensorType) -> Types:
        a, b, q = xs
        check_square(self, a)
        check_square(self, b)
        if not a.dtype == b.dtype == q.dtype:
            raise TypeMismatchError(f"sylvester: operands {a}, {b} and {q} must first be cast to one dtype")
        if q.shape != (*a.shape[:-1], b.shape[-1]) or a.shape[:-2] != b.shape[:-2]:
            raise ShapeError(f"sylvester: the right-hand side {q} does not fit the matrices {a} and {b}")
        return q

    def eval(self, xp: Any, *xs: Any) -> Array:
        a, b, q = xs
        if xp is not np:
            solve, stack = scipy_of(xp, "linalg").solve_sylvester, np.ndindex(q.shape[:-2])
            return xp.stack([solve(a[i], b[i], q[i]) for i in stack]).reshape(q.shape).astype(q.dtype)
        import scipy.linalg

        out = np.empty(q.shape, q.dtype)
        if out.size:
            for i in np.ndindex(q.shape[:-2]):
                out[i] = scipy.linalg.solve_sylvester(a[i], b[i], q[i])
        return out

    def jvp(self, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Array:
        (a, b, _), (da, db, right) = primals, tangents
        for change in ([] if da is None else [matmul(da, out)]) + ([] if db is None else [matmul(out, db)]):
            right = -change if right is None else right - change
        return self(a, b, right)

    def transpose(self, ct: Any, *xs: Any) -> Any:
        return None, None, self(matrix_transposed(xs[0]), matrix_transposed(xs[1]), ct)

    def batch(self, batched: Sequence[bool], size: int, *xs: Any) -> Any:
        return self(*batch_all(batched, size, xs))

    def flops(self, *xs: TensorType) -> int:
        *stack, n, m = xs[2].shape
        return math.prod(stack) * 25 * (n**3 + m**3)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for a in samples_of():
            b = a[..., :2, :2]
            yield Sample(cls(), (a, conjugate_transposed(b), np.cos(a[..., :2])))


__all__ = ["FUNCTIONS", "Frechet", "MatrixFunction", "Sylvester"]
