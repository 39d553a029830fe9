"""More of SciPy's special functions on traced values: SciPy's numbers, derivatives against mpmath, every executor."""

from __future__ import annotations

from functools import partial

import mpmath as mp
import numpy as np
import pytest
from scipy import special as sp

import graphad
from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.ops.special.error import FaddeevaDerivative, Voigt
from graphad.scipy import special as gsp

P = np.array([0.3, 1.0, 2.5])  # positive numbers
U = np.array([0.15, 0.5, 0.8])  # within the unit interval
R = np.array([-1.2, 0.4, 2.0])  # real numbers
Z = np.array([0.3 + 0.4j, -1.2 + 0.5j, 2.0 - 0.3j])  # complex numbers
L = np.array([0.35, 0.5, 0.65])  # probabilities
DEGREE = mp.pi / 180


def spherical(mp_function, factor=1):
    return lambda n, x: factor * mp.sqrt(mp.pi / (2 * x)) * mp_function(n + mp.mpf(1) / 2, x)


SPHERICAL = {
    "jn": spherical(mp.besselj),
    "yn": spherical(mp.bessely),
    "in": spherical(mp.besseli),
    "kn": spherical(mp.besselk),
}


def harmonic(theta, phi):
    """The spherical harmonic of degree 3 and order 2."""
    return mp.sqrt(105 / (32 * mp.pi)) * mp.sin(theta) ** 2 * mp.cos(theta) * mp.exp(2j * phi)


def voigt(x, sigma, gamma):
    z = (x + 1j * gamma) / (sigma * mp.sqrt(2))
    return mp.re(faddeeva(z)) / (sigma * mp.sqrt(2 * mp.pi))


def faddeeva(z):
    return mp.exp(-z * z) * mp.erfc(-1j * z)


def kolmogorov(y):
    return 2 * sum((-1) ** (j - 1) * mp.exp(-2 * (j * y) ** 2) for j in range(1, 60))


def wright(a, b, x):
    return sum(x**k / (mp.factorial(k) * mp.gamma(a * k + b)) for k in range(60))


def jacobi_elliptic(u, m):
    return [mp.ellipfun(kind, u, m=m) for kind in ("sn", "cn", "dn")]


def primed(function):
    return lambda x: mp.diff(function, x)


# Calls with the mpmath function of the same operands, or None where SciPy's numbers and differences are enough.
CASES = {
    "cbrt": (sp.cbrt, (P,), mp.cbrt),
    "exp2": (sp.exp2, (R,), lambda x: mp.mpf(2) ** x),
    "expm1": (sp.expm1, (R,), mp.expm1),
    "log1p": (sp.log1p, (P,), mp.log1p),
    "sindg": (sp.sindg, (50 * R,), lambda x: mp.sin(x * DEGREE)),
    "cosdg": (sp.cosdg, (50 * R,), lambda x: mp.cos(x * DEGREE)),
    "tandg": (sp.tandg, (20 * R,), lambda x: mp.tan(x * DEGREE)),
    "cotdg": (sp.cotdg, (20 * P,), lambda x: mp.cot(x * DEGREE)),
    "powm1": (sp.powm1, (P, R), lambda x, y: x**y - 1),
    "softplus": (gsp.softplus, (R,), lambda x: mp.log1p(mp.exp(x))),
    "diric": (lambda x: gsp.diric(x, 4), (R,), lambda x: mp.sin(2 * x) / (4 * mp.sin(x / 2))),
    "diric odd": (lambda x: gsp.diric(x, 5), (R,), lambda x: mp.sin(5 * x / 2) / (5 * mp.sin(x / 2))),
    "loggamma": (sp.loggamma, (P,), mp.loggamma),
    "lambertw": (sp.lambertw, (P,), mp.lambertw),
    "lambertw -1": (lambda x: sp.lambertw(x, -1), (-0.3 * U,), lambda x: mp.lambertw(x, -1)),
    "lambertw complex": (lambda z: gsp.lambertw(z, 1), (Z,), lambda z: mp.lambertw(z, 1)),
    "wrightomega": (sp.wrightomega, (R,), lambda x: mp.lambertw(mp.exp(x))),
    "wright_bessel": (
        lambda x: sp.wright_bessel(0.7, 1.3, x), (P,), lambda x: wright(mp.mpf(0.7), mp.mpf(1.3), x),
    ),
    "log_wright_bessel": (
        lambda x: sp.log_wright_bessel(0.7, 1.3, x), (P,), lambda x: mp.log(wright(mp.mpf(0.7), mp.mpf(1.3), x)),
    ),
    "expn 0": (lambda x: sp.expn(0, x), (P,), lambda x: mp.expint(0, x)),
    "expn": (lambda x: sp.expn(3, x), (P,), lambda x: mp.expint(3, x)),
    "wofz": (sp.wofz, (Z,), faddeeva),
    "wofz far out": (sp.wofz, (np.array([9.0 + 1e-9j, 30.0 + 4j, -8.0 + 0j]),), faddeeva),
    "voigt_profile": (sp.voigt_profile, (R, P, U), voigt),
    "voigt_profile far out": (sp.voigt_profile, (50 * R, P, U), voigt),
    "modfresnelp": (
        lambda x: sp.modfresnelp(x), (P,),
        lambda x: [
            mp.sqrt(mp.pi) / 2 * mp.exp(0.25j * mp.pi) * mp.erfc(mp.exp(-0.25j * mp.pi) * x),
            faddeeva(mp.exp(0.25j * mp.pi) * x) / 2,
        ],
    ),
    "modfresnelm": (
        lambda x: sp.modfresnelm(x), (P,),
        lambda x: [
            mp.sqrt(mp.pi) / 2 * mp.exp(-0.25j * mp.pi) * mp.erfc(mp.exp(0.25j * mp.pi) * x),
            mp.conj(faddeeva(mp.exp(0.25j * mp.pi) * x)) / 2,
        ],
    ),
    "owens_t": (
        sp.owens_t, (R, P),
        lambda h, a: mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi),
    ),
    "kolmogorov": (sp.kolmogorov, (np.array([0.4, 0.9, 1.7]),), kolmogorov),
    "kolmogi": (sp.kolmogi, (U,), None),
    "smirnov": (lambda d: sp.smirnov(7, d), (np.array([0.12, 0.3, 0.55]),), None),
    "smirnovi": (lambda p: sp.smirnovi(7, p), (U,), None),
    "hankel1": (lambda z: sp.hankel1(1.5, z), (Z,), lambda z: mp.hankel1(1.5, z)),
    "hankel2": (lambda x: sp.hankel2(0, x), (P,), lambda x: mp.hankel2(0, x)),
    "hankel1e": (lambda x: sp.hankel1e(1, x), (P,), lambda x: mp.hankel1(1, x) * mp.exp(-1j * x)),
    "hankel2e": (lambda z: sp.hankel2e(0.5, z), (Z,), lambda z: mp.hankel2(0.5, z) * mp.exp(1j * z)),
    "jve": (lambda x: sp.jve(1.5, x), (P,), lambda x: mp.besselj(1.5, x)),
    "yve": (lambda x: sp.yve(1.5, x), (P,), lambda x: mp.bessely(1.5, x)),
    "kn": (lambda x: sp.kn(2, x), (P,), lambda x: mp.besselk(2, x)),
    "yn": (lambda x: sp.yn(0, x), (P,), lambda x: mp.bessely(0, x)),
    "jvp": (lambda x: gsp.jvp(1, x, n=2), (P,), lambda x: (mp.besselj(3, x) - 3 * mp.besselj(1, x)) / 4),
    "yvp": (lambda x: gsp.yvp(1.5, x), (P,), lambda x: (mp.bessely(0.5, x) - mp.bessely(2.5, x)) / 2),
    "ivp": (lambda x: gsp.ivp(2, x), (P,), lambda x: (mp.besseli(1, x) + mp.besseli(3, x)) / 2),
    "kvp": (lambda x: gsp.kvp(1.5, x), (P,), lambda x: -(mp.besselk(0.5, x) + mp.besselk(2.5, x)) / 2),
    "h1vp": (lambda x: gsp.h1vp(1, x), (P,), lambda x: (mp.hankel1(0, x) - mp.hankel1(2, x)) / 2),
    "h2vp": (lambda x: gsp.h2vp(1.5, x), (P,), lambda x: (mp.hankel2(0.5, x) - mp.hankel2(2.5, x)) / 2),
    **{name: (getattr(sp, name), (P,), partial(getattr(mp, name), 0)) for name in ("ber", "bei", "ker", "kei")},
    **{
        name + "p": (getattr(sp, name + "p"), (P,), primed(partial(getattr(mp, name), 0)))
        for name in ("ber", "bei", "ker", "kei")
    },
    "kelvin": (lambda x: sp.kelvin(x), (P,), None),
    "struve": (lambda x: sp.struve(0.5, x), (P,), lambda x: mp.struveh(0.5, x)),
    "struve 0": (lambda x: sp.struve(0, x), (R,), lambda x: mp.struveh(0, x)),
    "modstruve": (lambda x: sp.modstruve(1.5, x), (P,), lambda x: mp.struvel(1.5, x)),
    "itstruve0": (sp.itstruve0, (P,), None),
    "itmodstruve0": (sp.itmodstruve0, (P,), None),
    "it2struve0": (sp.it2struve0, (P,), None),
    "besselpoly": (
        lambda a: sp.besselpoly(a, 1.0, 1.5), (P,),
        lambda a: mp.quad(lambda t: t * mp.besselj(1.5, 2 * a * t), [0, 1]),
    ),
    **{
        f"spherical_{kind}{' derivative' * slope}": (
            lambda x, kind=kind, slope=slope: getattr(gsp, f"spherical_{kind}")(2, x, derivative=slope), (P,),
            partial(primed(partial(function, 2))) if slope else partial(function, 2),
        )
        for kind, function in SPHERICAL.items() for slope in (False, True)
    },
    "spherical_jn complex": (lambda z: gsp.spherical_jn(1, z), (Z,), partial(SPHERICAL["jn"], 1)),
    "spherical_jn orders": (lambda x: gsp.spherical_jn(np.array([0, 1, 4]), x), (R,), None),
    "legendre_p": (lambda x: gsp.legendre_p(4, x), (U,), lambda x: [mp.legendre(4, x)]),
    "legendre_p slopes": (lambda x: gsp.legendre_p(4, x, diff_n=2), (U,), None),
    "assoc_legendre_p": (
        lambda x: gsp.assoc_legendre_p(4, 3, x), (U,), lambda x: [mp.legenp(4, 3, x)],
    ),
    "assoc_legendre_p negative": (
        lambda x: gsp.assoc_legendre_p(4, -2, x, norm=True), (U,), None,
    ),
    "assoc_legendre_p type 3": (
        lambda z: gsp.assoc_legendre_p(3, 1, z, branch_cut=3), (Z,),
        lambda z: [mp.sqrt(z - 1) * mp.sqrt(z + 1) * (15 * z * z - 3) / 2],
    ),
    "lpmv": (lambda x: sp.lpmv(1, 2.5, x), (U,), lambda x: mp.legenp(2.5, 1, x)),
    "lpmv of integers": (lambda x: sp.lpmv(2, 5, x), (U,), lambda x: mp.legenp(5, 2, x)),
    "sph_legendre_p": (
        lambda x: gsp.sph_legendre_p(3, -2, x), (P,), lambda x: [mp.re(harmonic(x, 0))],
    ),
    "sph_legendre_p slopes": (lambda x: gsp.sph_legendre_p(3, 1, x, diff_n=2), (P,), None),
    "sph_harm_y": (lambda theta, phi: gsp.sph_harm_y(3, 2, theta, phi), (P, R), harmonic),
    "sph_harm_y orders": (
        lambda theta, phi: gsp.sph_harm_y(np.array([0, 3, 5]), np.array([0, -2, 5]), theta, phi), (P, R), None,
    ),
    "sph_harm_y Hessian": (lambda theta, phi: gsp.sph_harm_y(3, -1, theta, phi, diff_n=2), (P, R), None),
    "assoc_laguerre": (lambda x: gsp.assoc_laguerre(x, 3, 1.5), (R,), lambda x: mp.laguerre(3, 1.5, x)),
    "eval_chebyc": (lambda x: sp.eval_chebyc(4, x), (R,), lambda x: 2 * mp.chebyt(4, x / 2)),
    "eval_chebys": (lambda x: sp.eval_chebys(4, x), (R,), lambda x: mp.chebyu(4, x / 2)),
    "eval_sh_chebyt": (lambda x: sp.eval_sh_chebyt(4, x), (R,), lambda x: mp.chebyt(4, 2 * x - 1)),
    "eval_sh_chebyu": (lambda x: sp.eval_sh_chebyu(4, x), (R,), lambda x: mp.chebyu(4, 2 * x - 1)),
    "eval_sh_legendre": (lambda x: sp.eval_sh_legendre(4, x), (R,), lambda x: mp.legendre(4, 2 * x - 1)),
    "eval_sh_jacobi": (lambda p, q, x: sp.eval_sh_jacobi(3, p, q, x), (P + 2, P, R), None),
    "itairy": (lambda x: [f / 1.0 for f in sp.itairy(x)], (0.3 * P,), None),
    "airye": (
        lambda x: sp.airye(x), (P,),
        lambda x: [
            f(x) * mp.exp(s * mp.mpf(2) / 3 * x**1.5)
            for f, s in (
                (mp.airyai, 1), (partial(mp.airyai, derivative=1), 1),
                (mp.airybi, -1), (partial(mp.airybi, derivative=1), -1),
            )
        ],
    ),
    "iti0k0": (lambda x: sp.iti0k0(x), (P,), None),
    "itj0y0": (lambda x: sp.itj0y0(x), (P,), None),
    "it2i0k0": (lambda x: sp.it2i0k0(x), (P,), None),
    "it2j0y0": (lambda x: sp.it2j0y0(x), (P,), None),
    "pbdv": (lambda x: sp.pbdv(1.5, x)[0], (P,), lambda x: mp.pcfd(1.5, x)),
    "pbvv": (lambda x: sp.pbvv(1.5, x), (P,), None),
    "pbwa": (lambda x: sp.pbwa(0.5, x), (U,), None),
    "elliprc": (sp.elliprc, (P, P[::-1]), mp.elliprc),
    "elliprd": (sp.elliprd, (P, P[::-1], U), mp.elliprd),
    "elliprf": (sp.elliprf, (P, P[::-1], U), mp.elliprf),
    "elliprg": (sp.elliprg, (P, P[::-1], U), mp.elliprg),
    "elliprj": (sp.elliprj, (P, P[::-1], U, U[::-1]), mp.elliprj),
    "agm": (sp.agm, (P, P[::-1]), mp.agm),
    "ellipj": (lambda u, m: sp.ellipj(u, m)[:3], (R, U), jacobi_elliptic),
    "ellipj amplitude": (lambda u, m: sp.ellipj(u, m)[3], (3 * R, U), None),
    "bdtri": (lambda y: sp.bdtri(2.0, 5, y), (U,), None),
    "nbdtri": (lambda y: sp.nbdtri(2, 5, y), (U,), None),
    "pdtri": (lambda y: sp.pdtri(2, y), (U,), None),
    "nrdtrimn": (sp.nrdtrimn, (U, P, R), None),
    "nrdtrisd": (sp.nrdtrisd, (R, U + 0.05, P), None),
    "chdtriv": (sp.chdtriv, (U, P), None),
    "gdtria": (sp.gdtria, (U, P, P[::-1]), None),
    "gdtrib": (sp.gdtrib, (P, U, P[::-1]), None),
    "btdtria": (sp.btdtria, (U, P, U[::-1]), None),
    "btdtrib": (sp.btdtrib, (P, U, U[::-1]), None),
    "fdtridfd": (sp.fdtridfd, (np.array([2.0, 2.2, 2.5]), L[:1] + 0.37, np.array([2.3, 2.4, 2.5])), None),
    "bdtrin": (sp.bdtrin, (P, L, L), None),
    "nbdtrik": (sp.nbdtrik, (L, P + 2, L), None),
    "nbdtrin": (sp.nbdtrin, (P, L, L), None),
    "stdtridf": (sp.stdtridf, (np.array([0.74, 0.75, 0.76]), np.array([0.86, 0.88, 0.9])), None),
    "tklmbda": (sp.tklmbda, (np.array([-0.7, 0.3, 0.8]), np.array([-0.4, 0.1, 0.8])), None),
    "chndtr": (lambda x, nc: sp.chndtr(x, 2.5, nc), (2 * P, P[::-1]), None),
    "chndtrix": (lambda p, nc: sp.chndtrix(p, 2.5, nc), (L, P), None),
    "chndtrinc": (lambda x, p: sp.chndtrinc(x, 1.5, p), (P + 4, L - 0.05), None),
    "chndtridf": (lambda x, p: sp.chndtridf(x, p, 0.5), (P + 4, L), None),
    "zetac": (lambda x: sp.zetac(x) + 0 * x, (P + 1,), None),
    "gammasgn": (lambda x: sp.gammasgn(x) * x, (R,), None),
    "round": (lambda x: sp.round(x) * x, (R,), None),
}  # fmt: skip
WITHOUT_RULE = {"zetac", "chndtridf"}
EXACT = [name for name, case in CASES.items() if case[2] is not None]


def parts(x):
    return list(x) if isinstance(x, (tuple, list)) else [x]


def test_numbers_are_scipys(executor):
    """All in one compiled function; for numba, which takes longest, a few."""
    names = list(CASES)[:: 12 if executor == "numba" else 1]
    run = lambda args: [parts(CASES[name][0](*xs)) for name, xs in zip(names, args, strict=True)]
    args = [CASES[name][1] for name in names]
    for name, found, wanted in zip(names, graphad.jit(run)(args), run(args), strict=True):
        for a, b in zip(found, wanted, strict=True):
            assert np.result_type(a) == np.result_type(b), name
            np.testing.assert_allclose(a, b, rtol=5e-13, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("name", [name for name in CASES if name not in WITHOUT_RULE])
def test_derivatives(name):
    """Forward and reverse mode, first and second order, in all operands at once against differences."""
    function, args, _ = CASES[name]
    graphad.check_grads(lambda *xs: parts(function(*xs)), args, order=1 if "smirnov" in name else 2)


@pytest.mark.parametrize("name", EXACT)
def test_derivatives_against_mpmath(name):
    function, args, exact = CASES[name]
    with mp.workdps(30):
        for i in range(len(args)):
            tangents = [np.ones_like(x) if j == i else np.zeros_like(x) for j, x in enumerate(args)]
            values, slopes = graphad.jvp(lambda *xs: parts(function(*xs)), args, tangents)
            values, slopes = ([np.ravel(y) for y in x] if len(x) > 1 else [np.ravel(x[0])] for x in (values, slopes))
            for k in range(3):
                point = [mp.mpmathify(x[k].item()) for x in args]
                for index, (value, slope) in enumerate(zip(values, slopes, strict=True)):
                    along = lambda t, point=point, i=i, index=index: parts(
                        exact(*[t if j == i else p for j, p in enumerate(point)])
                    )[index]
                    assert value[k] == pytest.approx(complex(along(point[i])), rel=1e-9, abs=1e-12), (k, index)
                    assert slope[k] == pytest.approx(complex(mp.diff(along, point[i])), rel=1e-9, abs=1e-12), (i, k)


def test_batches_are_loops():
    for name, (function, args, _) in CASES.items():
        batched = [np.stack([x, 0.99 * x]) for x in args]
        found = graphad.vmap(lambda *xs, f=function: parts(f(*xs)))(*batched)
        for k in range(2):
            for a, b in zip(found, parts(function(*[x[k] for x in batched])), strict=True):
                np.testing.assert_allclose(a[k], b, rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.filterwarnings("ignore:non-integer arg n")
def test_single_precision_stays_single():
    """Where SciPy's does: beside numbers of Python it computes some functions in double precision."""
    for name, (function, args, _) in CASES.items():
        narrow = [x.astype("c8" if x.dtype.kind == "c" else "f4") for x in args]
        found = graphad.jit(lambda *xs, f=function: parts(f(*xs)))(*narrow)
        for a, b, scipys in zip(found, parts(function(*args)), parts(function(*narrow)), strict=True):
            assert a.dtype in (np.float32, np.complex64, scipys.dtype), name
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-5, err_msg=name)


EDGES = np.array([0.0, -0.0, 1.0, -1.0, 90.0, 1e-300, np.inf, -np.inf, np.nan])
REAL = [
    "cbrt", "exp2", "expm1", "log1p", "sindg", "cosdg", "tandg", "cotdg", "loggamma", "wrightomega", "zetac",
    "gammasgn", "round", "ber", "bei", "ker", "kei", "berp", "beip", "kerp", "keip", "kolmogorov", "kolmogi",
    "itstruve0", "itmodstruve0", "it2struve0", "airye", "iti0k0", "itj0y0", "it2i0k0", "it2j0y0", "itairy",
]  # fmt: skip
OF_ORDER = [
    "hankel1", "hankel2", "hankel1e", "hankel2e", "jve", "yve", "struve", "modstruve", "expn", "pbdv", "pbvv", "pbwa",
    "smirnov", "smirnovi",
]  # fmt: skip
OF_TWO = ["powm1", "owens_t", "agm", "elliprc", "ellipj", "chdtriv", "tklmbda"]


def test_edges_are_scipys():
    calls = [(name, getattr(sp, name)) for name in REAL]
    calls += [(name, partial(getattr(sp, name), 1.0)) for name in OF_ORDER]
    calls += [(name, lambda x, name=name: getattr(sp, name)(x, x[::-1])) for name in OF_TWO]
    calls += [("voigt_profile", lambda x: sp.voigt_profile(x, x[::-1], 0.0 * x + 1.0))]
    calls += [("wofz", sp.wofz), ("lambertw", sp.lambertw), ("elliprd", lambda x: sp.elliprd(x, 1.0, x + 1.0))]
    with np.errstate(all="ignore"):
        for name, call in calls:
            for a, b in zip(parts(graphad.jit(call)(EDGES)), parts(call(EDGES)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-13, err_msg=name)


def test_limits_of_derivatives():
    """Where a formula divides zero by zero the derivative is its limit, of a higher order too."""
    slope_at = lambda function, x: graphad.grad(function)(x)
    twice = lambda f: graphad.grad(graphad.grad(f))
    assert graphad.jvp(sp.lambertw, (0.0,), (1.0,))[1] == 1.0
    assert slope_at(lambda x: gsp.spherical_jn(1, x), 0.0) == pytest.approx(1 / 3)
    assert twice(lambda x: gsp.spherical_jn(0, x))(0.0) == pytest.approx(-1 / 3)
    assert twice(twice(sp.ber))(0.0) == pytest.approx(-3 / 8)
    assert twice(sp.bei)(0.0) == pytest.approx(0.5)
    assert slope_at(lambda x: sp.expn(3, x), 0.0) == -1.0
    assert slope_at(lambda x: gsp.legendre_p(4, x)[0], 1.0) == pytest.approx(10.0)
    assert slope_at(lambda x: gsp.assoc_legendre_p(4, 2, x)[0], 1.0) == pytest.approx(-90.0)
    assert slope_at(lambda x: sp.lpmv(3, 4, x), 1.0) == 0.0
    assert twice(lambda x: gsp.sph_legendre_p(2, 0, x)[0])(0.0) == pytest.approx(-3 * np.sqrt(5 / (4 * np.pi)))
    assert twice(lambda x: gsp.diric(x, 5))(0.0) == pytest.approx(-2.0)
    assert twice(lambda x: sp.it2j0y0(x)[0])(0.0) == pytest.approx(0.25)
    assert twice(lambda x: sp.it2i0k0(x)[0])(0.0) == pytest.approx(0.25)
    assert twice(lambda x: sp.elliprf(x, 1.0, 1.0))(1.0) == pytest.approx(0.15)
    assert graphad.grad(sp.agm, argnums=(0, 1))(2.0, 2.0) == pytest.approx((0.5, 0.5))
    assert graphad.grad(sp.agm, argnums=(0, 1))(1.0, 0.0) == (0.0, np.inf)
    assert graphad.grad(sp.agm, argnums=1)(-1.0, -2.0) == pytest.approx(graphad.grad(sp.agm, argnums=1)(1.0, 2.0))
    assert graphad.grad(lambda m: sp.ellipj(0.7, m)[0])(0.0) == pytest.approx(
        -0.25 * (0.7 - np.sin(0.7) * np.cos(0.7)) * np.cos(0.7)
    )
    assert np.isfinite(graphad.grad(lambda m: sp.ellipj(0.7, m)[0])(1.0))
    assert graphad.grad(sp.kolmogorov)(0.0) == 0.0
    assert graphad.grad(sp.tklmbda, argnums=1)(0.3, 0.0) == pytest.approx(
        (sp.tklmbda(0.3, 1e-4) - sp.tklmbda(0.3, -1e-4)) / 2e-4, rel=1e-6
    )


def test_voigt_profiles_from_gauss_to_lorentz():
    """Without a Gaussian width it is Lorentz's profile, without a Lorentzian one a Gaussian, far out too."""
    lorentz = lambda x, gamma: gamma / np.pi / (x * x + gamma * gamma)
    gauss = lambda x, sigma: np.exp(-x * x / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    slopes = graphad.grad(sp.voigt_profile, argnums=(0, 1, 2))
    x, sigma, gamma = slopes(0.7, 0.0, 0.4)
    assert (x, gamma) == pytest.approx(graphad.grad(lorentz, argnums=(0, 1))(0.7, 0.4))
    assert sigma == 0.0
    for at in (0.7, 9.0, 20.0):
        assert slopes(at, 1.1, 0.0)[:2] == pytest.approx(graphad.grad(gauss, argnums=(0, 1))(at, 1.1), rel=1e-10)
    with mp.workdps(40):
        for at in (2.0, 11.0, 1e3, 1e6):
            exact = [mp.diff(lambda *xs: voigt(*xs), (at, 0.9, 0.3), n) for n in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
            assert slopes(at, 0.9, 0.3) == pytest.approx([float(mp.re(d)) for d in exact], rel=1e-8)


def test_faddeeva_derivatives_of_high_order():
    with mp.workdps(40):
        for z in (0.5 + 0.2j, 2.0 + 3j, 6.9 + 0.1j, 7.1 + 0.1j, -9.0 + 0j, 3.0 - 1j, 8.0 - 2j, 1e4 + 1e4j):
            for n in (1, 2, 3):
                exact = complex(mp.diff(faddeeva, mp.mpc(z), n))
                assert FaddeevaDerivative(n)(z) == pytest.approx(exact, rel=1e-9), (n, z)


def test_voigt_of_arrays_of_every_part():
    found = Voigt(1, 1)(R, P, U)
    assert found.shape == R.shape
    assert found.dtype == np.float64


@pytest.mark.parametrize(("u", "m"), [(0.7, 0.3), (5.7, 0.99), (-9.0, 0.5), (1.2, 1e-9), (40.0, 0.2)])
def test_elliptic_functions_in_their_parameter(u, m):
    with mp.workdps(40):
        exact = [mp.diff(lambda t, k=k: mp.ellipfun(k, u, m=t), mp.mpf(m)) for k in ("sn", "cn", "dn")]
    found = [graphad.grad(lambda m, i=i: sp.ellipj(u, m)[i])(m) for i in range(3)]
    assert found == pytest.approx([float(mp.re(x)) for x in exact], rel=1e-8, abs=1e-12)


def test_carlson_integrals_of_operands_apart():
    for x, y, z in ((1e-8, 1.0, 2.0), (1.0, 1.0 + 1e-12, 1.0), (1e-5, 3.0, 1e6), (2.0, 0.5, 1e-9)):
        found = graphad.grad(sp.elliprd, argnums=(0, 1, 2))(x, y, z)
        with mp.workdps(40):
            exact = [mp.diff(mp.elliprd, (x, y, z), n) for n in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
        assert found == pytest.approx([float(d) for d in exact], rel=1e-9)
    assert np.isnan(graphad.grad(sp.elliprc, argnums=1)(1.0, -2.0))


@pytest.mark.parametrize(
    ("function", "operand"),
    [
        (lambda a: sp.pbwa(a, 0.5)[0], "a"),
        (lambda v: sp.lpmv(1.0, v, 0.5), "v"),
        (lambda df: sp.chndtr(2.0, df, 0.5), "df"),
    ],
)
def test_parameters_without_a_derivative_say_so(function, operand):
    with pytest.raises(MissingRuleError, match=rf"parameter {operand}; hold {operand} fixed.*test_special_more.py"):
        graphad.grad(function)(1.5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: gsp.legendre_p(1.5, x), "legendre_p: n must be a known integer"),
        (lambda x: gsp.legendre_p(-2, x), "legendre_p: the degree n must not be negative"),
        (lambda x: gsp.sph_harm_y(x, 1, x, x), "sph_harm_y: n must be a known integer"),
        (lambda x: gsp.assoc_legendre_p(2, [0, 1], x), "assoc_legendre_p: m must be one known integer"),
        (lambda x: gsp.assoc_legendre_p(2, 1, x, diff_n=1), "diff_n must be 0"),
        (lambda x: gsp.diric(1.0, x), "diric: n must be one known integer"),
        (lambda x: graphad.grad(graphad.grad(lambda d: sp.smirnov(3, d)))(x), "smirnov has only a first derivative"),
        (lambda x: graphad.jvp(sp.elliprf, (x + 1j, 1.0, 2.0), (1 + 0j, 0.0, 0.0)), "derivatives in real operands"),
        (lambda x: graphad.jvp(lambda z: sp.jve(1.0, z), (x + 1j,), (1 + 0j,)), "jve of a complex number"),
    ],
)
def test_what_is_not_known_says_so(function, message):
    with pytest.raises(MissingRuleError, match=message):
        graphad.jit(function)(0.5)


def test_loggamma_of_complex_numbers():
    with mp.workdps(30):
        exact = [complex(mp.digamma(mp.mpc(z))) for z in Z]
    assert graphad.grad(lambda z: np.sum(sp.loggamma(z)), holomorphic=True)(Z) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda z: sp.voigt_profile(z, 1.0, 1.0),
        lambda z: sp.ellipj(z, 0.5)[0],
        lambda z: sp.airye(z)[0],
        lambda z: gsp.sph_legendre_p(2, 1, z),
        lambda z: gsp.sph_harm_y(2, 1, z, 0.5),
        lambda z: sp.modfresnelp(z)[0],
        sp.ber,
        sp.owens_t,
    ],
)
@pytest.mark.parametrize("z", [1 + 1j, np.array([1 + 1j])])
def test_functions_of_real_numbers_refuse_complex_ones(function, z):
    with pytest.raises(TypeMismatchError):
        graphad.jit(function)(*[z] * (2 if function is sp.owens_t else 1))


SMOOTH = {
    "ellipk": (mp.ellipk, [0.0, 0.19, 0.21, -0.5, 0.9]), "ellipe": (mp.ellipe, [0.0, 0.19, 0.21, -0.5, 0.9]),
    "rgamma": (mp.rgamma, [-1.0, -2.0, -1.5, 0.0, 0.3, 2.0]),
    "spence": (lambda z: mp.polylog(2, 1 - z), [1.0, 1.09, 0.89, 0.3, 3.0]),
    "exprel": (lambda x: mp.expm1(x) / x if x else mp.mpf(1), [0.0, 0.29, 0.31, -2.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_where_terms_cancel(name):
    """To the third order, at points where closed formulas divide zero by zero and where one formula gives way."""
    exact, places = SMOOTH[name]
    f = getattr(sp, name)
    for order in (1, 2, 3):
        f = graphad.grad(f)
        wanted = [float(mp.diff(exact, x, order)) for x in places]
        np.testing.assert_allclose([f(x) for x in places], wanted, rtol=1e-12)


@pytest.mark.parametrize(("f", "exact"), [(sp.ellipkinc, mp.ellipf), (sp.ellipeinc, mp.ellipe)])
def test_incomplete_elliptic_integrals_of_every_angle(f, exact):
    for place in ((0.5, 0.0), (1.2, 0.3), (2.5, 0.1), (-4.0, 0.5)):
        np.testing.assert_allclose(
            graphad.grad(f, argnums=(0, 1))(*place),
            [float(mp.diff(exact, place, n)) for n in ((1, 0), (0, 1))], rtol=1e-12,
        )  # fmt: skip
        second = graphad.grad(graphad.grad(f, argnums=1), argnums=1)(*place)
        assert second == pytest.approx(float(mp.diff(exact, place, (0, 2))), rel=1e-11)


def test_plain_names_of_scipys_function_objects():
    """`sph_harm_y` and the Legendre functions are objects that choose a ufunc when they are called."""

    def f(theta, phi):
        return (
            np.real(sp.sph_harm_y(2, 1, theta, phi)) + sp.legendre_p(3, np.cos(theta)) + sp.sph_legendre_p(2, 1, theta)
        )

    theta, phi = np.array([0.3, 1.2]), np.array([0.1, -0.7])
    np.testing.assert_allclose(graphad.jit(f)(theta, phi), f(theta, phi), rtol=1e-13)
    graphad.check_grads(f, (theta, phi), order=1)
