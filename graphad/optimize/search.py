"""Steps along a direction that are safe: the function falls enough, and never to where it is not finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.loops import while_loop

At = Callable[[Any], tuple[Any, Any]]
"""Of a point: the function there, and its gradient."""
_FALL, _CURVE, _MOST = 1e-4, 0.9, 30
ROUNDING = 8 * np.finfo(float).eps


def wolfe(at: At, x: Any, p: Any, value: Any, slope: Any, first: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Whether a step along `p` was found that satisfies the strong Wolfe conditions or at least makes the function
    less, then the point, the function and its gradient there, and how often it was evaluated.

    `first` is the first length that is tried. Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms
    3.5 and 3.6, with cubic interpolation; where the function does not change any more by more than rounding, its slope
    decides (Hager and Zhang, "A new conjugate gradient method with guaranteed descent", 2005).
    """
    fall = slope @ p

    def step(state: Any) -> Any:
        n, _, bracketed, (a, f, d, g), (b, fb, db), t = state
        ft, gt = at(x + t * p)
        dt = gt @ p
        finite = np.isfinite(ft) & np.isfinite(dt)
        ft, dt = np.where(finite, ft, np.inf), np.where(finite, dt, 0.0)
        flat = finite & (np.abs(ft - value) <= ROUNDING * np.abs(value)) & (dt <= (2 * _FALL - 1) * fall)
        high = (ft > value + _FALL * t * fall) | (ft >= f)
        good = (np.logical_not(high) & (np.abs(dt) <= -_CURVE * fall)) | (flat & (dt >= _CURVE * fall))
        end = high & np.logical_not(good)
        # A lower point from which the function falls towards the old one closes the bracket with that one.
        turned = np.logical_not(end) & (dt * np.sign(b - a) >= 0)
        b, fb, db = [
            np.where(end, new, np.where(turned, old, kept))
            for new, old, kept in zip((t, ft, dt), (a, f, d), (b, fb, db), strict=True)
        ]
        a, f, d = [np.where(end, old, new) for old, new in zip((a, f, d), (t, ft, dt), strict=True)]
        g = np.where(end, g, gt)
        bracketed = bracketed | end | turned
        t = np.where(bracketed, _between(a, f, d, b, fb, db), 4 * t)
        return n + 1, good, bracketed, (a, f, d, g), (b, fb, db), t

    start = 0, False, False, (0.0, value, fall, slope), (np.inf, np.inf, 0.0), first
    n, _, _, (a, f, _, g), _, _ = while_loop(lambda s: np.logical_not(s[1]) & (s[0] < _MOST), step, start)
    return a > 0, x + a * p, f, g, n


def _between(a: Any, f: Any, d: Any, b: Any, fb: Any, db: Any) -> Any:
    """A point between two by cubic interpolation, not too near to either."""
    ended, known = np.isfinite(b), np.isfinite(fb)
    width, fb = np.where(ended, b, a) - a, np.where(known, fb, f + 1.0)
    safe = np.where(width == 0, 1.0, width)
    one = d + db - 3 * (fb - f) / safe
    inside = one * one - d * db
    two = np.sign(safe) * np.sqrt(np.maximum(inside, 0.0))
    under = db - d + 2 * two
    sound = known & (inside >= 0) & (under != 0)
    share = np.where(sound, 1 - (db + two - one) / np.where(under == 0, 1.0, under), 0.5)
    return a + width * np.clip(share, 0.1, 0.9)


def projected(
    at: At, inside: Callable[[Any], Any], inward: Callable[[Any, Any], Any], x: Any, p: Any, value: Any, slope: Any,
    first: Any,
) -> tuple[Any, Any, Any, Any, Any]:  # fmt: skip
    """As `wolfe`, along the path that `inside` bends into the bounds, for Armijo's condition alone (Bertsekas,
    "Projected Newton methods for optimization problems with simple constraints", 1982)."""
    left = np.max(np.abs(inward(x, slope)), initial=0.0)

    def step(state: Any) -> Any:
        n, _, t, *_ = state
        point = inside(x + t * p)
        f, g = at(point)
        finite = np.isfinite(f) & np.all(np.isfinite(g))
        fall = slope @ (point - x)
        flat = (np.abs(f - value) <= ROUNDING * np.abs(value)) & (np.max(np.abs(inward(point, g)), initial=0.0) < left)
        good = finite & ((f <= value + _FALL * fall) & (fall < 0) | flat)
        # The least of the parabola through what is known, not too near to either end.
        bend = f - value - fall
        least = np.where(finite & (bend > 0), -0.5 * fall / np.where(bend > 0, bend, 1.0), 0.5)
        return n + 1, good, t * np.clip(np.where(finite, least, 0.2), 0.1, 0.5), point, f, g

    start = 0, False, first, x, value, slope
    n, good, _, point, f, g = while_loop(lambda s: np.logical_not(s[1]) & (s[0] < _MOST), step, start)
    return good, np.where(good, point, x), np.where(good, f, value), np.where(good, g, slope), n
