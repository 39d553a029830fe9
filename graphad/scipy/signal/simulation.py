"""Linear systems in time and frequency: names of `scipy.signal`, of systems whose numbers are traced.

A system is a tuple of 2 (polynomials), 3 (zeros, poles, gain) or 4 (matrices of states), of a digital one with its time
step as last, or one of SciPy's objects.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.api.loops import scan
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.scipy.matrix_functions import expm
from graphad.scipy.signal.responses import freqs, freqs_zpk, freqz, freqz_zpk
from graphad.scipy.signal.systems import abcd_normalize, normalize, ss2tf, tf2ss, zpk2ss
from graphad.types import FLOAT64, Array, ArrayLike

_traced = namespace("scipy.signal")[0]


def _numbers(system: Any, name: str, digital: bool) -> tuple[tuple[Any, ...], Any]:
    """The 2, 3 or 4 parts of a system, and its time step."""
    attributes = (("A", "B", "C", "D"), ("zeros", "poles", "gain"), ("num", "den"))
    for names in attributes:
        if all(hasattr(system, n) for n in names):
            if (system.dt is not None) != digital:
                raise TypeMismatchError(f"{name}: takes {'digital' if digital else 'analogue'} systems{place()}")
            return tuple([getattr(system, n) for n in names]), system.dt
    parts = tuple([system[i] for i in range(len(system))])
    parts, dt = (parts[:-1], parts[-1]) if digital else (parts, None)
    if len(parts) not in (2, 3, 4):
        raise ShapeError(f"{name}: a system of {len(parts)} parts{place()}; give 2, 3 or 4")
    return parts, dt


def _states(parts: tuple[Any, ...]) -> list[Any]:
    """The matrices of states of a system, in double precision."""
    made = {2: tf2ss, 3: zpk2ss, 4: abcd_normalize}[len(parts)](*parts)
    return [cast(operand(x), FLOAT64) if operand(x).dtype.kind != "c" else operand(x) for x in made]


def _times(a: Array, n: Any) -> Array:
    """Times over which the slowest part of a system dies away."""
    slowest = np.min(np.abs(np.real(np.linalg.eigvals(a))))
    return np.linspace(0.0, 1.0, 100 if n is None else n) * (7.0 / np.where(slowest == 0, 1.0, slowest))


def _simulated(states: list[Any], u: Any, t: ArrayLike, x0: ArrayLike | None, interp: bool) -> Any:
    """Outputs and states at equally spaced times, with the inputs held or joined by lines between them."""
    a, b, c, d = states
    t = np.atleast_1d(cast(operand(t), FLOAT64))
    if t.ndim != 1:
        raise ShapeError(f"lsim: T of shape {list(t.shape)}{place()} must be a vector")
    n, m, steps = a.shape[0], b.shape[1], t.shape[0]
    times = known(t)
    if times is not None:
        if times[0] < 0:
            raise ValueError(f"lsim: the first time{place()} must not be negative")
        if steps > 1 and not np.allclose(np.diff(times), times[1] - times[0]):
            raise ValueError(f"lsim: times{place()} must be equally spaced")
    x = np.zeros(n) if x0 is None else np.broadcast_to(operand(x0), (n,))
    x = cast(x, a.dtype)
    if times is None or times[0] != 0:
        x = x @ expm(a.T * t[0])
    u = np.zeros((steps, m)) if u is None or np.ndim(u) == 0 else operand(u)
    u = cast(u[:, None] if u.ndim == 1 else u, a.dtype)
    if u.shape != (steps, m):
        raise ShapeError(f"lsim: inputs of shape {list(u.shape)}{place()} must be {[steps, m]}")
    if steps == 1:
        xs = x[None]
    else:
        dt = t[1] - t[0]
        blocks = [a * dt, b * dt, *([np.zeros((n, m))] if interp else [])]
        top = np.concatenate(blocks, 1)
        size = top.shape[1]
        below = np.zeros((size - n, size))
        below[: size - n - m, n + m :] = np.eye(size - n - m)
        whole = expm(np.concatenate([top, below], 0).T)
        by_state, by_step, by_slope = whole[:n, :n], whole[n : n + m, :n], whole[n + m :, :n]
        if interp:
            pushes = u[:-1] @ (by_step - by_slope) + u[1:] @ by_slope
        else:
            pushes = u[:-1] @ by_step

        def step(x: Array, push: Array) -> tuple[Any, Any]:
            after = x @ by_state + push
            return after, after

        xs = np.concatenate([x[None], scan(step, x, pushes)[1]])
    return t, np.squeeze(xs @ c.T) + np.squeeze(u @ d.T), np.squeeze(xs)


@_traced
def lsim(system: Any, U: ArrayLike | None, T: ArrayLike, X0: Any = None, interp: bool = True) -> Any:
    """SciPy's `lsim`: times, outputs and states of an analogue system."""
    return _simulated(_states(_numbers(system, "lsim", False)[0]), U, T, X0, interp)


@_traced
def impulse(system: Any, X0: Any = None, T: ArrayLike | None = None, N: Any = None) -> Any:
    """SciPy's `impulse`: times, and the response to an impulse."""
    states = _states(_numbers(system, "impulse", False)[0])
    start = np.squeeze(states[1] if X0 is None else states[1] + X0)
    t, y, _ = _simulated(states, None, _times(states[0], N) if T is None else T, start, False)
    return t, y


@_traced
def step(system: Any, X0: Any = None, T: ArrayLike | None = None, N: Any = None) -> Any:
    """SciPy's `step`: times, and the response to an input of 1."""
    states = _states(_numbers(system, "step", False)[0])
    t = operand(_times(states[0], N) if T is None else T)
    t, y, _ = _simulated(states, np.ones(t.shape), t, X0, False)
    return t, y


@_traced
def freqresp(system: Any, w: ArrayLike | None = None, n: int = 10000) -> Any:
    """SciPy's `freqresp`: frequencies, and the response of an analogue system with one input and one output."""
    parts, _ = _numbers(system, "freqresp", False)
    worN = n if w is None else w
    if len(parts) == 3:
        return freqs_zpk(*parts, worN)
    num, den = ss2tf(*parts) if len(parts) == 4 else normalize(*parts)
    return freqs(_single(num, "freqresp"), den, worN)


def _single(num: Array, name: str) -> Array:
    if num.ndim == 2 and num.shape[0] != 1:
        raise ShapeError(f"{name}: a system of {num.shape[0]} outputs{place()}; give one of one")
    return num.reshape(-1)


@_traced
def bode(system: Any, w: ArrayLike | None = None, n: int = 100) -> Any:
    """SciPy's `bode`: frequencies, magnitudes in decibels and phases in degrees of an analogue system."""
    w, y = freqresp(system, w, n)
    return w, 20.0 * np.log10(np.abs(y)), np.unwrap(np.arctan2(np.imag(y), np.real(y))) * (180.0 / math.pi)


# -- digital systems ----------------------------------------------------------------------------------------------


def _run(states: list[Any], u: Any, x0: Any) -> Any:
    """Outputs and states of a digital system at the times of its inputs."""
    a, b, c, d = states
    u = cast(operand(u), a.dtype)
    u = u[:, None] if u.ndim == 1 else u
    if u.ndim != 2 or u.shape[1] != b.shape[1]:
        raise ShapeError(f"dlsim: inputs of shape {list(u.shape)}{place()} for {b.shape[1]} inputs")
    start = cast(np.zeros(a.shape[0]) if x0 is None else np.broadcast_to(operand(x0), (a.shape[0],)), a.dtype)

    def step(x: Array, u: Array) -> tuple[Any, Any]:
        return a @ x + b @ u, (c @ x + d @ u, x)

    return scan(step, start, u)[1]


def _sampled(u: Array, t: Any, dt: Any) -> tuple[Any, Any]:
    """The times of a digital system until the last of `t`, and the inputs there, on lines between those at `t`."""
    times, width = known(operand(t)), known(operand(dt))
    if times is None or width is None:
        raise MissingRuleError(f"dlsim: how many times there are depends on t and dt{place()}; give known ones")
    out = np.linspace(0.0, times[-1], int(np.floor(times[-1] / width)) + 1)
    u = operand(u)
    columns = [np.interp(out, times, u[:, i]) for i in range(u.shape[1])]
    return out, np.stack(columns, 1)


@_traced
def dlsim(system: Any, u: ArrayLike, t: ArrayLike | None = None, x0: Any = None) -> Any:
    """SciPy's `dlsim`: times and outputs, and of matrices of states the states, of a digital system."""
    parts, dt = _numbers(system, "dlsim", True)
    u = np.atleast_1d(operand(u))
    u = u[:, None] if u.ndim == 1 else u
    if t is None:
        out = np.arange(float(u.shape[0])) * dt
    else:
        out, u = _sampled(u, t, dt)
    y, x = _run(_states(parts), u, x0)
    return (out, y, x) if len(parts) == 4 else (out, y)


def _responses(name: str, system: Any, x0: Any, t: Any, n: Any, inputs: Any) -> Any:
    """Times, and for each input the outputs of a digital system where `inputs` of that many times go into it."""
    parts, dt = _numbers(system, name, True)
    states = _states(parts)
    many = states[1].shape[1]
    count = 100 if n is None else n
    if t is None:
        given, step = np.arange(float(count)) * dt, known(operand(dt))
        # SciPy counts the times anew, and can lose the last by rounding.
        if step is not None:
            given = given[: int(np.floor(np.linspace(0, count * step, count, endpoint=False)[-1] / step)) + 1]
    else:
        given, count = operand(t), operand(t).shape[0]
    found = []
    for i in range(many):
        u = np.zeros((count, many))
        u[:, i] = inputs(count)
        if t is not None:
            given, u = _sampled(u, t, dt)
        found.append(_run(states, u[: given.shape[0]], x0)[0])
    return given, tuple(found)


@_traced
def dimpulse(system: Any, x0: Any = None, t: Any = None, n: Any = None) -> Any:
    """SciPy's `dimpulse`: times, and for each input the outputs after an impulse."""
    return _responses("dimpulse", system, x0, t, n, lambda count: np.arange(count) == 0)


@_traced
def dstep(system: Any, x0: Any = None, t: ArrayLike | None = None, n: Any = None) -> Any:
    """SciPy's `dstep`: times, and for each input the outputs for an input of 1."""
    return _responses("dstep", system, x0, t, n, np.ones)


@_traced
def dfreqresp(system: Any, w: ArrayLike | None = None, n: int = 10000, whole: bool = False) -> Any:
    """SciPy's `dfreqresp`: frequencies, and the response of a digital system with one input and one output."""
    parts, _ = _numbers(system, "dfreqresp", True)
    worN = n if w is None else w
    if len(parts) == 3:
        return freqz_zpk(*parts, worN, whole)
    num, den = ss2tf(*parts) if len(parts) == 4 else normalize(*parts)
    num = _single(num, "dfreqresp")
    size = max(num.shape[0], den.shape[0])
    num, den = (np.pad(x, (size - x.shape[0], 0)) for x in (num, den))
    return freqz(num, den, worN, whole)


@_traced
def dbode(system: Any, w: Any = None, n: int = 100) -> Any:
    """SciPy's `dbode`: frequencies, magnitudes in decibels and phases in degrees of a digital system."""
    w, y = dfreqresp(system, w, n)
    dt = _numbers(system, "dbode", True)[1]
    return w / dt, 20.0 * np.log10(np.abs(y)), np.rad2deg(np.unwrap(np.angle(y)))
