"""Workspaces for the tests of HistFactory likelihoods, and pyhf's models of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyhf

from graphad.interop.histfactory import Model

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
    "a precise background": workspace(
        channel("c", sample("s", [5.0, 6.0], mu=MU), sample("b", [50.0, 60.0], g=("shapesys", [5.0, 0.001])))
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
