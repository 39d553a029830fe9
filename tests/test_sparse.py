"""`graphad.scipy.sparse`: products with SciPy's matrices and solutions, and matrices with traced entries."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import graphad
import graphad.scipy.sparse as gs
from graphad.errors import MissingRuleError, ShapeError, TracerError, TypeMismatchError

RNG = np.random.default_rng(17)
DENSE = np.where(RNG.uniform(size=(6, 5)) < 0.4, RNG.normal(size=(6, 5)), 0.0)
X, Y, COLUMNS = RNG.normal(size=5), RNG.normal(size=6), RNG.normal(size=(5, 3))
FORMATS = [getattr(scipy.sparse, f"{kind}_{end}") for kind in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")
           for end in ("matrix", "array")]  # fmt: skip
ROWS, PLACES = np.array([2, 0, 1, 0, 1, 2]), np.array([0, 0, 1, 2, 0, 2])
ENTRIES, V = np.array([1.0, 4.0, 3.0, -0.5, 0.25, 5.0]), np.array([0.5, -1.0, 2.0])
SYSTEM = scipy.sparse.diags([-1.0, 4.0, 1.5], [-1, 0, 1], shape=(6, 6)).tocsc()


@pytest.mark.parametrize("kind", FORMATS, ids=lambda k: k.__name__)
def test_products_with_scipys_matrices(kind, executor):
    a = kind(DENSE)

    def every(x, y, columns):
        return a @ x, a @ columns, y @ a, columns.T @ a.T, a.T @ y, a.astype("f4") @ x

    found = graphad.jit(every)(X, Y, COLUMNS)
    for mine, wanted in zip(found, every(X, Y, COLUMNS), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-14, atol=1e-15)
        assert mine.dtype == wanted.dtype
        assert mine.shape == wanted.shape


def test_derivatives_and_batches():
    a = scipy.sparse.csr_array(DENSE)
    graphad.check_grads(lambda x, y, c: (np.sin(a @ x), y @ a, a @ c), (X, Y, COLUMNS), order=2)
    np.testing.assert_allclose(graphad.grad(lambda x: np.sum((a @ x) ** 2))(X), 2 * DENSE.T @ (DENSE @ X), rtol=1e-14)
    np.testing.assert_allclose(graphad.jit(graphad.jacfwd(lambda x: a @ x))(X), DENSE, rtol=1e-14)
    np.testing.assert_allclose(graphad.jit(graphad.vmap(lambda x: a @ x))(COLUMNS.T), COLUMNS.T @ DENSE.T, rtol=1e-14)
    np.testing.assert_allclose(
        graphad.vmap(lambda c: a @ c, in_axes=2, out_axes=2)(np.stack([COLUMNS, -COLUMNS], 2)),
        np.stack([DENSE @ COLUMNS, -DENSE @ COLUMNS], 2), rtol=1e-14,
    )  # fmt: skip
    np.testing.assert_allclose(
        graphad.jit(lambda s: a @ s)(np.stack([COLUMNS, 2 * COLUMNS])), DENSE @ np.stack([COLUMNS, 2 * COLUMNS])
    )


def test_complex_matrices_and_operands():
    a = scipy.sparse.csr_array(DENSE * (1 + 2j))
    graphad.check_grads(lambda x: (np.real(a @ x), np.imag(a.conj() @ x)), (X,), order=1)
    z = X + 1j * X[::-1]
    for f in (lambda z: a @ z, lambda z: scipy.sparse.csr_array(DENSE) @ z):
        np.testing.assert_allclose(graphad.jit(f)(z), f(z), rtol=1e-14)
    whole = scipy.sparse.csr_array((DENSE > 0).astype(int))
    found = graphad.jit(lambda n: whole @ n)(np.arange(5))
    np.testing.assert_array_equal(found, whole @ np.arange(5))
    assert found.dtype.kind == "i"


def test_solutions(executor):
    def f(b):
        return scipy.sparse.linalg.spsolve(SYSTEM, b)

    for b in (Y, np.stack([Y, Y[::-1]], 1), Y[:, None], Y * (1 + 1j)):
        found, wanted = graphad.jit(f)(b), f(b)
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
        assert found.shape == wanted.shape
    np.testing.assert_allclose(graphad.jit(f)(Y.astype("f4")), f(Y), rtol=1e-5)


def test_derivatives_of_solutions():
    f = lambda b: scipy.sparse.linalg.spsolve(SYSTEM, b)
    graphad.check_grads(f, (Y,), order=2)
    rows = graphad.jit(graphad.vmap(f))(np.stack([Y, Y[::-1]]))
    np.testing.assert_allclose(rows, [f(Y), f(Y[::-1])], rtol=1e-13)
    inverse = graphad.jit(graphad.jacrev(f))(Y)
    np.testing.assert_allclose(inverse, np.linalg.inv(SYSTEM.toarray()), rtol=1e-12, atol=1e-15)


def conductivity(k, source):
    """Heat in a rod of conductivities `k`: the matrix of the differences has traced entries."""
    n = source.size
    middle = k[:-1] + k[1:]
    a = scipy.sparse.diags([-k[1:n], middle, -k[1:n]], [-1, 0, 1], format="csc")
    return scipy.sparse.linalg.spsolve(a, source)


def entries(s, d, x):
    a = s.csr_matrix((d, (ROWS, PLACES)), shape=(3, 3))
    b = s.coo_array((d**2, (ROWS, PLACES)), shape=(3, 3))
    c = s.csc_matrix((d, PLACES[[1, 5, 2, 0, 1, 2]], np.array([0, 2, 3, 6])), shape=(3, 3))
    e = s.csr_array((np.sin(d), PLACES[[1, 5, 2, 0, 1, 2]], np.array([0, 2, 3, 6])))
    both = s.diags_array([d[:3], d[3:5]], offsets=[0, -1]) + s.csr_array(np.eye(3))
    return [
        a @ x, x @ a, a * x, a.T @ x, (2.5 * b) @ x, (b / 2).dot(x), c @ x, e @ x, (-a) @ x, both @ x, (both - b) @ x,
        a.toarray(), c.toarray(), a.diagonal(), a.diagonal(1), e.tocsc().diagonal(-2), c.diagonal(9),
        s.diags(d, 1).toarray(), s.diags([2.0 * d[:1]], [0], (3, 4)).toarray(),
    ]  # fmt: skip


def test_matrices_with_traced_entries(executor):
    found = graphad.jit(lambda d, x: entries(gs, d, x))(ENTRIES, V)
    for i, (mine, wanted) in enumerate(zip(found, entries(scipy.sparse, ENTRIES, V), strict=True)):
        np.testing.assert_allclose(mine, wanted, rtol=1e-14, atol=1e-15, err_msg=str(i))


def test_derivatives_in_the_entries():
    graphad.check_grads(lambda d, x: entries(gs, d, x), (ENTRIES, V), order=1)
    graphad.check_grads(lambda d, x: entries(gs, d, x)[:3], (ENTRIES, V), order=2)
    k = np.linspace(1.0, 2.0, 7)
    np.testing.assert_allclose(graphad.jit(conductivity)(k, Y), conductivity(k, Y), rtol=1e-12)
    graphad.check_grads(conductivity, (k, Y), order=2)
    batch = np.stack([k, k[::-1]])
    found = graphad.jit(graphad.vmap(graphad.grad(lambda k: np.sum(conductivity(k, Y) ** 2))))(batch)
    alone = [graphad.grad(lambda k: np.sum(conductivity(k, Y) ** 2))(k) for k in batch]
    np.testing.assert_allclose(found, alone, rtol=1e-10)


def test_plain_scipy_code_with_traced_entries():
    def f(d, x):
        a = scipy.sparse.csr_matrix((d, (ROWS, PLACES)), shape=(3, 3))
        return np.sum((a @ x) ** 2) + np.sum(a.T @ x)

    step = 1e-6 * np.eye(6)
    difference = [(f(ENTRIES + h, V) - f(ENTRIES - h, V)) / 2e-6 for h in step]
    np.testing.assert_allclose(graphad.jit(graphad.grad(f))(ENTRIES, V), difference, rtol=1e-7)
    assert graphad.vmap(f, in_axes=(0, None))(np.stack([ENTRIES, 2 * ENTRIES]), V)[0] == pytest.approx(f(ENTRIES, V))


def test_matrices_with_traced_entries_are_trees():
    """A function may take and give one."""
    a = graphad.jit(lambda d: gs.csr_array((d, (ROWS, PLACES)), shape=(3, 3)))(ENTRIES)
    wanted = scipy.sparse.csr_array((ENTRIES, (ROWS, PLACES)), shape=(3, 3))
    np.testing.assert_allclose(a @ V, wanted @ V)
    np.testing.assert_allclose(graphad.jit(lambda a, x: (2 * a) @ x)(a, V), 2 * (wanted @ V))
    slope = graphad.grad(lambda a: np.sum(np.sin(a @ V)))(a)
    np.testing.assert_allclose(slope.toarray(), np.outer(np.cos(wanted @ V), V) * (wanted.toarray() != 0), rtol=1e-13)


def test_a_singular_matrix_gives_nan():
    a = scipy.sparse.csc_array(np.array([[1.0, 1.0], [1.0, 1.0]]))
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        found = graphad.jit(lambda b: gs.linalg.spsolve(a, b), executor="numpy")(np.ones(2))
    assert np.all(np.isnan(found))


def test_refusals():
    a = scipy.sparse.csr_matrix(DENSE)
    jit = graphad.jit
    with pytest.raises(ShapeError, match=r"\[6, 5\] @ \[6\] of a sparse matrix do not fit.*test_sparse.py"):
        jit(lambda x: a @ x)(Y)
    with pytest.raises(TracerError, match=r"of sparse matrices a @ x is traced"):
        jit(lambda x: a.multiply(x))(X)
    with pytest.raises(TypeMismatchError, match=r"a sparse matrix has the products a @ x and x @ a"):
        jit(lambda x: x * scipy.sparse.csr_array(DENSE))(X)
    with pytest.raises(MissingRuleError, match=r"the pattern of a traced dense matrix is not known"):
        jit(lambda x: gs.csr_array(x) @ X)(DENSE)
    with pytest.raises(MissingRuleError, match=r"the places of the entries must be known"):
        jit(lambda d, i: gs.csr_array((d, (i, i))) @ V)(ENTRIES, ROWS)
    with pytest.raises(MissingRuleError, match=r"the product of two sparse matrices"):
        jit(lambda d: gs.diags(d) @ scipy.sparse.eye(6))(ENTRIES)
    with pytest.raises(ShapeError, match=r"spsolve: a matrix of shape \[6, 5\]"):
        jit(lambda b: gs.linalg.spsolve(a, b))(Y)
    with pytest.raises(ShapeError, match=r"diags: 2 diagonals for 1 offsets"):
        jit(lambda d: gs.diags([d, d], [0]).toarray())(V)
