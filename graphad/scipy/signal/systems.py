"""Linear systems by polynomials, by zeros and poles, and by matrices of states: names of `scipy.signal`.

Leading coefficients that are 0 are dropped where they are known. Roots are complex, also those that are real.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.scipy.signal.edges import floating, vector
from graphad.types import Array, ArrayLike, real_dtype

_traced = namespace("scipy.signal")[0]


def polynomial(roots: Array) -> Array:
    """The coefficients of the polynomial with these roots, the first of which is 1."""
    found: Any = np.ones(1, roots.dtype)
    for i in range(roots.shape[0]):
        longer = np.concatenate([found, np.zeros(1, roots.dtype)])
        found = longer - roots[i] * np.concatenate([np.zeros(1, roots.dtype), found])
    return found


def real_polynomial(roots: Array, name: str) -> Array:
    """The polynomial, real if the roots are pairs of conjugates, as NumPy's `poly` gives it."""
    found = polynomial(roots)
    if roots.dtype.kind != "c":
        return found
    values = known(roots)
    if values is None:
        raise MissingRuleError(
            f"{name}: whether complex roots are pairs of conjugates is not known while tracing{place()}; give real "
            "ones, or the coefficients"
        )
    return np.real(found) if np.all(np.sort(values) == np.sort(np.conj(values))) else found


def roots_of(taps: Any) -> Any:
    """The roots of a polynomial whose first coefficient is not 0, complex; zeros at its end are roots 0."""
    taps = cast(taps, float_dtype(taps))
    values = known(taps)
    zeros = 0 if values is None else len(values) - len(np.trim_zeros(values, "b"))
    taps = taps[: taps.shape[0] - zeros]
    n = taps.shape[0] - 1
    dtype = np.promote_types(taps.dtype, np.complex64)
    if n < 1:
        return np.zeros(max(n, 0) + zeros, dtype)
    below = np.eye(n - 1, n, dtype=taps.dtype)
    companion = np.concatenate([-taps[None, 1:] / taps[0], below], 0)
    return np.concatenate([np.linalg.eigvals(companion), np.zeros(zeros, dtype)])


@_traced
def normalize(b: ArrayLike, a: ArrayLike) -> Any:
    """SciPy's `normalize`: both polynomials divided by the first coefficient of the second."""
    num, den = np.atleast_2d(operand(b)), vector(a, "normalize", "a")
    values = known(den)
    if values is not None:
        if not np.any(values):
            raise ValueError(f"normalize: a{place()} must have an element that is not 0")
        den = den[len(values) - len(np.trim_zeros(values, "f")) :]
    num, den = num / den[0], den / den[0]
    values = known(num)
    if values is not None:
        from scipy.signal import BadCoefficients

        empty = np.all(np.abs(values) <= 1e-14, axis=0)
        leading = int(np.argmin(empty)) if not empty.all() else len(empty) - 1
        if empty[0]:
            text = "Badly conditioned filter coefficients (numerator): the results may be meaningless"
            warnings.warn(text, BadCoefficients, stacklevel=4)
        num = num[:, leading:]
    return (num[0] if num.shape[0] == 1 else num), den


@_traced
def tf2zpk(b: Any, a: Any) -> Any:
    """SciPy's `tf2zpk`: zeros, poles and gain; the roots have derivatives where they are simple."""
    b, a = normalize(b, a)
    return roots_of(b), roots_of(a), b[0]


@_traced
def zpk2tf(z: ArrayLike, p: ArrayLike, k: ArrayLike) -> Any:
    """SciPy's `zpk2tf`: the coefficients of both polynomials."""
    z, p = (floating(np.atleast_1d(operand(x))) for x in (z, p))
    if z.ndim == 1:
        return np.atleast_1d(operand(k)) * real_polynomial(z, "zpk2tf"), real_polynomial(p, "zpk2tf")
    gains = np.broadcast_to(np.atleast_1d(operand(k)), (z.shape[0],))
    rows = [gains[i] * real_polynomial(z[i], "zpk2tf") for i in range(z.shape[0])]
    return np.stack(rows), real_polynomial(p, "zpk2tf")


@_traced
def tf2ss(num: Any, den: Any) -> Any:
    """SciPy's `tf2ss`: the matrices of states in the controller's canonical form."""
    num, den = normalize(num, den)
    num = np.atleast_2d(num)
    m, k = num.shape[1], den.shape[0]
    if m > k:
        raise ShapeError(f"tf2ss: a numerator of {m} coefficients{place()} for a denominator of {k}; it is improper")
    num = np.concatenate([np.zeros((num.shape[0], k - m), num.dtype), num], 1)
    d = num[:, :1]
    if k == 1:
        return np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((d.shape[0], 1)), d
    a = np.concatenate([-den[None, 1:], np.eye(k - 2, k - 1, dtype=den.dtype)], 0)
    return a, np.eye(k - 1, 1), num[:, 1:] - d * den[1:], d


@_traced
def abcd_normalize(A: Any = None, B: Any = None, C: Any = None, D: Any = None) -> Any:
    """SciPy's `abcd_normalize`: the matrices of states with two axes, zeros for those that are not given."""
    if (A is None and B is None and C is None) or (B is None and D is None) or (C is None and D is None):
        raise ValueError(f"abcd_normalize: too few matrices{place()} to tell the shape of the others")
    a, b, c, d = (np.zeros((0, 0)) if x is None else np.atleast_2d(operand(x)) for x in (A, B, C, D))
    n = a.shape[0] or b.shape[0] or c.shape[1]
    p, q = b.shape[1] or d.shape[1], c.shape[0] or d.shape[0]
    found = []
    for name, x, shape in zip("ABCD", (a, b, c, d), ((n, n), (n, p), (q, n), (q, p)), strict=True):
        if x.size and x.shape != shape:
            raise ShapeError(f"abcd_normalize: {name} of shape {list(x.shape)}{place()} must be {list(shape)}")
        found.append(x if x.size else np.zeros(shape))
    return tuple(found)


def characteristic(a: Array) -> Array:
    """The characteristic polynomial of a matrix, by the traces of its powers (Faddeev and LeVerrier)."""
    n = a.shape[0]
    eye, found, m = np.eye(n, dtype=a.dtype), [np.ones((), a.dtype)], np.zeros((n, n), a.dtype)
    for k in range(1, n + 1):
        m = a @ m + found[-1] * eye
        found.append(-np.trace(a @ m) / k)
    return np.stack(found)


@_traced
def ss2tf(A: ArrayLike, B: ArrayLike, C: ArrayLike, D: ArrayLike, input: int = 0) -> Any:
    """SciPy's `ss2tf`: for an input a numerator for each output, and the denominator."""
    a, b, c, d = abcd_normalize(A, B, C, D)
    if input >= d.shape[1]:
        raise ShapeError(f"ss2tf: input={input}{place()} of a system of {d.shape[1]} inputs")
    dtype = float_dtype(a, b, c, d)
    a, b, c, d = (cast(x, dtype) for x in (a, b, c, d))
    b, d = b[:, input : input + 1], d[:, input : input + 1]
    den = characteristic(a)
    rows = [characteristic(a - b @ c[k : k + 1]) + (d[k] - 1) * den for k in range(d.shape[0])]
    return np.stack(rows), den


@_traced
def zpk2ss(z: ArrayLike, p: ArrayLike, k: ArrayLike) -> Any:
    """SciPy's `zpk2ss`, by the polynomials."""
    return tf2ss(*zpk2tf(z, p, k))


@_traced
def ss2zpk(A: ArrayLike, B: ArrayLike, C: ArrayLike, D: ArrayLike, input: int = 0) -> Any:
    """SciPy's `ss2zpk`, by the polynomials."""
    return tf2zpk(*ss2tf(A, B, C, D, input))


# -- sections of second order -------------------------------------------------------------------------------------


@_traced
def zpk2sos(z: ArrayLike, p: ArrayLike, k: ArrayLike, pairing: Any = None, *, analog: bool = False) -> Array:
    """SciPy's `zpk2sos`. Which zeros and poles make a section depends on their values, which must be known: they are
    outside of `jit`."""
    z, p = (np.atleast_1d(operand(x)) for x in (z, p))
    values = known(z), known(p)
    if any(v is None for v in values):
        raise MissingRuleError(f"zpk2sos: the pairs of roots depend on values{place()}; call it outside of jit")
    from scipy.signal import zpk2sos as scipys

    left = [list(range(x.shape[0])) for x in (z, p)]
    rows: list[Any] = []
    for section in scipys(*values, 1.0, pairing, analog=analog):
        halves = ((z, left[0], section[:3]), (p, left[1], section[3:]))
        numerator, denominator = (_half(*half) for half in halves)
        rows.append(np.concatenate([numerator if rows else numerator * operand(k).reshape(()), denominator]))
    return np.stack(rows)


def _half(roots: Any, rest: list[int], taps: Any) -> Any:
    """The three coefficients of a section from those of the roots that SciPy's have, taken from the rest."""
    first = int(np.argmax(taps != 0))
    values = known(roots)
    chosen = []
    for wanted in np.roots(taps):
        if rest:
            best = min(rest, key=lambda i: abs(values[i] - wanted))
            if abs(values[best] - wanted) <= 1e-6 * max(1.0, abs(wanted)):
                chosen.append(best)
                rest.remove(best)
    size = 3 - first
    found = np.real(polynomial(cast(roots[np.array(chosen, int)], np.dtype(complex))))
    found = cast(found, real_dtype(found.dtype))
    return np.pad(found, (first, size - found.shape[0]))


@_traced
def tf2sos(b: ArrayLike, a: ArrayLike, pairing: Any = None, *, analog: bool = False) -> Array:
    """SciPy's `tf2sos`, by zeros and poles."""
    return zpk2sos(*tf2zpk(b, a), pairing=pairing, analog=analog)
