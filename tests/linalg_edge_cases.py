"""Functions of linear algebra, matrices at edges of theirs, and the exact derivatives there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

N = 4


class Case(NamedTuple):
    """A function of a matrix or a stack of them, a matrix, and the exact derivatives along one and two directions."""

    name: str
    function: Callable[[Any], Any]
    x: Any
    first: Callable[[Any, Any], Any]
    second: Callable[[Any, Any, Any], Any] | None = None


def random(seed: int, shape: tuple[int, ...], kind: str) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if kind == "c" else x


def unitary(seed: int, n: int, kind: str) -> Any:
    return np.linalg.qr(random(seed, (n, n), kind))[0]


def with_values(s: Any, m: int, n: int, kind: str) -> Any:
    """A matrix with the singular values `s`."""
    k = len(s)
    return (unitary(1, m, kind)[:, :k] * np.asarray(s)) @ unitary(2, n, kind)[:, :k].conj().T


def hermitian(w: Any, kind: str) -> Any:
    """A Hermitian matrix with the eigenvalues `w`."""
    q = unitary(3, len(w), kind)
    a = (q * np.asarray(w)) @ q.conj().T
    return (a + a.conj().T) / 2


def adjoint(a: Any) -> Any:
    return np.conj(np.swapaxes(a, -1, -2))


def herm(a: Any) -> Any:
    return (a + adjoint(a)) / 2


def trace(a: Any) -> Any:
    return np.trace(a, axis1=-2, axis2=-1)


def dot(a: Any, b: Any) -> Any:
    """The real inner product of matrices."""
    return np.sum(np.real(np.conj(a) * b))


def mixed(a: Any, *directions: Any) -> Any:
    """The derivative of the determinant along directions: each replaces a row, in all ways."""
    total = 0.0
    for rows in permutations(range(len(a)), len(directions)):
        b = a.astype(np.result_type(a, *directions))
        for row, e in zip(rows, directions, strict=True):
            b[row] = e[row]
        total = total + np.linalg.det(b)
    return total


# -- matrices at edges --------------------------------------------------------------------------------------------

SQUARE = {
    "regular": [3.0, 2.0, 1.0, 0.5],
    "identity": [1.0] * N,
    "equal": [2.0, 2.0, 0.5, 0.5],
    "rank n-1": [3.0, 2.0, 1.0],
    "rank n-2": [2.0, 2.0],
    "rank 1": [2.0],
    "zero": [],
}


def squares(*names: str) -> Iterator[tuple[str, Any]]:
    """Square matrices of both kinds, also exactly singular ones, and of extent 1 and 0."""
    for kind in "fc":
        for name, s in SQUARE.items():
            if name in names:
                x = np.eye(N) + (0j if kind == "c" else 0.0) if name == "identity" else with_values(s, N, N, kind)
                yield f"{name} {kind}", x
    extents = {"one": np.array([[-1.5]]), "one zero": np.zeros((1, 1)), "none": np.zeros((0, 0))}
    yield from ((name, x) for name, x in extents.items() if name in names)
    if "diagonal" in names:
        yield "diagonal", np.diag([2.0, 1.0, 3.0, 0.0])


SHAPES = {"tall": (5, 3), "wide": (3, 5), "square": (4, 4)}


def rectangles(s: Any) -> Iterator[tuple[str, Any]]:
    """Matrices with the singular values `s`, or those that there is room for, of several shapes."""
    for kind in "fc":
        for name, (m, n) in SHAPES.items():
            yield f"{name} {kind}", with_values(s[: min(m, n)], m, n, kind)


EQUAL = {
    "equal": [1.0, 1.0, 1.0, -2.0],
    "multiple of identity": [2.0] * N,
    "zero": [0.0] * N,
    "two pairs": [3.0, 3.0, 0.0, 0.0],
}
DISTINCT = [3.0, 1.0, -0.5, 0.0]


# -- exact derivatives --------------------------------------------------------------------------------------------


def polar(a: Any) -> Any:
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return np.matmul(u, vh)


def polar_derivative(a: Any, e: Any) -> Any:
    """Along `e`, by the equation `w p + p w = u^H e - e^H u` for the skew matrix by which the factor `u` turns."""
    if a.shape[0] < a.shape[1]:
        return adjoint(polar_derivative(adjoint(a), adjoint(e)))
    u, p = scipy.linalg.polar(a)
    skew = scipy.linalg.solve_sylvester(p, p, adjoint(u) @ e - adjoint(e) @ u)
    return u @ skew + (e - u @ adjoint(u) @ e) @ np.linalg.inv(p)


def projector(a: Any) -> Any:
    """The projector on the space of the first three eigenvalues."""
    v = np.linalg.eigh(herm(a))[1][..., -3:]
    return np.matmul(v, adjoint(v))


def projector_derivative(a: Any, e: Any) -> Any:
    w, v = np.linalg.eigh(a)
    part = v[:, -3:] @ ((adjoint(v[:, -3:]) @ herm(e) @ v[:, :1]) / (w[-3:, None] - w[:1])) @ adjoint(v[:, :1])
    return part + adjoint(part)


def by_hand(a: Any) -> Any:
    w, v = np.linalg.eigh(herm(a))
    return np.matmul(v * (w**2)[..., None, :], adjoint(v))


def put_together(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.matmul(u * s[..., None, :], vh)


def fourth_powers_curve(a: Any, e: Any, d: Any) -> Any:
    b, f = adjoint(a), adjoint(d)
    return 4 * np.real(trace((f @ a @ b + b @ d @ b + b @ a @ f) @ e))


def diagonalised(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    return np.matmul(v * (w**2)[..., None, :], np.linalg.inv(v))


def gram(a: Any) -> Any:
    r = np.linalg.qr(a, mode="r")
    return np.matmul(adjoint(r), r)


B = np.cos(np.arange(10.0)).reshape(5, 2)


def least_squares(a: Any) -> Any:
    q, r = np.linalg.qr(a)
    return np.linalg.solve(r, np.matmul(adjoint(q), B))


def least_squares_derivative(a: Any, e: Any) -> Any:
    p = np.linalg.pinv(a)
    x = p @ B
    return p @ adjoint(p) @ adjoint(e) @ (B - a @ x) - p @ e @ x


def solve(a: Any) -> Any:
    """With three right-hand sides for each matrix, by broadcasting."""
    return np.linalg.solve(a[..., None, :, :], np.sin(np.arange(24.0)).reshape(3, N, 2))


def condition_derivative(a: Any, e: Any) -> Any:
    u, s, vh = np.linalg.svd(a)
    ds = np.real(np.diagonal(adjoint(u) @ e @ adjoint(vh)))
    return (ds[0] - s[0] / s[-1] * ds[-1]) / s[-1]


def power_derivative(a: Any, e: Any) -> Any:
    i = np.linalg.inv(a)
    return -(i @ e @ i @ i + i @ i @ e @ i)


# -- the table ----------------------------------------------------------------------------------------------------


def determinants() -> Iterator[Case]:
    for name, x in squares(*SQUARE, "one", "one zero", "none", "diagonal"):
        yield Case(f"det {name}", lambda a: np.linalg.det(a), x, mixed, mixed)
    inv = np.linalg.inv
    for name, x in squares("regular", "identity", "equal", "one", "none"):
        yield Case(
            f"logabsdet {name}", lambda a: np.linalg.slogdet(a)[1], x,
            lambda a, e: np.real(trace(inv(a) @ e)), lambda a, e, d: -np.real(trace(inv(a) @ e @ inv(a) @ d)),
        )  # fmt: skip
        yield Case(
            f"phase {name}", lambda a: np.linalg.slogdet(a)[0], x,
            lambda a, e: np.linalg.slogdet(a)[0] * (trace(inv(a) @ e) - np.real(trace(inv(a) @ e))),
        )  # fmt: skip
        yield Case(
            f"inv {name}", lambda a: np.linalg.inv(a), x, lambda a, e: -inv(a) @ e @ inv(a),
            lambda a, e, d: inv(a) @ (e @ inv(a) @ d + d @ inv(a) @ e) @ inv(a),
        )  # fmt: skip
    for name, x in squares("regular", "equal"):
        yield Case(f"solve {name}", solve, x, lambda a, e: -inv(a) @ e @ solve(a))
        yield Case(f"negative power {name}", lambda a: np.linalg.matrix_power(a, -2), x, power_derivative)
        yield Case(
            f"log determinant by cholesky {name}",
            lambda a: 2 * np.sum(np.log(np.real(np.linalg.cholesky(herm(a)).diagonal(0, -2, -1))), axis=-1),
            x @ adjoint(x),
            lambda a, e: np.real(trace(inv(a) @ herm(e))),
            lambda a, e, d: -np.real(trace(inv(a) @ herm(e) @ inv(a) @ herm(d))),
        )  # fmt: skip
    for name, x in squares("rank 1", "zero", "one zero", "none"):
        yield Case(
            f"power {name}", lambda a: np.linalg.matrix_power(a, 3), x, lambda a, e: e @ a @ a + a @ e @ a + a @ a @ e,
            lambda a, e, d: (e @ d + d @ e) @ a + e @ a @ d + d @ a @ e + a @ (e @ d + d @ e),
        )  # fmt: skip
        yield Case(f"zeroth power {name}", lambda a: np.linalg.matrix_power(a, 0), x, lambda a, e: 0 * e)
        yield Case(f"trace {name}", trace, x, lambda a, e: trace(e), lambda a, e, d: 0 * trace(e))


def eigenvalues() -> Iterator[Case]:
    cube = lambda a: np.sum(np.linalg.eigvalsh(herm(a)) ** 3, axis=-1)
    slope = lambda a, e: 3 * np.real(trace(a @ a @ herm(e)))
    for kind in "fc":
        for name, w in EQUAL.items():
            x = hermitian(w, kind)
            yield Case(f"cubes {name} {kind}", cube, x, slope)
            yield Case(
                f"exponentials {name} {kind}", lambda a: np.sum(np.exp(np.linalg.eigh(herm(a))[0]), axis=-1), x,
                lambda a, e: np.real(trace(scipy.linalg.expm(a) @ herm(e))),
            )  # fmt: skip
        yield Case(f"projector {kind}", projector, hermitian(EQUAL["equal"], kind), projector_derivative)
        x = hermitian(DISTINCT, kind)
        curve = lambda a, e, d: 3 * np.real(trace(a @ (herm(e) @ herm(d) + herm(d) @ herm(e))))
        yield Case(f"cubes distinct {kind}", cube, x, slope, curve)
        yield Case(
            f"square by eigenvectors {kind}", by_hand, x, lambda a, e: a @ herm(e) + herm(e) @ a,
            lambda a, e, d: herm(e) @ herm(d) + herm(d) @ herm(e),
        )  # fmt: skip
        x = unitary(4, N, kind) @ np.diag([1.0, 2.0, 3.0, 0.0]) @ unitary(5, N, kind)
        yield Case(
            f"eigenvalues not symmetric {kind}", lambda a: np.sum(np.linalg.eigvals(a) ** 3, axis=-1), x,
            lambda a, e: 3 * trace(a @ a @ e), lambda a, e, d: 3 * trace(a @ (e @ d + d @ e)),
        )  # fmt: skip
        yield Case(f"square by eig {kind}", diagonalised, x, lambda a, e: a @ e + e @ a, lambda a, e, d: e @ d + d @ e)


def singular_values() -> Iterator[Case]:
    fourth = lambda a: np.sum(np.linalg.svdvals(a) ** 4, axis=-1)
    slope = lambda a, e: 4 * np.real(trace(adjoint(a) @ a @ adjoint(a) @ e))
    for values in ([2.0, 2.0, 2.0, 1.0], [1.5], []):
        for name, x in rectangles(values):
            yield Case(f"fourth powers of {values} {name}", fourth, x, slope)
    for name, x in rectangles([2.0, 2.0, 2.0, 2.0]):
        yield Case(f"polar factor {name}", polar, x, polar_derivative)
        yield Case(
            f"nuclear norm {name}", lambda a: np.linalg.norm(a, "nuc", axis=(-2, -1)), x, lambda a, e: dot(polar(a), e)
        )
    for name, x in rectangles([3.0, 2.0, 1.0, 0.5]):
        yield Case(f"fourth powers of distinct {name}", fourth, x, slope, fourth_powers_curve)
        yield Case(f"put together {name}", put_together, x, lambda a, e: e, lambda a, e, d: 0 * e)
        yield Case(f"condition {name}", lambda a: np.linalg.cond(a), x, condition_derivative)
    size = np.linalg.norm
    top = lambda a, e: dot(np.outer(np.linalg.svd(a)[0][:, 0], np.linalg.svd(a)[2][0]), e)
    for name, x in rectangles([3.0, 1.0, 1.0]):
        yield Case(f"spectral norm {name}", lambda a: np.linalg.norm(a, 2, axis=(-2, -1)), x, top)
        yield Case(
            f"Frobenius norm {name}", lambda a: np.linalg.norm(a, axis=(-2, -1)), x, lambda a, e: dot(a, e) / size(a),
            lambda a, e, d: dot(e, d) / size(a) - dot(a, e) * dot(a, d) / size(a) ** 3,
        )  # fmt: skip


def orthogonal_factors() -> Iterator[Case]:
    matrices = dict(rectangles([2.0, 2.0, 2.0, 1.0]))
    matrices |= dict(squares("identity", "rank n-1", "diagonal", "one zero", "none"))
    for name, x in matrices.items():
        yield Case(
            f"R^H R {name}", gram, x, lambda a, e: adjoint(e) @ a + adjoint(a) @ e,
            lambda a, e, d: adjoint(e) @ d + adjoint(d) @ e,
        )  # fmt: skip
        yield Case(f"Q R {name}", lambda a: np.matmul(*np.linalg.qr(a)), x, lambda a, e: e, lambda a, e, d: 0 * e)
    for kind in "fc":
        x = matrices[f"tall {kind}"]
        yield Case(f"least squares by qr {kind}", least_squares, x, least_squares_derivative)
        yield Case(f"least squares by pinv {kind}", lambda a: np.linalg.pinv(a) @ B, x, least_squares_derivative)


CASES = [*determinants(), *eigenvalues(), *singular_values(), *orthogonal_factors()]
