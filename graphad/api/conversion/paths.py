"""Random numbers of distributions with traced parameters: drawn as NumPy draws them, and differentiated along the draw.

What is drawn is a number of the standard distribution, from the generator's own state, so that the numbers are those
that NumPy gives; the parameters transform it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.numpy.arguments import holds_tracer, known, operand
from graphad.trace import Tracer


def _shape(size: Any, *parameters: Any) -> Any:
    """The shape of what is drawn: as asked, else the common one of the parameters."""
    return np.broadcast_shapes(*[np.shape(x) for x in parameters]) if size is None else size


def _checked(low: float, **parameters: Any) -> None:
    """Raise `ValueError` as NumPy does where a parameter is known to be too small: negative, or 0 with `low` above."""
    for name, x in parameters.items():
        numbers = known(operand(x))
        if numbers is not None and (np.any(numbers < 0) or (low > 0 and np.any(numbers == 0))):
            raise ValueError(f"{name} {'<=' if low > 0 else '<'} 0")


def _scaled(name: str) -> Callable[..., Any]:
    def draw(g: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        _checked(0, scale=scale)
        return loc + scale * getattr(g, name)(size=_shape(size, loc, scale))

    return draw


def _uniform(g: Any, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
    return low + (high - low) * g.uniform(size=_shape(size, low, high))


def _exponential(g: Any, scale: Any = 1.0, size: Any = None) -> Any:
    _checked(0, scale=scale)
    return scale * g.standard_exponential(size=_shape(size, scale))


def _rayleigh(g: Any, scale: Any = 1.0, size: Any = None) -> Any:
    _checked(0, scale=scale)
    return scale * g.rayleigh(size=_shape(size, scale))


def _lognormal(g: Any, mean: Any = 0.0, sigma: Any = 1.0, size: Any = None) -> Any:
    _checked(0, sigma=sigma)
    return np.exp(mean + sigma * g.standard_normal(size=_shape(size, mean, sigma)))


def _weibull(g: Any, a: Any, size: Any = None) -> Any:
    _checked(1, a=a)
    return g.standard_exponential(size=_shape(size, a)) ** (1.0 / a)


def _pareto(g: Any, a: Any, size: Any = None) -> Any:
    _checked(1, a=a)
    return np.expm1(g.standard_exponential(size=_shape(size, a)) / a)


def _power(g: Any, a: Any, size: Any = None) -> Any:
    _checked(1, a=a)
    return g.power(1.0, size=_shape(size, a)) ** (1.0 / a)


def _triangular(g: Any, left: Any, mode: Any, right: Any, size: Any = None) -> Any:
    u = g.uniform(size=_shape(size, left, mode, right))
    base, below = right - left, mode - left
    lower = u * base <= below
    first = left + np.sqrt(np.where(lower, u, 0.0) * below * base)
    return np.where(lower, first, right - np.sqrt((1.0 - u) * (right - mode) * base))


def _gamma(g: Any, shape: Any, scale: Any = 1.0, size: Any = None) -> Any:
    if isinstance(shape, Tracer):
        return None
    _checked(0, scale=scale)
    return scale * g.standard_gamma(np.broadcast_to(shape, np.broadcast_shapes(np.shape(shape), np.shape(scale))), size)


def _permutation(g: Any, x: Any, axis: int = 0) -> Any:
    return np.take(x, g.permutation(x.shape[axis]), axis=axis) if isinstance(x, Tracer) and x.ndim else None


def _choice(g: Any, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, **rest: Any) -> Any:
    if not isinstance(a, Tracer) or not a.ndim or holds_tracer((p,)):
        return None
    return np.take(a, g.choice(a.shape[axis], size, replace, p, **rest), axis=axis)


def _vonmises(g: Any, mu: Any, kappa: Any, size: Any = None) -> Any:
    if isinstance(kappa, Tracer):
        return None
    angle = mu + g.vonmises(0.0, np.broadcast_to(kappa, np.broadcast_shapes(np.shape(mu), np.shape(kappa))), size)
    return np.where(angle < 0, -1.0, 1.0) * (np.fmod(np.abs(angle) + np.pi, 2 * np.pi) - np.pi)


def _multivariate_normal(g: Any, mean: Any, cov: Any, size: Any = None, **rest: Any) -> Any:
    if holds_tracer((cov,)):
        return None
    return mean + g.multivariate_normal(np.zeros(np.shape(mean)), cov, size, **rest)


_PATHS: dict[str, Callable[..., Any]] = {
    "normal": _scaled("standard_normal"), "gumbel": _scaled("gumbel"), "laplace": _scaled("laplace"),
    "logistic": _scaled("logistic"), "uniform": _uniform, "exponential": _exponential, "rayleigh": _rayleigh,
    "lognormal": _lognormal, "weibull": _weibull, "pareto": _pareto, "power": _power, "triangular": _triangular,
    "gamma": _gamma, "permutation": _permutation, "choice": _choice, "vonmises": _vonmises,
    "multivariate_normal": _multivariate_normal,
}  # fmt: skip
"""The methods of NumPy's generators, for traced parameters."""

_TURN = 2.0 * np.pi


def _python_uniform(g: Any, a: Any, b: Any) -> Any:
    return a + (b - a) * g.random()


def _python_triangular(g: Any, low: Any = 0.0, high: Any = 1.0, mode: Any = None) -> Any:
    u, c = g.random(), 0.5 if mode is None else (mode - low) / (high - low)
    upper = u > c
    first, second = np.where(upper, high, low), np.where(upper, low, high)
    return first + (second - first) * np.sqrt(np.where(upper, 1.0 - u, u) * np.where(upper, 1.0 - c, c))


def _python_gamma(g: Any, alpha: Any, beta: Any) -> Any:
    return None if isinstance(alpha, Tracer) else g.gammavariate(alpha, 1.0) * beta


def _python_vonmises(g: Any, mu: Any, kappa: Any) -> Any:
    return None if isinstance(kappa, Tracer) else (mu + g.vonmisesvariate(0.0, kappa)) % _TURN


def _normalvariate(name: str) -> Callable[..., Any]:
    def draw(g: Any, mu: Any = 0.0, sigma: Any = 1.0) -> Any:
        return mu + getattr(g, name)(0.0, 1.0) * sigma

    return draw


def _python_choice(g: Any, seq: Any) -> Any:
    return _entry(seq, g.choice(range(len(seq))))


def _python_choices(g: Any, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> Any:
    if holds_tracer((weights, cum_weights)):
        return None
    places = g.choices(range(len(population)), weights, cum_weights=cum_weights, k=k)
    return [_entry(population, i) for i in places]


def _python_sample(g: Any, population: Any, k: int, **rest: Any) -> Any:
    return [_entry(population, i) for i in g.sample(range(len(population)), k, **rest)]


def _entry(sequence: Any, i: Any) -> Any:
    """An entry of an array or of a sequence of numbers."""
    return sequence[i] if isinstance(sequence, Tracer) or not isinstance(i, Tracer) else np.stack(sequence)[i]


_PYTHON_PATHS: dict[str, Callable[..., Any]] = {
    "uniform": _python_uniform, "triangular": _python_triangular, "gammavariate": _python_gamma,
    "normalvariate": _normalvariate("normalvariate"), "gauss": _normalvariate("gauss"),
    "lognormvariate": lambda g, mu=0.0, sigma=1.0: np.exp(mu + g.normalvariate(0.0, 1.0) * sigma),
    "expovariate": lambda g, lambd=1.0: -np.log(1.0 - g.random()) / lambd,
    "paretovariate": lambda g, alpha: (1.0 - g.random()) ** (-1.0 / alpha),
    "weibullvariate": lambda g, alpha, beta: alpha * (-np.log(1.0 - g.random())) ** (1.0 / beta),
    "vonmisesvariate": _python_vonmises, "choice": _python_choice, "choices": _python_choices, "sample": _python_sample,
}  # fmt: skip
"""The methods of Python's generators, for traced parameters."""


def _nothing(*args: Any, **kwargs: Any) -> None:
    """The path of a draw that has none."""


def path(method: Any, generator: Any, plain: Callable[..., Any]) -> Callable[..., Any]:
    """A generator's method for traced parameters, by which the draws of `generator` are transformed, and `plain` is
    what is called without such."""
    ours = type(method.__self__).__module__.startswith("numpy.random")
    follow: Callable[..., Any] = (_PATHS if ours else _PYTHON_PATHS).get(method.__name__, _nothing)

    @functools.wraps(method)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        found = None
        if holds_tracer(args) or holds_tracer(kwargs.values()):
            found = follow(generator, *args, **kwargs)
        return plain(*args, **kwargs) if found is None else found

    return drawn
