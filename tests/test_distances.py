"""`graphad.scipy.spatial.distance`, `.optimize` and `.constants`: SciPy's numbers, derivatives, every executor."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.constants
import scipy.optimize
import scipy.spatial.distance

import graphad
import graphad.scipy.constants
import graphad.scipy.optimize
import graphad.scipy.spatial.distance as gd
from graphad.errors import MissingRuleError, ShapeError, TracerError

RNG = np.random.default_rng(21)
U, V, W = RNG.normal(size=5), RNG.normal(size=5), RNG.uniform(0.2, 1.0, 5)
ROWS, OTHERS = RNG.normal(size=(6, 3)), RNG.normal(size=(4, 3))
SHARES = np.abs(ROWS) + 0.1
SPREAD = ROWS.T @ ROWS + np.eye(3)

WEIGHTED = (
    "braycurtis", "canberra", "chebyshev", "cityblock", "correlation", "cosine", "dice", "euclidean", "minkowski",
    "rogerstanimoto", "russellrao", "sokalsneath", "sqeuclidean", "yule",
)  # fmt: skip
PAIRS = (
    "braycurtis", "canberra", "chebyshev", "cityblock", "correlation", "cosine", "euclidean", "mahalanobis",
    "minkowski", "seuclidean", "sqeuclidean",
)  # fmt: skip

CASES = {
    **{
        name: (lambda d, u, v, w, name=name: [getattr(d, name)(u, v), getattr(d, name)(u, v, w)], (U, V, W))
        if name != "minkowski"
        else (lambda d, u, v, w: [d.minkowski(u, v, p, w) for p in (1, 2, 2.7, np.inf)], (U, V, W))
        for name in WEIGHTED
    },
    "minkowski without weights": (lambda d, u, v: [d.minkowski(u, v, p) for p in (1, 2, 3)], (U, V)),
    "correlation not centred": (lambda d, u, v, w: d.correlation(u, v, w, False), (U, V, W)),
    "canberra at 0": (lambda d, u, v: d.canberra(u * [1, 0, 1, 0, 1], v * [1, 0, 1, 1, 1]), (U, V)),
    "hamming": (lambda d, u, v, w: [d.hamming(u, v, w), d.hamming(u, u), d.jaccard(u, v, w)], (U, V, W)),
    "jaccard": (lambda d, u, v, w: [d.jaccard(u, v * [1, 0, 1, 0, 1], w), d.jaccard(0 * u, 0 * v)], (U, V, W)),
    "seuclidean": (lambda d, u, v, w: d.seuclidean(u, v, w), (U, V, W)),
    "mahalanobis": (lambda d, u, v, s: d.mahalanobis(u[:3], v[:3], s), (U, V, SPREAD)),
    "jensenshannon": (
        lambda d, p: [d.jensenshannon(p[0], p[1]), d.jensenshannon(p[:3], p[3:], 2.0, axis=1, keepdims=True)],
        (SHARES,),
    ),
    **{f"cdist {m}": (lambda d, a, b, m=m: d.cdist(a, b, m), (ROWS, OTHERS)) for m in PAIRS},
    **{f"pdist {m}": (lambda d, a, m=m: d.pdist(a, m), (ROWS,)) for m in PAIRS},
    "cdist jensenshannon": (lambda d, p: [d.cdist(p, p[:2] + 1, "js"), d.pdist(p, "js")], (SHARES,)),
    "cdist weights": (lambda d, a, b, w: [d.cdist(a, b, w=w[:3]), d.cdist(a, b, "m", p=3, w=w[:3])],
                      (ROWS, OTHERS, W)),
    "cdist hamming": (lambda d, a, b: d.cdist(a, b, "hamming"), (ROWS, OTHERS)),
    "cdist of a function": (lambda d, a, b: d.cdist(a, b, lambda u, v: np.sum(np.abs(u - v) ** 3)), (ROWS, OTHERS)),
    "pdist of a function": (lambda d, a: d.pdist(a, lambda u, v: u @ v / (1 + v @ v)), (ROWS,)),
    "pdist variances": (lambda d, a, w: d.pdist(a, "seuclidean", V=w[:3]), (ROWS, W)),
    "squareform": (lambda d, a: [d.squareform(d.pdist(a)), d.squareform(d.cdist(a, a), checks=False)], (ROWS,)),
    "squareform of a number": (lambda d, u: d.squareform(u[0]), (U,)),
    "directed_hausdorff": (lambda d, a, b: d.directed_hausdorff(a, b)[0], (ROWS, OTHERS)),
}  # fmt: skip


def parts(x):
    return x if isinstance(x, list) else [x]


def test_numbers_are_scipys(executor):
    names = list(CASES)[:: 5 if executor == "numba" else 1]
    args = [CASES[n][1] for n in names]
    found = graphad.jit(lambda every: [parts(CASES[n][0](gd, *xs)) for n, xs in zip(names, every, strict=True)])(args)
    for name, xs, results in zip(names, args, found, strict=True):
        for a, b in zip(results, parts(CASES[name][0](scipy.spatial.distance, *xs)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12, err_msg=name)
            assert np.shape(a) == np.shape(b), name


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    call, args = CASES[name]
    graphad.check_grads(lambda *xs: parts(call(gd, *xs)), args, order=1)


def test_scipys_own_names_in_converted_code():
    def spread(x):
        return np.sum(scipy.spatial.distance.pdist(x)) + scipy.spatial.distance.cosine(x[0], x[1])

    assert graphad.jit(spread)(ROWS) == pytest.approx(spread(ROWS), rel=1e-12)
    graphad.check_grads(spread, (ROWS,), order=2)


def test_truth_values():
    u, v = np.array([1, 0, 1, 1, 0], bool), np.array([1, 1, 0, 1, 0], bool)
    for name in ("dice", "jaccard", "rogerstanimoto", "russellrao", "sokalsneath", "yule"):
        for w in (None, W):
            found = graphad.jit(lambda u, name=name, w=w: getattr(gd, name)(u, v, w))(u)
            np.testing.assert_allclose(found, getattr(scipy.spatial.distance, name)(u, v, w), rtol=1e-12)


def test_every_name_of_a_metric():
    for name in gd._METRICS:
        options = {"p": 3} if name in ("m", "mi", "minkowski", "pnorm") else {}
        found = graphad.jit(lambda a, name=name, options=options: gd.cdist(a, SHARES[:2], name, **options))(SHARES)
        wanted = scipy.spatial.distance.cdist(SHARES, SHARES[:2], name, **options)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12, err_msg=name)


def test_a_traced_order_and_equal_vectors():
    graphad.check_grads(lambda p: gd.minkowski(U, V, p, W), (2.3,), order=1)
    np.testing.assert_array_equal(graphad.grad(gd.euclidean)(U, U), 0.0)
    assert graphad.jit(gd.directed_hausdorff)(ROWS, OTHERS) == scipy.spatial.distance.directed_hausdorff(ROWS, OTHERS)


@pytest.mark.parametrize("name", ["rosen", "rosen_der", "rosen_hess", "rosen_hess_prod"])
def test_rosenbrocks_function(name):
    args = (U, V)[: 2 if name == "rosen_hess_prod" else 1]
    theirs, ours = (getattr(m, name) for m in (scipy.optimize, graphad.scipy.optimize))
    np.testing.assert_allclose(graphad.jit(theirs)(*args), theirs(*args), rtol=1e-12)
    graphad.check_grads(ours, args, order=2)
    np.testing.assert_allclose(graphad.grad(scipy.optimize.rosen)(U), scipy.optimize.rosen_der(U), rtol=1e-12)


@pytest.mark.parametrize("kept", [(True, True, True), (True, False, True)])
def test_nonnegative_least_squares(kept):
    a, x = np.cos(np.arange(15.0).reshape(5, 3) ** 1.5), np.where(kept, [0.7, -1.0, 1.3], -2.0)
    b = a @ np.where(kept, np.abs(x), x) + 0.1 * np.sin(np.arange(5.0))
    wanted = scipy.optimize.nnls(a, b)
    assert list(wanted[0] > 0) == list(kept)
    for found, w in zip(graphad.jit(scipy.optimize.nnls)(a, b), wanted, strict=True):
        np.testing.assert_allclose(found, w, rtol=1e-12)
    graphad.check_grads(lambda *xs: graphad.scipy.optimize.nnls(*xs), (a, b), order=2)
    rows = graphad.vmap(scipy.optimize.nnls, (None, 0))(a, np.stack([b, 2 * b]))[0]
    np.testing.assert_allclose(rows, [wanted[0], 2 * wanted[0]], rtol=1e-9, atol=1e-12)


def test_constants():
    c, t = scipy.constants, 321.5
    for name in ("lambda2nu", "nu2lambda"):
        assert graphad.jit(getattr(c, name))(0.7) == getattr(c, name)(0.7)
        graphad.check_grads(getattr(graphad.scipy.constants, name), (1e4,), order=1)
    for old in ("Celsius", "k", "F", "rankine"):
        for new in ("c", "Kelvin", "fahrenheit", "R"):
            f = lambda t, old=old, new=new: c.convert_temperature(t, old, new)
            assert graphad.jit(f)(t) == pytest.approx(f(t), rel=1e-14)
            assert graphad.grad(f)(t) == pytest.approx(f(t + 0.5) - f(t - 0.5), rel=1e-9)


def test_what_calls_back_is_refused():
    with pytest.raises(TracerError, match="approx_fprime"):
        graphad.grad(lambda t: scipy.optimize.approx_fprime(np.ones(1), lambda s: s[0] * t)[0])(1.0)


@pytest.mark.parametrize(
    ("error", "match", "run"),
    [
        (ShapeError, r"cosine: u of shape \[6, 3\].*test_distances", lambda a: gd.cosine(a, a)),
        (ShapeError, r"cityblock: vectors of 3 and 2 elements", lambda a: gd.cityblock(a[0], a[1, :2])),
        (ValueError, r"minkowski: p=-1", lambda a: gd.minkowski(a[0], a[1], -1)),
        (ValueError, r"euclidean: weights w.*negative", lambda a: gd.euclidean(a[0], a[1], [1, 1, -1])),
        (MissingRuleError, r"cdist: metric='dice' is of truth values.*lambda u, v", lambda a: gd.cdist(a, a, "dice")),
        (MissingRuleError, r"pdist: metric='yule'", lambda a: gd.pdist(a, scipy.spatial.distance.yule)),
        (ValueError, r"pdist: metric='b'.*is none of", lambda a: gd.pdist(a, "b")),
        (TypeError, r"pdist: metric=3.*a name or a function", lambda a: gd.pdist(a, 3)),
        (ShapeError, r"cdist: rows of 3 and 2 elements", lambda a: gd.cdist(a, a[:, :2])),
        (ShapeError, r"squareform: 18 distances", lambda a: gd.squareform(a.reshape(-1))),
        (ShapeError, r"squareform: a matrix of shape \[6, 3\]", lambda a: gd.squareform(a)),
        (ShapeError, r"rosen: a point of shape \[\]", lambda a: graphad.scipy.optimize.rosen(a[0, 0])),
        (NotImplementedError, r"old_scale='x'", lambda a: graphad.scipy.constants.convert_temperature(a, "x", "c")),
    ],
)
def test_refusals(error, match, run):
    with pytest.raises(error, match=match):
        graphad.jit(run)(ROWS)
