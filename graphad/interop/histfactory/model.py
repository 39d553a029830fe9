"""The likelihood of a HistFactory workspace, as plain NumPy code of its parameters.

The probability of the observed events ``n`` and auxiliary data ``a`` under the parameters ``theta`` is
``prod_b Poisson(n_b | nu_b(theta)) * prod_c constraint(a_c | theta_c)`` (K. Cranmer et al.,
CERN-OPEN-2012-016). The methods of `Model` take a parameter array and use functional NumPy only, so they run
on arrays and trace alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from graphad.interop.histfactory.interpolation import Interpolation, bend, interpolate
from graphad.interop.histfactory.parameters import ParameterSet, parameter_sets
from graphad.interop.histfactory.tables import Tables, build_tables
from graphad.interop.histfactory.workspace import Workspace, read_workspace

__all__ = ["Constraint", "Model", "load"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# What the index tables are filled up with: an alpha that shifts nothing and a factor that scales nothing.
NEUTRAL = np.array([0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Constraint:
    """Constraint terms of one family: ``auxdata`` measures the parameters at ``index``.

    ``width`` is a normal term's standard deviation, or a Poisson term's events per unit of the parameter.
    """

    index: Indices
    auxdata: Array
    width: Array


@dataclass(frozen=True, eq=False)
class Model:
    """A binned likelihood with named parameters.

    Attributes:
        measurement: the name of the measurement it was built for.
        parameters: one name per parameter, in the order of every array of parameters; those of one modifier
            with a parameter per bin are called ``name[0]``, ``name[1]``, ...
        init, bounds, fixed: (parameters,), (parameters, 2) and (parameters,): where a fit starts, the range
            it may explore, and what it holds at its start.
        scale: (parameters,), how far a parameter typically moves: its constraint's width, else 1.
        poi: the position of the parameter of interest, or None.
        channels: the bins of each channel, by name.
        observed: (bins,), the observed events.
    """

    measurement: str
    parameters: tuple[str, ...]
    init: Array
    bounds: Array
    fixed: NDArray[np.bool_]
    scale: Array
    poi: int | None
    channels: Mapping[str, slice]
    observed: Array
    normal: Constraint
    poisson: Constraint
    tables: Tables
    interpolation: Interpolation

    def expected(self, params: Array) -> Array:
        """The expected events, shape (bins,), at `params`, shape (parameters,).

        Each cell is ``(nominal + shifts) * scales * factors``; a bin is the sum of its cells.
        """
        tables = self.tables
        theta = np.concatenate([params, NEUTRAL])
        events = tables.nominal
        if len(tables.shift_index):
            alpha = theta[tables.shift_index]
            moves = np.concatenate([alpha, bend(alpha, self.interpolation.histosys)])
            events = events + np.tensordot(moves, tables.shifts, 1)
        group_factors = [theta[index] for index in tables.group_factors]
        if len(tables.scale_index):
            alpha = theta[tables.scale_index]
            scales = interpolate(alpha, tables.scale_low, tables.scale_high, self.interpolation.normsys)
            group_factors.append(np.prod(scales, axis=0))
        if group_factors:
            events = events * _product(group_factors)[tables.group]
        for index in tables.cell_factors:
            events = events * theta[index]
        total: Array = np.sum(events, axis=0)
        return total

    def nll(self, params: Array) -> Any:
        """The negative log-likelihood at `params`, shape (parameters,), with all its constant terms.

        It is minus pyhf's ``Model.logpdf``. A Poisson term of 0 expected events is 0 if none were observed,
        else the result is inf.
        """
        rates, counts = self.expected(params), self.observed
        if len(self.poisson.index):
            rates = np.concatenate([rates, self.poisson.width * params[self.poisson.index]])
            counts = np.concatenate([counts, self.poisson.auxdata])
        # Term by term, because the parts of a large count cancel.
        poisson = np.sum(rates - xlogy(counts, rates) + gammaln(counts + 1.0))
        if not len(self.normal.index):
            return poisson
        pull = (self.normal.auxdata - params[self.normal.index]) / self.normal.width
        return poisson + 0.5 * np.sum(pull * pull) + np.sum(np.log(np.sqrt(2.0 * np.pi) * self.normal.width))


def _product(factors: list[Array]) -> Array:
    """The product of arrays of one shape, by multiplication: a factor of 0 keeps all its derivatives."""
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result


def load(
    source: str | os.PathLike[str] | Mapping[str, Any] | Workspace,
    measurement: str | None = None,
    interpolation: Interpolation | None = None,
) -> Model:
    """The likelihood of a workspace: a JSON file, its parsed content, or what ``read_workspace`` gave.

    `measurement` chooses among the workspace's measurements by name (default: the first); `interpolation`
    chooses how modifiers interpolate (default: as pyhf does). Raises WorkspaceError, naming the key, if it
    cannot be read.
    """
    workspace = source if isinstance(source, Workspace) else read_workspace(source)
    chosen = workspace.measurement(measurement)
    sets = parameter_sets(workspace, chosen)
    labels = tuple(label for each in sets for label in each.labels)
    channels: dict[str, slice] = {}
    start = 0
    for channel in workspace.channels:
        channels[channel.name] = slice(start, start + channel.bins)
        start += channel.bins
    normal, poisson = _constraint("normal", sets), _constraint("poisson", sets)
    scale = np.ones(len(labels))
    scale[normal.index] = normal.width
    scale[poisson.index] = 1.0 / np.sqrt(poisson.width)
    return Model(
        measurement=chosen.name,
        parameters=labels,
        init=np.concatenate([each.init for each in sets]),
        bounds=np.concatenate([each.bounds for each in sets]),
        fixed=np.concatenate([each.fixed for each in sets]),
        scale=scale,
        poi=_poi(chosen.poi, sets),
        channels=channels,
        observed=np.concatenate([channel.observed for channel in workspace.channels]),
        normal=normal,
        poisson=poisson,
        tables=build_tables(workspace, sets),
        interpolation=interpolation or Interpolation(),
    )


def _poi(name: str | None, sets: tuple[ParameterSet, ...]) -> int | None:
    start = 0
    for each in sets:
        if each.name == name:
            return start
        start += len(each.init)
    return None


def _constraint(family: str, sets: tuple[ParameterSet, ...]) -> Constraint:
    kinds = np.concatenate([np.full(len(each.init), each.constraint == family) for each in sets])
    index = np.flatnonzero(kinds)
    auxdata = np.concatenate([each.auxdata for each in sets])
    width = np.concatenate([each.width for each in sets])
    return Constraint(index, auxdata[index], width[index])
