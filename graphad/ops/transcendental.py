"""Exponentials, logarithms, roots, trigonometric and hyperbolic functions."""

from __future__ import annotations

import numpy as np

from graphad.ops.arithmetic import integer_pow, square
from graphad.ops.elementwise import elementwise

exp = elementwise(np.exp, code="exp({0})", partials=[lambda out, x: out], singular=True)
log = elementwise(np.log, code="log({0})", partials=[lambda out, x: 1 / x], singular=True, domain=(0.2, 3.0))
sqrt = elementwise(np.sqrt, code="sqrt({0})", partials=[lambda out, x: 0.5 / out], singular=True, domain=(0.2, 3.0))
sin = elementwise(np.sin, code="sin({0})", partials=[lambda out, x: cos(x)])
cos = elementwise(np.cos, code="cos({0})", partials=[lambda out, x: -sin(x)])
tanh = elementwise(np.tanh, code="tanh({0})", partials=[lambda out, x: 1 - square(out)])

__all__ = ["integer_pow"]
