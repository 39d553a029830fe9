"""Tests of ranks. They change with the samples by jumps only, and pass back no derivative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.numpy.arguments import operand
from graphad.ops.elementwise import cast
from graphad.ops.special.error import ndtr
from graphad.scipy.arguments import require
from graphad.scipy.dispatch import namespace, since
from graphad.scipy.stats import nulls
from graphad.scipy.stats.results import KstestResult, SignificanceResult, WilcoxonResult, ZSignificanceResult
from graphad.scipy.stats.samples import (
    chi2_above,
    choose,
    mean_ranks,
    normal_pvalue,
    ranks,
    several,
    split,
    statistic,
    student_pvalue,
    unsupported,
)
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]
_LARGEST_TABLE = 10**8
"""Steps in counting out a distribution, beyond which it is refused."""


def _ranked(*samples: Any) -> tuple[list[Any], Any]:
    """The ranks of each sample among all, and the sizes of groups of equal elements."""
    found, sizes = ranks(np.concatenate(samples, axis=-1))
    return split(found, [x.shape[-1] for x in samples]), cast(sizes, float)


@statistic(2, ranked=True)
def ranksums(x: Array, y: Array, *, alternative: str = "two-sided") -> SignificanceResult:
    """SciPy's `ranksums`."""
    n, m = x.shape[-1], y.shape[-1]
    (first, _), _ = _ranked(x, y)
    z = (np.sum(first, axis=-1) - n * (n + m + 1) / 2.0) / math.sqrt(n * m * (n + m + 1) / 12.0)
    return SignificanceResult(z, normal_pvalue("ranksums", z, alternative))


@statistic(2, ranked=True)
def mannwhitneyu(
    x: Array, y: Array, *, use_continuity: bool = True, alternative: str = "two-sided", method: str = "auto"
) -> SignificanceResult:
    """SciPy's `mannwhitneyu`."""
    choose("mannwhitneyu", "method", method, "auto", "exact", "asymptotic")
    choose("mannwhitneyu", "alternative", alternative, "two-sided", "less", "greater")
    n, m = x.shape[-1], y.shape[-1]
    (first, _), sizes = _ranked(x, y)
    u = np.sum(first, axis=-1) - n * (n + 1) / 2
    most = {"greater": u, "less": n * m - u, "two-sided": np.maximum(u, n * m - u)}[alternative]
    whole, sides = n + m, 2 if alternative == "two-sided" else 1
    tied = np.sum(sizes**3 - sizes, axis=-1) / (whole * (whole - 1))
    continuity, error = 0.5 if use_continuity else 0.0, np.sqrt(n * m / 12 * (whole + 1 - tied))
    if since("1.18.0"):
        z = u - n * m / 2
        z = (z - continuity * {"greater": 1, "less": -1}.get(alternative, np.sign(z))) / error
        p = normal_pvalue("mannwhitneyu", z, alternative)
    else:
        p = np.clip(ndtr(-(most - n * m / 2 - continuity) / error) * sides, 0.0, 1.0)
    if method == "exact" or (method == "auto" and min(n, m) <= 8):
        if n * m * min(n, m) > _LARGEST_TABLE:
            raise unsupported("mannwhitneyu", f"the exact method for {n} and {m}", "use method='asymptotic'")
        exact = np.clip(nulls.looked_up(nulls.mann_whitney(n, m), most) * sides, 0.0, 1.0)
        p = exact if method == "exact" else np.where(np.any(sizes > 1), p, exact)
    if method == "asymptotic" and since("1.18.0"):
        return ZSignificanceResult(u, p, z)
    return SignificanceResult(u, p)


@statistic("rows", ranked=True)
def kruskal(*samples: Any) -> SignificanceResult:
    """SciPy's `kruskal`."""
    several(samples)
    parts, sizes = _ranked(*samples)
    n = sum([x.shape[-1] for x in samples])
    between = sum([np.sum(x, axis=-1) ** 2 / x.shape[-1] for x in parts])
    h = 12.0 / (n * (n + 1)) * between - 3 * (n + 1)
    h = h / (1 - np.sum(sizes**3 - sizes, axis=-1) / (n**3 - n))
    return SignificanceResult(h, chi2_above(h, len(samples) - 1))


@statistic("all", paired=True, ranked=True)
def friedmanchisquare(*samples: Any) -> SignificanceResult:
    """SciPy's `friedmanchisquare`."""
    several(samples, 3)
    k, n = len(samples), samples[0].shape[-1]
    found, tied = mean_ranks(np.stack(samples, axis=-1))
    c = 1 - np.sum(tied, axis=-1) / (k * (k * k - 1) * n)
    between = np.sum(np.sum(found, axis=-2) ** 2, axis=-1)
    found = (12.0 / (k * n * (k + 1)) * between - 3 * n * (k + 1)) / c
    return SignificanceResult(found, chi2_above(found, k - 1))


@statistic(2, ranked=True)
def brunnermunzel(x: Array, y: Array, *, alternative: str = "two-sided", distribution: str = "t") -> SignificanceResult:
    """SciPy's `brunnermunzel`."""
    choose("brunnermunzel", "distribution", distribution, "t", "normal")
    n, m = x.shape[-1], y.shape[-1]
    (first, second), _ = _ranked(x, y)
    spreads = []
    for among, sample in ((first, x), (second, y)):
        away = among - ranks(sample)[0]
        away = away - np.mean(away, axis=-1, keepdims=True)
        spreads.append(sample.shape[-1] * np.sum(away**2, axis=-1) / (sample.shape[-1] - 1))
    apart = np.mean(second, axis=-1) - np.mean(first, axis=-1)
    w = n * m * apart / ((n + m) * np.sqrt(spreads[0] + spreads[1]))
    if distribution == "normal":
        return SignificanceResult(w, normal_pvalue("brunnermunzel", -w, alternative))
    df = (spreads[0] + spreads[1]) ** 2 / (spreads[0] ** 2 / (n - 1) + spreads[1] ** 2 / (m - 1))
    return SignificanceResult(w, student_pvalue("brunnermunzel", -w, df, alternative))


@statistic(2, ranked=True)
def mood(x: Any, y: Any, *, alternative: str = "two-sided") -> SignificanceResult:
    """SciPy's `mood`."""
    n, m = x.shape[-1], y.shape[-1]
    whole = n + m
    (first, _), t = _ranked(x, y)
    # Equal elements share the mean of the squares of the places that they take.
    center = (whole + 1) / 2
    size = _sizes_of(np.concatenate([x, y], axis=-1))[..., :n]
    found = np.sum((first - center) ** 2 + (size**2 - 1) / 12, axis=-1)
    s = np.cumsum(t, axis=-1)
    lost = np.sum(t * (t**2 - 1) * (t**2 - 4 + 15 * (whole - s - (s - t)) ** 2), axis=-1)
    spread = n * m * (whole + 1.0) * (whole**2 - 4) / 180 - n * m / (180 * whole * (whole - 1)) * lost
    z = (found - n * (whole * whole - 1.0) / 12) / np.sqrt(spread)
    return SignificanceResult(z, normal_pvalue("mood", z, alternative))


def _sizes_of(x: Any) -> Any:
    """For each element how many equal it."""
    return cast(ranks(x, "max")[0] - ranks(x, "min")[0] + 1, float)


@statistic(2, ranked=True)
def ansari(x: Array, y: Array, *, alternative: str = "two-sided") -> SignificanceResult:
    """SciPy's `ansari`."""
    choose("ansari", "alternative", alternative, "two-sided", "less", "greater")
    n, m = x.shape[-1], y.shape[-1]
    whole = n + m
    (first, second), sizes = _ranked(x, y)
    folded = [np.minimum(r, whole - r + 1) for r in (first, second)]
    found = np.sum(folded[0], axis=-1)
    squares = np.sum(folded[0] ** 2, axis=-1) + np.sum(folded[1] ** 2, axis=-1)
    if whole % 2:
        mean = n * (whole + 1.0) ** 2 / 4.0 / whole
        spread = m * n * (16 * whole * squares - (whole + 1) ** 4) / (16.0 * whole**2 * (whole - 1))
    else:
        mean = n * (whole + 2.0) / 4.0
        spread = m * n * (16 * squares - whole * (whole + 2) ** 2) / (16.0 * whole * (whole - 1))
    p = normal_pvalue("ansari", (mean - found) / np.sqrt(spread), alternative)
    if max(n, m) < 55:
        start, below, above = nulls.ansari(n, m)
        low, high = nulls.looked_up(below, found - start), nulls.looked_up(above, found - start)
        exact = {"two-sided": 2.0 * np.minimum(low, high), "greater": low, "less": high}[alternative]
        p = np.where(np.any(sizes > 1), p, np.minimum(exact, 1.0))
    return SignificanceResult(found, p)


# -- Wilcoxon's ---------------------------------------------------------------------------------------------------


def _chance(total: Array, below: Array, above: Array, alternative: str) -> Array:
    """A p-value by the probabilities of at most and of at least what was found."""
    found = {"less": below, "greater": above, "two-sided": 2 * np.minimum(below, above)}[alternative]
    return np.clip(found, 0.0, 1.0)


@statistic(optional=("y",), ranked=True)
def wilcoxon(
    x: Array, *, y: Array | None = None, zero_method: str = "wilcox", correction: bool = False,
    alternative: str = "two-sided", method: str = "auto",
) -> Any:  # fmt: skip
    """SciPy's `wilcoxon`."""
    choose("wilcoxon", "zero_method", zero_method, "wilcox", "pratt", "zsplit")
    choose("wilcoxon", "alternative", alternative, "two-sided", "less", "greater")
    choose("wilcoxon", "method", method, "auto", "exact", "asymptotic", "approx")
    d = x if y is None else x - y
    n, zero = d.shape[-1], d == 0
    zeros = cast(np.sum(zero, axis=-1), float)
    size = np.where(zero, np.inf, np.abs(d)) if zero_method == "wilcox" else np.abs(d)
    rank, t = ranks(size)
    t = cast(t, float)
    plus, minus = [np.sum(np.where(side, rank, 0.0), axis=-1) for side in (d > 0, d < 0)]
    share = np.sum(np.where(zero, rank, 0.0), axis=-1) / 2 if zero_method == "zsplit" else 0.0
    tied = np.sum(t**3 - t, axis=-1)
    if zero_method != "zsplit":
        tied = tied - (zeros**3 - zeros)  # the zeros are one group
    count = n - zeros if zero_method == "wilcox" else zeros * 0.0 + n
    mean, spread = count * (count + 1.0) * 0.25, count * (count + 1.0) * (2.0 * count + 1.0)
    if zero_method == "pratt":
        mean = mean - zeros * (zeros + 1.0) * 0.25
        spread = spread - zeros * (zeros + 1.0) * (2.0 * zeros + 1.0)
    error = np.sqrt((spread - tied / 2) / 24)
    z = (plus + share - mean) / error
    if correction:
        z = z - {"greater": 1, "less": -1}.get(alternative, np.sign(z)) * 0.5 / error
    p = normal_pvalue("wilcoxon", z, alternative)
    if method == "exact":
        require(~zero, "wilcoxon: method='exact' with differences of 0; use method='asymptotic'")
        p = _exact_wilcoxon(plus, n, alternative)
    elif method == "auto" and n <= 13:
        p = _flipped_wilcoxon(plus, np.where(zero, 0.0, rank), alternative)
    elif method == "auto" and n <= 50:
        p = np.where(np.any(t > 1) | np.any(zero), p, _exact_wilcoxon(plus, n, alternative))
    plus, minus = plus + share, minus + share
    found = np.minimum(plus, minus) if alternative == "two-sided" else plus
    if method in ("asymptotic", "approx"):
        return ZSignificanceResult(found, p, -np.abs(z) if alternative == "two-sided" else z)
    return WilcoxonResult(found, p)


def _exact_wilcoxon(plus: Array, n: int, alternative: str) -> Array:
    below, above = nulls.signed_ranks(n)
    tails = nulls.looked_up(below, np.ceil(plus)), nulls.looked_up(above, np.floor(plus))
    return _chance(plus, *tails, alternative)


def _flipped_wilcoxon(plus: Array, rank: Array, alternative: str) -> Array:
    """The p-value by all ways to choose the signs."""
    sums = np.matmul(rank, operand(nulls.signs(rank.shape[-1])))
    below, above = [np.mean(holds, axis=-1) for holds in (sums <= plus[..., None], sums >= plus[..., None])]
    return _chance(plus, below, above, alternative)


# -- Smirnov's ----------------------------------------------------------------------------------------------------


@statistic(2, ranked=True)
def ks_2samp(x: Any, y: Any, *, alternative: str = "two-sided", method: str = "auto") -> KstestResult:
    """SciPy's `ks_2samp`; the place of the greatest distance is differentiable in the samples."""
    return _smirnov("ks_2samp", x, y, alternative, method)


def _smirnov(name: str, x: Any, y: Any, alternative: str, method: str) -> KstestResult:
    choose(name, "method", method, "auto", "exact", "asymp")
    alternative = {"t": "two-sided", "g": "greater", "l": "less"}.get(alternative.lower()[:1], alternative)
    choose(name, "alternative", alternative, "two-sided", "less", "greater")
    n, m = x.shape[-1], y.shape[-1]
    lcm = math.lcm(n, m)
    whole = np.concatenate([np.sort(x, axis=-1), np.sort(y, axis=-1)], axis=-1)
    first, second = [np.sum(part[..., None, :] <= whole[..., :, None], axis=-1) for part in (x, y)]
    apart = first / n - second / m
    places = [np.argmin(apart, axis=-1)[..., None], np.argmax(apart, axis=-1)[..., None]]
    # The distance in steps of the least common multiple is a whole number.
    steps = first * (lcm // n) - second * (lcm // m)
    least, most = [np.take_along_axis(steps, at, axis=-1)[..., 0] for at in places]
    low, high = [np.take_along_axis(whole, at, axis=-1)[..., 0] for at in places]
    falls = {"less": True, "greater": False}.get(alternative, np.maximum(-least, 0) > most)
    h = np.where(falls, np.maximum(-least, 0), most)
    d = h / lcm
    if method == "asymp" or (method == "auto" and max(n, m) > 10000):
        p = _asymptotic_smirnov(h, d, n, m, lcm, alternative)
    else:
        if n * m * lcm > _LARGEST_TABLE:
            raise unsupported(name, f"the exact method for {n} and {m}", "use method='asymp'")
        p = nulls.looked_up(nulls.smirnov(n, m, alternative == "two-sided"), h)
    return KstestResult(d, np.clip(p, 0.0, 1.0), np.where(falls, low, high), cast(np.where(falls, -1, 1), np.int8))


def _asymptotic_smirnov(h: Any, d: Any, n: int, m: int, lcm: int, alternative: str) -> Any:
    big, small = float(max(n, m)), float(min(n, m))
    en = big * small / (big + small)
    if alternative == "two-sided":
        from scipy.stats import kstwo

        return nulls.looked_up(kstwo.sf(np.arange(lcm + 1) / lcm, np.round(en)), h)
    z = math.sqrt(en) * d
    return np.exp(-2 * z**2 - 2 * z * (big + 2 * small) / math.sqrt(big * small * (big + small)) / 3.0)


@_traced
def kstest(
    rvs: ArrayLike,
    cdf: Any,
    args: Any = (),
    N: int = 20,
    alternative: str = "two-sided",
    method: str = "auto",
    **rest: Any,
) -> KstestResult:
    """SciPy's `kstest` of two samples, as `ks_2samp`; with a distribution it is refused."""
    if isinstance(cdf, str) or callable(cdf) or isinstance(rvs, str) or callable(rvs):
        raise unsupported("kstest", "a test against a distribution", "compare with a sample of it")
    return ks_2samp(rvs, cdf, alternative=alternative, method=method, **rest)  # type: ignore[no-any-return]
