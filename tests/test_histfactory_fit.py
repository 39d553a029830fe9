"""Fits of HistFactory likelihoods: the minimum against pyhf's, uncertainties, bounds, finite differences."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from histfactory_cases import EXAMPLES, FILES, MU, channel, peer, read, sample, workspace

from graphad.interop.fit import FitError, fit
from graphad.interop.histfactory import load


@pytest.mark.parametrize("executor", ["numpy", pytest.param("numba", marks=pytest.mark.slow), "llvm"])
@pytest.mark.parametrize("file", FILES)
def test_best_fit_is_pyhfs(file: str, executor: str) -> None:
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
    for measurement in read(file)["measurements"]:
        model = load(EXAMPLES / file, measurement["name"])
        other, data = peer(read(file), measurement["name"])
        _, twice_nll = pyhf.infer.mle.fit(data, other, return_fitted_val=True)
        result = fit(model, executor)
        assert result.converged
        assert result.edm < 1e-10
        assert result.nll == pytest.approx(float(twice_nll) / 2, rel=1e-6)
        assert result.nll <= float(twice_nll) / 2 + 1e-9
        assert (result.params >= model.bounds[:, 0]).all()
        assert (result.params <= model.bounds[:, 1]).all()
        np.testing.assert_array_equal(result.params[model.fixed], model.init[model.fixed])


def test_uncertainties_are_the_curvature_of_the_likelihood() -> None:
    model = load(EXAMPLES / "three-channel.json")
    result = fit(model)
    inner = np.flatnonzero(np.isfinite(result.uncertainties))
    assert set(np.array(model.parameters)[~np.isfinite(result.uncertainties)]) == {
        "fakes_shape[2]",
        "stat_control_top[2]",
    }
    step = 1e-4
    hessian = np.empty((len(inner), len(inner)))
    for row, i in enumerate(inner):
        for column, j in enumerate(inner):
            signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
            shifted = [
                result.params + step * (a * np.eye(len(model.init))[i] + b * np.eye(len(model.init))[j])
                for a, b in signs
            ]
            values = [float(model.nll(each)) for each in shifted]
            hessian[row, column] = (values[0] - values[1] - values[2] + values[3]) / (4 * step**2)
    numeric = np.sqrt(np.diagonal(np.linalg.inv(hessian)))
    np.testing.assert_allclose(result.uncertainties[inner], numeric, rtol=1e-4)


def test_a_poisson_count_has_the_uncertainty_of_its_root() -> None:
    result = fit(load(workspace(channel("c", sample("s", [100.0], mu=MU)))))
    np.testing.assert_allclose([result.params[0], result.uncertainties[0]], [1.0, 0.1], rtol=1e-9)


def test_a_parameter_pushed_against_its_bound() -> None:
    spec = workspace(channel("c", sample("s", [10.0], mu=MU), sample("b", [50.0], g=("shapesys", [5.0]))))
    spec["observations"][0]["data"] = [40.0]
    result = fit(load(spec))
    assert result.params[0] == 0.0
    assert result.at_bound.tolist() == [True, False]
    assert np.isnan(result.uncertainties[0])
    assert result.uncertainties[1] > 0
    assert result.converged


def test_finite_differences_find_the_same_minimum_with_more_evaluations() -> None:
    model = load(EXAMPLES / "three-channel.json")
    exact, differences = fit(model), fit(model, gradient="2-point")
    assert differences.nll == pytest.approx(exact.nll, rel=1e-8)
    assert exact.nll <= differences.nll + 1e-12
    assert differences.evaluations > 5 * exact.evaluations
    assert np.isnan(differences.uncertainties).all()


def test_a_start_outside_the_bounds_is_moved_inside() -> None:
    spec = workspace(
        channel("c", sample("s", [10.0], mu=MU)),
        parameters=({"name": "mu", "inits": [7.0], "bounds": [[0.5, 3.0]]},),
    )
    np.testing.assert_allclose(fit(load(spec)).params, [1.0], rtol=1e-9)


def test_nothing_to_fit() -> None:
    spec = workspace(channel("c", sample("s", [10.0], mu=MU)), parameters=({"name": "mu", "fixed": True},))
    with pytest.raises(FitError, match="every parameter is fixed"):
        fit(load(spec))


def test_a_start_without_a_likelihood() -> None:
    spec = workspace(channel("c", sample("s", [10.0, 0.0], mu=MU)))
    spec["observations"][0]["data"] = [10.0, 2.0]
    with pytest.raises(FitError, match="expects no events but observed some"):
        fit(load(spec))


def test_an_unknown_gradient() -> None:
    with pytest.raises(ValueError, match=r'"exact" or "2-point", not .3-point.'):
        fit(load(EXAMPLES / FILES[0]), gradient="3-point")
