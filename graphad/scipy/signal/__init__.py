"""`graphad.scipy.signal`: `scipy.signal` on traced values. The names that are not traced are SciPy's."""

from graphad.scipy._register import namespace
from graphad.scipy.signal import convolutions, filters, resampling, responses, spectral, waveforms

__all__ = ["convolutions", "filters", "resampling", "responses", "spectral", "waveforms"]
__getattr__ = namespace("scipy.signal")[1]
