"""The loop over the steps of a solver: states at given times, and what happens on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad.api.control import cond
from graphad.api.custom import stop_gradient
from graphad.api.derivatives import jvp
from graphad.api.loops import while_loop
from graphad.scipy.integrate.explicit import Counts, Function, InitialValueProblem, Options, RungeKutta, Step
from graphad.scipy.integrate.implicit import BDF, Radau

SOLVERS: dict[str, Any] = {"RK45": RungeKutta, "RK23": RungeKutta, "DOP853": RungeKutta, "Radau": Radau, "BDF": BDF}
IMPLICIT = ("Radau", "BDF")


class Event(NamedTuple):
    """A function of time and state whose zeros are looked for, and what SciPy lets it say of itself.

    `size` is the number of zeros that are kept.
    """

    function: Function
    terminal: float
    direction: float
    size: int


class _Seen(NamedTuple):
    """The last value of an event's function, and what was found of it."""

    value: Any
    count: Any
    times: Any
    states: Any


class March(NamedTuple):
    """States in columns at the given times, where the solution ended, its events, counts and status."""

    states: Any
    t: Any
    y: Any
    seen: Sequence[_Seen]
    counts: Counts
    status: Any


def march(problem: InitialValueProblem, y0: Any, ts: Any, options: Options, events: Sequence[Event] = ()) -> March:
    """The solution from `y0`, NaN at times that it does not reach.

    Step sizes are constants for derivatives: those are of the steps that were taken.
    """
    solver = SOLVERS[options.method](problem, options)
    direction = problem.direction
    ts = stop_gradient(ts)
    states = np.where(ts == problem.t0, y0[:, None], np.nan)
    nothing = [
        _Seen(e.function(problem.t0, y0), 0, np.full(e.size, np.nan), np.full((e.size, *y0.shape), np.nan))
        for e in events
    ]
    start = solver.start(y0)

    def attempt(carry: Any) -> Any:
        state, states, end, seen, _ = carry
        state, step = solver.attempt(state)
        seen, stop = _watched(events, seen, step, direction)
        ended = direction * (step.new - stop) > 0
        last = np.where(ended, stop, step.new)
        passed = np.logical_and(direction * (ts - step.t) > 0, direction * (ts - last) <= 0)
        states = np.where(np.logical_and(passed, step.accepted), step.at(ts), states)
        end = (np.where(step.accepted, last, end[0]), _end(events, ended, step, stop, end[1]))
        done = np.logical_and(step.accepted, direction * (step.new - problem.tf) >= 0)
        ended = np.logical_and(ended, step.accepted)
        return state, states, end, seen, np.where(step.failed, -1, np.where(ended, 2, np.where(done, 1, 0)))

    carry = (start, states, (problem.t0, y0), nothing, np.where(problem.t0 == problem.tf, 1, 0))
    state, states, (t, y), seen, status = while_loop(lambda carry: carry[-1] == 0, attempt, carry)
    return March(states, t, y, seen, state.counts, np.where(status > 0, status - 1, status))


def _end(events: Sequence[Event], ended: Any, step: Step, stop: Any, before: Any) -> Any:
    """The state at the end of a step, or where an event ended it."""
    after = step.y
    if events:
        after = cond(ended, lambda: step.at(np.reshape(stop, (1,)))[:, 0], lambda: after * 1.0)
    return np.where(step.accepted, after, before)


def _watched(events: Sequence[Event], seen: Sequence[_Seen], step: Step, direction: Any) -> tuple[list[_Seen], Any]:
    """What is known of the events after a step, and the time at which one of them ends the solution."""
    stop = direction * np.inf
    zeros = []
    for event, before in zip(events, seen, strict=True):
        value = event.function(step.new, step.y)
        old, now = stop_gradient(before.value), stop_gradient(value)
        up, down = np.logical_and(old <= 0, now >= 0), np.logical_and(old >= 0, now <= 0)
        either = up if event.direction > 0 else down if event.direction < 0 else np.logical_or(up, down)
        active = np.logical_and(either, step.accepted)
        zero = cond(active, lambda e=event, v=old: _zero(e, v, step), lambda: direction * np.inf)
        count = before.count + active
        if np.isfinite(event.terminal):
            ends = np.logical_and(active, count >= event.terminal)
            stop = np.where(np.logical_and(ends, direction * (zero - stop) < 0), zero, stop)
        zeros.append((value, active, zero, count))
    after = []
    for event, before, (value, active, zero, count) in zip(events, seen, zeros, strict=True):
        kept = np.logical_and(active, direction * (zero - stop) <= 0)
        place = np.logical_and(np.arange(event.size) == before.count, kept)
        at = cond(kept, lambda z=zero: step.at(np.reshape(z, (1,)))[:, 0], lambda: np.full(step.y.shape, np.nan))
        times, states = np.where(place, zero, before.times), np.where(place[:, None], at, before.states)
        after.append(_Seen(np.where(step.accepted, value, before.value), count, times, states))
    return after, stop


def _zero(event: Event, old: Any, step: Step) -> Any:
    """Where an event's function vanishes within a step: by bisection, then by two Newton iterations.

    Each of these doubles the number of derivatives that are right, so that those of the first three orders are.
    """
    close = 4 * np.finfo(float).eps

    def at(t: Any) -> Any:
        return event.function(t, step.at(np.reshape(t, (1,)))[:, 0])

    def halved(bracket: Any) -> Any:
        near, far = bracket
        middle = 0.5 * (near + far)
        same = np.sign(stop_gradient(at(middle))) * np.sign(old) > 0
        return np.where(same, middle, near), np.where(same, far, middle)

    wide = lambda bracket: np.abs(bracket[1] - bracket[0]) > close * (1 + np.abs(bracket[1]))
    near, far = while_loop(wide, halved, (step.t, step.new))
    t = stop_gradient(np.where(old == 0, step.t, 0.5 * (near + far)))
    for _ in range(2):
        value, rate = jvp(at, (t,), (np.ones(()),))
        flat = rate == 0
        t = t - np.where(flat, 0.0, value / np.where(flat, 1.0, rate))
    return t
