"""The parameters of a likelihood: their order, starting values, bounds and constraint terms.

Defaults and order are pyhf's: parameters come by modifier type (histosys, lumi, normfactor, normsys,
shapefactor, shapesys, staterror) and within a type by the first channel, sample and name that use them, all
sorted by name (staterror: by name alone). A measurement's settings then replace the defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphad.interop.histfactory.fields import WorkspaceError
from graphad.interop.histfactory.workspace import (
    MODIFIER_DATA,
    Channel,
    Measurement,
    Modifier,
    ParameterConfig,
    Sample,
    Workspace,
)

__all__ = ["ParameterSet", "parameter_sets"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ParameterSet:
    """The parameters behind one modifier name: one of them, or one per bin.

    ``constraint`` is "none", "normal" (auxdata ~ Normal(parameter, width)) or "poisson"
    (auxdata ~ Poisson(width * parameter)). All arrays have one entry (``bounds``: one row) per parameter.
    ``bins`` are the numbers of the bins, over all channels, that a per-bin set belongs to.
    """

    name: str
    kind: str
    per_bin: bool
    init: Array
    bounds: Array
    fixed: NDArray[np.bool_]
    constraint: str
    auxdata: Array
    width: Array
    bins: NDArray[np.int64]
    path: str

    @property
    def labels(self) -> list[str]:
        """The name of each parameter: ``name``, or ``name[0]``, ``name[1]``, ... for a per-bin set."""
        return [f"{self.name}[{bin}]" for bin in range(len(self.init))] if self.per_bin else [self.name]


def parameter_sets(workspace: Workspace, measurement: Measurement) -> tuple[ParameterSet, ...]:
    """All parameter sets of the workspace under `measurement`'s settings, in order.

    Raises WorkspaceError where modifiers that share a name cannot share a parameter, where a setting has the
    wrong length or does not apply, and where the parameter of interest is none of the parameters or has
    several values.
    """
    sets: dict[str, ParameterSet] = {}
    for kind in sorted(MODIFIER_DATA):
        found = [use for use in _uses(workspace) if use[2].kind == kind]
        for name in dict.fromkeys(modifier.name for _, _, modifier, _ in _ordered(kind, found)):
            uses = [use for use in found if use[2].name == name]
            new = _default(kind, name, uses)
            known = sets.get(name)
            if known is None:
                sets[name] = new
            elif {known.kind, kind} != {"histosys", "normsys"}:
                raise WorkspaceError(
                    f"{new.path}.name",
                    f"{name!r} is a {kind} here and a {known.kind} at {known.path}; rename one",
                )
    if not sets:
        raise WorkspaceError("channels", "no sample has a modifier, so there is no parameter to fit")
    configured = {
        name: _configured(default, measurement.parameters.get(name), measurement) for name, default in sets.items()
    }
    if measurement.poi is not None:
        poi = configured.get(measurement.poi)
        if poi is None or len(poi.init) > 1:
            problem = "is not a parameter of this workspace" if poi is None else "has several values"
            raise WorkspaceError(f"{measurement.path}.config.poi", f"{measurement.poi!r} {problem}")
    return tuple(configured.values())


Use = tuple[Channel, Sample, Modifier, int]


def _uses(workspace: Workspace) -> Iterator[Use]:
    """Every modifier with its channel and sample and the number of the channel's first bin."""
    start = 0
    for channel in workspace.channels:
        for sample in sorted(channel.samples, key=lambda sample: sample.name):
            for modifier in sorted(sample.modifiers, key=lambda modifier: modifier.name):
                yield channel, sample, modifier, start
        start += channel.bins


def _ordered(kind: str, uses: list[Use]) -> list[Use]:
    return sorted(uses, key=lambda use: use[2].name) if kind == "staterror" else uses


def _default(kind: str, name: str, uses: list[Use]) -> ParameterSet:
    """The parameter set that a modifier type asks for when a measurement says nothing."""
    channel, sample, modifier, start = uses[0]
    path = modifier.path
    no_bins = np.zeros(0, dtype=np.int64)
    bins = np.arange(start, start + channel.bins)
    if kind in ("histosys", "normsys"):
        return _set(kind, name, False, 0.0, (-5.0, 5.0), "normal", np.zeros(1), np.ones(1), no_bins, path)
    if kind == "lumi":
        nothing = np.full(1, np.nan)
        return _set(kind, name, False, np.nan, (np.nan, np.nan), "normal", nothing, nothing, no_bins, path)
    if kind == "normfactor":
        return _set(kind, name, False, 1.0, (0.0, 10.0), "none", np.zeros(1), np.zeros(1), no_bins, path)
    if kind == "shapefactor":
        for other, _, use, _ in uses:
            if other.bins != channel.bins:
                raise WorkspaceError(
                    f"{use.path}.name",
                    f"shapefactor {name!r} has {other.bins} bins here and {channel.bins} at {path}",
                )
        zeros = np.zeros(channel.bins)
        return _set(kind, name, True, 1.0, (0.0, 10.0), "none", zeros, zeros, bins, path)
    if kind == "shapesys":
        if len(uses) > 1:
            raise WorkspaceError(f"{uses[1][2].path}.name", f"shapesys {name!r} cannot be shared; it is also at {path}")
        return _shapesys(name, sample, modifier, bins)
    return _staterror(name, uses)


def _set(
    kind: str,
    name: str,
    per_bin: bool,
    init: float,
    bounds: tuple[float, float],
    constraint: str,
    auxdata: Array,
    width: Array,
    bins: NDArray[np.int64],
    path: str,
) -> ParameterSet:
    size = len(auxdata)
    return ParameterSet(
        name,
        kind,
        per_bin,
        np.full(size, init),
        np.tile(np.array(bounds), (size, 1)),
        np.zeros(size, dtype=np.bool_),
        constraint,
        auxdata,
        width,
        bins,
        path,
    )


def _shapesys(name: str, sample: Sample, modifier: Modifier, bins: NDArray[np.int64]) -> ParameterSet:
    """One gamma per bin, constrained by Poisson(tau | tau gamma) with tau = (events / uncertainty)**2.

    A bin without events or without uncertainty has its gamma fixed and tau = 1.
    """
    nominal, uncertainty = sample.nominal, modifier.uncertainty
    valid = (nominal > 0) & (uncertainty > 0)
    with np.errstate(all="ignore"):
        tau = np.where(valid, (nominal / np.where(valid, uncertainty, 1.0)) ** 2, 1.0)
    wrong = np.flatnonzero(~np.isfinite(tau) | (tau <= 0))
    if wrong.size:
        i = int(wrong[0])
        raise WorkspaceError(
            f"{modifier.path}.data[{i}]", f"{uncertainty[i]:g} for {nominal[i]:g} events is no width of a constraint"
        )
    default = _set("shapesys", name, True, 1.0, (1e-10, 10.0), "poisson", tau, tau, bins, modifier.path)
    return replace(default, fixed=~valid)


def _staterror(name: str, uses: list[Use]) -> ParameterSet:
    """One gamma per bin for all samples together, constrained by Normal(1 | gamma, sigma).

    sigma is the root of the summed squares of the samples' uncertainties, relative to their summed events. A
    bin where that is 0 has its gamma fixed and sigma = 1.
    """
    events: dict[int, float] = {}
    variance: dict[int, float] = {}
    for channel, sample, _, start in uses:
        for bin in range(channel.bins):
            events[start + bin] = events.get(start + bin, 0.0) + float(sample.nominal[bin])
    for channel, _, modifier, start in uses:
        for bin in range(channel.bins):
            total = events[start + bin]
            share = float(modifier.uncertainty[bin]) / total if total > 0 else 0.0
            variance[start + bin] = variance.get(start + bin, 0.0) + share**2
    bins = np.array(sorted(events), dtype=np.int64)
    sigma = np.sqrt(np.array([variance[int(bin)] for bin in bins]))
    known = sigma > 0
    width = np.where(known, sigma, 1.0)
    path = uses[0][2].path
    default = _set("staterror", name, True, 1.0, (1e-10, 10.0), "normal", np.ones(len(bins)), width, bins, path)
    return replace(default, fixed=~known)


def _configured(default: ParameterSet, config: ParameterConfig | None, measurement: Measurement) -> ParameterSet:
    """`default` with the measurement's settings in place of its own."""
    if config is None:
        if default.kind == "lumi":
            where = f"{measurement.path}.config.parameters"
            raise WorkspaceError(where, "no entry for 'lumi', which needs its auxdata and sigmas there")
        return default
    size = len(default.init)

    def setting(key: str, value: Array | None, otherwise: Array) -> Array:
        if value is None:
            return otherwise
        if len(value) != size:
            raise WorkspaceError(f"{config.path}.{key}", f"has {len(value)} entries; {default.name!r} needs {size}")
        return value

    # pyhf's defaults give a width only to these; a setting that would be ignored is refused instead.
    takes_sigmas, takes_factors = default.kind in ("lumi", "staterror"), default.constraint == "poisson"
    for key, value, used in (
        ("auxdata", config.auxdata, default.constraint != "none"),
        ("sigmas", config.sigmas, takes_sigmas),
        ("factors", config.factors, takes_factors),
    ):
        if value is not None and not used:
            raise WorkspaceError(f"{config.path}.{key}", f"a {default.kind} does not use {key}")
    if default.kind == "lumi":
        for key, value in (("auxdata", config.auxdata), ("sigmas", config.sigmas)):
            if value is None:
                raise WorkspaceError(f"{config.path}.{key}", "missing; a lumi has no default for it")

    auxdata = setting("auxdata", config.auxdata, default.auxdata)
    bounds, init = default.bounds, default.init
    if default.kind == "lumi":
        init, bounds = auxdata, np.stack([np.zeros(size), 10.0 * auxdata], axis=1)
    return replace(
        default,
        init=setting("inits", config.inits, init),
        bounds=setting("bounds", config.bounds, bounds),
        fixed=default.fixed if config.fixed is None else np.full(size, config.fixed),
        auxdata=auxdata,
        width=setting(
            "sigmas" if takes_sigmas else "factors",
            config.sigmas if takes_sigmas else config.factors,
            default.width,
        ),
    )
