"""Try statements under `jit` whose handlers take what an operation raises for values known at run time only."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

import graphad
from graphad.errors import ControlFlowError, GraphadError

GOOD, INDEFINITE, SINGULAR = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros((2, 2))


def jitter(a):
    try:
        low = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        low = np.linalg.cholesky(a + 10 * np.eye(2))
    return np.sum(low)


def jitters(a):
    for k in range(4):
        try:
            low = np.linalg.cholesky(a + (10.0**k - 1) * np.eye(2))
            break
        except np.linalg.LinAlgError:
            continue
    return np.sum(low)


def logarithm(x):
    try:
        return math.log(x) * 2
    except ValueError:
        return -1.0 * x


def as_far_as_it_came(a):
    s = 1.0
    try:
        x = np.linalg.solve(a, np.ones(2))
        s = 2.0
        y = np.linalg.inv(a)
        s = 3.0
    except np.linalg.LinAlgError as error:
        x, y = np.ones(2) * len(str(error)), 3 * a
    else:
        s = s + 1
    return np.sum(x) * s + np.sum(y)


def element(x):
    i = int(x)
    try:
        v = np.arange(3.0)[i] * x
    except IndexError:
        v = 100 * x
    return v


def helper(a):
    return np.linalg.cholesky(a)


def of_a_function(a):
    try:
        low = helper(a)
        return np.sum(low)
    except Exception:
        return 0.0 * np.sum(a) + 7


def kept(x):
    t = 0.0
    for i in range(len(x)):
        try:
            t = t + math.sqrt(x[i])
        except ValueError:
            t = t - x[i]
    return t


def leaves_a_loop(x):
    y = 0.0
    try:
        for i in range(len(x)):
            y = y + math.sqrt(x[i])
    except ValueError:
        y = y + x[0] * 10
    return y


def in_a_test(x):
    try:
        if math.log(x) > 1:
            y = 2.0 * x
        else:
            y = 3.0 * x
    except ValueError:
        y = -x
    finally:
        z = 2.0
    return y * z


def several(x):
    try:
        assert x > 0, "negative"
        y = math.exp(x)
    except AssertionError:
        y = x * 2
    except OverflowError:
        y = x * 3
    return y


def stores(x):
    y = np.zeros(3)
    try:
        y[0] = x
        y[1] = math.log(x)
        y[2] = 3 * x
    except ValueError:
        y[1] = 7 * x
    return np.sum(y * np.array([1.0, 10.0, 100.0]))


def while_loop(x):
    s = 0.0
    while s < 10:
        try:
            s += math.sqrt(x - s) + 1
        except ValueError:
            s += 100.0
    return s * x


def handled_within(a):
    try:
        try:
            return np.sum(np.linalg.inv(a))
        except np.linalg.LinAlgError:
            return np.sum(a) + 5
    except ValueError:
        return np.sum(a)


def listed(x):
    try:
        roots = [math.sqrt(v) for v in x]
    except ValueError:
        roots = [3.0 * v for v in x]
    return sum(roots)


def checked(x, limit=0.0):
    if x <= limit:
        raise KeyError("too small")
    return x * 2


def log(x):
    return math.log(x)


def of_functions(x):
    try:
        y = log(checked(x, limit=-3.0)) + log(x + 1)
    except ValueError:
        y = 3 * x
    except KeyError:
        y = 7 * x
    return y


def fill(y, x):
    y[0] = x
    y[1] += math.log(x)
    y *= 2


def stores_in_a_function(x):
    y = np.ones(3)
    try:
        fill(y, x)
    except ValueError:
        y[2] = 5 * x
    return np.sum(y * np.array([1.0, 10.0, 100.0]))


class Counter:
    def __init__(self, start):
        self.start, self.count = start, 0.0

    def step(self, x):
        self.count += 1
        self.start = self.start + math.log(x)
        self.count += 10


def methods(x):
    counter = Counter(x)
    for i in range(3):
        try:
            counter.step(x - i)
        except ValueError:
            counter.start -= 100
    return counter.start + counter.count * x


def loops_after_what_fails(x):
    def halved(x):
        y = math.sqrt(x)
        while not y < 1e-3:
            y = y / 2
        return y

    try:
        y = halved(x)
    except ValueError:
        y = x
    return y


class Positive:
    def __init__(self, x):
        if x <= 0:
            raise ValueError("not positive")
        self.x = x


def constructs(x):
    try:
        return Positive(x).x * 2
    except ValueError:
        return -x


def known_to_fail(x):
    n = np.zeros(1)
    try:
        assert x < 2
        n[0] += {}["missing"]
    except KeyError:
        n[0] += 100
    except Exception:
        n[0] += 3
    return n[0] * x


def known_to_fail_in_a_branch(x):
    n = np.zeros(1)
    for i in range(2):
        try:
            if x > i:
                n[0] += math.acos(-1.49) + float("none")
        except ValueError:
            n[0] += 100
    return n[0] + x


def positive(x):
    assert x > 3, "too small"
    return math.sqrt(x)


def always_fails(x):
    y = math.exp(x)
    try:
        y += positive(2.0) * x
    except AssertionError:
        y += 100
    return y


ROWS = np.array([1.0, -2.0, 4.0])
CASES = [
    (jitter, (GOOD, INDEFINITE)), (jitters, (GOOD, INDEFINITE)), (logarithm, (2.0, -2.0)),
    (as_far_as_it_came, (GOOD, SINGULAR)), (element, (1.5, 7.5)),
    (kept, (np.abs(ROWS), ROWS)), (leaves_a_loop, (np.abs(ROWS), ROWS)), (in_a_test, (2.0, 9.0, -1.0)),
    (several, (2.0, -1.0, 1e4)), (while_loop, (3.0, -1.0)),
    (handled_within, (GOOD, SINGULAR)), (of_a_function, (GOOD, INDEFINITE)), (stores, (2.0, -2.0)),
    (of_functions, (2.0, -0.5, -2.0, -4.0)), (stores_in_a_function, (2.0, -2.0)), (methods, (6.3, 1.4, -2.0)),
    (loops_after_what_fails, (2.0, -2.0)), (constructs, (2.0, -2.0)), (known_to_fail, (1.0, 3.0)),
    (known_to_fail_in_a_branch, (-1.0, 0.5, 3.0)), (always_fails, (2.0, -2.0)),
    # A comprehension is a function of its own before Python 3.12, and its code cannot be left for a handler.
    *([(listed, (np.abs(ROWS), ROWS))] if sys.version_info >= (3, 12) else []),
]  # fmt: skip


@pytest.mark.parametrize(("f", "xs"), CASES, ids=[f.__name__ for f, _ in CASES])
def test_handlers_run_where_an_operation_raises(executor, f, xs):
    jitted, gradient = graphad.jit(f), graphad.jit(graphad.grad(f))
    for x in xs:
        assert np.allclose(jitted(x), f(x))
        if executor != "numba":
            assert np.allclose(gradient(x), graphad.grad(f)(x))


@pytest.mark.parametrize(("f", "xs"), CASES, ids=[f.__name__ for f, _ in CASES])
def test_each_example_takes_its_own_handler(f, xs):
    batch = np.array(xs)
    assert np.allclose(graphad.jit(graphad.vmap(f))(batch), [f(x) for x in xs])
    gradients = [graphad.grad(f)(x) for x in xs]
    assert np.allclose(graphad.jit(graphad.vmap(graphad.grad(f)))(batch), gradients)


def in_with(a):
    try:
        with np.errstate(all="ignore"):
            return np.sum(np.linalg.inv(a))
    except np.linalg.LinAlgError:
        return np.sum(a)


def in_a_loop_of_a_function(x, n):
    total = 0.0
    for i in range(n):
        total += math.sqrt(x[i])
    return total


def around(x):
    try:
        return in_a_loop_of_a_function(x, int(x[0]))
    except ValueError:
        return 0.0


def asks(x):
    try:
        return math.sqrt(x)
    except ValueError as error:
        return len(str(error)) * x


def changes_a_list(x):
    taken = [1.0]
    try:
        y = math.log(x) + taken.pop()
    except ValueError:
        y = x
    return y + len(taken)


def appended(taken, x):
    taken.append(x)
    return x


def changes_a_list_in_a_function(x):
    taken = []
    try:
        y = math.log(x) + appended(taken, x)
    except ValueError:
        y = x
    return y + len(taken)


def known_to_fail_in_an_expression(x):
    try:
        y = x if x > 0 else x * float("none")
    except ValueError:
        y = 100.0
    return y


ELSEWHERE = [
    (known_to_fail_in_an_expression, 2.0),
    (in_with, GOOD), (around, ROWS), (asks, 2.0), (changes_a_list, 2.0), (changes_a_list_in_a_function, 2.0),
]  # fmt: skip
if sys.version_info < (3, 12):
    ELSEWHERE.append((listed, ROWS))


@pytest.mark.parametrize(("f", "x"), ELSEWHERE, ids=[f.__name__ for f, _ in ELSEWHERE])
def test_other_places_are_refused(f, x):
    with pytest.raises(ControlFlowError, match="handle") as caught:
        graphad.jit(f)(x)
    assert "test_handlers.py:" in str(caught.value)


def test_callbacks_are_refused():
    def f(x):
        try:
            return graphad.pure_callback(np.sin, graphad.ShapeDtype((), float), x)
        except ValueError:
            return x

    with pytest.raises(GraphadError, match="handle"):
        graphad.jit(f)(1.0)
