"""SciPy's functions by simpler ones: on their whole domains, edges included, with SciPy's digits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.special
from scipy.special import _ufuncs

import graphad
from graphad.op import OPS
from graphad.ops.compositions import COMPOSITIONS, SEARCHES
from graphad.ops.compositions.roots import lambert_w
from graphad.ops.special.bessel import Bessel
from graphad.ops.special.struve import KelvinDerivative

MAGNITUDES = 10.0 ** np.random.default_rng(7).uniform(-9, 2, 150)
EDGES = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 10.0, 30.0, 45.0, 90.0, 120.0])
SIZES = np.concatenate([MAGNITUDES, EDGES, [np.inf, np.nan]])
ALL = np.concatenate([SIZES, -SIZES])
UNIT = np.concatenate([np.linspace(0, 1, 41), MAGNITUDES[MAGNITUDES < 1]])
ROUGH = {
    "psi": 1e-11, "riemann_zeta": 1e-12, "zetac": 1e-12, "rgamma": 1e-13, "elliprj": 1e-13,
    "kv": 2e-13, "kve": 2e-13, "iv": 2e-12, "ive": 2e-12, "betaincc": 2e-13, "betaincinv": 1e-13, "betainccinv": 1e-13,
}  # fmt: skip
"""Where terms cancel near zeros, or a logarithm or rounding is raised, as in SciPy's own; 2e-14 elsewhere."""
WAVES = ("j0", "j1", "y0", "y1")
"""Where zeros are as many as digits: there SciPy's own are absolute ones."""
SEARCHED_TO: dict[str, float] = dict.fromkeys(("bdtrik", "bdtrin", "nbdtrik", "nbdtrin", "tklmbda"), 1e-9)
"""Where SciPy's own search ends."""


def sizes(low: float, high: float) -> Any:
    return 10.0 ** np.random.default_rng(3).permutation(np.linspace(low, high, 120))


def probabilities(seed: int, least: float = -10.0) -> Any:
    """From both ends, and between."""
    u, v = np.random.default_rng(seed).uniform(0, 1, 40), 10.0 ** np.linspace(least, -0.4, 40)
    return np.concatenate([u, v, 1 - v])


P, FAIR = probabilities(4), probabilities(5, -1.5)
COUNTS = np.floor(sizes(0, 2))[::-1]
RANGES: dict[str, Any] = {
    "cotdg": (ALL[np.abs(ALL) > 20],),  # below SciPy's own loses digits
    "erfcinv": (2 * UNIT,),
    "kolmogi": (UNIT,),
    "ndtri_exp": (-SIZES,),
    "ellipeinc": (ALL, np.random.default_rng(9).permutation(np.where(np.isinf(ALL), -3.0, ALL))),  # SciPy's sign there
    "zetac": (ALL[np.abs(ALL) < 60],),  # beyond SciPy gives 0
    "powm1": (SIZES, np.random.default_rng(8).permutation(ALL)[: SIZES.size] / 20),
    "gammaincinv": (sizes(-1, 5), P),
    "gammainccinv": (sizes(-1, 5), P),
    "gdtria": (P, sizes(-1, 4), MAGNITUDES[:120]),
    "gdtrib": (sizes(-2, 2), P, sizes(-2, 1)[::-1]),
    "chdtriv": (P, sizes(-2, 3)),
    "pdtrik": (P, sizes(-1, 3)),
    "betaincc": (sizes(-2, 2), sizes(-2, 3)[::-1], P),
    "betaincinv": (sizes(-1, 3), sizes(-1, 3)[::-1], P),
    "betainccinv": (sizes(-1, 3), sizes(-1, 3)[::-1], P),
    "btdtria": (P, sizes(-1, 3), FAIR),
    "btdtrib": (sizes(-1, 3), P, FAIR),
    "bdtrik": (P, sizes(0, 3), FAIR),
    "bdtrin": (COUNTS, FAIR, np.roll(FAIR, 31)),
    "nbdtrik": (FAIR, sizes(0, 2), np.roll(FAIR, 31)),
    "nbdtrin": (COUNTS, FAIR, np.roll(FAIR, 31)),
    "kv": (np.r_[np.arange(20), sizes(-8, 2)[20:]], np.r_[sizes(-12, 2)]),
    "kve": (np.r_[np.arange(20), sizes(-8, 2)[20:]], np.r_[sizes(-12, 3)]),
    "iv": (np.r_[np.arange(20), sizes(-8, 2)[20:80], -sizes(-2, 1)[80:]], sizes(-4, 2)[::-1]),
    "ive": (np.r_[np.arange(20), sizes(-8, 2)[20:80], -sizes(-2, 1)[80:]], sizes(-4, 4)[::-1]),
    "stdtr": (sizes(-1, 8), ALL[:120] / 5),
    "stdtrit": (sizes(-1, 8), P),
    "tklmbda": (8 * FAIR - 4, 3 * P[::-1] - 1.5),
    "pseudo_huber": (SIZES, np.random.default_rng(8).permutation(ALL)[: SIZES.size]),
}


def operands(name: str) -> list[Any]:
    count = OPS[name].ufunc.nin  # type: ignore[union-attr]
    if name in RANGES:
        return list(RANGES[name])
    rng = np.random.default_rng(11)
    return [ALL] if count == 1 else [rng.permutation(np.tile(np.concatenate([ALL, SIZES]), 3)) for _ in range(count)]


KELVIN = {"ber": "bei", "berp": "beip", "ker": "kei", "kerp": "keip"}
"""SciPy's have ten digits of the larger of real and imaginary part."""


@pytest.mark.parametrize("name", KELVIN)
def test_digits_of_kelvins_functions(name: str) -> None:
    x = np.concatenate([sizes(-9, 2.8), np.linspace(0.9, 34, 80), [0, -3, np.nan]])
    with np.errstate(all="ignore"):
        real, imaginary = [getattr(_ufuncs, k)(x) for k in (name, KELVIN[name])]
        (found,) = graphad.trace(lambda x: COMPOSITIONS[name](x) + 1j * COMPOSITIONS[KELVIN[name]](x))(x).eval(x)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(real))
    ordinary = np.isfinite(real) & (x != 0)
    np.testing.assert_allclose(found[ordinary], (real + 1j * imaginary)[ordinary], 1e-9)
    np.testing.assert_allclose([found[-3].real, found[-3].imag], [real[-3], imaginary[-3]], 1e-15)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_derivatives_of_kelvins_functions(n: int) -> None:
    x = np.concatenate([sizes(-1, 2), np.linspace(0.9, 34, 80), [np.nan]])
    for real, imaginary in (("ber", "bei"), ("ker", "kei")):
        ops = [KelvinDerivative(name, n) for name in (real, imaginary)]
        with np.errstate(all="ignore"):
            wanted = ops[0].eval(np, x) + 1j * ops[1].eval(np, x)
            (found,) = graphad.trace(lambda x: ops[0].composed(x) + 1j * ops[1].composed(x))(x).eval(x)  # noqa: B023
        np.testing.assert_allclose(found, wanted, 1e-11)


@pytest.mark.parametrize("name", sorted(COMPOSITIONS.keys() - {*KELVIN, *KELVIN.values()}))
def test_digits_of_scipy(name: str) -> None:
    xs = operands(name)
    ufunc = getattr(_ufuncs, OPS[name].ufunc.__name__)  # type: ignore[union-attr]
    with np.errstate(all="ignore"):
        wanted = ufunc(*xs)
        (found,) = graphad.trace(COMPOSITIONS[name])(*xs).eval(*xs)
    absolute = 2e-15 if name in WAVES else 1e-305
    np.testing.assert_allclose(found, wanted, rtol=ROUGH.get(name, SEARCHED_TO.get(name, 2e-14)), atol=absolute)


EXACT = sorted((SEARCHES - SEARCHED_TO.keys()) | {"betaincc", "gdtria", "stdtr", "stdtrit", "kv", "kve"})


@pytest.mark.parametrize("name", EXACT)
def test_edges_are_those_of_scipy_or_refused(name: str) -> None:
    ufunc = getattr(_ufuncs, name)
    edges = [-1, 0, 0.3, 1, 2.5, 40, np.inf, np.nan]
    xs = list(np.array(list(itertools.product(edges, repeat=ufunc.nin))).T)
    with np.errstate(all="ignore"):
        wanted = ufunc(*xs)
        (found,) = graphad.trace(COMPOSITIONS[name])(*xs).eval(*xs)
    np.testing.assert_allclose(np.where(np.isnan(found), np.nan, wanted), found, 1e-12)


@pytest.mark.parametrize("kind", ["jv", "iv", "ive"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 30, 100])
def test_digits_of_bessel_functions_of_a_whole_order(kind: str, n: int) -> None:
    x = np.concatenate([sizes(-2, 3 if kind == "jv" else 2.7), [0, -0.7, -50, np.inf, np.nan]])
    op = Bessel(kind, n)
    with np.errstate(all="ignore"):
        wanted = getattr(scipy.special, kind)(float(n), x)
        (found,) = graphad.trace(op.composed)(x).eval(x)
    ordinary = np.isfinite(x)
    np.testing.assert_allclose(found[ordinary], wanted[ordinary], 1e-12, 1e-13 if kind == "jv" else 1e-290)


def test_lambert_w_on_its_branches() -> None:
    rng = np.random.default_rng(5)
    z = 10.0 ** rng.uniform(-6, 4, 900) * np.exp(1j * rng.uniform(-np.pi, np.pi, 900))
    z = np.concatenate([z, z.real + 0j, -np.exp(-1) + 0.01 * z[np.abs(z) > 1e-2], [0, 1, -1, -0.2, 1e-300, 1e300]])
    k = rng.integers(-3, 4, z.size)
    k[:300], k[900:1200], k[1200:1500] = 0, -1, 0
    (found,) = graphad.trace(lambert_w)(k, z).eval(k, z)
    np.testing.assert_allclose(found, scipy.special.lambertw(z, k), 1e-12)


def test_an_executor_without_scipy_computes_them() -> None:
    class Few:
        name, pipeline, fallback = "few", "simplify, cse, dce", False

        def supports(self, op: Any) -> bool:
            return not getattr(op, "lazy", False)

        def compile(self, graph: Any) -> Any:
            assert not [node for node in graph.walk() if not self.supports(node.op)]
            return graphad.executors.get("numpy").compile(graph)

    x = np.array([0.3, 0.7, 0.9], np.float32)
    found = graphad.jit(graphad.value_and_grad(lambda x: np.sum(scipy.special.ellipe(x))), executor=Few())(x)
    wanted = graphad.value_and_grad(lambda x: np.sum(scipy.special.ellipe(x)))(x)
    np.testing.assert_allclose(found[0], wanted[0], 1e-6)
    np.testing.assert_allclose(found[1], wanted[1], 1e-5)
    assert found[1].dtype == np.float32
