"""Peers written by hand, loops and their adjoints, compiled by numba: each gives a call that computes value and
gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from peers_numba_base import loop


@loop
def lstm(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    layers, n, width = main.shape[0] // 2, sequence.shape[0] - 1, main.shape[2]
    # For each step and layer: input, hidden and state before, the four gates, and tanh of the state after.
    kept = np.empty((n, layers, 8, width))
    top, exps, totals = np.empty((n, width)), np.empty((n, width)), np.empty(n)
    hidden, states = np.empty((layers, width)), np.empty((layers, width))
    for i in range(layers):
        hidden[i], states[i] = state[2 * i], state[2 * i + 1]
    value = 0.0
    for t in range(n):
        for a in range(width):
            top[t, a] = sequence[t, a] * extra[0, a]
        for i in range(layers):
            for a in range(width):
                x, h, s = top[t, a], hidden[i, a], states[i, a]
                f = 1 / (1 + math.exp(-(x * main[2 * i, 0, a] + main[2 * i + 1, 0, a])))
                g = 1 / (1 + math.exp(-(h * main[2 * i, 1, a] + main[2 * i + 1, 1, a])))
                o = 1 / (1 + math.exp(-(x * main[2 * i, 2, a] + main[2 * i + 1, 2, a])))
                c = math.tanh(h * main[2 * i, 3, a] + main[2 * i + 1, 3, a])
                states[i, a] = s * f + g * c
                e = math.tanh(states[i, a])
                kept[t, i, 0, a], kept[t, i, 1, a], kept[t, i, 2, a], kept[t, i, 3, a] = x, h, s, f
                kept[t, i, 4, a], kept[t, i, 5, a], kept[t, i, 6, a], kept[t, i, 7, a] = g, o, c, e
                top[t, a] = hidden[i, a] = o * e
        total, weight, first = 2.0, 0.0, 0.0
        for a in range(width):
            p = top[t, a] * extra[1, a] + extra[2, a]
            exps[t, a] = math.exp(p)
            total += exps[t, a]
            weight += sequence[t + 1, a]
            first += sequence[t + 1, a] * p
        totals[t] = weight / total
        value += first - weight * math.log(total)
    by_main, by_extra = np.zeros_like(main), np.zeros_like(extra)
    by_hidden, by_states, dx = np.zeros((layers, width)), np.zeros((layers, width)), np.empty(width)
    for t in range(n - 1, -1, -1):
        for a in range(width):
            p = (totals[t] * exps[t, a] - sequence[t + 1, a]) / n
            by_extra[1, a] += p * top[t, a]
            by_extra[2, a] += p
            dx[a] = p * extra[1, a]
        for i in range(layers - 1, -1, -1):
            for a in range(width):
                x, h, s, f = kept[t, i, 0, a], kept[t, i, 1, a], kept[t, i, 2, a], kept[t, i, 3, a]
                g, o, c, y = kept[t, i, 4, a], kept[t, i, 5, a], kept[t, i, 6, a], kept[t, i, 7, a]
                dh = dx[a] + by_hidden[i, a]
                ds = by_states[i, a] + dh * o * (1 - y * y)
                df, dg = ds * s * f * (1 - f), ds * c * g * (1 - g)
                do, dc = dh * y * o * (1 - o), ds * g * (1 - c * c)
                by_states[i, a] = ds * f
                by_hidden[i, a] = dg * main[2 * i, 1, a] + dc * main[2 * i, 3, a]
                dx[a] = df * main[2 * i, 0, a] + do * main[2 * i, 2, a]
                by_main[2 * i, 0, a] += df * x
                by_main[2 * i, 1, a] += dg * h
                by_main[2 * i, 2, a] += do * x
                by_main[2 * i, 3, a] += dc * h
                by_main[2 * i + 1, 0, a] += df
                by_main[2 * i + 1, 1, a] += dg
                by_main[2 * i + 1, 2, a] += do
                by_main[2 * i + 1, 3, a] += dc
        for a in range(width):
            by_extra[0, a] += dx[a] * sequence[t, a]
    return -value / n, (by_main, by_extra)


@loop
def lorenz(start: Any, forcing: Any) -> Any:
    n, count, h = start.size, 10_000, 0.01
    # Every vector has two entries of its other end at each side, so that neighbours need no remainder of the index.
    points = np.empty((count, 4, n + 4))
    x = start.copy()
    k, total = np.empty(n), np.empty(n)
    for t in range(count):
        for stage in range(4):
            p = points[t, stage]
            step = h if stage == 3 else h / 2
            for i in range(n):
                p[i + 2] = x[i] + step * k[i] if stage > 0 else x[i]
            p[0], p[1], p[n + 2], p[n + 3] = p[n], p[n + 1], p[2], p[3]
            weight = 2.0 if stage == 1 or stage == 2 else 1.0
            for i in range(n):
                k[i] = (p[i + 3] - p[i]) * p[i + 1] - p[i + 2] + forcing[i]
                total[i] = total[i] + weight * k[i] if stage > 0 else k[i]
        for i in range(n):
            x[i] += h / 6 * total[i]
    value = 0.0
    for i in range(n):
        value += x[i] * x[i]
    g = 2 * x
    c = np.empty(n + 4)
    back, reached, by_forcing = np.zeros(n), np.empty(n), np.zeros(n)
    for t in range(count - 1, -1, -1):
        for i in range(n):
            reached[i] = g[i]
        for stage in range(3, -1, -1):
            p = points[t, stage]
            weight = h / 3 if stage == 1 or stage == 2 else h / 6
            step = h if stage == 2 else h / 2
            for i in range(n):
                c[i + 2] = weight * reached[i] + step * back[i] if stage < 3 else weight * reached[i]
                by_forcing[i] += c[i + 2]
            c[0], c[1], c[n + 2], c[n + 3] = c[n], c[n + 1], c[2], c[3]
            for i in range(n):
                back[i] = c[i + 1] * p[i] - c[i + 4] * p[i + 3] + c[i + 3] * (p[i + 4] - p[i + 1]) - c[i + 2]
                g[i] += back[i]
    return value, (g, by_forcing)


@loop
def kalman(theta: Any, seen: Any) -> Any:
    n, h, keep = seen.shape[0], 0.1, theta[2]
    q, error = math.exp(theta[0]), math.exp(theta[1])
    noise = np.zeros((4, 4))
    noise[0, 0] = noise[1, 1] = h**3 / 3
    noise[0, 2] = noise[2, 0] = noise[1, 3] = noise[3, 1] = h**2 / 2
    noise[2, 2] = noise[3, 3] = h
    # Of each step: mean and covariance before it, predicted covariance, gain, inverse of the innovation's covariance,
    # and the weighed innovation.
    xs, ps, predicted = np.empty((n, 4)), np.empty((n, 4, 4)), np.empty((n, 4, 4))
    gains, inverses, weighed = np.empty((n, 4, 2)), np.empty((n, 2, 2)), np.empty((n, 2))
    x, p, f = np.zeros(4), np.eye(4), np.empty((4, 4))
    value = 0.0
    for t in range(n):
        xs[t], ps[t] = x, p
        c, s, k, u = predicted[t], inverses[t], gains[t], weighed[t]
        # Rows of the motion: place + h velocity, and what remains of the velocity.
        for j in range(4):
            for i in range(2):
                f[i, j], f[i + 2, j] = p[i, j] + h * p[i + 2, j], keep * p[i + 2, j]
        for i in range(4):
            for j in range(2):
                c[i, j], c[i, j + 2] = f[i, j] + h * f[i, j + 2], keep * f[i, j + 2]
        for i in range(4):
            for j in range(4):
                c[i, j] += q * noise[i, j]
        for i in range(2):
            x[i], x[i + 2] = x[i] + h * x[i + 2], keep * x[i + 2]
        s00, s01, s11 = c[0, 0] + error, c[0, 1], c[1, 1] + error
        det = s00 * s11 - s01 * s01
        s[0, 0], s[0, 1], s[1, 0], s[1, 1] = s11 / det, -s01 / det, -s01 / det, s00 / det
        y0, y1 = seen[t, 0] - x[0], seen[t, 1] - x[1]
        u[0], u[1] = s[0, 0] * y0 + s[0, 1] * y1, s[1, 0] * y0 + s[1, 1] * y1
        value += 0.5 * (math.log(det) + y0 * u[0] + y1 * u[1])
        for i in range(4):
            x[i] += c[i, 0] * u[0] + c[i, 1] * u[1]
            k[i, 0], k[i, 1] = c[i, 0] * s[0, 0] + c[i, 1] * s[1, 0], c[i, 0] * s[0, 1] + c[i, 1] * s[1, 1]
        for i in range(4):
            for j in range(4):
                p[i, j] = c[i, j] - k[i, 0] * c[j, 0] - k[i, 1] * c[j, 1]
    by_q = by_error = by_keep = 0.0
    gx, gp, d, kk = np.zeros(4), np.zeros((4, 4)), np.empty((4, 4)), np.empty((4, 2))
    for t in range(n - 1, -1, -1):
        x, p, c, s, k, u = xs[t], ps[t], predicted[t], inverses[t], gains[t], weighed[t]
        # p = c - a s a^T and x + a u, where a are the first columns of c. All cotangents of covariances are symmetric.
        for i in range(4):
            for j in range(2):
                kk[i, j] = 0.0
                for m in range(4):
                    kk[i, j] += gp[i, m] * k[m, j]
        a0 = c[0, 0] * gx[0] + c[1, 0] * gx[1] + c[2, 0] * gx[2] + c[3, 0] * gx[3]
        a1 = c[0, 1] * gx[0] + c[1, 1] * gx[1] + c[2, 1] * gx[2] + c[3, 1] * gx[3]
        v0, v1 = s[0, 0] * a0 + s[0, 1] * a1, s[1, 0] * a0 + s[1, 1] * a1
        for i in range(4):
            for j in range(4):
                d[i, j] = gp[i, j]
            for j in range(2):
                g = 0.5 * gx[i] * u[j] - kk[i, j]
                d[i, j] += g
                d[j, i] += g
        for i in range(2):
            for j in range(2):
                g = 0.5 * (s[i, j] - u[i] * u[j])
                for m in range(4):
                    g += k[m, i] * kk[m, j]
                v = v0 if i == 0 else v1
                w = v0 if j == 0 else v1
                g -= 0.5 * (v * u[j] + w * u[i])
                d[i, j] += g
                if i == j:
                    by_error += g
        gx[0] -= v0 + u[0]
        gx[1] -= v1 + u[1]
        for i in range(4):
            for j in range(4):
                by_q += d[i, j] * noise[i, j]
        # The motion's transpose; f = d motion, whose columns of velocity also belong to what remains of it.
        for i in range(4):
            for j in range(2):
                f[i, j], f[i, j + 2] = d[i, j], h * d[i, j] + keep * d[i, j + 2]
        for j in range(2):
            by_keep += gx[j + 2] * x[j + 2]
            for m in range(4):
                by_keep += 2 * f[j + 2, m] * p[m, j + 2]
        for j in range(4):
            for i in range(2):
                gp[i, j], gp[i + 2, j] = f[i, j], h * f[i, j] + keep * f[i + 2, j]
        for i in range(2):
            gx[i + 2] = h * gx[i] + keep * gx[i + 2]
    return value, np.array([by_q * q, by_error * error, by_keep])


@loop
def logistic(rate: Any, start: Any) -> Any:
    n = 10_000
    xs = np.empty(n)
    x, total = start, 0.0
    for t in range(n):
        xs[t] = x
        x = rate * x * (1 - x)
        total += x
    g = by_rate = 0.0
    for t in range(n - 1, -1, -1):
        x = xs[t]
        g += 1.0
        by_rate += g * x * (1 - x)
        g *= rate * (1 - 2 * x)
    return total, (by_rate, g)


@loop
def newton(p: Any, start: Any) -> Any:
    xs = np.empty((16, 2))
    x, y, count = start[0], start[1], 0
    while True:
        a, b = p[0] * math.exp(-x), p[1] * math.exp(-y)
        f, g = 2 * x - y - a, 2 * y - x - b
        if not f * f + g * g > 1e-24:
            break
        if count == xs.shape[0]:
            grown = np.empty((2 * count, 2))
            grown[:count] = xs
            xs = grown
        xs[count, 0], xs[count, 1] = x, y
        count += 1
        det = (2 + a) * (2 + b) - 1
        x, y = x - 0.5 * ((2 + b) * f + g) / det, y - 0.5 * ((2 + a) * g + f) / det
    gx, gy, by_p, by_q = 2 * x, 2 * y, 0.0, 0.0
    value = x * x + y * y
    for t in range(count - 1, -1, -1):
        x, y = xs[t, 0], xs[t, 1]
        ea, eb = math.exp(-x), math.exp(-y)
        a, b = p[0] * ea, p[1] * eb
        f, g = 2 * x - y - a, 2 * y - x - b
        det = (2 + a) * (2 + b) - 1
        # The step s solves J s = f, so its cotangent w solves the same symmetric system.
        s, r = ((2 + b) * f + g) / det, ((2 + a) * g + f) / det
        u, v = -0.5 * ((2 + b) * gx + gy) / det, -0.5 * ((2 + a) * gy + gx) / det
        by_p -= u * ea * (1 + s)
        by_q -= v * eb * (1 + r)
        gx += (2 + a) * u - v + u * a * s
        gy += (2 + b) * v - u + v * b * r
    return value, np.array([by_p, by_q])
