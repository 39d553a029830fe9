"""Programs that check what they are given, in a file whose asserts pytest leaves alone. The `PROGRAMS` fail for -2."""

from __future__ import annotations

import numpy as np


class NotPositive(ValueError):
    def __init__(self, value, *, limit=0):
        super().__init__(f"{value} is not above {limit}")
        self.value = value


def asserted(s):
    assert s > 0, f"s is {s:.2f}, {s!r} or {{s}}"
    return np.log(s)


def bare(s):
    assert s > 0
    return np.log(s)


def guarded(s):
    if s <= 0:
        raise NotPositive(s, limit=0)
    return np.log(s)


def otherwise(s):
    if s > 0:
        y = np.log(s)
    else:
        raise KeyError("s", s)
    return y


def falling_through(s):
    if s > 0:
        return np.log(s)
    raise ValueError("not {positive}")


def chained(s):
    if s > 100:
        raise OverflowError
    elif s > 0:
        return np.log(s)
    else:
        message = f"{s} is too small"
        raise ArithmeticError(message)


class Process:
    def __init__(self, sigma):
        if sigma <= 0:
            raise ValueError("sigma must be positive")
        self.sigma = sigma

    def value(self):
        return np.log(self.sigma)


def constructed(s):
    return Process(s).value()


def validate(s, name):
    if not s > 0:
        raise TypeError(f"{name} is {s}")


def helped(s):
    validate(s, "s")
    return np.log(s)


def refuse(s):
    raise LookupError("refused", s)


def otherwise_helped(s):
    if s > 0:
        y = np.log(s)
    else:
        y = refuse(s)
    return y


def expression(s):
    return np.log(s) if s > 0 else refuse(s)


def operand(s):
    positive = s > 0 or refuse(s)
    return np.log(s) if positive else s


def in_a_loop(s):
    total = 0.0
    for i in range(40):
        total = total + s / 40
        if total < 0:
            raise RuntimeError(f"step {i}: {total:.3f}")
    return np.log(total)


def in_a_while_loop(s):
    x = s
    while x < 4:
        assert x > 0, f"{x} never ends"
        x = 2 * x
    return np.log(x) - np.log(x / s)


def deep(s):
    y = s
    if s < 5:
        for _ in range(3):
            if y < 0:
                if s < -1:
                    raise LookupError(f"{y:+.1f}", True, None, 3)
                y = y - 1
    return np.log(abs(y))


def computed(s):
    xs = np.array([1.0, 2.0]) * s
    if np.any(xs < 0):
        raise ValueError(f"least {np.min(xs)}, {len(xs)} of {xs}")
    return np.log(s)


PROGRAMS = [
    asserted, bare, guarded, otherwise, falling_through, chained, constructed, helped, otherwise_helped, expression,
    operand, in_a_loop, in_a_while_loop, deep, computed,
]  # fmt: skip


def rooted(x):
    y = 0.0 * x
    if x > 0:
        assert x < 3, f"{x} is large"
        if x > 1:
            raise_above(x, 2.5)
        y = np.sqrt(x)
    return y


def raise_above(x, limit):
    if x > limit:
        raise OverflowError(f"{x} of {limit}")


def in_order(x, a):
    assert x[0] > 0, "first"
    b = np.linalg.inv(a)
    if x[1] < 0:
        raise ValueError("second")
    y = x[x[2].astype(int)]
    assert np.all(x > -10), "last"
    return y * b[0, 0]
