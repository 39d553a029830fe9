"""The flow of the Nile as a level that wanders, by a Kalman filter: `python docs/examples/kalman.py`.

The annual flow at Aswan, 1871 to 1970, in 1e8 cubic metres (G. Cobb, Biometrika 65, 1978), is a random walk seen with
noise: the local level model of J. Durbin and S. Koopman, Time Series Analysis by State Space Methods, 2nd ed., 2012,
chapter 2, who find the variances 15099 and 1469.1. Years without a measurement are NaN, and the filter skips them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

import graphad

NILE = np.array([
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865,
    845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050,
    918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
], dtype=float)  # fmt: skip


def log_likelihood(ys: Any, F: Any, H: Any, Q: Any, R: Any, x: Any, P: Any) -> Any:
    """Of measurements `y = H x + noise(R)` of a state that moves by `x -> F x + noise(Q)`.

    `ys` has one row a time; a row that is NaN was not measured. `x` and `P` are the mean and the covariance of the
    state at the first time, before its measurement.
    """
    total = 0.0
    for y in ys:
        if not np.any(np.isnan(y)):
            innovation = y - H @ x
            S = H @ P @ H.T + R
            K = np.linalg.solve(S, H @ P).T
            x = x + K @ innovation
            P = P - K @ S @ K.T
            total -= 0.5 * innovation @ np.linalg.solve(S, innovation)
            total -= 0.5 * (np.linalg.slogdet(S)[1] + len(y) * np.log(2 * np.pi))
        x = F @ x
        P = F @ P @ F.T + Q
    return total


def local_level(logs: Any, ys: Any) -> Any:
    """The negative log-likelihood; the parameters are logarithms of the variances of measurement and step.

    The first measurement is the level at the start, as in a model that knows nothing before it.
    """
    R, Q = np.exp(logs).reshape(2, 1, 1)
    one = np.eye(1)
    return -log_likelihood(ys[1:, None], one, one, Q, R, ys[:1], R + Q)


def fit(ys: Any) -> tuple[Any, Any]:
    """The two variances and their relative uncertainties."""
    both = graphad.jit(graphad.value_and_grad(local_level))
    found = minimize(both, np.log([1e4, 1e4]), args=(ys,), jac=True, method="BFGS", options={"gtol": 1e-6})
    curvature = graphad.jit(graphad.hessian(local_level))(found.x, ys)
    return np.exp(found.x), np.sqrt(np.diag(np.linalg.inv(curvature)))


def main() -> None:
    gaps = NILE.copy()
    gaps[20:40] = gaps[60:80] = np.nan
    for name, ys in ("all years", NILE), ("60 of 100", gaps):
        variances, errors = fit(ys)
        print(f"{name}: measurement {variances[0]:.0f} ± {variances[0] * errors[0]:.0f}, ", end="")
        print(f"level {variances[1]:.1f} ± {variances[1] * errors[1]:.0f}")


if __name__ == "__main__":
    main()
