"""SciPy's functions by simpler ones: on their whole domains, edges included, with SciPy's digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
from scipy.special import _ufuncs

import graphad
from graphad.op import OPS
from graphad.ops.compositions import COMPOSITIONS
from graphad.ops.compositions.roots import lambert_w

MAGNITUDES = 10.0 ** np.random.default_rng(7).uniform(-9, 2, 150)
EDGES = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 10.0, 30.0, 45.0, 90.0, 120.0])
SIZES = np.concatenate([MAGNITUDES, EDGES, [np.inf, np.nan]])
ALL = np.concatenate([SIZES, -SIZES])
UNIT = np.concatenate([np.linspace(0, 1, 41), MAGNITUDES[MAGNITUDES < 1]])
ROUGH = {"psi": 1e-11, "riemann_zeta": 1e-12, "zetac": 1e-12, "rgamma": 1e-13, "elliprj": 1e-13}
"""Where terms cancel near zeros, or a logarithm is raised, as in SciPy's own; 2e-14 elsewhere."""
WAVES = ("j0", "j1", "y0", "y1")
"""Where zeros are as many as digits: there SciPy's own are absolute ones."""
RANGES: dict[str, Any] = {
    "cotdg": (ALL[np.abs(ALL) > 20],),  # below SciPy's own loses digits
    "erfcinv": (2 * UNIT,),
    "kolmogi": (UNIT,),
    "ndtri_exp": (-SIZES,),
    "ellipeinc": (ALL, np.random.default_rng(9).permutation(np.where(np.isinf(ALL), -3.0, ALL))),  # SciPy's sign there
    "zetac": (ALL[np.abs(ALL) < 60],),  # beyond SciPy gives 0
    "powm1": (SIZES, np.random.default_rng(8).permutation(ALL)[: SIZES.size] / 20),
    "pseudo_huber": (SIZES, np.random.default_rng(8).permutation(ALL)[: SIZES.size]),
}


def operands(name: str) -> list[Any]:
    count = OPS[name].ufunc.nin  # type: ignore[union-attr]
    if name in RANGES:
        return list(RANGES[name])
    rng = np.random.default_rng(11)
    return [ALL] if count == 1 else [rng.permutation(np.tile(np.concatenate([ALL, SIZES]), 3)) for _ in range(count)]


@pytest.mark.parametrize("name", sorted(COMPOSITIONS))
def test_digits_of_scipy(name: str) -> None:
    xs = operands(name)
    ufunc = getattr(_ufuncs, OPS[name].ufunc.__name__)  # type: ignore[union-attr]
    with np.errstate(all="ignore"):
        wanted = ufunc(*xs)
        (found,) = graphad.trace(COMPOSITIONS[name])(*xs).eval(*xs)
    absolute = 2e-15 if name in WAVES else 1e-305
    np.testing.assert_allclose(found, wanted, rtol=ROUGH.get(name, 2e-14), atol=absolute)


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
