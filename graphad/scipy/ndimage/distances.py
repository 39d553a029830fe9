"""Distances to the background: a part of `graphad.scipy.ndimage`. They depend on which elements of an image are 0, and
so change by jumps only."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.call import ShapeDtype
from graphad.api.custom import pure_callback
from graphad.numpy.arguments import operand
from graphad.scipy.dispatch import namespace
from graphad.scipy.ndimage.support import unsupported
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.ndimage")[0]


def _distances(name: str, image: Any, outputs: tuple[Any, Any], *args: Any) -> Any:
    """SciPy's distances of where an image is not 0, and places of the nearest background, at run time."""
    if any(x is not None for x in outputs):
        raise unsupported(name, "distances= and indices= for results", "leave them out")

    def scipys(inside: Array) -> Any:
        return getattr(import_module("scipy.ndimage"), name)(inside, *args)

    inside = operand(image) != 0
    kinds = tree.map(lambda x: ShapeDtype(np.shape(x), np.asarray(x).dtype), scipys(np.ones(inside.shape, bool)))
    return pure_callback(scipys, kinds, inside)


@_traced
def distance_transform_bf(
    input: ArrayLike, metric: str = "euclidean", sampling: Any = None, return_distances: bool = True,
    return_indices: bool = False, distances: Any = None, indices: Any = None,
) -> Array:  # fmt: skip
    outputs, flags = (distances, indices), (return_distances, return_indices)
    return _distances("distance_transform_bf", input, outputs, metric, sampling, *flags)


@_traced
def distance_transform_cdt(
    input: ArrayLike, metric: Any = "chessboard", return_distances: bool = True, return_indices: bool = False,
    distances: Any = None, indices: Any = None,
) -> Array:  # fmt: skip
    outputs, flags = (distances, indices), (return_distances, return_indices)
    return _distances("distance_transform_cdt", input, outputs, metric, *flags)


@_traced
def distance_transform_edt(
    input: ArrayLike, sampling: Any = None, return_distances: bool = True, return_indices: bool = False,
    distances: Any = None, indices: Any = None,
) -> Any:  # fmt: skip
    outputs, flags = (distances, indices), (return_distances, return_indices)
    return _distances("distance_transform_edt", input, outputs, sampling, *flags)
