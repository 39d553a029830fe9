"""`graphad.scipy`: the parts of SciPy's namespace that are traced. SciPy itself is loaded when one is first used."""

from graphad.scipy import (
    constants,
    fft,
    fftpack,
    integrate,
    interpolate,
    linalg,
    ndimage,
    optimize,
    signal,
    sparse,
    spatial,
    special,
    stats,
)

__all__ = [
    "constants", "fft", "fftpack",
    "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "sparse", "spatial",
    "special", "stats",
]  # fmt: skip
