"""SciPy's special functions on traced values: SciPy's numbers, derivatives against mpmath, every executor."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy import special as sp

import graphad
from graphad.errors import MissingRuleError

P = np.array([0.3, 1.0, 2.5])  # positive numbers
U = np.array([0.15, 0.5, 0.8])  # within the unit interval
R = np.array([-1.2, 0.4, 2.0])  # real numbers

# Calls with the mpmath function of the same operands, or None where SciPy's numbers and differences are enough.
CASES = {
    "gammainc": (sp.gammainc, (P, P[::-1]), lambda a, x: mp.gammainc(a, 0, x, regularized=True)),
    "gammaincc": (sp.gammaincc, (P, P[::-1]), lambda a, x: mp.gammainc(a, x, regularized=True)),
    "gammaincinv": (sp.gammaincinv, (P, U), None),
    "gammainccinv": (sp.gammainccinv, (P, U), None),
    "betainc": (sp.betainc, (P, P[::-1], U), lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True)),
    "betaincc": (sp.betaincc, (P, P[::-1], U), lambda a, b, x: mp.betainc(a, b, x, 1, regularized=True)),
    "betaincinv": (sp.betaincinv, (P, P[::-1], U), None),
    "betainccinv": (sp.betainccinv, (P, P[::-1], U), None),
    "gammaln": (sp.gammaln, (P,), mp.loggamma),
    "digamma": (sp.digamma, (P,), mp.digamma),
    "gamma": (sp.gamma, (P,), mp.gamma),
    "beta": (sp.beta, (P, P[::-1]), mp.beta),
    "betaln": (sp.betaln, (P, P[::-1]), lambda a, b: mp.log(mp.beta(a, b))),
    "erf": (sp.erf, (R,), mp.erf),
    "erfc": (sp.erfc, (R,), mp.erfc),
    "erfi": (sp.erfi, (R,), mp.erfi),
    "erfinv": (sp.erfinv, (U,), mp.erfinv),
    "ndtr": (sp.ndtr, (R,), mp.ncdf),
    "ndtri": (sp.ndtri, (U,), None),
    "log_ndtr": (sp.log_ndtr, (R * 5,), lambda x: mp.log(mp.ncdf(x))),
    "ndtri_exp": (sp.ndtri_exp, (-P * 4,), None),
    "ellipk": (sp.ellipk, (U,), mp.ellipk),
    "ellipe": (sp.ellipe, (U,), mp.ellipe),
    "ellipkm1": (sp.ellipkm1, (U,), None),
    "ellipkinc": (sp.ellipkinc, (U, U[::-1]), mp.ellipf),
    "ellipeinc": (sp.ellipeinc, (U, U[::-1]), mp.ellipe),
    "expi": (sp.expi, (P,), mp.ei),
    "exp1": (sp.exp1, (P,), mp.e1),
    "spence": (sp.spence, (P,), lambda z: mp.polylog(2, 1 - z)),
    "exprel": (sp.exprel, (R,), lambda x: (mp.exp(x) - 1) / x),
    "cosm1": (sp.cosm1, (R,), lambda x: mp.cos(x) - 1),
    "sici": (lambda x: sp.sici(x), (P,), None),
    "shichi": (lambda x: sp.shichi(x), (P,), None),
    "fresnel": (lambda x: sp.fresnel(x), (R,), None),
    "airy": (lambda x: sp.airy(x), (R,), None),
    "zeta": (lambda q: graphad.scipy.special.zeta(2.5, q), (P,), lambda q: mp.zeta(2.5, q)),
    "hyp0f1": (lambda z: sp.hyp0f1(1.3, z), (R,), lambda z: mp.hyp0f1(1.3, z)),
    "hyp1f1": (lambda z: sp.hyp1f1(0.7, 1.3, z), (R,), lambda z: mp.hyp1f1(0.7, 1.3, z)),
    "hyp2f1": (lambda z: sp.hyp2f1(0.7, 1.2, 1.9, z), (U,), lambda z: mp.hyp2f1(0.7, 1.2, 1.9, z)),
    "hyperu": (lambda z: sp.hyperu(0.7, 1.3, z), (P,), lambda z: mp.hyperu(0.7, 1.3, z)),
    "j0": (sp.j0, (R,), lambda x: mp.besselj(0, x)),
    "y1": (sp.y1, (P,), lambda x: mp.bessely(1, x)),
    "jv": (lambda x: sp.jv(1.5, x), (P,), lambda x: mp.besselj(1.5, x)),
    "kv": (lambda x: sp.kv(2.5, x), (P,), None),
    "yv": (lambda x: sp.yv(0.5, x), (P,), lambda x: mp.bessely(0.5, x)),
    "iv": (lambda x: sp.iv(0.3, x), (P,), None),
    "ive": (lambda x: sp.ive(1.5, x), (P,), None),
    "kve": (lambda x: sp.kve(1.5, x), (P,), None),
    "k0": (sp.k0, (P,), lambda x: mp.besselk(0, x)),
    "k1e": (sp.k1e, (P,), None),
    "k0e": (sp.k0e, (P,), None),
    "i0e": (sp.i0e, (R,), None),
    "i1": (sp.i1, (R,), lambda x: mp.besseli(1, x)),
    "y0": (sp.y0, (P,), None),
    "stdtr": (sp.stdtr, (P * 3, R), None),
    "stdtrit": (sp.stdtrit, (P * 3, U), None),
    "expit": (sp.expit, (R,), None),
    "logit": (sp.logit, (U,), None),
    "log_expit": (sp.log_expit, (R,), None),
    "xlogy": (sp.xlogy, (R, P), None),
    "xlog1py": (sp.xlog1py, (R, P), None),
    "entr": (sp.entr, (P,), None),
    "rel_entr": (sp.rel_entr, (P, U), None),
    "kl_div": (sp.kl_div, (P, U), None),
    "chdtr": (sp.chdtr, (P, P[::-1]), None),
    "chdtrc": (sp.chdtrc, (P, P[::-1]), None),
    "chdtri": (sp.chdtri, (P, U), None),
    "gdtr": (sp.gdtr, (P, U, P), None),
    "gdtrc": (sp.gdtrc, (P, U, P), None),
    "gdtrix": (sp.gdtrix, (P, P, U), None),
    "fdtr": (sp.fdtr, (P, P[::-1], U), None),
    "fdtrc": (sp.fdtrc, (P, P[::-1], U), None),
    "fdtri": (sp.fdtri, (P, P + 1, U), None),
    "pdtr": (lambda m: sp.pdtr(2.0, m), (P,), None),
    "pdtrc": (lambda m: sp.pdtrc(2.0, m), (P,), None),
    "bdtr": (lambda p: sp.bdtr(2.0, 5, p), (U,), None),
    "bdtrc": (lambda p: sp.bdtrc(2.0, 5, p), (U,), None),
    "nbdtr": (lambda p: sp.nbdtr(2, 5, p), (U,), None),
    "nbdtrc": (lambda p: sp.nbdtrc(2, 5, p), (U,), None),
    "exp10": (sp.exp10, (R,), None),
    "huber": (sp.huber, (P, R), None),
    "pseudo_huber": (sp.pseudo_huber, (P, R), None),
    "boxcox": (sp.boxcox, (P, R), None),
    "boxcox1p": (sp.boxcox1p, (P, R), None),
    "inv_boxcox": (sp.inv_boxcox, (U, P), None),
    "inv_boxcox1p": (sp.inv_boxcox1p, (U, P), None),
    "poch": (sp.poch, (P, U), None),
    "binom": (sp.binom, (P + 3, U), None),
    "comb": (lambda n: graphad.scipy.special.comb(n, 2.0), (P + 3,), None),
    "logsumexp": (graphad.scipy.special.logsumexp, (R,), None),
    "perm": (lambda n: graphad.scipy.special.perm(n, 2.0), (P + 3,), None),
    "radian": (sp.radian, (R, P, U), None),
    "factorial": (lambda n: graphad.scipy.special.factorial(n), (P,), None),
    **{
        name: (lambda x, name=name: getattr(sp, name)(4, x), (R,), None)
        for name in ("eval_legendre", "eval_chebyt", "eval_chebyu", "eval_hermite", "eval_hermitenorm", "eval_laguerre")
    },
    "eval_gegenbauer": (lambda a, x: sp.eval_gegenbauer(3, a, x), (P, R), None),
    "eval_genlaguerre": (lambda a, x: sp.eval_genlaguerre(3, a, x), (P, R), None),
    "eval_jacobi": (lambda a, b, x: sp.eval_jacobi(3, a, b, x), (P, U, R), None),
}


def parts(x):
    return list(x) if isinstance(x, tuple) else [x]


def test_numbers_are_scipys(executor):
    """All in one compiled function; for numba, which takes longest, a few."""
    names = list(CASES)[:: 12 if executor == "numba" else 1]
    run = lambda args: [parts(CASES[name][0](*xs)) for name, xs in zip(names, args, strict=True)]
    args = [CASES[name][1] for name in names]
    for name, found, wanted in zip(names, graphad.jit(run)(args), run(args), strict=True):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-13, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    """Forward and reverse mode, first and second order, in all operands at once against differences."""
    function, args, _ = CASES[name]
    graphad.check_grads(lambda *xs: parts(function(*xs)), args, order=2)


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case[2] is not None])
def test_derivatives_against_mpmath(name):
    function, args, exact = CASES[name]
    with mp.workdps(30):
        for i in range(len(args)):
            found = graphad.grad(lambda *xs: np.sum(function(*xs)), argnums=i)(*args)
            for k in range(3):
                point = [mp.mpf(float(x[k])) for x in args]
                slope = mp.diff(
                    lambda t, point=point, i=i: exact(*[t if j == i else p for j, p in enumerate(point)]), point[i]
                )
                assert found[k] == pytest.approx(float(mp.re(slope)), rel=1e-11, abs=1e-14), (i, k)


def test_batches_are_loops():
    for name, (function, args, _) in CASES.items():
        batched = [np.stack([x, 0.9 * x]) for x in args]
        found = graphad.vmap(lambda *xs, f=function: parts(f(*xs)))(*batched)
        for k in range(2):
            for a, b in zip(found, parts(function(*[x[k] for x in batched])), strict=True):
                np.testing.assert_allclose(a[k], b, rtol=1e-12, atol=1e-14, err_msg=name)


GAMMA = [(a, x) for a in (0.01, 0.5, 3.0, 59.0, 61.0, 1e3, 1e5) for x in (0.02, 0.5, 0.9, 1.0, 1.1, 2.0)]


def test_incomplete_gamma_in_its_parameter_from_small_to_large():
    """1e-10 relative of mpmath at `x` in multiples of `a` (of 1 for small `a`), from the tails to the mode."""
    for a, times in GAMMA:
        x = times * max(a, 1.0)
        with mp.workdps(60):
            exact = mp.diff(lambda p, x=x: mp.gammainc(p, 0, x, regularized=True), mp.mpf(a)) if a < 1e4 else None
        found = graphad.grad(sp.gammainc)(a, x)
        if exact is not None and abs(exact) > 1e-40:
            assert found == pytest.approx(float(exact), rel=1e-10), (a, x)
        step = 1e-4 * a
        difference = (sp.gammainc(a + step, x) - sp.gammainc(a - step, x)) / (2 * step)
        assert found == pytest.approx(difference, rel=2e-3, abs=1e-6)


BETA = [
    (a, b, x)
    for a, b in ((0.05, 0.3), (0.5, 0.5), (2.0, 3.0), (0.5, 30.0), (30.0, 0.5), (70.0, 2.0), (100.0, 300.0))
    for x in (1e-6, 0.01, 0.2, 0.5, 0.9, 1 - 1e-6)
]


def test_incomplete_beta_in_its_parameters():
    for a, b, x in BETA:
        found = graphad.grad(sp.betainc, argnums=(0, 1))(a, b, x)
        with mp.workdps(60):
            exact = [
                mp.diff(lambda p, b=b, x=x: mp.betainc(p, b, 0, x, regularized=True), mp.mpf(a)),
                mp.diff(lambda p, a=a, x=x: mp.betainc(a, p, 0, x, regularized=True), mp.mpf(b)),
            ]
        for f, e in zip(found, exact, strict=True):
            if abs(e) > 1e-40:
                assert f == pytest.approx(float(e), rel=1e-10), (a, b, x)


def test_edges_of_the_incomplete_functions():
    assert graphad.grad(sp.gammainc, argnums=(0, 1))(2.0, 0.0) == (0.0, 0.0)
    assert graphad.grad(sp.gammainc)(2.0, np.inf) == 0.0
    assert graphad.grad(sp.betainc, argnums=(0, 1, 2))(2.0, 3.0, 0.0) == (0.0, 0.0, 0.0)
    assert graphad.grad(sp.betainc, argnums=(0, 1, 2))(2.0, 3.0, 1.0) == (0.0, 0.0, 0.0)
    assert np.isnan(graphad.grad(sp.gammainc)(-1.0, 2.0))


def test_a_degree_must_be_known():
    with pytest.raises(MissingRuleError, match=r"eval_legendre: the degree n must be a known integer"):
        graphad.jit(lambda n, x: sp.eval_legendre(n, x))(2, 0.5)
