"""`graphad.scipy.ndimage`: filters, interpolation and measurements of images of `scipy.ndimage` on traced values.

Numbers are SciPy's, for integer images and `output=` of a dtype too; all boundary modes are there. Linear filters are
differentiable in the image, the weights and `cval`, those by order where the order is strict. The names that are not
defined here are SciPy's.
"""

from graphad.scipy.dispatch import namespace
from graphad.scipy.ndimage import distances, filters, interpolation, measurements, morphology

__all__ = ["distances", "filters", "interpolation", "measurements", "morphology"]
__getattr__ = namespace("scipy.ndimage")[1]
