"""Functions of `scipy.special` of known orders: Bessel and Legendre families and their derivatives, and others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.numpy.arguments import float_dtype, operand
from graphad.ops.elementwise import cast
from graphad.ops.special import legendre
from graphad.ops.special.bessel import spherical
from graphad.ops.special.lambert import LambertW
from graphad.scipy.dispatch import namespace
from graphad.trace import UFUNCS, Tracer

_traced = namespace("scipy.special")[0]


@_traced
def lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """SciPy's `lambertw`: the branch `k` of the solution of `w exp(w) == z`."""
    return LambertW(float(tol))(k, operand(z))


@_traced
def softplus(x: Any) -> Any:
    """SciPy's `softplus`: `log(1 + exp(x))`."""
    return np.logaddexp(operand(x), 0)


@_traced
def diric(x: Any, n: Any) -> Any:
    """SciPy's `diric`, Dirichlet's kernel, for a known integer `n`: as a sum of cosines, smooth where it is a limit."""
    if isinstance(n, Tracer) or np.ndim(n):
        raise MissingRuleError("diric: n must be one known integer; its value selects the formula")
    x = operand(x)
    x = cast(x, float_dtype(x))
    if n <= 0 or n != int(n):
        return x * math.nan
    terms = 0.5 * np.arange(1 - int(n), int(n), 2, dtype=x.dtype)
    return np.mean(np.cos(x[..., None] * terms), axis=-1)


# -- Bessel functions ---------------------------------------------------------------------------------------------


@_traced
def spherical_jn(n: Any, z: Any, derivative: bool = False) -> Any:
    """SciPy's `spherical_jn`, of integer order."""
    return spherical("jn", n, operand(z), derivative)


@_traced
def spherical_yn(n: Any, z: Any, derivative: bool = False) -> Any:
    """SciPy's `spherical_yn`, of integer order."""
    return spherical("yn", n, operand(z), derivative)


@_traced
def spherical_in(n: Any, z: Any, derivative: bool = False) -> Any:
    """SciPy's `spherical_in`, of integer order."""
    return spherical("in", n, operand(z), derivative)


@_traced
def spherical_kn(n: Any, z: Any, derivative: bool = False) -> Any:
    """SciPy's `spherical_kn`, of integer order."""
    return spherical("kn", n, operand(z), derivative)


def _prime(name: str, of: str, sign: float, scale: float = 0.5) -> Any:
    """The `n`-th derivative of a Bessel function by the orders about `v` (DLMF 10.6.7, 10.29.5)."""

    def function(v: Any, z: Any, n: int = 1) -> Any:
        op = UFUNCS[of]
        total, *rest = (sign**k * math.comb(n, k) * op(v - n + 2 * k, operand(z)) for k in range(n + 1))
        for term in rest:
            total = total + term
        return scale**n * total

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"SciPy's `{name}`: the `n`-th derivative of `{of}`."
    return _traced(function)


jvp, yvp = _prime("jvp", "jv", -1.0), _prime("yvp", "yv", -1.0)
ivp, kvp = _prime("ivp", "iv", 1.0), _prime("kvp", "kv", 1.0, -0.5)
h1vp, h2vp = _prime("h1vp", "hankel1", -1.0), _prime("h2vp", "hankel2", -1.0)


def _riccati(name: str, kind: str) -> Any:
    """`x` times the spherical Bessel functions of the orders 0 to `n`, and the derivatives."""

    def function(n: int, x: Any) -> Any:
        orders, x = np.arange(max(int(n), 1) + 1)[: int(n) + 1], operand(x)
        if x.ndim:
            raise ShapeError(f"{name}: the argument must be a number, not an array of {x.ndim} axes")
        values = spherical(kind, orders, x)
        return x * values, values + x * spherical(kind, orders, x, True)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"SciPy's `{name}`: `x` times `spherical_{kind}` of the orders 0 to `n`, and its derivatives."
    return _traced(function)


riccati_jn, riccati_yn = _riccati("riccati_jn", "jn"), _riccati("riccati_yn", "yn")


# -- Legendre functions, spherical harmonics, polynomials ---------------------------------------------------------


@_traced
def legendre_p(n: Any, z: Any, *, diff_n: int = 0) -> Any:
    """SciPy's `legendre_p` of known degrees, with derivatives along a new first axis."""
    return legendre.legendre_p(n, operand(z), diff_n)


@_traced
def legendre_p_all(n: int, z: Any, *, diff_n: int = 0) -> Any:
    """SciPy's `legendre_p_all`: of the degrees 0 to `n` along the second axis, after that of the derivatives."""
    return np.stack([legendre.legendre_p(k, operand(z), diff_n) for k in range(int(n) + 1)], axis=1)


@_traced
def assoc_legendre_p(n: Any, m: Any, z: Any, *, branch_cut: int = 2, norm: bool = False, diff_n: int = 0) -> Any:
    """SciPy's `assoc_legendre_p` of a known degree and order."""
    return legendre.assoc_legendre_p(n, m, operand(z), branch_cut, norm, diff_n)


@_traced
def sph_legendre_p(n: Any, m: Any, theta: Any, *, diff_n: int = 0) -> Any:
    """SciPy's `sph_legendre_p` of known degrees and orders, with derivatives along a new first axis."""
    return legendre.sph_legendre_p(n, m, operand(theta), diff_n)


@_traced
def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, *, diff_n: int = 0) -> Any:
    """SciPy's `sph_harm_y` of known degrees and orders, followed by its gradient and Hessian."""
    return legendre.sph_harm_y(n, m, operand(theta), operand(phi), diff_n)


@_traced
def assoc_laguerre(x: Any, n: Any, k: Any = 0.0) -> Any:
    """SciPy's `assoc_laguerre` of a known degree."""
    return UFUNCS["eval_genlaguerre"](n, k, operand(x))
