"""Turn a workspace into the few arrays that its likelihood gathers from.

A *cell* is one sample's content of one bin. Cells form a rectangle of shape (rows, bins): the bins of all
channels side by side, and the samples of a channel one below the other; a channel with fewer samples than
others is filled up with cells of 0 events. A *group* is one sample in one channel. Where cells or groups have
different numbers of modifiers, their index tables are filled up with the index of a constant that changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphad.interop.histfactory.parameters import ParameterSet
from graphad.interop.histfactory.workspace import Modifier, Sample, Workspace

__all__ = ["Tables", "build_tables"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tables:
    """The arrays of a likelihood; indices point into the parameters followed by the constants 0 and 1.

    Attributes:
        nominal: (rows, bins), expected events without any modifier.
        group: (rows, bins), the group of each cell.
        shift_index: (shifts,), the alpha of each additive variation (histosys).
        shifts: (2 * shifts, rows, bins), in events: what each alpha multiplies, then what its bend does.
        scale_index: (depth, groups), the alphas of each group's multiplicative variations (normsys).
        scale_low, scale_high: (depth, groups), their scale factors at alpha = -1 and +1.
        group_factors: (depth, groups), parameters that multiply a whole group (normfactor, lumi).
        cell_factors: (depth, rows, bins), parameters of one cell each (shapefactor, shapesys, staterror).
    """

    nominal: Array
    group: Indices
    shift_index: Indices
    shifts: Array
    scale_index: Indices
    scale_low: Array
    scale_high: Array
    group_factors: Indices
    cell_factors: Indices


@dataclass(frozen=True)
class Place:
    """Where one sample of one channel lies: its row, its bins and its group."""

    sample: Sample
    row: int
    bins: slice
    group: int

    def modifiers(self, *kinds: str) -> list[Modifier]:
        return [modifier for modifier in self.sample.modifiers if modifier.kind in kinds]


def build_tables(workspace: Workspace, sets: Sequence[ParameterSet]) -> Tables:
    """The tables of `workspace` whose parameters are `sets`, in this order."""
    sizes = [len(each.init) for each in sets]
    size = sum(sizes)
    neutral_alpha, neutral_factor = size, size + 1
    first = dict(zip((each.name for each in sets), np.cumsum([0, *sizes])[:-1].tolist(), strict=True))
    places = list(_places(workspace))
    shape = (1 + max(place.row for place in places), max(place.bins.stop for place in places))

    nominal, group = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    for place in places:
        nominal[place.row, place.bins] = place.sample.nominal
        group[place.row, place.bins] = place.group

    shift_index, shifts = _shifts(places, shape, first)
    scales = [[(first[use.name], use.low[0], use.high[0]) for use in place.modifiers("normsys")] for place in places]
    filled = _filled(scales, (neutral_alpha, 1.0, 1.0))
    factors = [[(first[use.name],) for use in place.modifiers("lumi", "normfactor")] for place in places]
    return Tables(
        nominal,
        group,
        shift_index,
        shifts,
        filled[..., 0].astype(np.int64),
        filled[..., 1],
        filled[..., 2],
        _filled(factors, (neutral_factor,))[..., 0].astype(np.int64),
        _cell_factors(places, shape, {each.name: each for each in sets}, first, neutral_factor),
    )


def _places(workspace: Workspace) -> Iterator[Place]:
    start = group = 0
    for channel in workspace.channels:
        for row, sample in enumerate(sorted(channel.samples, key=lambda sample: sample.name)):
            yield Place(sample, row, slice(start, start + channel.bins), group)
            group += 1
        start += channel.bins


def _filled(columns: Sequence[Sequence[tuple[float, ...]]], neutral: tuple[float, ...]) -> Array:
    """The columns, filled up with `neutral`, as an array of shape (longest column, columns, ...)."""
    depth = max(map(len, columns))
    rows = [[column[level] if level < len(column) else neutral for column in columns] for level in range(depth)]
    return np.array(rows, dtype=np.float64).reshape(depth, len(columns), len(neutral))


def _shifts(places: Sequence[Place], shape: tuple[int, int], first: Mapping[str, int]) -> tuple[Indices, Array]:
    straight: dict[str, Array] = {}
    bent: dict[str, Array] = {}
    for place in places:
        for use in place.modifiers("histosys"):
            up, down = use.high - place.sample.nominal, place.sample.nominal - use.low
            straight.setdefault(use.name, np.zeros(shape))[place.row, place.bins] = 0.5 * (up + down)
            bent.setdefault(use.name, np.zeros(shape))[place.row, place.bins] = 0.5 * (up - down)
    index = np.array([first[name] for name in straight], dtype=np.int64)
    return index, np.array([*straight.values(), *bent.values()]).reshape(-1, *shape)


def _cell_factors(
    places: Sequence[Place],
    shape: tuple[int, int],
    sets: Mapping[str, ParameterSet],
    first: Mapping[str, int],
    neutral: int,
) -> Indices:
    layers: list[Indices] = []
    for place in places:
        bins = np.arange(place.bins.start, place.bins.stop)
        for level, use in enumerate(place.modifiers("shapefactor", "shapesys", "staterror")):
            if level == len(layers):
                layers.append(np.full(shape, neutral, dtype=np.int64))
            # A shapefactor's parameters belong to a channel's bins by position, the others' to one bin each.
            shared = use.kind == "shapefactor"
            offsets = bins - place.bins.start if shared else np.searchsorted(sets[use.name].bins, bins)
            layers[level][place.row, place.bins] = first[use.name] + offsets
    return np.array(layers, dtype=np.int64).reshape(-1, *shape)
