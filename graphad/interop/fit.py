"""Maximum-likelihood fits with exact derivatives, and the same fits by finite differences to compare with.

The minimiser is SciPy's SLSQP (D. Kraft, DFVLR-FB 88-28, 1988) on the parameters that float, within their
bounds. With exact gradients, a few Newton steps with the exact Hessian then finish what a quasi-Newton method
leaves, and the inverse Hessian at the minimum gives the uncertainties (R. A. Fisher's observed information).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize

from graphad.errors import GraphadError

__all__ = ["FitError", "FitResult", "Likelihood", "fit"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The change of the likelihood at which SLSQP stops.
TOLERANCE = 1e-10
MAX_ITERATIONS = 1000
NEWTON_STEPS = 8
# The Hessian is needed a few times in a fit, so compiling it costs more than it saves.
HESSIAN_EXECUTOR = "numpy"
# How far from the minimum, in units of the likelihood, a fit counts as converged.
CONVERGED = 1e-8
# How far from it, in the same units, another Newton step is no longer worth a Hessian: 1e-8 standard deviations.
FINISHED = 1e-16
# How far beyond a bound, in standard deviations, the minimum has to lie for the bound to hold a parameter.
PUSHED = 1e-6


class FitError(GraphadError, RuntimeError):
    """A fit that cannot start, or whose likelihood stops being a number."""


class Likelihood(Protocol):
    """What `fit` needs of a model, all arrays with one entry (`bounds`: one row) per parameter.

    `init` is where the fit starts, `scale` how far a parameter typically moves (the minimiser works in these
    units), `fixed` what is held, and `nll` the negative log-likelihood in plain NumPy.
    """

    @property
    def parameters(self) -> tuple[str, ...]: ...
    @property
    def init(self) -> Array: ...
    @property
    def bounds(self) -> Array: ...
    @property
    def scale(self) -> Array: ...
    @property
    def fixed(self) -> Mask: ...
    def nll(self, params: Array) -> Any: ...


@dataclass(frozen=True, eq=False)
class FitResult:
    """Where a fit ended and what it took.

    Attributes:
        gradient: "exact", or "2-point" for finite differences.
        executor: the name of the executor that ran the likelihood.
        params: (parameters,), the best fit, with fixed parameters at their start.
        uncertainties: (parameters,), standard deviations; nan where there is none: the parameter is fixed,
        ends at a
            bound, does not enter the likelihood, or the gradient is "2-point".
        covariance: (parameters, parameters), nan in the same rows and columns.
        at_bound: (parameters,), what ends at one of its bounds, pushed against it by the gradient.
        nll: the negative log-likelihood there.
        edm: the estimated distance to the minimum, ``g @ inv(H) @ g / 2``, in units of `nll`; nan for
        "2-point". converged: whether `edm` is below 1e-8 (for "2-point": what the minimiser says). message:
        what the minimiser says. evaluations: how often the likelihood was evaluated ("exact": each time with
        its gradient). compile_seconds: tracing, differentiating, optimising and compiling. seconds: the
        minimisation alone. stages: the stages of the compiled function, "exact" only.
    """

    gradient: str
    executor: str
    params: Array
    uncertainties: Array
    covariance: Array
    at_bound: Mask
    nll: float
    edm: float
    converged: bool
    message: str
    evaluations: int
    compile_seconds: float
    seconds: float
    stages: tuple[Any, ...] = field(default=(), repr=False)


def fit(
    model: Likelihood,
    executor: str = "numpy",
    *,
    gradient: str = "exact",
    progress: Callable[[str], None] = lambda step: None,
) -> FitResult:
    """The parameters that minimise ``model.nll`` within their bounds, fixed ones held.

    `gradient` is "exact" (through graphad) or "2-point" (SciPy's forward differences). `progress` is called
    with the name of each step as it begins. Raises FitError if no parameter floats or the likelihood is not
    finite at the start.
    """
    if gradient not in ("exact", "2-point"):
        raise ValueError(f'fit: gradient must be "exact" or "2-point", not {gradient!r}')
    objective = Objective(model)
    return _exact(objective, executor, progress) if gradient == "exact" else _differences(objective, executor, progress)


class Objective:
    """The negative log-likelihood of a model as a function of its floating parameters alone."""

    def __init__(self, model: Likelihood) -> None:
        lower, upper = np.asarray(model.bounds, dtype=np.float64).T
        held = np.asarray(model.fixed) | (lower == upper)
        if held.all():
            raise FitError("fit: every parameter is fixed, so there is nothing to fit")
        self.model = model
        self.free = np.flatnonzero(~held)
        self.lower, self.upper = lower[self.free], upper[self.free]
        self.start = np.clip(model.init[self.free], self.lower, self.upper)
        self.scale = np.asarray(model.scale, dtype=np.float64)[self.free]
        self.held = np.asarray(model.init, dtype=np.float64)[held]
        self.order = np.argsort(np.concatenate([self.free, np.flatnonzero(held)]))

    def complete(self, free: Array) -> Array:
        """All parameters, from the floating ones."""
        return np.concatenate([free, self.held])[self.order]

    def nll(self, free: Array) -> Any:
        """The negative log-likelihood at the floating parameters."""
        return self.model.nll(self.complete(free))

    def pushed(self, free: Array, gradient: Array, hessian: Array) -> Mask:
        """Which parameters sit at a bound that the minimum lies beyond, by more than rounding can say."""
        margin = 1e-9 * (self.upper - self.lower)
        noise = PUSHED * np.sqrt(np.abs(np.diagonal(hessian)))
        low = (free <= self.lower + margin) & (gradient > noise)
        high = (free >= self.upper - margin) & (gradient < -noise)
        return np.asarray(low | high)

    def spread(self, values: Array, fill: float = np.nan) -> Array:
        """Values of the floating parameters (any number of axes of that length) among all parameters."""
        result = np.full((len(self.order),) * values.ndim, fill)
        result[np.ix_(*[self.free] * values.ndim)] = values
        return result


def _minimize(objective: Objective, function: Callable[[Array], Any], *, exact: bool) -> Any:
    """SciPy's result in the parameters' own units; an `exact` function gives its gradient beside its value."""
    scale = objective.scale

    def scaled(point: Array) -> Any:
        if not exact:
            return function(point * scale)
        value, slope = function(point * scale)
        return value, slope * scale

    found = minimize(
        scaled,
        objective.start / scale,
        method="SLSQP",
        jac=True if exact else "2-point",
        bounds=Bounds(objective.lower / scale, objective.upper / scale),
        options={"ftol": TOLERANCE, "maxiter": MAX_ITERATIONS},
    )
    found.x = np.clip(found.x * scale, objective.lower, objective.upper)
    return found


def _check_start(value: float) -> None:
    if not np.isfinite(value):
        raise FitError(
            f"fit: the likelihood is {value} at the starting values; "
            "a bin that expects no events but observed some makes it so (change `inits`)"
        )


def _exact(objective: Objective, executor: str, progress: Callable[[str], None]) -> FitResult:
    import graphad
    from graphad.api.compiled import OPTIMISE

    progress("trace, differentiate, compile")
    began = time.perf_counter()
    # The gradient is a pass here rather than `graphad.value_and_grad`, so that the likelihood itself is a stage.
    pipeline = f"grad(wrt=0), {OPTIMISE}"
    value_and_grad = graphad.jit(objective.nll, executor=executor, pipeline=pipeline).compile(objective.start)
    hessian = graphad.jit(graphad.hessian(objective.nll), executor=HESSIAN_EXECUTOR).compile(objective.start)
    compile_seconds = time.perf_counter() - began
    _check_start(float(value_and_grad(objective.start)[0]))

    evaluations = 0

    def evaluate(free: Array) -> tuple[float, Array]:
        nonlocal evaluations
        evaluations += 1
        value, slope = value_and_grad(free)
        return float(value), np.asarray(slope)

    progress("minimise")
    began = time.perf_counter()
    found = _minimize(objective, evaluate, exact=True)
    free, value, slope, curvature = _newton(objective, found.x, evaluate, lambda x: np.asarray(hessian(x)[0]))
    seconds = time.perf_counter() - began

    progress("uncertainties")
    pushed = objective.pushed(free, slope, curvature)
    inner = ~pushed & curvature.any(axis=1)
    covariance = np.full(curvature.shape, np.nan)
    edm = np.inf
    if _positive_definite(curvature[np.ix_(inner, inner)]):
        block = np.linalg.inv(curvature[np.ix_(inner, inner)])
        covariance[np.ix_(inner, inner)] = block
        edm = float(0.5 * slope[inner] @ block @ slope[inner])
    at_bound = np.zeros(len(objective.order), dtype=np.bool_)
    at_bound[objective.free] = pushed
    return FitResult(
        gradient="exact",
        executor=executor,
        params=objective.complete(free),
        uncertainties=objective.spread(np.sqrt(np.diagonal(covariance))),
        covariance=objective.spread(covariance),
        at_bound=at_bound,
        nll=value,
        edm=edm,
        converged=edm < CONVERGED,
        message=str(found.message),
        evaluations=evaluations,
        compile_seconds=compile_seconds,
        seconds=seconds,
        stages=tuple(value_and_grad.stages),
    )


def _positive_definite(matrix: Array) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(matrix).all())


def _newton(
    objective: Objective,
    free: Array,
    evaluate: Callable[[Array], tuple[float, Array]],
    hessian: Callable[[Array], Array],
) -> tuple[Array, float, Array, Array]:
    """Newton steps from `free` while they shrink the gradient: the point, its value, gradient and Hessian."""
    value, slope = evaluate(free)
    curvature = hessian(free)
    for _ in range(NEWTON_STEPS):
        inner = ~objective.pushed(free, slope, curvature) & curvature.any(axis=1)
        block = curvature[np.ix_(inner, inner)]
        if not _positive_definite(block):
            break
        step = np.zeros_like(free)
        step[inner] = np.linalg.solve(block, slope[inner])
        if 0.5 * slope @ step < FINISHED:
            break
        moved = np.clip(free - step, objective.lower, objective.upper)
        new_value, new_slope = evaluate(moved)
        # Near the minimum the value no longer resolves a step, but the gradient does.
        worse = new_value > value + 1e-12 * max(1.0, abs(value))
        if worse or not np.linalg.norm(new_slope[inner]) < 0.5 * np.linalg.norm(slope[inner]):
            break
        free, value, slope = moved, new_value, new_slope
        curvature = hessian(free)
    return free, value, slope, curvature


def _differences(objective: Objective, executor: str, progress: Callable[[str], None]) -> FitResult:
    import graphad

    progress("trace, compile")
    began = time.perf_counter()
    nll = graphad.jit(objective.nll, executor=executor).compile(objective.start)
    compile_seconds = time.perf_counter() - began
    _check_start(float(nll(objective.start)[0]))

    evaluations = 0

    def evaluate(free: Array) -> float:
        nonlocal evaluations
        evaluations += 1
        return float(nll(free)[0])

    progress("minimise by finite differences")
    began = time.perf_counter()
    found = _minimize(objective, evaluate, exact=False)
    seconds = time.perf_counter() - began
    size = len(objective.order)
    return FitResult(
        gradient="2-point",
        executor=executor,
        params=objective.complete(np.asarray(found.x)),
        uncertainties=np.full(size, np.nan),
        covariance=np.full((size, size), np.nan),
        at_bound=np.zeros(size, dtype=np.bool_),
        nll=float(found.fun),
        edm=np.nan,
        converged=bool(found.success),
        message=str(found.message),
        evaluations=evaluations,
        compile_seconds=compile_seconds,
        seconds=seconds,
    )
