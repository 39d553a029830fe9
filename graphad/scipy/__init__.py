"""`graphad.scipy`: the parts of SciPy's namespace that are traced. SciPy itself is loaded when one is first used."""

from graphad.scipy import fft, integrate, interpolate, linalg, ndimage, signal, sparse, special, stats

__all__ = ["fft", "integrate", "interpolate", "linalg", "ndimage", "signal", "sparse", "special", "stats"]
