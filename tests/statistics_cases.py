"""Calls of the statistics of SciPy by name: the arguments that are traced, and keywords."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 9)) + 2, 1.3 * RNG.normal(size=(4, 9)) + 2.2
Z, P, Q = RNG.normal(size=(4, 7)) + 1, RNG.uniform(0.1, 1, size=(3, 9)), RNG.uniform(0.1, 1, size=(3, 9))
TIED, OTHER = np.array([1.0, 2, 2, 3, 3, 3, 4, 0, 5]), np.array([2.0, 2, 1, 3, 4, 3, 5, 1, 0])
UP = np.arange(40.0)
LEVELS = np.array([[0.05, 0.31, 0.52, 0.87]])
SIDES = ("two-sided", "less", "greater")
AXES: tuple[dict[str, Any], ...] = ({}, {"axis": None}, {"axis": 1, "keepdims": True}, {"axis": (0, 1)})

Case = tuple[tuple[Any, ...], dict[str, Any]]
CASES: dict[str, list[Case]] = {}


def add(names: str, *args: Any, **kwargs: Any) -> None:
    for name in names.split():
        CASES.setdefault(name, []).append((args, kwargs))


# -- of elements that are far apart -------------------------------------------------------------------------------

APART, ASIDE = np.array([3.1, 1.3, 4.2, 0.5, 9.0, 2.2, 6.4]), np.array([2.7, 2.3, 0.9, 5.1, 3.5, 9.2, 4.0])
add("chatterjeexi kendalltau wilcoxon median_test", APART, ASIDE)
add("rankdata", APART)
add("percentileofscore", APART, np.array([2.0, 3.5]))
add("moment", APART, order=3)

# -- moments and orders -------------------------------------------------------------------------------------------

for axes in AXES:
    add(
        "tmean tvar tstd tsem tmin tmax sem variation iqr median_abs_deviation mode kstat kstatvar skew kurtosis",
        X,
        **axes,
    )
    add("jarque_bera moment circmean circvar circstd", X, **axes)
    add("gmean hmean entropy", P, **axes)
add("gmean hmean", P, weights=Q, axis=1)
add("pmean", P, p=3, weights=Q, axis=1)
add("pmean", P, p=0)
add("pmean", P, p=-1.5)
add("tmean tvar tstd tsem", X, limits=(1.2, 2.5), axis=1)
add("tmean tvar tstd tsem", X, limits=(None, 2.5), inclusive=(True, False), axis=None)
add("tmin", X, lowerlimit=1.5, axis=1)
add("tmax", X, upperlimit=2.5, axis=1)
add("trim_mean", X, proportiontocut=0.2, axis=1)
add("circmean", X, high=180, low=-180, axis=1)
add("circstd", X, normalize=True)
add("circvar", X, high=3.0)
add("zscore", X)
add("zscore", X, axis=1, ddof=1)
add("zscore", X, axis=None)
add("zmap", X, Y, axis=1)
add("gzscore gstd", P)
add("gstd", P, axis=None)
add("gstd", P, axis=1, keepdims=True, ddof=0)
add("sem", X, ddof=0, axis=1)
add("variation", X, ddof=9, axis=1)
add("moment", X, order=[1, 2, 3], axis=1, keepdims=True)
add("moment", X, order=3, center=1.0)
add("moment", X, order=0)
add("skew", X, axis=1, bias=False)
add("kurtosis", X, axis=1, fisher=False, bias=False)
add("describe", X, axis=1)
add("describe", X, axis=None, bias=False, ddof=0)
for order in (1, 3, 4):
    add("kstat", X, n=order, axis=1)
add("kstatvar", X, n=1, axis=1)
add("lmoment", X, axis=1)
add("lmoment", X, order=3, axis=1, standardize=False)
add("lmoment", X[:, :3], axis=1, keepdims=True)
for side in SIDES:
    add("skewtest kurtosistest", X, axis=1, alternative=side)
add("normaltest", X, axis=1)
add("quantile", X, LEVELS, axis=1)
for method in ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "hazen", "weibull", "harrell-davis",
               "median_unbiased", "normal_unbiased", "interpolated_inverted_cdf"):  # fmt: skip
    add("quantile", X, LEVELS, axis=1, method=method)
add("quantile", X, 0.41, axis=None, keepdims=True)
add("quantile", X, np.array([0.1, 0.41, -1.0]), axis=None)
add("iqr", X, axis=1, rng=(10, 60), scale="normal", interpolation="lower")
add("median_abs_deviation", X, scale="normal", axis=1)
add("median_abs_deviation", X, center=np.mean)
add("scoreatpercentile", X, np.array([10.0, 56]), axis=1)
add("scoreatpercentile", X[0], 30.0, interpolation_method="lower")
for kind in ("rank", "weak", "strict", "mean"):
    add("percentileofscore", TIED, np.array([2.0, 3.5]), kind=kind)
for method in ("average", "min", "max", "dense", "ordinal"):
    add("rankdata", TIED, method=method)
    add("rankdata", X, method=method, axis=1)
add("tiecorrect mode", TIED)
add("mode", np.round(X), axis=1)
for level in (0.5, 0.1, 0.8):
    add("expectile", X[0], alpha=level, weights=np.abs(Y[0]))
add("entropy", P, Q, axis=1, base=2.0)
for method in ("auto", "vasicek", "van es", "correa", "ebrahimi"):
    add("differential_entropy", X, axis=1, method=method, base=2, window_length=2)
add("wasserstein_distance energy_distance", X[0], Z[1], P[0], Q[0][:7])
add("wasserstein_distance energy_distance wasserstein_distance_nd", X[0], Z[1])

# -- transformations ----------------------------------------------------------------------------------------------

for power in (0.7, -0.4, 3.0):
    add("boxcox", P, power)
    add("yeojohnson", X, power)
    add("boxcox_llf", power, P)
    add("yeojohnson_llf", power, X)

# -- normality, and counts in bins --------------------------------------------------------------------------------

add("shapiro", X[0, :3])
add("shapiro", X[:, :3], axis=1)
add("anderson", X[0])
add("anderson", X[0], method="interpolate")
add("anderson", P[0], dist="expon")
add("probplot", X[0])
add("probplot", X[0], sparams=(2.0,), dist="gamma", fit=False)
add("epps_singleton_2samp", X[0], Z[0])
add("epps_singleton_2samp", X, Z, t=(0.3, 1.1), axis=1)
add("cumfreq relfreq", X[0], numbins=4)
add("cumfreq relfreq", X[0], numbins=4, defaultreallimits=(1.0, 2.5), weights=np.abs(Y[0]))

# -- tests of means, of counts, of variances ----------------------------------------------------------------------

for side in SIDES:
    add("ttest_1samp", X, 1.5, axis=1, alternative=side)
    add("ttest_rel", X, Y, axis=1, alternative=side)
    add("ttest_ind", X, Z, axis=1, alternative=side)
    add("ttest_ind", X, Z, axis=1, alternative=side, equal_var=False, trim=0.2)
    add("ttest_ind_from_stats", 1.0, 2.0, 5.0, 1.5, 1.1, 7.0, equal_var=False, alternative=side)
add("ttest_ind_from_stats", 1.0, 2.0, 5.0, 1.5, 1.1, 7.0)
add("ttest_ind", X, Z, axis=1, keepdims=True)
for equal in (True, False):
    add("f_oneway", X, Y, Z, axis=1, equal_var=equal)
add("f_oneway kruskal", X)
for center in ("median", "mean", "trimmed"):
    add("levene fligner", X, Y, Z, axis=1, center=center, proportiontocut=0.2)
add("bartlett kruskal", X, Y, Z, axis=1)
add("obrientransform", X[0], Y[0])
add("bayes_mvs", X[0], 0.8)
add("bayes_mvs", RNG.normal(size=1200))
for power in (None, 0, -1, "cressie-read", "neyman", 0.3):
    add("power_divergence", P, lambda_=power)
    add("chi2_contingency", P, lambda_=power)
add("chisquare", P, axis=1)
add("chisquare", P, Q, axis=1, sum_check=False)
for correction in (True, False):
    add("chi2_contingency", P[:2, :2] * 20, correction=correction)
for ties in ("below", "above", "ignore"):
    add("median_test", TIED, OTHER, ties=ties)
for method in ("fisher", "pearson", "mudholkar_george", "tippett", "stouffer"):
    add("combine_pvalues", P, method=method, axis=1)
add("combine_pvalues", P, method="stouffer", weights=Q, axis=1)
add("false_discovery_control", P, axis=1)
add("false_discovery_control", P, axis=None, method="by")

# -- correlations -------------------------------------------------------------------------------------------------

for side in SIDES:
    add("pearsonr spearmanrho", X, Y, axis=1, alternative=side)
    add("linregress", X[0], Y[0], alternative=side)
    add("spearmanr", X.T, alternative=side)
    add("spearmanr", TIED, OTHER, alternative=side)
    for method in ("auto", "asymptotic"):
        add("kendalltau", X[0], Y[0], method=method, alternative=side)
    for variant in ("b", "c"):
        add("kendalltau", TIED, OTHER, variant=variant, alternative=side)
    for other in (UP, -UP, RNG.normal(size=40)):
        add("kendalltau", UP, other, alternative=side)
add("linregress", X, Y, axis=1)
add("pearsonr linregress", X[0, :2], Y[0, :2])
add("pointbiserialr kruskal chatterjeexi", TIED, OTHER)
for continuous in (True, False):
    add("chatterjeexi", X, Y, axis=1, y_continuous=continuous)
for method in ("separate", "joint"):
    add("theilslopes", X[0], Y[0], method=method)
    add("theilslopes", X[0], method=method, alpha=0.8)
add("theilslopes", TIED, OTHER)
for method in ("hierarchical", "separate"):
    add("siegelslopes", X[0], Y[0], method=method)
    add("siegelslopes", X[0], method=method)

# -- tests of ranks -----------------------------------------------------------------------------------------------

PAIRS = ((X[0], Z[0]), (TIED, OTHER))
for side in SIDES:
    for a, b in PAIRS:
        add("ranksums mannwhitneyu brunnermunzel mood ansari ks_2samp kstest", a, b, alternative=side)
        add("ks_2samp", a, b, alternative=side, method="asymp")
        add("ansari mannwhitneyu", a, b[:6], alternative=side)
        add("brunnermunzel", a, b, alternative=side, distribution="normal")
    add("mannwhitneyu", TIED, OTHER, alternative=side, method="exact")
    add("mannwhitneyu", X, Z, axis=1, alternative=side, method="asymptotic", use_continuity=False)
    add("ks_2samp", X[0], Y[0], alternative=side)
    for zeros in ("wilcox", "pratt", "zsplit"):
        add("wilcoxon", X[0] - 2, zero_method=zeros, alternative=side)
        add("wilcoxon", TIED, OTHER, zero_method=zeros, alternative=side)
        long = np.concatenate([TIED, TIED - 1.5, X[0]]), np.concatenate([OTHER, OTHER, Y[0]])
        add("wilcoxon", *long, zero_method=zeros, alternative=side, correction=True)
    add("wilcoxon", X[0], Y[0], alternative=side, method="exact")
    add("wilcoxon", X.ravel()[:20] - 2, alternative=side)
    add("wilcoxon", TIED, OTHER, alternative=side, method="asymptotic")
add("friedmanchisquare", X, Y, X + Y, axis=1)
add("friedmanchisquare", TIED, OTHER, OTHER + 0.5)
