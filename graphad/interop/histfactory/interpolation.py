"""How a nuisance parameter alpha moves a sample between its variations at alpha = -1, 0 and +1.

The codes are HistFactory's (K. Cranmer et al., CERN-OPEN-2012-016, section 4.1), as pyhf spells them:

- additive (histosys): ``code0`` piecewise linear, ``code4p`` the same with a polynomial for ``|alpha| < 1``;
- multiplicative (normsys): ``code1`` piecewise exponential, ``code4`` the same with a polynomial there.

All are written in terms of one even function, the bend: ``where(alpha > 0, alpha * up, alpha * down)`` is
``alpha * (up + down) / 2 + |alpha| * (up - down) / 2``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Interpolation", "bend", "interpolate", "polynomial"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interpolation:
    """The interpolation code of each modifier type; the defaults are pyhf's."""

    histosys: str = "code4p"
    normsys: str = "code4"

    def __post_init__(self) -> None:
        for kind, code, known in (
            ("histosys", self.histosys, ("code0", "code4p")),
            ("normsys", self.normsys, ("code1", "code4")),
        ):
            if code not in known:
                raise ValueError(f"interpolation: {code!r} for {kind}; known are {', '.join(known)}")


def bend(alpha: Array, code: str) -> Array:
    """The even part of an additive interpolation: ``|alpha|``, which ``code4p`` rounds off at 0.

    ``code4p`` takes ``(15 alpha**2 - 10 alpha**4 + 3 alpha**6) / 8`` for ``|alpha| < 1``, which meets
    ``|alpha|`` with two continuous derivatives. At 0, ``code0`` has the derivative of neither side but their
    mean.
    """
    size = np.abs(alpha)
    if code == "code0":
        return size
    square = alpha * alpha
    return np.where(size < 1.0, square * (square * (square * 0.375 - 1.25) + 1.875), size)


# The coefficients of alpha, ..., alpha**6 (rows), times 16, by the value, slope and curvature of the
# exponentials at alpha = +1 and -1 (columns: value+, value-, slope+, slope-, curvature+, curvature-).
BOUNDARY_CONDITIONS = np.array(
    [
        [15, -15, -7, -7, 1, -1],
        [24, 24, -9, 9, 1, 1],
        [-10, 10, 10, 10, -2, 2],
        [-24, -24, 14, -14, -2, -2],
        [3, -3, -3, -3, 1, -1],
        [8, 8, -5, 5, 1, 1],
    ]
)


def polynomial(low: Array, high: Array) -> Array:
    """The six coefficients of ``code4``'s polynomial, on a new first axis, for factors `low`, `high` > 0.

    ``1 + sum_i a[i] alpha**(i + 1)`` meets ``high**alpha`` at 1 and ``low**-alpha`` at -1 with two
    derivatives.
    """
    log_low, log_high = np.log(low), np.log(high)
    conditions = np.stack(
        [high - 1.0, low - 1.0, log_high * high, -log_low * low, log_high**2 * high, log_low**2 * low]
    )
    return np.tensordot(BOUNDARY_CONDITIONS / 16.0, conditions, 1)


def interpolate(alpha: Array, low: Array, high: Array, code: str) -> Array:
    """The factor at `alpha` of a multiplicative interpolation between `low` and `high`; all of one shape.

    Outside ``|alpha| < 1`` (``code1``: everywhere) it is ``high**alpha`` above 0 and ``low**-alpha`` below.
    """
    size = np.abs(alpha)
    log_low, log_high = np.log(low), np.log(high)
    exponential = np.exp(alpha * (0.5 * (log_high - log_low)) + size * (0.5 * (log_high + log_low)))
    if code == "code1":
        return exponential
    *lower, highest = polynomial(low, high)
    value = highest * alpha
    for coefficient in reversed(lower):
        value = (value + coefficient) * alpha
    return np.where(size < 1.0, value + 1.0, exponential)
