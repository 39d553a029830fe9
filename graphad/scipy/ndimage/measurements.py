"""Measurements of labelled regions and filters in Fourier space: a part of `graphad.scipy.ndimage`.

Labels must be known, since they decide what is counted; the results are differentiable in the image.
"""

from __future__ import annotations

import builtins
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.arguments import axis_of, operand
from graphad.numpy.selecting import take
from graphad.ops.elementwise import cast
from graphad.ops.gather import ScatterAdd
from graphad.scipy.dispatch import namespace
from graphad.scipy.ndimage.support import given, result_dtype, sequence, unsupported, wide
from graphad.types import Array, ArrayLike, DType

_traced = namespace("scipy.ndimage")[0]

# -- labelled regions ---------------------------------------------------------------------------------------------


class Regions(NamedTuple):
    """The elements of an image in regions, one region after the other.

    `counts` has how many elements each region has, `places` where each stands in the flat image; `shape` is that of
    the regions' index, None for a single region.
    """

    values: Any
    counts: Any
    shape: tuple[int, ...] | None
    places: Any

    def sums(self, values: ArrayLike) -> Array:
        """The sum of the values in each region, in double precision."""
        values = wide(values)
        return ScatterAdd((0,))(np.zeros(self.counts.shape, values.dtype), values, self.numbers())

    def numbers(self) -> Array:
        """For each element the number of its region."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def centred(self) -> Array:
        """The values less the mean of their region, in double precision."""
        values = wide(self.values)
        return values - np.take(self.sums(values) / np.maximum(self.counts, 1), self.numbers())

    def extremes(self, reduce: Any) -> Array:
        """The least or the greatest value of each region, 0 where there is none."""
        filled = self.counts > 0
        none = np.zeros((), self.values.dtype)
        if not filled.any():
            return np.broadcast_to(none, filled.shape)
        found = reduce.reduceat(self.values, (np.cumsum(self.counts) - self.counts)[filled])
        return np.where(filled, np.take(found, np.maximum(np.cumsum(filled) - 1, 0)), none)

    def shaped(self, found: Any) -> Array:
        return found[0] if self.shape is None else found.reshape(self.shape)


def _regions(name: str, input: Any, labels: Any, index: Any) -> Regions:
    x = operand(input)
    if labels is None:
        return Regions(x.reshape(-1), np.array([x.size]), None, np.arange(x.size))
    remedy = "give known ones, or sum where(labels == i, input, 0)"
    labels = given(name, labels, "a label array", remedy)
    shape = np.broadcast_shapes(x.shape, labels.shape)
    flat = np.broadcast_to(x, shape).reshape(-1)
    every = np.broadcast_to(labels, shape).ravel()
    if index is None:
        chosen = [np.flatnonzero(every > 0)]
    else:
        index = given(name, index, "an index", remedy)
        chosen = [np.flatnonzero(every == i) for i in index.ravel()]
    counts = np.array([len(c) for c in chosen])
    places = np.concatenate([np.zeros(0, int), *chosen])
    return Regions(np.take(flat, places), counts, None if index is None or index.ndim == 0 else index.shape, places)


def _summed(regions: Regions, values: Array) -> Array:
    """The sums over regions: of one region in NumPy's dtype, of an index of them in double precision."""
    if regions.shape is None:
        return np.sum(values)
    return regions.shaped(regions.sums(values))


def _counted(regions: Regions) -> Array:
    return regions.shaped(regions.counts.astype(float))


@_traced
def sum_labels(input: ArrayLike, labels: ArrayLike | None = None, index: ArrayLike | None = None) -> Array:
    """SciPy's `sum_labels`, linear in the image."""
    regions = _regions("sum_labels", input, labels, index)
    return _summed(regions, regions.values)


@_traced
def sum(input: ArrayLike, labels: ArrayLike | None = None, index: ArrayLike | None = None) -> Array:
    """SciPy's `sum`, the same as `sum_labels`."""
    return sum_labels(input, labels, index)


@_traced
def mean(input: ArrayLike, labels: ArrayLike | None = None, index: ArrayLike | None = None) -> Array:
    """SciPy's `mean`, linear in the image."""
    regions = _regions("mean", input, labels, index)
    return _summed(regions, regions.values) / _counted(regions)


@_traced
def variance(input: ArrayLike, labels: ArrayLike | None = None, index: ArrayLike | None = None) -> Array:
    """SciPy's `variance`, differentiable in the image."""
    regions = _regions("variance", input, labels, index)
    centred = regions.centred()
    return _summed(regions, centred * np.conj(centred)) / _counted(regions)


@_traced
def standard_deviation(input: ArrayLike, labels: ArrayLike | None = None, index: ArrayLike | None = None) -> Array:
    """SciPy's `standard_deviation`, differentiable in the image; the derivative of equal elements is 0."""
    regions = _regions("standard_deviation", input, labels, index)
    counts = regions.counts
    # A row for each region, filled up with zeros, whose length is the root of the sum of squares.
    centred = np.concatenate([regions.centred(), np.zeros(1)])
    column = np.arange(counts.max(initial=0))
    inside = column < counts[:, None]
    rows = np.where(inside, (np.cumsum(counts) - counts)[:, None] + column, len(regions.places))
    found = np.linalg.norm(np.take(centred, rows), axis=1) / np.sqrt(counts)
    return regions.shaped(found)


@_traced
def minimum(input: ArrayLike, labels: ArrayLike | None = None, index: ArrayLike | None = None) -> Array:
    """SciPy's `minimum`, differentiable in the image where one element is least."""
    regions = _regions("minimum", input, labels, index)
    return regions.shaped(regions.extremes(np.minimum))


@_traced
def maximum(input: ArrayLike, labels: ArrayLike | None = None, index: ArrayLike | None = None) -> Array:
    """SciPy's `maximum`, differentiable in the image where one element is greatest."""
    regions = _regions("maximum", input, labels, index)
    return regions.shaped(regions.extremes(np.maximum))


@_traced
def median(input: ArrayLike, labels: ArrayLike | None = None, index: Any = None) -> Array:
    """SciPy's `median`, differentiable in the image: the middle element of each region, or the mean of the two."""
    regions = _regions("median", input, labels, index)
    starts = np.concatenate([[0], np.cumsum(regions.counts)])
    found = []
    for start, stop in itertools.pairwise(starts.tolist()):
        # SciPy gives the least element of the whole image for an empty region, which no median is.
        found.append(np.median(regions.values[start:stop]) if stop > start else np.full((), np.nan))
    return regions.shaped(np.stack(found))


def _positions(regions: Regions, reduce: Any) -> Array:
    """The place in the image of the first element of each region that is the least or the greatest."""
    starts = np.concatenate([[0], np.cumsum(regions.counts)])
    found = []
    for start, stop in itertools.pairwise(starts.tolist()):
        first = take(regions.places[start:stop], reduce(regions.values[start:stop])) if stop > start else 0
        found.append(cast(operand(first), np.dtype(np.int64)))
    return np.stack(found)


def _corners(regions: Regions, reduce: Any, shape: tuple[int, ...]) -> Any:
    """The indices of such places: a tuple for each region."""
    flat, found = _positions(regions, reduce), []
    for axis, n in enumerate(shape):
        found.append(flat // math.prod(shape[axis + 1 :]) % n)
    if regions.shape is None:
        return tuple([i[0] for i in found])
    return [tuple([i[r] for i in found]) for r in range(len(regions.counts))]


@_traced
def minimum_position(input: ArrayLike, labels: ArrayLike | None = None, index: Any = None) -> Any:
    """SciPy's `minimum_position`: the indices of the first element of each region that is least."""
    return _corners(_regions("minimum_position", input, labels, index), np.argmin, operand(input).shape)


@_traced
def maximum_position(input: ArrayLike, labels: ArrayLike | None = None, index: Any = None) -> Any:
    """SciPy's `maximum_position`: the indices of the first element of each region that is greatest."""
    return _corners(_regions("maximum_position", input, labels, index), np.argmax, operand(input).shape)


@_traced
def extrema(input: ArrayLike, labels: ArrayLike | None = None, index: Any = None) -> Any:
    """SciPy's `extrema`: least and greatest element of each region and their places, the first of each."""
    regions, shape = _regions("extrema", input, labels, index), operand(input).shape
    ends = [regions.shaped(regions.extremes(reduce)) for reduce in (np.minimum, np.maximum)]
    return (*ends, *[_corners(regions, reduce, shape) for reduce in (np.argmin, np.argmax)])


@_traced
def center_of_mass(input: ArrayLike, labels: ArrayLike | None = None, index: Any = None) -> Any:
    """SciPy's `center_of_mass`, differentiable in the image."""
    x = operand(input)
    whole = sum_labels(x, labels, index)
    found = []
    for axis, n in enumerate(x.shape):
        along = np.arange(float(n)).reshape(-1, *(1,) * (x.ndim - axis - 1))
        found.append(sum_labels(x * along, labels, index) / whole)
    if found[0].ndim == 0:
        return tuple(found)
    return [tuple([c[i] for c in found]) for i in range(found[0].shape[0])]


# -- Fourier space ------------------------------------------------------------------------------------------------


def _frequencies(x: Array, n: int, axis: int) -> list[tuple[Any, int]]:
    """For each axis the whole frequencies, along it, and the extent of what was transformed.

    Along `axis` they are those of a real transform of an extent `n`, unless that is negative.
    """
    found = []
    for i, extent in enumerate(x.shape):
        half = i == axis and n >= 0
        k = np.arange(float(extent)) if half else np.fft.fftfreq(extent) * extent
        found.append((np.rint(k).reshape(-1, *(1,) * (x.ndim - i - 1)), n if half else extent))
    return found


def _fourier(
    name: str, input: Any, amounts: ArrayLike, n: int, axis: int, dtype: DType, factor: Callable[[Any, Any, int], Any]
) -> Array:
    """The transform times a factor for each axis: a function of the amount, the frequencies and the extent."""
    x = wide(operand(input))
    axis = axis_of(x, axis, name)
    frequencies = _frequencies(x, n, axis)
    for amount, (k, extent) in zip(sequence(name, operand(amounts), x.ndim), frequencies, strict=True):
        x = x * factor(amount, k, extent)
    return cast(x, dtype)


def _fourier_dtype(name: str, input: Any, output: Any, whole: bool) -> DType:
    x = operand(input)
    if output is not None:
        dtype = result_dtype(name, output)
        if whole and dtype.kind != "c":
            raise unsupported(name, f"output={dtype}", "give a complex dtype")
        return dtype
    kept = (np.complex64, np.complex128) if whole else (np.complex64, np.complex128, np.float32)
    return np.dtype(x.dtype if x.dtype in kept else np.complex128 if whole else np.float64)


@_traced
def fourier_gaussian(input: ArrayLike, sigma: Any, n: int = -1, axis: int = -1, output: Any = None) -> Array:
    """SciPy's `fourier_gaussian`, differentiable in the transform and in `sigma`."""

    def factor(sigma: Array, k: Array, extent: int) -> Array:
        exponent = -2.0 * (sigma * (math.pi / extent)) ** 2 * k**2
        return np.where(np.abs(exponent) > 50.0, 0.0, np.exp(exponent))

    dtype = _fourier_dtype("fourier_gaussian", input, output, False)
    return _fourier("fourier_gaussian", input, sigma, n, axis, dtype, factor)


@_traced
def fourier_uniform(input: ArrayLike, size: Any, n: int = -1, axis: int = -1, output: Any = None) -> Array:
    """SciPy's `fourier_uniform`, differentiable in the transform and in `size`."""

    def factor(size: Array, k: Array, extent: int) -> Array:
        return np.sinc(size * k / extent)

    dtype = _fourier_dtype("fourier_uniform", input, output, False)
    return _fourier("fourier_uniform", input, size, n, axis, dtype, factor)


@_traced
def fourier_shift(input: ArrayLike, shift: ArrayLike, n: int = -1, axis: int = -1, output: Any = None) -> Array:
    """SciPy's `fourier_shift`, differentiable in the transform and in the shift."""
    x = wide(operand(input))
    frequencies = _frequencies(x, n, axis_of(x, axis, "fourier_shift"))
    shifts = sequence("fourier_shift", operand(shift), x.ndim)
    angles = [s * (-2.0 * math.pi / extent) * k for s, (k, extent) in zip(shifts, frequencies, strict=True)]
    angle = builtins.sum(angles, np.zeros(()))
    dtype = _fourier_dtype("fourier_shift", input, output, True)
    return cast(x * (np.cos(angle) + 1j * np.sin(angle)), dtype)


@_traced
def fourier_ellipsoid(input: ArrayLike, size: ArrayLike, n: int = -1, axis: int = -1, output: Any = None) -> Array:
    """SciPy's `fourier_ellipsoid` of 1 to 3 axes, differentiable in the transform and in `size`."""
    from graphad.scipy.special import j1

    x = wide(operand(input))
    if x.ndim not in (1, 2, 3):
        raise ShapeError(f"fourier_ellipsoid: an image of {x.ndim} axes{place()}; give one of 1 to 3")
    sizes = sequence("fourier_ellipsoid", operand(size), x.ndim)
    frequencies = _frequencies(x, n, axis_of(x, axis, "fourier_ellipsoid"))
    parts = [(s * (math.pi / extent) * k) ** 2 for s, (k, extent) in zip(sizes, frequencies, strict=True)]
    square = builtins.sum(parts, np.zeros(()))
    none = square == 0
    r = np.sqrt(np.where(none, 1.0, square))
    if x.ndim == 1:
        factor = np.sin(r) / r
    else:
        factor = 2.0 * j1(r) / r if x.ndim == 2 else 3.0 * (np.sin(r) - r * np.cos(r)) / r**3
    dtype = _fourier_dtype("fourier_ellipsoid", input, output, False)
    return cast(x * np.where(none, 1.0, factor), dtype)
