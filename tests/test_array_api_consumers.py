"""Libraries that are written for the Python array API standard, on traced values: array-api-compat, array-api-extra,
and SciPy with its switch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import graphad
import graphad.numpy as gnp
from graphad.errors import TracerError

pytest.importorskip("array_api_compat")

RNG = np.random.default_rng(17)
X = RNG.uniform(0.1, 0.9, (3, 4))
Y = RNG.uniform(0.2, 0.8, (3, 4))


def test_compat_finds_the_namespace():
    from array_api_compat import array_namespace, is_array_api_obj

    def f(x, y):
        assert is_array_api_obj(x)
        assert array_namespace(x, y) is gnp
        return x

    graphad.jit(f)(X, Y)


EXTRA = {
    "angle": lambda xpx, x, y: xpx.angle(x + 1j * y),
    "apply_where": lambda xpx, x, y: xpx.apply_where(x > 0.5, (x, y), lambda a, b: np.log(a) * b, lambda a, b: a + b),
    "apply_where fill": lambda xpx, x, y: xpx.apply_where(x > 0.5, (x,), lambda a: a**2, fill_value=0.0),
    "argpartition": lambda xpx, x, y: np.take_along_axis(x, xpx.argpartition(x, 1, axis=1)[:, 1:2], axis=1),
    "at set": lambda xpx, x, y: xpx.at(x)[0].set(y[0]),
    "at add": lambda xpx, x, y: xpx.at(x, 1).add(2 * y[1]),
    "at multiply": lambda xpx, x, y: xpx.at(x, (slice(None), 0)).multiply(y[:, 0]),
    "at max": lambda xpx, x, y: xpx.at(x)[1:].max(y[1:]),
    "at mask": lambda xpx, x, y: xpx.at(xpx.at(x)[x > 0.5].add(2.0))[y > 0.5].set(0.0),
    "atleast_nd": lambda xpx, x, y: xpx.atleast_nd(x, ndim=3),
    "cov": lambda xpx, x, y: xpx.cov(x),
    "create_diagonal": lambda xpx, x, y: xpx.create_diagonal(x[0], offset=1),
    "deg2rad": lambda xpx, x, y: xpx.deg2rad(x) + xpx.rad2deg(y),
    "isclose": lambda xpx, x, y: xpx.isclose(x, y, rtol=0.5, atol=0.1),
    "isin": lambda xpx, x, y: xpx.isin(x, x[0]),
    "kron": lambda xpx, x, y: xpx.kron(x, y),
    "nan_to_num": lambda xpx, x, y: xpx.nan_to_num(x * y),
    "nanmean": lambda xpx, x, y: xpx.nanmean(x, axis=0) + xpx.nansum(y),
    "nunique": lambda xpx, x, y: xpx.nunique(x),
    "one_hot": lambda xpx, x, y: xpx.one_hot(np.argmax(x, axis=1), 4) * x,
    "pad": lambda xpx, x, y: xpx.pad(x, ((1, 0), (0, 2)), constant_values=2.0),
    "partition": lambda xpx, x, y: np.sort(xpx.partition(x, 2, axis=1)[:, :2], axis=1),
    "searchsorted": lambda xpx, x, y: xpx.searchsorted(np.sort(x[0]), y[0]),
    "sinc": lambda xpx, x, y: xpx.sinc(x),
}


@pytest.mark.parametrize("name", EXTRA)
def test_array_api_extra(name):
    xpx = pytest.importorskip("array_api_extra")
    call = EXTRA[name]
    wanted = call(xpx, X.copy(), Y)
    found = graphad.jit(lambda x, y: call(xpx, x, y), executor="numpy")(X, Y)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert np.asarray(found).dtype == np.asarray(wanted).dtype
    if np.asarray(wanted).dtype.kind == "f":
        graphad.check_grads(lambda x, y: call(xpx, x.copy(), y) * 1.0, (X, Y), order=1)


@pytest.mark.parametrize("name", ["setdiff1d", "union1d"])
def test_sets_need_values(name):
    """Their sizes depend on values: refused in compiled functions, computed where values are known."""
    call = getattr(pytest.importorskip("array_api_extra"), name)
    with pytest.raises(TracerError, match="size"):
        graphad.jit(call)(X, Y)
    gradient = graphad.grad(lambda x: np.sum(call(x, x[:1]) ** 2))(X)
    first = np.arange(3)[:, None] == 0
    np.testing.assert_allclose(gradient, np.where(first & (name == "setdiff1d"), 0, 2 * X))


SCIPY = """
    import json
    import warnings
    import numpy as np
    from scipy import fft, integrate, linalg, optimize, signal, special, stats
    from scipy.cluster.vq import whiten
    from scipy.spatial.transform import Rotation
    import graphad

    warnings.simplefilter("ignore")
    X = np.random.default_rng(2).uniform(0.2, 0.8, (5, 4))
    both = lambda r: r.statistic + r.pvalue
    rows = lambda x: np.concat([x, x**2, x**3])
    columns = lambda x: [x[:, i] + 0.1 * i * x[:, 0] ** 2 for i in range(3)]
    shapes = {
        "stats": lambda f: lambda x: f(x, axis=0),
        "integrate": lambda f: lambda x: f(x, axis=0),
        "tests": lambda f: lambda x: both(f(rows(x), axis=0)),
        "tests of pairs": lambda f: lambda x: both(f(x, np.sin(9 * x), axis=0)),
        "tests of groups": lambda f: lambda x: both(f(*columns(x))),
        "fft": lambda f: lambda x: np.real(f(x)) + np.imag(f(x)),
        "special": lambda f: lambda x: f(x),
        "special of two": lambda f: lambda x: f(x, 0.1 + x**2),
        "optimize": lambda f: lambda x: f(x[0]),
        "signal": lambda f: lambda x: f(x, x[:3, :2]),
    }
    modules = {"stats": stats, "tests": stats, "integrate": integrate, "fft": fft, "special": special}
    modules |= {"optimize": optimize, "signal": signal}
    compiled = {
        f"{kind}: {name}": shapes[kind](getattr(modules[kind.split()[0]], name))
        for kind, names in NAMES.items()
        for name in names.split()
    } | {
        "stats: boxcox_llf": lambda x: stats.boxcox_llf(0.7, x, axis=0),
        "stats: moment": lambda x: stats.moment(x, 3, axis=0),
        "stats: zmap": lambda x: stats.zmap(x, x**2),
        "stats: ttest_1samp": lambda x: both(stats.ttest_1samp(x, 0.4, axis=0)),
        "stats: directional_stats": lambda x: stats.directional_stats(x, axis=0).mean_resultant_length,
        "linalg: fiedler": lambda x: linalg.fiedler(x[0]),
        "linalg: block_diag": lambda x: linalg.block_diag(x, x[:2]),
        "cluster: whiten": whiten,
        "signal: hilbert": lambda x: np.abs(signal.hilbert(x)),
        "signal: envelope": signal.envelope,
        "signal: resample": lambda x: signal.resample(x, 8, axis=0),
        "signal: freqz_zpk": lambda x: np.abs(signal.freqz_zpk(x[0], x[1] + 0.9, 1.0, worN=8)[1]),
        "signal: vectorstrength": lambda x: signal.vectorstrength(x[0], 0.3)[0],
        "signal: zpk2tf": lambda x: signal.zpk2tf(x[0], x[1], 2.0)[0],
        "Rotation: apply": lambda x: Rotation.from_rotvec(x[0, :3]).apply(x[1, :3]),
        "Rotation: as_matrix": lambda x: Rotation.from_quat(x[0]).as_matrix(),
        "Rotation: from_euler": lambda x: Rotation.from_euler("xyz", x[0, :3]).as_quat(),
        "Rotation: product": lambda x: (Rotation.from_rotvec(x[0, :3]) * Rotation.from_mrp(x[1, :3])).as_rotvec(),
    }
    known = {
        "hmean": lambda x: stats.hmean(x, axis=0),
        "iqr": lambda x: stats.iqr(x, axis=0),
        "quantile": lambda x: stats.quantile(x, 0.3, axis=0),
        "rankdata": lambda x: stats.rankdata(x, axis=0),
        "levene": lambda x: both(stats.levene(*columns(x))),
        "orthogonal_procrustes": lambda x: linalg.orthogonal_procrustes(x, x**2 + 1)[0],
    }

    def mark(f, transform):
        wanted = np.asarray(f(X))
        weights = np.cos(np.arange(wanted.size)).reshape(wanted.shape)
        loss = lambda x: np.sum(weights * f(x))
        step = np.sin(np.arange(20.0)).reshape(5, 4)
        difference = (loss(X + 1e-6 * step) - loss(X - 1e-6 * step)) / 2e-6
        value, gradient = transform(f)(X), transform(graphad.grad(loss))(X)
        slope = np.sum(gradient * step)
        right = np.allclose(value, wanted, rtol=1e-9), np.isclose(slope, difference, rtol=1e-4, atol=1e-6)
        return "yes" if all(right) else f"{right} {slope} {difference}"

    marks = {}
    for calls, transform in ((compiled, lambda f: graphad.jit(f, executor="numpy")), (known, lambda f: f)):
        for name, f in calls.items():
            try:
                marks[name] = mark(f, transform)
            except Exception as error:
                marks[name] = f"{type(error).__name__}: {str(error)[:200]}"
    print(json.dumps(marks))
"""
NAMES = {
    "stats": "gmean skew kurtosis sem variation zscore gzscore gstd kstat kstatvar lmoment entropy tmean tvar tstd tsem"
    " circmean circvar circstd differential_entropy",
    "tests": "jarque_bera skewtest kurtosistest normaltest chisquare combine_pvalues",
    "tests of pairs": "ttest_ind ttest_rel pearsonr",
    "tests of groups": "bartlett alexandergovern",
    "fft": "fft ifft rfft irfft fftn ifftn irfftn hfft ihfft fftshift",
    "special": "ellipk entr erf erfc erfcx erfinv exp1 exp10 expi expit exprel gamma gammaln i0 i0e i1 i1e j0 j1 k0 k1"
    " log_ndtr log_softmax logit logsumexp ndtr ndtri psi rgamma sinc softmax spence y0 y1",
    "special of two": "betaln binom boxcox gammainc gammaincc huber kl_div poch pseudo_huber rel_entr stdtr xlog1py"
    " xlogy",
    "optimize": "rosen rosen_der rosen_hess",
    "integrate": "trapezoid cumulative_trapezoid cumulative_simpson romb",
    "signal": "fftconvolve oaconvolve",
}
"""What traces in compiled functions with SciPy's switch; `known` in the script holds some that look at values."""


def test_scipy_with_its_switch(tmp_path):
    """SciPy's functions that are written for the standard, with `SCIPY_ARRAY_API=1`: values and gradients."""
    script = tmp_path / "consumer.py"
    script.write_text(f"NAMES = {NAMES}\n" + textwrap.dedent(SCIPY))
    run = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    marks = json.loads(run.stdout.splitlines()[-1])
    assert {name: mark for name, mark in marks.items() if mark != "yes"} == {}
    assert len(marks) >= 110


def test_scipy_finds_the_special_functions():
    """SciPy looks for them in `xp.special`, so that what it builds on them traces."""
    import graphad.scipy.special

    assert gnp.special is graphad.scipy.special
