"""Peers in CasADi: symbolic graphs of scalars, called through buffers, the fast way that its Python interface has.

Its virtual machine runs them; generated C is left out, because it needs a compiler on the user's machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import casadi as ca
import numpy as np


def _call(function: Any, arguments: list[Any], shapes: list[tuple[int, ...]]) -> Callable[[], Any]:
    """A call that fills arrays of these shapes. CasADi's columns are NumPy's rows: a matrix is passed transposed."""
    buffer, trigger = function.buffer()
    results = [np.empty(shape) for shape in shapes]
    for i, x in enumerate(arguments):
        buffer.set_arg(i, memoryview(np.ascontiguousarray(x)))
    for i, x in enumerate(results):
        buffer.set_res(i, memoryview(x))
    answer = tuple(results) if len(results) > 1 else results[0]

    def call() -> Any:
        trigger()
        return answer

    call.buffer = buffer, arguments  # type: ignore[attr-defined]
    return call


def _rosenbrock(x: Any) -> Any:
    return ca.sum1(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock(x: Any) -> Callable[[], Any]:
    v = ca.SX.sym("x", x.size)
    return _call(ca.Function("gradient", [v], [ca.gradient(_rosenbrock(v), v)]), [x], [x.shape])


def rosenbrock_hessian(x: Any) -> Callable[[], Any]:
    v = ca.SX.sym("x", x.size)
    matrix = ca.densify(ca.hessian(_rosenbrock(v), v)[0])
    return _call(ca.Function("hessian", [v], [matrix]), [x], [(x.size, x.size)])


def logistic(x: Any) -> Callable[[], Any]:
    v = ca.SX.sym("x")
    y = v
    for _ in range(300):
        y = y + 0.01 * ca.sin(y) * (1 - y)
    return _call(ca.Function("gradient", [v], [ca.gradient(y, v)]), [np.array([x])], [()])


def lorenz(x: Any) -> Callable[[], Any]:
    n = x.size
    v = ca.SX.sym("x", n)
    last, first, second = ([(i + k) % n for i in range(n)] for k in (1, -1, -2))

    def slope(y: Any) -> Any:
        return (y[last] - y[second]) * y[first] - y + 8

    y, h = v, 0.01
    for _ in range(50):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return _call(ca.Function("gradient", [v], [ca.gradient(ca.dot(y, y), v)]), [x], [x.shape])


def lstm(main: Any, extra: Any, state: Any, sequence: Any) -> Callable[[], Any]:
    width, layers, n = main.shape[2], main.shape[0] // 2, sequence.shape[0] - 1
    m, e = ca.SX.sym("main", width, main.shape[0] * 4), ca.SX.sym("extra", width, 3)
    s, q = ca.SX.sym("state", width, state.shape[0]), ca.SX.sym("sequence", width, n + 1)

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + ca.exp(-x))

    hidden = [s[:, 2 * i] for i in range(layers)]
    states = [s[:, 2 * i + 1] for i in range(layers)]
    total = 0
    for t in range(n):
        x = q[:, t] * e[:, 0]
        for i in range(layers):
            w, b = m[:, 8 * i : 8 * i + 4], m[:, 8 * i + 4 : 8 * i + 8]
            gates = [sigmoid(y * w[:, k] + b[:, k]) for k, y in enumerate((x, hidden[i], x))]
            change = ca.tanh(hidden[i] * w[:, 3] + b[:, 3])
            states[i] = states[i] * gates[0] + gates[1] * change
            hidden[i] = x = gates[2] * ca.tanh(states[i])
        predicted = x * e[:, 1] + e[:, 2]
        total += ca.dot(q[:, t + 1], predicted - ca.log(ca.sum1(ca.exp(predicted)) + 2))
    gradients = [ca.gradient(-total / n, v) for v in (m, e)]
    function = ca.Function("gradient", [m, e, s, q], gradients, {"cse": True})
    return _call(function, [main, extra, state, sequence], [main.shape, extra.shape])


def reprojection(camera: Any, x: Any, weight: Any, feature: Any) -> Callable[[], Any]:
    """The Jacobian blocks of one observation, mapped over all."""
    n = weight.size
    c, p, w, f = (ca.SX.sym("v", k) for k in (11, 3, 1, 2))
    angle = ca.norm_2(c[:3])
    axis = c[:3] / angle
    y = p - c[3:6]
    seen = y * ca.cos(angle) + ca.cross(axis, y) * ca.sin(angle) + axis * ca.dot(axis, y) * (1 - ca.cos(angle))
    flat = seen[:2] / seen[2]
    square = ca.dot(flat, flat)
    residual = w * (flat * (1 + c[9] * square + c[10] * square**2) * c[6] + c[7:9] - f)
    blocks = [ca.densify(ca.jacobian(residual, v).T) for v in (c, p, w)]
    one = ca.Function("blocks", [c, p, w, f], blocks, {"cse": True})
    return _call(one.map(n), [camera, x, weight, feature], [(n, 2, 11), (n, 2, 3), (n, 2)])
