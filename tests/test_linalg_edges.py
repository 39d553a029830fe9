"""Derivatives of linear algebra at edges: singular matrices, equal eigenvalues and singular values, norms at zero.

They are compared with exact ones in forward and reverse mode and in second order, of one matrix and of stacks,
compiled and mapped.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from linalg_edge_cases import (
    CASES,
    DISTINCT,
    EQUAL,
    SHAPES,
    SQUARE,
    Case,
    N,
    adjoint,
    by_hand,
    herm,
    hermitian,
    mixed,
    put_together,
    random,
    with_values,
)

import graphad
from graphad.tree import leaves

on_both = pytest.mark.parametrize("executor", ["numpy", "llvm"])

COMPILED = (
    "det rank n-1 c", "det rank n-2 f", "det zero f", "det none", "logabsdet equal c", "inv identity f",
    "solve equal f", "negative power equal f", "log determinant by cholesky equal f", "cubes equal c", "cubes zero f",
    "projector c", "square by eigenvectors f", "eigenvalues not symmetric f", "fourth powers of [1.5] tall f",
    "put together tall f", "polar factor wide c", "nuclear norm square f", "condition tall f", "spectral norm wide f",
    "Frobenius norm tall c", "R^H R diagonal", "Q R rank n-1 f", "least squares by qr f", "least squares by pinv c",
    "trace one zero",
)  # fmt: skip


def along(function: Any, e: Any) -> Any:
    """The derivative along a direction, in forward mode."""
    return lambda a: graphad.jvp(function, (a,), (e,))[1]


def back(function: Any, e: Any) -> Any:
    """The same of a real function, in reverse mode."""
    return lambda a: np.sum(np.real(graphad.grad(function)(a) * e))


def paired(out: Any, axes: int) -> Any:
    """One real number made of all results, or of the results for each of a stack."""
    shape = out.shape[out.ndim - axes :]
    weights = np.cos(1 + np.arange(float(np.prod(shape)))).reshape(shape) * (1 - 0.5j)
    return np.sum(np.real(out * weights))


def derivatives(case: Case, x: Any, e: Any, d: Any, order: int = 2) -> list[Any]:
    """Derivatives in forward and reverse mode, and second ones in either and both."""
    axes = np.ndim(case.first(case.x, case.x))
    loss = lambda a: paired(case.function(a), axes)
    found = [along(case.function, e)(x), back(loss, e)(x)]
    if order == 2 and case.second is not None:
        found += [along(along(case.function, e), d)(x), back(back(loss, e), d)(x), along(back(loss, e), d)(x)]
    return found


def exact(case: Case, x: Any, e: Any, d: Any, order: int = 2) -> list[Any]:
    first = np.asarray(case.first(x, e))
    found = [first, paired(first, first.ndim)]
    if order == 2 and case.second is not None:
        second = np.asarray(case.second(x, e, d))
        found += [second, *[paired(second, second.ndim)] * 2]
    return found


def directions(case: Case) -> tuple[Any, Any]:
    kind = case.x.dtype.kind
    return random(7, case.x.shape, kind), random(8, case.x.shape, kind)


def stacks(case: Case) -> list[Any]:
    """The matrix and its double, with other directions for each."""
    e, d = directions(case)
    return [np.stack(xs) for xs in ((case.x, 2 * case.x), (e, d), (d, e + d))]


def assert_close(found: Any, wanted: Any) -> None:
    for x, y in zip(found, wanted, strict=True):
        assert np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=2e-12 * (1 + np.max(np.abs(y), initial=0)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_of_one_matrix(case):
    e, d = directions(case)
    assert_close(derivatives(case, case.x, e, d), exact(case, case.x, e, d))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_of_stacks(case):
    args = stacks(case)
    first, reverse = graphad.jit(lambda *xs: derivatives(case, *xs, order=1), executor="numpy")(*args)
    wanted = [exact(case, *xs, order=1) for xs in zip(*args, strict=True)]
    assert_close([first, reverse], [np.stack([x for x, _ in wanted]), sum(y for _, y in wanted)])


@pytest.mark.parametrize("case", [case for case in CASES if case.name in COMPILED], ids=lambda case: case.name)
def test_mapped_and_compiled(case):
    args, order = stacks(case), 2 if case.name.startswith("det") else 1
    found = graphad.jit(graphad.vmap(lambda *xs: derivatives(case, *xs, order=order)), executor="llvm")(*args)
    wanted = [exact(case, *xs, order=order) for xs in zip(*args, strict=True)]
    assert_close(found, [np.stack(xs) for xs in zip(*wanted, strict=True)])


# -- higher derivatives of determinants ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f", "c"])
@pytest.mark.parametrize("name", SQUARE)
def test_third_and_fourth_derivatives_of_det(name, kind):
    x = with_values(SQUARE[name], N, N, kind)
    es = [random(20 + i, x.shape, kind) for i in range(4)]
    third = lambda a: along(along(along(np.linalg.det, es[0]), es[1]), es[2])(a)
    assert_close([third(x), along(third, es[3])(x)], [mixed(x, *es[:3]), mixed(x, *es)])


@on_both
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_third_derivative_of_det_at_zero_compiled(n, executor):
    """All of them: the sign of the permutation for three in different rows and columns, of a matrix of three rows."""
    found = graphad.jit(graphad.jacfwd(graphad.hessian(np.linalg.det)), executor=executor)(np.zeros((n, n)))
    wanted = np.zeros((n, n) * 3)
    if n == 3:
        for p in permutations(range(3)):
            for q in permutations(range(3)):
                sign = np.linalg.det(np.eye(3)[list(p)]) * np.linalg.det(np.eye(3)[list(q)])
                wanted[p[0], q[0], p[1], q[1], p[2], q[2]] = sign
    np.testing.assert_allclose(found, wanted, atol=1e-13)


# -- matrices of one rank -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f", "c"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("values", [[2.0, 2.0], [1.0], []], ids=["rank 2", "rank 1", "zero"])
def test_pinv_and_lstsq_along_changes_that_keep_the_rank(values, shape, kind):
    m, n = shape
    x, left, right = with_values(values, m, n, kind), random(30, (m, m), kind), random(31, (n, n), kind)
    b = random(32, (m, 2), kind)
    function = lambda a: (np.linalg.pinv(a, 1e-8), np.linalg.lstsq(a, b, rcond=1e-8)[0])
    tangent = left @ x + x @ right
    found = graphad.jvp(function, (x,), (tangent,))[1]
    curve = lambda t: scipy.linalg.expm(t * left) @ x @ scipy.linalg.expm(t * right)
    h = 1e-5
    for y, low, high in zip(found, function(curve(-h)), function(curve(h)), strict=True):
        np.testing.assert_allclose(y, (high - low) / (2 * h), rtol=1e-6, atol=1e-7)
    # In reverse mode: `sum(|pinv(a)|^2)` is the sum of `1 / s^2`.
    loss = lambda a: np.sum(np.abs(np.linalg.pinv(a, 1e-8)) ** 2)
    p = np.linalg.pinv(x, 1e-8)
    np.testing.assert_allclose(graphad.grad(loss)(x), -2 * (p @ adjoint(p) @ p).T, atol=1e-12)


# -- what has no derivative ---------------------------------------------------------------------------------------

ORDERS = (None, 1, 2, math.inf, -math.inf, 3, 1.5, 0.5, -1, -2, 0)
MATRIX_ORDERS = (None, "fro", "nuc", 2, -2, 1, -1, math.inf, -math.inf)
NOT_INVERTIBLE = {
    "zero": np.zeros((3, 3)),
    "rank n-1": np.diag([2.0, 0.0, 1.0]),
    "rank n-2": np.diag([0.0, 0.0, 1.0]),
    "two equal rows": np.array([[1.0, 2.0], [1.0, 2.0]]),
    "one": np.zeros((1, 1)),
}


@on_both
@pytest.mark.parametrize("kind", ["f8", "c16"])
def test_vector_norms_at_zeros(kind, executor):
    x = np.array([0.0, 3.0, 0.0, 4.0], kind)
    norms = lambda x: [np.linalg.norm(x, order) for order in ORDERS]
    gradients = lambda x: [graphad.grad(lambda x, i=i: norms(x)[i])(x) for i in range(len(ORDERS))]
    results = graphad.jit(lambda x, z: (gradients(z), gradients(x), norms(x)), executor=executor)
    at_zero, at_x, values = results(x, 0 * x)
    for order, zero, found, value in zip(ORDERS, at_zero, at_x, values, strict=True):
        np.testing.assert_array_equal(zero, 0.0)
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(value, np.linalg.norm(x, order))
        sizes = np.array([3.0, 4.0])
        smooth = order in (None, 1, 2, 3, 1.5, 0.5)
        wanted = (sizes / value) ** ((order or 2) - 1) if smooth else np.array([0.0, 1.0 if order == math.inf else 0.0])
        np.testing.assert_allclose(found, [0.0, wanted[0], 0.0, wanted[1]], atol=1e-14)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (1, 1), (2, 2, 2), (0, 2)])
def test_matrix_norms_at_zero(shape):
    for order in MATRIX_ORDERS:
        if 0 in shape and order in (-1, -math.inf):
            continue
        norm = lambda a, order=order: np.sum(np.linalg.norm(a, order, axis=(-2, -1)))
        for x in (np.zeros(shape), np.zeros(shape, complex)):
            np.testing.assert_array_equal(graphad.grad(norm)(x), 0.0)
            np.testing.assert_array_equal(graphad.jvp(norm, (x,), (x + 1,))[1], 0.0)


@on_both
@pytest.mark.parametrize("kind", ["f8", "c16"])
@pytest.mark.parametrize("name", NOT_INVERTIBLE)
def test_slogdet_and_cond_of_singular_matrices(name, kind, executor):
    """Their values are infinite; derivatives are 0, also in second order, and do not touch other matrices."""
    singular = NOT_INVERTIBLE[name].astype(kind)
    regular = np.eye(len(singular), dtype=kind) * 2 + np.arange(len(singular))
    logarithm = lambda a: np.linalg.slogdet(a)[1]
    condition = lambda a: np.linalg.cond(a)

    def results(a: Any) -> Any:
        values, backs = zip(*[graphad.vjp(f, a)[:2] for f in (logarithm, condition)], strict=True)
        ones = np.ones(2)
        second = along(along(lambda a: np.linalg.slogdet(a), a * 0 + 1), a)(a)
        return values, [back(ones)[0] for back in backs], second

    values, (of_log, of_condition), second = graphad.jit(results, executor=executor)(np.stack([singular, regular]))
    assert values[0][0] == -np.inf
    np.testing.assert_array_equal(of_log[0], 0.0)
    np.testing.assert_allclose(of_log[1], np.linalg.inv(regular).T, rtol=1e-12, atol=1e-14)
    if name != "two equal rows":
        assert values[1][0] == np.inf
        np.testing.assert_array_equal(of_condition[0], 0.0)
    assert np.all(np.isfinite(of_condition))
    for x in leaves(second):
        assert x[0] == 0
        assert np.isfinite(x[1])


def test_a_singular_matrix_has_no_influence_where_it_is_not_taken():
    loss = lambda a: np.where(np.linalg.det(a) > 0, np.linalg.slogdet(a)[1], 0.0)
    np.testing.assert_array_equal(graphad.grad(loss)(np.zeros((2, 2))), 0.0)


@on_both
def test_matrix_rank_is_constant(executor):
    empty = (np.zeros((0, 3)), np.zeros((2, 0, 0)))  # 0; NumPy 2.4.0 has an error instead
    for x, wanted in zip((np.zeros((2, 3)), np.ones((2, 3)), np.eye(3) + 0j, *empty), (0, 1, 3, 0, 0), strict=True):
        count = lambda a: np.sum(np.linalg.matrix_rank(a) * 1.0)
        value, slope = graphad.jit(graphad.value_and_grad(count), executor=executor)(x)
        assert value == wanted
        np.testing.assert_array_equal(slope, 0.0)


@pytest.mark.parametrize("function", [np.linalg.inv, np.linalg.cholesky, lambda a: np.linalg.solve(a, np.ones(2))])
@on_both
def test_what_does_not_exist_is_an_error(function, executor):
    with pytest.raises(np.linalg.LinAlgError):
        graphad.jit(graphad.grad(lambda a: np.sum(function(a))), executor=executor)(np.zeros((2, 2)))


@on_both
def test_qr_of_dependent_columns_is_an_error(executor):
    gradient = graphad.jit(graphad.grad(lambda a: np.sum(np.linalg.qr(a)[1])), executor=executor)
    with pytest.raises(np.linalg.LinAlgError):
        gradient(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))


# -- functions put together of eigenvectors -----------------------------------------------------------------------


def matrix_function(f: Any, slope: Any) -> Any:
    """`f` of a symmetric matrix with its derivative at equal eigenvalues, as in the documentation."""

    @graphad.custom_jvp
    def function(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return (v * f(w)) @ v.T

    @function.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        w, v = np.linalg.eigh(primals[0])
        gap, middle = w[:, None] - w, (w[:, None] + w) / 2
        near = np.abs(gap) < 1e-5
        quotient = np.where(near, slope(middle), (f(w)[:, None] - f(w)) / np.where(near, 1.0, gap))
        return function(primals[0]), v @ (quotient * (v.T @ tangents[0] @ v)) @ v.T

    return function


@on_both
@pytest.mark.parametrize("w", [*EQUAL.values(), DISTINCT, [1.0, 1.0 + 1e-7, 2.0, 2.0 - 1e-12]])
def test_matrix_function_with_divided_differences(w, executor):
    a, e = hermitian(w, "f"), herm(random(40, (N, N), "f"))
    function = matrix_function(np.exp, np.exp)
    loss = lambda a: np.sum(function(a) * e)
    slope = scipy.linalg.expm_frechet(a, e, compute_expm=False)
    found = graphad.jit(lambda a: (along(function, e)(a), graphad.grad(loss)(a)), executor=executor)(a)
    np.testing.assert_allclose(found[0], slope, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[1], slope, rtol=1e-9, atol=1e-9)


def test_put_together_by_hand_lacks_what_turns_equal_eigenvalues_vectors():
    """As documented: finite, and right but for the elements between different vectors of equal eigenvalues."""
    a, e = 2 * np.eye(3), np.ones((3, 3))
    np.testing.assert_allclose(along(by_hand, e)(a), 4 * np.eye(3))
    np.testing.assert_allclose(along(put_together, e)(a), np.eye(3))
    assert np.all(np.isfinite(graphad.hessian(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(a)))
