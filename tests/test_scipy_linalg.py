"""`graphad.scipy.linalg`: SciPy's numbers in every executor, derivatives, batches, edges."""

from __future__ import annotations

from types import FunctionType

import numpy as np
import pytest
import scipy.linalg

import graphad
import graphad.scipy.linalg as sl
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.numpy.arguments import operand
from graphad.scipy.dispatch import TRACED

RNG = np.random.default_rng(8)
A = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
B = RNG.normal(size=(3, 3))
P = A @ A.T
W = np.vstack([A, B])
STACK = np.stack([A, A.T, P])
BAND = np.vstack([B[0], 5 + B[1], B[2], B[0] / 2])
SCALES = np.array([[1.0, 1e4, 0.0], [0.0, 2.0, 1e-3], [1e-4, 3.0, 1.0]])


def BANDS(a):
    """The bands of a positive definite matrix."""
    return np.stack([0.1 * np.sin(a[0]), np.sin(a[1]), 4.0 + a[2] ** 2])


CASES = {
    "solve": (sl.solve, A, B[0]),
    "solve transposed": (lambda a, b: sl.solve(a, b, transposed=True), A, B),
    "solve_triangular": (sl.solve_triangular, A, B),
    "solve_triangular stack": (lambda a, b: sl.solve_triangular(a, b, trans="C", lower=True), STACK, B),
    "solve_banded": (lambda a, b: sl.solve_banded((2, 1), a, b), BAND, B),
    "solve_banded vector": (lambda a, b: sl.solve_banded((1, 2), a[[0, 0, 1, 2]], b), BAND, B[0]),
    "solveh_banded": (lambda a, b: sl.solveh_banded(a[:2], b), BAND, B),
    "solveh_banded lower": (lambda a, b: sl.solveh_banded(a[1:3], b, lower=True), BAND, B[1]),
    "solve_toeplitz": (lambda a, b: sl.solve_toeplitz((a[0], a[1]), b), A, B),
    "solve_circulant": (lambda a, b: sl.solve_circulant(a[0], b), A, B),
    "solve_sylvester": (lambda a, b: sl.solve_sylvester(a, a.T[:2, :2], b[:, :2]), A, B),
    "solve_continuous_lyapunov": (sl.solve_continuous_lyapunov, A, B),
    "solve_discrete_lyapunov": (lambda a, b: sl.solve_discrete_lyapunov(a / 9, b), A, B),
    "solve_discrete_lyapunov bilinear": (lambda a, b: sl.solve_discrete_lyapunov(a / 9, b, "bilinear"), A, B),
    "solve_number": (lambda a, b: [sl.solve(a[0, 0], b[0, 0]), sl.solve(a[0, 0], b[0])], A, B),
    "solve_continuous_are": (
        lambda a, b, p: sl.solve_continuous_are(a, b[:, :2], p + p.T, p[:2, :2] + p[:2, :2].T), A, B, P,
    ),
    "solve_continuous_are general": (
        lambda a, b, p: sl.solve_continuous_are(
            a, b[:, :2], p + p.T, p[:2, :2] + p[:2, :2].T, np.eye(3) + 0.01 * b, 0.01 * a[:, :2], balanced=False
        ),
        A, B, P,
    ),
    "solve_discrete_are": (
        lambda a, b, p: sl.solve_discrete_are(a, b[:, :2], p + p.T, p[:2, :2] + p[:2, :2].T), A, B, P,
    ),
    "solve_discrete_are general": (
        lambda a, b, p: sl.solve_discrete_are(
            a, b[:, :2], p + p.T, p[:2, :2] + p[:2, :2].T, np.eye(3) + 0.01 * b, 0.01 * a[:, :2], balanced=False
        ),
        A, B, P,
    ),
    "cholesky_banded": (lambda a: sl.cholesky_banded(BANDS(a)), BAND),
    "cholesky_banded lower": (lambda a: sl.cholesky_banded(BANDS(a)[::-1], lower=True), BAND),
    "matmul_toeplitz": (
        lambda a, b: [sl.matmul_toeplitz((a[0], b[0, :2]), b[:2]), sl.matmul_toeplitz(a[0], b[1])], A, B,
    ),
    "qr_multiply": (lambda a, b: [sl.qr_multiply(a, b @ a.T), sl.qr_multiply(a, b[0], "left")], W, B),
    "matrix_balance": (lambda a: sl.matrix_balance(a * SCALES)[0], A),
    "matrix_balance separate": (lambda a: sl.matrix_balance(a * SCALES, permute=False, separate=True)[0], A),
    "fiedler_companion": (lambda a: [sl.fiedler_companion(a.reshape(-1)[:n]) for n in (2, 3, 5, 8)], A),
    "numbers": (
        lambda a: [f(a[0, 0] ** 2) for f in (
            sl.cholesky, sl.cholesky_banded, sl.expm, sl.lu_factor, sl.toeplitz, sl.circulant, sl.fiedler)],
        A,
    ),
    "equations of numbers": (
        lambda a: [sl.solve_continuous_are(a[0, 0], 0.4, 1.3, 0.8), sl.solve_lyapunov(a[0, 0], 0.7)], A,
    ),
    "lstsq": (lambda a, b: sl.lstsq(a, b[0] @ a.T)[0], W, B),
    "cholesky": (sl.cholesky, P),
    "cho_solve": (lambda a, b: sl.cho_solve(sl.cho_factor(a), b), P, B),
    "lu_factor": (sl.lu_factor, STACK),
    "lu_solve": (lambda a, b: [sl.lu_solve(sl.lu_factor(a), b, t) for t in (0, 1, 2)], A[::-1], B),
    "lu_solve vector": (lambda a, b: sl.lu_solve(sl.lu_factor(a), b), A, B[0]),
    "lu": (sl.lu, A[::-1]),
    "lu tall": (lambda a: sl.lu(a, permute_l=True), W[::-1]),
    "lu wide": (lambda a: sl.lu(a.T, p_indices=True), W),
    "qr": (sl.qr, A),
    "qr economic": (lambda a: sl.qr(a, mode="economic"), W),
    "qr r": (lambda a: sl.qr(a, mode="r"), W),
    "svd": (lambda a: sl.svd(a, full_matrices=False), W),
    "svdvals": (sl.svdvals, STACK),
    "polar": (lambda a: (sl.polar(a), sl.polar(a, "left")), W),
    "eigh": (lambda a: sl.eigh(a, subset_by_index=(0, 1)), P),
    "eigh generalised": (lambda a, b: sl.eigh(a + a.T, b @ b.T + np.eye(3))[0], A, B),
    "eigh vectors": (lambda a, b: np.abs(sl.eigh(a + a.T, b @ b.T + np.eye(3), lower=False)[1]), A, B),
    "eigvalsh": (sl.eigvalsh, P),
    "eigh_tridiagonal": (lambda a: sl.eigh_tridiagonal(a[0], a[1, :2], eigvals_only=True), A),
    "eigvals": (lambda a, b: sl.eigvals(a, b + 4 * np.eye(3)), P, B),
    "eig": (lambda a: sl.eig(a)[0], P),
    "inv": (sl.inv, STACK),
    "det": (sl.det, STACK),
    "pinv": (lambda a: sl.pinv(a, atol=1e-3), W),
    "norm": (lambda a: (sl.norm(a), sl.norm(a, 1), sl.norm(a[0])), A),
    "expm": (sl.expm, STACK / 3),
    "expm_frechet": (sl.expm_frechet, A / 3, B),
    "sqrtm": (sl.sqrtm, A),
    "logm": (sl.logm, P),
    "fractional_matrix_power": (lambda a: [sl.fractional_matrix_power(a, t) for t in (0.3, 3, -1)], P),
    "cosm": (sl.cosm, A),
    "sinm": (sl.sinm, A),
    "tanm": (sl.tanm, A / 4),
    "coshm": (sl.coshm, A),
    "sinhm": (sl.sinhm, A / 2),
    "tanhm": (sl.tanhm, A / 2),
    "signm": (sl.signm, A - 3 * np.eye(3)),
    "expm_cond": (sl.expm_cond, A / 4),
    "schur": (sl.schur, A),
    "schur blocks": (lambda a: sl.schur(a.T @ np.diag([1.0, -1.0, 2.0]) + a @ a), B),
    "hessenberg": (lambda a: sl.hessenberg(np.block([[a, a.T], [a @ a, 2 * a]]), calc_q=True), B),
    "hessenberg small": (lambda a: [sl.hessenberg(a[:2, :2], calc_q=True), sl.hessenberg(a)], B),
    "ldl": (lambda a: sl.ldl(np.block([[a, a.T], [a @ a, 2 * a]])), B),
    "ldl upper": (lambda a: [sl.ldl(a, lower=False), sl.ldl(a[0, 0])], B),
    "ldl complex": (lambda a, b: [sl.ldl(a + 1j * b), sl.ldl(a + 1j * b, hermitian=False)], B, P - np.diag(np.diag(P))),
    "eig_banded": (lambda a: [sl.eig_banded(a[1:]), sl.eigvals_banded(a[:2] + 0.1j * a[1:3], lower=True)], BAND),
    "eig_banded some": (lambda a: sl.eig_banded(a[1:], select="i", select_range=(1, 2)), BAND),
    "eigvals_banded": (lambda a: sl.eigvals_banded(a, select="i", select_range=(0, 1)), BAND),
    "orth": (lambda a, b: [sl.orth(a), sl.orth(b)], W, B[:2]),
    "null_space": (sl.null_space, B[:2]),
    "subspace_angles": (lambda a: [sl.subspace_angles(a[:, :2], np.sin(a[:, ::-1])[:, :k]) for k in (1, 2)], W),
    "orthogonal_procrustes": (lambda a: sl.orthogonal_procrustes(a, np.sin(a[::-1])), W),
    "pinvh": (lambda a: [sl.pinvh(a), sl.pinvh(a, lower=False, atol=1e-3), sl.pinvh(P, return_rank=True)[1]], B),
    "rq": (lambda a: [sl.rq(a), sl.rq(a[:2]), sl.rq(a[:, :2]), sl.rq(a, mode="r")], B),
    "rq economic": (lambda a: [sl.rq(a[:2], mode="economic"), sl.rq(a[:, :2] + 1j * a[:, 1:], mode="economic")], B),
    "block_diag": (sl.block_diag, A, B[0]),
    "toeplitz": (lambda a: (sl.toeplitz(a[0]), sl.toeplitz(a[0], a[1])), A),
    "hankel": (lambda a: (sl.hankel(a[0]), sl.hankel(a[0], a[1])), A),
    "circulant": (lambda a: sl.circulant(a[0]), A),
    "companion": (lambda a: sl.companion(a[0]), A),
    "khatri_rao": (sl.khatri_rao, A, W),
    "fiedler": (lambda a: sl.fiedler(a[0]), A),
    "leslie": (lambda a: sl.leslie(a[0], a[1, :-1]), A),
    "convolution_matrix": (
        lambda a: [sl.convolution_matrix(a[0], n, mode) for n in (2, 6) for mode in ("full", "valid", "same")], A,
    ),
}


def leaves(x):
    return [y for part in x for y in leaves(part)] if isinstance(x, (list, tuple)) else [x]


def scipys(function):
    """The case with SciPy's own module, which a converted function sees through."""
    if function.__name__ != "<lambda>":
        return getattr(scipy.linalg, function.__name__)
    return FunctionType(function.__code__, {**globals(), "sl": scipy.linalg}, function.__name__, function.__defaults__)


def real_leaves(function):
    """The floating results as real numbers, so that derivatives have one kind."""

    def call(*xs):
        found = [x for x in map(operand, leaves(function(*xs))) if x.dtype.kind in "fc"]
        return [part for x in found for part in ((np.real(x), np.imag(x)) if x.dtype.kind == "c" else (x,))]

    return call


def test_numbers_are_scipys(executor):
    """Many cases in one compiled function, written with SciPy's names; for numba, which takes longest, a few."""
    names = list(CASES)[:: 18 if executor == "numba" else 1]
    cases = [(scipys(f), *args) for f, *args in map(CASES.__getitem__, names)]
    run = lambda all_args: [leaves(f(*args)) for (f, *_), args in zip(cases, all_args, strict=True)]
    args = [tuple(xs) for _, *xs in cases]
    for name, found, wanted in zip(names, graphad.jit(run)(args), run(args), strict=True):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=name)
            assert np.shape(a) == np.shape(b), name


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    function, *args = CASES[name]
    graphad.check_grads(real_leaves(function), tuple(args), order=2 if "banded" in name or "m" in name else 1)


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("lu_factor", "expm", "inv", "det", "svdvals")])
def test_batches_are_loops(name):
    function, *args = CASES[name]
    batches = [np.stack([x, 1.1 * x]) for x in args]
    found = graphad.vmap(real_leaves(function), in_axes=0)(*batches)
    for i in range(2):
        for a, b in zip(found, real_leaves(function)(*[x[i] for x in batches]), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-9, atol=1e-10)


def test_every_function_has_a_case():
    covered = {name.split(" ")[0] for name in CASES} | {"cho_factor"}
    assert set(TRACED["scipy.linalg"]) - covered == set()


def test_a_matrix_function_at_equal_eigenvalues():
    """Where a spectral decomposition by hand has no derivative: `d expm(a) = e * expm(a)` at a multiple of 1."""
    e = RNG.normal(size=(3, 3))
    for function, slope in ((sl.expm, np.exp(2.0)), (sl.logm, 0.5), (sl.sqrtm, 0.5 / np.sqrt(2.0))):
        _, tangent = graphad.jvp(function, (2 * np.eye(3),), (e,))
        np.testing.assert_allclose(tangent, slope * e, atol=1e-12)


def test_complex_matrices():
    c = A + 1j * B
    for function in (sl.expm, sl.sqrtm, sl.logm, sl.cosm, sl.sinm):
        np.testing.assert_allclose(graphad.jit(function)(c), function(c), rtol=1e-9, atol=1e-9)
        graphad.check_grads(real_leaves(lambda a, b, f=function: f(a + 1j * b)), (A, B), order=1)


def test_a_real_matrix_without_a_real_root():
    root = graphad.jit(sl.sqrtm)
    with pytest.raises(np.linalg.LinAlgError, match=r"sqrtm: a real matrix has a complex result.*astype\(complex\)"):
        root(-np.eye(2))
    np.testing.assert_allclose(root((-np.eye(2)).astype(complex)), 1j * np.eye(2))


def test_singular_systems():
    with pytest.raises(np.linalg.LinAlgError):
        graphad.jit(lambda ab: sl.solve_banded((0, 1), ab, np.ones(3)))(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda a: sl.solve_banded((1, 0), a, a), ShapeError, r"solve_banded: 1 diagonals below and 0 above .*3,3"),
        (lambda a: sl.solve_triangular(a, a[:2]), ShapeError, r"solve_triangular: shapes \[3, 3\] and \[2, 3\]"),
        (lambda a: sl.expm(a[:2]), ShapeError, r"expm: needs square matrices, not shape \[2, 3\]"),
        (lambda a: sl.solve_sylvester(a, a, a[:2]), ShapeError, r"sylvester: the right-hand side .*\[2,3\]"),
        (lambda a: sl.qr_multiply(a, a, pivoting=True), MissingRuleError, r"qr_multiply: pivoting.*leave it out"),
        (lambda a: sl.solve_continuous_are(a, a, a, a, e=a), MissingRuleError, r"e= with balanced.*balanced=False"),
        (lambda a: sl.solve_discrete_are(a, a[:2], a, a), ShapeError, r"solve_discrete_are: b of shape \[2, 3\]"),
        (lambda a: sl.solveh_banded(a[0], a[1]), ShapeError, r"solveh_banded: bands of shape \[3\]"),
        (lambda a: sl.matmul_toeplitz(a[0], a[:2]), ShapeError, r"matmul_toeplitz: x of shape \[2, 3\].*3 rows"),
        (lambda a: sl.qr(a, pivoting=True), MissingRuleError, r"qr: pivoting cannot be traced.*use 'full'"),
        (lambda a: sl.eigh(a, subset_by_value=(0, 1)), MissingRuleError, r"subset_by_value.*use subset_by_index"),
        (lambda a: sl.eig(a, left=True), MissingRuleError, r"left eigenvectors cannot be traced"),
        (lambda a: sl.schur(a, sort="lhp"), MissingRuleError, r"schur: sort='lhp' cannot be traced.*leave it out"),
        (lambda a: sl.hessenberg(a[:2]), ShapeError, r"hessenberg: an array of shape \[2, 3\].*one square matrix"),
        (lambda a: sl.rq(np.stack([a, a])), ShapeError, r"rq: a stack of shape \[2, 3, 3\].*vmap"),
        (lambda a: sl.eig_banded(a, select="v"), MissingRuleError, r"eig_banded: select='v'.*use select='i'"),
        (lambda a: sl.expm(a.astype("f2")), TypeMismatchError, r"expm.*float16|f16"),
    ],
)
def test_refusals_name_the_place(function, error, message):
    with pytest.raises(error, match=message) as caught:
        graphad.jit(function)(A)
    assert "test_scipy_linalg.py:" in str(caught.value)


@pytest.mark.parametrize("function", [lambda a: sl.schur(a, "complex")[0], lambda a: sl.hessenberg(a + 1j * a.T)])
def test_complex_forms_have_values_only(function):
    np.testing.assert_allclose(graphad.jit(function)(A), function(A), rtol=1e-12)
    for transform in (lambda f: f, graphad.jit):
        with pytest.raises(MissingRuleError, match=r"(schur|hessenberg): .*complex.* has no derivative"):
            transform(graphad.grad(lambda a: np.sum(np.abs(function(a)))))(A)


def test_ranks_that_decide_a_shape():
    low = W[:, :1] @ B[:1]
    for function in (sl.orth, sl.null_space):
        compiled = graphad.jit(function)
        np.testing.assert_allclose(np.abs(compiled(W[:2])), np.abs(function(W[:2])), rtol=1e-12)
        with pytest.raises(ShapeError, match=r"not full rank, which decides the shape.*outside of jit"):
            compiled(low[:2])
    # Where the values are known so is the rank.
    basis = lambda a: sl.orth(a) * np.sign(sl.orth(a)[0])
    np.testing.assert_allclose(graphad.jvp(basis, (low,), (low,))[0], basis(low), rtol=1e-12)
    graphad.check_grads(lambda a: basis(a[:, None] * B[:1]), (W[:, 0],))


def test_equal_eigenvalues_have_no_schur_vectors():
    with pytest.raises(np.linalg.LinAlgError):
        graphad.jacfwd(lambda a: sl.schur(a)[1])(np.eye(3))


OF_ROWS = {
    "svdvals": lambda a: scipy.linalg.svdvals(a), "qr": lambda a: np.abs(scipy.linalg.qr(a)[1]),
    "eigvals": lambda a: np.sum(scipy.linalg.eigvals(a).real), "eigvalsh": lambda a: scipy.linalg.eigvalsh(a),
    "norm": lambda a: scipy.linalg.norm(a), "polar": lambda a: scipy.linalg.polar(a)[1],
    "balanced": lambda a: scipy.linalg.matrix_balance(a)[0],
}  # fmt: skip


@pytest.mark.parametrize("f", OF_ROWS.values(), ids=OF_ROWS)
def test_a_matrix_is_a_list_of_its_rows(f):
    rows = lambda x: f([[x, 1.0], (1.0, 2 * x)])
    assert np.allclose(graphad.jit(rows, executor="numpy")(3.0), rows(3.0))
