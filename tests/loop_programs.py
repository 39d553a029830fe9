"""Loops as users write them: each program is run by plain Python and as a loop of the graph, and must agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

TIMES = np.linspace(0.0, 1.0, 50)
WEIGHTS = [[0.3, 0.1], [0.2, -0.4], [0.5, 0.2]] * 12
LAYERS = [np.array([[0.5, 0.1], [k / 10, 0.3]]) for k in range(9)]

PROGRAMS: dict[str, Callable[[Any], Any]] = {}
"""By name: functions of one number, whose graphs must stay short."""


def program(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    PROGRAMS[f.__name__] = f
    return f


def relax(u):
    return u + 0.1 * np.sin(np.roll(u, 1)) * u - 0.05 * u**2


def start(k):
    return np.linspace(0, 1, 6) * k


# -- what is run over ---------------------------------------------------------------------------------------------


@program
def times(k):
    u = start(k)
    for t in TIMES:
        u = relax(u) + 1e-3 * t
    return np.sum(u) * t


@program
def numbered_times(k):
    u = start(k)
    for i, t in enumerate(TIMES, 1):
        u = relax(u) + 1e-4 * t * i
    return np.sum(u) * i


@program
def lists_side_by_side(k):
    u = start(k)
    for (a, b), t, i in zip(WEIGHTS, TIMES, range(2, 100), strict=False):
        u = relax(u) * a + b * t + 0.01 * i
    return np.sum(u) * a + i


@program
def backwards(k):
    u = start(k)
    for i, t in reversed(list(enumerate(TIMES[:40]))):
        u = relax(u) + 1e-4 * t * i
    for t in reversed(TIMES):
        u = relax(u) + 1e-4 * t
    for i in reversed(range(40)):
        u = relax(u) + 1e-4 * i
    return np.sum(u)


@program
def matrices_of_a_list(k):
    x = np.array([1.0, k])
    for w in LAYERS:
        x = np.tanh(w @ x) + x * 0.1
        for _ in range(3):
            x = x + 0.01 * np.sin(x) * k - 0.001 * x**2 + np.cos(x) * 0.1
    return np.sum(x)


@program
def rows_of_a_constant_matrix(k):
    u = np.zeros(2)
    for row in np.array(WEIGHTS):
        u = u * 0.9 + np.sin(row * k)
    return np.sum(u)


@program
def integers_of_a_list(k):
    u = start(k)
    for i in [0, 2, 5, 1, 3] * 8:
        u[i] = u[i] * 0.9 + u[i - 1] * 0.1
    return np.sum(u**2)


@program
def short_loops_in_each_other(k):
    u = start(k)
    for _ in range(20):
        for _ in range(20):
            u = relax(u)
    return np.sum(u)


# -- what is carried ----------------------------------------------------------------------------------------------


class Grid:
    def __init__(self, k):
        self.u = start(k)
        self.steps = 0
        self.last = None

    def step(self):
        self.u = relax(self.u)
        self.steps += 1
        self.last = np.max(self.u)


@program
def counter_attribute(k):
    g = Grid(k)
    for _ in range(60):
        g.step()
    assert g.steps == 60
    return np.sum(g.u[: g.steps // 20]) + g.last * g.steps


@program
def attribute_made_in_the_loop(k):
    g = Grid(k)
    for _ in TIMES:
        g.previous = g.u
        g.step()
    return np.sum((g.u - g.previous) ** 2)


@program
def output_counter(k):
    u, t, out, saved = start(k), 0, 0, np.zeros((5, 6))
    for _ in range(50):
        u = relax(u)
        t += 0.01
        if t > (out + 1) * 0.1 - 1e-9:
            saved[out] = u
            out += 1
    return np.sum(saved[:out]) + out


@program
def entries_by_a_counter(k):
    x, j, out = k, 0, np.zeros(100)
    for i in range(40):
        x = 0.9 * x + 0.1 * np.sin(x)
        out[j] = x
        j += 2 if i % 2 == 0 else 1
    return np.sum(out[:j]) + j


@program
def counted_by_while(k):
    u, i, n = start(k), 0, 60
    while i < n:
        u = relax(u) + 1e-4 * i
        i += 1
    return np.sum(u[: i // 20]) + i


@program
def time_by_while(k):
    u, t = start(k), 0.0
    while t < 0.5:
        u = relax(u)
        t += 0.01
    return np.sum(u) * t


@program
def complex_from_the_first_iteration(k):
    z = 0.1 * k
    for _ in range(40):
        z = z**2 + (0.1 + 0.2j)
    return np.abs(z) ** 2


@program
def float_from_the_first_iteration(k):
    total = np.int64(0)
    for t in TIMES:
        total = total + t * np.sin(k)
    return total


@program
def nothing_before_the_loop(k):
    best, previous = None, None
    for t in TIMES:
        x = np.sin(k * t)
        if best is None or x > best:
            best = x
        if previous is not None:
            best = best + 0.001 * (x - previous)
        previous = x
    return best


@program
def first_and_other_iterations(k):
    u = start(k)
    for i in range(40):
        if i == 0:
            u = u * 2
        elif i > 30:
            u = relax(u) * 0.9
        else:
            u = relax(u)
    return np.sum(u)


@program
def histories(k):
    u, rows, totals = start(k), [], [k]
    for t in TIMES:
        u = relax(u) + 1e-3 * t
        rows.append(u)
        totals.append(np.sum(u**2))
    every, energy = np.array(rows), np.stack(totals)
    return np.sum(every[::10]) + energy[-1] * totals[3] + rows[-1][2] * len(rows) + np.mean(energy)


@program
def copies_of_one_array(k):
    u, rows = start(k), []
    for _ in range(50):
        u += 0.01 * np.sin(u)
        rows.append((u.copy(), np.max(u)))
    u[0] = 7.0
    return sum(row[0] * most for row, most in rows[::10]) + rows[-1][0][1]


@program
def history_by_while(k):
    x, i, found = k, 0, []
    while i < 60:
        x = 0.9 * x + 0.1 * np.cos(x)
        found.append(x)
        i += 1
    return found[-1] + np.mean(found) + np.max(np.array(found[10:]))


@program
def history_that_is_not_read(k):
    history = []
    while k < 100:
        k = k * 2
        history.append(k)
    return k


@program
def list_that_is_read(k):
    values = [k]
    for _ in range(30):
        values.append(values[-1] * 0.9 + 0.1 * np.sin(values[-1]))
    return values[-1] + sum(values)


# -- how it ends --------------------------------------------------------------------------------------------------


@program
def returned_from_a_loop_without_end(k):
    x, n = k, 0
    while True:
        x = 0.5 * (x + 2 / x)
        n += 1
        if abs(x * x - 2) < 1e-10:
            return x * n


@program
def broken_at_a_known_place(k):
    u = start(k)
    for i, _ in enumerate(TIMES):
        u = relax(u)
        if i == 40:
            break
    else:
        u = u * 0
    return np.sum(u) * i


@program
def ended_without_a_break(k):
    u = start(k)
    for _ in TIMES:
        u = relax(u)
        if np.sum(u) > 1e9:
            break
    else:
        u = u * 2
    return np.sum(u)


@program
def found_in_a_constant_array(k):
    for t in TIMES:
        if t * k > 0.51:
            return t * k**2
    return k


@program
def matched(k):
    x = k
    for i in range(40):
        match i % 3:
            case 0:
                x = np.sin(x)
            case 1:
                x = x * 1.1
            case _:
                x = x + 0.01 * i
    return x
