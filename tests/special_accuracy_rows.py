"""The rows of `tests/special_accuracy.py`: functions with their domains and those of mpmath."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath as mp
import numpy as np
import scipy.stats
from scipy import special as sp
from special_accuracy import Exact, Inverse, Row

import graphad
from graphad.scipy import special as gsp

ROWS: dict[str, Row] = {}
P = "p in 1e-290 1e-30 1e-9 1e-3 0.1 0.3 0.5 0.7 0.9 0.999 0.999999999"
MIDDLE = "p in 1e-30 1e-3 0.2 0.5 0.8 0.999 0.999999"


# -- functions that mpmath lacks, or has for fewer numbers -----------------------------------------------------------


def gammainc(a: Any, x: Any) -> Any:
    """By the series, whose terms are positive, up to the mean."""
    if x == 0:
        return mp.mpf(0)
    if x > a + 30 * mp.sqrt(a) + 30:
        return 1 - mp.gammainc(a, x, regularized=True)
    term = total = mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1))
    k, least = 0, mp.mpf(2) ** (-mp.mp.prec - 5)
    while term > least * total or k < x - a:
        k += 1
        term *= x / (a + k)
        total += term
    return total


def gammaincc(a: Any, x: Any) -> Any:
    return mp.gammainc(a, x, regularized=True) if x > a + 30 * mp.sqrt(a) + 30 else 1 - gammainc(a, x)


def _beta_series(a: Any, b: Any, x: Any, y: Any) -> Any:
    log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    term = total = mp.exp(a * mp.log(x) + b * mp.log(y) - log_beta) / a
    k, least = 0, mp.mpf(2) ** (-mp.mp.prec - 5)
    while term > least * total or x * (a + b + k) > a + 1 + k:
        term *= x * (a + b + k) / (a + 1 + k)
        total += term
        k += 1
    return total


def betainc(a: Any, b: Any, x: Any) -> Any:
    return _beta_series(a, b, x, 1 - x) if x < 0.5 else 1 - _beta_series(b, a, 1 - x, x)


def betaincc(a: Any, b: Any, x: Any) -> Any:
    return 1 - betainc(a, b, x)


def stdtr(df: Any, t: Any) -> Any:
    total = df + t * t
    tail = betainc(df / 2, mp.mpf(1) / 2, df / total) / 2
    return 1 - tail if t > 0 else tail


def fdtr(n: Any, d: Any, x: Any) -> Any:
    return betainc(n / 2, d / 2, n * x / (d + n * x))


def log_ndtr(x: Any) -> Any:
    return mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)


def betaln(a: Any, b: Any) -> Any:
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def faddeeva(z: Any) -> Any:
    return mp.exp(-z * z) * mp.erfc(-1j * z)


def scaled(function: Callable[..., Any], sign: int, order: int) -> Callable[..., Any]:
    return lambda x: function(order, x) * mp.exp(sign * x)


def spherical(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of degree 2."""
    return lambda x: mp.sqrt(mp.pi / (2 * x)) * function(mp.mpf(5) / 2, x)


def held(name: str, n: int) -> dict[str, Any]:
    """The functions of the rest of the arguments."""
    return {"call": partial(getattr(gsp, name), n), "scipy": partial(getattr(sp, name), n)}


def component(f: Callable[..., Any], i: int) -> Callable[..., Any]:
    return lambda *xs: f(*xs)[i]


def row(name: str, domain: str, exact: Callable[..., Any] | Exact, **options: Any) -> None:
    """A function by its name, which `[i]` makes one of its results."""
    base, _, index = name.partition("[")
    ours, theirs = getattr(gsp, base.split()[0]), getattr(sp, base.split()[0])
    if index:
        ours, theirs = component(ours, int(index[:-1])), component(theirs, int(index[:-1]))
    options = {"call": ours, "scipy": options.get("call", theirs)} | options
    ROWS[name] = Row(name, domain, exact if isinstance(exact, Exact) else Exact(exact), **options)


def inverse(name: str, domain: str, forward: Callable[..., Any], at: int, **options: Any) -> None:
    row(name, domain, Inverse(forward, at=at, start=getattr(sp, name)), **options)


# -- error functions and the normal distribution ---------------------------------------------------------------------

row("erf", "x slog 1e-8 25", mp.erf, second=True)
row("erfc", "x in -20 -3 -0.5 -1e-8 0 1e-8 0.1 0.5 0.9 1.5 3 5 7 10 15 20 25", mp.erfc, second=True)
row("erfcx", "x in -25 -5 -1 -1e-5 1e-5 0.3 1 2 4 7 8.9 10 20 50 100 1e3 1e5 1e8",
    lambda x: mp.exp(x * x) * mp.erfc(x), second=True)
row("erfi", "x slog 1e-8 25", mp.erfi, second=True)
row("dawsn", "x slog 1e-8 1e8", lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x) if abs(x) < 40
    else mp.re(mp.quad(lambda t: mp.exp(-t * (2 * abs(x) - t)), mp.linspace(0, 60 / abs(x), 5))) * mp.sign(x),
    second=True)
inverse("erfinv", "p in -0.999999 -0.9 -0.1 -1e-10 1e-10 0.01 0.3 0.6 0.8 0.99 0.999999 0.9999999999", mp.erf, 0)
inverse("erfcinv", "p in 1e-290 1e-100 1e-30 1e-9 1e-3 0.1 0.5 0.9 1.1 1.5 1.9 1.999999", mp.erfc, 0)
row("ndtr", "x in -37 -20 -10 -5 -2 -0.7 -1e-5 0 1e-5 0.7 2 5 8 20 35", mp.ncdf, second=True)
row("log_ndtr", "x in -1e8 -1e5 -1e3 -100 -37 -20 -10 -5 -2 -1 -0.3 0 0.3 1 2 5 8 20 26", log_ndtr, second=True,
    remark="`xx` is 0 above 27, where it is below 1e-156")
inverse("ndtri", P, mp.ncdf, 0)
inverse("ndtri_exp", "y in -1e5 -700 -100 -20 -5 -1 -0.69 -0.3 -0.01 -1e-5", log_ndtr, 0)

# -- logistic function, entropies ------------------------------------------------------------------------------------

row("expit", "x slog 1e-8 600", lambda x: 1 / (1 + mp.exp(-x)), second=True)
row("logit", "p in 1e-290 1e-30 1e-9 1e-3 0.1 0.3 0.4999 0.50001 0.6 0.7 0.9 0.999999", lambda p: mp.log(p / (1 - p)))
row("log_expit", "x slog 1e-8 600", lambda x: -mp.log1p(mp.exp(-x)), second=True)
row("softplus", "x slog 1e-8 600", lambda x: mp.log1p(mp.exp(x)))
row("xlogy", "x lin -3 3.1, y log 1e-20 1e20", lambda x, y: x * mp.log(y))
row("xlog1py", "x lin -3 3.1, y log 1e-20 1e20", lambda x, y: x * mp.log1p(y))
row("entr", "x log 1e-20 1e20", lambda x: -x * mp.log(x))
row("rel_entr", "x log 1e-10 1.1e10, y log 1e-10 1e10", lambda x, y: x * mp.log(x / y))
row("kl_div", "x log 1e-10 1.1e10, y log 1e-10 1e10", lambda x, y: x * mp.log(x / y) - x + y)

# -- gamma functions -------------------------------------------------------------------------------------------------

row("gammaln", "x log 1e-8 1e8", mp.loggamma, second=True)
row("loggamma", "x log 1e-8 1e8", mp.loggamma)
row("gamma", "x log 1e-8 169", mp.gamma, second=True)
row("gamma negative", "x lin -9.3 -0.2", mp.gamma)
row("rgamma", "x log 1e-8 169", mp.rgamma)
row("digamma", "x log 1e-8 1e8", mp.digamma, second=True)
for _n in (1, 2, 3, 8):
    row(f"polygamma {_n}", "x log 1e-6 1e6", partial(mp.psi, _n), call=lambda x, n=_n: gsp.polygamma(n, x),
        scipy=lambda x, n=_n: sp.polygamma(n, x), second=_n == 1)
row("beta", "a log 1e-3 300, b log 1e-3 300", mp.beta)
row("betaln", "a log 1e-3 1e6, b log 1e-3 1.1e6", betaln, second=True)
row("poch", "z log 0.01 1e4, m log 0.01 30", lambda z, m: mp.exp(mp.loggamma(z + m) - mp.loggamma(z)))
row("binom", "n log 10 1e4, k log 0.01 9.7", lambda n, k: mp.exp(-mp.log1p(n) - betaln(1 + n - k, 1 + k)))
row("multigammaln 3", "a log 1.01 1e6", call=lambda a: gsp.multigammaln(a, 3), scipy=None,
    exact=lambda a: 1.5 * mp.log(mp.pi) + sum(mp.loggamma(a - mp.mpf(j) / 2) for j in range(3)))

# -- incomplete gamma and beta functions -----------------------------------------------------------------------------

_GAMMA = {"place": lambda a, r: (a, r * np.maximum(a, 1)), "names": "ax", "second": True}
_RATIO = "a in 0.01 0.5 3 20 59 61 300 1e4, r in 1e-3 0.3 0.7 0.97 1 1.03 1.5 4"
_SHOWN = {
    "shown": "`a` 0.01 to 1e4; `x` 1e-3 to 4 times max(a, 1)",
    "remark": "`aa` is 0 near x = a, and one unit in the last place of `x` changes it by as much there",
}
row("gammainc", _RATIO, gammainc, **_GAMMA, **_SHOWN)
row("gammaincc", _RATIO, gammaincc, **_GAMMA, **_SHOWN)
inverse("gammaincinv", f"a in 0.1 0.5 1 3 20 300 1e4, {MIDDLE}", gammainc, 1)
_SMALL = {"remark": "at p = 1e-30 SciPy's value is off by 6e-5, and derivatives are those there"}
inverse("gammainccinv", f"a in 0.1 0.5 1 3 20 300 1e4, {MIDDLE.replace('1e-30', '1e-9')}", gammaincc, 1, **_SMALL)
_AB = "a in 0.05 0.5 2 30 70 1e4, b in 0.05 0.5 3 30 300 1e4, p in 1e-80 1e-9 0.01 0.5 0.9 0.999999"
_BETA = {
    "place": lambda a, b, p: (a, b, np.clip(sp.betaincinv(a, b, p), 1e-250, 1 - 1e-9)), "names": "abx",
    "shown": "`a`, `b` 0.05 to 1e4; `x` quantiles of 1e-80 to 0.999999",
}
row("betainc", _AB, betainc, second=True, **_BETA)
row("betaincc", _AB, betaincc, **_BETA)
_ABP = "a in 0.3 1 3 40 1e3, b in 1 2 30 1e3, p in 1e-9 0.01 0.3 0.5 0.8 0.999"
_NEAR = {"remark": "where the value is within d of 1, derivatives have an error of 1e-16 / d"}
inverse("betaincinv", _ABP, betainc, 2, **_NEAR)
inverse("betainccinv", _ABP.replace("1e-9 ", ""), betaincc, 2, **_NEAR)
inverse("btdtria", "p in 0.01 0.3 0.7 0.99, b in 0.5 2 30, x in 0.01 0.3 0.9", betainc, 0)
inverse("btdtrib", "a in 0.5 2 30, p in 0.01 0.3 0.7 0.99, x in 0.01 0.3 0.9", betainc, 1)
_DF = "df in 0.3 1 2.5 10 100 1e4"
row("stdtr", f"{_DF}, t in -30 -5 -1.7 -1 -0.1 -1e-6 1e-6 0.1 1 5", stdtr, second=True)
inverse("stdtrit", f"{_DF}, p in 1e-9 0.01 0.3 0.49 0.6 0.9 0.999", stdtr, 1)
row("chdtr", "v in 0.1 1 7 100 1e4, x in 1e-3 0.5 6 90 1e4", lambda v, x: gammainc(v / 2, x / 2))
row("chdtrc", "v in 0.1 1 7 100 1e4, x in 1e-3 0.5 6 90 1e4", lambda v, x: gammaincc(v / 2, x / 2))
inverse("chdtri", f"v in 0.5 1 7 100 1e4, {MIDDLE.replace('1e-30', '1e-9')}", lambda v, x: gammaincc(v / 2, x / 2), 1)
inverse("chdtriv", "p in 1e-3 0.2 0.5 0.9, x in 0.1 1 20 300", lambda v, x: gammainc(v / 2, x / 2), 0)
row("gdtr", "a log 0.1 10, b log 0.1 100, x log 0.1 100", lambda a, b, x: gammainc(b, a * x))
row("gdtrc", "a log 0.1 10, b log 0.1 100, x log 0.1 30", lambda a, b, x: gammaincc(b, a * x))
inverse("gdtrix", "a log 0.1 10, b log 0.1 100, p in 1e-9 0.01 0.5 0.9", lambda a, b, x: gammainc(b, a * x), 2)
inverse("gdtria", "p in 0.01 0.5 0.9, b log 0.3 100, x log 0.1 100", lambda a, b, x: gammainc(b, a * x), 0)
inverse("gdtrib", "a log 0.1 10, p in 0.01 0.5 0.9, x log 0.3 100", lambda a, b, x: gammainc(b, a * x), 1)
_NDX = "dfn log 0.3 300, dfd log 0.5 310, x in 1e-3 0.1 0.9 1.2 10 100"
row("fdtr", _NDX, fdtr)
row("fdtrc", _NDX, lambda n, d, x: betainc(d / 2, n / 2, d / (d + n * x)))
inverse("fdtri", "dfn log 0.5 300, dfd log 0.5 310, p in 1e-3 0.1 0.5 0.9 0.999", fdtr, 2)
_KNP = "k in 0 1 4 30, n in 40 1000, p in 1e-9 1e-3 0.03 0.3 0.9 0.999"
row("bdtr", _KNP, lambda k, n, p: betaincc(k + 1, n - k, p), by=(2,))
row("bdtrc", _KNP, lambda k, n, p: betainc(k + 1, n - k, p), by=(2,))
row("nbdtr", _KNP, lambda k, n, p: betainc(n, k + 1, p), by=(2,))
row("nbdtrc", _KNP, lambda k, n, p: betaincc(n, k + 1, p), by=(2,))
row("pdtr", "k in 0 1 4 30 300, m log 1e-6 400", lambda k, m: gammaincc(k + 1, m), by=(1,))
row("pdtrc", "k in 0 1 4 30 300, m log 1e-6 400", lambda k, m: gammainc(k + 1, m), by=(1,))

# -- elementary, integrals -------------------------------------------------------------------------------------------

row("expm1", "x slog 1e-10 600", mp.expm1)
row("log1p", "x in -0.999999 -0.9 -0.3 -1e-3 -1e-9 1e-12 1e-5 0.2 3 1e3 1e20", mp.log1p)
row("cbrt", "x log 1e-100 1e100", mp.cbrt)
row("exp2", "x lin -900 901", lambda x: mp.mpf(2) ** x)
row("exp10", "x lin -250 251", lambda x: mp.mpf(10) ** x)
row("exprel", "x slog 1e-8 600", lambda x: mp.expm1(x) / x, second=True)
row("cosm1", "x slog 1e-8 100", lambda x: mp.cos(x) - 1)
row("powm1", "x log 0.1 10.1, y slog 1e-6 20", lambda x, y: x**y - 1)
row("sindg", "x lin -361 713", lambda x: mp.sin(x * mp.pi / 180))
row("cosdg", "x lin -361 713", lambda x: mp.cos(x * mp.pi / 180))
row("boxcox", "x log 0.01 101, l slog 1e-6 3", lambda x, k: (x**k - 1) / k)
row("boxcox1p", "x log 1e-6 101, l slog 1e-6 3", lambda x, k: ((1 + x) ** k - 1) / k)
row("inv_boxcox", "y log 1e-6 3, l log 1e-6 3", lambda y, k: (1 + k * y) ** (1 / k))
row("inv_boxcox1p", "y log 1e-6 3, l log 1e-6 3", lambda y, k: (1 + k * y) ** (1 / k) - 1)
row("pseudo_huber", "d log 1e-3 1e3, r slog 1e-3 1e3", lambda d, r: d * d * (mp.sqrt(1 + (r / d) ** 2) - 1))
row("expi", "x in -600 -30 -1 -1e-8 1e-8 0.2 0.5 1 5 40 600", mp.ei)
row("exp1", "x log 1e-8 600", mp.e1)
row("expn 3", "x log 1e-6 600", lambda x: mp.expint(3, x), call=lambda x: gsp.expn(3, x), scipy=lambda x: sp.expn(3, x))
row("spence", "x log 1e-8 1e8", lambda z: mp.polylog(2, 1 - z))
row("sici[0]", "x log 1e-6 1e4", mp.si)
row("sici[1]", "x log 1e-6 1e4", mp.ci)
row("shichi[0]", "x log 1e-6 600", mp.shi)
row("shichi[1]", "x log 1e-6 600", mp.chi)
row("fresnel[0]", "x log 1e-3 901.3", mp.fresnels)
row("fresnel[1]", "x log 1e-3 901.3", mp.fresnelc)
row("owens_t", "h in -5 -2 -0.3 1e-3 1 4, a in 0.01 0.3 1 3 30", lambda h, a: mp.quad(
    lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a / 64, a / 16, a / 4, a]) / (2 * mp.pi))
row("zeta", "x in 1.01 1.5 3 10 40, q log 0.01 1e4", mp.zeta, by=(1,), second=True)
row("lambertw", "x in -0.36 -0.3 -0.01 1e-8 0.1 1 10 1e3 1e20 1e200", mp.lambertw,
    call=lambda x: np.real(gsp.lambertw(x)), scipy=lambda x: np.real(sp.lambertw(x)))
row("wrightomega", "x lin -300 1001", lambda x: mp.lambertw(mp.exp(x)))
row("voigt_profile", "x slog 1e-3 1e3, s log 0.1 10, g log 0.01 10", lambda x, s, g: mp.re(
    faddeeva((x + 1j * g) / (s * mp.sqrt(2)))) / (s * mp.sqrt(2 * mp.pi)))
row("kolmogorov", "y log 0.15 10", lambda y: mp.nsum(lambda j: 2 * (-1) ** (int(j) - 1) * mp.exp(-2 * (j * y) ** 2),
    [1, 150], method="d"))
row("agm", "a log 1e-3 1e3, b log 1e-3 1.1e3", mp.agm)
row("tklmbda", "x lin -0.9 0.91, l lin -0.5 0.91", Inverse(
    lambda p, k: (p**k - (1 - p) ** k) / k, at=0, start=sp.tklmbda))

# -- Bessel functions and relatives ----------------------------------------------------------------------------------

for _name, _base, _order in (("j0", "j", 0), ("j1", "j", 1), ("y0", "y", 0), ("y1", "y", 1)):
    row(_name, "x log 1e-8 1e3", partial(getattr(mp, f"bessel{_base}"), _order), second=True)
for _name, _order in (("i0", 0), ("i1", 1), ("k0", 0), ("k1", 1)):
    row(_name, "x log 1e-8 600", Exact(partial(getattr(mp, f"bessel{_name[0]}"), _order), whole=0), second=True)
for _name, _sign, _order in (("i0e", -1, 0), ("i1e", -1, 1), ("k0e", 1, 0), ("k1e", 1, 1)):
    row(_name, "x log 1e-8 1e4", Exact(scaled(getattr(mp, f"bessel{_name[0]}"), _sign, _order), whole=0))
_VX = "v in 0 0.5 1 2.5 10 30, x log 0.01 300"
for _name in ("jv", "yv", "iv", "kv"):
    row(_name, _VX, Exact(getattr(mp, f"bessel{_name[0]}"), whole=0), by=(1,), second=_name == "jv")
row("ive", _VX, lambda v, x: mp.besseli(v, x) * mp.exp(-x), by=(1,))
row("kve", _VX, Exact(lambda v, x: mp.besselk(v, x) * mp.exp(x), whole=0), by=(1,))
for _i, _kind in enumerate("ab"):
    row(f"airy[{2 * _i}]", "x lin -50 60", getattr(mp, f"airy{_kind}i"), second=True)
    row(f"airy[{2 * _i + 1}]", "x lin -50 60", partial(getattr(mp, f"airy{_kind}i"), derivative=1))
row("struve", "v in 0 0.5 2.5, x log 0.01 50", mp.struveh, by=(1,))
row("modstruve", "v in 0 0.5 2.5, x log 0.01 50", mp.struvel, by=(1,))
for _name in ("ber", "bei", "ker", "kei"):
    row(_name, "x log 0.01 40", partial(getattr(mp, _name), 0))
for _name in ("jn", "yn", "in", "kn"):
    row(f"spherical_{_name} 2", "x log 0.1 300", spherical(getattr(mp, f"bessel{_name[0]}")),
        **held(f"spherical_{_name}", 2))

# -- hypergeometric and elliptic functions ---------------------------------------------------------------------------

row("hyp0f1", "v in 0.3 1 2.5 20, z slog 1e-3 300", mp.hyp0f1, by=(1,))
row("hyp1f1", "a in 0.3 1.5 10, b in 0.5 2.5 20, z slog 1e-3 100", mp.hyp1f1, by=(2,))
row("hyp2f1", "a in 0.3 1.5 4, b in 0.7 2.2, c in 0.9 3.1, z in -20 -3 -0.9 -0.3 -1e-3 1e-3 0.2 0.6 0.9 0.99",
    mp.hyp2f1, by=(3,), second=True)
row("hyperu", "a in 0.3 1.5 5, b in 0.4 1.3 2.6, z log 0.01 100", mp.hyperu, by=(2,))
_M = "m in -1e6 -100 -3 -0.5 -1e-6 1e-6 0.01 0.2 0.5 0.9 0.99 0.999999"
row("ellipk", _M, mp.ellipk, second=True)
row("ellipe", _M, mp.ellipe, second=True)
row("ellipkm1", "p log 1e-15 1.5", lambda p: mp.ellipk(1 - p),
    remark="the derivative is NaN below p = 1e-16")
_PHI = "phi in -1.5 -0.3 1e-6 0.01 0.5 1 1.5 1.57, m in -100 -3 -0.1 -1e-6 1e-6 0.1 0.5 0.9 0.999"
row("ellipkinc", _PHI, mp.ellipf, second=True)
row("ellipeinc", _PHI, mp.ellipe, second=True)
row("ellipj[0]", "u lin -3 3.1, m log 1e-6 0.99", lambda u, m: mp.ellipfun("sn", u, m=m))
row("ellipj[1]", "u lin -3 3.1, m log 1e-6 0.99", lambda u, m: mp.ellipfun("cn", u, m=m))
row("ellipj[2]", "u lin -3 3.1, m log 1e-6 0.99", lambda u, m: mp.ellipfun("dn", u, m=m))
_XYZ = "x log 0.01 100, y log 0.01 101, z log 0.011 100"
row("elliprc", "x log 1e-3 1e3, y log 1e-3 1.1e3", mp.elliprc)
row("elliprd", _XYZ, mp.elliprd)
row("elliprf", _XYZ, mp.elliprf, second=True)
row("elliprg", _XYZ, mp.elliprg)
row("elliprj", "x log 0.1 10, y log 0.11 10, z log 0.1 11, r log 0.12 9", mp.elliprj)

# -- orthogonal polynomials of degree 7 ------------------------------------------------------------------------------

_POLYNOMIALS: dict[str, Callable[..., Any]] = {
    "eval_legendre": mp.legendre, "eval_chebyt": mp.chebyt, "eval_chebyu": mp.chebyu, "eval_hermite": mp.hermite,
    "eval_laguerre": lambda n, x: mp.laguerre(n, 0, x),
}  # fmt: skip
for _name, _exact in _POLYNOMIALS.items():
    row(f"{_name} 7", "x lin -2.03 2.1", partial(_exact, 7), **held(_name, 7))
row("eval_genlaguerre 7", "a lin -0.5 3.1, x lin -2.03 2.1", partial(mp.laguerre, 7), **held("eval_genlaguerre", 7))
row("eval_gegenbauer 7", "a lin 0.1 3.1, x lin -2.03 2.1", partial(mp.gegenbauer, 7), **held("eval_gegenbauer", 7))
row("eval_jacobi 7", "a lin 0.1 3.1, b lin 0.2 3, x lin -2.03 2.1", partial(mp.jacobi, 7), **held("eval_jacobi", 7))

# -- distributions ---------------------------------------------------------------------------------------------------

LOC, SCALE = 0.3, 1.7
TAILS = "p in 1e-9 1e-3 0.1 0.35 0.6 0.9 0.999 0.999999999"


def places(name: str) -> Callable[..., Any]:
    """Quantiles to the probabilities, after which stand the parameters."""
    discrete = name in DISCRETE

    def arguments(p: Any, *shapes: Any) -> tuple[Any, ...]:
        x = getattr(scipy.stats, name).ppf(p, *shapes)
        if name == "binom":
            x = np.minimum(x, shapes[0] - 1)
        return (x, *shapes) if discrete else (LOC + SCALE * x, *shapes, LOC + 0 * x, SCALE + 0 * x)

    return arguments


def located(function: Callable[..., Any], density: bool = False) -> Callable[..., Any]:
    """Of `x, *shapes, loc, scale`."""
    return lambda x, *args: function((x - args[-2]) / args[-1], *args[:-2]) - (mp.log(args[-1]) if density else 0)


def logarithm(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: mp.log(function(*xs))


# Shapes, and of standardised arguments the logarithm of the density, the distribution function and its complement.
CONTINUOUS: dict[str, tuple[str, Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "norm": ("", lambda y: -y * y / 2 - mp.log(2 * mp.pi) / 2, mp.ncdf, lambda y: mp.ncdf(-y)),
    "t": (
        "df in 0.7 2.5 30 1e4",
        lambda y, v: mp.loggamma((v + 1) / 2) - mp.loggamma(v / 2) - mp.log(mp.pi * v) / 2
        - (v + 1) / 2 * mp.log1p(y * y / v),
        lambda y, v: stdtr(v, y), lambda y, v: stdtr(v, -y),
    ),
    "chi2": (
        "df in 1.9 3 40 1e3",
        lambda y, v: (v / 2 - 1) * mp.log(y) - y / 2 - mp.loggamma(v / 2) - v / 2 * mp.log(2),
        lambda y, v: gammainc(v / 2, y / 2), lambda y, v: gammaincc(v / 2, y / 2),
    ),
    "gamma": (
        "a in 0.7 2.5 40 1e3", lambda y, a: (a - 1) * mp.log(y) - y - mp.loggamma(a), lambda y, a: gammainc(a, y),
        lambda y, a: gammaincc(a, y),
    ),
    "beta": (
        "a in 0.7 2.5 100, b in 0.8 3 90", lambda y, a, b: (a - 1) * mp.log(y) + (b - 1) * mp.log1p(-y) - betaln(a, b),
        lambda y, a, b: betainc(a, b, y), lambda y, a, b: betaincc(a, b, y),
    ),
    "expon": ("", lambda y: -y, lambda y: -mp.expm1(-y), lambda y: mp.exp(-y)),
    "laplace": (
        "", lambda y: -abs(y) - mp.log(2), lambda y: mp.exp(y) / 2 if y < 0 else 1 - mp.exp(-y) / 2,
        lambda y: mp.exp(-y) / 2 if y > 0 else 1 - mp.exp(y) / 2,
    ),
    "logistic": (
        "", lambda y: -y - 2 * mp.log1p(mp.exp(-y)), lambda y: 1 / (1 + mp.exp(-y)), lambda y: 1 / (1 + mp.exp(y)),
    ),
    "cauchy": (
        "", lambda y: -mp.log(mp.pi) - mp.log1p(y * y), lambda y: mp.atan2(1, -y) / mp.pi,
        lambda y: mp.atan2(1, y) / mp.pi,
    ),
    "lognorm": (
        "s in 0.3 1 2.5", lambda y, s: -((mp.log(y) / s) ** 2) / 2 - mp.log(2 * mp.pi) / 2 - mp.log(s * y),
        lambda y, s: mp.ncdf(mp.log(y) / s), lambda y, s: mp.ncdf(-mp.log(y) / s),
    ),
}  # fmt: skip
DISCRETE: dict[str, tuple[str, Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "poisson": (
        "mu in 0.1 1.3 20 1e3", lambda k, m: k * mp.log(m) - m - mp.loggamma(k + 1),
        lambda k, m: gammaincc(k + 1, m), lambda k, m: gammainc(k + 1, m),
    ),
    "binom": (
        "n in 9 1000, p in 1.1e-3 0.2 0.7",
        lambda k, n, p: mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1) + k * mp.log(p)
        + (n - k) * mp.log1p(-p),
        lambda k, n, p: betaincc(k + 1, n - k, p), lambda k, n, p: betainc(k + 1, n - k, p),
    ),
    "nbinom": (
        "n in 0.8 4.5 200, p in 0.05 0.3 0.9",
        lambda k, n, p: mp.loggamma(n + k) - mp.loggamma(k + 1) - mp.loggamma(n) + n * mp.log(p) + k * mp.log1p(-p),
        lambda k, n, p: betainc(n, k + 1, p), lambda k, n, p: betaincc(n, k + 1, p),
    ),
}  # fmt: skip


def distribution(
    name: str, method: str, domain: str, exact: Exact, names: list[str], place: Any, by: Any, second: bool = False
) -> None:  # fmt: skip
    ours, theirs = (getattr(getattr(stats, name), method) for stats in (graphad.scipy.stats, scipy.stats))
    name = f"{name}.{method}"
    ROWS[name] = Row(name, domain, exact, ours, theirs, names, by, place, second, part="stats")


for _name, (_shapes, _density, _cdf, _sf) in (CONTINUOUS | DISCRETE).items():
    _discrete = _name in DISCRETE
    _tails = TAILS.replace(" 0.999999999", "") if _name == "beta" else TAILS
    _domain = ", ".join(x for x in (_tails, _shapes) if x)
    _names = [x.split()[0] for x in _shapes.split(", ") if x]
    _names = ["k", *_names] if _discrete else ["x", *_names, "loc", "scale"]
    _by = tuple(range(1, len(_names))) if _discrete else ()
    _placed = (lambda f, density=False: f) if _discrete else located
    _common: tuple[Any, ...] = _names, places(_name), _by
    distribution(
        _name, "logpmf" if _discrete else "logpdf", _domain, Exact(_placed(_density, True)), *_common, second=True
    )
    for _method, _function in (("cdf", _cdf), ("sf", _sf)):
        distribution(_name, _method, _domain, Exact(_placed(_function)), *_common)
        distribution(_name, f"log{_method}", _domain, Exact(logarithm(_placed(_function))), *_common)
    if not _discrete:
        _probabilities = lambda p, *shapes: (p, *shapes, LOC + 0 * p, SCALE + 0 * p)
        _inverse = Inverse(_placed(_cdf), at=0, start=getattr(scipy.stats, _name).ppf)
        distribution(_name, "ppf", _domain, _inverse, ["p", *_names[1:]], _probabilities, ())


def _normal_pair(x: Any, y: Any, m: Any, n: Any, v: Any, w: Any, c: Any) -> Any:
    return graphad.scipy.stats.multivariate_normal.logpdf(
        np.stack([x, y]), np.stack([m, n]), np.stack([np.stack([v, c]), np.stack([c, w])])
    )


def _exact_pair(x: Any, y: Any, m: Any, n: Any, v: Any, w: Any, c: Any) -> Any:
    x, y, d = x - m, y - n, v * w - c * c
    return -(w * x * x - 2 * c * x * y + v * y * y) / (2 * d) - mp.log(d) / 2 - mp.log(2 * mp.pi)


_NAME = "multivariate_normal.logpdf"
ROWS[_NAME] = Row(
    _NAME, "r in -0.99 -0.5 0 0.1 0.9 0.9999, x in -30 -1 0.2 4, y in -2 0.1 20",
    Exact(_exact_pair), lambda *xs: graphad.vmap(_normal_pair)(*xs), part="stats", second=True,
    names="xymnvwc", place=lambda r, x, y: [x, y, *(r * 0 + z for z in (0.3, -0.7, 2, 0.5)), r],
    shown="`x` -30 to 4; `y` -2 to 20; means `m`, `n`, variances `v`, `w`, covariance `c` -0.99 to 0.9999",
)  # fmt: skip
