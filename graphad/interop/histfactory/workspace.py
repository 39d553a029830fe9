"""Read and check a HistFactory workspace: JSON in, plain frozen dataclasses out.

The format is the one of pyhf's JSON schema 1.0.0 (K. Cranmer et al., CERN-OPEN-2012-016; L. Heinrich et al.,
JOSS 6 (2021) 2823). Every error names the key that is wrong by its path, such as
``channels[0].samples[1].modifiers[0].data.hi: missing``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphad.interop.histfactory.fields import Field, WorkspaceError

__all__ = [
    "Channel",
    "Measurement",
    "Modifier",
    "ParameterConfig",
    "Sample",
    "Workspace",
    "WorkspaceError",
    "read_workspace",
]

SCHEMA_VERSION = "1.0.0"

# The modifier types, each with the form of its `data` in the JSON.
MODIFIER_DATA = {
    "histosys": "variations",
    "lumi": "null",
    "normfactor": "null",
    "normsys": "scales",
    "shapefactor": "null",
    "shapesys": "bins",
    "staterror": "bins",
}


@dataclass(frozen=True)
class Modifier:
    """One modifier of one sample.

    ``low`` and ``high`` hold the variations at minus and plus one standard deviation: one number for a
    ``normsys`` (a scale factor), one per bin for a ``histosys`` (expected events). ``uncertainty`` holds the
    absolute uncertainty per bin of a ``shapesys`` or ``staterror``. What a type does not use has length 0.
    """

    kind: str
    name: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    path: str


@dataclass(frozen=True)
class Sample:
    """One process in one channel: its nominal expected events per bin and what modifies them."""

    name: str
    nominal: NDArray[np.float64]
    modifiers: tuple[Modifier, ...]
    path: str


@dataclass(frozen=True)
class Channel:
    """One histogram: the observed events per bin and the samples that add up to the expectation."""

    name: str
    observed: NDArray[np.float64]
    samples: tuple[Sample, ...]
    path: str

    @property
    def bins(self) -> int:
        """The number of bins."""
        return len(self.observed)


@dataclass(frozen=True)
class ParameterConfig:
    """What a measurement says about one parameter; None where it leaves the default."""

    name: str
    inits: NDArray[np.float64] | None
    bounds: NDArray[np.float64] | None
    auxdata: NDArray[np.float64] | None
    factors: NDArray[np.float64] | None
    sigmas: NDArray[np.float64] | None
    fixed: bool | None
    path: str


@dataclass(frozen=True)
class Measurement:
    """A named choice of the parameter of interest (None for none) and of parameter settings, by name."""

    name: str
    poi: str | None
    parameters: Mapping[str, ParameterConfig]
    path: str


@dataclass(frozen=True)
class Workspace:
    """A whole workspace; the channels are sorted by name, as pyhf sorts them."""

    channels: tuple[Channel, ...]
    measurements: tuple[Measurement, ...]

    def measurement(self, name: str | None = None) -> Measurement:
        """The measurement called `name`, or the first one.

        Raises WorkspaceError if there is none of that name.
        """
        if name is None:
            return self.measurements[0]
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        known = ", ".join(repr(measurement.name) for measurement in self.measurements)
        raise WorkspaceError("measurements", f"no measurement is called {name!r}; there are {known}")


def read_workspace(source: str | os.PathLike[str] | Mapping[str, Any]) -> Workspace:
    """The workspace in a JSON file, or in a mapping as ``json.load`` makes it.

    Raises WorkspaceError, naming the file or the key, if the file cannot be read, is no JSON, or is no
    workspace.
    """
    if isinstance(source, Mapping):
        return _workspace(Field(dict(source)))
    path = Path(source)
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise WorkspaceError(str(path), f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise WorkspaceError(str(path), f"is not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise WorkspaceError(f"{path}:{error.lineno}:{error.colno}", f"not valid JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise WorkspaceError(str(path), f"not valid JSON: {error}") from error
    return _workspace(Field(document))


def _workspace(root: Field) -> Workspace:
    root.object(required=("channels", "observations", "measurements", "version"))
    version = root["version"].text()
    if version != SCHEMA_VERSION:
        raise root["version"].error(f"{version!r} is not supported; this reads version {SCHEMA_VERSION!r}")

    observations: dict[str, Field] = {}
    for item in root["observations"].items(at_least=1):
        item.object(required=("name", "data"))
        name = item["name"].text()
        if name in observations:
            raise item["name"].error(f"a second observation for channel {name!r}")
        observations[name] = item["data"]

    channels = [_channel(item, observations) for item in root["channels"].items(at_least=1)]
    _distinct(root["channels"], [channel.name for channel in channels], "channel")
    measurements = [_measurement(item) for item in root["measurements"].items(at_least=1)]
    _distinct(root["measurements"], [measurement.name for measurement in measurements], "measurement")
    return Workspace(tuple(sorted(channels, key=lambda channel: channel.name)), tuple(measurements))


def _distinct(array: Field, names: list[str], what: str) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise array[position]["name"].error(f"a second {what} called {name!r}")


def _channel(item: Field, observations: Mapping[str, Field]) -> Channel:
    item.object(required=("name", "samples"))
    name = item["name"].text()
    if name not in observations:
        raise WorkspaceError("observations", f"no observation for channel {name!r} ({item.path})")
    observed = observations[name].numbers()
    negative = np.flatnonzero(observed < 0)
    if negative.size:
        raise observations[name][int(negative[0])].error("an observed number of events cannot be negative")
    samples = [_sample(sample, name, len(observed)) for sample in item["samples"].items(at_least=1)]
    _distinct(item["samples"], [sample.name for sample in samples], "sample")
    return Channel(name, observed, tuple(samples), item.path)


def _sample(item: Field, channel: str, bins: int) -> Sample:
    item.object(required=("name", "data", "modifiers"))
    owner = f"the observation of channel {channel!r}"
    nominal = item["data"].numbers(length=bins, owner=owner)
    modifiers = [_modifier(modifier, owner, bins) for modifier in item["modifiers"].items()]
    seen: set[tuple[str, str]] = set()
    for modifier in modifiers:
        if (modifier.kind, modifier.name) in seen:
            raise WorkspaceError(
                f"{modifier.path}.name", f"a second {modifier.kind} called {modifier.name!r} on this sample"
            )
        seen.add((modifier.kind, modifier.name))
    return Sample(item["name"].text(), nominal, tuple(modifiers), item.path)


def _modifier(item: Field, owner: str, bins: int) -> Modifier:
    item.object(required=("name", "type", "data"))
    kind, name, data = item["type"].text(), item["name"].text(), item["data"]
    form = MODIFIER_DATA.get(kind)
    if form is None:
        raise item["type"].error(f"unknown modifier type {kind!r}; known are {', '.join(MODIFIER_DATA)}")
    if kind == "lumi" and name != "lumi":
        raise item["name"].error(f"a lumi modifier is called 'lumi', not {name!r}")

    low = high = uncertainty = np.zeros(0)
    if form == "null":
        data.null()
    elif form == "scales":
        data.object(required=("hi", "lo"))
        low, high = np.array([data["lo"].number()]), np.array([data["hi"].number()])
        for key, scale in (("lo", low[0]), ("hi", high[0])):
            if not scale > 0:
                raise data[key].error(f"{scale:g}; an exponential interpolation needs a scale factor above 0")
    elif form == "variations":
        data.object(required=("hi_data", "lo_data"))
        low = data["lo_data"].numbers(length=bins, owner=owner)
        high = data["hi_data"].numbers(length=bins, owner=owner)
    else:
        uncertainty = data.numbers(length=bins, owner=owner)
        negative = np.flatnonzero(uncertainty < 0)
        if negative.size:
            raise data[int(negative[0])].error("an uncertainty cannot be negative")
    return Modifier(kind, name, low, high, uncertainty, item.path)


def _measurement(item: Field) -> Measurement:
    item.object(required=("name", "config"))
    config = item["config"]
    config.object(required=("poi", "parameters"))
    parameters: dict[str, ParameterConfig] = {}
    for entry in config["parameters"].items():
        parameter = _parameter(entry)
        if parameter.name in parameters:
            raise entry["name"].error(f"a second entry for parameter {parameter.name!r}")
        parameters[parameter.name] = parameter
    return Measurement(item["name"].text(), config["poi"].text() or None, parameters, item.path)


def _parameter(item: Field) -> ParameterConfig:
    settings = ("inits", "bounds", "auxdata", "factors", "sigmas", "fixed")
    item.object(required=("name",), optional=settings)

    def numbers(key: str) -> NDArray[np.float64] | None:
        return item[key].numbers() if key in item else None

    bounds = None
    if "bounds" in item:
        pairs = [pair.numbers(length=2, owner="a bound (lower, upper)") for pair in item["bounds"].items(at_least=1)]
        for position, (lower, upper) in enumerate(pairs):
            if lower > upper:
                raise item["bounds"][position].error(f"the lower bound {lower:g} is above the upper {upper:g}")
        bounds = np.stack(pairs)
    sigmas = numbers("sigmas")
    if sigmas is not None and not (sigmas > 0).all():
        raise item["sigmas"].error("a standard deviation must be above 0")
    factors = numbers("factors")
    if factors is not None and not (factors > 0).all():
        raise item["factors"].error("the rate of a Poisson constraint must be above 0")
    return ParameterConfig(
        item["name"].text(),
        numbers("inits"),
        bounds,
        numbers("auxdata"),
        factors,
        sigmas,
        item["fixed"].boolean() if "fixed" in item else None,
        item.path,
    )
