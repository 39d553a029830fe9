"""HistFactory likelihoods: their values against pyhf's, their graphs and their derivatives."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from histfactory_cases import CODES, EXAMPLES, FILES, MU, SMALL, channel, peer, points, read, sample, workspace

import graphad
from graphad.interop.histfactory import Interpolation, Model, load


def assert_same_likelihood(model: Model, other: Any, data: Any) -> None:
    assert list(model.parameters) == other.config.par_names
    np.testing.assert_array_equal(model.init, other.config.suggested_init())
    np.testing.assert_array_equal(model.bounds, other.config.suggested_bounds())
    assert model.fixed.tolist() == other.config.suggested_fixed()
    assert model.poi == other.config.poi_index
    for params in [model.init, *points(model, 20)]:
        np.testing.assert_allclose(model.expected(params), other.expected_actualdata(params), rtol=1e-12)
        np.testing.assert_allclose(model.nll(params), -other.logpdf(params, data)[0], rtol=1e-12)


@pytest.mark.parametrize("codes", CODES, ids="/".join)
@pytest.mark.parametrize("file", FILES)
def test_likelihood_of_the_examples_is_pyhfs(file: str, codes: tuple[str, str]) -> None:
    for measurement in read(file)["measurements"]:
        model = load(EXAMPLES / file, measurement["name"], Interpolation(*codes))
        assert_same_likelihood(model, *peer(read(file), measurement["name"], codes))


@pytest.mark.parametrize("codes", CODES, ids="/".join)
@pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)
def test_likelihood_of_small_workspaces_is_pyhfs(spec: dict[str, Any], codes: tuple[str, str]) -> None:
    assert_same_likelihood(load(spec, interpolation=Interpolation(*codes)), *peer(spec, codes=codes))


def test_channels_are_sorted_and_sliced() -> None:
    model = load(EXAMPLES / "three-channel.json")
    assert list(model.channels) == ["control_top", "control_wjets", "signal_region"]
    assert model.observed[model.channels["signal_region"]].tolist() == [104.0, 83.0, 51.0, 27.0]


def test_lumi_starts_at_its_auxiliary_measurement() -> None:
    spec = workspace(
        channel("c", sample("s", [5.0], mu=MU, lumi=("lumi", None))),
        parameters=({"name": "lumi", "auxdata": [2.0], "sigmas": [0.1]},),
    )
    model = load(spec)
    lumi = model.parameters.index("lumi")
    assert model.init[lumi] == 2.0
    assert model.bounds[lumi].tolist() == [0.0, 20.0]


def test_an_empty_bin_without_events_costs_nothing() -> None:
    spec = workspace(channel("c", sample("s", [3.0, 0.0], mu=MU)))
    np.testing.assert_allclose(load(spec).nll(np.array([1.0])), -peer(spec)[0].logpdf([1.0], [3.0, 0.0])[0])


def test_unknown_interpolation() -> None:
    with pytest.raises(ValueError, match=r"'code9' for histosys; known are code0, code4p"):
        Interpolation(histosys="code9")


# Tracing, differentiating, compiling


@pytest.mark.parametrize("file", FILES)
def test_the_graph_computes_the_likelihood(file: str) -> None:
    model = load(EXAMPLES / file)
    graph = graphad.trace(model.nll)(model.init)
    params = points(model, 1)[0]
    np.testing.assert_allclose(graphad.jit(model.nll)(params), model.nll(params), rtol=1e-12)
    assert len(graph.nodes) < 100


def test_the_graph_does_not_grow_with_bins_or_samples() -> None:
    def spec(bins: int, samples: int) -> dict[str, Any]:
        data = [50.0] * bins
        alpha = ("histosys", {"hi_data": [52.0] * bins, "lo_data": [49.0] * bins})
        parts = (sample(f"s{i}", data, mu=MU, a=alpha, stat=("staterror", data)) for i in range(samples))
        return workspace(channel("c", *parts))

    def size(model: Model) -> int:
        return len(graphad.trace(model.nll)(model.init).nodes)

    assert size(load(spec(2, 1))) == size(load(spec(40, 6)))


@pytest.mark.parametrize("executor", ["numpy", "numba", "llvm"])
@pytest.mark.parametrize("codes", CODES, ids="/".join)
@pytest.mark.parametrize("file", FILES)
def test_gradient_against_central_differences(file: str, codes: tuple[str, str], executor: str) -> None:
    model = load(EXAMPLES / file, interpolation=Interpolation(*codes))
    gradient = graphad.jit(graphad.grad(model.nll), executor=executor)
    for params in points(model, 3, seed=1):
        step = 1e-6 * np.eye(len(params))
        numeric = [(model.nll(params + each) - model.nll(params - each)) / 2e-6 for each in step]
        np.testing.assert_allclose(gradient(params), numeric, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("file", FILES)
def test_hessian_against_differences_of_the_gradient(file: str) -> None:
    model = load(EXAMPLES / file)
    gradient, hessian = graphad.jit(graphad.grad(model.nll)), graphad.jit(graphad.hessian(model.nll))
    params = points(model, 1, seed=2)[0]
    step = 1e-6 * np.eye(len(params))
    numeric = np.stack([(gradient(params + each) - gradient(params - each)) / 2e-6 for each in step])
    np.testing.assert_allclose(hessian(params), numeric, rtol=1e-4, atol=1e-4)


def test_gradient_where_a_factor_is_zero() -> None:
    model = load(EXAMPLES / "three-channel.json")
    params = np.where(np.array(model.parameters) == "mu", 0.0, model.init)
    slope = graphad.grad(model.nll)(params)
    mu = model.parameters.index("mu")
    ahead = params + 1e-7 * (np.arange(len(params)) == mu)
    assert np.isfinite(slope).all()
    np.testing.assert_allclose(slope[mu], (model.nll(ahead) - model.nll(params)) / 1e-7, rtol=1e-5)


def test_at_zero_a_kink_has_the_mean_of_its_two_slopes() -> None:
    spec = copy.deepcopy(SMALL["variations of one sign, and a large one"])
    spec["observations"][0]["data"] = [90.0, 40.0]
    model = load(spec, interpolation=Interpolation("code0", "code1"))
    one = model.parameters.index("one")
    step = 1e-7 * (np.arange(len(model.init)) == one)
    sides = [(model.nll(model.init + sign * step) - model.nll(model.init)) / (sign * 1e-7) for sign in (1, -1)]
    np.testing.assert_allclose(graphad.grad(model.nll)(model.init)[one], np.mean(sides), rtol=1e-4)
