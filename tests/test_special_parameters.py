"""Derivatives of special functions in their parameters, and functions of parameters that SciPy rounds or continues."""

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp

import graphad
from graphad.testing import check_grads

ORDERED = {
    "jv": (sp.jv, mp.besselj), "yv": (sp.yv, mp.bessely), "iv": (sp.iv, mp.besseli), "kv": (sp.kv, mp.besselk),
    "struve": (sp.struve, mp.struveh), "modstruve": (sp.modstruve, mp.struvel),
    "pbdv": (lambda v, x: sp.pbdv(v, x)[0], mp.pcfd),
}  # fmt: skip


def in_parameter(f, i, xs):
    """The derivative in one operand, and of the arbitrary-precision function."""
    return graphad.grad(lambda v: f(*xs[:i], v, *xs[i + 1 :]))(xs[i])


def exactly(f, i, xs):
    with mp.workdps(40):
        big = [mp.mpf(x) for x in xs]
        return float(mp.diff(lambda v: f(*big[:i], v, *big[i + 1 :]), big[i]))


@pytest.mark.parametrize("name", ORDERED)
@pytest.mark.parametrize("xs", [(0.0, 1.5), (2.0, 0.01), (1.3, 4.0), (5.4, 6.4)])
def test_in_the_order(name, xs):
    function, exact = ORDERED[name]
    assert in_parameter(function, 0, xs) == pytest.approx(exactly(exact, 0, xs), rel=1e-11, abs=1e-12)


@pytest.mark.parametrize(
    ("function", "exact", "xs"),
    [
        (sp.hyp0f1, mp.hyp0f1, (0.7, -2.5)),
        (sp.hyp1f1, mp.hyp1f1, (-1.2, 0.4, 2.5)),
        (sp.hyp2f1, mp.hyp2f1, (0.5, -1.3, 1.0, 0.9)),
        (sp.hyperu, mp.hyperu, (0.7, 1.3, 0.8)),
        (sp.zeta, mp.zeta, (1.3, 2.5)),
        (sp.zeta, mp.zeta, (-2.5,)),
        (sp.zetac, mp.zeta, (0.4,)),
    ],
)
def test_in_parameters(function, exact, xs):
    count = 1 if function is sp.zeta else max(len(xs) - 1, 1)
    for i in range(count):
        assert in_parameter(function, i, xs) == pytest.approx(exactly(exact, i, xs), rel=1e-11)


def test_second_and_mixed_derivatives_and_executors():
    check_grads(lambda v, x: sp.jv(v, x), (1.3, 2.5), order=2)
    check_grads(lambda v, x: sp.kve(v, x), (np.array([0.3, 2.0]), np.array([[0.5], [3.0]])))
    f = graphad.grad(lambda v: np.real(sp.hankel1(v, 2.0 + 0.5j)) + np.imag(sp.hankel2e(v, 3.0)))
    assert graphad.jit(f, executor="llvm")(0.7) == pytest.approx(f(0.7), rel=1e-12)
    assert graphad.vmap(graphad.grad(lambda v: sp.ive(v, 2.0)))(np.array([0.5, 1.5])).shape == (2,)


def test_wright_besselpoly_and_mathieu():
    check_grads(sp.wright_bessel, (0.7, 1.3, 2.0))
    check_grads(sp.log_wright_bessel, (0.7, 1.3, 2.0))
    check_grads(sp.besselpoly, (0.6, 0.4, 1.5))
    check_grads(lambda q: sp.mathieu_a(2, q) + sp.mathieu_b(3, q), (0.2,))


@pytest.mark.parametrize(
    ("function", "xs"),
    [
        (sp.ncfdtr, (2.0, 3.0, 1.0, 1.5)), (sp.nctdtr, (3.0, 1.0, 1.5)), (sp.ncfdtri, (2.0, 3.0, 1.0, 0.5)),
        (sp.nctdtrit, (3.0, 1.0, 0.4)), (sp.pdtrik, (0.4, 2.5)), (sp.bdtrik, (0.4, 6.0, 0.3)),
    ],
)  # fmt: skip
def test_noncentral_distributions_and_counts(function, xs):
    check_grads(function, xs, rtol=1e-4, atol=1e-6)


def test_where_a_search_ends_there_is_no_derivative():
    assert sp.ncfdtridfd(0.7, 0.4, 1.3, 0.8) == 1e100
    assert graphad.grad(sp.ncfdtridfd)(0.7, 0.4, 1.3, 0.8) == 0


@pytest.mark.parametrize(
    ("function", "xs"),
    [
        (sp.bdtr, (2.7, 5.9, 0.3)), (sp.bdtrc, (2.7, 5.9, 0.3)), (sp.bdtri, (2.7, 5.9, 0.3)),
        (sp.nbdtr, (2.7, 5.9, 0.3)),
        (sp.nbdtrc, (2.7, 5.9, 0.3)), (sp.nbdtri, (2.7, 5.9, 0.3)), (sp.kn, (1.7, 2.0)), (sp.yn, (-1.7, 2.0)),
        (sp.expn, (2.7, 1.5)), (sp.smirnov, (3.7, 0.4)),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:non-integer arg", "ignore:floating point number")
def test_counts_are_cut_to_integers(function, xs):
    assert graphad.jit(function)(*xs) == pytest.approx(function(*xs), rel=1e-13)
    assert graphad.grad(function)(*xs) == 0


def test_zeta_of_one_argument_is_continued():
    for x in (3.2, 0.5, -2.0, -3.7):
        assert graphad.jit(sp.zeta)(x) == sp.zeta(x)
    assert graphad.grad(lambda x: np.real(sp.zeta(x + 2j)))(0.5) == pytest.approx(
        exactly(lambda x: mp.re(mp.zeta(x + 2j)), 0, (0.5,)), rel=1e-11
    )


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (sp.eval_legendre, ()), (sp.eval_chebyt, ()), (sp.eval_chebyu, ()), (sp.eval_chebyc, ()), (sp.eval_chebys, ()),
        (sp.eval_laguerre, ()), (sp.eval_sh_legendre, ()), (sp.eval_genlaguerre, (0.4,)),
        (sp.eval_gegenbauer, (0.4,)), (sp.eval_jacobi, (0.4, 1.3)), (sp.eval_sh_jacobi, (1.6, 0.7)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [pytest.param(0.73, marks=pytest.mark.slow), 2.0, 3.6])
def test_polynomials_of_real_degree(function, parameters, n):
    xs = (n, *parameters, 0.62)
    assert graphad.jit(function)(*xs) == pytest.approx(function(*xs), rel=1e-12)
    check_grads(function, xs)


@pytest.mark.parametrize(
    ("rule", "parameters"),
    [
        (sp.roots_genlaguerre, (0.7,)), (sp.roots_gegenbauer, (0.7,)), (sp.roots_gegenbauer, (1.0,)),
        (sp.roots_jacobi, (0.3, 0.8)), (sp.roots_jacobi, (-0.3, -0.7)), (sp.roots_sh_jacobi, (1.8, 0.6)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [1, 2, 5])
def test_nodes_and_weights(rule, parameters, n):
    def all_of(*parameters):
        return rule(n, *parameters, mu=True)

    for found, wanted in zip(graphad.jit(all_of)(*parameters), all_of(*parameters), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    check_grads(lambda *p: [*rule(n, *p)], parameters)


def test_sequences():
    check_grads(lambda z: sp.legendre_p_all(3, z, diff_n=1), (np.array([0.3, -0.2]),))
    assert graphad.jit(lambda z: sp.legendre_p_all(3, z, diff_n=1))(np.ones((2, 2))).shape == (2, 4, 2, 2)
    for function in (sp.riccati_jn, sp.riccati_yn):
        check_grads(lambda x, f=function: list(f(3, x)), (1.4,))
        for found, wanted in zip(graphad.jit(lambda x, f=function: f(2, x))(1.4), function(2, 1.4), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-13)
