"""`graphad.scipy.signal`: `scipy.signal` on traced values. The names that are not traced are SciPy's."""

from graphad.scipy.dispatch import namespace
from graphad.scipy.signal import (
    convolutions,
    design,
    filters,
    periodograms,
    resampling,
    responses,
    simulation,
    spectral,
    splines,
    systems,
    waveforms,
    windows,
)

__all__ = [
    "convolutions", "design", "filters", "periodograms", "resampling", "responses", "simulation", "spectral", "splines",
    "systems", "waveforms", "windows",
]  # fmt: skip
__getattr__ = namespace("scipy.signal")[1]
