"""Peers written by hand for the longer models: their derivatives by the chain rule, as loops compiled by numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange
from peers_numba_base import loop, parts, rows


@parts
def mixture(alphas: Any, means: Any, icf: Any, x: Any, count: Any) -> Any:
    n, d = x.shape
    k = means.shape[0]
    factor = np.zeros((k, d, d))
    shift = alphas.copy()
    for j in range(k):
        at = d
        for a in range(d):
            factor[j, a, a] = math.exp(icf[j, a])
            shift[j] += icf[j, a]
            for b in range(a + 1, d):
                factor[j, b, a] = icf[j, at]
                at += 1
    totals = np.zeros((count, k))
    moments = np.zeros((count, k, d))
    products = np.zeros((count, k, d, d))
    for part in prange(count):
        centred, scaled, weights = np.empty((k, d)), np.empty((k, d)), np.empty(k)
        for i in range(n * part // count, n * (part + 1) // count):
            top = -np.inf
            for j in range(k):
                for a in range(d):
                    centred[j, a] = x[i, a] - means[j, a]
                square = 0.0
                for a in range(d):
                    s = 0.0
                    for b in range(a + 1):
                        s += factor[j, a, b] * centred[j, b]
                    scaled[j, a] = s
                    square += s * s
                weights[j] = shift[j] - 0.5 * square
                top = max(top, weights[j])
            total = 0.0
            for j in range(k):
                weights[j] = math.exp(weights[j] - top)
                total += weights[j]
            for j in range(k):
                w = weights[j] / total
                totals[part, j] += w
                for a in range(d):
                    s = w * scaled[j, a]
                    moments[part, j, a] += s
                    for b in range(a + 1):
                        products[part, j, a, b] += s * centred[j, b]
    for part in range(1, count):
        totals[0] += totals[part]
        moments[0] += moments[part]
        products[0] += products[part]
    top = alphas.max()
    norm = np.exp(alphas - top).sum()
    by_alpha, by_mean, by_icf = np.empty(k), np.zeros((k, d)), np.empty_like(icf)
    for j in range(k):
        by_alpha[j] = totals[0, j] - n * math.exp(alphas[j] - top) / norm
        at = d
        for a in range(d):
            e = factor[j, a, a]
            by_icf[j, a] = totals[0, j] - products[0, j, a, a] * e + e * e - 1
            for b in range(a + 1):
                by_mean[j, b] += factor[j, a, b] * moments[0, j, a]
            for b in range(a + 1, d):
                by_icf[j, at] = icf[j, at] - products[0, j, b, a]
                at += 1
    return by_alpha, by_mean, by_icf


@rows
def reprojection(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    n = weight.size
    by_camera, by_point, by_weight = np.empty((n, 2, 11)), np.empty((n, 2, 3)), np.empty((n, 2))
    for i in prange(n):
        r0, r1, r2 = camera[i, 0], camera[i, 1], camera[i, 2]
        angle = math.sqrt(r0 * r0 + r1 * r1 + r2 * r2)
        w0, w1, w2 = r0 / angle, r1 / angle, r2 / angle
        s, c = math.sin(angle), math.cos(angle)
        x0, x1, x2 = point[i, 0] - camera[i, 3], point[i, 1] - camera[i, 4], point[i, 2] - camera[i, 5]
        c0, c1, c2 = w1 * x2 - w2 * x1, w2 * x0 - w0 * x2, w0 * x1 - w1 * x0
        dot = w0 * x0 + w1 * x1 + w2 * x2
        m = dot * (1 - c)
        z = 1 / (x2 * c + c2 * s + w2 * m)
        u, v = (x0 * c + c0 * s + w0 * m) * z, (x1 * c + c1 * s + w1 * m) * z
        a0, a1, a2 = dot * s * w0 - x0 * s + c0 * c, dot * s * w1 - x1 * s + c1 * c, dot * s * w2 - x2 * s + c2 * c
        square = u * u + v * v
        k1, k2, focal = camera[i, 9], camera[i, 10], camera[i, 6]
        lens = 1 + square * (k1 + k2 * square)
        bend = 2 * k1 + 4 * k2 * square
        scale = weight[i]
        for row in range(2):
            # How the residual changes with the flat coordinates, then with the rotated point.
            flat = u if row == 0 else v
            gu = scale * focal * (flat * bend * u + (lens if row == 0 else 0.0))
            gv = scale * focal * (flat * bend * v + (lens if row == 1 else 0.0))
            g0, g1, g2 = gu * z, gv * z, -(gu * u + gv * v) * z
            along = w0 * g0 + w1 * g1 + w2 * g2
            by_angle = g0 * a0 + g1 * a1 + g2 * a2
            h0 = s * (x1 * g2 - x2 * g1) + (1 - c) * (dot * g0 + along * x0)
            h1 = s * (x2 * g0 - x0 * g2) + (1 - c) * (dot * g1 + along * x1)
            h2 = s * (x0 * g1 - x1 * g0) + (1 - c) * (dot * g2 + along * x2)
            inward = by_angle - (w0 * h0 + w1 * h1 + w2 * h2) / angle
            by_camera[i, row, 0] = inward * w0 + h0 / angle
            by_camera[i, row, 1] = inward * w1 + h1 / angle
            by_camera[i, row, 2] = inward * w2 + h2 / angle
            q0 = c * g0 + s * (g1 * w2 - g2 * w1) + (1 - c) * along * w0
            q1 = c * g1 + s * (g2 * w0 - g0 * w2) + (1 - c) * along * w1
            q2 = c * g2 + s * (g0 * w1 - g1 * w0) + (1 - c) * along * w2
            by_point[i, row, 0], by_point[i, row, 1], by_point[i, row, 2] = q0, q1, q2
            by_camera[i, row, 3], by_camera[i, row, 4], by_camera[i, row, 5] = -q0, -q1, -q2
            by_camera[i, row, 6] = scale * flat * lens
            by_camera[i, row, 7] = scale if row == 0 else 0.0
            by_camera[i, row, 8] = scale if row == 1 else 0.0
            by_camera[i, row, 9] = scale * focal * flat * square
            by_camera[i, row, 10] = scale * focal * flat * square * square
            by_weight[i, row] = flat * lens * focal + camera[i, 7 + row] - feature[i, row]
    return by_camera, by_point, by_weight


@loop
def lstm(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    layers, n, width = main.shape[0] // 2, sequence.shape[0] - 1, main.shape[2]
    # For each step and layer: input, hidden and state before, the four gates, and tanh of the state after.
    kept = np.empty((n, layers, 8, width))
    top = np.empty((n, width))
    hidden, states = np.empty((layers, width)), np.empty((layers, width))
    for i in range(layers):
        hidden[i], states[i] = state[2 * i], state[2 * i + 1]
    for t in range(n):
        for a in range(width):
            x = sequence[t, a] * extra[0, a]
            for i in range(layers):
                h, s = hidden[i, a], states[i, a]
                f = 1 / (1 + math.exp(-(x * main[2 * i, 0, a] + main[2 * i + 1, 0, a])))
                g = 1 / (1 + math.exp(-(h * main[2 * i, 1, a] + main[2 * i + 1, 1, a])))
                o = 1 / (1 + math.exp(-(x * main[2 * i, 2, a] + main[2 * i + 1, 2, a])))
                c = math.tanh(h * main[2 * i, 3, a] + main[2 * i + 1, 3, a])
                states[i, a] = s * f + g * c
                e = math.tanh(states[i, a])
                kept[t, i, 0, a], kept[t, i, 1, a], kept[t, i, 2, a], kept[t, i, 3, a] = x, h, s, f
                kept[t, i, 4, a], kept[t, i, 5, a], kept[t, i, 6, a], kept[t, i, 7, a] = g, o, c, e
                x = hidden[i, a] = o * e
            top[t, a] = x
    by_main, by_extra = np.zeros_like(main), np.zeros_like(extra)
    by_hidden, by_states = np.zeros((layers, width)), np.zeros((layers, width))
    e = np.empty(width)
    for t in range(n - 1, -1, -1):
        total, weight = 2.0, 0.0
        for a in range(width):
            e[a] = math.exp(top[t, a] * extra[1, a] + extra[2, a])
            total += e[a]
            weight += sequence[t + 1, a]
        for a in range(width):
            p = (weight * e[a] / total - sequence[t + 1, a]) / n
            by_extra[1, a] += p * top[t, a]
            by_extra[2, a] += p
            dx = p * extra[1, a]
            for i in range(layers - 1, -1, -1):
                x, h, s, f = kept[t, i, 0, a], kept[t, i, 1, a], kept[t, i, 2, a], kept[t, i, 3, a]
                g, o, c, y = kept[t, i, 4, a], kept[t, i, 5, a], kept[t, i, 6, a], kept[t, i, 7, a]
                dh = dx + by_hidden[i, a]
                ds = by_states[i, a] + dh * o * (1 - y * y)
                df, dg = ds * s * f * (1 - f), ds * c * g * (1 - g)
                do, dc = dh * y * o * (1 - o), ds * g * (1 - c * c)
                by_states[i, a] = ds * f
                by_hidden[i, a] = dg * main[2 * i, 1, a] + dc * main[2 * i, 3, a]
                dx = df * main[2 * i, 0, a] + do * main[2 * i, 2, a]
                by_main[2 * i, 0, a] += df * x
                by_main[2 * i, 1, a] += dg * h
                by_main[2 * i, 2, a] += do * x
                by_main[2 * i, 3, a] += dc * h
                by_main[2 * i + 1, 0, a] += df
                by_main[2 * i + 1, 1, a] += dg
                by_main[2 * i + 1, 2, a] += do
                by_main[2 * i + 1, 3, a] += dc
            by_extra[0, a] += dx * sequence[t, a]
    return by_main, by_extra


@loop
def lorenz(start: Any) -> Any:
    n, count, h = start.size, 50, 0.01
    # Every vector has two entries of its other end at each side, so that neighbours need no remainder of the index.
    points = np.empty((count, 4, n + 4))
    x = np.empty(n)
    k, total = np.empty(n), np.empty(n)
    for i in range(n):
        x[i] = start[i]
    for t in range(count):
        for stage in range(4):
            p = points[t, stage]
            step = h if stage == 3 else h / 2
            for i in range(n):
                p[i + 2] = x[i] + step * k[i] if stage > 0 else x[i]
            p[0], p[1], p[n + 2], p[n + 3] = p[n], p[n + 1], p[2], p[3]
            weight = 2.0 if stage == 1 or stage == 2 else 1.0
            for i in range(n):
                k[i] = (p[i + 3] - p[i]) * p[i + 1] - p[i + 2] + 8.0
                total[i] = total[i] + weight * k[i] if stage > 0 else k[i]
        for i in range(n):
            x[i] += h / 6 * total[i]
    g = 2 * x
    c = np.empty(n + 4)
    back, reached = np.zeros(n), np.empty(n)
    for t in range(count - 1, -1, -1):
        for i in range(n):
            reached[i] = g[i]
        for stage in range(3, -1, -1):
            p = points[t, stage]
            weight = h / 3 if stage == 1 or stage == 2 else h / 6
            step = h if stage == 2 else h / 2
            for i in range(n):
                c[i + 2] = weight * reached[i] + step * back[i] if stage < 3 else weight * reached[i]
            c[0], c[1], c[n + 2], c[n + 3] = c[n], c[n + 1], c[2], c[3]
            for i in range(n):
                back[i] = c[i + 1] * p[i] - c[i + 4] * p[i + 3] + c[i + 3] * (p[i + 4] - p[i + 1]) - c[i + 2]
                g[i] += back[i]
    return g


@loop
def logistic(x: Any) -> Any:
    slope = 1.0
    for _ in range(300):
        s, c = math.sin(x), math.cos(x)
        slope *= 1 + 0.01 * (c * (1 - x) - s)
        x += 0.01 * s * (1 - x)
    return slope
