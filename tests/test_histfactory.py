"""HistFactory workspaces: the likelihood and its fits against pyhf, derivatives, broken files."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphad
from graphad.interop.fit import FitError, fit
from graphad.interop.histfactory import Interpolation, Model, WorkspaceError, load

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
FILES = ("2-bin_1-channel.json", "xmlimport_input_bkg.json", "three-channel.json")
CODES = (("code4p", "code4"), ("code0", "code1"))


def read(name: str) -> dict[str, Any]:
    return json.loads((EXAMPLES / name).read_text())


def channel(name: str, *samples: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "samples": list(samples)}


def sample(name: str, data: list[float], **modifiers: Any) -> dict[str, Any]:
    """Modifiers are given as ``name=(type, data)``."""
    return {
        "name": name,
        "data": data,
        "modifiers": [{"name": key, "type": kind, "data": value} for key, (kind, value) in modifiers.items()],
    }


def workspace(
    *channels: dict[str, Any], parameters: tuple[dict[str, Any], ...] = (), poi: str = "mu"
) -> dict[str, Any]:
    observations = [
        {"name": each["name"], "data": np.ceil(sum(np.array(s["data"]) for s in each["samples"])).tolist()}
        for each in channels
    ]
    measurement = {"name": "m", "config": {"poi": poi, "parameters": list(parameters)}}
    return {
        "channels": list(channels),
        "observations": observations,
        "measurements": [measurement],
        "version": "1.0.0",
    }


MU = ("normfactor", None)
SMALL = {
    "one free parameter, no constraint": workspace(channel("c", sample("s", [3.0, 4.0], mu=MU))),
    "parameters in an order of their own": workspace(
        channel("z", sample("b", [9.0], zeta=("normsys", {"hi": 1.1, "lo": 0.8}), mu=MU)),
        channel("a", sample("z", [5.0], alpha=MU), sample("a", [7.0], beta=MU, gamma=("shapesys", [2.0]))),
    ),
    "a normsys and a histosys that share a name": workspace(
        channel(
            "c",
            sample("s", [5.0, 6.0], mu=MU),
            sample("b", [50.0, 60.0], jes=("histosys", {"hi_data": [52.0, 59.0], "lo_data": [47.0, 62.0]})),
            sample("d", [20.0, 9.0], jes=("normsys", {"hi": 1.2, "lo": 0.9})),
        )
    ),
    "variations of one sign, and a large one": workspace(
        channel(
            "c",
            sample("s", [5.0, 6.0], mu=MU, k=("normsys", {"hi": 3.0, "lo": 1.5})),
            sample("b", [50.0, 60.0], one=("histosys", {"hi_data": [52.0, 63.0], "lo_data": [55.0, 61.0]})),
        )
    ),
    "a staterror over several samples, with an empty bin": workspace(
        channel(
            "c",
            sample("s", [5.0, 6.0, 0.0], mu=MU, stat=("staterror", [1.0, 0.0, 0.0])),
            sample("b", [50.0, 60.0, 1.0], stat=("staterror", [4.0, 5.0, 0.0])),
        )
    ),
    "a staterror shared between channels": workspace(
        channel("c", sample("b", [50.0, 60.0], mu=MU, stat=("staterror", [4.0, 5.0]))),
        channel("d", sample("b", [30.0], stat=("staterror", [3.0]))),
        channel("e", sample("b", [20.0], other=("normfactor", None))),
    ),
    "a shapefactor shared between channels": workspace(
        channel("c", sample("s", [5.0, 2.0], mu=MU), sample("b", [50.0, 60.0], shape=("shapefactor", None))),
        channel("d", sample("b", [30.0, 10.0], shape=("shapefactor", None))),
    ),
    "every setting of a measurement": workspace(
        channel(
            "c",
            sample("s", [5.0, 6.0], mu=MU, lumi=("lumi", None), a=("normsys", {"hi": 1.1, "lo": 0.9})),
            sample("b", [50.0, 60.0], g=("shapesys", [5.0, 4.0]), stat=("staterror", [3.0, 2.0])),
        ),
        parameters=(
            {"name": "lumi", "auxdata": [1.1], "sigmas": [0.02], "inits": [1.05], "bounds": [[0.5, 1.5]]},
            {"name": "mu", "inits": [0.5], "bounds": [[-1.0, 4.0]]},
            {"name": "a", "auxdata": [0.3], "fixed": True, "inits": [0.3]},
            {"name": "g", "auxdata": [90.0, 240.0], "factors": [100.0, 225.0], "fixed": False},
            {"name": "stat", "sigmas": [0.1, 0.2], "auxdata": [1.02, 0.97]},
            {"name": "not used anywhere"},
        ),
    ),
    "no parameter of interest": workspace(channel("c", sample("s", [3.0, 4.0], k=MU)), poi=""),
}


def peer(spec: dict[str, Any], measurement: str | None = None, codes: tuple[str, str] = CODES[0]) -> Any:
    """pyhf's model and data for a workspace."""
    whole = pyhf.Workspace(spec)
    settings = {"histosys": {"interpcode": codes[0]}, "normsys": {"interpcode": codes[1]}}
    name = spec["measurements"][0]["config"]["poi"]
    model = whole.model(
        measurement_name=measurement, modifier_settings=settings, **({} if name else {"poi_name": None})
    )
    return model, whole.data(model)


def points(model: Model, count: int, seed: int = 0) -> np.ndarray:
    """Random parameters: alphas inside and outside of [-1, 1], factors around 1."""
    rng = np.random.default_rng(seed)
    alpha = model.bounds[:, 0] < 0
    size = (count, len(model.init))
    return np.where(alpha, rng.uniform(-2.5, 2.5, size), rng.uniform(0.2, 2.0, size))


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


@pytest.mark.parametrize("executor", ["numpy", "numba"])
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


# Fits


@pytest.mark.parametrize("executor", ["numpy", "numba"])
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


# Broken workspaces: each change to a good one, and the error that names the key


def edit(*keys: Any, to: Any = None, remove: bool = False) -> Any:
    """A function that changes (or removes) what the keys lead to in a copy of the three-channel workspace."""

    def change(spec: dict[str, Any]) -> dict[str, Any]:
        spec = copy.deepcopy(spec)
        owner: Any = spec
        for key in keys[:-1]:
            owner = owner[key]
        if remove:
            del owner[keys[-1]]
        else:
            owner[keys[-1]] = to
        return spec

    return change


FIRST = ("channels", 0, "samples", 0)
CONFIG = ("measurements", 0, "config")
BROKEN = {
    "no channels": (edit("channels", remove=True), "channels: missing"),
    "channels is an object": (edit("channels", to={}), "channels: must be an array, not an object"),
    "channels is empty": (edit("channels", to=[]), "channels: needs at least 1 entry"),
    "a channel is text": (edit("channels", 1, to="a"), r"channels\[1\]: must be an object, not a string"),
    "no sample name": (edit(*FIRST, "name", remove=True), r"channels\[0\].samples\[0\].name: missing"),
    "sample name is a number": (edit(*FIRST, "name", to=3), r"samples\[0\].name: must be a string, not 3"),
    "no samples": (edit("channels", 0, "samples", to=[]), r"channels\[0\].samples: needs at least 1 entry"),
    "a misspelled key": (
        edit(*FIRST, "modifer", to=[]),
        r"samples\[0\].modifer: unknown key; known are name, data",
    ),
    "events are text": (
        edit(*FIRST, "data", 1, to="9"),
        r"samples\[0\].data\[1\]: must be a number, not a string",
    ),
    "events are true": (edit(*FIRST, "data", 1, to=True), r"data\[1\]: must be a number, not true or false"),
    "events are nan": (
        edit(*FIRST, "data", 1, to=float("nan")),
        r"data\[1\]: must be a finite number, not nan",
    ),
    "events are huge": (edit(*FIRST, "data", 1, to=10**400), r"data\[1\]: must be a finite number, not 1000"),
    "too few bins": (
        edit(*FIRST, "data", to=[1.0]),
        r"has 1 numbers; the observation of channel 'signal_region' has 4",
    ),
    "the same sample twice": (
        edit(*FIRST, "name", to="top"),
        r"samples\[1\].name: a second sample called 'top'",
    ),
    "the same channel twice": (
        edit("channels", 1, "name", to="signal_region"),
        r"channels\[1\].*(name: a second channel|data: has)",
    ),
    "unknown modifier type": (
        edit(*FIRST, "modifiers", 0, "type", to="shapesyst"),
        r"samples\[0\].modifiers\[0\].type: unknown modifier type 'shapesyst'; known are histosys",
    ),
    "normfactor with data": (edit(*FIRST, "modifiers", 0, "data", to=1.0), r"data: must be null, not 1.0"),
    "lumi of another name": (
        edit(*FIRST, "modifiers", 1, "name", to="l"),
        r"name: a lumi modifier is called 'lumi'",
    ),
    "the same modifier twice": (
        edit(*FIRST, "modifiers", 1, to={"name": "mu", "type": "normfactor", "data": None}),
        r"modifiers\[1\].name: a second normfactor called 'mu' on this sample",
    ),
    "normsys without hi": (
        edit(*FIRST, "modifiers", 3, "data", "hi", remove=True),
        r"modifiers\[3\].data.hi: missing",
    ),
    "normsys with hi 0": (
        edit(*FIRST, "modifiers", 3, "data", "hi", to=0),
        r"modifiers\[3\].data.hi: 0; .* above 0",
    ),
    "histosys data is an array": (
        edit(*FIRST, "modifiers", 2, "data", to=[1.0]),
        r"modifiers\[2\].data: must be an object, not an array",
    ),
    "histosys of another length": (
        edit(*FIRST, "modifiers", 2, "data", "lo_data", to=[1.0, 2.0]),
        r"modifiers\[2\].data.lo_data: has 2 numbers",
    ),
    "negative uncertainty": (
        edit("channels", 0, "samples", 3, "modifiers", 0, "data", 2, to=-0.5),
        r"modifiers\[0\].data\[2\]: an uncertainty cannot be negative",
    ),
    "a shared shapesys": (
        edit(
            "channels",
            0,
            "samples",
            2,
            "modifiers",
            1,
            to={"name": "fakes_shape", "type": "shapesys", "data": [1] * 4},
        ),
        r"samples\[2\].modifiers\[1\].name: shapesys 'fakes_shape' cannot be shared",
    ),
    "one name for two types": (
        edit(*FIRST, "modifiers", 0, "name", to="b_tagging"),
        r"name: 'b_tagging' is a normsys here and a normfactor at channels\[0\].samples\[0\].modifiers\[0\]",
    ),
    "a shapefactor of two lengths": (
        edit(
            "channels",
            1,
            "samples",
            2,
            "modifiers",
            1,
            to={"name": "wjets_shape", "type": "shapefactor", "data": None},
        ),
        r"shapefactor 'wjets_shape' has 4 bins here and 3 at channels\[1\].samples\[2\].modifiers\[1\]",
    ),
    "no observation": (
        edit("observations", 1, remove=True),
        "observations: no observation for channel 'control_top'",
    ),
    "two observations": (
        edit("observations", 1, "name", to="signal_region"),
        r"observations\[1\].name: a second observation for channel 'signal_region'",
    ),
    "negative observation": (
        edit("observations", 0, "data", 3, to=-1),
        r"observations\[0\].data\[3\]: .* negative",
    ),
    "no version": (edit("version", remove=True), "version: missing"),
    "another version": (
        edit("version", to="2.0.0"),
        "version: '2.0.0' is not supported; this reads version '1.0.0'",
    ),
    "no measurements": (edit("measurements", to=[]), "measurements: needs at least 1 entry"),
    "two measurements of one name": (
        edit("measurements", 1, "name", to="discovery"),
        r"measurements\[1\].name: a second measurement called 'discovery'",
    ),
    "no config": (edit("measurements", 0, "config", remove=True), r"measurements\[0\].config: missing"),
    "no poi": (edit(*CONFIG, "poi", remove=True), r"measurements\[0\].config.poi: missing"),
    "unknown poi": (edit(*CONFIG, "poi", to="nu"), r"config.poi: 'nu' is not a parameter of this workspace"),
    "poi with bins": (
        edit(*CONFIG, "poi", to="wjets_shape"),
        r"config.poi: 'wjets_shape' has several values",
    ),
    "no lumi entry": (edit(*CONFIG, "parameters", 0, remove=True), r"config.parameters: no entry for 'lumi'"),
    "lumi without sigmas": (
        edit(*CONFIG, "parameters", 0, "sigmas", remove=True),
        r"parameters\[0\].sigmas: missing",
    ),
    "sigma 0": (edit(*CONFIG, "parameters", 0, "sigmas", to=[0]), r"parameters\[0\].sigmas: .* above 0"),
    "two entries for a parameter": (
        edit(*CONFIG, "parameters", 2, "name", to="mu"),
        r"parameters\[2\].name: a second entry for parameter 'mu'",
    ),
    "bounds upside down": (
        edit(*CONFIG, "parameters", 1, "bounds", to=[[5.0, 0.0]]),
        r"parameters\[1\].bounds\[0\]: the lower bound 5 is above the upper 0",
    ),
    "bounds of three": (
        edit(*CONFIG, "parameters", 1, "bounds", to=[[0, 1, 2]]),
        r"bounds\[0\]: has 3 numbers",
    ),
    "inits of another length": (
        edit(*CONFIG, "parameters", 1, "inits", to=[1.0, 1.0]),
        r"parameters\[1\].inits: has 2 entries; 'mu' needs 1",
    ),
    "sigmas for a normfactor": (
        edit(*CONFIG, "parameters", 1, "sigmas", to=[1.0]),
        r"normfactor does not use sigmas",
    ),
    "fixed is a number": (
        edit(*CONFIG, "parameters", 1, "fixed", to=1),
        r"fixed: must be true or false, not 1",
    ),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_workspace_names_its_key(change: Any, message: str) -> None:
    with pytest.raises(WorkspaceError, match=message) as caught:
        load(change(read("three-channel.json")))
    assert isinstance(caught.value, graphad.errors.GraphadError)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where everything inside a JSON value is."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [prefix] if prefix else []
    for key, each in inside:
        found += paths(each, (*prefix, key))
    return found


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 10)
    | st.floats()
    | st.sampled_from(["", "mu", "lumi", "top", "histosys"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "data"]), inner, max_size=2),
    max_leaves=6,
)


@given(st.sampled_from(paths(read("three-channel.json"))), JSON_VALUES | st.just("remove"))
@settings(max_examples=300, deadline=None)
def test_any_damage_gives_a_model_or_a_workspace_error(path: tuple[Any, ...], value: Any) -> None:
    change = edit(*path, remove=True) if value == "remove" else edit(*path, to=value)
    try:
        model = load(change(read("three-channel.json")))
    except WorkspaceError:
        return
    assert model.expected(model.init).shape == model.observed.shape


def test_no_modifier_at_all() -> None:
    with pytest.raises(WorkspaceError, match="channels: no sample has a modifier"):
        load(workspace(channel("c", sample("s", [1.0]))))


def test_unknown_measurement() -> None:
    with pytest.raises(WorkspaceError, match=r"no measurement is called 'x'; there are 'discovery', 'background_only'"):
        load(EXAMPLES / "three-channel.json", measurement="x")


FOREIGN = {
    "cut off": (b'{"channels": [', r"file.json:1:15: not valid JSON"),
    "empty": (b"", r"file.json:1:1: not valid JSON"),
    "an array": (b"[1, 2]", r"the document: must be an object, not an array"),
    "another format": (b'{"distributions": []}', r"channels: missing"),
    "not text": (b"\xff\xfe\x00", r"file.json: is not UTF-8 text"),
    "nested without end": (b"[" * 100_000, r"file.json: not valid JSON"),
    "a number of 5000 digits": (b"1" * 5000, r"file.json: not valid JSON"),
}


@pytest.mark.parametrize(("content", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(WorkspaceError, match=message):
        load(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"none.json: cannot be read: No such file"):
        load(tmp_path / "none.json")
